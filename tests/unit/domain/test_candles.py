"""Candle files are read strictly and written exactly."""

from __future__ import annotations

import gzip
import os
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krakked.domain.bars import Bar, Timeframe
from krakked.domain.candles import (
    CandleRow,
    from_bar,
    named,
    parse_rows,
    to_bar,
    to_line,
    unkept_length,
)
from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName

XBTUSD = PairName("XBTUSD")
TICK = Decimal("0.1")
GOOD = "1546300800,3690.5,3711.0,3680.1,3700.2,12.34567891,205"


def read(*lines: str, step_s: int | None = None, tick: Decimal | None = None) -> list[CandleRow]:
    return list(
        parse_rows(lines, source="XBTUSD_60.csv", pair=XBTUSD, tick_size=tick, step_s=step_s)
    )


def refusal(*lines: str, step_s: int | None = None, tick: Decimal | None = None) -> str:
    with pytest.raises(BadInput) as caught:
        read(*lines, step_s=step_s, tick=tick)
    return str(caught.value)


def test_row_of_the_venue_is_read_to_the_last_digit() -> None:
    (row,) = read(GOOD + "\r\n")
    assert row == CandleRow(
        start_s=1546300800,
        open=Decimal("3690.5"),
        high=Decimal("3711.0"),
        low=Decimal("3680.1"),
        close=Decimal("3700.2"),
        volume=Decimal("12.34567891"),
        trades=205,
    )


def test_bar_of_a_row_is_whole_ticks_and_whole_units_of_volume() -> None:
    (row,) = read(GOOD)
    assert to_bar(row, TICK) == Bar(
        start_s=1546300800,
        open=36905,
        high=37110,
        low=36801,
        close=37002,
        volume=1_234_567_891,
        trades=205,
    )


def test_price_off_the_tick_is_rounded_to_the_nearest_one() -> None:
    (row,) = read("1546300800,100.04,100.26,99.94,100.16,1,4")
    bar = to_bar(row, TICK)
    assert (bar.open, bar.high, bar.low, bar.close) == (1000, 1003, 999, 1002)


def test_blank_lines_are_skipped_and_still_counted() -> None:
    assert len(read("", GOOD, "", "")) == 1
    assert refusal("", GOOD, "", "nonsense").startswith("XBTUSD_60.csv:4: ")


def test_missing_hour_is_a_gap_and_not_an_error() -> None:
    later = GOOD.replace("1546300800", "1546311600")
    assert [row.start_s for row in read(GOOD, later, step_s=3600)] == [1546300800, 1546311600]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("1546300800,1,1,1,1,1", "6 columns where 7 are expected"),
        ("1546300800,1,1,1,1,1,1,1", "8 columns where 7 are expected"),
        (
            "time,open,high,low,close,volume,trades",
            "time 'time' is not a whole number; a header row must be removed",
        ),
        ("time,1,1,1,1,1,1", "a header row must be removed"),
        ("1546300800,one,1,1,1,1,1", "open: 'one' is not a number"),
        ("1546300800,NaN,1,1,1,1,1", "open: NaN is not finite"),
        ("1546300800,1,Infinity,1,1,1,1", "high: Infinity is not finite"),
        ("1546300800,1,1E+30,1,1,1,1", "beyond any amount"),
        ("1546300800,-1,1,-1,1,1,1", "low -1 is not positive"),
        ("1546300800,1,1,0,1,1,1", "low 0 is not positive"),
        ("1546300800,2,1,1,1,1,1", "disagree"),
        ("1546300800,1,1,1,1,-1,1", "volume -1 is negative"),
        ("1546300800,1,1,1,1,1,-1", "trades '-1' is not a whole number"),
        ("1546300800.5,1,1,1,1,1,1", "time '1546300800.5' is not a whole number"),
        ("1546300800000000000,1,1,1,1,1,1", "must be in unix seconds"),
    ],
)
def test_malformed_row_is_refused_with_file_line_and_remedy(row: str, words: str) -> None:
    said = refusal(GOOD.replace("1546300800", "1546297200"), row)
    assert said.startswith("XBTUSD_60.csv:2: XBTUSD candle: ")
    assert words in said
    assert ";" in said


