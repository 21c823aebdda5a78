"""Looked back on: is anything done twice?

once     no step of a plan is taken twice, and no client id
a bar    no sleeve has two orders taken for one bar by one ledger
resent   an order whose first try has no clear answer is never sent again
fence    the venue takes no change of an older epoch after one of a newer
"""

from __future__ import annotations

from typing import Final

from krakked.adapters.kraken.outcomes import MUTATIONS
from krakked.worlds.checkers.evidence import Evidence
from krakked.worlds.host import TRADE_KEY
from krakked.worlds.tape import Call

NOT_DONE: Final = (
    "EAPI:Rate limit exceeded",
    "EGeneral:Invalid arguments:deadline",
    "EGeneral:Temporary lockout",
    "EGeneral:Too many requests",
    "EOrder:Rate limit exceeded",
    "EService:Market in",
    "EService:Throttled",
)
"""The words after which an order was certainly not placed, and may be tried again."""


class Once:
    """See the module."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def look_back(self) -> None:
        """Over the whole tape."""
        self._fence()
        self._client_ids()
        self._steps()
        self._resent()

    def _fence(self) -> None:
        newest = 0
        done = [call for call in self._evidence.world.tape.calls if call.is_done]
        for call in sorted(done, key=lambda call: call.handled_ns):
            if call.key != TRADE_KEY.key or call.method not in MUTATIONS:
                continue
            if call.epoch < newest:
                said = f"{call.method} of epoch {call.epoch} was taken after epoch {newest}"
                self._evidence.violated("fence", said)
            newest = max(newest, call.epoch)

    def _client_ids(self) -> None:
        """By the venue's own account: also of orders that nobody has on record."""
        seen: dict[str, str] = {}
        for order in self._evidence.account.orders.values():
            client_id = order.ask.cl_ord_id
            if client_id in seen:
                said = f"{client_id} was taken as {seen[client_id]} and as {order.order_id}"
                self._evidence.violated("once", said)
            if client_id is not None:
                seen[client_id] = order.order_id

    def _steps(self) -> None:
        steps: dict[object, str] = {}
        bars: dict[object, str] = {}
        for submission in self._evidence.accepted():
            request, plan = submission.order.request, submission.plan
            step = (request.plan_id, request.leg, request.revision)
            if step in steps:
                said = f"{submission.name} was taken, and so was {steps[step]}"
                self._evidence.violated("once", said)
            steps[step] = submission.name
            # Another ledger knows nothing of what was decided with this one.
            ledger = self._evidence.ledger_of(submission)
            bar = (ledger, request.strategy_id, request.pair, plan.bar)
            if plan.cause == "cycle" and bar in bars:
                said = f"{submission.name} and {bars[bar]} are both of one bar"
                self._evidence.violated("a bar", said)
            bars[bar] = submission.name

    def _resent(self) -> None:
        tries: dict[str, Call] = {}
        for call in self._evidence.world.tape.calls:
            if call.method != "AddOrder":
                continue
            client_id = call.form["cl_ord_id"]
            before = tries.get(client_id)
            if before is not None and not _is_clearly_not_done(before):
                said = f"{client_id} came again, and the first try had no clear answer"
                self._evidence.violated("resent", said)
            tries[client_id] = call


def _is_clearly_not_done(call: Call) -> bool:
    return (
        call.is_heard
        and not call.is_done
        and bool(call.said)
        and all(text.replace(": ", ":").startswith(NOT_DONE) for text in call.said or ())
    )
