"""The figures of tickers: the last 24 hours, and today since midnight UTC, kept up trade by trade.

The highest and lowest price of a moving window are the heads of two queues in which every trade
has pushed out those that it makes irrelevant, so that a trade costs the same however long the
window is.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Final

from krakked.domain.money import ZERO
from krakked.domain.times import DAY_S, NS_PER_SECOND
from krakked.sim.market.candles import Candle

DAY_NS: Final = DAY_S * NS_PER_SECOND


class DayWindow:
    """The last 24 hours."""

    def __init__(self) -> None:
        self._trades: deque[tuple[int, Decimal, Decimal, Decimal, int]] = deque()
        """Instant, first price, volume, cost, count: of one trade, or of a candle of them."""
        self._highs: deque[tuple[int, Decimal]] = deque()
        self._lows: deque[tuple[int, Decimal]] = deque()
        self._last: Decimal | None = None
        self.volume = ZERO
        self._cost = ZERO
        self.count = 0
        """Number of trades."""

    def __repr__(self) -> str:
        return f"<DayWindow {self.count} trades, {self.volume} base>"

    def add(self, at_ns: int, price: Decimal, quantity_base: Decimal) -> None:
        """One more trade."""
        self._take((at_ns, price, quantity_base, price * quantity_base, 1))
        self._stretch(at_ns, price, price)
        self._last = price
        self.forget(at_ns)

    def add_candle(self, candle: Candle) -> None:
        """Trades that are known only together; they go out of the window together too."""
        at_ns = candle.start_s * NS_PER_SECOND
        self._take((at_ns, candle.open, candle.volume, candle.cost, candle.trades))
        self._stretch(at_ns, candle.high, candle.low)
        self._last = candle.close

    def _take(self, row: tuple[int, Decimal, Decimal, Decimal, int]) -> None:
        self._trades.append(row)
        _, _, quantity_base, cost, count = row
        self.volume += quantity_base
        self._cost += cost
        self.count += count

    def _stretch(self, at_ns: int, high: Decimal, low: Decimal) -> None:
        while self._highs and self._highs[-1][1] <= high:
            self._highs.pop()
        self._highs.append((at_ns, high))
        while self._lows and self._lows[-1][1] >= low:
            self._lows.pop()
        self._lows.append((at_ns, low))

    def forget(self, now_ns: int) -> None:
        """Let go of what is older than a day."""
        oldest_ns = now_ns - DAY_NS
        trades = self._trades
        while trades and trades[0][0] <= oldest_ns:
            _, _, quantity_base, cost, count = trades.popleft()
            self.volume -= quantity_base
            self._cost -= cost
            self.count -= count
        for extremes in (self._highs, self._lows):
            while extremes and extremes[0][0] <= oldest_ns:
                extremes.popleft()

    @property
    def open(self) -> Decimal | None:
        """The first price; the last known one when nothing traded."""
        return self._trades[0][1] if self._trades else self._last

    @property
    def high(self) -> Decimal | None:
        """The highest price; the last known one when nothing traded."""
        return self._highs[0][1] if self._highs else self._last

    @property
    def low(self) -> Decimal | None:
        """The lowest price; the last known one when nothing traded."""
        return self._lows[0][1] if self._lows else self._last

    @property
    def vwap(self) -> Decimal:
        """Average price by volume; zero when nothing traded."""
        return self._cost / self.volume if self.volume else ZERO


class Today:
    """Since midnight UTC."""

    def __init__(self) -> None:
        self._day = -1
        self._start(-1, ZERO)

    def __repr__(self) -> str:
        return f"<Today day {self._day}, {self.count} trades>"

    def _start(self, day: int, price: Decimal) -> None:
        self._day = day
        self.open = self.high = self.low = price
        self.volume = self._cost = ZERO
        self.count = 0

    def add(self, at_ns: int, price: Decimal, quantity_base: Decimal) -> None:
        """One more trade."""
        day = at_ns // DAY_NS
        if day != self._day:
            self._start(day, price)
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.volume += quantity_base
        self._cost += price * quantity_base
        self.count += 1

    def add_candle(self, candle: Candle) -> None:
        """Trades that are known only together."""
        day = candle.start_s // DAY_S
        if day != self._day:
            self._start(day, candle.open)
        self.high = max(self.high, candle.high)
        self.low = min(self.low, candle.low)
        self.volume += candle.volume
        self._cost += candle.cost
        self.count += candle.trades

    def roll(self, now_ns: int, last: Decimal) -> None:
        """A new day may have begun without a trade."""
        if now_ns // DAY_NS > self._day:
            self._start(now_ns // DAY_NS, last)

    @property
    def vwap(self) -> Decimal:
        """Average price by volume; zero when nothing traded."""
        return self._cost / self.volume if self.volume else ZERO
