"""What befalls a world: happenings come true at their instants, and at the end all is mended.

What is mended: lines, disks, leases and the wall clocks, which are set right and drift no more. A
machine's other clocks go on too fast or too slow; an engine must come to rest with them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from krakked.domain.times import NS_PER_SECOND
from krakked.ports.lease_store import LeaseMissing
from krakked.sim.fault_kinds import FaultKind
from krakked.simulator import acts
from krakked.simulator.faults import Armed
from krakked.worlds.host import QUERY_KEY, TRADE_KEY, Host
from krakked.worlds.leases import LeaseServer
from krakked.worlds.loop import NS_PER_US
from krakked.worlds.machine import Machine
from krakked.worlds.network import FAIR
from krakked.worlds.person import THIEF, Person
from krakked.worlds.recipe import Happening, Recipe, What
from krakked.worlds.trace import FATE, Trace

STRIKE_LATER: Final = (What.KILL_AT_STEP, What.KILL_BEFORE_COMMIT, What.KILL_AFTER_COMMIT)
"""They are only set here, and may find that the play is over before they strike."""
STRAYS: Final = 3
"""One in so many commands goes to any machine, whether or not it trades."""
USUAL: Final[Mapping[str, object]] = {
    "is_down": False,
    "is_full": False,
    "is_lease_cut": False,
    "lost": 0.0,
    "slow_s": 0.0,
}
"""What is so as long as nothing goes wrong."""


class Fate:
    """Carries a recipe out."""

    def __init__(
        self,
        recipe: Recipe,
        *,
        host: Host,
        machines: Sequence[Machine],
        leases: LeaseServer,
        person: Person,
        trace: Trace,
    ) -> None:  # fmt: skip
        self._recipe = recipe
        self._loop = host.loop
        self._host = host
        self._machines = machines
        self._leases = leases
        self._person = person
        self._trace = trace
        self._is_over = False
        self.happened: dict[str, int] = {}
        """How often what came true, by its name; what strikes later, its machine counts."""
        self._asleep: dict[str, Callable[[], None]] = {}
        """By machine: what wakes the process that was stopped on it last."""
        self._acts: dict[What, Callable[[Machine, Happening], bool | None]] = {
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
            What.FULL_DISK: lambda m, h: self._for_a_while(m.disk, "is_full", True, h),
            What.LOSE_VOLUME: _lose_volume,
            What.DROP_SOCKETS: lambda _, __: self._host.venue.drop_all(),
            What.MAINTENANCE: self._maintain,
            What.RATE_LIMIT: self._use_up_limits,
            What.LEASE_DOWN: lambda _, h: self._for_a_while(self._leases, "is_down", True, h),
            What.LEASE_SLOW: lambda _, h: self._for_a_while(
                self._leases, "slow_s", h.number / 20, h
            ),
            What.LEASE_LOSSY: lambda _, h: self._for_a_while(self._leases, "lost", 0.5, h),
            What.LEASE_CUT: lambda m, h: self._for_a_while(m.link, "is_lease_cut", True, h),
            What.LEASE_DELETED: self._delete_lease,
            What.LEASE_STOLEN: self._steal_lease,
            What.LEASE_FENCED: self._fence_lease,
            What.COMMAND: lambda machine, h: self._person.command(
                self._meant(machine, h), h.number
            ),
            What.CASH_FLOW: lambda _, h: self._host.by_hand.move_money(h.number),
            What.HAND_ORDER: self._trade_by_hand,
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
        name = happening.what.value
        self._trace.tell(FATE, name, machine=machine.name, seconds=happening.seconds)
        was_done = self._acts[happening.what](machine, happening) is not False
        if was_done and happening.what not in STRIKE_LATER:
            self.happened[name] = self.happened.get(name, 0) + 1
        self._host.venue.settle(self._host.venue.catch_up())

    def mend(self) -> None:
        """Nothing goes wrong from here on, and what is broken is whole again."""
        self._is_over = True
        self._trace.tell(FATE, "mended")
        self._host.by_hand.let_go()
        self._leases.is_down, self._leases.slow_s, self._leases.lost = False, 0.0, 0.0
        self._person.restore_lease()
        self._host.faults.probabilities.clear()
        for go_on in self._asleep.values():
            go_on()
        for machine in self._machines:
            machine.link.weather = FAIR
            machine.link.mend()
            machine.link.is_lease_cut = False
            machine.clock.offset_ns = machine.clock.drift_ppm = 0
            machine.disk.slow_s = 0.0
            machine.disk.is_full = False
            machine.disk.dies_at_commit = None
            if machine.process is not None:
                machine.process.dies_at_step = None

    # one each

    def _meant(self, machine: Machine, happening: Happening) -> Machine:
        """Most commands go where somebody trades, if somebody does."""
        if int(happening.at_s * 1000) % STRAYS == 0:
            return machine
        return next((one for one in self._machines if one.is_trading), machine)

    def _trade_by_hand(self, _: Machine, happening: Happening) -> bool:
        """Where an engine trades: one whose books never began asks for ``portfolio init``."""
        if not any(one.is_trading for one in self._machines):
            return False
        by_hand = self._host.by_hand
        order_id = by_hand.trade(happening.number)
        if order_id is None:
            return False
        self._loop.call_later(happening.seconds, by_hand.cancel, order_id)
        return True

    def _pause(self, machine: Machine, happening: Happening, *, clocks_stand: bool) -> bool:
        process = machine.process
        if process is None or process.is_dead or process.is_stopped:
            return False
        process.stop(clocks_stand=clocks_stand)
        stopped_us = self._loop.now_us()

        def go_on() -> None:
            if process.is_stopped and not process.is_dead:
                stood_us = self._loop.now_us() - stopped_us if clocks_stand else 0
                machine.clock.offset_ns -= stood_us * NS_PER_US
                process.go_on(self._loop, frozen_us=stood_us)

        self._loop.call_later(happening.seconds, go_on)
        self._asleep[machine.name] = go_on
        return True

    def _cut(self, machine: Machine, happening: Happening, *, out: bool, into: bool) -> None:
        machine.link.cut(out=out, into=into)
        self._loop.call_later(happening.seconds, machine.link.mend)

    def _for_a_while(self, subject: object, name: str, value: object, happening: Happening) -> None:
        """Until it ends by itself; where the same happens again meanwhile, until the first end."""
        usual = USUAL[name]
        setattr(subject, name, value)
        self._loop.call_later(happening.seconds, setattr, subject, name, usual)

    def _delete_lease(self, _: Machine, happening: Happening) -> None:
        self._leases.leases.delete()
        self._loop.call_later(happening.seconds, self._person.restore_lease)

    def _steal_lease(self, _: Machine, happening: Happening) -> None:
        """Somebody else's hand: a holder that nobody is, until a person empties it."""
        with contextlib.suppress(LeaseMissing):
            self._leases.leases.steal(THIEF)
            self._loop.call_later(happening.seconds, self._person.restore_lease)

    def _fence_lease(self, _: Machine, happening: Happening) -> None:
        with contextlib.suppress(LeaseMissing):
            self._leases.leases.annotate(fenced="true")
            self._loop.call_later(happening.seconds, self._person.restore_lease)

    def _maintain(self, _: Machine, happening: Happening) -> None:
        fault = Armed(kind=FaultKind.MAINTENANCE, seconds=Decimal(str(happening.seconds)))
        acts.maintain(self._host.venue, fault, self._host.venue.catch_up())

    def _use_up_limits(self, _: Machine, __: Happening) -> None:
        mischief = self._host.exchange.mischief(self._host.venue.catch_up())
        for key in (TRADE_KEY, QUERY_KEY):
            mischief.fill_rest_counter(key.key)


def _kill_at_step(machine: Machine, happening: Happening) -> None:
    if machine.is_up and machine.process is not None:
        step = machine.process.steps + happening.number
        machine.process.dies_at_step = machine.fated_step = step


def _step_clock(machine: Machine, happening: Happening) -> None:
    machine.clock.offset_ns += int(happening.seconds * NS_PER_SECOND)


def _lose_volume(machine: Machine, _: Happening) -> bool:
    was_up = machine.kill()
    machine.disk.lose()
    return was_up
