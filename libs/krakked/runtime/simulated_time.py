"""An event loop whose time is simulated: timers, sleeps and time-outs all run on it.

The loop does everything there is to do, and only when it is idle does its clock jump to the
next timer. *Idle* is an explicit barrier: no callback is ready, every byte sent between two
sockets of this process has been read at the other end, no executor job and no registered
outside worker is busy. Two runs of one program therefore see the same events in the same order
at the same instants: readable sockets are reported in the order they were registered, and the
results of executor jobs are delivered in the order of their submission when nothing else is
left to do.

With a ``speed`` the loop does the same and in addition waits, before each jump, until that many
simulated seconds per real second have passed. Nothing is ever late on its own time line: a busy
process falls behind real time, and catches up timer by timer.

The clock counts whole microseconds since ``start_ns``, so that float seconds name each of them
exactly for 30 years and more.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ipaddress
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

from krakked.runtime.loopback import Loopback

if TYPE_CHECKING:
    import socket

    from _typeshed import FileDescriptorLike

T = TypeVar("T")

NS_PER_US: Final = 1_000
US_PER_SECOND: Final = 1_000_000
STUCK_AFTER_S: Final = 5.0
"""Real seconds without progress after which a connection that should be read is a bug."""
_BUSY_SELECTS_MAX: Final = 64
"""Sockets are looked at this often even while callbacks are always ready."""
_STUCK_NAP_S: Final = 0.05


def run(main: Coroutine[object, object, T], *, start_ns: int, speed: float | None) -> T:
    """Like :func:`asyncio.run`, on a new :class:`SimulatedTimeLoop`.

    ``speed`` None is as fast as possible. ``loop.add_signal_handler`` in ``main`` takes SIGINT
    over; without it, it cancels ``main`` as :func:`asyncio.run` does.
    """

    def factory() -> SimulatedTimeLoop:
        return SimulatedTimeLoop(start_ns=start_ns, speed=speed)

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


class SimulatedTimeLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self, *, start_ns: int, speed: float | None) -> None:
        self._start_ns = start_ns - start_ns % NS_PER_US
        self._lock_step = _LockStepSelector(speed)
        self._default_pool: concurrent.futures.Executor | None = None
        super().__init__(self._lock_step)
        if speed is not None and not 0 < speed < float("inf"):
            self.close()
            raise ValueError(f"speed {speed} is not a positive number")
        self._clock_resolution = 0.5 / US_PER_SECOND  # half a step: no timer fires one early

    def time(self) -> float:
        """Simulated seconds since the start."""
        return self._lock_step.elapsed_us / US_PER_SECOND

    def now_ns(self) -> int:
        """The simulated instant, nanoseconds since 1970 UTC."""
        return self._start_ns + self._lock_step.elapsed_us * NS_PER_US

    @property
    def speed(self) -> float | None:
        """Simulated seconds per real second; None is as fast as possible."""
        return self._lock_step.speed

    @contextlib.contextmanager
    def hold(self, what: str) -> Iterator[None]:
        """Keep the clock still while work outside the loop (``what``) goes on.

        For threads that answer by ``call_soon_threadsafe``; executor jobs hold it by themselves.
        """
        holds = self._lock_step.holds
        token = object()
        holds[token] = what
        try:
            yield
        finally:
            del holds[token]

    def run_in_executor(  # type: ignore[override]  # typeshed's return type is a Future of a TypeVarTuple call
        self, executor: concurrent.futures.Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run a job in a thread; the clock stands still until its result is delivered."""
        self._check_closed()  # type: ignore[attr-defined]  # of BaseEventLoop, not in typeshed
        pool = executor or self._pool()
        job = _Job(pool.submit(func, *args), self.create_future())
        self._lock_step.jobs.append(job)
        job.work.add_done_callback(lambda _: self._wake())
        return job.future

    async def shutdown_asyncgens(self) -> None:
        """Also let both ends of what was just closed see it: the loop closes after this."""
        await super().shutdown_asyncgens()
        await asyncio.sleep(1 / US_PER_SECOND)  # noqa: TID251 - on this loop's own time

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109, ARG002 - asyncio's signature; waiting takes no simulated time
        """Join the threads of the default executor."""
        with self.hold("closing the default executor"):
            await super().shutdown_default_executor()

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect; to a loopback address it takes no simulated time."""
        with self.hold(f"connecting to {address}") if _is_loopback(address) else _free():
            await super().sock_connect(sock, address)

    def _pool(self) -> concurrent.futures.Executor:
        if self._default_pool is None:
            pool = concurrent.futures.ThreadPoolExecutor(thread_name_prefix="simulated-time")
            self._default_pool = pool
            self.set_default_executor(pool)
        return self._default_pool

    def _wake(self) -> None:
        if not self.is_closed():
            self._write_to_self()  # type: ignore[attr-defined]  # of BaseSelectorEventLoop

    def _make_socket_transport(
        self, sock: socket.socket, *args: Any, **kwargs: Any
    ) -> asyncio.Transport:
        counted = self._lock_step.loopback.adopt(sock)
        return super()._make_socket_transport(counted, *args, **kwargs)  # type: ignore[misc, no-any-return]  # of BaseSelectorEventLoop

    def _start_serving(self, protocol_factory: Any, sock: socket.socket, *args: Any) -> None:
        self._lock_step.loopback.listen(sock)
        super()._start_serving(protocol_factory, sock, *args)  # type: ignore[misc]  # of BaseSelectorEventLoop

    def _stop_serving(self, sock: socket.socket) -> None:
        self._lock_step.loopback.stop_listening(sock)
        super()._stop_serving(sock)  # type: ignore[misc]  # of BaseSelectorEventLoop


class _Job:
    """One executor job: the thread's future, and the loop's one that mirrors it."""

    def __init__(self, work: concurrent.futures.Future[Any], future: asyncio.Future[Any]) -> None:
        self.work = work
        self.future = future
        future.add_done_callback(self._give_up)

    def deliver(self) -> None:
        """Hand the outcome to whoever waits in the loop."""
        if self.future.done():
            return
        if self.work.cancelled():
            self.future.cancel()
            return
        error = self.work.exception()
        if error is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(self.work.result())

    def _give_up(self, future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            self.work.cancel()


class _LockStepSelector(selectors.DefaultSelector):
    """Owns the clock: time passes only in :meth:`select`, and only past the barrier."""

    def __init__(self, speed: float | None) -> None:
        super().__init__()
        self.speed = speed
        self.elapsed_us = 0
        self.loopback = Loopback(self._is_reading)
        self.jobs: list[_Job] = []
        self.holds: dict[object, str] = {}
        self._busy_selects = 0
        self._serials: dict[int, int] = {}  # fd -> when it was registered
        self._registered = 0
        self._real_start_s = time.monotonic()  # noqa: TID251 - the pace is kept by real time

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        """Watch, and remember the order: file descriptors are numbered by chance."""
        key = super().register(fileobj, events, data)
        self._registered += 1
        self._serials[key.fd] = self._registered
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What has happened, or nothing and the clock moved on by ``timeout``."""
        if timeout == 0 and self._busy_selects < _BUSY_SELECTS_MAX:
            self._busy_selects += 1
            return []
        self._busy_selects = 0
        target_us = self._target_us(timeout)
        self._keep_pace(target_us)
        self.loopback.settle()
        events = self._poll(0)
        if events or timeout == 0:
            return events
        if self._is_held():
            return self._wait_until_released()
        return self._pass_time(target_us)

    def _pass_time(self, target_us: int | None) -> list[tuple[selectors.SelectorKey, int]]:
        if target_us is None:
            events = self._poll(None)
            self._keep_pace(None)
            return events
        if self.speed is not None:
            rest_s = target_us / US_PER_SECOND / self.speed - self._real_s()
            if rest_s > 0:
                events = self._poll(rest_s)
                self._keep_pace(target_us)
                return events
        self.elapsed_us = target_us
        return []

    def _keep_pace(self, limit_us: int | None) -> None:
        """With a speed, follow real time, but never past the next timer."""
        if self.speed is None:
            return
        paced_us = int(self._real_s() * self.speed * US_PER_SECOND)
        if limit_us is not None:
            paced_us = min(paced_us, limit_us)
        self.elapsed_us = max(self.elapsed_us, paced_us)

    def _is_held(self) -> bool:
        return bool(self.jobs or self.holds) or self.loopback.in_flight() is not None

    def _wait_until_released(self) -> list[tuple[selectors.SelectorKey, int]]:
        waited_s = 0.0
        while True:
            if self._deliver_jobs():
                return []
            moving = self.loopback.in_flight()
            if moving is not None and waited_s >= STUCK_AFTER_S:
                raise RuntimeError(f"no progress for {waited_s:.0f} s on {moving!r}")
            events = self._poll(_STUCK_NAP_S if moving is not None else None)
            if events:
                return events
            waited_s += _STUCK_NAP_S

    def _deliver_jobs(self) -> bool:
        """Once all jobs are done, deliver their results in the order they were submitted."""
        if not self.jobs or not all(job.work.done() for job in self.jobs):
            return False
        jobs, self.jobs = self.jobs, []
        for job in jobs:
            job.deliver()
        return True

    def _poll(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        return sorted(super().select(timeout), key=lambda event: self._serials[event[0].fd])

    def _target_us(self, timeout: float | None) -> int | None:
        if timeout is None:
            return None
        return self.elapsed_us + max(1 if timeout > 0 else 0, round(timeout * US_PER_SECOND))

    def _real_s(self) -> float:
        return time.monotonic() - self._real_start_s  # noqa: TID251 - the pace is kept by real time

    def _is_reading(self, fd: int) -> bool:
        key = self.get_map().get(fd)
        return key is not None and bool(key.events & selectors.EVENT_READ)


def _is_loopback(address: object) -> bool:
    if not isinstance(address, tuple) or not address or not isinstance(address[0], str):
        return False
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return address[0] == "localhost"


@contextlib.contextmanager
def _free() -> Iterator[None]:
    yield
