"""What an order must satisfy before it is accepted, in the order in which the venue looks:

pair → mode → arguments → tick → minimum → cost minimum → rate → open orders → funds → post only.

Arguments are read before (``rest_orders``, ``ws_orders``); what they mean is checked here, for
both wires. The engine's counter is charged by every attempt, also by one that fails here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.money import AMOUNT_MAX, ZERO, round_down
from krakked.domain.orders import Side
from krakked.domain.times import DAY_S, NS_PER_SECOND
from krakked.sim.exchange import errors, limits
from krakked.sim.exchange.accounts import Account
from krakked.sim.exchange.book import affordable_base
from krakked.sim.exchange.core import Core, Market, PairMode, SystemStatus
from krakked.sim.exchange.errors import VenueError, invalid, market_mode
from krakked.sim.exchange.matching import plan
from krakked.sim.exchange.orders import CloseAsk, OrderAsk, TimeInForce
from krakked.sim.exchange.settlement import amount_to_hold, fee_tier, market_buy_cost

GTD_MIN_NS: Final = 5 * NS_PER_SECOND
GTD_MAX_NS: Final = 31 * DAY_S * NS_PER_SECOND
DEADLINE_MAX_NS: Final = 60 * NS_PER_SECOND
ICEBERG_PORTIONS_MAX: Final = 15
UUID_LENGTH: Final = 36
HEX_LENGTH: Final = 32
FREE_TEXT_MAX: Final = 18
_HEX: Final = frozenset("0123456789abcdefABCDEF")


def check_mode(core: Core, market: Market, ask: OrderAsk) -> None:
    """Whether the exchange and the pair take such an order now."""
    may_change(core, market)
    for status in (core.system_status, market.status):
        if status in (SystemStatus.POST_ONLY, PairMode.POST_ONLY) and not ask.post_only:
            raise market_mode("post_only")
        if status in (SystemStatus.LIMIT_ONLY, PairMode.LIMIT_ONLY) and not ask.form.priced:
            raise market_mode("limit_only")
    if market.status is PairMode.REDUCE_ONLY and ask.side is Side.BUY:
        raise market_mode("reduce_only")


def check_times(ask: OrderAsk, now_ns: int) -> None:
    """Start and expiry."""
    if ask.time_in_force is TimeInForce.GTD:
        from_ns = max(now_ns, ask.start_ns)
        if not from_ns + GTD_MIN_NS <= ask.expire_ns <= from_ns + GTD_MAX_NS:
            raise invalid("expiretm")
    elif ask.expire_ns:
        raise invalid("expiretm")
    if ask.start_ns and ask.start_ns > now_ns + GTD_MAX_NS:
        raise invalid("starttm")


def check_deadline(deadline_ns: int | None, least_ns: int, now_ns: int) -> None:
    """A deadline lies between ``least_ns`` and a minute ahead; a passed one is its own error."""
    if deadline_ns is None:
        return
    if deadline_ns <= now_ns:
        raise VenueError(errors.DEADLINE)
    if not now_ns + least_ns <= deadline_ns <= now_ns + DEADLINE_MAX_NS:
        raise invalid("deadline")


def check_client_id(account: Account, cl_ord_id: str) -> None:
    """Shape, and unique among open orders."""
    if not is_client_id(cl_ord_id):
        raise invalid("cl_ord_id")
    if cl_ord_id in account.by_client_id:
        raise VenueError(errors.CLIENT_ID_TAKEN)


def is_client_id(text: str) -> bool:
    """A UUID with dashes, 32 hexadecimal digits, or at most 18 printable ASCII characters."""
    if len(text) == UUID_LENGTH:
        groups = [len(part) for part in text.split("-")]
        return groups == [8, 4, 4, 4, 12] and _HEX.issuperset(text.replace("-", ""))
    if len(text) == HEX_LENGTH:
        return _HEX.issuperset(text)
    return len(text) <= FREE_TEXT_MAX and text.isascii() and text.isprintable()


def check_price(market: Market, price: Decimal) -> None:
    """A whole number of ticks."""
    if price <= 0:
        raise invalid("price")
    if price % market.pair.tick_size != 0:
        raise VenueError(errors.TICK_SIZE)


def check_minimums(core: Core, market: Market, ask: OrderAsk) -> None:
    """Smallest size and smallest worth; a market order is valued at what it would trade at."""
    if ask.quantity_base < market.pair.order_min:
        raise VenueError(core.options.order_minimum_error)
    known = ask.limit_price or ask.trigger_price
    price = known or market.book.best(ask.side.opposite) or market.reference()
    if price is not None and ask.quantity_base * price < market.pair.cost_min:
        raise VenueError(errors.COST_MINIMUM)


def check_open_orders(account: Account, market: Market) -> None:
    """How many may rest on one pair."""
    allowed = account.limits
    if allowed is None:
        return
    if account.open_count.get(market.name, 0) >= allowed.open_orders_per_pair:
        raise VenueError(errors.ORDERS_LIMIT)


def check_funds(
    core: Core, account: Account, market: Market, ask: OrderAsk, released: Decimal = ZERO
) -> None:
    """Free balance for the order with its fee; an amend may use what the order holds already."""
    pct = fee_tier(core, account).taker_pct
    price = ask.trigger_price if ask.limit_price is None else ask.limit_price
    if price is not None and price * ask.quantity_base > AMOUNT_MAX:
        raise VenueError(errors.INSUFFICIENT_FUNDS)
    if ask.side is Side.BUY and price is None:
        needed = market_buy_cost(market, plan(core, market, account, ask), ask, pct)
    else:
        needed = amount_to_hold(market, ask, price, ask.quantity_base, pct)
    asset = market.quote if ask.side is Side.BUY else market.base
    if needed > account.available(asset) + released:
        raise VenueError(errors.INSUFFICIENT_FUNDS)


def check_post_only(core: Core, account: Account, market: Market, ask: OrderAsk) -> None:
    """Refused if it would take, unless the exchange cancels such orders instead."""
    if not ask.post_only or core.options.post_only_mode == "cancel" or ask.start_ns > core.now_ns:
        return
    if plan(core, market, account, ask).crosses:
        raise VenueError(errors.POST_ONLY)


def sized_by_budget(market: Market, ask: OrderAsk) -> OrderAsk:
    """A market buy given in quote becomes one in base; the fee comes on top of the budget."""
    if ask.budget_quote is None:
        return ask
    quantity = affordable_base(market.book, ask.side, ask.budget_quote)
    quantity = round_down(quantity, market.pair.lot_decimals)
    return msgspec.structs.replace(ask, quantity_base=quantity)


def admit(core: Core, account: Account, market: Market, points: limits.Points) -> bool:
    """Charge the engine's counter; false if it is full."""
    counter = account.counter(market.name)
    return limits.admit_engine_call(counter, account.limits, points, core.now_ns)


