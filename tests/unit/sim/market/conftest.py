"""A venue that remembers what the market did to it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from krakked.domain.ids import PairName
from krakked.domain.orders import Side
from krakked.sim.market.candles import Candle
from krakked.sim.market.model import Market, Print, candles_from_prints

Levels = Sequence[tuple[Decimal, Decimal]]


class RecordingVenue:
    def __init__(self) -> None:
        self.prints: dict[PairName, list[Print]] = {}
        self.books: list[tuple[int, PairName, Levels, Levels]] = []
        self.acts: list[tuple[int, str, PairName]] = []

    def set_house_book(self, pair: PairName, bids: Levels, asks: Levels, now_ns: int) -> None:
        self.books.append((now_ns, pair, bids, asks))
        self.acts.append((now_ns, "book", pair))

    def market_trade(
        self,
        pair: PairName,
        price: Decimal,
        quantity_base: Decimal,
        taker_side: Side,
        now_ns: int,
    ) -> None:
        item = Print(at_ns=now_ns, price=price, quantity_base=quantity_base, taker_side=taker_side)
        self.prints.setdefault(pair, []).append(item)
        self.acts.append((now_ns, "trade", pair))

    def play(self, market: Market, *, until_ns: int) -> RecordingVenue:
        """Step the market at each of its instants, as a driver does."""
        while (at_ns := market.next_event_ns()) is not None and at_ns < until_ns:
            market.step(at_ns, self)
        return self

    def candles(self, pair: PairName, minutes: int) -> list[Candle]:
        return candles_from_prints(self.prints.get(pair, []), minutes)


@pytest.fixture
def venue() -> RecordingVenue:
    return RecordingVenue()
