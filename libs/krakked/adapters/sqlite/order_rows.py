"""Plans, orders and an order's history as rows."""

from __future__ import annotations

from typing import Final

from krakked.adapters.sqlite.cells import Row, cell, cells, from_json, insert, record, to_json
from krakked.adapters.sqlite.connections import Execute
from krakked.domain.bars import BarKey
from krakked.domain.ids import PlanId
from krakked.domain.orders import Order, OrderRequest
from krakked.domain.plans import ExecutionPlan, PlanLeg

_PLAN: Final = tuple(
    name for name in ExecutionPlan.__struct_fields__ if name not in ("bar", "legs")
)
_REQUEST: Final = OrderRequest.__struct_fields__
_ORDER: Final = tuple(name for name in Order.__struct_fields__ if name != "request")
_EVENT: Final = ("journal", "status", "venue_status", "filled_base", "reason")

_INSERT_PLAN: Final = insert("plans", (*_PLAN, "bar", "legs"))
_INSERT_ORDER: Final = insert("orders", (*_REQUEST, *_ORDER, "status"))
_INSERT_EVENT: Final = insert("order_events", ("client_order_id", "at_ns", *_EVENT))
_CHANGING: Final = ("status", *(name for name in _ORDER if name != "created_at_ns"))
_UPDATE_ORDER: Final = (
    f"UPDATE orders SET {', '.join(f'{name} = ?' for name in _CHANGING)}"  # noqa: S608 our own names
    " WHERE client_order_id = ?"
)
NOT_ENDED: Final = (
    "SELECT * FROM orders WHERE journal IN ('pending', 'sent', 'unknown', 'acked')"
    " ORDER BY created_at_ns, plan_id, leg, revision"
)
BY_ID: Final = "SELECT * FROM orders WHERE client_order_id = ?1 OR venue_order_id = ?1"
PLAN_BY_ID: Final = "SELECT * FROM plans WHERE plan_id = ?"


def insert_plan(execute: Execute, plan: ExecutionPlan) -> None:
    """Keep it; a plan never changes."""
    bar = to_json(plan.bar) if plan.bar else None
    execute(_INSERT_PLAN, [*cells(plan, _PLAN), bar, to_json(plan.legs)])


def insert_order(execute: Execute, order: Order) -> None:
    """Keep it, and begin its history."""
    values = [*cells(order.request, _REQUEST), *cells(order, _ORDER), cell(order.status)]
    execute(_INSERT_ORDER, values)
    _add_event(execute, order, order.created_at_ns)


def update_order(execute: Execute, order: Order, at_ns: int) -> None:
    """Replace all but the request, and append to its history."""
    client_order_id = order.request.client_order_id
    changed = execute(_UPDATE_ORDER, [*cells(order, _CHANGING), client_order_id]).rowcount
    assert changed == 1, f"order {client_order_id} was never inserted"
    _add_event(execute, order, at_ns)


def order_by_id(execute: Execute, order_id: str) -> Order | None:
    """By client or venue id."""
    row = execute(BY_ID, (order_id,)).fetchone()
    return order_from(row) if row else None


def plan_by_id(execute: Execute, plan_id: PlanId) -> ExecutionPlan | None:
    """The plan of that id."""
    row = execute(PLAN_BY_ID, (plan_id,)).fetchone()
    return plan_from(row) if row else None


def not_ended(execute: Execute) -> list[Order]:
    """Orders that may live, and those not sent yet: what a starting engine must settle."""
    return [order_from(row) for row in execute(NOT_ENDED)]


def last_plan(execute: Execute) -> tuple[int, PlanId] | None:
    """Sequence and id of the newest."""
    row = execute("SELECT sequence, plan_id FROM plans ORDER BY sequence DESC LIMIT 1").fetchone()
    return (row["sequence"], PlanId(row["plan_id"])) if row else None


def order_from(row: Row) -> Order:
    """The order of a row."""
    request = record(row, OrderRequest, post_only=bool(row["post_only"]))
    return record(row, Order, request=request)


def plan_from(row: Row) -> ExecutionPlan:
    """The plan of a row."""
    bar = from_json(row["bar"], BarKey) if row["bar"] else None
    return record(row, ExecutionPlan, bar=bar, legs=from_json(row["legs"], tuple[PlanLeg, ...]))


def _add_event(execute: Execute, order: Order, at_ns: int) -> None:
    execute(_INSERT_EVENT, [order.request.client_order_id, at_ns, *cells(order, _EVENT)])
