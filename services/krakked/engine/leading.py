"""Ownership in a run: the lease before the venue, the epoch before the first call, release last.

What ``trading/ownership.py`` wants done is done here: by the stages of the start as long as they
go on, and afterwards, when a fenced or frozen engine goes on, beside the running engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import msgspec

from krakked.adapters.kraken.nonces import EPOCH_MAX, Nonces
from krakked.adapters.kraken.transport import Call
from krakked.domain.commands import Command, Reply, Shutdown, Status, Unfence
from krakked.domain.errors import (
    Ambiguous,
    Fenced,
    OwnershipEnded,
    Permanent,
    Refused,
    Transient,
)
from krakked.domain.events import Event, EventName
from krakked.domain.instants import Instant
from krakked.domain.leadership import Leadership
from krakked.domain.times import NS_PER_SECOND
from krakked.engine import translating
from krakked.engine.given import Given
from krakked.engine.keys import HOW_TO_UNFENCE
from krakked.engine.lease_edges import OwnLease
from krakked.engine.measuring import MeasuredLeases
from krakked.ports.lease_store import LeaseEventKind
from krakked.ports.ledger import Ledger
from krakked.runtime.lease_timings import timings_of
from krakked.runtime.version import version
from krakked.trading import owning
from krakked.trading.guard import Guard
from krakked.trading.owner import Owner
from krakked.trading.owning import (
    Action,
    Begin,
    DeadManTaken,
    Drained,
    EpochRecorded,
    Fence,
    NonceRefused,
    OursFound,
    Phase,
    Reconcile,
    Reconciled,
    RecordEpoch,
    State,
    StopAsked,
    TakeDeadMan,
    Tell,
)
from krakked.trading.timings import Timings, replay

if TYPE_CHECKING:
    from krakked.trading.engine import Engine

ORDERING: Final = ("AddOrder", "AmendOrder", "EditOrder")
CANCELLING: Final = ("CancelOrder", "CancelAll")
RETRY_S: Final = 1.0
RELEASE_S: Final = 12.0
"""Longer than the owner itself tries to release."""
FENCED: Final = (
    "nothing was done, for the account is fenced ({}): the venue takes nothing from here as long "
    "as a newer owner has it; command that one, or start an engine and let it go on with "
    "`krakked unfence`"
)
QUARANTINE: Final = "the end of the quarantine: orders of the owner before may still arrive"
WAITING: Final = "this engine does not trade yet: {}"


class Leading:
    """One run's ownership, from candidate to release."""

    def __init__(self, given: Given, tell: Callable[[Event], None]) -> None:
        self._given = given
        self._tell = tell
        self._ledger: Ledger | None = None
        self._nonces: Nonces | None = None
        self._armed: Engine | None = None
        """From the first call of the dead-man on."""
        self._engine: Engine | None = None
        """From when it stands on."""
        self._todo: asyncio.Queue[Action] = asyncio.Queue()
        self._look_again = asyncio.Event()
        self._sits_out = False
        self._owner: Owner | None = None
        self.leadership: Leadership | None = None

    def __repr__(self) -> str:
        return f"<Leading {self._owner}>"

    @property
    def owner(self) -> Owner:
        """Once it competes."""
        assert self._owner is not None, "nobody competes before the ledger is open"
        return self._owner

    @property
    def state(self) -> State | None:
        """None before it competes."""
        return None if self._owner is None else self._owner.state

    def waits_for(self) -> str:
        """What a stage waits for, if it is the lease, or what an owner before may have sent."""
        state = self.state
        if state is None:
            return ""
        if state.phase is Phase.FENCED:
            return f"a person: fenced ({state.fenced_by}); `krakked unfence` ({HOW_TO_UNFENCE})"
        if state.phase in (Phase.CANDIDATE, Phase.FROZEN):
            holder = "" if state.record is None else state.record.holder
            return f"the lease, held by {holder}" if holder else "the lease"
        return QUARANTINE if self._sits_out or state.waits_for_quarantine else ""

    # before the venue

    async def compete(self, ledger: Ledger) -> None:
        """Be a candidate from now on; :meth:`run` must be running."""
        given = self._given
        known = await ledger.write(lambda tx: tx.leadership())
        self._ledger = ledger
        epoch = 0 if known is None else known.epoch
        edges = given.leases
        timings = paced(given)
        store = edges.store(
            given.settings, given.places, given.clock, timings, is_first=known is None
        )
        me = msgspec.structs.replace(
            edges.me(given.clock),
            account=translating.fingerprint_of(given.settings),
            program=version(),
        )
        store = MeasuredLeases(store, given.clock, self._measure_renewal)
        self._owner = Owner(
            store,
            me,
            timings,
            elapsed=edges.elapsed(given.clock),
            watchdog=edges.watchdog(),
            listen=self._listen,
        )
        self._owner.on_phase = self._count_phase
        self._store = store
        self._owner.note(Begin(ledger_epoch=epoch))

    async def run(self) -> None:
        """Keep the lease until the end of the run; raises when the account is another's."""
        try:
            async with asyncio.TaskGroup() as group:
                doing = group.create_task(self._do_what_is_to_do(), name="ownership")
                await self.owner.run()
                doing.cancel()
        except ExceptionGroup as failed:
            # What ends the engine is the failure itself, with its exit code.
            raise failed.exceptions[0] from failed
        await asyncio.Event().wait()

    async def acquired(self, *, waits_for_person: bool = True) -> int:
        """Wait for the lease, and for the epoch to be durable; the epoch.

        Raises:
            Refused: it is fenced, and nobody shall be waited for.
        """
        fenced = () if waits_for_person else (Phase.FENCED,)
        state = await self.owner.wait_for(Phase.FENCING, *fenced)
        if state.phase is Phase.FENCED:
            raise Refused(FENCED.format(state.fenced_by))
        return state.epoch

    def guard_nonces(self, nonces: Nonces) -> None:
        """Every call carries the epoch from now on."""
        self._nonces = nonces
        nonces.enter_epoch(self.owner.state.epoch)

    def _measure_renewal(self, seconds: float, failure: str | None) -> None:
        """A candidate's tries to take the lease are no renewals."""
        if self.owner.state.phase in owning.HOLDING:
            self._given.metrics.observe_renewal(seconds, failure)

    def _count_phase(self, before: Phase, phase: Phase) -> None:
        self._given.metrics.note_phase(before.value, phase.value)

    def permit(self, call: Call) -> str | None:
        """Why that call must not be written to the socket now."""
        refusal = self._refusal(call)
        if refusal is not None:
            self._given.metrics.count_veto(self.owner.authority.veto_reason.value)
        return refusal

    def _refusal(self, call: Call) -> str | None:
        authority = self.owner.authority
        if call.method in ORDERING:
            return authority.refusal_of_order()
        if call.method in CANCELLING:
            return authority.refusal_of_cancel()
        return authority.refusal()

    # with the venue

    def watch(self, guard: Guard) -> None:
        """The submit guard asks the lease, and tells it what the venue says."""
        guard.authority = self.owner.authority
        guard.on_veto = lambda reason: self._given.metrics.count_veto(reason.value)
        guard.on_fenced = lambda words: self.owner.note(NonceRefused(reason=words))
        self._guard = guard
        self._tell_guard()

    def _tell_guard(self) -> None:
        """Of what the ledger missed; also when a person lets a running engine own again."""
        if not hasattr(self, "_guard"):
            return
        self._guard.needs_acknowledgement = self._needs_acknowledgement()
        self._guard.was_behind = self.leadership is not None and self.leadership.is_restored

    async def found_ours(self) -> None:
        """The account has orders of ours that the ledger never heard of: go on in a later epoch.

        The lease knew of no owner before us, for it was lost with the ledger or is another one. So
        that owner may live, in the very epoch that we are in: the venue must tell us apart.
        """
        assert self.leadership is not None, "the account is ours before anybody looks into it"
        assert self._ledger is not None
        restored = msgspec.structs.replace(self.leadership, is_restored=True)
        await self._ledger.write(lambda tx: tx.save_leadership(restored))
        self.leadership = restored
        self._tell_guard()
        owner, before = self.owner, self.owner.state.epoch
        while owner.state.epoch == before:
            await owner.wait_for(*owning.WORKING)
            owner.note(OursFound())
            await owner.wait_for(Phase.RECONCILING)

    def _needs_acknowledgement(self) -> bool:
        return self.leadership is not None and self.leadership.needs_acknowledgement

    async def end_early(self, error: BaseException | None) -> None:
        """The start failed or was broken off: nothing of ours is under way, so it is let go.

        A refused nonce is on the lease then, so that no start after us takes a higher epoch.
        """
        if isinstance(error, Fenced):
            self.owner.note(NonceRefused(reason=error.code or str(error)))
        await self.release()

    def took_dead_man(self, engine: Engine) -> None:
        """The first fenced call was answered; a later epoch's is made beside what goes on."""
        self._armed = engine
        self.owner.note(DeadManTaken())

    async def sit_out_quarantine(self) -> None:
        """Wait until no order of the owner before can come to rest any more."""
        owner = self.owner
        self._sits_out = True
        try:
            while (left_ns := owner.state.quarantine_left_ns(owner.elapsed.now())) > 0:
                await self._given.clock.sleep(left_ns / NS_PER_SECOND)
        finally:
            self._sits_out = False

    def begin_look(self) -> Instant:
        """The books are compared from now on."""
        self._look_again.clear()
        return self.owner.elapsed.now()

    async def settle(self, looked_at: Instant, look: Callable[[], Awaitable[None]]) -> None:
        """The books agree since ``looked_at``; once more after a quarantine, then we lead."""
        self.owner.note(Reconciled(began_at=looked_at))
        while not self._is_leading():
            await self._look_again.wait()
            began_at = self.begin_look()
            await look()
            self.owner.note(Reconciled(began_at=began_at))

    def _is_leading(self) -> bool:
        return self.owner.state.phase is Phase.LEADING

    def stands(self, engine: Engine) -> None:
        """From here on what is to be done is done beside the running engine."""
        self._engine = engine

    async def acknowledge(self, principal: str) -> bool:
        """A person has looked at what the ledger did not know; whether there was anything."""
        leadership = self.leadership
        if leadership is None or not leadership.needs_acknowledgement:
            return False
        assert self._ledger is not None
        seen = msgspec.structs.replace(
            leadership,
            acknowledged_at_ns=self._given.clock.now_ns(),
            acknowledged_by=principal,
        )
        await self._ledger.write(lambda tx: tx.save_leadership(seen))
        self.leadership = seen
        self._guard.needs_acknowledgement = False
        return True

    # the end

    def drain(self) -> None:
        """Nothing that adds risk is sent from now on; the lease is kept."""
        if self._owner is not None:
            self._owner.note(StopAsked())

    async def release(self) -> None:
        """Let go of the lease, all work being done."""
        if self._owner is None or self._owner.state.is_over:
            return
        self._owner.note(StopAsked())
        self._owner.note(Drained())
        try:
            async with asyncio.timeout(RELEASE_S * self._given.pace.patience):
                await self._owner.wait_for(Phase.RELEASED)
        except (TimeoutError, OwnershipEnded) as error:
            self._say(f"the lease was not released: {error}")

    async def close(self) -> None:
        """Let go of files and connections."""
        if self._owner is not None:
            await self._store.close()

    # what the owner's state wants done

    def _listen(self, action: Action, state: State) -> None:
        match action:
            case Tell(kind=LeaseEventKind.FENCED, reason=reason) if state.fence is Fence.VENUE:
                self._say(reason, EventName.EXCHANGE_FENCED)
            case Tell(reason=reason):
                self._say(reason)
            case RecordEpoch() | TakeDeadMan():
                self._todo.put_nowait(action)
            case Reconcile():
                self._look_again.set()
                self._todo.put_nowait(action)
            case _:
                pass
        if state.phase is Phase.LEADING:
            # Also when authority ran out in the very step that led, and came back.
            self._look_again.set()
        if hasattr(self, "_guard"):
            is_fenced = state.phase is Phase.FENCED
            self._guard.keep_fenced(state.fenced_by if is_fenced else None)

    def _say(self, words: str, name: EventName = EventName.NOTICE) -> None:
        at_ns = self._given.clock.now_ns()
        self._tell(Event(name=name, at_ns=at_ns, fields={"reason": words}))

    async def _do_what_is_to_do(self) -> None:
        while True:
            match await self._todo.get():
                case RecordEpoch() as record:
                    await self._record(record)
                case TakeDeadMan():
                    await self._take_dead_man()
                case Reconcile():
                    await self._reconcile()
                case _:
                    pass

    async def _record(self, record: RecordEpoch) -> None:
        ledger, clock = self._ledger, self._given.clock
        assert ledger is not None
        before = await ledger.write(lambda tx: tx.leadership())
        if before is None or before.epoch < record.epoch:
            is_unseen = before is not None and before.needs_acknowledgement
            leadership = Leadership(
                epoch=record.epoch,
                holder=self.owner.state.me.holder,
                acquired_at_ns=clock.now_ns(),
                is_unclean=record.is_unclean,
                is_restored=record.is_restored or is_unseen,
            )
            await ledger.write(lambda tx: tx.save_leadership(leadership))
            before = leadership
        self.leadership = before
        self._tell_guard()
        if self._nonces is not None:
            self._nonces.enter_epoch(record.epoch)
        self.owner.note(EpochRecorded(epoch=record.epoch))

    async def _take_dead_man(self) -> None:
        """Once the stage of the start that does it is over."""
        engine = self._armed
        while engine is not None and self.owner.state.phase is Phase.FENCING:
            if engine.desk.rules.dead_man_timeout_s is None or await engine.dead_man.refresh():
                self.owner.note(DeadManTaken())
                return
            await self._given.clock.sleep(RETRY_S)

    async def _reconcile(self) -> None:
        engine = self._engine
        while engine is not None and self.owner.state.phase is Phase.RECONCILING:
            began_at = self.owner.elapsed.now()
            try:
                await engine.reconciler.reconcile()
            except (Transient, Ambiguous, Permanent):
                await self._given.clock.sleep(RETRY_S)
                continue
            self.owner.note(Reconciled(began_at=began_at))
            return

    # commands to an engine that waits

    async def handle_waiting(self, command: Command, stop: Callable[[], None]) -> Reply:
        """What an engine can do before it owns anything."""
        command_id = command.command_id
        if isinstance(command, Status):
            return Reply(command_id=command_id, ok=True, message="", data=self.figures())
        if isinstance(command, Shutdown):
            stop()
            return Reply(command_id=command_id, ok=True, message="stopping")
        if isinstance(command, Unfence):
            ok, words = self.unfence(command)
            return Reply(command_id=command_id, ok=ok, message=words)
        phase = self.owner.state.phase.value
        return Reply(command_id=command_id, ok=False, message=WAITING.format(phase))

    def unfence(self, command: Unfence) -> tuple[bool, str]:
        """A person lets a fenced engine go on; whether it was fenced, and words."""
        if self.owner.state.phase is not Phase.FENCED:
            return False, f"this engine is not fenced: {self.owner.state.phase.value}"
        if command.epoch > EPOCH_MAX:
            return False, f"there is no epoch {command.epoch}: {EPOCH_MAX} at most"
        self.owner.note(owning.Unfence(principal=command.principal, at_least=command.epoch))
        state = self.owner.state
        return (
            True,
            f"unfenced: it takes epoch {max(state.epoch + 1, state.unfence_at_least)}, or later",
        )

    def figures(self) -> dict[str, object]:
        """How ownership stands, for people and probes."""
        state = self.state
        if state is None:
            return {"ready": False, "ownership": Phase.STARTING.value, "epoch": 0}
        return {
            "ready": False,
            "ownership": state.phase.value,
            "epoch": state.epoch,
            "fenced": state.fenced_by or None,
            "needs_acknowledgement": self._needs_acknowledgement(),
            "lease_holder": None if state.record is None else state.record.holder,
            "authority_s": round(self.owner.authority.remaining_s(), 1),
        }

    def shown(self) -> Ownership:
        """The same for gauges."""
        state = self.owner.state
        return Ownership(
            is_leader=state.phase is Phase.LEADING,
            epoch=state.epoch,
            last_renew_ns=0 if state.record is None else state.record.renewed_at_ns,
            authority_s=self.owner.authority.remaining_s(),
        )


class Ownership(msgspec.Struct, frozen=True, kw_only=True):
    """How ownership stands at one moment."""

    is_leader: bool
    epoch: int
    last_renew_ns: int
    authority_s: float


def paced(given: Given) -> Timings:
    """The contract at the run's pace: what the machine needs stays real time."""
    if isinstance(given.leases, OwnLease):
        return replay(3600)
    timings = timings_of(given.settings)
    factor = given.pace.factor
    if factor == 1:
        return timings
    return msgspec.structs.replace(
        timings,
        lease_duration_s=int(timings.lease_duration_s * factor),
        renew_deadline_s=timings.renew_deadline_s * factor,
        retry_period_s=timings.retry_period_s * factor,
        request_timeout_s=timings.request_timeout_s * factor,
        margin_s=timings.margin_s * factor,
        quarantine_s=timings.quarantine_s * factor,
        release_s=timings.release_s * factor,
    )
