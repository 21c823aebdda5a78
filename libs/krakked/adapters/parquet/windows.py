"""The newest bars of a series in memory: appending is amortised, looking back is a view.

What was handed out never changes: bars are only added behind it, and when the buffer is full the
newest ones move to a new buffer while old views keep the old one.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from krakked.adapters.parquet.blocks import Block, Table, common_tick
from krakked.domain.bars import COLUMNS

_CAPACITY_MIN: Final = 64


class Window:
    """At least the newest ``keep`` bars; ``is_whole`` while it has all there are."""

    def __init__(self, block: Block, *, keep: int, is_whole: bool) -> None:
        self._keep = keep
        self._tick_size = block.tick_size
        self._count = len(block)
        self.is_whole = is_whole
        self._buffer = self._view = _room(0)
        self._move_to_new_buffer(block.table)

    def __len__(self) -> int:
        return self._count

    @property
    def first_s(self) -> int | None:
        """Start of the oldest bar here."""
        return int(self._buffer[0, 0]) if self._count else None

    @property
    def newest_s(self) -> int | None:
        """Start of the newest bar."""
        return int(self._buffer[0, self._count - 1]) if self._count else None

    def all(self) -> Block:
        """Every bar here; a view."""
        return Block(self._tick_size, self._view[:, : self._count])

    def last(self, count: int) -> Block:
        """The newest ``count`` bars, or all of them; a view."""
        first = max(0, self._count - count)
        return Block(self._tick_size, self._view[:, first : self._count])

    def add(self, block: Block) -> None:
        """Put later bars behind the newest."""
        self._settle_tick(block)
        added = block.in_ticks_of(self._tick_size).table
        end = self._count + len(block)
        if end > self._buffer.shape[1]:
            self._move_to_new_buffer(np.concatenate((self.all().table, added), axis=1))
        else:
            self._buffer[:, self._count : end] = added
            self._count = end

    def _settle_tick(self, block: Block) -> None:
        """Hold both in one tick that is exact for both."""
        tick_size = (
            common_tick(self._tick_size, block.tick_size) if self._count else block.tick_size
        )
        if tick_size != self._tick_size:
            table = self.all().in_ticks_of(tick_size).table
            self._tick_size = tick_size
            self._move_to_new_buffer(table)

    def _move_to_new_buffer(self, table: Table) -> None:
        count = table.shape[1]
        kept = min(count, self._keep)
        self.is_whole = self.is_whole and kept == count
        self._buffer = _room(max(_CAPACITY_MIN, 2 * kept))
        self._buffer[:, :kept] = table[:, count - kept :]
        self._count = kept
        self._view = self._buffer.view()
        self._view.flags.writeable = False


def _room(capacity: int) -> Table:
    return np.empty((len(COLUMNS), capacity), dtype=np.int64)
