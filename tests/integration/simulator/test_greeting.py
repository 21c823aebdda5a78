"""What the simulator prints at its start can be typed as it stands."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CCXT = ROOT / ".clients/ccxt/bin/python"


@pytest.fixture
def tries() -> Iterator[list[str]]:
    """The three commands of a simulator that runs."""
    flags = ["--market", "calm", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "krakked.cli", "simulator", *flags],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert process.stdout is not None
    lines = [line.strip() for line in iter(process.stdout.readline, "Ctrl-C stops it.\n")]
    yield lines[lines.index("Try:") + 1 :]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_three_commands_are_printed_that_a_shell_can_read(tries: list[str]) -> None:
    curl, ccxt, engine = (shlex.split(line) for line in tries)
    assert curl[0] == "curl"
    assert curl[1].endswith("/0/public/Ticker?pair=XBTUSD")
    assert ccxt[:2] == ["python", "-c"]
    compile(ccxt[2], "greeting", "exec")
    words = [word for word in engine if not word.startswith("KRAKEN_API_")]
    assert words[:4] == ["krakked", "run", "--env", "paper"]
    flags = dict(zip(words[4::2], words[5::2], strict=True))
    assert flags["--venue"] == curl[1].partition("/0/")[0]
    assert flags["--venue-admin"].startswith("http://127.0.0.1:")
    assert len(flags) == 2


@pytest.mark.long
def test_an_engine_trades_a_cycle_as_the_greeting_shows(tries: list[str], tmp_path: Path) -> None:
    words = shlex.split(tries[2])
    keys = dict(word.split("=", 1) for word in words if word.startswith("KRAKEN_API_"))
    flags = words[words.index("--env") :]
    done = subprocess.run(
        [sys.executable, "-m", "krakked.cli", "run-once", *flags, "--db-path", "books.db"],
        cwd=tmp_path,
        env={**os.environ, **keys, "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "books.db").exists()


@pytest.mark.long
def test_somebody_elses_client_works_as_the_greeting_shows(tries: list[str]) -> None:
    if not CCXT.exists():
        pytest.skip("no ccxt beside the checkout; `make clients` installs it")
    _, _, code = shlex.split(tries[1])
    done = subprocess.run(
        [str(CCXT), "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert "'total': {'USD': 10000.0}" in done.stdout, done.stderr


@pytest.mark.parametrize(("start", "is_said"), [("2023-12-01", True), ("2024-01-01", False)])
def test_a_replay_that_starts_long_before_its_candles_says_so(
    tmp_path: Path, start: str, is_said: bool
) -> None:
    (tmp_path / "XBTUSD_60.csv").write_text("1704067200,1,2,0.5,1.5,7,3\n")
    ports = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    flags = ["--market", "replay", "--candles", str(tmp_path), "--from", start, "--json"]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "krakked.cli", "simulator", *ports, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("{")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    words = "the candles begin to trade at 2024-01-01 00:00, after --from 2023-12-01 00:00"
    assert (words in said) is is_said
