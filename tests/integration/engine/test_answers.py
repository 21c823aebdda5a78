"""Verbs that start an engine for a moment: their answer on standard output alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from krakked.cli.options import NOBODY_ANSWERS

VERB = (sys.executable, "-m", "krakked.cli.__main__", "portfolio", "init", "--env", "dev")
QUESTION = "Book these as opening balances?"
TABLE = [
    "asset  quantity      cost  cost is     held since (UTC)",
    "USD       10000  10000.00  its amount  2026-01-01 00:00",
]


@pytest.fixture
def asked(tmp_path: Path) -> Any:
    """``portfolio init`` that has asked its question, and waits."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("KRAK")}
    with subprocess.Popen(
        VERB,
        cwd=tmp_path,
        env=kept,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        said = b""
        while QUESTION.encode() not in said:
            part = os.read(process.stderr.fileno(), 65536)
            assert part, said.decode()
            said += part
        yield process
        process.kill()


def end_of(process: Any) -> tuple[int, list[str], str]:
    out, errors = process.communicate(timeout=50)
    return process.returncode, out.decode().splitlines(), errors.decode()


def test_booking_without_an_answer_is_one_line_and_nothing_is_booked(asked: Any) -> None:
    asked.stdin.close()
    asked.stdin = None
    code, lines, errors = end_of(asked)
    assert (code, lines) == (2, TABLE)
    assert errors.splitlines()[-1] == f"krakked: {NOBODY_ANSWERS}"
    assert "Traceback" not in errors
    assert "task_failed" not in errors


def test_interrupt_at_the_question_means_no_at_once(asked: Any) -> None:
    for _ in range(20):  # one that comes between the question and the reading of it is not felt
        asked.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            asked.wait(timeout=0.5)
            break
    assert asked.poll() is not None, "the end of its input would be an answer of its own"
    code, lines, errors = end_of(asked)
    assert (code, lines) == (4, TABLE)
    assert errors.splitlines()[-1] == "krakked: not agreed to; nothing was booked"
    assert "Traceback" not in errors


def test_booked_balances_are_told_once_and_the_books_begin(krakked: Any) -> None:
    done = krakked.run("portfolio", "init", "--env", "dev", "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [*TABLE, "booked: 1 opening balance; the books begin"]
    again = krakked.run("portfolio", "init", "--env", "dev", "--yes")
    assert again.returncode == 4
    assert again.stderr.splitlines()[-1] == (
        "krakked: the books have begun already; opening balances are booked once"
    )


def test_one_cycle_answers_in_json_alone_if_asked(krakked: Any) -> None:
    done = krakked.run("run-once", "--env", "dev", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["differences"] == []
    assert report["equity_end"]
    assert len(report["digest"]) == 64
    assert '"event":"stage_done"' in done.stderr
