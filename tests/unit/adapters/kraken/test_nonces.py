"""Nonces only grow, whatever the clock does, and carry the epoch in front."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.adapters.kraken.nonces import Nonces, epoch_of, fingerprint, nonce_of

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


def test_floor_of_an_earlier_run_is_passed(still_clock: Any) -> None:
    nonces = Nonces(still_clock, floors={fingerprint("k"): MS + 900})
    assert nonces.next("k") == 200_000 * 10**13 + MS + 901


class Store:
    """Keeps what was reserved, as the ledger does."""

    def __init__(self) -> None:
        self.floors: dict[str, int] = {}
        self.writes = 0

    async def reserve(self, key: str, tick: int) -> None:
        self.writes += 1
        self.floors[key] = max(tick, self.floors.get(key, 0))

    def nonces(self, clock: Any, **more: Any) -> Nonces:
        """Of a process that starts now."""
        return Nonces(clock, floors=self.floors, reserve=self.reserve, **more)


def take(nonces: Nonces, key: str = "k") -> int:
    """One number, as the transport takes it."""
    asyncio.run(nonces.prepare(key))
    return nonces.next(key)


def test_numbers_are_reserved_before_they_are_used(still_clock: Any) -> None:
    store = Store()
    nonces = store.nonces(still_clock, block=10)
    for _ in range(30):
        tick = take(nonces) - nonce_of(0, 1) + 1
        assert tick <= store.floors[fingerprint("k")]


def test_reserving_is_one_write_for_a_whole_block(still_clock: Any) -> None:
    store = Store()
    nonces = store.nonces(still_clock, block=10)
    for _ in range(11):
        take(nonces)
    assert store.writes == 1
    take(nonces)
    assert store.writes == 2


def test_reserving_names_a_key_by_its_fingerprint_alone(still_clock: Any) -> None:
    store = Store()
    take(store.nonces(still_clock), "an-api-key-of-the-venue")
    assert [len(name) for name in store.floors] == [16]
    assert "an-api-key" not in str(store.floors)


def test_number_that_was_not_reserved_is_a_bug(still_clock: Any) -> None:
    nonces = Store().nonces(still_clock)
    with pytest.raises(AssertionError, match="not reserved"):
        nonces.next("k")


def test_clock_that_jumps_after_reserving_takes_no_number_beyond_the_block(
    still_clock: Any,
) -> None:
    store = Store()
    nonces = store.nonces(still_clock, block=10)
    asyncio.run(nonces.prepare("k"))
    still_clock.at_ns += 3_600 * 10**9
    assert nonces.next("k") == nonce_of(0, MS + 10)
    assert take(nonces) == nonce_of(0, MS + 3_600_000)


@pytest.mark.parametrize("step_s", [0, -3_600, 3_600])
def test_process_that_starts_again_goes_on_above_its_predecessor(
    still_clock: Any, step_s: int
) -> None:
    store = Store()
    first = store.nonces(still_clock)
    sent = [take(first) for _ in range(10)]
    still_clock.at_ns += step_s * 10**9
    assert take(store.nonces(still_clock)) > max(sent)


@given(st.lists(st.tuples(st.integers(-(10**7), 10**7), st.booleans()), min_size=1, max_size=40))
def test_numbers_grow_over_any_walk_of_the_clock_and_any_restarts(
    steps: list[tuple[int, bool]],
) -> None:
    class Walking:
        at_ns = MS * 10**6

        def now_ns(self) -> int:
            return self.at_ns

        async def sleep(self, seconds: float) -> None: ...

    clock, store = Walking(), Store()
    nonces = store.nonces(clock, block=50)
    taken = []
    for step_ms, restarts in steps:
        clock.at_ns = max(10**6, clock.at_ns + step_ms * 10**6)
        if restarts:
            nonces = store.nonces(clock, block=50)
        taken.append(take(nonces))
    assert taken == sorted(set(taken))


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
