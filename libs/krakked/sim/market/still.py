"""A still market: every pair stays at its price, with a small trade every ten seconds.

The trades alternate between bid and ask, so that tickers and candles keep ticking while the book
does not move; each one also fills up what accounts have taken from the house. The past looks the
same as the present, whatever length of candle is asked for, but for prices that were set since:
those hold from the next trade on.
"""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.ids import PairName
from krakked.domain.money import price_down, round_down
from krakked.domain.orders import Side
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.pairs import VenuePair
from krakked.sim.market.candles import Candle
from krakked.sim.market.model import Print, Quote, Venue, levels_above_and_below, spread_of

PERIOD_S: Final = 10
_PERIOD_NS: Final = PERIOD_S * NS_PER_SECOND
_STAGGER_NS: Final = NS_PER_SECOND
"""Pairs trade one second after another, ten of them at most in one second."""
_PRINT_PARTS: Final = 200
_LEVEL_PARTS: Final = 2
_REFERENCE_QUOTE: Final = Decimal(100_000)
"""A level is worth half of it at the starting price, a print a two-hundredth."""


class CalmMarket:
    """See the module."""

    def __init__(
        self,
        *,
        pairs: Mapping[PairName, VenuePair],
        prices: Mapping[PairName, Decimal],
        start_ns: int,
    ) -> None:
        self._lanes = {
            name: _Lane(pairs[name], price, _STAGGER_NS * (index % PERIOD_S), start_ns)
            for index, (name, price) in enumerate(prices.items())
        }
        self._queue = [(start_ns, index, lane) for index, lane in enumerate(self._lanes.values())]
        heapq.heapify(self._queue)

    @property
    def pairs(self) -> tuple[PairName, ...]:
        """The pairs it moves."""
        return tuple(self._lanes)

    def next_event_ns(self) -> int | None:
        """When :meth:`step` has something to do."""
        return self._queue[0][0] if self._queue else None

    def step(self, now_ns: int, venue: Venue) -> None:
        """Play everything up to ``now_ns``."""
        while self._queue and self._queue[0][0] <= now_ns:
            at_ns, index, lane = self._queue[0]
            lane.play(at_ns, venue)
            heapq.heapreplace(self._queue, (lane.next_ns, index, lane))

    def candles_before(
        self, pair: PairName, minutes: int, before_ns: int, count: int
    ) -> list[Candle]:
        """Up to ``count`` newest candles from before an instant, oldest first."""
        lane = self._lanes[pair]
        step_s = minutes * 60
        last_s = (before_ns - 1) // NS_PER_SECOND // step_s * step_s
        starts = range(max(0, last_s - step_s * (count - 1)), last_s + 1, step_s)
        candles = (lane.candle(start_s, minutes, before_ns) for start_s in starts)
        return [candle for candle in candles if candle is not None]

    def candles_between(self, pair: PairName, minutes: int, from_s: int, to_s: int) -> list[Candle]:
        """All candles of a stretch, for export."""
        count = -(-(to_s - from_s) // (minutes * 60))
        return self.candles_before(pair, minutes, to_s * NS_PER_SECOND, count)

    def prints_before(self, pair: PairName, from_ns: int, before_ns: int) -> list[Print]:
        """The trades of ``[from_ns, before_ns)``, oldest first."""
        lane = self._lanes[pair]
        turns = range(lane.turn(from_ns - 1) + 1, lane.turn(before_ns - 1) + 1)
        return [lane.at(turn, lane.instant(turn)) for turn in turns]

    def quote_after(self, pair: PairName, item: Print) -> Quote:
        """The best bid and ask that a trade left behind."""
        return self._lanes[pair].quote(item.at_ns)

    def set_price(self, pair: PairName, price: Decimal) -> None:
        """Stand somewhere else from the next trade on."""
        self._lanes[pair].stand(price)


class _Stand(msgspec.Struct, frozen=True, gc=False):
    """Where a pair stands from an instant on."""

    from_ns: int
    bid: Decimal
    ask: Decimal

    def price(self, turn: int) -> Decimal:
        """At which a turn trades."""
        return self.bid if turn % 2 else self.ask


class _Lane:
    """One pair: turn k trades at ``k`` periods after 1970, even turns buy, odd ones sell."""

    def __init__(self, pair: VenuePair, price: Decimal, stagger_ns: int, start_ns: int) -> None:
        self.pair = pair
        self.next_ns = start_ns
        """When it trades next."""
        self._stagger_ns = stagger_ns
        # the worth of a unit of the quote differs: sizes are fractions of what 100,000 dollars buy
        worth = _REFERENCE_QUOTE if pair.quote.altname.startswith("USD") else Decimal(2)
        reference = worth / price
        self._level_quantity = round_down(reference / _LEVEL_PARTS, pair.lot_decimals)
        self._print_quantity = round_down(reference / _PRINT_PARTS, pair.lot_decimals)
        self._stands = [self._around(price, 0)]
        """Oldest first; the first one has been there for ever."""

    def stand(self, price: Decimal) -> None:
        """Half a spread around ``price`` from the next trade on."""
        newest = self._around(price, self.next_ns)
        if self._stands[-1].from_ns == newest.from_ns:
            self._stands.pop()
        self._stands.append(newest)

    def _around(self, price: Decimal, from_ns: int) -> _Stand:
        spread = spread_of(price, self.pair.tick_size)
        bid = price_down(price - spread / 2, self.pair.tick_size)
        return _Stand(from_ns, bid, bid + spread)

    def _stand(self, at_ns: int) -> _Stand:
        """Where it stands at an instant."""
        newest = self._stands[-1]
        if newest.from_ns <= at_ns:
            return newest
        after = bisect.bisect_right(self._stands, at_ns, key=lambda each: each.from_ns)
        return self._stands[max(after - 1, 0)]

    def quote(self, at_ns: int) -> Quote:
        """Bid and ask at an instant."""
        stand = self._stand(at_ns)
        return stand.bid, stand.ask

    def play(self, at_ns: int, venue: Venue) -> None:
        """Trade, and fill the book up again."""
        name, item, stand = self.pair.altname, self.at(self.turn(at_ns), at_ns), self._stand(at_ns)
        self.next_ns = self.instant(self.turn(at_ns) + 1)
        venue.market_trade(name, item.price, item.quantity_base, item.taker_side, at_ns)
        spread = stand.ask - stand.bid
        bids, asks = levels_above_and_below(stand.bid, spread, self.pair, self._level_quantity)
        venue.set_house_book(name, bids, asks, at_ns)

    def instant(self, turn: int) -> int:
        """When a turn trades."""
        return turn * _PERIOD_NS + self._stagger_ns

    def turn(self, now_ns: int) -> int:
        """The newest turn that has traded at ``now_ns``."""
        return (now_ns - self._stagger_ns) // _PERIOD_NS

    def at(self, turn: int, at_ns: int) -> Print:
        """The trade of a turn."""
        side = Side.SELL if turn % 2 else Side.BUY
        return Print(
            at_ns=at_ns,
            price=self._stand(at_ns).price(turn),
            quantity_base=self._print_quantity,
            taker_side=side,
        )

    def candle(self, start_s: int, minutes: int, before_ns: int) -> Candle | None:
        """What a stretch has seen before an instant."""
        start_ns = start_s * NS_PER_SECOND
        end_ns = min(start_ns + minutes * 60 * NS_PER_SECOND, before_ns)
        first, last = self.turn(start_ns - 1) + 1, self.turn(end_ns - 1)
        if last < first:
            return None
        parts = list(self._parts(first, last))
        prices = [price for part in parts for price in _prices(*part)]
        return Candle(
            start_s=start_s,
            minutes=minutes,
            open=parts[0][0].price(first),
            high=max(prices),
            low=min(prices),
            close=parts[-1][0].price(last),
            volume=self._print_quantity * (last - first + 1),
            trades=last - first + 1,
        )

    def _parts(self, first: int, last: int) -> Iterator[tuple[_Stand, int, int]]:
        """A run of turns, cut where the price was set: where it stood, first and last turn."""
        ends = [self.turn(each.from_ns - 1) for each in self._stands[1:]]
        for stand, end in zip(self._stands, [*ends, last], strict=True):
            until = min(end, last)
            if until >= first:
                yield stand, first, until
                first = until + 1


def _prices(stand: _Stand, first: int, last: int) -> tuple[Decimal, ...]:
    """All that a run of turns has traded at."""
    return (stand.price(first),) if first == last else (stand.bid, stand.ask)
