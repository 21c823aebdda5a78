"""Cycles beside orders: never two orders for one sleeve, and every bar of it has a verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest

from krakked.domain.bars import Bar, Bars, Timeframe
from krakked.domain.commands import Panic
from krakked.domain.decisions import DecisionRecord, NotEvaluated, Outcome
from krakked.domain.events import EventName
from krakked.domain.features import Features, Mask
from krakked.domain.ids import PairName, StrategyId
from krakked.domain.intents import Decision, Intent, View
from krakked.domain.kill_switch import KillSwitch
from krakked.domain.limits import Limits
from krakked.domain.orders import Journal, LegKind, Order, Side
from krakked.domain.pairs import PairStatus
from krakked.domain.plans import ExecutionPlan
from krakked.domain.positions import Sleeve
from krakked.domain.quotes import Quote
from krakked.domain.strategies.base import Parameters, State, Strategy, be_flat, enter, stay
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.core import SystemStatus
from krakked.simulator.faults import FaultKind
from krakked.trading.cycling import ConfiguredSleeve, Cycler
from krakked.trading.market import Boundary
from krakked.trading.rules import ExecutionRules

Play = Callable[..., Any]
D = Decimal
XBTUSD = PairName("XBTUSD")
TREND = Sleeve(StrategyId("trend"), XBTUSD)
ANSWERS: dict[str, Callable[[View], Intent | None]] = {
    "enter": lambda view: enter(view, target_exposure=D("0.03"), stop_price=D(58_000), reason="up"),
    "leave": lambda view: be_flat(view, reason="down"),
    "stay": lambda view: stay(view, reason="as it is"),
}


class Scripted:
    """Answers what it is told to, at every bar or only when something happened."""

    type: ClassVar[str] = "scripted"
    source: ClassVar[str] = "none"
    default_timeframes: ClassVar[tuple[Timeframe, ...]] = (Timeframe.M1,)
    params = Parameters()
    warm_up_bars = 2

    def __init__(self) -> None:
        self.answer = "enter"
        self.wakes = True
        self.asked: list[str] = []

    def features(self, bars: Bars) -> Features:
        return {"close": bars.close}

    def wake(self, features: Features) -> Mask:
        return np.full(len(features["close"]), self.wakes)

    def decide(self, view: View, state: State) -> Decision:
        self.asked.append(view.woken_by)
        return Decision(intent=ANSWERS[self.answer](view), conditions=(), state=dict(state))


class Trader:
    """One sleeve of a world, its cycles run by hand, its orders sent as an engine does."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.rules = Scripted()
        strategy = Strategy(
            strategy_id=TREND.strategy_id,
            rules=self.rules,
            timeframes=(Timeframe.M1,),
            hash="scripted",
        )
        sleeve = ConfiguredSleeve(index=0, strategy=strategy, sleeve=TREND)
        self.cycler = Cycler(world.desk, world.store, (sleeve,), Limits())
        self.cycler.cancel_and_learn = world.stopper.cancel_and_learn
        self.plans: list[ExecutionPlan] = []
        world.listener = self.cycler.wake
        world.market.on_connected()

    async def bar(self, answer: str) -> DecisionRecord:
        """The next minute ends, the strategy says ``answer``; the verdict on it."""
        world = self.world
        now_s = world.clock.now_ns() // NS_PER_SECOND
        end_s = (now_s // 60 + 1) * 60
        await world.clock.sleep(end_s - world.clock.now_ns() / NS_PER_SECOND)
        return await self.cycle(answer, end_s)

    async def cycle(self, answer: str, end_s: int) -> DecisionRecord:
        """The cycle of the boundary at ``end_s``."""
        world = self.world
        self.rules.answer = answer
        world.store.insert(XBTUSD, Timeframe.M1, D("0.1"), minutes(end_s))
        self.quote()
        await self.cycler.run(Boundary(Timeframe.M1, end_s), self.plans.append)
        record: DecisionRecord = world.account.runs[TREND, "1m"]
        assert record.last_bar_start_s == end_s - 60, "the bar has no verdict"
        return record

    def quote(self) -> None:
        """A fresh price, so wide that what is placed at it rests."""
        self.world.market.on_quote(
            Quote(
                pair=XBTUSD,
                bid=D("58995"),
                ask=D("61005"),
                last=D("60000"),
                volume_24h_base=D(1000),
                at_ns=self.world.clock.now_ns(),
            )
        )

    def send(self) -> asyncio.Task[None]:
        """The order loop takes the newest plan."""
        return asyncio.create_task(self.world.execute(self.plans[-1]))

    def venue_takes_orders(self, does: bool) -> None:
        status = SystemStatus.ONLINE if does else SystemStatus.CANCEL_ONLY
        self.world.simulator.exchange.set_system_status(status, self.world.clock.now_ns())

    def journals(self) -> list[Journal]:
        """Of every order that was planned, in order."""
        return [self.world.stored(leg.request).journal for p in self.plans for leg in p.legs]


def minutes(end_s: int) -> list[Bar]:
    """The newest 30 bars, all alike."""
    return [
        Bar(
            start_s=end_s - 60 * n,
            open=600_000,
            high=600_500,
            low=599_500,
            close=600_000,
            volume=10**8,
            trades=3,
        )
        for n in range(30, 0, -1)
    ]


PATIENT = ExecutionRules(max_plan_age_s=3600, max_retries=10, post_only=True)
"""Legs are tried for long, and a purchase below the market rests."""


# a leg between two tries


def test_leg_that_waits_to_be_tried_again_is_the_sleeves_only_order(play: Play) -> None:
    async def scenario(world: Any) -> None:
        trader = Trader(world)
        trader.venue_takes_orders(False)
        assert (await trader.bar("enter")).outcome is Outcome.ACTED
        sending = trader.send()
        for _ in range(3):
            assert (await trader.bar("enter")).outcome is Outcome.HELD
        assert trader.journals() == [Journal.PENDING]
        trader.venue_takes_orders(True)
        await sending
        assert trader.journals() == [Journal.ACKED]
        assert len(await world.venue_orders()) == 1

    play(scenario, rules=PATIENT)


def test_leg_that_waits_to_be_tried_again_is_dropped_when_the_strategy_turns(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.001")
        trader = Trader(world)
        trader.venue_takes_orders(False)
        await trader.bar("enter")
        await world.clock.sleep(1)  # so that no try falls on the minute
        sending = trader.send()
        record = await trader.bar("leave")
        assert record.outcome is Outcome.ACTED
        assert trader.journals() == [Journal.DROPPED, Journal.PENDING]
        dropped = world.stored(trader.plans[0].legs[0].request)
        assert dropped.reason == "cancelled before it was sent"
        trader.venue_takes_orders(True)
        await sending
        await trader.send()
        sides = [order.side for order in (await world.venue_orders()).values()]
        assert sorted(side.value for side in sides) == ["buy", "sell"]  # the first buy is filled
        assert world.count(EventName.ORDER_CANCEL_SENT) == 0

    play(scenario, rules=PATIENT)


def test_leg_of_a_plan_that_still_queues_is_dropped_when_the_strategy_turns(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.001")
        trader = Trader(world)
        await trader.bar("enter")
        await trader.bar("leave")
        for plan in trader.plans:
            await world.execute(plan)
        assert trader.journals() == [Journal.DROPPED, Journal.ACKED]
        (resting,) = await world.rest.open_orders()
        assert resting.side is Side.SELL

    play(scenario, rules=PATIENT)


def test_cancel_that_meets_a_leg_on_its_way_out_stops_the_next_try(play: Play) -> None:
    """The cancel finds nothing at the venue because the try fails; there is no other try."""

    async def scenario(world: Any) -> None:
        trader = Trader(world)
        plan = await world.plan({})
        trader.venue_takes_orders(False)
        sending = asyncio.create_task(world.execute(plan))
        for _ in range(5):  # the row is written; the request has not left
            await asyncio.sleep(0)
        assert world.stored(plan.legs[0].request).journal is Journal.SENT
        assert not await world.executor.cancel(world.stored(plan.legs[0].request))
        trader.venue_takes_orders(True)
        await sending
        order = world.stored(plan.legs[0].request)
        assert world.history(order) == [
            Journal.PENDING,
            Journal.SENT,
            Journal.SENT,  # a cancel was asked for
            Journal.DROPPED,
        ]
        assert await world.venue_orders() == {}

    play(scenario, rules=PATIENT)


def test_entry_that_waits_for_a_place_is_dropped_when_the_strategy_turns(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.001")
        other = await world.submit(strategy="other", quantity="0.001")
        trader = Trader(world)
        await trader.bar("enter")
        sending = trader.send()
        await world.clock.sleep(1)
        await trader.bar("leave")
        await asyncio.wait_for(sending, timeout=1)
        assert trader.journals() == [Journal.DROPPED, Journal.PENDING]
        open_now = [order.venue_order_id for order in await world.rest.open_orders()]
        assert open_now == [other.venue_order_id]

    rules = ExecutionRules(max_plan_age_s=3600, max_concurrent_orders=1, post_only=True)
    play(scenario, rules=rules)


def test_flatten_drops_a_purchase_that_was_not_sent_yet(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.001")
        trader = Trader(world)
        await trader.bar("enter")
        assert await world.stopper.flatten(pair=None, strategy_id=None, principal="ada") == 1
        await trader.send()
        assert trader.journals() == [Journal.DROPPED]
        assert await world.rest.open_orders() == []

    play(scenario, rules=PATIENT)


def test_sale_in_doubt_is_not_joined_by_a_second_one(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        trader = Trader(world)
        world.fault(FaultKind.ANSWER_LOST, "AddOrder")
        await trader.bar("leave")
        await trader.send()
        assert trader.journals() == [Journal.UNKNOWN]
        assert (await trader.bar("leave")).outcome is Outcome.HELD
        assert len(trader.plans) == 1
        await world.reconciler.reconcile()

    play(scenario, rules=PATIENT)


# bars that nobody decided on


def gaps(world: Any) -> list[tuple[NotEvaluated | None, int, int]]:
    """Runs without a decision, oldest first: why, the first bar's start, how many."""
    found = world.ask(lambda q: list(q.decisions()))
    return sorted(
        (
            (record.not_evaluated, record.bar.start_s, record.count)
            for record in found
            if record.outcome is Outcome.NOT_EVALUATED
        ),
        key=lambda row: row[1],
    )


def test_bars_that_passed_without_an_engine_and_those_it_did_not_see_are_told_apart(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        before = Trader(world)
        await before.bar("stay")
        await world.clock.sleep(180)
        trader = Trader(world)  # as a start makes it
        first = await trader.bar("stay")
        await world.clock.sleep(120)  # the stream is lost; history shows the two bars later
        second = await trader.bar("stay")
        assert (first.outcome, second.outcome) == (Outcome.HELD, Outcome.HELD)
        away_s, unseen_s = before_s(first, 3), before_s(second, 2)
        assert gaps(world) == [
            (NotEvaluated.RESTART_GAP, away_s, 3),
            (NotEvaluated.MARKET_DATA_GAP, unseen_s, 2),
        ]

    play(scenario)


def test_gap_that_began_before_the_start_and_went_on_after_it_is_two_runs(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await Trader(world).bar("stay")
        await world.clock.sleep(120)
        trader = Trader(world)
        now_s = world.clock.now_ns() // NS_PER_SECOND
        # The first cycle finds no bars yet: the start could not fetch them.
        await trader.cycler.run(Boundary(Timeframe.M5, now_s), trader.plans.append)
        await world.clock.sleep(60)
        record = await trader.bar("stay")
        assert gaps(world) == [
            (NotEvaluated.RESTART_GAP, before_s(record, 3), 2),
            (NotEvaluated.MARKET_DATA_GAP, before_s(record, 1), 1),
        ]

    play(scenario)


def before_s(record: DecisionRecord, bars: int) -> int:
    return record.last_bar_start_s - 60 * bars


# an order that does not end in time


def test_sleeve_whose_order_does_not_end_in_time_is_not_evaluated_and_asked_again(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.001")
        trader = Trader(world)
        await trader.bar("enter")
        await trader.send()
        world.fault(FaultKind.REQUEST_LOST, "CancelOrder")
        record = await trader.bar("leave")
        assert record.outcome is Outcome.NOT_EVALUATED
        assert record.not_evaluated is NotEvaluated.ORDER_IN_THE_WAY
        assert record.intent is not None
        assert record.intent.reason == "down"
        assert len(await world.rest.open_orders()) == 1
        async with world.listening():
            record = await trader.bar("leave")
        assert (record.outcome, record.count) == (Outcome.ACTED, 1)
        decisions = world.ask(lambda q: list(q.decisions()))
        missed = {NotEvaluated.RESTART_GAP, NotEvaluated.MARKET_DATA_GAP}
        assert not any(d.not_evaluated in missed for d in decisions)

    play(scenario, rules=PATIENT)


@pytest.mark.parametrize(("cause", "principal"), [("stop", "engine"), ("flatten", "ada")])
def test_exit_of_a_stop_or_a_person_is_not_taken_back_by_a_strategy_that_wants_more(
    play: Play, cause: str, principal: str
) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.001")
        trader = Trader(world)
        trader.quote()
        plan = await trader.cycler.make_exit([TREND], cause, principal)
        (leg,) = plan.legs
        assert leg.request.kind is LegKind.PROTECTIVE
        record = await trader.bar("enter")
        assert record.not_evaluated is NotEvaluated.ORDER_IN_THE_WAY
        assert (record.plan_id, trader.plans) == (None, [])
        await world.execute(plan)
        await world.reconciler.reconcile()
        assert world.stored(leg.request).journal is Journal.DONE

    play(scenario, rules=PATIENT)


def test_panics_sale_that_rests_is_not_taken_back_when_the_strategy_may_buy_again(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.001")
        trader = Trader(world)
        pair = world.account.pairs[XBTUSD]
        limit_only = msgspec.structs.replace(pair, status=PairStatus.POST_ONLY)
        world.account.pairs[XBTUSD] = limit_only
        trader.quote()
        async with world.listening():
            panic = Panic(command_id="c1", principal="ada", reason="enough")
            assert (await world.control.handle(panic)).ok
            (plan,) = world.enqueued
            await world.execute(plan)
            (resting,) = await world.rest.open_orders()
            world.account.kill_switch = KillSwitch()
            world.account.pairs[XBTUSD] = pair
            record = await trader.bar("enter")
            assert record.not_evaluated is NotEvaluated.ORDER_IN_THE_WAY
            assert [o.venue_order_id for o in await world.rest.open_orders()] == [
                resting.venue_order_id
            ]
        world.account.kill_switch = world.ledger.run(lambda tx: tx.books()).kill_switch

    play(scenario, rules=PATIENT)


# what wakes a sleeve


@pytest.mark.parametrize(
    ("causes", "told"),
    [
        (("stop", "fill", "order_ended"), "stop"),
        (("fill", "order_ended", "stop"), "stop"),
        (("fill", "order_rejected"), "order_rejected"),
        (("order_ended", "fill"), "order_ended"),
        (("something new", "fill"), "fill"),
        (("kill_switch", "flatten", "parameters"), "flatten"),
    ],
)
def test_sleeve_is_told_the_weightiest_of_what_happened(
    play: Play, causes: tuple[str, ...], told: str
) -> None:
    async def scenario(world: Any) -> None:
        trader = Trader(world)
        await trader.bar("stay")
        for cause in causes:
            trader.cycler.wake(TREND, cause)
        await trader.bar("stay")
        await trader.bar("stay")
        assert trader.rules.asked[1:] == [told, "bar"]

    play(scenario)


def test_deferred_sleeve_is_told_in_the_second_round_what_woke_it_in_the_first(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.001")
        trader = Trader(world)
        await trader.bar("enter")
        trader.cycler.wake(TREND, "flatten")
        await trader.bar("leave")
        assert trader.rules.asked == ["restart", "flatten", "flatten"]

    play(scenario, rules=PATIENT)


def test_what_happens_while_a_verdict_is_written_wakes_the_sleeve_at_the_next_bar(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        trader = Trader(world)
        await trader.bar("stay")
        trader.rules.wakes = False
        write = world.ledger.write

        async def write_slowly(work: Any) -> Any:
            world.ledger.write = write
            trader.cycler.wake(TREND, "kill_switch")
            return await write(work)

        world.ledger.write = write_slowly
        await trader.bar("stay")
        await trader.bar("stay")
        assert trader.rules.asked == ["restart", "kill_switch"]

    play(scenario)


def test_stop_makes_no_second_sale_of_what_the_strategys_own_plan_has_begun_to_sell(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.001")
        trader = Trader(world)
        trader.quote()
        async with world.recorder.turn:
            # The stop has looked and waits for the turn, in which the cycle's sale is recorded.
            stop = asyncio.ensure_future(trader.cycler.make_exit([TREND], "stop", "engine"))
            await world.clock.sleep(0.01)
            sale = world.request(90, 0, side=Side.SELL, quantity="0.001", kind=LegKind.EXIT)
            world.account.put_order(
                Order(request=sale, journal=Journal.PENDING, created_at_ns=world.clock.now_ns())
            )
        assert await stop is None
        del world.account.orders[sale.client_order_id]  # it was never on record

    play(scenario, rules=PATIENT)
