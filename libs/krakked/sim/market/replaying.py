"""A market that happened: recorded candles, each played as up to four trades.

The rule, for a candle of n trades, after rounding prices to today's tick and the volume to the
pair's decimals:

1. The path is open, low, high, close when it closes at or above its open; open, high, low, close
   otherwise. A low or high that equals open or close needs no trade of its own.
2. The open trades at the candle's first instant, the close half a second before its end, what is
   between at thirds (or the half). A candle with one trade, or one that cannot be split, has the
   close alone.
3. The volume is divided evenly; the close takes what the division leaves over.
4. A taker buys when the price rose since the trade before it, sells when it fell, and does as the
   candle does (up: buys) where it did not move.
5. After each trade the house stands around its price, with a fortieth of the candle's volume on
   the best level of each side.

So every candle keeps its open, high, low, close and volume exactly, and never shows more trades
than it had. A missing candle is a stretch without trades. One of a program that does not count
trades (volume, and no trades) is played with as many as its shape needs.
"""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName
from krakked.domain.money import ONE, quantum, round_down
from krakked.domain.orders import Side
from krakked.domain.times import NS_PER_SECOND, to_minute
from krakked.sim.exchange.pairs import VenuePair
from krakked.sim.market.candles import Candle, first_stretch, fold
from krakked.sim.market.model import (
    Print,
    Quote,
    Venue,
    candles_from_prints,
    ladder,
    play,
    quote_around,
)

_CLOSE_BEFORE_END_NS = NS_PER_SECOND // 2
_MINUTE_NS = 60 * NS_PER_SECOND
_LEVEL_SHARE = 40
TRADES_OF_A_CANDLE = 4
"""As many as any shape needs."""


