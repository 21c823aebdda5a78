"""What trades set off: waiting orders whose price has come, and orders that close others' fills.

Called after everything that may have traded or moved the book, until nothing more happens. Prices
are looked at one by one as they were printed; orders that fills make come after those that wait.
While the exchange or the pair is closed to new orders nothing goes off, and the prices of that time
are not looked at afterwards.
"""

from __future__ import annotations

from decimal import Decimal

from krakked.sim.exchange import executions, matching
from krakked.sim.exchange.checks import check_funds
from krakked.sim.exchange.core import Core, FillToClose, Market, PairMode, SystemStatus
from krakked.sim.exchange.errors import VenueError
from krakked.sim.exchange.orders import CloseAsk, OrderAsk, Reference
from krakked.sim.exchange.pricing import Wanted, resolve
from krakked.sim.exchange.settlement import refresh_hold

_CLOSED_SYSTEM = (SystemStatus.MAINTENANCE, SystemStatus.CANCEL_ONLY, SystemStatus.POST_ONLY)


def settle_all(core: Core) -> None:
    """:func:`settle` every pair."""
    for market in core.markets.values():
        settle(core, market)


def _is_closed(market: Market) -> bool:
    return market.status.only_cancels or market.status is PairMode.POST_ONLY


def settle(core: Core, market: Market) -> None:
    """Let everything happen that the last trades and the book set off."""
    while market.closes or market.watch:
        closed = core.system_status in _CLOSED_SYSTEM or _is_closed(market)
        if closed:
            market.unseen.clear()
        if market.unseen:
            _look(core, market, "last", market.unseen.pop(0))
        elif market.closes:
            _open_close(core, market, market.closes.pop(0))
        elif closed or not _look_at_index(core, market):
            break
    market.unseen.clear()


def look_again(core: Core, market: Market) -> None:
    """After a pause: what the price is now counts, not what it was meanwhile."""
    price = market.reference()
    if market.watch.of("last") and price is not None:
        market.unseen.append(price)
    settle(core, market)


def look_again_all(core: Core) -> None:
    """:func:`look_again` at every pair."""
    for market in core.markets.values():
        look_again(core, market)


def _look_at_index(core: Core, market: Market) -> bool:
    """Show the index if it is another than before."""
    if not market.watch.of("index"):
        return False
    price = market.price_of("index")
    if price is None or price == market.watch.index_seen:
        return False
    market.watch.index_seen = price
    _look(core, market, "index", price)
    return True


def _look(core: Core, market: Market, reference: Reference, price: Decimal) -> None:
    moved, off = market.watch.look(reference, price, market.pair.tick_size)
    for order in moved:
        refresh_hold(market, core.accounts[order.account], order)
        core.changes.note("order", order.order_id)
        row = executions.trigger_moved(market, order, core.now_ns)
        core.tell(order.account, "executions", row)
    for order in off:
        matching.set_off(core, order)


def _open_close(core: Core, market: Market, fill: FillToClose) -> None:
    """One fill of an order makes another of its size on the other side.

    It is not held against the pair's minimums. What cannot be funded is seen and ends at once; a
    distance that leads below zero makes no order.
    """
    close = fill.order.ask.close
    assert close is not None, "only fills of such orders are kept"
    account = core.accounts[fill.order.account]
    try:
        ask = _close_ask(market, fill, close)
    except VenueError:
        return
    try:
        check_funds(core, account, market, ask)
    except VenueError:
        matching.refuse(core, account, ask, matching.NO_FUNDS, opened_by=fill.order.order_id)
    else:
        matching.place(core, account, ask, opened_by=fill.order.order_id)


def _close_ask(market: Market, fill: FillToClose, close: CloseAsk) -> OrderAsk:
    primary = fill.order.ask
    side = primary.side.opposite
    wanted = Wanted(form=close.form, side=side, trigger=close.trigger, limit=close.limit)
    found = resolve(market, wanted, fill.price)
    return OrderAsk(
        pair=primary.pair,
        side=side,
        form=close.form,
        quantity_base=fill.quantity_base,
        limit_price=found.limit_price,
        trigger=found.trigger,
        trigger_price=found.trigger_price,
        fee_in_base=primary.fee_in_base,
        userref=primary.userref,
        self_trade=primary.self_trade,
    )
