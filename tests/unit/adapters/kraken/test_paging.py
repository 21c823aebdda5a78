"""No row is skipped or repeated, whatever arrives at the head meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.adapters.kraken.errors import Malformed
from krakked.adapters.kraken.paging import PAGE_ROWS, all_rows


class FakePage:
    def __init__(self, rows: Mapping[str, Decimal], count: int | None) -> None:
        self.rows = rows
        self.count = count


class History:
    """Newest first, by time and then by arrival; one row arrives before every page if asked."""

    def __init__(self, times: list[int], *, size: int, counts: bool, arriving: int = 0) -> None:
        self.rows = [(f"T{number}", Decimal(time)) for number, time in enumerate(sorted(times))]
        self.size = size
        self.counts = counts
        self.arriving = arriving
        self.asked: list[str | None] = []

    async def page(self, end: str | None) -> FakePage:
        self.asked.append(end)
        rows = self.rows[::-1]
        if end is not None:
            rows = rows[[row_id for row_id, _ in rows].index(end) :]
        shown = dict(rows[: self.size])
        if self.arriving:
            self.arriving -= 1
            self.rows.append((f"N{len(self.rows)}", Decimal(10**9)))
        return FakePage(shown, len(rows) if self.counts else None)


def fetch(history: History) -> dict[str, Decimal]:
    return asyncio.run(all_rows(history.page, lambda time: time))


def test_one_short_page_is_all_and_is_asked_for_once() -> None:
    history = History([1, 2, 3], size=PAGE_ROWS, counts=False)
    assert list(fetch(history)) == ["T2", "T1", "T0"]
    assert history.asked == [None]


def test_empty_history_is_empty() -> None:
    assert fetch(History([], size=PAGE_ROWS, counts=True)) == {}


def test_next_page_ends_at_the_oldest_row_of_the_one_before() -> None:
    history = History(list(range(120)), size=PAGE_ROWS, counts=False)
    assert len(fetch(history)) == 120
    assert history.asked == [None, "T70", "T21"]


def test_count_ends_paging_without_another_call() -> None:
    history = History(list(range(50)), size=50, counts=True)
    assert len(fetch(history)) == 50
    assert history.asked == [None]


@given(
    st.lists(st.integers(0, 20), max_size=200),
    st.integers(2, 60),
    st.integers(0, 30),
)
def test_every_row_that_was_there_at_the_start_is_found_once(
    times: list[int], size: int, arriving: int
) -> None:
    history = History(times, size=size, counts=True, arriving=arriving)
    there = dict(history.rows)
    found = fetch(history)
    assert {row_id: found[row_id] for row_id in there} == there
    assert len(found) == len(set(found))


def test_rows_of_one_instant_that_fill_pages_are_all_found() -> None:
    history = History([7] * 9, size=3, counts=True)
    assert len(fetch(history)) == 9
    assert history.asked == [None, "T6", "T4", "T2"]


def test_page_that_brings_nothing_new_is_an_error_and_no_endless_loop() -> None:
    async def same(_: str | None) -> FakePage:
        return FakePage({"A": Decimal(1)}, 5)

    with pytest.raises(Malformed, match="no progress"):
        asyncio.run(all_rows(same, lambda time: time))


def test_history_without_end_is_given_up() -> None:
    async def endless(end: str | None) -> FakePage:
        number = int((end or "T0")[1:])
        return FakePage({f"T{number + 1}": Decimal(-number)}, 10**9)

    with pytest.raises(Malformed, match="pages"):
        asyncio.run(all_rows(endless, lambda time: time))
