"""Mutants can be put in place and leave nothing behind; hunting them takes ``make sim-mutants``."""

from __future__ import annotations

import concurrent.futures
import threading
from collections import Counter

import click.testing
import pytest
from tests.sim.mutants import __main__ as commands
from tests.sim.mutants.catalogue import MUTANTS
from tests.sim.mutants.hunting import Verdict, hunt, settle_in
from tests.sim.mutants.mixtures import (
    HALT_CANCEL,
    RESTING,
    commanding,
    competing,
    faults,
    happening,
    mixed,
    weather,
)
from tests.sim.mutants.patching import Mutant, mutated, passage, rewritten, standing
from tests.sim.mutants.telling import in_words

from krakked.sim.fault_kinds import FaultKind
from krakked.worlds.configuration import loaded_for
from krakked.worlds.recipe import Recipe, What, recipe_of

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


# the command


def invoked(*words: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(commands.main, [*words], standalone_mode=False)


def test_mutants_are_chosen_by_phrases_with_commas_between() -> None:
    names = [name_of(mutant) for mutant in MUTANTS]
    assert commands.chosen_of(()) == list(range(len(MUTANTS)))
    assert [names[n] for n in commands.chosen_of(["journal after the wire"])] == [
        "journal after the wire"
    ]
    some = [names[n] for n in commands.chosen_of(["dead-man, journal after the wire,"])]
    assert some == [name for name in names if "dead-man" in name or name.startswith("journal aft")]
    assert len(some) > 1


def test_no_name_has_what_stands_between_names() -> None:
    assert [name for name in map(name_of, MUTANTS) if set(name) & set(',"$`\\')] == []


def test_a_phrase_that_no_mutant_has_is_a_mistake_that_names_what_there_is() -> None:
    with pytest.raises(click.UsageError) as refused:
        commands.chosen_of(["dead-man, nosuch", "neither"])
    told = str(refused.value)
    assert refused.value.exit_code == 2
    assert told.startswith("no mutant has 'nosuch', 'neither' in its name; there are:\n")
    assert told.splitlines()[1:] == [f"  {name_of(mutant)}" for mutant in MUTANTS]


def test_the_list_says_what_is_broken_and_in_which_worlds() -> None:
    told = invoked("--list").stdout.splitlines()
    assert len(told) == 2 * len(MUTANTS)
    for mutant, first, second in zip(MUTANTS, told[::2], told[1::2], strict=True):
        assert first.split(mutant.name)[1].strip() == mutant.breaks
        assert second.strip() == f"in: {in_words(mutant.mixture)}"


def test_a_mixture_is_told_by_what_it_adds_to_a_calm_world() -> None:
    assert in_words(mixed()) == "nothing goes wrong"
    assert in_words(mixed(competing(2), weather(order_answer_lost=0.3))) == (
        "2 engines, order_answer_lost 0.3"
    )
    resting = "order_type=limit, time_in_force=GTC, order_ttl_s=120, post_only=True"
    assert set(in_words(mixed(RESTING)).split(", ")) == set(resting.split(", "))
    told = in_words(
        mixed(faults({FaultKind.BUSY: 0.3}), happening(What.KILL, 3), commanding(HALT_CANCEL, 9))
    )
    assert told.startswith("busy 0.3, ")
    assert "3 x kill" in told
    assert "9 x command Halt cancel=True" in told


class Here:
    """Stands in for the pool: each is hunted at once, in this process."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def submit(self, work, number: int, *_: object):
        future = concurrent.futures.Future()
        try:
            future.set_result(work(number))
        except LookupError as error:
            future.set_exception(error)
        return future

    def shutdown(self, **_: object) -> None:
        pass


def test_what_was_hunted_before_an_interruption_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def hunted(number: int) -> Verdict:
        return Verdict(name=MUTANTS[number].name, seeds=3, violation="once: twice")

    def completed(futures):
        yield next(iter(futures))
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(commands, "hunt", hunted)
    monkeypatch.setattr(commands, "as_completed", completed)
    ran = invoked()
    assert ran.return_value == 130
    assert f"interrupted: 1 of {len(MUTANTS)} mutants were hunted\n" in ran.stderr
    verdict, last = ran.stdout.splitlines()
    assert verdict.startswith(MUTANTS[0].name)
    assert last.startswith("mutants=1 caught=1 not_caught=0 seeds_most=3 ")


def test_a_hunt_ends_once_it_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    enough = threading.Event()
    monkeypatch.setattr("tests.sim.mutants.hunting._enough", [])
    settle_in(enough)
    played: list[int] = []

    def play(recipe: Recipe) -> tuple[str, ...]:
        played.append(recipe.seed)
        if len(played) == 3:
            enough.set()
        return ()

    monkeypatch.setattr("tests.sim.mutants.hunting._play", play)
    assert not hunt(0, first_seed=1, seeds=500).is_good
    assert played == [1, 2, 3]


def test_a_hunt_that_breaks_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def hunted(number: int) -> Verdict:
        if number == 1:
            raise LookupError("nothing there")
        return Verdict(name=MUTANTS[number].name, seeds=3, violation="once: twice")

    monkeypatch.setattr(commands, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(commands, "hunt", hunted)
    ran = invoked()
    assert ran.return_value == 1
    told = ran.stdout.splitlines()
    assert "NOT CAUGHT BUT broken: LookupError: nothing there" in told[1]
    assert told[-1].startswith(f"mutants={len(MUTANTS)} caught={len(MUTANTS) - 1} not_caught=1 ")
