"""The stop of a run: in which order its figures are taken."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

from krakked.domain.errors import Transient
from krakked.domain.events import EventName
from krakked.engine import leading, reporting, stopping
from krakked.engine.running import Run
from krakked.runtime.settings import Environment, Settings
from krakked.runtime.simulated_time import run as run_in_virtual_time


class Supervisor:
    """Nobody hurries."""

    async def unless_hurried(self, work: Any) -> Any:
        return await work

    async def stop(self, *_: str) -> None:
        return


class Books:
    """Equity is 100 until the last fill is booked, then 99."""

    def __init__(self) -> None:
        self.equity = 100
        self.calls: list[str] = []

    async def mark(self) -> Any:
        self.calls.append("mark")
        return SimpleNamespace(equity=self.equity)

    async def drain(self) -> None:
        self.calls.append("drain")

    async def compare(self, *_: Any, **__: Any) -> reporting.Compared:
        self.calls.append("books")
        self.equity = 99
        return reporting.Compared(differences=())

    async def refresh(self) -> bool:
        self.calls.append("dead-man")
        return True


def run_of(books: Books, stack: contextlib.AsyncExitStack) -> Run:
    given: Any = SimpleNamespace(
        clock=SimpleNamespace(now_ns=lambda: 0),
        listeners=(),
        stopwatch_s=lambda: 0.0,
        pace=SimpleNamespace(patience=1.0, speed=1.0),
        settings=SimpleNamespace(environment=Environment.DEV),
        places=SimpleNamespace(database=None),
    )
    supervisor: Any = Supervisor()
    run = Run(given, supervisor, stack)
    run.rest = SimpleNamespace(waited_ns=lambda: 0)  # type: ignore[assignment]  # as above it
    run.books_at_start = None  # type: ignore[assignment]  # nothing here reads it
    run.engine = SimpleNamespace(  # type: ignore[assignment]  # what a stop needs of it
        drain=books.drain,
        marker=books,
        dead_man=books,
        desk=SimpleNamespace(
            recorder=SimpleNamespace(publish=lambda _: None, event=lambda *_: None)
        ),
    )
    return run


def test_stop_whose_comparison_fails_is_told_as_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    async def fail(*_: Any, **__: Any) -> None:
        raise Transient("away")

    monkeypatch.setattr(reporting, "compare_books", fail)

    async def scenario() -> None:
        async with contextlib.AsyncExitStack() as stack:
            run = run_of(Books(), stack)
            recorder: Any = SimpleNamespace(publish=told.append, event=lambda name: name)
            engine: Any = run.engine
            engine.desk.recorder = recorder
            await run.stop()

    with pytest.raises(Transient):
        asyncio.run(scenario())
    assert told == [EventName.ENGINE_STOPPED]


def test_stages_of_a_stop_and_its_release_fit_the_grace_that_a_pod_has() -> None:
    """With some seconds left for the last transactions, the log of the ledger and the sockets."""
    longest_s = stopping.DRAIN_S + 2 * stopping.BOOKS_S + stopping.REFRESH_S + leading.RELEASE_S
    assert longest_s == 52
    assert longest_s + 5 <= stopping.GRACE_S == 60


def test_drain_outlasts_a_call_that_is_under_way() -> None:
    """One that is cut off has an order in doubt."""
    assert Settings().venue.timeout_seconds < stopping.DRAIN_S


def test_last_refresh_that_hangs_keeps_no_lease_back(monkeypatch: pytest.MonkeyPatch) -> None:
    books = Books()
    monkeypatch.setattr(reporting, "compare_books", books.compare)
    monkeypatch.setattr(reporting, "report_of", lambda _, __, snapshot, **___: snapshot)

    async def hang() -> bool:
        await asyncio.Event().wait()
        return True

    async def release() -> None:
        books.calls.append("release")

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            run = run_of(books, stack)
            engine: Any = run.engine
            engine.dead_man = SimpleNamespace(refresh=hang)
            monkeypatch.setattr(run.leading, "release", release)
            await run.stop()

    run_in_virtual_time(main(), start_ns=0, speed=None)
    assert books.calls == ["drain", "books", "mark", "release"]


def test_figures_of_the_end_hold_what_was_booked_while_the_books_were_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    books = Books()
    monkeypatch.setattr(reporting, "compare_books", books.compare)
    monkeypatch.setattr(reporting, "report_of", lambda _, __, snapshot, **___: snapshot)

    async def scenario() -> Any:
        async with contextlib.AsyncExitStack() as stack:
            return await run_of(books, stack).stop()

    report = asyncio.run(scenario())
    assert report.equity == 99
    assert books.calls == ["drain", "books", "mark", "dead-man"]
