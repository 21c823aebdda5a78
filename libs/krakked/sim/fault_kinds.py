"""Every way in which the simulated venue can misbehave: one table.

``GET /faults``, ``krakked simulator --help`` and ``docs/simulator/faults.md`` are made from it, and
what strikes is looked up in it. A fault strikes at one of three places: before a request is
handled, after it was, or a WebSocket frame on its way out.
"""

from __future__ import annotations

import enum
import sys
from functools import cache
from typing import Final

import msgspec


class FaultKind(enum.Enum):
    """Names, as a person writes them."""

    DELAY = "delay"
    REQUEST_LOST = "request-lost"
    SERVER_ERROR = "5xx"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    THROTTLED = "throttled"
    ERROR = "error"
    RATE_LIMIT = "rate-limit"
    ENGINE_RATE_LIMIT = "engine-rate-limit"
    FOREIGN_NONCE = "foreign-nonce"
    THIN_BOOK = "thin-book"
    FILL_RACE = "fill-race"
    MAINTENANCE = "maintenance"
    PAIR_STATUS = "pair-status"
    CLOCK_OFFSET = "clock-offset"
    ANSWER_LOST = "answer-lost"
    SERVER_ERROR_AFTER = "5xx-after"
    BUSY_AFTER = "busy-after"
    UNAVAILABLE_AFTER = "unavailable-after"
    THROTTLED_AFTER = "throttled-after"
    ERROR_AFTER = "error-after"
    OTHER_SPELLING = "other-spelling"
    TOKEN_EXPIRY = "token-expiry"  # noqa: S105 (a name of a fault)
    LATE_VISIBILITY = "late-visibility"
    PARTIAL_FILL = "partial-fill"
    ANSWER_DELAY = "answer-delay"
    WS_DROP = "ws-drop"
    WS_HALF_OPEN = "ws-half-open"
    WS_STALL = "ws-stall"
    SEQUENCE_GAP = "sequence-gap"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    WRONG_CHECKSUM = "wrong-checksum"
    MALFORMED_FRAME = "malformed-frame"
    OVERSIZED_FRAME = "oversized-frame"


class Strikes(enum.Enum):
    """Where."""

    BEFORE = "before a request is handled"
    AFTER = "after a request was handled"
    FRAME = "a WebSocket frame on its way out"


class Parameter(msgspec.Struct, frozen=True):
    """One thing that may be chosen about a fault."""

    name: str
    unit: str
    default: str
    doc: str


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    name: FaultKind
    strikes: Strikes
    doc: str
    parameters: tuple[Parameter, ...] = ()
    methods: tuple[str, ...] = ()
    """The only REST methods (and their WebSocket kin) that it can strike; none named: any."""
    channels: tuple[str, ...] = ()
    """Those that it strikes where no channel is named; none: any but ``status``, ``heartbeat``."""
    can_be_now: bool = False
    """Whether ``"now": true`` lets it happen at once, to the venue as a whole."""


ANY_CHANNEL: Final = "any but `status` and `heartbeat`"
FILTERS: Final = (
    Parameter("method", "name", "any private one", "only requests of this method"),
    Parameter("channel", "name", "any the kind strikes", "only frames of this channel"),
    Parameter("contains", "text", "anything", "only requests or frames with this text in them"),
    Parameter("skip", "number", "0", "so many that match are let through first"),
    Parameter("count", "number", "1", "so many that match are struck, then no more"),
    Parameter("probability", "0 to 1", "none: armed", "of each one that matches, for ever"),
)
"""What every kind may be narrowed by."""

NEW_ORDERS: Final = ("AddOrder", "AddOrderBatch")
OPEN_ORDERS: Final = (
    "AmendOrder",
    "EditOrder",
    "CancelOrder",
    "CancelOrderBatch",
    "CancelAll",
)
PRIVATE_CHANNELS: Final = ("executions", "balances")
_STATUS: Final = Parameter("status", "HTTP status", "502", "500 to 599; 520 is the edge's own")
_TEXT: Final = Parameter("text", "text", "EGeneral:Internal error", "what the venue says")
_BACK: Final = Parameter("seconds", "seconds", "5", "how far ahead the instant lies that it names")
_SIZES: Final = Parameter(
    "sizes", "list", "25%, 25%", "amounts of base, or shares of the order's volume"
)

