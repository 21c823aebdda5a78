"""The words of ownership: phases, what is observed, what is to be done, and the state between.

``trading/ownership.py`` is the function over these; ``trading/owner.py`` acts by it. The table of
both is ``docs/ownership.md``.
"""

from __future__ import annotations

import enum
from typing import Final, TypeAlias

import msgspec

from krakked.domain.instants import Instant
from krakked.ports.lease_store import LeaseEventKind, LeaseRecord
from krakked.trading.timings import DEFAULT, Timings


class Phase(enum.Enum):
    """Where a process is on its way to owning the account, and back."""

    STARTING = "starting"
    """Checks itself; nothing is asked yet."""
    CANDIDATE = "candidate"
    """Waits for the lease."""
    ACQUIRED = "acquired"
    """Has the lease; the epoch is not in its ledger yet, so nothing may be asked of the venue."""
    FENCING = "fencing"
    """Takes the dead-man timer over, which fences the epoch before."""
    RECONCILING = "reconciling"
    """Compares the books; after an unclean takeover also sits out the quarantine."""
    LEADING = "leading"
    """Trades."""
    FROZEN = "frozen"
    """Nobody can say whether it still owns: nothing is sent, everything is kept, asked again."""
    DRAINING = "draining"
    """Stops: lets what is under way end, then lets go of the lease."""
    FENCED = "fenced"
    """Up, unready, holding the lease, trading nothing until a person says so."""
    RELEASED = "released"
    """Done; the lease is free."""
    PREEMPTED = "preempted"
    """Another one is the owner."""
    HUNG = "hung"
    """It stood still past the moment at which others may own: it must end."""
    LEDGER_LOST = "ledger lost"
    """The database cannot be trusted or written."""
    MISCONFIGURED = "misconfigured"
    """A person must mend something first."""


HOLDING: Final = (
    Phase.ACQUIRED,
    Phase.FENCING,
    Phase.RECONCILING,
    Phase.LEADING,
    Phase.FROZEN,
    Phase.DRAINING,
    Phase.FENCED,
)
"""Phases in which the lease is (or was, as far as we know) ours."""
WORKING: Final = (Phase.ACQUIRED, Phase.FENCING, Phase.RECONCILING, Phase.LEADING)
"""Phases that a loss of authority freezes."""
EXIT_CODES: Final = {
    Phase.RELEASED: 0,
    Phase.PREEMPTED: 70,
    Phase.HUNG: 72,
    Phase.LEDGER_LOST: 73,
    Phase.MISCONFIGURED: 78,
}
"""The ends, by their row of ``docs/exit-codes.md``."""


class Fence(enum.Enum):
    """Who said that nothing may be traded."""

    VENUE = "venue"
    """It saw a higher nonce: a newer owner exists somewhere."""
    PERSON = "person"
    """An annotation on the lease."""


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Who this process is, as the lease names it."""

    pod: str
    uid: str
    """Of the pod, or of what stands for it: the same after a restart of its container."""
    process: str
    """Of this process alone."""
    account: str = ""
    program: str = ""

    @property
    def holder(self) -> str:
        """``<pod>_<uid>_<process>``."""
        return f"{self.pod}_{self.uid}_{self.process}"

    def was(self, holder: str) -> bool:
        """Whether that holder was an earlier process of the same pod: it is certainly dead."""
        return holder != self.holder and holder.rpartition("_")[0] == f"{self.pod}_{self.uid}"


class Call(enum.Enum):
    """A call to the lease that is under way."""

    READ = "read"
    TAKE = "take"
    RENEW = "renew"
    UNFENCE = "unfence"
    RELEASE = "release"


# ------------------------------------------------------------------------------ observations


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The configuration holds and the ledger is open."""

    ledger_epoch: int
    """The newest epoch that it knows; 0: it knows none."""


