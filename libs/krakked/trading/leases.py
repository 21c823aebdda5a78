"""What is written into the lease: taking, renewing, lifting a fence, letting go."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from krakked.domain.instants import Instant
from krakked.ports.lease_store import LeaseRecord
from krakked.trading.owning import Fence, Phase, State

RELEASED_DURATION_S = 1
"""Of a lease that nobody holds: whoever sees it need not wait."""
LEAP: Final = (100, 999)
"""How many epochs further one goes on who learns from the venue of an owner that his lease does not
know: far enough to be above that one, and by holder, so that two who leap do not land together."""
PERSONS_LEAP: Final = (1_000, 1_999)
"""The same for whom a person lets go on: above one who has leapt by himself."""


def next_epoch(record: LeaseRecord, ledger_epoch: int) -> int:
    """Above every one that lease or ledger has heard of; either of them may be lost or new."""
    return 1 + max(record.epoch, record.transitions, ledger_epoch)


def leap(state: State, span: tuple[int, int]) -> int:
    """The least epoch for who goes on against an owner that his lease does not know."""
    least, most = span
    digest = hashlib.sha256(state.me.holder.encode()).digest()
    return state.epoch + least + int.from_bytes(digest[:4]) % (most - least + 1)


def taking(state: State, record: LeaseRecord, now: Instant) -> LeaseRecord:
    """The lease in our hands, the epoch in the same write."""
    return msgspec.structs.replace(
        record,
        holder=state.me.holder,
        duration_s=state.timings.lease_duration_s,
        acquired_at_ns=now.wall_ns,
        renewed_at_ns=now.wall_ns,
        transitions=record.transitions + 1,
        epoch=next_epoch(record, state.ledger_epoch),
        released_epoch=None,
        account=state.me.account or record.account,
        program=state.me.program or record.program,
        is_abandoned=False,
    )


def renewing(state: State, record: LeaseRecord, now: Instant) -> LeaseRecord:
    """The same for another while, with the epoch, should somebody have removed it."""
    return msgspec.structs.replace(
        record,
        holder=state.me.holder,
        duration_s=state.timings.lease_duration_s,
        renewed_at_ns=now.wall_ns,
        epoch=max(record.epoch, state.epoch),
        fenced=_fenced(state, record),
        # Only who is fenced now can be let go on: nothing is unfenced in advance.
        unfence=record.unfence if state.phase is Phase.FENCED else None,
        is_abandoned=False,
    )


def unfencing(state: State, record: LeaseRecord, now: Instant) -> LeaseRecord:
    """A later epoch, in the same hands; what fenced the one before is gone."""
    renewed = renewing(state, record, now)
    return msgspec.structs.replace(
        renewed,
        epoch=max(next_epoch(record, max(state.epoch, state.ledger_epoch)), state.unfence_at_least),
        fenced="",
        unfence=None,
    )


def releasing(state: State, record: LeaseRecord, now: Instant) -> LeaseRecord:
    """Nobody's; the epoch and the count stay, so that the next one goes on from them.

    Who gives up in its own quarantine cannot say that all is done: its predecessor's may not be.
    """
    is_over = now.least_ns >= state.quarantine_until_least_ns
    epoch = max(record.epoch, state.epoch)
    return msgspec.structs.replace(
        record,
        holder="",
        duration_s=RELEASED_DURATION_S,
        epoch=epoch,
        released_epoch=epoch if is_over else None,
        fenced=_fenced(state, record),
        is_abandoned=False,
    )


def _fenced(state: State, record: LeaseRecord) -> str:
    """A fence that the venue raised is written down for whoever comes; a person's stays."""
    is_new = state.fence is Fence.VENUE and not record.fenced
    return state.fenced_by if is_new else record.fenced
