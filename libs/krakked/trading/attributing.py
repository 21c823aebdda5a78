"""A person's word on whose an execution is, where the venue never shows the order behind it.

Such an execution waits (``fills.py``), is drift after its patience, and blocks new risk for as long
as nobody knows whose it is. A person may know. The venue is asked first, and what it shows counts
more; the word is on record with who gave it, and holds for every later execution of that order.

1  ``manual``: the order was somebody else's, and its executions are booked as those are
2  the id of an order of ours on record: they are that order's
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from krakked.domain.commands import Resolve
from krakked.domain.errors import Permanent, Refused, Transient
from krakked.domain.fills import VenueTrade
from krakked.domain.ids import MANUAL, ClientOrderId, TradeId, VenueOrderId
from krakked.domain.orders import Journal, Order, VenueStatus
from krakked.trading.desk import Desk
from krakked.trading.fills import STRANGE, FillBooker

BY_HAND = "its end is a person's word"


class Attributor:
    """Ends the wait of executions for their orders."""

    def __init__(self, desk: Desk, booker: FillBooker) -> None:
        self._desk = desk
        self._booker = booker

    def waits(self, name: str) -> bool:
        """Whether that is an execution whose order nobody knows."""
        return TradeId(name) in self._booker.unattributed

    async def resolve(self, command: Resolve) -> str:
        """Book it by the venue's word, if it has one by now, else by the person's.

        Raises:
            Refused: there is no such order of ours, or it cannot have caused that execution.
        """
        trade = self._booker.unattributed[TradeId(command.client_order_id)]
        if await self._is_shown(trade):
            return f"the venue shows its order {trade.venue_order_id} by now: booked by its word"
        if command.outcome == MANUAL:
            await self._note_stranger(trade.venue_order_id, command.principal)
            await self._book(trade.venue_order_id, None)
            return f"order {trade.venue_order_id} is somebody else's: booked as {MANUAL}"
        order = await self._own(command.outcome, trade)
        await self._book(trade.venue_order_id, order.request.client_order_id)
        await self._end_if_filled(order.request.client_order_id)
        return f"booked as executed for our order {order.request.client_order_id}"

    async def _is_shown(self, trade: VenueTrade) -> bool:
        """Whether it finds its order in the usual way now. Where nobody answers, people decide."""
        try:
            await self._booker.book(())
        except (Transient, Permanent):
            return False
        return trade.trade_id not in self._booker.unattributed

    async def _note_stranger(self, order_id: VenueOrderId, principal: str) -> None:
        name, value = f"{STRANGE}{order_id}", principal or "somebody"
        async with self._desk.recorder.turn:
            await self._desk.recorder.commit(lambda tx: tx.set_cursor(name, value))
            self._desk.account.cursors[name] = value

    async def _own(self, name: str, trade: VenueTrade) -> Order:
        order = self._desk.account.order(ClientOrderId(name)) or await self._stored(name)
        if order is None:
            raise Refused(f"no order {name} is on record; give our order's id, or `{MANUAL}`")
        request = order.request
        if (request.pair, request.side) != (trade.pair, trade.side):
            raise Refused(
                f"order {name} is to {request.side.value} {request.pair}, and the execution was a "
                f"{trade.side.value} of {trade.pair}"
            )
        if order.venue_order_id not in (None, trade.venue_order_id):
            raise Refused(f"order {name} is the venue's {order.venue_order_id}, not this one")
        return order

    async def _stored(self, name: str) -> Order | None:
        return await self._desk.recorder.commit(lambda tx: tx.order(name))

    async def _book(self, order_id: VenueOrderId, client_id: ClientOrderId | None) -> None:
        trades = [
            trade
            for trade in self._booker.unattributed.values()
            if trade.venue_order_id == order_id
        ]
        await self._booker.book_for(trades, client_id)
        _forget(self._booker, {trade.trade_id for trade in trades})

    async def _end_if_filled(self, client_id: ClientOrderId) -> None:
        """The venue never tells the end of an order that it does not show."""
        async with self._desk.recorder.turn:
            order = self._desk.account.order(client_id)
            if order is None or order.filled_base < order.request.quantity_base:
                return
            at_ns = self._desk.now_ns()
            done = msgspec.structs.replace(
                order,
                journal=Journal.DONE,
                venue_status=VenueStatus.CLOSED,
                ended_at_ns=at_ns,
                reason=BY_HAND,
            )
            await self._desk.recorder.commit(lambda tx: tx.update_order(done, at_ns=at_ns))
            self._desk.account.put_order(done)
        self._booker.tell_ended(order)


def _forget(booker: FillBooker, trade_ids: Collection[TradeId]) -> None:
    for trade_id in trade_ids:
        booker.unattributed.pop(trade_id, None)
