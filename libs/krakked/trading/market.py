"""What the market said last: quotes with their age, running bars, and the closing of bars.

A bar closes when a later one of its pair starts, or when the clock passes its end by the grace
period while the stream is healthy. Once closed it never changes; a bar that ran while the stream
was down is thrown away, and the true one is fetched from history.

A quote says what was true when it came, and is true as long as the stream that would tell of a
change is alive: a quiet pair is not stale. It is judged by its pair's last word or, while it stands
on the present connection, by the last frame of any kind. Silence longer than the tolerance makes it
stale, a connection known to be down at once.

A *boundary* is the end of a timeframe's interval. It is settled when every pair has closed its
bar, at the latest when the grace has passed (a pair that did not trade has no bar to close): then
one cycle runs for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from krakked.domain.bars import Bar, Timeframe
from krakked.domain.errors import Stale
from krakked.domain.ids import PairName
from krakked.domain.quotes import Quote
from krakked.domain.times import NS_PER_SECOND
from krakked.ports.market_feed import RunningBar


class ClosedBar(msgspec.Struct, frozen=True, gc=False):
    """A bar that will not change any more."""

    pair: PairName
    timeframe: Timeframe
    bar: Bar
    missing: int = 0
    """Intervals right before it that have no bar, since this market is watched."""


class Boundary(msgspec.Struct, frozen=True, gc=False):
    """The end of an interval: bars that start at ``end_s − length`` are closed now."""

    timeframe: Timeframe
    end_s: int


class Market:
    """The latest of everything; synchronous, told the time."""

    def __init__(
        self,
        pairs: Iterable[PairName],
        timeframes: Iterable[Timeframe],
        *,
        stale_after_s: float,
        grace_s: float,
        now_ns: int,
        last_frame_ns: Callable[[], int] = lambda: 0,
    ) -> None:
        self._pairs = tuple(pairs)
        self._stale_after_ns = int(stale_after_s * NS_PER_SECOND)
        self._grace_ns = int(grace_s * NS_PER_SECOND)
        self._last_frame_ns = last_frame_ns
        self._quotes: dict[PairName, Quote] = {}
        self._vouched_ns: dict[PairName, int | None] = {}
        """Until when a quote was known to be true; None: its connection lives."""
        self._running: dict[tuple[PairName, Timeframe], Bar] = {}
        self._closed_start: dict[tuple[PairName, Timeframe], int] = {}
        self._next_end_s = {
            timeframe: (now_ns // timeframe.ns + 1) * timeframe.seconds for timeframe in timeframes
        }
        self._first_start_s = {
            timeframe: end_s - timeframe.seconds for timeframe, end_s in self._next_end_s.items()
        }
        self.is_connected = False

    def __repr__(self) -> str:
        return f"<Market {len(self._quotes)} quotes, {len(self._running)} running bars>"

    # quotes

    def on_quote(self, quote: Quote) -> None:
        """Keep the newest."""
        self._quotes[quote.pair] = quote
        self._vouched_ns[quote.pair] = None

    def quote(self, pair: PairName, now_ns: int) -> Quote:
        """The newest quote.

        Raises:
            Stale: there is none, nothing vouched for it within the tolerance, or the stream is
                down.
        """
        quote = self._quotes.get(pair)
        if quote is None:
            raise Stale(f"{pair}: no quote received yet")
        silent_ns = now_ns - self._true_until_ns(quote)
        if not self.is_connected:
            age_s = (now_ns - quote.at_ns) / NS_PER_SECOND
            raise Stale(f"{pair}: the market stream is down, last quote {age_s:.0f} s ago")
        if silent_ns > self._stale_after_ns:
            raise Stale(f"{pair}: last quote {silent_ns / NS_PER_SECOND:.0f} s ago")
        return quote

    def is_stale(self, pair: PairName, now_ns: int) -> bool:
        """Whether :meth:`quote` would refuse."""
        quote = self._quotes.get(pair)
        if quote is None or not self.is_connected:
            return True
        return now_ns - self._true_until_ns(quote) > self._stale_after_ns

    def _true_until_ns(self, quote: Quote) -> int:
        """The last moment at which a change of it would have been told."""
        vouched_ns = self._vouched_ns[quote.pair]
        if vouched_ns is None:
            vouched_ns = self._last_frame_ns()
        return max(quote.at_ns, vouched_ns)

    def stale_pairs(self, now_ns: int) -> tuple[PairName, ...]:
        """Pairs whose quote is refused now."""
        return tuple(pair for pair in self._pairs if self.is_stale(pair, now_ns))

    @property
    def quotes(self) -> Mapping[PairName, Quote]:
        """The newest quotes whatever their age (for valuation, which shows the age)."""
        return self._quotes

    # bars

    def on_connected(self) -> None:
        """The public stream is subscribed."""
        self.is_connected = True

    def on_lost(self) -> None:
        """The public stream is down: what runs now will be incomplete."""
        self.is_connected = False
        self._running.clear()
        for pair, quote in self._quotes.items():
            self._vouched_ns[pair] = self._true_until_ns(quote)

    def mark_closed(self, pair: PairName, timeframe: Timeframe, start_s: int) -> None:
        """History holds this bar: updates of it or of earlier ones are late."""
        key = (pair, timeframe)
        self._closed_start[key] = max(start_s, self._closed_start.get(key, start_s))
        running = self._running.get(key)
        if running is not None and running.start_s <= start_s:
            del self._running[key]

    def running(self, pair: PairName, timeframe: Timeframe) -> Bar | None:
        """The bar that may still change (phase 2's ``get_live_ohlc``)."""
        return self._running.get((pair, timeframe))

    def on_running_bar(self, message: RunningBar) -> ClosedBar | None:
        """Take an update; the previous bar if this one is later. What only values has no bars."""
        if message.pair not in self._pairs:
            return None
        key = (message.pair, message.timeframe)
        running = self._running.get(key)
        start_s = message.bar.start_s
        if start_s <= self._closed_start.get(key, -1):
            return None
        if running is not None and start_s < running.start_s:
            return None
        self._running[key] = message.bar
        if running is None or running.start_s == start_s:
            return None
        return self._close(key, running)

    def on_clock(self, now_ns: int) -> list[ClosedBar]:
        """Bars whose end the clock has passed by the grace."""
        if not self.is_connected:
            return []
        due = [
            (key, bar)
            for key, bar in self._running.items()
            if bar.start_s * NS_PER_SECOND + key[1].ns + self._grace_ns <= now_ns
        ]
        for key, _ in due:
            del self._running[key]
        return [self._close(key, bar) for key, bar in due]

    def _close(self, key: tuple[PairName, Timeframe], bar: Bar) -> ClosedBar:
        missing = self._missing(key, bar.start_s)
        self._closed_start[key] = bar.start_s
        return ClosedBar(key[0], key[1], bar, missing)

    def _missing(self, key: tuple[PairName, Timeframe], until_s: int) -> int:
        """Intervals without a bar between the newest that closed and that instant."""
        first_s, step_s = self._first_start_s[key[1]], key[1].seconds
        closed_s = self._closed_start.get(key, first_s - step_s)
        return max(0, (until_s - max(closed_s + step_s, first_s)) // step_s)

    def missing_since_last_bar(self) -> dict[tuple[PairName, Timeframe], int]:
        """Intervals that are over and have no bar, after the last bar of each pair."""
        return {
            (pair, timeframe): self._missing((pair, timeframe), end_s - timeframe.seconds)
            for pair in self._pairs
            for timeframe, end_s in self._next_end_s.items()
        }

    # boundaries

    def next_deadline_ns(self) -> int:
        """When :meth:`settled` must be asked again at the latest."""
        return min(self._next_end_s.values()) * NS_PER_SECOND + self._grace_ns

    def settled(self, now_ns: int) -> list[Boundary]:
        """Boundaries that are complete now, each returned once: oldest first, then shortest."""
        result = []
        for timeframe, end_s in self._next_end_s.items():
            while end_s * NS_PER_SECOND <= now_ns and self._is_settled(timeframe, end_s, now_ns):
                result.append(Boundary(timeframe, end_s))
                end_s += timeframe.seconds  # noqa: PLW2901 - one boundary after the other
            self._next_end_s[timeframe] = end_s
        return sorted(result, key=lambda boundary: (boundary.end_s, boundary.timeframe))

    def _is_settled(self, timeframe: Timeframe, end_s: int, now_ns: int) -> bool:
        if now_ns >= end_s * NS_PER_SECOND + self._grace_ns:
            return True
        last_start_s = end_s - timeframe.seconds
        return all(
            self._closed_start.get((pair, timeframe), -1) >= last_start_s for pair in self._pairs
        )
