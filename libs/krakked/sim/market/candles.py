"""Candles that know their length, and longer ones from shorter ones.

Reading and writing Kraken's files is ``domain/candles.py``'s; what a market does with a candle
needs to know when it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.candles import CandleRow
from krakked.domain.times import NS_PER_SECOND

INTERVALS_MIN: Final = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
"""Lengths of candles that the venue shows, in minutes."""


class Candle(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What happened in ``minutes`` from ``start_s`` on; only if something did."""

    start_s: int
    minutes: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: int
    vwap: Decimal | None = None
    """Average price by volume, where it is known: files do not have it."""

    @property
    def end_s(self) -> int:
        """The first second after it."""
        return self.start_s + self.minutes * 60

    @property
    def cost(self) -> Decimal:
        """What it traded for; where nobody knows, the middle of its shape stands for its price."""
        if self.vwap is not None:
            return self.vwap * self.volume
        return self.volume * (self.high + self.low + self.close) / 3


def candle_of(row: CandleRow, minutes: int, *, trades_otherwise: int = 0) -> Candle:
    """The candle that a file's row describes, with so many trades where it counts none."""
    return Candle(
        start_s=row.start_s,
        minutes=minutes,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=row.volume,
        trades=row.trades or trades_otherwise,
    )


def row_of(candle: Candle) -> CandleRow:
    """The row that describes it in a file."""
    return CandleRow(
        start_s=candle.start_s,
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        volume=candle.volume,
        trades=candle.trades,
    )


def fold(candles: Iterable[Candle], minutes: int) -> Iterator[Candle]:
    """Longer candles from shorter ones, oldest first."""
    step_s = minutes * 60
    group: list[Candle] = []
    for candle in candles:
        if group and candle.start_s // step_s != group[0].start_s // step_s:
            yield _merged(group, minutes)
            group = []
        group.append(candle)
    if group:
        yield _merged(group, minutes)


def first_stretch(step_s: int, before_ns: int, count: int) -> int:
    """Where the first of the ``count`` newest stretches before an instant begins."""
    last_s = (before_ns - 1) // NS_PER_SECOND // step_s * step_s
    return max(last_s - step_s * (count - 1), 0)


def _merged(group: list[Candle], minutes: int) -> Candle:
    step_s = minutes * 60
    return Candle(
        start_s=group[0].start_s // step_s * step_s,
        minutes=minutes,
        open=group[0].open,
        high=max(candle.high for candle in group),
        low=min(candle.low for candle in group),
        close=group[-1].close,
        volume=sum((candle.volume for candle in group), Decimal(0)),
        trades=sum(candle.trades for candle in group),
    )
