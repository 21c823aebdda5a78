"""The simulator as a program: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import IO, Any

SIMULATOR = [sys.executable, "-m", "krakked.cli", "simulator"]
PORTS = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]


def started(*flags: str, command: list[str] = SIMULATOR) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*command, *PORTS, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )


def read_until(stream: IO[str] | None, last: str) -> list[str]:
    assert stream is not None
    lines = []
    for line in stream:
        lines.append(line.rstrip())
        if last in line:
            break
    return lines


def ended(process: subprocess.Popen[str], number: int) -> tuple[int, str]:
    process.send_signal(number)
    _, complaints = process.communicate(timeout=20)
    return process.returncode, complaints


def test_a_person_sees_addresses_keys_and_what_to_try() -> None:
    process = started("--market", "calm", "--query-key", "asks")
    lines = read_until(process.stdout, "Ctrl-C stops it.")
    assert lines[0] == "simulator: calm market, 7 pairs, seed 1, speed 1"
    names = [line.split()[0] for line in lines[1:9]]
    assert names == [
        "rest_url",
        "ws_url",
        "ws_auth_url",
        "admin_url",
        "trade_key",
        "trade_secret",
        "query_key",
        "query_secret",
    ]
    assert lines[9] == "Try:"
    assert lines[10].startswith("  curl 'http://127.0.0.1:")
    assert ended(process, signal.SIGINT) == (0, "")


def test_the_end_of_a_replay_is_said_on_standard_error(tmp_path: Path) -> None:
    row = "1704067200,100.0,110.0,90.0,105.0,8,40\n"
    (tmp_path / "XBTUSD_60.csv").write_text(row)
    flags = ("--market", "replay", "--candles", str(tmp_path), "--speed", "max", "--json")
    process = started(*flags)
    said = read_until(process.stderr, "over")
    assert said == ["the market of 1 pairs is over; still serving"]
    code, complaints = ended(process, signal.SIGTERM)
    assert (code, complaints) == (0, "")


def test_a_second_simulator_on_the_same_port_ends_with_one_line() -> None:
    first = started("--market", "calm", "--json")
    address = read_until(first.stdout, "rest_url")[0].split('"rest_url":"http://')[1].split('"')[0]
    second = started("--market", "calm", "--listen", address)
    _, complaints = second.communicate(timeout=20)
    assert second.returncode == 74
    assert complaints.splitlines() == [
        f"krakked: --listen {address}: the port is taken; stop the other program, "
        "or give another port (0: any free one)"
    ]
    assert ended(first, signal.SIGTERM)[0] == 0


def test_start_and_stop_take_a_moment_only() -> None:
    before = time.monotonic()
    process = started("--market", "synthetic", "--json")
    read_until(process.stdout, "rest_url")
    assert ended(process, signal.SIGINT) == (0, "")
    assert time.monotonic() - before < 15


def test_the_port_is_open_within_three_seconds_of_work() -> None:
    """Counted in the processor's time, which a busy machine does not stretch."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = started("--market", "calm", "--json")
    announced = json.loads(read_until(process.stdout, "rest_url")[0])
    host, _, port = announced["rest_url"].removeprefix("http://").rpartition(":")
    socket.create_connection((host, int(port)), timeout=1).close()
    assert ended(process, signal.SIGINT) == (0, "")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3


def test_every_account_survives_being_killed(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text("{alice: {balances: {USD: 5, XBT.F: 0.25}}}", encoding="utf-8")
    flags: list[str] = ["--market", "calm", "--json", "--accounts", str(accounts)]
    flags += ["--state", str(tmp_path / "state")]
    first = started(*flags)
    announced = json.loads(read_until(first.stdout, "rest_url")[0])
    assert announced["alice_key_1"] == "alice-key"
    act = {"account": "alice", "allocate": {"XBT.F": "-0.05"}, "deposit": {"USD": "1.5"}}
    told = asked(announced["admin_url"] + "/balances", act)
    assert told == {"USD": "6.5000", "XBT.F": "0.2000000000", "XBT": "0.0500000000"}
    first.kill()
    first.communicate()
    again = started(*flags)
    announced = json.loads(read_until(again.stdout, "rest_url")[0])
    assert asked(announced["admin_url"] + "/balances")["alice"] == told
    assert ended(again, signal.SIGTERM) == (0, "")


def asked(url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(url, data=data, timeout=10) as answer:  # noqa: S310 (our own)
        return json.loads(answer.read())
