"""Orders meet: the only code that places, fills, amends and ends them.

An arriving order is planned first and applied after (:func:`book.plan_match` takes nothing), so
that fill-or-kill, post-only and funds are questions about a plan. The market's side arrives in
``house``; what trades set off in turn is ``waiting``'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Literal

from krakked.domain.ids import VenueOrderId
from krakked.domain.money import ZERO
from krakked.domain.orders import Side, VenueStatus
from krakked.sim.exchange import executions
from krakked.sim.exchange.accounts import Account
from krakked.sim.exchange.book import Appetite, MatchPlan, Slice, plan_match
from krakked.sim.exchange.core import Core, Market
from krakked.sim.exchange.events import PublicTrade
from krakked.sim.exchange.fees import PERCENT
from krakked.sim.exchange.orders import Order, OrderAsk, TimeInForce, Trigger
from krakked.sim.exchange.settlement import (
    Fill,
    book_fill,
    fee_tier,
    market_buy_cost,
    refresh_hold,
)
from krakked.sim.exchange.triggers import follow, is_met

USER: Final = "User requested"
POST_ONLY: Final = "Post only order"
TRIGGERED_AT_ONCE: Final = "Order would trigger immediately"
# The venue's own words for the following ends are not recorded; these are ours.
EXPIRED: Final = "Order expired"
NOT_FILLED: Final = "Immediate or cancel"
KILLED: Final = "Fill or kill"
BAND: Final = "Market price protection"
SELF_TRADE: Final = "Self trade prevention"
DEAD_MAN: Final = "Cancel all orders after timeout"
NO_FUNDS: Final = "Insufficient funds"


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
            self_trade=ask.self_trade,
        ),
    )


def place(
    core: Core, account: Account, ask: OrderAsk, *, opened_by: VenueOrderId | None = None
) -> Order:
    """Accept an order that was checked, and match it."""
    order = _accept(core, account, ask, opened_by)
    if ask.expire_ns:
        core.agenda.add(ask.expire_ns, "expire", order)
    if ask.start_ns > core.now_ns:
        core.agenda.add(ask.start_ns, "start", order)
    else:
        activate(core, order)
    return order


def refuse(
    core: Core, account: Account, ask: OrderAsk, reason: str, *, opened_by: VenueOrderId
) -> Order:
    """An order that the exchange made itself and cannot keep: it is seen, and ends at once."""
    order = _new_order(core, account, ask, opened_by)
    account.enter(order)
    core.tell(account.name, "executions", executions.pending_new(core.markets[ask.pair], order))
    end(core, order, VenueStatus.CANCELED, reason)
    return order


def activate(core: Core, order: Order) -> None:
    """The order reaches the engine: it waits for its trigger, or is matched."""
    market = core.markets[order.ask.pair]
    order.status = VenueStatus.OPEN
    order.touched_ns = core.now_ns
    core.changes.note("order", order.order_id)
    core.tell(order.account, "executions", executions.accepted(order))
    if order.trigger is None:
        _arrive(core, market, order, post_only=order.ask.post_only)
    else:
        _begin_to_wait(core, market, order, order.trigger)


def _begin_to_wait(core: Core, market: Market, order: Order, trigger: Trigger) -> None:
    """A trailing stop starts from the price of now; a trigger that is reached already ends it."""
    price = market.price_of(trigger.reference)
    if order.ask.form.trigger == "trail" and price is not None:
        order.peak_price = None
        follow(order, price, market.pair.tick_size)
        account = core.accounts[order.account]
        refresh_hold(market, account, order)
        if account.available(market.quote) < 0:
            end(core, order, VenueStatus.CANCELED, NO_FUNDS)
            return
    elif price is not None and is_met(order, price):
        end(core, order, VenueStatus.CANCELED, TRIGGERED_AT_ONCE)
        return
    market.watch.add(order)


def set_off(core: Core, order: Order) -> None:
    """The trigger was reached, and whoever watched let go of the order: it goes to the back."""
    market = core.markets[order.ask.pair]
    order.triggered_ns = core.now_ns
    order.priority = core.next_priority()
    refresh_hold(market, core.accounts[order.account], order)
    core.changes.note("order", order.order_id)
    core.tell(order.account, "executions", executions.triggered(market, order, core.now_ns))
    _arrive(core, market, order, post_only=False)


def _accept(core: Core, account: Account, ask: OrderAsk, opened_by: VenueOrderId | None) -> Order:
    order = _new_order(core, account, ask, opened_by)
    market = core.markets[ask.pair]
    account.enter(order)
    refresh_hold(market, account, order)
    core.changes.note("order", order.order_id)
    core.tell(account.name, "executions", executions.pending_new(market, order))
    return order


def _new_order(
    core: Core, account: Account, ask: OrderAsk, opened_by: VenueOrderId | None
) -> Order:
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
        trigger=ask.trigger,
        trigger_price=ask.trigger_price,
        display_base=ask.display_base,
        shown_base=ask.display_base or ZERO,
        opened_by=opened_by,
    )


def _arrive(core: Core, market: Market, order: Order, *, post_only: bool) -> None:
    """Take what crosses, then rest or end.

    1. Something forbids it to take (:func:`_obstacle`): canceled whole. 2. All filled: closed.
    3. It met an order of its own account and has to go: canceled. 4. It may rest: it rests.
    5. Else the rest is canceled.
    """
    found = _plan_rest(core, market, core.accounts[order.account], order)
    obstacle = _obstacle(core, market, order, found, post_only=post_only)
    if obstacle is not None:
        end(core, order, VenueStatus.CANCELED, obstacle)
        return
    _take(core, market, order, found.slices)
    if order.remaining_base == 0:
        end(core, order, VenueStatus.CLOSED, None)
    elif found.met_itself:
        end(core, order, VenueStatus.CANCELED, SELF_TRADE)
    elif _may_rest(order):
        rest(core, market, order)
    else:
        end(core, order, VenueStatus.CANCELED, NOT_FILLED if order.limit_price else BAND)


def _obstacle(
    core: Core, market: Market, order: Order, found: MatchPlan, *, post_only: bool
) -> str | None:
    """Why the order may take nothing at all: post-only, fill-or-kill, or no money for it."""
    if post_only and found.crosses:
        return POST_ONLY
    if order.ask.time_in_force is TimeInForce.FOK and found.filled_base < order.remaining_base:
        return KILLED
    if order.ask.side is Side.BUY and order.limit_price is None:
        account = core.accounts[order.account]
        cost = market_buy_cost(market, found, order.ask, order.hold_fee_pct)
        if cost > account.available(market.quote) + order.hold:
            return NO_FUNDS
    return None


def rest(core: Core, market: Market, order: Order) -> None:
    """Stand in the book; an iceberg with a fresh portion."""
    if order.display_base is not None:
        order.shown_base = min(order.display_base, order.remaining_base)
    market.book.add(order)
    core.book_changed(market.name)


def _plan_rest(core: Core, market: Market, account: Account, order: Order) -> MatchPlan:
    return plan_match(
        market.book,
        Appetite(
            side=order.ask.side,
            quantity_base=order.remaining_base,
            worst_price=worst_price(core, market, order.ask.side, order.limit_price),
            account=account.name,
            self_trade=order.ask.self_trade,
        ),
    )


def _may_rest(order: Order) -> bool:
    return order.ask.form.rests and order.ask.time_in_force in (TimeInForce.GTC, TimeInForce.GTD)


def _take(core: Core, market: Market, order: Order, slices: Sequence[Slice]) -> None:
    """Apply a plan piece by piece: own orders in the way go, the rest trades."""
    for piece in slices:
        if piece.maker is not None and piece.quantity_base == 0:
            withdraw(core, piece.maker, SELF_TRADE, VenueStatus.CANCELED)
            continue
        fill = Fill(
            price=piece.price,
            quantity_base=piece.quantity_base,
            maker=False,
            trade_id=market.next_trade_id(),
        )
        book_fill(core, order, fill)
        if piece.maker is not None:
            fill_maker(core, market, piece.maker, piece.quantity_base, fill.trade_id)
        elif piece.level is not None:
            market.book.take_house(piece.level, order.ask.side.opposite, piece.quantity_base)
        kind: Literal["market", "limit"] = "limit" if order.ask.form.priced else "market"
        print_fill(core, market, fill, order.ask.side, kind)
    if slices:
        core.book_changed(market.name)


def fill_maker(
    core: Core, market: Market, order: Order, quantity_base: Decimal, trade_id: int | None = None
) -> Fill:
    """Fill a resting order at its own price; all filled, it leaves the book.

    ``trade_id`` is the taker's, where that is an order too: one trade has one id.
    """
    assert order.limit_price is not None, "only priced orders rest"
    assert quantity_base <= order.visible_base, "what is hidden is not filled"
    fill = Fill(
        price=order.limit_price,
        quantity_base=quantity_base,
        maker=True,
        trade_id=market.next_trade_id() if trade_id is None else trade_id,
    )
    if order.display_base is not None:
        order.shown_base -= quantity_base
    book_fill(core, order, fill)
    if order.remaining_base == 0:
        market.book.remove(order)
        end(core, order, VenueStatus.CLOSED, None)
    elif order.visible_base == 0:
        _refill(core, market, order)
    core.book_changed(market.name)
    return fill


def _refill(core: Core, market: Market, order: Order) -> None:
    """An iceberg's portion is gone: the next one stands at the back of its price."""
    market.book.remove(order)
    order.priority = core.next_priority()
    rest(core, market, order)
    core.tell(order.account, "executions", executions.refilled(market, order, core.now_ns))


