"""The lease, with a stopwatch beside it: how long it takes to write it, and what went wrong.

Only a listener: what is asked, answered and raised is what the store below asks, answers and
raises. Calls are timed by the clock of the run, as those of the venue are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krakked.domain.times import NS_PER_SECOND
from krakked.ports.clock import Clock
from krakked.ports.lease_store import (
    LeaseConflict,
    LeaseEvent,
    LeaseMissing,
    LeaseRecord,
    LeaseStore,
    LeaseUnreachable,
)

FAILURES: Final = {
    LeaseUnreachable: "unreachable",
    LeaseConflict: "conflict",
    LeaseMissing: "missing",
}
"""What stands in the way of a write, as a label."""


class MeasuredLeases:
    """A lease store that tells ``observe`` of each write: its seconds, and why it failed."""

    def __init__(
        self, store: LeaseStore, clock: Clock, observe: Callable[[float, str | None], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._observe = observe

    def __repr__(self) -> str:
        return f"<MeasuredLeases {self._store!r}>"

    async def read(self) -> LeaseRecord:
        """See :class:`LeaseStore`."""
        return await self._store.read()

    async def replace(self, record: LeaseRecord) -> LeaseRecord:
        """See :class:`LeaseStore`."""
        asked_ns = self._clock.now_ns()
        try:
            written = await self._store.replace(record)
        except (LeaseUnreachable, LeaseConflict, LeaseMissing) as error:
            self._tell(asked_ns, FAILURES[type(error)])
            raise
        self._tell(asked_ns, None)
        return written

    def _tell(self, asked_ns: int, failure: str | None) -> None:
        # A clock that was set back meanwhile makes no answer older than its question.
        passed_ns = max(0, self._clock.now_ns() - asked_ns)
        self._observe(passed_ns / NS_PER_SECOND, failure)

    async def announce(self, event: LeaseEvent) -> None:
        """See :class:`LeaseStore`."""
        await self._store.announce(event)

    async def close(self) -> None:
        """See :class:`LeaseStore`."""
        await self._store.close()
