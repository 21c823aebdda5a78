"""What an owner with another ledger has done is taken over, order by order, sleeve by sleeve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from krakked.domain.events import EventName
from krakked.domain.ids import MANUAL, StrategyId
from krakked.domain.orders import Journal
from krakked.trading.adopting import same_tags

Play = Callable[..., Any]


async def placed_elsewhere(world: Any, *, price: str | None, strategy: str = "trend") -> Any:
    """An order of this account's krakked that is in no journal of ours."""
    request = world.request(99, 0, price=price, strategy=strategy)
    deadline = world.clock.now_ns() + 5_000_000_000
    await world.rest.add_order(request, deadline_at_ns=deadline)
    return request


def test_resting_order_of_another_ledger_is_put_on_record_and_can_be_cancelled(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.desk.guard.was_behind = True
        request = await placed_elsewhere(world, price="30000.0")
        assert list(await world.reconciler.reconcile()) == []
        (order,) = world.account.live_orders()
        assert order.request.client_order_id == request.client_order_id
        assert (order.journal, order.request.strategy_id) == (Journal.ACKED, "trend")
        assert world.count(EventName.ORDER_ADOPTED) == 1
        assert list(await world.reconciler.reconcile()) == []
        assert world.count(EventName.ORDER_ADOPTED) == 1

    play(scenario)


def test_executions_of_another_ledger_go_to_the_sleeve_that_their_order_names(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.desk.guard.was_behind = True
        await placed_elsewhere(world, price=None)
        await world.reconciler.catch_up()
        assert list(await world.reconciler.reconcile()) == []
        (fill,) = world.fills()
        assert fill.strategy_id == "trend"
        assert world.account.live_orders() == []

    play(scenario)


def test_strategy_that_is_not_configured_any_more_leaves_its_executions_to_manual(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        world.desk.guard.was_behind = True
        await placed_elsewhere(world, price=None, strategy="gone")
        await world.reconciler.catch_up()
        (fill,) = world.fills()
        assert fill.strategy_id == MANUAL

    play(scenario)


@pytest.mark.parametrize("price", ["30000.0", None])
def test_an_order_of_krakkeds_that_only_another_owner_can_have_placed_fences_us(
    play: Play, price: str | None
) -> None:
    async def scenario(world: Any) -> None:
        request = await placed_elsewhere(world, price=price)
        await world.reconciler.catch_up()
        await world.reconciler.reconcile()
        fenced_by = world.desk.guard.fenced_by
        assert "another krakked trades on this account" in fenced_by
        assert request.client_order_id in fenced_by
        assert world.count(EventName.ORDER_ADOPTED) == 0

    play(scenario, agree=False)


def test_an_order_that_ended_here_and_rests_there_is_drift_and_no_other_owner(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit(price="30000.0")
        ended = msgspec.structs.replace(order, journal=Journal.REJECTED, venue_order_id=None)
        world.ledger.run(lambda tx: tx.update_order(ended, at_ns=world.clock.now_ns()))
        world.account.put_order(ended)
        await world.reconciler.reconcile()
        assert [drift.difference.subject for drift in world.account.drifts] == ["open_order"]
        assert world.desk.guard.fenced_by is None

    play(scenario, agree=False)


def test_names_that_order_ids_cannot_tell_apart_are_found() -> None:
    names = [StrategyId(f"s{number}") for number in range(2_000)]
    assert same_tags(names[:3]) is None
    assert same_tags(names) is not None
