"""Whatever is lost, late, paused or killed: never two owners, and epochs only rise."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from krakked.trading.owning import (
    Drain,
    Drained,
    NonceRefused,
    Phase,
    StopAsked,
    Unfence,
    Unreachable,
    WriteLease,
)

S = 1_000_000_000
NAMES = "abc"
FATES = ("answered", "request lost", "answer lost", "late", "hangs")
OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(("pass", "pass", "fate", "pause", "kill", "stop", "fence", "touch")),
        st.integers(0, len(NAMES) - 1),
        st.integers(1, 200),
    ),
    min_size=10,
    max_size=80,
)


class Chaos:
    """Three engines, of which each call may meet another fate."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.fates = dict.fromkeys(NAMES, "answered")
        self.paused_until_ns = dict.fromkeys(NAMES, 0)
        self.boots = dict.fromkeys(NAMES, 1)
        self.late: list[tuple[int, WriteLease]] = []
        self.hanging: dict[str, int] = {}
        self.ledgers = dict.fromkeys(NAMES, 0)
        self.engines: dict[str, Any] = {}
        for name in NAMES:
            self.start(name)

    def start(self, name: str) -> None:
        engine = self.world.process(name, boot=str(self.boots[name]), epoch=self.ledgers[name])
        self.engines[name] = engine.begin()
        self.hanging.pop(name, None)

    def kill(self, name: str) -> None:
        self.ledgers[name] = self.engines[name].ledger_epoch
        self.world.die(self.engines[name])
        self.boots[name] += 1
        self.start(name)

    def pass_tenths(self, tenths: int) -> None:
        for _ in range(tenths):
            self.world.time.ns += S // 10
            self.deliver_late()
            for name in NAMES:
                if self.world.time.ns >= self.paused_until_ns[name]:
                    self.drive(name)
            self.check()

    def deliver_late(self) -> None:
        due = [call for at_ns, call in self.late if at_ns <= self.world.time.ns]
        self.late = [one for one in self.late if one[0] > self.world.time.ns]
        for call in due:
            self.engines[NAMES[0]].ask(call)  # whoever sent it hears nothing of it

    def drive(self, name: str) -> None:
        engine = self.engines[name]
        if self.hanging.get(name, 0) > self.world.time.ns:
            engine.tick()
        elif name in self.hanging:
            del self.hanging[name]
            engine.note(Unreachable(reason="timed out"))
        else:
            engine.tick()
        self.answer(name)
        if engine.did(Drain) and not engine.state.is_drained:
            engine.note(Drained())
        if engine.state.is_over:
            self.kill(name)

    def answer(self, name: str) -> None:
        engine = self.engines[name]
        while engine.asked and name not in self.hanging:
            call, fate = engine.asked.pop(0), self.fates[name]
            if fate == "answered":
                engine.note(engine.ask(call))
                continue
            if fate == "answer lost":
                engine.ask(call)
            if fate == "late" and isinstance(call, WriteLease):
                self.late.append((self.world.time.ns + 7 * S, call))
            self.hanging[name] = self.world.time.ns + 3 * S

    def check(self) -> None:
        now = self.world.time.instant()
        owners = [name for name in NAMES if self.engines[name].state.holds(now)]
        assert len(owners) <= 1, owners
        leading = [n for n in owners if self.engines[n].phase is Phase.LEADING]
        if leading:
            state = self.engines[leading[0]].state
            assert state.ledger_epoch == state.epoch == self.world.leases.read().epoch

    def do(self, kind: str, name: str, amount: int) -> None:
        engine = self.engines[name]
        match kind:
            case "pass":
                self.pass_tenths(amount)
            case "fate":
                self.fates[name] = FATES[amount % len(FATES)]
            case "pause":
                self.paused_until_ns[name] = self.world.time.ns + amount * S // 5
            case "kill":
                self.kill(name)
            case "stop":
                engine.note(StopAsked())
            case "touch":
                self.world.leases.replace(self.world.leases.read())
            case _:
                engine.note(NonceRefused(reason="x"))
                if amount % 2:
                    engine.note(Unfence(principal="ada"))


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(operations=OPERATIONS)
def test_there_are_never_two_owners_and_epochs_only_rise(
    make_world: Callable[[], Any], operations: list[tuple[str, int, int]]
) -> None:
    chaos = Chaos(make_world())
    for kind, index, amount in operations:
        chaos.do(kind, NAMES[index], amount)
        chaos.check()
    history = chaos.world.leases.history
    epochs = [record.epoch for record in history]
    assert epochs == sorted(epochs)
    takers = [
        (record.epoch, record.holder)
        for before, record in itertools.pairwise(history)
        if record.holder and record.holder != before.holder
    ]
    assert len({epoch for epoch, _ in takers}) == len(takers)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(operations=OPERATIONS)
def test_once_nothing_goes_wrong_any_more_somebody_trades_within_the_promised_time(
    make_world: Callable[[], Any], operations: list[tuple[str, int, int]]
) -> None:
    chaos = Chaos(make_world())
    for kind, index, amount in operations:
        if kind != "fence":
            chaos.do(kind, NAMES[index], amount)
    chaos.fates = dict.fromkeys(NAMES, "answered")
    chaos.paused_until_ns = dict.fromkeys(NAMES, 0)
    # A call that hangs or comes late (7 s) and one wait beside D + P + Q.
    chaos.pass_tenths(10 * (15 + 3 + 5 + 7 + 3))
    leading = [name for name in NAMES if chaos.engines[name].phase is Phase.LEADING]
    assert len(leading) == 1
