"""The acting half, on simulated time: it calls, waits, arms and tells as the function says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from krakked.adapters.system.clock import LoopClock
from krakked.adapters.system.elapsed import ClockElapsed
from krakked.domain.errors import OwnershipEnded
from krakked.ports.lease_store import (
    LeaseEvent,
    LeaseEventKind,
    LeaseRecord,
    LeaseUnreachable,
)
from krakked.runtime import simulated_time
from krakked.runtime.simulated_time import SimulatedTimeLoop
from krakked.sim.leases import DirectLeaseStore, SimLeases
from krakked.trading.owner import Owner
from krakked.trading.owning import (
    Action,
    Begin,
    DeadManTaken,
    Drain,
    Drained,
    EpochRecorded,
    Exit,
    Me,
    NonceRefused,
    Phase,
    Reconcile,
    Reconciled,
    RecordEpoch,
    State,
    StopAsked,
    TakeDeadMan,
    Tell,
)
from krakked.trading.timings import DEFAULT, QUICK, Timings
from krakked.trading.vetoes import VetoReason

START_NS = 1_767_225_600_000_000_000


class Store(DirectLeaseStore):
    """A lease store whose calls take time, hang for their whole time-out, or do not arrive."""

    def __init__(self, leases: SimLeases, clock: LoopClock, timings: Timings) -> None:
        super().__init__(leases)
        self._clock = clock
        self._timeout_s = timings.request_timeout_s
        self.latency_s = 0.0
        self.is_cut = False
        self.calls = 0
        self.is_event_refused = False

    async def read(self) -> LeaseRecord:
        await self._travel()
        return await super().read()

    async def replace(self, record: LeaseRecord) -> LeaseRecord:
        await self._travel()
        return await super().replace(record)

    async def announce(self, event: LeaseEvent) -> None:
        if self.is_event_refused:
            raise LeaseUnreachable("no events today")
        await super().announce(event)

    async def _travel(self) -> None:
        self.calls += 1
        wait_s = self._timeout_s if self.is_cut else self.latency_s
        await self._clock.sleep(min(wait_s, self._timeout_s))
        if self.is_cut or self.latency_s > self._timeout_s:
            raise LeaseUnreachable("no answer")


class Dog:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.armed_s: float | None = None

    def arm(self, after_s: float) -> None:
        self.armed_s = after_s

    def disarm(self) -> None:
        self.armed_s = None


class Bench:
    """One owner with an engine that does what it is told."""

    def __init__(self, leases: SimLeases, name: str = "a", timings: Timings = DEFAULT) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedTimeLoop)
        self.clock = LoopClock(loop)
        self.store = Store(leases, self.clock, timings)
        self.dog = Dog()
        self.heard: list[Action] = []
        self.is_obliging = True
        self.owner = Owner(
            self.store,
            Me(pod=name, uid="u", process="1"),
            timings,
            elapsed=ClockElapsed(self.clock),
            watchdog=self.dog,
            listen=self.listen,
        )
        self.task = asyncio.ensure_future(self.owner.run())

    def listen(self, action: Action, state: State) -> None:
        self.heard.append(action)
        if not self.is_obliging:
            return
        loop = asyncio.get_running_loop()
        match action:
            case RecordEpoch(epoch=epoch):
                loop.call_soon(self.owner.note, EpochRecorded(epoch=epoch))
            case TakeDeadMan():
                loop.call_soon(self.owner.note, DeadManTaken())
            case Reconcile():
                began = Reconciled(began_at=self.owner.elapsed.now())
                loop.call_soon(self.owner.note, began)
            case Drain():
                loop.call_soon(self.owner.note, Drained())
            case _:
                pass

    async def lead(self) -> Bench:
        self.owner.note(Begin(ledger_epoch=0))
        await self.owner.wait_for(Phase.LEADING)
        return self

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.wait((self.task,))


def simulate(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    simulated_time.run(main(), start_ns=START_NS, speed=None)


def test_owner_leads_and_keeps_leading_with_a_call_every_period() -> None:
    async def main() -> None:
        leases = SimLeases(exists=False)
        leases.create(epoch=1)
        bench = await Bench(leases).lead()
        calls = bench.store.calls
        await bench.clock.sleep(60)
        assert bench.owner.state.phase is Phase.LEADING
        assert bench.store.calls - calls == 30
        assert bench.owner.authority.refusal_of_order() is None
        assert 7.9 < bench.owner.authority.remaining_s() <= 10
        await bench.end()

    simulate(main)


def test_slow_store_does_not_move_authority_to_its_answers() -> None:
    async def main() -> None:
        bench = await Bench(SimLeases()).lead()
        bench.store.latency_s = 2.5
        await bench.clock.sleep(40)
        assert bench.owner.state.phase is Phase.LEADING
        assert bench.owner.authority.remaining_s() <= 7.5
        await bench.end()

    simulate(main)


def test_store_that_hangs_closes_the_guard_at_the_margin_and_freezes_at_the_deadline() -> None:
    async def main() -> None:
        bench = await Bench(SimLeases()).lead()
        bench.store.is_cut = True
        left_s = bench.owner.authority.remaining_s()
        await bench.clock.sleep(left_s - 1.001)
        assert bench.owner.authority.refusal_of_order() is None
        await bench.clock.sleep(0.002)
        assert "run out" in str(bench.owner.authority.refusal_of_order())
        assert bench.owner.state.phase is Phase.LEADING
        await bench.clock.sleep(1)
        assert bench.owner.state.phase is Phase.FROZEN
        assert bench.dog.armed_s is None
        assert "nobody can say" in str(bench.owner.authority.refusal_of_order())
        assert bench.owner.authority.refusal() is not None
        assert bench.owner.authority.refusal_of_cancel() is None
        bench.store.is_cut = False
        await bench.owner.wait_for(Phase.LEADING)
        assert bench.dog.armed_s is not None
        await bench.end()

    simulate(main)


def test_watchdog_is_armed_from_the_sending() -> None:
    async def main() -> None:
        bench = Bench(SimLeases())
        bench.store.latency_s = 2
        await bench.lead()
        assert bench.dog.armed_s is not None
        assert bench.dog.armed_s == pytest.approx(10.5)
        await bench.end()

    simulate(main)


def test_stolen_lease_ends_the_task_with_its_code() -> None:
    with pytest.raises(OwnershipEnded, match="thief") as ended:
        simulate(_stolen)
    assert ended.value.exit_code == 70


async def _stolen() -> None:
    leases = SimLeases()
    bench = await Bench(leases).lead()
    leases.steal("thief_x_y")
    await bench.task


def test_whoever_waits_for_a_phase_that_never_comes_is_told_why() -> None:
    async def main() -> None:
        leases = SimLeases()
        leases.annotate(fenced="true")
        bench = Bench(leases)
        bench.owner.note(Begin(ledger_epoch=0))
        waiting = asyncio.ensure_future(bench.owner.wait_for(Phase.LEADING))
        await bench.clock.sleep(5)
        assert bench.owner.state.phase is Phase.FENCED
        assert "a person fenced it" in str(bench.owner.authority.refusal())
        assert bench.owner.authority.refusal_of_cancel() is not None
        leases.steal("thief_x_y")
        with pytest.raises(OwnershipEnded, match="thief"):
            await waiting
        await asyncio.wait((bench.task,))
        assert isinstance(bench.task.exception(), OwnershipEnded)

    simulate(main)


def test_stop_releases_and_the_successor_leads_at_once() -> None:
    async def main() -> None:
        leases = SimLeases()
        first = await Bench(leases).lead()
        second = Bench(leases, "b")
        second.owner.note(Begin(ledger_epoch=1))
        await second.clock.sleep(5)
        first.owner.note(StopAsked())
        await first.task
        assert isinstance(first.heard[-1], Exit)
        began_ns = second.clock.now_ns()
        await second.owner.wait_for(Phase.LEADING)
        assert second.clock.now_ns() - began_ns < 2_500_000_000
        assert second.owner.authority.epoch == 2
        await second.end()

    simulate(main)


def test_failover_with_quick_timings_keeps_its_promise() -> None:
    async def main() -> None:
        leases = SimLeases()
        first = await Bench(leases, timings=QUICK).lead()
        second = Bench(leases, "b", QUICK)
        second.owner.note(Begin(ledger_epoch=1))
        await second.clock.sleep(5)
        await first.end()  # killed
        began_ns = second.clock.now_ns()
        await second.owner.wait_for(Phase.LEADING)
        assert second.clock.now_ns() - began_ns <= QUICK.failover_ns()
        await second.end()

    simulate(main)


def test_events_go_beside_the_lease_and_a_refused_one_is_only_told() -> None:
    async def main() -> None:
        leases = SimLeases()
        bench = await Bench(leases).lead()
        await bench.clock.sleep(0.1)
        assert [event.kind for event in leases.events] == [LeaseEventKind.LEADER_ELECTED]
        bench.store.is_event_refused = True
        bench.owner.note(NonceRefused(reason="EAPI:Invalid nonce"))
        await bench.clock.sleep(5)
        told = [action.reason for action in bench.heard if isinstance(action, Tell)]
        assert "Fenced was not announced: no events today" in told
        assert not bench.task.done()
        await bench.end()

    simulate(main)


def test_nothing_may_be_sent_before_the_epoch_is_durable() -> None:
    async def main() -> None:
        bench = Bench(SimLeases())
        authority = bench.owner.authority
        assert authority.refusal() == "not the owner: starting"
        bench.is_obliging = False
        bench.owner.note(Begin(ledger_epoch=0))
        await bench.clock.sleep(1)
        assert bench.owner.state.phase is Phase.ACQUIRED
        assert authority.refusal() == "not the owner: acquired"
        assert authority.refusal_of_cancel() is not None
        bench.owner.note(EpochRecorded(epoch=1))
        assert authority.refusal() is None
        assert authority.refusal_of_order() == "not the owner: fencing"
        assert authority.refusal_of_cancel() is None
        await bench.end()

    simulate(main)


def test_two_runs_make_the_same_calls_at_the_same_instants() -> None:
    def run() -> list[LeaseRecord]:
        leases = SimLeases()

        async def main() -> None:
            first = await Bench(leases).lead()
            second = Bench(leases, "b")
            second.owner.note(Begin(ledger_epoch=1))
            first.store.is_cut = True
            await second.owner.wait_for(Phase.LEADING)
            await first.end()
            await second.end()

        simulate(main)
        return leases.history

    assert run() == run()


def test_phases_are_told_as_they_are_left_and_entered() -> None:
    async def main() -> None:
        bench = Bench(SimLeases())
        moves: list[tuple[str, str]] = []
        bench.owner.on_phase = lambda before, after: moves.append((before.value, after.value))
        await bench.lead()
        bench.owner.note(StopAsked())
        await bench.owner.wait_for(Phase.RELEASED)
        path = [moves[0][0], *(after for _, after in moves)]
        assert path == [
            *("starting", "candidate", "acquired", "fencing", "reconciling", "leading"),
            *("draining", "released"),
        ]
        assert [before for before, _ in moves[1:]] == [after for _, after in moves[:-1]]
        await bench.end()

    simulate(main)


def test_what_is_refused_is_counted_by_what_ended_the_authority() -> None:
    async def main() -> None:
        leases = SimLeases()
        bench = Bench(leases)
        authority = bench.owner.authority
        assert authority.veto_reason is VetoReason.NOT_OWNER
        await bench.lead()
        bench.store.is_cut = True
        while authority.refusal() is None:
            await bench.clock.sleep(0.1)
        assert bench.owner.state.phase is Phase.LEADING
        assert authority.veto_reason is VetoReason.LEASE_EXPIRED
        await bench.owner.wait_for(Phase.FROZEN)
        assert authority.veto_reason is VetoReason.LEASE_EXPIRED
        bench.store.is_cut = False
        await bench.owner.wait_for(Phase.LEADING)
        bench.owner.note(NonceRefused(reason="EAPI:Invalid nonce"))
        assert authority.veto_reason is VetoReason.FENCED
        bench.is_obliging = False
        bench.owner.note(StopAsked())
        assert authority.veto_reason is VetoReason.STOPPING
        await bench.end()

    simulate(main)


def test_owner_says_what_it_is() -> None:
    async def main() -> None:
        bench = await Bench(SimLeases()).lead()
        assert repr(bench.owner) == "<Owner a_u_1 leading epoch=1>"
        await bench.end()

    simulate(main)
