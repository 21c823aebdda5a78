"""Orders: what we ask (:class:`OrderRequest`), what lives (:class:`Order`), and their states.

Two vocabularies meet here. The *journal* says what we know of our own sending; the *status* is
what people read. ``STATUS_BY_JOURNAL`` and ``STATUS_BY_VENUE`` are the whole mapping.

    journal: PENDING → SENT → ACKED → DONE            REJECTED: the venue said no
                         ↘ UNKNOWN → ACKED | ABSENT    UNKNOWN: sent, no answer
             ↘ VALIDATED: only checked                 ABSENT: looked up, never arrived
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.ids import ClientOrderId, PairName, PlanId, StrategyId, VenueOrderId
from krakked.domain.money import ZERO


class Side(enum.Enum):
    """Of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for buy, −1 for sell: what it does to the base asset."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(enum.Enum):
    """The forms that krakked sends."""

    MARKET = "market"
    LIMIT = "limit"


class TimeInForce(enum.Enum):
    """How long an order stands."""

    GTC = "GTC"
    GTD = "GTD"
    IOC = "IOC"


class LegKind(enum.Enum):
    """What a leg of a plan is for."""

    ENTRY = "entry"
    EXIT = "exit"
    """A strategy's own way out; it may change its mind."""
    PROTECTIVE = "protective"
    """Closes a position whatever its strategy wishes: a stop that was hit, or a person's word."""


class Journal(enum.Enum):
    """What we know of our own sending of an order; durable before its effect."""

    PENDING = "pending"
    """Planned, never sent."""
    SENT = "sent"
    """Durable just before the socket write: from here on it may exist."""
    UNKNOWN = "unknown"
    """Sent, and no answer: looked up by client id until certain."""
    ACKED = "acked"
    """The venue has it; it may rest, be filling, or be awaiting its end."""
    DONE = "done"
    """The venue told its end, and every fill of it is booked."""
    REJECTED = "rejected"
    """The venue said no; nothing lives."""
    ABSENT = "absent"
    """Was unknown; certain now that it never arrived."""
    DROPPED = "dropped"
    """Never sent: expired, superseded, or refused at the last check."""
    VALIDATED = "validated"
    """Only checked: the venue would take it, and nothing of it ever existed there."""


class VenueStatus(enum.Enum):
    """Kraken's words for an order."""

    PENDING = "pending"
    OPEN = "open"
    CLOSED = "closed"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """No fill can follow."""
        return self in (VenueStatus.CLOSED, VenueStatus.CANCELED, VenueStatus.EXPIRED)


class OrderStatus(enum.Enum):
    """Phase 5's words, plus ``unknown``."""

    PENDING = "pending"
    SUBMITTED = "submitted"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    ERROR = "error"
    UNKNOWN = "unknown"

    @property
    def is_open(self) -> bool:
        """May still be filled as far as we know."""
        return self in _OPEN


_OPEN: Final = frozenset(
    {
        OrderStatus.SUBMITTED,
        OrderStatus.OPEN,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.UNKNOWN,
    }
)

STATUS_BY_JOURNAL: Final = {
    Journal.PENDING: OrderStatus.PENDING,
    Journal.SENT: OrderStatus.SUBMITTED,
    Journal.UNKNOWN: OrderStatus.UNKNOWN,
    Journal.REJECTED: OrderStatus.REJECTED,
    Journal.ABSENT: OrderStatus.ERROR,
    Journal.DROPPED: OrderStatus.CANCELED,
    Journal.VALIDATED: OrderStatus.CANCELED,
}
"""For the journal states in which the venue's word plays no part."""

STATUS_BY_VENUE: Final = {
    VenueStatus.PENDING: OrderStatus.SUBMITTED,
    VenueStatus.OPEN: OrderStatus.OPEN,
    VenueStatus.CLOSED: OrderStatus.FILLED,
    VenueStatus.CANCELED: OrderStatus.CANCELED,
    VenueStatus.EXPIRED: OrderStatus.CANCELED,
}
"""For ACKED and DONE; an open order with fills is ``partially_filled``."""


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One order as it will be sent; nothing is left to choose."""

    client_order_id: ClientOrderId
    plan_id: PlanId
    leg: int
    revision: int
    strategy_id: StrategyId
    pair: PairName
    kind: LegKind
    side: Side
    type: OrderType
    quantity_base: Decimal
    limit_price: Decimal | None
    """None for a market order."""
    time_in_force: TimeInForce
    expire_at_ns: int | None
    """For GTD."""
    post_only: bool = False


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One order as we know it (phase 5's ``LocalOrder``; ``local_id`` is the client order id)."""

    request: OrderRequest
    journal: Journal
    created_at_ns: int
    venue_order_id: VenueOrderId | None = None
    venue_status: VenueStatus | None = None
    filled_base: Decimal = ZERO
    """Booked fills only."""
    cost_quote: Decimal = ZERO
    fee_quote: Decimal = ZERO
    sent_at_ns: int | None = None
    acked_at_ns: int | None = None
    ended_at_ns: int | None = None
    deadline_at_ns: int | None = None
    """After this the venue itself refuses the submission."""
    epoch: int = 0
    cancel_requested_at_ns: int | None = None
    reason: str | None = None
    """The venue's or our reason for its end or refusal."""
    trace_id: str | None = None

    @property
    def status(self) -> OrderStatus:
        """Phase 5's word for it."""
        plain = STATUS_BY_JOURNAL.get(self.journal)
        if plain is not None:
            return plain
        status = STATUS_BY_VENUE[self.venue_status or VenueStatus.OPEN]
        if status is OrderStatus.OPEN and self.filled_base > 0:
            return OrderStatus.PARTIALLY_FILLED
        return status

    @property
    def is_live(self) -> bool:
        """May exist at the venue and still be filled, or has an end that is not booked yet."""
        return self.journal in (Journal.SENT, Journal.UNKNOWN, Journal.ACKED)

    @property
    def remaining_base(self) -> Decimal:
        """Still to be filled."""
        return self.request.quantity_base - self.filled_base

    @property
    def average_price(self) -> Decimal | None:
        """Cost over quantity of the booked fills."""
        return self.cost_quote / self.filled_base if self.filled_base else None


class VenueOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order as the venue tells it (a report, not our record)."""

    venue_order_id: VenueOrderId
    client_order_id: ClientOrderId | None
    pair: PairName
    side: Side
    type: str
    status: VenueStatus
    quantity_base: Decimal
    filled_base: Decimal
    cost_quote: Decimal
    fee_quote: Decimal
    limit_price: Decimal | None
    opened_at_ns: int
    closed_at_ns: int | None = None
    reason: str | None = None
