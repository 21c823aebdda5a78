"""Fills and ends of orders: the stream or REST tells, the ledger books once, REST confirms.

An execution that the stream tells whole is booked as it is told. One that it only names is fetched
by id. Either way it is booked under the venue's id, so the other way finds it there: then the two
are compared, and what differs is a difference between the books, for people. Whatever the stream
told is confirmed by REST when the books are next compared. What it misses, reconciliation finds.

An order is DONE when the venue told its end and every fill of it is booked.

An execution on a pair that the venue does not list cannot be booked: we do not know what it moved.
One whose order the venue does not show yet is nobody's: it may be ours, so it is not ``manual``.
Both are kept as differences between the books, for people, and tried again whenever more is booked;
the cursor stays before them, so that a restart reads them again. A person may say whose the second
is (``attributing.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from krakked.domain.errors import Permanent, Transient
from krakked.domain.events import Event, EventName
from krakked.domain.fills import VenueTrade
from krakked.domain.ids import ClientOrderId, PairName, TradeId, VenueOrderId, is_ours
from krakked.domain.orders import Journal, Order, VenueOrder
from krakked.domain.portfolio import Difference
from krakked.domain.positions import Position, Sleeve
from krakked.ports.ledger import Transaction
from krakked.ports.market_feed import ExecutionHint
from krakked.trading.adopting import Adopter
from krakked.trading.booking import Booking, book, settled, sleeve_of
from krakked.trading.compare import compare_fills, compare_trade
from krakked.trading.cursors import TRADES_CURSOR
from krakked.trading.desk import Desk
from krakked.trading.owing import Debt, Owed
from krakked.trading.recording import order_fields

QUERY_TRADES_MAX = 20
"""Ids in one QueryTrades call (the venue's bound)."""
HINT_TRIES_MAX = 10
"""How often a hinted execution is asked for before reconciliation takes over."""
HINT_PAUSE_S = 1.0

STRANGE = "strange_order/"
"""Kept among the cursors, with the venue's order id behind it: who said that it is not ours."""

K = TypeVar("K")


class FillBooker:
    """Books executions and settles orders; the one writer of positions."""

    def __init__(
        self,
        desk: Desk,
        *,
        on_wake: Callable[[Sleeve, str], None],
        on_inconsistent: Callable[[str], Awaitable[None]],
        adopter: Adopter,
    ) -> None:
        self._desk = desk
        self.adopter = adopter
        self._owed = Owed(desk)
        self._on_wake = on_wake
        self._on_inconsistent = on_inconsistent
        self._told: list[ExecutionHint] = []
        self._has_told = asyncio.Event()
        self._hinted_trades: dict[TradeId, int] = {}
        self._hinted_ends: dict[VenueOrderId, int] = {}
        self._has_hints = asyncio.Event()
        self._unconfirmed: set[TradeId] = set()
        """Booked as the stream told them; REST has yet to say the same."""
        self.confirmed_until_ns = 0
        """The newest of those that REST has confirmed."""
        self._contradicted: dict[TradeId, tuple[Difference, ...]] = {}
        self.unbookable: dict[TradeId, VenueTrade] = {}
        """Executions that the venue tells of on pairs that it does not list."""
        self.unattributed: dict[TradeId, VenueTrade] = {}
        """Executions whose order the venue does not show (yet)."""

    def __repr__(self) -> str:
        return (
            f"<FillBooker {len(self._told)} told, {len(self._hinted_trades)} executions, "
            f"{len(self._hinted_ends)} ends to learn>"
        )

    @property
    def is_idle(self) -> bool:
        """Nothing that the stream said waits to be booked or asked about."""
        return not self._told and not self._hinted_trades and not self._hinted_ends

    def on_hint(self, hint: ExecutionHint) -> None:
        """Note what the stream said; :meth:`run` follows it up."""
        if hint.trade_id is not None and hint.trade is None:
            self._ask_about(hint.trade_id)
        if hint.trade is not None or hint.status.is_final:
            self._told.append(hint)
            self._has_told.set()

    def _ask_about(self, trade_id: TradeId) -> None:
        self._hinted_trades.setdefault(trade_id, 0)
        self._has_hints.set()

    def ask_about_end(self, order_id: VenueOrderId) -> None:
        """That order may have ended unheard; :meth:`run` asks REST for it."""
        self._hinted_ends.setdefault(order_id, 0)
        self._has_hints.set()

    async def run(self) -> None:
        """Book what is told and ask about what is only named, until cancelled.

        Asking may wait for the venue's limits; what is told whole does not wait behind it.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._book_what_is_told())
                group.create_task(self._ask())
        except ExceptionGroup as failed:
            # What ends the engine is the failure itself, with its exit code.
            raise failed.exceptions[0] from failed

    # what the stream tells

    async def _book_what_is_told(self) -> None:
        while True:
            await self._has_told.wait()
            self._has_told.clear()
            await self._take_told()

    async def _take_told(self) -> None:
        """Fills first: an end counts when all of them are booked."""
        # They leave the list when they are dealt with: until then the booker is not idle.
        told = tuple(self._told)
        await self._book_told([hint for hint in told if hint.trade is not None])
        for hint in told:
            if hint.status.is_final:
                await self._settle_told(hint)
        del self._told[: len(told)]

    async def _book_told(self, told: Sequence[ExecutionHint]) -> None:
        """Those of orders that we know or that are surely somebody else's; others are asked for."""
        trades: list[VenueTrade] = []
        client_ids: dict[VenueOrderId, ClientOrderId | None] = {}
        for hint in told:
            assert hint.trade is not None
            if self._desk.account.order(None, hint.venue_order_id) is None:
                if self._must_be_asked_about(hint):
                    self._ask_about(hint.trade.trade_id)
                    continue
                client_ids[hint.venue_order_id] = hint.client_order_id
            trades.append(hint.trade)
        try:
            new = await self._bookable(trades)
            ready = await self._attributed(new, client_ids)
            booked = await self._book_new(ready, client_ids)
        except (Transient, Permanent):
            # Only a pair that was listed since the start is asked about.
            for trade in trades:
                self._ask_about(trade.trade_id)
            return
        self._unconfirmed.update(booking.fill.trade.trade_id for booking, _ in booked)
        await self._tell(booked)

    def _must_be_asked_about(self, hint: ExecutionHint) -> bool:
        """The stream names no order, or one of ours that only the venue knows (for now)."""
        client_id, account = hint.client_order_id, self._desk.account
        if client_id is None:
            return True
        was_behind = self._desk.guard.was_behind
        is_known = account.order(client_id, None) is not None
        return was_behind and is_ours(client_id, account.fingerprint) and not is_known

    async def _settle_told(self, hint: ExecutionHint) -> None:
        """An end by the stream's word; where a fill is missing, or the order's name, by REST's."""
        order = self._desk.account.order(hint.client_order_id, hint.venue_order_id)
        if order is None and hint.client_order_id is not None:
            return
        if order is None or hint.filled_base != order.filled_base:
            self.ask_about_end(hint.venue_order_id)
            return
        await self._settle_one(_report(order, hint))

    # what must be asked for

    async def _ask(self) -> None:
        while True:
            await self._has_hints.wait()
            self._has_hints.clear()
            await self._follow_up_once()
            if self._hinted_trades or self._hinted_ends:
                await self._desk.clock.sleep(HINT_PAUSE_S)
                self._has_hints.set()

    async def _follow_up_once(self) -> None:
        """Whatever cannot be learned now stays hinted, a bounded number of times."""
        trade_ids = tuple(self._hinted_trades)[:QUERY_TRADES_MAX]
        order_ids = tuple(self._hinted_ends)[:QUERY_TRADES_MAX]
        try:
            if trade_ids:
                await self.book(await self._desk.exchange.trades(trade_ids))
            if order_ids:
                await self.settle((await self._desk.exchange.orders(order_ids)).values())
        except (Transient, Permanent):
            # Not visible yet, or the venue is busy.
            pass
        _count_tries(self._hinted_trades, trade_ids)
        _count_tries(self._hinted_ends, order_ids)

    def is_strange(self, order_id: VenueOrderId) -> bool:
        """Whether a person said that this order, which the venue does not show, is not ours."""
        return f"{STRANGE}{order_id}" in self._desk.account.cursors

    # what REST confirms

    async def confirm(self) -> None:
        """Ask REST about fills that only the stream has told; one call for up to twenty.

        Raises:
            Transient: it could not be asked; they stay unconfirmed.
        """
        ids = sorted(self._unconfirmed)
        for start in range(0, len(ids), QUERY_TRADES_MAX):
            asked = ids[start : start + QUERY_TRADES_MAX]
            with contextlib.suppress(Permanent):  # not visible yet
                await self._compare(await self._desk.exchange.trades(asked))

    @property
    def unconfirmed(self) -> int:
        """Fills that REST has yet to confirm."""
        return len(self._unconfirmed)

    @property
    def differences(self) -> list[Difference]:
        """What cannot be booked, and what REST tells differently than it was booked."""
        found = compare_fills((), [*self.unbookable.values(), *self.unattributed.values()])
        return [*found, *(d for one in self._contradicted.values() for d in one)]

    async def _compare(self, trades: Sequence[VenueTrade]) -> None:
        """What REST tells of fills that are booked, by id: the stream may have told them else.

        All of them, and not only those that this process heard of: the one before may have died.
        """
        told = {trade.trade_id: trade for trade in trades}
        if not told:
            return
        ids = list(told)
        booked = await self._desk.recorder.commit(lambda tx: tx.booked_trades(ids))
        for trade_id, trade in booked.items():
            differences = compare_trade(trade, told[trade_id])
            if differences:
                self._contradicted[trade_id] = tuple(differences)
            self._unconfirmed.discard(trade_id)
            self.confirmed_until_ns = max(self.confirmed_until_ns, trade.at_ns)

    # executions

    async def book(self, trades: Sequence[VenueTrade], *, read_until_ns: int | None = None) -> int:
        """Book what is not booked yet, oldest first; how many were new.

        With ``read_until_ns`` the cursor moves there, in the transaction that books.
        """
        new = await self._bookable(trades)
        reports = await self._reports_of_unknown_orders(new)
        client_ids = {order_id: report.client_order_id for order_id, report in reports.items()}
        ready = await self._attributed(new, client_ids)
        booked = await self._book_new(ready, client_ids, self._cursor(read_until_ns))
        for trade in trades:
            if trade.trade_id not in self.unattributed:
                self._hinted_trades.pop(trade.trade_id, None)
        await self._tell(booked)
        await self._compare(trades)
        # Who ended need not be asked about once more.
        await self.settle(report for report in reports.values() if report.status.is_final)
        return len(booked)

    async def book_for(self, trades: Sequence[VenueTrade], client_id: ClientOrderId | None) -> None:
        """Book executions of the order that a person named; None: of somebody else's."""
        client_ids = {trade.venue_order_id: client_id for trade in trades}
        await self._tell(await self._book_new(trades, client_ids))

    def _cursor(self, read_until_ns: int | None) -> str | None:
        """Where to move it: never past what waits for its order, or for its pair."""
        if read_until_ns is None:
            return None
        waiting = [
            trade.at_ns - 1 for trade in (*self.unattributed.values(), *self.unbookable.values())
        ]
        return str(min([read_until_ns, *waiting]))

    async def _attributed(
        self,
        trades: Sequence[VenueTrade],
        client_ids: Mapping[VenueOrderId, ClientOrderId | None],
    ) -> list[VenueTrade]:
        """Those whose order is on record, or is somebody else's by the venue's word.

        One of ours that is not on record is another ledger's: it waits for being adopted, for as
        ``manual`` it would never come to the sleeve that it belongs to.
        """
        known = await self._known({trade.venue_order_id for trade in trades}, client_ids)
        before = self.unattributed
        self.unattributed = {t.trade_id: t for t in trades if t.venue_order_id not in known}
        for trade_id in self.unattributed.keys() - before.keys():
            order_id = self.unattributed[trade_id].venue_order_id
            why = "is ours and not on record" if order_id in client_ids else "is not shown yet"
            reason = (
                f"execution {trade_id} waits: its order {order_id} {why}; if it stays so, "
                f"`krakked orders resolve {trade_id} manual|OUR-ORDER-ID`"
            )
            self._desk.recorder.publish(self._desk.recorder.event(EventName.NOTICE, reason=reason))
        return [trade for trade in trades if trade.trade_id not in self.unattributed]

    async def _tell(self, booked: Sequence[tuple[Booking, Event]]) -> None:
        for booking, event in booked:
            self._desk.recorder.publish(event)
            self._on_wake(booking.position.sleeve, "fill")
        for booking, _ in booked:
            if booking.problem is not None:
                await self._on_inconsistent(booking.problem)

    async def _known(
        self,
        order_ids: set[VenueOrderId],
        client_ids: Mapping[VenueOrderId, ClientOrderId | None],
    ) -> set[VenueOrderId]:
        """Orders that are on record, live or long ended, and those that are surely not ours."""
        account = self._desk.account
        strange = {
            order_id
            for order_id, client_id in client_ids.items()
            if client_id is None or not is_ours(client_id, account.fingerprint)
        }
        strange |= set(filter(self.is_strange, order_ids))
        live = {one for one in order_ids if account.order(client_ids.get(one), one) is not None}
        others = sorted(order_ids - live - strange)
        if not others:
            return live | strange

        def on_record(tx: Transaction) -> set[VenueOrderId]:
            ids = {one: (one, client_ids.get(one)) for one in others}
            return {one for one, both in ids.items() if any(tx.order(i) for i in both if i)}

        return live | strange | await self._desk.recorder.commit(on_record)

    async def _book_new(
        self,
        trades: Sequence[VenueTrade],
        client_ids: Mapping[VenueOrderId, ClientOrderId | None],
        cursor: str | None = None,
    ) -> list[tuple[Booking, Event]]:
        cursors = self._desk.account.cursors
        if not trades and cursor in (None, cursors.get(TRADES_CURSOR)):
            return []

        def work(tx: Transaction) -> list[tuple[Booking, Event]]:
            if cursor is not None:
                tx.set_cursor(TRADES_CURSOR, cursor)
            return self._book_in(tx, trades, client_ids)

        async with self._desk.recorder.turn:
            told = await self._desk.recorder.commit(work)
            for booking, _ in told:
                self._desk.account.put_booking(booking)
            if cursor is not None:
                cursors[TRADES_CURSOR] = cursor
        return told

    async def _bookable(self, trades: Sequence[VenueTrade]) -> list[VenueTrade]:
        """Those that are new and whose pair is known, oldest first."""
        given = {
            **self.unbookable,
            **self.unattributed,
            **{trade.trade_id: trade for trade in trades},
        }
        if not given:
            return []
        known = await self._desk.recorder.commit(lambda tx: tx.known_trades(list(given)))
        new = [trade for trade_id, trade in given.items() if trade_id not in known]
        await self._learn_pairs({trade.pair for trade in new})
        self._note_unbookable(new)
        bookable = [trade for trade in new if trade.trade_id not in self.unbookable]
        return sorted(bookable, key=lambda trade: (trade.at_ns, trade.trade_id))

    async def _learn_pairs(self, names: set[PairName]) -> None:
        """A pair may have been listed since the start."""
        pairs = self._desk.account.pairs
        if names <= pairs.keys():
            return
        listed = await self._desk.exchange.pairs()
        pairs.update(
            {name: listed[name] for name in sorted(names - pairs.keys()) if name in listed}
        )

    def _note_unbookable(self, new: Sequence[VenueTrade]) -> None:
        before = self.unbookable
        pairs = self._desk.account.pairs
        self.unbookable = {trade.trade_id: trade for trade in new if trade.pair not in pairs}
        for trade_id in self.unbookable.keys() - before.keys():
            trade = self.unbookable[trade_id]
            reason = f"execution {trade_id} cannot be booked: no pair {trade.pair} is listed"
            self._desk.recorder.publish(
                self._desk.recorder.event(EventName.NOTICE, pair=trade.pair, reason=reason)
            )

    async def _reports_of_unknown_orders(
        self, trades: Sequence[VenueTrade]
    ) -> Mapping[VenueOrderId, VenueOrder]:
        """What the venue says of orders whose venue id we have not heard of yet."""
        account = self._desk.account
        unknown = sorted(
            {t.venue_order_id for t in trades if account.order(None, t.venue_order_id) is None}
        )
        reports = await self._desk.exchange.orders(unknown) if unknown else {}
        await self.adopter.adopt(reports.values())
        return reports

    def _book_in(
        self,
        tx: Transaction,
        trades: Sequence[VenueTrade],
        client_ids: Mapping[VenueOrderId, ClientOrderId | None],
    ) -> list[tuple[Booking, Event]]:
        """In one transaction, each with its event as the outbox holds it."""
        account = self._desk.account
        known = tx.known_trades([trade.trade_id for trade in trades])
        positions: dict[Sleeve, Position] = {}
        orders: dict[VenueOrderId, Order | None] = {}
        told = []
        for trade in trades:
            if trade.trade_id in known:
                continue
            if trade.venue_order_id not in orders:
                orders[trade.venue_order_id] = self._order_of(tx, trade, client_ids)
            order = orders[trade.venue_order_id]
            if order is None and not self._desk.rules.tracks_manual_trades:
                continue
            sleeve = sleeve_of(trade, order)
            booking = book(
                trade,
                pair=account.pairs[trade.pair],
                order=order,
                position=positions.get(sleeve) or account.position(sleeve),
                prices=account.prices(self._desk.market.quotes),
            )
            positions[sleeve] = booking.position
            orders[trade.venue_order_id] = booking.order
            told.append((booking, self._write(tx, booking)))
        return told

    def _write(self, tx: Transaction, booking: Booking) -> Event:
        pair = self._desk.account.pairs[booking.fill.trade.pair]
        tx.insert_fill(booking.fill, position=booking.position, base=pair.base, quote=pair.quote)
        if booking.order is not None:
            tx.update_order(booking.order, at_ns=self._desk.now_ns())
        event = self._booked_event(booking)
        return msgspec.structs.replace(event, sequence=tx.add_event(event))

    def _order_of(
        self,
        tx: Transaction,
        trade: VenueTrade,
        client_ids: Mapping[VenueOrderId, ClientOrderId | None],
    ) -> Order | None:
        """Our order behind an execution, live or long ended; None if it is somebody else's."""
        account = self._desk.account
        live = account.order(None, trade.venue_order_id)
        if live is not None:
            return live
        client_id = client_ids.get(trade.venue_order_id)
        if client_id is None or not is_ours(client_id, account.fingerprint):
            return tx.order(trade.venue_order_id)
        return account.order(client_id) or tx.order(client_id)

    def _booked_event(self, booking: Booking) -> Event:
        trade = booking.fill.trade
        return self._desk.recorder.event(
            EventName.FILL_BOOKED,
            plan_id=booking.order.request.plan_id if booking.order else None,
            local_order_id=booking.fill.client_order_id,
            kraken_order_id=trade.venue_order_id,
            trade_id=trade.trade_id,
            strategy_id=booking.fill.strategy_id,
            pair=trade.pair,
            side=trade.side.value,
            price=str(trade.price),
            quantity_base=str(trade.quantity_base),
            fee=f"{trade.fee_amount} {trade.fee_asset}",
            realized_quote=str(booking.fill.realized_quote),
        )

    # ends

    async def settle(self, reports: Iterable[VenueOrder]) -> None:
        """Take the venue's reports on our orders; those that ended and are fully booked leave."""
        for report in sorted(reports, key=lambda report: report.venue_order_id):
            await self._settle_one(report)

    async def _settle_one(self, report: VenueOrder) -> None:
        async with self._desk.recorder.turn:
            order = self._desk.account.order(report.client_order_id, report.venue_order_id)
            if order is None:
                self._hinted_ends.pop(report.venue_order_id, None)
                return
            after = settled(order, report, self._desk.now_ns())
            if after == order:
                return
            is_done = after.journal is Journal.DONE
            events = [self._end_event(after)] if is_done else []
            await self._put_settled(after, events)
        if is_done:
            self._hinted_ends.pop(report.venue_order_id, None)
            self.tell_ended(order)

    async def _put_settled(self, order: Order, events: Sequence[Event]) -> None:
        """A sale that ended with some of it unsold is owed by that: a person wanted all of it."""
        at_ns = self._desk.now_ns()

        def work(tx: Transaction) -> Debt | None:
            tx.update_order(order, at_ns=at_ns)
            return self._owed.note(tx, order.request) if self._is_cut_short(order) else None

        self._owed.hold(await self._desk.recorder.commit(work, *events))
        self._desk.account.put_order(order)

    def _is_cut_short(self, order: Order) -> bool:
        """By the venue, or by a stop of ours; whoever else cancels a sale wants it no more."""
        if order.journal is not Journal.DONE or order.filled_base >= order.request.quantity_base:
            return False
        return order.cancel_requested_at_ns is None or self._desk.guard.is_stopping

    def tell_ended(self, order: Order) -> None:
        """Wake its sleeve: what it wished for has happened, or will not."""
        self._on_wake(Sleeve(order.request.strategy_id, order.request.pair), "order_ended")

    def _end_event(self, order: Order) -> Event:
        return self._desk.recorder.event(
            EventName.ORDER_ENDED,
            **order_fields(
                order.request,
                kraken_order_id=order.venue_order_id,
                status=order.status.value,
                filled_base=str(order.filled_base),
                reason=order.reason,
            ),
        )


def _report(order: Order, hint: ExecutionHint) -> VenueOrder:
    """The end of an order whose fills are all booked, as the stream tells it."""
    request = order.request
    return VenueOrder(
        venue_order_id=hint.venue_order_id,
        client_order_id=request.client_order_id,
        pair=request.pair,
        side=request.side,
        type=request.type.value,
        status=hint.status,
        quantity_base=request.quantity_base,
        filled_base=order.filled_base,
        cost_quote=order.cost_quote,
        fee_quote=order.fee_quote,
        limit_price=request.limit_price,
        opened_at_ns=order.acked_at_ns or hint.at_ns,
        closed_at_ns=hint.at_ns,
        reason=hint.reason,
    )


def _count_tries(hints: dict[K, int], asked: Sequence[K]) -> None:
    """What was asked for and is still hinted was asked once more; bounded."""
    for key in asked:
        if key in hints:
            hints[key] += 1
            if hints[key] >= HINT_TRIES_MAX:
                del hints[key]
