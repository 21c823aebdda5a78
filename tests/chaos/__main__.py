"""``python -m tests.chaos``: worlds beside each other, progress on stderr, one line on stdout.

    --minutes N   how long the acts of the full run go on; 60 gives its full numbers
    --quick       the small run of the CI: 15 kills and 5 pauses
    --seed N      what is drawn; real processes never repeat to the millisecond, acts do

Exit code 1: something happened that must not. Logs, databases and the venue's file are kept then.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec
from tests.chaos.acts import Acts
from tests.chaos.failovers import Interval, in_words
from tests.chaos.programs import MARK, left_behind
from tests.chaos.sorts import Sort
from tests.chaos.volumes import own_mounts
from tests.chaos.world import World

from krakked.trading.timings import DEFAULT, QUICK

INTERRUPTED = 130


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """One world, and how much happens to it."""

    sort: Sort
    kills: int
    pauses: int
    stops: int
    pauses_s: tuple[float, float]


class Outcome(msgspec.Struct, kw_only=True):
    """What came of all phases."""

    kills: int = 0
    pauses: int = 0
    acts: Counter[str] = msgspec.field(default_factory=Counter)
    skipped: Counter[str] = msgspec.field(default_factory=Counter)
    ends: Counter[int] = msgspec.field(default_factory=Counter)
    refusals: Counter[str] = msgspec.field(default_factory=Counter)
    intervals: list[Interval] = []
    orders: int = 0
    trades: int = 0
    epochs: int = 0
    calls: int = 0
    violations: list[str] = []


def phases(minutes: float, *, is_quick: bool) -> list[Phase]:
    """The full run has its numbers at 60 minutes, and a share of them at fewer."""
    two, alone = Sort(name="two", timings=QUICK), Sort(name="alone", timings=QUICK, engines=1)
    patient = Sort(name="patient", timings=DEFAULT, tier="intermediate", sync_s=60)
    if is_quick:
        return [
            Phase(sort=two, kills=9, pauses=3, stops=1, pauses_s=(0.3, 9)),
            Phase(sort=alone, kills=6, pauses=2, stops=1, pauses_s=(0.3, 6)),
        ]
    share = minutes / 60

    def of(count: int) -> int:
        return max(1, round(count * share))

    return [
        Phase(sort=patient, kills=of(30), pauses=of(12), stops=of(4), pauses_s=(60, 60)),
        Phase(sort=alone, kills=of(150), pauses=of(40), stops=of(15), pauses_s=(0.3, 8)),
        Phase(sort=two, kills=of(240), pauses=of(60), stops=of(20), pauses_s=(0.3, 14)),
    ]


async def play(phase: Phase, folder: Path, seed: int, outcome: Outcome) -> None:
    """One world from its opening to its audit."""
    began_s = time.monotonic()
    folder.mkdir()  # noqa: ASYNC240 - once, before anything runs in it

    def say(words: str) -> None:
        seconds = time.monotonic() - began_s
        sys.stderr.write(
            f"[{phase.sort.name} {seconds:5.0f} s, {acts.kills}/{phase.kills} kills, "
            f"{acts.pauses}/{phase.pauses} pauses] {words}\n"
        )
        sys.stderr.flush()

    world = World(phase.sort, folder, seed, say)
    acts = Acts(world, phase.pauses_s)
    try:
        await world.open()
        await act_out(phase, acts, world)
        await acts.finish()
        books = await world.settle_and_audit()
        if books is not None:
            outcome.orders += len(books.orders)
            outcome.trades += len(books.trades)
    finally:
        await world.close()
    note(outcome, world, acts)
    say(f"done: {in_words(world.failovers.intervals)}; {len(world.violations)} violations")


async def act_out(phase: Phase, acts: Acts, world: World) -> None:
    """Kills, pauses and stops in an order of the seed's, until their numbers are reached."""
    stops = phase.stops
    while not world.is_hopeless:
        left = {
            "kill": phase.kills - acts.kills,
            "pause": phase.pauses - acts.pauses,
            "stop": stops,
        }
        todo = {name: count for name, count in left.items() if count > 0}
        if not todo:
            return
        name = world.dice.choices(list(todo), list(todo.values()))[0]
        if name == "stop":
            stops -= 1
        await {"kill": acts.kill, "pause": acts.pause, "stop": acts.stop}[name]()


def note(outcome: Outcome, world: World, acts: Acts) -> None:
    """Add a world's figures."""
    outcome.kills += acts.kills
    outcome.pauses += acts.pauses
    outcome.acts += acts.done
    outcome.skipped += acts.skipped
    outcome.refusals += world.tape.refusals()
    outcome.intervals += world.failovers.intervals
    outcome.epochs += len({entry.epoch for entry in world.tape.entries})
    outcome.calls += len(world.tape.entries)
    outcome.violations += world.violations
    for engine in world.engines:
        outcome.ends += engine.ends


def summary(outcome: Outcome, seed: int, minutes: float) -> str:
    """The last line."""
    acts = ", ".join(f"{name} {n}" for name, n in sorted(outcome.acts.items()))
    ends = ", ".join(f"{code}: {n}" for code, n in sorted(outcome.ends.items()))
    fenced = sum(n for words, n in outcome.refusals.items() if "nonce" in words)
    skipped = "".join(f"; left out {n}: {why}" for why, n in outcome.skipped.items())
    return (
        f"chaos: seed {seed}, {minutes:.1f} min, {outcome.kills} kills, {outcome.pauses} pauses "
        f"({acts}{skipped}); ends of engines {{{ends}}}; {outcome.epochs} epochs, "
        f"{outcome.calls} private calls, {fenced} refused by the fence, {outcome.orders} orders, "
        f"{outcome.trades} trades; failovers: {in_words(outcome.intervals)}; "
        f"{len(outcome.violations)} violations"
    )


async def run(options: argparse.Namespace, root: Path) -> Outcome:
    """All phases beside each other: they have nothing in common but the machine."""
    outcome = Outcome()
    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    async with asyncio.TaskGroup() as group:
        for phase in phases(options.minutes, is_quick=options.quick):
            if options.only in (None, phase.sort.name):
                group.create_task(play(phase, root / phase.sort.name, options.seed, outcome))
    return outcome


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", help="one world: two, alone or patient")
    parser.add_argument("--keep", action="store_true", help="logs and databases, whatever happens")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="krakked-chaos-"))
    own_mounts()
    os.environ[MARK] = root.name  # every child has it
    began_s = time.monotonic()
    try:
        outcome = asyncio.run(run(options, root))
    except (asyncio.CancelledError, KeyboardInterrupt):
        shutil.rmtree(root)
        return INTERRUPTED
    if left := left_behind(root.name):
        outcome.violations.append(f"left behind: {left}")
    for line in outcome.violations:
        sys.stderr.write(f"violation: {line}\n")
    if outcome.violations or options.keep:
        sys.stderr.write(f"kept: {root}\n")
    else:
        shutil.rmtree(root)
    minutes = (time.monotonic() - began_s) / 60
    sys.stdout.write(summary(outcome, options.seed, minutes) + "\n")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
