"""Commands of people: each is done once, answered, and on record with who, when and why."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

import msgspec

from krakked.domain.commands import (
    Acknowledge,
    Cancel,
    CancelAll,
    Command,
    Flatten,
    Halt,
    Panic,
    Reply,
    Resolve,
    Resume,
    SetKillSwitch,
    Shutdown,
    Status,
    Unfence,
)
from krakked.domain.errors import KrakkedError, Refused
from krakked.domain.events import EventName
from krakked.domain.ids import MANUAL, PairName, StrategyId
from krakked.domain.kill_switch import STAYS_ON, KillSwitchCause
from krakked.domain.naming import resolve_pair, resolve_strategy
from krakked.domain.orders import Journal, Order, Side
from krakked.domain.shutdown import ShutDown
from krakked.ports.ledger import Transaction
from krakked.trading.breaker import Breaker, Cancelled, cancel_each
from krakked.trading.desk import Desk
from krakked.trading.execute import Executor

NOT_SHOWN = (
    "not cancelled, for the order is in doubt: the venue shows none by that id now, and may yet; "
    "it is looked up until that is certain, so ask again then"
)
VENUE_AWAY = (
    ", but the venue cannot be reached now: what cannot be sent is owed and tried again while "
    "prices arrive (`krakked status` shows it)"
)
STAYS_DOWN = (
    "shutting down: it ends what is under way and stops; what is restarted stays drained until "
    "`krakked resume`"
)
SHUTS_DOWN = (
    "shutting down: it ends what is under way and stops; the next `krakked run` trades again"
)
GOES_ON = "strategies go on and may buy again at their next bar"


class Flattener(Protocol):
    """Closes positions by plans of their own."""

    async def flatten(
        self, *, pair: PairName | None, strategy_id: StrategyId | None, principal: str
    ) -> int:
        """Close what matches; how many positions."""
        ...


class Hands(msgspec.Struct, frozen=True, kw_only=True):
    """What commands reach beside orders and positions."""

    resolve: Callable[[Resolve], Awaitable[str]]
    stop: Callable[[], None]
    status: Callable[[], dict[str, object]]
    unfence: Callable[[Unfence], str] | None = None
    acknowledge: Callable[[Acknowledge], Awaitable[str]] | None = None
    strategies: Collection[StrategyId] = ()
    """Those that are configured; one that only has a position or an order is known as well."""
    stays_down: bool = False
    """Whether what starts next is drained until `resume`: nobody starts it by hand."""
    buys_again: str = GOES_ON
    """What a person who wants to be out must hear of, unless they are stopped."""


class Control:
    """Carries commands out against one running engine."""

    def __init__(
        self,
        desk: Desk,
        executor: Executor,
        breaker: Breaker,
        flattener: Flattener,
        hands: Hands,
    ) -> None:
        self._desk = desk
        self._executor = executor
        self._breaker = breaker
        self._flattener = flattener
        self._hands = hands
        self._under_way: dict[str, asyncio.Lock] = {}

    async def handle(self, command: Command) -> Reply:
        """Do it, once: a command seen before gets the answer it got then."""
        if isinstance(command, Status):
            return Reply(
                command_id=command.command_id, ok=True, message="", data=self._hands.status()
            )
        command_id = command.command_id
        turn = self._under_way.setdefault(command_id, asyncio.Lock())
        try:
            async with turn:
                before = await self._desk.recorder.commit(lambda tx: tx.reply_to(command_id))
                return before or await self._do_and_record(command)
        finally:
            self._under_way.pop(command_id, None)

    async def _do_and_record(self, command: Command) -> Reply:
        reply = await self._try(command)
        name = EventName.COMMAND_DONE if reply.ok else EventName.COMMAND_REFUSED
        at_ns = self._desk.now_ns()
        await self._desk.recorder.commit(
            lambda tx: tx.record_command(command, reply, at_ns=at_ns),
            self._desk.recorder.event(
                name,
                command=type(command).__name__,
                principal=command.principal,
                reason=command.reason,
                message=reply.message,
            ),
        )
        return reply

    async def _try(self, command: Command) -> Reply:
        try:
            message = await self._do(command)
        except KrakkedError as error:
            return Reply(command_id=command.command_id, ok=False, message=str(error))
        return Reply(command_id=command.command_id, ok=True, message=message)

    async def _do(self, command: Command) -> str:  # noqa: PLR0911 - one line for each command
        match command:
            case SetKillSwitch():
                return await self._set_kill_switch(command)
            case Halt():
                return await self._halt(command)
            case Resume():
                return await self._resume(command)
            case Cancel():
                return await self._cancel(command)
            case CancelAll():
                return (await self._cancel_matching(pair=self._pair(command.pair))).told()
            case Flatten() | Panic():
                return await self._flatten(command)
            case Resolve() | Unfence() | Acknowledge():
                return await self._take_word(command)
            case Shutdown():
                return await self._shut_down(command)
            case Status():
                return ""

    async def _take_word(self, command: Resolve | Unfence | Acknowledge) -> str:
        """A person knows what no machine can."""
        hands = self._hands
        match command:
            case Resolve():
                return await hands.resolve(command)
            case Unfence() if hands.unfence is not None:
                return hands.unfence(command)
            case Acknowledge() if hands.acknowledge is not None:
                return await hands.acknowledge(command)
            case _:
                raise Refused("nobody can compete for this account")

    async def _set_kill_switch(self, command: SetKillSwitch) -> str:
        reason, principal = command.reason, command.principal
        if not command.active:
            await self._breaker.turn_off(reason, principal=principal)
            return "the kill switch is off"
        cancelled = await self._breaker.turn_on(KillSwitchCause.MANUAL, reason, principal=principal)
        return cancelled.told("the kill switch is on; of those that would add risk, ")

    async def _halt(self, command: Halt) -> str:
        await self._set_halted(True, command)
        if not command.cancel:
            return "halted: no new plans; what rests stays"
        return (await self._cancel_matching()).told("halted; ")

    async def _resume(self, command: Resume) -> str:
        """A halt is undone, and nothing else."""
        await self._set_halted(False, command)
        resumed = "resumed: plans are made again"
        return f"{resumed}; {STAYS_ON}" if self._desk.account.kill_switch.active else resumed

    async def _set_halted(self, halted: bool, command: Halt | Resume) -> None:
        await set_halted(self._desk, halted, principal=command.principal, reason=command.reason)

    async def _shut_down(self, command: Shutdown) -> str:
        """Durable before it begins: whatever becomes of the stop, the next start knows."""
        await set_shut_down(self._desk, command)
        self._hands.stop()
        return STAYS_DOWN if self._hands.stays_down else SHUTS_DOWN

    async def _cancel(self, command: Cancel) -> str:
        for order in self._unended():
            if command.order_id in (order.request.client_order_id, order.venue_order_id):
                return await self._cancel_one(order)
        raise Refused(f"no open order of ours has the id {command.order_id}")

    async def _cancel_one(self, order: Order) -> str:
        if await self._executor.cancel(order):
            return "cancelled"
        if self._executor.is_in_doubt(order):
            return NOT_SHOWN
        return "it was gone already; its end will be booked"

    async def _cancel_matching(
        self,
        *,
        pair: PairName | None = None,
        strategy_id: StrategyId | None = None,
        keeps_sales: bool = False,
    ) -> Cancelled:
        """All of a pair and strategy; a sale that is on its way may stay, for who wants to sell."""
        return await cancel_each(
            self._executor,
            [
                order
                for order in self._unended()
                if pair in (None, order.request.pair)
                and strategy_id in (None, order.request.strategy_id)
                and not (keeps_sales and _is_sale_to_come(order))
            ],
        )

    def _unended(self) -> list[Order]:
        """What rests, and what may still be sent: that is dropped."""
        return list(self._desk.account.orders.values())

    async def _flatten(self, command: Flatten | Panic) -> str:
        told = ""
        pair = strategy_id = None
        match command:
            case Panic():
                await self._breaker.stop_entries(
                    KillSwitchCause.MANUAL, command.why, principal=command.principal
                )
                told = "the kill switch is on; "
            case Flatten():
                pair, strategy_id = self._pair(command.pair), self._strategy(command.strategy_id)
                told = await self._halt_first(command)
        return await self._cancel_and_close(pair, strategy_id, command.principal, told)

    async def _cancel_and_close(
        self,
        pair: PairName | None,
        strategy_id: StrategyId | None,
        principal: str,
        told: str,
    ) -> str:
        """What is done, in words.

        Raises:
            Refused: positions stay, for nothing is ever sold by this engine as it is.
            Transient: some order could not be cancelled.
        """
        held = self._held(pair, strategy_id)
        if self._desk.guard.fenced_by is not None:  # no cancel would be taken either
            raise Refused(f"{told}{self._why_unsold()}; {_staying(held)}")
        cancelled = await self._cancel_matching(
            pair=pair, strategy_id=strategy_id, keeps_sales=True
        )
        closed = 0
        if not self._desk.guard.is_stopping:
            closed = await self._flattener.flatten(
                pair=pair, strategy_id=strategy_id, principal=principal
            )
        if held and (why := self._why_unsold()):
            raise Refused(cancelled.told(f"{told}{why}; {_staying(held)}; "))
        told += _closing_words(closed, held)
        if closed and self._is_venue_away():
            told += VENUE_AWAY
        done = cancelled.told(f"{told}; ")
        return f"{done}{self._buying_back()}"

    def _why_unsold(self) -> str:
        """What keeps every sale from being made by this engine; empty if nothing does."""
        guard, rules = self._desk.guard, self._desk.rules
        if guard.fenced_by is not None:
            return f"fenced: {guard.fenced_by}: nothing can be sold from here"
        if guard.is_stopping:
            return "the engine is stopping: nothing is sold any more"
        if not rules.sends_orders:
            return "dry_run: nothing is sent"
        return "validate_only: sales are only checked" if rules.validates_only else ""

    async def _halt_first(self, command: Flatten) -> str:
        if not command.halt:
            return ""
        await set_halted(self._desk, True, principal=command.principal, reason=command.why)
        return "halted: no new plans; "

    def _held(self, pair: PairName | None, strategy_id: StrategyId | None) -> int:
        """Positions of strategies that match."""
        return sum(
            position.quantity_base > 0
            and sleeve.strategy_id != MANUAL
            and pair in (None, sleeve.pair)
            and strategy_id in (None, sleeve.strategy_id)
            for sleeve, position in self._desk.account.positions.items()
        )

    def _is_venue_away(self) -> bool:
        """As the engine's status says it."""
        degraded = self._hands.status().get("degraded")
        return isinstance(degraded, list) and "exchange" in degraded

    def _buying_back(self) -> str:
        """Who wants to be out must hear that strategies go on."""
        account = self._desk.account
        if account.halted or account.kill_switch.active:
            return ""
        return (
            f"; {self._hands.buys_again}, unless `krakked halt` (or flatten with --halt) stops them"
        )

    def _pair(self, text: PairName | None) -> PairName | None:
        """As the venue calls it.

        Raises:
            Refused: it has no such pair.
        """
        return None if text is None else resolve_pair(text, self._desk.account.pairs)

    def _strategy(self, text: StrategyId | None) -> StrategyId | None:
        """As it is configured.

        Raises:
            Refused: nobody knows it.
        """
        if text is None:
            return None
        account = self._desk.account
        known = {
            *self._hands.strategies,
            *(sleeve.strategy_id for sleeve in account.positions),
            *(order.request.strategy_id for order in account.orders.values()),
        } - {MANUAL}
        return resolve_strategy(text, sorted(known))


