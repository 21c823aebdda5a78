"""Candles kept up trade by trade."""

from __future__ import annotations

import random
from decimal import Decimal

from krakked.domain.ids import PairName
from krakked.domain.orders import Side
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.events import PublicTrade
from krakked.sim.market.candles import Candle
from krakked.sim.market.model import Print, candles_from_prints
from krakked.sim.public.series import COMMITTED_MAX, CandleSeries

START_S = 1_767_225_600


def trade(second: float, price: str, size: str = "1") -> PublicTrade:
    return PublicTrade(
        pair=PairName("XBTUSD"),
        price=Decimal(price),
        quantity_base=Decimal(size),
        taker_side=Side.BUY,
        order_type="market",
        trade_id=1,
        at_ns=int((START_S + second) * NS_PER_SECOND),
    )


def at(second: int) -> int:
    return (START_S + second) * NS_PER_SECOND


def test_trades_of_one_stretch_grow_one_row() -> None:
    series = CandleSeries(5, ())
    for second, price, size in ((0, "10", "1"), (100, "12", "2"), (299.9, "9", "1")):
        row = series.add(trade(second, price, size))
    assert (row.start_s, row.open, row.high, row.low, row.close) == (START_S, 10, 12, 9, 9)
    assert (row.volume, row.trades, row.vwap) == (4, 3, Decimal("10.75"))
    assert series.add(trade(300, "8")) is not row


def test_the_forming_row_is_shown_last_also_when_nothing_traded_in_it() -> None:
    series = CandleSeries(1, ())
    series.add(trade(0, "10"))
    assert [row.start_s - START_S for row in series.shown(at(59))] == [0]
    shown = series.shown(at(60))
    assert [row.start_s - START_S for row in shown] == [0, 60]
    assert (shown[-1].open, shown[-1].close, shown[-1].trades, shown[-1].vwap) == (10, 10, 0, 0)


def test_quiet_stretches_are_filled_with_the_close_before_them() -> None:
    series = CandleSeries(1, ())
    series.add(trade(0, "10"))
    series.add(trade(30, "11"))
    series.add(trade(200, "12"))
    closes = [(row.start_s - START_S, int(row.close), row.trades) for row in series.shown(at(239))]
    assert closes == [(0, 11, 2), (60, 11, 0), (120, 11, 0), (180, 12, 1)]


def test_no_more_than_720_finished_rows_are_shown_before_the_forming_one() -> None:
    series = CandleSeries(1, ())
    for minute in range(1500):
        series.add(trade(minute * 60, "10"))
    shown = series.shown(at(1499 * 60 + 30))
    assert len(shown) == COMMITTED_MAX + 1
    assert shown[-1].start_s == START_S + 1499 * 60


def test_a_silence_longer_than_the_window_is_all_quiet_rows() -> None:
    series = CandleSeries(1, ())
    series.add(trade(0, "10"))
    shown = series.shown(at(60 * 100_000))
    assert len(shown) == COMMITTED_MAX + 1
    assert {row.trades for row in shown} == {0}


def test_a_series_without_any_trade_shows_nothing() -> None:
    assert CandleSeries(60, ()).shown(at(0)) == []


def test_history_goes_on_without_a_seam() -> None:
    past = Candle(
        start_s=START_S,
        minutes=60,
        open=Decimal(10),
        high=Decimal(12),
        low=Decimal(9),
        close=Decimal(11),
        volume=Decimal(3),
        trades=4,
    )
    series = CandleSeries(60, (past,))
    row = series.add(trade(1800, "13", "1"))
    assert (row.open, row.high, row.low, row.close, row.trades) == (10, 13, 9, 13, 5)
    assert row.volume == 4


def test_rows_equal_candles_folded_from_the_same_trades() -> None:
    chance = random.Random(7)
    seconds = sorted(chance.randrange(6 * 3600) for _ in range(400))
    trades = [trade(second, str(chance.randrange(50, 99)), "0.5") for second in seconds]
    series = CandleSeries(15, ())
    for one in trades:
        series.add(one)
    prints = [
        Print(
            at_ns=one.at_ns,
            price=one.price,
            quantity_base=one.quantity_base,
            taker_side=one.taker_side,
        )
        for one in trades
    ]
    expected = candles_from_prints(prints, 15)
    rows = series.newest(999)
    assert [(r.start_s, r.open, r.high, r.low, r.close, r.volume, r.trades) for r in rows] == [
        (c.start_s, c.open, c.high, c.low, c.close, c.volume, c.trades) for c in expected
    ]
