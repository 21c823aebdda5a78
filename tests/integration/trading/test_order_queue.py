"""The order queue: what reduces risk never stands behind what adds it; the rest keeps its order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from krakked.domain.errors import Transient
from krakked.domain.events import EventName
from krakked.domain.orders import Journal, LegKind, Side
from krakked.domain.plans import ExecutionPlan
from krakked.sim.exchange.core import SystemStatus
from krakked.trading.order_queue import OrderQueue
from krakked.trading.rules import ExecutionRules

Play = Callable[..., Any]
SALE = {"side": Side.SELL, "price": "70000.0", "kind": LegKind.EXIT, "quantity": "0.001"}
STOP = SALE | {"kind": LegKind.PROTECTIVE}
PATIENT = ExecutionRules(max_plan_age_s=3600, max_retries=10)
ONE_PLACE = ExecutionRules(max_plan_age_s=3600, max_concurrent_orders=1)


@contextlib.asynccontextmanager
async def sending(world: Any) -> AsyncIterator[OrderQueue]:
    """The order loop."""
    queue = OrderQueue(world.executor)
    task = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def venue_takes_orders(world: Any, does: bool) -> None:
    status = SystemStatus.ONLINE if does else SystemStatus.CANCEL_ONLY
    world.simulator.exchange.set_system_status(status, world.clock.now_ns())


def venue_is_reached(world: Any, is_so: bool) -> None:
    async def lost(*_: Any, **__: Any) -> None:
        raise Transient("AddOrder: no connection")

    if is_so:
        del world.rest.add_order
    else:
        world.rest.add_order = lost


def journals(world: Any, *plans: ExecutionPlan) -> list[Journal]:
    return [world.stored(leg.request).journal for plan in plans for leg in plan.legs]


def acked(world: Any) -> list[str]:
    """Orders that the venue took, in order."""
    events = [event for event in world.events if event.name is EventName.ORDER_ACKED]
    return [event.fields["local_order_id"] for event in events]


@pytest.mark.parametrize("sale", [SALE, STOP])
def test_exit_does_not_wait_behind_an_entry_that_waits_for_a_place(
    play: Play, sale: dict[str, Any]
) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        first = await world.submit()
        async with sending(world) as queue:
            entry = await world.plan({"price": "49000.0"})
            queue.put(entry)
            await world.clock.sleep(10)
            way_out = await world.plan(sale)
            queue.put(way_out)
            await world.clock.sleep(0.02)
            assert journals(world, entry, way_out) == [Journal.PENDING, Journal.ACKED]
            for order in (first, world.stored(way_out.legs[0].request)):
                await world.executor.cancel(order)
            await world.reconciler.reconcile()
            await world.clock.sleep(0.1)
            assert journals(world, entry) == [Journal.ACKED]
            assert queue.is_empty

    play(scenario, rules=ONE_PLACE)


def test_exit_does_not_wait_behind_an_entry_between_two_tries(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        async with sending(world) as queue:
            venue_takes_orders(world, False)
            entry = await world.plan({})
            queue.put(entry)
            await world.clock.sleep(1)
            venue_takes_orders(world, True)
            way_out = await world.plan(STOP)
            queue.put(way_out)
            await world.clock.sleep(0.1)
            assert journals(world, entry, way_out) == [Journal.PENDING, Journal.ACKED]
            await world.clock.sleep(40)
            assert journals(world, entry) == [Journal.ACKED]

    play(scenario, rules=PATIENT)


def test_exit_between_two_tries_lets_another_exit_pass_and_no_entry(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        async with sending(world) as queue:
            venue_takes_orders(world, False)
            first = await world.plan(SALE, {"price": "49000.0"})
            queue.put(first)
            await world.clock.sleep(1)
            venue_takes_orders(world, True)
            second = await world.plan(STOP)
            queue.put(second)
            await world.clock.sleep(0.1)
            assert journals(world, first, second) == [
                Journal.PENDING,
                Journal.PENDING,
                Journal.ACKED,
            ]
            await world.clock.sleep(40)
        ids = [leg.request.client_order_id for leg in (*second.legs, *first.legs)]
        assert acked(world)[1:] == ids

    play(scenario, rules=PATIENT)


@pytest.mark.parametrize(
    ("kind", "journal"), [(LegKind.PROTECTIVE, Journal.ACKED), (LegKind.EXIT, Journal.DROPPED)]
)
def test_protective_sale_is_tried_until_its_plan_ends_and_others_a_few_times(
    play: Play, kind: LegKind, journal: Journal
) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        async with sending(world) as queue:
            venue_is_reached(world, False)
            plan = await world.plan({**STOP, "kind": kind})
            queue.put(plan)
            await world.clock.sleep(40)
            venue_is_reached(world, True)
            await world.clock.sleep(19)
            assert queue.is_empty
        assert journals(world, plan) == [journal]
        for order in world.account.live_orders():
            await world.executor.cancel(order)
        await world.reconciler.reconcile()

    play(scenario)


def test_protective_sale_that_the_venue_never_takes_ends_with_its_plan(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        async with sending(world) as queue:
            venue_takes_orders(world, False)
            plan = await world.plan(STOP)
            queue.put(plan)
            await world.clock.sleep(world.rules.max_plan_age_s + 20)
            assert queue.is_empty
        dropped = world.stored(plan.legs[0].request)
        assert (dropped.journal, dropped.reason) == (Journal.DROPPED, "the plan expired")

    play(scenario)


def test_entries_keep_the_order_in_which_they_were_planned(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with sending(world) as queue:
            venue_takes_orders(world, False)
            plans = [await world.plan({"price": price}) for price in ("50000.0", "49000.0")]
            for plan in plans:
                queue.put(plan)
            await world.clock.sleep(1)
            venue_takes_orders(world, True)
            await world.clock.sleep(0.5)
            assert acked(world) == []
            await world.clock.sleep(40)
        assert acked(world) == [plan.legs[0].request.client_order_id for plan in plans]

    play(scenario, rules=PATIENT)


def test_one_order_is_on_its_way_at_a_time(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        async with sending(world) as queue:
            for fields in ({}, SALE, {"price": "49000.0"}, STOP):
                queue.put(await world.plan(fields))
            await world.clock.sleep(1)
        steps = (EventName.ORDER_SENT, EventName.ORDER_ACKED)
        told = [e for e in world.events if e.name in steps][2:]
        assert [event.name for event in told] == [*steps] * 4
        for sent, answered in zip(told[::2], told[1::2], strict=True):
            assert sent.fields["local_order_id"] == answered.fields["local_order_id"]

    play(scenario)


def test_queue_that_waits_for_long_is_not_taken_for_hung(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.submit()
        async with sending(world) as queue:
            queue.put(await world.plan({"price": "49000.0"}))
            for _ in range(10):
                await world.clock.sleep(20)
                assert not queue.is_empty
                assert queue.busy_s < 6

    play(scenario, rules=ONE_PLACE)


def test_queue_whose_one_order_has_no_answer_shows_for_how_long(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async def silence(*_: Any, **__: Any) -> None:
            await asyncio.Event().wait()

        async with sending(world) as queue:
            assert queue.busy_s == 0
            await world.clock.sleep(100)
            world.executor.send = silence
            queue.put(await world.plan({}))
            assert queue.busy_s == 0
            await world.clock.sleep(70)
            assert queue.busy_s == pytest.approx(70)

    play(scenario)


def test_queue_that_nobody_serves_shows_that_it_hangs(play: Play) -> None:
    async def scenario(world: Any) -> None:
        queue = OrderQueue(world.executor)
        assert queue.busy_s == 0
        queue.put(await world.plan(SALE))
        await world.clock.sleep(11)
        assert queue.busy_s >= 10
        await queue.work()
        assert queue.busy_s == 0

    play(scenario)
