"""A still market stays at its price and keeps ticking."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from krakked.domain.ids import PairName
from krakked.domain.orders import Side
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.pairs import PAIRS
from krakked.sim.market.model import DEFAULT_PRICES, candles_from_prints
from krakked.sim.market.still import PERIOD_S, CalmMarket

XBTUSD, ETHXBT = PairName("XBTUSD"), PairName("ETHXBT")
START_S = 1_767_225_600
START_NS = START_S * NS_PER_SECOND


def market(*pairs: PairName) -> CalmMarket:
    names = pairs or (XBTUSD,)
    prices = {name: DEFAULT_PRICES[name] for name in names}
    return CalmMarket(pairs=PAIRS, prices=prices, start_ns=START_NS)


def after(seconds: int) -> int:
    return START_NS + seconds * NS_PER_SECOND


def test_every_period_has_one_trade_now_at_the_ask_now_at_the_bid(venue: Any) -> None:
    venue.play(market(), until_ns=after(PERIOD_S * 6))
    items = venue.prints[XBTUSD]
    assert [(item.at_ns - START_NS) // NS_PER_SECOND for item in items] == [0, 10, 20, 30, 40, 50]
    assert {item.taker_side: str(item.price) for item in items} == {
        Side.BUY: "60006.0",
        Side.SELL: "59994.0",
    }


def test_the_book_does_not_move_and_is_filled_up_again(venue: Any) -> None:
    venue.play(market(ETHXBT), until_ns=after(100))
    books = {(tuple(bids), tuple(asks)) for _, _, bids, asks in venue.books}
    assert len(books) == 1
    assert len(venue.books) == 10


def test_all_pairs_stand_around_their_price(venue: Any) -> None:
    venue.play(market(*PAIRS), until_ns=after(11))
    for _, pair, bids, asks in venue.books:
        price = DEFAULT_PRICES[pair]
        assert bids[0][0] < price < asks[0][0]
        assert (asks[0][0] - bids[0][0]) / price < Decimal("0.0003")
        assert all(level % PAIRS[pair].tick_size == 0 for level, _ in (*bids, *asks))


def test_the_past_says_what_was_played(venue: Any) -> None:
    venue.play(market(), until_ns=after(3600))
    assert market().prints_before(XBTUSD, START_NS, after(3600)) == venue.prints[XBTUSD]


@pytest.mark.parametrize(("minutes", "seconds"), [(1, 600), (5, 3600), (60, 9000), (60, 9005)])
def test_candles_of_the_past_are_those_of_its_trades(minutes: int, seconds: int) -> None:
    still = market()
    first_s = START_S // (minutes * 60) * minutes * 60
    prints = still.prints_before(XBTUSD, first_s * NS_PER_SECOND, after(seconds))
    expected = candles_from_prints(prints, minutes)
    assert still.candles_before(XBTUSD, minutes, after(seconds), len(expected)) == expected


def test_the_past_has_as_many_candles_as_are_asked_for() -> None:
    for minutes in (1, 60, 1440, 21600):
        past = market().candles_before(XBTUSD, minutes, START_NS, 721)
        assert len(past) == 721
        assert past[-1].start_s < START_S


def test_a_price_that_is_set_is_where_the_book_stands_from_the_next_trade_on(venue: Any) -> None:
    still = market()
    still.set_price(XBTUSD, Decimal("50000.0"))
    venue.play(still, until_ns=after(30))
    assert {str(item.price) for item in venue.prints[XBTUSD]} == {"50005.0", "49995.0"}


def test_every_pair_has_a_price_that_somebody_would_pay() -> None:
    assert set(DEFAULT_PRICES) == set(PAIRS)
    for name, price in DEFAULT_PRICES.items():
        assert price % PAIRS[name].tick_size == 0
        assert price > PAIRS[name].tick_size * 1_000


def test_there_are_free_ticks_inside_the_first_levels(venue: Any) -> None:
    venue.play(market(*PAIRS), until_ns=after(11))
    for _, pair, bids, asks in venue.books:
        tick = PAIRS[pair].tick_size
        first, second = asks[0][0], asks[1][0]
        assert first - bids[0][0] > 2 * tick
        assert second - first > 2 * tick
        assert bids[0][0] - bids[1][0] > 2 * tick


def test_a_market_order_of_a_hundred_thousand_finds_all_it_wants(venue: Any) -> None:
    venue.play(market(*PAIRS), until_ns=after(11))
    for _, pair, bids, asks in venue.books:
        worth = Decimal(100_000) if PAIRS[pair].quote.altname.startswith("USD") else Decimal(2)
        for side in (bids, asks):
            assert sum(price * size for price, size in side) > worth


@pytest.mark.parametrize("minutes", [1, 5, 60, 1440])
def test_candles_of_the_past_are_contiguous(minutes: int) -> None:
    for pair in PAIRS:
        candles = market(*PAIRS).candles_before(pair, minutes, START_NS, 50)
        starts = [candle.start_s for candle in candles]
        assert starts == list(range(starts[0], starts[0] + 50 * minutes * 60, minutes * 60))
        assert all(candle.trades > 0 for candle in candles)
