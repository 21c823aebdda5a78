"""The installed command as a process: what it loads, its streams, its exit codes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("aiohttp", "asyncio", "numpy", "pyarrow", "pydantic", "sqlite3", "structlog", "yaml")


def krakked(*arguments: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KRAKKED_")}
    return subprocess.run(
        [sys.executable, "-m", "krakked.cli", *arguments],
        cwd=folder,
        env={**kept, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), **environ},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def loaded_by(*arguments: str, folder: Path) -> set[str]:
    """The top-level modules that are loaded when the command has ended."""
    code = (
        "import sys\n"
        "from krakked.cli.__main__ import main\n"
        "try:\n"
        f"    main({list(arguments)!r})\n"
        "except SystemExit:\n"
        "    pass\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    # A measured process loads what the measuring needs.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=kept,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    return set(ran.stderr.split())


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_signal_before_the_engine_hears_it_is_an_interruption(tmp_path: Path, name: str) -> None:
    code = (
        "import os, signal\n"
        "from krakked.cli import __main__ as command, run\n"
        f"run._start = lambda *_, **__: os.kill(os.getpid(), signal.{name})\n"
        "command.main(['run'])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, timeout=50, check=False
    )
    assert ran.returncode == 130
    assert ran.stderr.decode().strip() == "krakked: interrupted"


@pytest.mark.parametrize(
    "arguments", [("--version",), ("--help",), ("why", "--help")], ids=" ".join
)
def test_asking_for_version_or_help_loads_nothing_heavy(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert loaded_by(*arguments, folder=tmp_path) & set(HEAVY) == set()


def test_reading_verb_does_not_load_arrays_or_the_network(tmp_path: Path) -> None:
    assert loaded_by("positions", folder=tmp_path) & {"numpy", "pyarrow", "aiohttp"} == set()


def test_version_goes_to_standard_output(tmp_path: Path) -> None:
    ran = krakked("--version", folder=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "krakked 0.7.0\n", "")


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("positions",), 73, "krakked: ledger portfolio.db: there is no such file"),
        (("halt",), 5, "krakked: no engine answers at portfolio.db.sock; "),
        (("config", "check", "--env", "live"), 78, "krakked: account.name (default): live needs"),
        (("run", "--candles", "nowhere"), 78, "krakked: --candles nowhere: no such folder"),
        (("run", "--env", "paper", "--set", "health.port=0"), 77, "krakked: no API keys: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_a_person_can_mend_is_one_line_on_standard_error(
    tmp_path: Path, arguments: tuple[str, ...], code: int, line: str
) -> None:
    ran = krakked(*arguments, folder=tmp_path)
    assert ran.returncode == code, ran.stderr
    assert ran.stderr.startswith(line)
    assert ran.stderr.count("\n") == 1
    assert "Traceback" not in ran.stdout + ran.stderr


def test_reader_that_leaves_early_makes_no_noise(tmp_path: Path) -> None:
    """``krakked config show | head -1``."""
    with subprocess.Popen(
        [sys.executable, "-m", "krakked.cli", "config", "schema", "--markdown"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) in (0, 1)


def test_what_a_verb_writes_is_its_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "XBTUSD_60.csv").write_text("1577836800,1,1,1,1,1,4\n")
    before = os.umask(0o022)
    try:
        assert krakked("data", "import", "XBTUSD_60.csv", folder=tmp_path).returncode == 0
    finally:
        os.umask(before)
    written = list((tmp_path / "bars").rglob("*"))
    assert len(written) >= 3
    assert [path for path in written if path.stat().st_mode & 0o077] == []


KEYS = {"KRAKEN_API_KEY": "key", "KRAKEN_API_SECRET": "c2VjcmV0"}


def paper_without_venue(folder: Path, port: int) -> subprocess.CompletedProcess[str]:
    """A run in paper against a port where nobody answers."""
    addresses = {
        "KRAKKED_VENUE__REST_URL": f"http://127.0.0.1:{port}",
        "KRAKKED_VENUE__WS_URL": f"ws://127.0.0.1:{port}",
        "KRAKKED_VENUE__WS_AUTH_URL": f"ws://127.0.0.1:{port}",
        "KRAKKED_VENUE__TIMEOUT_SECONDS": "3",
        "KRAKKED_HEALTH__PORT": "0",
    }
    return krakked("run", "--env", "paper", folder=folder, **KEYS, **addresses)


def test_venue_that_cannot_be_reached_is_69_and_named_as_the_stage(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        ran = paper_without_venue(tmp_path, closed.getsockname()[1])
    assert ran.returncode == 69, ran.stderr
    failed = [line for line in map(json.loads, ran.stdout.splitlines()) if "exit_code" in line]
    assert [(line["event"], line["level"], line["stage"]) for line in failed] == [
        ("stage_failed", "critical", "venue reachable")
    ]
    assert ran.stderr.startswith("krakked: ")
    assert "c2VjcmV0" not in ran.stdout + ran.stderr


def test_port_of_the_probes_that_is_taken_is_74(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ran = krakked("run", "--set", f"health.port={port}", folder=tmp_path)
    assert (ran.returncode, ran.stderr) == (
        74,
        f"krakked: health.port {port} on 127.0.0.1: address already in use; stop what listens "
        "there, or set health.port (0 takes any free one)\n",
    )
