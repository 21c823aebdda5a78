"""``python -m tests.chaos``: worlds beside each other, progress on stderr, one line on stdout.

    --minutes N   how long the acts of the full run go on; 60 gives its full numbers
    --quick       the small run of the CI: 15 kills and 5 pauses
    --seed N      what is drawn; real processes never repeat to the millisecond, acts do

Exit code 1: something happened that must not. Logs, databases and the venue's file are kept then.
Ctrl-C and SIGTERM: what was found so far is told, and 130.
"""

from __future__ import annotations

from krakked.worlds import voice

if __name__ == "__main__":
    voice.end_at_interrupt()

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
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import msgspec
from tests.chaos.acts import Acts
from tests.chaos.failovers import in_words, table
from tests.chaos.outcome import FULL_RUN, QUICK_RUN, Outcome, note, shortfalls, summary
from tests.chaos.programs import MARK, left_behind
from tests.chaos.sorts import Sort
from tests.chaos.trials import trial
from tests.chaos.volumes import own_mounts
from tests.chaos.world import World

from krakked.trading.timings import DEFAULT, QUICK

FULL_MINUTES = 60


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """One world, and how much happens to it."""

    sort: Sort
    kills: int
    pauses: int
    stops: int
    pauses_s: tuple[float, float]
    full_disks: int = 0
    hangs: int = 0


def phases(minutes: float, *, is_quick: bool) -> list[Phase]:
    """The full run has its numbers at 60 minutes, and a share of them at fewer."""
    two, alone = Sort(name="two", timings=QUICK), Sort(name="alone", timings=QUICK, engines=1)
    files = Sort(name="files", timings=QUICK, shares_volume=True)
    patient = Sort(name="patient", timings=DEFAULT, tier="intermediate", sync_s=60)
    if is_quick:
        return [
            Phase(sort=two, kills=8, pauses=3, stops=1, pauses_s=(0.3, 9), hangs=1),
            Phase(sort=alone, kills=4, pauses=2, stops=1, pauses_s=(0.3, 6), full_disks=1),
            Phase(sort=files, kills=3, pauses=0, stops=1, pauses_s=(0, 0)),
        ]
    share = minutes / 60

    def of(count: int) -> int:
        return max(1, round(count * share))

    def world(sort: Sort, longest_s: tuple[float, float], counts: Sequence[int]) -> Phase:
        kills, pauses, stops, full_disks, hangs = map(of, counts)
        return Phase(
            sort=sort,
            kills=kills,
            pauses=pauses,
            stops=stops,
            pauses_s=longest_s,
            full_disks=full_disks,
            hangs=hangs,
        )

    return [
        world(patient, (60, 60), (24, 12, 4, 1, 1)),
        world(alone, (0.3, 8), (150, 40, 15, 10, 5)),
        world(two, (0.3, 14), (220, 60, 20, 10, 8)),
        Phase(sort=files, kills=of(40), pauses=0, stops=of(15), pauses_s=(0, 0)),
    ]


async def play(phase: Phase, folder: Path, seed: int, outcome: Outcome) -> None:
    """One world from its opening to its audit."""
    began_s = time.monotonic()
    folder.mkdir()  # noqa: ASYNC240 - once, before anything runs in it

    def say(words: str) -> None:
        seconds = time.monotonic() - began_s
        voice.err(
            f"[{phase.sort.name} {seconds:5.0f} s, {acts.kills}/{phase.kills} kills, "
            f"{acts.pauses}/{phase.pauses} pauses] {words}"
        )

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
        note(outcome, world, acts)  # of a world that a person broke off, too
    say(f"done: {in_words(world.failovers.intervals)}; {len(world.violations)} violations")


async def act_out(phase: Phase, acts: Acts, world: World) -> None:
    """Kills, pauses and stops in an order of the seed's, until their numbers are reached."""
    once = Counter({"stop": phase.stops, "disk full": phase.full_disks, "hang owner": phase.hangs})
    while not world.is_hopeless:
        left = {"kill": phase.kills - acts.kills, "pause": phase.pauses - acts.pauses, **once}
        todo = {name: count for name, count in left.items() if count > 0}
        if not todo:
            return
        name = world.dice.choices(list(todo), list(todo.values()))[0]
        once.subtract([name] if name in once else [])
        if name in ("disk full", "hang owner"):
            await trial(acts, name)
        else:
            await {"kill": acts.kill, "pause": acts.pause, "stop": acts.stop}[name]()


async def run(options: argparse.Namespace, root: Path, outcome: Outcome) -> None:
    """All phases beside each other: they have nothing in common but the machine."""
    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    async with asyncio.TaskGroup() as group:
        for phase in phases(options.minutes, is_quick=options.quick):
            if options.only in (None, phase.sort.name):
                group.create_task(play(phase, root / phase.sort.name, options.seed, outcome))


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was asked for; a world that such a run has not is a mistake."""
    parser = argparse.ArgumentParser(
        prog="tests.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=FULL_MINUTES)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", help="one world: two, alone, files or patient")
    parser.add_argument("--keep", action="store_true", help="logs and databases, whatever happens")
    options = parser.parse_args(arguments)
    names = [phase.sort.name for phase in phases(options.minutes, is_quick=options.quick)]
    if options.only not in (None, *names):
        parser.error(f"this run has no world {options.only!r}; it has {', '.join(names)}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    options = options_of(arguments)
    root = Path(tempfile.mkdtemp(prefix="krakked-chaos-"))
    own_mounts()
    os.environ[MARK] = root.name  # every child has it
    began_s = time.monotonic()
    outcome = Outcome()
    is_interrupted = False
    try:
        asyncio.run(run(options, root, outcome))
    except (asyncio.CancelledError, KeyboardInterrupt):
        is_interrupted = True
    if left := left_behind(root.name):
        outcome.violations.append(f"left behind: {left}")
    is_whole = options.only is None and (options.quick or options.minutes >= FULL_MINUTES)
    if is_whole and not is_interrupted:
        outcome.violations += shortfalls(outcome, QUICK_RUN if options.quick else FULL_RUN)
    conclude(outcome, root, is_kept=options.keep)
    if is_interrupted:
        voice.err("interrupted: what follows was found until then, and nothing was audited since")
    minutes = (time.monotonic() - began_s) / 60
    voice.out(table(outcome.intervals) + summary(outcome, options.seed, minutes))
    if is_interrupted:
        return voice.INTERRUPTED
    return 1 if outcome.violations else 0


def conclude(outcome: Outcome, root: Path, *, is_kept: bool) -> None:
    """Tell what must not be, and keep what may say why."""
    for line in outcome.violations:
        voice.err(f"violation: {line}")
    if outcome.violations or is_kept:
        voice.err(f"kept: {root}")
    else:
        shutil.rmtree(root)


def end() -> NoReturn:
    """The program."""
    voice.hear_interrupt()
    try:
        code = main()
    except voice.Unwritten as error:
        code = voice.unwritten(error)
    except KeyboardInterrupt:
        code = voice.INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    end()
