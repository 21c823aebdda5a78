"""The dead-man switch: whoever may die with entries in the book has the venue look after them.

armed     an entry is taken only while the venue's timer runs
kept      nobody disarms it while an entry rests
stuck     nobody goes on winding it up while an order of his, on record, has not moved for minutes
"""

from __future__ import annotations

from typing import Final

from krakked.adapters.sqlite.questions import Question
from krakked.domain.times import NS_PER_SECOND
from krakked.worlds.checkers.evidence import Evidence
from krakked.worlds.tape import Call

BLIND_S: Final = 3.5
"""An engine with a slow clock may take a timer that fired for running; its orders carry a deadline
by that clock, so the venue takes none of them later than that."""
STANDS_STILL_S: Final = 130.0
"""An order leaves the queue when its plan expires, after a minute; an order loop that has not moved
for another minute is taken for hung."""
_STUCK: Final = "SELECT client_order_id FROM orders WHERE journal = 'pending' AND created_at_ns < ?"


class DeadMan:
    """See the module."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._runs_until_ns = 0
        self._stand: set[str] = set()
        """Processes that have looked at the books: what others planned is dropped by then."""

    def look(self, call: Call) -> None:
        """A call is at the venue's door."""
        is_refresh = call.method == "CancelAllOrdersAfter" and call.form["timeout"] != "0"
        if not is_refresh or call.sender not in self._stand:
            return
        database = self._evidence.database_of(call.sender)
        if database is None:
            return
        now_ns = self._evidence.machine_of(call.sender).clock.now_ns()
        before_ns = now_ns - int(STANDS_STILL_S * NS_PER_SECOND)
        queries = self._evidence.reader(database)
        stuck = queries.first(
            Question(_STUCK, (before_ns,), lambda row: str(row["client_order_id"]))
        )
        if stuck is not None:
            said = f"{call.sender} refreshed it, though order {stuck} has stood still for minutes"
            self._evidence.violated("stuck", said)

    def see(self, call: Call) -> None:
        """The exchange has answered."""
        if not call.is_done:
            return
        if call.method == "OpenOrders":
            self._stand.add(call.sender)
        elif call.method == "CancelAllOrdersAfter":
            seconds = int(call.form["timeout"])
            if seconds == 0 and (resting := self._entries()):
                said = f"{call.sender} disarmed it while {', '.join(resting)} rests"
                self._evidence.violated("kept", said)
            self._runs_until_ns = call.handled_ns + seconds * NS_PER_SECOND
        elif call.method == "AddOrder" and call.form["type"] == "buy":
            late_s = (call.handled_ns - self._runs_until_ns) / NS_PER_SECOND
            if late_s > BLIND_S:
                said = f"entry {call.form['cl_ord_id']} was taken while it did not run"
                self._evidence.violated("armed", said)

    def _entries(self) -> list[str]:
        """Purchases of engines that rest."""
        asks = [order.ask for order in self._evidence.account.open.values()]
        bought = [ask.cl_ord_id for ask in asks if ask.side.value == "buy"]
        return sorted(client_id for client_id in bought if client_id is not None)
