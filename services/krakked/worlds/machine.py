"""A machine of a world: one engine on it, started again after it ended, with disk, clock and line.

The engine is the real composition (``engine.running.Run``), with the edges of a world: the
network, the disk and the door for a person's commands are simulated, all between them is not.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

from krakked.adapters.kraken.network import Bounds
from krakked.adapters.parquet.bar_store import ParquetBarStore
from krakked.adapters.sqlite.ledger import Observe, open_ledger
from krakked.adapters.system.clock import LoopClock
from krakked.domain.errors import KrakkedError
from krakked.domain.events import Event
from krakked.engine.given import Given
from krakked.engine.living import live
from krakked.engine.places import Places
from krakked.engine.running import Run
from krakked.engine.venues import Pace
from krakked.ports.clock import Clock
from krakked.ports.ledger import Identity
from krakked.runtime.control_socket import Handle
from krakked.runtime.exit_codes import ExitCode, of_error
from krakked.runtime.health import HealthState
from krakked.runtime.metrics import Metrics
from krakked.runtime.run_options import RunOptions
from krakked.runtime.settings import Loaded
from krakked.runtime.supervisor import Supervisor
from krakked.worlds.configuration import WorldKeys
from krakked.worlds.disk import Disk, WorldLedger
from krakked.worlds.leases import LeaseServer, WorldLeases
from krakked.worlds.loop import NS_PER_US, PPM, PROCESS, Process, WorldLoop
from krakked.worlds.network import Link, WorldNetwork
from krakked.worlds.recipe import What
from krakked.worlds.trace import Trace

T = TypeVar("T")

SOON_US: Final = 30_000_000


class MachineClock(LoopClock):
    """The wall clock of one machine: it may be wrong, drift, step, and stand still.

    A step changes nothing of how long a wait lasts; a drift does, for the machine's other clocks
    run by the same crystal.
    """

    def __init__(self, loop: WorldLoop) -> None:
        super().__init__(loop)
        self._loop = loop
        self.offset_ns = 0
        self.drift_ppm = 0
        """So much it gains, or loses, since the world began."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970 UTC, as this machine believes."""
        drifted_ns = self._loop.now_us() * self.drift_ppm * NS_PER_US // PPM
        return super().now_ns() + self.offset_ns + drifted_ns


