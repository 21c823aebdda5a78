"""A block of bars: seven rows of int64 (the columns of ``domain.bars.COLUMNS``) in one tick size.

Blocks of different ticks meet in the greatest common tick of both, in which every price of either
is whole: nothing that is kept is ever rounded. Reading in a coarser tick than the kept one rounds
half to even, as ``domain.money.ticks_from_price`` does.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from krakked.domain.bars import COLUMNS, Bar, Bars, Timeframe
from krakked.domain.ids import PairName
from krakked.domain.money import ONE

Table: TypeAlias = npt.NDArray[np.int64]
"""Shape (7, number of bars)."""

_PRICES: Final = slice(COLUMNS.index("open"), COLUMNS.index("close") + 1)


class Block(msgspec.Struct, frozen=True):
    """Bars of one series, oldest first, each start once."""

    tick_size: Decimal
    table: Table

    def __len__(self) -> int:
        return int(self.table.shape[1])

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """Opening instants in seconds."""
        row: npt.NDArray[np.int64] = self.table[0]
        return row

    def within(self, start_s: int, end_s: int) -> Block:
        """Bars that start in [start_s, end_s); a view."""
        first, last = np.searchsorted(self.starts, (start_s, end_s))
        return Block(self.tick_size, self.table[:, first:last])

    def in_ticks_of(self, tick_size: Decimal) -> Block:
        """The same bars in another tick."""
        if tick_size == self.tick_size:
            return self
        table = self.table.copy()
        table[_PRICES] = _reticked(table[_PRICES], Fraction(self.tick_size) / Fraction(tick_size))
        return Block(tick_size, table)

    def bars(self, pair: PairName, timeframe: Timeframe, tick_size: Decimal) -> Bars:
        """As columns of the domain."""
        table = self.in_ticks_of(tick_size).table
        return Bars(
            pair=pair,
            timeframe=timeframe,
            tick_size=tick_size,
            start_s=table[0],
            open=table[1],
            high=table[2],
            low=table[3],
            close=table[4],
            volume=table[5],
            trades=table[6],
        )


def empty(tick_size: Decimal) -> Block:
    """No bars."""
    return Block(tick_size, np.empty((len(COLUMNS), 0), dtype=np.int64))


def block_of(tick_size: Decimal, bars: Sequence[Bar]) -> Block:
    """Records as a block, in the order given."""
    rows = [[getattr(bar, name) for name in COLUMNS] for bar in bars]
    table = np.array(rows, dtype=np.int64).reshape(len(rows), len(COLUMNS)).T
    return Block(tick_size, np.ascontiguousarray(table))


def merged(kept: Block, added: Block) -> Block:
    """Both, in order; where both have a bar, the kept one stays."""
    if not len(added):
        return kept
    tick_size = common_tick(kept.tick_size, added.tick_size) if len(kept) else added.tick_size
    table = np.concatenate(
        (kept.in_ticks_of(tick_size).table, added.in_ticks_of(tick_size).table), axis=1
    )
    _, first = np.unique(table[0], return_index=True)
    return Block(tick_size, np.ascontiguousarray(table[:, first]))


def joined(parts: Sequence[Block]) -> Block:
    """Blocks that follow one another, as one."""
    filled = [part for part in parts if len(part)]
    if not filled:
        return empty(ONE)
    tick_size = functools.reduce(common_tick, (part.tick_size for part in filled))
    tables = [part.in_ticks_of(tick_size).table for part in filled]
    return Block(tick_size, np.concatenate(tables, axis=1))


def common_tick(one: Decimal, other: Decimal) -> Decimal:
    """The greatest tick of which both are whole multiples."""
    if one == other:
        return one
    digits = max(0, *(-int(tick.as_tuple().exponent) for tick in (one, other)))
    whole = [int(tick.scaleb(digits)) for tick in (one, other)]
    return Decimal(math.gcd(*whole)).scaleb(-digits)


def _reticked(prices: Table, ratio: Fraction) -> Table:
    if ratio.denominator == 1:
        return prices * ratio.numerator
    whole, rest = np.divmod(prices * ratio.numerator, ratio.denominator)
    twice = 2 * rest
    is_up = (twice > ratio.denominator) | ((twice == ratio.denominator) & (whole % 2 == 1))
    rounded: Table = whole + is_up
    return rounded
