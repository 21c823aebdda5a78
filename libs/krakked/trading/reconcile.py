"""Reconciliation: at start, after each gap in the streams, and every so often.

1  orders of which we do not know whether they exist are looked up by client id
2  open orders and balances are compared
3  where they differ: executions and ledger rows since the cursor are booked, ended orders
settled, and the comparison is made again
4  what still differs is late, and after its patience drift, which blocks new risk
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import msgspec

from krakked.domain.errors import Permanent, Transient
from krakked.domain.events import EventName
from krakked.domain.fills import CashFlow, CashFlowKind
from krakked.domain.orders import Journal, Order, VenueOrder
from krakked.domain.portfolio import Difference, DriftKind
from krakked.domain.times import NS_PER_SECOND
from krakked.ports.exchange import LedgerRow
from krakked.ports.ledger import Transaction
from krakked.trading.compare import (
    classify,
    compare_balances,
    compare_open_orders,
    foreign_orders,
    spot_totals,
)
from krakked.trading.desk import Desk
from krakked.trading.execute import order_fields
from krakked.trading.fills import FillBooker

TRADES_CURSOR = "trades_ns"
LEDGER_CURSOR = "ledger_ns"
BOOKS_BEGAN_CURSOR = "books_began_ns"
"""Executions before it are in the opening lots, not in the fills."""
CURSOR_OVERLAP_NS = 300 * NS_PER_SECOND
"""Rows this much older than the cursor are asked for again: late ones must not be skipped."""
UNKNOWN_PAUSE_S = 2.0

CASH_FLOW_KINDS = {
    "deposit": CashFlowKind.DEPOSIT,
    "withdrawal": CashFlowKind.WITHDRAWAL,
    "reward": CashFlowKind.REWARD,
    "staking": CashFlowKind.REWARD,
    "dividend": CashFlowKind.REWARD,
    "transfer": CashFlowKind.TRANSFER,
    "fee": CashFlowKind.FEE,
}
"""The venue's ledger types that are not trades; any other is an adjustment."""
EXTERNAL_FLOWS = (CashFlowKind.DEPOSIT, CashFlowKind.WITHDRAWAL, CashFlowKind.TRANSFER)
"""Flows that are neither gain nor loss."""