_ROWS: Final = (
    Kind(
        name=FaultKind.DELAY,
        strikes=Strikes.BEFORE,
        doc="The request takes long to arrive; others overtake it.",
        parameters=(Parameter("seconds", "seconds", "2", "how long"),),
    ),
    Kind(
        name=FaultKind.REQUEST_LOST,
        strikes=Strikes.BEFORE,
        doc="The connection closes before the request is handled.",
    ),
    Kind(
        name=FaultKind.SERVER_ERROR,
        strikes=Strikes.BEFORE,
        doc="A gateway answers in HTML; nothing is handled. REST only.",
        parameters=(_STATUS,),
    ),
    Kind(
        name=FaultKind.BUSY,
        strikes=Strikes.BEFORE,
        doc="EService:Busy, and nothing was done.",
    ),
    Kind(
        name=FaultKind.UNAVAILABLE,
        strikes=Strikes.BEFORE,
        doc="EService:Unavailable, and nothing was done.",
    ),
    Kind(
        name=FaultKind.THROTTLED,
        strikes=Strikes.BEFORE,
        doc="EService: Throttled, with the instant to come back at; nothing was done.",
        parameters=(_BACK,),
    ),
    Kind(
        name=FaultKind.ERROR,
        strikes=Strikes.BEFORE,
        doc="Any error text you like, and nothing was done.",
        parameters=(_TEXT,),
    ),
    Kind(
        name=FaultKind.RATE_LIMIT,
        strikes=Strikes.BEFORE,
        doc="The key's REST counter is full: EAPI:Rate limit exceeded until it has drained. "
        "It does not happen to an account without limits.",
        can_be_now=True,
    ),
    Kind(
        name=FaultKind.ENGINE_RATE_LIMIT,
        strikes=Strikes.BEFORE,
        doc="The account's order counters of all pairs are full: EOrder:Rate limit exceeded until "
        "they have drained. It does not happen to an account without limits.",
        methods=(*NEW_ORDERS, *OPEN_ORDERS),
        can_be_now=True,
    ),
    Kind(
        name=FaultKind.FOREIGN_NONCE,
        strikes=Strikes.BEFORE,
        doc="Another process has used this nonce, or a higher one: EAPI:Invalid nonce. REST only.",
        parameters=(Parameter("ahead", "nonces", "0", "how much higher"),),
    ),
    Kind(
        name=FaultKind.THIN_BOOK,
        strikes=Strikes.BEFORE,
        doc="The book that a new order meets holds these sizes only, a tick apart from the best "
        "price on, until the market's next event: a taker is filled in part, in pieces.",
        parameters=(_SIZES,),
        methods=("AddOrder",),
    ),
    Kind(
        name=FaultKind.FILL_RACE,
        strikes=Strikes.BEFORE,
        doc="The order that is to be cancelled or amended is filled just before. The tape shows "
        "no trade.",
        parameters=(
            Parameter("sizes", "list", "100%", "amounts of base, or shares of the order's volume"),
        ),
        methods=OPEN_ORDERS,
    ),
    Kind(
        name=FaultKind.MAINTENANCE,
        strikes=Strikes.BEFORE,
        doc="The venue goes into maintenance and comes back; an armed dead-man timer then cancels "
        "everything.",
        parameters=(Parameter("seconds", "seconds", "30", "how long"),),
        can_be_now=True,
    ),
    Kind(
        name=FaultKind.PAIR_STATUS,
        strikes=Strikes.BEFORE,
        doc="A pair changes its status, is told on the instrument channel, and changes back.",
        parameters=(
            Parameter("pair", "pair", "the request's; now: all", "which"),
            Parameter("mode", "status", "cancel_only", "one of those of the instrument channel"),
            Parameter("seconds", "seconds", "30", "how long"),
        ),
        methods=NEW_ORDERS,
        can_be_now=True,
    ),
    Kind(
        name=FaultKind.CLOCK_OFFSET,
        strikes=Strikes.BEFORE,
        doc="The clock that the venue shows is so far ahead (below nothing: behind) from now on; 0 "
        "mends it, and so does a restart. By it go Time, SystemStatus, the instants of WebSocket "
        "answers and of book, ticker and ohlc messages, deadlines, the dead-man's answer and "
        "firing, and the instant of Throttled. What is recorded (orders, trades, ledgers, "
        "candles), start and expiry times go by the true one, which never jumps.",
        parameters=(Parameter("seconds", "seconds", "2", "how far"),),
        can_be_now=True,
    ),
    Kind(
        name=FaultKind.ANSWER_LOST,
        strikes=Strikes.AFTER,
        doc="The request is handled, and the connection closes without an answer.",
    ),
    Kind(
        name=FaultKind.SERVER_ERROR_AFTER,
        strikes=Strikes.AFTER,
        doc="The request is handled, and a gateway answers in HTML. REST only.",
        parameters=(_STATUS,),
    ),
    Kind(
        name=FaultKind.BUSY_AFTER,
        strikes=Strikes.AFTER,
        doc="EService:Busy, and all the same it was done.",
    ),
    Kind(
        name=FaultKind.UNAVAILABLE_AFTER,
        strikes=Strikes.AFTER,
        doc="EService:Unavailable, and all the same it was done.",
    ),
    Kind(
        name=FaultKind.THROTTLED_AFTER,
        strikes=Strikes.AFTER,
        doc="EService: Throttled, and all the same it was done: worse than the venue promises.",
        parameters=(_BACK,),
    ),
    Kind(
        name=FaultKind.ERROR_AFTER,
        strikes=Strikes.AFTER,
        doc="Any error text you like, and all the same it was done.",
        parameters=(_TEXT,),
    ),
    Kind(
        name=FaultKind.OTHER_SPELLING,
        strikes=Strikes.AFTER,
        doc="A refusal that has two spellings comes in the other one.",
    ),
    Kind(
        name=FaultKind.TOKEN_EXPIRY,
        strikes=Strikes.AFTER,
        doc="Every WebSocket token that no subscription uses is dead, the new one too.",
        methods=("GetWebSocketsToken",),
        can_be_now=True,
    ),
    Kind(
        name=FaultKind.LATE_VISIBILITY,
        strikes=Strikes.AFTER,
        doc="Queries do not find the new order for a while.",
        parameters=(Parameter("seconds", "seconds", "5", "how long"),),
        methods=NEW_ORDERS,
    ),
    Kind(
        name=FaultKind.PARTIAL_FILL,
        strikes=Strikes.AFTER,
        doc="The new order, if it rests (now: every order that does), is filled in pieces of these "
        "sizes, one each so many seconds. The tape shows no trade.",
        parameters=(_SIZES, Parameter("seconds", "seconds", "1", "between two pieces")),
        methods=NEW_ORDERS,
        can_be_now=True,
    ),
    Kind(
        name=FaultKind.ANSWER_DELAY,
        strikes=Strikes.AFTER,
        doc="The request is handled at once, and answered late.",
        parameters=(Parameter("seconds", "seconds", "2", "how long"),),
    ),
    Kind(
        name=FaultKind.WS_DROP,
        strikes=Strikes.FRAME,
        doc="The connection closes in place of a message of the account.",
        channels=PRIVATE_CHANNELS,
        can_be_now=True,
    ),
    Kind(
        name=FaultKind.WS_HALF_OPEN,
        strikes=Strikes.FRAME,
        doc="The connection stays open and nothing comes any more, nor is anything heard.",
        can_be_now=True,
    ),
    Kind(
        name=FaultKind.WS_STALL,
        strikes=Strikes.FRAME,
        doc="Nothing comes for a while, then everything at once.",
        parameters=(Parameter("seconds", "seconds", "5", "how long"),),
        can_be_now=True,
    ),
    Kind(
        name=FaultKind.SEQUENCE_GAP,
        strikes=Strikes.FRAME,
        doc="A message of the account is left out; its number is missing.",
        channels=PRIVATE_CHANNELS,
    ),
    Kind(
        name=FaultKind.DUPLICATE,
        strikes=Strikes.FRAME,
        doc="A message comes twice.",
    ),
    Kind(
        name=FaultKind.REORDER,
        strikes=Strikes.FRAME,
        doc="A message comes after the one that follows it, whatever that is.",
    ),
    Kind(
        name=FaultKind.WRONG_CHECKSUM,
        strikes=Strikes.FRAME,
        doc="The checksum of a book is off by one.",
        channels=("book",),
    ),
    Kind(
        name=FaultKind.MALFORMED_FRAME,
        strikes=Strikes.FRAME,
        doc="A message breaks off in its middle: no JSON.",
    ),
    Kind(
        name=FaultKind.OVERSIZED_FRAME,
        strikes=Strikes.FRAME,
        doc="A message is blown up with padding, so that clients with a limit close.",
        parameters=(Parameter("mebibytes", "MiB", "17", "how much padding, at most 64"),),
    ),
)
KINDS: Final = {row.name: row for row in _ROWS}
"""In the order in which they are drawn."""


