"""What happens next, by the class of an answer: one row for each call that changes something.

The adapter says which class an answer of the venue has (``krakked.adapters.kraken.outcomes``); from
there on the class alone decides. ``docs/order-outcomes.md`` shows these rows, and a test plays each
of them on a real ledger, or sees that nothing here makes the call. Subclasses without a row of
their own go the way of their class.
"""

from __future__ import annotations

import sys
from typing import Final

import msgspec

from krakked.domain.errors import Ambiguous, Fenced, KrakkedError, Permanent, Transient
from krakked.domain.events import EventName
from krakked.domain.orders import Journal


class Next(msgspec.Struct, frozen=True, kw_only=True):
    """One row."""

    call: str
    """Of the port ``Exchange``."""
    error: type[KrakkedError]
    journal: Journal | None
    """Of the order that it is about; None: as it was."""
    then: str
    told: EventName | None
    """The event that people and metrics get; None: whoever asked is told."""


ADD: Final = "add_order"
AMEND: Final = "amend_order"
CANCEL: Final = "cancel_order"
CANCEL_ALL: Final = "cancel_all"
DEAD_MAN: Final = "refresh_dead_man"

NEXT: Final = (
    Next(
        call=ADD,
        error=Transient,
        journal=Journal.PENDING,
        then="The same leg again after a pause, `execution.max_retries` times while its plan is "
        "fresh; a protective sale until its plan ends. More failures in a row than that: the "
        "exchange is degraded.",
        told=EventName.ORDER_ERROR,
    ),
    Next(
        call=ADD,
        error=Ambiguous,
        journal=Journal.UNKNOWN,
        then="Never sent again. Looked up by client id in open orders, closed orders and "
        "executions, at once and every 2 s; blocks purchases of its pair. Absent only when the "
        "venue's own clock is past the order's deadline and late visibility.",
        told=EventName.ORDER_UNKNOWN,
    ),
    Next(
        call=ADD,
        error=Permanent,
        journal=Journal.REJECTED,
        then="The sleeve is asked again at its next bar.",
        told=EventName.ORDER_REJECTED,
    ),
    Next(
        call=ADD,
        error=Fenced,
        journal=Journal.REJECTED,
        then="A newer owner exists: nothing is ever sent again.",
        told=EventName.ORDER_REJECTED,
    ),
    Next(
        call=CANCEL,
        error=Transient,
        journal=None,
        then="It still rests. Asked again by whoever wants it gone: the kill switch every 5 s, a "
        "stop or an owed flatten at the next quote after 5 s, a strategy at its next bar, a "
        "person by hand. Counts among failures in a row.",
        told=None,
    ),
    Next(
        call=CANCEL,
        error=Ambiguous,
        journal=None,
        then="The same, and the venue is asked at once what became of the order. Asking twice "
        "harms nothing.",
        told=None,
    ),
    Next(
        call=CANCEL,
        error=Permanent,
        journal=None,
        then="The same as Transient, but no failure of the venue. An order that is gone is no "
        "error: the venue is asked what became of it.",
        told=None,
    ),
    Next(
        call=CANCEL,
        error=Fenced,
        journal=None,
        then="A newer owner exists: nothing is ever sent again.",
        told=None,
    ),
    *(
        Next(
            call=DEAD_MAN,
            error=error,
            journal=None,
            then="The timer stands as the venue last told it. Asked again after a fifth of the "
            "period (moving it twice harms nothing); once the moment told has passed, nothing "
            "that adds risk goes out.",
            told=EventName.DEAD_MAN_FAILED,
        )
        for error in (Transient, Ambiguous, Permanent)
    ),
    Next(
        call=DEAD_MAN,
        error=Fenced,
        journal=None,
        then="A newer owner exists, and the timer is its: nothing is ever sent again.",
        told=EventName.DEAD_MAN_FAILED,
    ),
    *(
        Next(
            call=call,
            error=error,
            journal=None,
            then="Nothing in `trading` makes this call: whoever does is told, and the next "
            "comparison of the books sees what it did.",
            told=None,
        )
        for call in (AMEND, CANCEL_ALL)
        for error in (Transient, Ambiguous, Permanent, Fenced)
    ),
)


def as_markdown() -> str:
    """The rows as the document shows them."""
    lines = [
        "| call | ends in | the order's journal | then | told as |",
        "|---|---|---|---|---|",
    ]
    for row in NEXT:
        journal = "as it was" if row.journal is None else f"`{row.journal.value}`"
        told = "the answer" if row.told is None else f"`{row.told.value}`"
        lines.append(f"| `{row.call}` | `{row.error.__name__}` | {journal} | {row.then} | {told} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(as_markdown() + "\n")
