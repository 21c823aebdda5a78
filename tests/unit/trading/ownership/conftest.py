"""Processes that compete for one lease in memory, on a time that only the test moves."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from krakked.domain.instants import Instant
from krakked.ports.lease_store import LeaseConflict, LeaseMissing
from krakked.sim.leases import SimLeases
from krakked.trading.ownership import step
from krakked.trading.owning import (
    Action,
    Begin,
    Conflict,
    DeadManTaken,
    EpochRecorded,
    Me,
    Missing,
    Observation,
    Phase,
    Read,
    ReadLease,
    Reconcile,
    Reconciled,
    RecordEpoch,
    State,
    TakeDeadMan,
    Tick,
    Unreachable,
    WriteLease,
    Written,
)
from krakked.trading.timings import DEFAULT, Timings

S = 1_000_000_000
WALL0_NS = 1_767_225_600 * S


class Time:
    """One time line for everybody."""

    def __init__(self) -> None:
        self.ns = 0

    def instant(self) -> Instant:
        return Instant(least_ns=self.ns, most_ns=self.ns, wall_ns=WALL0_NS + self.ns)


class Process:
    """One engine: the state machine, what it wants done, and a store that may fail it."""

    def __init__(
        self, time: Time, leases: SimLeases, me: Me, timings: Timings = DEFAULT, *, epoch: int = 0
    ) -> None:
        self.time = time
        self.leases = leases
        self.state = State(me=me, timings=timings)
        self.actions: list[Action] = []
        self.asked: list[Action] = []
        """Calls to the lease that were not answered yet."""
        self.ledger_epoch = epoch
        self.is_reachable = True
        self.is_obliging = True
        """Whether the engine does what it is told at once."""

    # what happens

    def note(self, observation: Observation) -> None:
        self.state, actions = step(self.state, observation, self.time.instant())
        for action in actions:
            self.actions.append(action)
            if isinstance(action, ReadLease | WriteLease):
                self.asked.append(action)
        if self.is_obliging:
            for action in actions:
                self._oblige(action)

    def _oblige(self, action: Action) -> None:
        match action:
            case RecordEpoch(epoch=epoch):
                self.ledger_epoch = max(self.ledger_epoch, epoch)
                self.note(EpochRecorded(epoch=epoch))
            case TakeDeadMan():
                self.note(DeadManTaken())
            case Reconcile():
                self.note(Reconciled(began_at=self.time.instant()))
            case _:
                pass

    def begin(self) -> Process:
        self.note(Begin(ledger_epoch=self.ledger_epoch))
        return self

    def answer(self) -> None:
        """All that is asked gets its answer now, sent now as well."""
        while self.asked:
            self.note(self.ask(self.asked.pop(0)))

    def ask(self, call: Action) -> Observation:
        if not self.is_reachable:
            return Unreachable(reason="cut")
        try:
            if isinstance(call, WriteLease):
                record = self.leases.replace(call.record)
                return Written(record=record, sent_at=self.time.instant())
            return Read(record=self.leases.read())
        except LeaseConflict:
            return Conflict()
        except LeaseMissing:
            return Missing()

    def tick(self) -> None:
        self.note(Tick())

    # what a test asks

    @property
    def phase(self) -> Phase:
        return self.state.phase

    @property
    def holds(self) -> bool:
        return self.state.holds(self.time.instant())

    def did(self, kind: type[Action]) -> list[Any]:
        return [action for action in self.actions if isinstance(action, kind)]

    def forget(self) -> None:
        self.actions.clear()


class World:
    """Some processes and one lease."""

    def __init__(self) -> None:
        self.time = Time()
        self.leases = SimLeases()
        self.processes: list[Process] = []

    def process(self, name: str = "a", *, boot: str = "1", **given: Any) -> Process:
        me = Me(pod=name, uid=f"uid-{name}", process=boot, account="00aa11bb", program="t")
        made = Process(self.time, self.leases, me, **given)
        self.processes.append(made)
        return made

    def leader(self, name: str = "a", **given: Any) -> Process:
        """A process that trades, however it got there."""
        process = self.process(name, **given).begin()
        process.answer()
        self.pass_s(30)
        assert process.phase is Phase.LEADING
        process.forget()
        return process

    def die(self, process: Process) -> None:
        self.processes.remove(process)

    def pass_s(self, seconds: float) -> None:
        """Time goes on; everybody who wants a tick gets it, and every call its answer."""
        until_ns = self.time.ns + int(seconds * S)
        while True:
            wakes = [self._wake_ns(process) for process in self.processes]
            at_ns = min((wake for wake in wakes if wake is not None), default=until_ns)
            if at_ns >= until_ns:
                break
            self.time.ns = max(self.time.ns, at_ns)
            for process, wake in zip(list(self.processes), wakes, strict=True):
                if wake is not None and wake <= self.time.ns:
                    process.tick()
                    process.answer()
        self.time.ns = until_ns
        for process in self.processes:
            process.tick()
            process.answer()

    def _wake_ns(self, process: Process) -> int | None:
        return process.state.wake_least_ns(self.time.instant())


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def make_world() -> Callable[[], World]:
    return World


_TABLE = Path(__file__).with_name("support_table.py")


@pytest.fixture(scope="session")
def ownership_table() -> ModuleType:
    """Every phase with everything that may be observed in it."""
    name = "krakked_test_ownership_table"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _TABLE)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]
