"""How long a person waits: ``krakked --version``, and ``krakked run --env dev`` until it trades.

From the start of the process to its end, and to the line ``engine_started``; the median of several
starts, each in an empty folder, and the slowest beside it. The ratio is to starting Python itself.
Budgets: 0.15 s and 3 s. The peak memory is that of a run stopped as soon as it traded, engine and
simulated exchange together.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

KRAKKED = str(Path(sys.executable).with_name("krakked"))
VERSIONS, STARTS = 10, 5
VERSION_BUDGET_S, START_BUDGET_S = 0.15, 3
KIB_PER_MIB = 1024


class Start(NamedTuple):
    """One start of the engine: seconds until it traded, seconds to stop it, and its peak memory."""

    ready_s: float
    stop_s: float
    peak_mib: float


def environment() -> dict[str, str]:
    """Nothing of the person's own settings, and a health port that is free."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("KRAK")}
    return {**kept, "KRAKKED_HEALTH__PORT": "0"}


def seconds_of(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, env=environment(), stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def start() -> Start:
    """One start and stop in a folder of its own."""
    with (
        tempfile.TemporaryDirectory() as name,
        (Path(name) / "stderr.txt").open("w+") as errors,
    ):
        began = time.perf_counter()
        with subprocess.Popen(
            [KRAKKED, "run", "--env", "dev"],
            cwd=name,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process:
            ready = wait_until_trading(process)
            process.send_signal(signal.SIGINT)
            assert process.stdout is not None
            process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        ended = time.perf_counter()
        if process.returncode:
            errors.seek(0)
            raise SystemExit(f"ended with {process.returncode}: {errors.read()[-2000:]}")
    return Start(ready - began, ended - ready, usage.ru_maxrss / KIB_PER_MIB)


def wait_until_trading(process: subprocess.Popen[str]) -> float:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        if '"engine_started"' in line:
            return time.perf_counter()
        lines.append(line)
    raise SystemExit("ended before it traded:\n" + "".join(lines[-20:]))


def show(name: str, seconds: list[float], unit: float, budget: str) -> None:
    middle = statistics.median(seconds)
    print(
        f"{name:32} {middle:7.3f} s  slowest {max(seconds):6.3f} s {middle / unit:6.1f} ×  {budget}"
    )


def main() -> None:
    seconds_of(KRAKKED, "--version")  # the first one reads files from the disk
    bare = [seconds_of(sys.executable, "-c", "pass") for _ in range(VERSIONS)]
    versions = [seconds_of(KRAKKED, "--version") for _ in range(VERSIONS)]
    starts = [start() for _ in range(STARTS)]
    unit = statistics.median(bare)
    show("python -c pass", bare, unit, "")
    show("krakked --version", versions, unit, f"budget {VERSION_BUDGET_S} s")
    show(
        "run --env dev until it trades",
        [a.ready_s for a in starts],
        unit,
        f"budget {START_BUDGET_S} s",
    )
    show("  and from Ctrl-C to its end", [a.stop_s for a in starts], unit, "")
    print(f"{'peak memory of such a run':32} {max(a.peak_mib for a in starts):7.0f} MiB")


if __name__ == "__main__":
    main()
