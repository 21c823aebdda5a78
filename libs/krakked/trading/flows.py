"""Cash flows: what the venue's ledger tells that no execution of ours explains.

Deposits, withdrawals, rewards, transfers and fees, each booked once by its ledger id, with its
value at that moment. No flow, of whatever kind, is gain or loss of the day. Coins that come are a
lot of ``manual`` that cost what they were worth then, and coins that go leave ``manual`` for what
they are worth, so that what they gain meanwhile is profit. Where executions of other people's
orders are not tracked, what they moved is a flow too. A wallet that earns (``XBT.F``) is outside of
what can be traded: coins that move there or back are a transfer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from decimal import Decimal

import msgspec

from krakked.domain.events import Event, EventName
from krakked.domain.fills import CashFlow, CashFlowKind
from krakked.domain.ids import MANUAL, TradeId, VenueOrderId, is_ours
from krakked.domain.money import ZERO
from krakked.domain.orders import VenueOrder
from krakked.domain.portfolio import Day
from krakked.domain.positions import Position, Sleeve, moved
from krakked.ports.exchange import LedgerRow
from krakked.ports.ledger import Transaction
from krakked.trading.cursors import CURSOR_OVERLAP_NS, LEDGER_CURSOR, Cursors
from krakked.trading.desk import Desk
from krakked.trading.fills import FillBooker

TRADE = "trade"
"""The venue's ledger type of what executions moved: no flow, unless nobody tracks them."""
CASH_FLOW_KINDS = {
    "deposit": CashFlowKind.DEPOSIT,
    "withdrawal": CashFlowKind.WITHDRAWAL,
    "reward": CashFlowKind.REWARD,
    "staking": CashFlowKind.REWARD,
    "dividend": CashFlowKind.REWARD,
    "transfer": CashFlowKind.TRANSFER,
    TRADE: CashFlowKind.TRANSFER,
    "airdrop": CashFlowKind.REWARD,
    "earn/reward": CashFlowKind.REWARD,
    "earn/allocation": CashFlowKind.TRANSFER,
    "earn/deallocation": CashFlowKind.TRANSFER,
    "earn/autoallocation": CashFlowKind.TRANSFER,
    "earn/migration": CashFlowKind.TRANSFER,
    "fee": CashFlowKind.FEE,
}
"""The venue's ledger types, or type and subtype where that says more; any other row is an
adjustment."""


class FlowBooking(msgspec.Struct, frozen=True, kw_only=True):
    """One flow with everything it changes."""

    flow: CashFlow
    position: Position | None = None
    """The manual sleeve that it moved, after it."""
    realized_quote: Decimal | None = None
    """What that made of profit, in the base currency."""


