"""Invented candles of two pairs replayed in lock step: ms per bar, bars a second, peak memory.

The command as a person runs it: exchange, engine and the sockets between them in one process, so
the memory is that of both. ``SPAN`` is the number of days (default 31; 1096 is the whole of three
years). Budget: three years, 26,304 hours, in 10 minutes on two cores; from a shorter span that is
extrapolated, and told as such.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

KRAKKED = (sys.executable, "-m", "krakked.cli.__main__")
PAIRS = ("XBTUSD", "ETHUSD")
FIRST = dt.date(2019, 1, 1)
THREE_YEARS_D, BUDGET_MIN = 1096, 10
KIB_PER_MIB = 1024


class Run(NamedTuple):
    """One replay: seconds from the command to its end and from trading to its end, and the rest."""

    whole_s: float
    trading_s: float
    cpu_s: float
    peak_mib: float
    lines: list[str]


def environment() -> dict[str, str]:
    """Nothing of the person's own settings, and a health port that is free."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("KRAK")}
    return {**kept, "KRAKKED_HEALTH__PORT": "0"}


def export(folder: Path, days: int) -> tuple[str, ...]:
    """Write the candles; the flags that name their span."""
    last = FIRST + dt.timedelta(days=days - 1)
    span = ("--from", FIRST.isoformat(), "--to", last.isoformat())
    pairs = [text for pair in PAIRS for text in ("--pair", pair)]
    command = [*KRAKKED, "simulator", "export-candles", *pairs, *span, "--out", str(folder)]
    subprocess.run(command, check=True, env=environment(), stdout=subprocess.DEVNULL)
    return span


def replay(folder: Path, candles: Path, span: tuple[str, ...]) -> Run:
    flags = ("--env", "dev", "--candles", str(candles), *span, "--speed", "max")
    began = time.perf_counter()
    started, lines = began, []
    with (
        (folder / "stderr.txt").open("w") as errors,
        subprocess.Popen(
            [*KRAKKED, "run", *flags],
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if '"engine_started"' in line:
                started = time.perf_counter()
            lines.append(line.rstrip("\n"))
        # wait4 tells of this one child; getrusage would mix it with the one that wrote the candles.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    ended = time.perf_counter()
    if process.returncode:
        raise SystemExit("\n".join([*lines[-20:], (folder / "stderr.txt").read_text()[-2000:]]))
    return Run(
        whole_s=ended - began,
        trading_s=ended - started,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_mib=usage.ru_maxrss / KIB_PER_MIB,
        lines=lines,
    )


def count(lines: list[str], what: str) -> int:
    """A number of the table at the end, like ``bars 1488, plans 60, …``."""
    line = next(line for line in reversed(lines) if line.startswith("bars "))
    found = re.search(rf"{what} (\d+)", line)
    assert found is not None
    return int(found[1])


def show(days: int, run: Run) -> None:
    bars = count(run.lines, "bars")
    ms = run.trading_s * 1000 / bars
    head_s = run.whole_s - run.trading_s
    three_years_s = head_s + run.trading_s * THREE_YEARS_D / days
    note = "measured" if days == THREE_YEARS_D else f"extrapolated from {days} days"
    print(f"{days} days, {len(PAIRS)} pairs: {bars} bars, {count(run.lines, 'fills')} fills")
    print(f"{'from the command to trading':36} {head_s:10.2f} s")
    print(f"{'from trading to the end':36} {run.trading_s:10.2f} s   {run.cpu_s:.2f} s CPU in all")
    print(f"{'one bar of one pair':36} {ms:10.2f} ms")
    print(f"{'bars':36} {1000 / ms:10.0f} 1/s")
    print(f"{'peak memory, engine and exchange':36} {run.peak_mib:10.0f} MiB")
    print(f"{'three years':36} {three_years_s / 60:10.1f} min  budget {BUDGET_MIN} min; {note}")
    print(run.lines[-1])


def main() -> None:
    days = int(os.environ.get("SPAN", "31"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        candles = folder / "candles"
        candles.mkdir()
        show(days, replay(folder, candles, export(candles, days)))


if __name__ == "__main__":
    main()
