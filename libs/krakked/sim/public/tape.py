"""What everybody may know of one pair: its trades, its candles of every length, its figures.

Built from the market's past when the venue opens, and kept up by the exchange's prints from then
on: trades, ticker and candles all tell of the same prints.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.money import ZERO
from krakked.sim.exchange.events import PublicTrade
from krakked.sim.exchange.pairs import VenuePair
from krakked.sim.market.candles import INTERVALS_MIN, Candle
from krakked.sim.market.model import Market, Print, Quoting, Summarized
from krakked.sim.public.candle_store import CandleStore
from krakked.sim.public.days import DAY_NS, DayWindow, Today
from krakked.sim.public.series import COMMITTED_MAX, CandleSeries, Row
from krakked.sim.public.trade_log import TradeLog

SPREADS_MAX: Final = 200


class Spread(msgspec.Struct, frozen=True, gc=False):
    """The best bid and ask at an instant."""

    at_ns: int
    bid: Decimal
    ask: Decimal


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A ticker without its quotes; pairs of numbers are (today, last 24 hours)."""

    last: Decimal
    last_quantity: Decimal
    volume: tuple[Decimal, Decimal]
    vwap: tuple[Decimal, Decimal]
    count: tuple[int, int]
    low: tuple[Decimal, Decimal]
    high: tuple[Decimal, Decimal]
    open_today: Decimal
    open_24h: Decimal


class Tape:
    """See the module."""

    def __init__(self, pair: VenuePair, market: Market, now_ns: int, last_id: int) -> None:
        self.pair = pair
        self._market = market
        self._opened_ns = now_ns
        self._candles = CandleStore(self._candles_before)
        self._window = DayWindow()
        self._today = Today()
        self.trades = TradeLog(self._past)
        self.spreads: deque[Spread] = deque(maxlen=SPREADS_MAX)
        past = market.prints_before(pair.altname, now_ns - DAY_NS, now_ns)
        self._take_spreads(past)
        counts_ns = self._take_candles(market, now_ns)
        is_summarized = isinstance(market, Summarized)
        for trade in _numbered(past, pair, last_id):
            if is_summarized:
                self._candles.add(trade)
            self.trades.append(trade)
            if trade.at_ns >= counts_ns:
                self._count(trade)

    def __repr__(self) -> str:
        return f"<Tape {self.pair.altname} {self._window!r}>"

    def add(self, trade: PublicTrade) -> list[tuple[CandleSeries, Row]]:
        """One more print; the candles it changed."""
        self.trades.append(trade)
        self._count(trade)
        return self._candles.add(trade)

    def note_spread(self, spread: Spread) -> None:
        """The best prices changed."""
        newest = self.spreads[-1] if self.spreads else None
        if newest is None or (newest.bid, newest.ask) != (spread.bid, spread.ask):
            self.spreads.append(spread)

    def series(self, minutes: int) -> CandleSeries:
        """The candles of that length."""
        return self._candles.series(minutes)

    def figures(self, now_ns: int) -> Figures | None:
        """The ticker's numbers; None before the first trade ever."""
        if not self.trades:
            return None
        (last,) = self.trades.newest(1)
        window, today = self._window, self._today
        window.forget(now_ns)
        today.roll(now_ns, last.price)
        return Figures(
            last=last.price,
            last_quantity=last.quantity_base,
            volume=(today.volume, window.volume),
            vwap=(today.vwap, window.vwap),
            count=(today.count, window.count),
            low=(today.low, window.low or ZERO),
            high=(today.high, window.high or ZERO),
            open_today=today.open,
            open_24h=window.open or ZERO,
        )

    def _past(self, from_ns: int, oldest: PublicTrade) -> list[PublicTrade]:
        """What happened before the oldest trade that is kept."""
        found = self._market.prints_before(self.pair.altname, from_ns, oldest.at_ns)
        return _numbered(found, self.pair, oldest.trade_id - 1)

    def _take_spreads(self, past: Sequence[Print]) -> None:
        """What the last trades left as best prices, where that is known."""
        if isinstance(self._market, Quoting):
            for item in past[-2 * SPREADS_MAX :]:
                bid, ask = self._market.quote_after(self.pair.altname, item)
                self.note_spread(Spread(at_ns=item.at_ns, bid=bid, ask=ask))

    def _take_candles(self, market: Market, now_ns: int) -> int:
        """What only candles tell, of the last day too; from when on its trades are known."""
        if not isinstance(market, Summarized):
            return 0
        for minutes in INTERVALS_MIN:
            self._candles.open(minutes, market.candles_known_ns(self.pair.altname, minutes))
        candles, counts_ns = market.day_before(self.pair.altname, now_ns)
        for candle in candles:
            self._window.add_candle(candle)
            self._today.add_candle(candle)
        return counts_ns

    def _count(self, trade: PublicTrade) -> None:
        self._window.add(trade.at_ns, trade.price, trade.quantity_base)
        self._today.add(trade.at_ns, trade.price, trade.quantity_base)

    def _candles_before(self, minutes: int) -> list[Candle]:
        """From before the opening, the one that was forming then too."""
        return self._market.candles_before(
            self.pair.altname, minutes, self._opened_ns, COMMITTED_MAX + 1
        )


def _numbered(past: list[Print], pair: VenuePair, last_id: int) -> list[PublicTrade]:
    """Prints from before the start, with ids that end where the exchange's go on."""
    first = last_id + 1 - len(past)
    instants_ns = _distinct(item.at_ns for item in past)
    return [
        PublicTrade(
            pair=pair.altname,
            price=item.price,
            quantity_base=item.quantity_base,
            taker_side=item.taker_side,
            order_type=item.order_type,
            trade_id=number,
            at_ns=at_ns,
        )
        for number, (item, at_ns) in enumerate(zip(past, instants_ns, strict=True), start=first)
    ]


def _distinct(instants_ns: Iterable[int]) -> Iterator[int]:
    """Each later than the one before: Trades is read on from an instant."""
    newest_ns = -1
    for at_ns in instants_ns:
        newest_ns = max(at_ns, newest_ns + 1)
        yield newest_ns
