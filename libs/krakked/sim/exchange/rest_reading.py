"""The arguments of orders over REST, understood: form or JSON, alone or in a batch."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from krakked.domain.ids import ClientOrderId
from krakked.domain.money import round_down
from krakked.domain.orders import Side
from krakked.sim.exchange import checks, errors
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
    Reference,
    SelfTrade,
    TimeInForce,
    Trigger,
)
from krakked.sim.exchange.params import Params
from krakked.sim.exchange.prices import Price, read_price
from krakked.sim.exchange.pricing import Wanted, resolve

SIDES: Final = {side.value: side for side in Side}
TIMES_IN_FORCE: Final = {tif.value: tif for tif in TimeInForce}
REFERENCES: Final[dict[str, Reference]] = {"last": "last", "index": "index"}
SELF_TRADES: Final[dict[str, SelfTrade]] = {
    "cancel-newest": "cancel_newest",
    "cancel-oldest": "cancel_oldest",
    "cancel-both": "cancel_both",
}
SETTLE_POSITION: Final = "settle-position"
USERREF_MAX: Final = 2**31 - 1
_FLAGS: Final = frozenset({"post", "fcib", "fciq", "viqc", "nompp"})


def read_order(
    core: Core, params: Params, market: Market, *, deadline_ns: int | None = None
) -> OrderAsk:
    """One order's arguments; a batch has its deadline for all of them."""
    side, form = _side(params), read_form(params.required("ordertype").lower(), "ordertype")
    _refuse_margin(params)
    flags = _flags(params, form, side)
    quantity = read_quantity(params, "volume", market)
    if quantity is None:
        raise invalid("volume")
    cl_ord_id, userref = _references(params)
    expire_ns = params.moment("expiretm", core.now_ns)
    prices = resolve(market, _wanted(core, params, form, side))
    return OrderAsk(
        pair=market.name,
        side=side,
        form=form,
        quantity_base=quantity,
        budget_quote=_budget(params, market) if "viqc" in flags else None,
        limit_price=prices.limit_price,
        trigger=prices.trigger,
        trigger_price=prices.trigger_price,
        display_base=_display(params, market, form, quantity),
        self_trade=_self_trade(params),
        close=_close(core, params.part("close"), side),
        time_in_force=_time_in_force(params, form, expire_ns),
        post_only="post" in flags,
        fee_in_base="fcib" in flags,
        cl_ord_id=cl_ord_id,
        userref=userref,
        start_ns=params.moment("starttm", core.now_ns),
        expire_ns=expire_ns,
        deadline_ns=params.instant("deadline") if deadline_ns is None else deadline_ns,
    )


def read_amend(params: Params, market: Market, order: Order) -> AmendAsk:
    """AmendOrder's arguments."""
    return AmendAsk(
        quantity_base=read_quantity(params, "order_qty", market),
        display_base=read_quantity(params, "display_qty", market),
        limit=_price_of(params, "limit_price", order),
        trigger=_price_of(params, "trigger_price", order),
        post_only=params.flag("post_only"),
        deadline_ns=params.instant("deadline"),
    )


def read_edit(params: Params, market: Market, order: Order) -> EditAsk:
    """EditOrder's arguments."""
    form = order.ask.form
    flags = _flags(params, form, order.ask.side)
    if "viqc" in flags:
        raise invalid("oflags")
    first, second = _price_of(params, "price", order), _price_of(params, "price2", order)
    has_flags = params.text("oflags") is not None
    return EditAsk(
        quantity_base=read_quantity(params, "volume", market),
        display_base=read_quantity(params, "displayvol", market),
        trigger=None if form.trigger is None else first,
        limit=first if form.trigger is None else second,
        post_only="post" in flags if has_flags else None,
        fee_in_base="fcib" in flags if has_flags else None,
        userref=_userref(params),
        deadline_ns=params.instant("deadline"),
    )


def read_form(name: str, field: str) -> OrderForm:
    """What an ``ordertype`` means; positions cannot be settled where there are none."""
    if name == SETTLE_POSITION:
        raise VenueError(errors.UNKNOWN_POSITION)
    form = FORMS.get(name)
    if form is None:
        raise invalid(field)
    return form


def read_quantity(params: Params, name: str, market: Market) -> Decimal | None:
    """A size, cut to the pair's decimals as the venue does."""
    amount = params.amount(name)
    if amount is None:
        return None
    if amount <= 0:
        raise invalid(name)
    return round_down(amount, market.pair.lot_decimals)


def _side(params: Params) -> Side:
    side = SIDES.get(params.required("type").lower())
    if side is None:
        raise invalid("type")
    return side


def _wanted(core: Core, params: Params, form: OrderForm, side: Side) -> Wanted:
    """Price and price2: the limit, or the trigger and the limit."""
    if form.trigger is None:
        limit = _price(params, "price", form, side) if form.priced else None
        return Wanted(form=form, side=side, limit=limit)
    return Wanted(
        form=form,
        side=side,
        trigger=_trigger(core, params, form, side),
        limit=_price(params, "price2", form, side) if form.priced else None,
        limit_name="price2",
    )


