"""The lease of a world, behind a line of its own; and each machine's stopwatches and watchdog.

Calls to the lease travel as packets do: lost, late, answered after they were done, or done long
after nobody waits for them any more. The server compares and swaps (``sim.leases``), and keeps a
log of its own, which checkers read: what it has taken from whom, and what each process has heard
of it when by its clocks. Who owns the account at an instant follows from that log alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Final, TypeVar

import msgspec

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
BITES: Final = ("watchdog", "watchdog met a stopped process")
STEPS_AFTER_BITE_MAX: Final = 4
"""A process that was stopped runs a moment before its watchdog's thread ends it."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The clocks of one process at one moment."""

    steady_ns: int
    wall_ns: int
    frozen_us: int
    """How long its machine has stood still until then, clocks and all."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A record that the server put in the place of another one."""

    at_us: int
    process: str
    before: LeaseRecord
    record: LeaseRecord


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What a process learned from one call, in the very step in which it learned it."""

    process: Process
    sent: Reading
    now: Reading
    record: LeaseRecord | None
    """None: there is no lease."""
    is_written: bool
    """It is its own record, which was taken."""


class LeaseLog:
    """What was taken, asked and heard; whoever wants to know is told at once."""

    def __init__(self) -> None:
        self.on_taken: list[Callable[[Taken], None]] = []
        self.on_heard: list[Callable[[Heard], None]] = []
        self.on_let_go: list[Callable[[Process], None]] = []
        """A process asks to be the holder no longer: from here on it may be another one's."""

    def taken(self, taken: Taken) -> None:
        """Tell it."""
        for listen in self.on_taken:
            listen(taken)

    def heard(self, heard: Heard) -> None:
        """Tell it."""
        for listen in self.on_heard:
            listen(heard)

    def let_go(self, process: Process) -> None:
        """Tell it."""
        for listen in self.on_let_go:
            listen(process)


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
        self.log = LeaseLog()
        self.happened: dict[str, int] = {}

    def note(self, what: str) -> None:
        """Count a fault that happened."""
        self.happened[what] = self.happened.get(what, 0) + 1


class WorldLeaseStore:
    """Implements ``LeaseStore`` for one process."""

    def __init__(
        self, server: LeaseServer, link: Link, clocks: ProcessClocks, timeout_s: float
    ) -> None:
        self._server = server
        self._link = link
        self._clocks = clocks
        self._timeout_s = timeout_s

    async def read(self) -> LeaseRecord:
        """The newest record."""
        return await self._logged(self._server.leases.read, is_written=False)

    async def replace(self, record: LeaseRecord) -> LeaseRecord:
        """Compare and swap."""
        if not record.holder:
            self._server.log.let_go(self._clocks.process)
        return await self._logged(lambda: self._swap(record), is_written=True)

    def _swap(self, record: LeaseRecord) -> LeaseRecord:
        leases = self._server.leases
        before = leases.read()
        newest = leases.replace(record)
        name, at_us = self._clocks.process.name, self._link.loop.now_us()
        self._server.log.taken(Taken(at_us=at_us, process=name, before=before, record=newest))
        return newest

    async def _logged(self, work: Callable[[], LeaseRecord], *, is_written: bool) -> LeaseRecord:
        sent = self._clocks.read()
        try:
            record = await self._call(work)
        except LeaseMissing:
            self._note(sent, None, is_written=False)
            raise
        self._note(sent, record, is_written=is_written)
        return record

    def _note(self, sent: Reading, record: LeaseRecord | None, *, is_written: bool) -> None:
        clocks = self._clocks
        heard = Heard(
            process=clocks.process,
            sent=sent,
            now=clocks.read(),
            record=record,
            is_written=is_written,
        )
        self._server.log.heard(heard)

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


class ProcessClocks:
    """A process's clocks: steady and boot time stand still with the machine, the wall is set."""

    def __init__(self, loop: WorldLoop, process: Process, clock: Clock) -> None:
        self._loop = loop
        self._clock = clock
        self.process = process

    def read(self) -> Reading:
        """All of them, now."""
        return clocks_of(self._loop, self.process, self._clock)


def clocks_of(loop: WorldLoop, process: Process, clock: Clock) -> Reading:
    """What the clocks of a process show, on a machine with that wall clock."""
    return Reading(
        steady_ns=loop.own_us(process) * NS_PER_US,
        wall_ns=clock.now_ns(),
        frozen_us=process.frozen_us,
    )


class WorldElapsed:
    """What has passed by them."""

    def __init__(self, clocks: ProcessClocks) -> None:
        self._clocks = clocks
        first = clocks.read()
        self._odometer = Odometer(steady_ns=first.steady_ns, others_ns=(), wall_ns=first.wall_ns)

    def now(self) -> Instant:
        """The instant of this moment."""
        now = self._clocks.read()
        return self._odometer.read(steady_ns=now.steady_ns, others_ns=(), wall_ns=now.wall_ns)


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
            self._link.note(BITES[1])
            steps = self._link.rng.randint(0, STEPS_AFTER_BITE_MAX)
            process.dies_at_step = process.steps + 1 + steps
        else:
            self._link.note(BITES[0])
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
        del settings, places, is_first
        clocks = ProcessClocks(self._link.loop, self._process, clock)
        return WorldLeaseStore(self._server, self._link, clocks, timings.request_timeout_s)

    def me(self, clock: Clock) -> Me:
        """The pod of the machine; its process is new at each start."""
        del clock
        return Me(pod=self._link.name, uid=self._pod_uid, process=self._process.name)

    def elapsed(self, clock: Clock) -> WorldElapsed:
        """The clocks of the machine."""
        return WorldElapsed(ProcessClocks(self._link.loop, self._process, clock))

    def watchdog(self) -> WorldWatchdog:
        """Of the process."""
        return WorldWatchdog(self._link, self._process)
