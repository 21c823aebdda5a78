"""The market's side: the house brings a new book, strangers trade with each other.

Neither is an order of anybody; resting orders of accounts take part at their own prices.
"""

from __future__ import annotations

from decimal import Decimal

from krakked.domain.orders import Side
from krakked.sim.exchange.book import HouseLevel, key_of
from krakked.sim.exchange.core import Core, Market
from krakked.sim.exchange.matching import fill_maker, print_fill
from krakked.sim.exchange.orders import Order


def arrives(core: Core, market: Market) -> None:
    """The house has a new book: resting orders that it crosses are filled at their own price."""
    for side in (Side.BUY, Side.SELL):
        for level in list(market.book.house_levels(side.opposite)):
            if not _spend(core, market, side, level):
                break


def _spend(core: Core, market: Market, side: Side, level: HouseLevel) -> bool:
    """Fill orders of that side with one level of the house; false if it meets none."""
    met = False
    order = _crossed(market, side, level.price)
    while order is not None and level.quantity_base:
        met = True
        taken = min(level.quantity_base, order.visible_base)
        market.book.take_house(level, side.opposite, taken)
        fill = fill_maker(core, market, order, taken)
        print_fill(core, market, fill, side.opposite, "limit")
        order = _crossed(market, side, level.price)
    return met


def _crossed(market: Market, side: Side, price: Decimal) -> Order | None:
    """The next resting order of a side, if it would trade at ``price``."""
    order = market.book.first(side)
    if order is None or order.limit_price is None:
        return None
    return order if side.sign * (order.limit_price - price) >= 0 else None


def strangers_trade(
    core: Core, market: Market, price: Decimal, quantity_base: Decimal, taker: Side
) -> Decimal:
    """A print between strangers, in which resting orders take part; what is left to be printed.

    1. Orders at better prices than the print, by price and time, at their own prices.
    2. At the print's price: the house's queue first (it shrinks), then orders by time.
    No more than the printed quantity is filled. What an order had of it is on the tape by that
    fill's own id and price, so only the rest remains to be printed; in markets that show no
    trades of accounts the tape shows the print as it was.
    """
    side = taker.opposite
    market.book.sweep_house(side, price)
    left = _fill_up_to(core, market, side, price, quantity_base, better=True)
    filled = quantity_base - left
    if core.options.house_first:
        left = _take_queue(market, side, price, left)
        filled += left - _fill_up_to(core, market, side, price, left, better=False)
    else:
        filled += left
        left = _fill_up_to(core, market, side, price, left, better=False)
        filled -= left
        _take_queue(market, side, price, left)
    core.book_changed(market.name)
    return quantity_base - filled if core.options.prints_own_trades else quantity_base


def _fill_up_to(
    core: Core, market: Market, side: Side, price: Decimal, left: Decimal, *, better: bool
) -> Decimal:
    """Fill orders that the price reaches, or only those that have a better one."""
    while left > 0:
        order = _crossed(market, side, price)
        if order is None or (better and not _is_better(order, price)):
            return left
        taken = min(left, order.visible_base)
        fill = fill_maker(core, market, order, taken)
        print_fill(core, market, fill, side.opposite, "market")
        left -= taken
    return left


def _is_better(order: Order, price: Decimal) -> bool:
    side = order.ask.side
    return order.limit_price is not None and key_of(side, order.limit_price) < key_of(side, price)


def _take_queue(market: Market, side: Side, price: Decimal, left: Decimal) -> Decimal:
    levels = market.book.house_levels(side)
    if left <= 0 or not levels or levels[0].price != price:
        return left
    taken = min(left, levels[0].quantity_base)
    market.book.take_house(levels[0], side, taken)
    return left - taken
