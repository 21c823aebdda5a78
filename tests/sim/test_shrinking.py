"""Failing worlds are shrunk to what still breaks the same rule, and said as a command to replay."""

from __future__ import annotations

import re
from decimal import Decimal

import click.testing
import pytest

from krakked.adapters.kraken.frames import FrameReader
from krakked.sim.fault_kinds import FaultKind
from krakked.worlds import __main__ as commands
from krakked.worlds.network import Weather
from krakked.worlds.recipe import Happening, Recipe, What
from krakked.worlds.shrinking import Shrinking, breaks, replay, rule_of, shrink
from krakked.worlds.world import Outcome, World

DEADLY = FaultKind.MALFORMED_FRAME
NAME = f"fault:{DEADLY.value}"


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch) -> None:
    """One safeguard is gone: an engine does not survive a frame which breaks off in its middle."""

    def break_down(*_: object) -> None:
        raise AssertionError("a frame that cannot be read")

    monkeypatch.setattr(FrameReader, "_malformed", break_down)


CROWDED = Recipe(
    seed=5,
    play_s=180.0,
    clock_offsets_s=(0.1,),
    weather=Weather(answer_lost=0.05, socket_drop=0.002),
    venue_faults={
        FaultKind.DUPLICATE: Decimal("0.1"),
        DEADLY: Decimal("0.1"),
        FaultKind.REORDER: Decimal("0.1"),
    },
    happenings=(
        Happening(at_s=20.0, what=What.CLOCK_STEP, seconds=0.2),
        Happening(at_s=40.0, what=What.DROP_SOCKETS),
        Happening(at_s=70.0, what=What.SLOW_DISK, seconds=0.05),
    ),
)
"""Much goes wrong in it, and one thing of it is what a careless engine dies of."""
OTHERS = tuple(name for name in CROWDED.ingredients if name != NAME)


def outcome(*violations: str) -> Outcome:
    return Outcome(seed=5, violations=violations, digest="0" * 16, seconds=1.0, marks={})


def needing(*names: str) -> Shrinking:
    """As if a world failed whenever it has these."""
    wanted = CROWDED.without([one for one in CROWDED.ingredients if one not in names])

    def fails(fewer: Recipe) -> bool:
        return set(wanted.happenings) <= set(fewer.happenings) and all(
            fewer.venue_faults.get(kind) == chance for kind, chance in wanted.venue_faults.items()
        )

    return Shrinking(CROWDED, fails)


@pytest.mark.usefixtures("careless")
def test_shrinking_finds_the_one_ingredient_that_matters() -> None:
    told: list[int] = []
    found = shrink(CROWDED, "crash", tell=lambda so_far: told.append(len(so_far.left)))
    assert found.left == (NAME,)
    assert found.without == OTHERS
    assert told == sorted(told, reverse=True), "never more than before"
    assert told[-1] == 1
    assert found.tries == len(told)
    assert (found.is_cut_short, found.is_interrupted) == (False, False)
    assert breaks("crash", World(found.recipe).run())


def test_the_same_world_with_its_safeguard_holds() -> None:
    assert World(CROWDED).run().violations == ()


@pytest.mark.parametrize(
    "names", [("at:1",), ("at:0", "at:2"), ("at:2", NAME), ("at:0", "fault:duplicate"), OTHERS[:3]]
)
def test_ingredients_keep_the_names_that_they_have_in_the_whole_world(
    names: tuple[str, ...],
) -> None:
    shrinking = needing(*names)
    shrinking.run()
    assert shrinking.left == names
    assert shrinking.recipe == CROWDED.without(shrinking.without)
    assert set(shrinking.left) | set(shrinking.without) == set(CROWDED.ingredients)


def test_nothing_is_left_of_a_world_that_fails_without_any_fault() -> None:
    shrinking = needing()
    shrinking.run()
    assert (shrinking.left, shrinking.tries) == ((), 1)


def test_all_is_left_of_a_world_that_needs_all() -> None:
    shrinking = Shrinking(CROWDED, lambda _: False)
    shrinking.run()
    assert shrinking.left == CROWDED.ingredients
    assert not shrinking.is_cut_short


def test_what_was_left_out_before_stays_out() -> None:
    shrinking = Shrinking(CROWDED, lambda _: False, without=["at:1", "fault:reorder"])
    shrinking.run()
    assert shrinking.without == ("at:1", "fault:reorder")


@pytest.mark.parametrize("most", [0, 1, 5])
def test_shrinking_ends_at_its_bound_and_says_so(most: int) -> None:
    shrinking = Shrinking(CROWDED, lambda _: False, tries_max=most)
    shrinking.run()
    assert (shrinking.tries, shrinking.is_cut_short) == (most, True)


def test_another_violation_is_another_finding() -> None:
    assert rule_of("no rest: a.1: two: colons") == "no rest"
    assert breaks("crash", outcome("once: twice", "crash: KeyError"))
    assert not breaks("crash", outcome("once: a crash: no", "crashed: KeyError"))
    assert not breaks("crash", outcome())


@pytest.mark.usefixtures("careless")
def test_a_world_that_breaks_another_rule_is_not_smaller() -> None:
    found = shrink(CROWDED, "once", tries_max=3, tell=lambda _: None)
    assert found.left == CROWDED.ingredients


def test_an_interruption_leaves_what_was_found_until_then() -> None:
    def tell(so_far: Shrinking) -> None:
        if so_far.tries == 2:
            raise KeyboardInterrupt

    found = shrink(CROWDED, "crash", tell=tell)
    assert (found.tries, found.is_interrupted) == (2, True)


def test_the_command_names_what_is_left_out() -> None:
    assert replay(7) == "make sim SEED=7"
    assert replay(7, ("at:0", "fault:busy")) == 'make sim SEED=7 WITHOUT="at:0 fault:busy"'


@pytest.mark.usefixtures("careless")
def test_a_failing_world_that_is_to_be_shrunk_says_what_is_left_and_how_to_replay_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commands, "recipe_of", lambda _: CROWDED)
    words = ["one", "--seed", "5", "--no-trace", "--shrunk", "--without", "at:0"]
    ran = click.testing.CliRunner().invoke(commands.main, words)
    assert ran.exit_code == 1
    assert "violated: crash: " in ran.stderr
    assert f"shrunk to 1 of 8 ingredients, still breaks 'crash': {NAME}\n" in ran.stderr
    assert f"smallest: {NAME}\nRecipe(" in ran.stdout
    (replayed,) = re.findall(r"^replay: (.*)$", ran.stdout, re.MULTILINE)
    assert replayed == f'make sim SEED=5 WITHOUT="{" ".join(OTHERS)}"'


@pytest.mark.usefixtures("careless")
def test_a_bound_that_was_met_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "recipe_of", lambda _: CROWDED)
    words = ["one", "--seed", "5", "--no-trace", "--shrunk", "--tries", "1"]
    ran = click.testing.CliRunner().invoke(commands.main, words)
    assert ran.exit_code == 1
    assert "(given up after 1 worlds; there may be a smaller one)\n" in ran.stderr
