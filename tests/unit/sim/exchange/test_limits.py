"""Counters by tier: what fills them, what drains them, what trips them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from krakked.sim.exchange.limits import (
    AMEND_PENALTY,
    CANCEL_PENALTY,
    LIMITS,
    Counter,
    Tier,
    penalty,
)

RATE = "EAPI:Rate limit exceeded"
ENGINE = "EOrder:Rate limit exceeded"
SECOND_NS = 1_000_000_000


def opened(make_bench, tier, **options):
    bench = make_bench(**options)
    bench.open(tier=tier, USD="10000000", XBT="1000")
    bench.house(bids=[("50000.0", "100")], asks=[("50001.0", "100")])
    return bench


def engine_points(bench, pair="XBTUSD"):
    account = bench.account()
    return account.counter(pair).value(account.limits.engine_decay_centi, bench.now_ns)


@pytest.mark.parametrize(
    ("tier", "calls"), [(Tier.STARTER, 15), (Tier.INTERMEDIATE, 20), (Tier.PRO, 20)]
)
def test_rest_counter_trips_after_its_maximum(make_bench, tier, calls):
    bench = opened(make_bench, tier)
    for _ in range(calls):
        bench.ok("Balance")
    assert bench.error("Balance") == RATE


@pytest.mark.parametrize(
    ("tier", "seconds"), [(Tier.STARTER, "3.03"), (Tier.INTERMEDIATE, "2"), (Tier.PRO, "1")]
)
def test_rest_counter_drains_one_point_in_its_time(make_bench, tier, seconds):
    bench = opened(make_bench, tier)
    for _ in range(LIMITS[tier].rest_max):
        bench.ok("Balance")
    bench.later(Decimal(seconds) - Decimal("0.1"))
    # A refused call is charged as well, so wait for that point too.
    assert bench.error("Balance") == RATE
    bench.later(Decimal(seconds) + Decimal("0.2"))
    bench.ok("Balance")
    assert bench.error("Balance") == RATE


def test_calling_on_after_a_refusal_prolongs_it_but_not_for_ever(make_bench):
    bench = opened(make_bench, Tier.PRO)
    for _ in range(200):
        bench.call("Balance")
    bench.later(5)
    assert bench.error("Balance") == RATE
    bench.later(7)
    bench.ok("Balance")


@pytest.mark.parametrize("method", ["Ledgers", "TradesHistory", "ClosedOrders"])
def test_histories_cost_four_points(make_bench, method):
    bench = opened(make_bench, Tier.STARTER)
    for _ in range(3):
        bench.ok(method)
    assert bench.error(method) == RATE


def test_cost_of_histories_is_an_option(make_bench):
    bench = opened(make_bench, Tier.STARTER, history_cost=2)
    for _ in range(7):
        bench.ok("Ledgers")
    assert bench.error("Ledgers") == RATE


def test_orders_are_free_on_the_rest_counter(make_bench):
    bench = opened(make_bench, Tier.STARTER)
    for _ in range(15):
        bench.ok("Balance")
    assert bench.error("Balance") == RATE
    txid = bench.add("buy", "0.1", "49000")
    bench.later(400)
    bench.ok("CancelOrder", txid=txid)


def test_rest_counters_are_per_key_but_permissions_are_checked_after_them(make_bench):
    bench = opened(make_bench, Tier.STARTER)
    bench.exchange.add_key("alice", key="other", secret=bench.secret, permissions=frozenset())
    for _ in range(15):
        assert bench.error("Balance", "other") == "EGeneral:Permission denied"
    assert bench.error("Balance", "other") == RATE
    bench.ok("Balance")


def test_no_tier_knows_no_limits(make_bench):
    bench = opened(make_bench, Tier.NONE)
    for _ in range(300):
        bench.ok("Ledgers")
        bench.ok("CancelOrder", txid=bench.add("buy", "0.1", "49000"))
    for _ in range(300):
        bench.add("buy", "0.001", "49000")
    assert bench.exchange.engine_counter_max("alice") == 1_000_000


@pytest.mark.parametrize(
    ("age_s", "points"),
    [
        (0, 8),
        (4.9, 8),
        (5, 6),
        (9, 6),
        (10, 5),
        (15, 4),
        (44, 4),
        (45, 2),
        (90, 1),
        (299, 1),
        (300, 0),
    ],
)
def test_cancel_penalty_falls_with_age(age_s, points):
    assert penalty(CANCEL_PENALTY, int(age_s * SECOND_NS)) == points


@pytest.mark.parametrize(("age_s", "points"), [(0, 3), (5, 2), (10, 1), (15, 0), (100, 0)])
def test_amend_penalty_falls_with_age(age_s, points):
    assert penalty(AMEND_PENALTY, age_s * SECOND_NS) == points


def test_documented_example_of_add_amend_and_cancel_costs_eight_points(make_bench):
    bench = opened(make_bench, Tier.STARTER)
    points = []
    before = Decimal(0)

    def spent(after):
        nonlocal before
        points.append(after - before)
        before = after

    txid = bench.add("buy", "0.1", "49000")
    spent(engine_points(bench))
    bench.later(7)
    before = engine_points(bench)
    bench.ok("AmendOrder", txid=txid, order_qty="0.2")
    spent(engine_points(bench))
    bench.later(36)
    before = engine_points(bench)
    bench.ok("CancelOrder", txid=txid)
    spent(engine_points(bench))
    assert points == [1, 1 + 2, 4]


def test_documented_example_of_fifty_adds_drains_to_twenty_six(make_bench):
    bench = opened(make_bench, Tier.INTERMEDIATE)
    for _ in range(50):
        bench.add("buy", "0.001", "49000")
    bench.later(10)
    assert engine_points(bench) == Decimal("26.6")


def test_engine_counter_trips_at_its_threshold_and_recovers(make_bench):
    bench = opened(make_bench, Tier.STARTER)
    for _ in range(60):
        bench.add("buy", "0.001")
    assert bench.refused("buy", "0.001") == ENGINE
    bench.later(1)
    bench.add("buy", "0.001")


def test_engine_counters_are_per_pair(make_bench):
    bench = opened(make_bench, Tier.STARTER)
    bench.house(pair="XBTUSDT", asks=[("50001.0", "100")])
    for _ in range(60):
        bench.add("buy", "0.001")
    assert bench.refused("buy", "0.001") == ENGINE
    bench.add("sell", "0.001", "60000", pair="XBTUSDT")


def test_engine_counter_is_charged_also_when_validation_fails(make_bench):
    bench = opened(make_bench, Tier.STARTER)
    assert bench.refused("buy", "0.001", "49000.05") == "EOrder:Tick size check failed"
    assert engine_points(bench) == 1


def test_full_engine_counter_is_told_after_the_arguments(make_bench):
    bench = opened(make_bench, Tier.STARTER)
    for _ in range(60):
        bench.add("buy", "0.001")
    assert bench.refused("buy", "0.001", "49000.05") == "EOrder:Tick size check failed"
    assert bench.refused("buy", "9999999", "49000") == ENGINE


def test_validation_only_is_free(make_bench):
    bench = opened(make_bench, Tier.STARTER)
    for _ in range(80):
        bench.ok("AddOrder", **bench.ask("buy", "0.001", "49000", validate="true"))
    assert engine_points(bench) == 0


def test_single_cancel_is_refused_over_the_threshold_and_the_order_stays(make_bench):
    bench = opened(make_bench, Tier.STARTER)
    txids = [bench.add("buy", "0.001", "49000") for _ in range(20)]
    for txid in txids[:5]:
        bench.ok("CancelOrder", txid=txid)
    assert bench.error("CancelOrder", txid=txids[5]) == ENGINE
    assert bench.status(txids[5])[0] == "open"
    bench.later(8)
    bench.ok("CancelOrder", txid=txids[5])


def test_amend_is_refused_over_the_threshold_and_changes_nothing(make_bench):
    bench = opened(make_bench, Tier.STARTER)
    txid = bench.add("buy", "0.001", "49000")
    for _ in range(57):
        bench.add("buy", "0.001")
    assert bench.error("AmendOrder", txid=txid, order_qty="0.002") == ENGINE
    assert bench.order(txid)["vol"] == "0.00100000"


def test_cancel_after_an_amend_counts_age_from_the_amend(make_bench):
    bench = opened(make_bench, Tier.STARTER)
    txid = bench.add("buy", "0.001", "49000")
    bench.later(400)
    bench.ok("AmendOrder", txid=txid, order_qty="0.002")
    before = engine_points(bench)
    bench.ok("CancelOrder", txid=txid)
    assert engine_points(bench) - before == 8


def test_cancel_all_is_taken_over_the_threshold_and_charged(make_bench):
    bench = opened(make_bench, Tier.STARTER)
    for _ in range(50):
        bench.add("buy", "0.001", "49000")
    assert bench.ok("CancelAll") == {"count": 50}
    assert engine_points(bench) == 50 + 50 * 8


@pytest.mark.parametrize(("tier", "most"), [(Tier.INTERMEDIATE, 80), (Tier.PRO, 225)])
def test_open_orders_per_pair_are_limited(make_bench, tier, most):
    bench = opened(make_bench, tier)
    for _ in range(most):
        bench.add("buy", "0.001", "49000")
        bench.later(1)
    assert bench.refused("buy", "0.001", "49000") == "EOrder:Orders limit exceeded"
    bench.add("sell", "0.001", "60000", pair="XBTUSDT")
    bench.ok("CancelOrder", txid=next(iter(bench.account().open)))
    bench.add("buy", "0.001", "49000")


def test_counter_is_exact_over_many_small_steps():
    counter = Counter()
    counter.value(33, 0)
    counter.charge(15)
    for at_ns in range(0, 10 * SECOND_NS, SECOND_NS // 8):
        counter.value(33, at_ns)
    assert counter.value(33, 10 * SECOND_NS) == Decimal("11.7")


def test_counter_never_drains_below_nothing():
    counter = Counter()
    counter.charge(1)
    assert counter.value(100, 10**18) == 0


def test_too_many_requests_at_a_time_are_throttled_until_one_of_them_ends(make_bench):
    bench = make_bench(concurrent_requests=2, request_ms=1_500)
    bench.open(tier=Tier.PRO, USD="100")
    bench.ok("Balance")
    bench.ok("Balance")
    until_s = bench.now_ns // SECOND_NS + 2
    assert bench.error("Balance") == f"EService: Throttled: {until_s}"
    bench.later("1.5")
    bench.ok("Balance")


def test_an_account_without_limits_is_never_throttled(make_bench):
    bench = make_bench(concurrent_requests=1)
    bench.open(USD="100")
    for _ in range(5):
        bench.ok("Balance")


def test_throttling_comes_after_the_nonce_and_before_the_permission(make_bench):
    bench = make_bench(concurrent_requests=1)
    bench.open(tier=Tier.PRO, permissions=frozenset())
    assert bench.error("Balance") == "EGeneral:Permission denied"
    assert bench.error("Balance").startswith("EService: Throttled: ")
    answer = bench.send("Balance", {}, nonce=1)
    assert b"EAPI:Invalid nonce" in answer.body


def test_costs_of_methods_can_be_chosen(make_bench):
    bench = make_bench(rest_costs={"Ledgers": 2, "Balance": 7})
    bench.open(tier=Tier.STARTER, USD="100")
    for _ in range(2):
        bench.ok("Balance")
    assert bench.error("Ledgers") == "EAPI:Rate limit exceeded"
