"""What happens to a world: kills, pauses, and what goes wrong beside them, drawn from its seed.

Kills and pauses come one after the other, each with a look whether an owner trades before it; some
wait for the turn of a minute, when bars close and orders are on their way. Everything else is
begun and goes on beside them for a while.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from tests.chaos.engines import Engine
from tests.chaos.relay import Relay
from tests.chaos.world import World

from krakked.domain.commands import CancelAll, Flatten, Halt, SetKillSwitch

BAR_S = 60
A_MINUTE_S = 60.0
PATIENCE_S = 60.0
AT_THE_BAR_CHANCE = 0.3
BESIDE_CHANCE = 0.45
ANYWAY_CHANCE = 0.1
SALES_CHANCE = 0.4
HELD_LONGER_S = 6.0
STOP_PATIENCE_S = 40.0

KILLS = {
    "kill owner": 8,
    "kill owner, calls held": 2,
    "kill waiting": 2,
    "kill both": 1,
    "kill venue": 3,
    "kill api": 2,
}
PAUSES = {"pause owner": 8, "pause waiting": 1, "pause venue": 1, "pause api": 1}
BESIDE = {
    "cut": 3,
    "silence up": 2,
    "silence down": 3,
    "refuse": 2,
    "slow": 2,
    "drop answers": 4,
    "api away": 4,
    "api away for all": 3,
    "clock offset": 2,
    "flatten": 6,
    "halt and resume": 2,
    "kill switch": 2,
    "cancel all": 2,
}
KINDS_OF_OFFSET_S = (-2.5, -0.3, 0.3, 2.5)


class Acts:
    """The hand that does it."""

    def __init__(self, world: World, pauses_s: tuple[float, float]) -> None:
        self.done: Counter[str] = Counter()
        self.kills = 0
        self.pauses = 0
        self.long_pauses = 0
        """Those of an engine for a minute or longer."""
        self.shown: Counter[str] = Counter()
        """What was wanted of an act, and happened."""
        self.met: Counter[str] = Counter()
        """What engines were doing when a full disk ended them."""
        self.ways: set[str] = set()
        """How disks became full."""
        self.skipped: Counter[str] = Counter()
        self._world = world
        self._dice = world.dice
        self._pauses_s = pauses_s
        self._beside: set[asyncio.Task[None]] = set()
        self._sales: set[asyncio.Task[None]] = set()

    async def kill(self) -> None:
        """One of the kills, once somebody trades."""
        await self._before()
        name = drawn(self._dice, self._possible(KILLS))
        await self.do(name, KILL[name])

    async def pause(self) -> None:
        """One of the pauses."""
        await self._before()
        name = drawn(self._dice, self._possible(PAUSES))
        await self.do(name, PAUSE[name])

    async def stop(self) -> None:
        """The owner is told to stop."""
        await self._before()
        await self.do("stop owner", stop_owner)

    def begin_beside(self) -> None:
        """Something goes wrong beside what comes next."""
        if self._dice.random() < BESIDE_CHANCE:
            name = drawn(self._dice, self._possible(BESIDE))
            self._world.failovers.disturb()
            task = asyncio.create_task(self.do(name, AROUND[name]), name=name)
            self._beside.add(task)
            task.add_done_callback(self._beside.discard)

    def _possible(self, weights: dict[str, int]) -> dict[str, int]:
        has_api = self._world.sort.has_api
        return {name: w for name, w in weights.items() if has_api or "api" not in name}

    async def quieten(self) -> None:
        """Nothing goes on beside, and somebody trades."""
        await self.finish()
        world = self._world
        await world.wait_until_trading(world.failovers.bound_s("killed") + PATIENCE_S)
        world.failovers.drop()
        await asyncio.sleep(self._dice.uniform(0, 2))

    async def finish(self) -> None:
        """Wait for what goes on beside."""
        while tasks := [*self._beside, *self._sales]:
            await asyncio.gather(*tasks)

    async def do(self, name: str, act: Act) -> None:
        """One act, counted and told."""
        self.done[name] += 1
        world = self._world
        epochs = max((entry.epoch for entry in world.tape.entries[-50:]), default=0)
        owner = "nobody" if world.owner is None else world.owner.name
        world.say(f"{name}; {owner} owned, epoch {epochs}")
        await act(self)

    async def _before(self) -> None:
        world = self._world
        if self._dice.random() >= ANYWAY_CHANCE:
            await world.wait_until_trading(world.failovers.bound_s("killed") + PATIENCE_S)
            world.failovers.drop()
        wait_s = self._dice.uniform(0, 2)
        if self._dice.random() < AT_THE_BAR_CHANCE:
            to_bar_s = BAR_S - time.time() % BAR_S
            if to_bar_s < BAR_S / 2:
                wait_s = to_bar_s + self._dice.uniform(-0.3, 3.5)
        self.begin_beside()
        await asyncio.sleep(max(wait_s, 0))

    # what the acts are made of

    @property
    def is_busy(self) -> bool:
        """Whether something goes on beside."""
        return bool(self._beside)

    @property
    def world(self) -> World:
        """Where it happens."""
        return self._world

    @property
    def dice(self) -> random.Random:
        """The world's."""
        return self._dice

    def pause_s(self) -> float:
        """How long the next pause is: often short, at times to the longest."""
        low, high = self._pauses_s
        return low + (high - low) * self._dice.random() ** 1.5

    def engine(self) -> Engine:
        """The owner, or any of them."""
        return self._world.owner or self._dice.choice(self._world.engines)

    def kill_engine(self, engine: Engine) -> None:
        """Now; its pod may be replaced, or only its process."""
        if not engine.program.is_running:
            return
        engine.rests_s = self._dice.choice((0.2, 1.0, 4.0))
        if self._dice.random() < 0.6:
            engine.incarnation += 1
        engine.program.send(signal.SIGKILL)
        self.kills += 1

    async def amid_sales(self, owner: Engine, *, is_sure: bool = False) -> None:
        """At times it is told to sell all just before, so that it is struck while orders fly."""
        if is_sure or self._dice.random() < SALES_CHANCE:
            task = asyncio.create_task(flatten(self), name="flatten")
            self._sales.add(task)
            task.add_done_callback(self._sales.discard)
            self.done["flatten before"] += 1
            await asyncio.sleep(self._dice.uniform(0, 0.15))

    def begin_failover(self, kind: str, owner: Engine) -> None:
        """The owner works no more."""
        world = self._world
        ready = any(map(world.stands_ready, world.others(owner)))
        alone = len(world.engines) == 1
        is_disturbed = world.is_disturbed or self.is_busy or not (ready or alone)
        world.failovers.begin(kind, time.monotonic(), is_disturbed=is_disturbed)


