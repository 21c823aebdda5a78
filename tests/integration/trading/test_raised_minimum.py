"""The venue raises a pair's minimum while it is held: what is below it is dust, told and kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest

from krakked.adapters.kraken.websocket import FeedSettings, KrakenFeed
from krakked.domain.bars import Timeframe
from krakked.domain.errors import Transient
from krakked.domain.events import EventName
from krakked.domain.ids import PairName, StrategyId
from krakked.domain.limits import Limits
from krakked.domain.orders import Journal
from krakked.domain.portfolio import SleeveState
from krakked.domain.positions import Sleeve
from krakked.simulator import acts
from krakked.trading.cycling import Cycler
from krakked.trading.engine import Engine, EngineOptions
from krakked.trading.pair_rules import TRIES_MAX, RulesInDoubt

Play = Callable[..., Any]
D = Decimal
XBTUSD = PairName("XBTUSD")
TREND = Sleeve(StrategyId("trend"), XBTUSD)
DUST = "trend XBTUSD: 0.01 of at least 0.02"
TASKS = ("orders", "fills", "stops", "pair rules")


@contextlib.asynccontextmanager
async def trading(world: Any) -> AsyncIterator[Engine]:
    """An engine that holds a position whose stop the market has reached, and closes it."""
    settings = FeedSettings(
        public_url=world.simulator.ws_url, private_url=world.simulator.ws_auth_url, silence_s=0
    )
    engine = Engine(
        world.desk,
        feed=KrakenFeed(settings, world.rest, world.clock, Random(1)),
        history=world.rest,
        store=world.store,
        cycler=Cycler(world.desk, world.store, (), Limits()),
        options=EngineOptions(pairs=(XBTUSD,), timeframes=(Timeframe.M1,)),
    )
    tasks = [asyncio.create_task(engine.feed_task())]
    await engine.wait_until_fed()
    for name, work in engine.tasks().items():
        if name in TASKS:
            tasks.append(asyncio.create_task(work))
        else:
            work.close()
    try:
        yield engine
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def raise_minimum(world: Any, order_min: str, *, is_told: bool) -> None:
    """Told on the stream as a person's act is; or only what the venue answers is new."""
    venue = world.simulator._venue
    if is_told:
        acts.set_minimums(venue, XBTUSD, D(order_min), None, world.clock.now_ns())
        return
    venue.exchange.set_pair_minimums(XBTUSD, D(order_min), D("0.5"))
    tape = venue.hub.data.tapes[XBTUSD]
    tape.pair = msgspec.structs.replace(tape.pair, order_min=D(order_min))


def hit_stop(world: Any) -> None:
    state = SleeveState(sleeve=TREND, stop_price=D("70000"), last_bar_start_s=0)
    world.ledger.run(lambda tx: tx.save_sleeve(state))
    world.account.sleeves[TREND] = state


async def minutes(world: Any, count: int) -> None:
    """The market moves a little, so that there are quotes."""
    for turn in range(count * 6):
        world.stand_at("60000" if turn % 2 else "60001")
        await world.clock.sleep(10)


@pytest.mark.parametrize(("is_told", "refusals"), [(True, 0), (False, 1)])
def test_stop_of_what_a_raised_minimum_made_dust_is_not_retried_for_ever(
    play: Play, is_told: bool, refusals: int
) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        async with trading(world) as engine:
            raise_minimum(world, "0.02", is_told=is_told)
            await world.clock.sleep(1)
            hit_stop(world)
            await minutes(world, 15)
            assert world.count(EventName.ORDER_REJECTED) == refusals
            assert world.count(EventName.POSITION_STOPPED) == refusals + 1
            (exit_record,) = [e for e in world.events if e.fields.get("reason") == "venue_minimum"]
            assert exit_record.fields["outcome"] == "refused"
            assert engine.status()["dust"] == [DUST]
            assert engine.status()["refused_sales"] == []
            assert "refused_sales" not in engine.degraded()
            (told,) = [e for e in world.events if "other rules" in str(e.fields.get("reason"))]
            assert told.fields["reason"] == (
                "the venue has other rules for XBTUSD: quantity_min 0.00005 -> 0.02"
            )
            # What the venue takes again is sold.
            raise_minimum(world, "0.005", is_told=True)
            await minutes(world, 2)
            assert world.account.position(TREND).quantity_base == 0
            assert engine.status()["dust"] == []

    play(scenario)


def test_rules_are_asked_for_so_many_times_and_sales_wait_no_longer(play: Play) -> None:
    async def scenario(world: Any) -> None:
        asked: list[int] = []

        class Deaf:
            async def pairs(self) -> Any:
                asked.append(world.clock.now_ns())
                raise Transient("AssetPairs: no answer")

        doubt = RulesInDoubt(msgspec.structs.replace(world.desk, exchange=Deaf()))
        task = asyncio.create_task(doubt.run())
        doubt.refused(XBTUSD, "EOrder:Insufficient funds")
        assert XBTUSD not in doubt
        doubt.refused(XBTUSD, "EOrder:Cost minimum not met")
        assert XBTUSD in doubt
        await world.clock.sleep(600)
        assert len(asked) == TRIES_MAX
        assert XBTUSD not in doubt
        task.cancel()

    play(scenario)


def test_refused_entry_asks_for_the_rules_too(play: Play) -> None:
    async def scenario(world: Any) -> None:
        raise_minimum(world, "0.02", is_told=False)
        order = await world.submit(quantity="0.01")
        assert order.journal is Journal.REJECTED
        assert XBTUSD in world.executor.rules_in_doubt

    play(scenario)
