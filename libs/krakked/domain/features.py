"""Features: whole numbers computed from closed bars, the same bits from any window.

A strategy sees its market through columns of int64, one row a bar. Three rules make a row mean
the same in live (which keeps a short window) and in a backtest (which has all of history):

- *causal*: row ``i`` depends on bars up to ``i`` only;
- *bounded*: and on a fixed number of them, so that recursive averages have no place here;
- *exact*: sums are sums of integers. Running totals may wrap around 64 bits; their differences are
  right as long as the sum inside one window fits, which prices in ticks do by far.

Ratios are rounded once, from exact integers: averages to hundredths of a tick, scores to
millionths.
Rows before the first full window are zero and mean nothing: the caller counts the warm-up.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from krakked.domain.bars import Bars
from krakked.domain.money import price_from_ticks

Column: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Features: TypeAlias = Mapping[str, Column]
"""Columns by name, each as long as the bars they come from."""

HUNDREDTHS: Final = 100
"""Averages of ticks are kept in hundredths of a tick."""
MILLION: Final = 1_000_000
"""Scores are kept in millionths."""
SPREAD_MAX: Final = 1 << 32
"""Bars times their range in ticks, above which a dispersion would not fit into 63 bits."""


def rolling_sum(values: Column, bars: int) -> Column:
    """Sum of the last ``bars`` values; zero before there are as many."""
    totals: Column = np.cumsum(values, dtype=np.int64)
    sums = totals.copy()
    sums[bars:] -= totals[:-bars]
    sums[: bars - 1] = 0
    return sums


def average_hundredths(values: Column, bars: int) -> Column:
    """Mean of the last ``bars`` values, in hundredths, rounded down."""
    return rolling_sum(values, bars) * HUNDREDTHS // bars


def true_range(bars: Bars) -> Column:
    """Range of each bar with the step from the last close (Wilder 1978); row 0 means nothing."""
    ranges = bars.high - bars.low
    last_close = bars.close[:-1]
    ranges[1:] = np.maximum(bars.high[1:], last_close) - np.minimum(bars.low[1:], last_close)
    return ranges


def average_true_range(bars: Bars, length: int) -> Column:
    """Plain mean of the true range in hundredths of a tick; first right at row ``length``.

    Wilder's own average is recursive, so its bits would depend on where the window begins.
    """
    return average_hundredths(true_range(bars), length)


def score_millionths(values: Column, bars: int) -> Column:
    """How many standard deviations the value lies above its mean over ``bars``, in millionths.

    With sums S1 and S2 of values and squares: z = (n·v − S1) / √(n·S2 − S1²), numerator and
    radicand exact. Where nothing moved, or so much that the radicand would not fit, it is zero.
    """
    total = rolling_sum(values, bars)
    radicand = rolling_sum(values * values, bars) * bars - total * total
    distance = values * bars - total
    usable = (radicand > 0) & _fits(values, bars)
    root = np.sqrt(np.where(usable, radicand, 1))
    scores: Column = np.rint(distance / root * MILLION).astype(np.int64)
    return np.where(usable, scores, 0)


def _fits(values: Column, bars: int) -> Mask:
    """Where (bars × range)² / 4 cannot leave 63 bits; false before the first full window."""
    fits: Mask = np.zeros(len(values), dtype=np.bool_)
    if len(values) >= bars:
        windows = np.lib.stride_tricks.sliding_window_view(values, bars)
        spread = windows.max(axis=1) - windows.min(axis=1)
        fits[bars - 1 :] = spread < SPREAD_MAX // bars
    return fits


def changes(values: npt.NDArray[np.generic]) -> Mask:
    """Where a value differs from the one before; the first row counts as a change."""
    changed: Mask = np.ones(len(values), dtype=np.bool_)
    changed[1:] = values[1:] != values[:-1]
    return changed


def price_of_hundredths(hundredths: int, tick_size: Decimal) -> Decimal:
    """Back from hundredths of a tick to a price, exact."""
    return price_from_ticks(hundredths, tick_size).scaleb(-2)


def of_millionths(value: int) -> Decimal:
    """Back from millionths to a number, exact."""
    return Decimal(value).scaleb(-6)


def latest_true_range(bars: Bars, length: int) -> int | None:
    """Average true range at the newest bar in hundredths of a tick; None without enough bars."""
    if len(bars) <= length:
        return None
    last_close = bars.close[-length - 1 : -1]
    ranges = np.maximum(bars.high[-length:], last_close) - np.minimum(
        bars.low[-length:], last_close
    )
    return int(ranges.sum()) * HUNDREDTHS // length
