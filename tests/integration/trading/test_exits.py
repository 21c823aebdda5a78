"""What closes a position between bars leaves its verdict: who, why, by which plan, or what stood in
the way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import msgspec

from krakked.domain.decisions import ExitRecord, Outcome
from krakked.domain.events import EventName
from krakked.domain.ids import Asset, PairName, StrategyId
from krakked.domain.limits import LimitName
from krakked.domain.orders import LegKind, Side
from krakked.domain.pairs import PairStatus
from krakked.domain.portfolio import SleeveState
from krakked.domain.positions import Sleeve
from krakked.domain.quotes import Quote

Play = Callable[..., Any]
D = Decimal
XBTUSD = PairName("XBTUSD")
XBT = Asset("XBT")
TREND = Sleeve(StrategyId("trend"), XBTUSD)


def bid(world: Any, price: str) -> None:
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


def exits(world: Any) -> list[ExitRecord]:
    found: list[ExitRecord] = world.ask(lambda q: list(q.exits()))
    return found


@contextlib.asynccontextmanager
async def watching(world: Any) -> AsyncIterator[None]:
    """A held position with a stop, and the stops watched."""
    world.market.on_connected()
    await world.bought("0.01")
    state = SleeveState(sleeve=TREND, stop_price=D(58_000))
    world.ledger.run(lambda tx: tx.save_sleeve(state))
    world.account.sleeves[TREND] = state
    task = asyncio.create_task(world.stopper.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_stop_that_closes_a_position_is_on_record_with_its_plan(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with watching(world):
            bid(world, "57000")
            await world.clock.sleep(1)
        (plan,) = world.enqueued
        (record,) = exits(world)
        assert (record.cause, record.principal, record.outcome) == ("stop", "engine", Outcome.ACTED)
        assert (record.sleeve, record.plan_id, record.trace_id) == (
            TREND,
            plan.plan_id,
            plan.trace_id,
        )
        assert record.decision_id == plan.legs[0].action.decision_id
        assert record.checks
        (told,) = [e for e in world.events if e.name is EventName.DECISION_MADE]
        assert told.fields["reason"] == "stop by engine"
        assert told.fields["plan_id"] == plan.plan_id

    play(scenario)


def test_person_who_flattens_is_on_record(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        await world.stopper.flatten(pair=None, strategy_id=None, principal="ada")
        (record,) = exits(world)
        assert (record.cause, record.principal) == ("flatten", "ada")

    play(scenario)


def test_exit_that_the_venue_does_not_take_is_one_run_of_refusals(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with watching(world):
            pair = world.account.pairs[XBTUSD]
            world.account.pairs[XBTUSD] = msgspec.structs.replace(
                pair, status=PairStatus.MAINTENANCE
            )
            for _ in range(3):
                bid(world, "57000")
                await world.clock.sleep(6)
            (refused,) = exits(world)
            assert (refused.outcome, refused.count, refused.plan_id) == (Outcome.REFUSED, 3, None)
            assert refused.last_decided_at_ns - refused.decided_at_ns == 12 * 10**9
            failed = [check.limit for check in refused.checks if not check.passed]
            assert failed == [LimitName.PAIR_STATUS]
            assert world.enqueued == []
            assert world.count(EventName.RISK_BLOCK) == 1
            world.account.pairs[XBTUSD] = pair
            bid(world, "57000")
            await world.clock.sleep(1)
        assert [record.outcome for record in exits(world)] == [Outcome.ACTED, Outcome.REFUSED]
        assert len(world.enqueued) == 1

    play(scenario)


def test_sleeve_that_holds_nothing_leaves_no_record_of_an_exit(play: Play) -> None:
    async def scenario(world: Any) -> None:
        assert await world.stopper.close([TREND], cause="flatten", principal="ada") == 0
        assert exits(world) == []

    play(scenario)


def test_position_on_a_pair_that_is_not_listed_any_more_holds_up_no_other_exit(play: Play) -> None:
    async def scenario(world: Any) -> None:
        bid(world, "60000")
        await world.bought("0.01")
        gone = Sleeve(StrategyId("trend"), PairName("ODDUSD"))
        held = msgspec.structs.replace(world.account.position(TREND), sleeve=gone)
        world.account.positions[gone] = held
        assert await world.stopper.flatten(pair=None, strategy_id=None, principal="ada") == 1
        (plan,) = world.enqueued
        assert [leg.request.pair for leg in plan.legs] == [XBTUSD]
        (told,) = [e for e in world.events if e.name is EventName.CAUTION]
        assert "ODDUSD" in str(told.fields["reason"])
        del world.account.positions[gone]

    play(scenario)


def test_sleeve_that_holds_more_than_the_account_still_sells_what_is_there(play: Play) -> None:
    async def scenario(world: Any) -> None:
        bid(world, "60000")
        await world.bought("0.01")
        await world.deposit(XBT, "-0.004")
        await world.reconciler.reconcile()
        assert await world.stopper.flatten(pair=None, strategy_id=None, principal="ada") == 1
        (plan,) = world.enqueued
        assert plan.legs[0].request.quantity_base == D("0.006")
        (record,) = exits(world)
        failed = [check.limit for check in record.checks if not check.passed]
        assert (record.outcome, failed) == (Outcome.CLAMPED, [LimitName.HELD_BY_ACCOUNT])
        await world.execute(plan)
        await world.reconciler.reconcile()
        assert world.account.totals[XBT] == 0
        assert await world.stopper.flatten(pair=None, strategy_id=None, principal="ada") == 0
        assert exits(world)[0].outcome is Outcome.REFUSED

    play(scenario)


def test_sleeves_of_one_asset_share_what_the_account_has_beside_their_open_sales(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        bid(world, "60000")
        for strategy in ("one", "three", "two"):
            await world.bought("0.01", strategy=strategy)
        far = {"side": Side.SELL, "price": "70000.0", "kind": LegKind.EXIT}
        await world.submit(**far, strategy="three", quantity="0.005")
        await world.deposit(XBT, "-0.012")
        await world.reconciler.reconcile()
        sleeves = [Sleeve(StrategyId(name), XBTUSD) for name in ("one", "two")]
        assert await world.stopper.close(sleeves, cause="stop", principal="engine") == 2
        (plan,) = world.enqueued
        assert [leg.request.quantity_base for leg in plan.legs] == [D("0.01"), D("0.003")]
        await world.execute(plan)
        await world.reconciler.reconcile()

    play(scenario)
