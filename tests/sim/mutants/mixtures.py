"""Mixtures: recipes in which one thing goes wrong often, so that what guards against it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from random import Random
from typing import Final

import msgspec

from krakked.sim.fault_kinds import FaultKind
from krakked.worlds.network import Weather
from krakked.worlds.recipe import Happening, Recipe, What

Mixture = Callable[[Recipe], Recipe]

PLAY_S: Final = 240.0


def calm(recipe: Recipe) -> Recipe:
    """One engine, and nothing goes wrong."""
    return msgspec.structs.replace(
        recipe,
        engines=1,
        clock_offsets_s=recipe.clock_offsets_s[:1],
        clock_drifts_ppm=(),
        play_s=PLAY_S,
        weather=Weather(),
        venue_faults={},
        happenings=(),
    )


def competing(engines: int) -> Mixture:
    """So many engines, each with a volume of its own, which wait for one lease."""
    return lambda recipe: msgspec.structs.replace(
        recipe, engines=engines, clock_offsets_s=(0.0,) * engines
    )


def mixed(*steps: Mixture) -> Mixture:
    """All of them, on a calm world."""

    def make(recipe: Recipe) -> Recipe:
        made = calm(recipe)
        for step in steps:
            made = step(made)
        return made

    return make


def behaving(**changes: object) -> Mixture:
    """Engines that trade so."""
    return lambda recipe: msgspec.structs.replace(
        recipe, behaviour=msgspec.structs.replace(recipe.behaviour, **changes)
    )


def weather(**chances: float) -> Mixture:
    """The line is like that."""
    return lambda recipe: msgspec.structs.replace(
        recipe, weather=msgspec.structs.replace(recipe.weather, **chances)
    )


def faults(chances: Mapping[FaultKind, float]) -> Mixture:
    """The venue is like that."""
    found = {kind: Decimal(str(chance)) for kind, chance in chances.items()}
    return lambda recipe: msgspec.structs.replace(
        recipe, venue_faults={**recipe.venue_faults, **found}
    )


def happening(
    what: What,
    times: int,
    *,
    seconds: tuple[float, float] = (0.0, 0.0),
    numbers: tuple[int, int] = (1, 60),
) -> Mixture:
    """That befalls the machines so many times, at random instants."""

    def make(recipe: Recipe) -> Recipe:
        rng = Random(f"{recipe.seed}|{what.value}")
        made = [
            Happening(
                at_s=round(rng.uniform(2.0, recipe.play_s), 3),
                what=what,
                machine=rng.randrange(recipe.engines),
                seconds=round(rng.uniform(*seconds), 3),
                number=rng.randint(*numbers),
            )
            for _ in range(times)
        ]
        return _more(recipe, made)

    return make


def commanding(
    number: int, times: int, *, after_bar_s: tuple[float, float] = (0.0, 60.0)
) -> Mixture:
    """A person gives that command so many times, so long after the end of a bar."""

    def make(recipe: Recipe) -> Recipe:
        rng = Random(f"{recipe.seed}|command {number}")
        made = []
        for _ in range(times):
            minute = rng.randrange(1, int(recipe.play_s // 60))
            at_s = 60.0 * minute - recipe.offset_s % 60 + rng.uniform(*after_bar_s)
            if at_s > 0:
                made.append(Happening(at_s=round(at_s, 3), what=What.COMMAND, number=number))
        return _more(recipe, made)

    return make


def at_bars(
    what: What, times: int, *, after_s: tuple[float, float], seconds: tuple[float, float] = (0, 0)
) -> Mixture:
    """That befalls the first machine so long after the end of a bar."""

    def make(recipe: Recipe) -> Recipe:
        rng = Random(f"{recipe.seed}|at bars {what.value}")
        minutes = rng.sample(range(1, int(recipe.play_s // 60) + 1), times)
        made = [
            Happening(
                at_s=round(60.0 * minute - recipe.offset_s % 60 + rng.uniform(*after_s), 3),
                what=what,
                seconds=round(rng.uniform(*seconds), 3),
            )
            for minute in minutes
        ]
        return _more(recipe, [one for one in made if one.at_s > 0])

    return make


def cut_until_a_bar(what: What, shortest_s: float, longest_s: float) -> Mixture:
    """The line is cut, and whole again when a bar ends."""

    def make(recipe: Recipe) -> Recipe:
        rng = Random(f"{recipe.seed}|cut until a bar")
        end_s = 60.0 * rng.choice((2, 3, 4)) - recipe.offset_s % 60 + rng.uniform(-2.0, 12.0)
        lasts_s = rng.uniform(shortest_s, longest_s)
        at_s = max(10.0, end_s - lasts_s)
        cut = Happening(at_s=round(at_s, 3), what=what, seconds=round(lasts_s, 3))
        return _more(recipe, [cut])

    return make


def _more(recipe: Recipe, happenings: list[Happening]) -> Recipe:
    together = [*recipe.happenings, *happenings]
    ordered = sorted(together, key=lambda one: (one.at_s, one.what.value))
    return msgspec.structs.replace(recipe, happenings=tuple(ordered))


KILL_ON: Final = 0
KILL_OFF: Final = 1
HALT: Final = 2
HALT_CANCEL: Final = 3
RESUME: Final = 4
CANCEL_ALL: Final = 5
FLATTEN: Final = 7
PANIC: Final = 9
"""Numbers of ``worlds.person.COMMANDS``."""

RESTING: Final = behaving(order_type="limit", post_only=True, time_in_force="GTC", order_ttl_s=120)
TAKING: Final = behaving(order_type="market", post_only=False, time_in_force="GTC")
DEAF: Final = faults({FaultKind.WS_DROP: 0.5, FaultKind.WS_HALF_OPEN: 0.05})
"""Hardly anything is told by the streams."""
FLAKY: Final = weather(socket_drop=0.12)
"""They break again and again."""
