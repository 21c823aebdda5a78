"""Asking again: a question that was not answered may be put a second time, an order never."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from krakked.domain.errors import Transient
from krakked.domain.portfolio import Difference
from krakked.ports.clock import Clock
from krakked.trading.engine import Engine

T = TypeVar("T")

TRIES_MAX = 5
PAUSE_S = 1.0
LONG_S = 60.0
"""Who is told to come back later than this is told so, not kept waiting in silence."""
AGREE_TRIES_MAX = 40
AGREE_PAUSE_S = 1.0


async def patiently(clock: Clock, ask: Callable[[], Awaitable[T]]) -> T:
    """The answer, after a few tries and the pauses that the venue asks for.

    Raises:
        Transient: it did not answer at all, or only wants to after a long while.
    """
    for _ in range(TRIES_MAX - 1):
        try:
            return await ask()
        except Transient as error:
            if (error.retry_after_s or 0) >= LONG_S:
                raise
            await clock.sleep(error.retry_after_s or PAUSE_S)
    return await ask()


async def agree(
    engine: Engine, *, waits_for_unknown: bool, reads_on: bool = True
) -> Sequence[Difference]:
    """Reconcile until the books agree with the venue, or waiting explains nothing more.

    Args:
        engine: whose books.
        waits_for_unknown: whether to stay until no order is in doubt either; a start need not,
            for the pair of such an order is blocked.
        reads_on: whether to read at once what happened since the last time; without it that is
            done only if the books differ, which costs a stop far less of the venue's limits.

    Raises:
        Transient: the venue did not answer at all.
    """
    desk, reconciler = engine.desk, engine.reconciler
    differences: Sequence[Difference] = ()
    for _ in range(AGREE_TRIES_MAX):
        if reads_on:
            await patiently(desk.clock, reconciler.catch_up)
        reads_on = True
        differences = await patiently(desk.clock, reconciler.reconcile)
        in_doubt = waits_for_unknown and desk.account.unknown_pairs()
        if reconciler.is_settled and not in_doubt:
            break
        await desk.clock.sleep(AGREE_PAUSE_S)
    return differences
