"""Bars, their columns, and the gaps between them."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.domain.bars import (
    COLUMNS,
    Bar,
    BarKey,
    Bars,
    Gap,
    Timeframe,
    bars_from,
    gaps,
    timeframe_of_minutes,
)
from krakked.domain.ids import PairName

XBTUSD = PairName("XBTUSD")
TICK = Decimal("0.1")
HOUR_S = 3600
ticks = st.integers(1, 10**9)


def bar(start_s: int = 0, **changes: int) -> Bar:
    good = Bar(start_s=start_s, open=10, high=12, low=9, close=11, volume=5, trades=2)
    return msgspec.structs.replace(good, **changes)


@st.composite
def true_bars(draw: st.DrawFn) -> Bar:
    low, *inner, high = sorted(draw(st.lists(ticks, min_size=4, max_size=4)))
    opened, closed = draw(st.permutations(inner))
    volume, trades = draw(st.integers(0, 10**15)), draw(st.integers(0, 10**6))
    start_s = draw(st.integers(0, 10**6)) * HOUR_S
    return Bar(
        start_s=start_s, open=opened, high=high, low=low, close=closed, volume=volume, trades=trades
    )


def columns(*rows: Bar, timeframe: Timeframe = Timeframe.H1) -> Bars:
    return bars_from(XBTUSD, timeframe, TICK, rows)


# timeframes


@pytest.mark.parametrize(
    ("name", "minutes"), [("1m", 1), ("5m", 5), ("15m", 15), ("1h", 60), ("4h", 240), ("1d", 1440)]
)
def test_timeframe_by_name_has_its_length(name: str, minutes: int) -> None:
    timeframe = Timeframe(name)
    assert timeframe.minutes == minutes
    assert timeframe.seconds == minutes * 60
    assert timeframe.ns == minutes * 60 * 10**9
    assert timeframe_of_minutes(minutes) is timeframe


def test_timeframe_of_a_length_we_do_not_have_is_refused() -> None:
    with pytest.raises(KeyError):
        timeframe_of_minutes(30)


def test_timeframes_are_ordered_by_length() -> None:
    assert sorted({*Timeframe}) == list(Timeframe)
    assert Timeframe.M5 < Timeframe.M15 <= Timeframe.M15 < Timeframe.H1


def test_bar_keys_sort_by_pair_then_timeframe_then_time() -> None:
    keys = [
        BarKey(PairName("A"), Timeframe.M15, 900),
        BarKey(PairName("A"), Timeframe.H1, 0),
        BarKey(PairName("A"), Timeframe.H1, 3600),
        BarKey(PairName("B"), Timeframe.M1, 0),
    ]
    assert sorted({*keys}) == keys


# one bar


@given(true_bars())
def test_bar_whose_prices_agree_has_no_problem(row: Bar) -> None:
    assert row.problem() is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"low": 0}, "not positive"),
        ({"low": -1}, "not positive"),
        ({"low": 11}, "disagree"),
        ({"high": 10}, "disagree"),
        ({"open": 13}, "disagree"),
        ({"close": 8}, "disagree"),
        ({"volume": -1}, "negative"),
        ({"trades": -1}, "negative"),
    ],
)
def test_bar_that_cannot_be_says_why(changes: dict[str, int], problem: str) -> None:
    found = bar(**changes).problem()
    assert found is not None
    assert problem in found


# columns


@given(st.lists(true_bars(), max_size=20))
def test_columns_give_back_every_bar(rows: list[Bar]) -> None:
    table = columns(*rows)
    assert len(table) == len(rows)
    assert [table.bar(i) for i in range(len(table))] == rows


def test_columns_of_no_bars_are_empty_int64() -> None:
    table = columns()
    assert len(table) == 0
    assert {str(getattr(table, name).dtype) for name in COLUMNS} == {"int64"}
    assert gaps(table) == []


def test_columns_bar_holds_plain_ints() -> None:
    row = columns(bar()).bar(0)
    assert {type(getattr(row, name)) for name in COLUMNS} == {int}


def test_slice_is_a_view_of_the_same_bars() -> None:
    table = columns(*(bar(i * HOUR_S, volume=i) for i in range(5)))
    part = table.slice(1, 4)
    assert [part.bar(i).volume for i in range(len(part))] == [1, 2, 3]
    assert (part.pair, part.timeframe, part.tick_size) == (XBTUSD, Timeframe.H1, TICK)
    assert part.close.base is table.close


def test_slice_beyond_the_end_is_cut() -> None:
    table = columns(bar(0), bar(HOUR_S))
    assert len(table.slice(1, 9)) == 1
    assert len(table.slice(5, 9)) == 0


# gaps


def test_gaps_of_consecutive_bars_are_none() -> None:
    assert gaps(columns(bar(0), bar(HOUR_S), bar(2 * HOUR_S))) == []


def test_gaps_name_the_missing_stretch_oldest_first() -> None:
    table = columns(bar(0), bar(2 * HOUR_S), bar(3 * HOUR_S), bar(7 * HOUR_S))
    assert gaps(table) == [Gap(HOUR_S, 2 * HOUR_S), Gap(4 * HOUR_S, 7 * HOUR_S)]


@given(st.sets(st.integers(0, 60), min_size=1))
def test_gaps_and_bars_together_cover_the_whole_stretch(hours: set[int]) -> None:
    table = columns(*(bar(hour * HOUR_S) for hour in sorted(hours)))
    missing = {
        start_s // HOUR_S
        for gap in gaps(table)
        for start_s in range(gap.start_s, gap.end_s, HOUR_S)
    }
    assert missing == set(range(min(hours), max(hours) + 1)) - hours
