"""Owning the account as a person sees it: epochs, killed owners, fences, waiting candidates."""

from __future__ import annotations

import json
import signal
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from krakked.adapters.kraken.nonces import epoch_of
from krakked.adapters.system.lease_file import path_beside


def lease(krakked: Any) -> dict[str, Any]:
    path = path_beside(krakked.folder / "portfolio.db")
    told: dict[str, Any] = json.loads(path.read_bytes())
    return told


def rewrite(krakked: Any, **changes: Any) -> None:
    path = path_beside(krakked.folder / "portfolio.db")
    path.write_bytes(msgspec.json.encode({**lease(krakked), **changes}))


def epochs(krakked: Any) -> list[tuple[int, int, int]]:
    """(epoch, unclean, restored) of the ledger."""
    connection = sqlite3.connect(krakked.folder / "portfolio.db")
    rows = connection.execute(
        "SELECT epoch, is_unclean, is_restored FROM leadership ORDER BY epoch"
    ).fetchall()
    connection.close()
    return rows


@pytest.mark.long
def test_each_start_has_an_epoch_of_its_own_and_a_stop_lets_go_cleanly(krakked: Any) -> None:
    for epoch in (1, 2):
        engine = krakked.start("run", "--env", "dev")
        engine.wait_for("engine_started")
        status = krakked.ask("status")
        assert (status["ownership"], status["epoch"]) == ("leading", epoch)
        assert engine.end(signal.SIGTERM) == 0
        told = lease(krakked)
        assert (told["holder"], told["released_epoch"], told["epoch"]) == ("", epoch, epoch)
    assert epochs(krakked) == [(1, 0, 0), (2, 0, 0)]


def test_epoch_stands_on_orders_and_in_the_nonces_that_the_venue_saw(krakked: Any) -> None:
    engine = krakked.start("run", "--env", "dev")
    engine.wait_for("order_ended")
    assert engine.end(signal.SIGTERM) == 0
    connection = sqlite3.connect(krakked.folder / "portfolio.db")
    found = {row[0] for row in connection.execute("SELECT epoch FROM orders WHERE sent_at_ns")}
    connection.close()
    assert found == {1}
    state = (krakked.folder / "portfolio.simulator").read_bytes()
    assert b"200001" in state
    assert epoch_of(200_001 * 10**13 + 5) == 1


def test_start_after_a_kill_takes_the_next_epoch_and_sits_out_its_quarantine(krakked: Any) -> None:
    engine = krakked.start("run", "--env", "dev")
    engine.wait_for("engine_started")
    engine.end(signal.SIGKILL)
    assert lease(krakked)["holder"]
    again = krakked.start("run", "--env", "dev")
    again.wait_for("owns the account, epoch 2")
    seconds = json.loads(again.wait_for('"stage":"reconcile"'))["seconds"]
    assert 1.0 < seconds < 6.0
    assert again.end(signal.SIGTERM) == 0
    assert epochs(krakked) == [(1, 0, 0), (2, 1, 0)]


@pytest.mark.long
def test_fenced_lease_keeps_an_engine_up_and_idle_until_a_person_unfences(krakked: Any) -> None:
    first = krakked.start("run", "--env", "dev")
    first.wait_for("engine_started")
    assert first.end(signal.SIGTERM) == 0
    rewrite(krakked, fenced="venue: EAPI:Invalid nonce")
    engine = krakked.start("run", "--env", "dev")
    engine.wait_for("still waiting for a person: fenced")
    status = krakked.ask("status")
    assert (status["ownership"], status["ready"]) == ("fenced", False)
    refused = krakked.run("halt", "--cancel")
    assert refused.returncode == 4
    assert "does not trade yet: fenced" in refused.stderr
    told = krakked.run("unfence", "--yes", "--reason", "a test")
    assert told.returncode == 0, told.stderr
    engine.wait_for("engine_started")
    assert krakked.ask("status")["epoch"] > 1000
    assert lease(krakked)["fenced"] == ""
    assert engine.end(signal.SIGTERM) == 0


@pytest.mark.long
def test_engine_that_may_wait_takes_over_when_the_other_one_stops(krakked: Any) -> None:
    first = krakked.start("run", "--env", "dev")
    first.wait_for("engine_started")
    second = krakked.start("run", "--env", "dev", "--set", "leader.waits=true")
    assert "portfolio.db" in second.wait_for("still waiting for another krakked")
    assert first.end(signal.SIGTERM) == 0
    second.wait_for("engine_started")
    assert second.end(signal.SIGTERM) == 0
    assert epochs(krakked) == [(1, 0, 0), (2, 0, 0)]


def test_second_engine_that_may_not_wait_is_refused_at_once(krakked: Any) -> None:
    first = krakked.start("run", "--env", "dev")
    first.wait_for("engine_started")
    assert krakked.run("run", "--env", "dev").returncode == 73
    assert first.end(signal.SIGTERM) == 0


def test_files_of_a_lease_are_the_databases_neighbours(krakked: Any) -> None:
    engine = krakked.start("run", "--env", "dev")
    engine.wait_for("engine_started")
    assert engine.end(signal.SIGTERM) == 0
    names = {path.name for path in Path(krakked.folder).iterdir()}
    assert {"portfolio.db.lease", "portfolio.db.lease.lock"} <= names


def test_engine_with_an_older_database_than_its_lease_adds_no_risk_before_a_word(
    krakked: Any,
) -> None:
    first = krakked.start("run", "--env", "dev")
    first.wait_for("engine_started")
    assert first.end(signal.SIGTERM) == 0
    rewrite(krakked, epoch=9, released_epoch=9)
    engine = krakked.start("run", "--env", "dev")
    engine.wait_for("the database is older than what was done on this account")
    engine.wait_for("engine_started")
    assert krakked.ask("status")["needs_acknowledgement"] is True
    assert krakked.run("acknowledge", "--reason", "looked").returncode == 0
    assert krakked.ask("status")["needs_acknowledgement"] is False
    again = krakked.run("acknowledge")
    assert (again.returncode, "nothing to acknowledge" in again.stderr) == (4, True)
    assert engine.end(signal.SIGTERM) == 0
    assert epochs(krakked)[-1] == (10, 0, 1)
