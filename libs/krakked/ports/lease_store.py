"""The lease: one small record on which candidates agree who owns the account.

A store keeps one record and replaces it only for who has seen its newest version (compare and
swap). It has no opinion: who may take, renew or release is decided in ``trading/ownership.py``.
Nobody creates the record here: a lease that is gone is a person's doing, and a person's to mend.

Each call ends within the store's own time-out, on the time line of the clock it was made with; a
call that ran into it may have been done all the same (``LeaseUnreachable``).
"""

from __future__ import annotations

import enum
from typing import Protocol

import msgspec

from krakked.domain.errors import KrakkedError, Transient
from krakked.domain.times import NS_PER_SECOND


class LeaseUnreachable(Transient):
    """No answer that says whether it was done: read again after a while."""


class LeaseConflict(KrakkedError):
    """The record was replaced since it was read: read again, then decide anew."""


class LeaseMissing(KrakkedError):
    """There is no such lease: stop acting, tell a person; it is never created anew."""


class LeaseRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the lease says, whichever store it is in."""

    holder: str = ""
    """``<pod>_<uid of the pod>_<process>``; empty: nobody."""
    duration_s: int = 15
    """How long a candidate must see this record unchanged before it may take it: by what the
    record says, not by the candidate's own settings."""
    acquired_at_ns: int = 0
    renewed_at_ns: int = 0
    transitions: int = 0
    """How often the holder changed; begins anew with a lease that was deleted."""
    epoch: int = 0
    """``krakked.io/epoch``: of the newest owner."""
    released_epoch: int | None = None
    """``krakked.io/released``: the epoch whose owner let go by itself, all its work done."""
    account: str = ""
    """``krakked.io/account-fp``: which account this lease is about."""
    program: str = ""
    """``krakked.io/version``: of the newest owner's krakked."""
    fenced: str = ""
    """``krakked.io/fenced``: why nobody may trade; a person's ``true``, or an engine's words."""
    unfence: int | None = None
    """``krakked.io/unfence``: a person lets this epoch, found fenced, go on."""
    uid: str = ""
    """Of the lease itself: another one by the same name is another lease."""
    version: str = ""
    """Opaque; a replacement is refused unless it carries the newest."""
    is_local: bool = False
    """The store is of one volume, so that the ledger beside it knows every epoch."""
    is_abandoned: bool = False
    """The store can prove that the process of the holder is gone (its file lock is free)."""

    @property
    def duration_ns(self) -> int:
        """The duration in nanoseconds."""
        return self.duration_s * NS_PER_SECOND

    @property
    def knows_epochs(self) -> bool:
        """Whether it can tell which epochs there were; a first lease can: none."""
        return self.epoch > 0 or self.released_epoch == 0

    @property
    def is_released(self) -> bool:
        """Nobody holds it, and who held it last said that all is done."""
        return not self.holder and self.released_epoch == self.epoch


class LeaseEventKind(enum.Enum):
    """What is worth an event beside the lease."""

    LEADER_ELECTED = "LeaderElected"
    LEADER_LOST = "LeaderLost"
    FENCED = "Fenced"
    DEAD_MAN_FIRED = "DeadManFired"


class LeaseEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Told beside the lease, for people who watch it."""

    kind: LeaseEventKind
    reason: str
    holder: str
    at_ns: int


class LeaseStore(Protocol):
    """Keeps the lease; calls of one store go one at a time."""

    async def read(self) -> LeaseRecord:
        """The newest record.

        Raises:
            LeaseUnreachable, LeaseMissing: see there.
        """
        ...

    async def replace(self, record: LeaseRecord) -> LeaseRecord:
        """Put ``record`` in the place of the one with its version; as it is kept now.

        Raises:
            LeaseUnreachable: perhaps done, perhaps not.
            LeaseConflict, LeaseMissing: certainly not done.
        """
        ...

    async def announce(self, event: LeaseEvent) -> None:
        """Tell it where the store tells such things.

        Raises:
            LeaseUnreachable: it was not told.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and locks; doing it twice does it once."""
        ...
