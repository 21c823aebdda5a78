"""An invented market follows from seed, pair and time, and from nothing else."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from krakked.domain.ids import PairName
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.pairs import PAIRS
from krakked.sim.market.model import DEFAULT_PRICES, candles_from_prints
from krakked.sim.market.synthetic import HISTORY_DAYS_MAX, SyntheticMarket

XBTUSD, ETHUSD, XDGUSD = PairName("XBTUSD"), PairName("ETHUSD"), PairName("XDGUSD")
START_S = 1_767_225_600
START_NS = START_S * NS_PER_SECOND
HOUR_S, DAY_S = 3600, 86_400


def market(
    *pairs: PairName, seed: int = 1, start_ns: int = START_NS, price: str | None = None
) -> SyntheticMarket:
    names = pairs or (XBTUSD,)
    given = {name: Decimal(price) if price else DEFAULT_PRICES[name] for name in names}
    return SyntheticMarket(
        pairs={name: PAIRS[name] for name in names}, prices=given, seed=seed, start_ns=start_ns
    )


def after(seconds: int) -> int:
    return START_NS + seconds * NS_PER_SECOND


def test_what_is_played_is_what_the_past_says_later(venue: Any) -> None:
    venue.play(market(), until_ns=after(6 * HOUR_S))
    assert venue.prints[XBTUSD] == market().prints_before(XBTUSD, START_NS, after(6 * HOUR_S))
    assert len(venue.prints[XBTUSD]) > 500


def test_a_run_that_starts_later_goes_on_where_another_one_is(venue: Any) -> None:
    later_ns = after(5 * HOUR_S) + 123_456_789
    venue.play(market(start_ns=later_ns), until_ns=after(9 * HOUR_S))
    assert venue.prints[XBTUSD] == market().prints_before(XBTUSD, later_ns, after(9 * HOUR_S))


def test_exported_candles_are_those_of_the_trades() -> None:
    invented = market(ETHUSD)
    exported = invented.candles_between(ETHUSD, 60, START_S, START_S + 2 * DAY_S)
    prints = invented.prints_before(ETHUSD, START_NS, after(2 * DAY_S))
    assert exported == candles_from_prints(prints, 60)
    assert len(exported) > 40


@pytest.mark.parametrize("minutes", [1, 5, 15, 60, 240])
def test_the_past_is_720_candles_of_each_length_up_to_four_hours(minutes: int) -> None:
    past = market().candles_before(XBTUSD, minutes, START_NS, 720)
    assert len(past) > 600  # silent and thin hours have none
    assert past[-1].end_s <= START_S
    assert past[0].start_s >= START_S - 720 * minutes * 60
    assert all(a.start_s < b.start_s for a, b in itertools.pairwise(past))


def test_the_past_of_days_reaches_back_as_far_as_it_says_and_has_whole_days_only() -> None:
    invented = market()
    past = invented.candles_before(XBTUSD, 1440, START_NS, 1000)
    assert len(past) == HISTORY_DAYS_MAX + 1
    assert past[-1].end_s == START_S
    assert all(candle.trades > 3000 for candle in past)
    assert invented.candles_before(XBTUSD, 1440, START_NS, 720) == past[-720:]
    weeks = invented.candles_before(XBTUSD, 10080, START_NS, 720)
    assert len(weeks) >= HISTORY_DAYS_MAX // 7
    assert all(week.trades > 7 * 3000 for week in weeks[:-1])


def test_prices_are_on_the_tick_positive_and_sizes_within_the_pairs_decimals() -> None:
    for pair in PAIRS:
        for item in market(pair).prints_before(pair, START_NS, after(HOUR_S * 3)):
            assert item.price > 0
            assert item.price % PAIRS[pair].tick_size == 0
            assert item.quantity_base > 0
            assert item.quantity_base == round(item.quantity_base, PAIRS[pair].lot_decimals)


def test_pairs_and_seeds_move_on_streams_of_their_own() -> None:
    def moves(pair: PairName, seed: int) -> list[int]:
        past = market(pair, seed=seed, price="100").candles_before(pair, 60, START_NS, 200)
        return [1 if candle.close > candle.open else -1 for candle in past]

    first = moves(ETHUSD, 1)
    for other in (moves(PairName("SOLUSD"), 1), moves(ETHUSD, 2)):
        agreement = sum(a == b for a, b in zip(first, other, strict=False)) / len(first)
        assert 0.3 < agreement < 0.7
    assert first == moves(ETHUSD, 1)


def test_a_pair_moves_the_same_whichever_others_are_listed(venue: Any) -> None:
    venue.play(market(XDGUSD, XBTUSD, ETHUSD), until_ns=after(HOUR_S))
    assert venue.prints[XBTUSD] == market().prints_before(XBTUSD, START_NS, after(HOUR_S))


def test_a_year_has_trends_silent_hours_thin_hours_and_jumps() -> None:
    invented = market()
    days = invented.candles_between(XBTUSD, 1440, START_S, START_S + 365 * DAY_S)
    closes = np.array([float(day.close) for day in days])
    assert closes.max() / closes.min() > 1.25
    daily = np.abs(np.diff(np.log(closes)))
    assert 0.008 < daily.mean() < 0.05
    hours = invented.candles_between(XBTUSD, 60, START_S, START_S + 60 * DAY_S)
    assert 0 < 60 * 24 - len(hours) < 30  # silent ones
    thin = [hour for hour in hours if hour.trades < 30]
    assert 60 < len(thin) < 200
    jumps = [abs(b.open / a.close - 1) for a, b in itertools.pairwise(hours)]
    assert max(jumps) < Decimal("0.1")


def test_there_is_a_trade_about_every_quarter_minute_in_a_busy_hour() -> None:
    hours = market().candles_between(XBTUSD, 60, START_S, START_S + 5 * DAY_S)
    busy = [hour.trades for hour in hours if hour.trades > 100]
    assert 215 < sum(busy) / len(busy) < 235


def test_a_price_that_is_set_shifts_the_future(venue: Any) -> None:
    invented = market()
    venue.play(invented, until_ns=after(HOUR_S))
    invented.set_price(XBTUSD, Decimal("20000.0"))
    before = len(venue.prints[XBTUSD])
    venue.play(invented, until_ns=after(HOUR_S + 600))
    shifted = [item.price for item in venue.prints[XBTUSD][before:]]
    assert shifted
    assert all(Decimal(19_700) < price < Decimal(20_300) for price in shifted)


def test_the_house_stands_before_the_first_trade(venue: Any) -> None:
    market(XBTUSD, ETHUSD).step(START_NS, venue)
    assert [pair for _, pair, _, _ in venue.books] == [XBTUSD, ETHUSD]
    assert venue.prints == {}


def digest() -> str:
    text = repr(market(XBTUSD, ETHUSD).prints_before(ETHUSD, START_NS, after(DAY_S)))
    return hashlib.sha256(text.encode()).hexdigest()


def test_another_process_with_another_hash_seed_invents_the_same_market() -> None:
    other = subprocess.run(
        [sys.executable, "-c", f"import runpy; runpy.run_path({__file__!r}, run_name='digest')"],
        env={**os.environ, "PYTHONHASHSEED": "77"},
        capture_output=True,
        check=True,
        text=True,
        timeout=50,
    )
    assert other.stdout == digest()


if __name__ == "digest":
    sys.stdout.write(digest())
