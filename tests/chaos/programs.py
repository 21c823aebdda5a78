"""Child processes: started with a mark in their environment, read line by line, ended by their pid.

Whoever dies with the run unfinished leaves nothing behind: each child asks the kernel for a signal
when its parent dies, and ``left_behind`` finds by the mark what is still there.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

MARK = "CHAOS_RUN"
_PR_SET_PDEATHSIG = 1
_LINE_MAX = 1 << 22
_libc = ctypes.CDLL(None)

Told = Callable[[dict[str, object]], None]


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Program:
    """One process at a time, with a log of all of them."""

    def __init__(self, name: str, log: Path, told: Told) -> None:
        self.name = name
        self.log = log
        self.is_paused = False
        self.started_at_s = 0.0
        self._told = told
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Future[tuple[None, None]] | None = None

    @property
    def is_running(self) -> bool:
        """Whether there is a process, paused or not."""
        return self._process is not None and self._process.returncode is None

    @property
    def is_at_work(self) -> bool:
        """Whether it runs and is not paused."""
        return self.is_running and not self.is_paused

    @property
    def pid(self) -> int:
        """Of the process there is or was."""
        assert self._process is not None
        return self._process.pid

    async def start(self, argv: list[str], folder: Path, extra: Mapping[str, str]) -> None:
        """Begin; the one before must have ended."""
        assert not self.is_running, f"{self.name} runs already"
        kept = {n: text for n, text in os.environ.items() if not n.startswith(("KRAK", "POD_"))}
        mark = {MARK: os.environ[MARK]}
        self._process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=folder,
            env={**kept, **mark, **extra},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LINE_MAX,
            preexec_fn=_die_with_parent,
        )
        self.is_paused, self.started_at_s = False, time.monotonic()
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._reading = asyncio.gather(
            self._read(self._process.stdout), self._read(self._process.stderr)
        )

    async def _read(self, stream: asyncio.StreamReader) -> None:
        with self.log.open("ab") as log:
            while line := await stream.readline():
                log.write(line)
                log.flush()
                if line.startswith(b"{"):
                    with suppress(ValueError):
                        self._told(json.loads(line))

    def send(self, number: signal.Signals) -> None:
        """Send one; who is gone does not hear it."""
        if self.is_running:
            with suppress(ProcessLookupError):  # it ended, and nobody has told us yet
                os.kill(self.pid, number)
            if number in (signal.SIGSTOP, signal.SIGCONT):
                self.is_paused = number == signal.SIGSTOP

    async def wait(self) -> int:
        """The exit code, once all it wrote is read."""
        assert self._process is not None
        code = await self._process.wait()
        if self._reading is not None:
            await self._reading
        return code

    async def end(self, number: signal.Signals, *, patience_s: float) -> int | None:
        """Send a signal and wait; killed if that does not end it (None)."""
        self.send(number)
        try:
            async with asyncio.timeout(patience_s):
                return await self.wait()
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self.wait()
            return None

    async def clear(self) -> None:
        """Whatever state it is in."""
        if self.is_running:
            await self.end(signal.SIGKILL, patience_s=10)


def left_behind(mark: str) -> list[int]:
    """Processes of this run that still exist."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found
