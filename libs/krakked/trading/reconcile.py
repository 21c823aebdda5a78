"""Reconciliation: at start, after each gap in the streams, and every so often.

1  orders of which we do not know whether they exist are looked up by client id, and among the
executions before one is called absent
2  open orders and balances are compared
3  where they differ: executions since the cursor are booked and ended orders settled; where that
does not explain it, rows of the venue's ledger are booked, and the comparison is made again
4  what still differs is late, and after its patience drift, which blocks new risk; a balance that
differs by no more than the tolerance is shown, and so are somebody else's open orders

The first pass of a start reads executions in any case, and takes orders in doubt for sent where
what it reads shows them; the others it leaves to the passes to come. The venue counts questions,
and those of a start before this one count too: what is dear is asked only where it is needed.

A venue that does not answer is asked again, later each time, before it is called unreliable.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal

import msgspec

from krakked.domain.commands import Resolve
from krakked.domain.errors import Permanent, Refused, Transient
from krakked.domain.events import Event, EventName
from krakked.domain.fills import VenueTrade
from krakked.domain.ids import Asset, VenueOrderId
from krakked.domain.orders import Journal, Order, OrderRequest, VenueOrder
from krakked.domain.portfolio import Difference, Drift, DriftKind
from krakked.domain.times import NS_PER_SECOND
from krakked.ports.ledger import Transaction
from krakked.trading.attributing import Attributor
from krakked.trading.compare import (
    classify,
    compare_balances,
    compare_open_orders,
    foreign_drifts,
    foreign_orders,
    is_within,
    of_kinds,
    spot_totals,
)
from krakked.trading.cursors import CURSOR_OVERLAP_NS, TRADES_CURSOR, Cursors
from krakked.trading.desk import Desk
from krakked.trading.fills import FillBooker
from krakked.trading.flows import FlowBooker
from krakked.trading.outages import venue_outage
from krakked.trading.owing import Debt, Owed
from krakked.trading.recording import order_fields

UNKNOWN_PAUSE_S = 2.0


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at the venue showed."""

    open_orders: Sequence[VenueOrder]
    balances: Mapping[Asset, Decimal]


