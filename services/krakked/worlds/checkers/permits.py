"""Looked back on: was an order sent by someone who, by his own records, had to keep still?

kill switch   no entry is sent once the switch stands on record as on
halted        nor once a halt does
sequence      entries are sent in the order of their plans
expiry        nothing is sent whose plan has expired, or taken long after that
stopping      nothing is sent by a process that was told to end
fenced        nor by one that has heard that a newer owner exists
inconsistent  no ledger ever says that what it knows contradicts itself

What was sent when is read from the outbox, where each change stands in the order of its commit.
"""

from __future__ import annotations

from typing import Final

import msgspec

from krakked.adapters.sqlite.cells import Row
from krakked.adapters.sqlite.questions import Question
from krakked.domain.events import EventName
from krakked.domain.kill_switch import KillSwitchCause
from krakked.domain.orders import LegKind
from krakked.domain.times import NS_PER_SECOND
from krakked.worlds.checkers.evidence import Evidence, Submission
from krakked.worlds.host import TRADE_KEY

ON: Final = {EventName.KILL_SWITCH_ACTIVATED: "kill switch", EventName.HALTED: "halted"}
OFF: Final = {EventName.KILL_SWITCH_CLEARED: "kill switch", EventName.RESUMED: "halted"}
LATE_S: Final = 6.0
"""An order may be taken so long after its plan expired: its deadline, and two clocks' offsets."""
TOLD_S: Final = 7.0
"""A process that was told to end may have an order on its way, with a deadline by its own clock."""
FENCED: Final = "EAPI:Invalid nonce"
_NAMES: Final = tuple(name.value for name in (EventName.ORDER_SENT, *ON, *OFF))
_SENT_AND_SWITCHED: Final = (
    "SELECT o.name, r.client_order_id, r.kind, p.sequence"
    " FROM outbox o LEFT JOIN orders r"
    " ON o.name = 'order_sent' AND r.client_order_id = json_extract(o.fields, '$.local_order_id')"
    " LEFT JOIN plans p ON p.plan_id = r.plan_id"
    " WHERE o.name IN (?, ?, ?, ?, ?) ORDER BY o.sequence"
)
_CAUSES: Final = "SELECT reason FROM kill_switch WHERE cause = ? ORDER BY sequence"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an outbox that matters here."""

    name: EventName
    order_id: str = ""
    adds_risk: bool = False
    plan: int = 0


class Permits:
    """See the module."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def look_back(self) -> None:
        """Over the whole tape, and every ledger that sent something."""
        for database in dict.fromkeys(one.database for one in self._evidence.submissions):
            queries = self._evidence.reader(database)
            steps = queries.all(Question(_SENT_AND_SWITCHED, _NAMES, _step))
            self.follow(steps)
            cause = (KillSwitchCause.INCONSISTENCY.value,)
            for reason in queries.all(Question(_CAUSES, cause, lambda row: str(row["reason"]))):
                self._evidence.violated("inconsistent", reason)
        for submission in self._evidence.submissions:
            self._in_time(submission)
            self._not_after_end(submission)
        self._not_fenced()

    def follow(self, steps: list[Step]) -> None:
        """One outbox, from its first line to its last."""
        off: set[str] = set()
        newest = 0
        for step in steps:
            off = (off | {ON[step.name]}) if step.name in ON else off
            off = (off - {OFF[step.name]}) if step.name in OFF else off
            if step.name is not EventName.ORDER_SENT or not step.adds_risk:
                continue
            for rule in sorted(off):
                said = f"entry {step.order_id} was sent while it was on"
                self._evidence.violated(rule, said)
            if step.plan < newest:
                said = f"entry {step.order_id} of plan {step.plan} was sent after plan {newest}"
                self._evidence.violated("sequence", said)
            newest = max(newest, step.plan)

    def _in_time(self, submission: Submission) -> None:
        sent_ns, until_ns = submission.order.sent_at_ns, submission.plan.expires_at_ns
        if sent_ns is not None and sent_ns >= until_ns:
            self._evidence.violated("expiry", f"{submission.name} was sent after its plan expired")
        call = submission.call
        late_s = (call.handled_ns - until_ns) / NS_PER_SECOND
        if call.is_done and late_s > LATE_S:
            said = f"{submission.name} was taken {late_s:.1f} s after its plan expired"
            self._evidence.violated("expiry", said)

    def _not_after_end(self, submission: Submission) -> None:
        call = submission.call
        told_ns = self._evidence.machine_of(call.sender).told_to_end.get(call.sender)
        if told_ns is None or not call.is_done:
            return
        late_s = (call.handled_ns - told_ns) / NS_PER_SECOND
        if late_s > TOLD_S:
            said = f"{submission.name} was taken {late_s:.1f} s after {call.sender} was told to end"
            self._evidence.violated("stopping", said)

    def _not_fenced(self) -> None:
        """By nonce, for that is the order in which a process sent its calls."""
        heard: dict[str, int] = {}
        calls = [c for c in self._evidence.world.tape.calls if c.key == TRADE_KEY.key]
        for call in calls:
            if call.is_heard and any(text.startswith(FENCED) for text in call.said or ()):
                nonce = int(call.form["nonce"])
                heard[call.sender] = min(heard.get(call.sender, nonce), nonce)
        for call in calls:
            if call.method == "AddOrder" and int(call.form["nonce"]) > heard.get(
                call.sender, int(call.form["nonce"])
            ):
                said = f"{call.sender} sent order {call.form['cl_ord_id']} after it heard of it"
                self._evidence.violated("fenced", said)


def _step(row: Row) -> Step:
    return Step(
        name=EventName(row["name"]),
        order_id=str(row["client_order_id"]),
        adds_risk=row["kind"] == LegKind.ENTRY.value,
        plan=row["sequence"] or 0,
    )
