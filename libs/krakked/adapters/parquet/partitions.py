"""Parquet files of one series, one per period: a day of minutes, a month of hours, a year of days.

``2026-11-23.parquet`` for 1m, 5m and 15m; ``2026-11.parquet`` for 1h and 4h; ``2026.parquet`` for
1d: a few hundred bars each, so that adding a day rewrites little and years are few files. All
columns are int64, delta-coded and (where there are many) compressed; the tick size stands in the
file's metadata.
pyarrow is imported when the first file is touched: a short-lived command never pays for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import numpy as np

from krakked.adapters.parquet.blocks import Block
from krakked.domain.bars import COLUMNS, Timeframe
from krakked.domain.errors import BadInput
from krakked.domain.money import to_text

if TYPE_CHECKING:
    import pyarrow.parquet

_TICK_SIZE: Final = b"krakked.tick_size"
_SUFFIX: Final = ".parquet"
_COMPRESSED_MIN: Final = 128
"""Fewer bars fit into a block or two of the disk as they are, and are written much faster."""
_UNIT: Final[dict[Timeframe, Literal["D", "M", "Y"]]] = {
    Timeframe.M1: "D",
    Timeframe.M5: "D",
    Timeframe.M15: "D",
    Timeframe.H1: "M",
    Timeframe.H4: "M",
    Timeframe.D1: "Y",
}
"""Of the period, as numpy names units of time."""


class Summary(msgspec.Struct, frozen=True):
    """What a file holds, from its footer."""

    first_s: int
    last_s: int
    count: int


def split(block: Block, timeframe: Timeframe) -> Iterator[tuple[str, Block]]:
    """The block by period, as (name of the file, its bars)."""
    instants = block.starts.astype("datetime64[s]")
    periods = instants.astype(f"datetime64[{_UNIT[timeframe]}]")
    names, first = np.unique(periods, return_index=True)
    ends = [*first[1:], len(block)]
    for name, start, end in zip(names, first, ends, strict=True):
        yield f"{name}{_SUFFIX}", Block(block.tick_size, block.table[:, start:end])


def files_of(folder: Path) -> list[Path]:
    """The files of a series, oldest first."""
    return sorted(folder.glob(f"*{_SUFFIX}"))


def overlaps(path: Path, timeframe: Timeframe, start_s: int, end_s: int) -> bool:
    """Whether the file's period has an instant in [start_s, end_s).

    Raises:
        BadInput: its name is no period.
    """
    unit = _UNIT[timeframe]
    try:
        period = np.datetime64(path.stem, unit)
    except ValueError as error:
        raise BadInput(f"bars {path}: not the name of a period; move the file away") from error
    edges = (period, period + np.timedelta64(1, unit))  # a bare 1 has no unit: deprecated in NumPy
    first, after = (int(edge.astype("datetime64[s]").astype(int)) for edge in edges)
    return first < end_s and start_s < after


def read(path: Path) -> Block:
    """All bars of a file.

    Raises:
        BadInput: it is damaged or not one of ours.
    """
    import pyarrow as pa

    file = _open(path)
    try:
        tick_size = _tick_size(file, path)
        table = file.read(columns=list(COLUMNS), use_threads=False)
        columns = [table.column(name).to_numpy() for name in COLUMNS]
    except (pa.ArrowException, OSError, KeyError) as error:
        raise _damaged(path, str(error)) from error
    finally:
        file.close()
    return Block(tick_size, np.ascontiguousarray(columns, dtype=np.int64))


def summary(path: Path) -> Summary:
    """What the file holds, without reading its bars.

    Raises:
        BadInput: it is damaged or not one of ours.
    """
    file = _open(path)
    try:
        metadata = file.metadata
        if metadata.num_row_groups != 1:
            raise _damaged(path, "not one row group")
        starts = metadata.row_group(0).column(0).statistics
        if starts is None or starts.min is None:
            raise _damaged(path, "no statistics")
        return Summary(int(starts.min), int(starts.max), int(metadata.num_rows))
    finally:
        file.close()


def write(path: Path, block: Block) -> None:
    """Put the file in place as a whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [(name, pa.int64()) for name in COLUMNS],
        metadata={_TICK_SIZE: to_text(block.tick_size).encode()},
    )
    partial = path.with_name(path.name + ".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("wb") as out:
        pq.write_table(
            pa.table(list(block.table), schema=schema),
            out,
            compression="zstd" if len(block) >= _COMPRESSED_MIN else "none",
            use_dictionary=False,
            column_encoding=dict.fromkeys(COLUMNS, "DELTA_BINARY_PACKED"),
        )
        out.flush()
        os.fsync(out.fileno())
    partial.replace(path)


def _open(path: Path) -> pyarrow.parquet.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, str(error)) from error


def _tick_size(file: pyarrow.parquet.ParquetFile, path: Path) -> Decimal:
    text = (file.schema_arrow.metadata or {}).get(_TICK_SIZE, b"")
    try:
        return Decimal(text.decode())
    except (InvalidOperation, UnicodeDecodeError) as error:
        raise _damaged(path, "no tick size in its metadata") from error


def _damaged(path: Path, why: str) -> BadInput:
    return BadInput(
        f"bars {path}: damaged, or not written by krakked ({why.splitlines()[0]});"
        " delete or move it: its bars are fetched or imported again"
    )
