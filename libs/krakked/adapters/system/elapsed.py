"""Instants for ownership: from all clocks of this machine, or from a time line that is simulated.

The boot-time clock goes on while the machine sleeps and the monotonic one does not; the wall is
set by people. ``domain/instants.py`` says which of them is believed for what.
"""

from __future__ import annotations

import time
from typing import Protocol

from krakked.domain.instants import Instant, Odometer


class TimeLine(Protocol):
    """Anything that knows its instant."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970 UTC."""
        ...


class MachineElapsed:
    """Monotonic, boot-time and wall clock of this machine."""

    def __init__(self) -> None:
        steady_ns, others_ns, wall_ns = _readings()
        self._odometer = Odometer(steady_ns=steady_ns, others_ns=others_ns, wall_ns=wall_ns)

    def now(self) -> Instant:
        """The instant of this moment."""
        steady_ns, others_ns, wall_ns = _readings()
        return self._odometer.read(steady_ns=steady_ns, others_ns=others_ns, wall_ns=wall_ns)


class ClockElapsed:
    """A time line that cannot be set, nor sleep: a simulated loop's."""

    def __init__(self, clock: TimeLine) -> None:
        self._clock = clock
        self._origin_ns = clock.now_ns()

    def now(self) -> Instant:
        """The instant of this moment."""
        wall_ns = self._clock.now_ns()
        passed_ns = wall_ns - self._origin_ns
        return Instant(least_ns=passed_ns, most_ns=passed_ns, wall_ns=wall_ns)


def _readings() -> tuple[int, tuple[int, ...], int]:
    steady_ns = time.monotonic_ns()
    # Not every system knows this clock; where it is missing none sleeps unseen by the wall.
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    others_ns = () if boot is None else (time.clock_gettime_ns(boot),)
    return steady_ns, others_ns, time.time_ns()  # noqa: TID251 - this is the source of time
