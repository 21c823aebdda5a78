"""Plans become orders: each leg once, durable before the wire, by the kind of the venue's answer.

answer      journal      then
accepted    ACKED        fills and its end arrive by hints and reconciliation
Transient   PENDING      the same leg again after a pause, while the plan is fresh
Ambiguous   UNKNOWN      looked up by client id; never sent again
Permanent   REJECTED     recorded; the sleeve's wish stays unmet
Fenced      REJECTED     a newer owner exists: nothing is ever sent again
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from krakked.domain.errors import Ambiguous, Fenced, Permanent, Transient
from krakked.domain.events import Event, EventName
from krakked.domain.ids import VenueOrderId
from krakked.domain.orders import Journal, LegKind, Order, OrderRequest, VenueStatus
from krakked.domain.plans import ExecutionPlan
from krakked.domain.times import NS_PER_SECOND
from krakked.trading.desk import Desk
from krakked.trading.recording import order_fields
from krakked.trading.validating import Validator

PLACE_PAUSE_S = 0.05
"""Between two looks whether an order has ended and left its place."""


def pending_orders(plan: ExecutionPlan, now_ns: int) -> list[Order]:
    """The journal rows of a plan's legs, made in the plan's own transaction."""
    return [
        Order(
            request=leg.request,
            journal=Journal.PENDING,
            created_at_ns=now_ns,
            trace_id=plan.trace_id or None,
        )
        for leg in plan.legs
    ]


class Executor:
    """Sends what plans say and cancels what must go; one at a time, in order."""

    def __init__(self, desk: Desk, *, on_unknown: Callable[[], None]) -> None:
        self._desk = desk
        self._account = desk.account
        self._guard = desk.guard
        self._recorder = desk.recorder
        self._clock = desk.clock
        self._rules = desk.rules
        self._on_unknown = on_unknown
        self._validator = Validator(desk)

    async def execute(self, plan: ExecutionPlan) -> None:
        """Send every leg that may still be sent; returns when each has an answer."""
        send = self._validator.validate if self._rules.validates_only else self._submit
        for leg in plan.legs:
            await send(leg.request, plan)

    # submitting

    async def _submit(self, request: OrderRequest, plan: ExecutionPlan) -> None:
        await self._wait_for_place(request, plan)
        for attempt in range(self._rules.max_retries + 1):
            order = await self._mark_sent(request, plan)
            if order is None:
                return
            assert order.deadline_at_ns is not None
            try:
                venue_id = await self._desk.exchange.add_order(
                    request, deadline_at_ns=order.deadline_at_ns
                )
            except Transient as error:
                await self._mark_not_sent(request, error)
                await self._clock.sleep(self._rules.pause_s(attempt, error.retry_after_s))
            except Ambiguous as error:
                await self._mark_unknown(request, error)
                return
            except Permanent as error:
                await self._mark_rejected(request, error)
                return
            else:
                await self._mark_acked(request, venue_id)
                return
        await self._drop(request, "the venue could not be reached often enough")

    async def _wait_for_place(self, request: OrderRequest, plan: ExecutionPlan) -> None:
        """What adds risk waits while too many orders are open; the plan's age bounds it."""
        if request.kind is not LegKind.ENTRY:
            return
        while (
            len(self._account.live_orders()) >= self._rules.max_concurrent_orders
            and self._clock.now_ns() < plan.expires_at_ns
        ):
            await self._clock.sleep(PLACE_PAUSE_S)

    async def _mark_sent(self, request: OrderRequest, plan: ExecutionPlan) -> Order | None:
        """Durable just before the socket write; None if the guard says no."""
        async with self._recorder.turn:
            order = self._account.order(request.client_order_id)
            if order is None or order.journal is not Journal.PENDING:
                return None
            now_ns = self._clock.now_ns()
            refusal = self._guard.refusal(
                order, plan_expires_at_ns=plan.expires_at_ns, now_ns=now_ns
            )
            if not self._rules.sends_orders:
                refusal = refusal or "dry run: nothing is sent"
            if refusal is not None:
                await self._put(self._dropped(order, refusal), self._refused(request, refusal))
                return None
            sent = msgspec.structs.replace(
                order,
                journal=Journal.SENT,
                sent_at_ns=now_ns,
                deadline_at_ns=now_ns + int(self._rules.deadline_s * NS_PER_SECOND),
            )
            await self._put(
                sent, self._recorder.event(EventName.ORDER_SENT, **order_fields(request))
            )
            return sent

    async def _mark_acked(self, request: OrderRequest, venue_id: VenueOrderId) -> None:
        async with self._recorder.turn:
            event = self._recorder.event(
                EventName.ORDER_ACKED, **order_fields(request, kraken_order_id=venue_id)
            )
            order = self._account.order(request.client_order_id)
            if order is None or order.journal is not Journal.SENT:
                # Its fills or its end were quicker than the answer.
                await self._recorder.record(event)
                return
            acked = msgspec.structs.replace(
                order,
                journal=Journal.ACKED,
                venue_order_id=venue_id,
                venue_status=VenueStatus.OPEN,
                acked_at_ns=self._clock.now_ns(),
            )
            await self._put(acked, event)

    async def _mark_not_sent(self, request: OrderRequest, error: Transient) -> None:
        async with self._recorder.turn:
            order = self._account.order(request.client_order_id)
            if order is None or order.journal is not Journal.SENT:
                return
            await self._put(
                msgspec.structs.replace(order, journal=Journal.PENDING, reason=str(error)),
                self._recorder.event(
                    EventName.ORDER_ERROR, **order_fields(request, kraken_error=str(error))
                ),
            )

    async def _mark_unknown(self, request: OrderRequest, error: Ambiguous) -> None:
        async with self._recorder.turn:
            order = self._account.order(request.client_order_id)
            if order is None or order.journal is not Journal.SENT:
                return
            await self._put(
                msgspec.structs.replace(order, journal=Journal.UNKNOWN, reason=str(error)),
                self._recorder.event(
                    EventName.ORDER_UNKNOWN, **order_fields(request, kraken_error=str(error))
                ),
            )
        self._on_unknown()

    async def _mark_rejected(self, request: OrderRequest, error: Permanent) -> None:
        if isinstance(error, Fenced):
            self._guard.fenced_by = str(error)
        async with self._recorder.turn:
            order = self._account.order(request.client_order_id)
            if order is None:
                return
            rejected = msgspec.structs.replace(
                order,
                journal=Journal.REJECTED,
                reason=error.code or str(error),
                ended_at_ns=self._clock.now_ns(),
            )
            await self._put(
                rejected,
                self._recorder.event(
                    EventName.ORDER_REJECTED, **order_fields(request, kraken_error=rejected.reason)
                ),
            )

    async def drop_pending(self) -> int:
        """Orders that a process before this one planned and never sent: they are not sent late.

        Their sleeves' wishes are unmet, so they are asked again. How many were dropped.
        """
        pending = [
            order.request
            for order in self._account.orders.values()
            if order.journal is Journal.PENDING
        ]
        for request in pending:
            await self._drop(request, "the engine stopped before it was sent")
        return len(pending)

    async def _drop(self, request: OrderRequest, reason: str) -> None:
        async with self._recorder.turn:
            order = self._account.order(request.client_order_id)
            if order is not None and order.journal is Journal.PENDING:
                await self._put(self._dropped(order, reason), self._refused(request, reason))

    def _dropped(self, order: Order, reason: str) -> Order:
        return msgspec.structs.replace(
            order, journal=Journal.DROPPED, reason=reason, ended_at_ns=self._clock.now_ns()
        )

    def _refused(self, request: OrderRequest, reason: str) -> Event:
        return self._recorder.event(EventName.ORDER_ENDED, **order_fields(request, reason=reason))

    async def _put(self, order: Order, event: Event) -> None:
        """Record the transition, then hold it as true. The caller has the turn."""
        at_ns = self._clock.now_ns()
        await self._recorder.commit(lambda tx: tx.update_order(order, at_ns=at_ns), event)
        self._account.put_order(order)

    # cancelling

    async def cancel(self, order: Order) -> bool:
        """Ask the venue to cancel; False if it had none open by that id.

        Its end, and the fills that came before it, arrive as for any order: a cancel that finds
        the order gone asks what became of it.

        Raises:
            Transient, Ambiguous, Permanent: the cancel itself failed; the order may still rest.
        """
        order_id = order.venue_order_id or order.request.client_order_id
        async with self._recorder.turn:
            current = self._account.order(order.request.client_order_id)
            if current is None:
                return False
            asked = msgspec.structs.replace(current, cancel_requested_at_ns=self._clock.now_ns())
            await self._put(
                asked,
                self._recorder.event(
                    EventName.ORDER_CANCEL_SENT,
                    **order_fields(order.request, kraken_order_id=order.venue_order_id),
                ),
            )
        return await self._desk.exchange.cancel_order(order_id)
