"""A market that happens elsewhere: another venue's public data as its book, trades and candles.

Whoever listens to the other venue tells the market what was heard (:meth:`FollowMarket.hear_book`,
:meth:`FollowMarket.hear_trades`) and lets it play at once; the market checks books by their sums,
drops what was heard twice, and plays the rest to the exchange, where ``exchange/mirrored.py`` says
how orders fare. It makes nothing up: where nothing was heard, nothing happens.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, Protocol, TypeAlias, runtime_checkable

import msgspec

from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName
from krakked.domain.orders import Side
from krakked.domain.times import DAY_S, NS_PER_SECOND
from krakked.sim.exchange.book import key_of
from krakked.sim.exchange.mirrored import LevelChange, Mirror, MirroredTrade
from krakked.sim.exchange.pairs import VenuePair
from krakked.sim.market.candles import Candle
from krakked.sim.market.model import Print, Venue
from krakked.sim.public.checksum import LEVELS, book_checksum

DAY_MINUTES: Final = 5
"""Candles that the last day is known by: 720 of them reach back far enough."""
_IDLE_NS: Final = 3_600 * NS_PER_SECOND
"""Nothing is ever due by itself; the next look is after an hour."""

Levels: TypeAlias = Sequence[tuple[Decimal, Decimal]]


class BookBroken(Exception):
    """A book that cannot be the other venue's: it must be asked for anew."""


