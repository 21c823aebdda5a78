"""Many orders in one request: checked all together before the first is placed, placed one by one.

A mistake in any of them refuses the batch. What the engine refuses (funds, open orders, post-only)
refuses that one alone. Cancelling many is taken even over the limit of the counter.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Protocol, TypeAlias

from krakked.domain.ids import ClientOrderId
from krakked.sim.exchange import checks, desk, errors, limits, matching, waiting
from krakked.sim.exchange.accounts import Account
from krakked.sim.exchange.calls import Call
from krakked.sim.exchange.core import Core, Market
from krakked.sim.exchange.errors import VenueError, invalid
from krakked.sim.exchange.orders import Order, OrderAsk
from krakked.sim.exchange.params import Params

ORDERS_LEAST: Final = 2
ORDERS_MOST: Final = 15
CANCELS_MOST: Final = 50
Outcome: TypeAlias = desk.Added | VenueError


class OrderReader(Protocol):
    """Reads one order of a batch, as its wire spells it."""

    def __call__(
        self, core: Core, params: Params, market: Market, *, deadline_ns: int | None
    ) -> OrderAsk:
        """The order; the deadline is the batch's."""
        ...


def add_asked(call: Call, market: Market, read: OrderReader, *, least_ns: int) -> list[Outcome]:
    """:func:`add_orders` with what a request of either wire says."""
    deadline_ns = call.params.instant("deadline")
    asks = [
        read(call.core, each, market, deadline_ns=deadline_ns)
        for each in call.params.parts("orders")
    ]
    validate = call.params.flag("validate")
    return add_orders(call.core, call.account, asks, least_ns=least_ns, validate=validate)


def add_orders(
    core: Core, account: Account, asks: Sequence[OrderAsk], *, least_ns: int, validate: bool
) -> list[Outcome]:
    """Accept orders of one pair, or say of each why not; they stand in the order asked.

    Raises:
        VenueError: the whole batch is refused.
    """
    if not ORDERS_LEAST <= len(asks) <= ORDERS_MOST:
        raise invalid("orders")
    market = core.markets[asks[0].pair]
    points = Decimal(len(asks)) / 2
    admitted = validate or checks.admit(core, account, market, points)
    sized = [checks.sized_by_budget(market, ask) for ask in asks]
    _check_client_ids(sized)
    described = [desk.check_whole(core, account, ask, least_ns=least_ns) for ask in sized]
    if validate:
        return [*described]
    if not admitted:
        raise VenueError(errors.ENGINE_RATE)
    return [_place(core, account, ask, added) for ask, added in zip(sized, described, strict=True)]


def _check_client_ids(asks: Sequence[OrderAsk]) -> None:
    """Client ids are unique within the batch too."""
    seen: list[ClientOrderId] = []
    for ask in asks:
        if ask.cl_ord_id is None:
            continue
        if ask.cl_ord_id in seen:
            raise VenueError(errors.CLIENT_ID_TAKEN)
        seen.append(ask.cl_ord_id)


def _place(core: Core, account: Account, ask: OrderAsk, added: desk.Added) -> Outcome:
    try:
        order = desk.place_checked(core, account, ask)
    except VenueError as error:
        return error
    return desk.Added(description=added.description, close=added.close, order=order)


def cancel_orders(core: Core, account: Account, orders: Sequence[Order]) -> int:
    """Cancel these open orders; the counters are charged, but never refuse it."""
    count = 0
    for order in orders:
        if order.is_done:
            continue
        counter = account.counter(order.ask.pair)
        points = desk.cancel_points(core, order)
        limits.charge_engine(counter, account.limits, points, core.now_ns)
        matching.cancel(core, order)
        count += 1
    waiting.settle_all(core)
    return count
