"""A halt and the kill switch reach an engine that does not run: through its ledger."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from krakked.adapters.sqlite import lock_files
from krakked.adapters.sqlite.queries import open_queries
from krakked.domain.events import EventName
from krakked.domain.kill_switch import STAYS_ON, KillSwitchCause
from krakked.domain.shutdown import ShutDown
from krakked.ports.ledger import Books
from krakked.runtime.control_socket import EngineHangs
from krakked.runtime.exit_codes import ExitCode

Krakked = Callable[..., Result]

STOPPING = (("halt",), ("kill-switch", "on"))
GOING_ON = (("resume",), ("kill-switch", "off", "--yes", "--reason", "looked"))
RECORDED = (*STOPPING, *GOING_ON)
ACTING = (
    ("halt", "--cancel"),
    ("panic", "--yes"),
    ("orders", "cancel-all"),
    ("orders", "flatten", "--yes"),
)


def test_kill_switch_without_an_engine_is_on_for_the_next_start_whatever_becomes_of_orders(
    krakked: Krakked, ledger: Path
) -> None:
    result = krakked("kill-switch", "on", "--reason", "news")
    assert result.exit_code == ExitCode.NO_ENGINE
    taking, recorded, failed = result.stderr.splitlines()
    assert taking.endswith("taking its lock, its lease and the next epoch")
    assert recorded.startswith("krakked: kill switch on: no engine runs, so it is recorded, and")
    assert "name the simulator that the engine traded at with --venue" in failed
    state = books(ledger).kill_switch
    assert (state.active, state.cause, state.reason) == (True, KillSwitchCause.MANUAL, "news")
    assert "@" in state.principal
    assert state.changed_at_ns > 0
    assert krakked("kill-switch", "status").exit_code == ExitCode.FINDINGS


def test_halt_without_an_engine_is_kept_for_the_next_start(krakked: Krakked, ledger: Path) -> None:
    told = json.loads(krakked("halt", "--reason", "news", "--json").stdout)
    assert told["ok"]
    assert told["data"] == {"running": False}
    assert told["message"].startswith("halted: no engine runs, so it is recorded")
    assert books(ledger).halted
    assert not books(ledger).kill_switch.active


def test_resume_without_an_engine_undoes_a_halt_for_the_next_start(
    krakked: Krakked, ledger: Path
) -> None:
    assert krakked("halt").exit_code == 0
    result = krakked("resume", "--reason", "looked")
    assert (result.exit_code, result.stdout) == (
        0,
        "resumed: no engine runs, so it is recorded, and the next start makes plans again\n",
    )
    assert not books(ledger).halted
    with closing(open_queries(ledger)) as queries:
        (event,) = [e for e in queries.events_after(0) if e.name is EventName.RESUMED]
    assert event.fields["reason"] == "looked"
    assert "@" in str(event.fields["principal"])


def test_resume_where_nothing_is_halted_says_so_and_changes_nothing(
    krakked: Krakked, ledger: Path
) -> None:
    for _ in range(2):
        told = json.loads(krakked("resume", "--json").stdout)
        assert told["ok"]
        assert told["data"] == {"running": False}
        assert told["message"] == "nothing is halted: the next start makes plans"
    assert not books(ledger).halted
    with closing(open_queries(ledger)) as queries:
        assert [e for e in queries.events_after(0) if e.name is EventName.RESUMED] == []


def test_resume_without_an_engine_ends_a_shutdown_that_is_shown_until_then(
    krakked: Krakked, ledger: Path
) -> None:
    shut_down = ShutDown(principal="ada", reason="new disk", at_ns=1_700_000_000 * 10**9)
    with closing(sqlite3.connect(ledger)) as database, database:
        database.execute(
            "INSERT INTO shutdowns (principal, reason, at_ns) VALUES (?, ?, ?)",
            (shut_down.principal, shut_down.reason, shut_down.at_ns),
        )
    told = json.loads(krakked("status", "--json").stdout)
    assert told["shut_down"] == shut_down.words
    assert shut_down.words == (
        "shut down by ada at 2023-11-14T22:13:20Z (new disk): `krakked resume`"
    )
    assert shut_down.words in krakked("status").stdout
    assert krakked("resume").stdout.startswith("resumed: no engine runs")
    assert books(ledger).shut_down is None
    assert json.loads(krakked("status", "--json").stdout)["shut_down"] is None


def test_resume_without_an_engine_leaves_the_kill_switch_on_and_says_so(
    krakked: Krakked, ledger: Path
) -> None:
    krakked("halt")
    krakked("kill-switch", "on")
    result = krakked("resume")
    assert result.stdout.endswith(f"makes plans again; {STAYS_ON}\n")
    assert "krakked kill-switch off" in STAYS_ON
    assert books(ledger).kill_switch.active
    assert not books(ledger).halted


def test_kill_switch_without_an_engine_is_off_for_the_next_start_and_a_halt_stays(
    krakked: Krakked, ledger: Path
) -> None:
    krakked("kill-switch", "on", "--reason", "news")
    krakked("halt")
    result = krakked("kill-switch", "off", "--yes", "--reason", "looked")
    assert (result.exit_code, result.stdout) == (
        0,
        "kill switch off: no engine runs, so it is recorded, and the next start may add risk; it "
        "stays halted until `krakked resume`\n",
    )
    state = books(ledger).kill_switch
    assert (state.active, state.cause, state.reason) == (False, None, "looked")
    assert "@" in state.principal
    assert books(ledger).halted
    with closing(open_queries(ledger)) as queries:
        (event,) = [e for e in queries.events_after(0) if e.name is EventName.KILL_SWITCH_CLEARED]
    assert (event.fields["reason"], event.fields["cause"]) == ("looked", "manual")
    assert krakked("kill-switch", "status").exit_code == 0


def test_kill_switch_that_is_off_already_says_so_and_changes_nothing(
    krakked: Krakked, ledger: Path
) -> None:
    before = books(ledger).kill_switch
    told = json.loads(krakked("kill-switch", "off", "--yes", "--reason", "looked", "--json").stdout)
    assert (told["ok"], told["message"]) == (True, "the kill switch was off already")
    assert books(ledger).kill_switch == before


def test_panic_without_an_engine_is_on_record_with_who_and_why_if_no_reason_is_given(
    krakked: Krakked, ledger: Path
) -> None:
    krakked("panic", "--yes")
    state = books(ledger).kill_switch
    assert (state.active, state.cause, state.reason) == (True, KillSwitchCause.MANUAL, "panic")
    assert "@" in state.principal
    shown = krakked("kill-switch", "status").stdout
    assert re.search(r"^reason +panic$", shown, re.MULTILINE)


@pytest.mark.parametrize("verb", STOPPING, ids=" ".join)
def test_what_is_recorded_is_an_event_and_a_command_too(
    krakked: Krakked, ledger: Path, verb: tuple[str, ...]
) -> None:
    before = rows(krakked)
    krakked(*verb, "--reason", "news")
    after = rows(krakked)
    grown = {name for name in after if after[name] > before[name]}
    assert {"commands", "outbox"} <= grown


@pytest.mark.parametrize("verb", RECORDED, ids=" ".join)
def test_ledger_that_a_process_has_is_left_to_it(
    krakked: Krakked, ledger: Path, verb: tuple[str, ...]
) -> None:
    lock = lock_files.acquire_for_ledger(ledger)
    try:
        result = krakked(*verb)
    finally:
        lock.release()
    assert result.exit_code == ExitCode.DATABASE
    assert "in use by another krakked" in result.stderr
    assert not books(ledger).halted
    assert not books(ledger).kill_switch.active


@pytest.mark.parametrize("verb", RECORDED, ids=" ".join)
def test_engine_that_hangs_is_not_gone_behind(
    krakked: Krakked, ledger: Path, verb: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(path: Path, command: Any) -> Any:
        raise EngineHangs(path, 4711)

    monkeypatch.setattr("krakked.runtime.control_socket.ask", ask)
    assert krakked(*verb).exit_code == ExitCode.NO_ENGINE
    assert not books(ledger).halted
    assert not books(ledger).kill_switch.active


@pytest.mark.parametrize("verb", ACTING, ids=" ".join)
def test_acting_outside_of_the_pods_says_what_to_do_where_the_lease_is_in_kubernetes(
    krakked: Krakked, ledger: Path, verb: tuple[str, ...]
) -> None:
    result = krakked(*verb, "--set", "leader.store=kubernetes")
    assert result.exit_code == ExitCode.NO_ENGINE
    assert "kubectl exec POD -- krakked" in result.stderr
    assert books(ledger).halted == ("halt" in verb)
    assert books(ledger).kill_switch.active == ("panic" in verb)


@pytest.mark.parametrize("verb", ACTING, ids=" ".join)
def test_acting_begins_no_simulated_account_of_its_own(
    krakked: Krakked, ledger: Path, verb: tuple[str, ...]
) -> None:
    assert krakked(*verb).exit_code == ExitCode.NO_ENGINE
    assert not list(ledger.parent.glob("*.simulator"))


@pytest.mark.parametrize("verb", ACTING, ids=" ".join)
def test_acting_behind_a_process_that_has_the_ledger_is_refused(
    krakked: Krakked, ledger: Path, verb: tuple[str, ...]
) -> None:
    ledger.with_suffix(".simulator").touch()
    lock = lock_files.acquire_for_ledger(ledger)
    try:
        result = krakked(*verb)
    finally:
        lock.release()
    assert result.exit_code == ExitCode.DATABASE
    assert "in use by another krakked" in result.stderr


@pytest.mark.parametrize("verb", RECORDED, ids=" ".join)
def test_stopping_makes_no_database(krakked: Krakked, folder: Path, verb: tuple[str, ...]) -> None:
    assert krakked(*verb).exit_code == ExitCode.NO_ENGINE
    assert not list(folder.glob("portfolio.db*"))


def books(path: Path) -> Books:
    queries = open_queries(path)
    try:
        return queries.books()
    finally:
        queries.close()


def rows(krakked: Krakked) -> dict[str, int]:
    told: dict[str, int] = json.loads(krakked("db-info", "--json").stdout)["rows"]
    return told
