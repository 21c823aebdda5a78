"""One world, from one seed: built, played, mended, and looked at.

play      faults and happenings of the recipe, for some minutes
mend      everything works; a person tidies up
rest      until every order is known, the books agree, and somebody trades again
look      checkers compare what the venue has with what the engines have on record
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
import sqlite3
import sys
import tempfile
import warnings
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Final

import msgspec
import structlog

from krakked.domain.errors import KrakkedError
from krakked.domain.ids import Asset, PairName
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.matching import SELF_TRADE as SELF_TRADE_PREVENTED
from krakked.sim.exchange.orders import Order
from krakked.simulator.options import ACCOUNT
from krakked.worlds.checkers import Checkers
from krakked.worlds.configuration import loaded_for
from krakked.worlds.disk import Disk
from krakked.worlds.fate import Fate
from krakked.worlds.host import Host, HostRecipe
from krakked.worlds.leases import BITES, LeaseServer, Taken
from krakked.worlds.loop import WorldLoop, WorldStuck
from krakked.worlds.machine import Machine
from krakked.worlds.network import Link
from krakked.worlds.person import THIEF, Person
from krakked.worlds.recipe import Recipe
from krakked.worlds.tape import Tape
from krakked.worlds.trace import Say, Trace

START_NS: Final = 1_767_571_200 * NS_PER_SECOND
"""2026-01-05 00:00 UTC."""
PRICES: Final = {PairName("XBTUSD"): Decimal(60_000), PairName("ETHUSD"): Decimal(3_000)}
BALANCES: Final = {Asset("USD"): Decimal(100_000)}
REST_MAX_S: Final = 240.0
"""Once nothing goes wrong any more, all must be well within that time."""
LOOK_S: Final = 5.0
CLOSING_S: Final = 30.0
"""In the end every engine is told to stop, and has so long."""
RESTART_S: Final = (1.0, 8.0)
BACK_OFFS_MAX: Final = 4
LAST_WORDS: Final = (
    RuntimeError, AssertionError, KrakkedError, ValueError, sqlite3.Error, BaseExceptionGroup,
)  # fmt: skip
"""What becomes of the ``finally`` of who is dead: there is no loop, and no ledger, any more."""
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - disks of worlds, in memory where there is such a place


TAKEOVER: Final = "takeover"
RESTART: Final = "restart"
COMMAND: Final = "command"
SELF_TRADE: Final = "fault:self-trade prevented"
WATCHDOG: Final = "watchdog"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a world came to."""

    seed: int
    violations: tuple[str, ...]
    digest: str
    """The same for the same recipe, on any machine."""
    seconds: float
    """Of the world's own time."""
    marks: dict[str, int]
    """How often what happened, by name."""


