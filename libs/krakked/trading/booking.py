"""From the venue's word on an execution to an entry in the books: pure, once per trade id.

Amounts, cost and fee are the venue's own, never computed here. An execution of an order that no
strategy of ours placed goes to the ``manual`` sleeve of its pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from krakked.domain.fills import Fill, VenueTrade
from krakked.domain.ids import MANUAL, Asset
from krakked.domain.money import ZERO
from krakked.domain.orders import Journal, Order, VenueOrder, VenueStatus
from krakked.domain.pairs import Pair
from krakked.domain.positions import Position, Sleeve, apply


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    """One execution with everything it changes."""

    fill: Fill
    position: Position
    """Of its sleeve, after it."""
    order: Order | None
    """Ours, after it."""
    postings: tuple[tuple[Asset, Decimal], ...]
    """What it does to the holdings: base, quote, fee."""
    problem: str | None = None
    """Why there should have been no such execution; it is booked all the same, for it happened."""


def sleeve_of(trade: VenueTrade, order: Order | None) -> Sleeve:
    """The sleeve that an execution belongs to."""
    return Sleeve(order.request.strategy_id if order else MANUAL, trade.pair)


def book(
    trade: VenueTrade,
    *,
    pair: Pair,
    order: Order | None,
    position: Position,
    prices: Mapping[Asset, Decimal],
) -> Booking:
    """What one execution does to its sleeve, its order and the holdings.

    Args:
        trade: as the venue tells it.
        pair: its pair.
        order: ours that was executed, or None.
        position: of the sleeve, before.
        prices: base currency for one unit, to value a fee in a third asset.
    """
    fee_in_base = trade.fee_amount if trade.fee_asset == pair.base else ZERO
    fee_quote = _fee_in_quote(trade, pair, prices)
    after, realized = apply(position, trade, fee_quote=fee_quote, fee_in_base=fee_in_base)
    return Booking(
        fill=Fill(
            trade=trade,
            strategy_id=position.sleeve.strategy_id,
            client_order_id=order.request.client_order_id if order else None,
            fee_quote=fee_quote,
            realized_quote=realized,
        ),
        position=after,
        order=_filled(order, trade, fee_quote) if order else None,
        postings=postings_of(trade, pair.base, pair.quote),
        problem=None if order is None else _problem(order, trade),
    )


NO_FILLS = frozenset(
    {
        Journal.PENDING,
        Journal.REJECTED,
        Journal.ABSENT,
        Journal.DROPPED,
        Journal.VALIDATED,
        Journal.DONE,
    }
)
"""Of an order in these states nothing can be filled: it never got there, or all is booked."""


def _problem(order: Order, trade: VenueTrade) -> str | None:
    name = f"execution {trade.trade_id} of order {order.request.client_order_id}"
    if order.journal in NO_FILLS:
        return f"{name}, which is {order.journal.value} here"
    if order.filled_base + trade.quantity_base > order.request.quantity_base:
        return f"{name} fills more than was ordered"
    return None


def postings_of(trade: VenueTrade, base: Asset, quote: Asset) -> tuple[tuple[Asset, Decimal], ...]:
    """Changes of the holdings: base, quote, and the fee in whatever it was paid."""
    sign = trade.side.sign
    return (
        (base, sign * trade.quantity_base),
        (quote, -sign * trade.cost_quote),
        (trade.fee_asset, -trade.fee_amount),
    )


def _fee_in_quote(trade: VenueTrade, pair: Pair, prices: Mapping[Asset, Decimal]) -> Decimal:
    if trade.fee_asset == pair.quote:
        return trade.fee_amount
    if trade.fee_asset == pair.base:
        return trade.fee_amount * trade.price
    quote_price = prices.get(pair.quote)
    if not quote_price:
        return ZERO
    return trade.fee_amount * prices.get(trade.fee_asset, ZERO) / quote_price


def _filled(order: Order, trade: VenueTrade, fee_quote: Decimal) -> Order:
    return msgspec.structs.replace(
        order,
        venue_order_id=trade.venue_order_id,
        journal=Journal.ACKED if order.journal is not Journal.DONE else Journal.DONE,
        venue_status=order.venue_status or VenueStatus.OPEN,
        filled_base=order.filled_base + trade.quantity_base,
        cost_quote=order.cost_quote + trade.cost_quote,
        fee_quote=order.fee_quote + fee_quote,
    )


def settled(order: Order, report: VenueOrder, now_ns: int) -> Order:
    """The order with the venue's report on it; DONE when it ended and every fill is booked."""
    is_done = report.status.is_final and order.filled_base == report.filled_base
    return msgspec.structs.replace(
        order,
        journal=Journal.DONE if is_done else Journal.ACKED,
        venue_order_id=report.venue_order_id,
        venue_status=report.status,
        acked_at_ns=order.acked_at_ns or report.opened_at_ns,
        ended_at_ns=(report.closed_at_ns or now_ns) if is_done else None,
        reason=report.reason or order.reason,
    )
