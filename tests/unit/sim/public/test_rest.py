"""Public REST in the venue's shapes: keys, order, precision, errors."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from krakked.domain.ids import PairName
from krakked.domain.times import DAY_S, NS_PER_SECOND
from krakked.sim.exchange.core import FIRST_TRADE_ID, PairMode, SystemStatus
from krakked.sim.public.trade_log import PAST_DAYS

VECTORS = Path(os.environ.get("VECTORS", "../shared/data/vectors"))
START_S = 1_767_225_600


def recorded(*path: str) -> Any:
    file = VECTORS.joinpath(*path)
    if not file.exists():
        pytest.skip(f"no recorded payloads in {VECTORS}")
    text = file.read_text(encoding="utf-8")
    return json.loads(text[text.index("{") :], parse_float=str)["result"]


def shape(value: Any) -> Any:
    """What kind of thing stands where, and how many decimals texts have."""
    if isinstance(value, str):
        return f"text of {len(value.partition('.')[2])} decimals"
    if isinstance(value, list):
        return [shape(one) for one in value]
    return type(value).__name__


def test_time_is_whole_seconds_and_a_two_digit_year(bench: Any) -> None:
    assert bench.get("Time") == {
        "unixtime": START_S,
        "rfc1123": "Thu, 01 Jan 26 00:00:00 +0000",
    }


def test_system_status_follows_the_exchange(bench: Any) -> None:
    assert bench.get("SystemStatus") == {"status": "online", "timestamp": "2026-01-01T00:00:00Z"}
    bench.exchange.set_system_status(SystemStatus.POST_ONLY, bench.now_ns)
    assert bench.get("SystemStatus")["status"] == "post_only"


@pytest.mark.parametrize("name", ["XXBT", "XBT", "BTC"])
def test_assets_are_found_by_every_spelling_and_keyed_by_id(bench: Any, name: str) -> None:
    assert bench.get("Assets", asset=name) == {
        "XXBT": {
            "aclass": "currency",
            "altname": "XBT",
            "decimals": 10,
            "display_decimals": 5,
            "collateral_value": 1,
            "margin_rate": "0.01",
            "status": "enabled",
        }
    }


def test_all_assets_of_the_listed_pairs_are_there(bench: Any) -> None:
    assert set(bench.get("Assets")) == {"XXBT", "ZUSD", "XETH", "XXDG"}
    assert bench.get("Assets", asset="NOPE") == ["EQuery:Unknown asset"]
    assert bench.get("Assets", aclass="x") == ["EQuery:Unknown asset"]


def test_asset_pairs_carry_the_rules_as_recorded(bench: Any) -> None:
    row = bench.get("AssetPairs", pair="XBTUSD")["XXBTZUSD"]
    assert row["wsname"] == "XBT/USD"
    assert (row["base"], row["quote"]) == ("XXBT", "ZUSD")
    assert (row["pair_decimals"], row["lot_decimals"], row["cost_decimals"]) == (1, 8, 5)
    assert (row["ordermin"], row["costmin"], row["tick_size"]) == ("0.00005", "0.5", "0.1")
    assert row["fees"][0] == [0, "0.4"]
    assert row["fees_maker"][0] == [0, "0.25"]
    assert row["status"] == "online"
    bench.exchange.set_pair_status(PairName("XBTUSD"), PairMode.CANCEL_ONLY)
    assert bench.get("AssetPairs", pair="XBTUSD")["XXBTZUSD"]["status"] == "cancel_only"
    assert len(bench.get("AssetPairs")) == 3


def test_asset_pairs_have_every_key_that_was_recorded(bench: Any) -> None:
    rows = recorded("XChange", "marketdata", "example-assetpairs-data.json")
    wanted = set(next(iter(rows.values()))) - {"margin_call", "margin_stop"}
    assert wanted <= set(bench.get("AssetPairs", pair="ETHUSD")["XETHZUSD"])


@pytest.mark.parametrize(
    ("info", "keys"),
    [
        ("leverage", {"leverage_buy", "leverage_sell"}),
        ("fees", {"fees", "fees_maker", "fee_volume_currency"}),
        ("margin", {"margin_call", "margin_stop"}),
    ],
)
def test_info_leaves_a_part_of_a_pair(bench: Any, info: str, keys: set[str]) -> None:
    assert set(bench.get("AssetPairs", pair="XBTUSD", info=info)["XXBTZUSD"]) == keys


def test_an_unknown_info_is_refused(bench: Any) -> None:
    assert bench.get("AssetPairs", info="x") == ["EGeneral:Invalid arguments"]


@pytest.mark.parametrize(
    ("asked", "key"),
    [("XBTUSD", "XXBTZUSD"), ("XXBTZUSD", "XXBTZUSD"), ("BTC/USD", "BTC/USD")],
)
def test_the_key_of_an_answer_is_the_id_unless_the_symbol_was_asked_for(
    bench: Any, asked: str, key: str
) -> None:
    for method in ("Ticker", "AssetPairs"):
        assert list(bench.get(method, pair=asked)) == [key]
    for method in ("OHLC", "Trades", "Spread"):
        assert list(bench.get(method, pair=asked)) == [key, "last"]
    assert list(bench.get("Depth", pair=asked)) == [key]


@pytest.mark.parametrize("method", ["Ticker", "AssetPairs", "OHLC", "Depth", "Trades", "Spread"])
@pytest.mark.parametrize("name", ["XBT/USD", "NOPE", "", "xbtusd"])
def test_other_spellings_are_unknown_pairs(bench: Any, method: str, name: str) -> None:
    assert bench.get(method, pair=name) == ["EQuery:Unknown asset pair"]


def test_a_ticker_has_the_recorded_shape(bench: Any) -> None:
    bench.pass_time(60)
    found = bench.get("Ticker", pair="XBTUSD")["XXBTZUSD"]
    wanted = recorded("Kraken.Net", "Endpoints", "Spot", "ExchangeData", "GetTicker.txt")
    assert shape(found) == shape(wanted["XXBTZUSD"])
    assert {key: shape(value) for key, value in found.items()} == {
        key: shape(value) for key, value in wanted["XXBTZUSD"].items()
    }


def test_a_ticker_tells_today_and_the_last_24_hours(bench: Any) -> None:
    bench.strangers("61000.0", "0.25")
    row = bench.get("Ticker", pair="XBTUSD")["XXBTZUSD"]
    assert row["c"] == ["61000.00000", "0.25000000"]
    assert row["h"] == ["61000.00000", "61000.00000"]
    assert row["l"] == ["60006.00000", "59994.00000"]
    assert row["t"] == [2, 8640 + 1]  # one left the window as two came
    assert Decimal(row["v"][0]) == Decimal("0.25") + Decimal("0.00833333")
    assert row["o"] == "60006.00000"


def test_several_tickers_or_all_come_in_one_answer(bench: Any) -> None:
    assert list(bench.get("Ticker", pair="XBTUSD,DOGE/USD")) == ["XXBTZUSD", "DOGE/USD"]
    assert len(bench.get("Ticker")) == 3


def test_ohlc_is_720_finished_rows_and_the_forming_one(bench: Any) -> None:
    bench.pass_time(90)
    answer = bench.get("OHLC", pair="XBTUSD", interval=1)
    rows = answer["XXBTZUSD"]
    assert len(rows) == 721
    assert answer["last"] == rows[-2][0] == START_S
    assert rows[-1][0] == START_S + 60
    assert shape(rows[0]) == shape([1, "1.0", "1.0", "1.0", "1.0", "1.0", "0.00000000", 1])
    assert rows[-2][1:5] == ["60006.0", "60006.0", "59994.0", "59994.0"]


def test_ohlc_has_the_recorded_shape(bench: Any) -> None:
    wanted = recorded("kraken-async-rs", "rest_ohlc_data.json")
    found = bench.get("OHLC", pair="XBTUSD")
    assert shape(found["XXBTZUSD"][0]) == shape(wanted["XXBTZUSD"][0])
    assert type(found["last"]) is type(wanted["last"])


def test_since_is_inclusive_and_the_forming_row_is_always_there(bench: Any) -> None:
    bench.pass_time(7200)
    rows = bench.get("OHLC", pair="XBTUSD", interval=60, since=START_S + 3600)["XXBTZUSD"]
    assert [row[0] for row in rows] == [START_S + 3600, START_S + 7200]
    future = bench.get("OHLC", pair="XBTUSD", interval=60, since=START_S * 2)["XXBTZUSD"]
    assert [row[0] for row in future] == [START_S + 7200]


@pytest.mark.parametrize("interval", [1, 5, 15, 30, 60, 240, 1440, 10080, 21600])
def test_every_interval_of_the_venue_is_served(bench: Any, interval: int) -> None:
    rows = bench.get("OHLC", pair="ETHUSD", interval=interval)["XETHZUSD"]
    assert all(row[0] % (interval * 60) == 0 for row in rows)


@pytest.mark.parametrize("interval", ["2", "0", "-5", "x", "1e9999999", "nan"])
def test_another_interval_is_refused(bench: Any, interval: str) -> None:
    answer = bench.get("OHLC", pair="XBTUSD", interval=interval)
    assert answer == ["EGeneral:Invalid arguments"]


def test_a_series_asked_for_late_equals_one_asked_for_at_once(bench: Any) -> None:
    early = bench.get("OHLC", pair="XBTUSD", interval=5)
    assert early["XXBTZUSD"][-1][-1] == 1  # one trade so far
    bench.pass_time(1000)
    kept_up = bench.get("OHLC", pair="XBTUSD", interval=5)["XXBTZUSD"]
    late = bench.get("OHLC", pair="XBTUSD", interval=15)["XXBTZUSD"]
    assert sum(row[-1] for row in kept_up[-4:]) == sum(row[-1] for row in late[-2:]) == 101


def test_depth_is_best_first_and_counted(bench: Any) -> None:
    bench.house({"59999.9": "1.5", "59999.0": "2"}, {"60000.1": "0.25"})
    answer = bench.get("Depth", pair="XBTUSD", count=10)["XXBTZUSD"]
    assert answer == {
        "asks": [["60000.10000", "0.250", START_S]],
        "bids": [["59999.90000", "1.500", START_S], ["59999.00000", "2.000", START_S]],
    }
    assert len(bench.get("Depth", pair="XBTUSD", count=1)["XXBTZUSD"]["bids"]) == 1
    for count in (0, 501, "x"):
        assert bench.get("Depth", pair="XBTUSD", count=count) == ["EGeneral:Invalid arguments"]


def test_an_accounts_resting_order_stands_in_the_depth(bench: Any) -> None:
    bench.house({"59000.0": "1"}, {"60000.0": "1"})
    bench.post(
        "AddOrder", pair="XBTUSD", type="buy", ordertype="limit", price="59500", volume="0.1"
    )
    bids = bench.get("Depth", pair="XBTUSD")["XXBTZUSD"]["bids"]
    assert bids[0][:2] == ["59500.00000", "0.100"]


def test_trades_are_oldest_first_with_a_text_of_nanoseconds(bench: Any) -> None:
    bench.pass_time(20)
    answer = bench.get("Trades", pair="XBTUSD", count=3)
    wanted = recorded("kraken-async-rs", "rest_recent_trades.json")["XXBTZUSD"][0]
    rows = answer["XXBTZUSD"]
    assert [len(row) for row in rows] == [len(wanted)] * 3
    assert [row[0] for row in rows] == ["60006.00000", "59994.00000", "60006.00000"]
    assert [row[3] for row in rows] == ["b", "s", "b"]
    assert [row[6] for row in rows] == [FIRST_TRADE_ID + i for i in range(3)]
    assert rows[-1][2] == f"{START_S + 20}.0000000"
    assert answer["last"] == str((START_S + 20) * NS_PER_SECOND)


def test_trades_are_paged_by_last_without_a_gap_or_a_repetition(bench: Any) -> None:
    bench.pass_time(600)
    seen, since = [], str((START_S - 5) * NS_PER_SECOND)
    while True:
        answer = bench.get("Trades", pair="XBTUSD", since=since, count=7)
        if not answer["XXBTZUSD"]:
            break
        seen += [row[6] for row in answer["XXBTZUSD"]]
        since = answer["last"]
    assert seen == list(range(FIRST_TRADE_ID, FIRST_TRADE_ID + 61))
    newest = bench.get("Trades", pair="XBTUSD", since=START_S + 595)["XXBTZUSD"][0]
    assert newest[6] == FIRST_TRADE_ID + 60


def test_trades_of_one_sweep_are_paged_one_by_one(bench: Any) -> None:
    bench.strangers("50000.0")
    first = bench.get("Trades", pair="XBTUSD")
    (*_, newest), since = first["XXBTZUSD"], first["last"]
    bench.house({"49999.0": "1"}, {f"5000{tick}.0": "0.001" for tick in range(5)})
    bench.post("AddOrder", pair="XBTUSD", type="buy", ordertype="market", volume="0.005")
    bench.strangers("50000.0")
    seen = []
    while True:
        answer = bench.get("Trades", pair="XBTUSD", since=since, count=1)
        if not answer["XXBTZUSD"]:
            break
        seen += [row[6] for row in answer["XXBTZUSD"]]
        since = answer["last"]
    assert len(seen) > 3
    assert seen == list(range(newest[6] + 1, newest[6] + 1 + len(seen)))
    assert seen[-1] == bench.get("Trades", pair="XBTUSD")["XXBTZUSD"][-1][6]


def test_ids_of_trades_before_the_start_end_where_the_exchange_begins(bench: Any) -> None:
    ids = [row[6] for row in bench.get("Trades", pair="XBTUSD", count=4)["XXBTZUSD"]]
    assert ids == [FIRST_TRADE_ID + i for i in (-3, -2, -1, 0)]


def test_spreads_are_told_when_they_change(bench: Any) -> None:
    bench.house({"59000.0": "1"}, {"60000.0": "1"})
    bench.house({"59000.0": "2"}, {"60000.0": "1"})
    answer = bench.get("Spread", pair="XBTUSD")
    assert answer["XXBTZUSD"] == [
        [START_S - 4000, "59994.00000", "60006.00000"],
        [START_S, "59000.00000", "60000.00000"],
    ]
    assert answer["last"] == START_S


def test_a_missing_pair_and_an_unknown_method_are_refused(bench: Any) -> None:
    assert bench.get("OHLC") == ["EGeneral:Invalid arguments:pair"]
    assert bench.get("Nope") == ["EGeneral:Unknown method"]


def test_trades_page_back_into_the_week_before_the_opening(bench: Any) -> None:
    oldest = bench.get("Trades", pair="XBTUSD", since=1, count=2)
    first, second = oldest["XXBTZUSD"]
    week_s = PAST_DAYS * DAY_S
    assert first[2] == f"{START_S - DAY_S - week_s}.0000000"
    assert second[6] == first[6] + 1 > 0
    after = bench.get("Trades", pair="XBTUSD", since=oldest["last"], count=1)["XXBTZUSD"]
    assert after[0][6] == second[6] + 1


def test_the_week_before_joins_what_is_kept_without_a_gap(bench: Any) -> None:
    since_s = START_S - DAY_S - 100
    rows = bench.get("Trades", pair="XBTUSD", since=since_s, count=40)["XXBTZUSD"]
    ids = [row[6] for row in rows]
    assert ids == list(range(ids[0], ids[0] + 40))
    assert [row[3] for row in rows] == ["s", "b"] * 20


@pytest.mark.parametrize(("fees", "tiers"), [("ladder", 10), ("first", 1), ("none", 0)])
def test_asset_pairs_tell_fees_in_each_way_that_was_recorded(
    make_bench: Any, fees: str, tiers: int
) -> None:
    pair = make_bench(pair_fees=fees).get("AssetPairs", pair="XBTUSD")["XXBTZUSD"]
    assert len(pair["fees"]) == len(pair["fees_maker"]) == tiers


def test_asset_pairs_of_another_venue_or_class_are_none(bench: Any) -> None:
    assert bench.get("AssetPairs", execution_venue="elsewhere") == {}
    assert bench.get("AssetPairs", aclass_base="tokenized_asset") == {}
    assert len(bench.get("AssetPairs", execution_venue="international")) == 3


def test_asset_pairs_tell_position_limits_where_there_is_leverage(bench: Any) -> None:
    pair = bench.get("AssetPairs", pair="XBTUSD")["XXBTZUSD"]
    assert (pair["long_position_limit"], pair["short_position_limit"]) == (250, 200)


def test_since_of_candles_can_be_exclusive(make_bench: Any) -> None:
    bench = make_bench(ohlc_since="exclusive")
    bench.pass_time(180)
    rows = bench.get("OHLC", pair="XBTUSD", since=START_S)["XXBTZUSD"]
    assert [row[0] for row in rows] == [START_S + 60, START_S + 120, START_S + 180]


def test_wsnames_are_known_only_where_the_option_says_so(make_bench: Any) -> None:
    bench = make_bench(accepts_wsname=True)
    assert list(bench.get("Ticker", pair="XBT/USD")) == ["XXBTZUSD"]
    acknowledged = bench.connect().subscribe("ticker", symbol=["XBT/USD"])[0]
    assert acknowledged["success"] is True
