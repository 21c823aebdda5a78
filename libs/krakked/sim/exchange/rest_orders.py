"""REST methods that add, amend and cancel orders: arguments in, acts of the desk, answers out."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from krakked.domain.ids import ClientOrderId
from krakked.domain.money import round_down
from krakked.domain.orders import Side
from krakked.domain.times import to_rfc3339
from krakked.sim.exchange import desk, errors
from krakked.sim.exchange.calls import Call
from krakked.sim.exchange.core import Market
from krakked.sim.exchange.errors import VenueError, invalid
from krakked.sim.exchange.orders import FORMS, AmendAsk, OrderAsk, OrderForm, TimeInForce
from krakked.sim.exchange.params import Params

SIDES: Final = {side.value: side for side in Side}
TIMES_IN_FORCE: Final = {tif.value: tif for tif in TimeInForce}
_FLAGS: Final = frozenset({"post", "fcib", "fciq", "viqc", "nompp"})
_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,10}")
USERREF_MAX: Final = 2**31 - 1


def add_order(call: Call) -> object:
    """AddOrder."""
    market = _market(call, call.params.required("pair"))
    ask = read_order(call, market)
    validate = call.params.flag("validate")
    added = desk.add_order(
        call.core, call.account, ask, least_ns=desk.REST_DEADLINE_LEAST_NS, validate=validate
    )
    result: dict[str, object] = {"descr": {"order": added.description}}
    if added.order is not None:
        result["txid"] = [added.order.order_id]
        call.made.append(added.order.order_id)
    return result


def amend_order(call: Call) -> object:
    """AmendOrder."""
    params = call.params
    order = desk.find_open(call.account, params.text("txid"), params.text("cl_ord_id"))
    ask = AmendAsk(
        quantity_base=_quantity(
            params, "order_qty", call.core.markets[order.ask.pair], required=False
        ),
        limit_price=params.amount("limit_price"),
        post_only=params.flag("post_only"),
        deadline_ns=params.instant("deadline"),
    )
    amend_id = desk.amend_order(
        call.core, call.account, order, ask, least_ns=desk.REST_DEADLINE_LEAST_NS
    )
    return {"amend_id": amend_id}


def cancel_order(call: Call) -> object:
    """CancelOrder: one by id or client id, or all that carry a user reference."""
    txid, cl_ord_id = call.params.text("txid"), call.params.text("cl_ord_id")
    if txid is not None and _WHOLE_NUMBER.fullmatch(txid):
        orders = desk.open_by_userref(call.account, int(txid))
        if not orders:
            raise VenueError(errors.UNKNOWN_ORDER)
    else:
        orders = [desk.find_open(call.account, txid, cl_ord_id)]
    for order in orders:
        desk.cancel_order(call.core, call.account, order)
    return {"count": len(orders)}


def cancel_all(call: Call) -> object:
    """CancelAll."""
    return {"count": desk.cancel_all(call.core, call.account)}


def cancel_all_orders_after(call: Call) -> object:
    """CancelAllOrdersAfter."""
    timeout_s = call.params.integer("timeout")
    if timeout_s is None:
        raise invalid("timeout")
    return dead_man_answer(desk.set_dead_man(call.core, call.account, timeout_s))


def dead_man_answer(timer: desk.DeadMan) -> dict[str, object]:
    """Both instants as they are shown; a disarmed timer says 0."""
    trigger = "0" if timer.trigger_ns is None else to_rfc3339(timer.trigger_ns, decimals=0)
    return {"currentTime": to_rfc3339(timer.current_ns, decimals=0), "triggerTime": trigger}


def read_order(call: Call, market: Market) -> OrderAsk:
    """An AddOrder's arguments, understood."""
    params = call.params
    side = SIDES.get(params.required("type").lower())
    if side is None:
        raise invalid("type")
    form = FORMS.get(params.required("ordertype").lower())
    if form is None:
        raise invalid("ordertype")
    _refuse_margin(params)
    flags = _flags(params, form, side)
    quantity = _quantity(params, "volume", market, required=True)
    assert quantity is not None, "required"
    cl_ord_id, userref = _references(params)
    expire_ns = params.moment("expiretm", call.core.now_ns)
    return OrderAsk(
        pair=market.name,
        side=side,
        form=form,
        quantity_base=quantity,
        budget_quote=_budget(params, market) if "viqc" in flags else None,
        limit_price=_limit_price(params, form),
        time_in_force=_time_in_force(params, form, expire_ns),
        post_only="post" in flags,
        fee_in_base="fcib" in flags,
        cl_ord_id=cl_ord_id,
        userref=userref,
        start_ns=params.moment("starttm", call.core.now_ns),
        expire_ns=expire_ns,
        deadline_ns=params.instant("deadline"),
    )


def _market(call: Call, spelling: str) -> Market:
    market = call.core.market(spelling)
    if market is None:
        raise VenueError(errors.UNKNOWN_PAIR)
    return market


def _quantity(params: Params, name: str, market: Market, *, required: bool) -> Decimal | None:
    """A size, cut to the pair's decimals as the venue does."""
    amount = params.amount(name)
    if amount is None:
        if required:
            raise invalid(name)
        return None
    if amount <= 0:
        raise invalid(name)
    return round_down(amount, market.pair.lot_decimals)


def _budget(params: Params, market: Market) -> Decimal:
    amount = params.amount("volume")
    if amount is None or amount <= 0:
        raise invalid("volume")
    return round_down(amount, market.quote_decimals)


def _limit_price(params: Params, form: OrderForm) -> Decimal | None:
    if not form.priced:
        return None
    price = params.amount("price")
    if price is None:
        raise invalid("price")
    return price


def _flags(params: Params, form: OrderForm, side: Side) -> frozenset[str]:
    flags = frozenset(params.listed("oflags"))
    if not flags <= _FLAGS or {"fcib", "fciq"} <= flags:
        raise invalid("oflags")
    if "post" in flags and not form.rests:
        raise invalid("oflags")
    if "viqc" in flags and (form.priced or side is Side.SELL):
        raise invalid("oflags")
    return flags


def _time_in_force(params: Params, form: OrderForm, expire_ns: int) -> TimeInForce:
    """GTC unless said; an expiry alone means GTD."""
    word = params.text("timeinforce")
    if word is None:
        return TimeInForce.GTD if expire_ns else TimeInForce.GTC
    tif = TIMES_IN_FORCE.get(word.upper())
    if tif is None or (not form.rests and tif is TimeInForce.GTD):
        raise invalid("timeinforce")
    return tif


def _references(params: Params) -> tuple[ClientOrderId | None, int | None]:
    """The client id or the user reference: they exclude each other."""
    cl_ord_id, userref = params.text("cl_ord_id"), params.integer("userref")
    if userref is not None and not -USERREF_MAX - 1 <= userref <= USERREF_MAX:
        raise invalid("userref")
    if cl_ord_id is not None and userref is not None:
        raise invalid("cl_ord_id")
    return (None if cl_ord_id is None else ClientOrderId(cl_ord_id)), userref


def _refuse_margin(params: Params) -> None:
    """Spot only: leverage of none, or none at all."""
    leverage = params.text("leverage")
    if leverage is not None and leverage.lower() not in ("none", "0", "1"):
        raise invalid("leverage")
    if params.flag("reduce_only"):
        raise invalid("reduce_only")
