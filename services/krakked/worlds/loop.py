"""An event loop without a world around it: its time jumps, and a seed decides what runs first.

No file descriptor is ever watched. The loop runs what is ready, in an order drawn from the seed,
and when nothing is ready its clock jumps to the next timer. asyncio promises only that one
callback follows another in time, so every order of those that are ready together is one that a
real loop might have taken after other answers from the kernel.

Everything that runs belongs to a :class:`Process` or to the world itself, by a context variable
that tasks and callbacks inherit. A process can be killed between any two of its steps (nothing of
it ever runs again, not even ``finally``), stopped for a while, or stopped with its clocks.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import math
import weakref
from collections.abc import Callable, Coroutine, Generator
from random import Random
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

NS_PER_US: Final = 1_000
US_PER_SECOND: Final = 1_000_000
ROUNDS_MAX: Final = 200_000
"""So many without time going on are a loop that never ends."""


SPINS_MAX: Final = 100_000
"""A world that runs so many rounds at one instant is one in which time does not go on."""


class WorldStuck(RuntimeError):
    """Nothing can happen any more, or the same happens for ever at one instant."""


class Process:
    """What can die and stand still: one program on one machine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.is_stopped = False
        self.steps = 0
        """Callbacks that it has run."""
        self.dies_at_step: int | None = None
        self.is_frozen = False
        """Stopped together with the clocks of its machine."""
        self.when_going_on: list[Callable[[], None]] = []
        self.frozen_us = 0
        """How long its clocks have stood still, all told."""
        self.on_death: Callable[[], None] | None = None
        self.tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        self._dead: list[asyncio.Task[Any]] = []
        """Kept: what is thrown away tidies up, and the dead do not."""
        self._waiting: list[asyncio.Handle] = []

    def __repr__(self) -> str:
        state = "dead" if self.is_dead else "stopped" if self.is_stopped else "running"
        return f"<Process {self.name} {state}, {self.steps} steps>"

    def kill(self) -> None:
        """End it between two steps."""
        if not self.is_dead:
            self.is_dead = True
            self._dead.extend(self.tasks)
            self._waiting.clear()
            if self.on_death is not None:
                self.on_death()

    def stop(self, *, clocks_stand: bool = False) -> None:
        """Run nothing of it until :meth:`go_on`."""
        self.is_stopped = True
        self.is_frozen = clocks_stand

    def go_on(self, loop: WorldLoop, *, frozen_us: int = 0) -> None:
        """Run again; what came meanwhile comes now.

        Args:
            loop: where it runs.
            frozen_us: for how long its clocks stood still too: its timers come that much later.
        """
        self.is_stopped = self.is_frozen = False
        self.frozen_us += frozen_us
        asking, self.when_going_on = self.when_going_on, []
        for ask in asking:
            ask()
        waiting, self._waiting = self._waiting, []
        loop.ready_again(waiting)

    def admits(self, handle: asyncio.Handle) -> bool:
        """Whether this step may be run now; counts it."""
        if self.is_dead:
            return False
        if self.is_stopped:
            self._waiting.append(handle)
            return False
        self.steps += 1
        if self.dies_at_step is not None and self.steps >= self.dies_at_step:
            self.kill()
            return False
        return True


PROCESS: Final[contextvars.ContextVar[Process | None]] = contextvars.ContextVar(
    "process", default=None
)
"""Whose step this is; None: the world's own."""


class WorldTimer(asyncio.TimerHandle):
    """A callback that is due later."""

    __slots__ = ("due_us", "frozen_us", "process")

    due_us: int
    frozen_us: int
    process: Process | None


