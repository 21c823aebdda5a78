"""Following over real sockets and in real time: processes that find, lose and find each other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(120)
SIMULATOR = (sys.executable, "-m", "krakked.cli", "simulator")
PATIENCE_S = 60.0
NOBODY = "http://127.0.0.1:9"


class Process:
    """A simulator that has said where it is."""

    def __init__(self, *flags: str, listen: str = "127.0.0.1:0") -> None:
        ports = ("--listen", listen, "--admin", "127.0.0.1:0")
        self.popen = subprocess.Popen(
            [*SIMULATOR, *ports, *flags, "--pair", "XBTUSD", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "error"},
        )
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line, self.popen.communicate()[1]
        self.told = json.loads(line)

    def end(self, number: signal.Signals) -> tuple[int, str]:
        self.popen.send_signal(number)
        _, complaints = self.popen.communicate(timeout=PATIENCE_S)
        return self.popen.returncode, complaints

    def state(self) -> Any:
        with urllib.request.urlopen(f"{self.told['admin_url']}/state") as answer:  # noqa: S310 - our own
            return json.load(answer)

    def ask(self, method: str) -> Any:
        url = f"{self.told['rest_url']}/0/public/{method}"
        with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own
            return json.load(answer)["result"]

    def wait(self, wanted: Callable[[Any], bool]) -> Any:
        until = time.monotonic() + PATIENCE_S
        while not wanted(state := self.state()):
            assert time.monotonic() < until, state
            time.sleep(0.1)
        return state


@pytest.fixture
def launch() -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def begin(*flags: str, listen: str = "127.0.0.1:0") -> Process:
        started.append(Process(*flags, listen=listen))
        return started[-1]

    yield begin
    for process in started:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.communicate()


def test_a_source_that_is_killed_freezes_its_follower_and_its_restart_thaws_it(
    launch: Callable[..., Process],
) -> None:
    source = launch("--market", "calm")
    rest = source.told["rest_url"]
    follower = launch("--market", "follow", "--source-rest", rest)
    theirs, mine = (each.ask("Trades?pair=XBTUSD&count=1000") for each in (source, follower))
    shared = theirs["XXBTZUSD"][-50:-2]
    assert [row for row in mine["XXBTZUSD"] if row in shared] == shared
    assert follower.state()["system"] == "online"

    assert source.end(signal.SIGKILL)[0] == -signal.SIGKILL
    state = follower.wait(lambda state: state["system"] == "cancel_only")
    assert (state["source"]["following"], state["source"]["losses"]) == (False, 1)
    assert state["pairs"]["XBTUSD"]["bid"] == "59994.0"

    launch("--market", "calm", listen=rest.removeprefix("http://"))
    state = follower.wait(lambda state: state["system"] == "online")
    assert state["source"]["following"]
    assert follower.end(signal.SIGTERM) == (0, "")


def ended(*flags: str) -> tuple[int, list[str]]:
    ports = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    done = subprocess.run(
        [*SIMULATOR, *ports, *flags],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stderr.splitlines()


def test_an_unreachable_source_is_one_line_and_exit_code_69() -> None:
    code, lines = ended("--market", "follow", "--source-rest", NOBODY)
    (line,) = lines
    assert code == 69
    assert line == (
        f"krakked: --source-rest {NOBODY}: cannot be followed: nobody listens there; "
        "start it, or give another address"
    )


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--market", "calm", "--source-rest", NOBODY), "go with --market follow"),
        (("--market", "follow", "--source-ws", "ws://127.0.0.1:9/v2"), "needs the --source-rest"),
        (("--market", "follow", "--source-rest", NOBODY, "--speed", "60"), "leave --speed out"),
        (("--market", "follow", "--source-rest", "kraken.com"), "write http://HOST:PORT"),
    ],
)
def test_flags_that_do_not_go_together_are_wrong_use(flags: tuple[str, ...], words: str) -> None:
    code, lines = ended(*flags)
    assert code == 2
    assert len(lines) == 1
    assert words in lines[0]
