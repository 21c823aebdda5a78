"""Stages: the named steps of start and stop, each with a time-out and one line.

A stage that fails ends the start: the line says what and how to mend it, the log says it
critically, and the error goes on with its exit code. One that takes long says so while it does: a
silent program looks like one that hangs. A stage may be skipped, by name and with the
reason.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from krakked.domain.errors import BadInput, KrakkedError
from krakked.domain.events import Event, EventName
from krakked.runtime.exit_codes import ExitCode, of_error

T = TypeVar("T")

FIRST_WORD_S = 3.0
NEXT_WORD_S = 15.0
"""When a stage that takes long says so, and how often from then on."""


class Stages:
    """Runs stages one after the other and tells of each."""

    def __init__(
        self,
        *,
        listen: Callable[[Event], None],
        now_ns: Callable[[], int],
        elapsed_s: Callable[[], float] = time.perf_counter,
        patience: float | None = 1.0,
        waits_for: Callable[[], str] = lambda: "",
    ) -> None:
        """Tell ``listen`` of each stage; durations are of ``elapsed_s``, a machine's stopwatch.

        Args:
            listen: hears each event.
            now_ns: the clock of the run.
            elapsed_s: the stopwatch.
            patience: seconds of the loop in a real one; None: no word of what takes long.
            waits_for: what a stage that takes long waits for, if anybody knows.
        """
        self._listen = listen
        self._now_ns = now_ns
        self._elapsed_s = elapsed_s
        self._patience = patience
        self._waits_for = waits_for
        self.done: list[str] = []

    def __repr__(self) -> str:
        return f"<Stages done: {', '.join(self.done) or 'none'}>"

    async def run(
        self,
        name: str,
        work: Awaitable[T],
        *,
        timeout_s: float,
        why: Callable[[], KrakkedError | None] = lambda: None,
    ) -> T:
        """Wait for ``work``; its result. After ``timeout_s`` ``why`` may say what held it up.

        Raises:
            BadInput: it took longer than ``timeout_s``, and nobody says why.
            KrakkedError: what the work raised.
        """
        began_s = self._elapsed_s()
        limit = asyncio.timeout(timeout_s)
        try:
            with self._saying_so(name):
                async with limit:
                    result = await work
        except TimeoutError as error:
            if not limit.expired():
                raise
            late = why() or BadInput(
                f"{name}: not done within {timeout_s:g} s; look at the log before this line and "
                "start again",
                exit_code=ExitCode.TIMED_OUT,
            )
            self._fail(name, began_s, late)
            raise late from error
        except KrakkedError as error:
            self._fail(name, began_s, error)
            raise
        self._tell(EventName.STAGE_DONE, name, began_s)
        self.done.append(name)
        return result

    @contextmanager
    def _saying_so(self, name: str) -> Iterator[None]:
        """A line now and then while it lasts."""
        if self._patience is None:
            yield
            return
        self._say_later(name, FIRST_WORD_S, FIRST_WORD_S * self._patience)
        try:
            yield
        finally:
            self._timer.cancel()

    def _say_later(self, name: str, seconds: float, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(delay_s, self._say, name, seconds)

    def _say(self, name: str, seconds: float) -> None:
        what = self._waits_for()
        words = f"{name}: still waiting{f' for {what}' * bool(what)} ({seconds:g} s)"
        at_ns = self._now_ns()
        self._listen(Event(name=EventName.NOTICE, at_ns=at_ns, fields={"reason": words}))
        self._say_later(name, seconds + NEXT_WORD_S, NEXT_WORD_S * (self._patience or 1.0))

    def skip(self, name: str, reason: str) -> None:
        """Pass over a stage, and say so."""
        self._tell(EventName.STAGE_DONE, name, self._elapsed_s(), skipped=reason)

    def _fail(self, name: str, began_s: float, error: KrakkedError) -> None:
        reason = str(error) or type(error).__name__
        self._tell(
            EventName.STAGE_FAILED, name, began_s, reason=reason, exit_code=int(of_error(error))
        )

    def _tell(self, event: EventName, stage: str, began_s: float, **more: object) -> None:
        seconds = round(self._elapsed_s() - began_s, 3)
        fields: dict[str, object] = {"stage": stage, "seconds": seconds, **more}
        self._listen(Event(name=event, at_ns=self._now_ns(), fields=fields))
