"""Bars: what a pair did in one stretch of time, in whole ticks; and columns of them for features.

A bar is *closed* when a later one starts or the clock passes its end by the grace period;
a closed bar never changes. A stretch without trades has no bar: it is a gap, known and reported.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import msgspec

from krakked.domain.ids import PairName
from krakked.domain.times import NS_PER_SECOND

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

VOLUME_DECIMALS: Final = 8
"""Volumes in bars are whole 10^-8 of the base asset."""


@functools.total_ordering
class Timeframe(enum.Enum):
    """Length of a bar; the value is its name in configuration. Ordered by length."""

    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    H1 = "1h"
    H4 = "4h"
    D1 = "1d"

    @property
    def minutes(self) -> int:
        """Length in minutes."""
        return _MINUTES[self]

    @property
    def seconds(self) -> int:
        """Length in seconds."""
        return _MINUTES[self] * 60

    @property
    def ns(self) -> int:
        """Length in nanoseconds."""
        return _MINUTES[self] * 60 * NS_PER_SECOND

    def __lt__(self, other: Timeframe) -> bool:
        return _MINUTES[self] < _MINUTES[other]


_MINUTES: Final = {
    Timeframe.M1: 1,
    Timeframe.M5: 5,
    Timeframe.M15: 15,
    Timeframe.H1: 60,
    Timeframe.H4: 240,
    Timeframe.D1: 1440,
}


def timeframe_of_minutes(minutes: int) -> Timeframe:
    """The timeframe of that length.

    Raises:
        KeyError: no timeframe of ours is that long.
    """
    return {length: timeframe for timeframe, length in _MINUTES.items()}[minutes]


class BarKey(msgspec.Struct, frozen=True, order=True, gc=False):
    """Names one bar: pair, timeframe by name, and its opening instant."""

    pair: PairName
    timeframe: Timeframe
    start_s: int


class Bar(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One closed bar; prices in ticks, volume in 10^-8 base, ``start_s`` unix seconds UTC."""

    start_s: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    trades: int

    def problem(self) -> str | None:
        """Why this cannot be a bar, or None."""
        if self.low <= 0:
            return f"price {self.low} ticks is not positive"
        if not self.low <= min(self.open, self.close) <= max(self.open, self.close) <= self.high:
            return (
                f"open {self.open}, high {self.high}, low {self.low}, close {self.close} disagree"
            )
        if self.volume < 0 or self.trades < 0:
            return f"volume {self.volume} or trades {self.trades} is negative"
        return None


class Bars(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of closed bars of one pair and timeframe, oldest first, int64 all.

    ``start_s`` grows strictly; gaps are possible (see :meth:`Gap`).
    """

    pair: PairName
    timeframe: Timeframe
    tick_size: Decimal
    start_s: npt.NDArray[np.int64]
    open: npt.NDArray[np.int64]
    high: npt.NDArray[np.int64]
    low: npt.NDArray[np.int64]
    close: npt.NDArray[np.int64]
    volume: npt.NDArray[np.int64]
    trades: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start_s)

    def bar(self, index: int) -> Bar:
        """The bar at ``index`` as a record."""
        return Bar(
            start_s=int(self.start_s[index]),
            open=int(self.open[index]),
            high=int(self.high[index]),
            low=int(self.low[index]),
            close=int(self.close[index]),
            volume=int(self.volume[index]),
            trades=int(self.trades[index]),
        )

    def slice(self, start: int, stop: int) -> Bars:
        """Bars ``start`` up to, not including, ``stop``; views, not copies."""
        return msgspec.structs.replace(
            self, **{name: getattr(self, name)[start:stop] for name in COLUMNS}
        )


COLUMNS: Final = ("start_s", "open", "high", "low", "close", "volume", "trades")


def bars_from(
    pair: PairName, timeframe: Timeframe, tick_size: Decimal, rows: Sequence[Bar]
) -> Bars:
    """Columns from records, oldest first."""
    import numpy as np

    table = np.array(
        [[getattr(row, name) for name in COLUMNS] for row in rows], dtype=np.int64
    ).reshape(len(rows), len(COLUMNS))
    columns = {name: table[:, i].copy() for i, name in enumerate(COLUMNS)}
    return Bars(pair=pair, timeframe=timeframe, tick_size=tick_size, **columns)


class Gap(msgspec.Struct, frozen=True, gc=False):
    """A stretch without bars: from ``start_s`` up to, not including, ``end_s``."""

    start_s: int
    end_s: int


def gaps(bars: Bars) -> list[Gap]:
    """The holes between consecutive bars, oldest first."""
    import numpy as np

    step = bars.timeframe.seconds
    holes = np.flatnonzero(np.diff(bars.start_s) != step)
    return [Gap(int(bars.start_s[i]) + step, int(bars.start_s[i + 1])) for i in holes]
