"""Recipes: what a seed decides, and what is left when some of it is left out."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import msgspec
import pytest

from krakked.sim.fault_kinds import FaultKind
from krakked.worlds.network import Weather
from krakked.worlds.person import COMMANDS
from krakked.worlds.recipe import (
    AT_BARS,
    CANCELLING,
    CANCELS,
    COMMANDS_MOST,
    DRIFT,
    DRIFT_PPM,
    FAULT_CHANCES,
    HAPPENS,
    HAPPENS_OFTENER,
    KNOB_OFTENER,
    KNOB_ON,
    MOST_OF_A_KIND,
    SECONDS,
    Happening,
    Recipe,
    What,
    recipe_of,
)

MANY = [recipe_of(seed) for seed in range(1, 401)]
NEEDS_ANOTHER_ENGINE = {What.LOSE_VOLUME}
"""Happens only where somebody else has a ledger."""
BEHAVIOURS = ("order_type", "time_in_force", "post_only", "order_ttl_s", "on_shutdown")


def test_same_seed_same_recipe_and_another_seed_another() -> None:
    assert recipe_of(7) == recipe_of(7)
    assert len({msgspec.json.encode(recipe) for recipe in MANY}) == len(MANY)


def test_recipe_survives_being_written_down() -> None:
    """What a process that plays it is handed."""
    for recipe in MANY[:50]:
        assert msgspec.json.decode(msgspec.json.encode(recipe), type=Recipe) == recipe


@pytest.mark.parametrize("kind", list(FAULT_CHANCES))
def test_each_fault_of_the_venue_is_on_in_as_many_worlds_as_it_shall_be(kind: FaultKind) -> None:
    on = [recipe.venue_faults[kind] for recipe in MANY if kind in recipe.venue_faults]
    share = KNOB_OFTENER.get(kind.value, KNOB_ON)
    assert share / 2 < len(on) / len(MANY) < share * 1.5
    most = Decimal(str(FAULT_CHANCES[kind]))
    assert all(0 < chance <= most for chance in on)
    assert max(on) > most / 2 > min(on), "worlds differ in how much of it they have"


@pytest.mark.parametrize("name", [n for n in Weather.__struct_fields__ if n != "stuck_max_s"])
def test_each_weather_is_on_in_some_worlds_and_off_in_most(name: str) -> None:
    on = [getattr(recipe.weather, name) for recipe in MANY if getattr(recipe.weather, name)]
    assert len(MANY) * KNOB_ON / 2 < len(on) < len(MANY) / 2
    most = 0.5 if name == "order_answer_lost" else 0.1
    assert all(0 < chance < most for chance in on)


@pytest.mark.parametrize("what", [what for what in What if what not in NEEDS_ANOTHER_ENGINE])
def test_each_happening_befalls_as_many_worlds_as_it_shall(what: What) -> None:
    worlds = sum(any(h.what is what for h in recipe.happenings) for recipe in MANY)
    share = HAPPENS_OFTENER.get(what, HAPPENS)
    assert share / 2 < worlds / len(MANY) < share * 1.5


def test_a_volume_is_lost_only_where_another_engine_has_one() -> None:
    for recipe in MANY:
        lost = any(h.what is What.LOSE_VOLUME for h in recipe.happenings)
        assert not lost or recipe.engines > 1


def test_some_worlds_have_next_to_nothing_wrong_and_some_a_lot() -> None:
    counts = sorted(len(recipe.ingredients) for recipe in MANY)
    assert counts[0] < 10
    assert counts[-1] > 25


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_worlds_differ_in_how_engines_behave(name: str) -> None:
    assert len({getattr(recipe.behaviour, name) for recipe in MANY}) >= 2


def test_no_engine_is_asked_for_what_the_venue_forbids() -> None:
    for recipe in MANY:
        behaviour = recipe.behaviour
        if behaviour.post_only or behaviour.time_in_force == "IOC":
            assert behaviour.order_type == "limit"
        assert not (behaviour.post_only and behaviour.time_in_force == "IOC")


def test_each_machine_has_a_clock_that_is_a_little_wrong() -> None:
    for recipe in MANY:
        assert len(recipe.clock_offsets_s) == recipe.engines
        assert all(abs(offset_s) <= 0.4 for offset_s in recipe.clock_offsets_s)


def test_some_worlds_have_clocks_that_drift_and_most_do_not() -> None:
    drifting = [recipe for recipe in MANY if recipe.clock_drifts_ppm]
    assert len(MANY) * KNOB_ON / 2 < len(drifting) < len(MANY) / 2
    sizes = [ppm for recipe in drifting for ppm in recipe.clock_drifts_ppm]
    least, most = DRIFT_PPM
    assert all(len(recipe.clock_drifts_ppm) == recipe.engines for recipe in drifting)
    assert all(least <= abs(ppm) <= most for ppm in sizes)
    assert min(sizes) < 0 < max(sizes)
    assert sum(abs(ppm) < 650 for ppm in sizes) > len(sizes) / 4, "small ones are as likely"


def test_a_recipe_without_its_drift_is_otherwise_the_same() -> None:
    recipe = next(recipe for recipe in MANY if recipe.clock_drifts_ppm)
    assert DRIFT in recipe.ingredients
    steady = recipe.without({DRIFT})
    assert steady == msgspec.structs.replace(recipe, clock_drifts_ppm=())
    assert DRIFT not in steady.ingredients


def test_many_happenings_lie_around_the_end_of_a_bar() -> None:
    after_s = [(h.at_s + r.offset_s + 1.0) % 60.0 for r in MANY for h in r.happenings]
    share = sum(seconds < 5.0 for seconds in after_s) / len(after_s)
    assert AT_BARS < share < AT_BARS + 0.15


def test_most_commands_are_such_that_something_is_cancelled() -> None:
    numbers = [h.number for r in MANY for h in r.happenings if h.what is What.COMMAND]
    assert {number % len(COMMANDS) for number in numbers} == set(range(len(COMMANDS)))
    share = sum(number in CANCELLING for number in numbers) / len(numbers)
    assert share > CANCELS


def test_in_about_half_of_the_worlds_the_person_is_attentive() -> None:
    assert 0.4 < sum(recipe.is_attentive for recipe in MANY) / len(MANY) < 0.6


def test_happenings_lie_in_order_within_the_play_and_befall_a_machine_that_there_is() -> None:
    for recipe in MANY:
        times = [happening.at_s for happening in recipe.happenings]
        assert times == sorted(times)
        assert all(2.0 <= at_s <= recipe.play_s for at_s in times)
        assert all(0 <= h.machine < recipe.engines for h in recipe.happenings)


def test_happenings_last_as_long_as_their_kind_may() -> None:
    for happening in (h for recipe in MANY for h in recipe.happenings):
        shortest, longest = SECONDS.get(happening.what, (0.0, 0.0))
        assert shortest <= happening.seconds <= longest


def test_nothing_happens_more_often_than_it_may() -> None:
    for recipe in MANY:
        counts = Counter(happening.what for happening in recipe.happenings)
        assert counts.pop(What.COMMAND, 0) <= COMMANDS_MOST
        assert counts.pop(What.HAND_ORDER, 0) <= COMMANDS_MOST
        assert all(count <= MOST_OF_A_KIND for count in counts.values())


def test_short_pauses_are_as_frequent_as_long_ones() -> None:
    pauses = [h.seconds for r in MANY for h in r.happenings if h.what is What.PAUSE]
    assert sum(seconds < 10 for seconds in pauses) > len(pauses) / 4
    assert sum(seconds > 30 for seconds in pauses) > len(pauses) / 8


# leaving out


def test_without_leaves_out_exactly_what_it_names() -> None:
    for recipe in MANY[:60]:
        for name in recipe.ingredients:
            fewer = recipe.without({name})
            lost = Counter(kinds(recipe)) - Counter(kinds(fewer))
            assert sum(lost.values()) == 1, name
            assert not Counter(kinds(fewer)) - Counter(kinds(recipe))
            assert fewer.behaviour == recipe.behaviour
            assert (fewer.seed, fewer.play_s, fewer.offset_s) == (
                recipe.seed,
                recipe.play_s,
                recipe.offset_s,
            )


def kinds(recipe: Recipe) -> list[tuple[str, object]]:
    """Everything that can go wrong in it."""
    weather = [
        (name, chance)
        for name, chance in msgspec.structs.asdict(recipe.weather).items()
        if name != "stuck_max_s" and chance
    ]
    faults = [(kind.value, chance) for kind, chance in recipe.venue_faults.items()]
    drifts = [(DRIFT, recipe.clock_drifts_ppm)] if recipe.clock_drifts_ppm else []
    happenings = [("happening", happening) for happening in recipe.happenings]
    return [*weather, *faults, *happenings, *drifts]


def test_ingredients_name_all_that_can_go_wrong() -> None:
    for recipe in MANY[:60]:
        assert len(recipe.ingredients) == len(set(recipe.ingredients)) == len(kinds(recipe))


def test_without_all_of_it_nothing_goes_wrong() -> None:
    for recipe in MANY[:60]:
        assert kinds(recipe.without(recipe.ingredients)) == []


def test_without_several_names_is_the_same_as_one_at_once() -> None:
    recipe = MANY[0]
    weather = [name for name in recipe.ingredients if not name.startswith("at:")]
    step = recipe
    for name in weather:
        step = step.without({name})
    assert step == recipe.without(weather)


def test_happenings_are_named_by_their_place_in_the_recipe() -> None:
    recipe = Recipe(
        seed=1,
        happenings=(Happening(at_s=3.0, what=What.KILL), Happening(at_s=5.0, what=What.CUT)),
        weather=Weather(answer_lost=0.1, stuck_max_s=5.0),
        venue_faults={FaultKind.BUSY: Decimal("0.1")},
    )
    assert recipe.ingredients == ("at:0", "at:1", "weather:answer_lost", "fault:busy")
    assert [h.what for h in recipe.without({"at:0"}).happenings] == [What.CUT]
    assert recipe.without({"weather:answer_lost"}).weather == Weather(stuck_max_s=5.0)
    assert recipe.without({"fault:busy"}).venue_faults == {}
    assert recipe.without({"at:7", "of nothing"}) == recipe
