"""Orders in the venue's words: ``sell 0.10000000 XBTUSD @ stop loss 55.0 -> limit 54.0``."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from krakked.domain.orders import Side
from krakked.sim.exchange.core import Market
from krakked.sim.exchange.orders import CloseAsk, Order, OrderAsk, OrderForm, Trigger
from krakked.sim.exchange.prices import Price
from krakked.sim.wire import text

_TRIGGER_WORDS: Final = {"stop": "stop loss", "profit": "take profit", "trail": "trailing stop"}
NOTHING: Final = "0"


def of_ask(market: Market, ask: OrderAsk) -> str:
    """An order as it was asked for."""
    if ask.budget_quote is not None:
        size = text(ask.budget_quote, market.pair.cost_decimals)
    else:
        size = text(ask.quantity_base, market.pair.lot_decimals)
    first, second = _shown_prices(market, ask.form, ask.trigger, ask.trigger_price, ask.limit_price)
    return _sentence(market, ask.side, size, _phrase(ask.form, first, second))


def of_order(market: Market, order: Order) -> str:
    """An order as it is now."""
    if order.ask.budget_quote is not None:
        size = text(order.ask.budget_quote, market.pair.cost_decimals)
    else:
        size = text(order.quantity_base, market.pair.lot_decimals)
    first, second = prices_of(market, order)
    return _sentence(market, order.ask.side, size, _phrase(order.ask.form, first, second))


def of_close(market: Market, close: CloseAsk | None) -> str:
    """The order that fills will make; nothing if they make none."""
    if close is None:
        return ""
    decimals = market.pair.pair_decimals
    limit = None if close.limit is None else close.limit.shown(decimals)
    trigger = None if close.trigger is None else close.trigger.price.shown(decimals)
    if trigger is None:
        return f"close position @ {_phrase(close.form, limit, None)}"
    return f"close position @ {_phrase(close.form, trigger, limit)}"


def prices_of(market: Market, order: Order) -> tuple[str | None, str | None]:
    """``price`` and ``price2`` of an order as it is now."""
    return _shown_prices(
        market, order.ask.form, order.trigger, order.trigger_price, order.limit_price
    )


def _shown_prices(
    market: Market,
    form: OrderForm,
    trigger: Trigger | None,
    trigger_price: Decimal | None,
    limit_price: Decimal | None,
) -> tuple[str | None, str | None]:
    decimals = market.pair.pair_decimals
    limit = None if limit_price is None else text(limit_price, decimals)
    if trigger is None:
        return limit, None
    if form.trigger == "trail":
        return trigger.price.shown(decimals), _offset(trigger.limit, decimals)
    return (None if trigger_price is None else text(trigger_price, decimals)), limit


def _offset(limit: Price | None, decimals: int) -> str | None:
    return None if limit is None else limit.shown(decimals)


def _phrase(form: OrderForm, first: str | None, second: str | None) -> str:
    if form.trigger is None:
        return "market" if first is None else f"limit {first}"
    words = f"{_TRIGGER_WORDS[form.trigger]} {first}"
    return words if second is None else f"{words} -> limit {second}"


def _sentence(market: Market, side: Side, size: str, phrase: str) -> str:
    return f"{side.value} {size} {market.pair.altname} @ {phrase}"
