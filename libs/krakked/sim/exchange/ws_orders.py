"""Trading methods over WebSocket v2: the desk's acts under the other wire's names.

Numbers come as JSON numbers (``int`` or ``Decimal``: read them with ``parse_float=Decimal``), never
as text. One request may need several frames: cancelling answers once per order.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final, TypeAlias

from krakked.domain.ids import ClientOrderId
from krakked.domain.money import ZERO, BadAmount, check_amount, round_down
from krakked.sim.exchange import desk, errors
from krakked.sim.exchange.calls import Call
from krakked.sim.exchange.core import Core, Market, SystemStatus
from krakked.sim.exchange.errors import VenueError, invalid
from krakked.sim.exchange.keys import Keys, Permission
from krakked.sim.exchange.orders import FORMS, AmendAsk, Order, OrderAsk, TimeInForce
from krakked.sim.exchange.params import Params
from krakked.sim.exchange.rest_orders import SIDES, TIMES_IN_FORCE, USERREF_MAX, dead_man_answer

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
    market = call.core.market(str(params.get("symbol")))
    if market is None or market.pair.symbol != params.get("symbol"):
        raise VenueError(f"Currency pair not supported {params.get('symbol')}")
    ask = _read_order(call, params, market)
    added = desk.add_order(
        call.core,
        call.account,
        ask,
        least_ns=desk.WS_DEADLINE_LEAST_NS,
        validate=call.params.flag("validate"),
    )
    if added.order is None:
        return [_success({})]
    return [_success({"order_id": added.order.order_id} | _user_id(added.order))]


def _amend_order(call: Call, params: dict[str, object]) -> list[Frame]:
    order = desk.find_open(
        call.account, call.params.text("order_id"), call.params.text("cl_ord_id")
    )
    market = call.core.markets[order.ask.pair]
    ask = AmendAsk(
        quantity_base=_size(market, _number(params, "order_qty")),
        limit_price=_number(params, "limit_price"),
        post_only=call.params.flag("post_only"),
        deadline_ns=call.params.instant("deadline"),
    )
    amend_id = desk.amend_order(
        call.core, call.account, order, ask, least_ns=desk.WS_DEADLINE_LEAST_NS
    )
    ids: Frame = {"amend_id": amend_id, "order_id": order.order_id}
    if order.ask.cl_ord_id is not None:
        ids["cl_ord_id"] = order.ask.cl_ord_id
    return [_success(ids)]


def _cancel_order(call: Call, params: dict[str, object]) -> list[Frame]:
    """One frame per order, in the order in which they were named."""
    frames: list[Frame] = []
    for field in ("order_id", "cl_ord_id", "order_userref"):
        names = params.get(field) or []
        if not isinstance(names, list):
            raise invalid(field)
        frames += [_cancel_one(call, field, name) for name in names]
    if not frames:
        raise invalid("order_id")
    return frames


def _cancel_one(call: Call, field: str, name: object) -> Frame:
    try:
        for order in _named(call, field, name):
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


def _cancel_all(call: Call, _params: dict[str, object]) -> list[Frame]:
    return [_success({"count": desk.cancel_all(call.core, call.account)})]


def _cancel_all_orders_after(call: Call, _params: dict[str, object]) -> list[Frame]:
    timeout_s = call.params.integer("timeout")
    if timeout_s is None:
        raise invalid("timeout")
    return [_success(dead_man_answer(desk.set_dead_man(call.core, call.account, timeout_s)))]


_TRADE: Final = frozenset({Permission.MODIFY})
_CANCEL: Final = frozenset({Permission.MODIFY, Permission.CLOSE})
METHODS: Final[dict[str, tuple[WsFunction, frozenset[Permission]]]] = {
    "add_order": (_add_order, _TRADE),
    "amend_order": (_amend_order, _TRADE),
    "cancel_order": (_cancel_order, _CANCEL),
    "cancel_all": (_cancel_all, _CANCEL),
    "cancel_all_orders_after": (_cancel_all_orders_after, _CANCEL),
}


def _read_order(call: Call, params: dict[str, object], market: Market) -> OrderAsk:
    reader = call.params
    form = FORMS.get(reader.required("order_type"))
    side = SIDES.get(reader.required("side"))
    if form is None or side is None:
        raise invalid("order_type" if form is None else "side")
    if reader.flag("margin") or reader.flag("reduce_only"):
        raise invalid("margin")
    budget = _number(params, "cash_order_qty")
    quantity = _number(params, "order_qty")
    if (budget is None) == (quantity is None) or (budget is not None and form.priced):
        raise invalid("order_qty")
    price = _number(params, "limit_price")
    if form.priced and price is None:
        raise invalid("limit_price")
    expire_ns = reader.instant("expire_time") or 0
    return OrderAsk(
        pair=market.name,
        side=side,
        form=form,
        quantity_base=_size(market, quantity) or ZERO,
        budget_quote=None if budget is None else round_down(budget, market.quote_decimals),
        limit_price=price if form.priced else None,
        time_in_force=_time_in_force(reader, expire_ns),
        post_only=reader.flag("post_only") and form.rests,
        fee_in_base=reader.text("fee_preference") in ("base", "fcib"),
        cl_ord_id=_new_cl_ord_id(call),
        userref=_userref(reader),
        start_ns=reader.instant("effective_time") or 0,
        expire_ns=expire_ns,
        deadline_ns=reader.instant("deadline"),
    )


def _time_in_force(params: Params, expire_ns: int) -> TimeInForce:
    word = params.text("time_in_force") or ("gtd" if expire_ns else "gtc")
    found = TIMES_IN_FORCE.get(word.upper())
    if found is None:
        raise invalid("time_in_force")
    return found


def _number(params: dict[str, object], name: str) -> Decimal | None:
    """A JSON number; text is refused as the venue refuses it."""
    value = params.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise VenueError(f"{name.capitalize()} field must be a number_float")
    try:
        return check_amount(Decimal(value), what=name)
    except BadAmount as error:
        raise invalid(name) from error


def _size(market: Market, quantity: Decimal | None) -> Decimal | None:
    if quantity is None:
        return None
    if quantity <= 0:
        raise invalid("order_qty")
    return round_down(quantity, market.pair.lot_decimals)


def _new_cl_ord_id(call: Call) -> ClientOrderId | None:
    text = call.params.text("cl_ord_id")
    if text is not None and call.params.raw("order_userref") is not None:
        raise invalid("cl_ord_id")
    return None if text is None else ClientOrderId(text)


def _userref(params: Params) -> int | None:
    userref = params.integer("order_userref")
    if userref is not None and abs(userref) > USERREF_MAX:
        raise invalid("order_userref")
    return userref


def _user_id(order: Order) -> Frame:
    if order.ask.cl_ord_id is not None:
        return {"cl_ord_id": order.ask.cl_ord_id}
    return {"order_userref": order.ask.userref or 0}


def _success(result: Frame) -> Frame:
    return {"result": result, "success": True}
