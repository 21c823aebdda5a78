"""Whole worlds: the same for the same seed wherever they are played, and at rest in the end."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from krakked.worlds import world as worlds
from krakked.worlds.recipe import Happening, Recipe, What, recipe_of
from krakked.worlds.world import LOOK_S, Outcome, World

SEED = 7
QUIET = Recipe(seed=3, play_s=180.0, clock_offsets_s=(0.0,))
"""Nothing goes wrong in it."""


def play(recipe: Recipe) -> tuple[Outcome, list[str]]:
    lines: list[str] = []
    return World(recipe, say=lines.append).run(), lines


def starts_before(recipe: Recipe, lines: list[str]) -> int:
    """Of processes, until the world is looked at."""
    started = [float(line.split()[0]) for line in lines if "process started" in line]
    return sum(at_s <= recipe.play_s for at_s in started)


# the same again


def test_same_seed_same_digest_and_same_trace_in_one_process() -> None:
    first, again = play(recipe_of(SEED)), play(recipe_of(SEED))
    assert first == again
    assert re.fullmatch(r"[0-9a-f]{16}", first[0].digest)


def test_another_seed_is_another_world() -> None:
    digests = {play(recipe_of(seed))[0].digest for seed in (SEED, SEED + 1, SEED + 2)}
    assert len(digests) == 3


def test_a_world_is_the_same_whether_anybody_listens_or_not() -> None:
    assert World(recipe_of(SEED)).run() == play(recipe_of(SEED))[0]


def test_worlds_before_it_do_not_change_a_world() -> None:
    alone = play(recipe_of(SEED))[0]
    play(recipe_of(SEED + 3))
    assert play(recipe_of(SEED))[0] == alone


TRACES = """
import sys
from krakked.worlds.recipe import recipe_of
from krakked.worlds.world import World

for seed in map(int, sys.argv[1:]):
    print(World(recipe_of(seed), say=print).run())
