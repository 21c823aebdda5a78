"""The watchdog ends a process whatever Python is doing; each test is one such process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from krakked.adapters.system.watchdog import EXIT_CODE, NoWatchdog
from krakked.runtime.exit_codes import ExitCode

BEGIN = """
import threading, time
from krakked.adapters.system.watchdog import ProcessWatchdog
watchdog = ProcessWatchdog()
"""


def end_of(body: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BEGIN + body],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_code_is_the_one_of_the_table() -> None:
    assert EXIT_CODE == ExitCode.WATCHDOG


@pytest.mark.parametrize(
    "body",
    [
        "watchdog.arm(0.15)\nthreading.Event().wait(20)",
        # One multiplication that keeps the interpreter to itself for many seconds.
        "x = 3 ** 6_000_000\nwatchdog.arm(0.15)\nx * x * x * x * x * x",
        "watchdog.arm(-1)\nthreading.Event().wait(20)",
        "watchdog.arm(30)\nwatchdog.arm(0.15)\nthreading.Event().wait(20)",
    ],
    ids=["hung", "in C", "already late", "earlier than before"],
)
def test_process_that_is_not_told_otherwise_ends_with_its_stacks(body: str) -> None:
    done = end_of(body)
    assert done.returncode == 72
    assert "most recent call first" in done.stderr


@pytest.mark.parametrize(
    "body",
    ["watchdog.arm(0.05)\nwatchdog.disarm()", "watchdog.arm(0.05)\nwatchdog.arm(30)", ""],
    ids=["disarmed", "armed later", "never armed"],
)
def test_process_that_is_told_otherwise_lives(body: str) -> None:
    done = end_of(f"{body}\nthreading.Event().wait(0.3)\nprint('alive', flush=True)")
    assert (done.returncode, done.stdout) == (0, "alive\n")


def test_run_whose_time_is_not_the_machines_is_not_watched() -> None:
    watchdog = NoWatchdog()
    watchdog.arm(-1)
    watchdog.disarm()
