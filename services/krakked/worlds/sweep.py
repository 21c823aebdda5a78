"""Many worlds on all cores: seeds in order, progress as they come, and one line at the end.

An interrupted sweep is the sweep of what was played until then. Processes that play hear no Ctrl-C:
each ends the world that it is in, and a world is over in a moment.
"""

from __future__ import annotations

import contextlib
import gc
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Final

import msgspec

from krakked.domain.events import EventName
from krakked.worlds import voice
from krakked.worlds.recipe import Recipe, recipe_of
from krakked.worlds.world import COMMAND, RESTART, TAKEOVER, WATCHDOG, Outcome, World

WAITING_PER_CORE: Final = 4
BROKEN: Final = "broken"
"""In the place of a rule: the world could not be played to its end."""


class Summary(msgspec.Struct, kw_only=True):
    """What a sweep came to."""

    first_seed: int
    seeds: int = 0
    simulated_s: float = 0.0
    marks: Counter[str] = msgspec.field(default_factory=Counter)
    failing: list[Outcome] = []
    is_interrupted: bool = False

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
        kinds = " ".join(f"{name}={count}" for name, count in faults.items())
        figures = {
            "orders": marks["order_sent"],
            "fills": marks["fill_booked"],
            "commands": marks[COMMAND],
            "starts": marks["process started"],
            "restarts": marks[RESTART],
            "takeovers": marks[TAKEOVER],
            "crashes": sum(marks[name] for name in CRASHES),
            "pauses": marks["pause"] + marks["freeze"],
            "watchdogs": marks[WATCHDOG],
            "dead_man_fired": marks[EventName.DEAD_MAN_FIRED.value],
            "faults": sum(faults.values()),
            "failing": len(self.failing),
            "violations": sum(len(outcome.violations) for outcome in self.failing),
        }
        return (
            f"seeds={self.seeds} first={self.first_seed} "
            f"simulated_hours={self.simulated_s / 3600:.1f} "
            f"{' '.join(f'{name}={count}' for name, count in figures.items())} | {kinds}"
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
    first_seed: int,
    seeds: int,
    *,
    tell: Callable[[Summary, Outcome], None],
    cores: int | None = None,
) -> Summary:
    """Play them all; ``tell`` hears of each."""
    summary = Summary(first_seed=first_seed)
    recipes = map(recipe_of, range(first_seed, first_seed + seeds))
    cores = cores or os.cpu_count() or 1
    pool = ProcessPoolExecutor(cores, initializer=_settle_in)
    try:
        for outcome in _outcomes(pool, recipes, cores * WAITING_PER_CORE):
            summary.add(outcome)
            tell(summary, outcome)
    except KeyboardInterrupt:
        summary.is_interrupted = True
    except BrokenProcessPool:
        assert summary.failing, "those that were being played are told already"
    finally:
        pool.shutdown(cancel_futures=True)
    summary.failing.sort(key=lambda outcome: outcome.seed)
    return summary


def _outcomes(
    pool: ProcessPoolExecutor, recipes: Iterator[Recipe], waiting_max: int
) -> Iterable[Outcome]:
    waiting: dict[Future[Outcome], int] = {}
    while True:
        with voice.for_me_alone():
            for recipe in islice(recipes, waiting_max - len(waiting)):
                waiting[pool.submit(play, recipe)] = recipe.seed
        if not waiting:
            return
        done = wait(waiting, return_when=FIRST_COMPLETED).done
        found = [_outcome(future, waiting.pop(future)) for future in done]
        yield from sorted(found, key=lambda outcome: outcome.seed)


@contextlib.contextmanager
def player() -> Iterator[Callable[[Recipe], Outcome]]:
    """A process that plays what it is given; what breaks in it is a finding too."""
    with ProcessPoolExecutor(1, initializer=_settle_in) as pool:

        def play_one(recipe: Recipe) -> Outcome:
            with voice.for_me_alone():
                future = pool.submit(play, recipe)
            return _outcome(future, recipe.seed)

        yield play_one


def _outcome(future: Future[Outcome], seed: int) -> Outcome:
    """A world that could not be played to its end is a finding, and the others go on."""
    broken = future.exception()
    if broken is None:
        return future.result()
    said = f"{BROKEN}: {type(broken).__name__}: {broken}"
    return Outcome(seed=seed, violations=(said,), digest="", seconds=0.0, marks={})


def _settle_in() -> None:
    """What is there before the first world is there for good: collections need not look at it."""
    gc.collect()
    gc.freeze()
