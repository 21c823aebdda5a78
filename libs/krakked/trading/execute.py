"""Legs become orders: each once, durable before the wire, by the kind of the venue's answer.

answer      journal      then
accepted    ACKED        fills and its end arrive by hints and reconciliation
Transient   PENDING      the same leg again after a pause, while the plan is fresh; a protective
                         one until then, any other so many times
Ambiguous   UNKNOWN      looked up by client id; never sent again
Permanent   REJECTED     recorded; the sleeve is asked again at its next bar, what a person
                         wanted closed is owed, and sales are tried at growing distances
Fenced      REJECTED     a newer owner exists: nothing is ever sent again

Between two tries a leg is PENDING: whoever wants its sleeve to do something else cancels it, which
drops it for good. Both ways out of PENDING are taken in the account's turn, so only one is.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from krakked.domain.errors import Ambiguous, Fenced, Permanent, Transient
from krakked.domain.events import Event, EventName
from krakked.domain.ids import ClientOrderId, PlanId, VenueOrderId
from krakked.domain.orders import Journal, LegKind, Order, OrderRequest, VenueStatus
from krakked.domain.plans import ExecutionPlan
from krakked.domain.positions import Sleeve
from krakked.domain.times import NS_PER_SECOND
from krakked.ports.ledger import Transaction
from krakked.trading.desk import Desk
from krakked.trading.outages import FailuresInARow
from krakked.trading.owing import Debt, Owed
from krakked.trading.pair_rules import RulesInDoubt
from krakked.trading.recording import order_fields
from krakked.trading.refusals import Refusals
from krakked.trading.validating import Validator

CANCELLED_UNSENT = "cancelled before it was sent"
WAKES = {Journal.REJECTED: "order_rejected", Journal.DROPPED: "order_ended"}
"""Ends that come from here wake the sleeve: what it wished for did not happen."""


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
    """Sends what plans say, as the order queue hands it over, and cancels what must go."""

    def __init__(
        self,
        desk: Desk,
        *,
        on_unknown: Callable[[], None],
        on_wake: Callable[[Sleeve, str], None],
        on_gone: Callable[[VenueOrderId], None] | None = None,
    ) -> None:
        self._desk = desk
        self._account = desk.account
        self._guard = desk.guard
        self._recorder = desk.recorder
        self._clock = desk.clock
        self._rules = desk.rules
        self._on_unknown = on_unknown
        self._on_wake = on_wake
        self._on_gone = on_gone
        self._owed = Owed(desk)
        self.failures = FailuresInARow(desk)
        self.refusals = Refusals()
        self.rules_in_doubt = RulesInDoubt(desk)
        self._told_expired: PlanId | None = None
        self._validator = Validator(desk)

    async def send(self, request: OrderRequest, plan: ExecutionPlan, attempt: int) -> int | None:
        """Try one leg once, if it may still be sent; after how many nanoseconds to try it again.

        None: it has its answer, or will never be sent. Tries are counted from 0.
        """
        if self._rules.validates_only:
            return await self._validator.validate(request, plan, attempt)
        order = await self._mark_sent(request, plan)
        if order is None:
            return None
        error = await self._try(request, order)
        if error is None:
            return None
        most = self._rules.max_retries
        pause_ns = self._rules.pause_ns(min(attempt, most), error.retry_after_s)
        self.failures.failed(error, pause_ns)
        if attempt < most or request.kind is LegKind.PROTECTIVE:
            return pause_ns
        await self._drop(request, "the venue could not be reached often enough")
        return None

    def has_place(self, request: OrderRequest, plan: ExecutionPlan) -> bool:
        """Whether it need not wait: what adds risk does while too many orders are open.

        One that was cancelled, or whose plan has expired, has nothing to wait for.
        """
        return (
            request.kind is not LegKind.ENTRY
            or not self._is_pending(request)
            or len(self._account.live_orders()) < self._rules.max_concurrent_orders
            or self._clock.now_ns() >= plan.expires_at_ns
        )

    # submitting

    async def _try(self, request: OrderRequest, order: Order) -> Transient | None:
        """Send it once; the error if it was not done and may be tried again."""
        assert order.deadline_at_ns is not None
        try:
            venue_id = await self._desk.exchange.add_order(
                request, deadline_at_ns=order.deadline_at_ns
            )
        except Transient as error:
            await self._mark_not_sent(request, error)
            return error
        except Ambiguous as error:
            self.failures.failed(error, self._rules.pause_ns(self._rules.max_retries, None))
            await self._mark_unknown(request, error)
        except Permanent as error:
            self.failures.answered()
            await self._mark_rejected(request, error)
        else:
            self.failures.answered()
            await self._mark_acked(request, venue_id)
        return None

    def _is_pending(self, request: OrderRequest) -> bool:
        order = self._account.order(request.client_order_id)
        return order is not None and order.journal is Journal.PENDING

    async def _mark_sent(self, request: OrderRequest, plan: ExecutionPlan) -> Order | None:
        """Durable just before the socket write; None if the guard says no."""
        async with self._recorder.turn:
            order = self._account.order(request.client_order_id)
            if order is None or order.journal is not Journal.PENDING:
                return None
            now_ns = self._clock.now_ns()
            refusal = self._refusal(order, plan, now_ns)
            if refusal is not None:
                await self._miss(order, refusal, *self._expiry(plan, now_ns))
                return None
            sent = msgspec.structs.replace(
                order,
                journal=Journal.SENT,
                sent_at_ns=now_ns,
                epoch=self._guard.epoch,
                deadline_at_ns=now_ns + int(self._rules.deadline_s * NS_PER_SECOND),
            )
            await self._put(
                sent, self._recorder.event(EventName.ORDER_SENT, **order_fields(request))
            )
            return sent

    def _refusal(self, order: Order, plan: ExecutionPlan, now_ns: int) -> str | None:
        veto = self._guard.veto(order, plan_expires_at_ns=plan.expires_at_ns, now_ns=now_ns)
        if veto is not None:
            self._guard.held_back(veto)
            return veto.words
        return None if self._rules.sends_orders else "dry run: nothing is sent"

    def _expiry(self, plan: ExecutionPlan, now_ns: int) -> list[Event]:
        """A plan that expires before all of it was sent is told of once, with what is left."""
        if now_ns < plan.expires_at_ns or self._told_expired == plan.plan_id:
            return []
        self._told_expired = plan.plan_id
        unsent = sum(1 for leg in plan.legs if self._is_pending(leg.request))
        return [
            self._recorder.event(
                EventName.PLAN_EXPIRED,
                plan_id=plan.plan_id,
                cause=plan.cause,
                legs=len(plan.legs),
                unsent=unsent,
            )
        ]

    async def _mark_acked(self, request: OrderRequest, venue_id: VenueOrderId) -> None:
        self.refusals.taken(Sleeve(request.strategy_id, request.pair))
        async with self._recorder.turn:
            event = self._recorder.event(
                EventName.ORDER_ACKED, **order_fields(request, kraken_order_id=venue_id)
            )
            order = self._account.order(request.client_order_id)
            if order is None or not order.is_live:
                # Its fills and its end were quicker than the answer.
                await self._recorder.record(event)
                return
            acked = msgspec.structs.replace(
                order,
                journal=Journal.ACKED,
                venue_order_id=venue_id,
                venue_status=order.venue_status or VenueStatus.OPEN,
                acked_at_ns=order.acked_at_ns or self._clock.now_ns(),
            )
            await self._put(acked, event)

    async def _mark_not_sent(self, request: OrderRequest, error: Transient) -> None:
        async with self._recorder.turn:
            order = self._account.order(request.client_order_id)
            if order is None or order.journal is not Journal.SENT:
                return
            event = self._recorder.event(
                EventName.ORDER_ERROR, **order_fields(request, kraken_error=str(error))
            )
            if order.cancel_requested_at_ns is not None:
                # Who asked for the cancel found nothing at the venue, and relies on that.
                dropped = self._dropped(order, CANCELLED_UNSENT)
                await self._put(dropped, event, self._refused(request, CANCELLED_UNSENT))
                return
            await self._put(
                msgspec.structs.replace(order, journal=Journal.PENDING, reason=str(error)), event
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
            reason = error.code or str(error)
            fields = order_fields(request, kraken_error=reason)
            order = self._account.order(request.client_order_id)
            if order is None or order.journal is not Journal.SENT:
                # The venue has it after all: its fills were quicker than this answer.
                await self._recorder.record(self._recorder.event(EventName.ORDER_ERROR, **fields))
                return
            rejected = msgspec.structs.replace(
                order, journal=Journal.REJECTED, reason=reason, ended_at_ns=self._clock.now_ns()
            )
            is_protective = request.kind is LegKind.PROTECTIVE
            if is_protective:
                self.refusals.refused(Sleeve(request.strategy_id, request.pair), reason)
            self.rules_in_doubt.refused(request.pair, reason)
            event = self._recorder.event(EventName.ORDER_REJECTED, **fields)
            await self._put(rejected, event, is_owed=is_protective)

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
                await self._miss(order, reason)

    async def _miss(self, order: Order, reason: str, *events: Event) -> None:
        """Drop what should have been sent; loud where a position stays open that must not."""
        request = order.request
        told = [*events, self._refused(request, reason)]
        is_loud = request.kind is LegKind.PROTECTIVE and self._rules.places_orders
        if is_loud:
            fields = order_fields(request, kraken_error=f"never sent: {reason}")
            told.append(self._recorder.event(EventName.ORDER_ERROR, **fields))
        await self._put(self._dropped(order, reason), *told, is_owed=is_loud)

    def _dropped(self, order: Order, reason: str) -> Order:
        return msgspec.structs.replace(
            order, journal=Journal.DROPPED, reason=reason, ended_at_ns=self._clock.now_ns()
        )

    def _refused(self, request: OrderRequest, reason: str) -> Event:
        return self._recorder.event(EventName.ORDER_ENDED, **order_fields(request, reason=reason))

    async def _put(self, order: Order, *events: Event, is_owed: bool = False) -> None:
        """Record the transition, then hold it as true. The caller has the turn."""
        at_ns = self._clock.now_ns()

        def work(tx: Transaction) -> Debt | None:
            tx.update_order(order, at_ns=at_ns)
            return self._owed.note(tx, order.request) if is_owed else None

        self._owed.hold(await self._recorder.commit(work, *events))
        self._account.put_order(order)
        if order.journal in WAKES:
            sleeve = Sleeve(order.request.strategy_id, order.request.pair)
            self._on_wake(sleeve, WAKES[order.journal])

    # cancelling

    async def cancel(self, order: Order) -> bool:
        """Ask the venue to cancel; False if it had none open by that id.

        One that was not sent yet, or is between two tries, is dropped and never sent.
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
            if current.journal is Journal.PENDING:
                event = self._refused(current.request, CANCELLED_UNSENT)
                await self._put(self._dropped(current, CANCELLED_UNSENT), event)
                return True
            asked = msgspec.structs.replace(current, cancel_requested_at_ns=self._clock.now_ns())
            await self._put(
                asked,
                self._recorder.event(
                    EventName.ORDER_CANCEL_SENT,
                    **order_fields(order.request, kraken_order_id=order.venue_order_id),
                ),
            )
        return await self._ask_to_cancel(asked, order_id)

    def is_in_doubt(self, order: Order) -> bool:
        """Whether it may be at the venue, or arrive there, though the venue shows none of it."""
        found = self._account.order(order.request.client_order_id)
        return found is not None and found.journal in (Journal.SENT, Journal.UNKNOWN)

    async def _ask_to_cancel(self, order: Order, order_id: ClientOrderId | VenueOrderId) -> bool:
        try:
            found = await self._desk.exchange.cancel_order(order_id, pair=order.request.pair)
        except (Transient, Ambiguous) as error:
            self.failures.failed(error, self._rules.pause_ns(self._rules.max_retries, None))
            if isinstance(error, Ambiguous):
                self._ask_what_became_of(order)
            raise
        except Fenced as error:
            self._guard.fenced_by = str(error)
            raise
        self.failures.answered()
        if not found:
            self._ask_what_became_of(order)
        return found

    def _ask_what_became_of(self, order: Order) -> None:
        """It rested as far as we know: its end was told, and not heard."""
        if order.journal is not Journal.ACKED or order.venue_order_id is None:
            return
        if self._on_gone is not None:
            self._on_gone(order.venue_order_id)
        # With fills that were not heard either, it ends only when the books are compared.
        self._on_unknown()
