"""Sweeps: their summary, what a failing seed says, and how they end when they are interrupted."""

from __future__ import annotations

import gc
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from typing import Any

import click.testing
import pytest

from krakked.sim.fault_kinds import FaultKind
from krakked.worlds import __main__ as commands
from krakked.worlds.recipe import Recipe, What, recipe_of
from krakked.worlds.sweep import CRASHES, Summary, play, sweep
from krakked.worlds.world import Outcome, World

LINE = re.compile(
    r"seeds=(?P<seeds>\d+) first=(?P<first>\d+) simulated_hours=\d+\.\d orders=(?P<orders>\d+) "
    r"fills=(?P<fills>\d+) commands=(?P<commands>\d+) starts=(?P<starts>\d+) "
    r"restarts=(?P<restarts>\d+) takeovers=(?P<takeovers>\d+) crashes=(?P<crashes>\d+) "
    r"pauses=(?P<pauses>\d+) watchdogs=(?P<watchdogs>\d+) dead_man_fired=(?P<fired>\d+) "
    r"faults=(?P<faults>\d+) failing=(?P<failing>\d+) violations=(?P<violations>\d+) "
    r"\| (?P<kinds>.*)"
)
SABOTAGE = """
import sys
from krakked.adapters.kraken.frames import FrameReader
from krakked.worlds.__main__ import run

def break_down(*_):
    raise AssertionError("a frame that cannot be read")

FrameReader._malformed = break_down
run(sys.argv[1:])
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
    marks |= {"command": 5, "restart": 6, "takeover": 7, "dead_man_fired": 8}
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
        "commands": "50",
        "starts": "20",
        "restarts": "60",
        "takeovers": "70",
        "crashes": "10",
        "pauses": "20",
        "watchdogs": "30",
        "fired": "80",
        "faults": "50",
        "failing": "0",
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
    summary.add(outcome(2, "once: twice", "once: again", "crash: KeyError"))
    summary.add(outcome(3, "once: twice"))
    assert [world.seed for world in summary.failing] == [2, 3]
    assert "failing=2 violations=4 |" in summary.line()
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
    replay = re.findall(r"^replay: make sim SEED=(\d+) WITHOUT=\"(.+)\"$", ran.stderr, re.MULTILINE)
    failing = [int(seed) for seed in re.findall(r"^seed (\d+): \S", ran.stderr, re.MULTILINE)]
    ((seed, without),) = replay
    assert int(seed) == min(failing)
    names = [word for name in without.split() for word in ("--without", name)]
    again = sweeping("one", "--seed", seed, "--no-trace", *names, program=("-c", SABOTAGE))
    assert again.returncode == 1, again.stderr
    assert f"fault:{DEADLY.value}" not in without
    assert re.search(
        r"^shrunk to \d+ of \d+ ingredients, still breaks 'crash': ", ran.stderr, re.MULTILINE
    )


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


def test_an_ingredient_that_a_world_has_not_is_a_mistake_that_names_what_it_has() -> None:
    runner = click.testing.CliRunner()
    words = ["--without", "at:99", "--without", "at:0", "--without", "nonsense"]
    ran = runner.invoke(commands.main, ["one", "--seed", "7", *words])
    assert ran.exit_code == 2
    names = " ".join(recipe_of(7).ingredients)
    assert f"seed 7 has no at:99, nonsense; what it has: {names}\n" in ran.stderr
    assert ran.stdout == ""


def test_a_seed_that_is_no_number_is_told_by_its_name() -> None:
    with pytest.raises(SystemExit) as ended:
        commands.run(["one", "--seed=", "--no-trace"])
    assert ended.value.code == 2


def test_one_world_without_an_ingredient_is_another_world() -> None:
    runner = click.testing.CliRunner()
    words = ["one", "--seed", "4", "--no-trace"]
    for name in recipe_of(4).ingredients:
        words += ["--without", name]
    fewer = runner.invoke(commands.main, words)
    assert fewer.exit_code == 0
    assert fewer.output != runner.invoke(commands.main, words[:4]).output


# in this process


class Here:
    """Stands in for the pool: everything is done at once, in this process."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def shutdown(self, **_: object) -> None:
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
    summary = sweep(1, 45, tell=lambda now, _: told.append(now.seeds), cores=3)
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
    summary = sweep(1, 4, tell=lambda *_: None, cores=1)
    (failing,) = summary.failing
    assert (failing.seed, failing.violations) == (2, ("broken: LookupError: nothing there",))
    assert summary.seeds == 4


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command, in this process; what each seed comes to is given."""

    def run(found: dict[int, str | BaseException], *words: str) -> Any:
        def play_one(recipe: Recipe) -> Outcome:
            what = found.get(recipe.seed)
            if isinstance(what, BaseException):
                raise what
            return outcome(recipe.seed, *([what] if what else []))

        monkeypatch.setattr("krakked.worlds.sweep.ProcessPoolExecutor", Here)
        monkeypatch.setattr("krakked.worlds.sweep.play", play_one)
        return click.testing.CliRunner().invoke(commands.main, ["sweep", "--seeds", "4", *words])

    return run


def test_a_sweep_tells_each_failing_seed_as_it_comes_and_the_replay_of_the_first(
    swept: Any,
) -> None:
    ran = swept({3: "once: twice", 4: "once: again"}, "--tries", "0")
    assert ran.exit_code == 1
    told = [line for line in ran.stderr.splitlines() if "worlds," not in line]
    assert told == ["seed 3: once: twice", "seed 4: once: again", "replay: make sim SEED=3"]
    assert LINE.match(ran.output.splitlines()[-1])


def test_a_world_that_cannot_be_played_is_not_shrunk_and_told_with_a_plain_replay(
    swept: Any,
) -> None:
    ran = swept({2: LookupError("nothing there")})
    assert ran.exit_code == 1
    assert "seed 2: broken: LookupError: nothing there\n" in ran.stderr
    assert ran.stderr.endswith("replay: make sim SEED=2\n")
    assert "shrunk" not in ran.stderr


def test_a_sweep_that_is_interrupted_says_what_it_played_and_the_replay_of_what_failed(
    swept: Any,
) -> None:
    ran = swept({1: "once: twice", 3: KeyboardInterrupt()}, "--cores", "1")
    assert ran.exit_code == 130
    # the first four are given out together, so that nothing was heard of before the interruption
    assert ran.stderr.endswith("interrupted: 0 of 4 worlds were played\n")
    ran = swept({1: "once: twice", 6: KeyboardInterrupt()}, "--cores", "1", "--seeds", "9")
    assert ran.exit_code == 130
    lines = ran.stderr.splitlines()
    assert "seed 1: once: twice" in lines
    assert lines[-2:] == ["interrupted: 4 of 9 worlds were played", "replay: make sim SEED=1"]
    found = LINE.match(ran.stdout.splitlines()[-1])
    assert found
    assert (found["seeds"], found["failing"]) == ("4", "1")


def test_a_sweep_that_a_person_interrupts_ends_with_its_summary_and_without_a_traceback() -> None:
    words = [sys.executable, "-m", "krakked.worlds", "sweep", "--seeds", "100000", "--cores", "2"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        told = process.stderr.readline()
        assert "/100000 worlds" in told
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to all of them
        result, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert re.search(r"^interrupted: \d+ of 100000 worlds were played$", said, re.MULTILINE)
    (line,) = result.splitlines()
    assert LINE.match(line)


def test_a_sweep_whose_processes_die_tells_which_worlds_were_in_them_and_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("krakked.worlds.sweep.play", _die)
    told: list[int] = []
    summary = sweep(1, 900, tell=lambda _, world: told.append(world.seed), cores=1)
    assert [world.seed for world in summary.failing] == sorted(told)
    assert 1 in told
    assert len(told) < 900
    assert not summary.is_interrupted
    assert all(one.violations[0].startswith("broken: Broken") for one in summary.failing)


def _die(_: Recipe) -> Outcome:
    os._exit(9)


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
