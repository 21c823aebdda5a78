"""WebSocket v2 sessions: acknowledgements, snapshots, updates, refusals, sequences."""

from __future__ import annotations

import json
import os
import zlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from krakked.domain.ids import PairName
from krakked.domain.orders import Side
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.core import PairMode, SystemStatus
from krakked.sim.public.requests import PRIVATE_ONLY, PUBLIC_ONLY
from krakked.sim.public.sessions import FIRST_CONNECTION, Role

VECTORS = Path(os.environ.get("VECTORS", "../shared/data/vectors")) / "kraken-docs-examples"
NOW = "2026-01-01T00:00:00.000000Z"


def documented(name: str) -> list[Any]:
    path = VECTORS / f"websocket_v2_{name}.jsonl"
    if not path.exists():
        pytest.skip(f"no recorded payloads in {VECTORS}")
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line, parse_float=str) for line in lines]


def keys(row: Any) -> list[str]:
    return sorted(row)


def test_a_connection_is_greeted_with_the_systems_status(bench: Any) -> None:
    (greeting,) = bench.connect().take()
    assert greeting["channel"] == "status"
    assert greeting["data"][0]["system"] == "online"
    assert greeting["data"][0]["connection_id"] == FIRST_CONNECTION + 1 > 2**63
    assert keys(documented("Status")[0]["data"][0]) == sorted(
        set(greeting["data"][0]) - {"upcoming_maintenance", "emergency"}
    )


def test_a_ping_is_answered_and_its_params_are_refused(bench: Any) -> None:
    client = bench.connect()
    (pong,) = client.ask({"method": "ping", "req_id": 101})
    assert pong == {"method": "pong", "req_id": 101, "time_in": NOW, "time_out": NOW}
    (refused,) = client.ask({"method": "ping", "params": {}})
    assert refused["error"] == "Unsupported field: 'params' for the given msg type: ping"


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"method": 3}', '{"params": {}}', "ÿ"])
def test_rubbish_is_a_malformed_request_and_the_session_lives_on(bench: Any, text: str) -> None:
    client = bench.connect()
    (answer,) = client.ask(text)
    assert (answer["error"], answer["method"], answer["success"]) == (
        "Malformed request",
        "error",
        False,
    )
    assert client.ask({"method": "ping"})[0]["method"] == "pong"


def test_an_unknown_method_or_channel_is_refused(bench: Any) -> None:
    client = bench.connect()
    (answer,) = client.ask({"method": "dance", "req_id": 5})
    assert (answer["error"], answer["req_id"], answer["success"]) == ("Unsupported event", 5, False)
    assert client.subscribe("level9")[0]["success"] is False


def test_every_symbol_has_an_acknowledgement_of_its_own(bench: Any) -> None:
    client = bench.connect()
    answers = client.ask(
        {
            "method": "subscribe",
            "params": {"channel": "ticker", "symbol": ["BTC/USD", "XBT/USD", "ETH/USD"]},
            "req_id": 9,
        }
    )
    acknowledgements, snapshots = answers[:3], answers[3:]
    assert [one["success"] for one in acknowledgements] == [True, False, True]
    assert {one["req_id"] for one in acknowledgements} == {9}
    assert acknowledgements[1]["error"] == "Currency pair not supported XBT/USD"
    (nested,) = client.ask(
        {"method": "subscribe", "params": {"channel": "ticker", "symbol": [["BTC/USD"]]}}
    )
    assert nested["error"] == 'Currency pair not supported ["BTC/USD"]'
    assert acknowledgements[1]["symbol"] == "XBT/USD"
    assert [one["data"][0]["symbol"] for one in snapshots] == ["BTC/USD", "ETH/USD"]


@pytest.mark.parametrize(
    ("channel", "name", "params"),
    [
        ("ticker", "Ticker_Level_1_", {}),
        ("ohlc", "Candles_OHLC_", {"interval": 5}),
        ("trade", "Trades", {"snapshot": True}),
        ("book", "Book_Level_2_", {}),
    ],
)
def test_acknowledgements_and_frames_have_the_documented_keys(
    bench: Any, channel: str, name: str, params: dict[str, object]
) -> None:
    client = bench.connect()
    answer, snapshot = client.subscribe(channel, symbol=["BTC/USD"], **params)
    messages = documented(name)
    wanted_answer = next(one for one in messages if "result" in one)
    assert keys(answer) == keys(wanted_answer)
    assert set(wanted_answer["result"]) <= set(answer["result"])
    bench.pass_time(10)
    bench.house({"59000.0": "1"}, {"60000.0": "1"})
    update = client.take(channel)[-1]
    by_type = {one["type"]: one for one in messages if "data" in one}
    for found, wanted in ((snapshot, by_type["snapshot"]), (update, by_type["update"])):
        assert keys(found) == keys(wanted)
        assert set(wanted["data"][0]) <= set(found["data"][0])
        assert found["type"] == wanted["type"]


