"""Sweeps: their summary, what a failing seed says, and how one is shrunk."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from typing import Any

import click.testing
import pytest

from krakked.adapters.kraken.frames import FrameReader
from krakked.sim.fault_kinds import FaultKind
from krakked.worlds import __main__ as commands
from krakked.worlds.network import Weather
from krakked.worlds.recipe import Happening, Recipe, What, recipe_of
from krakked.worlds.sweep import CRASHES, Summary, play, shrink, sweep
from krakked.worlds.world import Outcome, World

LINE = re.compile(
    r"seeds=(?P<seeds>\d+) first=(?P<first>\d+) simulated_hours=\d+\.\d orders=(?P<orders>\d+) "
    r"fills=(?P<fills>\d+) starts=(?P<starts>\d+) crashes=(?P<crashes>\d+) pauses=(?P<pauses>\d+) "
    r"watchdogs=(?P<watchdogs>\d+) takeovers=\d+ faults=(?P<faults>\d+) "
    r"violations=(?P<violations>\d+) \| (?P<kinds>.*)"
)
SABOTAGE = """
import sys
from krakked.adapters.kraken.frames import FrameReader
from krakked.worlds.__main__ import main

def break_down(*_):
    raise AssertionError("a frame that cannot be read")

FrameReader._malformed = break_down
main(sys.argv[1:])
"""
"""An engine that does not survive a frame which breaks off in its middle."""
DEADLY = FaultKind.MALFORMED_FRAME
HALF = Decimal("0.01")
"""About half of the most that a world has of it."""


def sweeping(*words: str, program: tuple[str, ...] = ("-m", "krakked.worlds")) -> Any:
    return subprocess.run(
        [sys.executable, *program, *words], capture_output=True, text=True, check=False
    )


def outcome(seed: int, *violations: str, **marks: int) -> Outcome:
    return Outcome(
        seed=seed, violations=violations, digest="0" * 16, seconds=360.0, marks=dict(marks)
    )


# the summary


def test_summary_counts_worlds_hours_and_what_happened_in_them() -> None:
    summary = Summary(first_seed=5)
    marks = {"order_sent": 3, "fill_booked": 2, "kill": 1, "pause": 1, "freeze": 1, "watchdog": 3}
    for seed in range(5, 15):
        world = outcome(seed)
        world.marks.update(marks | {"process started": 2, "fault:busy": 4, "fault:line cut": 1})
        summary.add(world)
    found = LINE.fullmatch(summary.line())
    assert found, summary.line()
    assert found.groupdict() == {
        "seeds": "10",
        "first": "5",
        "orders": "30",
        "fills": "20",
        "starts": "20",
        "crashes": "10",
        "pauses": "20",
        "watchdogs": "30",
        "faults": "50",
        "violations": "0",
        "kinds": "busy=40 line cut=10",
    }
    assert "simulated_hours=1.0" in summary.line()


@pytest.mark.parametrize("kind", CRASHES)
def test_every_way_to_crash_is_counted_as_a_crash(kind: str) -> None:
    summary = Summary(first_seed=1)
    world = outcome(1)
    world.marks[kind] = 1
    summary.add(world)
    assert "crashes=1" in summary.line()
    assert kind in {what.value for what in What}


def test_worlds_that_fail_are_kept_and_two_summaries_share_nothing() -> None:
    summary = Summary(first_seed=1)
    summary.add(outcome(1))
    summary.add(outcome(2, "once: twice"))
    assert [world.seed for world in summary.failing] == [2]
    assert "violations=1" in summary.line()
    assert Summary(first_seed=1).failing == []
    assert Summary(first_seed=1).marks == Counter()


# the command, on all cores


def test_a_sweep_ends_with_its_summary_alone_on_standard_output() -> None:
    ran = sweeping("sweep", "--first-seed", "3", "--seeds", "4", "--cores", "2")
    assert ran.returncode == 0, ran.stderr[-500:]
    (line,) = ran.stdout.splitlines()
    found = LINE.fullmatch(line)
    assert found, line
    assert (found["seeds"], found["first"], found["violations"]) == ("4", "3", "0")
    assert "4/4 worlds, 0 failing" in ran.stderr


def test_a_failing_seed_makes_exit_code_one_and_says_how_to_replay_it() -> None:
    struck = next(s for s in range(1, 400) if recipe_of(s).venue_faults.get(DEADLY, 0) > HALF)
    words = ("sweep", "--first-seed", str(struck), "--seeds", "2", "--cores", "2")
    ran = sweeping(*words, program=("-c", SABOTAGE))
    assert ran.returncode == 1, ran.stdout
    last = ran.stdout.splitlines()[-1]
    found = LINE.fullmatch(last)
    assert found, last
    assert int(found["violations"]) > 0
    replay = re.findall(r"^replay: make sim SEED=(\d+)$", ran.stderr, re.MULTILINE)
    failing = [int(seed) for seed in re.findall(r"^seed (\d+): \S", ran.stderr, re.MULTILINE)]
    assert replay == [str(min(failing))]
    assert failing == sorted(failing)


@pytest.mark.long
def test_cores_do_not_change_what_a_sweep_finds() -> None:
    """Order of arrival aside, which no line shows: it is sorted by seed."""
    told = [sweeping("sweep", "--seeds", "3", "--cores", cores).stdout for cores in ("1", "2")]
    lines = [re.sub(r" took_s=\d+", "", line) for line in told]
    assert lines[0] == lines[1]


def test_one_world_is_played_with_or_without_its_trace_or_some_lines_of_it() -> None:
    runner = click.testing.CliRunner()
    plain = runner.invoke(commands.main, ["one", "--seed", "4", "--no-trace"])
    assert plain.exit_code == 0
    assert re.fullmatch(r"seed=4 digest=[0-9a-f]{16} simulated_s=\d+ violations=0\n", plain.output)
    some = runner.invoke(commands.main, ["one", "--seed", "4", "--only", "order_sent"])
    first, *middle, last = some.output.splitlines()
    assert first.startswith("recipe: Recipe(seed=4")
    assert middle
    assert all("order_sent" in line for line in middle)
    assert last + "\n" == plain.output


def test_one_world_without_an_ingredient_is_another_world() -> None:
    runner = click.testing.CliRunner()
    words = ["one", "--seed", "4", "--no-trace"]
    for name in recipe_of(4).ingredients:
        words += ["--without", name]
    fewer = runner.invoke(commands.main, words)
    assert fewer.exit_code == 0
    assert fewer.output != runner.invoke(commands.main, words[:4]).output


# shrinking


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``SABOTAGE`` makes it: one safeguard is gone."""

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