class World:
    """See the module."""

    def __init__(self, recipe: Recipe, *, say: Say | None = None) -> None:
        self.recipe = recipe
        # Before there is a folder: engines that cannot be configured shall leave none behind.
        self._loaded = loaded_for(recipe.behaviour, recipe.tier)
        rng = Random(f"{recipe.seed}|world")  # noqa: S311 - a world, not a secret
        start_ns = START_NS + recipe.offset_s * NS_PER_SECOND
        self.loop = WorldLoop(start_ns=start_ns, order=_own(rng))
        self.trace = Trace(self.loop.now_us, say)
        self.tape = Tape()
        venue = HostRecipe(seed=recipe.seed, prices=PRICES, balances=BALANCES, tier=recipe.tier)
        self.host = Host(self.loop, venue, self.tape)
        self.leases = LeaseServer(_own(rng))
        self._root = Path(tempfile.mkdtemp(prefix="krakked-", dir=_memory()))
        self.machines = [self._machine(name, rng) for name in "abc"[: recipe.engines]]
        self.person = Person(self.loop, _own(rng), leases=self.leases, trace=self.trace)
        self._restarts = _own(rng)
        self._is_closing = False
        self._fate = Fate(
            recipe,
            host=self.host,
            machines=self.machines,
            leases=self.leases,
            person=self.person,
            trace=self.trace,
        )
        self.checkers = Checkers(self)
        if recipe.is_attentive:
            self.leases.log.on_taken.append(self._call_person)

    def _machine(self, name: str, rng: Random) -> Machine:
        return Machine(
            name,
            link=Link(self.loop, self.host, _own(rng), name),
            disk=Disk(self._root / name, _own(rng)),
            leases=self.leases,
            loaded=self._loaded,
            trace=self.trace,
        )

    def _call_person(self, taken: Taken) -> None:
        """An alert tells of each new owner."""
        if taken.record.epoch != taken.before.epoch:
            name = taken.process.partition(".")[0]
            self.person.look_after(next(m for m in self.machines if m.name == name))

    def run(self) -> Outcome:
        """Play it to the end."""
        # The log of engines is nobody's here: events are on the trace.
        structlog.configure(processors=[_drop])
        hook, sys.unraisablehook = sys.unraisablehook, _silent
        asyncio.set_event_loop(self.loop)
        try:
            try:
                self.loop.run_until_complete(self._live())
            except WorldStuck as stuck:
                self.loop.problems.append({"message": stuck})
            return self._outcome()
        finally:
            self._bury()
            asyncio.set_event_loop(None)
            sys.unraisablehook = hook
            shutil.rmtree(self._root, ignore_errors=True)

    async def _live(self) -> None:
        self.host.open()
        for machine, offset_s in zip(self.machines, self.recipe.clock_offsets_s, strict=True):
            machine.clock.offset_ns = int(offset_s * NS_PER_SECOND)
        for machine, ppm in zip(self.machines, self.recipe.clock_drifts_ppm, strict=False):
            machine.drift(ppm)  # a recipe without drifts has none
        for machine in self.machines:
            self._keep_up(machine)
        self._fate.begin()
        await self._pass(self.recipe.play_s)
        self._fate.mend()
        await self._rest()
        self.checkers.look()
        self._is_closing = True  # what ends from here on stays down: nobody would judge its start
        for machine in self.machines:
            machine.terminate()
        await self._pass(CLOSING_S)
        self.checkers.look_back()

    async def _pass(self, seconds: float) -> None:
        await asyncio.sleep(seconds)  # noqa: TID251 - on the world's own time

    def _keep_up(self, machine: Machine) -> None:
        """Start it whenever it is down, as Kubernetes does."""
        machine.start()
        machine.when_down = lambda: machine.link.later(
            self._back_off_s(machine), self._start_again, machine
        )

    def _back_off_s(self, machine: Machine) -> float:
        """Longer each time, for one that does not stay up."""
        doublings = min(machine.quick_ends, BACK_OFFS_MAX)
        return self._restarts.uniform(*RESTART_S) * 2.0**doublings

    def _start_again(self, machine: Machine) -> None:
        if not machine.is_up and not self._is_closing:
            machine.start()

    async def _rest(self) -> None:
        """Wait until all is well again."""
        waited_s = 0.0
        while waited_s < REST_MAX_S:
            self.person.tidy_up(self.machines)
            self.host.by_hand.let_go()
            await self._pass(LOOK_S)
            waited_s += LOOK_S
            if self.checkers.is_at_rest():
                return

    def _outcome(self) -> Outcome:
        problems = [f"asyncio: {problem.get('message')}" for problem in self.loop.problems]
        return Outcome(
            seed=self.recipe.seed,
            violations=(*self.checkers.violations, *problems),
            digest=self._digest(),
            seconds=self.loop.time(),
            marks={**self.trace.marks, **self._happened(), **self._figures(), **self._owners()},
        )

    def _figures(self) -> dict[str, int]:
        """Faults by kind; what a watchdog does about one is none."""
        faults = self._faults()
        bites = sum(faults.pop(f"fault:{bite}", 0) for bite in BITES)
        return faults | ({WATCHDOG: bites} if bites else {})

    def _faults(self) -> dict[str, int]:
        found = {f"fault:{kind.value}": n for kind, n in self.host.faults.happened.items()}
        for machine in self.machines:
            for what, count in machine.link.happened.items():
                found[f"fault:{what}"] = found.get(f"fault:{what}", 0) + count
        happened = self._happened()
        happened.pop(COMMAND, None)  # no fault
        for what, count in (*self.leases.happened.items(), *happened.items()):
            found[f"fault:{what}"] = found.get(f"fault:{what}", 0) + count
        drifting = sum(1 for ppm in self.recipe.clock_drifts_ppm if ppm)
        found |= {"fault:clock drift": drifting} if drifting else {}
        orders = self.host.exchange.account(ACCOUNT).orders.values()
        met = sum(1 for order in orders if _met_itself(order))
        return found | ({SELF_TRADE: met} if met else {})

    def _happened(self) -> dict[str, int]:
        """What came true of what the recipe wants to happen, by name."""
        found = {COMMAND: 0, **self._fate.happened}
        for machine in self.machines:
            for what, count in machine.struck.items():
                found[what.value] = found.get(what.value, 0) + count
        return found

    def _owners(self) -> dict[str, int]:
        """How often the lease went to another machine, and how often to another process of one."""
        holders = [record.holder for record in self.leases.leases.history]
        engines = [holder for holder in holders if holder not in ("", THIEF)]
        found = {TAKEOVER: 0, RESTART: 0}
        for before, after in pairwise(engines):
            if before != after:
                is_same = before.partition("_")[0] == after.partition("_")[0]
                found[RESTART if is_same else TAKEOVER] += 1
        return found

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for call in self.tape.calls:
            digest.update(f"{call.at_ns} {call.sender} {call.method} {call.form}".encode())
            digest.update(f" {call.errors} {bytes(call.result).decode()}\n".encode())
        return digest.hexdigest()[:16]

    def _bury(self) -> None:
        """Let go of everything; what dead processes would still tidy up is nobody's business."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # the dead begin what nobody awaits
            for task in asyncio.all_tasks(self.loop):
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # dead on purpose
                with contextlib.suppress(*LAST_WORDS):
                    task.get_coro().close()
        self.checkers.let_go()
        for machine in self.machines:
            machine.bury()
        self.loop.close()


def _met_itself(order: Order) -> bool:
    """Whether an engine's order was ended for it met one of the same account."""
    return order.reason == SELF_TRADE_PREVENTED and order.ask.cl_ord_id is not None


def _own(rng: Random) -> Random:
    return Random(rng.getrandbits(64))  # noqa: S311 - a world, not a secret


def _memory() -> Path | None:
    return MEMORY if MEMORY.is_dir() else None


def _drop(_: object, __: str, ___: structlog.typing.EventDict) -> structlog.typing.EventDict:
    raise structlog.DropEvent


def _silent(_: object) -> None:
    """Coroutines of the dead complain when they are thrown away."""
