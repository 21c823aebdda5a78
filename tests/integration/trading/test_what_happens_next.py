"""The table of what happens next is what happens: each row is played on a real ledger."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from krakked.adapters.kraken.outcomes import OUTCOMES
from krakked.adapters.kraken.outcomes import as_markdown as errors_as_markdown
from krakked.domain import errors as domain_errors
from krakked.domain.errors import (
    Ambiguous,
    BadKey,
    Fenced,
    KrakkedError,
    MissingPermission,
    Permanent,
    Transient,
)
from krakked.domain.events import EventName
from krakked.domain.orders import Journal, LegKind, Side
from krakked.trading.outcomes import ADD, AMEND, CANCEL, CANCEL_ALL, DEAD_MAN, NEXT, Next
from krakked.trading.outcomes import as_markdown as next_as_markdown
from krakked.trading.rules import ExecutionRules

Play = Callable[..., Any]
ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs/order-outcomes.md"
NOT_AGAIN = ExecutionRules(max_retries=0)


def ids(row: Next) -> str:
    return f"{row.call}-{row.error.__name__}"


def rows(call: str) -> list[Next]:
    return [row for row in NEXT if row.call == call]


def fails(world: Any, call: str, error: type[KrakkedError]) -> None:
    """That call ends so from now on."""

    async def fail(*_: Any, **__: Any) -> None:
        raise error(f"{call}: on purpose")

    setattr(world.rest, call, fail)


def told_since(world: Any, count: int) -> list[EventName]:
    return [event.name for event in world.events[count:]]


@pytest.mark.parametrize("row", rows(ADD), ids=ids)
def test_order_that_fails_goes_where_its_row_says(play: Play, row: Next) -> None:
    async def scenario(world: Any) -> None:
        plan = await world.plan({})
        request = plan.legs[0].request
        fails(world, ADD, row.error)
        began = len(world.events)
        pause_ns = await world.executor.send(request, plan, 0)
        assert world.stored(request).journal is row.journal
        assert row.told in told_since(world, began)
        assert (pause_ns is not None) is (row.error is Transient)
        assert (world.guard.fenced_by is not None) is (row.error is Fenced)
        assert world.lookups_wanted == (row.error is Ambiguous)
        assert bool(world.account.unknown_pairs()) is (row.error is Ambiguous)

    play(scenario)


@pytest.mark.parametrize("error", [BadKey, MissingPermission])
def test_order_that_the_key_may_not_place_goes_the_way_of_a_plain_no(
    play: Play, error: type[KrakkedError]
) -> None:
    async def scenario(world: Any) -> None:
        fails(world, ADD, error)
        order = await world.submit()
        assert order.journal is Journal.REJECTED
        assert world.guard.fenced_by is None

    play(scenario)


@pytest.mark.parametrize("kind", [LegKind.ENTRY, LegKind.EXIT, LegKind.PROTECTIVE])
def test_only_what_protects_outlives_the_retries_and_nothing_outlives_its_plan(
    play: Play, kind: LegKind
) -> None:
    async def scenario(world: Any) -> None:
        fails(world, ADD, Transient)
        side = Side.BUY if kind is LegKind.ENTRY else Side.SELL
        began_ns = world.clock.now_ns()
        order = await world.submit(side=side, kind=kind)
        lasted_s = (world.clock.now_ns() - began_ns) / 1e9
        assert order.journal is Journal.DROPPED
        is_protective = kind is LegKind.PROTECTIVE
        assert (lasted_s >= world.rules.max_plan_age_s) is is_protective
        assert lasted_s <= world.rules.max_plan_age_s + 2
        assert (world.count(EventName.ORDER_SENT) > 1) is is_protective

    play(scenario, rules=NOT_AGAIN)


@pytest.mark.parametrize("row", rows(CANCEL), ids=ids)
def test_cancel_that_fails_leaves_its_order_as_its_row_says(play: Play, row: Next) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit()
        fails(world, CANCEL, row.error)
        with pytest.raises(row.error):
            await world.executor.cancel(world.stored(order.request))
        assert world.stored(order.request).journal is order.journal is Journal.ACKED
        assert (world.guard.fenced_by is not None) is (row.error is Fenced)
        assert world.lookups_wanted == (row.error is Ambiguous)
        is_failure = row.error in (Transient, Ambiguous)
        assert world.executor.failures.count == is_failure

    play(scenario)


@pytest.mark.parametrize("row", rows(DEAD_MAN), ids=ids)
def test_dead_man_that_cannot_be_refreshed_stands_as_it_was_told(play: Play, row: Next) -> None:
    async def scenario(world: Any) -> None:
        assert await world.dead_man.refresh()
        expires_at_ns = world.dead_man.expires_at_ns
        await world.clock.sleep(15)
        fails(world, DEAD_MAN, row.error)
        began = len(world.events)
        assert not await world.dead_man.refresh()
        assert world.dead_man.expires_at_ns == expires_at_ns
        assert world.dead_man._pause_s() == world.rules.dead_man_refresh_s / 5
        assert row.told in told_since(world, began)
        assert (world.guard.fenced_by is not None) is (row.error is Fenced)
        await world.clock.sleep(46)
        assert not world.guard.is_dead_man_trusted(world.clock.now_ns())

    play(scenario)


# the table and the document


def calls_in(source: str) -> set[str]:
    """Methods of an exchange that are called: ``….exchange.x(…)``."""
    return {
        node.func.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Attribute)
        and node.func.value.attr == "exchange"
    }


def test_calls_that_nothing_in_trading_makes_are_made_by_nothing() -> None:
    made: set[str] = set()
    for path in sorted((ROOT / "libs/krakked/trading").rglob("*.py")):
        made |= calls_in(path.read_text(encoding="utf-8"))
    assert {ADD, CANCEL, DEAD_MAN} <= made
    assert not {AMEND, CANCEL_ALL} & made


def test_every_call_has_a_row_for_every_class_that_the_adapter_raises() -> None:
    raised = {getattr(domain_errors, name) for name in OUTCOMES.values()}
    assert raised == {Transient, Ambiguous, Permanent, BadKey, MissingPermission, Fenced}
    for call in (ADD, AMEND, CANCEL, CANCEL_ALL, DEAD_MAN):
        assert {row.error for row in rows(call)} == {Transient, Ambiguous, Permanent, Fenced}


@pytest.mark.parametrize(
    ("module", "table"),
    [
        ("krakked.adapters.kraken.outcomes", errors_as_markdown()),
        ("krakked.trading.outcomes", next_as_markdown()),
    ],
)
def test_document_shows_the_tables_as_the_code_has_them(module: str, table: str) -> None:
    assert table in DOCUMENT.read_text(encoding="utf-8"), (
        f"put the output of `python -m {module}` into {DOCUMENT.name}"
    )
