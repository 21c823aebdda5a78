"""Candles as Kraken offers them for download, read strictly and written in the same form.

One file holds one pair and one length: ``<PAIR>_<minutes>.csv``, also gzipped, named by altname.
A row is ``unix start, open, high, low, close, volume in base, trades``; there is no header, rows
are ordered, and a stretch without a trade has no row. A row that breaks a rule is refused with
its file and line: guessing what was meant would make every figure after it worthless.

Opening files is the caller's business; here are lines in and lines out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName
from krakked.domain.money import BadAmount, parse_amount, plain, to_text
from krakked.domain.times import NS_PER_SECOND, to_minute

COLUMNS: Final = ("start", "open", "high", "low", "close", "volume", "trades")
INTERVALS_MIN: Final = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
"""Lengths of candles that the venue knows, in minutes."""

_FILE_NAME: Final = re.compile(r"(?P<pair>[A-Z0-9.]+)_(?P<minutes>[0-9]+)\.csv(\.gz)?")
_START_MAX_S: Final = 4_102_444_800  # the year 2100


class Candle(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What happened in ``minutes`` from ``start_s`` on; only if something did."""

    start_s: int
    minutes: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: int

    @property
    def end_s(self) -> int:
        """The first second after it."""
        return self.start_s + self.minutes * 60


class CandleFile(msgspec.Struct, frozen=True, order=True):
    """What a file's name says about its content."""

    pair: PairName
    minutes: int


def parse_file_name(name: str) -> CandleFile | None:
    """Pair and length, or None if this is no candle file of a length that the venue knows."""
    match = _FILE_NAME.fullmatch(name)
    if match is None or int(match["minutes"]) not in INTERVALS_MIN:
        return None
    return CandleFile(PairName(match["pair"]), int(match["minutes"]))


def file_name(pair: PairName, minutes: int) -> str:
    """The name of the file that holds these candles."""
    return f"{pair}_{minutes}.csv"


def parse_candles(
    lines: Iterable[str], *, minutes: int, where: str, from_s: int = 0, to_s: int = _START_MAX_S
) -> Iterator[Candle]:
    """The candles that start in ``[from_s, to_s)``; every line read is checked.

    Raises:
        BadInput: a row is malformed, out of order or a duplicate; names ``where`` and the line.
    """
    previous_s = -1
    for number, line in enumerate(lines, start=1):
        try:
            candle = parse_row(line, minutes=minutes)
            _check_order(candle.start_s, previous_s)
        except _BadRow as problem:
            raise BadInput(f"{where}:{number}: {problem}") from None
        previous_s = candle.start_s
        if candle.start_s >= to_s:
            return
        if candle.start_s >= from_s:
            yield candle


class _BadRow(ValueError):
    """Why a row cannot be used, and how to mend it."""


def parse_row(line: str, *, minutes: int) -> Candle:
    """One row, checked.

    Raises:
        ValueError: says what is wrong and how to mend it.
    """
    fields = line.rstrip("\r\n").split(",")
    if len(fields) != len(COLUMNS):
        raise _BadRow(
            f"{len(fields)} fields instead of {len(COLUMNS)}; write {','.join(COLUMNS)}"
            " without a header and without empty lines"
        )
    start_s, trades = _whole(fields[0], "start"), _whole(fields[6], "trades")
    if start_s > _START_MAX_S or start_s % (minutes * 60):
        raise _BadRow(f"start {start_s} is not a unix second on a {minutes}-minute boundary")
    amounts = [_amount(text, name) for text, name in zip(fields[1:6], COLUMNS[1:6], strict=True)]
    candle = Candle(
        start_s=start_s,
        minutes=minutes,
        open=amounts[0],
        high=amounts[1],
        low=amounts[2],
        close=amounts[3],
        volume=amounts[4],
        trades=trades,
    )
    _check_sense(candle)
    return candle


def to_row(candle: Candle) -> str:
    """The row of a candle, without its line end."""
    amounts = (candle.open, candle.high, candle.low, candle.close, candle.volume)
    texts = (to_text(plain(amount)) for amount in amounts)
    return f"{candle.start_s},{','.join(texts)},{candle.trades}"


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise _BadRow(f"{name} {text!r} is not a whole number")
    return int(text)


def _amount(text: str, name: str) -> Decimal:
    try:
        value = parse_amount(text, what=name)
    except BadAmount as error:
        raise _BadRow(f"{error}; write a plain decimal number") from None
    if value <= 0:
        raise _BadRow(f"{name} {text} is not positive; leave hours without trades out")
    return value


def _check_sense(candle: Candle) -> None:
    if candle.trades < 1:
        raise _BadRow("no trades; leave hours without trades out")
    body = (candle.open, candle.close)
    if not candle.low <= min(body) <= max(body) <= candle.high:
        raise _BadRow(
            f"open {candle.open}, high {candle.high}, low {candle.low}, close {candle.close}"
            " disagree; low must be the lowest and high the highest"
        )


def _check_order(start_s: int, previous_s: int) -> None:
    if start_s == previous_s:
        raise _BadRow(f"a second row for {_minute(start_s)}; remove one of them")
    if start_s < previous_s:
        raise _BadRow(f"{_minute(start_s)} comes after {_minute(previous_s)}; sort the file")


def _minute(start_s: int) -> str:
    return f"{to_minute(start_s * NS_PER_SECOND)} (start {start_s})"


def fold(candles: Iterable[Candle], minutes: int) -> Iterator[Candle]:
    """Longer candles from shorter ones, oldest first."""
    step = minutes * 60
    group: list[Candle] = []
    for candle in candles:
        if group and candle.start_s // step != group[0].start_s // step:
            yield _merged(group, minutes)
            group = []
        group.append(candle)
    if group:
        yield _merged(group, minutes)


def _merged(group: list[Candle], minutes: int) -> Candle:
    step = minutes * 60
    return Candle(
        start_s=group[0].start_s // step * step,
        minutes=minutes,
        open=group[0].open,
        high=max(candle.high for candle in group),
        low=min(candle.low for candle in group),
        close=group[-1].close,
        volume=sum((candle.volume for candle in group), Decimal(0)),
        trades=sum(candle.trades for candle in group),
    )
