"""Hunting one mutant: worlds until a rule does not hold, then the product in the same worlds."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from typing import Protocol

import msgspec
from tests.sim.mutants.catalogue import MUTANTS
from tests.sim.mutants.patching import CRASH, Mutant, mutated

from krakked.worlds.recipe import Recipe, recipe_of
from krakked.worlds.world import World


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one mutant."""

    name: str
    seeds: int
    """Until it was caught, or all."""
    violation: str = ""
    """What caught it; empty: nothing did."""
    mistake: str = ""
    """What is wrong with the mutant itself, or with the product."""
    took_s: float = 0.0

    @property
    def is_good(self) -> bool:
        """It was caught, and the product was not."""
        return bool(self.violation) and not self.mistake


class Flag(Protocol):
    """An event of processes."""

    def is_set(self) -> bool: ...


_enough: list[Flag] = []
"""Once it is set, a hunt ends with the world that it plays."""


def settle_in(enough: Flag) -> None:
    """Know it, in a process that hunts for another."""
    _enough[:] = [enough]


def hunt(number: int, first_seed: int, seeds: int) -> Verdict:
    """Play one mutant until it is caught, then the product in the same worlds."""
    began_s = time.monotonic()
    mutant = MUTANTS[number]
    played, violations = _until_caught(mutant, first_seed, seeds)
    mistake = ""
    unfit = [one for one in violations if _is_own_mistake(one, mutant)]
    if unfit:
        mistake = f"the mutant itself fails: {unfit[0]}"
    elif violations:
        mistake = _of_the_product(mutant, first_seed, played)
    return Verdict(
        name=mutant.name,
        seeds=played,
        violation=violations[0] if violations else "",
        mistake=mistake,
        took_s=time.monotonic() - began_s,
    )


def _until_caught(mutant: Mutant, first_seed: int, seeds: int) -> tuple[int, Sequence[str]]:
    with mutated(mutant.patches):
        for played in range(1, seeds + 1):
            if _is_enough():
                break
            violations = _play(mutant.mixture(recipe_of(first_seed + played - 1)))
            if violations:
                return played, violations
    return seeds, ()


def _of_the_product(mutant: Mutant, first_seed: int, played: int) -> str:
    for seed in range(first_seed, first_seed + played):
        if _is_enough():
            break
        violations = _play(mutant.mixture(recipe_of(seed)))
        if violations:
            return f"the product fails in the same world, seed {seed}: {violations[0]}"
    return ""


def _is_enough() -> bool:
    return any(flag.is_set() for flag in _enough)


def _is_own_mistake(violation: str, mutant: Mutant) -> bool:
    return violation.startswith((CRASH, "asyncio")) and not mutant.may_crash


def _play(recipe: Recipe) -> Sequence[str]:
    violations = World(recipe).run().violations
    gc.collect()
    return violations
