"""Positions: a projection of lots, fills and flows, one per sleeve, weighted average cost.

Sources of the formulas: the cost of what is left stays proportional (weighted average cost);
fees are expensed when paid, so that  Δequity = realized + unrealized + net cash flows  holds
at every instant, whatever asset the fee was paid in.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from krakked.domain.fills import CashFlow, OpeningLot, VenueTrade
from krakked.domain.ids import MANUAL, PairName, StrategyId
from krakked.domain.money import ZERO
from krakked.domain.orders import Side


class Sleeve(msgspec.Struct, frozen=True, order=True, gc=False):
    """(strategy, pair): what owns a position and is woken."""

    strategy_id: StrategyId
    pair: PairName

    def __str__(self) -> str:
        return f"{self.strategy_id}/{self.pair}"


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """What a sleeve holds; ``cost_quote`` is the total cost of ``quantity_base``, fees apart."""

    sleeve: Sleeve
    quantity_base: Decimal = ZERO
    cost_quote: Decimal = ZERO
    realized_quote: Decimal = ZERO
    """Since the books began, fees subtracted."""
    fees_quote: Decimal = ZERO
    opened_at_ns: int | None = None
    has_unknown_cost: bool = False
    """A part of it was there before the books, or came in without a price, and nobody knows what it
    cost: ``cost_quote`` is that of the rest, and the unknown part counts as gain."""

    @property
    def is_flat(self) -> bool:
        """Holds nothing."""
        return self.quantity_base == 0

    @property
    def average_price(self) -> Decimal | None:
        """Cost of one unit; None when flat, and where not all of it is known."""
        if self.is_flat or self.has_unknown_cost:
            return None
        return self.cost_quote / self.quantity_base

    def unrealized_quote(self, price: Decimal) -> Decimal:
        """Value at ``price`` less cost."""
        return self.quantity_base * price - self.cost_quote


def opened(lot: OpeningLot) -> Position | None:
    """What an opening lot makes of the manual sleeve of its pair, whose quote is the base currency.

    A lot of unknown cost has none: all that it ever sells for is gain, as the account's flows say.
    """
    if lot.pair is None:
        return None
    return Position(
        sleeve=Sleeve(MANUAL, lot.pair),
        quantity_base=lot.quantity,
        cost_quote=lot.cost_base or ZERO,
        opened_at_ns=lot.at_ns,
        has_unknown_cost=lot.cost_base is None,
    )


def moved(position: Position, flow: CashFlow) -> tuple[Position, Decimal]:
    """Book coins that came or went without a trade; the new position and the profit realized.

    Args:
        position: the manual sleeve of the pair that the flow names, whose quote is the base
            currency.
        flow: of that pair's base asset.

    What comes in costs what it was worth, and what goes out leaves for what it was worth, as the
    account's net flows say; so only what it was worth more, or less, than it cost is realized.
    More going out than is there (a strategy's coins) is owed by ``manual`` until it comes back, as
    in a sale of too much. A worth that nobody knows is none, here as in the net flows.
    """
    value = abs(flow.value_base or ZERO)
    if flow.amount < 0:
        gone = -flow.amount
        past = gone - _held(position, gone)
        quantity, cost, gain = _given(position, gone, value, _share(value, past, gone))
    else:
        quantity, cost, gain = _gained(position, flow.amount, value)
    is_unknown = flow.amount > 0 and flow.value_base is None
    changed = msgspec.structs.replace(
        position,
        quantity_base=quantity,
        cost_quote=cost,
        realized_quote=position.realized_quote + gain,
        opened_at_ns=_opened_at(position, flow.at_ns, quantity),
        has_unknown_cost=(position.has_unknown_cost or is_unknown) and quantity > 0,
    )
    return changed, gain


def apply(
    position: Position, trade: VenueTrade, *, fee_quote: Decimal, fee_in_base: Decimal = ZERO
) -> tuple[Position, Decimal]:
    """Book one execution; returns the new position and the profit it realized.

    Args:
        position: of the sleeve that the execution belongs to.
        trade: the execution.
        fee_quote: the fee valued in quote, whatever it was paid in.
        fee_in_base: the part of the fee that was taken from the base asset.

    A sale of more than the sleeve holds is possible only on ``manual`` (a foreign order): the
    excess leaves at its own price, so it realizes nothing and the quantity may go negative; a
    later purchase first buys that back, which realizes the difference.
    """
    move = _bought if trade.side is Side.BUY else _sold
    quantity, cost, gain = move(position, trade, fee_in_base)
    realized = gain - fee_quote
    return (
        msgspec.structs.replace(
            position,
            quantity_base=quantity,
            cost_quote=cost,
            realized_quote=position.realized_quote + realized,
            fees_quote=position.fees_quote + fee_quote,
            opened_at_ns=_opened_at(position, trade.at_ns, quantity),
            has_unknown_cost=position.has_unknown_cost and quantity > 0,
        ),
        realized,
    )


def _bought(
    position: Position, trade: VenueTrade, fee_in_base: Decimal
) -> tuple[Decimal, Decimal, Decimal]:
    """Quantity, cost and gain, the fee apart: units that went away as fee are expensed by it."""
    return _gained(
        position,
        trade.quantity_base - fee_in_base,
        trade.cost_quote - fee_in_base * trade.price,
    )


def _gained(position: Position, got: Decimal, paid: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """Quantity, cost and gain: what was owed is bought back first."""
    covered = max(min(got, -position.quantity_base), ZERO)
    paid_for_covered = _share(paid, covered, got)
    proceeds = -_share(position.cost_quote, covered, -position.quantity_base)
    cost = position.cost_quote + proceeds + paid - paid_for_covered
    return position.quantity_base + got, cost, proceeds - paid_for_covered


def _sold(
    position: Position, trade: VenueTrade, fee_in_base: Decimal
) -> tuple[Decimal, Decimal, Decimal]:
    """Quantity, cost and gain, the fee apart: units that went away as fee are expensed by it."""
    gone = trade.quantity_base + fee_in_base
    past = gone - _held(position, gone)
    proceeds = trade.cost_quote + fee_in_base * trade.price
    return _given(position, gone, proceeds, past * trade.price)


def _given(
    position: Position, gone: Decimal, proceeds: Decimal, cost_of_past: Decimal
) -> tuple[Decimal, Decimal, Decimal]:
    """Quantity, cost and gain: the cost of what is left stays proportional."""
    held = _held(position, gone)
    cost_out = _share(position.cost_quote, held, position.quantity_base) + cost_of_past
    return position.quantity_base - gone, position.cost_quote - cost_out, proceeds - cost_out


def _held(position: Position, wanted: Decimal) -> Decimal:
    """As much of it as the position has."""
    return min(wanted, max(position.quantity_base, ZERO))


def _share(cost: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    if not part:
        return ZERO
    return cost if part == whole else cost * part / whole


def _opened_at(position: Position, at_ns: int, quantity: Decimal) -> int | None:
    if quantity == 0:
        return None
    return at_ns if position.opened_at_ns is None else position.opened_at_ns
