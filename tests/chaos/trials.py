"""Acts after which something certain must happen; whatever went on beside them has ended before.

    disk full    the owner's volume has no room while it sells: its journal meets that, it ends with
                 the code for it (73) and says why, and again at each start until there is room
    hang owner   the owner's loop stands still while the rest of its process goes on: the watchdog
                 ends it (72) before anybody else may own the account

A trial that does not show what it is for fails the run.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.chaos.acts import Acts
from tests.chaos.engines import Engine
from tests.chaos.programs import Program
from tests.chaos.world import ENDS_BY_DISK

from krakked.domain.commands import Resume

ENDS_BY_WATCHDOG = 72
BITES_WITHIN_S = 90.0
BY_ITSELF_S = 8.0
"""So long it has what it does anyway to write down; then it is told to do something."""
BETWEEN_WRITES_S = 0.01
"""A log that became long has room of its own for a thousand pages, and each record is a few."""
ROOM_LEFT_PAGES = 60
"""What it is told to sell uses up so many, so that now a command, now an order, now a fill is the
one that finds none."""
FULL_LONGER_S = 4.0
HELD_LONGER_S = 3.0
HOLD = Path(__file__).with_name("hold.py")
SAID = "krakked: "
STORES = ("ledger", "bar store")
WORDS_OF_FULL = ("the disk is full", "No space left on device")
WORDS_OF_LIMIT = ("the disk gave an I/O error", "File too large")
"""What a person reads of a disk that takes nothing, and of the limit that stands for one."""

Trial = Callable[[Acts], Awaitable[None]]


async def disk_full(acts: Acts) -> None:
    """See the module."""
    world, engine = acts.world, acts.engine()
    volume, pid = engine.volume, engine.program.pid
    written, ended = engine.program.log.stat().st_size, engine.ends[ENDS_BY_DISK]
    world.disk_trouble_s = time.monotonic() + BITES_WITHIN_S
    await asyncio.to_thread(volume.fill, pid, acts.dice.randrange(ROOM_LEFT_PAGES))
    began_s = time.monotonic()
    await acts.amid_sales(engine, is_sure=True)
    await bitten(engine, ended)
    bit_s = time.monotonic() - began_s
    await asyncio.sleep(acts.dice.uniform(0, FULL_LONGER_S))
    await asyncio.to_thread(volume.free, pid)
    world.disk_trouble_s = time.monotonic()
    ends = engine.ends[ENDS_BY_DISK] - ended
    words = WORDS_OF_LIMIT if volume.why_not_small else WORDS_OF_FULL
    told = lines_since(engine.program.log, written, words)
    if not ends or not told:
        world.fail(f"a full disk of {engine.name} did not end it: {ends} ends, told: {told}")
        return
    at = [what_met_it(line) for line in told]
    world.say(f"the full disk of {engine.name} was met after {bit_s:.1f} s, {ends} ends: {at}")
    acts.shown["disk full"] += 1
    acts.met.update(at)
    acts.shown["ends by it"] += ends
    acts.ways.add(volume.way)


async def bitten(engine: Engine, ended: int) -> None:
    """Let it write until it ends so; a log that has room of its own left may take a while."""
    began_s = time.monotonic()
    until_s = began_s + BITES_WITHIN_S
    while engine.ends[ENDS_BY_DISK] == ended and time.monotonic() < until_s:
        if time.monotonic() > began_s + BY_ITSELF_S:
            await engine.tell(Resume, reason="chaos: something to write down")
        await asyncio.sleep(BETWEEN_WRITES_S)


def lines_since(log: Path, offset: int, words: tuple[str, ...]) -> list[str]:
    """What was said to a person behind that place of the log that has any of the words."""
    with log.open("rb") as file:
        file.seek(offset)
        lines = file.read().decode(errors="replace").splitlines()
    said = [line for line in lines if line.startswith(SAID)]
    return [line for line in said if any(word in line for word in words)]


def what_met_it(line: str) -> str:
    """What an engine was doing, by its last line: ``krakked: a command failed: ledger …``."""
    said = line.removeprefix(SAID)
    for store in STORES:
        before, found, _ = said.partition(f"{store} /")
        if found:
            return before.rstrip(": ") or store
    return said


async def hang_owner(acts: Acts) -> None:
    """See the module."""
    world, owner = acts.world, acts.engine()
    watchdog_s = world.sort.timings.watchdog_ns / 1e9
    before = owner.ends[ENDS_BY_WATCHDOG]
    owner.stops.clear()
    told: dict[str, object] = {}
    holder = Program("holder", world.folder / "holder.log", told.update)
    await acts.amid_sales(owner)
    if len(world.engines) > 1:
        acts.begin_failover("hung", owner)
    argv = [sys.executable, str(HOLD), str(owner.program.pid), str(watchdog_s + HELD_LONGER_S)]
    await holder.start(argv, world.folder, {})
    if await holder.wait():
        world.failovers.drop()
        acts.skipped[str(told.get("refused", "no thread was held"))] += 1
        return
    if told["ended"] is None:
        world.fail(f"{owner.name} hung for {told['seconds']} s and lives: {json.dumps(told)}")
        return
    await owner.stops.wait()
    if owner.ends[ENDS_BY_WATCHDOG] == before:
        world.fail(f"{owner.name} hung and ended with {told['ended']}, not by its watchdog")
        return
    world.say(f"{owner.name} hung for {told['seconds']} s before its watchdog ended it")
    acts.shown["hung loop"] += 1


TRIAL: dict[str, Trial] = {"disk full": disk_full, "hang owner": hang_owner}


async def trial(acts: Acts, name: str) -> None:
    """Quiet first, then that."""
    await acts.quieten()
    await acts.do(name, TRIAL[name])
