"""What a subscription to executions asks for, and what its key may see."""

from __future__ import annotations

import zlib
from decimal import Decimal
from typing import Any

import pytest

from krakked.domain.ids import Asset
from krakked.sim.exchange.keys import ALL_PERMISSIONS, Permission
from krakked.sim.exchange.limits import Tier


def kinds(client: Any) -> list[str]:
    return [row["exec_type"] for frame in client.take("executions") for row in frame["data"]]


def test_every_status_is_told_unless_told_otherwise(bench: Any) -> None:
    every, few = bench.connect(), bench.connect()
    every.subscribe("executions", token=bench.token())
    few.subscribe("executions", token=bench.token(), order_status=False)
    every.take(), few.take()
    order = {"pair": "XBTUSD", "type": "buy", "volume": "0.01"}
    bench.post("AddOrder", **order, ordertype="market")
    (resting,) = bench.post("AddOrder", **order, ordertype="limit", price="50000")["txid"]
    bench.post("AmendOrder", txid=resting, limit_price="50001")
    bench.post("CancelOrder", txid=resting)
    assert kinds(every) == [
        *("pending_new", "new", "trade", "filled"),
        *("pending_new", "new", "amended", "canceled"),
    ]
    assert kinds(few) == ["new", "trade", "filled", "new", "canceled"]


def test_what_is_not_told_takes_no_number(bench: Any) -> None:
    client = bench.connect()
    client.subscribe("executions", token=bench.token(), order_status=False)
    client.take()
    bench.post("AddOrder", pair="XBTUSD", type="buy", ordertype="market", volume="0.01")
    assert [frame["sequence"] for frame in client.take("executions")] == [2, 3, 4]


def test_a_completing_trade_says_partially_filled_and_filled_follows(bench: Any) -> None:
    client = bench.connect()
    client.subscribe("executions", token=bench.token())
    client.take()
    bench.post("AddOrder", pair="XBTUSD", type="buy", ordertype="market", volume="0.01")
    rows = [row for frame in client.take("executions") for row in frame["data"]]
    trade, filled = rows[-2:]
    assert (trade["exec_type"], trade["order_status"]) == ("trade", "partially_filled")
    assert trade["cum_qty"] == rows[0]["order_qty"] == "0.01000000"
    assert (filled["exec_type"], filled["order_status"]) == ("filled", "filled")
    assert "exec_id" not in filled


def test_the_rate_counter_streams_where_it_is_asked_for(bench: Any) -> None:
    deposits = {Asset("USD"): Decimal(10_000)}
    bench.exchange.open_account("bob", deposits=deposits, tier=Tier.PRO, now_ns=bench.now_ns)
    bench.exchange.add_key("bob", key="k", secret=bench.secret, permissions=ALL_PERMISSIONS)
    counting, plain = bench.connect(), bench.connect()
    counting.subscribe("executions", token=bench.token(), ratecounter=True)
    plain.subscribe("executions", token=bench.token())
    counting.take(), plain.take()
    order = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "0.01"}
    (txid,) = bench.post("AddOrder", **order, price="50000")["txid"]
    bench.post("CancelOrder", txid=txid)
    rows = [row for frame in counting.take("executions") for row in frame["data"]]
    assert [row["ratecount"] for row in rows] == [1, 1, 9]
    assert all("ratecount" not in row for f in plain.take("executions") for row in f["data"])


@pytest.mark.parametrize("flag", ["order_status", "ratecounter", "snap_orders", "snap_trades"])
def test_a_flag_that_is_no_boolean_is_refused_and_subscribes_to_nothing(
    bench: Any, flag: str
) -> None:
    client, token = bench.connect(), bench.token()
    (refused,) = client.subscribe("executions", token=token, **{flag: "yes"})
    assert refused["error"] == f"{flag.capitalize()} field must be a boolean"
    assert client.subscribe("executions", token=token)[0]["success"] is True


