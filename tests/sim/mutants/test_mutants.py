"""Mutants can be put in place and leave nothing behind; hunting them takes ``make sim-mutants``."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.sim.mutants.catalogue import MUTANTS
from tests.sim.mutants.hunting import hunt
from tests.sim.mutants.patching import Mutant, mutated, passage, rewritten, standing

from krakked.worlds.configuration import loaded_for
from krakked.worlds.recipe import recipe_of

AT_LEAST = 30


def answer(question: int) -> int:
    doubled = question * 2
    return doubled + 1


def name_of(mutant: Mutant) -> str:
    return mutant.name


def test_there_are_enough_and_each_has_a_name_of_its_own() -> None:
    assert len(MUTANTS) >= AT_LEAST
    assert [name for name, count in Counter(map(name_of, MUTANTS)).items() if count > 1] == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=name_of)
def test_a_mutant_finds_its_subject_and_leaves_nothing_behind(mutant: Mutant) -> None:
    before = [standing(patch.owner, patch.name) for patch in mutant.patches]
    with mutated(mutant.patches):
        during = [standing(patch.owner, patch.name) for patch in mutant.patches]
    after = [standing(patch.owner, patch.name) for patch in mutant.patches]
    assert all(one is other for one, other in zip(before, after, strict=True))
    assert not any(one is other for one, other in zip(before, during, strict=True))


@pytest.mark.parametrize("mutant", MUTANTS, ids=name_of)
def test_the_mixture_of_a_mutant_is_a_world_that_can_be_configured(mutant: Mutant) -> None:
    for seed in (1, 2, 3):
        recipe = mutant.mixture(recipe_of(seed))
        assert loaded_for(recipe.behaviour, recipe.tier).settings.strategies
        assert len(recipe.clock_offsets_s) == recipe.engines
        assert all(happening.machine < recipe.engines for happening in recipe.happenings)


def test_a_passage_is_exchanged() -> None:
    changed = rewritten(answer, "question * 2", "question * 3")
    assert callable(changed)
    assert (answer(5), changed(5)) == (11, 16)


def test_a_passage_that_is_not_there_is_an_error() -> None:
    patch = passage(Mutant, "__repr__", "not there", "")
    with pytest.raises(AssertionError), mutated((patch,)):
        pass
    with pytest.raises(AssertionError, match="has 0 times: 'question \\* 4'"):
        rewritten(answer, "question * 4", "")


def test_a_mutant_is_hunted_until_a_rule_names_it() -> None:
    number = next(n for n, one in enumerate(MUTANTS) if one.name == "journal after the wire")
    verdict = hunt(number, first_seed=1, seeds=3)
    assert verdict.is_good, verdict
    assert verdict.violation.startswith("journal first: ")
