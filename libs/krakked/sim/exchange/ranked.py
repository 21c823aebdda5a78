"""The accounts' orders of one side of a book, best first.

One sorted list would be moved in memory as far as it is long, by every order that joins or leaves
it. Here it is cut into pieces of bounded length, so that such an order moves one piece only.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from decimal import Decimal
from typing import Final, TypeAlias

from krakked.sim.exchange.orders import Order

Rank: TypeAlias = tuple[Decimal, int, Order]
"""Key of the price (smaller is better), priority, order; the first two are never twice there."""
PIECE_MAX: Final = 512


class Ranked:
    """See the module."""

    def __init__(self, piece_max: int = PIECE_MAX) -> None:
        self._piece_max = piece_max
        self._pieces: list[list[Rank]] = []
        """None is empty."""
        self._lasts: list[Rank] = []
        """The last of each piece."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Rank]:
        for piece in self._pieces:
            yield from piece

    def __repr__(self) -> str:
        return f"<Ranked {self._count} in {len(self._pieces)} pieces>"

    def first(self) -> Order | None:
        """The best."""
        return self._pieces[0][0][2] if self._pieces else None

    def add(self, rank: Rank) -> None:
        """Put one where it belongs."""
        if not self._pieces:
            self._pieces.append([])
            self._lasts.append(rank)
        index = min(bisect.bisect_left(self._lasts, rank), len(self._pieces) - 1)
        piece = self._pieces[index]
        bisect.insort(piece, rank)
        self._lasts[index] = piece[-1]
        self._count += 1
        if len(piece) > self._piece_max:
            self._cut(index)

    def remove(self, rank: Rank) -> None:
        """Take one out, which must be there."""
        index = bisect.bisect_left(self._lasts, rank)
        assert index < len(self._pieces), "stands where its price and priority say"
        piece = self._pieces[index]
        place = bisect.bisect_left(piece, rank)
        assert piece[place][2] is rank[2], "stands where its price and priority say"
        del piece[place]
        self._count -= 1
        if piece:
            self._lasts[index] = piece[-1]
        else:
            del self._pieces[index], self._lasts[index]

    def _cut(self, index: int) -> None:
        """Make two pieces of one."""
        piece = self._pieces[index]
        half = len(piece) // 2
        self._pieces[index : index + 1] = [piece[:half], piece[half:]]
        self._lasts.insert(index, piece[half - 1])