def _closing_words(closed: int, held: int) -> str:
    if not held:
        return "no position of a strategy to close"
    noun = "position" if held == 1 else "positions"
    if closed >= held:
        return f"{closed} {noun} being closed"
    return (
        f"{closed} of {held} {noun} being closed; what is left is too small to sell, or has a sale "
        "under way (`krakked positions`, `krakked orders list --open`)"
    )


def _staying(held: int) -> str:
    return f"{held} {'position stays' if held == 1 else 'positions stay'}"


async def set_halted(desk: Desk, halted: bool, *, principal: str, reason: str) -> None:
    """Stop making plans, or go on; durable before it is true here."""
    name = EventName.HALTED if halted else EventName.RESUMED
    event = desk.recorder.event(name, principal=principal, reason=reason)
    at_ns = desk.now_ns()

    def work(tx: Transaction) -> None:
        tx.save_halted(halted)
        if not halted:
            tx.end_shutdown(principal=principal, at_ns=at_ns)

    async with desk.recorder.turn:
        await desk.recorder.commit(work, event)
        desk.account.halted = halted
        desk.account.shut_down = desk.account.shut_down if halted else None


async def set_shut_down(desk: Desk, command: Shutdown) -> None:
    """Nothing adds risk from here on, in this process and, until it is ended, in the next."""
    found = ShutDown(principal=command.principal, reason=command.reason, at_ns=desk.now_ns())
    event = desk.recorder.event(
        EventName.HALTED, principal=command.principal, reason=found.words, cause="shutdown"
    )
    async with desk.recorder.turn:
        await desk.recorder.commit(lambda tx: tx.save_shutdown(found), event)
        desk.account.shut_down, desk.account.halted = found, True


def _is_sale_to_come(order: Order) -> bool:
    return order.journal is Journal.PENDING and order.request.side is Side.SELL
