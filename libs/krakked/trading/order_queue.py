"""The order queue: legs of recorded plans, those that reduce risk before those that add it.

One leg is tried at a time. One that has to wait, an entry for a place or any leg for its next try,
waits here and not at the wire, so whatever may go meanwhile goes: a stop's sale never stands behind
a purchase.

exits     in the order they came; one that waits for its next try lets the others pass
entries   in the order they came, none before another, and only while no exit waits

A sleeve has one order on its way at most, so the sleeves bound the queue.
"""

from __future__ import annotations

import asyncio
import contextlib

from krakked.domain.orders import LegKind, OrderRequest
from krakked.domain.plans import ExecutionPlan
from krakked.domain.times import NS_PER_SECOND
from krakked.trading.execute import Executor

LOOK_S = 0.05
"""Between two looks whether an order has ended and left its place."""
TICK_S = 0.001
"""A wait is never shorter: the loop's time is not finer than some hundred nanoseconds."""
WAIT_MAX_S = 5.0
"""The loop shows that it is alive at least this often."""


class _Waiting:
    """One leg, and when it may be tried again."""

    __slots__ = ("attempt", "not_before_ns", "plan", "request")

    def __init__(self, request: OrderRequest, plan: ExecutionPlan) -> None:
        self.request = request
        self.plan = plan
        self.attempt = 0
        self.not_before_ns = 0
        """By :func:`_loop_ns`."""


class OrderQueue:
    """Hands legs to the executor, one at a time."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._exits: list[_Waiting] = []
        self._entries: list[_Waiting] = []
        self._has_more = asyncio.Event()
        self._looked_at_ns: int | None = None

    def __repr__(self) -> str:
        return f"<OrderQueue {len(self._exits)} exits, {len(self._entries)} entries>"

    @property
    def is_empty(self) -> bool:
        """No leg waits or is being tried."""
        return not self._exits and not self._entries

    @property
    def busy_s(self) -> float:
        """For how long the loop has not looked while there was work: a leg is tried, or it hangs.

        Without work it waits for some, and has nothing to show.
        """
        if self.is_empty or self._looked_at_ns is None:
            return 0.0
        return (_loop_ns() - self._looked_at_ns) / NS_PER_SECOND

    def put(self, plan: ExecutionPlan) -> None:
        """Take the legs of a recorded plan."""
        if self.is_empty:
            self._looked_at_ns = _loop_ns()  # from here on it has something to look at
        for leg in plan.legs:
            self._lane(leg.request).append(_Waiting(leg.request, plan))
        self._has_more.set()

    async def run(self) -> None:
        """Send what comes, until cancelled."""
        while True:
            await self._has_more.wait()
            await self.work()

    async def work(self) -> None:
        """Send what waits, until each leg has an answer or will never be sent."""
        while not self.is_empty:
            self._has_more.clear()
            self._looked_at_ns = _loop_ns()
            leg = self._next()
            if leg is None:
                await self._wait()
            else:
                await self._try(leg)
        self._has_more.clear()

    def _lane(self, request: OrderRequest) -> list[_Waiting]:
        return self._entries if request.kind is LegKind.ENTRY else self._exits

    def _next(self) -> _Waiting | None:
        """The first that may go now."""
        now_ns = _loop_ns()
        for leg in self._exits:
            if leg.not_before_ns <= now_ns:
                return leg
        if self._exits or not self._entries:
            return None
        first = self._entries[0]
        is_due = first.not_before_ns <= now_ns
        return first if is_due and self._executor.has_place(first.request, first.plan) else None

    async def _wait(self) -> None:
        """Until another leg comes, a try is due, or it is time to look for a place."""
        due_ns = min(leg.not_before_ns for leg in self._exits or self._entries[:1])
        pause_ns = due_ns - _loop_ns()
        pause_s = max(pause_ns / NS_PER_SECOND, TICK_S) if pause_ns > 0 else LOOK_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(pause_s, WAIT_MAX_S)):
                await self._has_more.wait()

    async def _try(self, leg: _Waiting) -> None:
        pause_ns = await self._executor.send(leg.request, leg.plan, leg.attempt)
        if pause_ns is None:
            self._lane(leg.request).remove(leg)
            return
        leg.attempt += 1
        leg.not_before_ns = _loop_ns() + pause_ns


def _loop_ns() -> int:
    """The loop's own time: no correction of the clock prolongs a pause."""
    return int(asyncio.get_running_loop().time() * NS_PER_SECOND)
