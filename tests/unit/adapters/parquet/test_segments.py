"""The tail: what is whole is read, what is torn or changed ends it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from krakked.adapters.parquet import segments
from krakked.adapters.parquet.blocks import block_of
from krakked.domain.bars import Bar

Make = Callable[..., list[Bar]]
HEADER, RECORD = 44, 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "XBTUSD" / "1h" / "tail.seg"


def count(path: Path) -> int:
    block = segments.read(path)
    return 0 if block is None else len(block)


def test_tail_gives_back_what_was_appended(path: Path, bars: Make) -> None:
    segments.append(path, Decimal("0.10"), bars([0]))
    segments.append(path, Decimal("0.10"), bars([1, 2]))
    block = segments.read(path)
    assert block is not None
    assert block.tick_size == Decimal("0.1")
    assert (block.table == block_of(block.tick_size, bars([0, 1, 2])).table).all()
    assert path.stat().st_size == HEADER + 3 * RECORD


def test_no_tail_is_no_bars(path: Path) -> None:
    assert segments.read(path) is None
    segments.mend(path)
    assert not path.exists()


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(cut=st.integers(0, HEADER + 5 * RECORD))
def test_tail_cut_anywhere_keeps_the_whole_records(path: Path, bars: Make, cut: int) -> None:
    path.unlink(missing_ok=True)
    segments.append(path, Decimal("0.1"), bars(range(5)))
    path.write_bytes(path.read_bytes()[:cut])
    whole = max(0, (cut - HEADER) // RECORD)
    assert count(path) == whole
    segments.mend(path)
    assert count(path) == whole
    segments.append(path, Decimal("0.1"), bars([7]))
    assert count(path) == whole + 1


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(at=st.integers(0, HEADER + 5 * RECORD - 1), mask=st.integers(1, 255))
def test_changed_byte_ends_the_tail_before_its_record(
    path: Path, bars: Make, at: int, mask: int
) -> None:
    path.unlink(missing_ok=True)
    segments.append(path, Decimal("0.1"), bars(range(5)))
    content = bytearray(path.read_bytes())
    content[at] ^= mask
    path.write_bytes(content)
    assert count(path) == max(0, (at - HEADER) // RECORD)


def test_reading_changes_nothing(path: Path, bars: Make) -> None:
    segments.append(path, Decimal("0.1"), bars(range(3)))
    torn = path.read_bytes() + b"half a record"
    path.write_bytes(torn)
    assert count(path) == 3
    assert path.read_bytes() == torn


def test_tick_size_too_long_to_be_one_is_a_bug(path: Path, bars: Make) -> None:
    with pytest.raises(AssertionError, match="too long"):
        segments.append(path, Decimal(1).scaleb(-40), bars([0]))
