"""Candles that know their length."""

from __future__ import annotations

from decimal import Decimal

from krakked.domain.candles import CandleRow
from krakked.domain.orders import Side
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.pairs import PAIRS
from krakked.sim.market.candles import Candle, candle_of, fold, row_of
from krakked.sim.market.model import DEFAULT_PRICES, Print, candles_from_prints, ladder

START_S = 1_767_225_600


def candle(index: int, prices: str, *, volume: str = "1", minutes: int = 15) -> Candle:
    first, high, low, last = (Decimal(price) for price in prices.split())
    return Candle(
        start_s=START_S + index * minutes * 60,
        minutes=minutes,
        open=first,
        high=high,
        low=low,
        close=last,
        volume=Decimal(volume),
        trades=3,
    )


def test_a_row_and_its_candle_say_the_same() -> None:
    row = CandleRow(
        start_s=START_S,
        open=Decimal("1.0"),
        high=Decimal("2.0"),
        low=Decimal("0.5"),
        close=Decimal("1.5"),
        volume=Decimal("0.10"),
        trades=7,
    )
    assert candle_of(row, 60).end_s == START_S + 3600
    assert row_of(candle_of(row, 60)) == row


def test_longer_candles_are_made_of_the_shorter_ones_in_them() -> None:
    quarters = [
        candle(0, "10 12 9 11"),
        candle(1, "11 15 10 14", volume="2.5"),
        candle(3, "14 14 8 9"),
        candle(4, "9 9 9 9"),
    ]
    first, second = fold(quarters, 60)
    assert (first.start_s, first.minutes, first.trades) == (START_S, 60, 9)
    assert (first.open, first.high, first.low, first.close) == (10, 15, 8, 9)
    assert first.volume == Decimal("4.5")
    assert second.start_s == START_S + 3600


def test_nothing_folds_to_nothing() -> None:
    assert list(fold([], 60)) == []


def test_candles_of_trades_begin_on_their_boundaries() -> None:
    items = [
        Print(
            at_ns=(START_S + second) * NS_PER_SECOND + 5,
            price=Decimal(price),
            quantity_base=Decimal("0.5"),
            taker_side=Side.BUY,
        )
        for second, price in ((61, "5"), (119, "7"), (120, "6"))
    ]
    first, second = candles_from_prints(items, 1)
    assert (first.start_s, first.open, first.high, first.close) == (START_S + 60, 5, 7, 7)
    assert (second.start_s, second.volume, second.trades) == (START_S + 120, Decimal("0.5"), 1)


def test_a_ladder_holds_at_least_ten_order_minimums_and_never_goes_below_zero() -> None:
    for name, pair in PAIRS.items():
        item = Print(
            at_ns=0, price=pair.tick_size * 2, quantity_base=Decimal(1), taker_side=Side.SELL
        )
        bids, asks = ladder(item, pair, Decimal(0))
        assert all(price > 0 for price, _ in (*bids, *asks))
        assert all(size >= pair.order_min * 10 for _, size in (*bids, *asks))
        assert DEFAULT_PRICES[name] % pair.tick_size == 0
