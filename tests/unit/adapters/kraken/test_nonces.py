"""Nonces only grow, whatever the clock does, and carry the epoch in front."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.adapters.kraken.nonces import Nonces, epoch_of, nonce_of

MS = 1_700_000_000_000
LAST_EPOCH = 722_337


def test_first_nonce_is_the_base_and_the_clock_in_milliseconds(still_clock: Any) -> None:
    assert Nonces(still_clock).next("k") == 200_000 * 10**13 + MS


def test_nonces_of_one_instant_grow_by_one(still_clock: Any) -> None:
    nonces = Nonces(still_clock)
    assert [nonces.next("k") - nonces.next("k") for _ in range(3)] == [-1, -1, -1]


def test_nonces_follow_the_clock_when_it_is_ahead(still_clock: Any) -> None:
    nonces = Nonces(still_clock)
    first = nonces.next("k")
    still_clock.at_ns += 5_000_000_000
    assert nonces.next("k") == first + 5_000


def test_clock_that_steps_back_does_not_take_nonces_back(still_clock: Any) -> None:
    nonces = Nonces(still_clock)
    first = nonces.next("k")
    still_clock.at_ns -= 3_600 * 10**9
    assert nonces.next("k") == first + 1


def test_keys_are_counted_apart(still_clock: Any) -> None:
    nonces = Nonces(still_clock)
    assert nonces.next("a") == nonces.next("b")


def test_last_tick_of_an_earlier_run_is_a_floor(still_clock: Any) -> None:
    nonces = Nonces(still_clock, last={"k": MS + 900})
    assert nonces.next("k") == 200_000 * 10**13 + MS + 901


def test_each_tick_is_told_before_it_is_used(still_clock: Any) -> None:
    told: list[tuple[str, int]] = []
    nonces = Nonces(still_clock, on_advance=lambda key, tick: told.append((key, tick)))
    nonces.next("k")
    nonces.next("k")
    assert told == [("k", MS), ("k", MS + 1)]


def test_run_that_goes_on_from_what_was_told_never_repeats(still_clock: Any) -> None:
    told: dict[str, int] = {}
    first = Nonces(still_clock, on_advance=told.__setitem__)
    used = [first.next("k") for _ in range(10)]
    assert Nonces(still_clock, last=told).next("k") > max(used)


def test_later_epoch_lies_above_everything_an_earlier_one_can_reach(still_clock: Any) -> None:
    assert nonce_of(7, 1) > nonce_of(6, 10**13 - 1)


def test_entering_an_epoch_keeps_the_counter_and_changes_the_front(still_clock: Any) -> None:
    nonces = Nonces(still_clock)
    nonces.next("k")
    nonces.enter_epoch(3)
    assert nonces.epoch == 3
    assert nonces.next("k") == nonce_of(3, MS + 1)


def test_epoch_is_never_left_for_an_earlier_one(still_clock: Any) -> None:
    nonces = Nonces(still_clock, epoch=4)
    with pytest.raises(AssertionError):
        nonces.enter_epoch(3)


def test_tick_that_would_reach_into_the_next_epoch_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        nonce_of(0, 10**13)


def test_last_epoch_fits_into_63_bits_and_the_next_does_not() -> None:
    assert nonce_of(LAST_EPOCH - 1, 1) < 2**63
    with pytest.raises(AssertionError):
        nonce_of(LAST_EPOCH, 10**13 - 1)


@given(st.integers(0, LAST_EPOCH - 1), st.integers(1, 10**13 - 1))
def test_epoch_can_be_read_from_any_nonce(epoch: int, tick: int) -> None:
    assert epoch_of(nonce_of(epoch, tick)) == epoch


@given(st.lists(st.integers(-(10**12), 10**12), max_size=30))
def test_nonces_grow_strictly_under_any_walk_of_the_clock(steps: list[int]) -> None:
    class Walking:
        at_ns = MS * 10**6

        def now_ns(self) -> int:
            return self.at_ns

        async def sleep(self, seconds: float) -> None: ...

    clock = Walking()
    nonces = Nonces(clock)
    given_out = []
    for step in steps:
        clock.at_ns = max(10**6, clock.at_ns + step)
        given_out.append(nonces.next("k"))
    assert given_out == sorted(set(given_out))
