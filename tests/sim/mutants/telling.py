"""A mixture in words: what it makes of some recipes, beside what a calm world has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec
from tests.sim.mutants.mixtures import Mixture, calm

from krakked.worlds.person import COMMANDS
from krakked.worlds.recipe import Behaviour, Happening, Recipe, What, recipe_of

SEEDS: Final = range(1, 13)
"""What all of these have in common is the mixture's; how often something happens may vary."""


def in_words(mixture: Mixture) -> str:
    """What goes wrong in its worlds, and how engines trade in them."""
    made = [mixture(recipe_of(seed)) for seed in SEEDS]
    parts = [*_engines(made), *_behaviour(made), *_chances(made[0]), *_happenings(made)]
    return ", ".join(parts) or "nothing goes wrong"


def _engines(made: list[Recipe]) -> Iterator[str]:
    most = max(recipe.engines for recipe in made)
    if most > 1:
        yield f"{most} engines"


def _behaviour(made: list[Recipe]) -> Iterator[str]:
    """What is the same in all of them, although it is drawn."""
    for name in Behaviour.__struct_fields__:
        drawn = {getattr(calm(recipe_of(seed)).behaviour, name) for seed in SEEDS}
        values = {getattr(recipe.behaviour, name) for recipe in made}
        if len(values) == 1 < len(drawn):
            yield f"{name}={values.pop()}"


def _chances(recipe: Recipe) -> Iterator[str]:
    plain = calm(recipe).weather
    for name, chance in msgspec.structs.asdict(recipe.weather).items():
        if chance != getattr(plain, name):
            yield f"{name} {chance:g}"
    for kind, share in recipe.venue_faults.items():
        yield f"{kind.value} {share:g}"


def _happenings(made: list[Recipe]) -> Iterator[str]:
    found: list[Counter[str]] = [Counter(map(_name, recipe.happenings)) for recipe in made]
    for name in dict.fromkeys(name for counter in found for name in counter):
        yield f"{max(counter[name] for counter in found)} x {name}"


def _name(happening: Happening) -> str:
    if happening.what is not What.COMMAND:
        return happening.what.value
    command = COMMANDS[happening.number]("one")
    said = msgspec.structs.asdict(command)
    fields = [f"{name}={said[name]}" for name in ("active", "cancel", "pair") if said.get(name)]
    return " ".join(["command", type(command).__name__, *fields])
