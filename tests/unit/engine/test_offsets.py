"""The clock's offset: the smallest one that fits what the venue said and when it said it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import pytest

from krakked.domain.errors import Transient
from krakked.domain.times import NS_PER_SECOND
from krakked.engine.offsets import ClockOffset, smallest_offset_s
from krakked.trading.guard import Guard

NOON_S = 1_700_000_000


@pytest.mark.parametrize(
    ("before_s", "venue_s", "after_s", "offset_s"),
    [
        (10.25, 10, 10.5, 0.0),  # within the second that it tells
        (10.25, 9, 10.5, -0.25),  # at least so far behind
        (10.25, 5, 10.5, -4.25),
        (10.25, 12, 10.5, 1.5),  # at least so far ahead
        (10.75, 11, 11.25, 0.0),  # the second changed on the way
        (10.75, 10, 11.25, 0.0),
    ],
)
def test_offset_is_the_smallest_that_fits(
    before_s: float, venue_s: int, after_s: float, offset_s: float
) -> None:
    before_ns, venue_ns, after_ns = (
        int((NOON_S + seconds) * NS_PER_SECOND) for seconds in (before_s, venue_s, after_s)
    )
    assert smallest_offset_s(before_ns, venue_ns, after_ns) == pytest.approx(offset_s, abs=1e-6)


class Enough(Exception):
    """The test has seen what it wanted."""


class Venue:
    """Tells these times one after the other; None: does not answer."""

    def __init__(self, *times_s: int | None) -> None:
        self._times: Iterator[int | None] = iter(times_s)

    async def venue_time_ns(self) -> int:
        time_s = next(self._times, -1)
        if time_s is None:
            raise Transient("Time: no answer")
        if time_s < 0:
            raise Enough
        return time_s * NS_PER_SECOND


def test_venue_is_asked_again_and_again_also_after_silence(still_clock: Any) -> None:
    told: list[float] = []
    now_s = still_clock.now_ns() // NS_PER_SECOND
    venue: Any = Venue(now_s - 5, None, now_s + 3)
    offset = ClockOffset(venue, still_clock, told.append)
    with pytest.raises(Enough):
        asyncio.run(offset.run(period_s=60))
    assert told == [-4.0, 3.0]
    assert still_clock.slept == [60.0] * 4


def test_guard_hears_what_was_measured_before_it_and_every_measurement_after(
    still_clock: Any,
) -> None:
    now_s = still_clock.now_ns() // NS_PER_SECOND
    venue: Any = Venue(now_s + 3, now_s - 5, now_s)
    offset = ClockOffset(venue, still_clock, lambda _: None)
    guard = Guard(cast("Any", None))
    asyncio.run(offset.measure())
    offset.watch(guard, most_s=1)
    assert not guard.is_clock_trusted
    asyncio.run(offset.measure())
    assert guard.clock_offset_ns == -4 * NS_PER_SECOND
    asyncio.run(offset.measure())
    assert guard.is_clock_trusted
