"""The tail of a series: bars as they close, appended as records of fixed size.

    header (44 bytes): magic, tick size as text, CRC-32 of both
    record (60 bytes): seven int64 (a bar's columns), CRC-32 of them; little endian all

A record that is torn or does not match its sum ends the file: it and what follows are cut off
when the tail is opened. Nothing is synced: bars can be fetched again from where the tail ends.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import numpy as np

from krakked.adapters.parquet.blocks import Block
from krakked.domain.bars import COLUMNS, Bar
from krakked.domain.money import to_text

_MAGIC: Final = b"KRKBARS1"
_TICK_BYTES: Final = 32
_SUM: Final = struct.Struct("<I")
_BAR: Final = struct.Struct(f"<{len(COLUMNS)}q")
_HEADER_BYTES: Final = len(_MAGIC) + _TICK_BYTES + _SUM.size
_RECORD_BYTES: Final = _BAR.size + _SUM.size


def append(path: Path, tick_size: Decimal, bars: Sequence[Bar]) -> None:
    """Add bars at the end, in one write; makes the file (and its folder) if there is none."""
    records = b"".join(_summed(_BAR.pack(*_values(bar))) for bar in bars)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, flags | os.O_CREAT, 0o600)
        records = _header(tick_size) + records
    try:
        if os.write(descriptor, records) < len(records):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(descriptor)


def read(path: Path) -> Block | None:
    """The sound bars of the tail; None if there are none. Changes nothing: a writer may be busy."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    tick_size = _tick_size(content)
    sound = _sound_bytes(content)
    if tick_size is None or sound == _HEADER_BYTES:
        return None
    return Block(tick_size, _table(content[_HEADER_BYTES:sound]))


def mend(path: Path) -> None:
    """Cut off what a crash left torn; for the writer, before it appends."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    if _tick_size(content) is None:
        path.unlink()
    else:
        os.truncate(path, _sound_bytes(content))


def _values(bar: Bar) -> tuple[int, ...]:
    return (bar.start_s, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trades)


def _summed(content: bytes) -> bytes:
    return content + _SUM.pack(zlib.crc32(content))


def _is_sound(content: bytes) -> bool:
    return _SUM.pack(zlib.crc32(content[: -_SUM.size])) == content[-_SUM.size :]


def _header(tick_size: Decimal) -> bytes:
    text = to_text(tick_size).encode()
    assert len(text) <= _TICK_BYTES, f"tick size {tick_size} is too long to be one"
    return _summed(_MAGIC + text.ljust(_TICK_BYTES))


def _tick_size(content: bytes) -> Decimal | None:
    header = content[:_HEADER_BYTES]
    if not header.startswith(_MAGIC) or len(header) < _HEADER_BYTES or not _is_sound(header):
        return None
    return Decimal(header[len(_MAGIC) : -_SUM.size].decode().strip())


def _sound_bytes(content: bytes) -> int:
    """Where the last sound record ends that has only sound ones before it."""
    end = _HEADER_BYTES
    while end + _RECORD_BYTES <= len(content) and _is_sound(content[end : end + _RECORD_BYTES]):
        end += _RECORD_BYTES
    return end


def _table(records: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    raw = np.frombuffer(records, dtype=np.uint8).reshape(-1, _RECORD_BYTES)
    values = np.ascontiguousarray(raw[:, : _BAR.size]).view("<i8")
    return np.ascontiguousarray(values.T.astype(np.int64))
