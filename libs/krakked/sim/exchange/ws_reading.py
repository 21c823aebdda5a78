"""The arguments of orders over WebSocket v2, understood: real numbers, prices of a type."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from krakked.domain.ids import ClientOrderId
from krakked.domain.money import ZERO, BadAmount, check_amount, round_down
from krakked.domain.orders import Side
from krakked.sim.exchange import checks
from krakked.sim.exchange.core import Core, Market
from krakked.sim.exchange.editing import EditAsk
from krakked.sim.exchange.errors import VenueError, invalid
from krakked.sim.exchange.orders import (
    FORMS,
    AmendAsk,
    CloseAsk,
    Order,
    OrderAsk,
    OrderForm,
    SelfTrade,
    TimeInForce,
    Trigger,
)
from krakked.sim.exchange.params import Params
from krakked.sim.exchange.prices import UNITS, Price, Unit
from krakked.sim.exchange.pricing import Wanted, resolve
from krakked.sim.exchange.rest_reading import (
    SIDES,
    TIMES_IN_FORCE,
    USERREF_MAX,
    allows,
    check_close_trigger,
    read_form,
    read_reference,
)

SELF_TRADES: Final[dict[str, SelfTrade]] = {
    "cancel_newest": "cancel_newest",
    "cancel_oldest": "cancel_oldest",
    "cancel_both": "cancel_both",
}
FEE_PREFERENCES: Final = {"base": True, "fcib": True, "quote": False, "fciq": False}


def read_order(
    core: Core, params: Params, market: Market, *, deadline_ns: int | None = None
) -> OrderAsk:
    """One order's arguments; a batch has its deadline for all of them."""
    form, side = read_form(params.required("order_type"), "order_type"), _side(params)
    if params.flag("margin") or params.flag("reduce_only"):
        raise invalid("margin")
    quantity, budget = _sizes(params, market, form, side)
    prices = resolve(market, _wanted(core, params, form, side))
    expire_ns = params.instant("expire_time") or 0
    return OrderAsk(
        pair=market.name,
        side=side,
        form=form,
        quantity_base=quantity,
        budget_quote=budget,
        limit_price=prices.limit_price,
        trigger=prices.trigger,
        trigger_price=prices.trigger_price,
        display_base=_display(params, market, form, quantity),
        self_trade=_self_trade(params),
        close=_close(core, params.part("conditional")),
        time_in_force=_time_in_force(core, params, form, expire_ns),
        post_only=params.flag("post_only") and form.postable,
        fee_in_base=_fee_in_base(params) or False,
        cl_ord_id=_new_cl_ord_id(params),
        userref=_userref(params),
        start_ns=params.instant("effective_time") or 0,
        expire_ns=expire_ns,
        deadline_ns=params.instant("deadline") if deadline_ns is None else deadline_ns,
    )


def read_amend(params: Params, market: Market, order: Order) -> AmendAsk:
    """amend_order's arguments."""
    limit_unit: Unit = _limit_unit(order.ask.form) if order.waits else "static"
    return AmendAsk(
        quantity_base=_size(params, "order_qty", market),
        display_base=_size(params, "display_qty", market),
        limit=_typed(params, "limit_price", "limit_price_type", limit_unit),
        trigger=_typed(params, "trigger_price", "trigger_price_type", _trigger_unit(order)),
        post_only=params.flag("post_only"),
        deadline_ns=params.instant("deadline"),
    )


def read_edit(params: Params, market: Market, order: Order) -> EditAsk:
    """edit_order's arguments."""
    form = order.ask.form
    if params.flag("reduce_only"):
        raise invalid("reduce_only")
    triggers = params.part("triggers")
    return EditAsk(
        quantity_base=_size(params, "order_qty", market),
        display_base=_size(params, "display_qty", market),
        trigger=_typed(triggers, "price", "price_type", _trigger_unit(order)),
        limit=_typed(params, "limit_price", "limit_price_type", _limit_unit(form)),
        post_only=None if params.raw("post_only") is None else params.flag("post_only"),
        fee_in_base=_fee_in_base(params),
        userref=_userref(params),
        deadline_ns=params.instant("deadline"),
    )