"""


def test_worlds_are_equal_in_processes_with_different_hash_seeds() -> None:
    """The whole trace, which tells every event of every engine, to the last character."""
    seeds = (SEED, 11, 12)
    told = [played_elsewhere(seeds, hash_seed) for hash_seed in ("1", "77")]
    assert told[0] == told[1]
    assert told[0].count("digest=") == len(seeds)


def played_elsewhere(seeds: Sequence[int], hash_seed: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", TRACES, *map(str, seeds)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-500:] + ran.stderr[-500:]
    return ran.stdout


# rest


def test_a_world_in_which_nothing_goes_wrong_trades_and_is_at_rest_at_once() -> None:
    outcome, lines = play(QUIET)
    assert outcome.violations == ()
    assert outcome.seconds == pytest.approx(QUIET.play_s + LOOK_S + 30.0)
    assert starts_before(QUIET, lines) == 1
    assert outcome.marks["order_sent"] > 0
    assert outcome.marks["fill_booked"] > 0
    assert not [name for name in outcome.marks if name.startswith("fault:")]


@pytest.mark.parametrize("what", [What.KILL, What.POWER_LOSS, What.TERMINATE])
def test_a_machine_that_went_down_is_started_again(what: What) -> None:
    happening = Happening(at_s=90.0, what=what)
    outcome, lines = play(msgspec.structs.replace(QUIET, happenings=(happening,)))
    assert outcome.violations == ()
    assert starts_before(QUIET, lines) == 2
    assert sum(what.value in line and " fate " in line for line in lines) == 1


def test_a_kill_at_a_step_happens_that_many_steps_later() -> None:
    happening = Happening(at_s=90.0, what=What.KILL_AT_STEP, number=5)
    _, lines = play(msgspec.structs.replace(QUIET, happenings=(happening,)))
    gone = [float(line.split()[0]) for line in lines if "process gone" in line]
    assert 90.0 <= gone[0] < 150.0


def test_a_pause_holds_the_engine_and_a_freeze_its_clocks_too() -> None:
    for what in (What.PAUSE, What.FREEZE):
        happening = Happening(at_s=60.5, what=what, seconds=20.0)
        outcome, lines = play(msgspec.structs.replace(QUIET, happenings=(happening,)))
        assert outcome.violations == ()
        meanwhile = [line for line in lines if 60.6 < float(line.split()[0]) < 80.4]
        assert [line for line in meanwhile if line.split()[1].startswith("a.")] == []


def test_money_that_comes_and_goes_is_in_the_books_beside_the_trades() -> None:
    moves = tuple(
        Happening(at_s=61.0 + 7.0 * number, what=What.CASH_FLOW, number=number)
        for number in range(6)
    )
    outcome, lines = play(msgspec.structs.replace(QUIET, happenings=moves))
    assert outcome.violations == ()
    booked = [line for line in lines if "cash_flow_booked" in line][1:]
    words = [
        (line.split("kind=")[1].split()[0], line.split("amount=")[1].split()[0]) for line in booked
    ]
    assert words == [
        ("deposit", "2000.0000"),
        ("withdrawal", "-2000.0000"),
        ("deposit", "0.0040000000"),
        ("withdrawal", "-0.0030000000"),
        ("deposit", "0.1000000000"),
        ("withdrawal", "-0.1000000000"),
    ]


def test_everything_is_mended_when_the_play_is_over() -> None:
    happenings = (
        Happening(at_s=178.0, what=What.CUT, seconds=90.0),
        Happening(at_s=178.0, what=What.FULL_DISK, seconds=40.0),
        Happening(at_s=179.0, what=What.PAUSE, seconds=120.0),
    )
    world = World(msgspec.structs.replace(QUIET, happenings=happenings))
    outcome = world.run()
    assert outcome.violations == ()
    assert outcome.seconds < QUIET.play_s + 120.0
    machine = world.machines[0]
    broken = (machine.link.is_cut_in, machine.link.is_cut_out, machine.disk.is_full)
    assert broken == (False, False, False)


# clocks


def test_clocks_that_drift_are_counted_and_mended_and_the_world_comes_to_rest() -> None:
    recipe = msgspec.structs.replace(
        QUIET, engines=2, clock_offsets_s=(0.0, 0.0), clock_drifts_ppm=(20_000, -20_000)
    )
    world = World(recipe)
    outcome = world.run()
    assert outcome.violations == ()
    assert outcome.marks["fault:clock drift"] == 2
    now_ns = world.loop.now_ns()
    assert [machine.clock.now_ns() for machine in world.machines] == [now_ns, now_ns]
    assert [machine.drift_ppm for machine in world.machines] == [20_000, -20_000]


def test_a_clock_that_is_two_per_cent_too_fast_is_too_far_off_in_the_end_to_trade() -> None:
    recipe = msgspec.structs.replace(QUIET, play_s=240.0, clock_drifts_ppm=(20_000,))
    _, lines = play(recipe)
    sent_s = [float(line.split()[0]) for line in lines if " order_sent" in line]
    assert any(at_s < 70.0 for at_s in sent_s)
    assert not any(130.0 < at_s < 240.0 for at_s in sent_s)


def test_a_freeze_that_is_mended_was_one_of_the_clocks_too() -> None:
    happening = Happening(at_s=150.0, what=What.FREEZE, seconds=120.0)
    world = World(msgspec.structs.replace(QUIET, happenings=(happening,)))
    assert world.run().violations == ()
    (machine,) = world.machines
    assert machine.process is not None
    assert machine.process.frozen_us == 30_000_000
    assert machine.starts == 1, "its watchdog stood still as well"


def test_durations_of_stages_are_the_worlds_own() -> None:
    _, lines = play(QUIET)
    seconds = [line.split("seconds=")[1].split()[0] for line in lines if " stage_done" in line]
    assert "0.0" in seconds
    assert any(float(one) > 0 for one in seconds)
    assert play(QUIET)[1] == lines


# the person


@pytest.mark.parametrize("is_attentive", [True, False])
def test_an_attentive_person_looks_at_what_a_new_owner_found_while_it_is_played(
    is_attentive: bool,
) -> None:
    recipe = msgspec.structs.replace(
        QUIET,
        engines=2,
        clock_offsets_s=(0.0, 0.0),
        play_s=240.0,
        is_attentive=is_attentive,
        happenings=tuple(
            Happening(at_s=70.0, what=What.TERMINATE, machine=number) for number in (0, 1)
        ),
    )
    outcome, lines = play(recipe)
    assert outcome.violations == ()
    looked = [line for line in lines if "command name=Acknowledge" in line and " person " in line]
    assert is_attentive == any(float(line.split()[0]) < 240.0 for line in looked)


# the end


def test_what_was_told_to_stop_in_the_end_is_not_started_again() -> None:
    recipe = msgspec.structs.replace(QUIET, engines=3, clock_offsets_s=(0.0, 0.1, 0.2))
    world = World(recipe)
    assert world.run().violations == ()
    assert [machine.starts for machine in world.machines] == [1, 1, 1]
    assert [len(machine.ended) for machine in world.machines] == [1, 1, 1], "nobody was killed"


def test_what_happens_is_counted_among_the_faults_and_what_is_commanded_is_not() -> None:
    happenings = (
        Happening(at_s=70.0, what=What.SLOW_DISK, seconds=0.01),
        Happening(at_s=80.0, what=What.COMMAND, number=5),
        Happening(at_s=90.0, what=What.CLOCK_STEP, seconds=0.1),
        Happening(at_s=100.0, what=What.CLOCK_STEP, seconds=-0.1),
    )
    outcome, _ = play(msgspec.structs.replace(QUIET, happenings=happenings))
    faults = {name: n for name, n in outcome.marks.items() if name.startswith("fault:")}
    assert faults == {"fault:slow disk": 1, "fault:clock step": 2}


def test_what_finds_nothing_to_happen_to_is_not_counted() -> None:
    happenings = (
        Happening(at_s=70.0, what=What.KILL),
        Happening(at_s=70.1, what=What.KILL),
        Happening(at_s=70.2, what=What.PAUSE, seconds=5.0),
        Happening(at_s=80.0, what=What.CASH_FLOW, number=3),
        Happening(at_s=289.9, what=What.KILL_AT_STEP, number=399),
    )
    outcome, _ = play(msgspec.structs.replace(QUIET, play_s=290.0, happenings=happenings))
    faults = {name: n for name, n in outcome.marks.items() if name.startswith("fault:")}
    assert faults == {"fault:kill": 1}


def test_what_was_set_for_a_commit_is_counted_when_it_strikes() -> None:
    happening = Happening(at_s=70.0, what=What.KILL_BEFORE_COMMIT, number=2)
    outcome, lines = play(msgspec.structs.replace(QUIET, happenings=(happening,)))
    assert outcome.marks["fault:kill before commit"] == 1
    assert starts_before(QUIET, lines) == 2


def test_what_a_watchdog_does_is_no_fault() -> None:
    happening = Happening(at_s=90.0, what=What.PAUSE, seconds=60.0)
    outcome, _ = play(msgspec.structs.replace(QUIET, happenings=(happening,)))
    assert outcome.marks["watchdog"] == 1
    assert {name for name in outcome.marks if name.startswith("fault:")} == {"fault:pause"}


# traces


def test_every_line_of_a_trace_has_its_time_in_order_and_who_and_what() -> None:
    _, lines = play(recipe_of(SEED))
    times = []
    for line in lines:
        found = re.fullmatch(r"\s*(\d+\.\d{6}) (\S+)\s+(\S.*)", line)
        assert found, line
        times.append(float(found.group(1)))
    assert times == sorted(times)
    assert {line.split()[1].partition(".")[0] for line in lines} >= {"a", "fate"}


def test_marks_count_what_the_trace_tells() -> None:
    outcome, lines = play(QUIET)
    for name in ("order_sent", "fill_booked", "process started"):
        assert outcome.marks[name] == sum(f" {name}" in line for line in lines)


# what a world leaves behind


def test_a_world_leaves_no_file_no_loop_and_no_open_ledger_behind(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(worlds, "MEMORY", tmp_path)
    before = set(os.listdir("/proc/self/fd"))
    play(recipe_of(SEED))
    assert list(tmp_path.iterdir()) == []
    assert set(os.listdir("/proc/self/fd")) <= before
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_disks_lie_wherever_files_do_if_there_is_no_memory_for_them(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(worlds, "MEMORY", tmp_path / "nowhere")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    outcome = World(QUIET).run()
    assert outcome.violations == ()
    assert list(tmp_path.iterdir()) == []


def test_a_violation_is_told_where_it_was_found(monkeypatch: Any) -> None:
    """A venue that takes an order away behind everybody's back is seen."""
    world = World(QUIET, say=(lines := []).append)
    evidence = world.checkers._evidence
    world.loop.call_later(100.0, evidence.violated, "a rule", "was broken")
    outcome = world.run()
    assert outcome.violations == ("a rule: was broken",)
    assert [line for line in lines if "VIOLATION" in line and "100.000000 checker" in line]


def test_a_callback_that_failed_is_a_violation() -> None:
    world = World(QUIET)

    def fail() -> None:
        raise ValueError("a bug of ours")

    world.loop.call_later(1.0, fail)
    outcome = world.run()
    assert len(outcome.violations) == 1
    assert outcome.violations[0].startswith("asyncio: ")


def test_a_world_that_hangs_is_a_violation_and_ends() -> None:
    world = World(QUIET)

    def again() -> None:
        world.loop.call_soon(again)

    world.loop.call_later(100.0, again)
    assert world.run().violations[-1] == "asyncio: the world spins: time stands at 100000000 us"
