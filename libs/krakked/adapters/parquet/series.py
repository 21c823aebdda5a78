"""One series (pair, timeframe): partitions, then the tail, and the newest bars in memory.

Every bar in the tail is later than every bar in the partitions. A crash between writing a partition
and removing the tail leaves bars in both; the partition's win, so nothing is there twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import numpy as np

from krakked.adapters.parquet import partitions, segments
from krakked.adapters.parquet.blocks import Block, block_of, empty, joined, merged
from krakked.adapters.parquet.windows import Window
from krakked.domain.bars import Bar, Gap, Timeframe
from krakked.domain.money import ONE

TAIL_BARS_MAX: Final = 4096
"""A longer tail is compacted at once; a shorter one waits for ``compact``."""


class Series:
    """Closed bars of one pair and timeframe, in a folder of their own."""

    def __init__(self, folder: Path, timeframe: Timeframe, *, keep: int) -> None:
        self._folder = folder
        self._timeframe = timeframe
        self._keep = keep
        self._tail = folder / "tail.seg"
        self._tail_count = 0
        self._tail_tick: Decimal | None = None
        self._is_mended = False
        self._window: Window | None = None

    def newest_start_s(self) -> int | None:
        """Start of the newest bar."""
        return self._loaded().newest_s

    def append(self, tick_size: Decimal, bars: Sequence[Bar]) -> int:
        """Add those that are later than the newest; how many."""
        window = self._loaded()
        fresh = self._later(bars, window.newest_s)
        if not fresh:
            return 0
        self._prepare_tail(tick_size)
        self._is_mended = False  # so it stays if the disk fails in the middle
        segments.append(self._tail, tick_size, fresh)
        self._is_mended = True
        self._tail_tick = tick_size
        self._tail_count += len(fresh)
        window.add(block_of(tick_size, fresh))
        return len(fresh)

    def insert(self, tick_size: Decimal, bars: Sequence[Bar]) -> int:
        """Add them wherever they belong; kept ones win; how many were new."""
        by_start = {bar.start_s: self._checked(bar) for bar in reversed(bars)}
        window, self._window = self._window, None  # if the disk fails, it tells what is there
        self.compact()
        block = block_of(tick_size, [by_start[start_s] for start_s in sorted(by_start)])
        added = self._fold(block) if len(block) else 0
        if window is not None and window.is_whole:
            whole = merged(window.all(), block)
            self._window = Window(whole, keep=self._keep, is_whole=True)
        return added

    def last(self, count: int) -> Block:
        """The newest ``count`` bars."""
        window = self._loaded()
        if count <= len(window) or window.is_whole:
            return window.last(count)
        block, _ = self._newest(count)
        return Block(block.tick_size, block.table[:, max(0, len(block) - count) :])

    def between(self, start_s: int, end_s: int) -> Block:
        """Bars that start in [start_s, end_s)."""
        window = self._loaded()
        if window.is_whole or (window.first_s is not None and window.first_s <= start_s):
            return window.all().within(start_s, end_s)
        return self._read_between(start_s, end_s).within(start_s, end_s)

    def coverage(self) -> tuple[int, int, int] | None:
        """First start, last start and count; None if there is nothing."""
        tail = self._read_tail()
        parts = [partitions.summary(path) for path in partitions.files_of(self._folder)]
        edges = [(part.first_s, part.last_s, part.count) for part in parts]
        tail = _after(tail, parts[-1].last_s if parts else None)
        if len(tail):
            edges.append((int(tail.starts[0]), int(tail.starts[-1]), len(tail)))
        if not edges:
            return None
        return edges[0][0], edges[-1][1], sum(count for _, _, count in edges)

    def gaps(self) -> list[Gap]:
        """Holes between the bars, oldest first."""
        starts = self._read_all().starts
        step = self._timeframe.seconds
        holes = np.flatnonzero(np.diff(starts) != step)
        return [Gap(int(starts[i]) + step, int(starts[i + 1])) for i in holes]

    def compact(self) -> None:
        """Move the tail into the partitions."""
        tail = segments.read(self._tail)
        if tail is not None:
            self._fold(tail)
        self._tail.unlink(missing_ok=True)
        self._tail_count = 0
        self._tail_tick = None

    def _prepare_tail(self, tick_size: Decimal) -> None:
        if not self._is_mended:
            segments.mend(self._tail)
            self._is_mended = True
        if self._tail_tick not in (None, tick_size) or self._tail_count >= TAIL_BARS_MAX:
            self.compact()

    def _fold(self, block: Block) -> int:
        """Write the bars into their partitions; how many were not there."""
        added = 0
        for name, part in partitions.split(block, self._timeframe):
            path = self._folder / name
            kept = partitions.read(path) if path.exists() else empty(part.tick_size)
            whole = merged(kept, part)
            if len(whole) > len(kept):
                partitions.write(path, whole)
                added += len(whole) - len(kept)
        return added

    def _loaded(self) -> Window:
        if self._window is None:
            block, is_whole = self._newest(self._keep)
            self._window = Window(block, keep=self._keep, is_whole=is_whole)
        return self._window

    def _newest(self, count: int) -> tuple[Block, bool]:
        """At least the newest ``count`` bars, if there are so many; whether those are all."""
        tail = self._read_tail()
        paths = partitions.files_of(self._folder)
        parts: list[Block] = []
        found = len(tail)
        while paths and found < count:
            parts.insert(0, partitions.read(paths.pop()))
            found += len(parts[0])
        return joined([*parts, _after(tail, _newest_s(parts))]), not paths

    def _read_between(self, start_s: int, end_s: int) -> Block:
        tail = self._read_tail()
        files = partitions.files_of(self._folder)
        wanted = [f for f in files if partitions.overlaps(f, self._timeframe, start_s, end_s)]
        newest_s = partitions.summary(files[-1]).last_s if files else None
        return joined([*map(partitions.read, wanted), _after(tail, newest_s)])

    def _read_all(self) -> Block:
        tail = self._read_tail()
        parts = [partitions.read(path) for path in partitions.files_of(self._folder)]
        return joined([*parts, _after(tail, _newest_s(parts))])

    def _read_tail(self) -> Block:
        """Before the partitions: what moves meanwhile is then read twice, not missed."""
        tail = segments.read(self._tail) or empty(ONE)
        self._tail_count = len(tail)
        self._tail_tick = tail.tick_size if len(tail) else None
        return tail

    def _later(self, bars: Sequence[Bar], newest_s: int | None) -> list[Bar]:
        return list(self._rising(bars, -1 if newest_s is None else newest_s))

    def _rising(self, bars: Sequence[Bar], newest_s: int) -> Iterator[Bar]:
        for bar in bars:
            if bar.start_s > newest_s:
                newest_s = bar.start_s
                yield self._checked(bar)

    def _checked(self, bar: Bar) -> Bar:
        problem = bar.problem()
        assert problem is None, f"bar {bar.start_s} of {self._folder}: {problem}"
        assert bar.start_s % self._timeframe.seconds == 0, f"{bar.start_s} begins no bar"
        return bar


def _newest_s(parts: Sequence[Block]) -> int | None:
    return int(parts[-1].starts[-1]) if parts else None


def _after(tail: Block, newest_s: int | None) -> Block:
    """The bars of the tail that are in no partition."""
    if newest_s is None:
        return tail
    first = int(np.searchsorted(tail.starts, newest_s, "right"))
    return Block(tail.tick_size, tail.table[:, first:])
