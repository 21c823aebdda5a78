"""720 finished candles and the forming one, whatever the hour at which the venue opened."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from krakked.domain.ids import PairName
from krakked.domain.times import DAY_S, NS_PER_SECOND
from krakked.sim.exchange.pairs import PAIRS
from krakked.sim.market.candles import INTERVALS_MIN, Candle
from krakked.sim.market.model import DEFAULT_PRICES, Market
from krakked.sim.market.replaying import ReplayMarket
from krakked.sim.market.still import CalmMarket
from krakked.sim.market.synthetic import Stream, SyntheticMarket, Trades
from krakked.sim.public.series import COMMITTED_MAX, CandleSeries

START_S = 1_767_225_600
XBTUSD, ADAUSD, XDGUSD = PairName("XBTUSD"), PairName("ADAUSD"), PairName("XDGUSD")
BENCH_PAIRS = ("XBTUSD", "ETHUSD", "XDGUSD")


def invented(seed: int, start_s: int, *names: str) -> SyntheticMarket:
    pairs = {PairName(name): PAIRS[PairName(name)] for name in names}
    prices = {name: DEFAULT_PRICES[name] for name in pairs}
    return SyntheticMarket(pairs=pairs, prices=prices, seed=seed, start_ns=start_s * NS_PER_SECOND)


def hours_with_holes(days: int, *, missing: int) -> list[Candle]:
    """One hour in so many, from long before the start on."""
    return [
        Candle(
            start_s=START_S + hour * 3600,
            minutes=60,
            open=Decimal(100 + hour % 7),
            high=Decimal(110),
            low=Decimal(90),
            close=Decimal(100 + hour % 5),
            volume=Decimal(4),
            trades=1 + hour % 5,
        )
        for hour in range(-24 * days, 24)
        if hour % missing == 0
    ]


def shown(market: Market, pair: PairName, minutes: int, now_s: int) -> list[int]:
    """Where the rows of an answer begin, of a venue that opens now."""
    now_ns = now_s * NS_PER_SECOND
    past = market.candles_before(pair, minutes, now_ns, COMMITTED_MAX + 1)
    return [row.start_s for row in CandleSeries(minutes, past).shown(now_ns)]


def window(minutes: int, now_s: int) -> list[int]:
    step_s = minutes * 60
    forming_s = now_s // step_s * step_s
    return list(range(forming_s - COMMITTED_MAX * step_s, forming_s + 1, step_s))


@pytest.mark.parametrize(
    ("seed", "turns"),
    [
        (1, (110, 111, 149, 150, 151, 162, 170, 171)),
        (2, (54, 55, 56, 58, 59, 127, 130, 163)),
        (4, (53, 54, 55, 56, 85, 156, 157, 158)),
    ],
)
def test_windows_that_begin_in_a_thin_or_silent_hour_are_filled_from_before_it(
    seed: int, turns: tuple[int, ...]
) -> None:
    for turn in turns:
        now_s = START_S + turn * 1021 + 25
        market = invented(seed, now_s, "ADAUSD")
        begins_quiet = False
        for minutes in (1, 5):
            rows = window(minutes, now_s)
            assert shown(market, ADAUSD, minutes, now_s) == rows
            begins_quiet |= not market.candles_between(ADAUSD, minutes, rows[0], rows[1])
        assert begins_quiet, "which is why it was chosen"


def test_the_quiet_rows_at_the_front_carry_the_close_before_the_window() -> None:
    now_s = START_S + 54 * 1021 + 25
    first_s = window(1, now_s)[0]
    market = invented(2, now_s, "ADAUSD")
    last, *_ = reversed(market.candles_between(ADAUSD, 1, first_s - 7200, first_s))
    past = market.candles_before(ADAUSD, 1, now_s * NS_PER_SECOND, COMMITTED_MAX + 1)
    row, *_ = CandleSeries(1, past).shown(now_s * NS_PER_SECOND)
    assert (row.start_s, row.open, row.close, row.trades) == (first_s, last.close, last.close, 0)


@pytest.mark.parametrize("minutes", [1, 15, 60, 240, 1440])
def test_a_silence_before_the_window_of_a_replay_is_filled_too(minutes: int) -> None:
    candles = {XBTUSD: hours_with_holes(800, missing=7)}
    for turn in range(12):
        now_s = START_S + turn * 3607
        market = ReplayMarket(
            pairs={XBTUSD: PAIRS[XBTUSD]},
            candles=candles,
            start_ns=START_S * NS_PER_SECOND,
            end_ns=(START_S + DAY_S) * NS_PER_SECOND,
        )
        assert shown(market, XBTUSD, minutes, now_s) == window(minutes, now_s)


def test_a_replay_with_no_past_shows_what_there_is() -> None:
    market = ReplayMarket(
        pairs={XBTUSD: PAIRS[XBTUSD]},
        candles={XBTUSD: hours_with_holes(2, missing=1)},
        start_ns=START_S * NS_PER_SECOND,
        end_ns=(START_S + DAY_S) * NS_PER_SECOND,
    )
    assert shown(market, XBTUSD, 60, START_S + 10) == list(
        range(START_S - 2 * DAY_S, START_S + 1, 3600)
    )


@pytest.mark.parametrize("minutes", INTERVALS_MIN)
def test_a_calm_past_is_whole_for_each_length(minutes: int) -> None:
    now_s = START_S + 1
    prices = {XBTUSD: DEFAULT_PRICES[XBTUSD]}
    market = CalmMarket(
        pairs={XBTUSD: PAIRS[XBTUSD]}, prices=prices, start_ns=now_s * NS_PER_SECOND
    )
    wanted = [start_s for start_s in window(minutes, now_s) if start_s >= 0]
    assert shown(market, XBTUSD, minutes, now_s) == wanted


@pytest.mark.parametrize(
    ("seed", "minutes", "turn"), [(1, 1, 18), (1, 5, 16), (2, 1, 67), (4, 1, 11), (4, 5, 57)]
)
def test_an_answer_of_the_venue_has_721_rows_when_it_opened_in_a_thin_hour(
    make_bench: Any, seed: int, minutes: int, turn: int
) -> None:
    now_s = START_S + turn * 1021 + 25
    bench = make_bench(invented(seed, now_s, *BENCH_PAIRS), start_ns=now_s * NS_PER_SECOND)
    rows = bench.get("OHLC", pair="XDGUSD", interval=minutes)["XDGUSD"]
    assert [row[0] for row in rows] == window(minutes, now_s)
    bench.pass_time(3700)
    rows = bench.get("OHLC", pair="XDGUSD", interval=minutes)["XDGUSD"]
    assert [row[0] for row in rows] == window(minutes, now_s + 3700)


def test_days_are_720_and_weeks_two_years_and_both_are_the_exported_ones() -> None:
    now_s = START_S + 15 * 3600 + 25 * 60
    market = invented(2, now_s, "XBTUSD")
    assert shown(market, XBTUSD, 1440, now_s) == window(1440, now_s)
    weeks = shown(market, XBTUSD, 10080, now_s)
    assert weeks == window(10080, now_s)[-len(weeks) :]
    assert len(weeks) > 104
    now_ns = now_s * NS_PER_SECOND
    for minutes in (1440, 10080, 21600):
        past = market.candles_before(XBTUSD, minutes, now_ns, COMMITTED_MAX + 1)
        for candle in (past[0], past[len(past) // 2], past[-2]):
            again = market.candles_between(XBTUSD, minutes, candle.start_s, candle.end_s)
            assert again == [candle]
        assert past[-1].volume < past[-2].volume


def test_a_price_that_is_set_is_in_the_days_asked_for_after_it() -> None:
    start_s = 9 * DAY_S
    market = invented(2, start_s, "XBTUSD")
    later_ns = (start_s + 2 * DAY_S + 60) * NS_PER_SECOND
    before = market.candles_before(XBTUSD, 1440, later_ns, 4)
    market.set_price(XBTUSD, Decimal(1000))
    after = market.candles_before(XBTUSD, 1440, later_ns, 4)
    assert [candle.close > 40_000 for candle in before] == [True, True, True, True]
    assert [candle.close < 1200 for candle in after] == [False, True, True, True]
    assert after[0] == before[0]


def test_the_far_past_is_made_when_somebody_first_asks_and_once(
    make_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[float] = []
    real = Stream.trades

    def counted(stream: Stream, from_s: int, to_s: int) -> Trades:
        made.append((to_s - from_s) / DAY_S)
        return real(stream, from_s, to_s)

    monkeypatch.setattr(Stream, "trades", counted)
    bench = make_bench(invented(2, START_S, *BENCH_PAIRS), start_ns=START_S * NS_PER_SECOND)
    assert sum(made) < 5, "a day of each pair"
    made.clear()
    bench.get("OHLC", pair="XBTUSD", interval=1440)
    assert 720 < sum(made) < 750
    made.clear()
    for minutes in (10080, 21600):
        bench.get("OHLC", pair="XBTUSD", interval=minutes)
    assert sum(made) < 3
