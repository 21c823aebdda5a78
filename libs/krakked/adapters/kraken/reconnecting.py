"""When to connect again: at once, then after random pauses that grow, and never too often.

The pauses are drawn evenly from zero to a bound that doubles (full jitter), so that many clients
cut off together do not come back together. Beyond that the venue bans an address that connects
more than 150 times in ten minutes; :class:`ConnectBudget` stays below, for both streams together.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Final

from krakked.domain.times import NS_PER_SECOND

WINDOW_NS: Final = 600 * NS_PER_SECOND
CONNECTS_MAX: Final = 120
"""In one window; the venue's cap is 150 per address, and we may not be alone on ours."""
MAINTENANCE_PAUSE_S: Final = 5.0
"""During maintenance the venue wants no more than one attempt in so many seconds."""
_DOUBLINGS_MAX: Final = 16


class ConnectBudget:
    """Counts connects in a sliding window."""

    def __init__(self) -> None:
        self._at_ns: deque[int] = deque()

    def __repr__(self) -> str:
        return f"<ConnectBudget {len(self._at_ns)} of {CONNECTS_MAX}>"

    def reserve(self, now_ns: int) -> int:
        """Take one connect; how many nanoseconds to wait before making it."""
        while self._at_ns and self._at_ns[0] <= now_ns - WINDOW_NS:
            self._at_ns.popleft()
        at_ns = now_ns
        if len(self._at_ns) >= CONNECTS_MAX:
            at_ns = max(now_ns, self._at_ns[-CONNECTS_MAX] + WINDOW_NS)
        self._at_ns.append(at_ns)
        return at_ns - now_ns


class Backoff:
    """Pauses between attempts that fail in a row."""

    def __init__(self, rng: Random, *, base_s: float, max_s: float) -> None:
        self._rng = rng
        self._base_s = base_s
        self._max_s = max_s
        self.failures = 0

    def __repr__(self) -> str:
        return f"<Backoff after {self.failures} failures>"

    def pause_s(self) -> float:
        """How long to wait before the next attempt; the first one goes at once."""
        if self.failures == 0:
            return 0.0
        bound_s = self._base_s * 2 ** min(self.failures - 1, _DOUBLINGS_MAX)
        return self._rng.uniform(0.0, min(self._max_s, bound_s))

    def ended(self, lasted_s: float) -> None:
        """A connection ended; one that lasted starts the count anew."""
        self.failures = 0 if lasted_s > self._max_s else self.failures + 1
