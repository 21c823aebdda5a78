"""python-kraken-sdk's REST clients (Market, User, Trade) against the simulator."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import kraken.exceptions  # type: ignore[import-not-found]  # lives in an environment of its own
from kraken.spot import (  # type: ignore[import-not-found]  # likewise
    Earn,
    Funding,
    Market,
    Trade,
    User,
)
from telling import Venue, play, tell, wait_for  # type: ignore[import-not-found]  # beside this

PAIR = "XBTUSD"
REFUSALS = tuple(
    error
    for error in vars(kraken.exceptions).values()
    if isinstance(error, type) and issubclass(error, Exception)
)


def clients(venue: Venue) -> tuple[Any, Any]:
    """What trades and what asks, on one key."""
    access = {"key": venue.key, "secret": venue.secret, "url": venue.rest}
    return Trade(**access), User(**access)


def market_data(venue: Venue) -> None:
    market = Market(url=venue.rest)
    tell("assets", **market.get_assets(assets=["XBT", "ZUSD"]))
    tell("pairs", **market.get_asset_pairs(pair=["XBTUSD", "ETHUSD"]))
    tell("v2_name", **market.get_asset_pairs(pair="BTC/USD"))
    tell("ticker", **market.get_ticker(pair=PAIR))
    tell("ohlc", **market.get_ohlc(pair=PAIR, interval=240))
    tell("book", **market.get_order_book(pair=PAIR, count=3))
    tell("trades", **market.get_recent_trades(pair=PAIR, count=5))
    tell("spreads", **market.get_recent_spreads(pair=PAIR))
    tell("status", **market.get_system_status())


def account(venue: Venue) -> None:
    trade, user = clients(venue)
    before = user.get_account_balance()
    made = trade.create_order(ordertype="market", side="buy", pair=PAIR, volume="0.01")
    resting = trade.create_order(
        ordertype="limit", side="buy", pair=PAIR, volume=0.001, price=10_000
    )
    tell("balance", before=before, after=user.get_account_balance())
    tell("extended", **user.get_balances())
    tell("one", **user.get_balance("USD"))
    tell("equity", **user.get_trade_balance())
    tell("volume", **user.get_trade_volume(pair=PAIR))
    (txid,) = made["txid"]
    order = user.get_orders_info(txid=[txid], trades=True)[txid]
    tell("order", **order)
    tell("trade", **user.get_trades_info(txid=order["trades"])[order["trades"][0]], order=txid)
    history = user.get_trades_history(trades=True)
    tell("history", newest=next(iter(history["trades"])), count=history["count"])
    ledger = user.get_ledgers_info()["ledger"]
    first_two = list(ledger)[:2]
    tell("ledger", rows=list(user.get_ledgers(id_=first_two).values()), order=order["trades"][0])
    trade.cancel_order(txid=resting["txid"][0])
    tell("closed", ids=list(user.get_closed_orders()["closed"])[:2], mine=[txid, *resting["txid"]])


def order_entry(venue: Venue) -> None:
    trade, user = clients(venue)
    limit = partial(
        trade.create_order, ordertype="limit", side="buy", pair=PAIR, volume="0.001", price="10000"
    )
    tell("validated", **limit(validate=True))
    tell("made", **limit(cl_ord_id="from-the-sdk", oflags=["post", "fciq"], timeinforce="GTC"))
    tell(
        "amended", **trade.amend_order(cl_ord_id="from-the-sdk", order_qty=0.002, limit_price=10001)
    )
    open_orders = user.get_open_orders(cl_ord_id="from-the-sdk")["open"]
    tell("open", orders=open_orders)
    tell("canceled", **trade.cancel_order(cl_ord_id="from-the-sdk"))
    Market.URL = venue.rest  # a Trade makes a Market for itself, and hands no address on
    cut = trade.truncate("0.123456789", "volume", PAIR), trade.truncate("10000.07", "price", PAIR)
    tell("truncated", volume=cut[0], price=cut[1])
    expiring = limit(timeinforce="GTD", expiretm="+5")["txid"][0]
    tell("expiring", **user.get_orders_info(txid=expiring)[expiring])

    def expired() -> Any:
        order = user.get_orders_info(txid=expiring)[expiring]
        return order if order["status"] == "expired" else None

    tell("expired", **wait_for(expired))


def batches(venue: Venue) -> None:
    trade, user = clients(venue)
    order = {"ordertype": "limit", "type": "buy", "volume": "0.001", "oflags": "post"}
    orders = [order | {"price": str(10_000 + step), "userref": 50 + step} for step in range(3)]
    made = trade.create_order_batch(orders=orders, pair=PAIR)
    tell("made", orders=made["orders"])
    first, second, _ = (entry["txid"] for entry in made["orders"])
    tell("two_canceled", **trade.cancel_order_batch(orders=[first, second]))
    tell("left", userrefs=[order["userref"] for order in user.get_open_orders()["open"].values()])
    tell("all_canceled", **trade.cancel_all_orders())


def edits(venue: Venue) -> None:
    """The old way to change an order: cancelled, and a new one in its place."""
    trade, user = clients(venue)
    made = trade.create_order(
        ordertype="limit", side="buy", pair=PAIR, volume="0.001", price="10000", userref=5
    )
    old = made["txid"][0]
    edited = trade.edit_order(txid=old, pair=PAIR, volume="0.002", price="10002.0")
    tell("edited", **edited, old=old)
    orders = user.get_orders_info(txid=[old, edited["txid"]])
    tell("after", old=orders[old], new=orders[edited["txid"]])
    trade.cancel_all_orders()
    tell("amends", **user.get_order_amends(order_id=amended_order(trade)))
    trade.cancel_all_orders()


def amended_order(trade: Any) -> str:
    """An order that was amended once."""
    made = trade.create_order(
        ordertype="limit", side="buy", pair=PAIR, volume="0.001", price="10000"
    )
    trade.amend_order(txid=made["txid"][0], limit_price="10003")
    return str(made["txid"][0])


def triggers(venue: Venue) -> None:
    trade, user = clients(venue)
    sell = partial(trade.create_order, side="sell", pair=PAIR, volume="0.01")
    for ordertype, prices in (
        ("stop-loss", {"price": "10000"}),
        ("stop-loss-limit", {"price": "10000", "price2": "9990"}),
        ("take-profit", {"price": "200000"}),
        ("take-profit-limit", {"price": "200000", "price2": "200100"}),
        ("trailing-stop", {"price": "+5%"}),
        ("trailing-stop-limit", {"price": "+5%", "price2": "-10"}),
        ("iceberg", {"price": "200000", "displayvol": "0.005"}),
    ):
        made = sell(ordertype=ordertype, **prices)
        txid = made["txid"][0]
        tell(ordertype, said=made["descr"]["order"], order=user.get_orders_info(txid=txid)[txid])
    closing = trade.create_order(
        ordertype="limit",
        side="buy",
        pair=PAIR,
        volume="0.001",
        price="10000",
        close_ordertype="limit",
        close_price="90000",
    )
    tell("closing", **closing)
    tell("canceled", **trade.cancel_all_orders())


def dead_man(venue: Venue) -> None:
    trade, user = clients(venue)
    made = trade.create_order(
        ordertype="limit", side="buy", pair=PAIR, volume="0.001", price="10000"
    )
    txid = made["txid"][0]
    tell("armed", **trade.cancel_all_orders_after_x(timeout=5))

    def canceled() -> Any:
        order = user.get_orders_info(txid=txid)[txid]
        return order if order["status"] == "canceled" else None

    tell("fired", **wait_for(canceled))
    tell("disarmed", **trade.cancel_all_orders_after_x(timeout=0))


def refusal(act: Callable[[], Any]) -> dict[str, str]:
    """The kind of error that the client made of an answer."""
    try:
        return {"error": "none", "says": str(act())}
    except REFUSALS as error:
        return {"error": type(error).__name__, "says": str(error)}


def errors(venue: Venue) -> None:
    trade, _ = clients(venue)
    limit = partial(trade.create_order, ordertype="limit", side="buy", pair=PAIR)
    tell("no_funds", **refusal(lambda: limit(volume="1000", price="10000")))
    tell("too_small", **refusal(lambda: limit(volume="0.00001", price="10000")))
    tell("off_tick", **refusal(lambda: limit(volume="0.001", price="10000.05")))
    tell("bad_volume", **refusal(lambda: limit(volume="many", price="10000")))
    tell("unknown_order", **refusal(lambda: trade.cancel_order(txid="OAAAAA-AAAAA-AAAAAA")))
    tell("unknown_pair", **refusal(lambda: Market(url=venue.rest).get_ticker(pair="NOPE")))
    tell("unknown_asset", **refusal(lambda: Market(url=venue.rest).get_assets(assets="NOPE")))
    tell("bad_key", **refusal(User(key="no", secret="bm8=", url=venue.rest).get_account_balance))
    wrong = User(key=venue.key, secret="bm8=", url=venue.rest)
    tell("bad_secret", **refusal(wrong.get_account_balance))
    asks_only = Trade(key=venue.query_key, secret=venue.query_secret, url=venue.rest)
    tell("may_not_trade", **refusal(asks_only.cancel_all_orders))
    late = User(key=venue.key, secret=venue.secret, url=venue.rest)
    late.get_nonce = lambda: "1"
    tell("old_nonce", **refusal(late.get_account_balance))
    for mode in ("maintenance", "cancel_only", "post_only"):
        venue.admin("/status", system=mode)
        order = partial(trade.create_order, ordertype="market", side="buy", pair=PAIR)
        tell(mode, **refusal(partial(order, volume="0.001")))
    venue.admin("/status", system="online")


def absent(venue: Venue) -> None:
    """What the simulator does not have."""
    _, user = clients(venue)
    access = {"key": venue.key, "secret": venue.secret, "url": venue.rest}
    funding, earn = Funding(**access), Earn(**access)
    tell("positions", **refusal(user.get_open_positions))
    tell("export", **refusal(lambda: user.request_export_report("trades", "all of them")))
    tell("transfer", **refusal(lambda: user.account_transfer("XBT", 1, "a", "b")))
    tell("subaccount", **refusal(lambda: user.create_subaccount("name", "a@example.org")))
    tell("deposit", **refusal(lambda: funding.get_deposit_methods("XBT")))
    tell("withdrawal", **refusal(lambda: funding.withdraw_funds("XBT", "a key", 1)))
    tell("earn", **refusal(earn.list_earn_strategies))


def limits(venue: Venue) -> None:
    trade, user = clients(venue)
    tell("calls", errors=[refusal(user.get_account_balance)["error"] for _ in range(20)])
    limit = partial(trade.create_order, ordertype="limit", side="buy", pair=PAIR)
    for count in range(40):
        refused = refusal(
            lambda: trade.cancel_order(txid=limit(volume="0.001", price="10000")["txid"][0])
        )
        if refused["error"] != "none":
            tell("orders", count=count, **refused)
            return


if __name__ == "__main__":
    play(
        {
            "market_data": market_data,
            "account": account,
            "order_entry": order_entry,
            "batches": batches,
            "edits": edits,
            "triggers": triggers,
            "dead_man": dead_man,
            "errors": errors,
            "absent": absent,
            "limits": limits,
        }
    )
