"""The command as a process of its own, in a folder of its own.

Everything here goes through the command line and real sockets: what a test sees is what a person
sees. Health ports are free ones, so that runs beside each other do not meet.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

KRAKKED = (sys.executable, "-m", "krakked.cli.__main__")
STRATEGIES = ("strategies.trend", "strategies.reversion", "strategies.basket")
PATIENCE_S = 100.0
"""A busy machine takes ten times as long as an idle one."""


def _environment(extra: dict[str, str]) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("KRAK")}
    return {**kept, "KRAKKED_HEALTH__PORT": "0", **extra}


class Process:
    """A command that goes on running, with the lines it has written so far."""

    def __init__(self, arguments: tuple[str, ...], folder: Path, environ: dict[str, str]) -> None:
        with (folder / "stderr.txt").open("ab") as errors:
            self.popen = subprocess.Popen(
                [*KRAKKED, *arguments],
                cwd=folder,
                env=_environment(environ),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.lines: list[str] = []
        self._errors = folder / "stderr.txt"
        self._fresh: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self._fresh.put(line.rstrip("\n"))
        self._fresh.put(None)

    def wait_for(self, text: str) -> str:
        """The first new line with ``text`` in it."""
        while True:
            line = self._fresh.get(timeout=PATIENCE_S)
            if line is None:
                self._fresh.put(None)  # the end stays the end for who asks again
            assert line is not None, f"ended before {text!r}:\n{self.story()}"
            self.lines.append(line)
            if text in line:
                return line

    def skip(self) -> None:
        """Pass over what it has written up to now."""
        while not self._fresh.empty():
            line = self._fresh.get_nowait()
            if line is None:
                self._fresh.put(None)
                return
            self.lines.append(line)

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait; the exit code."""
        self.popen.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end; the exit code."""
        code = self.popen.wait(timeout=PATIENCE_S)
        self._reader.join()
        assert self.popen.stdout is not None
        self.popen.stdout.close()
        while (line := self._fresh.get_nowait()) is not None:
            self.lines.append(line)
        return code

    def story(self) -> str:
        """The end of what it wrote, for the message of a failed test."""
        return "\n".join([*self.lines[-20:], self._errors.read_text()[-2000:]])

    def kill(self) -> None:
        """Whatever state it is in."""
        if self.popen.poll() is None:
            self.popen.kill()
        if self.popen.stdout is not None and not self.popen.stdout.closed:
            self.wait()


class CommandLine:
    """Runs ``krakked`` in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[Process] = []

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        return subprocess.run(
            [*KRAKKED, *arguments],
            cwd=self.folder,
            env=_environment(environ),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def start(self, *arguments: str, **environ: str) -> Process:
        """Start and go on."""
        process = Process(arguments, self.folder, environ)
        self._started.append(process)
        return process

    def simulator(self, *flags: str) -> Venue:
        """A venue as a process of its own."""
        return Venue(self, *flags)

    def ask(self, *arguments: str) -> Any:
        """A verb's answer in JSON."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def clear(self) -> None:
        """End what a test left running."""
        for process in self._started:
            process.kill()


class Venue:
    """A simulator on free ports, and engines against it."""

    def __init__(self, command: CommandLine, *flags: str) -> None:
        ports = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
        self._command = command
        self.process = command.start("simulator", *ports, *flags, "--json")
        self.told: Any = json.loads(self.process.wait_for("rest_url"))
        key, secret = self.told["trade_key"], self.told["trade_secret"]
        self.keys = {"KRAKEN_API_KEY": key, "KRAKEN_API_SECRET": secret}

    def settings(self, **other: str) -> tuple[str, ...]:
        """Its addresses as flags; other settings of ``venue`` are added or replaced."""
        urls = {name: self.told[name] for name in ("rest_url", "ws_url", "ws_auth_url")}
        urls |= {"admin_url": self.told["admin_url"]} | other
        return tuple(text for n, url in urls.items() for text in ("--set", f"venue.{n}={url}"))

    def trade(self, *more: str, bar: str = "1h", **venue: str) -> Process:
        """An engine of dev against it, its strategies on bars of that length."""
        bars = [f'{name}.timeframes=["{bar}"]' for name in ("market_data", *STRATEGIES)]
        flags = [text for setting in bars for text in ("--set", setting)]
        return self._command.start(
            "run", "--env", "dev", *self.settings(**venue), *flags, *more, **self.keys
        )


@pytest.fixture
def krakked(tmp_path: Path) -> Iterator[CommandLine]:
    command = CommandLine(tmp_path)
    yield command
    command.clear()


@pytest.fixture
def fetch() -> Callable[[str], Any]:
    """JSON by an address."""

    def get(url: str) -> Any:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:  # noqa: S310 - our own
            return json.load(answer)

    return get


@pytest.fixture(scope="session")
def invented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three weeks of two pairs, exported from the synthetic market."""
    folder = tmp_path_factory.mktemp("market")
    span = ("--from", "2024-01-01", "--to", "2024-01-21", "--out", "candles")
    pairs = ("--pair", "XBTUSD", "--pair", "ETHUSD")
    done = CommandLine(folder).run("simulator", "export-candles", *pairs, *span)
    assert done.returncode == 0, done.stderr
    return folder / "candles"
