"""Asking again: a question that was not answered may be put a second time, an order never."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from krakked.domain.errors import Transient
from krakked.ports.clock import Clock

T = TypeVar("T")

TRIES_MAX = 5
PAUSE_S = 1.0


async def patiently(clock: Clock, ask: Callable[[], Awaitable[T]]) -> T:
    """The answer, after a few tries and the pauses that the venue asks for.

    Raises:
        Transient: it did not answer at all.
    """
    for _ in range(TRIES_MAX - 1):
        try:
            return await ask()
        except Transient as error:
            await clock.sleep(error.retry_after_s or PAUSE_S)
    return await ask()
