"""Instants are whole nanoseconds, and every text of one leads back to it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.domain.times import (
    DAY_S,
    NS_PER_SECOND,
    day_of,
    from_rfc3339,
    from_seconds,
    seconds,
    to_minute,
    to_rfc3339,
)

instants = st.integers(0, 4_102_444_800 * NS_PER_SECOND)  # up to the year 2100


@given(instants)
def test_seconds_and_back_is_the_same_instant(ns: int) -> None:
    assert from_seconds(seconds(ns)) == ns
    assert from_seconds(str(seconds(ns))) == ns


@given(instants)
def test_rfc3339_with_nine_decimals_and_back_is_the_same_instant(ns: int) -> None:
    assert from_rfc3339(to_rfc3339(ns, decimals=9)) == ns


@given(instants, st.integers(0, 9))
def test_rfc3339_with_fewer_decimals_is_cut_never_rounded(ns: int, decimals: int) -> None:
    step = 10 ** (9 - decimals)
    assert from_rfc3339(to_rfc3339(ns, decimals=decimals)) == ns - ns % step


@given(instants)
def test_rfc3339_sorts_as_time_does(ns: int) -> None:
    assert to_rfc3339(ns, decimals=9) < to_rfc3339(ns + 1, decimals=9)


@given(instants, st.integers(-14 * 60, 14 * 60))
def test_rfc3339_of_any_zone_is_the_same_instant(ns: int, offset_minutes: int) -> None:
    zone = dt.timezone(dt.timedelta(minutes=offset_minutes))
    whole = dt.datetime.fromtimestamp(ns // NS_PER_SECOND, tz=zone)
    assert from_rfc3339(whole.isoformat()) == ns - ns % NS_PER_SECOND


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("2026-09-03T06:01:43Z", 1_788_415_303 * NS_PER_SECOND),
        ("2026-09-03T06:01:43.5Z", 1_788_415_303 * NS_PER_SECOND + 500_000_000),
        ("2026-09-03T06:01:43.123456Z", 1_788_415_303 * NS_PER_SECOND + 123_456_000),
        ("2026-09-03T08:01:43.123456789+02:00", 1_788_415_303 * NS_PER_SECOND + 123_456_789),
        ("2026-09-03T06:01:43.1234567899Z", 1_788_415_303 * NS_PER_SECOND + 123_456_789),
        ("1969-12-31T23:59:59.5Z", -500_000_000),
    ],
)
def test_from_rfc3339_reads_up_to_nine_decimals(text: str, ns: int) -> None:
    assert from_rfc3339(text) == ns


@pytest.mark.parametrize("text", ["2026-09-03T06:01:43", "2026-09-03T06:01:43.123456"])
def test_from_rfc3339_without_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        from_rfc3339(text)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "06:01:43Z"])
def test_from_rfc3339_of_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_rfc3339(text)


def test_to_rfc3339_keeps_all_six_digits_when_they_are_zero() -> None:
    assert to_rfc3339(1_788_415_303 * NS_PER_SECOND) == "2026-09-03T06:01:43.000000Z"


def test_to_rfc3339_without_decimals_has_no_point() -> None:
    assert to_rfc3339(1_788_415_303_999_999_999, decimals=0) == "2026-09-03T06:01:43Z"


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1705260547.4728658", 1_705_260_547_472_865_800),
        ("1705260547.4728", 1_705_260_547_472_800_000),
        ("1705260547", 1_705_260_547 * NS_PER_SECOND),
        ("0", 0),
    ],
)
def test_from_seconds_of_the_venues_decimals_is_exact(text: str, ns: int) -> None:
    assert from_seconds(text) == ns
    assert from_seconds(Decimal(text)) == ns


def test_from_seconds_of_a_whole_number_is_exact() -> None:
    assert from_seconds(1_705_260_547) == 1_705_260_547 * NS_PER_SECOND


def test_to_minute_is_in_utc() -> None:
    assert to_minute(from_rfc3339("2026-11-23T08:53:59.9Z")) == "2026-11-23 08:53"


def test_day_of_changes_at_midnight_utc() -> None:
    midnight_ns = from_rfc3339("2026-11-23T00:00:00Z")
    assert day_of(midnight_ns) == day_of(midnight_ns - 1) + 1
    assert day_of(midnight_ns) == day_of(midnight_ns + DAY_S * NS_PER_SECOND - 1)
