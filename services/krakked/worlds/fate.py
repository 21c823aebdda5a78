"""What befalls a world: happenings come true at their instants, and at the end all is mended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from krakked.domain.times import NS_PER_SECOND
from krakked.sim.fault_kinds import FaultKind
from krakked.simulator import acts
from krakked.simulator.faults import Armed
from krakked.worlds.host import QUERY_KEY, TRADE_KEY, Host
from krakked.worlds.loop import WorldLoop
from krakked.worlds.machine import Machine
from krakked.worlds.network import FAIR
from krakked.worlds.person import Person
from krakked.worlds.recipe import Happening, Recipe, What
from krakked.worlds.trace import Trace


class Fate:
    """Carries a recipe out."""

    def __init__(
        self,
        recipe: Recipe,
        loop: WorldLoop,
        *,
        host: Host,
        machines: Sequence[Machine],
        person: Person,
        trace: Trace,
    ) -> None:  # fmt: skip
        self._recipe = recipe
        self._loop = loop
        self._host = host
        self._machines = machines
        self._person = person
        self._trace = trace
        self._is_over = False
        self._acts: dict[What, Callable[[Machine, Happening], None]] = {
            What.KILL: lambda machine, _: machine.kill(),
            What.POWER_LOSS: lambda machine, _: machine.kill(power_lost=True),
            What.KILL_AT_STEP: _kill_at_step,
            What.KILL_BEFORE_COMMIT: lambda m, h: m.disk.die_at(h.number, before=True),
            What.KILL_AFTER_COMMIT: lambda m, h: m.disk.die_at(h.number, before=False),
            What.TERMINATE: lambda machine, _: machine.terminate(),
            What.PAUSE: lambda m, h: self._pause(m, h, clocks_stand=False),
            What.FREEZE: lambda m, h: self._pause(m, h, clocks_stand=True),
            What.CLOCK_STEP: _step_clock,
            What.CUT: lambda m, h: self._cut(m, h, out=True, into=True),
            What.CUT_OUT: lambda m, h: self._cut(m, h, out=True, into=False),
            What.CUT_IN: lambda m, h: self._cut(m, h, out=False, into=True),
            What.SLOW_DISK: lambda machine, h: setattr(machine.disk, "slow_s", h.seconds),
            What.FULL_DISK: self._fill_disk,
            What.LOSE_VOLUME: _lose_volume,
            What.DROP_SOCKETS: lambda _, __: self._host.venue.drop_all(),
            What.MAINTENANCE: self._maintain,
            What.RATE_LIMIT: self._use_up_limits,
            What.COMMAND: lambda machine, h: self._person.command(machine, h.number),
        }

    def begin(self) -> None:
        """Let chance rule, and set the alarms."""
        for machine in self._machines:
            machine.link.weather = self._recipe.weather
        self._host.faults.probabilities.update(self._recipe.venue_faults)
        for happening in self._recipe.happenings:
            self._loop.call_later(happening.at_s, self._happen, happening)

    def _happen(self, happening: Happening) -> None:
        if self._is_over:
            return
        machine = self._machines[happening.machine]
        self._trace.tell(
            "fate", happening.what.value, machine=machine.name, seconds=happening.seconds
        )
        self._acts[happening.what](machine, happening)
        self._host.venue.settle(self._host.venue.catch_up())

    def mend(self) -> None:
        """Nothing goes wrong from here on, and what is broken is whole again."""
        self._is_over = True
        self._trace.tell("fate", "mended")
        self._host.faults.probabilities.clear()
        for machine in self._machines:
            machine.link.weather = FAIR
            machine.link.mend()
            machine.clock.offset_ns = 0
            machine.disk.slow_s = 0.0
            machine.disk.is_full = False
            machine.disk.dies_at_commit = None
            if machine.process is not None:
                machine.process.dies_at_step = None
                if machine.process.is_stopped:
                    machine.process.go_on(self._loop)

    # one each

    def _pause(self, machine: Machine, happening: Happening, *, clocks_stand: bool) -> None:
        process = machine.process
        if process is None or process.is_dead or process.is_stopped:
            return
        process.stop()
        stopped_us = self._loop.now_us()

        def go_on() -> None:
            if process.is_stopped:
                stood_us = self._loop.now_us() - stopped_us if clocks_stand else 0
                machine.clock.offset_ns -= stood_us * 1_000
                process.go_on(self._loop, frozen_us=stood_us)

        self._loop.call_later(happening.seconds, go_on)

    def _cut(self, machine: Machine, happening: Happening, *, out: bool, into: bool) -> None:
        machine.link.cut(out=out, into=into)
        self._loop.call_later(happening.seconds, machine.link.mend)

    def _fill_disk(self, machine: Machine, happening: Happening) -> None:
        machine.disk.is_full = True
        self._loop.call_later(happening.seconds, setattr, machine.disk, "is_full", False)

    def _maintain(self, _: Machine, happening: Happening) -> None:
        fault = Armed(kind=FaultKind.MAINTENANCE, seconds=Decimal(str(happening.seconds)))
        acts.maintain(self._host.venue, fault, self._host.venue.catch_up())

    def _use_up_limits(self, _: Machine, __: Happening) -> None:
        mischief = self._host.exchange.mischief(self._host.venue.catch_up())
        for key in (TRADE_KEY, QUERY_KEY):
            mischief.fill_rest_counter(key.key)


def _kill_at_step(machine: Machine, happening: Happening) -> None:
    if machine.is_up and machine.process is not None:
        machine.process.dies_at_step = machine.process.steps + happening.number


def _step_clock(machine: Machine, happening: Happening) -> None:
    machine.clock.offset_ns += int(happening.seconds * NS_PER_SECOND)


def _lose_volume(machine: Machine, _: Happening) -> None:
    machine.kill()
    machine.disk.lose()
