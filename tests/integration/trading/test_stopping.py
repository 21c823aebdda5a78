"""Stops: a position is closed once when the bid reaches its stop; tried again if it failed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest

from krakked.domain.errors import Transient
from krakked.domain.events import EventName
from krakked.domain.ids import PairName, StrategyId
from krakked.domain.orders import Journal, LegKind, Order, Side
from krakked.domain.portfolio import SleeveState
from krakked.domain.positions import Sleeve
from krakked.domain.quotes import Quote
from krakked.domain.times import NS_PER_SECOND
from krakked.trading.rules import ExecutionRules
from krakked.trading.stopping import PATIENCE_NS

Play = Callable[..., Any]
D = Decimal
XBTUSD = PairName("XBTUSD")
TREND = Sleeve(StrategyId("trend"), XBTUSD)


def bid(world: Any, price: str) -> None:
    """A quote arrives, as the feeder hands it on."""
    quote = Quote(
        pair=XBTUSD,
        bid=D(price),
        ask=D(price) + 10,
        last=D(price),
        volume_24h_base=D(1000),
        at_ns=world.clock.now_ns(),
    )
    world.market.on_quote(quote)
    world.stopper.on_quote(quote)


async def holding(world: Any, *, stop: str | None = "58000") -> None:
    """A bought position with a stop, as a cycle leaves it behind."""
    world.market.on_connected()
    await world.bought("0.01")
    keep(world, stop=stop)


def keep(world: Any, *, stop: str | None, bar_s: int = 0) -> None:
    """The sleeve's stop, and its newest bar."""
    state = SleeveState(
        sleeve=TREND, stop_price=None if stop is None else D(stop), last_bar_start_s=bar_s
    )
    world.ledger.run(lambda tx: tx.save_sleeve(state))
    world.account.sleeves[TREND] = state


