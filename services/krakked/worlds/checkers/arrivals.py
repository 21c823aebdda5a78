"""Looked at when an order arrives: is it on record, was it decided on, may it still be sent?

journal first   the order is in the committed journal of its sender, as sent
decided         so is its plan, with the decision that made it
alive           the journal does not say that it ended, or never arrived
deadline        it tells the venue until when it counts, as the journal has it
called back     nobody has asked for its cancel before it was sent
unknown         an entry is sent only where no order of its pair was in doubt by then
epoch first     its sender's ledger knows the epoch in which a change is asked for
acknowledged    an entry is sent only by a ledger that knew all, or whose person has looked
looked first    its sender has compared orders and balances, and armed the dead-man, before
"""

from __future__ import annotations

from typing import Final

from krakked.adapters.kraken.outcomes import MUTATIONS
from krakked.adapters.sqlite.cells import Row, record
from krakked.adapters.sqlite.queries import SqliteQueries
from krakked.adapters.sqlite.questions import Question
from krakked.domain.ids import ClientOrderId
from krakked.domain.leadership import Leadership
from krakked.domain.orders import Journal, LegKind, Order
from krakked.domain.plans import ExecutionPlan
from krakked.domain.times import from_rfc3339
from krakked.worlds.checkers.evidence import Evidence, Submission
from krakked.worlds.host import TRADE_KEY
from krakked.worlds.tape import Call

OVER: Final = (Journal.REJECTED, Journal.ABSENT, Journal.DROPPED, Journal.VALIDATED)
FIRST: Final = ("OpenOrders", "BalanceEx", "CancelAllOrdersAfter")
_NS_PER_MS: Final = 1_000_000
_IN_DOUBT: Final = (
    "SELECT client_order_id FROM orders"
    " WHERE journal = 'unknown' AND pair = ? AND client_order_id != ?"
    " AND coalesce((SELECT max(sequence) FROM outbox WHERE name = 'order_unknown'"
    "  AND json_extract(fields, '$.local_order_id') = client_order_id), 0)"
    " < coalesce((SELECT max(sequence) FROM outbox WHERE name = 'order_sent'"
    "  AND json_extract(fields, '$.local_order_id') = ?), 0)"
)
"""An order may be long on its way: what has come in doubt since it was sent is no reason."""

_LEADERSHIP: Final = "SELECT * FROM leadership ORDER BY epoch DESC LIMIT 1"


class Arrivals:
    """See the module."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._done: dict[str, set[str]] = {}
        """By process: what the venue has done for it."""
        self._over: list[tuple[Call, Order]] = []

    def look(self, call: Call) -> None:
        """A call is at the venue's door; nothing is answered yet."""
        if call.key == TRADE_KEY.key and call.method in MUTATIONS:
            self._of_known_epoch(call)
        if call.method == "AddOrder":
            self._on_record(call)

    def see(self, call: Call) -> None:
        """The exchange has answered."""
        if call.is_done and call.method in FIRST:
            self._done.setdefault(call.sender, set()).add(call.method)

    def _of_known_epoch(self, call: Call) -> None:
        evidence, database = self._evidence, self._evidence.database_of(call.sender)
        known = None
        if database is not None:
            known = evidence.reader(database).first(Question(_LEADERSHIP, (), _leadership))
        epoch = 0 if known is None else known.epoch
        if epoch < call.epoch or (call.epoch == 0 < epoch):
            said = f"{call.method} of {call.sender} is of epoch {call.epoch}, its ledger of {epoch}"
            evidence.violated("epoch first", said)
        buys = call.method == "AddOrder" and call.form["type"] == "buy"
        # What lay on its way for long may come when the ledger is in a later epoch's hands.
        if buys and known and known.needs_acknowledgement and known.epoch == call.epoch:
            said = f"entry {call.form['cl_ord_id']} was sent before a person had looked"
            evidence.violated("acknowledged", said)

    def _on_record(self, call: Call) -> None:
        evidence, client_id = self._evidence, ClientOrderId(call.form["cl_ord_id"])
        database = evidence.database_of(call.sender)
        if database is None:
            evidence.violated("journal first", f"{call.sender} has no ledger")
            return
        queries = evidence.reader(database)
        order = queries.order(client_id)
        if order is None or order.journal is Journal.PENDING:
            said = f"order {client_id} arrived before it was on record as sent"
            evidence.violated("journal first", said)
            return
        plan = queries.plan(order.request.plan_id)
        if plan is None:
            evidence.violated("decided", f"order {client_id} has no plan on record")
            return
        submission = Submission(call=call, order=order, plan=plan, database=database)
        evidence.submissions.append(submission)
        self._decided(queries, plan)
        self._on_time(submission)
        self._called_back(submission)
        self._certain(queries, submission)
        self._looked_first(submission)
        if order.journal in OVER:
            self._over.append((call, order))

    def _decided(self, queries: SqliteQueries, plan: ExecutionPlan) -> None:
        """A cycle leaves decisions; a stop and a person's word leave exits."""
        if not queries.decisions(plan_id=plan.plan_id) and not queries.exits(plan_id=plan.plan_id):
            self._evidence.violated("decided", f"plan {plan.plan_id} has no decision on record")

    def _on_time(self, submission: Submission) -> None:
        told, order = submission.call.form.get("deadline"), submission.order
        if told is None or order.deadline_at_ns is None:
            self._evidence.violated("deadline", f"{submission.name} has none")
        elif abs(from_rfc3339(told) - order.deadline_at_ns) > _NS_PER_MS:
            self._evidence.violated("deadline", f"{submission.name} has another one on record")

    def _called_back(self, submission: Submission) -> None:
        order = submission.order
        asked_ns, sent_ns = order.cancel_requested_at_ns, order.sent_at_ns
        if asked_ns is not None and sent_ns is not None and sent_ns > asked_ns:
            self._evidence.violated("called back", f"{submission.name} was cancelled, then sent")

    def _certain(self, queries: SqliteQueries, submission: Submission) -> None:
        request = submission.order.request
        if request.kind is not LegKind.ENTRY:
            return
        values = (request.pair, request.client_order_id, request.client_order_id)
        doubtful = queries.first(
            Question(_IN_DOUBT, values, lambda row: str(row["client_order_id"]))
        )
        if doubtful is not None:
            said = f"{submission.name} was sent while {doubtful} is in doubt"
            self._evidence.violated("unknown", said)

    def _looked_first(self, submission: Submission) -> None:
        missing = set(FIRST) - self._done.get(submission.call.sender, set())
        if missing:
            said = f"{submission.name} was sent before {', '.join(sorted(missing))} was done"
            self._evidence.violated("looked first", said)

    def look_back(self) -> None:
        """Over the whole tape."""
        for call, order in self._over:
            if call.is_done:
                client_id, journal = order.request.client_order_id, order.journal.value
                said = f"order {client_id} was taken while its journal says {journal}"
                self._evidence.violated("alive", said)


def _leadership(row: Row) -> Leadership:
    flags = {name: bool(row[name]) for name in ("is_unclean", "is_restored")}
    return record(row, Leadership, **flags)