def test_a_ticker_is_sent_once_per_instant_with_the_newest_quote(bench: Any) -> None:
    client = bench.connect()
    client.subscribe("ticker", symbol=["BTC/USD"], snapshot=False)
    client.take()
    bench.pass_time(10)
    (frame,) = client.take()
    row = frame["data"][0]
    assert (row["bid"], row["ask"], row["last"]) == ("59994.0", "60006.0", "59994.0")
    assert row["change_pct"] == "-0.02"
    assert row["timestamp"] == "2026-01-01T00:00:10.000000Z"


def test_a_bbo_ticker_is_sent_when_the_best_prices_change_only(bench: Any) -> None:
    by_trades, by_bbo = bench.connect(), bench.connect()
    by_trades.subscribe("ticker", symbol=["BTC/USD"])
    by_bbo.subscribe("ticker", symbol=["BTC/USD"], event_trigger="bbo")
    bench.house({"59000.0": "1"}, {"60000.0": "1"})
    assert len(by_bbo.take("ticker")) == 1
    assert by_trades.take("ticker") == []
    bench.house({"59000.0": "1"}, {"60000.0": "1"})
    assert by_bbo.take("ticker") == []


def test_a_bbo_ticker_says_nothing_before_the_best_prices_differ_from_its_snapshot(
    bench: Any,
) -> None:
    bench.house({"59000.0": "1"}, {"60000.0": "1"})
    client = bench.connect()
    client.subscribe("ticker", symbol=["BTC/USD"], event_trigger="bbo")
    client.take()
    bench.house({"59000.0": "1", "58000.0": "4"}, {"60000.0": "1", "61000.0": "2"})
    bench.now_ns += 5 * NS_PER_SECOND
    bench.strangers("60000.0", "0.5", Side.BUY)  # takes half of the best offer …
    assert len(client.take("ticker")) == 1
    bench.house({"59000.0": "1"}, {"60000.0": "0.5"})  # … and that is known by now
    assert client.take("ticker") == []


def test_a_later_subscriber_to_bbo_costs_the_first_one_no_change(bench: Any) -> None:
    bench.house({"59000.0": "1"}, {"60000.0": "1"})
    first, second = bench.connect(), bench.connect()
    first.subscribe("ticker", symbol=["BTC/USD"], event_trigger="bbo")
    row = [(Decimal("59500.0"), Decimal(1))]
    bench.exchange.set_house_book(PairName("XBTUSD"), row, (), bench.now_ns)  # not told yet
    second.subscribe("ticker", symbol=["BTC/USD"], event_trigger="bbo")
    assert [frame["data"][0]["bid"] for frame in first.take("ticker")] == ["59500.0"]
    for client in (first, second):
        client.unsubscribe("ticker", symbol=["BTC/USD"], event_trigger="bbo")
    bench.house({"59000.0": "1"}, {"60000.0": "1"})
    second.subscribe("ticker", symbol=["BTC/USD"], event_trigger="bbo")
    second.take()
    bench.house({"59500.0": "1"}, {"60000.0": "1"})
    assert [frame["data"][0]["bid"] for frame in second.take("ticker")] == ["59500.0"]


def test_candles_are_sent_per_trade_for_the_subscribed_interval_only(bench: Any) -> None:
    client = bench.connect()
    client.subscribe("ohlc", symbol=["BTC/USD"], interval=60, snapshot=False)
    client.take()
    bench.get("OHLC", pair="XBTUSD", interval=5)  # kept up, but nobody asked for its frames
    bench.pass_time(30)
    frames = client.take()
    assert [frame["data"][0]["trades"] for frame in frames] == [2, 3, 4]
    row = frames[-1]["data"][0]
    assert row["interval_begin"] == "2026-01-01T00:00:00.000000000Z"
    assert row["timestamp"] == "2026-01-01T01:00:00.000000Z"
    assert row["interval"] == 60


def test_the_snapshot_of_candles_ends_with_the_running_one(bench: Any) -> None:
    _, snapshot = bench.connect().subscribe("ohlc", symbol=["BTC/USD"], interval=1)
    begins = [row["interval_begin"] for row in snapshot["data"]]
    assert begins == sorted(begins)
    assert begins[-1] == "2026-01-01T00:00:00.000000000Z"


