"""Clocks: the machine's own, and one that reads the time line of a simulated event loop.

Both wait by the running event loop, so that a wait on a loop whose time is simulated takes no
real time. Waits are rounded up to whole microseconds: whoever slept until an instant never
wakes before it, however coarse the loop's float seconds have become.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import Final, Protocol

_US_PER_SECOND: Final = 1_000_000
_FLOAT_FUZZ_US: Final = 1e-4
"""What float arithmetic may add to a whole number of microseconds."""


class TimeLine(Protocol):
    """Anything that knows its instant: a simulated event loop."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970 UTC."""
        ...


class SystemClock:
    """The machine's wall clock."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970 UTC."""
        return time.time_ns()  # noqa: TID251 - this is the Clock

    async def sleep(self, seconds: float) -> None:
        """Return when ``seconds`` have passed."""
        await _sleep(seconds)


class LoopClock:
    """The time line of the event loop it runs on."""

    def __init__(self, time_line: TimeLine) -> None:
        self._time_line = time_line

    def now_ns(self) -> int:
        """Nanoseconds since 1970 UTC."""
        return self._time_line.now_ns()

    async def sleep(self, seconds: float) -> None:
        """Return when ``seconds`` of the loop's time have passed."""
        await _sleep(seconds)


async def _sleep(seconds: float) -> None:
    whole_us = max(0, math.ceil(seconds * _US_PER_SECOND - _FLOAT_FUZZ_US))
    await asyncio.sleep(whole_us / _US_PER_SECOND)  # noqa: TID251 - this is the Clock
