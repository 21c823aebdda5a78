"""Looked at when a call arrives: who sent it, was it on record, might it still be sent?"""

from __future__ import annotations

from krakked.domain.ids import ClientOrderId
from krakked.domain.orders import Journal, Order
from krakked.domain.times import NS_PER_SECOND
from krakked.worlds.checkers.evidence import Evidence, reading
from krakked.worlds.host import TRADE_KEY
from krakked.worlds.tape import Call

MUTATIONS = frozenset(
    {"AddOrder", "CancelOrder", "CancelAll", "CancelAllOrdersAfter", "AmendOrder"}
)
LATE_S = 6.0
"""An order may arrive so long after its plan expired: its deadline, and two clocks' offsets."""
SENT = (
    Journal.SENT,
    Journal.UNKNOWN,
    Journal.ACKED,
    Journal.DONE,
    Journal.REJECTED,
    Journal.ABSENT,
)


class Arrivals:
    """See the module."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._orders: dict[str, Order] = {}
        """As they were on record when they arrived, by client id."""

    def look(self, call: Call) -> None:
        """A call is at the venue's door; nothing is answered yet."""
        if call.method == "AddOrder":
            self._on_record(call)

    def _on_record(self, call: Call) -> None:
        """The order is in the committed journal of its sender before the venue has it."""
        client_id = call.form["cl_ord_id"]
        database = self._evidence.database_of(call.sender)
        if database is None:
            self._evidence.violated("journal first", f"{call.sender} has no ledger")
            return
        with reading(database) as queries:
            order = queries.order(ClientOrderId(client_id))
            if order is None or order.journal not in SENT:
                self._evidence.violated(
                    "journal first", f"order {client_id} arrived before it was on record as sent"
                )
                return
            self._orders[client_id] = order
            plan = queries.plan(order.request.plan_id)
            if plan is None:
                self._evidence.violated("decided", f"order {client_id} has no plan on record")
                return
            decided = queries.decisions(plan_id=plan.plan_id) or queries.exits(plan_id=plan.plan_id)
        if not decided and plan.principal == "engine":
            self._evidence.violated("decided", f"plan {plan.plan_id} has no decision on record")
        late_ns = call.at_ns - plan.expires_at_ns
        call.late_s = late_ns / NS_PER_SECOND

    def conclude(self) -> None:
        """Over the whole tape."""
        self._fenced()
        self._once()
        self._in_time()

    def _fenced(self) -> None:
        """The venue never accepts a change of an older epoch after one of a newer."""
        newest = 0
        for call in self._evidence.world.tape.calls:
            if call.key != TRADE_KEY.key or call.method not in MUTATIONS or not call.is_done:
                continue
            if call.epoch < newest:
                self._evidence.violated(
                    "fence", f"{call.method} of epoch {call.epoch} taken after epoch {newest}"
                )
            newest = max(newest, call.epoch)

    def _once(self) -> None:
        """No two accepted orders are the same step of the same plan."""
        seen: dict[tuple[object, ...], str] = {}
        for order in self._evidence.account.orders.values():
            client_id = order.ask.cl_ord_id
            if client_id is None:
                continue
            known = self._orders.get(client_id)
            key = (client_id,) if known is None else step_of(known)
            if key in seen:
                self._evidence.violated(
                    "once", f"{key} was accepted twice: {seen[key]}, {client_id}"
                )
            seen[key] = client_id

    def _in_time(self) -> None:
        for call in self._evidence.world.tape.calls:
            if call.late_s > LATE_S and call.is_done:
                self._evidence.violated(
                    "expiry",
                    f"{call.form['cl_ord_id']} taken {call.late_s:.1f} s after its plan expired",
                )


def step_of(order: Order) -> tuple[object, ...]:
    """What makes two orders the same one."""
    return (order.request.plan_id, order.request.leg, order.request.revision)
