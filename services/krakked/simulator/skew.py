"""A clock that may be wrong: the venue's, when it is to differ from everybody else's."""

from __future__ import annotations

from krakked.ports.clock import Clock


class SkewedClock:
    """Another clock, and how far ahead of it this one is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset_ns = 0
        """Below nothing: behind."""

    def __repr__(self) -> str:
        return f"<SkewedClock {self.offset_ns} ns ahead of {self._clock!r}>"

    def now_ns(self) -> int:
        """Nanoseconds since 1970 UTC, and the offset."""
        return self._clock.now_ns() + self.offset_ns

    async def sleep(self, seconds: float) -> None:
        """Return when so many seconds have passed; they are as long as everybody's."""
        await self._clock.sleep(seconds)
