"""The supervisor: keeps named tasks, hears signals, and decides how the process ends.

Crash-only: a task that fails is not restarted; it is logged with its name, and the engine ends,
because starting and recovering are one code path. A task that returns although it should run for
ever has failed too. The first SIGINT or SIGTERM asks for a graceful stop, a second one hurries it;
neither skips what keeps the books whole. This module alone catches every exception.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Final, TypeVar

import structlog

from krakked.domain.errors import KrakkedError
from krakked.domain.events import EventName
from krakked.runtime.exit_codes import ExitCode, of_error

T = TypeVar("T")

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

_log = structlog.stdlib.get_logger("krakked")


class Supervisor:
    """Named tasks of one engine, and why it ends."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[object]] = {}
        self._ending = asyncio.Event()
        self._hurry = asyncio.Event()
        self._is_leaving = False
        self.exit_code = int(ExitCode.DONE)
        self.reason = ""

    def __repr__(self) -> str:
        state = f"ending: {self.reason}" if self._ending.is_set() else "running"
        return f"<Supervisor {state}; {', '.join(self._tasks) or 'no tasks'}>"

    @property
    def is_ending(self) -> bool:
        """Whether a stop was asked for, or something failed."""
        return self._ending.is_set()

    @property
    def is_hurried(self) -> bool:
        """Whether a second signal asked to be quicker."""
        return self._hurry.is_set()

    @property
    def task_names(self) -> tuple[str, ...]:
        """The tasks that run now, oldest first."""
        return tuple(self._tasks)

    def start(self, name: str, work: Coroutine[object, object, object]) -> None:
        """Run ``work`` until the end; it must not return before."""
        assert name not in self._tasks, f"two tasks named {name}"
        task = asyncio.create_task(work, name=name)
        self._tasks[name] = task
        task.add_done_callback(self._on_done)

    def request_stop(self, reason: str, exit_code: int = ExitCode.DONE) -> None:
        """Ask for a graceful end; the first reason counts, but a failure's more than a wish."""
        if self.exit_code == ExitCode.DONE:
            if exit_code != ExitCode.DONE or not self._ending.is_set():
                self.reason = reason
            self.exit_code = int(exit_code)
        self._ending.set()

    def request_hurry(self) -> None:
        """Ask for a quicker end."""
        self._hurry.set()

    async def wait_for_end(self) -> None:
        """Return when a stop was asked for or a task has failed."""
        await self._ending.wait()

    async def unless_hurried(self, work: Coroutine[object, object, T]) -> T | None:
        """The result; None if a second signal comes first: the work is then cancelled, and over."""
        doing = asyncio.ensure_future(work)
        hurry = asyncio.ensure_future(self._hurry.wait())
        try:
            await asyncio.wait((doing, hurry), return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurry.cancel()
            is_cut_short = doing.cancel()
        await asyncio.wait((doing,))
        return None if is_cut_short and doing.cancelled() else doing.result()

    async def stop(self, *names: str) -> None:
        """Cancel these tasks (all, if none is named), newest first, and wait for each."""
        self._is_leaving = self._is_leaving or not names
        for name in list(reversed(self._tasks)):
            # one that ended by itself while we waited for another is gone
            if name in self._tasks and (not names or name in names):
                await self._stop_one(name)

    async def _stop_one(self, name: str) -> None:
        task = self._tasks.pop(name)
        task.cancel()
        await asyncio.wait([task])

    def _on_done(self, task: asyncio.Task[object]) -> None:
        name = task.get_name()
        is_ours = self._tasks.pop(name, None) is not None
        if task.cancelled():
            if is_ours:
                self._fail(name, None, "was cancelled by something else")
            return
        error = task.exception()
        if error is not None:
            self._fail(name, error, str(error) or type(error).__name__)
        elif is_ours:
            self._fail(name, None, "returned although it should run for ever")

    def _fail(self, name: str, error: BaseException | None, what: str) -> None:
        is_bug = not isinstance(error, KrakkedError)
        code = of_error(error) if isinstance(error, KrakkedError) else ExitCode.CRASHED
        _log.critical(
            EventName.TASK_FAILED.value,
            task=name,
            reason=what,
            exit_code=int(code),
            exc_info=error if is_bug else None,
        )
        self.request_stop(f"task {name} failed: {what}", code)


def hear_signals(supervisor: Supervisor) -> Callable[[], None]:
    """Turn the first signal into a stop and the second into haste; returns how to undo it."""
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if supervisor.is_ending:
            supervisor.request_hurry()
        else:
            supervisor.request_stop(number.name)

    for number in SIGNALS:
        loop.add_signal_handler(number, on_signal, number)

    def undo() -> None:
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    return undo


def exit_code_of(run: Callable[[], int]) -> int:
    """Run the program; its exit code, also when it fails.

    Errors that a person can mend pass on to the command line, which prints their one line. Anything
    else is a bug or a broken invariant: it is logged with its traceback, and the process ends.
    """
    try:
        return run()
    except KrakkedError:
        raise
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the one place: whatever it is, it must end the engine
        _log.critical(
            EventName.TASK_FAILED.value,
            task="main",
            reason=str(error) or type(error).__name__,
            exc_info=error,
        )
        return ExitCode.CRASHED
