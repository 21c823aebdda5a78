"""``krakked plans``: one plan as a tree, from the bar that closed to the fills that came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from krakked.cli import doors, options
from krakked.cli.output import amount, moment, money, print_json, print_table
from krakked.cli.words import decision_line, exit_words, limit_line
from krakked.domain.decisions import DecisionRecord, ExitRecord
from krakked.domain.errors import BadInput
from krakked.domain.fills import Fill
from krakked.domain.ids import PlanId
from krakked.domain.orders import Order
from krakked.domain.plans import ExecutionPlan
from krakked.domain.times import NS_PER_SECOND, to_rfc3339
from krakked.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from krakked.adapters.sqlite.queries import SqliteQueries

_HEAD: Final = ("made (UTC)", "plan", "cause", "orders", "by")


class PlanTree(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that belongs to one plan."""

    plan: ExecutionPlan
    decisions: Sequence[DecisionRecord]
    exits: Sequence[ExitRecord]
    orders: Sequence[tuple[Order, Sequence[Fill]]]
    """Each with its fills, oldest first."""


@click.group(epilog=options.shown("krakked plans list\nkrakked plans show 000042"))
def plans() -> None:
    """Plans: what was decided together, and what came of it."""


@plans.command("list", epilog=options.ending(*options.READING, example="krakked plans list"))
@options.limit
@options.db_path
@options.as_json
def list_plans(limit: int, db_path: Path, as_json: bool) -> int:
    """Plans, newest first."""
    with doors.reading(db_path) as queries:
        found = queries.plans(limit=limit)
    if as_json:
        print_json(found)
        return ExitCode.DONE
    rows = [
        (moment(p.created_at_ns), p.plan_id, p.cause, str(len(p.legs)), p.principal) for p in found
    ]
    print_table(_HEAD, rows, nothing="no plans")
    return ExitCode.DONE


@plans.command(
    epilog=options.ending(
        ExitCode.FINDINGS, *options.READING, example="krakked plans show 000042-5b0f2c9d1e"
    )
)
@click.argument("plan_id")
@options.db_path
@options.as_json
def show(plan_id: str, db_path: Path, as_json: bool) -> int:
    """One plan as a tree: bar, decisions, plan, orders, fills.

    PLAN_ID may be cut short, as long as it names one plan.
    """
    with doors.reading(db_path) as queries:
        tree = _read(queries, _find(queries, plan_id))
    if as_json:
        print_json(tree)
    else:
        for line in tree_lines(tree):
            click.echo(line)
    return ExitCode.DONE


def _find(queries: SqliteQueries, plan_id: str) -> ExecutionPlan:
    if not plan_id.strip():
        raise BadInput(
            "PLAN_ID is empty; `krakked plans list` names the plans", exit_code=ExitCode.USAGE
        )
    plan = queries.plan(PlanId(plan_id))
    if plan is not None:
        return plan
    likely = [one for one in queries.plans(limit=10_000) if one.plan_id.startswith(plan_id)]
    if len(likely) == 1:
        return likely[0]
    what = f"{len(likely)} plans begin so" if likely else "there is no such plan"
    raise BadInput(
        f"plan {plan_id}: {what}; `krakked plans list` names them", exit_code=ExitCode.FINDINGS
    )


def _read(queries: SqliteQueries, plan: ExecutionPlan) -> PlanTree:
    orders = sorted(
        queries.orders(plan_id=plan.plan_id, limit=10_000),
        key=lambda order: (order.request.leg, order.request.revision),
    )
    return PlanTree(
        plan=plan,
        decisions=queries.decisions(plan_id=plan.plan_id, limit=10_000),
        exits=queries.exits(plan_id=plan.plan_id, limit=10_000),
        orders=[(order, _fills(queries, order)) for order in orders],
    )


def _fills(queries: SqliteQueries, order: Order) -> list[Fill]:
    newest_first = queries.fills(client_order_id=order.request.client_order_id, limit=10_000)
    return list(reversed(newest_first))


def tree_lines(tree: PlanTree) -> Iterator[str]:
    """The tree as it is printed."""
    plan = tree.plan
    yield _bar_line(plan)
    for decision in tree.decisions:
        yield f"├─ {decision_line(decision)}"
        for check in decision.checks:
            if not check.passed:
                yield f"│     {limit_line(check)}"
    for one in tree.exits:
        yield f"├─ {one.sleeve}: {exit_words(one)}"
    yield (
        f"└─ plan {plan.plan_id}  {plan.cause} by {plan.principal}, {len(plan.legs)} orders, made "
        f"{to_rfc3339(plan.created_at_ns, decimals=3)}, good until "
        f"{to_rfc3339(plan.expires_at_ns, decimals=0)}"
    )
    for i, (order, fills) in enumerate(tree.orders):
        is_last = i == len(tree.orders) - 1
        yield from _order_lines(order, fills, is_last=is_last)


def _bar_line(plan: ExecutionPlan) -> str:
    if plan.bar is None:
        return f"no bar: {plan.cause}"
    bar = plan.bar
    end_ns = (bar.start_s + bar.timeframe.seconds) * NS_PER_SECOND
    return f"bar {bar.pair} {bar.timeframe.value}, closed {moment(end_ns)} UTC"


def _order_lines(order: Order, fills: Sequence[Fill], *, is_last: bool) -> Iterator[str]:
    request = order.request
    at = "at market" if request.limit_price is None else f"at {amount(request.limit_price)}"
    reason = f" ({order.reason})" if order.reason else ""
    yield (
        f"   {'└' if is_last else '├'}─ {request.kind.value} {request.side.value} "
        f"{amount(request.quantity_base)} {request.pair} {at}: {order.status.value}{reason}  "
        f"[{request.strategy_id}] {order.venue_order_id or request.client_order_id}"
    )
    stem = "      " if is_last else "   │  "
    for i, fill in enumerate(fills):
        trade = fill.trade
        yield (
            f"{stem}{'└' if i == len(fills) - 1 else '├'}─ fill {amount(trade.quantity_base)} "
            f"at {amount(trade.price)}, fee {amount(trade.fee_amount)} {trade.fee_asset}, "
            f"realized {money(fill.realized_quote)}, {to_rfc3339(trade.at_ns, decimals=3)}  "
            f"{trade.trade_id}"
        )
