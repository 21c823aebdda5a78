"""One pair's candles of one length, kept up trade by trade.

Only stretches with trades have a row here; whoever shows the series fills the quiet ones with the
close before them, as the venue does. The newest row may still change: it is *forming* until its
stretch is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from krakked.domain.money import ZERO
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.events import PublicTrade
from krakked.sim.market.candles import Candle

COMMITTED_MAX: Final = 720
"""Finished candles that the venue shows."""


class Row:
    """One candle, growing."""

    __slots__ = ("close", "cost", "high", "low", "open", "start_s", "trades", "volume")

    def __init__(self, start_s: int, price: Decimal) -> None:
        self.start_s = start_s
        self.open = self.high = self.low = self.close = price
        self.volume = self.cost = ZERO
        self.trades = 0

    def __repr__(self) -> str:
        return f"<Row {self.start_s} {self.open} {self.high} {self.low} {self.close}>"

    @property
    def vwap(self) -> Decimal:
        """Average price by volume; zero when nothing traded."""
        return self.cost / self.volume if self.volume else ZERO

    def add(self, price: Decimal, quantity_base: Decimal) -> None:
        """One more trade."""
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        self.volume += quantity_base
        self.cost += price * quantity_base
        self.trades += 1

    def merge(self, later: Row) -> None:
        """All trades of a row that comes after these."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.cost += later.cost
        self.trades += later.trades


class CandleSeries:
    """See the module."""

    def __init__(self, minutes: int, history: Iterable[Candle], *, known_ns: int = -1) -> None:
        self.minutes = minutes
        self.known_ns = known_ns
        """Trades up to then are in the history already."""
        self.step_s = minutes * 60
        self._rows: deque[Row] = deque(map(_row, history), maxlen=COMMITTED_MAX + 1)

    def __repr__(self) -> str:
        return f"<CandleSeries {self.minutes} min, {len(self._rows)} rows>"

    def add(self, trade: PublicTrade) -> Row:
        """One more trade; the row it went into."""
        start_s = trade.at_ns // NS_PER_SECOND // self.step_s * self.step_s
        if not self._rows or self._rows[-1].start_s < start_s:
            self._rows.append(Row(start_s, trade.price))
        row = self._rows[-1]
        row.add(trade.price, trade.quantity_base)
        return row

    def append(self, row: Row) -> None:
        """A row that was gathered elsewhere; what it shares its stretch with grows by it."""
        if self._rows and self._rows[-1].start_s >= row.start_s:
            self._rows[-1].merge(row)
        else:
            self._rows.append(row)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def newest(self, count: int) -> list[Row]:
        """The newest rows with trades, oldest first."""
        return list(self._rows)[-count:]

    def shown(self, now_ns: int) -> list[Row]:
        """Up to 720 finished rows and the forming one, quiet stretches filled."""
        forming_s = now_ns // NS_PER_SECOND // self.step_s * self.step_s
        oldest_s = forming_s - COMMITTED_MAX * self.step_s
        rows = self._filled(forming_s)
        return [row for row in rows if row.start_s >= oldest_s]

    def _filled(self, forming_s: int) -> Iterator[Row]:
        previous: Row | None = None
        for row in self._rows:
            if previous is not None and row.start_s > previous.start_s + self.step_s:
                yield from self._quiet(previous, row.start_s)
            yield row
            previous = row
        if previous is not None:
            yield from self._quiet(previous, forming_s + self.step_s)

    def _quiet(self, previous: Row, until_s: int) -> Iterator[Row]:
        first_s = max(previous.start_s, until_s - (COMMITTED_MAX + 2) * self.step_s) + self.step_s
        for start_s in range(first_s, until_s, self.step_s):
            yield Row(start_s, previous.close)


def _row(candle: Candle) -> Row:
    row = Row(candle.start_s, candle.open)
    row.high, row.low, row.close = candle.high, candle.low, candle.close
    row.volume, row.trades = candle.volume, candle.trades
    row.cost = candle.cost
    return row