def check_new(core: Core, account: Account, market: Market, ask: OrderAsk) -> None:
    """Everything that also a validation-only order must satisfy."""
    check_mode(core, market, ask)
    check_times(ask, core.now_ns)
    if ask.cl_ord_id is not None:
        check_client_id(account, ask.cl_ord_id)
    for price in (ask.trigger_price, ask.limit_price):
        if price is not None:
            check_price(market, price)
    if ask.close is not None:
        check_close(market, ask.close)
    check_minimums(core, market, ask)


def check_close(market: Market, close: CloseAsk) -> None:
    """The plain prices of a closing order; distances are known with its fill."""
    trigger = None if close.trigger is None else close.trigger.price
    for price in (trigger, close.limit):
        if price is not None and not price.is_distance:
            check_price(market, price.amount)


def check_display(quantity_base: Decimal, display_base: Decimal | None, name: str) -> None:
    """An iceberg shows at least a fifteenth of itself, and not more than there is."""
    if display_base is None:
        return
    if display_base * ICEBERG_PORTIONS_MAX < quantity_base or display_base > quantity_base:
        raise invalid(name)


def only_posts(core: Core, market: Market) -> bool:
    """Whether nobody may take now."""
    return core.system_status is SystemStatus.POST_ONLY or market.status is PairMode.POST_ONLY


def may_change(core: Core, market: Market) -> None:
    """Whether orders can come, or be amended, now."""
    if core.system_status is SystemStatus.CANCEL_ONLY or market.status.only_cancels:
        raise market_mode("cancel_only")