class Read(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The lease, as it is kept."""

    record: LeaseRecord


class Written(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A replacement was taken."""

    record: LeaseRecord
    sent_at: Instant
    """When it was sent: authority counts from then, however late the answer came."""


class Conflict(msgspec.Struct, frozen=True, tag=True):
    """A replacement was refused: somebody replaced the record before."""


class Missing(msgspec.Struct, frozen=True, tag=True):
    """There is no lease by that name."""


class Unreachable(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """No answer to the last call."""

    reason: str = ""


class Tick(msgspec.Struct, frozen=True, tag=True):
    """Time has passed."""


class EpochRecorded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """It is durable in the ledger."""

    epoch: int


class DeadManTaken(msgspec.Struct, frozen=True, tag=True):
    """The first fenced call of this epoch was answered: older epochs can do nothing any more."""


class Reconciled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The books agree with the venue's."""

    began_at: Instant
    """When the comparison began to ask the venue."""


class NonceRefused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The venue refused a nonce on the trade key: it has seen a newer owner."""

    reason: str


class Unfence(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A person lets a fenced engine go on, with a later epoch."""

    principal: str
    at_least: int = 0
    """An epoch that the new one must reach: the venue may have seen more than we know. 0: no person
    said, so it leaps where the venue raised the fence."""


class OursFound(msgspec.Struct, frozen=True, tag=True):
    """The account has orders of krakked's that neither ledger nor lease ever heard of."""


class StopAsked(msgspec.Struct, frozen=True, tag=True):
    """SIGTERM, or a person's command."""


class Drained(msgspec.Struct, frozen=True, tag=True):
    """Nothing of ours is under way, and everything is on record."""


class LedgerBroken(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The database is damaged or cannot be written."""

    reason: str


class ConfigurationWrong(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that a person wrote cannot be used."""

    reason: str


Observation: TypeAlias = (
    Begin
    | Read
    | Written
    | Conflict
    | Missing
    | Unreachable
    | Tick
    | EpochRecorded
    | DeadManTaken
    | Reconciled
    | NonceRefused
    | Unfence
    | OursFound
    | StopAsked
    | Drained
    | LedgerBroken
    | ConfigurationWrong
)

# ------------------------------------------------------------------------------ actions


class ReadLease(msgspec.Struct, frozen=True, tag=True):
    """Ask for the record; answered by Read, Missing or Unreachable."""


class WriteLease(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Replace the record; answered by Written, Conflict, Missing or Unreachable."""

    record: LeaseRecord


class RecordEpoch(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Make the epoch durable in the ledger; answered by EpochRecorded."""

    epoch: int
    is_unclean: bool
    """Nobody can say what the owner before has under way."""
    is_restored: bool
    """The ledger is older than the lease: others traded what it does not know."""


class TakeDeadMan(msgspec.Struct, frozen=True, tag=True):
    """Wind the dead-man switch up; answered by DeadManTaken or NonceRefused."""


class Reconcile(msgspec.Struct, frozen=True, tag=True):
    """Compare the books from now on; answered by Reconciled."""


class Drain(msgspec.Struct, frozen=True, tag=True):
    """Submit nothing more and let end what is under way; answered by Drained."""


class ArmWatchdog(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """End this process by force once so much has passed for certain."""

    at_least_ns: int


class DisarmWatchdog(msgspec.Struct, frozen=True, tag=True):
    """It stands still on purpose, or is done."""


class Tell(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Say it to people: an event beside the lease if it has a kind, and a line in the log."""

    reason: str
    kind: LeaseEventKind | None = None


class Exit(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """End the process, after what is in memory for the journal is on disk."""

    code: int
    reason: str


Action: TypeAlias = (
    ReadLease
    | WriteLease
    | RecordEpoch
    | TakeDeadMan
    | Reconcile
    | Drain
    | ArmWatchdog
    | DisarmWatchdog
    | Tell
    | Exit
)
Step: TypeAlias = tuple["State", tuple[Action, ...]]


# ------------------------------------------------------------------------------ state


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the next step depends on."""

    me: Me
    timings: Timings = DEFAULT
    phase: Phase = Phase.STARTING
    resume: Phase = Phase.STARTING
    """Where a frozen owner goes on."""
    call: Call | None = None
    """The one call to the lease that has no answer yet."""
    called_least_ns: int = 0
    """When it was sent."""
    next_call_least_ns: int = 0
    """When the lease is looked at or renewed again."""
    record: LeaseRecord | None = None
    """The newest that we know."""
    seen_since_least_ns: int = 0
    """Since when a candidate knows the record unchanged."""
    ledger_epoch: int = 0
    epoch: int = 0
    """Ours; 0: none."""
    lease_uid: str = ""
    """Of the lease that we took."""
    is_unclean: bool = False
    is_restored: bool = False
    silent_ns: int = 0
    """How long nothing was heard of the owner before when the lease was taken from it; 0: it let
    go, or may have worked until a moment before."""
    authority_until_ns: int = 0
    """By what may have passed at most; 0: none."""
    watchdog_least_ns: int | None = None
    quarantine_until_least_ns: int = 0
    waits_for_quarantine: bool = False
    """The books agree, and will be looked at once more when it is over."""
    fence: Fence | None = None
    fenced_by: str = ""
    wants_unfence: bool = False
    """A person lets it go on; the next write takes the next epoch."""
    unfence_at_least: int = 0
    is_drained: bool = False
    release_until_least_ns: int | None = None
    was_release_sent: bool = False
    is_missing_told: bool = False
    exit_reason: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing will ever happen any more."""
        return self.phase in EXIT_CODES

    @property
    def exit_code(self) -> int | None:
        """How the process ends; None while it goes on."""
        return EXIT_CODES.get(self.phase)

    @property
    def may_ask_venue(self) -> bool:
        """Whether the epoch is where it must be before the venue hears of it.

        Who is told to stop may have the next epoch on the lease, and not yet in its ledger.
        """
        asking = (Phase.FENCING, Phase.RECONCILING, Phase.LEADING, Phase.DRAINING)
        return self.phase in asking and self.ledger_epoch == self.epoch

    def holds(self, now: Instant, *, margin_ns: int = 0) -> bool:
        """Whether we own the account for certain, ``margin_ns`` from now on as well."""
        return now.most_ns < self.authority_until_ns - margin_ns

    def quarantine_left_ns(self, now: Instant) -> int:
        """How long an order of the owner before may still come to rest; 0: it cannot."""
        if not self.is_unclean:
            return 0
        return max(0, self.quarantine_until_least_ns - now.least_ns)

    def wake_least_ns(self, now: Instant) -> int | None:
        """When it wants the next Tick, if nothing is observed before; None: never."""
        if self.is_over or self.phase is Phase.STARTING:
            return None
        moments = [] if self.call is not None else [self.next_call_least_ns]
        if self.phase in WORKING:
            left_ns = self.authority_until_ns - now.most_ns
            moments.append(now.least_ns + max(0, left_ns))
        if self.waits_for_quarantine:
            moments.append(self.quarantine_until_least_ns)
        return min(moments, default=None)
