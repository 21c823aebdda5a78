"""Verbs that start an engine for a moment: their answer on standard output alone."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from krakked.cli.options import NOBODY_ANSWERS

ROOT = Path(__file__).resolve().parents[3]
VERB = (sys.executable, "-m", "krakked.cli.__main__", "portfolio", "init", "--env", "dev")
QUESTION = "Book these as opening balances?"
TABLE = [
    "asset  quantity      cost  cost is     held since (UTC)",
    "USD       10000  10000.00  its amount  2026-01-01 00:00",
]


READS_INPUT = ("0 0x0 ", "63 0x0 ")
"""The system call ``read`` on descriptor 0, as x86-64 and arm64 number it."""


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


def wait_for_reading(process_id: int) -> None:
    """Until it reads its input: a signal between the question and that is not felt."""
    for _ in range(2_000):
        doing = Path(f"/proc/{process_id}/syscall").read_text(encoding="ascii")
        if doing.startswith(READS_INPUT):
            return
        time.sleep(0.01)
    raise AssertionError(f"the process does not read its input but {doing}")


def test_interrupt_at_the_question_means_no_at_once(asked: Any) -> None:
    wait_for_reading(asked.pid)
    asked.send_signal(signal.SIGINT)
    code, lines, errors = end_of(asked)
    assert (code, lines) == (4, TABLE)
    assert errors.splitlines()[-1] == "krakked: not agreed to; nothing was booked"
    assert "Traceback" not in errors


def test_booked_balances_are_told_once_and_the_books_begin(krakked: Any) -> None:
    done = krakked.run("portfolio", "init", "--env", "dev", "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [*TABLE, "booked: 1 opening balance; the books begin"]
    again = krakked.run("portfolio", "init", "--env", "dev")
    assert (again.returncode, again.stdout) == (4, "")  # nothing is shown, and nobody is asked
    assert QUESTION not in again.stderr
    assert again.stderr.splitlines()[-1] == (
        "krakked: the books have begun already; opening balances are booked once"
    )


def stages_of_the_page() -> list[str]:
    """What the page on scheduling says of a start, in its order."""
    page = (ROOT / "docs/scheduling.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"^Start: (.*?); each is a stage", page, re.MULTILINE)
    return re.findall(r"`([a-z -]+)`", told)


def test_one_cycle_answers_in_json_alone_if_asked(krakked: Any) -> None:
    done = krakked.run("run-once", "--env", "dev", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["differences"] == []
    assert report["this_run"]["equity_end"]
    assert report["this_run"]["fills"] == report["since_books_began"]["fills"]
    assert len(report["digest"]) == 64
    stages = re.findall(r'"event":"stage_done".*?"stage":"([a-z -]+)"', done.stderr)
    assert stages == [*stages_of_the_page(), "drain", "books"]
