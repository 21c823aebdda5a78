"""The bar store: closed bars of every pair and timeframe under one folder.

    <root>/<PAIR>/<timeframe>/<period>.parquet   what is past (see ``partitions``)
    <root>/<PAIR>/<timeframe>/tail.seg           what closed since (see ``segments``)

Appending costs one small write. Nothing is compacted on the way of a bar to its decision but a tail
grown beyond all measure: call :meth:`ParquetBarStore.compact` when a day has passed and nothing is
urgent; :meth:`ParquetBarStore.close` does it too. One process writes; others may read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Final

from krakked.adapters.parquet.series import Series
from krakked.adapters.sqlite import lock_files
from krakked.adapters.sqlite.lock_files import LockFile
from krakked.domain.bars import Bar, Bars, Gap, Timeframe
from krakked.domain.errors import LedgerFailed
from krakked.domain.ids import PairName

KEPT_IN_MEMORY: Final = 2048
"""Bars per series: longer than any window that strategies ask for at every bar."""


class ParquetBarStore:
    """Implements ``krakked.ports.bar_store.BarStore``."""

    def __init__(self, root: Path, *, keep: int = KEPT_IN_MEMORY) -> None:
        self._root = root
        self._keep = keep
        self._series: dict[tuple[PairName, Timeframe], Series] = {}
        self._lock: LockFile | None = None

    def append(
        self, pair: PairName, timeframe: Timeframe, tick_size: Decimal, bars: Sequence[Bar]
    ) -> int:
        """Add bars later than the newest kept one; how many."""
        with self._writing():
            return self._of(pair, timeframe).append(tick_size, bars)

    def insert(
        self, pair: PairName, timeframe: Timeframe, tick_size: Decimal, bars: Sequence[Bar]
    ) -> int:
        """Add bars anywhere; kept bars win; how many were added."""
        with self._writing():
            return self._of(pair, timeframe).insert(tick_size, bars)

    def last(self, pair: PairName, timeframe: Timeframe, count: int, tick_size: Decimal) -> Bars:
        """The newest ``count`` bars, oldest first: a view that later bars do not change."""
        with self._on_disk():
            found = self._of(pair, timeframe).last(count)
        return found.bars(pair, timeframe, tick_size)

    def between(
        self, pair: PairName, timeframe: Timeframe, start_s: int, end_s: int, tick_size: Decimal
    ) -> Bars:
        """Bars that start in [start_s, end_s)."""
        with self._on_disk():
            found = self._of(pair, timeframe).between(start_s, end_s)
        return found.bars(pair, timeframe, tick_size)

    def newest_start_s(self, pair: PairName, timeframe: Timeframe) -> int | None:
        """Start of the newest kept bar."""
        with self._on_disk():
            return self._of(pair, timeframe).newest_start_s()

    def coverage(self) -> Sequence[tuple[PairName, Timeframe, int, int, int]]:
        """(pair, timeframe, first start, last start, count), by pair, then by length."""
        with self._on_disk():
            return [
                (pair, timeframe, *covered)
                for pair, timeframe in self._kept()
                if (covered := self._of(pair, timeframe).coverage()) is not None
            ]

    def gaps(self, pair: PairName, timeframe: Timeframe) -> Sequence[Gap]:
        """Holes between the kept bars, oldest first."""
        with self._on_disk():
            return self._of(pair, timeframe).gaps()

    def compact(self) -> None:
        """Move every tail that was written here into its parquet files."""
        with self._writing():
            for series in self._series.values():
                series.compact()

    def close(self) -> None:
        """Compact and let go."""
        if self._lock is not None:
            try:
                self.compact()
            finally:
                self._lock.release()
                self._lock = None

    def _of(self, pair: PairName, timeframe: Timeframe) -> Series:
        series = self._series.get((pair, timeframe))
        if series is None:
            assert pair.replace(".", "").isalnum(), f"{pair!r} names no folder"
            folder = self._root / pair / timeframe.value
            series = Series(folder, timeframe, keep=self._keep)
            self._series[pair, timeframe] = series
        return series

    def _kept(self) -> list[tuple[PairName, Timeframe]]:
        return [
            (PairName(folder.name), timeframe)
            for folder in sorted(self._root.glob("*"))
            for timeframe in Timeframe
            if (folder / timeframe.value).is_dir()
        ]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The one writer."""
        if self._lock is None:
            self._lock = lock_files.acquire(
                self._root / "bars.lock",
                subject=f"bar store {self._root}",
                setting="market_data.ohlc_store.root_dir",
            )
        with self._on_disk():
            yield

    @contextmanager
    def _on_disk(self) -> Iterator[None]:
        """The disk's failures in our words."""
        try:
            yield
        except OSError as error:
            where = "" if error.filename is None else f" ({error.filename})"
            raise LedgerFailed(
                f"bar store {self._root}: {error.strerror or error}{where}; free some space, make "
                "it writable, or set market_data.ohlc_store.root_dir"
            ) from error