@pytest.mark.parametrize(
    ("channel", "enough"),
    [
        ("executions", Permission.QUERY_OPEN),
        ("executions", Permission.QUERY_CLOSED),
        ("balances", Permission.QUERY_FUNDS),
        ("balances", Permission.LEDGER),
    ],
)
def test_the_key_behind_a_token_needs_the_permission_of_the_channel(
    bench: Any, channel: str, enough: Permission
) -> None:
    key = {"key": "k", "secret": bench.secret}
    bench.exchange.add_key("alice", **key, permissions=frozenset({Permission.WS_TOKEN}))
    (refused,) = bench.connect().subscribe(channel, token=bench.token())
    assert refused["error"] == "EGeneral:Permission denied"
    bench.exchange.add_key("alice", **key, permissions=frozenset({Permission.WS_TOKEN, enough}))
    assert bench.connect().subscribe(channel, token=bench.token())[0]["success"] is True


@pytest.mark.parametrize(
    ("channel", "params", "told"),
    [
        ("ticker", {"symbol": ["BTC/USD"]}, {"event_trigger": "trades", "symbol": "BTC/USD"}),
        ("ohlc", {"symbol": ["BTC/USD"], "interval": 5}, {"interval": 5, "symbol": "BTC/USD"}),
        ("trade", {"symbol": ["BTC/USD"]}, {"symbol": "BTC/USD"}),
        (
            "book",
            {"symbol": ["BTC/USD"], "depth": 25},
            {"depth": 25, "snapshot": True, "symbol": "BTC/USD"},
        ),
        ("instrument", {}, {}),
    ],
)
def test_the_end_of_a_subscription_is_acknowledged_as_documented(
    bench: Any, channel: str, params: dict[str, Any], told: dict[str, Any]
) -> None:
    client = bench.connect()
    client.subscribe(channel, **params)
    (ended,) = client.unsubscribe(channel, **params)
    assert ended["result"] == {"channel": channel, **told}


def test_a_level_that_better_ones_push_out_is_not_taken_back(bench: Any) -> None:
    bids = {f"{59000 - i}.0": "1" for i in range(10)}
    bench.house(bids, {"60000.0": "1"})
    client = bench.connect()
    client.subscribe("book", symbol=["BTC/USD"], depth=10)
    client.take()
    bench.house({"59100.0": "2", **bids}, {"60000.0": "1"})
    (frame,) = client.take("book")
    assert frame["data"][0]["bids"] == [{"price": "59100.0", "qty": "2.00000000"}]
    bench.house(bids, {"60000.0": "1"})
    (frame,) = client.take("book")
    assert frame["data"][0]["bids"] == [
        {"price": "59100.0", "qty": "0.00000000"},
        {"price": "58991.0", "qty": "1.00000000"},
    ]


def test_a_client_that_cuts_its_book_has_the_checksums(bench: Any) -> None:
    client = bench.connect()
    bench.house({"59000.0": "1"}, {"60000.0": "1"})
    _, snapshot = client.subscribe("book", symbol=["BTC/USD"], depth=10)
    book = {"bids": {}, "asks": {}}
    client.take()
    frames = [snapshot]
    for step in range(40):
        bids = {f"{59000 + (step * 7 + i * 13) % 60}.0": f"0.{i + 1}" for i in range(14)}
        best_first = dict(sorted(bids.items(), reverse=True))
        asks = {f"{60000 + i * (1 + step % 3)}.0": f"0.{i + 1}" for i in range(14)}
        bench.house(best_first, asks)
        frames += client.take("book")
    assert len(frames) > 40
    for frame in frames:
        (data,) = frame["data"]
        assert cut(book, data) == data["checksum"]


def cut(book: dict[str, dict[str, str]], data: Any) -> int:
    """Apply one message as the documentation says, and sum it up."""
    digits = ""
    for side, descending in (("asks", False), ("bids", True)):
        for level in data[side]:
            book[side][level["price"]] = level["qty"]
            if float(level["qty"]) == 0:
                del book[side][level["price"]]
        best = sorted(book[side], key=float, reverse=descending)[:10]
        book[side] = {price: book[side][price] for price in best}
        for price, qty in book[side].items():
            digits += price.replace(".", "").lstrip("0") + qty.replace(".", "").lstrip("0")
    return zlib.crc32(digits.encode())
