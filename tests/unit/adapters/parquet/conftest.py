"""Bar stores in a temporary folder, and bars to put into them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from krakked.adapters.parquet.bar_store import ParquetBarStore
from krakked.domain.bars import Bar

START_S = 1_546_300_800
"""2019-01-01 00:00 UTC."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "bars"


@pytest.fixture
def opened(root: Path) -> Iterator[Callable[..., ParquetBarStore]]:
    """Open the store; all are closed at the end."""
    stores: list[ParquetBarStore] = []

    def open_(keep: int = 2048) -> ParquetBarStore:
        stores.append(ParquetBarStore(root, keep=keep))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


@pytest.fixture
def bars() -> Callable[..., list[Bar]]:
    """Bars of those numbers from 2019 on, each different from the other."""

    def make(numbers: Iterable[int], *, step_s: int = 3_600, ticks: int = 37_000) -> list[Bar]:
        return [
            Bar(
                start_s=START_S + number * step_s,
                open=ticks + number,
                high=ticks + number + 7,
                low=ticks + number - 3,
                close=ticks + number + 2,
                volume=100_000_000 + number,
                trades=4 + number % 5,
            )
            for number in numbers
        ]

    return make


@pytest.fixture
def tick() -> Decimal:
    return Decimal("0.1")
