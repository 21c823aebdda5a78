"""Features against slow, obvious definitions; exact at any size, the same from any window."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.domain.bars import Bars
from krakked.domain.features import (
    average_hundredths,
    average_true_range,
    changes,
    latest_true_range,
    of_millionths,
    price_of_hundredths,
    rolling_sum,
    score_millionths,
    true_range,
)

MakeBars = Callable[..., Bars]


def column(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def slow_score(window: list[int]) -> Decimal:
    with localcontext() as context:
        context.prec = 60
        mean = Decimal(sum(window)) / len(window)
        variance = sum((value - mean) ** 2 for value in window) / len(window)
        return (window[-1] - mean) / variance.sqrt()


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=60), st.integers(1, 20))
def test_rolling_sum_of_any_values_is_the_plain_sum_of_each_window(
    values: list[int], bars: int
) -> None:
    sums = rolling_sum(column(values), bars)
    for i in range(bars - 1, len(values)):
        assert sums[i] == sum(values[i + 1 - bars : i + 1])


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=30), st.integers(2, 20))
def test_rolling_sum_before_the_first_window_is_zero(values: list[int], bars: int) -> None:
    assert not rolling_sum(column(values), bars)[: bars - 1].any()


def test_rolling_sum_stays_exact_when_running_totals_leave_64_bits() -> None:
    chance = random.Random(7)
    values = [chance.randrange(10**17, 10**18) for _ in range(400)]
    assert sum(values) > 2**63
    sums = rolling_sum(column(values), 5)
    assert int(sums[-1]) == sum(values[-5:])


def test_average_is_rounded_down_to_hundredths() -> None:
    assert average_hundredths(column([1, 1, 2]), 3)[-1] == 133
    assert average_hundredths(column([2, 2, 1]), 3)[-1] == 166


def test_true_range_spans_the_step_from_the_last_close(make_bars: MakeBars) -> None:
    bars = make_bars([100, 110, 90], wick=3)
    assert true_range(bars).tolist()[1:] == [16, 26]


def test_true_range_of_a_bar_beyond_the_last_close_reaches_back_to_it() -> None:
    from krakked.domain.bars import Bar, Timeframe, bars_from
    from krakked.domain.ids import PairName

    rows = [
        Bar(start_s=0, open=50, high=52, low=48, close=50, volume=1, trades=1),
        Bar(start_s=3600, open=60, high=64, low=59, close=61, volume=1, trades=1),
        Bar(start_s=7200, open=40, high=41, low=38, close=39, volume=1, trades=1),
    ]
    bars = bars_from(PairName("XBTUSD"), Timeframe.H1, Decimal(1), rows)
    assert true_range(bars).tolist()[1:] == [64 - 50, 61 - 38]


def test_true_range_leaves_the_bars_as_they_were(make_bars: MakeBars) -> None:
    bars = make_bars([100, 110, 90], wick=3)
    before = bars.high.copy()
    true_range(bars)
    assert np.array_equal(bars.high, before)


def test_average_true_range_is_the_mean_of_the_last_ranges(make_bars: MakeBars) -> None:
    bars = make_bars([100, 110, 90, 90], wick=0)
    assert average_true_range(bars, 3)[-1] == (10 + 20 + 0) * 100 // 3


@pytest.mark.parametrize("length", [1, 2, 5, 20])
def test_latest_true_range_is_the_last_row_of_the_column(
    length: int, random_walk: MakeBars
) -> None:
    bars = random_walk(3, 60)
    assert latest_true_range(bars, length) == average_true_range(bars, length)[-1]


def test_latest_true_range_without_enough_bars_is_unknown(make_bars: MakeBars) -> None:
    bars = make_bars([100, 110, 90])
    assert latest_true_range(bars, 3) is None
    assert latest_true_range(bars, 2) == 1500


@given(st.lists(st.integers(1, 10**6), min_size=4, max_size=40).filter(lambda v: len(set(v)) > 1))
def test_score_of_any_window_is_the_exact_one_to_the_millionth(values: list[int]) -> None:
    score = score_millionths(column(values), len(values))[-1]
    assert abs(of_millionths(int(score)) - slow_score(values)) <= Decimal("0.000001")


def test_score_at_the_largest_prices_is_still_exact() -> None:
    chance = random.Random(11)
    values = [10**8 + chance.randrange(10**7) for _ in range(300)]
    score = score_millionths(column(values), 100)[-1]
    assert abs(of_millionths(int(score)) - slow_score(values[-100:])) <= Decimal("0.000001")


def test_score_where_the_dispersion_does_not_fit_is_zero_instead_of_wrong() -> None:
    values = [1, 10**10] * 30
    assert not score_millionths(column(values), 48).any()


def test_score_where_nothing_moves_is_zero() -> None:
    assert not score_millionths(column([500] * 20), 10).any()


def test_score_of_less_than_one_window_is_zero() -> None:
    assert not score_millionths(column([1, 2, 3]), 10).any()


def test_score_has_the_sign_of_the_last_move() -> None:
    assert score_millionths(column([10, 10, 10, 20]), 4)[-1] > 0
    assert score_millionths(column([10, 10, 10, 5]), 4)[-1] < 0


def test_changes_mark_the_first_row_and_each_difference() -> None:
    assert changes(column([1, 1, 0, 0, 1])).tolist() == [True, False, True, False, True]


@given(st.integers(0, 300), st.integers(2, 40), st.integers(0, 60))
def test_features_from_a_window_have_the_bits_of_all_history(
    end: int, bars: int, extra: int
) -> None:
    chance = random.Random(5)
    values = column([chance.randrange(1, 10**7) for _ in range(400)])
    stop = bars + extra + end % 300
    window = values[max(stop - bars - extra, 0) : stop]
    for compute in (rolling_sum, average_hundredths, score_millionths):
        assert compute(values, bars)[stop - 1] == compute(window, bars)[-1]


def test_ways_back_to_decimals_are_exact() -> None:
    assert price_of_hundredths(123_456, Decimal("0.1")) == Decimal("123.456")
    assert of_millionths(-2_000_001) == Decimal("-2.000001")
