"""krakenex against the simulator: the thinnest of the clients, so the wire is seen as it is."""

from __future__ import annotations

import time

import krakenex  # type: ignore[import-not-found]  # lives in an environment of its own
from telling import Venue, play, tell, wait_for  # type: ignore[import-not-found]  # beside this

PAIR = "XBTUSD"


class Api(krakenex.API):  # type: ignore[misc]  # its base is not known outside of its environment
    """The client, no faster than its own nonces: these count milliseconds."""

    def __init__(self, venue: Venue, key: str = "", secret: str = "") -> None:
        super().__init__(key or venue.key, secret or venue.secret)
        self.uri = venue.rest

    def ask(self, method: str, **params: object) -> dict:
        time.sleep(0.002)
        return self.query_private(method, params)

    def buy(self, price: str, volume: str = "0.001", **more: object) -> dict:
        order = {"pair": PAIR, "type": "buy", "ordertype": "limit", "price": price}
        return self.ask("AddOrder", **order, volume=volume, **more)


def market_data(venue: Venue) -> None:
    api = Api(venue)
    for method, params in (
        ("Time", {}),
        ("SystemStatus", {}),
        ("Assets", {"asset": "XBT,ZUSD"}),
        ("AssetPairs", {"pair": PAIR}),
        ("Ticker", {"pair": PAIR}),
        ("OHLC", {"pair": PAIR, "interval": 60}),
        ("Depth", {"pair": PAIR, "count": 5}),
        ("Trades", {"pair": PAIR, "count": 10}),
        ("Spread", {"pair": PAIR}),
    ):
        tell(method, **api.query_public(method, params))


def account(venue: Venue) -> None:
    api = Api(venue)
    tell("before", **api.ask("Balance"))
    api.ask("AddOrder", pair=PAIR, type="buy", ordertype="market", volume="0.01")
    txid = api.buy("10000")["result"]["txid"][0]
    for method in ("Balance", "BalanceEx", "OpenOrders", "TradeBalance", "Ledgers"):
        tell(method, **api.ask(method))
    tell("TradeVolume", **api.ask("TradeVolume", pair=PAIR))
    tell("CancelOrder", **api.ask("CancelOrder", txid=txid))
    tell("ClosedOrders", **api.ask("ClosedOrders", trades=True))
    tell("TradesHistory", **api.ask("TradesHistory"))
    tell("GetWebSocketsToken", **api.ask("GetWebSocketsToken"))


def order_entry(venue: Venue) -> None:
    api = Api(venue)
    tell("validated", **api.buy("10000.0", validate=True))
    tell("not_validated", **api.buy("10000.0", validate=False, cl_ord_id="from-krakenex"))
    tell("found", **api.ask("OpenOrders", cl_ord_id="from-krakenex"))
    tell("twice", **api.buy("10000.0", cl_ord_id="from-krakenex"))
    tell("amended", **api.ask("AmendOrder", cl_ord_id="from-krakenex", limit_price="10001.5"))
    open_orders = api.ask("OpenOrders", cl_ord_id="from-krakenex")["result"]["open"]
    tell("after_amend", **next(iter(open_orders.values())), txid=next(iter(open_orders)))
    tell("canceled", **api.ask("CancelOrder", cl_ord_id="from-krakenex"))
    txid = next(iter(open_orders))
    tell("after_cancel", **api.ask("QueryOrders", txid=txid)["result"][txid])


def fill(venue: Venue) -> None:
    """A resting order, one cent above the best bid, is met by the market's next seller."""
    api = Api(venue)
    depth = api.query_public("Depth", {"pair": "ETHUSD", "count": 1})["result"]
    bid = next(iter(depth.values()))["bids"][0][0]
    price = f"{float(bid) + 0.01:.2f}"
    added = api.ask(
        "AddOrder", pair="ETHUSD", type="buy", ordertype="limit", price=price, volume="0.05"
    )
    txid = added["result"]["txid"][0]

    def closed() -> dict | None:
        order = api.ask("QueryOrders", txid=txid, trades=True)["result"][txid]
        return order if order["status"] == "closed" else None

    order = wait_for(closed)
    tell("order", **order, asked=price)
    tell("trade", **api.ask("QueryTrades", txid=order["trades"][0])["result"][order["trades"][0]])


def batches(venue: Venue) -> None:
    """A form cannot hold a list of objects but by flat names, which krakenex sends as they are."""
    api = Api(venue)
    flat: dict[str, object] = {"pair": PAIR}
    for index, price in enumerate(("10000", "10001")):
        order = {"ordertype": "limit", "type": "buy", "volume": "0.001", "price": price}
        flat |= {f"orders[{index}][{name}]": value for name, value in order.items()}
    tell("added", **api.ask("AddOrderBatch", **flat))
    for price in ("10002", "10003"):
        api.buy(price, userref=7)
    tell("userref", **api.ask("CancelOrder", txid=7))
    tell("all", **api.ask("CancelAll"))


def dead_man(venue: Venue) -> None:
    api = Api(venue)
    txid = api.buy("10000")["result"]["txid"][0]
    tell("armed", **api.ask("CancelAllOrdersAfter", timeout=5))

    def canceled() -> dict | None:
        order = api.ask("QueryOrders", txid=txid)["result"][txid]
        return order if order["status"] == "canceled" else None

    tell("fired", **wait_for(canceled))
    tell("disarmed", **api.ask("CancelAllOrdersAfter", timeout=0))


def errors(venue: Venue) -> None:
    api = Api(venue)
    tell("unknown_pair", **api.query_public("Ticker", {"pair": "NOPE"}))
    tell("unknown_method", **api.ask("NoSuchMethod"))
    tell("too_small", **api.buy("10000", volume="0.00001"))
    tell("off_tick", **api.buy("10000.05"))
    tell("no_funds", **api.buy("10000", volume="1000"))
    tell("post_only", **api.buy("900000", oflags="post"))
    tell("unknown_order", **api.ask("CancelOrder", txid="OAAAAA-AAAAA-AAAAAA"))
    tell("bad_volume", **api.buy("10000", volume="many"))
    tell("bad_key", **Api(venue, key="nobody").ask("Balance"))
    tell("bad_secret", **Api(venue, secret="c2VjcmV0").ask("Balance"))
    asks_only = Api(venue, venue.query_key, venue.query_secret)
    tell("may_ask", **asks_only.ask("Balance"))
    tell("may_not_trade", **asks_only.buy("10000"))
    api._nonce = lambda: 1
    tell("old_nonce", **api.ask("Balance"))


def one_call(venue: Venue) -> None:
    """For a look at what another client left behind."""
    tell("Balance", **Api(venue).ask("Balance"))


def limits(venue: Venue) -> None:
    """Calls until refused; then orders, which have a counter of their own, until refused."""
    api = Api(venue)
    answers = [api.ask("Balance") for _ in range(20)]
    tell("calls", answers=[answer["error"] for answer in answers])
    refused: list[str] = []
    for count in range(40):
        added = api.buy("10000")
        refused = added["error"] or api.ask("CancelOrder", txid=added["result"]["txid"][0])["error"]
        if refused:
            tell("orders", count=count, error=refused)
            return
    tell("orders", count=40, error=[])


if __name__ == "__main__":
    play(
        {
            "market_data": market_data,
            "account": account,
            "order_entry": order_entry,
            "fill": fill,
            "batches": batches,
            "dead_man": dead_man,
            "errors": errors,
            "one_call": one_call,
            "limits": limits,
        }
    )
