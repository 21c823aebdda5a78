"""The timing contract: what holds, and what is said where it does not."""

from __future__ import annotations

import msgspec
import pytest

from krakked.trading.timings import DEFAULT, NAMED, QUICK, Timings, replay


def changed(**changes: float | None) -> Timings:
    return msgspec.structs.replace(DEFAULT, **changes)


@pytest.mark.parametrize("name", NAMED)
def test_named_timings_hold(name: str) -> None:
    assert NAMED[name].problems() == ()


@pytest.mark.parametrize("bar_s", [60, 300, 3600, 86_400])
def test_replay_holds_for_every_bar(bar_s: int) -> None:
    assert replay(bar_s).problems() == ()
    assert replay(bar_s).retry_period_s == bar_s


def test_safety_inequality_is_named_with_its_numbers_and_its_settings() -> None:
    assert changed(clock_offset_max_s=2).problems() == (
        "R + δ + ε < D: 10 + 3 + 2 = 15 is not below 15; lower leader.renew_deadline_seconds or "
        "raise leader.lease_duration_seconds",
    )


def test_liveness_inequality_is_named_with_its_numbers_and_its_settings() -> None:
    assert changed(start_budget_s=23).problems() == (
        "D + P + B + Q < C − r: 15 + 2 + 23 + 5 = 45 is not below 60 − 15 = 45; lower "
        "leader.start_budget_seconds or raise execution.dead_man_switch_seconds",
    )


def test_liveness_has_no_meaning_without_a_dead_man() -> None:
    assert changed(dead_man_timeout_s=None, start_budget_s=300).problems() == ()


def test_fractions_are_added_exactly() -> None:
    """0.1 + 0.2 is not above 0.3 here."""
    tight = changed(renew_deadline_s=11.7, order_deadline_s=3.1, clock_offset_max_s=0.2)
    assert [problem.split(":")[0] for problem in tight.problems()] == ["R + δ + ε < D"]
    assert "11.7 + 3.1 + 0.2 = 15 is not below 15" in tight.problems()[0]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"lease_duration_s": 4, "renew_deadline_s": 3}, "D ≥ 5"),
        ({"renew_deadline_s": 15}, "R < D"),
        ({"renew_deadline_s": 12}, "R + δ + ε < D"),
        ({"quarantine_s": 3.9}, "Q ≥ δ + ε"),
        ({"retry_period_s": 9}, "R > 1.2·P"),
        ({"margin_s": 8}, "P + margin < R"),
        ({"request_timeout_s": 3.4}, "τ ≤ R/3"),
        ({"dead_man_refresh_s": 16}, "r ≤ C/4"),
        ({"dead_man_timeout_s": 49, "dead_man_refresh_s": 12}, "D + P + B + Q < C − r"),
        ({"retry_period_s": 0}, "P must be above 0"),
        ({"clock_offset_max_s": -1}, "ε must be above 0"),
    ],
)
def test_each_rule_is_checked_at_its_edge(changes: dict[str, float], rule: str) -> None:
    assert rule in [problem.split(":")[0] for problem in changed(**changes).problems()]


@pytest.mark.parametrize(
    "changes",
    [
        {"renew_deadline_s": 10.9},
        {"quarantine_s": 4},
        {"request_timeout_s": 3.333},
        {"dead_man_refresh_s": 15, "start_budget_s": 22.9},
    ],
)
def test_what_just_fits_is_taken(changes: dict[str, float]) -> None:
    assert changed(**changes).problems() == ()


def test_promise_of_an_unclean_failover_is_the_left_side_of_liveness() -> None:
    assert DEFAULT.failover_ns() == 37_000_000_000
    assert QUICK.failover_ns() < (QUICK.dead_man_timeout_s or 0) * 1_000_000_000


def test_watchdog_bites_between_the_end_of_authority_and_the_end_of_the_lease() -> None:
    for timings in NAMED.values():
        duration_ns = timings.lease_duration_s * 1_000_000_000
        assert timings.renew_deadline_ns < timings.watchdog_ns < duration_ns
    assert DEFAULT.watchdog_ns == 12_500_000_000
