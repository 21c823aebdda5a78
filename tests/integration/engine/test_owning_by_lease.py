"""Two engines with files of their own compete for one Lease; one of them trades."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest


@pytest.fixture
def api(apis: tuple[str, str]) -> str:
    return apis[0]


@pytest.fixture
def apis() -> Iterator[tuple[str, str]]:
    """Where the lease is kept, and where people change it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "krakked.simulator.coordination", "--lease", "trading/engine"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    # As the chart writes it into a lease of an account that nobody ever owned.
    word = {"namespace": "trading", "name": "engine", "annotations": {"krakked.io/released": "0"}}
    body = json.dumps(word).encode()
    with urllib.request.urlopen(f"{told['admin']}/change", body) as answer:  # noqa: S310 - our own
        assert answer.status == 200
    yield told["api"], told["admin"]
    process.terminate()
    process.wait(timeout=10)
    process.stdout.close()


def steal(admin: str) -> None:
    """As somebody with write access to the lease would."""
    spec = {"holderIdentity": "other_uid_1", "leaseDurationSeconds": 15}
    body = json.dumps({"namespace": "trading", "name": "engine", "spec": spec}).encode()
    with urllib.request.urlopen(f"{admin}/change", body) as answer:  # noqa: S310 - our own
        assert answer.status == 200


def flags(krakked: Any, api: str) -> list[str]:
    token = krakked.folder / "token"
    token.write_text("t")
    given = {
        "store": "kubernetes",
        "api_url": api,
        "namespace": "trading",
        "lease_name": "engine",
        "token_file": token,
    }
    return [part for k, v in given.items() for part in ("--set", f"leader.{k}={v}")]


@pytest.mark.long
def test_candidate_waits_for_the_lease_and_takes_it_when_it_is_released(
    krakked: Any, api: str
) -> None:
    common = flags(krakked, api)
    first = krakked.start("run", "--env", "dev", *common)
    first.wait_for("engine_started")
    assert krakked.ask("status")["epoch"] == 1
    other = ("--db-path", "other.db")
    second = krakked.start("run", "--env", "dev", *common, *other)
    second.wait_for("still waiting for the lease, held by")
    assert krakked.ask("status", *other)["ownership"] == "candidate"
    assert first.end(signal.SIGTERM) == 0
    second.wait_for("engine_started")
    told = krakked.ask("status", *other)
    assert (told["epoch"], told["needs_acknowledgement"]) == (2, True)
    assert second.end(signal.SIGTERM) == 0
    shutil.rmtree(krakked.folder / "bars", ignore_errors=True)


def test_engine_that_was_shut_down_stays_drained_over_restarts_until_a_person_resumes(
    krakked: Any, api: str
) -> None:
    run = ("run", "--env", "dev", *flags(krakked, api))
    engine = krakked.start(*run)
    engine.wait_for("engine_started")
    told = krakked.ask("shutdown", "--reason", "new disk")
    assert "stays drained until `krakked resume`" in told["message"]
    assert engine.wait() == 0, engine.story()
    again = krakked.start(*run)
    again.wait_for("engine_started")
    status = krakked.ask("status")
    # Owner as always: the dead-man switch is wound up, and what rests is looked after.
    assert (status["ownership"], status["epoch"], status["ready"]) == ("leading", 2, True)
    assert status["dead_man_expires_at"] is not None
    assert status["halted"] is True
    assert re.fullmatch(r"shut down by \S+ at \S+Z \(new disk\): .*", status["shut_down"])
    assert "shut_down" in status["degraded"]
    assert krakked.ask("resume")["ok"]
    assert krakked.ask("status")["shut_down"] is None
    assert again.end(signal.SIGTERM) == 0
    shutil.rmtree(krakked.folder / "bars", ignore_errors=True)


def test_configuration_that_breaks_the_contract_is_refused_with_its_numbers(
    krakked: Any, api: str
) -> None:
    common = flags(krakked, api)
    done = krakked.run("run", "--env", "dev", *common, "--set", "leader.clock_offset_max_seconds=2")
    assert done.returncode == 78
    assert "R + δ + ε < D: 10 + 3 + 2 = 15 is not below 15" in done.stderr


def test_leader_whose_lease_is_taken_ends_in_the_ordinary_way_with_its_books_closed(
    krakked: Any, apis: tuple[str, str]
) -> None:
    api, admin = apis
    engine = krakked.start("run", "--env", "dev", *flags(krakked, api))
    engine.wait_for("engine_started")
    steal(admin)
    assert engine.wait() == 70, engine.story()
    assert "the lease is held by other_uid_1" in engine.story()
    assert "Traceback" not in engine.story()
    left = {path.name for path in krakked.folder.iterdir()}
    # What only a process that ended by itself leaves: no log beside the ledger, no door.
    assert {"portfolio.db-wal", "portfolio.db.sock"} & left == set()
    with closing(sqlite3.connect(krakked.folder / "portfolio.db")) as ledger:
        assert ledger.execute("PRAGMA integrity_check").fetchone() == ("ok",)
