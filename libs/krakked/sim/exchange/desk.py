"""The order desk: adding, amending and cancelling as both wires do it, once the arguments are read.

Each function checks, charges the counters, acts, and answers with what the wire needs; it raises
:class:`VenueError` with nothing done.
"""

from __future__ import annotations

from typing import Final

import msgspec

from krakked.domain.ids import ClientOrderId, VenueOrderId
from krakked.domain.times import DAY_S, NS_PER_SECOND
from krakked.sim.exchange import amending, checks, errors, limits, matching, waiting
from krakked.sim.exchange.accounts import Account
from krakked.sim.exchange.core import Core
from krakked.sim.exchange.describing import of_ask, of_close
from krakked.sim.exchange.errors import VenueError, invalid
from krakked.sim.exchange.orders import AmendAsk, Order, OrderAsk

DEAD_MAN_MAX_S: Final = DAY_S
REST_DEADLINE_LEAST_NS: Final = 2 * NS_PER_SECOND
WS_DEADLINE_LEAST_NS: Final = NS_PER_SECOND // 2


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """A new order, or only its description if it was to be validated."""

    description: str
    close: str = ""
    """Of the orders that its fills will make."""
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
    added = check_whole(core, account, ask, least_ns=least_ns)
    if validate:
        return added
    if not admitted:
        raise VenueError(errors.ENGINE_RATE)
    order = place_checked(core, account, ask)
    return Added(description=added.description, close=added.close, order=order)


def check_whole(core: Core, account: Account, ask: OrderAsk, *, least_ns: int) -> Added:
    """All that can be said without looking at counters, funds and the book."""
    market = core.markets[ask.pair]
    checks.check_new(core, account, market, ask)
    checks.check_deadline(ask.deadline_ns, least_ns, core.told_ns)
    return Added(description=of_ask(market, ask), close=of_close(market, ask.close), order=None)


def place_checked(core: Core, account: Account, ask: OrderAsk) -> Order:
    """The engine's own checks, then the order and all that it sets off."""
    market = core.markets[ask.pair]
    checks.check_open_orders(account, market)
    checks.check_funds(core, account, market, ask)
    checks.check_post_only(core, account, market, ask)
    order = matching.place(core, account, ask)
    waiting.settle(core, market)
    return order


def amend_order(core: Core, account: Account, order: Order, ask: AmendAsk, *, least_ns: int) -> str:
    """Change an open order; answers with the amend's id."""
    market = core.markets[order.ask.pair]
    points = limits.AMEND_POINTS + limits.penalty(
        limits.AMEND_PENALTY, core.now_ns - order.touched_ns
    )
    admitted = checks.admit(core, account, market, points)
    terms = amending.terms_after(core, order, ask)
    amending.check(core, account, order, terms, post_only=ask.post_only)
    checks.check_deadline(ask.deadline_ns, least_ns, core.told_ns)
    if not admitted:
        raise VenueError(errors.ENGINE_RATE)
    amend_id = core.ids.next("amend")
    amending.apply(core, order, terms, amend_id, post_only=ask.post_only)
    waiting.settle(core, market)
    return amend_id


def cancel_order(core: Core, account: Account, order: Order) -> None:
    """Cancel one open order."""
    points = cancel_points(core, order)
    if not checks.admit(core, account, core.markets[order.ask.pair], points):
        raise VenueError(errors.ENGINE_RATE)
    matching.cancel(core, order)
    waiting.settle(core, core.markets[order.ask.pair])


def cancel_all(core: Core, account: Account) -> int:
    """Cancel every open order; the counters are charged, but never refuse it."""
    for order in account.open.values():
        counter = account.counter(order.ask.pair)
        limits.charge_engine(counter, account.limits, cancel_points(core, order), core.now_ns)
    count = matching.cancel_all(core, account)
    waiting.settle_all(core)
    return count


def set_dead_man(core: Core, account: Account, timeout_s: int) -> DeadMan:
    """Arm, re-arm or (0) disarm the account's timer; it fires at the instant that is shown, by the
    clock that shows it.
    """
    if not 0 <= timeout_s < DEAD_MAN_MAX_S:
        raise invalid("timeout")
    half = NS_PER_SECOND // 2
    current_ns = (core.told_ns + half) // NS_PER_SECOND * NS_PER_SECOND
    trigger_ns = current_ns + timeout_s * NS_PER_SECOND if timeout_s else None
    account.dead_man_ns = None
    if trigger_ns is not None:
        account.dead_man_ns = trigger_ns - core.clock_offset_ns
        core.agenda.arm_dead_man(account.dead_man_ns, account.name)
    core.changes.note("account", account.name)
    return DeadMan(current_ns=current_ns, trigger_ns=trigger_ns)


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


def cancel_points(core: Core, order: Order) -> int:
    """What cancelling it now costs on the engine's counter."""
    return limits.penalty(limits.CANCEL_PENALTY, core.now_ns - order.touched_ns)
