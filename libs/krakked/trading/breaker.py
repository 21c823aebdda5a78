"""The breaker: the one way to turn the kill switch, whoever wants it and why.

Turning it on is durable before anything else. Then own orders that would add risk are cancelled,
and exits stay. An order may still be on its way to the venue, a cancel may fail, or this process
may end in between: so whenever the switch is on, at a start too, :meth:`Breaker.run` goes on until
no such order is left. What fills meanwhile is bounded by those orders.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec

from krakked.domain.errors import Ambiguous, Permanent, Transient
from krakked.domain.events import EventName
from krakked.domain.kill_switch import KillSwitch, KillSwitchCause
from krakked.domain.orders import LegKind, Order
from krakked.trading.desk import Desk
from krakked.trading.execute import Executor
from krakked.trading.recording import order_fields

LOOK_S = 5.0
"""Between two looks at entries that a cancel has not ended yet."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An order that could not be cancelled, and the venue's word."""

    order: Order
    error: str

    def __str__(self) -> str:
        return f"{self.order.request.client_order_id}: {self.error}"


class Cancelled(msgspec.Struct, frozen=True, kw_only=True):
    """How many orders were cancelled, which could not be, and how many may still show up."""

    count: int
    failures: tuple[Failure, ...]
    in_doubt: int = 0
    """Of which the venue shows nothing, though it may have them or take them yet."""

    def told(self, before: str = "") -> str:
        """In words.

        Raises:
            Transient: not all of them; says what was done and what was not.
        """
        text = f"{before}{self.count} {'order' if self.count == 1 else 'orders'} cancelled"
        if self.in_doubt:
            text += f", {self.in_doubt} in doubt"
        if self.failures:
            raise Transient(f"{text}; not cancelled: {'; '.join(map(str, self.failures))}")
        return text


class Breaker:
    """Turns the kill switch on, with what belongs to it, and off."""

    def __init__(self, desk: Desk, executor: Executor) -> None:
        self._desk = desk
        self._executor = executor
        self._has_entries = asyncio.Event()
        self._has_entries.set()

    async def trip(self, cause: KillSwitchCause, reason: str) -> None:
        """The engine's own word; a switch that is on already keeps its first reason."""
        if not self._desk.account.kill_switch.active:
            await self.turn_on(cause, reason, principal="engine")

    async def turn_on(self, cause: KillSwitchCause, reason: str, *, principal: str) -> Cancelled:
        """Stop what adds risk, and take back what rests of it."""
        await self.stop_entries(cause, reason, principal=principal)
        return await self.cancel_entries()

    async def stop_entries(self, cause: KillSwitchCause, reason: str, *, principal: str) -> None:
        """Turn it on, for who cancels everything anyway; :meth:`run` sees to what he leaves."""
        await self._save(
            KillSwitch(
                active=True,
                cause=cause,
                reason=reason,
                principal=principal,
                changed_at_ns=self._desk.now_ns(),
            ),
            cause,
        )
        self._has_entries.set()

    async def turn_off(self, reason: str, *, principal: str) -> None:
        """Clearing is a person's act."""
        off = KillSwitch(reason=reason, principal=principal, changed_at_ns=self._desk.now_ns())
        await self._save(off, KillSwitchCause.MANUAL)

    async def _save(self, state: KillSwitch, cause: KillSwitchCause) -> None:
        """Durable before it is true here."""
        recorder = self._desk.recorder
        is_on = state.active
        name = EventName.KILL_SWITCH_ACTIVATED if is_on else EventName.KILL_SWITCH_CLEARED
        event = recorder.event(
            name, reason=state.reason, cause=cause.value, principal=state.principal
        )
        async with recorder.turn:
            await recorder.commit(lambda tx: tx.save_kill_switch(state), event)
            self._desk.account.kill_switch = state

    # what would add risk

    def entries(self) -> list[Order]:
        """Own orders that would add risk: at the venue, on their way, or still to be sent."""
        orders = self._desk.account.orders.values()
        return [order for order in orders if order.request.kind is LegKind.ENTRY]

    async def cancel_entries(self) -> Cancelled:
        """Cancel own orders that would add risk; exits stay."""
        cancelled = await cancel_each(self._executor, self.entries())
        recorder = self._desk.recorder
        for failure in cancelled.failures:
            fields = order_fields(
                failure.order.request,
                kraken_order_id=failure.order.venue_order_id,
                kraken_error=f"cancel: {failure.error}",
            )
            recorder.publish(recorder.event(EventName.ORDER_ERROR, **fields))
        return cancelled

    async def run(self) -> None:
        """While the switch is on, see that no entry is left; until cancelled."""
        while True:
            await self._has_entries.wait()
            self._has_entries.clear()
            while self._desk.account.kill_switch.active and self.entries():
                await self.cancel_entries()
                await self._desk.clock.sleep(LOOK_S)


async def cancel_each(executor: Executor, orders: Iterable[Order]) -> Cancelled:
    """Every one is asked for, whatever became of those before it."""
    count = in_doubt = 0
    failures = []
    for order in orders:
        try:
            is_cancelled = await executor.cancel(order)
            count += is_cancelled
            in_doubt += not is_cancelled and executor.is_in_doubt(order)
        except (Transient, Ambiguous, Permanent) as error:
            failures.append(Failure(order=order, error=str(error)))
    return Cancelled(count=count, failures=tuple(failures), in_doubt=in_doubt)
