"""What people write becomes the rules that the layers below take."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from krakked.engine import translating
from krakked.runtime.settings import Settings


def settings(**sections: dict[str, Any]) -> Settings:
    """The defaults, but for these."""
    return Settings.model_validate(sections)


# orders


@pytest.mark.parametrize("validate_only", [False, True])
def test_rules_say_whether_orders_are_only_checked(validate_only: bool) -> None:
    chosen = settings(execution={"validate_only": validate_only})
    rules = translating.rules_of(chosen, replay_bar_s=None, speed=1)
    assert rules.validates_only is validate_only
    assert rules.sends_orders


@pytest.mark.parametrize(
    ("execution", "timeout_s"),
    [
        ({}, 60),
        ({"mode": "live"}, 60),
        ({"dead_man_switch_seconds": None}, None),
        ({"mode": "dry_run"}, None),
        ({"validate_only": True}, None),
    ],
)
@pytest.mark.parametrize("replay_bar_s", [None, 3600])
def test_dead_man_is_left_alone_where_no_order_of_ours_can_stand(
    execution: dict[str, Any], timeout_s: int | None, replay_bar_s: int | None
) -> None:
    rules = translating.rules_of(settings(execution=execution), replay_bar_s=replay_bar_s, speed=1)
    expected = 7200 if timeout_s is not None and replay_bar_s is not None else timeout_s
    assert rules.dead_man_timeout_s == expected


# deadlines


@pytest.mark.parametrize(
    ("seconds", "speed", "together_s", "apart_s"),
    [
        (3, 1, 3, 3),
        (3, 5, 15, 15),
        (3, 12, 36, 31),
        (3, 120, 60, 31),
        (4, 100_000, 60, 31),
        (45, 1, 45, 45),
        (45, 9, 60, 45),
    ],
)
def test_deadline_on_a_faster_clock_is_longer_and_keeps_away_from_refusal_where_clocks_are_two(
    seconds: float, speed: float, together_s: float, apart_s: float
) -> None:
    chosen = settings(execution={"deadline_seconds": seconds})
    deadlines = [
        translating.rules_of(
            chosen, replay_bar_s=None, speed=speed, is_venue_apart=is_apart
        ).deadline_s
        for is_apart in (False, True)
    ]
    assert deadlines == [together_s, apart_s]


@pytest.mark.parametrize(
    ("speed", "timeout_s", "refresh_s"),
    [(1, 60, 15), (60, 3_600, 900), (1_439, 86_340, 21_585), (3_600, 86_399, 86_399 / 4)],
)
def test_dead_man_on_a_faster_clock_is_longer_as_far_as_the_venue_takes_it(
    speed: float, timeout_s: int, refresh_s: float
) -> None:
    rules = translating.rules_of(settings(), replay_bar_s=None, speed=speed)
    assert (rules.dead_man_timeout_s, rules.dead_man_refresh_s) == (timeout_s, refresh_s)


# the books


@pytest.mark.parametrize("tracks", [True, False])
def test_rules_say_whether_trades_made_by_hand_are_tracked(tracks: bool) -> None:
    chosen = settings(portfolio={"track_manual_trades": tracks})
    rules = translating.rules_of(chosen, replay_bar_s=None, speed=1)
    assert rules.tracks_manual_trades is tracks


@pytest.mark.parametrize("tolerance", ["0", "1.0", "12.5"])
def test_rules_carry_what_a_difference_may_be_worth(tolerance: str) -> None:
    chosen = settings(portfolio={"reconciliation_tolerance": tolerance})
    rules = translating.rules_of(chosen, replay_bar_s=None, speed=1)
    assert rules.reconciliation_tolerance == Decimal(tolerance)


def test_numbers_that_a_person_gave_to_strategies_stand_by_their_ids() -> None:
    trend = {"type": "trend_following", "userref": 7}
    chosen = settings(strategies={"trend": trend, "plain": {"type": "mean_reversion"}})
    assert translating.userrefs_of(chosen) == {"trend": 7}
