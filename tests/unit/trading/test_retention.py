"""What goes once a day, what stays, and how little of it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from krakked.domain.times import DAY_S, NS_PER_SECOND
from krakked.trading import retention
from krakked.trading.retention import Pruned, Retention

T = TypeVar("T")
DAY_NS = DAY_S * NS_PER_SECOND
TODAY = 19_000
NOON_NS = TODAY * DAY_NS + DAY_NS // 2


class Over(Exception):
    """The test has seen enough."""


class FakeClock:
    """Stands, and notes how long it was waited for."""

    def __init__(self, waits: int = 1_000) -> None:
        self.slept: list[float] = []
        self._waits = waits

    def now_ns(self) -> int:
        return NOON_NS

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) >= self._waits:
            raise Over


class Rows:
    """So many rows of each kind may go; notes what was asked."""

    def __init__(self, **rows: int) -> None:
        self.rows = rows
        self.asked: list[tuple[str, dict[str, int]]] = []
        self.transactions = 0

    async def write(self, work: Callable[[Any], T]) -> T:
        self.transactions += 1
        return work(self)

    def _take(self, what: str, arguments: dict[str, int]) -> int:
        self.asked.append((what, arguments))
        gone = min(self.rows.get(what, 0), arguments["limit"])
        self.rows[what] = self.rows.get(what, 0) - gone
        return gone

    def thin_snapshots(self, **arguments: int) -> int:
        return self._take("snapshots", arguments)

    def prune_decisions(self, **arguments: int) -> int:
        return self._take("decisions", arguments)

    def prune_outbox(self, **arguments: int) -> int:
        return self._take("events", arguments)


def pruned(rows: Any, clock: FakeClock, days: int = 30) -> Pruned:
    return asyncio.run(Retention(rows, clock, snapshot_days=days).prune())


def test_each_kind_has_its_age_counted_in_whole_days() -> None:
    rows = Rows()
    assert pruned(rows, FakeClock(), days=30) == Pruned(snapshots=0, decisions=0, events=0)
    ages = {what: TODAY - arguments["before_ns"] / DAY_NS for what, arguments in rows.asked}
    assert ages == {"snapshots": 30, "decisions": 365, "events": 7}


def test_many_rows_go_in_bounded_transactions_with_a_pause_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "ROWS_PER_TRANSACTION", 10)
    rows, clock = Rows(events=25), FakeClock()
    assert pruned(rows, clock) == Pruned(snapshots=0, decisions=0, events=25)
    assert {arguments["limit"] for _, arguments in rows.asked} == {10}
    assert [what for what, _ in rows.asked] == ["snapshots", "decisions", *["events"] * 3]
    assert clock.slept == [retention.BATCH_PAUSE_S] * 2
    assert rows.transactions == 5


def test_passes_are_a_day_apart_and_each_is_told() -> None:
    told: list[Pruned] = []
    rows: Any = Rows(snapshots=3)
    clock = FakeClock(waits=3)
    runs = Retention(rows, clock, snapshot_days=30, tell=told.append)
    with pytest.raises(Over):
        asyncio.run(runs.run())
    assert clock.slept == [retention.FIRST_PASS_S, DAY_S, DAY_S]
    assert [pass_.snapshots for pass_ in told] == [3, 0]
