"""Turning the kill switch on, by whom ever: what rests and would add risk is taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from krakked.adapters.kraken.websocket import FeedSettings, KrakenFeed
from krakked.domain.bars import Timeframe
from krakked.domain.events import EventName
from krakked.domain.ids import Asset, PairName
from krakked.domain.kill_switch import KillSwitchCause
from krakked.domain.limits import Limits
from krakked.domain.orders import Journal, LegKind, Side
from krakked.simulator.faults import FaultKind
from krakked.trading.cycling import Cycler
from krakked.trading.engine import Engine, EngineOptions

Play = Callable[..., Any]
D = Decimal
XBTUSD = PairName("XBTUSD")
BALANCES = {Asset("USD"): D(10_000), Asset("XBT"): D("0.5")}
EXIT = {"side": Side.SELL, "price": "70000.0", "kind": LegKind.EXIT}


async def resting_sides(world: Any) -> list[Side]:
    return [order.side for order in await world.rest.open_orders()]


def engine_of(world: Any, **options: Any) -> Engine:
    settings = FeedSettings(
        public_url=world.simulator.ws_url, private_url=world.simulator.ws_auth_url, silence_s=0
    )
    return Engine(
        world.desk,
        feed=KrakenFeed(settings, world.rest, world.clock, Random(1)),
        history=world.rest,
        store=world.store,
        cycler=Cycler(world.desk, world.store, (), Limits()),
        options=EngineOptions(pairs=(XBTUSD,), timeframes=(Timeframe.M1,), **options),
    )


async def with_resting_orders(world: Any) -> None:
    """Two entries and an exit rest; what is held is worth more than half of the account."""
    world.price_is("60000")
    await world.marker.mark()
    plan = await world.plan({}, {"price": "49000.0"}, EXIT)
    await world.execute(plan)


def test_drawdown_that_trips_the_switch_takes_back_resting_entries_and_keeps_exits(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        await with_resting_orders(world)
        world.price_is("50000")
        await world.marker.mark()
        assert world.account.kill_switch.cause is KillSwitchCause.DAILY_DRAWDOWN
        assert await resting_sides(world) == [Side.SELL]
        names = world.names()
        assert names.index(EventName.KILL_SWITCH_ACTIVATED) < names.index(
            EventName.ORDER_CANCEL_SENT
        )
        assert list(await world.reconciler.reconcile()) == []

    play(scenario, balances=BALANCES)


def test_drift_that_trips_the_switch_takes_back_resting_entries_and_keeps_exits(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        await with_resting_orders(world)
        engine = engine_of(world)
        world.account.totals[Asset("USD")] += 1  # nobody knows why
        for _ in range(2):
            await engine.reconciler.reconcile()
            await world.clock.sleep(world.rules.drift_patience_s)
        await engine.reconciler.reconcile()
        assert world.account.kill_switch.cause is KillSwitchCause.DRIFT
        assert await resting_sides(world) == [Side.SELL]
        world.account.totals[Asset("USD")] -= 1
        await engine.reconciler.reconcile()

    play(scenario, balances=BALANCES)


def test_drift_trips_nothing_where_a_person_chose_so(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await with_resting_orders(world)
        engine = engine_of(world, kill_switch_on_drift=False)
        world.account.totals[Asset("USD")] += 1
        await engine.reconciler.reconcile()
        await world.clock.sleep(world.rules.drift_patience_s)
        await engine.reconciler.reconcile()
        assert not world.account.kill_switch.active
        assert len(await resting_sides(world)) == 3
        world.account.totals[Asset("USD")] -= 1
        await engine.reconciler.reconcile()

    play(scenario, balances=BALANCES)


def test_switch_that_is_on_keeps_its_first_reason(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.breaker.turn_on(KillSwitchCause.MANUAL, "news", principal="ada")
        await world.breaker.trip(KillSwitchCause.DRIFT, "drift: balance USD")
        assert world.account.kill_switch.reason == "news"
        assert world.count(EventName.KILL_SWITCH_ACTIVATED) == 1

    play(scenario)


async def watched(world: Any, seconds: float) -> None:
    """The breaker runs for a while, with reconciling beside it."""
    task = asyncio.create_task(world.breaker.run())
    await world.clock.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await world.reconciler.reconcile()


def test_entries_that_survived_the_process_are_taken_back_at_the_next_start(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit()
        world.fault(FaultKind.REQUEST_LOST, "CancelOrder")
        await world.breaker.trip(KillSwitchCause.DRIFT, "drift: balance USD")
        assert await resting_sides(world) == [Side.BUY]
        await world.restart()
        await watched(world, 30)
        assert await resting_sides(world) == []
        assert world.stored(order.request).journal is Journal.DONE

    play(scenario)


@pytest.mark.parametrize("lost", [1, 3])
def test_cancel_that_fails_is_tried_until_no_entry_rests(play: Play, lost: int) -> None:
    async def scenario(world: Any) -> None:
        await world.submit()
        for _ in range(lost):
            world.fault(FaultKind.REQUEST_LOST, "CancelOrder")
        await world.breaker.trip(KillSwitchCause.MANUAL, "news")
        errors = [e for e in world.events if e.name is EventName.ORDER_ERROR]
        assert "cancel" in str(errors[-1].fields["kraken_error"])
        assert await resting_sides(world) == [Side.BUY]
        await watched(world, 60)
        assert await resting_sides(world) == []

    play(scenario)


def test_entries_rest_while_the_switch_is_off(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.submit()
        await watched(world, 60)
        assert await resting_sides(world) == [Side.BUY]
        assert world.count(EventName.ORDER_CANCEL_SENT) == 0

    play(scenario)


def test_engine_watches_the_switch_as_a_task_of_its_own(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.submit()
        cause = KillSwitchCause.MANUAL
        await world.breaker.stop_entries(cause, "news", principal="ada")  # by a process before
        tasks = engine_of(world).tasks()
        watch = asyncio.create_task(tasks.pop("kill switch"))
        for other in tasks.values():
            other.close()
        await world.clock.sleep(1)
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        assert await resting_sides(world) == []
        await world.reconciler.reconcile()

    play(scenario)
