"""Trades, ticker and candles tell of the same prints, whenever somebody first asks for candles."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from krakked.domain.ids import PairName
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.pairs import PAIRS
from krakked.sim.market.candles import INTERVALS_MIN, Candle
from krakked.sim.market.model import DEFAULT_PRICES, Market
from krakked.sim.market.replaying import ReplayMarket
from krakked.sim.market.still import CalmMarket
from krakked.sim.market.synthetic import SyntheticMarket
from krakked.sim.public import candle_store

START_S = 1_767_225_600
START_NS = (START_S + 12 * 3600 + 95) * NS_PER_SECOND
"""In the middle of a stretch of every length."""
XBTUSD = PairName("XBTUSD")
LISTED = {PairName(name): PAIRS[PairName(name)] for name in ("XBTUSD", "ETHUSD", "XDGUSD")}
PRICES = {name: DEFAULT_PRICES[name] for name in LISTED}
KINDS = ("calm", "synthetic", "replay")


def recorded() -> dict[PairName, list[Candle]]:
    """Three days of hours."""
    return {
        name: [
            Candle(
                start_s=START_S + hour * 3600,
                minutes=60,
                open=price,
                high=price * Decimal("1.02"),
                low=price * Decimal("0.97"),
                close=price * Decimal("1.01"),
                volume=Decimal(400),
                trades=40,
            )
            for hour in range(-48, 24)
        ]
        for name, price in PRICES.items()
    }


def market(kind: str, start_ns: int = START_NS) -> Market:
    if kind == "calm":
        return CalmMarket(pairs=LISTED, prices=PRICES, start_ns=start_ns)
    if kind == "synthetic":
        return SyntheticMarket(pairs=LISTED, prices=PRICES, seed=1, start_ns=start_ns)
    end_ns = START_NS + 86_400 * NS_PER_SECOND
    return ReplayMarket(pairs=LISTED, candles=recorded(), start_ns=start_ns, end_ns=end_ns)


@pytest.fixture
def open_bench(make_bench: Any) -> Any:
    def opened(kind: str) -> Any:
        bench = make_bench(market(kind), start_ns=START_NS)
        bench.pass_time(7300)  # a replay of hours trades every twenty minutes
        return bench

    return opened


def forming(bench: Any, pair: PairName, minutes: int) -> tuple[Decimal, Decimal, int]:
    """Close, volume and trades of the newest candle."""
    *_, row = bench.get("OHLC", pair=pair, interval=minutes)[PAIRS[pair].id]
    return Decimal(row[4]), Decimal(row[6]), row[7]


def told(bench: Any, pair: PairName, minutes: int) -> tuple[Decimal, Decimal, int]:
    """The same by Trades."""
    now_s = bench.now_ns // NS_PER_SECOND
    since_ns = now_s // (minutes * 60) * minutes * 60 * NS_PER_SECOND - 1
    rows: list[Any] = []
    while page := bench.get("Trades", pair=pair, since=since_ns)[PAIRS[pair].id]:
        rows += page
        since_ns = int(Decimal(page[-1][2]) * NS_PER_SECOND)
    return Decimal(rows[-1][0]), sum((Decimal(row[1]) for row in rows), Decimal(0)), len(rows)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("minutes", [60, 240, 1440])
def test_the_first_candles_asked_for_hold_the_accounts_own_trade(
    open_bench: Any, kind: str, minutes: int
) -> None:
    bench = open_bench(kind)
    bench.post("AddOrder", pair="XBTUSD", type="buy", ordertype="market", volume="0.05")
    close, volume, trades = forming(bench, XBTUSD, minutes)
    by_trades = told(bench, XBTUSD, minutes)
    assert (close, volume) == by_trades[:2]
    if kind != "replay" or minutes == 60:  # a replay shows fewer trades than a candle had
        assert trades == by_trades[2]
    assert bench.get("Ticker", pair="XBTUSD")["XXBTZUSD"]["c"] == [
        f"{close:.5f}",
        "0.05000000",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_todays_ticker_is_todays_candle(open_bench: Any, kind: str) -> None:
    bench = open_bench(kind)
    bench.post("AddOrder", pair="XBTUSD", type="buy", ordertype="market", volume="0.05")
    ticker = bench.get("Ticker", pair="XBTUSD")["XXBTZUSD"]
    *_, day = bench.get("OHLC", pair="XBTUSD", interval=1440)["XXBTZUSD"]
    assert Decimal(ticker["h"][0]) == Decimal(day[2])
    assert Decimal(ticker["l"][0]) == Decimal(day[3])
    assert Decimal(ticker["c"][0]) == Decimal(day[4])
    if kind != "replay":  # which plays fewer trades than its candles had
        assert (Decimal(ticker["v"][0]), ticker["t"][0]) == (Decimal(day[6]), day[7])


@pytest.mark.parametrize("kind", KINDS)
def test_candles_asked_for_late_are_those_that_were_kept_up_from_the_start(
    open_bench: Any, kind: str
) -> None:
    early, late = open_bench(kind), open_bench(kind)
    for minutes in INTERVALS_MIN:
        early.get("OHLC", pair="XBTUSD", interval=minutes)
    for bench in (early, late):
        bench.post("AddOrder", pair="XBTUSD", type="buy", ordertype="market", volume="0.05")
        bench.pass_time(4000)
        if kind != "replay":
            bench.market.set_price(XBTUSD, Decimal("40000.0"))
        bench.pass_time(4000)
    for minutes in INTERVALS_MIN:
        answers = [one.get("OHLC", pair="XBTUSD", interval=minutes) for one in (early, late)]
        assert answers[0] == answers[1]


@pytest.mark.parametrize("kind", ["calm", "synthetic"])
@pytest.mark.parametrize("minutes", [1, 60, 1440])
def test_a_price_that_is_set_leaves_the_past_as_it_was(
    open_bench: Any, kind: str, minutes: int
) -> None:
    asked, moved = open_bench(kind), open_bench(kind)
    before = asked.get("OHLC", pair="XBTUSD", interval=minutes)["XXBTZUSD"]
    week_ns = START_NS - 3 * 86_400 * NS_PER_SECOND
    trades = asked.get("Trades", pair="XBTUSD", since=week_ns)["XXBTZUSD"]
    moved.market.set_price(XBTUSD, Decimal("100.0"))
    moved.pass_time(100)
    after = moved.get("OHLC", pair="XBTUSD", interval=minutes)["XXBTZUSD"]
    finished = [row for row in before[:-1] if row[0] >= after[0][0]]
    assert after[: len(finished)] == finished
    assert len(finished) > 100
    assert Decimal(after[-1][4]) < 110
    assert moved.get("Trades", pair="XBTUSD", since=week_ns)["XXBTZUSD"] == trades
    close, volume, count = forming(moved, XBTUSD, minutes)
    assert (close, volume, count) == told(moved, XBTUSD, minutes)


@pytest.mark.parametrize("kind", KINDS)
def test_more_prints_than_can_wait_are_in_the_candles_all_the_same(
    open_bench: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = open_bench(kind)
    monkeypatch.setattr(candle_store, "UNREAD_MAX", 3)
    hurried = open_bench(kind)
    for bench in (patient, hurried):
        bench.pass_time(9000)
    for minutes in INTERVALS_MIN:
        answers = [one.get("OHLC", pair="XBTUSD", interval=minutes) for one in (patient, hurried)]
        assert answers[0] == answers[1]


@pytest.mark.parametrize("kind", ["synthetic", "replay"])
def test_spreads_of_the_past_are_those_that_a_venue_which_was_open_then_has_seen(
    open_bench: Any, make_bench: Any, kind: str
) -> None:
    early = open_bench(kind)
    late_ns = early.now_ns
    late = make_bench(market(kind, late_ns), start_ns=late_ns)
    answers = [bench.get("Spread", pair="XBTUSD") for bench in (early, late)]
    since_s = START_NS // NS_PER_SECOND + 3600
    rows = [[row for row in answer["XXBTZUSD"] if row[0] > since_s] for answer in answers]
    assert rows[0] == rows[1]
    assert len(rows[0]) > 2
    assert answers[0]["last"] == answers[1]["last"] == rows[0][-1][0]
    assert len(answers[1]["XXBTZUSD"]) > 90


def test_a_market_that_stands_has_one_spread_from_before_the_opening(bench: Any) -> None:
    (row,) = bench.get("Spread", pair="XBTUSD")["XXBTZUSD"]
    assert row[1:] == ["59994.00000", "60006.00000"]
    assert row[0] < bench.now_ns // NS_PER_SECOND
