"""One transaction: the port's verbs over one connection, usable only while its function runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NoReturn

from krakked.adapters.sqlite import (
    book_rows,
    decision_rows,
    exit_rows,
    leadership_rows,
    order_rows,
    retention_rows,
    state_rows,
)
from krakked.adapters.sqlite.book_rows import BookedFill
from krakked.adapters.sqlite.cells import Cell
from krakked.adapters.sqlite.connections import Execute
from krakked.domain.commands import Command, Reply
from krakked.domain.decisions import DecisionRecord, ExitRecord
from krakked.domain.events import Event
from krakked.domain.fills import CashFlow, Fill, OpeningLot, VenueTrade
from krakked.domain.ids import Asset, LedgerId, PlanId, TradeId
from krakked.domain.kill_switch import KillSwitch
from krakked.domain.leadership import Leadership
from krakked.domain.orders import Order
from krakked.domain.plans import ExecutionPlan
from krakked.domain.portfolio import Day, Drift, SleeveState, Snapshot
from krakked.domain.positions import Position
from krakked.domain.shutdown import ShutDown
from krakked.ports.ledger import Books


class SqliteTransaction:
    """Implements ``krakked.ports.ledger.Transaction``; see there."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def end(self) -> None:
        """From here on every use is refused."""
        self._execute = _ended

    # reading

    def books(self) -> Books:
        """Everything an engine needs to go on."""
        return state_rows.books(self._execute)

    def order(self, order_id: str) -> Order | None:
        """By client or venue id."""
        return order_rows.order_by_id(self._execute, order_id)

    def plan(self, plan_id: PlanId) -> ExecutionPlan | None:
        """By its id."""
        return order_rows.plan_by_id(self._execute, plan_id)

    def known_trades(self, ids: Collection[TradeId]) -> set[TradeId]:
        """Those already booked."""
        return book_rows.known_trades(self._execute, ids)

    def booked_trades(self, ids: Collection[TradeId]) -> dict[TradeId, VenueTrade]:
        """Those already booked, as they were told then."""
        return book_rows.booked_trades(self._execute, ids)

    def known_ledger_rows(self, ids: Collection[LedgerId]) -> set[LedgerId]:
        """Those already booked."""
        return book_rows.known_ledger_rows(self._execute, ids)

    def reply_to(self, command_id: str) -> Reply | None:
        """The recorded answer of a command that was done before."""
        return state_rows.reply_to(self._execute, command_id)

    def nonce_floors(self) -> dict[str, int]:
        """How far the nonces of each key may have come, by its fingerprint."""
        return state_rows.nonce_floors(self._execute)

    def leadership(self) -> Leadership | None:
        """The newest epoch that this ledger knows."""
        return leadership_rows.newest(self._execute)

    # plans, orders, decisions

    def insert_plan(self, plan: ExecutionPlan) -> None:
        """Keep it; a plan never changes."""
        order_rows.insert_plan(self._execute, plan)

    def insert_order(self, order: Order) -> None:
        """Keep it; its plan is there already."""
        order_rows.insert_order(self._execute, order)

    def update_order(self, order: Order, *, at_ns: int) -> None:
        """Replace what is known of it, and append to its history."""
        order_rows.update_order(self._execute, order, at_ns)

    def save_decision(self, record: DecisionRecord) -> None:
        """Insert it, or extend the run with the same ``decision_id``."""
        decision_rows.save(self._execute, record)

    def save_exit(self, record: ExitRecord) -> None:
        """Insert it, or extend the run with the same ``decision_id``."""
        exit_rows.save(self._execute, record)

    def save_sleeve(self, state: SleeveState) -> None:
        """Replace what is kept of the sleeve."""
        decision_rows.save_sleeve(self._execute, state)

    # books

    def insert_fill(self, fill: Fill, *, position: Position, base: Asset, quote: Asset) -> bool:
        """Book one execution and the sleeve's new position; False if it was there."""
        booked = BookedFill(fill=fill, base=base, quote=quote)
        return book_rows.insert_fill(self._execute, booked, position)

    def insert_cash_flow(self, flow: CashFlow, *, position: Position | None = None) -> bool:
        """Book it with the position that it moved, if any; False if it was there."""
        return book_rows.insert_cash_flow(self._execute, flow, position)

    def insert_opening_lot(self, lot: OpeningLot) -> None:
        """Book what was there before."""
        book_rows.insert_opening_lot(self._execute, lot)

    # state of the engine

    def set_cursor(self, name: str, value: str) -> None:
        """Keep how far something was read."""
        state_rows.set_cursor(self._execute, name, value)

    def raise_nonce_floor(self, key: str, tick: int) -> None:
        """Keep it, unless the floor is higher already."""
        state_rows.raise_nonce_floor(self._execute, key, tick)

    def save_leadership(self, leadership: Leadership) -> None:
        """Keep it; the same epoch again replaces what is known of it."""
        leadership_rows.save(self._execute, leadership)

    def save_kill_switch(self, state: KillSwitch) -> None:
        """Append its new state."""
        state_rows.save_kill_switch(self._execute, state)

    def save_halted(self, halted: bool) -> None:
        """Whether no plans may start."""
        state_rows.save_halted(self._execute, halted)

    def save_shutdown(self, shut_down: ShutDown) -> None:
        """A person wants the engine down; it stands until it is ended."""
        state_rows.save_shutdown(self._execute, shut_down)

    def end_shutdown(self, *, principal: str, at_ns: int) -> None:
        """A person wants it to trade again; no shutdown stands any more."""
        state_rows.end_shutdown(self._execute, principal=principal, at_ns=at_ns)

    def save_day(self, day: Day) -> None:
        """Keep or replace the record of that day."""
        state_rows.save_day(self._execute, day)

    def insert_snapshot(self, snapshot: Snapshot) -> None:
        """Keep it."""
        state_rows.insert_snapshot(self._execute, snapshot)

    def save_drifts(self, drifts: Sequence[Drift]) -> None:
        """Replace the differences that stand."""
        state_rows.save_drifts(self._execute, drifts)

    def record_command(self, command: Command, reply: Reply, *, at_ns: int) -> None:
        """Keep a command with its answer."""
        state_rows.record_command(self._execute, command, reply, at_ns)

    def add_event(self, event: Event) -> int:
        """Put it into the outbox; its sequence."""
        return state_rows.add_event(self._execute, event)

    # what may go (see krakked.trading.retention)

    def thin_snapshots(self, *, before_ns: int, limit: int) -> int:
        """Of days before that instant, keep the last one each; how many went."""
        return retention_rows.thin_snapshots(self._execute, before_ns, limit)

    def prune_decisions(self, *, before_ns: int, limit: int) -> int:
        """Drop runs that ended before that instant, led to no plan, and have a successor."""
        return retention_rows.prune_decisions(self._execute, before_ns, limit)

    def prune_outbox(self, *, before_ns: int, keep: int, limit: int) -> int:
        """Drop events before that instant, but never any of the newest ``keep``."""
        return retention_rows.prune_outbox(self._execute, before_ns, keep, limit)


def _ended(_sql: str, _parameters: Sequence[Cell] = (), /) -> NoReturn:
    raise AssertionError("this transaction has ended: use it only inside the function that got it")