def read_number(params: Params, name: str) -> Decimal | None:
    """A JSON number; text is refused as the venue refuses it."""
    value = params.raw(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise VenueError(f"{name.capitalize()} field must be a number_float")
    try:
        return check_amount(Decimal(value), what=name)
    except BadAmount as error:
        raise invalid(name) from error


def _side(params: Params) -> Side:
    side = SIDES.get(params.required("side"))
    if side is None:
        raise invalid("side")
    return side


def _sizes(
    params: Params, market: Market, form: OrderForm, side: Side
) -> tuple[Decimal, Decimal | None]:
    """The quantity in base, or for a market buy the budget in quote."""
    quantity, budget = read_number(params, "order_qty"), read_number(params, "cash_order_qty")
    if (budget is None) == (quantity is None):
        raise invalid("order_qty")
    if budget is None:
        return _size(params, "order_qty", market) or ZERO, None
    if form.name != "market" or side is Side.SELL or budget <= 0:
        raise invalid("order_qty")
    return ZERO, round_down(budget, market.quote_decimals)


def _size(params: Params, name: str, market: Market) -> Decimal | None:
    quantity = read_number(params, name)
    if quantity is None:
        return None
    if quantity <= 0:
        raise invalid(name)
    return round_down(quantity, market.pair.lot_decimals)


def _wanted(core: Core, params: Params, form: OrderForm, side: Side) -> Wanted:
    limit = _typed(params, "limit_price", "limit_price_type", _limit_unit(form))
    if limit is not None and limit.is_distance and form.trigger != "trail":
        raise invalid("limit_price_type")
    return Wanted(
        form=form,
        side=side,
        trigger=_trigger(core, params, form),
        limit=limit,
        trigger_name="triggers",
        limit_name="limit_price",
    )


def _trigger(core: Core, params: Params, form: OrderForm) -> Trigger | None:
    """The ``triggers`` object, or the two fields that it replaced."""
    if form.trigger is None:
        return None
    triggers = params.part("triggers")
    price = _typed(triggers, "price", "price_type", "static")
    if price is None:
        price = _typed(params, "stop_price", "stop_price_type", "static")
    if price is None:
        return None
    word = triggers.text("reference") or params.text("trigger")
    return Trigger(price=price, reference=read_reference(core, word, "triggers"))


def _typed(params: Params, name: str, type_name: str, usual: Unit) -> Price | None:
    amount = read_number(params, name)
    if amount is None:
        return None
    unit = UNITS.get(params.text(type_name) or usual)
    if unit is None:
        raise invalid(type_name)
    return Price(amount=amount, unit=unit)


def _limit_unit(form: OrderForm) -> Unit:
    return "quote" if form.trigger == "trail" else "static"


def _trigger_unit(order: Order) -> Unit:
    """A trailing stop's trigger is a distance, of the kind it was."""
    trigger = order.trigger
    return trigger.price.unit if trigger and order.ask.form.trigger == "trail" else "static"


def _display(
    params: Params, market: Market, form: OrderForm, quantity_base: Decimal
) -> Decimal | None:
    shown = _size(params, "display_qty", market)
    if (shown is None) == form.iceberg:
        raise invalid("display_qty")
    checks.check_display(quantity_base, shown, "display_qty")
    return shown


def _self_trade(params: Params) -> SelfTrade:
    found = SELF_TRADES.get(params.text("stp_type") or "cancel_newest")
    if found is None:
        raise invalid("stp_type")
    return found


def _close(core: Core, params: Params) -> CloseAsk | None:
    """The order that each fill makes; it may not be at the market, nor an iceberg."""
    name = params.text("order_type")
    if name is None:
        return None
    form = FORMS.get(name)
    if form is None or form.iceberg or not form.lasts:
        raise invalid("conditional")
    limit = _typed(params, "limit_price", "limit_price_type", _limit_unit(form))
    trigger = _close_trigger(core, params, form)
    if (form.priced and limit is None) or (form.trigger is not None and trigger is None):
        raise invalid("conditional")
    check_close_trigger(form, trigger, "conditional")
    return CloseAsk(form=form, trigger=trigger, limit=limit if form.priced else None)


def _close_trigger(core: Core, params: Params, form: OrderForm) -> Trigger | None:
    if form.trigger is None:
        return None
    price = _typed(params, "trigger_price", "trigger_price_type", "static")
    if price is None:
        price = _typed(params, "stop_price", "trigger_price_type", "static")
    word = params.text("reference")
    reference = read_reference(core, word, "conditional")
    return None if price is None else Trigger(price=price, reference=reference)


def _time_in_force(core: Core, params: Params, form: OrderForm, expire_ns: int) -> TimeInForce:
    word = params.text("time_in_force") or ("gtd" if expire_ns else "gtc")
    found = TIMES_IN_FORCE.get(word.upper())
    if found is None or not allows(form, found):
        raise invalid("time_in_force")
    if found is TimeInForce.FOK and not core.options.ws_fill_or_kill:
        raise invalid("time_in_force")
    return found


def _fee_in_base(params: Params) -> bool | None:
    word = params.text("fee_preference")
    if word is None:
        return None
    found = FEE_PREFERENCES.get(word)
    if found is None:
        raise invalid("fee_preference")
    return found


def _new_cl_ord_id(params: Params) -> ClientOrderId | None:
    text = params.text("cl_ord_id")
    if text is not None and params.raw("order_userref") is not None:
        raise invalid("cl_ord_id")
    return None if text is None else ClientOrderId(text)


def _userref(params: Params) -> int | None:
    userref = params.integer("order_userref")
    if isinstance(params.raw("order_userref"), str):
        raise invalid("order_userref")
    if userref is not None and not -USERREF_MAX - 1 <= userref <= USERREF_MAX:
        raise invalid("order_userref")
    return userref
