"""Retention: once a day, what no longer needs to be kept row by row goes.

what              kept whole                     after that
snapshots         the days that are configured   the last one of each day (UTC)
decision runs     a year                         those that led to a plan, and each sleeve's newest
outbox            a week, and 10,000 events      nothing

Fills, orders, plans, flows and all else that the books rest on are never touched. Each transaction
takes a bounded number of rows and there is a pause between two, so that no order waits for it.
Replays keep everything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from krakked.domain.times import DAY_S, NS_PER_SECOND
from krakked.ports.clock import Clock
from krakked.ports.ledger import Ledger, Transaction

DECISION_DAYS: Final = 365
EVENT_DAYS: Final = 7
EVENTS_KEPT_MIN: Final = 10_000
ROWS_PER_TRANSACTION: Final = 500
BATCH_PAUSE_S: Final = 0.1
FIRST_PASS_S: Final = 600.0
"""After the start, which has enough to write."""

Batch: TypeAlias = Callable[[Transaction], int]


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that went in one pass."""

    snapshots: int
    decisions: int
    events: int

    def rows(self) -> dict[str, int]:
        """By what they were."""
        return msgspec.structs.asdict(self)


class Retention:
    """Passes over the ledger once a day of the clock."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        *,
        snapshot_days: int,
        tell: Callable[[Pruned], None] = lambda _: None,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._snapshot_days = snapshot_days
        self._tell = tell

    async def run(self) -> None:
        """Pass after pass, until cancelled."""
        await self._clock.sleep(FIRST_PASS_S)
        while True:
            self._tell(await self.prune())
            await self._clock.sleep(DAY_S)

    async def prune(self) -> Pruned:
        """One pass; what went.

        Raises:
            LedgerFailed: it cannot be written; nothing else may go on either.
        """
        snapshots_ns = self._days_ago_ns(self._snapshot_days)
        decisions_ns = self._days_ago_ns(DECISION_DAYS)
        events_ns = self._days_ago_ns(EVENT_DAYS)
        limit = ROWS_PER_TRANSACTION
        return Pruned(
            snapshots=await self._drain(
                lambda tx: tx.thin_snapshots(before_ns=snapshots_ns, limit=limit)
            ),
            decisions=await self._drain(
                lambda tx: tx.prune_decisions(before_ns=decisions_ns, limit=limit)
            ),
            events=await self._drain(
                lambda tx: tx.prune_outbox(before_ns=events_ns, keep=EVENTS_KEPT_MIN, limit=limit)
            ),
        )

    def _days_ago_ns(self, days: int) -> int:
        """The beginning of that day (UTC), so that a day is thinned whole or not at all."""
        today = self._clock.now_ns() // NS_PER_SECOND // DAY_S
        return (today - days) * DAY_S * NS_PER_SECOND

    async def _drain(self, batch: Batch) -> int:
        total = 0
        while True:
            gone = await self._ledger.write(batch)
            total += gone
            if gone < ROWS_PER_TRANSACTION:
                return total
            await self._clock.sleep(BATCH_PAUSE_S)
