"""Amending an open order: it keeps its ids and fills, and its place if nothing got better for it.

Less quantity, or less of an iceberg in sight, keeps the place; more of either, or another limit,
goes to the back and may trade on the way. A quantity at or below what is filled ends the order.
Distances are measured as for a new order; those of a trailing stop from its best price so far.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.orders import VenueStatus
from krakked.sim.exchange import checks, errors, executions, matching
from krakked.sim.exchange.accounts import Account
from krakked.sim.exchange.core import Core, Market
from krakked.sim.exchange.errors import VenueError, invalid
from krakked.sim.exchange.orders import FORMS, AmendAsk, Amendment, Order, Trigger
from krakked.sim.exchange.prices import Price, static
from krakked.sim.exchange.pricing import Resolved, Wanted, resolve
from krakked.sim.exchange.settlement import fee_tier, refresh_hold
from krakked.sim.exchange.triggers import is_met

REPLACED_BY_LESS: Final = "Amended to filled quantity"


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the order would be after the amend."""

    quantity_base: Decimal
    display_base: Decimal | None
    limit_price: Decimal | None
    trigger: Trigger | None
    trigger_price: Decimal | None


def terms_after(core: Core, order: Order, ask: AmendAsk) -> Terms:
    """The order's terms with the change in them.

    Raises:
        VenueError: nothing is changed, or something that this order does not have.
    """
    _check_applies(order, ask)
    market = core.markets[order.ask.pair]
    prices = _prices_after(market, order, ask)
    return Terms(
        quantity_base=order.quantity_base if ask.quantity_base is None else ask.quantity_base,
        display_base=order.display_base if ask.display_base is None else ask.display_base,
        limit_price=prices.limit_price,
        trigger=prices.trigger,
        trigger_price=prices.trigger_price,
    )


def _check_applies(order: Order, ask: AmendAsk) -> None:
    changes = (ask.quantity_base, ask.display_base, ask.limit, ask.trigger)
    if all(change is None for change in changes):
        raise invalid("order_qty")
    if ask.display_base is not None and not order.ask.form.iceberg:
        raise invalid("display_qty")
    if ask.limit is not None and not order.ask.form.priced:
        raise invalid("limit_price")
    if ask.trigger is not None and not order.waits:
        raise invalid("trigger_price")


def _prices_after(market: Market, order: Order, ask: AmendAsk) -> Resolved:
    """Only what is asked for moves; a trailing stop's limit goes with its trigger."""
    if ask.trigger is None and ask.limit is None:
        return _as_it_is(order)
    if not order.waits or order.trigger is None:
        return _limit_after(market, order, ask)
    trigger = order.trigger
    if ask.trigger is not None:
        trigger = msgspec.structs.replace(trigger, price=ask.trigger)
    if order.ask.form.trigger == "trail":
        wanted = _wanted(order, trigger, ask.limit or trigger.limit)
        return resolve(market, wanted, order.peak_price)
    wanted = _wanted(order, _where_it_is(order, trigger, ask), ask.limit or _limit_of(order))
    return msgspec.structs.replace(resolve(market, wanted), trigger=trigger)


def _limit_after(market: Market, order: Order, ask: AmendAsk) -> Resolved:
    """An order in the book has nothing but its limit left to move."""
    wanted = msgspec.structs.replace(_wanted(order, None, ask.limit), form=FORMS["limit"])
    found = resolve(market, wanted)
    return msgspec.structs.replace(_as_it_is(order), limit_price=found.limit_price)


def _limit_of(order: Order) -> Price | None:
    return static(order.limit_price)


def _where_it_is(order: Order, trigger: Trigger, ask: AmendAsk) -> Trigger:
    """A trigger that is not changed stays where it is, whatever the price is by now."""
    if ask.trigger is not None or order.trigger_price is None:
        return trigger
    return msgspec.structs.replace(trigger, price=Price(amount=order.trigger_price))


def _as_it_is(order: Order) -> Resolved:
    return Resolved(
        trigger=order.trigger, trigger_price=order.trigger_price, limit_price=order.limit_price
    )


def _wanted(order: Order, trigger: Trigger | None, limit: Price | None) -> Wanted:
    return Wanted(
        form=order.ask.form,
        side=order.ask.side,
        trigger=trigger,
        limit=limit,
        trigger_name="trigger_price",
        limit_name="limit_price",
    )


