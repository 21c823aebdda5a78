"""The lease of a world, behind a line of its own; and each machine's stopwatches and watchdog.

Calls to the lease travel as packets do: lost, late, answered after they were done, or done long
after nobody waits for them any more. The server compares and swaps (``sim.leases``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Final, TypeVar

from krakked.domain.instants import Instant, Odometer
from krakked.engine.places import Places
from krakked.ports.clock import Clock
from krakked.ports.lease_store import (
    LeaseConflict,
    LeaseEvent,
    LeaseMissing,
    LeaseRecord,
    LeaseUnreachable,
)
from krakked.runtime.settings import Settings
from krakked.sim.leases import SimLeases
from krakked.trading.owning import Me
from krakked.trading.timings import Timings
from krakked.worlds.loop import NS_PER_US, Process, WorldLoop
from krakked.worlds.network import Link, fail, give, within

T = TypeVar("T")

LATENCY_S: Final = (0.002, 0.020)
STEPS_AFTER_BITE_MAX: Final = 4
"""A process that was stopped runs a moment before its watchdog's thread ends it."""


class LeaseServer:
    """What all machines reach, or do not."""

    def __init__(self, rng: Random) -> None:
        self.leases = SimLeases(exists=False)
        self.leases.create(is_first=True)
        self.is_down = False
        self.slow_s = 0.0
        self.lost = 0.0
        """Chance of each answer to get lost, the call being done."""
        self.rng = rng
        self.happened: dict[str, int] = {}

    def note(self, what: str) -> None:
        """Count a fault that happened."""
        self.happened[what] = self.happened.get(what, 0) + 1


class WorldLeaseStore:
    """Implements ``LeaseStore`` for one process."""

    def __init__(self, server: LeaseServer, link: Link, timeout_s: float) -> None:
        self._server = server
        self._link = link
        self._timeout_s = timeout_s

    async def read(self) -> LeaseRecord:
        """The newest record."""
        return await self._call(self._server.leases.read)

    async def replace(self, record: LeaseRecord) -> LeaseRecord:
        """Compare and swap."""
        return await self._call(lambda: self._server.leases.replace(record))

    async def announce(self, event: LeaseEvent) -> None:
        """Tell it."""
        await self._call(lambda: self._server.leases.announce(event))

    async def close(self) -> None:
        """There is nothing to let go of."""

    async def _call(self, work: Callable[[], T]) -> T:
        answer: asyncio.Future[T] = self._link.loop.create_future()
        if not self._link.is_lease_cut:
            self._link.later(self._travel_s(), self._arrive, work, answer)
        else:
            self._server.note("lease line cut")
        unreachable = LeaseUnreachable(f"no answer within {self._timeout_s} s")
        return await within(self._timeout_s, answer, unreachable)

    def _travel_s(self) -> float:
        return self._server.rng.uniform(*LATENCY_S) + self._server.slow_s

    def _arrive(self, work: Callable[[], T], answer: asyncio.Future[T]) -> None:
        server = self._server
        if server.is_down:
            server.note("lease server down")
            return
        try:
            result = work()
        except (LeaseConflict, LeaseMissing) as error:
            self._back(fail, answer, error)
        else:
            self._back(give, answer, result)

    def _back(self, give: Callable[..., None], answer: asyncio.Future[T], what: object) -> None:
        server = self._server
        if self._link.is_lease_cut or server.rng.random() < server.lost:
            server.note("lease answer lost")
            return
        self._link.later(self._travel_s(), give, answer, what)


class WorldElapsed:
    """A process's clocks: steady and boot time stand still with the machine, the wall is set."""

    def __init__(self, loop: WorldLoop, process: Process, clock: Clock) -> None:
        self._loop = loop
        self._process = process
        self._clock = clock
        steady_ns = self._steady_ns()
        self._odometer = Odometer(steady_ns=steady_ns, others_ns=(), wall_ns=clock.now_ns())

    def now(self) -> Instant:
        """The instant of this moment."""
        return self._odometer.read(
            steady_ns=self._steady_ns(), others_ns=(), wall_ns=self._clock.now_ns()
        )

    def _steady_ns(self) -> int:
        return (self._loop.now_us() - self._process.frozen_us) * NS_PER_US


class WorldWatchdog:
    """Ends the process by a thread of its own, which stands still only with the machine."""

    def __init__(self, link: Link, process: Process) -> None:
        self._link = link
        self._process = process
        self._armed = 0
        self._frozen_us = 0

    def arm(self, after_s: float) -> None:
        """End the process after so long."""
        self._armed += 1
        self._frozen_us = self._process.frozen_us
        self._link.later(after_s, self._bite, self._armed)

    def disarm(self) -> None:
        """Let it live."""
        self._armed += 1

    def _bite(self, number: int) -> None:
        process = self._process
        if number != self._armed or process.is_dead:
            return
        stood_us = process.frozen_us - self._frozen_us
        if stood_us:
            self._frozen_us = process.frozen_us
            self._link.later(stood_us / 1e6, self._bite, number)
        elif process.is_frozen:
            # How long it will stand is not known yet: look again when it goes on.
            process.when_going_on.append(lambda: self._bite(number))
        elif process.is_stopped:
            self._link.note("watchdog met a stopped process")
            steps = self._link.rng.randint(0, STEPS_AFTER_BITE_MAX)
            process.dies_at_step = process.steps + 1 + steps
        else:
            self._link.note("watchdog")
            process.kill()


class WorldLeases:
    """The edges that ownership needs, for one process."""

    def __init__(self, server: LeaseServer, link: Link, process: Process, pod_uid: str) -> None:
        self._server = server
        self._link = link
        self._process = process
        self._pod_uid = pod_uid

    def store(
        self, settings: Settings, places: Places, clock: Clock, timings: Timings, *, is_first: bool
    ) -> WorldLeaseStore:
        """The world's one lease."""
        del settings, places, clock, is_first
        return WorldLeaseStore(self._server, self._link, timings.request_timeout_s)

    def me(self, clock: Clock) -> Me:
        """The pod of the machine; its process is new at each start."""
        del clock
        return Me(pod=self._link.name, uid=self._pod_uid, process=self._process.name)

    def elapsed(self, clock: Clock) -> WorldElapsed:
        """The clocks of the machine."""
        return WorldElapsed(self._link.loop, self._process, clock)

    def watchdog(self) -> WorldWatchdog:
        """Of the process."""
        return WorldWatchdog(self._link, self._process)