class Reconciler:
    """Keeps our books and the venue's equal, or says in what they are not."""

    def __init__(
        self, desk: Desk, booker: FillBooker, *, on_drift: Callable[[], None] | None = None
    ) -> None:
        self._desk = desk
        self._booker = booker
        self._on_drift = on_drift or (lambda: None)
        self._wanted = asyncio.Event()
        self.last_success_ns = 0
        self.foreign: tuple[VenueOrder, ...] = ()

    def request(self) -> None:
        """Ask for a pass now (a gap, an unknown order, a person)."""
        self._wanted.set()

    async def run(self) -> None:
        """Reconcile on request and every interval, until cancelled."""
        while True:
            await self._wait()
            try:
                await self.reconcile()
            except (Transient, Permanent) as error:
                self._desk.recorder.publish(
                    self._desk.recorder.event(EventName.EXCHANGE_DEGRADED, reason=str(error))
                )

    async def _wait(self) -> None:
        pause = self._desk.rules.reconcile_interval_s
        if any(order.journal in (Journal.UNKNOWN, Journal.SENT) for order in self._live()):
            pause = UNKNOWN_PAUSE_S
        elif self._desk.account.drifts:
            pause = min(pause, self._desk.rules.drift_patience_s / 3)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._wanted.wait()
        self._wanted.clear()

    def _live(self) -> list[Order]:
        return self._desk.account.live_orders()

    # one pass

    async def reconcile(self) -> Sequence[Difference]:
        """One pass; what still differs after it.

        Raises:
            Transient, Permanent: the venue could not be asked; nothing was concluded.
        """
        await self._resolve_unknown()
        differences = await self._compare()
        if differences:
            await self.catch_up()
            differences = await self._compare()
        await self._conclude(differences)
        self.last_success_ns = self._desk.now_ns()
        return differences

    async def _compare(self) -> list[Difference]:
        """The venue is asked twice about orders, so that a fill between the calls shows itself."""
        open_orders = await self._desk.exchange.open_orders()
        balances = await self._desk.exchange.balances()
        account = self._desk.account
        self.foreign = foreign_orders(open_orders, account.fingerprint)
        return [
            *compare_open_orders(self._live(), open_orders, account.fingerprint),
            *compare_balances(account.totals, spot_totals(balances)),
        ]

    async def catch_up(self) -> None:
        """Book what the venue knows and we do not: executions, ends of orders, cash flows."""
        await self._book_trades()
        await self._settle_live_orders()
        await self._book_cash_flows()

    async def _book_trades(self) -> None:
        account = self._desk.account
        since_ns = int(account.cursors.get(TRADES_CURSOR, "0"))
        trades = await self._desk.exchange.trades_since(max(0, since_ns - CURSOR_OVERLAP_NS))
        await self._booker.book(trades)
        if trades:
            await self._move_cursor(TRADES_CURSOR, max(trade.at_ns for trade in trades))

    async def _move_cursor(self, name: str, at_ns: int) -> None:
        async with self._desk.recorder.turn:
            await self._desk.recorder.commit(lambda tx: tx.set_cursor(name, str(at_ns)))
            self._desk.account.cursors[name] = str(at_ns)

    async def _settle_live_orders(self) -> None:
        ids = [o.venue_order_id for o in self._live() if o.venue_order_id is not None]
        if ids:
            reports = await self._desk.exchange.orders(ids)
            await self._booker.settle(reports.values())

    # orders of which we do not know whether they exist

    async def _resolve_unknown(self) -> None:
        for order in self._live():
            if order.journal is Journal.UNKNOWN or self._is_orphan(order):
                await self._resolve(order)

    def _is_orphan(self, order: Order) -> bool:
        """Sent by a process that died before it recorded the answer."""
        deadline_ns = order.deadline_at_ns or order.created_at_ns
        return order.journal is Journal.SENT and self._desk.now_ns() > deadline_ns

    async def _resolve(self, order: Order) -> None:
        asked_at_ns = self._desk.now_ns()
        since_ns = max(0, (order.sent_at_ns or order.created_at_ns) - CURSOR_OVERLAP_NS)
        report = await self._desk.exchange.find_order(order.request.client_order_id, since_ns)
        if report is not None:
            await self._adopt(order, report)
        elif self._is_surely_absent(order, asked_at_ns):
            await self._mark_absent(order)

    def _is_surely_absent(self, order: Order, asked_at_ns: int) -> bool:
        """The venue refuses it after its deadline, and late visibility has had its time."""
        deadline_ns = order.deadline_at_ns or order.created_at_ns
        return asked_at_ns > deadline_ns + int(self._desk.rules.late_visibility_s * NS_PER_SECOND)

    async def _adopt(self, order: Order, report: VenueOrder) -> None:
        await self._put_resolved(
            msgspec.structs.replace(
                order,
                journal=Journal.ACKED,
                venue_order_id=report.venue_order_id,
                venue_status=report.status,
                acked_at_ns=report.opened_at_ns,
            ),
            "found",
        )
        if report.filled_base:
            await self._book_trades()
        await self._booker.settle([report])

    async def _mark_absent(self, order: Order) -> None:
        await self._put_resolved(
            msgspec.structs.replace(order, journal=Journal.ABSENT, ended_at_ns=self._desk.now_ns()),
            "absent",
        )

    async def _put_resolved(self, order: Order, outcome: str) -> None:
        async with self._desk.recorder.turn:
            current = self._desk.account.order(order.request.client_order_id)
            if current is None or current.journal not in (Journal.UNKNOWN, Journal.SENT):
                return
            at_ns = self._desk.now_ns()
            event = self._desk.recorder.event(
                EventName.ORDER_RESOLVED,
                **order_fields(
                    order.request, kraken_order_id=order.venue_order_id, outcome=outcome
                ),
            )
            await self._desk.recorder.commit(lambda tx: tx.update_order(order, at_ns=at_ns), event)
            self._desk.account.put_order(order)

    # cash flows

    async def _book_cash_flows(self) -> None:
        account = self._desk.account
        since_ns = int(account.cursors.get(LEDGER_CURSOR, "0"))
        rows = await self._desk.exchange.ledger_since(max(0, since_ns - CURSOR_OVERLAP_NS))
        flows = [self._flow(row) for row in rows if row.type != "trade" and row.kind == "spot"]
        async with self._desk.recorder.turn:
            booked = await self._desk.recorder.commit(lambda tx: self._insert_flows(tx, flows))
            for flow in booked:
                self._apply_flow(flow)
            day = account.day
            if booked and day is not None:
                await self._desk.recorder.commit(lambda tx: tx.save_day(day))
        if rows:
            await self._move_cursor(LEDGER_CURSOR, max(row.at_ns for row in rows))

    def _insert_flows(self, tx: Transaction, flows: Sequence[CashFlow]) -> list[CashFlow]:
        booked = []
        for flow in flows:
            if tx.insert_cash_flow(flow):
                tx.add_event(
                    self._desk.recorder.event(
                        EventName.CASH_FLOW_BOOKED,
                        kind=flow.kind.value,
                        asset=flow.asset,
                        amount=str(flow.amount),
                        ledger_id=flow.ledger_id,
                    )
                )
                booked.append(flow)
        return booked

    def _apply_flow(self, flow: CashFlow) -> None:
        account = self._desk.account
        account.post(flow.asset, flow.amount)
        if flow.kind in EXTERNAL_FLOWS and flow.value_base is not None:
            account.net_flows += flow.value_base
            if account.day is not None:
                account.day = msgspec.structs.replace(
                    account.day, net_flows=account.day.net_flows + flow.value_base
                )

    def _flow(self, row: LedgerRow) -> CashFlow:
        amount = row.amount - row.fee
        price = self._desk.account.prices(self._desk.market.quotes).get(row.asset)
        return CashFlow(
            ledger_id=row.ledger_id,
            kind=CASH_FLOW_KINDS.get(row.type, CashFlowKind.ADJUSTMENT),
            asset=row.asset,
            amount=amount,
            fee=row.fee,
            at_ns=row.at_ns,
            value_base=None if price is None else amount * price,
        )

    # drift

    async def _conclude(self, differences: Sequence[Difference]) -> None:
        account = self._desk.account
        drifts = classify(
            differences,
            account.drifts,
            now_ns=self._desk.now_ns(),
            patience_ns=int(self._desk.rules.drift_patience_s * NS_PER_SECOND),
        )
        if drifts == account.drifts:
            return
        was = {d.difference.key for d in account.drifts if d.kind is DriftKind.UNEXPLAINED}
        new = [d for d in drifts if d.kind is DriftKind.UNEXPLAINED and d.difference.key not in was]
        events = [
            self._desk.recorder.event(EventName.DRIFT_FOUND, difference=str(d.difference))
            for d in new
        ]
        if account.drifts and not drifts:
            events.append(self._desk.recorder.event(EventName.DRIFT_CLEARED))
        async with self._desk.recorder.turn:
            await self._desk.recorder.commit(lambda tx: tx.save_drifts(drifts), *events)
            account.drifts = drifts
        if new:
            self._on_drift()