def check(core: Core, account: Account, order: Order, terms: Terms, *, post_only: bool) -> None:
    """What a changed order must satisfy: the same as a new one."""
    market = core.markets[order.ask.pair]
    checks.may_change(core, market)
    for price in (terms.trigger_price, terms.limit_price):
        if price is not None:
            checks.check_price(market, price)
    rest_base = terms.quantity_base - order.filled_base
    if rest_base <= 0:
        return
    checks.check_display(rest_base, _shown(terms, rest_base), "display_qty")
    whole = msgspec.structs.replace(
        order.ask,
        quantity_base=terms.quantity_base,
        limit_price=terms.limit_price,
        trigger_price=terms.trigger_price if order.waits else None,
    )
    checks.check_minimums(core, market, whole)
    rest = msgspec.structs.replace(whole, quantity_base=rest_base)
    checks.check_funds(core, account, market, rest, released=order.hold)
    _check_trigger(market, order, terms)
    may_not_take = post_only or checks.only_posts(core, market)
    if may_not_take and not order.waits and matching.plan(core, market, account, rest).crosses:
        raise VenueError(errors.POST_ONLY)


def _shown(terms: Terms, rest_base: Decimal) -> Decimal | None:
    """What an iceberg may show of its rest; a portion larger than that is no mistake."""
    return None if terms.display_base is None else min(terms.display_base, rest_base)


def _check_trigger(market: Market, order: Order, terms: Terms) -> None:
    """A trigger is not moved to where it would go off at once."""
    if not order.waits or terms.trigger is None or order.status is not VenueStatus.OPEN:
        return
    price = market.price_of(terms.trigger.reference)
    moved = msgspec.structs.replace(order, trigger_price=terms.trigger_price)
    if terms.trigger_price != order.trigger_price and price is not None and is_met(moved, price):
        raise VenueError(errors.INVALID_PRICE)


def apply(core: Core, order: Order, terms: Terms, amend_id: str, *, post_only: bool) -> None:
    """Change an order that was checked."""
    market, account = core.markets[order.ask.pair], core.accounts[order.account]
    keeps_place = _keeps_place(order, terms)
    matching.take_out(core, order)
    if not order.amendments:
        order.amendments.append(original(order))
    if not keeps_place:
        order.priority = core.next_priority()
    _change(order, terms)
    order.amended = True
    order.touched_ns = core.now_ns
    order.hold_fee_pct = fee_tier(core, account).taker_pct
    order.amendments.append(_amendment(core, order, amend_id, post_only=post_only))
    refresh_hold(market, account, order)
    core.changes.note("order", order.order_id)
    core.tell(account.name, "executions", executions.amended(market, order, core.now_ns))
    core.book_changed(market.name)
    if order.remaining_base == 0:
        matching.end(core, order, VenueStatus.CANCELED, REPLACED_BY_LESS)
    else:
        matching.take_up(core, order, keeps_place=keeps_place)


def original(order: Order) -> Amendment:
    """What the order was born as."""
    ask = order.ask
    return Amendment(
        amend_id=f"T{order.order_id[1:]}",
        kind="original",
        quantity_base=ask.quantity_base,
        remaining_base=ask.quantity_base,
        display_base=ask.display_base,
        limit_price=ask.limit_price,
        trigger_price=ask.trigger_price,
        post_only=ask.post_only,
        at_ns=order.opened_ns,
    )


def _amendment(core: Core, order: Order, amend_id: str, *, post_only: bool) -> Amendment:
    return Amendment(
        amend_id=amend_id,
        kind="user",
        quantity_base=order.quantity_base,
        remaining_base=order.remaining_base,
        display_base=order.display_base,
        limit_price=order.limit_price,
        trigger_price=order.trigger_price,
        post_only=post_only,
        at_ns=core.now_ns,
    )


def _keeps_place(order: Order, terms: Terms) -> bool:
    shows_more = terms.display_base is not None and terms.display_base > (order.display_base or 0)
    same_price = terms.limit_price == order.limit_price
    return same_price and terms.quantity_base <= order.quantity_base and not shows_more


def _change(order: Order, terms: Terms) -> None:
    order.quantity_base = max(terms.quantity_base, order.filled_base)
    order.limit_price = terms.limit_price
    order.trigger = terms.trigger
    order.trigger_price = terms.trigger_price
    order.display_base = terms.display_base
    if terms.display_base is not None:
        order.shown_base = min(order.shown_base, terms.display_base, order.remaining_base)
