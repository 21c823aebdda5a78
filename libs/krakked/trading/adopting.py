"""Orders of ours that our ledger has never heard of: placed by an owner with another ledger.

An engine that was deposed comes back with an old ledger, and one on a new volume with an empty
one. What was done meanwhile is at the venue, under ids that say two things: that the order is this
account's krakked's, and which strategy's. So each becomes a row of the journal, under a plan that
has no legs and says why it is there, and its executions go to the sleeve they belong to. Where
nobody else can have owned the account, an order that is not on record is the deed of another
krakked that owns it by another lease: nothing more is sent until a person has looked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal

import msgspec

from krakked.domain.events import EventName
from krakked.domain.ids import MANUAL, PlanId, StrategyId, is_ours, strategy_tag, tag_in
from krakked.domain.orders import (
    Journal,
    LegKind,
    Order,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
    VenueOrder,
    VenueStatus,
)
from krakked.domain.plans import ExecutionPlan
from krakked.ports.ledger import Transaction
from krakked.trading.desk import Desk
from krakked.trading.legs import PlanHeader
from krakked.trading.recording import order_fields

CAUSE = "adopted"
REASON = "placed by an owner with another ledger"
ANOTHER = (
    "another krakked trades on this account: order {} is krakked's, and not on record here; stop "
    "one of the two, then `krakked unfence`"
)


class Adopted(msgspec.Struct, frozen=True):
    """One order, and the plan that stands for the one we do not have."""

    plan: ExecutionPlan
    order: Order


class Adopter:
    """Puts such orders on record."""

    def __init__(self, desk: Desk, strategies: Collection[StrategyId]) -> None:
        self._desk = desk
        self._by_tag = {strategy_tag(strategy_id): strategy_id for strategy_id in strategies}

    async def adopt(self, reports: Iterable[VenueOrder]) -> int:
        """Those of them that are ours and not on record; how many there were."""
        ours = sorted(filter(self._may_be_unknown, reports), key=_age)
        if not ours:
            return 0
        if not self._desk.guard.was_behind:
            await self._meet_another(ours)
            return 0
        async with self._desk.recorder.turn:
            adopted = await self._desk.recorder.commit(lambda tx: self._insert(tx, ours))
            for one in adopted:
                self._desk.account.last_plan = (one.plan.sequence, one.plan.plan_id)
                self._desk.account.put_order(one.order)
        for one in adopted:
            fields = order_fields(one.order.request, kraken_order_id=one.order.venue_order_id)
            event = self._desk.recorder.event(EventName.ORDER_ADOPTED, **fields, reason=REASON)
            self._desk.recorder.publish(event)
        return len(adopted)

    async def _meet_another(self, reports: Sequence[VenueOrder]) -> None:
        """An order that ended here long ago may rest there, and is drift; one never heard of is
        another owner's.
        """
        ids = [report.client_order_id for report in reports if report.client_order_id is not None]
        known = await self._desk.recorder.commit(lambda tx: {i for i in ids if tx.order(i)})
        strange = [client_id for client_id in ids if client_id not in known]
        if strange and self._desk.guard.fenced_by is None:
            self._desk.guard.fenced_by = ANOTHER.format(strange[0])

    def _may_be_unknown(self, report: VenueOrder) -> bool:
        account = self._desk.account
        if not is_ours(report.client_order_id, account.fingerprint):
            return False
        is_listed = report.pair in account.pairs
        return is_listed and account.order(report.client_order_id, report.venue_order_id) is None

    def _insert(self, tx: Transaction, reports: Iterable[VenueOrder]) -> list[Adopted]:
        found: list[Adopted] = []
        last = self._desk.account.last_plan
        for report in reports:
            assert report.client_order_id is not None, "ours have one"
            if tx.order(report.client_order_id) is not None:
                continue
            one = self._adopted(report, last)
            tx.insert_plan(one.plan)
            tx.insert_order(one.order)
            found.append(one)
            last = (one.plan.sequence, one.plan.plan_id)
        return found

    def _adopted(self, report: VenueOrder, last: tuple[int, PlanId] | None) -> Adopted:
        header = PlanHeader(
            account=self._desk.account.fingerprint,
            epoch=self._desk.guard.epoch,
            sequence=1 if last is None else last[0] + 1,
            parent_id=None if last is None else last[1],
            now_ns=self._desk.now_ns(),
            cause=CAUSE,
            principal="engine",
        )
        plan = ExecutionPlan(
            plan_id=header.plan_id,
            parent_id=header.parent_id,
            sequence=header.sequence,
            bar=None,
            cause=header.cause,
            principal=header.principal,
            created_at_ns=header.now_ns,
            expires_at_ns=header.now_ns,
            legs=(),
            trace_id="",
        )
        return Adopted(plan, self._order(report, plan))

    def _order(self, report: VenueOrder, plan: ExecutionPlan) -> Order:
        """As much of it as the venue tells; how it ended is learned as of every order."""
        assert report.client_order_id is not None, "ours have one"
        request = OrderRequest(
            client_order_id=report.client_order_id,
            plan_id=plan.plan_id,
            leg=0,
            revision=0,
            strategy_id=self._by_tag.get(tag_in(report.client_order_id), MANUAL),
            pair=report.pair,
            kind=LegKind.ENTRY if report.side is Side.BUY else LegKind.EXIT,
            side=report.side,
            type=OrderType.MARKET if report.type == OrderType.MARKET.value else OrderType.LIMIT,
            quantity_base=report.quantity_base,
            limit_price=_limit(report),
            time_in_force=TimeInForce.GTC,
            expire_at_ns=None,
        )
        return Order(
            request=request,
            journal=Journal.ACKED,
            created_at_ns=report.opened_at_ns,
            venue_order_id=report.venue_order_id,
            venue_status=VenueStatus.OPEN,
            sent_at_ns=report.opened_at_ns,
            acked_at_ns=report.opened_at_ns,
            epoch=self._desk.guard.epoch,
            reason=REASON,
        )


def _limit(report: VenueOrder) -> Decimal | None:
    return None if report.type == OrderType.MARKET.value else report.limit_price


def _age(report: VenueOrder) -> tuple[int, str]:
    return report.opened_at_ns, report.venue_order_id


def same_tags(strategies: Iterable[StrategyId]) -> tuple[StrategyId, StrategyId] | None:
    """Two strategies that order ids cannot tell apart; None if there are none."""
    seen: dict[str, StrategyId] = {}
    for strategy_id in strategies:
        other = seen.setdefault(strategy_tag(strategy_id), strategy_id)
        if other != strategy_id:
            return other, strategy_id
    return None