def test_trades_have_no_snapshot_unless_it_is_asked_for(bench: Any) -> None:
    client = bench.connect()
    assert len(client.subscribe("trade", symbol=["BTC/USD"])) == 1
    _, snapshot = client.subscribe("trade", symbol=["ETH/USD"], snapshot=True)
    assert len(snapshot["data"]) == 50


def test_prints_of_one_instant_come_in_one_message(bench: Any) -> None:
    client = bench.connect()
    client.subscribe("trade", symbol=["BTC/USD"])
    client.take()
    for price in ("60001.0", "60002.0"):
        bench.exchange.market_trade(
            PairName("XBTUSD"), Decimal(price), Decimal(1), Side.BUY, bench.now_ns
        )
    bench.settle()
    (frame,) = client.take("trade")
    assert [row["price"] for row in frame["data"]] == ["60001.0", "60002.0"]


class Mirror:
    """A book as a client keeps it, checked after each message."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.sides: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}

    def apply(self, frame: Any) -> None:
        (row,) = frame["data"]
        for name, side in self.sides.items():
            if frame["type"] == "snapshot":
                side.clear()
            for level in row[name]:
                side[level["price"]] = level["qty"]
            kept = [item for item in side.items() if float(item[1])]
            kept.sort(key=lambda item: float(item[0]), reverse=name == "bids")
            self.sides[name] = dict(kept[: self.depth])
        assert self.checksum() == row["checksum"]

    def checksum(self) -> int:
        text = ""
        for name in ("asks", "bids"):
            for level in list(self.sides[name].items())[:10]:
                text += "".join(number.replace(".", "").lstrip("0") for number in level)
        return zlib.crc32(text.encode())


def test_a_mirrored_book_agrees_after_every_message(bench: Any) -> None:
    client, mirror = bench.connect(), Mirror(10)
    _, snapshot = client.subscribe("book", symbol=["BTC/USD"])
    mirror.apply(snapshot)
    bids = {f"{59_000 - i}.0": f"{i + 1}.00000000" for i in range(15)}
    asks = {f"{60_000 + i}.5": f"0.{i + 1:08d}" for i in range(15)}
    bench.house(bids, asks)
    bench.house(dict(list(bids.items())[3:]), asks)  # three levels gone, three came up
    bench.house({"59001.0": "4"} | bids, dict(list(asks.items())[:2]))
    frames = client.take("book")
    assert len(frames) == 3
    for frame in frames:
        mirror.apply(frame)
    assert next(iter(mirror.sides["bids"])) == "59001.0"


def test_a_book_that_did_not_change_sends_nothing(bench: Any) -> None:
    client = bench.connect()
    client.subscribe("book", symbol=["BTC/USD"])
    client.take()
    bench.pass_time(60)  # trades that fill the same book up again
    assert client.take("book") == []


def test_a_second_subscriber_gets_the_book_as_it_is_and_the_same_bytes_after_it(
    bench: Any,
) -> None:
    first, second = bench.connect(), bench.connect()
    first.subscribe("book", symbol=["BTC/USD"])
    bench.house({"59000.0": "1"}, {"60000.0": "1"})
    _, snapshot = second.subscribe("book", symbol=["BTC/USD"])
    assert snapshot["data"][0]["bids"] == [{"price": "59000.0", "qty": "1.00000000"}]
    bench.house({"59000.0": "2"}, {"60000.0": "1"})
    assert first.raw[-1] is second.raw[-1]  # made once


@pytest.mark.parametrize("depth", [10, 25, 100, 500, 1000])
def test_book_depths_of_the_venue_are_served(bench: Any, depth: int) -> None:
    answer, snapshot = bench.connect().subscribe("book", symbol=["BTC/USD"], depth=depth)
    assert answer["result"]["depth"] == depth
    assert snapshot["type"] == "snapshot"


@pytest.mark.parametrize(
    ("channel", "params"),
    [
        ("book", {"depth": 11}),
        ("ohlc", {"interval": 7}),
        ("ticker", {"event_trigger": "x"}),
        ("ticker", {"snapshot": "yes"}),
    ],
)
def test_params_that_the_venue_does_not_have_are_refused(
    bench: Any, channel: str, params: dict[str, object]
) -> None:
    (answer,) = bench.connect().subscribe(channel, symbol=["BTC/USD"], **params)
    assert answer["success"] is False


@pytest.mark.parametrize("symbols", [None, [], "BTC/USD"])
def test_symbols_must_be_a_list_with_something_in_it(bench: Any, symbols: object) -> None:
    (answer,) = bench.connect().subscribe("ticker", symbol=symbols)
    assert answer["error"] == "Symbol(s) not found"


def test_subscribing_twice_and_unsubscribing_what_is_not_there_are_refused(bench: Any) -> None:
    client = bench.connect()
    (missing,) = client.unsubscribe("ticker", symbol=["BTC/USD"])
    assert missing["error"] == "Subscription Not Found"
    client.subscribe("ticker", symbol=["BTC/USD"])
    (again,) = client.subscribe("ticker", symbol=["BTC/USD"])
    assert again["error"] == "Already subscribed"


def test_after_unsubscribing_nothing_more_comes(bench: Any) -> None:
    client = bench.connect()
    client.subscribe("ticker", symbol=["BTC/USD"])
    (answer,) = client.unsubscribe("ticker", symbol=["BTC/USD"])
    assert answer["success"] is True
    client.take()
    bench.pass_time(60)
    assert client.take() == []


def test_a_closed_session_is_forgotten(bench: Any) -> None:
    client = bench.connect()
    client.subscribe("ticker", symbol=["BTC/USD"])
    client.subscribe("executions", token=bench.token())
    bench.hub.close(client.session)
    assert repr(bench.hub) == "<Hub 0 sessions, 0 topics>"
    bench.pass_time(60)


def test_instruments_are_one_object_of_assets_and_pairs(bench: Any) -> None:
    client = bench.connect()
    answer, snapshot = client.subscribe("instrument")
    wanted = next(one for one in documented("Instruments") if one.get("type") == "snapshot")
    assert answer["result"]["channel"] == "instrument"
    assert keys(snapshot["data"]["assets"][0]) == keys(wanted["data"]["assets"][0])
    pair = snapshot["data"]["pairs"][0]
    optional = {"margin_initial", "position_limit_long", "position_limit_short"}
    assert set(wanted["data"]["pairs"][0]) - set(pair) <= optional
    assert (pair["symbol"], pair["qty_min"]) == ("BTC/USD", "0.00005000")
    assert len(snapshot["data"]["pairs"]) == 3


def test_a_pairs_status_is_pushed_to_who_watches_instruments(bench: Any) -> None:
    client, other = bench.connect(), bench.connect()
    client.subscribe("instrument")
    client.take()
    other.take()
    bench.exchange.set_pair_status(PairName("XBTUSD"), PairMode.CANCEL_ONLY)
    bench.hand(bench.hub.announce_pair_status(PairName("XBTUSD"), bench.now_ns))
    (frame,) = client.take()
    assert frame["data"]["pairs"][0]["status"] == "cancel_only"
    assert frame["data"]["assets"] == []
    assert other.take() == []


def test_the_systems_status_is_pushed_to_everybody(bench: Any) -> None:
    client = bench.connect()
    client.take()
    bench.exchange.set_system_status(SystemStatus.MAINTENANCE, bench.now_ns)
    bench.hand(bench.hub.announce_system_status(bench.now_ns))
    (frame,) = client.take()
    assert frame["data"][0]["system"] == "maintenance"


def test_heartbeats_go_to_subscribers_that_heard_nothing_for_a_second(bench: Any) -> None:
    quiet, idle = bench.connect(), bench.connect()
    quiet.subscribe("instrument", snapshot=False)
    quiet.take()
    idle.take()
    assert bench.hub.heartbeats(bench.now_ns + NS_PER_SECOND - 1) == []
    bench.hand(bench.hub.heartbeats(bench.now_ns + NS_PER_SECOND))
    assert quiet.take() == [{"channel": "heartbeat"}]
    assert idle.take() == []
    assert bench.hub.heartbeats(bench.now_ns + NS_PER_SECOND + 1) == []


def test_each_port_is_as_strict_as_the_venues_host(bench: Any) -> None:
    public, private = bench.connect(Role.PUBLIC), bench.connect(Role.PRIVATE)
    token = bench.token()
    assert public.subscribe("executions", token=token)[0]["error"] == PUBLIC_ONLY
    trade = {"method": "cancel_all", "params": {"token": token}}
    assert public.ask(trade)[0]["error"] == PUBLIC_ONLY
    assert private.ask(trade)[0]["result"] == {"count": 0}
    assert private.subscribe("ticker", symbol=["BTC/USD"])[0]["error"] == PRIVATE_ONLY
    assert private.subscribe("balances", token=token)[0]["success"] is True


def test_executions_are_numbered_from_one_with_the_snapshot(bench: Any) -> None:
    client = bench.connect()
    answer, snapshot = client.subscribe("executions", token=bench.token())
    assert set(answer["result"]) == {"channel", "maxratecount", "snap_orders", "snap_trades"}
    assert (snapshot["type"], snapshot["sequence"], snapshot["data"]) == ("snapshot", 1, [])
    bench.post("AddOrder", pair="XBTUSD", type="buy", ordertype="market", volume="0.01")
    updates = client.take("executions")
    assert [one["sequence"] for one in updates] == list(range(2, 2 + len(updates)))
    kinds = [one["data"][0]["exec_type"] for one in updates]
    assert kinds == ["pending_new", "new", "trade", "filled"]


def test_each_private_subscription_counts_for_itself(bench: Any) -> None:
    first, second = bench.connect(), bench.connect()
    token = bench.token()
    first.subscribe("executions", token=token)
    first.subscribe("balances", token=token)
    bench.post("AddOrder", pair="XBTUSD", type="buy", ordertype="market", volume="0.01")
    _, snapshot = second.subscribe("balances", token=token)
    assert snapshot["sequence"] == 1
    bench.post("AddOrder", pair="XBTUSD", type="sell", ordertype="market", volume="0.01")
    assert [one["sequence"] for one in second.take("balances")] == [2, 3]
    assert [one["sequence"] for one in first.take("balances")] == [2, 3, 4, 5]


def test_a_subscription_without_snapshot_begins_at_one_with_its_first_update(bench: Any) -> None:
    client = bench.connect()
    answers = client.subscribe("balances", token=bench.token(), snapshot=False)
    assert len(answers) == 1
    bench.post("AddOrder", pair="XBTUSD", type="buy", ordertype="market", volume="0.01")
    assert [one["sequence"] for one in client.take("balances")] == [1, 2]


def test_a_private_channel_needs_a_good_token(bench: Any) -> None:
    client = bench.connect()
    assert client.subscribe("executions")[0]["error"] == "Token(s) not found"
    (answer,) = client.subscribe("executions", token="nonsense")
    assert answer["error"] == "ESession:Invalid session"
    assert (answer["channel"], answer["status"]) == ("executions", "error")


def test_a_token_dies_after_fifteen_minutes_unless_a_subscription_lives_on_it(bench: Any) -> None:
    used, unused = bench.token(), bench.token()
    client = bench.connect()
    client.subscribe("executions", token=used)
    bench.pass_time(901)
    assert client.subscribe("balances", token=unused)[0]["success"] is False
    assert client.subscribe("balances", token=used)[0]["success"] is True


def test_private_messages_go_to_their_account_only(bench: Any) -> None:
    client = bench.connect()
    client.subscribe("balances", token=bench.token(), snapshot=False)
    bench.hub.unsubscribe(client.session, next(iter(client.session.topics)))
    bench.post("AddOrder", pair="XBTUSD", type="buy", ordertype="market", volume="0.01")
    assert client.take("balances") == []


def test_an_order_over_the_socket_is_acknowledged_and_executed(bench: Any) -> None:
    client = bench.connect()
    token = bench.token()
    client.subscribe("executions", token=token)
    client.take()
    order = (
        '{"method":"add_order","req_id":3,"params":{"order_type":"limit","side":"buy",'
        f'"order_qty":0.01,"symbol":"BTC/USD","limit_price":60006.0,"token":"{token}"}}}}'
    )
    (answer,) = client.ask(order)
    assert (answer["success"], answer["req_id"]) == (True, 3)
    assert {"time_in", "time_out"} <= set(answer)
    assert client.take("executions")[-1]["data"][0]["exec_type"] == "filled"


def test_the_book_tells_when_an_order_joins_it_and_when_it_leaves(bench: Any) -> None:
    client = bench.connect()
    client.subscribe("book", symbol=["BTC/USD"])
    client.take()
    order = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "0.01"}
    (txid,) = bench.post("AddOrder", **order, price="59995.5")["txid"]
    (joined,) = client.take("book")
    assert joined["data"][0]["bids"] == [{"price": "59995.5", "qty": "0.01000000"}]
    bench.post("CancelOrder", txid=txid)
    (left,) = client.take("book")
    assert left["data"][0]["bids"][0] == {"price": "59995.5", "qty": "0.00000000"}
