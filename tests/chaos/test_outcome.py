"""What a run is for is wanted of it: one that shows less fails, and the schedule has enough."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.chaos.__main__ import Phase, phases
from tests.chaos.acts import KILL, KILLS, PAUSE, PAUSES
from tests.chaos.outcome import FULL_RUN, QUICK_RUN, Outcome, shortfalls, summary
from tests.chaos.trials import TRIAL

from krakked.trading.timings import DEFAULT

AIMED_AT_ONE = 0.7
"""Of an act that is drawn, so much is sure to be of an engine, whatever the seed."""


def enough() -> Outcome:
    return Outcome(
        kills=200,
        pauses=50,
        default_kills=10,
        long_pauses=5,
        acts=Counter({"disk full": 3}),
        shown=Counter({"disk full": 3}),
    )


def total(of: list[Phase], name: str) -> int:
    return sum(getattr(phase, name) for phase in of)


def test_run_that_reached_its_figures_lacks_nothing() -> None:
    assert shortfalls(enough(), FULL_RUN) == []


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        ("kills", "199 kills, 200 were wanted"),
        ("pauses", "49 pauses, 50 were wanted"),
        ("default_kills", "9 default kills, 10 were wanted"),
        ("long_pauses", "4 long pauses, 5 were wanted"),
    ],
)
def test_figure_that_was_not_reached_fails_the_run(figure: str, words: str) -> None:
    outcome = enough()
    setattr(outcome, figure, getattr(outcome, figure) - 1)
    assert shortfalls(outcome, FULL_RUN) == [words]


def test_full_disk_that_no_engine_met_fails_the_run() -> None:
    outcome = enough()
    outcome.shown["disk full"] = 2
    assert shortfalls(outcome, QUICK_RUN) == ["3 disks became full, 2 ended an engine"]


def test_run_without_a_full_disk_fails() -> None:
    outcome = enough()
    outcome.acts.clear()
    outcome.shown.clear()
    assert shortfalls(outcome, QUICK_RUN) == ["no disk became full"]


def test_full_run_is_planned_with_more_than_is_wanted() -> None:
    planned = phases(60, is_quick=False)
    assert total(planned, "kills") >= FULL_RUN.kills * 1.5
    assert total(planned, "pauses") >= FULL_RUN.pauses * 1.5
    default = [phase for phase in planned if phase.sort.timings is DEFAULT]
    assert total(default, "kills") * AIMED_AT_ONE >= FULL_RUN.default_kills
    assert total(default, "pauses") * AIMED_AT_ONE >= FULL_RUN.long_pauses
    assert {phase.pauses_s for phase in default} == {(60, 60)}
    for phase in planned:
        if phase.pauses:
            assert phase.full_disks >= 1
            assert phase.hangs >= 1


def test_small_run_is_planned_with_what_is_wanted() -> None:
    planned = phases(0, is_quick=True)
    assert total(planned, "kills") == QUICK_RUN.kills
    assert total(planned, "pauses") == QUICK_RUN.pauses
    assert total(planned, "full_disks") >= 1
    assert total(planned, "hangs") >= 1


def test_world_on_one_volume_has_no_pauses() -> None:
    for is_quick in (True, False):
        (files,) = [p for p in phases(60, is_quick=is_quick) if p.sort.shares_volume]
        assert files.pauses == files.hangs == 0
        assert files.kills
        assert files.stops


def test_pauses_of_a_minute_are_mostly_of_engines() -> None:
    engines = sum(weight for name, weight in PAUSES.items() if "owner" in name or "wait" in name)
    assert engines / sum(PAUSES.values()) >= AIMED_AT_ONE


def test_each_name_that_may_be_drawn_is_an_act() -> None:
    assert KILLS.keys() == KILL.keys()
    assert PAUSES.keys() == PAUSE.keys()
    assert set(TRIAL) == {"disk full", "hang owner"}


def test_last_line_tells_how_often_a_full_disk_was_met() -> None:
    outcome = enough()
    outcome.ways = {"tmpfs"}
    outcome.shown["ends by it"] = 4
    outcome.met["a command failed"] = 4
    line = summary(outcome, 7, 61.25)
    assert line.startswith("chaos: seed 7, 61.2 min, 200 kills, 50 pauses (default timings: 10")
    assert "3 of 3 full disks (tmpfs) were met by an engine, 4 ends by them" in line
    assert line.endswith("0 violations")
    assert "\n" not in line
