"""What may be asked of a ledger: each question is its SQL, its values, and how a row reads.

Pure values, so that the synchronous and the asynchronous reader ask exactly the same. Lists are
newest first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, Generic, TypeVar

import msgspec

from krakked.adapters.sqlite import book_rows, decision_rows, exit_rows, order_rows, state_rows
from krakked.adapters.sqlite.cells import Cell, Row, record
from krakked.domain.commands import Reply
from krakked.domain.decisions import DecisionRecord, ExitRecord
from krakked.domain.events import Event
from krakked.domain.fills import CashFlow, Fill
from krakked.domain.ids import ClientOrderId, PairName, PlanId, StrategyId
from krakked.domain.orders import Order
from krakked.domain.plans import ExecutionPlan
from krakked.domain.portfolio import Snapshot
from krakked.domain.positions import Sleeve

A = TypeVar("A")

LIMIT_DEFAULT: Final = 100

_SLEEVES: Final = """
SELECT DISTINCT strategy_id, pair FROM decisions
UNION SELECT strategy_id, pair FROM exits
UNION SELECT strategy_id, pair FROM orders
UNION SELECT strategy_id, pair FROM positions
ORDER BY strategy_id, pair
"""
"""Every fill has its position."""


_EXTENT: Final = """
SELECT (SELECT COUNT(*) FROM plans) AS plans,
       (SELECT COUNT(*) FROM orders) AS orders,
       (SELECT COUNT(*) FROM fills) AS fills,
       (SELECT COALESCE(MAX(sequence), 0) FROM fills) AS newest_fill
"""


class Question(msgspec.Struct, Generic[A], frozen=True):
    """One SELECT, and what each of its rows means."""

    sql: str
    values: tuple[Cell, ...]
    read: Callable[[Row], A]


class OrderChange(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an order's history."""

    client_order_id: ClientOrderId
    at_ns: int
    journal: str
    status: str
    venue_status: str | None
    filled_base: str
    reason: str | None


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """How much is on record: none of it is ever taken away."""

    plans: int
    orders: int
    fills: int
    newest_fill: int
    """By the order of booking, which is not that of the venue's instants."""


def orders(
    *,
    status: Collection[str] = (),
    pair: str | None = None,
    plan_id: str | None = None,
    limit: int = LIMIT_DEFAULT,
) -> Question[Order]:
    """Orders, of one of those statuses if any is given."""
    where, values = _where({"pair": pair, "plan_id": plan_id}, {"status": status})
    order = "created_at_ns DESC, plan_id DESC, leg, revision DESC"
    return Question(_list("orders", where, order), (*values, limit), order_rows.order_from)


def order(order_id: str) -> Question[Order]:
    """By client or venue id."""
    return Question(order_rows.BY_ID, (order_id,), order_rows.order_from)


def sleeves() -> Question[Sleeve]:
    """Every strategy and pair that anything is on record of."""
    return Question(_SLEEVES, (), _sleeve_from)


def order_history(client_order_id: str) -> Question[OrderChange]:
    """How an order came to be what it is, oldest first."""
    sql = "SELECT * FROM order_events WHERE client_order_id = ? ORDER BY sequence"
    return Question(sql, (client_order_id,), _order_change_from)


def fills(
    *,
    pair: str | None = None,
    client_order_id: str | None = None,
    strategy_id: str | None = None,
    limit: int = LIMIT_DEFAULT,
) -> Question[Fill]:
    """Booked executions."""
    equal = {"pair": pair, "client_order_id": client_order_id, "strategy_id": strategy_id}
    where, values = _where(equal)
    sql = _list("fills", where, "at_ns DESC, sequence DESC")
    return Question(sql, (*values, limit), book_rows.fill_from)


def fills_after(sequence: int) -> Question[Fill]:
    """All that were booked after that one."""
    sql = "SELECT * FROM fills WHERE sequence > ? ORDER BY at_ns DESC, sequence DESC"
    return Question(sql, (sequence,), book_rows.fill_from)


def extent() -> Question[Extent]:
    """How much is on record by now."""
    return Question(_EXTENT, (), _extent_from)


def cash_flows(*, limit: int = LIMIT_DEFAULT) -> Question[CashFlow]:
    """Booked cash flows."""
    sql = _list("cash_flows", "", "at_ns DESC, sequence DESC")
    return Question(sql, (limit,), book_rows.flow_from)


