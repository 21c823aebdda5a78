"""Recording: a change is durable, with its events in the outbox, before anyone hears of it.

Who changes the account takes the ``turn`` first, decides, records, and applies; the network is
waited for outside it. So every decision rests on what the ledger holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from krakked.domain.events import Event, EventName
from krakked.domain.ids import StrategyId
from krakked.domain.orders import OrderRequest
from krakked.ports.clock import Clock
from krakked.ports.ledger import Ledger, Transaction

T = TypeVar("T")
Listener = Callable[[Event], None]


def order_fields(request: OrderRequest, **more: object) -> dict[str, object]:
    """The identifying fields of an order's events, by the document's names."""
    return {
        "plan_id": request.plan_id,
        "local_order_id": request.client_order_id,
        "strategy_id": request.strategy_id,
        "pair": request.pair,
        "side": request.side.value,
        "quantity_base": str(request.quantity_base),
        "limit_price": None if request.limit_price is None else str(request.limit_price),
        **more,
    }


class Recorder:
    """Writes changes and their events in one transaction, then tells the listeners."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        listeners: Sequence[Listener],
        *,
        userrefs: Mapping[StrategyId, int] | None = None,
    ) -> None:
        self.turn = asyncio.Lock()
        self._userrefs = userrefs or {}
        self._ledger = ledger
        self._clock = clock
        self._listeners = tuple(listeners)
        self._under_way: list[int] = []
        """When the transactions that have no end yet began, oldest first."""
        self.is_last_durable = True
        """Whether the newest transaction to begin or end has ended well."""

    def is_alive(self, now_ns: int, patience_ns: int) -> bool:
        """Whether the last transaction succeeded, and none has hung for so long."""
        if self._under_way:
            return now_ns - self._under_way[0] < patience_ns
        return self.is_last_durable

    def event(self, name: EventName, **fields: object) -> Event:
        """An event of now; one about a strategy carries a person's number for it, if any."""
        strategy_id = fields.get("strategy_id")
        if isinstance(strategy_id, str) and strategy_id in self._userrefs:
            fields["userref"] = self._userrefs[StrategyId(strategy_id)]
        return Event(name=name, at_ns=self._clock.now_ns(), fields=fields)

    async def commit(self, work: Callable[[Transaction], T], *events: Event) -> T:
        """Run ``work`` and store ``events`` in one transaction; then publish them.

        Raises:
            LedgerFailed: nothing was stored, and nothing may go out.
        """

        def both(transaction: Transaction) -> tuple[T, list[Event]]:
            result = work(transaction)
            stored = [
                msgspec.structs.replace(event, sequence=transaction.add_event(event))
                for event in events
            ]
            return result, stored

        began_at_ns = self._clock.now_ns()
        self._under_way.append(began_at_ns)
        self.is_last_durable = False
        try:
            result, stored = await self._ledger.write(both)
        finally:
            self._under_way.remove(began_at_ns)
        self.is_last_durable = True
        for event in stored:
            self.publish(event)
        return result

    async def record(self, *events: Event) -> None:
        """Store events alone."""
        await self.commit(lambda _: None, *events)

    def publish(self, event: Event) -> None:
        """Tell the listeners; for events that need no record (frames, heartbeats) this is all."""
        for listener in self._listeners:
            listener(event)