@cache
def of_place(place: Strikes) -> tuple[FaultKind, ...]:
    """The kinds that strike there, in order."""
    return tuple(row.name for row in _ROWS if row.strikes is place)


def names() -> str:
    """All of them, for a line of help."""
    return ", ".join(kind.value for kind in FaultKind)


def as_markdown() -> str:
    """The table as the documents show it: one part for each place where faults strike."""
    parts = [_part(place.value, [r for r in _ROWS if r.strikes is place]) for place in Strikes]
    head = "| parameter | unit | default | means |\n|---|---|---|---|\n"
    filters = "\n".join(f"| `{p.name}` | {p.unit} | {p.default} | {p.doc} |" for p in FILTERS)
    return "\n\n".join([*parts, "### Filters, for every kind", head + filters])


def _part(title: str, rows: list[Kind]) -> str:
    is_of_frames = all(row.strikes is Strikes.FRAME for row in rows)
    where = "strikes, if no `channel` is named" if is_of_frames else "strikes only"
    head = f"| kind | does | parameters | {where} |\n|---|---|---|---|"
    return "\n".join([f"### Strikes {title}", "", head, *map(_line, rows)])


def _line(row: Kind) -> str:
    chosen = "; ".join(f"`{p.name}` ({p.unit}, {p.default}): {p.doc}" for p in row.parameters)
    any_of = ANY_CHANNEL if row.strikes is Strikes.FRAME else "–"
    only = ", ".join(f"`{name}`" for name in (*row.methods, *row.channels))
    now = " *" if row.can_be_now else ""
    return f"| `{row.name.value}`{now} | {row.doc} | {chosen or '–'} | {only or any_of} |"


if __name__ == "__main__":
    sys.stdout.write(as_markdown() + "\n")