def _trigger(core: Core, params: Params, form: OrderForm, side: Side) -> Trigger | None:
    price = _price(params, "price", form, side)
    if price is None:
        return None
    return Trigger(price=price, reference=read_reference(core, params.text("trigger"), "trigger"))


def read_reference(core: Core, word: str | None, name: str) -> Reference:
    """What a trigger looks at."""
    found = REFERENCES.get((word or "last").lower())
    if found is None:
        raise invalid(name)
    if found == "index" and not core.options.has_index:
        raise VenueError(errors.INDEX_UNAVAILABLE)
    return found


def _price(params: Params, name: str, form: OrderForm, side: Side) -> Price | None:
    spelling = params.text(name)
    if spelling is None:
        return None
    return read_price(spelling, name, _towards(form, side))


def _price_of(params: Params, name: str, order: Order) -> Price | None:
    return _price(params, name, order.ask.form, order.ask.side)


def _towards(form: OrderForm, side: Side) -> int:
    """Where a ``#`` points: stops beyond the price, everything else on its good side."""
    return side.sign if form.trigger == "stop" else -side.sign


def _display(
    params: Params, market: Market, form: OrderForm, quantity_base: Decimal
) -> Decimal | None:
    shown = read_quantity(params, "displayvol", market)
    if (shown is None) == form.iceberg:
        raise invalid("displayvol")
    checks.check_display(quantity_base, shown, "displayvol")
    return shown


def _self_trade(params: Params) -> SelfTrade:
    found = SELF_TRADES.get((params.text("stptype") or "cancel-newest").lower())
    if found is None:
        raise invalid("stptype")
    return found


def _close(core: Core, params: Params, side: Side) -> CloseAsk | None:
    """The order that each fill makes; it may not be at the market, nor an iceberg."""
    name = params.text("ordertype")
    if name is None:
        return None
    form = FORMS.get(name.lower())
    if form is None or form.iceberg or not form.lasts:
        raise invalid("close[ordertype]")
    wanted = _wanted(core, params, form, side.opposite)
    if form.priced and wanted.limit is None:
        raise invalid(f"close[{wanted.limit_name}]")
    if form.trigger is not None and wanted.trigger is None:
        raise invalid("close[price]")
    check_close_trigger(form, wanted.trigger, "close[price]")
    return CloseAsk(form=form, trigger=wanted.trigger, limit=wanted.limit)


def check_close_trigger(form: OrderForm, trigger: Trigger | None, name: str) -> None:
    """A trailing stop needs a distance above zero."""
    if form.trigger == "trail" and trigger is not None:
        price = trigger.price
        if not price.is_distance or price.amount <= 0:
            raise invalid(name)


def _budget(params: Params, market: Market) -> Decimal:
    amount = params.amount("volume")
    if amount is None or amount <= 0:
        raise invalid("volume")
    return round_down(amount, market.quote_decimals)


def _flags(params: Params, form: OrderForm, side: Side) -> frozenset[str]:
    flags = frozenset(params.listed("oflags"))
    if not flags <= _FLAGS or {"fcib", "fciq"} <= flags:
        raise invalid("oflags")
    if "post" in flags and not form.postable:
        raise invalid("oflags")
    if "viqc" in flags and (form.name != "market" or side is Side.SELL):
        raise invalid("oflags")
    return flags


def _time_in_force(params: Params, form: OrderForm, expire_ns: int) -> TimeInForce:
    """GTC unless said; an expiry alone means GTD."""
    word = params.text("timeinforce")
    if word is None:
        return TimeInForce.GTD if expire_ns else TimeInForce.GTC
    tif = TIMES_IN_FORCE.get(word.upper())
    if tif is None or not allows(form, tif):
        raise invalid("timeinforce")
    return tif


def allows(form: OrderForm, tif: TimeInForce) -> bool:
    """Only what lasts can expire; fill or kill is for limit orders."""
    if tif is TimeInForce.GTD:
        return form.lasts
    return tif is not TimeInForce.FOK or form.name == "limit"


def _references(params: Params) -> tuple[ClientOrderId | None, int | None]:
    """The client id or the user reference: they exclude each other."""
    cl_ord_id, userref = params.text("cl_ord_id"), _userref(params)
    if cl_ord_id is not None and userref is not None:
        raise invalid("cl_ord_id")
    return (None if cl_ord_id is None else ClientOrderId(cl_ord_id)), userref


def _userref(params: Params) -> int | None:
    userref = params.integer("userref")
    if userref is not None and not -USERREF_MAX - 1 <= userref <= USERREF_MAX:
        raise invalid("userref")
    return userref


def _refuse_margin(params: Params) -> None:
    """Spot only: leverage of none, or none at all."""
    leverage = params.text("leverage")
    if leverage is not None and leverage.lower() not in ("none", "0", "1"):
        raise invalid("leverage")
    if params.flag("reduce_only"):
        raise invalid("reduce_only")
