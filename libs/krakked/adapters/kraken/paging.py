"""All rows of a history that the venue shows newest first, a page at a time.

Offsets would skip or repeat rows while new ones arrive at the head. So each page is asked for by
``end`` = the oldest id of the page before (inclusive: pages overlap by a row), and rows are kept by
id. Rows that arrive meanwhile belong to the next time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Final, Protocol, TypeVar

from krakked.adapters.kraken.errors import Malformed

PAGE_ROWS: Final = 50
"""The venue's page where it does not say how many rows there are."""
PAGES_MAX: Final = 2_000


R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Page(Protocol[R_co]):
    """One page: its rows by id, and how many there are in its range."""

    @property
    def rows(self) -> Mapping[str, R_co]:
        """Newest first."""
        ...

    @property
    def count(self) -> int | None:
        """Rows of the range that was asked for, on all pages."""
        ...


async def all_rows(
    ask: Callable[[str | None], Awaitable[Page[R]]], time_of: Callable[[R], Decimal]
) -> dict[str, R]:
    """Every row by id, newest first; ``ask`` takes the id to end at.

    Raises:
        Malformed: the venue says there are more rows and shows none of them.
    """
    rows: dict[str, R] = {}
    end: str | None = None
    for _ in range(PAGES_MAX):
        page = await ask(end)
        added = len(page.rows.keys() - rows.keys())
        rows.update({row_id: row for row_id, row in page.rows.items() if row_id not in rows})
        if _is_last(page):
            return rows
        if not added:
            raise Malformed(f"paging by end={end} makes no progress")
        end = _oldest(page.rows, time_of)
    raise Malformed(f"more than {PAGES_MAX} pages")


def _is_last(page: Page[R]) -> bool:
    total = page.count
    return len(page.rows) < PAGE_ROWS if total is None else len(page.rows) >= total


def _oldest(rows: Mapping[str, R], time_of: Callable[[R], Decimal]) -> str:
    # Of equal times the one listed last.
    return min(list(rows)[::-1], key=lambda row_id: time_of(rows[row_id]))