Act = Callable[[Acts], Awaitable[None]]


def drawn(dice: random.Random, weights: dict[str, int]) -> str:
    """One of the names, by weight."""
    return dice.choices(list(weights), list(weights.values()))[0]


# kills


async def kill_owner(acts: Acts) -> None:
    owner = acts.engine()
    await acts.amid_sales(owner)
    if acts.world.owner is owner:
        acts.begin_failover("killed", owner)
    acts.kill_engine(owner)
    if len(acts.world.engines) == 1:
        await restart_measured(acts, owner)


async def kill_owner_with_calls_held(acts: Acts) -> None:
    """What it sent last arrives when somebody else owns the account: the venue must refuse it."""
    owner = acts.engine()
    line = owner.venue_line
    timings = acts.world.sort.timings
    line.faults.delay_s = timings.lease_duration_s + timings.retry_period_s + HELD_LONGER_S
    await acts.amid_sales(owner, is_sure=True)
    await asyncio.sleep(acts.dice.uniform(0.5, 1 + timings.dead_man_refresh_s / 2))
    acts.kill_engine(owner)
    line.heal()  # what comes from now on is not held


async def restart_measured(acts: Acts, engine: Engine) -> None:
    """Alone on its files, it is its own successor: from its next start on."""
    acts.world.failovers.drop()
    engine.starts.clear()
    await engine.starts.wait()
    acts.begin_failover("restarted", engine)


async def kill_waiting(acts: Acts) -> None:
    owner = acts.engine()
    for engine in acts.world.others(owner) or [owner]:
        acts.kill_engine(engine)


async def kill_both(acts: Acts) -> None:
    acts.world.failovers.disturb()
    for engine in acts.world.engines:
        acts.kill_engine(engine)


async def kill_venue(acts: Acts) -> None:
    world = acts.world
    if not world.venue.is_running:
        return
    await world.venue.end(signal.SIGKILL, patience_s=10)
    acts.kills += 1
    await asyncio.sleep(acts.dice.uniform(0, 3))
    await world.start_venue()


async def kill_api(acts: Acts) -> None:
    world = acts.world
    world.failovers.disturb()
    await world.api.end(signal.SIGKILL, patience_s=10)
    acts.kills += 1
    away_s = acts.dice.uniform(0, world.sort.timings.lease_duration_s * 1.2)
    await asyncio.sleep(away_s)
    await world.start_api()


async def stop_owner(acts: Acts) -> None:
    owner = acts.world.owner
    if owner is None or not owner.can_answer:
        return
    world = acts.world
    is_disturbed = world.is_disturbed or acts.is_busy
    owner.is_stopping = True
    owner.incarnation += 1
    owner.rests_s = 4.0
    owner.stops.clear()
    owner.program.send(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_PATIENCE_S):
            await owner.stops.wait()
    except TimeoutError:
        world.fail(f"{owner.name} does not stop within {STOP_PATIENCE_S:.0f} s")
        acts.kill_engine(owner)
        return
    if len(world.engines) == 1:  # the rest before its next start is no part of it
        await restart_measured(acts, owner)
    elif not (is_disturbed or acts.is_busy):
        acts.begin_failover("stopped", owner)


# pauses


