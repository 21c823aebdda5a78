"""Many worlds on all cores: seeds in order, progress as they come, and one line at the end."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from typing import Final

import msgspec

from krakked.worlds.recipe import Recipe, recipe_of
from krakked.worlds.world import TAKEOVER, WATCHDOG, Outcome, World

WAITING_PER_CORE: Final = 4


class Summary(msgspec.Struct, kw_only=True):
    """What a sweep came to."""

    first_seed: int
    seeds: int = 0
    simulated_s: float = 0.0
    marks: Counter[str] = msgspec.field(default_factory=Counter)
    failing: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        """One more world."""
        self.seeds += 1
        self.simulated_s += outcome.seconds
        self.marks.update(outcome.marks)
        if outcome.violations:
            self.failing.append(outcome)

    def line(self) -> str:
        """All of it on one line."""
        marks = self.marks
        faults = {
            name.removeprefix("fault:"): count
            for name, count in sorted(marks.items())
            if name.startswith("fault:")
        }
        crashes = sum(marks[name] for name in CRASHES)
        pauses = marks["pause"] + marks["freeze"]
        kinds = " ".join(f"{name}={count}" for name, count in faults.items())
        return (
            f"seeds={self.seeds} first={self.first_seed} "
            f"simulated_hours={self.simulated_s / 3600:.1f} orders={marks['order_sent']} "
            f"fills={marks['fill_booked']} starts={marks['process started']} crashes={crashes} "
            f"pauses={pauses} watchdogs={marks[WATCHDOG]} takeovers={marks[TAKEOVER]} "
            f"faults={sum(faults.values())} "
            f"violations={len(self.failing)} | {kinds}"
        )


CRASHES: Final = (
    "kill", "power loss", "kill at step", "kill before commit", "kill after commit", "lose volume",
)  # fmt: skip


def play(recipe: Recipe) -> Outcome:
    """One world; called in a process that plays many.

    Its garbage is collected once, when it is over: a world is too small to look for some before.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return World(recipe).run()
    finally:
        if was_enabled:
            gc.enable()
        gc.collect()


def sweep(
    first_seed: int, seeds: int, *, tell: Callable[[Summary], None], cores: int | None = None
) -> Summary:
    """Play them all; ``tell`` hears of each."""
    summary = Summary(first_seed=first_seed)
    recipes = map(recipe_of, range(first_seed, first_seed + seeds))
    for outcome in _outcomes(recipes, cores or os.cpu_count() or 1):
        summary.add(outcome)
        tell(summary)
    summary.failing.sort(key=lambda outcome: outcome.seed)
    return summary


def _outcomes(recipes: Iterator[Recipe], cores: int) -> Iterable[Outcome]:
    with ProcessPoolExecutor(cores, initializer=_settle_in) as pool:
        waiting: dict[Future[Outcome], int] = {}
        while True:
            room = cores * WAITING_PER_CORE - len(waiting)
            for recipe in islice(recipes, room):
                waiting[pool.submit(play, recipe)] = recipe.seed
            if not waiting:
                return
            done = wait(waiting, return_when=FIRST_COMPLETED).done
            found = [_outcome(future, waiting.pop(future)) for future in done]
            yield from sorted(found, key=lambda outcome: outcome.seed)


def _outcome(future: Future[Outcome], seed: int) -> Outcome:
    """A world that could not be played to its end is a finding, and the others go on."""
    broken = future.exception()
    if broken is None:
        return future.result()
    said = f"broken: {type(broken).__name__}: {broken}"
    return Outcome(seed=seed, violations=(said,), digest="", seconds=0.0, marks={})


def _settle_in() -> None:
    """What is there before the first world is there for good: collections need not look at it."""
    gc.collect()
    gc.freeze()


def shrink(recipe: Recipe, *, tell: Callable[[Recipe], None]) -> Recipe:
    """The same failing world with as few ingredients as greedy leaving-out finds."""
    smallest, dropped = recipe, True
    while dropped:
        dropped = False
        for name in smallest.ingredients[::-1]:
            fewer = smallest.without({name})
            if World(fewer).run().violations:
                smallest, dropped = fewer, True
                tell(smallest)
                break
    return smallest
