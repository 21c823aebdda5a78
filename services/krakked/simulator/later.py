"""What a fault has begun and will end: acts with an instant, kept in order."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TypeAlias

Act: TypeAlias = Callable[[int], None]


class Later:
    """Appointments of the simulated world; two at one instant keep the order of their making."""

    def __init__(self) -> None:
        self._queue: list[tuple[int, int, Act]] = []
        self._made = 0

    def __repr__(self) -> str:
        return f"<Later {len(self._queue)} acts, next at {self.next_ns()}>"

    def add(self, at_ns: int, act: Act) -> None:
        """Call ``act`` with the instant when it has come."""
        self._made += 1
        heapq.heappush(self._queue, (at_ns, self._made, act))

    def next_ns(self) -> int | None:
        """When :meth:`play` has something to do."""
        return self._queue[0][0] if self._queue else None

    def play(self, now_ns: int) -> None:
        """Keep every appointment up to now."""
        while self._queue and self._queue[0][0] <= now_ns:
            at_ns, _, act = heapq.heappop(self._queue)
            act(at_ns)