async def pause_owner(acts: Acts) -> None:
    owner = acts.engine()
    await acts.amid_sales(owner)
    if acts.world.owner is owner:
        acts.begin_failover("paused", owner)
    await paused(acts, owner)


async def pause_waiting(acts: Acts) -> None:
    others = acts.world.others(acts.engine())
    await paused(acts, others[0] if others else acts.engine())


async def paused(acts: Acts, engine: Engine) -> None:
    if not engine.program.is_running:
        return
    acts.pauses += 1
    seconds = acts.pause_s()
    acts.long_pauses += seconds >= A_MINUTE_S
    engine.program.send(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    engine.program.send(signal.SIGCONT)


async def pause_venue(acts: Acts) -> None:
    if not acts.world.venue.is_running:
        return
    acts.pauses += 1
    acts.world.failovers.disturb()
    acts.world.venue.send(signal.SIGSTOP)
    await asyncio.sleep(acts.dice.uniform(0.3, 6))
    acts.world.venue.send(signal.SIGCONT)


async def pause_api(acts: Acts) -> None:
    """What it was asked before is done when it goes on, however long ago its asker gave up."""
    world = acts.world
    acts.pauses += 1
    world.failovers.disturb()
    world.api.send(signal.SIGSTOP)
    await asyncio.sleep(acts.dice.uniform(0.3, 2 * world.sort.timings.lease_duration_s))
    world.api.send(signal.SIGCONT)


# beside


async def for_a_while(acts: Acts, lines: Sequence[Relay], **faults: object) -> None:
    """Lines are bad, then whole."""
    for line in lines:
        vars(line.faults).update(faults)
        if faults.get("refuses"):
            line.cut()
    await asyncio.sleep(acts.dice.uniform(0.3, 8))
    for line in lines:
        line.heal()


def line_faults(**faults: object) -> Act:
    """An act that makes the owner's line to the venue bad."""

    async def act(acts: Acts) -> None:
        await for_a_while(acts, [acts.engine().venue_line], **faults)

    return act


async def cut(acts: Acts) -> None:
    for _ in range(acts.dice.randint(1, 4)):
        acts.engine().venue_line.cut()
        await asyncio.sleep(acts.dice.uniform(0, 1.5))


async def api_away(acts: Acts) -> None:
    await without_api(acts, [acts.engine()])


async def api_away_for_all(acts: Acts) -> None:
    await without_api(acts, acts.world.engines)


async def without_api(acts: Acts, engines: Sequence[Engine]) -> None:
    lines = [e.api_line for e in engines if e.api_line is not None]
    fault = acts.dice.choice(("refuses", "swallows_up", "swallows_down"))
    await for_a_while(acts, lines, **{fault: True})


async def clock_offset(acts: Acts) -> None:
    world = acts.world
    offset_s = acts.dice.choice(KINDS_OF_OFFSET_S)
    for seconds in (offset_s, 0):
        fault = {"kind": "clock-offset", "seconds": str(seconds), "now": True}
        world.clock_trouble_s = time.monotonic()
        if world.venue.is_running and not world.venue.is_paused:
            try:
                await world.administer("/faults", fault)
            except OSError:  # killed meanwhile: it starts without an offset
                return
        if seconds:
            await asyncio.sleep(acts.dice.uniform(2, 10))


async def flatten(acts: Acts) -> None:
    await acts.engine().tell(Flatten, reason="chaos")


async def halt_and_resume(acts: Acts) -> None:
    acts.world.holds += 1
    await acts.engine().tell(Halt, reason="chaos", cancel=acts.dice.random() < 0.5)
    await asyncio.sleep(acts.dice.uniform(0, 4))
    acts.world.holds -= 1  # whoever owns then is told to go on


async def kill_switch(acts: Acts) -> None:
    acts.world.holds += 1
    await acts.engine().tell(SetKillSwitch, reason="chaos", active=True)
    await asyncio.sleep(acts.dice.uniform(0, 4))
    acts.world.holds -= 1


async def cancel_all(acts: Acts) -> None:
    await acts.engine().tell(CancelAll, reason="chaos")


KILL: dict[str, Act] = {
    "kill owner": kill_owner,
    "kill owner, calls held": kill_owner_with_calls_held,
    "kill waiting": kill_waiting,
    "kill both": kill_both,
    "kill venue": kill_venue,
    "kill api": kill_api,
}
PAUSE: dict[str, Act] = {
    "pause owner": pause_owner,
    "pause waiting": pause_waiting,
    "pause venue": pause_venue,
    "pause api": pause_api,
}
AROUND: dict[str, Act] = {
    "cut": cut,
    "silence up": line_faults(swallows_up=True),
    "silence down": line_faults(swallows_down=True),
    "refuse": line_faults(refuses=True),
    "slow": line_faults(delay_s=1.5),
    "drop answers": line_faults(drop_chance=0.5),
    "api away": api_away,
    "api away for all": api_away_for_all,
    "clock offset": clock_offset,
    "flatten": flatten,
    "halt and resume": halt_and_resume,
    "kill switch": kill_switch,
    "cancel all": cancel_all,
}
