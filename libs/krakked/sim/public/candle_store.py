"""One pair's candles of all lengths: the market's past up to the opening, and every print since.

The market model is asked for nothing but what happened before the venue opened: it knows neither
what accounts traded since nor where a person has moved the price. A length that nobody has asked
for costs next to nothing. Prints wait until someone asks, or until there are many; then they are
folded into rows, each length from a shorter one, so that memory is bounded and no print is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.events import PublicTrade
from krakked.sim.market.candles import INTERVALS_MIN, Candle
from krakked.sim.public.series import CandleSeries, Row

UNREAD_MAX: Final = 100_000
"""Prints that wait; folded one by one when somebody asks, in bulk when there are more."""
_MINUTE_S: Final = 60
_MADE_OF: Final = {
    5: 1,
    15: 5,
    30: 15,
    60: 30,
    240: 60,
    1440: 240,
    10080: 1440,
    21600: 1440,
}
"""A shorter length that divides each."""


class CandleStore:
    """See the module."""

    def __init__(self, past: Callable[[int], Iterable[Candle]]) -> None:
        self._past = past
        """Candles of so many minutes from before the opening."""
        self._kept: dict[int, CandleSeries] = {}
        self._folded: dict[int, CandleSeries] = {}
        """Of lengths that nobody asked for: what no longer waits, without the past."""
        self._unread: list[PublicTrade] = []

    def __repr__(self) -> str:
        return f"<CandleStore keeps {list(self._kept)}, {len(self._unread)} unread>"

    def open(self, minutes: int, known_ns: int) -> None:
        """Keep a length from the start, whose past knows the trades up to an instant."""
        assert not self._unread, "before the first print"
        self._kept[minutes] = CandleSeries(minutes, self._past(minutes), known_ns=known_ns)

    def add(self, trade: PublicTrade) -> list[tuple[CandleSeries, Row]]:
        """One more print; the candles it changed of lengths that somebody asked for."""
        if len(self._kept) < len(INTERVALS_MIN):
            self._unread.append(trade)
            if len(self._unread) >= UNREAD_MAX:
                self._fold()
        return [
            (series, series.add(trade))
            for series in self._kept.values()
            if trade.at_ns > series.known_ns
        ]

    def series(self, minutes: int) -> CandleSeries:
        """The candles of that length."""
        found = self._kept.get(minutes)
        if found is None:
            found = self._kept[minutes] = self._made(minutes)
        return found

    def _made(self, minutes: int) -> CandleSeries:
        made = CandleSeries(minutes, self._past(minutes))
        for row in self._folded.pop(minutes, ()):
            made.append(row)
        for trade in self._unread:
            made.add(trade)
        return made

    def _fold(self) -> None:
        """Nobody has asked for so long that what waits becomes rows."""
        rows = {1: _minutes(self._unread)}
        self._unread.clear()
        for minutes in INTERVALS_MIN:
            if minutes > 1:
                rows[minutes] = _longer(rows[_MADE_OF[minutes]], minutes * _MINUTE_S)
        for minutes, found in rows.items():
            if minutes not in self._kept:
                series = self._folded.setdefault(minutes, CandleSeries(minutes, ()))
                for row in found:
                    series.append(row)


def _minutes(trades: Sequence[PublicTrade]) -> list[Row]:
    found: list[Row] = []
    for trade in trades:
        start_s = trade.at_ns // NS_PER_SECOND // _MINUTE_S * _MINUTE_S
        if not found or found[-1].start_s < start_s:
            found.append(Row(start_s, trade.price))
        found[-1].add(trade.price, trade.quantity_base)
    return found


def _longer(rows: Sequence[Row], step_s: int) -> list[Row]:
    found: list[Row] = []
    for row in rows:
        start_s = row.start_s // step_s * step_s
        if not found or found[-1].start_s < start_s:
            found.append(Row(start_s, row.open))
        found[-1].merge(row)
    return found