class Reconciler:
    """Keeps our books and the venue's equal, or says in what they are not."""

    def __init__(
        self, desk: Desk, booker: FillBooker, *, on_drift: Callable[[str], Awaitable[None]]
    ) -> None:
        self._desk = desk
        self._booker = booker
        self._cursors = Cursors(desk)
        self._flows = FlowBooker(desk, booker, self._cursors)
        self._owed = Owed(desk)
        self._attributor = Attributor(desk, booker)
        self._on_drift = on_drift
        self._wanted = asyncio.Event()
        self.outage = venue_outage(desk, "answers")
        self.on_answered: Callable[[], None] | None = None
        """Set by the engine: a pass was made, so the venue answers."""
        self.around_flow: Callable[[], Awaitable[None]] | None = None
        """Set by the engine: the account is valued before flows are booked, and after."""
        self.last_success_ns = 0
        self._read_at_ns = 0
        self.foreign: tuple[VenueOrder, ...] = ()

    def request(self) -> None:
        """Ask for a pass now (a gap, an unknown order, a person)."""
        self._wanted.set()

    async def run(self) -> None:
        """Reconcile on request and every interval, until cancelled."""
        while True:
            await self._wait()
            await self._reconcile_patiently()

    async def _reconcile_patiently(self) -> None:
        """A pass, tried again by the rules for retries; after the last the venue is unreliable."""
        rules = self._desk.rules
        for attempt in range(rules.max_retries + 1):
            try:
                await self.reconcile()
            except Transient as error:
                if self.outage.is_on or attempt == rules.max_retries:
                    self.outage.begin(str(error))
                    return
                await self._pause_before_retry(attempt, error)
            except Permanent as error:
                self.outage.begin(str(error))
                return
            else:
                return

    async def _pause_before_retry(self, attempt: int, error: Transient) -> None:
        pause_s = self._desk.rules.pause_s(attempt, error.retry_after_s)
        recorder = self._desk.recorder
        recorder.publish(
            recorder.event(
                EventName.EXCHANGE_RETRIED,
                reason=str(error),
                attempt=attempt + 1,
                pause_s=pause_s,
            )
        )
        await self._desk.clock.sleep(pause_s)

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pause_s()):
                await self._wanted.wait()
        self._wanted.clear()

    def _pause_s(self) -> float:
        rules = self._desk.rules
        if self.outage.is_on:
            return min(rules.reconcile_interval_s, rules.pause_s(rules.max_retries, None))
        if any(order.journal in (Journal.UNKNOWN, Journal.SENT) for order in self._live()):
            return UNKNOWN_PAUSE_S
        if of_kinds(self._desk.account.drifts, DriftKind.LATE):
            return min(rules.reconcile_interval_s, rules.drift_patience_s / 3)
        return rules.reconcile_interval_s

    @property
    def is_settled(self) -> bool:
        """Whether waiting explains nothing more: every difference has had its patience."""
        now_ns, patience_ns = self._desk.now_ns(), self._patience_ns
        return all(
            now_ns - drift.since_ns >= patience_ns
            for drift in self._desk.account.drifts
            if drift.kind is not DriftKind.FOREIGN
        )

    @property
    def _patience_ns(self) -> int:
        return int(self._desk.rules.drift_patience_s * NS_PER_SECOND)

    def _live(self) -> list[Order]:
        return self._desk.account.live_orders()

    # one pass

    async def reconcile(self, *, is_first: bool = False) -> Sequence[Difference]:
        """One pass; what still differs after it.

        Args:
            is_first: of a start.

        Raises:
            Transient, Permanent: the venue could not be asked; nothing was concluded.
        """
        began_ns = self._desk.now_ns()
        differences = await (self._first_pass() if is_first else self._pass())
        await self._conclude(differences)
        if not differences:
            await self._follow_confirmed()
        self.outage.end()
        if self.on_answered is not None:
            self.on_answered()
        self.last_success_ns = self._desk.now_ns()
        self._desk.recorder.publish(
            self._desk.recorder.event(
                EventName.RECONCILED,
                differences=len(differences),
                seconds=(self.last_success_ns - began_ns) / NS_PER_SECOND,
            )
        )
        return differences

    async def _pass(self) -> Sequence[Difference]:
        await self._resolve_unknown()
        await self._booker.confirm()
        seen = await self._look()
        differences = self._between(seen)
        if differences and not self._was_read_for(differences):
            return await self._read_on(seen)
        return differences

    async def _first_pass(self) -> Sequence[Difference]:
        # What the streams asked for when they came up is answered by this.
        self._wanted.clear()
        seen = await self._look()
        await self._find_sent(seen.open_orders)
        return await self._read_on(seen)

    async def _read_on(self, seen: Seen) -> Sequence[Difference]:
        """Book what happened, the cheaper history first; what still differs.

        It is held against what the venue showed before it was asked: if the books are as that was,
        nothing is missing in them. What has happened since makes a difference here, or is left to
        the next pass.
        """
        await self._book_trades()
        await self._settle_live_orders(still_open=seen.open_orders)
        if not self._between(seen):
            return ()
        await self._book_flows()
        self._read_at_ns = self._desk.now_ns()
        return self._between(seen) and self._between(await self._look())

    def _was_read_for(self, differences: Sequence[Difference]) -> bool:
        """The same as on record, past their patience: reading all again would explain no more.

        It costs most of what the venue allows, and a stop needs that; once an interval is enough.
        """
        unexplained = of_kinds(self._desk.account.drifts, DriftKind.UNEXPLAINED)
        known = [drift.difference for drift in unexplained]
        gone_s = (self._desk.now_ns() - self._read_at_ns) / NS_PER_SECOND
        is_recent = gone_s < self._desk.rules.reconcile_interval_s
        return is_recent and all(difference in known for difference in differences)

    async def _look(self) -> Seen:
        open_orders = await self._desk.exchange.open_orders()
        balances = await self._desk.exchange.balances()
        self.foreign = foreign_orders(open_orders, self._desk.account.fingerprint)
        await self._booker.adopter.adopt(open_orders)
        return Seen(open_orders=open_orders, balances=spot_totals(balances))

    def _between(self, seen: Seen) -> list[Difference]:
        """In what the books are not as that was."""
        account = self._desk.account
        return [
            *compare_open_orders(self._live(), seen.open_orders, account.fingerprint),
            *compare_balances(account.totals, seen.balances),
            *self._booker.differences,
        ]

    async def catch_up(self) -> None:
        """Book what the venue knows and we do not: executions, ends of orders, cash flows."""
        await self._book_trades()
        await self._settle_live_orders()
        await self._book_flows()

    async def _book_flows(self) -> None:
        await self._flows.book(around=self.around_flow)

    async def _book_trades(self) -> None:
        trades = await self._desk.exchange.trades_since(self._cursors.since_ns(TRADES_CURSOR))
        newest_ns = max((trade.at_ns for trade in trades), default=None)
        await self._booker.book(trades, read_until_ns=newest_ns)

    async def _follow_confirmed(self) -> None:
        """What REST confirmed by name need not be read again with what came before it."""
        confirmed_ns = self._booker.confirmed_until_ns
        cursor_ns = int(self._desk.account.cursors.get(TRADES_CURSOR, "0"))
        if confirmed_ns > cursor_ns and not self._booker.unconfirmed:
            await self._cursors.move(TRADES_CURSOR, confirmed_ns)

    async def _settle_live_orders(self, *, still_open: Sequence[VenueOrder] = ()) -> None:
        """Learn how orders ended; of those that are ``still_open`` there is nothing to learn."""
        resting = {report.venue_order_id for report in still_open}
        live = [o.venue_order_id for o in self._live() if o.venue_order_id is not None]
        ids = [order_id for order_id in live if order_id not in resting]
        if ids:
            reports = await self._desk.exchange.orders(ids)
            await self._booker.settle(reports.values())

    # orders of which we do not know whether they exist

    async def _resolve_unknown(self) -> None:
        for order in self._live():
            if self._is_in_doubt(order):
                await self._resolve(order)

    async def _find_sent(self, open_orders: Sequence[VenueOrder]) -> None:
        """Orders in doubt that rest; those that were executed are found by their executions."""
        reports = {report.client_order_id: report for report in open_orders}
        for order in self._live():
            report = reports.get(order.request.client_order_id)
            if report is not None and self._is_in_doubt(order):
                await self._put_found(order, report)

    def _is_in_doubt(self, order: Order) -> bool:
        return order.journal is Journal.UNKNOWN or self._is_orphan(order)

    def _is_orphan(self, order: Order) -> bool:
        """Sent by a process that died before it recorded the answer."""
        deadline_ns = order.deadline_at_ns or order.created_at_ns
        return order.journal is Journal.SENT and self._desk.now_ns() > deadline_ns

    async def _resolve(self, order: Order) -> None:
        is_over = await self._is_late_visibility_over(order)
        since_ns = _asking_since_ns(order)
        report = await self._desk.exchange.find_order(order.request.client_order_id, since_ns)
        if report is not None:
            await self._adopt(order, report)
        elif is_over:
            await self._resolve_by_trades(order, since_ns)

    async def _resolve_by_trades(self, order: Order, since_ns: int) -> None:
        """No list of orders has it; executions have the last word before it is called absent.

        While the venue does not tell whose one of them is, the order stays in doubt.
        """
        trades = await self._desk.exchange.trades_since(since_ns)
        suspects = self._unknown_orders(trades, order.request)
        reports = await self._desk.exchange.orders(suspects)
        client_id = order.request.client_order_id
        found = [report for report in reports.values() if report.client_order_id == client_id]
        if found:
            await self._adopt(order, found[0])
        elif len(reports) == len(suspects):
            await self._mark_absent(order)

    def _unknown_orders(
        self, trades: Sequence[VenueTrade], request: OrderRequest
    ) -> list[VenueOrderId]:
        """Orders behind executions that the request may be the cause of."""
        known = self._desk.account.order
        return sorted(
            {
                trade.venue_order_id
                for trade in trades
                if (trade.pair, trade.side) == (request.pair, request.side)
                and known(None, trade.venue_order_id) is None
            }
        )

    async def _is_late_visibility_over(self, order: Order) -> bool:
        """The venue refuses it after its deadline, and late visibility has had its time.

        By the venue's own clock, asked before the look-up: a step of ours must not end the doubt
        about an order that the venue may still take.
        """
        deadline_ns = order.deadline_at_ns or order.created_at_ns
        over_ns = deadline_ns + int(self._desk.rules.late_visibility_s * NS_PER_SECOND)
        if self._desk.now_ns() <= over_ns:
            return False
        return await self._desk.exchange.venue_time_ns() >= over_ns

    async def _put_found(self, order: Order, report: VenueOrder) -> None:
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

    async def _adopt(self, order: Order, report: VenueOrder) -> None:
        await self._put_found(order, report)
        if report.filled_base:
            await self._book_trades()
        await self._booker.settle([report])

    async def _mark_absent(self, order: Order) -> None:
        await self._put_resolved(
            msgspec.structs.replace(order, journal=Journal.ABSENT, ended_at_ns=self._desk.now_ns()),
            "absent",
        )
        self._booker.tell_ended(order)

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

            def work(tx: Transaction) -> Debt | None:
                tx.update_order(order, at_ns=at_ns)
                is_absent = order.journal is Journal.ABSENT
                return self._owed.note(tx, order.request) if is_absent else None

            self._owed.hold(await self._desk.recorder.commit(work, event))
            self._desk.account.put_order(order)

    async def resolve_by_hand(self, command: Resolve) -> str:
        """End the doubt about one order, or whose an execution is, by a person's word.

        Raises:
            Refused: the order is not in doubt, is still on its way, or the venue's order of the
                id given is another one.
        """
        if self._attributor.waits(command.client_order_id):
            told = await self._attributor.resolve(command)
            self.request()
            return told
        order = self._desk.account.order(command.client_order_id)
        if order is None or not self._is_in_doubt(order):
            raise Refused(f"order {command.client_order_id} is not in doubt; nothing to resolve")
        if command.outcome == "absent":
            return await self._take_for_absent(order)
        venue_id = VenueOrderId(command.outcome)
        report = (await self._desk.exchange.orders([venue_id])).get(venue_id)
        if report is None:
            raise Refused(f"the venue has no order {venue_id}; give its id, or `absent`")
        if not _may_be(order, report):
            raise Refused(f"the venue's order {venue_id} is another one: {report.client_order_id}")
        await self._adopt(order, report)
        return f"taken for the venue's order {venue_id}"

    async def _take_for_absent(self, order: Order) -> str:
        """A person's word ends the doubt, unless the venue shows the order or may still take it."""
        arrives_for_ns = await self._arrives_for_ns(order)
        try:
            client_id, since_ns = order.request.client_order_id, _asking_since_ns(order)
            report = await self._desk.exchange.find_order(client_id, since_ns)
        except (Transient, Permanent):
            report = None
        if report is not None:
            await self._adopt(order, report)
            raise Refused(f"the venue has it: it is its order {report.venue_order_id}")
        if arrives_for_ns >= 0:
            seconds = arrives_for_ns // NS_PER_SECOND + 1
            until = f"the venue takes it for another {seconds} s; ask again then"
            raise Refused(f"order {order.request.client_order_id} may still arrive: {until}")
        await self._mark_absent(order)
        return "taken for absent"

    async def _arrives_for_ns(self, order: Order) -> int:
        """How long the venue still takes it, by its own clock where it answers; negative: never."""
        try:
            now_ns = await self._desk.exchange.venue_time_ns()
        except (Transient, Permanent):
            now_ns = self._desk.now_ns()
        return (order.deadline_at_ns or order.created_at_ns) - now_ns

    # drift

    async def _conclude(self, differences: Sequence[Difference]) -> None:
        account = self._desk.account
        drifts = self._drifts(differences)
        if drifts == account.drifts:
            return
        was = {d.difference.key for d in of_kinds(account.drifts, DriftKind.UNEXPLAINED)}
        unexplained = of_kinds(drifts, DriftKind.UNEXPLAINED)
        new = [drift for drift in unexplained if drift.difference.key not in was]
        events = [
            self._desk.recorder.event(EventName.DRIFT_FOUND, difference=str(d.difference))
            for d in new
        ]
        if was and not unexplained:
            events.append(self._desk.recorder.event(EventName.DRIFT_CLEARED))
        events += self._foreign_events(drifts)
        async with self._desk.recorder.turn:
            await self._desk.recorder.commit(lambda tx: tx.save_drifts(drifts), *events)
            account.drifts = drifts
        if new:
            await self._on_drift(str(new[0].difference))

    def _drifts(self, differences: Sequence[Difference]) -> tuple[Drift, ...]:
        account, now_ns = self._desk.account, self._desk.now_ns()
        prices = account.prices(self._desk.market.quotes)
        tolerance = self._desk.rules.reconciliation_tolerance
        return (
            *classify(
                differences,
                account.drifts,
                now_ns=now_ns,
                patience_ns=self._patience_ns,
                is_tolerated=lambda found: is_within(found, prices=prices, tolerance=tolerance),
            ),
            *foreign_drifts(self.foreign, account.drifts, now_ns=now_ns),
        )

    def _foreign_events(self, drifts: Sequence[Drift]) -> list[Event]:
        """One for each open order of somebody else that was not there before."""
        known = {d.difference.key for d in of_kinds(self._desk.account.drifts, DriftKind.FOREIGN)}
        return [
            self._desk.recorder.event(
                EventName.NOTICE,
                foreign_order=drift.difference.key,
                order=drift.difference.theirs,
            )
            for drift in of_kinds(drifts, DriftKind.FOREIGN)
            if drift.difference.key not in known
        ]


def _asking_since_ns(order: Order) -> int:
    return max(0, (order.sent_at_ns or order.created_at_ns) - CURSOR_OVERLAP_NS)


def _may_be(order: Order, report: VenueOrder) -> bool:
    """Whether the venue's order can be ours by what it says of itself."""
    request = order.request
    if (report.pair, report.side) != (request.pair, request.side):
        return False
    return report.client_order_id in (None, request.client_order_id)
