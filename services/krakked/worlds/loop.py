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
from collections.abc import Callable, Coroutine, Generator, Sequence
from random import Random
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

NS_PER_US: Final = 1_000
US_PER_SECOND: Final = 1_000_000
PPM: Final = 1_000_000
TASKS_KEPT: Final = 64
"""So many of a process are remembered before it is looked which are done."""
SPINS_MAX: Final = 100_000
"""A world that runs so many rounds at one instant is one in which time does not go on."""


class WorldStuck(RuntimeError):
    """Nothing can happen any more, or the same happens for ever at one instant."""


class Process:
    """What can die and stand still: one program on one machine."""

    def __init__(self, name: str, *, drift_ppm: int = 0) -> None:
        self.name = name
        self.drift_ppm = drift_ppm
        """So much faster than the world its clocks run; below zero: slower."""
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
        self._tasks: list[asyncio.Task[Any]] = []
        """Kept, and most of all when it is dead: what is thrown away tidies up."""
        self._tasks_max = TASKS_KEPT
        self._waiting: list[Step] = []

    def __repr__(self) -> str:
        state = "dead" if self.is_dead else "stopped" if self.is_stopped else "running"
        return f"<Process {self.name} {state}, {self.steps} steps>"

    def kill(self) -> None:
        """End it between two steps."""
        if not self.is_dead:
            self.is_dead = True
            self._waiting.clear()
            if self.on_death is not None:
                self.on_death()

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Remember a task of it until it is done."""
        self._tasks.append(task)
        if len(self._tasks) > self._tasks_max:
            self._tasks = [each for each in self._tasks if not each.done()]
            self._tasks_max = 2 * len(self._tasks) + TASKS_KEPT

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

    def admits(self, step: Step) -> bool:
        """Whether this step may be run now; counts it."""
        if self.is_dead:
            return False
        if self.is_stopped:
            self._waiting.append(step)
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


class Step(asyncio.TimerHandle):
    """A callback that runs once, soon or when it is due; it knows whose it is.

    It sets itself what asyncio's constructors would, which also look whether somebody debugs: a
    world makes so many steps that this is a few per cent of what it costs.
    """

    __slots__ = ("due_us", "frozen_us", "process")

    def __init__(
        self,
        callback: Callable[..., object],
        args: Sequence[Any],
        loop: WorldLoop,
        context: contextvars.Context | None,
    ) -> None:
        if context is None:
            self._context = contextvars.copy_context()
            self.process = PROCESS.get()
        else:
            self._context = context
            self.process = context.get(PROCESS)
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = self._source_traceback = None
        self._when = 0.0
        self.due_us: int | None = None
        """When; None: soon."""
        self.frozen_us = 0
        """How long its clocks had stood when that was reckoned."""

    def cancel(self) -> None:
        """Let it not run."""
        self._cancelled = True
        self._callback, self._args = _nothing, ()  # what they hold may go


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
        self._timers: list[tuple[int, int, Step]] = []
        self._timed = 0
        self._soon: list[Step] = []
        self._spins = 0
        """Rounds since time went on."""
        self.set_exception_handler(_raise)
        self.problems: list[dict[str, Any]] = []
        """What asyncio had to complain of: a failed callback is a bug of ours."""

    def time(self) -> float:
        """Seconds since the world began, by the clock of whose step it is: it may have stood."""
        return self.own_us(PROCESS.get()) / US_PER_SECOND

    def own_us(self, process: Process | None) -> int:
        """Microseconds since the world began, by the clock of that process."""
        if process is None:
            return self._now_us
        return (self._now_us - process.frozen_us) * (PPM + process.drift_ppm) // PPM

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
            process.keep(task)
        return task

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """Run it among the next ones."""
        step = Step(callback, args, self, context)
        self._soon.append(step)
        return step

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
        due_us = max(self._now_us, _worlds_us(PROCESS.get(), when_us))
        step = Step(callback, args, self, context)
        step._when = when
        step.frozen_us = _stood_us(step.process)
        self._push(step, due_us)
        return step

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run it after so many seconds."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def ready_again(self, steps: list[Step]) -> None:
        """Take over what had to wait; a timer whose clock stood still is not due yet."""
        for step in steps:
            if step.due_us is not None:
                self._push(step, step.due_us)
            else:
                self._soon.append(step)

    def _push(self, step: Step, due_us: int) -> None:
        step.due_us = due_us
        self._timed += 1
        heapq.heappush(self._timers, (due_us, self._timed, step))

    def _run_once(self) -> None:
        if not self._soon:
            self._jump()
        self._spins += 1
        if self._spins > SPINS_MAX:
            raise WorldStuck(f"the world spins: time stands at {self._now_us} us")
        if self._timers and self._timers[0][0] <= self._now_us:
            self._take_due()
        batch, self._soon = self._soon, []
        if self._order is not None and len(batch) > 1:
            self._order.shuffle(batch)
        for step in batch:
            if not step._cancelled and (step.process is None or step.process.admits(step)):
                step._run()

    def _jump(self) -> None:
        while self._timers and self._timers[0][2]._cancelled:
            heapq.heappop(self._timers)
        if not self._timers:
            raise WorldStuck("the world stands still: nothing is ready and no timer runs")
        if self._timers[0][0] > self._now_us:
            self._now_us = self._timers[0][0]
            self._spins = 0

    def _take_due(self) -> None:
        while self._timers and self._timers[0][0] <= self._now_us:
            due_us, _, step = heapq.heappop(self._timers)
            if step._cancelled:
                continue
            stood_us = _stood_us(step.process) - step.frozen_us
            if stood_us:
                step.frozen_us += stood_us
                self._push(step, due_us + stood_us)
            else:
                self._soon.append(step)


def _stood_us(process: Process | None) -> int:
    return 0 if process is None else process.frozen_us


def _worlds_us(process: Process | None, own_us: int) -> int:
    """When that process's clock will show it, unless it stands still before; never sooner."""
    if process is None:
        return own_us
    return -(-own_us * PPM // (PPM + process.drift_ppm)) + process.frozen_us


def _nothing() -> None:
    """What a cancelled step would do."""


def _raise(loop: asyncio.AbstractEventLoop, problem: dict[str, Any]) -> None:
    assert isinstance(loop, WorldLoop)
    if "was destroyed" not in str(problem.get("message")):  # of the dead, who are not tidied up
        loop.problems.append(problem)
