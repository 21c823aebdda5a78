"""What a market is to the simulated venue: strangers' trades and the house's book, on a time line.

A market says when something happens next and, stepped at that instant, plays it to the exchange.
It also knows its past, so that a venue which opens today has a yesterday: candles and prints from
before the start. Everything follows from the market's parameters; asked twice, it answers the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from krakked.domain.ids import PairName
from krakked.domain.money import ZERO, price_up, round_down
from krakked.domain.orders import Side
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.pairs import VenuePair
from krakked.sim.market.candles import Candle

DEFAULT_PRICES: Final = {
    PairName(name): Decimal(price)
    for name, price in (
        ("XBTUSD", "60000.0"),
        ("ETHUSD", "3000.00"),
        ("SOLUSD", "150.00"),
        ("XDGUSD", "0.1200000"),
        ("ADAUSD", "0.450000"),
        ("ETHXBT", "0.050000"),
        ("XBTUSDT", "60000.0"),
    )
}

_SPREAD_SHARE: Final = Decimal("0.0002")
_LEVELS: Final = 5
_LEVEL_QUANTITY_MIN: Final = 10
"""Order minimums that the smallest level of a house book holds."""


class Print(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One trade between strangers."""

    at_ns: int
    price: Decimal
    quantity_base: Decimal
    taker_side: Side
    order_type: Literal["market", "limit"] = "market"


Quote: TypeAlias = tuple[Decimal, Decimal]
"""A bid and an ask."""


class Venue(Protocol):
    """The market's side of the exchange."""

    def set_house_book(
        self,
        pair: PairName,
        bids: Sequence[tuple[Decimal, Decimal]],
        asks: Sequence[tuple[Decimal, Decimal]],
        now_ns: int,
    ) -> None:
        """Replace the house's liquidity, best first."""
        ...

    def market_trade(
        self,
        pair: PairName,
        price: Decimal,
        quantity_base: Decimal,
        taker_side: Side,
        now_ns: int,
    ) -> None:
        """Strangers trade."""
        ...


class Market(Protocol):
    """See the module."""

    @property
    def pairs(self) -> tuple[PairName, ...]:
        """The pairs it moves, in the order in which they are played at one instant."""
        ...

    def next_event_ns(self) -> int | None:
        """When :meth:`step` has something to do; None when the market is over."""
        ...

    def step(self, now_ns: int, venue: Venue) -> None:
        """Play everything up to ``now_ns``."""
        ...

    def candles_before(
        self, pair: PairName, minutes: int, before_ns: int, count: int
    ) -> list[Candle]:
        """The candles of the ``count`` newest stretches before an instant, oldest first.

        The last one may be unfinished; stretches without trades have none. If it is the first
        that has none, the newest candle before it comes in its place: quiet ones are filled from
        it.
        """
        ...

    def candles_between(self, pair: PairName, minutes: int, from_s: int, to_s: int) -> list[Candle]:
        """All candles of a stretch, for export; both ends lie between two candles."""
        ...

    def prints_before(self, pair: PairName, from_ns: int, before_ns: int) -> list[Print]:
        """The trades of ``[from_ns, before_ns)``, oldest first."""
        ...

    def set_price(self, pair: PairName, price: Decimal) -> None:
        """Move a pair there from the next event on.

        Raises:
            BadInput: this market's prices are given.
        """
        ...


@runtime_checkable
class Summarized(Protocol):
    """A market whose day is known by candles where its trades are not."""

    def day_before(self, pair: PairName, now_ns: int) -> tuple[list[Candle], int]:
        """Candles of the last 24 hours, and the instant from which trades count beside them."""
        ...

    def candles_known_ns(self, pair: PairName, minutes: int) -> int:
        """Trades up to then are in its candles of that length."""
        ...


@runtime_checkable
class Quoting(Protocol):
    """A market that knows what its house quoted in the past."""

    def quote_after(self, pair: PairName, item: Print) -> Quote:
        """The best bid and ask that a trade left behind."""
        ...


def play(item: Print, pair: VenuePair, level_quantity: Decimal, venue: Venue) -> None:
    """Let strangers trade, then stand the house's book around their price.

    In this order, so that an account's resting order meets the print first and keeps its price.
    """
    name = pair.altname
    venue.market_trade(name, item.price, item.quantity_base, item.taker_side, item.at_ns)
    bids, asks = ladder(item, pair, level_quantity)
    venue.set_house_book(name, bids, asks, item.at_ns)


def spread_of(price: Decimal, tick_size: Decimal) -> Decimal:
    """Two hundredths of a percent, at least a tick."""
    return price_up(price * _SPREAD_SHARE, tick_size)


def ladder(
    item: Print, pair: VenuePair, level_quantity: Decimal
) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
    """The house's bids and asks after a print, which was at the best price that its taker met."""
    bid, ask = quote_around(item, pair)
    return levels_above_and_below(bid, ask - bid, pair, level_quantity)


def quote_around(item: Print, pair: VenuePair) -> Quote:
    """The best of them."""
    spread = spread_of(item.price, pair.tick_size)
    bid = item.price if item.taker_side is Side.SELL else item.price - spread
    return bid, bid + spread


def levels_above_and_below(
    bid: Decimal, spread: Decimal, pair: VenuePair, level_quantity: Decimal
) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
    """Bids and asks, best first, a spread apart; sizes grow away from the price."""
    smallest = pair.order_min * _LEVEL_QUANTITY_MIN
    quantity = max(round_down(level_quantity, pair.lot_decimals), smallest)
    sizes = [quantity * (i + 1) for i in range(_LEVELS)]
    bids = [(bid - spread * i, size) for i, size in enumerate(sizes) if bid > spread * i]
    asks = [(bid + spread * (i + 1), size) for i, size in enumerate(sizes)]
    return bids, asks


def candles_from_prints(prints: Iterable[Print], minutes: int) -> list[Candle]:
    """Candles of trades in order, oldest first."""
    step = minutes * 60
    groups: list[tuple[int, list[Print]]] = []
    for item in prints:
        start_s = item.at_ns // NS_PER_SECOND // step * step
        if not groups or groups[-1][0] != start_s:
            groups.append((start_s, []))
        groups[-1][1].append(item)
    return [_candle(start_s, minutes, group) for start_s, group in groups]


def _candle(start_s: int, minutes: int, group: list[Print]) -> Candle:
    prices = [item.price for item in group]
    return Candle(
        start_s=start_s,
        minutes=minutes,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=sum((item.quantity_base for item in group), ZERO),
        trades=len(group),
    )