def test_duplicated_row_is_refused() -> None:
    assert "stands twice; remove one" in refusal(GOOD, GOOD)


def test_unordered_row_is_refused() -> None:
    earlier = GOOD.replace("1546300800", "1546297200")
    assert "1546297200 comes after 1546300800; sort the rows" in refusal(GOOD, earlier)


def test_row_between_the_steps_is_refused_when_the_step_is_known() -> None:
    odd = GOOD.replace("1546300800", "1546301400")
    assert len(read(odd)) == 1
    assert "not a multiple of 3600 s" in refusal(odd, step_s=3600)


def test_price_that_rounds_to_nothing_is_refused_when_the_tick_is_known() -> None:
    tiny = "1546300800,0.01,0.01,0.01,0.01,1,1"
    assert len(read(tiny)) == 1
    assert "0 ticks is not positive" in refusal(tiny, tick=TICK)


def test_refusal_says_that_the_input_must_be_mended() -> None:
    with pytest.raises(BadInput) as caught:
        read("x")
    assert caught.value.exit_code == 78


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("XBTUSD_60.csv", (XBTUSD, Timeframe.H1)),
        ("XBTUSD_1440.csv.gz", (XBTUSD, Timeframe.D1)),
        ("1INCHUSD_1.csv", (PairName("1INCHUSD"), Timeframe.M1)),
        ("XBTUSD_720.csv", None),
        ("XBTUSD_60.txt", None),
        ("XBTUSD.csv", None),
        ("xbtusd_60.csv", (XBTUSD, Timeframe.H1)),
        ("BTC-USD_60.csv", (XBTUSD, Timeframe.H1)),
        ("BTC_USD_60.csv.gz", (XBTUSD, Timeframe.H1)),
        ("DOGEUSD_60.csv", (PairName("XDGUSD"), Timeframe.H1)),
        ("XXBTZUSD_60.csv", (XBTUSD, Timeframe.H1)),
        ("_60.csv", None),
        ("a_b_c_60.csv", None),
        ("XBTUSD_060.csv", None),
    ],
)
def test_file_name_tells_pair_and_length(file_name: str, expected: object) -> None:
    assert named(file_name) == expected


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("XBTUSD_7.csv", ("XBTUSD", 7)),
        ("btcusd_30.csv.gz", ("XBTUSD", 30)),
        ("XBTUSD_60.csv", None),
        ("XBTUSD.csv", None),
        ("notes.txt", None),
    ],
)
def test_length_that_is_not_kept_is_told_of_files_that_are_named_like_ours(
    file_name: str, expected: object
) -> None:
    assert unkept_length(file_name) == expected


@settings(max_examples=50)
@given(
    prices=st.lists(st.integers(1, 10**9), min_size=4, max_size=4).map(sorted),
    volume=st.integers(0, 10**14),
    trades=st.integers(0, 10**6),
)
def test_bar_written_and_read_again_is_the_same_bar(
    prices: list[int], volume: int, trades: int
) -> None:
    low, opened, close, high = prices
    bar = Bar(
        start_s=1546300800,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
        trades=trades,
    )
    (row,) = read(to_line(from_bar(bar, TICK)), tick=TICK)
    assert to_bar(row, TICK) == bar


def test_real_hourly_history_is_read_without_complaint() -> None:
    folder = Path(os.environ.get("CANDLES", "../shared/data/kraken-ohlcvt"))
    path = Path(__file__).parents[3] / folder / "XBTUSD_60.csv.gz"
    if not path.exists():
        pytest.skip("the recorded candles are not here")
    with gzip.open(path, "rt", encoding="ascii") as lines:
        wanted = (line for line in lines if line >= "1609459200")
        rows = list(parse_rows(wanted, source=path.name, pair=XBTUSD, tick_size=TICK, step_s=3600))
    assert len(rows) > 8_700
    assert rows[-1].start_s == 1640991600