def plan(plan_id: str) -> Question[ExecutionPlan]:
    """By id."""
    return Question(order_rows.PLAN_BY_ID, (plan_id,), order_rows.plan_from)


def plans(*, limit: int = LIMIT_DEFAULT) -> Question[ExecutionPlan]:
    """Plans."""
    return Question(_list("plans", "", "sequence DESC"), (limit,), order_rows.plan_from)


def decisions(
    *,
    sleeve: Sleeve | None = None,
    plan_id: PlanId | None = None,
    limit: int = LIMIT_DEFAULT,
) -> Question[DecisionRecord]:
    """Verdicts, as runs."""
    equal = {
        "strategy_id": sleeve.strategy_id if sleeve else None,
        "pair": sleeve.pair if sleeve else None,
        "plan_id": plan_id,
    }
    where, values = _where(equal)
    order = "decided_at_ns DESC, strategy_id, pair, timeframe, first_bar_start_s DESC"
    sql = _list("decisions", where, order)
    return Question(sql, (*values, limit), decision_rows.decision_from)


def exits(
    *,
    sleeve: Sleeve | None = None,
    plan_id: PlanId | None = None,
    limit: int = LIMIT_DEFAULT,
) -> Question[ExitRecord]:
    """Verdicts on closing positions between bars."""
    equal = {
        "strategy_id": sleeve.strategy_id if sleeve else None,
        "pair": sleeve.pair if sleeve else None,
        "plan_id": plan_id,
    }
    where, values = _where(equal)
    sql = _list("exits", where, "last_decided_at_ns DESC, strategy_id, pair")
    return Question(sql, (*values, limit), exit_rows.exit_from)


def decision_at(sleeve: Sleeve, timeframe: str, bar_start_s: int) -> Question[DecisionRecord]:
    """The run that began at or before the bar; the caller looks whether it reaches the bar."""
    values = (sleeve.strategy_id, sleeve.pair, timeframe, bar_start_s)
    return Question(decision_rows.AT_BAR, values, decision_rows.decision_from)


def snapshots(*, limit: int = LIMIT_DEFAULT) -> Question[Snapshot]:
    """Snapshots."""
    return Question(_list("snapshots", "", "at_ns DESC"), (limit,), state_rows.snapshot_from)


def events_after(sequence: int, *, limit: int = LIMIT_DEFAULT) -> Question[Event]:
    """The outbox after that sequence, oldest first: what a relay or a late reader still needs."""
    sql = "SELECT * FROM outbox WHERE sequence > ? ORDER BY sequence LIMIT ?"
    return Question(sql, (sequence, limit), state_rows.event_from)


def events(*, limit: int = LIMIT_DEFAULT) -> Question[Event]:
    """The newest events."""
    return Question(_list("outbox", "", "sequence DESC"), (limit,), state_rows.event_from)


def reply(command_id: str) -> Question[Reply]:
    """The recorded answer to a command."""
    sql = "SELECT reply FROM commands WHERE command_id = ?"
    return Question(sql, (command_id,), state_rows.reply_from)


def _list(table: str, where: str, order: str) -> str:
    return f"SELECT * FROM {table} {where} ORDER BY {order} LIMIT ?"  # noqa: S608 our own names


def _where(
    equal: Mapping[str, str | None], among: Mapping[str, Collection[str]] | None = None
) -> tuple[str, tuple[str, ...]]:
    """A WHERE clause of the conditions that were given, and their values."""
    values = [value for value in equal.values() if value is not None]
    terms = [f"{name} = ?" for name, value in equal.items() if value is not None]
    for name, options in (among or {}).items():
        if options:
            terms.append(f"{name} IN ({', '.join('?' * len(options))})")
            values.extend(sorted(options))
    return f"WHERE {' AND '.join(terms)}" if terms else "", tuple(values)


def _order_change_from(row: Row) -> OrderChange:
    return record(row, OrderChange)


def _sleeve_from(row: Row) -> Sleeve:
    return Sleeve(StrategyId(row["strategy_id"]), PairName(row["pair"]))


def _extent_from(row: Row) -> Extent:
    return record(row, Extent)
