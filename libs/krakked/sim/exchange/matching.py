"""Orders meet: the only code that places, fills, amends and ends them.

An arriving order is planned first and applied after (:func:`book.plan_match` takes nothing), so
that fill-or-kill, post-only and funds are questions about a plan. Three things arrive: orders of
accounts, the house with a new book, and strangers who trade with each other at a price.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Literal

from krakked.domain.ids import VenueOrderId
from krakked.domain.orders import Side, VenueStatus
from krakked.sim.exchange import executions
from krakked.sim.exchange.accounts import Account
from krakked.sim.exchange.book import Appetite, MatchPlan, Slice, plan_match
from krakked.sim.exchange.core import Core, Market
from krakked.sim.exchange.events import PublicTrade
from krakked.sim.exchange.fees import PERCENT
from krakked.sim.exchange.orders import AmendAsk, Order, OrderAsk, TimeInForce
from krakked.sim.exchange.settlement import Fill, book_fill, fee_tier, refresh_hold

USER: Final = "User requested"
POST_ONLY: Final = "Post only order"
# The venue's own words for the following ends are not recorded; these are ours.
EXPIRED: Final = "Order expired"
NOT_FILLED: Final = "Immediate or cancel"
BAND: Final = "Market price protection"
SELF_TRADE: Final = "Self trade prevention"
DEAD_MAN: Final = "Cancel all orders after timeout"
REPLACED_BY_LESS: Final = "Amended to filled quantity"


def worst_price(core: Core, market: Market, side: Side, limit: Decimal | None) -> Decimal | None:
    """How far an order goes: its limit, or for a market order the edge of the price band."""
    if limit is not None:
        return limit
    best = market.book.best(side.opposite)
    if best is None:
        return None
    return best + side.sign * best * core.options.market_band_pct * PERCENT


def plan(core: Core, market: Market, account: Account, ask: OrderAsk) -> MatchPlan:
    """What an order would take now."""
    return plan_match(
        market.book,
        Appetite(
            side=ask.side,
            quantity_base=ask.quantity_base,
            worst_price=worst_price(core, market, ask.side, ask.limit_price),
            account=account.name,
        ),
    )


def place(core: Core, account: Account, ask: OrderAsk) -> Order:
    """Accept an order that was checked, and match it."""
    order = _new_order(core, account, ask)
    market = core.markets[ask.pair]
    account.enter(order)
    refresh_hold(market, account, order)
    core.changes.note("order", order.order_id)
    core.tell(account.name, "executions", executions.pending_new(market, order))
    if ask.expire_ns:
        core.agenda.add(ask.expire_ns, "expire", order)
    if ask.start_ns > core.now_ns:
        core.agenda.add(ask.start_ns, "start", order)
    else:
        activate(core, order)
    return order


def activate(core: Core, order: Order) -> None:
    """The order reaches the engine: match it, then rest or end it."""
    market = core.markets[order.ask.pair]
    order.status = VenueStatus.OPEN
    order.touched_ns = core.now_ns
    core.changes.note("order", order.order_id)
    core.tell(order.account, "executions", executions.accepted(order))
    _arrive(core, market, order)


def _new_order(core: Core, account: Account, ask: OrderAsk) -> Order:
    order_id = VenueOrderId(core.ids.next("order"))
    return Order(
        number=core.ids.count("order"),
        order_id=order_id,
        account=account.name,
        ask=ask,
        status=VenueStatus.PENDING,
        quantity_base=ask.quantity_base,
        limit_price=ask.limit_price,
        opened_ns=core.now_ns,
        touched_ns=core.now_ns,
        priority=core.next_priority(),
        hold_fee_pct=fee_tier(core, account).taker_pct,
    )


def _arrive(core: Core, market: Market, order: Order) -> None:
    """Take what crosses, then rest or end.

    1. Post-only that would take: canceled. 2. Fill-or-kill that cannot fill: canceled.
    3. It met an order of its own account: the newest, this one, is canceled.
    4. All filled: closed. 5. It may rest: it rests. 6. Else the rest is canceled.
    """
    account = core.accounts[order.account]
    found = _plan_rest(core, market, account, order)
    if order.ask.post_only and (found.slices or found.met_itself):
        end(core, order, VenueStatus.CANCELED, POST_ONLY)
        return
    if order.ask.time_in_force is TimeInForce.FOK and found.filled_base < order.remaining_base:
        end(core, order, VenueStatus.CANCELED, NOT_FILLED)
        return
    _take(core, market, order, found.slices)
    if order.remaining_base == 0:
        end(core, order, VenueStatus.CLOSED, None)
    elif found.met_itself:
        end(core, order, VenueStatus.CANCELED, SELF_TRADE)
    elif _may_rest(order):
        market.book.add(order)
        core.book_changed(market.name)
    else:
        end(core, order, VenueStatus.CANCELED, NOT_FILLED if order.limit_price else BAND)


def _plan_rest(core: Core, market: Market, account: Account, order: Order) -> MatchPlan:
    return plan_match(
        market.book,
        Appetite(
            side=order.ask.side,
            quantity_base=order.remaining_base,
            worst_price=worst_price(core, market, order.ask.side, order.limit_price),
            account=account.name,
        ),
    )


def _may_rest(order: Order) -> bool:
    return order.ask.form.rests and order.ask.time_in_force in (TimeInForce.GTC, TimeInForce.GTD)


def _take(core: Core, market: Market, order: Order, slices: Sequence[Slice]) -> None:
    for piece in slices:
        trade_id = market.next_trade_id()
        fill = Fill(
            price=piece.price, quantity_base=piece.quantity_base, maker=False, trade_id=trade_id
        )
        book_fill(core, order, fill)
        if piece.maker is not None:
            fill_maker(core, market, piece.maker, piece.quantity_base)
        elif piece.level is not None:
            market.book.take_house(piece.level, order.ask.side.opposite, piece.quantity_base)
        _print(core, market, fill, order.ask.side, order.ask.form.name)
    if slices:
        core.book_changed(market.name)


def fill_maker(core: Core, market: Market, order: Order, quantity_base: Decimal) -> Fill:
    """Fill a resting order at its own price; all filled, it leaves the book."""
    assert order.limit_price is not None, "only priced orders rest"
    fill = Fill(
        price=order.limit_price,
        quantity_base=quantity_base,
        maker=True,
        trade_id=market.next_trade_id(),
    )
    book_fill(core, order, fill)
    if order.remaining_base == 0:
        market.book.remove(order)
        end(core, order, VenueStatus.CLOSED, None)
    core.book_changed(market.name)
    return fill


def _print(
    core: Core, market: Market, fill: Fill, taker: Side, order_type: Literal["market", "limit"]
) -> None:
    if core.options.prints_own_trades:
        core.print_trade(
            PublicTrade(
                pair=market.name,
                price=fill.price,
                quantity_base=fill.quantity_base,
                taker_side=taker,
                order_type=order_type,
                trade_id=fill.trade_id,
                at_ns=core.now_ns,
            )
        )


def end(core: Core, order: Order, status: VenueStatus, reason: str | None) -> None:
    """The order will not be filled any more. It must be out of the book already."""
    market, account = core.markets[order.ask.pair], core.accounts[order.account]
    order.status = status
    order.reason = reason
    order.closed_ns = core.now_ns
    refresh_hold(market, account, order)
    account.leave(order)
    core.changes.note("order", order.order_id)
    core.tell(account.name, "executions", executions.ended(market, order, core.now_ns))


def withdraw(core: Core, order: Order, reason: str, status: VenueStatus) -> None:
    """Take an open or scheduled order out of the book and end it."""
    if order.status is VenueStatus.OPEN:
        core.markets[order.ask.pair].book.remove(order)
        core.book_changed(order.ask.pair)
    end(core, order, status, reason)


def cancel(core: Core, order: Order, reason: str = USER) -> None:
    """Cancel an open or scheduled order."""
    withdraw(core, order, reason, VenueStatus.CANCELED)


def cancel_all(core: Core, account: Account, reason: str = USER) -> int:
    """Cancel every open order of an account, oldest first."""
    orders = list(account.open.values())
    for order in orders:
        cancel(core, order, reason)
    return len(orders)


def amend(core: Core, order: Order, ask: AmendAsk) -> None:
    """Change a resting order that was checked.

    Less quantity keeps its place; more quantity or another price goes to the back. A quantity
    at or below what is filled ends the order.
    """
    market, account = core.markets[order.ask.pair], core.accounts[order.account]
    quantity = order.quantity_base if ask.quantity_base is None else ask.quantity_base
    price = order.limit_price if ask.limit_price is None else ask.limit_price
    keeps_place = price == order.limit_price and quantity <= order.quantity_base
    was_open = order.status is VenueStatus.OPEN
    if was_open:
        market.book.remove(order)
    if not keeps_place:
        order.priority = core.next_priority()
    order.quantity_base = max(quantity, order.filled_base)
    order.limit_price = price
    order.amended = True
    order.touched_ns = core.now_ns
    order.hold_fee_pct = fee_tier(core, account).taker_pct
    refresh_hold(market, account, order)
    core.changes.note("order", order.order_id)
    core.tell(account.name, "executions", executions.amended(market, order, core.now_ns))
    core.book_changed(market.name)
    if order.remaining_base == 0:
        end(core, order, VenueStatus.CANCELED, REPLACED_BY_LESS)
    elif was_open and keeps_place:
        market.book.add(order)
    elif was_open:
        _arrive_amended(core, market, order)


def _arrive_amended(core: Core, market: Market, order: Order) -> None:
    """As a new order, but the post-only of its birth no longer binds it."""
    account = core.accounts[order.account]
    found = _plan_rest(core, market, account, order)
    _take(core, market, order, found.slices)
    if order.remaining_base == 0:
        end(core, order, VenueStatus.CLOSED, None)
    elif found.met_itself:
        end(core, order, VenueStatus.CANCELED, SELF_TRADE)
    else:
        market.book.add(order)


def house_arrives(core: Core, market: Market) -> None:
    """The house has a new book: resting orders that it crosses are filled at their own price."""
    for side in (Side.BUY, Side.SELL):
        for level in list(market.book.house_levels(side.opposite)):
            found = _account_orders_crossed(market, side, level.price)
            for order in found:
                if level.quantity_base == 0:
                    break
                taken = min(level.quantity_base, order.remaining_base)
                market.book.take_house(level, side.opposite, taken)
                fill = fill_maker(core, market, order, taken)
                _print(core, market, fill, side.opposite, "limit")
            if not found:
                break


def _account_orders_crossed(market: Market, side: Side, price: Decimal) -> list[Order]:
    """Resting orders of a side that would trade at ``price``, best first."""
    return [
        order
        for order in market.book.resting(side)
        if order.limit_price is not None and side.sign * (order.limit_price - price) >= 0
    ]


def strangers_trade(
    core: Core, market: Market, price: Decimal, quantity_base: Decimal, taker: Side
) -> None:
    """A print between strangers, in which resting orders take part.

    1. Orders at better prices than the print, by price and time, at their own prices.
    2. At the print's price: the house's queue first (it shrinks), then orders by time.
    No more than the printed quantity is filled. The tape shows the print as it was.
    """
    side = taker.opposite
    left = quantity_base
    book = market.book
    book.sweep_house(side, price)
    crossed = _account_orders_crossed(market, side, price)
    left = _fill_up_to(core, market, [o for o in crossed if o.limit_price != price], left)
    at_price = [o for o in crossed if o.limit_price == price]
    if core.options.house_first:
        left = _take_queue(market, side, price, left)
        left = _fill_up_to(core, market, at_price, left)
    else:
        left = _fill_up_to(core, market, at_price, left)
        _take_queue(market, side, price, left)
    core.book_changed(market.name)


def _fill_up_to(core: Core, market: Market, orders: Sequence[Order], left: Decimal) -> Decimal:
    for order in orders:
        if left <= 0:
            return left
        taken = min(left, order.remaining_base)
        fill_maker(core, market, order, taken)
        left -= taken
    return left


def _take_queue(market: Market, side: Side, price: Decimal, left: Decimal) -> Decimal:
    levels = market.book.house_levels(side)
    if left <= 0 or not levels or levels[0].price != price:
        return left
    taken = min(left, levels[0].quantity_base)
    market.book.take_house(levels[0], side, taken)
    return left - taken
