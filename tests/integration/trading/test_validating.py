"""Where the venue only checks, no order ever exists there, whatever it answers."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from krakked.domain.events import EventName
from krakked.domain.ids import Asset
from krakked.domain.orders import Journal, LegKind, OrderStatus, Side
from krakked.simulator.faults import FaultKind
from krakked.simulator.options import ACCOUNT
from krakked.trading.rules import ExecutionRules

Play = Callable[..., Any]
USD, XBT = Asset("USD"), Asset("XBT")
CHECKING = ExecutionRules(validates_only=True)
LOSSES = [
    FaultKind.REQUEST_LOST,
    FaultKind.ANSWER_LOST,
    FaultKind.SERVER_ERROR,
    FaultKind.SERVER_ERROR_AFTER,
]


def test_checked_order_is_journalled_as_validated_and_never_exists(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit(quantity="0.01", price=None)
        assert (order.journal, order.status) == (Journal.VALIDATED, OrderStatus.CANCELED)
        assert order.reason == "validate_only: the venue would take it, nothing was placed"
        assert world.history(order) == [Journal.PENDING, Journal.VALIDATED]
        assert order.venue_order_id is None
        assert order.sent_at_ns is None
        assert not order.is_live
        assert world.account.orders == {}
        assert await world.venue_orders() == {}
        assert (world.count(EventName.ORDER_VALIDATED), world.count(EventName.ORDER_SENT)) == (1, 0)

    play(scenario, rules=CHECKING)


def test_portfolio_stays_as_it_was_after_checked_purchases_and_sales(play: Play) -> None:
    async def scenario(world: Any) -> None:
        before = (dict(world.account.totals), world.simulator.exchange.balances(ACCOUNT))
        positions = dict(world.account.positions)
        await world.submit(quantity="0.01", price=None)
        await world.submit(side=Side.SELL, quantity="0.1", price="61000.0", kind=LegKind.EXIT)
        assert list(await world.reconciler.reconcile()) == []
        assert (world.account.totals, world.simulator.exchange.balances(ACCOUNT)) == before
        assert world.account.positions == positions
        assert world.fills() == []

    play(scenario, rules=CHECKING, balances={USD: Decimal(10_000), XBT: Decimal(1)})


def test_order_that_the_venue_would_not_take_is_rejected_with_its_words(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit(quantity="0.00001")
        assert order.journal is Journal.REJECTED
        assert order.reason == "EOrder:Order minimum not met"
        assert world.history(order) == [Journal.PENDING, Journal.REJECTED]
        (event,) = [e for e in world.events if e.name is EventName.ORDER_REJECTED]
        assert event.fields["kraken_error"] == order.reason
        assert await world.venue_orders() == {}

    play(scenario, rules=CHECKING)


@pytest.mark.parametrize("kind", LOSSES)
def test_check_without_an_answer_is_asked_again_because_nothing_can_exist(
    play: Play, kind: FaultKind
) -> None:
    async def scenario(world: Any) -> None:
        world.fault(kind, "AddOrder")
        order = await world.submit()
        assert world.history(order) == [Journal.PENDING, Journal.VALIDATED]
        assert world.count(EventName.ORDER_ERROR) == 1
        assert world.lookups_wanted == 0
        assert await world.venue_orders() == {}

    play(scenario, rules=CHECKING)


def test_check_that_never_finds_an_answer_is_dropped(play: Play) -> None:
    async def scenario(world: Any) -> None:
        for _ in range(2):
            world.fault(FaultKind.REQUEST_LOST, "AddOrder")
        order = await world.submit()
        assert order.journal is Journal.DROPPED
        assert order.reason == "the venue could not be asked often enough"
        assert world.count(EventName.ORDER_ERROR) == 2

    play(scenario, rules=ExecutionRules(validates_only=True, max_retries=1))


def test_pauses_between_checks_grow_and_end_with_the_plan(play: Play) -> None:
    async def scenario(world: Any) -> None:
        for _ in range(3):
            world.fault(FaultKind.REQUEST_LOST, "AddOrder")
        order = await world.submit()
        assert (order.journal, order.reason) == (Journal.DROPPED, "the plan expired")
        assert order.ended_at_ns - order.created_at_ns >= 7_000_000_000

    rules = ExecutionRules(validates_only=True, max_plan_age_s=7, retry_backoff_s=3)
    play(scenario, rules=rules)


def test_what_holds_back_an_order_holds_back_its_check(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.account.halted = True
        entry = await world.submit()
        assert (entry.journal, entry.reason) == (Journal.DROPPED, "halted")
        sale = await world.submit(side=Side.SELL, kind=LegKind.EXIT, price="61000.0")
        assert sale.journal is Journal.VALIDATED
        world.account.halted = False

    play(scenario, rules=CHECKING)


def test_dry_run_does_not_even_check(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit(quantity="0.00001")
        assert order.journal is Journal.DROPPED
        assert "dry run" in order.reason

    play(scenario, rules=ExecutionRules(validates_only=True, sends_orders=False))


def test_check_that_meets_a_newer_owner_closes_the_guard(play: Play) -> None:
    async def scenario(world: Any) -> None:
        newer = world.adapter(world.simulator.trade_key, epoch=1)
        await newer.refresh_dead_man(60)
        await newer.close()
        first, second = await world.submit(), await world.submit()
        assert first.journal is Journal.REJECTED
        assert "Invalid nonce" in first.reason
        assert second.journal is Journal.DROPPED
        assert second.reason.startswith("fenced")

    play(scenario, rules=CHECKING)


def test_engine_that_died_before_the_venue_spoke_drops_the_check_at_its_next_start(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        plan = await world.plan({})
        await world.restart()
        assert await world.executor.drop_pending() == 1
        assert world.stored(plan.legs[0].request).journal is Journal.DROPPED
        assert await world.venue_orders() == {}

    play(scenario, rules=CHECKING)