def print_fill(
    core: Core, market: Market, fill: Fill, taker: Side, order_type: Literal["market", "limit"]
) -> None:
    """Put a trade of an account on the tape, if such trades are to be seen there."""
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
    """Take an open or scheduled order out of wherever it is, and end it."""
    take_out(core, order)
    end(core, order, status, reason)


def take_out(core: Core, order: Order) -> None:
    """Out of the book, or away from the trigger it waits for; a scheduled one is nowhere."""
    if order.status is not VenueStatus.OPEN:
        return
    market = core.markets[order.ask.pair]
    if order.waits:
        market.watch.remove(order)
    else:
        market.book.remove(order)
        core.book_changed(order.ask.pair)


def cancel(core: Core, order: Order, reason: str = USER) -> None:
    """Cancel an open or scheduled order."""
    withdraw(core, order, reason, VenueStatus.CANCELED)


def cancel_all(core: Core, account: Account, reason: str = USER) -> int:
    """Cancel every open order of an account, oldest first."""
    orders = list(account.open.values())
    for order in orders:
        cancel(core, order, reason)
    return len(orders)


def take_up(core: Core, order: Order, *, keeps_place: bool) -> None:
    """Put an amended order back: where it was, or as if it had just come.

    The post-only of its birth no longer binds it.
    """
    market = core.markets[order.ask.pair]
    if order.status is not VenueStatus.OPEN:
        return
    if order.waits:
        market.watch.add(order)
    elif keeps_place:
        market.book.add(order)
    else:
        _arrive(core, market, order, post_only=False)
