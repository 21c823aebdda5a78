"""Where the prices of an order lie: from what was asked to numbers on the pair's ticks.

Distances are measured from the last price, or from what the trigger looks at; those of a closing
order from the fill that made it. A trailing stop begins at the price of the moment.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeVar

import msgspec

from krakked.domain.orders import Side
from krakked.sim.exchange.core import Market
from krakked.sim.exchange.errors import invalid
from krakked.sim.exchange.orders import OrderForm, Trigger
from krakked.sim.exchange.prices import Price, placed
from krakked.sim.exchange.triggers import trail_from

T = TypeVar("T")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The prices of one order as asked, and what the wire calls them in its complaints."""

    form: OrderForm
    side: Side
    trigger: Trigger | None = None
    limit: Price | None = None
    trigger_name: str = "price"
    limit_name: str = "price"


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """The same as numbers; a trailing stop's trigger keeps its distances."""

    trigger: Trigger | None
    trigger_price: Decimal | None
    limit_price: Decimal | None


def resolve(market: Market, wanted: Wanted, base: Decimal | None = None) -> Resolved:
    """Turn distances into prices.

    Raises:
        VenueError: a price is missing, too low, or a distance from what is not known.
    """
    form, trigger = wanted.form, wanted.trigger
    limit = _there(wanted.limit, wanted.limit_name) if form.priced else None
    if form.trigger is None:
        return Resolved(
            trigger=None, trigger_price=None, limit_price=_limit(market, wanted, limit, base)
        )
    trigger = _there(trigger, wanted.trigger_name)
    start = market.price_of(trigger.reference) if base is None else base
    if form.trigger == "trail":
        return _trailing(market, wanted, trigger, limit, start)
    level = placed(trigger.price, start, market.pair.tick_size, wanted.side)
    return Resolved(
        trigger=trigger,
        trigger_price=_positive(level, wanted.trigger_name),
        limit_price=_limit(market, wanted, limit, base),
    )


def _limit(
    market: Market, wanted: Wanted, limit: Price | None, base: Decimal | None
) -> Decimal | None:
    if limit is None:
        return None
    start = market.reference() if base is None else base
    level = placed(limit, start, market.pair.tick_size, wanted.side)
    return _positive(level, wanted.limit_name)


def _trailing(
    market: Market, wanted: Wanted, trigger: Trigger, limit: Price | None, start: Decimal | None
) -> Resolved:
    if not trigger.price.is_distance or trigger.price.amount <= 0:
        raise invalid(wanted.trigger_name)
    peak = _there(start, wanted.trigger_name)
    tick_size, side = market.pair.tick_size, wanted.side
    level = _positive(trail_from(trigger.price, peak, tick_size, side), wanted.trigger_name)
    price = None if limit is None else placed(limit, level, tick_size, side)
    return Resolved(
        trigger=msgspec.structs.replace(trigger, limit=limit),
        trigger_price=level,
        limit_price=None if limit is None else _positive(price, wanted.limit_name),
    )


def _there(value: T | None, name: str) -> T:
    if value is None:
        raise invalid(name)
    return value


def _positive(price: Decimal | None, name: str) -> Decimal:
    if price is None or price <= 0:
        raise invalid(name)
    return price
