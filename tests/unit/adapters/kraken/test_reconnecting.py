"""At once, then patiently, and never so often that the venue bans the address."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from krakked.adapters.kraken.reconnecting import CONNECTS_MAX, WINDOW_NS, Backoff, ConnectBudget

S = 10**9


def backoff(seed: int = 1) -> Backoff:
    return Backoff(Random(seed), base_s=0.5, max_s=30.0)


def fail(pauses: Backoff, times: int) -> None:
    for _ in range(times):
        pauses.ended(0.0)


def test_first_attempt_goes_at_once() -> None:
    assert backoff().pause_s() == 0.0


def test_bound_of_the_pause_doubles_with_each_failure_and_stops_growing() -> None:
    for failures, bound_s in ((1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (500, 30.0)):
        pauses = backoff()
        fail(pauses, failures)
        drawn = [pauses.pause_s() for _ in range(300)]
        assert max(drawn) <= bound_s
        # Full jitter: the whole range below the bound is used.
        assert max(drawn) > bound_s * 0.9
        assert min(drawn) < bound_s * 0.1


def test_connection_that_lasted_is_no_failure() -> None:
    pauses = backoff()
    fail(pauses, 5)
    pauses.ended(31.0)
    assert pauses.failures == 0
    assert pauses.pause_s() == 0.0


def test_connection_that_did_not_last_is_one_though_it_was_ready() -> None:
    pauses = backoff()
    pauses.ended(29.0)
    assert pauses.failures == 1


def test_same_seed_gives_the_same_pauses() -> None:
    first, second = backoff(7), backoff(7)
    fail(first, 4)
    fail(second, 4)
    assert [first.pause_s() for _ in range(5)] == [second.pause_s() for _ in range(5)]


def test_budget_lets_the_first_hundred_and_twenty_go_at_once() -> None:
    budget = ConnectBudget()
    assert [budget.reserve(0) for _ in range(CONNECTS_MAX)] == [0] * CONNECTS_MAX


def test_connect_beyond_the_budget_waits_until_the_oldest_is_ten_minutes_old() -> None:
    budget = ConnectBudget()
    for number in range(CONNECTS_MAX):
        budget.reserve(number * S)
    assert budget.reserve(200 * S) == WINDOW_NS - 200 * S
    assert budget.reserve(200 * S) == WINDOW_NS + 1 * S - 200 * S


def test_budget_remembers_for_the_whole_of_its_window() -> None:
    budget = ConnectBudget()
    for _ in range(CONNECTS_MAX):
        budget.reserve(0)
    assert budget.reserve(WINDOW_NS - 1) == 1


def test_budget_forgets_what_is_older_than_its_window() -> None:
    budget = ConnectBudget()
    for _ in range(CONNECTS_MAX):
        budget.reserve(0)
    assert budget.reserve(WINDOW_NS) == 0


@given(st.lists(st.integers(0, 20 * S), min_size=1, max_size=400))
def test_no_window_ever_holds_more_connects_than_the_budget(pauses: list[int]) -> None:
    budget = ConnectBudget()
    now_ns = 0
    made = []
    for pause_ns in pauses:
        now_ns += pause_ns
        now_ns += budget.reserve(now_ns)
        made.append(now_ns)
    for index in range(CONNECTS_MAX, len(made)):
        assert made[index] - made[index - CONNECTS_MAX] >= WINDOW_NS