class ReplayMarket:
    """Plays ``candles`` that start in ``[start_ns, end_ns)``; earlier ones are its past."""

    def __init__(
        self,
        *,
        pairs: Mapping[PairName, VenuePair],
        candles: Mapping[PairName, Sequence[Candle]],
        start_ns: int,
        end_ns: int,
    ) -> None:
        self._lanes = {
            name: _Lane(index, pairs[name], candles[name], end_ns)
            for index, name in enumerate(sorted(candles))
        }
        found = [lane.seek(start_ns) for lane in self._lanes.values()]
        if not any(found):
            raise BadInput(
                f"no candles between {to_minute(start_ns)} and {to_minute(end_ns - _MINUTE_NS)};"
                " choose a range that the files cover"
            )
        firsts = [lane.first_ns() for lane in self._lanes.values()]
        self.first_trade_ns = min(each for each in firsts if each is not None)
        """When the candles begin to trade; before it there is only a past, if any."""
        self._queue = [(start_ns, lane.index, lane) for lane in self._lanes.values()]
        heapq.heapify(self._queue)

    @property
    def pairs(self) -> tuple[PairName, ...]:
        """The pairs it moves."""
        return tuple(self._lanes)

    def next_event_ns(self) -> int | None:
        """When :meth:`step` has something to do; None when the candles are over."""
        return self._queue[0][0] if self._queue else None

    def step(self, now_ns: int, venue: Venue) -> None:
        """Play everything up to ``now_ns``."""
        while self._queue and self._queue[0][0] <= now_ns:
            at_ns, index, lane = self._queue[0]
            next_ns = lane.play(at_ns, venue)
            if next_ns is None:
                heapq.heappop(self._queue)
            else:
                heapq.heapreplace(self._queue, (next_ns, index, lane))

    def candles_before(
        self, pair: PairName, minutes: int, before_ns: int, count: int
    ) -> list[Candle]:
        """The candles of the ``count`` newest stretches before an instant, and one to fill from."""
        from_s = first_stretch(minutes * 60, before_ns, count)
        found = self._candles(pair, minutes, from_s, before_ns)
        if found and found[0].start_s == from_s:
            return found
        return [*self._newest_before(pair, minutes, from_s), *found]

    def candles_between(self, pair: PairName, minutes: int, from_s: int, to_s: int) -> list[Candle]:
        """All candles of a stretch, for export."""
        return self._candles(pair, minutes, from_s, to_s * NS_PER_SECOND)

    def _candles(self, pair: PairName, minutes: int, from_s: int, before_ns: int) -> list[Candle]:
        lane = self._lanes[pair]
        if any(candle.minutes > minutes for candle in lane.candles[:1]):
            prints = self.prints_before(pair, from_s * NS_PER_SECOND, before_ns)
            return candles_from_prints(prints, minutes)
        whole = [on_tick(candle, lane.pair) for candle in lane.between(from_s, before_ns)]
        running_s = before_ns // NS_PER_SECOND // lane.candle_s * lane.candle_s
        prints = self.prints_before(pair, running_s * NS_PER_SECOND, before_ns)
        running = candles_from_prints(prints, lane.candle_s // 60)
        return list(fold([*whole, *running], minutes))

    def _newest_before(self, pair: PairName, minutes: int, before_s: int) -> list[Candle]:
        """What the last trades before an instant make: their close is what counts."""
        since_ns = self._lanes[pair].last_starts_s(before_s) * NS_PER_SECOND
        prints = self.prints_before(pair, since_ns, before_s * NS_PER_SECOND)
        return candles_from_prints(prints, minutes)[-1:]

    def prints_before(self, pair: PairName, from_ns: int, before_ns: int) -> list[Print]:
        """The trades of ``[from_ns, before_ns)``, oldest first."""
        lane = self._lanes[pair]
        first_s = from_ns // NS_PER_SECOND - lane.candle_s
        found = lane.between(first_s, before_ns + lane.candle_s * NS_PER_SECOND)
        prints = (item for candle in found for item in expand(candle, lane.pair))
        return [item for item in prints if from_ns <= item.at_ns < before_ns]

    def quote_after(self, pair: PairName, item: Print) -> Quote:
        """The best bid and ask that a trade left behind."""
        return quote_around(item, self._lanes[pair].pair)

    def set_price(self, pair: PairName, price: Decimal) -> None:
        """Recorded prices cannot be moved."""
        raise BadInput(f"{pair} replays recorded candles; its price cannot be set to {price}")


class _Lane:
    """One pair's candles and how far they were played."""

    def __init__(self, index: int, pair: VenuePair, candles: Sequence[Candle], end_ns: int) -> None:
        self.index = index
        self.pair = pair
        self.candles = candles
        self.candle_s = candles[0].minutes * 60 if candles else 0
        self._starts = [candle.start_s for candle in candles]
        self._stop = bisect.bisect_left(self._starts, end_ns // NS_PER_SECOND)
        self._next = 0
        self._waiting: list[Print] = []
        self._level_quantity = ONE
        self._is_open = False

    def seek(self, start_ns: int) -> bool:
        """Go to the first trade at or after ``start_ns``; whether there is any."""
        first_s = start_ns // NS_PER_SECOND - self.candle_s
        self._next = bisect.bisect_right(self._starts, first_s)
        while self._next < self._stop and not self._waiting:
            self._take(start_ns)
        return bool(self._waiting)

    def first_ns(self) -> int | None:
        """When the next trade comes, once it was sought."""
        return self._waiting[0].at_ns if self._waiting else None

    def play(self, now_ns: int, venue: Venue) -> int | None:
        """Play the next thing; when the one after it comes."""
        if self._is_open:
            play(self._waiting.pop(0), self.pair, self._level_quantity, venue)
        else:
            self._open(now_ns, venue)
        if not self._waiting and self._next < self._stop:
            self._take(now_ns)
        return self._waiting[0].at_ns if self._waiting else None

    def _take(self, from_ns: int) -> None:
        candle = self.candles[self._next]
        self._next += 1
        self._level_quantity = candle.volume / _LEVEL_SHARE
        self._waiting = [item for item in expand(candle, self.pair) if item.at_ns >= from_ns]

    def between(self, from_s: int, before_ns: int) -> Sequence[Candle]:
        """Candles that start at or after ``from_s`` and end by ``before_ns``."""
        first = bisect.bisect_left(self._starts, from_s)
        last = bisect.bisect_right(self._starts, before_ns // NS_PER_SECOND - self.candle_s)
        return self.candles[first:last]

    def last_starts_s(self, before_s: int) -> int:
        """Where the last two candles begin, of which one at least has traded by then."""
        after = bisect.bisect_left(self._starts, before_s)
        return self._starts[max(after - 2, 0)] if after else before_s

    def _open(self, now_ns: int, venue: Venue) -> None:
        """Stand a book around the last price before the start, if there is one."""
        self._is_open = True
        after = bisect.bisect_right(self._starts, now_ns // NS_PER_SECOND)
        past = [
            (item, candle.volume)
            for candle in self.candles[max(after - 2, 0) : after]
            for item in expand(candle, self.pair)
            if item.at_ns < now_ns
        ]
        for item, volume in past[-1:]:
            bids, asks = ladder(item, self.pair, volume / _LEVEL_SHARE)
            venue.set_house_book(self.pair.altname, bids, asks, now_ns)


def on_tick(candle: Candle, pair: VenuePair) -> Candle:
    """Prices to the nearest tick, volume to the nearest unit (at least one)."""
    unit = quantum(pair.lot_decimals)
    return Candle(
        start_s=candle.start_s,
        minutes=candle.minutes,
        open=_nearest(candle.open, pair.tick_size),
        high=_nearest(candle.high, pair.tick_size),
        low=_nearest(candle.low, pair.tick_size),
        close=_nearest(candle.close, pair.tick_size),
        volume=max(candle.volume.quantize(unit, rounding=ROUND_HALF_EVEN), unit),
        trades=candle.trades,
    )


def _nearest(price: Decimal, tick_size: Decimal) -> Decimal:
    ticks = (price / tick_size).quantize(ONE, rounding=ROUND_HALF_EVEN)
    return max(ticks, ONE) * tick_size


def expand(candle: Candle, pair: VenuePair) -> list[Print]:
    """The trades of one candle, oldest first, by the rule of the module."""
    candle = on_tick(candle, pair)
    prices = _path(candle)
    if candle.trades < len(prices):
        prices = prices[-candle.trades :]
    instants = _instants(candle, len(prices))
    volumes = _volumes(candle.volume, len(prices), pair.lot_decimals)
    sides = _sides(prices, rising=candle.close >= candle.open)
    return [
        Print(at_ns=at_ns, price=price, quantity_base=volume, taker_side=side)
        for at_ns, price, volume, side in zip(instants, prices, volumes, sides, strict=True)
        if volume > 0
    ]


def _path(candle: Candle) -> list[Decimal]:
    ends = (candle.open, candle.close)
    between = [candle.low, candle.high]
    if candle.close < candle.open:
        between.reverse()
    return [candle.open, *(price for price in between if price not in ends), candle.close]


def _instants(candle: Candle, count: int) -> list[int]:
    start_ns = candle.start_s * NS_PER_SECOND
    end_ns = candle.end_s * NS_PER_SECOND
    step_ns = (end_ns - start_ns) // max(count - 1, 1)
    return [*(start_ns + step_ns * i for i in range(count - 1)), end_ns - _CLOSE_BEFORE_END_NS]


def _volumes(volume: Decimal, count: int, decimals: int) -> list[Decimal]:
    share = round_down(volume / count, decimals)
    return [*(share for _ in range(count - 1)), volume - share * (count - 1)]


def _sides(prices: Sequence[Decimal], *, rising: bool) -> list[Side]:
    sides = []
    previous = prices[0]
    for price in prices:
        bought = rising if price == previous else price > previous
        sides.append(Side.BUY if bought else Side.SELL)
        previous = price
    return sides