class BookTold(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message about a book: all of it, or levels that changed (zero: gone)."""

    is_snapshot: bool
    bids: Levels
    asks: Levels
    checksum: int


class PairPast(msgspec.Struct, frozen=True, kw_only=True):
    """What another venue told of one pair before it was followed."""

    trades: Sequence[MirroredTrade]
    """The newest ones, oldest first."""
    candles: Mapping[int, Sequence[Candle]]
    """By minutes; the last of each may still grow."""
    candles_ns: Mapping[int, int]
    """When each was asked for: trades up to then are in it."""


@runtime_checkable
class MirrorVenue(Protocol):
    """The exchange, as another venue's data comes in."""

    def mirror(self, pair: PairName, now_ns: int) -> Mirror:
        """The way in of one pair."""
        ...


class SourceBook:
    """One pair's book at the other venue, to some depth."""

    def __init__(self, pair: VenuePair, depth: int) -> None:
        self._pair = pair
        self._depth = depth
        self._sides = {Side.BUY: _BookSide(Side.BUY), Side.SELL: _BookSide(Side.SELL)}
        self.is_known = False
        """A snapshot was taken, and nothing broke since."""

    def __repr__(self) -> str:
        state = "known" if self.is_known else "unknown"
        return f"<SourceBook {self._pair.altname} {state} {self.best()}>"

    def best(self) -> tuple[Decimal | None, Decimal | None]:
        """Bid and ask."""
        bids, asks = (self._sides[side].top(1) for side in (Side.BUY, Side.SELL))
        return (bids[0][0] if bids else None), (asks[0][0] if asks else None)

    def levels(self, side: Side) -> list[tuple[Decimal, Decimal]]:
        """All that is known of a side, best first."""
        return self._sides[side].top(self._depth)

    def take(self, told: BookTold) -> tuple[list[LevelChange], list[LevelChange]]:
        """Follow one message; the levels of bids and asks that are another now.

        Raises:
            BookBroken: the sum does not agree, or the sides cross.
        """
        if told.is_snapshot:
            for side in self._sides.values():
                side.clear()
        elif not self.is_known:
            raise BookBroken(f"{self._pair.altname}: a change came before the book")
        bids = self._sides[Side.BUY].take(told.bids, self._depth)
        asks = self._sides[Side.SELL].take(told.asks, self._depth)
        self.is_known = False
        self._check(told.checksum)
        self.is_known = True
        return bids, asks

    def _check(self, checksum: int) -> None:
        bids, asks = self._sides[Side.BUY].top(LEVELS), self._sides[Side.SELL].top(LEVELS)
        found = book_checksum(
            asks,
            bids,
            price_decimals=self._pair.pair_decimals,
            quantity_decimals=self._pair.lot_decimals,
        )
        if found != checksum:
            raise BookBroken(f"{self._pair.altname}: sum {found}, the source says {checksum}")
        if bids and asks and bids[0][0] >= asks[0][0]:
            raise BookBroken(f"{self._pair.altname}: bid {bids[0][0]} is not below {asks[0][0]}")


class _BookSide:
    """Levels of one side, and their keys in order."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._sizes: dict[Decimal, Decimal] = {}
        self._keys: list[Decimal] = []

    def clear(self) -> None:
        """Know nothing."""
        self._sizes.clear()
        self._keys.clear()

    def top(self, count: int) -> list[tuple[Decimal, Decimal]]:
        """The best levels."""
        sign = self._side.sign
        return [(-sign * key, self._sizes[-sign * key]) for key in self._keys[:count]]

    def take(self, levels: Levels, depth: int) -> list[LevelChange]:
        """Set levels one after the other, then cut to the depth; what is another now."""
        changed: dict[Decimal, Decimal | None] = {}
        for price, size in levels:
            self._set(price, size)
            changed[price] = size
        for key in self._keys[depth:]:
            price = -self._side.sign * key
            del self._sizes[price]
            changed[price] = None
        del self._keys[depth:]
        return list(changed.items())

    def _set(self, price: Decimal, size: Decimal) -> None:
        key = key_of(self._side, price)
        index = bisect.bisect_left(self._keys, key)
        is_there = price in self._sizes
        if size:
            self._sizes[price] = size
            if not is_there:
                self._keys.insert(index, key)
        elif is_there:
            del self._sizes[price], self._keys[index]


class _BookNews(msgspec.Struct, frozen=True, kw_only=True):
    """A book to be played."""

    is_snapshot: bool
    bids: list[LevelChange]
    asks: list[LevelChange]


class _Lane:
    """One pair."""

    def __init__(self, pair: VenuePair, past: PairPast, depth: int) -> None:
        self.pair = pair
        self.depth = depth
        self.book = SourceBook(pair, depth)
        self.past = past
        self.last_ns = 0
        self.last_id = 0
        self._newest: dict[int, MirroredTrade] = {}
        """Trades at the last instant, by id."""
        for trade in past.trades:
            self.is_new(trade)

    def is_new(self, trade: MirroredTrade) -> bool:
        """Whether it was not heard before; remembers it."""
        known = self._newest if trade.at_ns == self.last_ns else {}
        if trade.at_ns < self.last_ns or trade.trade_id in known:
            return False
        self._newest = known | {trade.trade_id: trade}
        self.last_ns, self.last_id = trade.at_ns, trade.trade_id
        return True

    def unheard(self, missed: Iterable[MirroredTrade]) -> list[MirroredTrade]:
        """Without those of the last instant, also if the venue numbers them anew."""
        heard = {_looks(trade) for trade in self._newest.values()}
        return [trade for trade in missed if _looks(trade) not in heard]

    def candles(self, minutes: int) -> Sequence[Candle]:
        """What was told of that length, oldest first."""
        return self.past.candles.get(minutes, ())

    def play(self, news: _BookNews | MirroredTrade, mirror: Mirror) -> None:
        """To the exchange."""
        match news:
            case MirroredTrade():
                mirror.trade(news)
            case _BookNews(is_snapshot=True):
                bids, asks = self.book.levels(Side.BUY), self.book.levels(Side.SELL)
                mirror.replace(bids, asks, self.depth)
            case _BookNews():
                mirror.change(news.bids, news.asks, self.depth)


class FollowMarket:
    """See the module."""

    def __init__(
        self,
        *,
        pairs: Mapping[PairName, VenuePair],
        pasts: Mapping[PairName, PairPast],
        depth: int,
        start_ns: int,
    ) -> None:
        self._lanes = {name: _Lane(pair, pasts[name], depth) for name, pair in pairs.items()}
        self._waiting: deque[tuple[int, PairName, _BookNews | MirroredTrade]] = deque()
        self._start_ns = self._now_ns = start_ns

    def __repr__(self) -> str:
        return f"<FollowMarket {', '.join(self._lanes)}>"

    # what was heard

    def hear_book(self, pair: PairName, told: BookTold, now_ns: int) -> None:
        """A book, or its change.

        Raises:
            BookBroken: it cannot be; nothing is played before the next snapshot.
        """
        bids, asks = self._lanes[pair].book.take(told)
        news = _BookNews(is_snapshot=told.is_snapshot, bids=bids, asks=asks)
        self._waiting.append((now_ns, pair, news))

    def hear_trades(self, pair: PairName, trades: Iterable[MirroredTrade], now_ns: int) -> int:
        """Trades in order; those that were heard before are dropped. How many were new.

        An instant that lies ahead of the clock is now.
        """
        lane = self._lanes[pair]
        new = [trade for trade in trades if lane.is_new(trade)]
        for trade in new:
            told = msgspec.structs.replace(trade, at_ns=min(trade.at_ns, now_ns))
            self._waiting.append((now_ns, pair, told))
        return len(new)

    def hear_missed(self, pair: PairName, trades: Sequence[MirroredTrade], now_ns: int) -> int:
        """Trades of a time when nobody listened, from the last one that was heard on."""
        return self.hear_trades(pair, self._lanes[pair].unheard(trades), now_ns)

    def forget_books(self) -> None:
        """The source is lost: only whole books count from now on."""
        for lane in self._lanes.values():
            lane.book.is_known = False

    def knows_books(self) -> bool:
        """Every pair has a book that holds."""
        return all(lane.book.is_known for lane in self._lanes.values())

    def book(self, pair: PairName) -> SourceBook:
        """What the other venue shows."""
        return self._lanes[pair].book

    def last_trade(self, pair: PairName) -> tuple[int, int]:
        """Instant and id of the newest trade that was heard."""
        lane = self._lanes[pair]
        return lane.last_ns, lane.last_id

    # a market, as every other

    @property
    def pairs(self) -> tuple[PairName, ...]:
        """The pairs it moves."""
        return tuple(self._lanes)

    def next_event_ns(self) -> int | None:
        """When :meth:`step` has something to do; it never ends by itself."""
        return self._waiting[0][0] if self._waiting else self._now_ns + _IDLE_NS

    def step(self, now_ns: int, venue: Venue) -> None:
        """Play what was heard."""
        assert isinstance(venue, MirrorVenue), "an exchange can mirror"
        self._now_ns = max(self._now_ns, now_ns)
        while self._waiting and self._waiting[0][0] <= now_ns:
            at_ns, pair, news = self._waiting.popleft()
            self._lanes[pair].play(news, venue.mirror(pair, at_ns))

    def candles_before(
        self, pair: PairName, minutes: int, before_ns: int, count: int
    ) -> list[Candle]:
        """Up to ``count`` newest candles of those that were told before the start, oldest first."""
        is_start = before_ns >= self._start_ns
        return [
            each
            for each in self._lanes[pair].candles(minutes)
            if is_start or each.start_s * NS_PER_SECOND < before_ns
        ][-count:]

    def candles_between(self, pair: PairName, minutes: int, from_s: int, to_s: int) -> list[Candle]:
        """All candles of a stretch that are known."""
        found = self._lanes[pair].candles(minutes)
        return [each for each in found if from_s <= each.start_s < to_s]

    def prints_before(self, pair: PairName, from_ns: int, before_ns: int) -> list[Print]:
        """The trades that were told of the time before the start, oldest first.

        Of the start's own instant too, or later by the other venue's clock.
        """
        is_start = before_ns >= self._start_ns
        return [
            _print(trade)
            for trade in self._lanes[pair].past.trades
            if from_ns <= trade.at_ns and (is_start or trade.at_ns < before_ns)
        ]

    def candles_known_ns(self, pair: PairName, minutes: int) -> int:
        """Trades up to then are in its candles of that length."""
        return self._lanes[pair].past.candles_ns[minutes]

    def day_before(self, pair: PairName, now_ns: int) -> tuple[list[Candle], int]:
        """Candles of the last day up to where trades are known, and that instant.

        A candle that has begun before the oldest known trade stands for its trades.
        """
        lane, step_s = self._lanes[pair], DAY_MINUTES * 60
        trades = lane.past.trades
        first_s = trades[0].at_ns // NS_PER_SECOND if trades else now_ns // NS_PER_SECOND
        counts_s = -(-first_s // step_s) * step_s
        found = self.candles_between(pair, DAY_MINUTES, now_ns // NS_PER_SECOND - DAY_S, counts_s)
        newest = lane.candles(DAY_MINUTES)[-1:]
        if newest and counts_s > newest[0].start_s:
            return found, max(counts_s * NS_PER_SECOND, now_ns)
        return found, counts_s * NS_PER_SECOND

    def set_price(self, pair: PairName, price: Decimal) -> None:
        """Prices of others cannot be moved."""
        raise BadInput(f"{pair} follows another venue; its price cannot be set to {price}")


def _looks(trade: MirroredTrade) -> tuple[int, Decimal, Decimal, Side]:
    return trade.at_ns, trade.price, trade.quantity_base, trade.taker_side


def _print(trade: MirroredTrade) -> Print:
    return Print(
        at_ns=trade.at_ns,
        price=trade.price,
        quantity_base=trade.quantity_base,
        taker_side=trade.taker_side,
        order_type=trade.order_type,
    )
