"""The bound of a takeover: the contract's, or the venue's where that is longer."""

from __future__ import annotations

import pytest

from krakked.adapters.kraken.rate_limit import Tier, room_s
from krakked.engine.promises import START_POINTS, caution_of, start_s, takeover_s
from krakked.trading.timings import DEFAULT, QUICK, replay


@pytest.mark.parametrize(
    ("tier", "seconds"),
    [(Tier.NONE, 0), (Tier.PRO, 12), (Tier.INTERMEDIATE, 24), (Tier.STARTER, 12 / 0.33)],
)
def test_room_for_a_start_is_there_when_its_points_and_the_reserve_have_drained(
    tier: Tier, seconds: float
) -> None:
    assert room_s(tier, START_POINTS) == pytest.approx(seconds)


@pytest.mark.parametrize("tier", [Tier.NONE, Tier.PRO, Tier.INTERMEDIATE])
def test_takeover_with_default_timings_is_the_contracts_where_the_venue_drains_fast_enough(
    tier: Tier,
) -> None:
    assert takeover_s(DEFAULT, tier) == 37


def test_takeover_of_a_starter_is_the_venues_and_still_ends_before_the_dead_man_fires() -> None:
    assert takeover_s(DEFAULT, Tier.STARTER) == pytest.approx(38.4, abs=0.1)
    assert caution_of(DEFAULT, Tier.STARTER) is None


def test_timings_that_are_quicker_than_the_venue_are_told() -> None:
    words = caution_of(QUICK, Tier.INTERMEDIATE)
    assert words is not None
    assert "25 s" in words
    assert "after 20 s" in words
    assert caution_of(QUICK, Tier.PRO) is None


def test_where_there_is_no_dead_man_nothing_is_told() -> None:
    assert caution_of(replay(60), Tier.STARTER) is None


@pytest.mark.parametrize(("is_unclean", "seconds"), [(False, 17), (True, 22)])
def test_start_beside_the_lease_has_its_budget_where_the_venue_has_no_limits(
    is_unclean: bool, seconds: float
) -> None:
    assert start_s(DEFAULT, Tier.NONE, is_unclean=is_unclean) == seconds
    assert start_s(DEFAULT, Tier.INTERMEDIATE, is_unclean=is_unclean) == 32
