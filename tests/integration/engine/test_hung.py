"""An engine that is stopped in its tracks: people are told so, and told the truth."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest


@pytest.mark.long
def test_what_a_hung_engine_did_not_hear_is_not_done_when_it_wakes_up(krakked: Any) -> None:
    engine = krakked.start("run", "--env", "dev")
    engine.wait_for("engine_started")
    assert krakked.ask("status")["answering"] is True
    os.kill(engine.popen.pid, signal.SIGSTOP)
    try:
        halting = krakked.start("halt")
        flattening = krakked.start("orders", "flatten", "--yes", "--halt")
        told = krakked.run("status")
        assert (halting.wait(), flattening.wait()) == (5, 5)
    finally:
        os.kill(engine.popen.pid, signal.SIGCONT)
    assert told.returncode == 5
    first = told.stdout.splitlines()[0].split(maxsplit=1)
    assert first == ["engine", f"running (pid {engine.popen.pid}) but not answering"]
    assert f"`kill {engine.popen.pid}`" in told.stderr
    awake = krakked.ask("status")
    assert (awake["halted"], awake["answering"]) == (False, True)
    assert krakked.ask("halt")["message"] == "halted: no new plans; what rests stays"
    assert krakked.ask("status")["halted"] is True
    assert engine.end(signal.SIGTERM) == 0
