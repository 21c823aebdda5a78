"""Instants: whole nanoseconds since 1970 UTC, named ``…_ns``; people see RFC 3339 with a Z."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final

NS_PER_SECOND: Final = 1_000_000_000
DAY_S: Final = 86_400
_SECONDS_LENGTH: Final = len("2026-11-23T08:53:00")


def seconds(ns: int) -> Decimal:
    """Unix seconds, exact."""
    return Decimal(ns).scaleb(-9)


def from_seconds(value: Decimal | int | str) -> int:
    """Nanoseconds from unix seconds written as decimal text (the venue sends 4 to 7 decimals)."""
    return int(Decimal(value).scaleb(9))


def from_rfc3339(text: str) -> int:
    """Nanoseconds from an RFC 3339 text with up to nine fractional digits.

    Raises:
        ValueError: not such a text, or without a time zone.
    """
    head, dot, tail = text.partition(".")
    if not dot:
        return _whole_seconds(text) * NS_PER_SECOND
    digits = 0
    while digits < len(tail) and tail[digits].isdigit():
        digits += 1
    fraction = tail[:digits][:9].ljust(9, "0")
    return _whole_seconds(head + tail[digits:]) * NS_PER_SECOND + int(fraction)


def _whole_seconds(text: str) -> int:
    instant = dt.datetime.fromisoformat(text)
    if instant.tzinfo is None:
        message = f"{text!r} has no time zone"
        raise ValueError(message)
    return int(instant.timestamp())


def to_rfc3339(ns: int, *, decimals: int = 6) -> str:
    """``2026-11-23T08:53:00.123456Z``; ``decimals`` from 0 to 9, cut, not rounded."""
    whole, rest = divmod(ns, NS_PER_SECOND)
    text = dt.datetime.fromtimestamp(whole, tz=dt.UTC).isoformat()[:_SECONDS_LENGTH]
    return f"{text}.{rest:09d}"[: len(text) + 1 + decimals].rstrip(".") + "Z"


def to_minute(ns: int) -> str:
    """``2026-11-23 08:53`` UTC, for people."""
    return dt.datetime.fromtimestamp(ns // NS_PER_SECOND, tz=dt.UTC).strftime("%Y-%m-%d %H:%M")


def day_of(ns: int) -> int:
    """Days since 1970 UTC."""
    return ns // (DAY_S * NS_PER_SECOND)
