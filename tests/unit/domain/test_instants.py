"""Instants: what is held ends by the fastest clock, what is waited for by the steady one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.domain.instants import Instant, Odometer

S = 1_000_000_000


def read(odometer: Odometer, steady_s: int, boot_s: int, wall_s: int) -> tuple[int, int]:
    now = odometer.read(steady_ns=steady_s * S, others_ns=(boot_s * S,), wall_ns=wall_s * S)
    assert now.wall_ns == wall_s * S
    return now.least_ns // S, now.most_ns // S


def begun() -> Odometer:
    return Odometer(steady_ns=100 * S, others_ns=(200 * S,), wall_ns=1_000 * S)


def test_clocks_that_agree_give_one_answer() -> None:
    assert read(begun(), 107, 207, 1_007) == (7, 7)


def test_sleep_of_the_machine_counts_against_what_is_held_alone() -> None:
    odometer = begun()
    assert read(odometer, 101, 261, 1_061) == (1, 61)
    assert read(odometer, 102, 262, 1_062) == (2, 62)


def test_wall_set_forward_counts_against_what_is_held_alone() -> None:
    assert read(begun(), 101, 201, 4_601) == (1, 3_601)


def test_wall_set_back_gives_nobody_more_time() -> None:
    odometer = begun()
    assert read(odometer, 101, 201, 400) == (1, 1)
    assert read(odometer, 105, 205, 404) == (5, 5)


def test_wall_that_went_forward_and_back_does_not_stop_the_clock() -> None:
    odometer = begun()
    read(odometer, 101, 201, 4_601)
    assert read(odometer, 102, 202, 1_002) == (2, 3_602)
    assert read(odometer, 105, 205, 1_005) == (5, 3_605)


@given(st.lists(st.tuples(*[st.integers(-50, 50)] * 3), max_size=30))
def test_neither_side_ever_goes_back_and_most_is_never_below_least(
    steps: list[tuple[int, int, int]],
) -> None:
    odometer, at = begun(), [100, 200, 1_000]
    before = (0, 0)
    for step in steps:
        at = [value + change for value, change in zip(at, step, strict=True)]
        now = odometer.read(steady_ns=at[0], others_ns=(at[1],), wall_ns=at[2])
        assert now.least_ns <= now.most_ns
        assert (now.least_ns, now.most_ns) >= before
        before = (now.least_ns, now.most_ns)


def test_clock_that_comes_or_goes_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="a clock came or went"):
        begun().read(steady_ns=101, others_ns=(), wall_ns=1_001)


def test_later_is_later_by_all_clocks() -> None:
    assert Instant(least_ns=1, most_ns=2, wall_ns=3).plus_ns(4) == Instant(
        least_ns=5, most_ns=6, wall_ns=7
    )
