"""Importing candle files into a bar store: Kraken's OHLCVT download, a folder, or single files.

Prices are kept exactly: each portion of rows is stored in the coarsest tick that all its prices are
whole multiples of; reading rounds to the pair's tick of the day. Bars that are kept already win, so
that importing twice changes nothing. A stretch without rows is a gap, counted and never filled.
"""

from __future__ import annotations

import gzip
import io
import itertools
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import IO, Final, TypeAlias

import msgspec

from krakked.domain.bars import Timeframe
from krakked.domain.candles import CandleRow, named, parse_rows, to_bar, unkept_length
from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName
from krakked.domain.money import quantum
from krakked.ports.bar_store import BarStore

Bytes: TypeAlias = IO[bytes] | gzip.GzipFile

PORTION_ROWS: Final = 50_000
LINK_TO_NOTHING: Final = "a link to what is not there; mend the link, or remove it"
LENGTHS: Final = "1, 5, 15, 60, 240 or 1440"
"""Minutes of the candles that are kept, in words."""


class CandleFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of candles, wherever it lies."""

    name: str
    """As messages call it."""
    pair: PairName
    timeframe: Timeframe
    open: Callable[[], Bytes]


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one file."""

    name: str
    pair: PairName
    timeframe: Timeframe
    rows: int
    added: int
    first_s: int | None
    last_s: int | None
    gaps: int
    """Stretches without rows between the first and the last."""


def candle_files(path: Path) -> list[CandleFile]:
    """All candle files in a zip, in a folder, or the one that ``path`` is; by name.

    Raises:
        BadInput: no such file, not readable, or nothing in it is a candle file.
    """
    if path.is_dir():
        found = [_plain_file(inner) for inner in sorted(path.iterdir()) if named(inner.name)]
    elif path.is_symlink() and not path.exists():
        raise BadInput(f"{path}: {LINK_TO_NOTHING}")
    elif not path.exists():
        raise BadInput(f"{path}: no such file or folder; give a zip, a .csv, a .csv.gz or a folder")
    elif path.suffix == ".zip":
        found = _in_zip(path)
    elif named(path.name):
        found = [_plain_file(path)]
    else:
        found = []
    if not found:
        raise BadInput(f"{path}: {_why_none(path)}")
    return found


def _why_none(path: Path) -> str:
    names = [inner.name for inner in sorted(path.iterdir())] if path.is_dir() else [path.name]
    if odd := next(filter(unkept_length, names), None):
        return f"no candle file; {length_in_words(odd)}"
    return (
        "no candle file; they are named <PAIR>_<minutes>.csv or .csv.gz with "
        f"{LENGTHS} minutes, like XBTUSD_60.csv"
    )


def length_in_words(file_name: str) -> str:
    """What is wrong with a file that has all of our names but its length."""
    odd = unkept_length(file_name)
    assert odd is not None, "its length is one of ours"
    return f"{file_name}: {odd[1]} minutes is no length that krakked keeps; take {LENGTHS}"


def strangers(folder: Path) -> list[str]:
    """Files of the folder that may be meant as candles, and are not named like ours."""
    endings = (".csv", ".csv.gz")
    return [
        path.name
        for path in sorted(folder.iterdir())
        if path.name.lower().endswith(endings) and named(path.name) is None
    ]


def check_file(file: CandleFile) -> None:
    """Read it whole and keep nothing: what is imported together is good together.

    Raises:
        BadInput: a bad row (file and line), or a damaged file.
    """
    for portion in _portions(_rows(file)):
        del portion


def import_file(file: CandleFile, store: BarStore) -> Imported:
    """Read all rows and keep those that are new.

    Raises:
        BadInput: a bad row (file and line), or a damaged file; portions before it are kept.
    """
    step_s = file.timeframe.seconds
    first_s: int | None = None
    last_s: int | None = None
    rows = added = gaps = 0
    for portion in _portions(_rows(file)):
        starts = [row.start_s for row in portion]
        first_s = starts[0] if first_s is None else first_s
        before = starts[0] - step_s if last_s is None else last_s
        gaps += sum(b - a > step_s for a, b in itertools.pairwise([before, *starts]))
        last_s = starts[-1]
        rows += len(portion)
        tick_size = finest_tick(portion)
        bars = [to_bar(row, tick_size) for row in portion]
        added += store.insert(file.pair, file.timeframe, tick_size, bars)
    return Imported(
        name=file.name,
        pair=file.pair,
        timeframe=file.timeframe,
        rows=rows,
        added=added,
        first_s=first_s,
        last_s=last_s,
        gaps=gaps,
    )


def read_rows(file: CandleFile) -> Iterator[CandleRow]:
    """All rows of a file, checked.

    Raises:
        BadInput: a bad row (file and line), or a damaged file.
    """
    return _rows(file)


def finest_tick(rows: Iterable[CandleRow]) -> Decimal:
    """The coarsest power of ten, at most one, of which every price is a whole multiple."""
    prices = {price for row in rows for price in (row.open, row.high, row.low, row.close)}
    exponents = (price.normalize().as_tuple().exponent for price in prices)
    return quantum(max([0, *(-int(exponent) for exponent in exponents)]))


def _plain_file(path: Path) -> CandleFile:
    known = named(path.name)
    assert known is not None
    pair, timeframe = known

    def opened() -> Bytes:
        return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")

    return CandleFile(name=str(path), pair=pair, timeframe=timeframe, open=opened)


def _in_zip(path: Path) -> list[CandleFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(archive.namelist())
    except zipfile.BadZipFile as error:
        raise BadInput(f"{path}: cannot be read as a zip: {error}; download it again") from error
    except OSError as error:
        raise _unreadable(path, error) from error
    return [
        CandleFile(
            name=f"{path}:{member}",
            pair=known[0],
            timeframe=known[1],
            open=lambda member=member: _open_member(path, member),  # type: ignore[misc]  # bound now
        )
        for member in members
        if (known := named(member.rpartition("/")[2])) is not None
    ]


def _open_member(path: Path, member: str) -> Bytes:
    with zipfile.ZipFile(path) as archive:
        opened = archive.open(member)
    return gzip.open(opened, "rb") if member.endswith(".gz") else opened


def _rows(file: CandleFile) -> Iterator[CandleRow]:
    with _readable(file), file.open() as raw:
        lines = io.TextIOWrapper(raw, encoding="ascii")
        yield from parse_rows(
            lines, source=file.name, pair=file.pair, step_s=file.timeframe.seconds
        )


@contextmanager
def _readable(file: CandleFile) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise BadInput(f"{file.name}: not plain text (byte {error.start}); mend it") from error
    except (gzip.BadGzipFile, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise BadInput(f"{file.name}: cannot be read: {error}; download it again") from error
    except OSError as error:
        raise _unreadable(file.name, error) from error


def _unreadable(name: str | Path, error: OSError) -> BadInput:
    """What the system says; downloading again would not help."""
    if isinstance(error, FileNotFoundError):
        return BadInput(f"{name}: {LINK_TO_NOTHING}")
    return BadInput(f"{name}: cannot be read: {error.strerror or error}; look at its permissions")


def _portions(rows: Iterator[CandleRow]) -> Iterator[Sequence[CandleRow]]:
    while portion := list(itertools.islice(rows, PORTION_ROWS)):
        yield portion
