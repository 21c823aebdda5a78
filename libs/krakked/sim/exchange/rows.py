"""Histories that only grow, in the order of their instants, read newest first and page by page.

A bound is an instant or the id of a row; a start is exclusive, an end inclusive. Cutting the
window is two binary searches, and a page without a filter is one slice, however long the history.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

import msgspec

T = TypeVar("T")
PAGE: Final = 50
"""Rows per page of every history."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Positions from ``low`` up to, not including, ``high``."""

    low: int
    high: int


class History(Generic[T]):
    """Rows with an id and an instant each; instants never go backwards."""

    def __init__(self) -> None:
        self._rows: list[T] = []
        self._times_ns: list[int] = []
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[T]:
        return iter(self._rows)

    def __repr__(self) -> str:
        return f"<History of {len(self)}>"

    def append(self, row_id: str, at_ns: int, row: T) -> None:
        """Add the newest row."""
        assert not self._times_ns or self._times_ns[-1] <= at_ns, "history only goes on"
        self._places[row_id] = len(self._rows)
        self._rows.append(row)
        self._times_ns.append(at_ns)

    def get(self, row_id: str) -> T | None:
        """The row of that id."""
        place = self._places.get(row_id)
        return None if place is None else self._rows[place]

    def window(self, start: int | str | None, end: int | str | None) -> Window:
        """Rows after ``start`` up to and with ``end`` (nanoseconds, or the id of a row).

        Raises:
            KeyError: no row has that id.
        """
        low = 0 if start is None else self._after(start)
        high = len(self._rows) if end is None else self._after(end)
        return Window(low=low, high=max(low, high))

    def page(
        self, window: Window, offset: int, keep: Callable[[T], bool] | None = None
    ) -> tuple[list[T], int]:
        """Newest first, fifty from ``offset`` on; and how many there are in all."""
        if keep is None:
            high = max(window.low, window.high - offset)
            low = max(window.low, high - PAGE)
            return self._rows[low:high][::-1], window.high - window.low
        kept = [row for row in reversed(self._rows[window.low : window.high]) if keep(row)]
        return kept[offset : offset + PAGE], len(kept)

    def newest(self, count: int) -> list[T]:
        """The last rows, oldest of them first."""
        return self._rows[-count:]

    def _after(self, bound: int | str) -> int:
        if isinstance(bound, str):
            return self._places[bound] + 1
        return bisect.bisect_right(self._times_ns, bound)
