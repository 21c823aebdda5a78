"""A run ends when it is asked to, with books that agree, and the next one goes on with them."""

from __future__ import annotations

import json
import re
import signal
import time
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(240)


@pytest.mark.long
def test_run_goes_on_with_the_same_books_after_each_kind_of_stop(krakked: Any) -> None:
    ids: list[list[str]] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        engine = krakked.start("run", "--env", "dev", "--speed", "600")
        engine.wait_for("engine_started")
        if not ids:
            engine.wait_for("fill_booked")
        assert engine.end(number) == 0, engine.story()
        assert engine.lines[-1] == "books: zero differences"
        fills = krakked.ask("executions", "--limit", "1000")
        ids.append([fill["trade"]["trade_id"] for fill in fills])
    assert ids[0]
    assert set(ids[0]) <= set(ids[1])
    timed = krakked.run("run", "--env", "dev", "--speed", "600", "--duration", "1")
    assert timed.returncode == 0, timed.stderr
    lines = timed.stdout.splitlines()
    assert lines[-1] == "books: zero differences"
    own, whole = _fills(lines, "bars "), _fills(lines, "since the books began: ")
    assert whole == len(krakked.ask("executions", "--limit", "1000"))
    assert own <= whole - len(ids[1])
    assert own == sum(int(line.split()[1]) for line in lines if re.match(r"[A-Z]{6,7} ", line))


def test_engine_that_was_shut_down_trades_again_when_a_person_starts_it(krakked: Any) -> None:
    engine = krakked.start("run", "--env", "dev", "--speed", "600")
    engine.wait_for("engine_started")
    told = krakked.ask("shutdown", "--reason", "done for today")
    assert "the next `krakked run` trades again" in told["message"]
    assert engine.wait() == 0, engine.story()
    assert engine.lines[-1] == "books: zero differences"
    down = json.loads(krakked.run("status", "--json").stdout)
    assert (down["running"], down["halted"]) == (False, "off")
    assert "(done for today)" in down["shut_down"]
    again = krakked.start("run", "--env", "dev", "--speed", "600")
    again.wait_for("engine_started")
    status = krakked.ask("status")
    assert (status["halted"], status["shut_down"]) == (False, None)
    assert again.end(signal.SIGTERM) == 0, again.story()


def _fills(lines: list[str], beginning: str) -> int:
    (line,) = [line for line in lines if line.startswith(beginning)]
    return int(re.findall(r"fills (\d+)", line)[0])


def _wait_until_flat(krakked: Any) -> None:
    """The answer to a flatten is that its plan stands; its orders take a while."""
    for _ in range(60):
        if krakked.ask("positions") == []:
            return
        time.sleep(0.2)
    raise AssertionError(krakked.ask("positions"))


def test_running_engine_does_what_a_person_asks_and_refuses_a_second_one(krakked: Any) -> None:
    engine = krakked.start("run", "--env", "dev", "--speed", "600")
    engine.wait_for("engine_started")
    engine.wait_for("fill_booked")
    assert krakked.ask("status")["running"] is True
    second = krakked.run("run", "--env", "dev")
    assert second.returncode == 73, second.stderr
    assert len(second.stderr.strip().splitlines()) == 1
    assert krakked.ask("halt")["ok"]
    assert krakked.ask("kill-switch", "on", "--reason", "tried")["ok"]
    assert krakked.run("kill-switch", "status").returncode == 1
    assert krakked.ask("orders", "cancel-all")["ok"]
    assert krakked.ask("orders", "flatten", "--yes")["ok"]
    _wait_until_flat(krakked)
    assert krakked.ask("kill-switch", "off", "--yes", "--reason", "looked")["ok"]
    assert krakked.ask("resume")["ok"]
    assert engine.end(signal.SIGTERM) == 0, engine.story()
    assert engine.lines[-1] == "books: zero differences"


def test_panic_turns_the_switch_cancels_all_sells_all_and_says_so(krakked: Any) -> None:
    engine = krakked.start("run", "--env", "dev", "--speed", "600")
    engine.wait_for("engine_started")
    engine.wait_for("fill_booked")
    panicked = krakked.run("panic", "--yes", "--reason", "get me out")
    assert panicked.returncode == 0, panicked.stderr
    said = r"the kill switch is on; \d+ positions? being closed; \d+ orders? cancelled\n"
    assert re.fullmatch(said, panicked.stdout)
    _wait_until_flat(krakked)
    switch = krakked.run("kill-switch", "status")
    assert switch.returncode == 1
    assert "get me out" in switch.stdout
    assert krakked.ask("status")["open_orders"] == 0
    assert engine.end(signal.SIGINT) == 0, engine.story()
    assert engine.lines[-1] == "books: zero differences"
    again = krakked.start("run", "--env", "dev", "--speed", "600")
    again.wait_for("engine_started")
    assert krakked.ask("status")["kill_switch"] is not None  # it survives the restart
    assert again.end(signal.SIGINT) == 0, again.story()
    assert krakked.ask("positions") == []


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_second_signal_ends_a_stop_that_waits_for_the_venue_and_loses_nothing(
    krakked: Any, number: signal.Signals
) -> None:
    """The venue hangs just then; it comes back later, and so does the engine."""
    venue = krakked.simulator("--speed", "120", "--seed", "1", "--from", "2026-01-01")
    engine = venue.trade(bar="1m")
    engine.wait_for("fill_booked")
    venue.process.popen.send_signal(signal.SIGSTOP)
    engine.popen.send_signal(number)
    engine.wait_for('"stage":"drain"')
    assert engine.popen.poll() is None
    assert engine.end(number) == 130, engine.story()
    assert "books:" not in "".join(engine.lines)
    assert "the books were not compared with the venue's, the next start does" in engine.story()
    venue.process.popen.send_signal(signal.SIGCONT)
    again = venue.trade(bar="1m")
    again.wait_for("engine_started")
    assert again.end(signal.SIGINT) == 0, again.story()
    assert again.lines[-1] == "books: zero differences"
    assert venue.process.end(signal.SIGINT) == 0


@pytest.mark.long
def test_engine_that_died_is_stopped_on_record_and_starts_stopped(krakked: Any) -> None:
    engine = krakked.start("run", "--env", "dev", "--speed", "600")
    engine.wait_for("engine_started")
    engine.kill()
    assert krakked.ask("halt", "--reason", "it died")["data"] == {"running": False}
    assert krakked.ask("kill-switch", "on", "--reason", "it died")["data"]["running"] is False
    again = krakked.start("run", "--env", "dev", "--speed", "600")
    again.wait_for("engine_started")
    told = krakked.ask("status")
    assert (told["running"], told["halted"], told["kill_switch"]) == (True, True, "it died")
    assert again.end(signal.SIGTERM) == 0, again.story()
    assert not any('"event":"plan_created"' in line for line in again.lines)
