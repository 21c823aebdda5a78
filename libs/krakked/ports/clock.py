"""The only source of time."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Wall-clock instants and waiting, both on one time line (real, faster, or simulated)."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970 UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when ``seconds`` of this clock have passed."""
        ...
