"""Trading methods over WebSocket v2: the desk's acts under the other wire's names.

Numbers come as JSON numbers (``int`` or ``Decimal``: read them with ``parse_float=Decimal``), never
as text. One request may need several frames: cancelling answers once per order.
Arguments are read in ``ws_reading``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from krakked.sim.exchange import batches, desk, editing, errors
from krakked.sim.exchange.calls import Call
from krakked.sim.exchange.core import Core, Market, SystemStatus
from krakked.sim.exchange.errors import VenueError, invalid
from krakked.sim.exchange.keys import Keys, Permission
from krakked.sim.exchange.orders import Order
from krakked.sim.exchange.params import Params, as_json
from krakked.sim.exchange.rest_orders import dead_man_answer, named_orders
from krakked.sim.exchange.ws_reading import read_amend, read_edit, read_order

Frame: TypeAlias = dict[str, object]
WsFunction: TypeAlias = Callable[[Call, dict[str, object]], list[Frame]]


def answer(
    core: Core, keys: Keys, method: str, params: dict[str, object], req_id: int | None
) -> list[Frame]:
    """Serve one trading request: frames to send, without time_in and time_out."""
    try:
        frames = _run(core, keys, method, params)
    except VenueError as error:
        frames = [{"error": str(error), "success": False}]
    head: Frame = {"method": method}
    if req_id is not None:
        head["req_id"] = req_id
    return [head | frame for frame in frames]


def is_trading_method(method: str) -> bool:
    """Whether :func:`answer` serves it."""
    return method in METHODS


def _run(core: Core, keys: Keys, method: str, params: dict[str, object]) -> list[Frame]:
    if method not in METHODS:
        raise VenueError("Unsupported event")
    token = params.get("token")
    if not isinstance(token, str):
        raise VenueError("Token(s) not found")
    key = keys.key_of_token(token, core.now_ns)
    if key is None:
        raise VenueError(errors.INVALID_SESSION)
    function, any_of = METHODS[method]
    if key.permissions.isdisjoint(any_of):
        raise VenueError(errors.PERMISSION_DENIED)
    if core.system_status is SystemStatus.MAINTENANCE:
        raise VenueError(errors.UNAVAILABLE)
    account = core.accounts[key.account]
    call = Call(core=core, keys=keys, key=key, account=account, params=Params(params), made=[])
    return function(call, params)


def _add_order(call: Call, params: dict[str, object]) -> list[Frame]:
    market = _market(call, params)
    ask = read_order(call.core, call.params, market)
    added = desk.add_order(
        call.core,
        call.account,
        ask,
        least_ns=desk.WS_DEADLINE_LEAST_NS,
        validate=call.params.flag("validate"),
    )
    return [_success(_added(added))]


def _batch_add(call: Call, params: dict[str, object]) -> list[Frame]:
    """The result is a list; what the engine refused stands in it."""
    market = _market(call, params)
    outcomes = batches.add_asked(call, market, read_order, least_ns=desk.WS_DEADLINE_LEAST_NS)
    return [{"result": [_outcome(each) for each in outcomes], "success": True}]


def _outcome(outcome: batches.Outcome) -> Frame:
    return {"error": str(outcome)} if isinstance(outcome, VenueError) else _added(outcome)


def _added(added: desk.Added) -> Frame:
    if added.order is None:
        return {}
    return {"order_id": added.order.order_id} | _user_id(added.order)


def _market(call: Call, params: dict[str, object]) -> Market:
    symbol = as_json(params.get("symbol"))
    market = call.core.market(symbol)
    if market is None or market.pair.symbol != params.get("symbol"):
        raise VenueError(f"Currency pair not supported {symbol}")
    return market


def _amend_order(call: Call, _params: dict[str, object]) -> list[Frame]:
    order = desk.find_open(
        call.account, call.params.text("order_id"), call.params.text("cl_ord_id")
    )
    ask = read_amend(call.params, call.core.markets[order.ask.pair], order)
    amend_id = desk.amend_order(
        call.core, call.account, order, ask, least_ns=desk.WS_DEADLINE_LEAST_NS
    )
    ids: Frame = {"amend_id": amend_id, "order_id": order.order_id}
    if order.ask.cl_ord_id is not None:
        ids["cl_ord_id"] = order.ask.cl_ord_id
    return [_success(ids)]


def _edit_order(call: Call, params: dict[str, object]) -> list[Frame]:
    market = _market(call, params)
    order = desk.find_open(call.account, call.params.required("order_id"), None)
    if order.ask.pair != market.name:
        raise invalid("symbol")
    added = editing.edit_order(
        call.core,
        call.account,
        order,
        read_edit(call.params, market, order),
        least_ns=desk.WS_DEADLINE_LEAST_NS,
        validate=call.params.flag("validate"),
    )
    if added.order is None:
        return [_success({})]
    return [_success({"order_id": added.order.order_id, "original_order_id": order.order_id})]


def _cancel_order(call: Call, params: dict[str, object]) -> list[Frame]:
    """One frame per order, in the order in which they were named."""
    frames: list[Frame] = []
    for field in ("order_id", "cl_ord_id", "order_userref"):
        names = params.get(field) or []
        if not isinstance(names, list):
            raise invalid(field)
        for name in names:
            frames += _cancel_named(call, field, name)
    if not frames:
        raise invalid("order_id")
    return frames


def _cancel_named(call: Call, field: str, name: object) -> list[Frame]:
    """As many frames as there are orders of that name: a user reference may be that of several."""
    try:
        orders = _named(call, field, name)
    except VenueError as error:
        return [{"error": str(error), "success": False}]
    return [_cancel_one(call, field, name, order) for order in orders]


def _cancel_one(call: Call, field: str, name: object, order: Order) -> Frame:
    try:
        desk.cancel_order(call.core, call.account, order)
    except VenueError as error:
        return {"error": str(error), "success": False}
    return _success({field: name})


def _named(call: Call, field: str, name: object) -> list[Order]:
    if field == "order_userref":
        found = desk.open_by_userref(call.account, name) if isinstance(name, int) else []
        if not found:
            raise VenueError(errors.UNKNOWN_ORDER)
        return found
    if field == "order_id":
        return [desk.find_open(call.account, str(name), None)]
    return [desk.find_open(call.account, None, str(name))]


def _batch_cancel(call: Call, _params: dict[str, object]) -> list[Frame]:
    names, client_ids = call.params.listed("orders"), call.params.listed("cl_ord_id")
    if not 1 <= len(names) + len(client_ids) <= batches.CANCELS_MOST:
        raise invalid("orders")
    orders = named_orders(call.account, names, client_ids)
    count = batches.cancel_orders(call.core, call.account, orders)
    if call.core.options.batch_cancel_answer == "live":
        return [{"orders_cancelled": count, "success": True}]
    return [_success({"count": count})]


def _cancel_all(call: Call, _params: dict[str, object]) -> list[Frame]:
    return [_success({"count": desk.cancel_all(call.core, call.account)})]


def _cancel_all_orders_after(call: Call, _params: dict[str, object]) -> list[Frame]:
    timeout_s = call.params.integer("timeout")
    if timeout_s is None or isinstance(call.params.raw("timeout"), str):  # a number, not text
        raise invalid("timeout")
    return [_success(dead_man_answer(desk.set_dead_man(call.core, call.account, timeout_s)))]


_TRADE: Final = frozenset({Permission.MODIFY})
_CANCEL: Final = frozenset({Permission.MODIFY, Permission.CLOSE})
METHODS: Final[dict[str, tuple[WsFunction, frozenset[Permission]]]] = {
    "add_order": (_add_order, _TRADE),
    "batch_add": (_batch_add, _TRADE),
    "edit_order": (_edit_order, _TRADE),
    "batch_cancel": (_batch_cancel, _CANCEL),
    "amend_order": (_amend_order, _TRADE),
    "cancel_order": (_cancel_order, _CANCEL),
    "cancel_all": (_cancel_all, _CANCEL),
    "cancel_all_orders_after": (_cancel_all_orders_after, _CANCEL),
}


def _user_id(order: Order) -> Frame:
    if order.ask.cl_ord_id is not None:
        return {"cl_ord_id": order.ask.cl_ord_id}
    return {"order_userref": order.ask.userref or 0}


def _success(result: Frame) -> Frame:
    return {"result": result, "success": True}