@contextlib.asynccontextmanager
async def watching(world: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(world.stopper.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("price", "is_hit"), [("58000.1", False), ("58000", True), ("50000", True)]
)
def test_position_is_closed_when_the_bid_reaches_its_stop(
    play: Play, price: str, is_hit: bool
) -> None:
    async def scenario(world: Any) -> None:
        await holding(world)
        async with watching(world):
            bid(world, price)
            await world.clock.sleep(1)
        assert len(world.enqueued) == is_hit
        assert world.count(EventName.POSITION_STOPPED) == is_hit
        if is_hit:
            (leg,) = world.enqueued[0].legs
            assert (leg.request.side, leg.request.quantity_base) == (Side.SELL, D("0.01"))
            assert leg.request.kind is not LegKind.ENTRY
            assert world.enqueued[0].cause == "stop"

    play(scenario)


def test_stop_survives_a_restart(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await holding(world)
        await world.restart()
        world.market.on_connected()
        async with watching(world):
            bid(world, "57000")
            await world.clock.sleep(1)
        assert len(world.enqueued) == 1

    play(scenario)


def test_stop_that_is_hit_again_and_again_sells_once(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await holding(world)
        async with watching(world):
            for _ in range(20):
                bid(world, "57000")
                await world.clock.sleep(1)
            (plan,) = world.enqueued
            await world.execute(plan)
            assert list(await world.reconciler.reconcile()) == []
            bid(world, "56000")
            await world.clock.sleep(10)
        assert len(world.enqueued) == 1
        assert world.account.position(TREND).is_flat

    play(scenario)


def test_stop_whose_sale_came_to_nothing_is_triggered_anew(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await holding(world)
        async with watching(world):
            bid(world, "57000")
            await world.clock.sleep(61)  # nobody sends it, and it expires
            await world.execute(world.enqueued[0])
            bid(world, "57000")
            await world.clock.sleep(1)
        assert len(world.enqueued) == 2

    play(scenario)


def test_stop_ends_an_entry_that_rests_before_it_sells(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await holding(world)
        async with world.listening(), watching(world):
            await world.submit()
            bid(world, "57000")
            await world.clock.sleep(3)
        assert await world.rest.open_orders() == []
        assert len(world.enqueued) == 1

    play(scenario)


def a_sale_far_above(kind: LegKind) -> dict[str, Any]:
    return {"side": Side.SELL, "kind": kind, "quantity": "0.01", "price": "61000.0"}


def test_stop_takes_the_place_of_an_exit_that_rests_above_the_market(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await holding(world)
        async with world.listening(), watching(world):
            await world.submit(**a_sale_far_above(LegKind.EXIT))
            bid(world, "57000")
            await world.clock.sleep(3)
            assert await world.rest.open_orders() == []
            (plan,) = world.enqueued
            assert plan.legs[0].request.quantity_base == D("0.01")
            await world.execute(plan)
            await world.clock.sleep(1)
        assert world.account.position(TREND).is_flat

    play(scenario)


def test_stop_leaves_an_exit_alone_that_was_not_sent_yet(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await holding(world)
        async with watching(world):
            plan = await world.plan(a_sale_far_above(LegKind.EXIT))
            bid(world, "57000")
            await world.clock.sleep(3)
        assert world.enqueued == []
        assert world.account.order(plan.legs[0].request.client_order_id) is not None

    play(scenario)


def test_stop_leaves_a_protective_sale_its_time_to_fill_and_then_replaces_it(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await holding(world)
        patience_s = PATIENCE_NS // NS_PER_SECOND
        async with world.listening(), watching(world):
            order = await world.submit(**a_sale_far_above(LegKind.PROTECTIVE))
            for _ in range(patience_s - 2):
                bid(world, "57000")
                await world.clock.sleep(1)
            assert world.enqueued == []
            for _ in range(10):
                bid(world, "57000")
                await world.clock.sleep(1)
            assert len(world.enqueued) == 1
            assert order.venue_order_id not in {
                one.venue_order_id for one in await world.rest.open_orders()
            }

    play(scenario)


def test_position_without_a_stop_is_left_alone(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await holding(world, stop=None)
        async with watching(world):
            bid(world, "1")
            await world.clock.sleep(1)
        assert world.enqueued == []

    play(scenario)


def test_flatten_closes_what_a_purchase_on_its_way_has_just_bought(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            world.market.on_connected()
            bid(world, "60000")
            bought = await world.submit(price=None)
            assert world.account.position(TREND).is_flat  # the venue has filled it, unheard
            closing = await world.stopper.flatten(pair=None, strategy_id=None, principal="ada")
            assert closing == 1
            assert world.stored(bought.request).filled_base == D("0.01")
            (plan,) = world.enqueued
            assert plan.legs[0].request.quantity_base == D("0.01")

    play(scenario)


def test_flatten_of_a_purchase_that_only_rests_cancels_it_and_sells_nothing(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            await world.submit()
            assert await world.stopper.flatten(pair=None, strategy_id=None, principal="ada") == 0
            assert world.account.live_orders() == []
            assert world.enqueued == []
            assert await world.rest.open_orders() == []

    play(scenario)


@pytest.mark.parametrize(
    "rules", [ExecutionRules(sends_orders=False), ExecutionRules(validates_only=True)]
)
def test_stop_where_nothing_is_placed_is_shown_once_a_bar_and_stop(
    play: Play, rules: ExecutionRules
) -> None:
    async def scenario(world: Any) -> None:
        await holding(world)
        world.rules = rules
        await world.restart()
        world.market.on_connected()

        async def a_minute_below_the_stop() -> None:
            for _ in range(60):
                bid(world, "57000")
                await world.clock.sleep(1)
                if world.account.orders:
                    await world.execute(world.enqueued[-1])

        async with watching(world):
            await a_minute_below_the_stop()
            assert len(world.enqueued) == 1
            assert world.count(EventName.POSITION_STOPPED) == 1
            keep(world, stop="58000", bar_s=60)
            await a_minute_below_the_stop()
            assert len(world.enqueued) == 2
            keep(world, stop="58001", bar_s=60)
            await a_minute_below_the_stop()
            assert len(world.enqueued) == 3
        assert world.account.position(TREND).quantity_base == D("0.01")

    play(scenario)


@contextlib.asynccontextmanager
async def asking(world: Any) -> AsyncIterator[None]:
    """What is noted is asked about, as in an engine; the stream says nothing."""
    tasks = [asyncio.create_task(world.booker.run()), asyncio.create_task(world.reconciler.run())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_flatten_learns_that_an_exit_is_gone_and_sells_in_its_place(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await holding(world)
        async with asking(world):
            order = await world.submit(**a_sale_far_above(LegKind.EXIT))
            await world.rest.cancel_order(order.venue_order_id)  # and nobody tells us
            closing = await world.stopper.flatten(pair=None, strategy_id=None, principal="ada")
        assert closing == 1
        assert world.stored(order.request).journal is Journal.DONE
        assert world.lookups_wanted == 1

    play(scenario, rules=ExecutionRules(reconcile_interval_s=3600))


def test_cancel_that_finds_its_order_asks_for_no_comparison(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            order = await world.submit()
            assert await world.executor.cancel(order)
            assert world.lookups_wanted == 0
            await world.clock.sleep(1)

    play(scenario)


async def unreached(*_: Any, **__: Any) -> None:
    raise Transient("AddOrder: no connection")


async def flattened_in_an_outage(world: Any) -> Order:
    """A person's sale that nobody could send while its plan was fresh."""
    await holding(world, stop=None)
    world.rest.add_order = unreached
    assert await world.stopper.flatten(pair=None, strategy_id=None, principal="ada") == 1
    await world.execute(world.enqueued[0])
    del world.rest.add_order
    order: Order = world.stored(world.enqueued[0].legs[0].request)
    assert order.journal is Journal.DROPPED
    return order


def test_flatten_whose_sale_could_not_be_sent_is_made_anew_after_the_outage(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await flattened_in_an_outage(world)
        assert world.stopper.owed == (TREND,)
        async with watching(world):
            bid(world, "60000")
            await world.clock.sleep(1)
            again = world.enqueued[-1]
            assert len(world.enqueued) == 2
            assert (again.cause, again.principal) == ("flatten", "ada")
            assert world.stopper.owed == ()
            await world.execute(again)
            await world.reconciler.reconcile()
            assert world.account.position(TREND).is_flat
            bid(world, "60000")
            await world.clock.sleep(10)
        assert len(world.enqueued) == 2

    play(scenario)


def test_protective_sale_that_was_never_sent_is_told_as_an_error(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await flattened_in_an_outage(world)
        errors = [e.fields for e in world.events if e.name is EventName.ORDER_ERROR]
        assert errors[-1]["kraken_error"] == f"never sent: {order.reason}"
        assert errors[-1]["local_order_id"] == order.request.client_order_id

    play(scenario)


def test_flatten_whose_sale_a_person_takes_back_is_not_owed(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await holding(world, stop=None)
        await world.stopper.flatten(pair=None, strategy_id=None, principal="ada")
        (order,) = world.account.orders.values()
        await world.executor.cancel(order)
        async with watching(world):
            bid(world, "60000")
            await world.clock.sleep(10)
        assert world.stopper.owed == ()
        assert len(world.enqueued) == 1

    play(scenario)


def test_flatten_that_is_owed_is_settled_by_a_person_who_asks_again(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await flattened_in_an_outage(world)
        assert await world.stopper.flatten(pair=None, strategy_id=None, principal="bob") == 1
        assert world.stopper.owed == ()
        await world.execute(world.enqueued[-1])
        await world.reconciler.reconcile()
        async with watching(world):
            bid(world, "60000")
            await world.clock.sleep(1)
        assert len(world.enqueued) == 2

    play(scenario)
