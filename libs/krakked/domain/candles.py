"""Kraken's candle files: rows of ``<PAIR>_<minutes>.csv[.gz]``, read strictly, written exactly.

Seven columns without a header: unix second of the candle's start, open, high, low, close, volume
(base), trades. A stretch without trades has no row. Rows grow strictly in time. Anything else is
refused with file and line: a candle that is guessed at would be traded on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.bars import VOLUME_DECIMALS, Bar, Timeframe, timeframe_of_minutes
from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName
from krakked.domain.money import (
    BadAmount,
    parse_amount,
    price_from_ticks,
    round_nearest,
    ticks_from_price,
    to_text,
)
from krakked.domain.naming import standard_pair

COLUMNS: Final = ("time", "open", "high", "low", "close", "volume", "trades")
_FILE_NAME: Final = re.compile(
    r"(?P<pair>[A-Za-z0-9]+([-_][A-Za-z0-9]+)?)_(?P<minutes>[1-9][0-9]*)\.csv(\.gz)?"
)
_START_MAX_S: Final = 253_402_300_799
"""The last second of the year 9999; a larger number is not in seconds."""


class CandleRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row as it is written: prices in quote, volume in base."""

    start_s: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: int


def named(file_name: str) -> tuple[PairName, Timeframe] | None:
    """What the file of that name holds, whatever spelling of the pair it has.

    None if it is not named like a candle file of ours.
    """
    found = _FILE_NAME.fullmatch(file_name)
    if found is None:
        return None
    try:
        return standard_pair(found["pair"]), timeframe_of_minutes(int(found["minutes"]))
    except KeyError:
        return None


def unkept_length(file_name: str) -> tuple[PairName, int] | None:
    """Pair and minutes of a file that is named like ours in all but its length."""
    found = _FILE_NAME.fullmatch(file_name)
    if found is None or named(file_name) is not None:
        return None
    return standard_pair(found["pair"]), int(found["minutes"])


def parse_rows(
    lines: Iterable[str],
    *,
    source: str,
    pair: PairName,
    tick_size: Decimal | None = None,
    step_s: int | None = None,
) -> Iterator[CandleRow]:
    """Read the rows one by one; blank lines are skipped.

    Args:
        lines: of the file, with or without their ends.
        source: name of the file, for messages.
        pair: whose candles these are, for messages.
        tick_size: if given, each row must still be a candle after rounding to it.
        step_s: if given, each row must start on a whole multiple of it.

    Raises:
        BadInput: a malformed, unordered or duplicated row, named by file and line.
    """
    previous_s = -1
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        try:
            row = _parse_row(text)
            _check_start(row.start_s, previous_s, step_s)
            _check_row(row, tick_size)
        except ValueError as error:
            raise BadInput(f"{source}:{number}: {pair} candle: {error}") from error
        previous_s = row.start_s
        yield row


def to_bar(row: CandleRow, tick_size: Decimal) -> Bar:
    """The row in whole ticks (nearest, half to even) and whole 10^-8 of the base asset."""
    return Bar(
        start_s=row.start_s,
        open=ticks_from_price(row.open, tick_size),
        high=ticks_from_price(row.high, tick_size),
        low=ticks_from_price(row.low, tick_size),
        close=ticks_from_price(row.close, tick_size),
        volume=int(round_nearest(row.volume, VOLUME_DECIMALS).scaleb(VOLUME_DECIMALS)),
        trades=row.trades,
    )


def from_bar(bar: Bar, tick_size: Decimal) -> CandleRow:
    """The bar as a row; :func:`to_bar` gives it back."""
    return CandleRow(
        start_s=bar.start_s,
        open=price_from_ticks(bar.open, tick_size),
        high=price_from_ticks(bar.high, tick_size),
        low=price_from_ticks(bar.low, tick_size),
        close=price_from_ticks(bar.close, tick_size),
        volume=Decimal(bar.volume).scaleb(-VOLUME_DECIMALS),
        trades=bar.trades,
    )


def to_line(row: CandleRow) -> str:
    """The row as it stands in a file, without the line's end."""
    amounts = (row.open, row.high, row.low, row.close, row.volume)
    return f"{row.start_s},{','.join(map(to_text, amounts))},{row.trades}"


def _parse_row(text: str) -> CandleRow:
    cells = text.split(",")
    if len(cells) != len(COLUMNS):
        message = (
            f"{len(cells)} columns where {len(COLUMNS)} are expected ({','.join(COLUMNS)}); "
            "mend or remove the row"
        )
        raise ValueError(message)
    start_s = _whole("time", cells[0])
    opened, high, low, close, volume = (
        _amount(name, cell) for name, cell in zip(COLUMNS[1:6], cells[1:6], strict=True)
    )
    return CandleRow(
        start_s=start_s,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
        trades=_whole("trades", cells[6]),
    )


def _amount(name: str, cell: str) -> Decimal:
    try:
        return parse_amount(cell.strip(), what=name)
    except BadAmount as error:
        message = f"{error}; mend or remove the row"
        raise ValueError(message) from error


def _whole(name: str, cell: str) -> int:
    digits = cell.strip()
    if not (digits.isascii() and digits.isdigit()):
        message = f"{name} {cell.strip()!r} is not a whole number; a header row must be removed"
        raise ValueError(message)
    return int(digits)


def _check_start(start_s: int, previous_s: int, step_s: int | None) -> None:
    if start_s > _START_MAX_S:
        message = f"time {start_s} is beyond the year 9999; it must be in unix seconds"
        raise ValueError(message)
    if start_s == previous_s:
        message = f"time {start_s} stands twice; remove one of the two rows"
        raise ValueError(message)
    if start_s < previous_s:
        message = f"time {start_s} comes after {previous_s}; sort the rows by time"
        raise ValueError(message)
    if step_s is not None and start_s % step_s:
        message = (
            f"time {start_s} is not a multiple of {step_s} s; "
            "the file's name must carry the candles' length in minutes"
        )
        raise ValueError(message)


def _check_row(row: CandleRow, tick_size: Decimal | None) -> None:
    problem = _problem(row)
    if problem is None and tick_size is not None:
        problem = to_bar(row, tick_size).problem()
    if problem is not None:
        message = f"{problem}; mend or remove the row"
        raise ValueError(message)


def _problem(row: CandleRow) -> str | None:
    if row.low <= 0:
        return f"low {row.low} is not positive"
    if not row.low <= min(row.open, row.close) <= max(row.open, row.close) <= row.high:
        return f"open {row.open}, high {row.high}, low {row.low}, close {row.close} disagree"
    if row.volume < 0:
        return f"volume {row.volume} is negative"
    return None
