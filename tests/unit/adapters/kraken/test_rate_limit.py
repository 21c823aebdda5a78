"""Waits are exactly as long as the venue's counters need, on a clock that only sleeping moves."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.adapters.kraken.rate_limit import (
    ENGINE_LIMITS,
    REST_LIMITS,
    Counter,
    Limit,
    RateLimiter,
    Tier,
    cancel_points,
    room_s,
)
from krakked.domain.errors import Transient
from krakked.domain.ids import ClientOrderId, PairName, VenueOrderId

XBT = PairName("XBTUSD")
ETH = PairName("ETHUSD")
OURS = ClientOrderId("11111111-2222-3333-4444-555555555555")
THEIRS = VenueOrderId("OABCDE-FGHIJ-KLMNOP")
S = 10**9


def do(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def calls(limiter: RateLimiter, method: str, count: int, role: str = "query") -> None:
    async def work() -> None:
        for _ in range(count):
            await limiter.before_private(role, method)

    do(work())


# the REST counter


def test_starter_may_call_fourteen_times_at_once_and_then_waits(still_clock: Any) -> None:
    limiter = RateLimiter(Tier.STARTER, still_clock)
    calls(limiter, "BalanceEx", 14)
    assert still_clock.slept_s == []
    calls(limiter, "BalanceEx", 1)
    assert still_clock.slept_s == [pytest.approx(1 / 0.33)]


def test_history_call_costs_four_by_default_and_two_by_older_documents(still_clock: Any) -> None:
    dear = RateLimiter(Tier.STARTER, still_clock)
    cheap = RateLimiter(Tier.STARTER, still_clock, history_points=2)
    for method in ("Ledgers", "TradesHistory", "ClosedOrders"):
        calls(dear, method, 1)
        calls(cheap, method, 1)
    assert dear.headroom().rest["query"] == 15 - 12
    assert cheap.headroom().rest["query"] == 15 - 6


@pytest.mark.parametrize("method", ["AddOrder", "CancelOrder", "CancelAll"])
def test_placing_and_cancelling_cost_nothing_on_the_rest_counter(
    still_clock: Any, method: str
) -> None:
    limiter = RateLimiter(Tier.STARTER, still_clock)
    calls(limiter, method, 100, role="trade")
    assert still_clock.slept_s == []


def test_dead_man_refresh_is_charged_and_never_made_to_wait(still_clock: Any) -> None:
    limiter = RateLimiter(Tier.STARTER, still_clock)
    calls(limiter, "BalanceEx", 14, role="trade")
    calls(limiter, "CancelAllOrdersAfter", 1, role="trade")
    assert still_clock.slept_s == []
    assert limiter.headroom().rest["trade"] == 0


def test_keys_are_counted_apart(still_clock: Any) -> None:
    limiter = RateLimiter(Tier.STARTER, still_clock)
    calls(limiter, "BalanceEx", 14, role="query")
    calls(limiter, "BalanceEx", 14, role="trade")
    assert still_clock.slept_s == []


def test_tier_without_limits_never_waits(still_clock: Any) -> None:
    limiter = RateLimiter(Tier.NONE, still_clock)
    calls(limiter, "Ledgers", 1_000)

    async def orders() -> None:
        for _ in range(1_000):
            await limiter.before_add(XBT)
            limiter.added(XBT, OURS)
            await limiter.before_cancel(OURS)
            await limiter.before_public("XBTUSD")

    do(orders())
    assert still_clock.slept_s == []
    assert limiter.headroom().rest == {}


@pytest.mark.parametrize(
    ("tier", "seconds"), [(Tier.STARTER, 0.33), (Tier.INTERMEDIATE, 0.5), (Tier.PRO, 1.0)]
)
def test_refusal_of_the_venue_means_no_room_until_it_has_drained(
    still_clock: Any, tier: Tier, seconds: float
) -> None:
    limiter = RateLimiter(tier, still_clock)
    limiter.rest_tripped("query", "BalanceEx")
    calls(limiter, "BalanceEx", 1)
    assert still_clock.slept_s == [pytest.approx(3 / seconds)]


def test_refused_call_counts_for_what_it_costs_so_that_the_next_is_not_refused_too(
    still_clock: Any,
) -> None:
    """The venue had room for three points of four, and charged all four."""
    limiter = RateLimiter(Tier.INTERMEDIATE, still_clock)
    limiter.rest_tripped("query", "TradesHistory")
    assert limiter.headroom().rest["query"] == -4
    calls(limiter, "TradesHistory", 1)
    assert still_clock.slept_s == [pytest.approx((4 + 4 + 1) / 0.5)]


def test_room_that_others_may_have_used_is_not_counted_on_until_it_has_drained(
    still_clock: Any,
) -> None:
    limiter = RateLimiter(Tier.INTERMEDIATE, still_clock)
    limiter.were_full(still_clock.now_ns() - 15 * 10**9)
    calls(limiter, "BalanceEx", 6)
    assert still_clock.slept_s == []
    calls(limiter, "TradesHistory", 1)
    assert sum(still_clock.slept_s) == pytest.approx(room_s(Tier.INTERMEDIATE, 6 + 4) - 15)


def test_two_that_wait_for_one_point_go_one_after_the_other(kit: Any) -> None:
    async def work() -> list[float]:
        limiter = RateLimiter(Tier.STARTER, kit.clock())
        at_s = []

        async def call() -> None:
            await limiter.before_private("query", "BalanceEx")
            at_s.append(asyncio.get_running_loop().time())

        await asyncio.gather(*(call() for _ in range(16)))
        return at_s

    at_s = kit.run(work())
    assert at_s[13] == 0
    assert at_s[14] == pytest.approx(1 / 0.33, abs=1e-3)
    assert at_s[15] == pytest.approx(2 / 0.33, abs=1e-3)


# the engine counter


@pytest.mark.parametrize(
    ("age_s", "points"),
    [
        (0, 8),
        (4.99, 8),
        (5, 6),
        (9, 6),
        (10, 5),
        (15, 4),
        (44, 4),
        (45, 2),
        (90, 1),
        (299, 1),
        (300, 0),
        (10000, 0),
    ],
)
def test_cancelling_is_the_dearer_the_younger_the_order(age_s: float, points: int) -> None:
    assert cancel_points(int(age_s * S)) == points


def test_orders_wait_when_the_engine_counter_of_their_pair_is_full(still_clock: Any) -> None:
    limiter = RateLimiter(Tier.STARTER, still_clock)

    async def work() -> None:
        for _ in range(59):
            await limiter.before_add(XBT)
        assert still_clock.slept_s == []
        await limiter.before_add(ETH)
        assert still_clock.slept_s == []
        await limiter.before_add(XBT)

    do(work())
    assert still_clock.slept_s == [pytest.approx(1.0)]


def test_order_that_would_find_no_room_in_time_is_given_back_at_once(still_clock: Any) -> None:
    limiter = RateLimiter(Tier.STARTER, still_clock)

    async def work() -> None:
        for _ in range(59):
            await limiter.before_add(XBT)
        in_time_ns = still_clock.at_ns + S
        with pytest.raises(Transient, match="no room for XBTUSD") as refused:
            await limiter.before_add(XBT, not_after_ns=in_time_ns - 1)
        assert refused.value.retry_after_s == pytest.approx(1.0)
        assert still_clock.slept_s == []
        await limiter.before_add(XBT, not_after_ns=in_time_ns)

    do(work())
    assert still_clock.slept_s == [pytest.approx(1.0)]  # the refusal was not charged


def test_fifty_adds_then_ten_seconds_of_intermediate_leave_26_points(still_clock: Any) -> None:
    limiter = RateLimiter(Tier.INTERMEDIATE, still_clock)

    async def work() -> None:
        for _ in range(50):
            await limiter.before_add(XBT)

    do(work())
    still_clock.at_ns += 10 * S
    # The venue's own worked example: 50 − 10 × 2.34 = 26.6.
    assert limiter.headroom().engine[XBT] == Decimal(125) - Decimal("26.6")


def test_cancel_is_charged_by_age_under_either_id_of_the_order(still_clock: Any) -> None:
    for order_id in (OURS, THEIRS):
        limiter = RateLimiter(Tier.PRO, still_clock)
        limiter.added(XBT, OURS, THEIRS)
        still_clock.at_ns += 7 * S
        do(limiter.before_cancel(order_id))
        assert limiter.headroom().engine[XBT] == 180 - 6


def test_cancel_of_an_order_we_did_not_place_is_not_held_up(still_clock: Any) -> None:
    limiter = RateLimiter(Tier.STARTER, still_clock)
    limiter.engine_tripped(XBT)
    do(limiter.before_cancel(THEIRS))
    assert still_clock.slept_s == []


def test_orders_past_the_age_of_penalties_are_forgotten(still_clock: Any) -> None:
    limiter = RateLimiter(Tier.STARTER, still_clock)
    limiter.added(XBT, OURS)
    still_clock.at_ns += 300 * S
    limiter.added(XBT, THEIRS)
    do(limiter.before_cancel(OURS))
    assert limiter.headroom().engine == {}


def test_cancelling_all_is_charged_for_each_young_order_once_and_does_not_wait(
    still_clock: Any,
) -> None:
    limiter = RateLimiter(Tier.STARTER, still_clock)
    for number in range(10):
        limiter.added(XBT, ClientOrderId(f"c{number}"), VenueOrderId(f"v{number}"))
    limiter.before_cancel_all()
    assert still_clock.slept_s == []
    assert limiter.headroom().engine[XBT] == 60 - 10 * 8


def test_order_that_is_placed_and_then_seen_counts_once(still_clock: Any) -> None:
    limiter = RateLimiter(Tier.PRO, still_clock)
    limiter.added(XBT, OURS)
    limiter.seen(XBT, still_clock.now_ns() - 60 * S, THEIRS, OURS)
    limiter.before_cancel_all()
    assert limiter.headroom().engine[XBT] == 180 - 8


def test_old_order_that_was_seen_after_a_young_one_is_forgotten_in_its_time(
    still_clock: Any,
) -> None:
    limiter = RateLimiter(Tier.PRO, still_clock)
    limiter.added(XBT, OURS)
    limiter.seen(ETH, still_clock.now_ns() - 200 * S, THEIRS)
    assert (limiter.pair_of(OURS), limiter.pair_of(THEIRS)) == (XBT, ETH)
    still_clock.at_ns += 100 * S
    limiter.seen(XBT, still_clock.now_ns())
    assert (limiter.pair_of(OURS), limiter.pair_of(THEIRS)) == (XBT, None)


def test_engine_refusal_of_the_venue_holds_up_that_pair_alone(still_clock: Any) -> None:
    limiter = RateLimiter(Tier.STARTER, still_clock)
    limiter.engine_tripped(XBT)
    do(limiter.before_add(ETH))
    assert still_clock.slept_s == []
    do(limiter.before_add(XBT))
    assert still_clock.slept_s == [pytest.approx(2.0)]


def test_what_is_left_is_told_as_a_share_of_each_counter(still_clock: Any) -> None:
    limiter = RateLimiter(Tier.STARTER, still_clock)
    calls(limiter, "BalanceEx", 3)
    do(limiter.before_add(XBT))
    ratios = limiter.headroom_ratios()
    assert sorted(ratios.values()) == [pytest.approx(12 / 15), pytest.approx(59 / 60)]


# public calls


def test_public_calls_on_one_pair_are_a_second_apart(still_clock: Any) -> None:
    limiter = RateLimiter(Tier.STARTER, still_clock)

    async def work() -> None:
        await limiter.before_public("XBTUSD")
        await limiter.before_public("ETHUSD")
        assert still_clock.slept_s == []
        await limiter.before_public("XBTUSD")

    do(work())
    assert still_clock.slept_s == [pytest.approx(1.0)]


# the arithmetic


@given(
    st.sampled_from([*REST_LIMITS.values(), *ENGINE_LIMITS.values()]),
    st.lists(st.tuples(st.integers(1, 8), st.integers(0, 20 * S)), max_size=60),
)
def test_counter_that_is_waited_for_never_passes_the_venues_threshold(
    limit: Limit, steps: list[tuple[int, int]]
) -> None:
    counter = Counter(limit)
    now_ns = 0
    for points, pause_ns in steps:
        now_ns += pause_ns
        now_ns += counter.wait_ns(points, now_ns)
        assert counter.wait_ns(points, now_ns) == 0
        counter.charge(points, now_ns)
        assert counter.headroom(now_ns) >= 0


@given(st.integers(0, 10**18))
def test_counter_drains_to_zero_and_no_further(gone_ns: int) -> None:
    counter = Counter(Limit(15, 33))
    counter.charge(3, 0)
    left = counter.headroom(gone_ns)
    assert 12 <= left <= 15


def test_wait_is_not_a_nanosecond_longer_than_it_must(still_clock: Any) -> None:
    counter = Counter(Limit(15, 33))
    counter.charge(15, 0)
    wait_ns = counter.wait_ns(1, 0)
    assert counter.wait_ns(1, wait_ns - 1) == 1


def test_clock_that_steps_back_fills_no_counter() -> None:
    counter = Counter(Limit(15, 33))
    counter.charge(5, 10 * S)
    assert counter.headroom(5 * S) == 10


def test_counter_goes_on_draining_in_real_seconds_after_the_clock_stepped_back() -> None:
    counter = Counter(Limit(15, 100))
    counter.charge(15, 3600 * S)
    assert counter.headroom(0) == 0
    assert counter.headroom(3 * S) == 3


def test_call_dearer_than_the_threshold_goes_when_the_counter_is_empty() -> None:
    counter = Counter(Limit(3, 100))
    assert counter.wait_ns(4, 0) == 0
    counter.charge(4, 0)
    assert counter.wait_ns(4, 0) == 4 * S
