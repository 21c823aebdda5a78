"""An invented market: trends, jumps, gaps and thin hours, all a function of (seed, pair, time).

Nothing is carried from one trade to the next. The price at an instant is the pair's base price
moved by the sum of a dozen waves of noise with periods from a minute to two years, and by jumps;
whether an hour is busy, thin or silent, and when, how much and which way strangers trade in it,
are hashes of the hour, the minute and the slot. So the past of any start is there without having
been played, a restart goes on where the run before it stopped, and what is exported as candles
is what a run would have shown.

Everything is whole numbers (ticks, 10^-8 base, microseconds): no machine computes it differently.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from krakked.domain.ids import PairName
from krakked.domain.money import price_from_ticks, ticks_from_price
from krakked.domain.orders import Side
from krakked.domain.times import DAY_S, NS_PER_SECOND
from krakked.sim.exchange.pairs import VenuePair
from krakked.sim.market.candles import Candle, first_stretch, fold
from krakked.sim.market.model import Print, Quote, Venue, ladder, play, quote_around

Whole: TypeAlias = npt.NDArray[np.int64]
Waves: TypeAlias = Sequence[tuple[int, int]]

PARTS: Final = 1_000_000_000
"""Relative moves are in billionths."""
WAVES: Final[Waves] = (
    (6, 300_000),
    (8, 600_000),
    (10, 1_200_000),
    (12, 3_000_000),
    (14, 7_000_000),
    (16, 15_000_000),
    (18, 28_000_000),
    (20, 50_000_000),
    (22, 90_000_000),
    (24, 150_000_000),
    (26, 200_000_000),
)
"""Period as a power of two seconds (a minute to two years), amplitude in billionths."""
JUMPS: Final = ((2 * 86_400, 15_000_000), (13 * 86_400, 40_000_000))
"""Every such period has one instant at which the price steps to another level."""
SILENT_HOURS: Final = 400
"""One hour in so many has no trade at all."""
THIN_HOURS: Final = 12
"""One hour in so many has a trade every seven minutes or so."""
SLOTS: Final = 4
"""A busy minute has a trade in nearly each of its quarters."""
HISTORY_DAYS_MAX: Final = 742
"""Candles from before the start reach back this far: 720 days, and 106 weeks."""

_SLOT_US: Final = 15_000_000
_HOUR_S: Final = 3600
_DAY_MINUTES: Final = DAY_S // 60
_UNIT_DECIMALS: Final = 8
_PRINT_QUOTE: Final = Decimal(3_000)
"""A large everyday trade, in dollars at the base price."""
_CHUNK_HOURS: Final = 1
_PORTION_S: Final = 2 * DAY_S
"""Trades of longer stretches are made in portions that the processor's memory holds."""


class Habits(msgspec.Struct, frozen=True):
    """How such a market behaves."""

    waves: Waves = WAVES
    has_thin_hours: bool = True


USUAL: Final = Habits()


class SyntheticMarket:
    """See the module."""

    def __init__(
        self,
        *,
        pairs: Mapping[PairName, VenuePair],
        prices: Mapping[PairName, Decimal],
        seed: int,
        start_ns: int,
        habits: Habits = USUAL,
    ) -> None:
        self._start_ns = start_ns
        self._streams = {
            name: Stream(pairs[name], price, seed, index, habits)
            for index, (name, price) in enumerate(prices.items())
        }
        self._queue = [(start_ns, stream.index, stream) for stream in self._streams.values()]
        heapq.heapify(self._queue)

    @property
    def pairs(self) -> tuple[PairName, ...]:
        """The pairs it moves."""
        return tuple(self._streams)

    def next_event_ns(self) -> int | None:
        """When :meth:`step` has something to do."""
        return self._queue[0][0] if self._queue else None

    def step(self, now_ns: int, venue: Venue) -> None:
        """Play everything up to ``now_ns``."""
        while self._queue and self._queue[0][0] <= now_ns:
            at_ns, index, stream = self._queue[0]
            next_ns = stream.play(at_ns, venue)
            heapq.heapreplace(self._queue, (next_ns, index, stream))

    def candles_before(
        self, pair: PairName, minutes: int, before_ns: int, count: int
    ) -> list[Candle]:
        """The candles of the ``count`` newest stretches before an instant, and one to fill from."""
        stream, step_s = self._streams[pair], minutes * 60
        from_s = first_stretch(step_s, before_ns, count)
        if step_s >= DAY_S:
            return [each for each in stream.days(minutes, before_ns) if each.start_s >= from_s]
        found = stream.candles(minutes, from_s, before_ns)
        if found and found[0].start_s == from_s:
            return found
        return [*stream.newest_before(minutes, from_s), *found]

    def candles_between(self, pair: PairName, minutes: int, from_s: int, to_s: int) -> list[Candle]:
        """All candles of a stretch, for export."""
        return self._streams[pair].candles(minutes, from_s, to_s * NS_PER_SECOND)

    def prints_before(self, pair: PairName, from_ns: int, before_ns: int) -> list[Print]:
        """The trades of ``[from_ns, before_ns)``, oldest first."""
        return self._streams[pair].prints(from_ns, before_ns)

    def quote_after(self, pair: PairName, item: Print) -> Quote:
        """The best bid and ask that a trade left behind."""
        return quote_around(item, self._streams[pair].pair)

    def set_price(self, pair: PairName, price: Decimal) -> None:
        """Shift the pair's whole future so that it stands there now."""
        self._streams[pair].shift(price, self._queue[0][0])


