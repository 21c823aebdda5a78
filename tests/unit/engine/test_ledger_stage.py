"""The stage "database": what it opens is measured, watched by the probes, and cautioned about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from krakked.adapters.sqlite.ledger import SqliteLedger
from krakked.adapters.system.clock import SystemClock
from krakked.domain.events import Event, EventName
from krakked.engine import running
from krakked.engine.edges import MachineEdges
from krakked.engine.given import Given
from krakked.engine.places import Places
from krakked.engine.running import Run
from krakked.engine.venues import Pace
from krakked.runtime.credentials import Keys
from krakked.runtime.health import HealthState
from krakked.runtime.metrics import Metrics
from krakked.runtime.run_options import RunOptions
from krakked.runtime.settings import Environment, load_settings
from krakked.runtime.supervisor import Supervisor

Look = Callable[[Given, SqliteLedger], None]


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[Look], list[Event]]:
    """Open the ledger as a run does, look at it, close it; what was told."""

    def open_and_look(look: Look) -> list[Event]:
        told: list[Event] = []
        loaded = load_settings(Environment.DEV, config_dir=None, overrides={}, environ={})
        path = tmp_path / "portfolio.db"
        given = Given(
            settings=loaded.settings,
            source_of=loaded.source_of,
            options=RunOptions(environment=Environment.DEV, db_path=path),
            places=Places(
                database=path,
                bars=tmp_path / "bars",
                simulator_state=None,
                control_socket=tmp_path / "control",
            ),
            pace=Pace(start_ns=0, speed=1.0),
            keys=Keys(None),
            clock=SystemClock(),
            listeners=[told.append],
            metrics=Metrics(environment="dev"),
            health=HealthState(wall_ns=SystemClock().now_ns),
            edges=MachineEdges(uses_threads=True),
        )

        async def scenario() -> None:
            async with AsyncExitStack() as stack:
                ledger = await Run(given, Supervisor(), stack)._open_ledger()
                await ledger.write(lambda tx: tx.books())
                look(given, ledger)

        asyncio.run(scenario())
        return told

    return open_and_look


def test_process_with_a_dead_writer_is_not_live(opened: Any) -> None:
    def look(given: Given, ledger: SqliteLedger) -> None:
        assert given.health.live() == []
        assert ledger._thread is not None
        ledger._thread.shutdown()
        assert given.health.live() == ["the thread that writes the ledger is dead"]
        ledger._thread = None  # so that it can be closed

    opened(look)


def test_writes_and_the_size_of_the_log_are_on_the_page(opened: Any) -> None:
    def look(given: Given, _: SqliteLedger) -> None:
        assert given.metrics.value("krakked_sqlite_write_duration_seconds_count") == 1
        size = given.metrics.value("krakked_sqlite_wal_bytes")
        assert size is not None
        assert size > 0

    opened(look)


@pytest.mark.parametrize("words", [None, "this SQLite wants care"])
def test_caution_about_sqlite_is_told_once_if_there_is_one(
    opened: Any, monkeypatch: pytest.MonkeyPatch, words: str | None
) -> None:
    monkeypatch.setattr(running, "caution", lambda: words)
    told = opened(lambda *_: None)
    found = [event.fields["reason"] for event in told if event.name is EventName.CAUTION]
    assert found == ([] if words is None else [words])
