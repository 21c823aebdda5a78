"""The truth on disk: one writer, whole transactions, append-only books.

A transaction is one synchronous function over :class:`Transaction`, run in one hop under a lock and
shielded from cancellation: all of it is durable when ``write`` returns, or none of it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Protocol, TypeVar

import msgspec

from krakked.domain.commands import Command, Reply
from krakked.domain.decisions import DecisionRecord, ExitRecord
from krakked.domain.events import Event
from krakked.domain.fills import CashFlow, Fill, OpeningLot, VenueTrade
from krakked.domain.ids import (
    AccountFingerprint,
    Asset,
    ClientOrderId,
    LedgerId,
    PlanId,
    TradeId,
    VenueOrderId,
)
from krakked.domain.kill_switch import KillSwitch
from krakked.domain.leadership import Leadership
from krakked.domain.orders import Order
from krakked.domain.plans import ExecutionPlan
from krakked.domain.portfolio import Day, Drift, SleeveState, Snapshot
from krakked.domain.positions import Position, Sleeve
from krakked.domain.shutdown import ShutDown

T = TypeVar("T")


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What a ledger belongs to; a ledger of another identity is refused."""

    environment: str
    venue: str
    account: AccountFingerprint
    base_currency: Asset


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an engine needs to go on, read in one transaction."""

    positions: Mapping[Sleeve, Position]
    totals: Mapping[Asset, Decimal]
    """Sum of all postings by asset: what the venue's balances should be."""
    live_orders: Sequence[Order]
    sleeves: Mapping[Sleeve, SleeveState]
    runs: Mapping[tuple[Sleeve, str], DecisionRecord]
    """The newest decision run by sleeve and timeframe name."""
    kill_switch: KillSwitch
    halted: bool
    shut_down: ShutDown | None = None
    """A person's shutdown that nobody has ended."""
    last_plan: tuple[int, PlanId] | None
    day: Day | None
    cursors: Mapping[str, str]
    drifts: Sequence[Drift]
    net_flows: Decimal
    """Deposits less withdrawals and opening lots, in the base currency, since the books began."""
    is_empty: bool
    """No posting at all: `portfolio init` or a first start."""


class Transaction(Protocol):
    """One transaction; valid only inside the function that got it. Synchronous."""

    # reading
    def books(self) -> Books: ...
    def order(self, order_id: str) -> Order | None:
        """By client or venue id."""
        ...

    def plan(self, plan_id: PlanId) -> ExecutionPlan | None: ...
    def known_trades(self, ids: Collection[TradeId]) -> set[TradeId]:
        """Those already booked."""
        ...

    def booked_trades(self, ids: Collection[TradeId]) -> Mapping[TradeId, VenueTrade]:
        """Those already booked, as they were told then."""
        ...

    def known_ledger_rows(self, ids: Collection[LedgerId]) -> set[LedgerId]: ...
    def reply_to(self, command_id: str) -> Reply | None:
        """The recorded answer of a command that was done before."""
        ...

    def nonce_floors(self) -> Mapping[str, int]:
        """How far the nonces of each key may have come, by its fingerprint."""
        ...

    def leadership(self) -> Leadership | None:
        """The newest epoch that this ledger knows."""
        ...

    # plans, orders, decisions
    def insert_plan(self, plan: ExecutionPlan) -> None: ...
    def insert_order(self, order: Order) -> None: ...
    def update_order(self, order: Order, *, at_ns: int) -> None:
        """Replace what is known of it; the transition is appended to its history."""
        ...

    def save_decision(self, record: DecisionRecord) -> None:
        """Insert it, or extend the run with the same ``decision_id``."""
        ...

    def save_exit(self, record: ExitRecord) -> None:
        """Insert it, or extend the run with the same ``decision_id``."""
        ...

    def save_sleeve(self, state: SleeveState) -> None: ...

    # books (append-only); each False if it was there already
    def insert_fill(self, fill: Fill, *, position: Position, base: Asset, quote: Asset) -> bool:
        """Book one execution: row, postings (base, quote, fee), and the sleeve's new position."""
        ...

    def insert_cash_flow(self, flow: CashFlow, *, position: Position | None = None) -> bool:
        """Book one flow: row, posting, and the new position of the manual sleeve it moved."""
        ...

    def insert_opening_lot(self, lot: OpeningLot) -> None: ...

    # state of the engine
    def set_cursor(self, name: str, value: str) -> None: ...
    def raise_nonce_floor(self, key: str, tick: int) -> None:
        """Keep it, unless the floor is higher already."""
        ...

    def save_leadership(self, leadership: Leadership) -> None:
        """Keep it; the same epoch again replaces what is known of it."""
        ...

    def save_kill_switch(self, state: KillSwitch) -> None: ...
    def save_halted(self, halted: bool) -> None: ...
    def save_shutdown(self, shut_down: ShutDown) -> None: ...
    def end_shutdown(self, *, principal: str, at_ns: int) -> None: ...
    def save_day(self, day: Day) -> None: ...
    def insert_snapshot(self, snapshot: Snapshot) -> None: ...
    def save_drifts(self, drifts: Sequence[Drift]) -> None: ...
    def record_command(self, command: Command, reply: Reply, *, at_ns: int) -> None: ...
    def add_event(self, event: Event) -> int:
        """Put it into the outbox; its sequence."""
        ...

    # what may go; each takes at most ``limit`` rows, oldest first, and says how many went
    def thin_snapshots(self, *, before_ns: int, limit: int) -> int:
        """Of days before that instant, keep the last one each."""
        ...

    def prune_decisions(self, *, before_ns: int, limit: int) -> int:
        """Drop runs that ended before that instant, led to no plan, and have a successor."""
        ...

    def prune_outbox(self, *, before_ns: int, keep: int, limit: int) -> int:
        """Drop events before that instant, but never any of the newest ``keep``."""
        ...


class Ledger(Protocol):
    """The one writer. Errors: ``LedgerFailed`` (disk full, corrupt …) ends the engine."""

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in one durable transaction; an exception from it rolls back."""
        ...

    async def close(self) -> None:
        """Checkpoint and close."""
        ...


class LedgerQueries(Protocol):
    """Read-only questions of people and screens, over a connection of their own."""

    def orders(
        self, *, status: Collection[str] = (), pair: str | None = None, limit: int = 100
    ) -> Sequence[Order]: ...
    def fills(self, *, pair: str | None = None, limit: int = 100) -> Sequence[Fill]: ...
    def plan(self, plan_id: PlanId) -> ExecutionPlan | None: ...
    def order(self, order_id: ClientOrderId | VenueOrderId) -> Order | None: ...
    def decisions(
        self, *, sleeve: Sleeve | None = None, plan_id: PlanId | None = None, limit: int = 100
    ) -> Sequence[DecisionRecord]: ...
    def exits(
        self, *, sleeve: Sleeve | None = None, plan_id: PlanId | None = None, limit: int = 100
    ) -> Sequence[ExitRecord]:
        """Verdicts on closing positions between bars."""
        ...

    def decision_at(
        self, sleeve: Sleeve, timeframe: str, bar_start_s: int
    ) -> DecisionRecord | None:
        """The verdict on that bar, from whichever run covers it."""
        ...

    def snapshots(self, *, limit: int = 100) -> Sequence[Snapshot]: ...
