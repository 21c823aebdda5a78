"""Branches of the order path: marks that say which of its rarer ways a world has gone.

Each is told by an event of an engine, with what that event says. A branch that a long sweep never
goes is a finding: either worlds do not lead there, or nothing does any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from krakked.domain.events import EventName
from krakked.domain.orders import OrderStatus

MARK: Final = "branch:"
ANYTHING: Final = ""


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """One way."""

    name: str
    event: EventName
    field: str = "reason"
    says: str = ANYTHING
    """What stands in the field; any part of it."""


def _vetoes() -> Iterator[Branch]:
    """Why the guard held an order back."""
    words = {
        "frozen": "frozen:",
        "lapsed": "the authority of the lease has run out",
        "not the owner": "not the owner",
        "fenced": "fenced:",
        "stopping": "the engine is stopping",
        "venue away": "the venue is in",
        "clock": "this clock is",
        "expired": "the plan expired",
        "kill switch": "the kill switch is on",
        "halted": "halted",
        "doubt": "has an order in an unknown state",
        "behind": "the ledger was behind the account",
        "dead-man": "the dead-man switch is not armed",
    }
    for name, says in words.items():
        yield Branch(name=f"held back: {name}", event=EventName.ORDER_ENDED, says=says)


def _ends() -> Iterator[Branch]:
    for status in (OrderStatus.FILLED.value, OrderStatus.CANCELED.value):
        yield Branch(
            name=f"ended: {status}", event=EventName.ORDER_ENDED, field="status", says=status
        )
    yield Branch(
        name="dropped: stopped before", event=EventName.ORDER_ENDED, says="stopped before it was"
    )
    yield Branch(
        name="dropped: tried enough", event=EventName.ORDER_ENDED, says="could not be reached"
    )


def _answers() -> Iterator[Branch]:
    """What became of the call that placed an order."""
    error = "kraken_error"
    tried = {
        "throttled": "Throttled",
        "order rate": "EOrder:Rate limit",
        "deadline": "Invalid arguments:deadline",
        "too late": "too late for its deadline",
        "not connected": "not connected",
        "no authority": "not sent: ",
    }
    for name, says in tried.items():
        yield Branch(name=f"again: {name}", event=EventName.ORDER_ERROR, field=error, says=says)
    doubts = {
        "busy": "EService:Busy",
        "unavailable": "EService:Unavailable",
        "elapsed": "Deadline elapsed",
        "page": "no result in it",
        "reset": "no answer: connection reset",
        "silence": "no answer: TimeoutError",
    }
    for name, says in doubts.items():
        yield Branch(name=f"doubt: {name}", event=EventName.ORDER_UNKNOWN, field=error, says=says)
    refused = {"post only": "Post only", "nonce": "Invalid nonce"}
    for name, says in refused.items():
        yield Branch(
            name=f"refused: {name}", event=EventName.ORDER_REJECTED, field=error, says=says
        )


def _rest() -> Iterator[Branch]:
    for outcome in ("found", "absent"):
        yield Branch(
            name=f"resolved: {outcome}",
            event=EventName.ORDER_RESOLVED,
            field="outcome",
            says=outcome,
        )
    plain = (
        EventName.ORDER_ADOPTED,
        EventName.ORDER_CANCEL_SENT,
        EventName.PLAN_EXPIRED,
        EventName.POSITION_STOPPED,
        EventName.DEAD_MAN_FIRED,
        EventName.EXCHANGE_FENCED,
        EventName.EXCHANGE_DEGRADED,
    )
    for event in plain:
        yield Branch(name=event.value, event=event)


BRANCHES: Final = (*_vetoes(), *_ends(), *_answers(), *_rest())


def _by_event() -> dict[str, list[Branch]]:
    found: dict[str, list[Branch]] = {}
    for branch in BRANCHES:
        found.setdefault(branch.event.value, []).append(branch)
    return found


_BY_EVENT: Final = _by_event()


def gone(event: str, fields: Mapping[str, object]) -> list[str]:
    """The names of the branches that an event tells of."""
    return [
        branch.name
        for branch in _BY_EVENT.get(event, ())
        if branch.says in str(fields.get(branch.field) or "")
    ]


def never_gone(marks: Mapping[str, int]) -> list[str]:
    """Branches of which there is no mark."""
    return [branch.name for branch in BRANCHES if not marks.get(MARK + branch.name)]
