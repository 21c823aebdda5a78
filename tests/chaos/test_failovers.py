"""Failovers are held against their bounds, and told so that each can be seen beside its bound."""

from __future__ import annotations

import pytest
from tests.chaos.failovers import Failovers, Interval, in_words, table

from krakked.adapters.kraken.rate_limit import Tier
from krakked.trading.timings import DEFAULT, QUICK


def interval(
    kind: str, seconds: float, *, bound_s: float = 37, is_disturbed: bool = False
) -> Interval:
    return Interval(
        kind=kind,
        timings="quick" if bound_s == 17.5 else "default",
        seconds=seconds,
        bound_s=bound_s,
        is_disturbed=is_disturbed,
    )


@pytest.mark.parametrize("kind", ["killed", "paused", "hung"])
def test_unclean_failover_may_take_the_whole_of_the_contract(kind: str) -> None:
    assert Failovers(DEFAULT).bound_s(kind) == 15 + 2 + 15 + 5
    assert Failovers(QUICK).bound_s(kind) == 5 + 1 + 8 + 3.5


def test_clean_failover_waits_for_no_lease_and_no_quarantine() -> None:
    assert Failovers(DEFAULT).bound_s("stopped") == 2 + 15
    assert Failovers(DEFAULT).bound_s("restarted") == 2 + 15 + 5


def test_limits_of_the_venue_lengthen_what_they_make_impossible_and_nothing_else() -> None:
    limited = Failovers(DEFAULT, Tier.INTERMEDIATE)
    assert limited.bound_s("killed") == limited.bound_s("paused") == 37
    assert limited.bound_s("stopped") == limited.bound_s("restarted") == 32
    assert Failovers(QUICK, Tier.INTERMEDIATE).bound_s("killed") == 1 + 24


def test_failover_that_takes_longer_is_late_unless_something_else_was_wrong() -> None:
    assert not interval("killed", 37).is_late
    assert interval("killed", 37.1).is_late
    assert not interval("killed", 99, is_disturbed=True).is_late


def test_interval_lasts_from_the_first_act_to_the_start_of_an_engine() -> None:
    failovers = Failovers(QUICK)
    failovers.end(1.0)
    failovers.begin("killed", 10.0, is_disturbed=False)
    failovers.end(18.0)
    failovers.end(30.0)
    assert failovers.intervals == [interval("killed", 8.0, bound_s=17.5)]


def test_second_act_within_an_interval_disturbs_it() -> None:
    failovers = Failovers(QUICK)
    failovers.begin("killed", 10.0, is_disturbed=False)
    failovers.begin("paused", 12.0, is_disturbed=False)
    failovers.end(18.0)
    assert failovers.intervals == [interval("killed", 8.0, bound_s=17.5, is_disturbed=True)]


def test_interval_that_is_dropped_is_not_told() -> None:
    failovers = Failovers(QUICK)
    failovers.begin("killed", 10.0, is_disturbed=False)
    failovers.drop()
    failovers.end(18.0)
    assert failovers.intervals == []


def test_table_has_a_line_for_each_kind_timings_and_bound() -> None:
    told = table(
        [
            interval("killed", 20.0),
            interval("killed", 24.0),
            interval("killed", 22.0),
            interval("killed", 50.0, is_disturbed=True),
            interval("killed", 9.0, bound_s=17.5),
            interval("stopped", 3.0, bound_s=17),
            interval("hung", 8.0, bound_s=17.5, is_disturbed=True),
        ]
    )
    _, *lines = told.splitlines()
    cells = [line.replace("|", " ").split() for line in lines]
    assert cells == [
        ["unclean", "hung", "quick", "0", "17.5", "s", "1", "8.0", "s"],
        [
            "unclean",
            "killed",
            "default",
            "3",
            "22.0",
            "s",
            "24.0",
            "s",
            "37.0",
            "s",
            "1",
            "50.0",
            "s",
        ],
        ["unclean", "killed", "quick", "1", "9.0", "s", "9.0", "s", "17.5", "s", "0"],
        ["clean", "stopped", "default", "1", "3.0", "s", "3.0", "s", "17.0", "s", "0"],
    ]


def test_words_keep_what_was_disturbed_apart() -> None:
    told = in_words([interval("killed", 20.0), interval("killed", 50.0, is_disturbed=True)])
    assert told == (
        "killed (default) n=1 median 20.0 s max 20.0 s (bound 37 s); "
        "amid other faults n=1 max 50.0 s"
    )
    assert in_words([]) == "none"
