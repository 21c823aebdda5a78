"""Orders that are only checked: the venue says what it would say, and nothing ever exists there.

``execution.validate_only`` sends every order with ``validate=true``. Such an order is journalled
PENDING until the venue has spoken, then VALIDATED or REJECTED: it is never *sent*, never live, and
no fill of it can come. So, unlike a true order, it may be asked about again after any silence.

answer                  journal
taken                   VALIDATED
Transient, Ambiguous    PENDING: asked again after a pause, while the plan is fresh
Permanent               REJECTED
"""

from __future__ import annotations

from typing import Final

import msgspec

from krakked.domain.errors import Ambiguous, Fenced, Permanent, Transient
from krakked.domain.events import EventName
from krakked.domain.orders import Journal, Order, OrderRequest
from krakked.domain.plans import ExecutionPlan
from krakked.domain.times import NS_PER_SECOND
from krakked.trading.desk import Desk
from krakked.trading.recording import order_fields

WOULD_BE_TAKEN: Final = "validate_only: the venue would take it, nothing was placed"


class Validator:
    """Has the venue check what plans say; one order at a time."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def validate(
        self, request: OrderRequest, plan: ExecutionPlan, attempt: int
    ) -> int | None:
        """Ask once, if it may still be asked; the nanoseconds until the next time, or None."""
        rules = self._desk.rules
        refusal = self._refusal(request, plan)
        if refusal is not None:
            await self._end(request, Journal.DROPPED, EventName.ORDER_ENDED, reason=refusal)
            return None
        error = await self._ask(request)
        if error is None:
            return None
        self._tell_error(request, error)
        if attempt < rules.max_retries:
            wanted_s = error.retry_after_s if isinstance(error, Transient) else None
            return rules.pause_ns(attempt, wanted_s)
        silence = "the venue could not be asked often enough"
        await self._end(request, Journal.DROPPED, EventName.ORDER_ENDED, reason=silence)
        return None

    async def _ask(self, request: OrderRequest) -> Transient | Ambiguous | None:
        """Have it checked; the error if the venue has not spoken."""
        deadline_s = self._desk.rules.deadline_s
        try:
            await self._desk.exchange.validate_order(
                request, deadline_at_ns=self._desk.now_ns() + int(deadline_s * NS_PER_SECOND)
            )
        except (Transient, Ambiguous) as error:
            return error
        except Permanent as error:
            await self._reject(request, error)
        else:
            await self._end(
                request, Journal.VALIDATED, EventName.ORDER_VALIDATED, reason=WOULD_BE_TAKEN
            )
        return None

    def _refusal(self, request: OrderRequest, plan: ExecutionPlan) -> str | None:
        """What would hold back a true order holds back its check."""
        order = self._desk.account.order(request.client_order_id)
        if order is None or not self._desk.rules.sends_orders:
            return "dry run: nothing is sent"
        return self._desk.guard.refusal(
            order, plan_expires_at_ns=plan.expires_at_ns, now_ns=self._desk.now_ns()
        )

    async def _reject(self, request: OrderRequest, error: Permanent) -> None:
        if isinstance(error, Fenced):
            self._desk.guard.fenced_by = str(error)
        await self._end(
            request, Journal.REJECTED, EventName.ORDER_REJECTED, reason=error.code or str(error)
        )

    async def _end(
        self, request: OrderRequest, journal: Journal, name: EventName, *, reason: str
    ) -> None:
        """Record what became of it, then hold it as true."""
        recorder, account = self._desk.recorder, self._desk.account
        async with recorder.turn:
            order = account.order(request.client_order_id)
            if order is None or order.journal is not Journal.PENDING:
                return
            ended = self._ended(order, journal, reason)
            said = "kraken_error" if journal is Journal.REJECTED else "reason"
            event = recorder.event(name, **order_fields(request, **{said: reason}))
            at_ns = self._desk.now_ns()
            await recorder.commit(lambda tx: tx.update_order(ended, at_ns=at_ns), event)
            account.put_order(ended)

    def _ended(self, order: Order, journal: Journal, reason: str) -> Order:
        return msgspec.structs.replace(
            order, journal=journal, reason=reason, ended_at_ns=self._desk.now_ns()
        )

    def _tell_error(self, request: OrderRequest, error: Transient | Ambiguous) -> None:
        recorder = self._desk.recorder
        fields = order_fields(request, kraken_error=str(error))
        recorder.publish(recorder.event(EventName.ORDER_ERROR, **fields))
