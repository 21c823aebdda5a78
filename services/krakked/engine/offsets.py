"""How far this machine's clock and the venue's are apart, as far as the venue tells.

It tells whole seconds, so its clock stands somewhere between one and the next, and the answer takes
a while on the way: what is told here is the smallest offset that fits all of that, so an offset
that is not zero is a true one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from krakked.adapters.kraken.rest import KrakenRest
from krakked.domain.errors import Ambiguous, Permanent, Transient
from krakked.domain.times import NS_PER_SECOND
from krakked.ports.clock import Clock
from krakked.trading.guard import Guard

LOOK_S = 15.0


class ClockOffset:
    """The venue's clock less ours, asked for now and then."""

    def __init__(self, rest: KrakenRest, clock: Clock, observe: Callable[[float], None]) -> None:
        self._rest = rest
        self._clock = clock
        self._observe = observe
        self.newest_s = 0.0
        """As it was last measured."""
        self.guard: Guard | None = None
        """Hears every measurement from when there is one."""

    async def measure(self) -> float:
        """Ask the venue; seconds.

        Raises:
            Transient, Permanent: it did not answer.
        """
        before_ns = self._clock.now_ns()
        venue_ns = await self._rest.venue_time_ns()
        offset_s = smallest_offset_s(before_ns, venue_ns, self._clock.now_ns())
        self._observe(offset_s)
        self.newest_s = offset_s
        if self.guard is not None:
            self.guard.clock_offset_ns = int(offset_s * NS_PER_SECOND)
        return offset_s

    def watch(self, guard: Guard, *, most_s: float) -> None:
        """Let it refuse orders as long as the clocks are further apart than ``most_s``."""
        guard.clock_offset_ns = int(self.newest_s * NS_PER_SECOND)
        guard.clock_offset_max_ns = int(most_s * NS_PER_SECOND)
        self.guard = guard

    async def run(self, *, period_s: float) -> None:
        """Ask every ``period_s`` until cancelled; a venue that is away is asked again."""
        while True:
            await self._clock.sleep(period_s)
            with contextlib.suppress(Transient, Ambiguous, Permanent):
                await self.measure()


def smallest_offset_s(before_ns: int, venue_ns: int, after_ns: int) -> float:
    """Of all offsets that fit: asked at ``before_ns``, ``venue_ns`` heard at ``after_ns``."""
    least_ns = venue_ns - after_ns
    most_ns = venue_ns + NS_PER_SECOND - before_ns
    return max(least_ns, min(0, most_ns)) / NS_PER_SECOND
