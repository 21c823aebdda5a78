"""How much time has passed for this process: at least, at most, and what the wall says.

Three clocks of one machine disagree when it is suspended, when somebody sets its time, or when it
is slewed. Whoever holds something until a moment must let go by the fastest of them; whoever waits
for somebody else must wait by the one that is never too fast. An :class:`Instant` carries both, so
that no caller can take the wrong one without naming it.
"""

from __future__ import annotations

from operator import sub

import msgspec


class Instant(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of one process; nanoseconds since an origin that only this process knows."""

    least_ns: int
    """So much has passed for certain: waits for others are measured by it."""
    most_ns: int
    """No more than so much has passed: what we hold ends by it."""
    wall_ns: int
    """Nanoseconds since 1970 UTC, for records that others read; decides nothing."""

    def plus_ns(self, ns: int) -> Instant:
        """So much later by all three."""
        return Instant(
            least_ns=self.least_ns + ns, most_ns=self.most_ns + ns, wall_ns=self.wall_ns + ns
        )


class Odometer:
    """Adds up steps of several clocks into :class:`Instant` values that never go back.

    Each reading adds the largest step that any clock took since the one before (and none if all
    stood still or went back) to what may have passed, and the steady clock's step to what has.
    """

    def __init__(self, *, steady_ns: int, others_ns: tuple[int, ...], wall_ns: int) -> None:
        """Begin at zero with these readings; the wall is one of the clocks."""
        self._last = (steady_ns, *others_ns, wall_ns)
        self._least_ns = 0
        self._most_ns = 0

    def read(self, *, steady_ns: int, others_ns: tuple[int, ...], wall_ns: int) -> Instant:
        """The instant of these readings."""
        now = (steady_ns, *others_ns, wall_ns)
        assert len(now) == len(self._last), "a clock came or went"
        steps = tuple(map(sub, now, self._last))
        self._last = now
        self._least_ns += max(0, steps[0])
        self._most_ns += max(0, *steps)
        return Instant(least_ns=self._least_ns, most_ns=self._most_ns, wall_ns=wall_ns)