@pytest.mark.usefixtures("careless")
def test_shrinking_finds_the_one_ingredient_that_matters() -> None:
    told: list[int] = []
    smallest = shrink(CROWDED, tell=lambda found: told.append(len(found.ingredients)))
    assert smallest.ingredients == ("fault:malformed-frame",)
    assert told == sorted(told, reverse=True), "fewer at each word"
    assert told[-1] == 1
    assert World(smallest).run().violations


def test_the_same_world_with_its_safeguard_holds() -> None:
    assert World(CROWDED).run().violations == ()


@pytest.mark.usefixtures("careless")
def test_a_failing_world_that_is_to_be_shrunk_says_what_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = CROWDED.without({"at:0", "at:1", "at:2", "weather:answer_lost", "fault:reorder"})
    monkeypatch.setattr(commands, "recipe_of", lambda _: recipe)
    ran = click.testing.CliRunner().invoke(
        commands.main, ["one", "--seed", "5", "--no-trace", "--shrunk"]
    )
    assert ran.exit_code == 1
    assert "violated: " in ran.output
    assert "\nsmallest: fault:malformed-frame\n" in ran.output


def test_nothing_is_left_of_a_world_that_fails_without_any_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Failing:
        def __init__(self, recipe: Recipe) -> None:
            self.seed = recipe.seed

        def run(self) -> Outcome:
            return outcome(self.seed, "always")

    monkeypatch.setattr("krakked.worlds.sweep.World", Failing)
    assert shrink(CROWDED, tell=lambda _: None).ingredients == ()


# in this process


class Here:
    """Stands in for the pool: everything is done at once, in this process."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Any, *args: Any) -> Any:
        import concurrent.futures

        future: Any = concurrent.futures.Future()
        try:
            future.set_result(work(*args))
        except LookupError as error:
            future.set_exception(error)
        return future


def test_every_seed_is_played_once_and_failing_ones_are_told_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("krakked.worlds.sweep.ProcessPoolExecutor", Here)
    played: list[int] = []

    def run(recipe: Recipe) -> Outcome:
        played.append(recipe.seed)
        return outcome(recipe.seed, *(["bad"] if recipe.seed % 10 == 0 else []))

    monkeypatch.setattr("krakked.worlds.sweep.play", run)
    told: list[int] = []
    summary = sweep(1, 45, tell=lambda now: told.append(now.seeds), cores=3)
    assert played == list(range(1, 46))
    assert told == list(range(1, 46))
    assert [world.seed for world in summary.failing] == [10, 20, 30, 40]


def test_a_world_that_cannot_be_played_to_its_end_is_a_finding_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("krakked.worlds.sweep.ProcessPoolExecutor", Here)

    def run(recipe: Recipe) -> Outcome:
        if recipe.seed == 2:
            raise LookupError("nothing there")
        return outcome(recipe.seed)

    monkeypatch.setattr("krakked.worlds.sweep.play", run)
    summary = sweep(1, 4, tell=lambda _: None, cores=1)
    (failing,) = summary.failing
    assert (failing.seed, failing.violations) == (2, ("broken: LookupError: nothing there",))
    assert summary.seeds == 4


def test_a_sweep_of_a_failing_seed_is_told_by_the_command_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("krakked.worlds.sweep.ProcessPoolExecutor", Here)
    monkeypatch.setattr(
        "krakked.worlds.sweep.play",
        lambda recipe: outcome(recipe.seed, *(["once: twice"] if recipe.seed > 2 else [])),
    )
    ran = click.testing.CliRunner().invoke(commands.main, ["sweep", "--seeds", "4"])
    assert ran.exit_code == 1
    assert "seed 3: once: twice\nseed 4: once: twice\nreplay: make sim SEED=3\n" in ran.output
    assert LINE.match(ran.output.splitlines()[-1])


def test_a_world_played_for_a_sweep_is_the_world_itself() -> None:
    assert play(recipe_of(4)) == World(recipe_of(4)).run()


@pytest.mark.parametrize("is_enabled", [True, False])
def test_no_garbage_is_looked_for_while_a_world_is_played_and_all_when_it_is_over(
    monkeypatch: pytest.MonkeyPatch, *, is_enabled: bool
) -> None:
    seen: list[str] = []

    class Broken:
        def __init__(self, _: Recipe) -> None:
            seen.append("enabled" if gc.isenabled() else "disabled")
            raise RuntimeError("a bug of ours")

    before = gc.isenabled()
    monkeypatch.setattr("krakked.worlds.sweep.World", Broken)
    monkeypatch.setattr(gc, "collect", lambda: seen.append("collected"))
    try:
        (gc.enable if is_enabled else gc.disable)()
        with pytest.raises(RuntimeError):
            play(recipe_of(4))
        assert seen == ["disabled", "collected"]
        assert gc.isenabled() is is_enabled
    finally:
        (gc.enable if before else gc.disable)()
