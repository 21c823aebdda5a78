"""ccxt, its synchronous side, against the simulator."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import ccxt  # type: ignore[import-not-found]  # lives in an environment of its own
from telling import Venue, play, tell, wait_for  # type: ignore[import-not-found]  # beside this

SYMBOL = "BTC/USD"
LOW = 10_000.0


def settings(venue: Venue, *, asks_only: bool = False) -> dict[str, Any]:
    """How a user points ccxt somewhere else; its own pacing is for a venue with limits."""
    return {
        "apiKey": venue.query_key if asks_only else venue.key,
        "secret": venue.query_secret if asks_only else venue.secret,
        "enableRateLimit": False,
        "urls": {"api": {"public": venue.rest, "private": venue.rest}},
    }


def market_data(api: Any, venue: Venue) -> None:
    markets = api.load_markets()
    tell("symbols", symbols=sorted(markets))
    market = markets[SYMBOL]
    tell("market", **{name: market[name] for name in ("id", "precision", "limits", "active")})
    tell("currency", **api.currency("BTC"))
    tell("time", time=api.fetch_time(), status=api.fetch_status()["status"])
    tell("ticker", **api.fetch_ticker(SYMBOL))
    tell("tickers", symbols=sorted(api.fetch_tickers()))
    tell("book", **api.fetch_order_book(SYMBOL, limit=5))
    tell("trades", trades=api.fetch_trades(SYMBOL, limit=10))
    tell("candles", candles=api.fetch_ohlcv(SYMBOL, "1h"))
    since = api.fetch_ohlcv(SYMBOL, "1h")[-10][0]
    tell("candles_since", since=since, candles=api.fetch_ohlcv(SYMBOL, "1h", since))


def account(api: Any, venue: Venue) -> None:
    tell("before", **api.fetch_balance()["BTC"])
    order = api.create_order(SYMBOL, "market", "buy", 0.01)
    resting = api.create_order(SYMBOL, "limit", "buy", 0.001, LOW)
    balance = api.fetch_balance()
    tell("after", **balance["BTC"], usd=balance["USD"])
    api.cancel_order(resting["id"])
    tell("trade", **api.fetch_my_trades(SYMBOL, limit=1)[-1], expected_order=order["id"])
    tell("of_order", trades=api.fetch_order_trades(order["id"], SYMBOL, None, None, trades_of(api)))
    tell("ledger", entries=api.fetch_ledger()[-4:])
    tell("fee", **api.fetch_trading_fee(SYMBOL))


def trades_of(api: Any) -> dict[str, Any]:
    """What fetch_order_trades asks of its caller: ids of trades, from the order."""
    newest = api.fetch_closed_orders(SYMBOL)[-2:]
    order = next(order for order in newest if order["status"] == "closed")
    return {"trades": api.fetch_order(order["id"])["trades"]}


def order_entry(api: Any, venue: Venue) -> None:
    params = {"clientOrderId": "from-ccxt"}
    checked = api.create_order(SYMBOL, "limit", "buy", 0.001, LOW, {"validate": True})
    tell("validated", **checked)
    made = api.create_order(SYMBOL, "limit", "buy", 0.001, LOW, params)
    tell("made", **made)
    tell("open", orders=api.fetch_open_orders(SYMBOL))
    tell("edited", **api.edit_order(made["id"], SYMBOL, "limit", "buy", 0.002, LOW + 1))
    tell("after_edit", **api.fetch_order(made["id"]))
    tell("canceled", **api.cancel_order(None, None, params))
    tell("after_cancel", **api.fetch_order(made["id"]), same=made["id"])
    tell("closed", ids=[order["id"] for order in api.fetch_closed_orders(SYMBOL)], id=made["id"])


def fills(api: Any, venue: Venue) -> None:
    """A market order by amount, one by cost, and an order that fills what it can at once."""
    by_amount = api.create_order(SYMBOL, "market", "sell", 0.01)
    tell("by_amount", **api.fetch_order(by_amount["id"]))
    by_cost = api.create_market_buy_order_with_cost(SYMBOL, 300)
    tell("by_cost", **api.fetch_order(by_cost["id"]))
    ask = api.fetch_order_book(SYMBOL, 1)["asks"][0][0]
    more = {"timeInForce": "IOC"}
    at_once = api.create_order(SYMBOL, "limit", "buy", 1.5, ask, more)
    tell("at_once", **api.fetch_order(at_once["id"]), ask=ask)


def batches(api: Any, venue: Venue) -> None:
    order = {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.001}
    made = api.create_orders([order | {"price": LOW + step} for step in range(3)])
    tell("made", orders=made)
    tell("some_canceled", answer=api.cancel_orders([made[0]["id"], made[1]["id"]]))
    tell("still_open", ids=[order["id"] for order in api.fetch_open_orders(SYMBOL)])
    tell("all_canceled", answer=api.cancel_all_orders())


def triggers(api: Any, venue: Venue) -> None:
    """Orders that wait for a price, in every form that ccxt writes; all are taken back."""
    for name, kind, price, params in (
        ("stop", "market", None, {"stopLossPrice": LOW}),
        ("stop_limit", "limit", LOW - 10, {"stopLossPrice": LOW}),
        ("take", "market", None, {"takeProfitPrice": LOW * 20}),
        ("take_limit", "limit", LOW * 21, {"takeProfitPrice": LOW * 20}),
        ("trailing_amount", "market", None, {"trailingAmount": "5000"}),
        ("trailing_percent", "market", None, {"trailingPercent": "5"}),
    ):
        made = api.create_order(SYMBOL, kind, "sell", 0.01, price, params)
        tell(name, made=made, order=api.fetch_order(made["id"]))
        api.cancel_order(made["id"])


def dead_man(api: Any, venue: Venue) -> None:
    made = api.create_order(SYMBOL, "limit", "buy", 0.001, LOW)
    tell("armed", **api.cancel_all_orders_after(5_000)["result"])

    def canceled() -> Any:
        order = api.fetch_order(made["id"])
        return order if order["status"] == "canceled" else None

    tell("fired", **wait_for(canceled))
    tell("disarmed", **api.cancel_all_orders_after(0)["result"])


def refusal(act: Callable[[], Any]) -> dict[str, str]:
    """The kind of error that ccxt made of an answer, and what it says."""
    try:
        return {"error": "none", "says": str(act())}
    except ccxt.BaseError as error:
        return {"error": type(error).__name__, "says": str(error)}


def errors(api: Any, venue: Venue) -> None:
    buy = partial(api.create_order, SYMBOL, "limit", "buy")
    tell("no_funds", **refusal(lambda: buy(1000, LOW)))
    tell("too_small", **refusal(lambda: buy(0.00001, LOW)))
    tell("post_only", **refusal(lambda: buy(0.001, LOW * 50, {"postOnly": True})))
    tell("unknown_order", **refusal(lambda: api.cancel_order("OAAAAA-AAAAA-AAAAAA")))
    tell("unknown_pair", **refusal(lambda: api.publicGetTicker({"pair": "NOPE"})))
    tell("bad_arguments", **refusal(lambda: buy(0.001, LOW, {"userref": "many"})))
    api.nonce = lambda: 1
    api.options.pop("lastNonce", None)
    tell("old_nonce", **refusal(api.privatePostBalance))
    api.secret = "c2VjcmV0"
    tell("bad_secret", **refusal(api.fetch_balance))
    api.apiKey = "nobody"
    tell("bad_key", **refusal(api.fetch_balance))


def permissions(api: Any, venue: Venue) -> None:
    """With the key that may ask but not trade."""
    asks_only = settings(venue, asks_only=True)
    api.apiKey, api.secret = asks_only["apiKey"], asks_only["secret"]
    tell("may_ask", **refusal(api.fetch_balance))
    tell("may_not_trade", **refusal(lambda: api.create_order(SYMBOL, "limit", "buy", 0.001, LOW)))


def outages(api: Any, venue: Venue) -> None:
    """Faults that the simulator was asked for, as ccxt names them."""
    for kind in ("5xx", "request-lost"):
        venue.admin("/faults", kind=kind, method="BalanceEx", count=1)
        tell(kind, **refusal(api.fetch_balance))
    venue.admin("/status", system="maintenance")
    tell("maintenance", **refusal(api.fetch_balance), status=api.fetch_status()["status"])
    venue.admin("/status", system="online")
    tell("again", **refusal(api.fetch_balance))


def limits(api: Any, venue: Venue) -> None:
    """Calls until refused; then orders, which have a counter of their own, until refused."""
    api.load_markets()
    tell("calls", errors=[refusal(api.privatePostBalance)["error"] for _ in range(20)])
    for count in range(40):
        order: list[Any] = []

        def enter_and_cancel(order: list[Any] = order) -> None:
            order.append(api.create_order(SYMBOL, "limit", "buy", 0.001, LOW))
            api.cancel_order(order[0]["id"])

        refused = refusal(enter_and_cancel)
        if refused["error"] != "none":
            tell("orders", count=count, **refused)
            return


SCENES = {
    "market_data": market_data,
    "account": account,
    "order_entry": order_entry,
    "fills": fills,
    "batches": batches,
    "triggers": triggers,
    "dead_man": dead_man,
    "errors": errors,
    "permissions": permissions,
    "outages": outages,
    "limits": limits,
}


def enter(scene: Callable[[Any, Venue], None], venue: Venue) -> None:
    """Play with the synchronous side."""
    scene(ccxt.kraken(settings(venue)), venue)


if __name__ == "__main__":
    play({name: partial(enter, scene) for name, scene in SCENES.items()})
