"""One small disk for all: the ledger, the simulated account, and nowhere to put the last state."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(200)
BY_THE_MINUTE = [
    text
    for name in ("market_data", "strategies.trend", "strategies.reversion", "strategies.basket")
    for text in ("--set", f'{name}.timeframes=["1m"]')
]


@pytest.fixture
def small_disk(krakked: Any) -> Iterator[Path]:
    folder: Path = krakked.folder / "small"
    folder.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(folder))
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk can be mounted by root alone")
    yield folder
    subprocess.run(("umount", "--lazy", str(folder)), check=True)


def test_disk_that_fills_up_under_ledger_and_simulator_ends_the_run_with_one_line(
    krakked: Any, small_disk: Path
) -> None:
    places = (
        *("--db-path", str(small_disk / "portfolio.db")),
        *("--set", "market_data.ohlc_store.root_dir=../bars"),
    )
    done = krakked.run("run", "--speed", "600", "--seed", "1", *places, *BY_THE_MINUTE)
    assert done.returncode == 73, done.stdout[-2000:] + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("krakked: task ")
    assert "full" in line
    assert "free some space and start again" in line
    assert "Traceback" not in done.stdout
    more_room = ("mount", "-o", "remount,size=20m", str(small_disk))
    subprocess.run(more_room, check=True)
    again = krakked.run("run", "--duration", "1", *places)
    assert again.returncode == 0, again.stdout[-2000:] + again.stderr
    assert again.stdout.splitlines()[-1] == "books: zero differences"
