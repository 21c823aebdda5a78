"""Asking again: a question that was not answered may be put a second time, an order never."""

from __future__ import annotations

import functools
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
PASS_TRIES_MAX = 10
"""A pass is several questions, and begins anew if one of them is not answered."""


async def patiently(
    clock: Clock, ask: Callable[[], Awaitable[T]], *, tries_max: int = TRIES_MAX
) -> T:
    """The answer, after a few tries and the pauses that the venue asks for.

    Raises:
        Transient: it did not answer at all, or only wants to after a long while.
    """
    for _ in range(tries_max - 1):
        try:
            return await ask()
        except Transient as error:
            if (error.retry_after_s or 0) >= LONG_S:
                raise
            await clock.sleep(error.retry_after_s or PAUSE_S)
    return await ask()


async def agree(
    engine: Engine, *, waits_for_unknown: bool, is_first: bool = False
) -> Sequence[Difference]:
    """Reconcile until the books agree with the venue, or waiting explains nothing more.

    Args:
        engine: whose books.
        waits_for_unknown: whether to stay until no order is in doubt either; a start need not,
            for the pair of such an order is blocked.
        is_first: whether it is the first time of a start, which reads what happened since the
            last one. Otherwise that is done only if the books differ: the venue counts questions.

    Raises:
        Transient: the venue did not answer at all.
    """
    desk, reconciler = engine.desk, engine.reconciler
    differences: Sequence[Difference] = ()
    for _ in range(AGREE_TRIES_MAX):
        make_pass = functools.partial(reconciler.reconcile, is_first=is_first)
        differences = await patiently(desk.clock, make_pass, tries_max=PASS_TRIES_MAX)
        is_first = False
        in_doubt = waits_for_unknown and desk.account.unknown_pairs()
        if reconciler.is_settled and not in_doubt:
            break
        await desk.clock.sleep(AGREE_PAUSE_S)
    return differences
