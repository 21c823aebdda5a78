"""A replay keeps every candle: open, high, low, close and volume, after rounding to the tick."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from krakked.domain.candles import parse_rows
from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName
from krakked.domain.orders import Side
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.pairs import PAIRS
from krakked.sim.market.candles import Candle, candle_of
from krakked.sim.market.model import Print
from krakked.sim.market.replaying import ReplayMarket, expand, on_tick

XBTUSD, ETHUSD = PairName("XBTUSD"), PairName("ETHUSD")
HOUR_S = 3600
START_S = 1_546_300_800
START_NS = START_S * NS_PER_SECOND
FOR_EVER_NS = 4_102_444_800 * NS_PER_SECOND
REAL = Path(os.environ.get("CANDLES", "../shared/data/kraken-ohlcvt"))


def candle(
    prices: tuple[str, str, str, str] = ("100.0", "110.0", "90.0", "105.0"),
    *,
    volume: str = "8",
    trades: int = 40,
    hour: int = 0,
) -> Candle:
    first, high, low, last = (Decimal(price) for price in prices)
    return Candle(
        start_s=START_S + hour * HOUR_S,
        minutes=60,
        open=first,
        high=high,
        low=low,
        close=last,
        volume=Decimal(volume),
        trades=trades,
    )


def prices(items: list[Print]) -> list[str]:
    return [str(item.price) for item in items]


def market(*candles: Candle, start_ns: int = START_NS, end_ns: int = FOR_EVER_NS) -> ReplayMarket:
    return ReplayMarket(pairs=PAIRS, candles={XBTUSD: candles}, start_ns=start_ns, end_ns=end_ns)


def test_a_rising_candle_goes_down_first_and_a_falling_one_up_first() -> None:
    rising = expand(candle(("100.0", "110.0", "90.0", "105.0")), PAIRS[XBTUSD])
    falling = expand(candle(("105.0", "110.0", "90.0", "100.0")), PAIRS[XBTUSD])
    assert prices(rising) == ["100.0", "90.0", "110.0", "105.0"]
    assert prices(falling) == ["105.0", "110.0", "90.0", "100.0"]


def test_a_candle_opens_at_its_first_instant_and_closes_in_its_last_second() -> None:
    first, second, third, last = (item.at_ns - START_NS for item in expand(candle(), PAIRS[XBTUSD]))
    assert first == 0
    assert (second, third) == (1200 * NS_PER_SECOND, 2400 * NS_PER_SECOND)
    assert last == 3600 * NS_PER_SECOND - NS_PER_SECOND // 2


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (("90.0", "110.0", "90.0", "105.0"), ["90.0", "110.0", "105.0"]),
        (("90.0", "110.0", "90.0", "110.0"), ["90.0", "110.0"]),
        (("100.0", "100.0", "90.0", "100.0"), ["100.0", "90.0", "100.0"]),
        (("100.0", "100.0", "100.0", "100.0"), ["100.0", "100.0"]),
    ],
)
def test_a_low_or_high_that_equals_an_end_needs_no_trade(
    shape: tuple[str, str, str, str], expected: list[str]
) -> None:
    assert prices(expand(candle(shape), PAIRS[XBTUSD])) == expected


def test_a_candle_of_one_trade_is_its_close_alone() -> None:
    items = expand(candle(("7.0", "7.0", "7.0", "7.0"), trades=1, volume="0.1"), PAIRS[XBTUSD])
    assert prices(items) == ["7.0"]
    assert items[0].at_ns == START_NS + 3600 * NS_PER_SECOND - NS_PER_SECOND // 2
    assert items[0].quantity_base == Decimal("0.1")


def test_the_volume_is_divided_evenly_and_the_close_takes_the_rest() -> None:
    volumes = [item.quantity_base for item in expand(candle(volume="1"), PAIRS[XBTUSD])]
    assert volumes == [Decimal("0.25")] * 4
    volumes = [item.quantity_base for item in expand(candle(volume="0.00000007"), PAIRS[XBTUSD])]
    assert [str(volume) for volume in volumes] == ["1E-8", "1E-8", "1E-8", "4E-8"]


def test_takers_buy_where_the_price_rose_and_sell_where_it_fell() -> None:
    sides = [item.taker_side for item in expand(candle(), PAIRS[XBTUSD])]
    assert sides == [Side.BUY, Side.SELL, Side.BUY, Side.SELL]


def test_prices_off_todays_tick_are_rounded_to_the_nearest() -> None:
    shape = ("124.19001", "124.26", "124.04999", "124.15")
    assert prices(expand(candle(shape), PAIRS[XBTUSD])) == ["124.2", "124.0", "124.3", "124.2"]


def test_all_pairs_are_played_in_one_order_and_the_house_stands_after_each_trade(
    venue: Any,
) -> None:
    both = {XBTUSD: [candle()], ETHUSD: [candle(("10.00", "11.00", "9.00", "10.50"))]}
    replay = ReplayMarket(pairs=PAIRS, candles=both, start_ns=START_NS, end_ns=FOR_EVER_NS)
    venue.play(replay, until_ns=FOR_EVER_NS)
    assert replay.next_event_ns() is None
    assert venue.acts[:4] == [
        (START_NS, "trade", ETHUSD),
        (START_NS, "book", ETHUSD),
        (START_NS, "trade", XBTUSD),
        (START_NS, "book", XBTUSD),
    ]
    assert len(venue.prints[XBTUSD]) == len(venue.prints[ETHUSD]) == 4


def test_the_house_stands_around_the_price_of_the_last_trade(venue: Any) -> None:
    venue.play(market(candle(volume="400")), until_ns=FOR_EVER_NS)
    for item, (_, _, bids, asks) in zip(venue.prints[XBTUSD], venue.books, strict=True):
        touched = asks[0] if item.taker_side is Side.BUY else bids[0]
        assert touched == (item.price, Decimal(10))
        assert [price for price, _ in bids] == sorted((p for p, _ in bids), reverse=True)
        assert [price for price, _ in asks] == sorted(p for p, _ in asks)
        assert bids[0][0] < asks[0][0]


def test_a_missing_hour_is_an_hour_without_trades(venue: Any) -> None:
    venue.play(market(candle(hour=0), candle(hour=2)), until_ns=FOR_EVER_NS)
    assert [found.start_s - START_S for found in venue.candles(XBTUSD, 60)] == [0, 2 * HOUR_S]


def test_a_start_in_the_middle_of_a_candle_plays_what_is_left_of_it(venue: Any) -> None:
    middle_ns = START_NS + 1800 * NS_PER_SECOND
    replay = market(candle(hour=-1), candle(), start_ns=middle_ns)
    before = replay.prints_before(XBTUSD, START_NS, middle_ns)
    venue.play(replay, until_ns=FOR_EVER_NS)
    assert prices(before + venue.prints[XBTUSD]) == ["100.0", "90.0", "110.0", "105.0"]
    assert venue.acts[0] == (middle_ns, "book", XBTUSD)  # the book of the candle before


def test_candles_at_or_after_the_end_are_not_played(venue: Any) -> None:
    end_ns = START_NS + HOUR_S * NS_PER_SECOND
    venue.play(market(candle(), candle(hour=1), end_ns=end_ns), until_ns=FOR_EVER_NS)
    assert len(venue.prints[XBTUSD]) == 4


@pytest.mark.parametrize("hour", [-2, 2])
def test_no_candle_in_the_range_is_refused_with_the_range(hour: int) -> None:
    end_ns = START_NS + HOUR_S * NS_PER_SECOND
    with pytest.raises(BadInput, match="no candles between 2019-01-01 00:00 and 2019-01-01 00:59"):
        market(candle(hour=hour), end_ns=end_ns)


def test_one_pair_in_the_range_is_enough_and_the_other_stays_silent(venue: Any) -> None:
    both = {XBTUSD: [candle(hour=-9)], ETHUSD: [candle()]}
    replay = ReplayMarket(pairs=PAIRS, candles=both, start_ns=START_NS, end_ns=FOR_EVER_NS)
    venue.play(replay, until_ns=FOR_EVER_NS)
    assert list(venue.prints) == [ETHUSD]
    assert {pair for _, pair, _, _ in venue.books} == {XBTUSD, ETHUSD}


def test_the_price_of_a_replay_cannot_be_set() -> None:
    with pytest.raises(BadInput, match="XBTUSD replays recorded candles"):
        market(candle()).set_price(XBTUSD, Decimal(1))


def test_the_past_has_candles_of_every_length_and_ends_before_the_instant() -> None:
    replay = market(*(candle(hour=hour) for hour in range(-30, 3)))
    hours = replay.candles_before(XBTUSD, 60, START_NS, 720)
    assert [found.start_s for found in hours] == [START_S + h * HOUR_S for h in range(-30, 0)]
    days = replay.candles_before(XBTUSD, 1440, START_NS, 720)
    assert [found.trades for found in days] == [6 * 40, 24 * 40]
    quarters = replay.candles_before(XBTUSD, 15, START_NS, 720)
    assert {found.start_s % 900 for found in quarters} == {0}
    assert sum(found.volume for found in quarters) == sum(found.volume for found in hours)
    assert len(replay.candles_before(XBTUSD, 60, START_NS, 5)) == 5


def test_the_past_of_an_instant_inside_a_candle_shows_it_unfinished() -> None:
    replay = market(candle(hour=-1), candle())
    middle_ns = START_NS + 1800 * NS_PER_SECOND
    finished, running = replay.candles_before(XBTUSD, 60, middle_ns, 720)
    assert finished.close == Decimal("105.0")
    assert (running.open, running.close, running.trades) == (Decimal("100.0"), Decimal("90.0"), 2)


def real_candles(pair: PairName) -> Iterator[Candle]:
    path = REAL / f"{pair}_60.csv.gz"
    if not path.exists():
        pytest.skip(f"no recorded candles in {REAL}")
    with gzip.open(path, "rt", encoding="ascii") as lines:
        for row in parse_rows(lines, source=path.name, pair=pair, step_s=3600):
            yield candle_of(row, 60)


@pytest.mark.parametrize("pair", [XBTUSD, ETHUSD])
def test_every_recorded_candle_comes_out_of_its_trades_as_it_went_in(pair: PairName) -> None:
    rules = PAIRS[pair]
    counted = 0
    for recorded in real_candles(pair):
        items = expand(recorded, rules)
        rounded = on_tick(recorded, rules)
        assert items[0].price == rounded.open
        assert items[-1].price == rounded.close
        assert max(item.price for item in items) == rounded.high
        assert min(item.price for item in items) == rounded.low
        assert sum(item.quantity_base for item in items) == rounded.volume
        assert len(items) <= min(recorded.trades, 4)
        assert recorded.end_s * NS_PER_SECOND - NS_PER_SECOND <= items[-1].at_ns
        assert items[-1].at_ns < recorded.end_s * NS_PER_SECOND
        assert len(items) == 1 or items[0].at_ns == recorded.start_s * NS_PER_SECOND
        counted += 1
    assert counted > 50_000
