"""A clock that stands still and notes how long it was waited for."""

from __future__ import annotations

import pytest


class StillClock:
    """Stands; waiting takes no time."""

    def __init__(self) -> None:
        self.at_ns = 1_700_000_000_000_000_000
        self.slept: list[float] = []

    def now_ns(self) -> int:
        return self.at_ns

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def still_clock() -> StillClock:
    return StillClock()