class Machine:
    """See the module."""

    def __init__(
        self,
        name: str,
        *,
        link: Link,
        disk: Disk,
        leases: LeaseServer,
        loaded: Loaded,
        trace: Trace,
    ) -> None:
        self.name = name
        self.loop = loop = link.loop
        self.link = link
        self.disk = disk
        self.clock = MachineClock(loop)
        self.drift_ppm = 0
        """Of its crystal, by which its processes wait."""
        self.process: Process | None = None
        self.run: Run | None = None
        self.starts = 0
        self.pod_uid = f"{name}-pod"
        """The same after a restart of the container; another one for another pod."""
        self.ended: list[int] = []
        """Exit codes, oldest first."""
        self.quick_ends = 0
        """How often in a row it has ended soon after its start."""
        self.struck: dict[What, int] = {}
        """How often it died of what was set for a step or a commit of it."""
        self.fated_step: int | None = None
        """At which its process was told to die; a watchdog may have told it another one."""
        self.crashes: list[str] = []
        """Broken invariants, in words."""
        self.door: Handle | None = None
        """Where a person's commands go in, while there is an engine."""
        self.when_down: Callable[[], object] | None = None
        """Called when its process is gone."""
        self.databases: dict[str, Path] = {}
        """By process: the ledger that it wrote."""
        self.told_to_end: dict[str, int] = {}
        """By process that was told to end while it ran: when."""
        self.graveyard: list[object] = []
        """Dead processes are kept until the world ends: nothing of them may be tidied up before."""
        self._loses_power = False
        self._is_clean = False
        self._started_us = self.loop.now_us()
        self._ledgers: list[WorldLedger] = []
        self._loaded = loaded
        self._trace = trace
        self._leases = leases
        self._keys = WorldKeys()

    @property
    def is_up(self) -> bool:
        """Whether a process lives on it."""
        return self.process is not None and not self.process.is_dead

    @property
    def is_trading(self) -> bool:
        """Whether its engine has started, and has not begun to stop."""
        engine = None if self.run is None else self.run.engine
        if engine is None or not self.is_up:
            return False
        return engine.desk.guard.is_ready and not engine.desk.guard.is_stopping

    @property
    def told(self) -> str:
        """How it is, in words."""
        last = f", last exit code {self.ended[-1]}" if self.ended else ""
        return f"{self.name} {'up' if self.is_up else 'down'} after {self.starts} starts{last}"

    # life

    def start(self) -> None:
        """Start the engine's process."""
        assert not self.is_up, f"{self.name} runs already"
        self.starts += 1
        self._is_clean, self.fated_step = False, None
        process = self.process = Process(f"{self.name}.{self.starts}", drift_ppm=self.drift_ppm)
        context = contextvars.Context()
        context.run(PROCESS.set, process)
        network = WorldNetwork(self.link, Bounds(timeout_s=10.0), process.name)
        process.on_death = lambda: self._died(process, network)
        self._trace.tell(process.name, "process started")
        task = self.loop.create_task(self._main(process, network), context=context)
        task.add_done_callback(self._note_bug, context=contextvars.Context())
        self.graveyard.append(task)

    async def _main(self, process: Process, network: WorldNetwork) -> None:
        supervisor = Supervisor()
        self.supervisor = supervisor
        try:
            async with AsyncExitStack() as stack:
                run = self.run = Run(self._given(process, network), supervisor, stack)
                try:
                    await live(run, supervisor)
                finally:
                    await supervisor.stop()
            code = supervisor.exit_code
        except KrakkedError as error:
            code = int(of_error(error))
            self._trace.tell(process.name, "engine refused", reason=error)
        self._trace.tell(process.name, "process ended", code=code, reason=supervisor.reason)
        if code == ExitCode.CRASHED:
            self.crashes.append(f"{process.name}: {supervisor.reason}")
        self.ended.append(code)
        self._is_clean = True
        process.kill()

    def _note_bug(self, task: asyncio.Task[None]) -> None:
        """What is no error of ours must not end a process without a word."""
        if not task.cancelled() and task.exception() is not None:
            self.crashes.append(f"{self.name}: {task.exception()!r}")

    def _died(self, process: Process, network: WorldNetwork) -> None:
        self.door = None
        self.graveyard.append(self.run)
        network.hang_up()
        self._trace.tell(process.name, "process gone", steps=process.steps)
        cause = self._cause(process)
        if cause is not None:
            self.struck[cause] = self.struck.get(cause, 0) + 1
        if not self._is_clean:
            self.disk.survive(power_lost=self._loses_power)
        self._loses_power = False
        stayed_us = self.loop.now_us() - self._started_us
        self.quick_ends = 0 if stayed_us > SOON_US else self.quick_ends + 1
        if self.when_down is not None:
            self.when_down()

    def kill(self, *, power_lost: bool = False) -> bool:
        """End the process between two steps; whether there was one."""
        if not self.is_up:
            return False
        assert self.process is not None
        self._loses_power = power_lost
        self.process.kill()
        return True

    def _cause(self, process: Process) -> What | None:
        """What had been set to strike here, if it did; it strikes once."""
        disk = self.disk
        if disk.dies_at_commit is not None and disk.commits == disk.dies_at_commit:
            disk.dies_at_commit = None
            return What.KILL_BEFORE_COMMIT if disk.dies_before else What.KILL_AFTER_COMMIT
        step = self.fated_step
        if step is not None and step == process.dies_at_step and process.steps >= step:
            return What.KILL_AT_STEP
        return None

    def enter(self) -> None:
        """Make what follows in this context a doing of its process."""
        PROCESS.set(self.process)

    def keep(self, ledger: WorldLedger) -> WorldLedger:
        """Remember what has to be let go of in the end."""
        self._ledgers.append(ledger)
        return ledger

    def bury(self) -> None:
        """The world is over: let go of the files."""
        for ledger in self._ledgers:
            ledger.let_go()
        self.graveyard.clear()

    def drift(self, ppm: int) -> None:
        """Let all of its clocks run so much too fast from the beginning of the world on."""
        self.drift_ppm = self.clock.drift_ppm = ppm

    def terminate(self) -> bool:
        """SIGTERM: the engine stops by itself; whether there was one."""
        if not self.is_up:
            return False
        assert self.process is not None
        if not self.process.is_stopped:
            self.told_to_end.setdefault(self.process.name, self.loop.now_ns())
        self.supervisor.request_stop("SIGTERM")
        return True

    # what an engine is given

    def _given(self, process: Process, network: WorldNetwork) -> Given:
        settings = self._loaded.settings
        database = self.databases[process.name] = self.disk.database

        def hear(event: Event) -> None:
            self._trace.tell(process.name, event.name.value, **event.fields)

        return Given(
            settings=settings,
            source_of=self._loaded.source_of,
            options=RunOptions(environment=settings.environment, db_path=database),
            places=Places(
                database=database,
                bars=database.parent / "bars",
                simulator_state=None,
                control_socket=database.with_name("control"),
            ),
            pace=Pace(start_ns=0, speed=1.0),
            keys=self._keys,
            clock=self.clock,
            listeners=[hear],
            metrics=Metrics(environment=settings.environment.value),
            health=HealthState(wall_ns=self.clock.now_ns, elapsed_s=self.loop.time),
            edges=_Edges(self, network),
            leases=WorldLeases(self._leases, self.link, process, self.pod_uid),
            stopwatch_s=self.loop.time,
        )


class _Edges:
    """Ways out of one process."""

    def __init__(self, machine: Machine, network: WorldNetwork) -> None:
        self._machine = machine
        self._network = network

    def network(self, bounds: Bounds) -> WorldNetwork:
        """To the venue."""
        self._network.bounds = bounds
        return self._network

    def ledger(
        self, path: Path, identity: Identity, *, clock: Clock, observe: Observe
    ) -> WorldLedger:
        """Real SQLite, on a disk that may fail."""
        self._machine.disk.begin()
        ledger = open_ledger(path, identity, clock=clock, threaded=False, observe=observe)
        return self._machine.keep(WorldLedger(ledger, self._machine.disk))

    def bar_store(self, root: Path) -> ParquetBarStore:
        """The real one."""
        return ParquetBarStore(root)

    @asynccontextmanager
    async def doors(self, path: Path, handle: Handle) -> AsyncIterator[None]:
        """A person reaches the engine directly."""
        del path
        self._machine.door = handle
        try:
            yield
        finally:
            self._machine.door = None

    async def beside(self, work: Callable[[], T]) -> T:
        """At once: there are no threads."""
        return work()
