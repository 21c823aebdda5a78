"""A simulator process for each client, and the client's programs in their own environments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[2] / ".clients"
SCENE_TIMEOUT_S = 45
SIMULATOR = [sys.executable, "-m", "krakked.cli", "simulator", "--json", "--market", "calm"]
SIMULATOR += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--query-key", "asks-only"]
SIMULATOR += ["--balance", "USD=1000000,XBT=20,ETH=10"]
USUAL = ("--speed", "5", "--tier", "none")
"""The calm market trades every ten seconds of its own time: nobody waits for that."""
BUSY = ("--market", "synthetic", "--from", "2026-01-07", "--speed", "60", "--tier", "none")
"""Later flags win: this market moves. It has thin hours, and a day that begins with none."""
SPLIT = (*USUAL, "--listen-private", "127.0.0.1:0")
"""As the venue has it: private channels on a host of their own, and nowhere else."""
STRICT = ("--speed", "1", "--tier", "starter")

Seen = dict[str, list[dict[str, Any]]]
Run = Callable[[str], Seen]


@contextmanager
def simulator(*flags: str) -> Iterator[dict[str, Any]]:
    """A simulator in a process of its own: what it announced."""
    process = subprocess.Popen(
        [*SIMULATOR, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate(timeout=10)[1]
        yield json.loads(line)
    finally:
        process.terminate()
        _, complaints = process.communicate(timeout=20)
        assert process.returncode == 0, complaints


def play(client: str, program: str, venue: dict[str, Any], scene: str) -> Seen:
    """Let a program of a client play one scene: what it told, by kind."""
    python = ENVIRONMENTS / client / "bin" / "python"
    if not (ENVIRONMENTS / client / ".installed").exists():
        pytest.skip(f"{client} is not installed; `make clients` does that")
    done = subprocess.run(
        [str(python), str(HERE / "programs" / f"{program}.py"), scene],
        input=json.dumps(venue),
        capture_output=True,
        text=True,
        timeout=SCENE_TIMEOUT_S,
        check=False,
        env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    seen: Seen = defaultdict(list)
    for line in done.stdout.splitlines():
        told = json.loads(line)
        seen[told.pop("saw")].append(told)
    return seen


@pytest.fixture(scope="module")
def venue() -> Iterator[dict[str, Any]]:
    """A simulator without limits, at five times the usual pace."""
    with simulator(*USUAL) as said:
        yield said


@pytest.fixture
def own_venue() -> Iterator[dict[str, Any]]:
    """The usual simulator, for one test alone: large orders change an account's fees."""
    with simulator(*USUAL) as said:
        yield said


@pytest.fixture
def busy_venue() -> Iterator[dict[str, Any]]:
    """A simulator whose books move all the time."""
    with simulator(*BUSY) as said:
        yield said


@pytest.fixture
def split_venue() -> Iterator[dict[str, Any]]:
    """A simulator with two hosts, each as strict as the venue's."""
    with simulator(*SPLIT) as said:
        yield said


@pytest.fixture
def strict_venue() -> Iterator[dict[str, Any]]:
    """A fresh simulator with the narrowest limits, in real time."""
    with simulator(*STRICT) as said:
        yield said


@pytest.fixture
def player() -> Callable[..., Seen]:
    """Plays one scene of one program: ``player(client, program, venue, scene)``."""
    return play