class FlowBooker:
    """Books cash flows; the one writer of them."""

    def __init__(self, desk: Desk, booker: FillBooker, cursors: Cursors) -> None:
        self._desk = desk
        self._booker = booker
        self._cursors = cursors

    async def book(self, *, around: Callable[[], Awaitable[None]] | None = None) -> None:
        """Book the rows of the venue's ledger since the cursor that are no executions of ours.

        Args:
            around: awaited before flows are booked, and after; they may turn out to be known.
        """
        rows = await self._desk.exchange.ledger_since(self._cursors.since_ns(LEDGER_CURSOR))
        flows = [
            self._flow(row)
            for row in [*(row for row in rows if row.type != TRADE), *await self._untracked(rows)]
            if row.kind == "spot"
        ]
        if not rows:
            return
        valued = around if flows else None
        if valued is not None:
            await valued()
        await self._book_rows(rows, flows)
        if valued is not None:
            await valued()

    async def _book_rows(self, rows: Sequence[LedgerRow], flows: Sequence[CashFlow]) -> None:
        account = self._desk.account
        cursor = str(self._read_until_ns(rows))

        def work(tx: Transaction) -> tuple[list[tuple[FlowBooking, Event]], Day | None]:
            tx.set_cursor(LEDGER_CURSOR, cursor)
            return self._book_flows(tx, flows)

        async with self._desk.recorder.turn:
            told, day = await self._desk.recorder.commit(work)
            account.cursors[LEDGER_CURSOR] = cursor
            for booking, _ in told:
                account.put_flow(booking.flow, booking.position)
            account.day = day
        for _, event in told:
            self._desk.recorder.publish(event)

    def _read_until_ns(self, rows: Sequence[LedgerRow]) -> int:
        """Never past what an execution moved while nobody knows whose it is: it may be a flow."""
        newest_ns = max(row.at_ns for row in rows)
        if self._desk.rules.tracks_manual_trades:
            return newest_ns
        waiting = [trade.at_ns - 1 for trade in self._booker.unattributed.values()]
        return min([newest_ns, *waiting])

    async def _untracked(self, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
        """What executions of other people's orders moved, where those are not tracked."""
        if self._desk.rules.tracks_manual_trades:
            return []
        moved = [row for row in rows if row.type == TRADE]
        unbooked = set(await self._unbooked({TradeId(row.reference_id) for row in moved}))
        if not unbooked:
            return []
        since_ns = min(row.at_ns for row in moved if row.reference_id in unbooked)
        foreign = await self._foreign_trades(unbooked, since_ns - CURSOR_OVERLAP_NS)
        return [row for row in moved if row.reference_id in foreign]

    async def _foreign_trades(self, ids: Collection[TradeId], since_ns: int) -> set[TradeId]:
        """Of these executions, those of orders that the venue tells us are not ours.

        One that is ours and not booked yet is booked here; one that the venue does not show yet
        is neither, and is looked at again.
        """
        told = await self._desk.exchange.trades_since(max(0, since_ns))
        trades = [trade for trade in told if trade.trade_id in ids]
        await self._booker.book(trades)
        unbooked = set(await self._unbooked({trade.trade_id for trade in trades}))
        order_ids = {t.trade_id: t.venue_order_id for t in trades if t.trade_id in unbooked}
        reports = await self._desk.exchange.orders(sorted(set(order_ids.values())))
        return {
            trade_id
            for trade_id, order_id in order_ids.items()
            if self._is_foreign(order_id, reports.get(order_id))
        }

    def _is_foreign(self, order_id: VenueOrderId, report: VenueOrder | None) -> bool:
        """By the venue's word, or where it has none by a person's."""
        return self._booker.is_strange(order_id) if report is None else not self._is_ours(report)

    def _is_ours(self, report: VenueOrder) -> bool:
        return is_ours(report.client_order_id, self._desk.account.fingerprint)

    async def _unbooked(self, ids: Collection[TradeId]) -> list[TradeId]:
        known = await self._desk.recorder.commit(lambda tx: tx.known_trades(ids))
        return [trade_id for trade_id in sorted(ids) if trade_id not in known]

    def _book_flows(
        self, tx: Transaction, flows: Sequence[CashFlow]
    ) -> tuple[list[tuple[FlowBooking, Event]], Day | None]:
        """The new ones with their events as stored, and the day, in one transaction."""
        told = self._insert_flows(tx, flows)
        day = self._desk.account.day
        if not told or day is None:
            return told, day
        came_in = sum((booking.flow.value_base or ZERO for booking, _ in told), ZERO)
        day = msgspec.structs.replace(day, net_flows=day.net_flows + came_in)
        tx.save_day(day)
        return told, day

    def _insert_flows(
        self, tx: Transaction, flows: Sequence[CashFlow]
    ) -> list[tuple[FlowBooking, Event]]:
        told = []
        positions: dict[Sleeve, Position] = {}
        for flow in flows:
            booking = self._booking(flow, positions)
            if not tx.insert_cash_flow(flow, position=booking.position):
                continue
            if booking.position is not None:
                positions[booking.position.sleeve] = booking.position
            event = self._flow_event(booking)
            told.append((booking, msgspec.structs.replace(event, sequence=tx.add_event(event))))
        return told

    def _booking(self, flow: CashFlow, positions: Mapping[Sleeve, Position]) -> FlowBooking:
        """On top of ``positions``, which the same transaction has moved."""
        if flow.pair is None:
            return FlowBooking(flow=flow)
        sleeve = Sleeve(MANUAL, flow.pair)
        before = positions.get(sleeve) or self._desk.account.position(sleeve)
        position, realized = moved(before, flow)
        return FlowBooking(flow=flow, position=position, realized_quote=realized)

    def _flow_event(self, booking: FlowBooking) -> Event:
        flow = booking.flow
        event = self._desk.recorder.event(
            EventName.CASH_FLOW_BOOKED,
            kind=flow.kind.value,
            asset=flow.asset,
            amount=str(flow.amount),
            ledger_id=flow.ledger_id,
        )
        if booking.realized_quote is not None:
            event.fields.update(pair=flow.pair, realized_quote=str(booking.realized_quote))
        return event

    def _flow(self, row: LedgerRow) -> CashFlow:
        amount = row.amount - row.fee
        account = self._desk.account
        price = account.worth(row.asset, self._desk.market.quotes)
        return CashFlow(
            ledger_id=row.ledger_id,
            kind=kind_of(row),
            asset=row.asset,
            amount=amount,
            fee=row.fee,
            at_ns=row.at_ns,
            value_base=None if price is None else amount * price,
            pair=account.valuation.pair_of(row.asset),
        )


def kind_of(row: LedgerRow) -> CashFlowKind:
    """By type and subtype, else by type alone; what nobody knows is an adjustment."""
    of_type = CASH_FLOW_KINDS.get(row.type, CashFlowKind.ADJUSTMENT)
    return CASH_FLOW_KINDS.get(f"{row.type}/{row.subtype}", of_type)
