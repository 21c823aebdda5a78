"""Cursors: up to which instant the venue's executions and ledger have been read.

Rows that are a little older are asked for again, for some show themselves late; nothing from
before the books began is ever asked for. What is asked for twice is booked once, by its id.
"""

from __future__ import annotations

from krakked.domain.times import NS_PER_SECOND
from krakked.trading.desk import Desk

TRADES_CURSOR = "trades_ns"
LEDGER_CURSOR = "ledger_ns"
BOOKS_BEGAN_CURSOR = "books_began_ns"
"""Executions and flows before it are in the opening lots, and are not booked again."""
CURSOR_OVERLAP_NS = 300 * NS_PER_SECOND
"""Rows this much older than the cursor are asked for again: late ones must not be skipped."""


class Cursors:
    """Those of one account."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def since_ns(self, cursor: str) -> int:
        """A little before the cursor, but never before the books began."""
        cursors = self._desk.account.cursors
        began_ns = int(cursors.get(BOOKS_BEGAN_CURSOR, "0"))
        return max(began_ns, int(cursors.get(cursor, "0")) - CURSOR_OVERLAP_NS)

    async def move(self, name: str, at_ns: int) -> None:
        """The venue was read up to that instant and there is nothing to book of it.

        What is booked moves its cursor in the same transaction; this is for what was booked before.
        """
        async with self._desk.recorder.turn:
            await self._desk.recorder.commit(lambda tx: tx.set_cursor(name, str(at_ns)))
            self._desk.account.cursors[name] = str(at_ns)