class WorldLoop(asyncio.BaseEventLoop):
    """See the module."""

    def __init__(self, *, start_ns: int, order: Random | None) -> None:
        """Begin.

        Args:
            start_ns: the world's first instant, nanoseconds since 1970 UTC.
            order: draws the order of what is ready; None: as it came.
        """
        super().__init__()
        self._start_ns = start_ns - start_ns % NS_PER_US
        self._now_us = 0
        self._order = order
        self._timers: list[tuple[int, int, WorldTimer]] = []
        self._timed = 0
        self._rounds = 0
        """Since time went on last."""
        self._soon: list[asyncio.Handle] = []
        self._spins = 0
        """Rounds since time went on."""
        self.set_exception_handler(_raise)
        self.problems: list[dict[str, Any]] = []
        """What asyncio had to complain of: a failed callback is a bug of ours."""

    def time(self) -> float:
        """Seconds since the world began, by the clock of whose step it is: it may have stood."""
        return (self._now_us - _stood_us(PROCESS.get())) / US_PER_SECOND

    def now_us(self) -> int:
        """Microseconds since the world began."""
        return self._now_us

    def now_ns(self) -> int:
        """The instant, nanoseconds since 1970 UTC."""
        return self._start_ns + self._now_us * NS_PER_US

    def create_task(
        self,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        *,
        name: object = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[T]:
        """A task, which belongs to the process of its context."""
        task = super().create_task(coro, name=name, context=context)
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is not None:
            process.tasks.add(task)
        return task

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """Run it among the next ones."""
        handle = asyncio.Handle(callback, args, self, context)
        self._soon.append(handle)
        return handle

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """There are no threads."""
        return self.call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run it when that time has come, by the clock of who asks."""
        # Never too soon: who finds that his time has not come would ask again at the same instant.
        when_us = math.ceil(round(when * US_PER_SECOND, 3))
        due_us = max(self._now_us, when_us + _stood_us(PROCESS.get()))
        timer = WorldTimer(when, callback, args, self, context)
        timer.process = _process_of(timer)
        timer.frozen_us = _stood_us(timer.process)
        self._push(timer, due_us)
        return timer

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run it after so many seconds."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def ready_again(self, handles: list[asyncio.Handle]) -> None:
        """Take over what had to wait; a timer whose clock stood still is not due yet."""
        for handle in handles:
            if isinstance(handle, WorldTimer):
                self._push(handle, handle.due_us)
            else:
                self._soon.append(handle)

    def _push(self, timer: WorldTimer, due_us: int) -> None:
        timer.due_us = due_us
        self._timed += 1
        heapq.heappush(self._timers, (due_us, self._timed, timer))

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are dropped when they come due."""

    def _run_once(self) -> None:
        if not self._soon:
            self._jump()
        self._spins += 1
        if self._spins > SPINS_MAX:
            raise WorldStuck(f"the world spins: time stands at {self._now_us} us")
        self._take_due()
        batch, self._soon = self._soon, []
        self._rounds += 1
        if self._rounds > ROUNDS_MAX:
            raise RuntimeError(f"time stands still at {self.time():.6f} s: {batch[:3]}")
        if self._order is not None and len(batch) > 1:
            self._order.shuffle(batch)
        for handle in batch:
            if handle._cancelled:
                continue
            process = _process_of(handle)
            if process is None or process.admits(handle):
                handle._run()

    def _jump(self) -> None:
        while self._timers and self._timers[0][2]._cancelled:
            heapq.heappop(self._timers)
        if not self._timers:
            raise WorldStuck("the world stands still: nothing is ready and no timer runs")
        if self._timers[0][0] > self._now_us:
            self._now_us = self._timers[0][0]
            self._spins = 0
        self._rounds = 0

    def _take_due(self) -> None:
        while self._timers and self._timers[0][0] <= self._now_us:
            _, _, timer = heapq.heappop(self._timers)
            if timer._cancelled:
                continue
            stood_us = _stood_us(timer.process) - timer.frozen_us
            if stood_us:
                timer.frozen_us += stood_us
                self._push(timer, timer.due_us + stood_us)
            else:
                self._soon.append(timer)


def _process_of(handle: asyncio.Handle) -> Process | None:
    return handle._context.get(PROCESS)  # type: ignore[attr-defined, no-any-return]  # not in typeshed


def _stood_us(process: Process | None) -> int:
    return 0 if process is None else process.frozen_us


def _raise(loop: asyncio.AbstractEventLoop, problem: dict[str, Any]) -> None:
    assert isinstance(loop, WorldLoop)
    if "was destroyed" not in str(problem.get("message")):  # of the dead, who are not tidied up
        loop.problems.append(problem)
