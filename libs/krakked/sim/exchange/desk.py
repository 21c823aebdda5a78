"""The order desk: adding, amending and cancelling as both wires do it, once the arguments are read.

Each function checks, charges the counters, acts, and answers with what the wire needs; it raises
:class:`VenueError` with nothing done.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.ids import ClientOrderId, VenueOrderId
from krakked.domain.times import DAY_S, NS_PER_SECOND
from krakked.sim.exchange import checks, errors, limits, matching
from krakked.sim.exchange.accounts import Account
from krakked.sim.exchange.core import Core, Market
from krakked.sim.exchange.errors import VenueError, invalid
from krakked.sim.exchange.orders import AmendAsk, Order, OrderAsk
from krakked.sim.wire import text

DEAD_MAN_MAX_S: Final = DAY_S
REST_DEADLINE_LEAST_NS: Final = 2 * NS_PER_SECOND
WS_DEADLINE_LEAST_NS: Final = NS_PER_SECOND // 2


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """A new order, or only its description if it was to be validated."""

    description: str
    order: Order | None


class DeadMan(msgspec.Struct, frozen=True, kw_only=True):
    """The timer after a call: both instants are whole seconds, as they are shown."""

    current_ns: int
    trigger_ns: int | None


def add_order(
    core: Core, account: Account, ask: OrderAsk, *, least_ns: int, validate: bool = False
) -> Added:
    """Accept a new order, or say why not."""
    market = core.markets[ask.pair]
    admitted = validate or checks.admit(core, account, market, limits.ADD_POINTS)
    ask = checks.sized_by_budget(market, ask)
    checks.check_new(core, account, market, ask)
    checks.check_deadline(ask.deadline_ns, least_ns, core.now_ns)
    description = describe(market, ask)
    if validate:
        return Added(description=description, order=None)
    if not admitted:
        raise VenueError(errors.ENGINE_RATE)
    checks.check_open_orders(account, market)
    checks.check_funds(core, account, market, ask)
    checks.check_post_only(core, account, market, ask)
    return Added(description=description, order=matching.place(core, account, ask))


def amend_order(core: Core, account: Account, order: Order, ask: AmendAsk, *, least_ns: int) -> str:
    """Change a resting order; answers with the amend's id."""
    market = core.markets[order.ask.pair]
    points = limits.AMEND_POINTS + limits.penalty(
        limits.AMEND_PENALTY, core.now_ns - order.touched_ns
    )
    admitted = checks.admit(core, account, market, points)
    checks.check_amend(core, account, order, ask)
    checks.check_deadline(ask.deadline_ns, least_ns, core.now_ns)
    if not admitted:
        raise VenueError(errors.ENGINE_RATE)
    matching.amend(core, order, ask)
    return core.ids.next("amend")


def cancel_order(core: Core, account: Account, order: Order) -> None:
    """Cancel one open order."""
    points = _cancel_points(core, order)
    if not checks.admit(core, account, core.markets[order.ask.pair], points):
        raise VenueError(errors.ENGINE_RATE)
    matching.cancel(core, order)


def cancel_all(core: Core, account: Account) -> int:
    """Cancel every open order; the counters are charged, but never refuse it."""
    for order in account.open.values():
        counter = account.counter(order.ask.pair)
        limits.charge_engine(counter, account.limits, _cancel_points(core, order), core.now_ns)
    return matching.cancel_all(core, account)


def set_dead_man(core: Core, account: Account, timeout_s: int) -> DeadMan:
    """Arm, re-arm or (0) disarm the account's timer; it fires at the instant that is shown."""
    if not 0 <= timeout_s < DEAD_MAN_MAX_S:
        raise invalid("timeout")
    half = NS_PER_SECOND // 2
    current_ns = (core.now_ns + half) // NS_PER_SECOND * NS_PER_SECOND
    account.dead_man_ns = current_ns + timeout_s * NS_PER_SECOND if timeout_s else None
    if account.dead_man_ns is not None:
        core.agenda.arm_dead_man(account.dead_man_ns, account.name)
    core.changes.note("account", account.name)
    return DeadMan(current_ns=current_ns, trigger_ns=account.dead_man_ns)


def find_open(account: Account, txid: str | None, cl_ord_id: str | None) -> Order:
    """The open order of that id, or of that client id.

    Raises:
        VenueError: neither was given, or no open order has it.
    """
    if txid is None and cl_ord_id is None:
        raise invalid("txid")
    if txid is not None:
        order = account.open.get(VenueOrderId(txid))
    else:
        order = account.by_client_id.get(ClientOrderId(cl_ord_id or ""))
    if order is None:
        raise VenueError(errors.UNKNOWN_ORDER)
    return order


def open_by_userref(account: Account, userref: int) -> list[Order]:
    """Open orders that carry this user reference, oldest first."""
    return [order for order in account.open.values() if order.ask.userref == userref]


def describe(market: Market, ask: OrderAsk) -> str:
    """``buy 0.10000000 XBTUSD @ limit 50.0``."""
    pair = market.pair
    if ask.budget_quote is not None:
        size = text(ask.budget_quote, pair.cost_decimals)
    else:
        size = text(ask.quantity_base, pair.lot_decimals)
    return f"{ask.side.value} {size} {pair.altname} @ {_form_text(market, ask.limit_price)}"


def _form_text(market: Market, limit_price: Decimal | None) -> str:
    if limit_price is None:
        return "market"
    return f"limit {text(limit_price, market.pair.pair_decimals)}"


def _cancel_points(core: Core, order: Order) -> int:
    return limits.penalty(limits.CANCEL_PENALTY, core.now_ns - order.touched_ns)