class Trades(msgspec.Struct, frozen=True):
    """Columns of trades, oldest first."""

    at_us: Whole
    ticks: Whole
    units: Whole
    buys: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.at_us)

    def within(self, from_ns: int, before_ns: int) -> Trades:
        """Those of ``[from_ns, before_ns)``."""
        first, last = np.searchsorted(self.at_us, [-(-from_ns // 1000), -(-before_ns // 1000)])
        return Trades(*(getattr(self, name)[first:last] for name in self.__struct_fields__))

    def newest(self, count: int) -> Trades:
        """The last of them."""
        return Trades(*(getattr(self, name)[-count:] for name in self.__struct_fields__))


class Stream:
    """One pair's trades, of any stretch of time."""

    def __init__(
        self, pair: VenuePair, price: Decimal, seed: int, index: int, habits: Habits = USUAL
    ) -> None:
        self.pair = pair
        self.index = index
        self._seed = seed
        self._habits = habits
        self._bases = [(0, ticks_from_price(price, pair.tick_size))]
        """From which microsecond on the price is around how many ticks: it may be set."""
        # a trade is worth dollars, or what they were in bitcoin
        worth = _PRINT_QUOTE if pair.quote.altname.startswith("USD") else Decimal("0.05")
        self._units = max(int((worth / price).scaleb(_UNIT_DECIMALS)), 1)
        self._level_quantity = Decimal(self._units).scaleb(-_UNIT_DECIMALS) * 4
        self._waiting: list[Print] = []
        self._filled_to_s = 0
        self._days: list[Candle] = []
        self._today_s = -1
        """The days before that one are kept: they are asked for once for each length."""

    def play(self, at_ns: int, venue: Venue) -> int:
        """Play the trade of that instant, if there is one; when the next one comes."""
        if self._waiting and self._waiting[0].at_ns == at_ns:
            play(self._waiting.pop(0), self.pair, self._level_quantity, venue)
        else:
            self._open(at_ns, venue)
        while not self._waiting:
            self._fill(at_ns)
        return self._waiting[0].at_ns

    def prints(self, from_ns: int, before_ns: int) -> list[Print]:
        """The trades of ``[from_ns, before_ns)`` as records."""
        return self._printed(self._traded(from_ns, before_ns))

    def _traded(self, from_ns: int, before_ns: int) -> Trades:
        trades = self.trades(from_ns // NS_PER_SECOND, -(-before_ns // NS_PER_SECOND))
        return trades.within(from_ns, before_ns)

    def _printed(self, found: Trades) -> list[Print]:
        tick_size = self.pair.tick_size
        rows = zip(
            found.at_us.tolist(),
            found.ticks.tolist(),
            found.units.tolist(),
            found.buys.tolist(),
            strict=True,
        )
        return [
            Print(
                at_ns=at_us * 1000,
                price=price_from_ticks(ticks, tick_size),
                quantity_base=Decimal(units).scaleb(-_UNIT_DECIMALS),
                taker_side=Side.BUY if buys else Side.SELL,
            )
            for at_us, ticks, units, buys in rows
        ]

    def candles(self, minutes: int, from_s: int, before_ns: int) -> list[Candle]:
        """The candles of a stretch, oldest first; the last one may be unfinished."""
        step_s, to_s = minutes * 60, -(-before_ns // NS_PER_SECOND)
        portion_s = max(_PORTION_S // step_s, 1) * step_s
        found: list[Candle] = []
        for start_s in range(from_s, to_s, portion_s):
            trades = self.trades(start_s, min(start_s + portion_s, to_s))
            end_ns = min((start_s + portion_s) * NS_PER_SECOND, before_ns)
            found += self._folded(minutes, trades.within(start_s * NS_PER_SECOND, end_ns))
        return found

    def newest_before(self, minutes: int, before_s: int) -> list[Candle]:
        """The last candle with a trade, which is not far: hours are silent, days are not."""
        for back_s in (_HOUR_S, 4 * _HOUR_S, DAY_S):
            step_s = minutes * 60
            from_s = max((before_s - back_s) // step_s * step_s, 0)
            found = self.candles(minutes, from_s, before_s * NS_PER_SECOND)
            if found:
                return found[-1:]
        return []

    def days(self, minutes: int, before_ns: int) -> list[Candle]:
        """All candles of days or longer from before an instant, the first of them a whole one."""
        today_s = (before_ns - 1) // NS_PER_SECOND // DAY_S * DAY_S
        if today_s != self._today_s:
            oldest_s = max(today_s - HISTORY_DAYS_MAX * DAY_S, 0)
            self._days = self.candles(_DAY_MINUTES, oldest_s, today_s * NS_PER_SECOND)
            self._today_s = today_s
        today = self.candles(_DAY_MINUTES, today_s, before_ns)
        found = list(fold([*self._days, *today], minutes))
        is_whole = not self._days or found[0].start_s == self._days[0].start_s
        return found if is_whole else found[1:]

    def _folded(self, minutes: int, trades: Trades) -> list[Candle]:
        """Candles of trades, oldest first."""
        if not len(trades):
            return []
        step_us = minutes * 60_000_000
        buckets = trades.at_us // step_us
        firsts = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
        lasts = np.append(firsts[1:], len(trades)) - 1
        columns = (
            buckets[firsts] * (step_us // 1_000_000),
            trades.ticks[firsts],
            np.maximum.reduceat(trades.ticks, firsts),
            np.minimum.reduceat(trades.ticks, firsts),
            trades.ticks[lasts],
            np.add.reduceat(trades.units, firsts),
            lasts - firsts + 1,
        )
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return [self._candle(minutes, row) for row in rows]

    def trades(self, from_s: int, to_s: int) -> Trades:
        """All trades of the minutes that touch ``[from_s, to_s)``."""
        minutes = np.arange(from_s // 60, -(-to_s // 60), dtype=np.int64)
        slots = (minutes[:, None] * SLOTS + np.arange(SLOTS, dtype=np.int64)).ravel()
        slots = slots[self._is_traded(slots)]
        at_us = slots * _SLOT_US + self._chance("instant", slots) % _SLOT_US
        buys = self._chance("side", slots) % 2 == 0
        base = self._base(at_us)
        half_spread = np.maximum(base // 10_000, 1)
        ticks = self._ticks(at_us // 1_000_000, base) + np.where(buys, half_spread, -half_spread)
        return Trades(at_us, np.maximum(ticks, 1), self._sizes(slots), buys)

    def shift(self, price: Decimal, now_ns: int) -> None:
        """Scale the pair so that it stands at ``price`` from now on; the past stays."""
        from_us, base = -(-now_ns // 1000), self._bases[-1][1]
        here = int(self._ticks(np.array([now_ns // NS_PER_SECOND], dtype=np.int64), base)[0])
        wanted = ticks_from_price(price, self.pair.tick_size)
        if self._bases[-1][0] == from_us:
            self._bases.pop()
        self._bases.append((from_us, max(base * wanted // here, 1)))
        self._waiting = []
        self._filled_to_s = 0
        self._today_s = -1

    def _base(self, at_us: Whole) -> Whole | int:
        """Around how many ticks the price was at each instant."""
        if len(self._bases) == 1:
            return self._bases[0][1]
        starts_us, ticks = np.array(self._bases, dtype=np.int64).T
        base: Whole = ticks[np.maximum(np.searchsorted(starts_us, at_us, side="right") - 1, 0)]
        return base

    def _candle(self, minutes: int, row: tuple[int, ...]) -> Candle:
        start_s, first, high, low, last, units, trades = row
        tick_size = self.pair.tick_size
        return Candle(
            start_s=start_s,
            minutes=minutes,
            open=price_from_ticks(first, tick_size),
            high=price_from_ticks(high, tick_size),
            low=price_from_ticks(low, tick_size),
            close=price_from_ticks(last, tick_size),
            volume=Decimal(units).scaleb(-_UNIT_DECIMALS),
            trades=trades,
        )

    def _fill(self, after_ns: int) -> None:
        from_s = max(self._filled_to_s, after_ns // NS_PER_SECOND)
        to_s = (from_s // _HOUR_S + _CHUNK_HOURS) * _HOUR_S
        self._filled_to_s = to_s
        self._waiting = self.prints(max(from_s * NS_PER_SECOND, after_ns + 1), to_s * NS_PER_SECOND)

    def _open(self, now_ns: int, venue: Venue) -> None:
        """Stand the book of the newest trade before ``now_ns``."""
        past = self._traded(now_ns - 6 * _HOUR_S * NS_PER_SECOND, now_ns + 1)
        for last in self._printed(past.newest(1)):
            bids, asks = ladder(self._scaled(last), self.pair, self._level_quantity)
            venue.set_house_book(self.pair.altname, bids, asks, now_ns)

    def _scaled(self, item: Print) -> Print:
        """A trade as it would be if the newest base had been there then."""
        base = int(np.max(self._base(np.array([item.at_ns // 1000], dtype=np.int64))))
        newest, tick_size = self._bases[-1][1], self.pair.tick_size
        ticks = max(ticks_from_price(item.price, tick_size) * newest // base, 1)
        return msgspec.structs.replace(item, price=price_from_ticks(ticks, tick_size))

    def _is_traded(self, slots: Whole) -> npt.NDArray[np.bool_]:
        if not self._habits.has_thin_hours:
            busy: npt.NDArray[np.bool_] = self._chance("slot", slots) % 16 != 0
            return busy
        mood = self._smooth("hour", slots // (SLOTS * 60))
        slot = self._chance("slot", slots)
        traded: npt.NDArray[np.bool_] = np.where(
            mood % THIN_HOURS == 0, slot % (SLOTS * 7) == 0, slot % 16 != 0
        )
        sounds: npt.NDArray[np.bool_] = mood // THIN_HOURS % SILENT_HOURS != 0
        return np.logical_and(traded, sounds)

    def _sizes(self, slots: Whole) -> Whole:
        share = self._chance("size", slots) % 4096
        everyday = self._units * (share * share // 4096 + 40) // 4096
        large = self._chance("large", slots) % 64 == 0
        return np.maximum(np.where(large, everyday * 8, everyday), 1)

    def _ticks(self, at_s: Whole, base: Whole | int) -> Whole:
        moved = np.zeros(len(at_s), dtype=np.int64)
        for bits, amplitude in self._habits.waves:
            moved += self._wave(at_s, bits) * amplitude >> _LATTICE_BITS
        for period_s, amplitude in JUMPS:
            moved += self._step(at_s, period_s) * amplitude >> _LATTICE_BITS
        # base ticks × billionths would overflow for a pair of a billion ticks: scale in two halves
        return base + (base * (moved // 1000)) // (PARTS // 1000)

    def _wave(self, at_s: Whole, bits: int) -> Whole:
        places, levels = self._levels(f"wave {bits}", at_s >> bits)
        into = at_s & ((1 << bits) - 1)
        moved: Whole = levels[places] + (np.diff(levels)[places] * into >> bits)
        return moved

    def _step(self, at_s: Whole, period_s: int) -> Whole:
        index = at_s // period_s
        jumped = at_s % period_s >= self._smooth(f"jump {period_s}", index) % period_s
        places, levels = self._levels(f"step {period_s}", index)
        return levels[places + jumped]

    def _levels(self, what: str, index: Whole) -> tuple[Whole, Whole]:
        """Levels of every index there is and of one more, and the place of each index in them.

        Between minus one and one, in 2^-20.
        """
        every = _span(index)
        chance = self._chance(what, np.append(every, every[-1:] + 1))
        return index - every[:1], chance % (2 << _LATTICE_BITS) - (1 << _LATTICE_BITS)

    def _smooth(self, what: str, index: Whole) -> Whole:
        """:meth:`_chance` for an index that hardly moves from one element to the next."""
        every = _span(index)
        found: Whole = self._chance(what, every)[index - every[:1]]
        return found

    def _chance(self, what: str, index: Whole) -> Whole:
        """A number from 0 to 2^63 − 1 for every index, the same for ever."""
        text = f"{self._seed}|{self.pair.altname}|{what}"
        key = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return _mixed(index, int.from_bytes(key))


_LATTICE_BITS: Final = 20


def _span(index: Whole) -> Whole:
    """Every number from the first element to the last; they are in order."""
    return np.arange(index[0], index[-1] + 1, dtype=np.int64) if len(index) else index


def _mixed(index: Whole, key: int) -> Whole:
    """SplitMix64's finish over ``key`` + index steps: every bit depends on every bit."""
    x = index.astype(np.uint64)
    x *= np.uint64(0x9E3779B97F4A7C15)
    x += np.uint64(key)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    x >>= np.uint64(1)
    return x.view(np.int64)
