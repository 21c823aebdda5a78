"""Orders leave once, durable before the wire, and every kind of answer finds its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from krakked.domain.errors import Transient
from krakked.domain.events import EventName
from krakked.domain.ids import Asset, ClientOrderId
from krakked.domain.kill_switch import KillSwitch
from krakked.domain.orders import Journal, LegKind, OrderStatus, Side, VenueStatus
from krakked.domain.times import NS_PER_SECOND
from krakked.engine.translating import rules_of
from krakked.runtime.settings import Settings
from krakked.runtime.settings.models import Execution
from krakked.sim.exchange.core import SystemStatus
from krakked.simulator.faults import FaultKind
from krakked.trading.execute import Executor
from krakked.trading.rules import ExecutionRules

Play = Callable[..., Any]
D = Decimal
USD, XBT = Asset("USD"), Asset("XBT")
LOSSES = [FaultKind.REQUEST_LOST, FaultKind.SERVER_ERROR]
LOST_ANSWERS = [FaultKind.ANSWER_LOST, FaultKind.SERVER_ERROR_AFTER]


# accepted


def test_order_that_is_accepted_rests_at_the_venue_under_our_id(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit()
        assert order.journal is Journal.ACKED
        assert order.status is OrderStatus.OPEN
        (resting,) = await world.rest.open_orders()
        assert resting.client_order_id == order.request.client_order_id
        assert resting.venue_order_id == order.venue_order_id
        assert list(await world.reconciler.reconcile()) == []

    play(scenario)


def test_order_is_recorded_as_sent_before_its_answer_is_known(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit()
        assert world.history(order) == [Journal.PENDING, Journal.SENT, Journal.ACKED]
        assert order.deadline_at_ns == order.sent_at_ns + 3_000_000_000
        assert world.names().index(EventName.ORDER_SENT) < world.names().index(
            EventName.ORDER_ACKED
        )

    play(scenario)


def test_order_that_takes_half_a_second_to_leave_goes_out_at_the_least_deadline_to_be_set(
    play: Play,
) -> None:
    (least,) = (
        bound
        for bound in Execution.model_fields["deadline_seconds"].metadata
        if hasattr(bound, "ge")
    )
    chosen = Settings.model_validate({"execution": {"deadline_seconds": least.ge}})

    async def scenario(world: Any) -> None:
        add_order = world.rest.add_order

        async def add_after_a_while(request: Any, **fields: Any) -> Any:
            await world.clock.sleep(0.5)
            return await add_order(request, **fields)

        world.rest.add_order = add_after_a_while
        order = await world.submit()
        assert order.journal is Journal.ACKED
        assert world.count(EventName.ORDER_SENT) == 1

    play(scenario, rules=rules_of(chosen, replay_bar_s=None, speed=1))


def test_market_order_is_filled_booked_and_done(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.bought("0.01")
        assert order.journal is Journal.DONE
        assert order.status is OrderStatus.FILLED
        assert order.filled_base == D("0.01")
        (fill,) = world.fills()
        assert fill.client_order_id == order.request.client_order_id
        assert fill.strategy_id == "trend"
        assert fill.fee_quote == fill.trade.fee_amount > 0
        assert world.account.live_orders() == []
        assert [why for _, why in world.wakes] == ["fill", "order_ended"]

    play(scenario)


def test_orders_of_a_plan_go_out_in_the_order_of_its_legs(play: Play) -> None:
    async def scenario(world: Any) -> None:
        plan = await world.plan({"price": "50000.0"}, {"price": "49000.0"}, {"price": "48000.0"})
        await world.execute(plan)
        sent = [e.fields["local_order_id"] for e in world.events if e.name is EventName.ORDER_SENT]
        assert sent == [leg.request.client_order_id for leg in plan.legs]
        assert len(await world.rest.open_orders()) == 3

    play(scenario)


def test_plan_that_is_executed_twice_sends_its_orders_once(play: Play) -> None:
    async def scenario(world: Any) -> None:
        plan = await world.plan({})
        await world.execute(plan)
        await world.execute(plan)
        assert len(await world.venue_orders()) == 1
        assert world.count(EventName.ORDER_SENT) == 1

    play(scenario)


# refused by the venue


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"quantity": "5"}, "EOrder:Insufficient funds"),
        ({"quantity": "0.00001"}, "minimum not met"),
        ({"price": "50000.05"}, "EOrder:"),
        ({"side": Side.SELL, "price": "70000.0"}, "EOrder:Insufficient funds"),
    ],
)
def test_order_that_the_venue_refuses_is_rejected_with_its_reason(
    play: Play, fields: dict[str, Any], reason: str
) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit(**fields)
        assert order.journal is Journal.REJECTED
        assert reason in order.reason
        assert order.ended_at_ns is not None
        assert world.account.live_orders() == []
        assert await world.venue_orders() == {}
        assert world.count(EventName.ORDER_REJECTED) == 1
        assert world.lookups_wanted == 0

    play(scenario)


# in doubt


@pytest.mark.parametrize("fault", LOSSES)
def test_order_that_was_lost_is_unknown_and_is_never_sent_again(
    play: Play, fault: FaultKind
) -> None:
    async def scenario(world: Any) -> None:
        world.fault(fault, "AddOrder")
        order = await world.submit()
        assert order.journal is Journal.UNKNOWN
        assert world.lookups_wanted == 1
        await world.clock.sleep(300)
        assert await world.venue_orders() == {}
        assert world.history(order) == [Journal.PENDING, Journal.SENT, Journal.UNKNOWN]

    play(scenario)


@pytest.mark.parametrize("fault", LOSSES)
def test_order_that_was_lost_is_absent_after_its_deadline_and_patience_and_not_before(
    play: Play, fault: FaultKind
) -> None:
    async def scenario(world: Any) -> None:
        world.fault(fault, "AddOrder")
        order = await world.submit()
        await world.clock.sleep(22.5)  # deadline 3 s, patience 20 s
        await world.reconciler.reconcile()
        assert world.stored(order.request).journal is Journal.UNKNOWN
        assert world.account.unknown_pairs() == ("XBTUSD",)
        await world.clock.sleep(1)
        await world.reconciler.reconcile()
        resolved = world.stored(order.request)
        assert resolved.journal is Journal.ABSENT
        assert resolved.status is OrderStatus.ERROR
        assert world.account.unknown_pairs() == ()
        assert await world.venue_orders() == {}

    play(scenario)


@pytest.mark.parametrize("fault", LOST_ANSWERS)
def test_order_whose_answer_was_lost_is_found_and_adopted(play: Play, fault: FaultKind) -> None:
    async def scenario(world: Any) -> None:
        world.fault(fault, "AddOrder")
        order = await world.submit()
        assert order.journal is Journal.UNKNOWN
        assert list(await world.reconciler.reconcile()) == []
        found = world.stored(order.request)
        assert found.journal is Journal.ACKED
        assert found.status is OrderStatus.OPEN
        assert found.venue_order_id in await world.venue_orders()
        assert len(await world.venue_orders()) == 1

    play(scenario)


def test_order_that_was_taken_in_words_that_nobody_knows_is_in_doubt_until_it_is_found(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        world.fault(FaultKind.ERROR_AFTER, "AddOrder", text="EGeneral:Something new")
        order = await world.submit()
        assert order.journal is Journal.UNKNOWN
        assert "EGeneral:Something new" in order.reason
        assert list(await world.reconciler.reconcile()) == []
        assert world.stored(order.request).journal is Journal.ACKED
        assert len(await world.venue_orders()) == 1

    play(scenario)


def test_order_that_was_refused_in_words_that_nobody_knows_is_absent_once_that_is_certain(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        world.fault(FaultKind.ERROR, "AddOrder", text="EGeneral:Something new")
        order = await world.submit()
        assert order.journal is Journal.UNKNOWN
        await world.clock.sleep(60)
        await world.reconciler.reconcile()
        assert world.stored(order.request).journal is Journal.ABSENT
        assert not await world.venue_orders()

    play(scenario)


@pytest.mark.parametrize("fault", LOST_ANSWERS)
def test_order_that_was_filled_while_its_answer_was_lost_is_booked_once(
    play: Play, fault: FaultKind
) -> None:
    async def scenario(world: Any) -> None:
        world.fault(fault, "AddOrder")
        order = await world.submit(price=None)
        for _ in range(3):
            assert list(await world.reconciler.reconcile()) == []
        found = world.stored(order.request)
        assert (found.journal, found.status) == (Journal.DONE, OrderStatus.FILLED)
        assert len(world.fills()) == 1
        assert len(await world.venue_orders()) == 1

    play(scenario)


def test_order_that_shows_itself_late_is_not_taken_for_absent(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.fault(FaultKind.ANSWER_LOST, "AddOrder")
        world.fault(FaultKind.LATE_VISIBILITY, seconds=15)
        order = await world.submit()
        for _ in range(4):
            await world.reconciler.reconcile()
            assert world.stored(order.request).journal is Journal.UNKNOWN
            await world.clock.sleep(3)
        await world.clock.sleep(5)
        assert list(await world.reconciler.reconcile()) == []
        assert world.stored(order.request).journal is Journal.ACKED

    play(scenario)


def lists_are_blind(world: Any) -> None:
    """The venue's lists of orders do not have what its other answers have."""

    async def find_nothing(_client_order_id: Any, _since_ns: int) -> None:
        return None

    world.rest.find_order = find_nothing


def test_filled_order_that_no_list_of_orders_has_is_found_by_its_execution(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.fault(FaultKind.ANSWER_LOST, "AddOrder")
        order = await world.submit(price=None)
        lists_are_blind(world)
        await world.clock.sleep(30)
        assert list(await world.reconciler.reconcile()) == []
        found = world.stored(order.request)
        assert (found.journal, found.status) == (Journal.DONE, OrderStatus.FILLED)
        assert Journal.ABSENT not in world.history(order)
        (fill,) = world.fills()
        assert fill.client_order_id == order.request.client_order_id
        assert world.inconsistencies == []

    play(scenario)


def test_order_stays_in_doubt_while_the_order_of_an_execution_cannot_be_learned(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        world.fault(FaultKind.ANSWER_LOST, "AddOrder")
        order = await world.submit(price=None)
        lists_are_blind(world)
        ask = world.rest.orders

        async def tell_nothing(_ids: Any) -> dict[str, Any]:
            return {}

        world.rest.orders = tell_nothing
        await world.clock.sleep(30)
        await world.reconciler._resolve_unknown()
        assert world.stored(order.request).journal is Journal.UNKNOWN
        world.rest.orders = ask
        assert list(await world.reconciler.reconcile()) == []
        assert world.stored(order.request).journal is Journal.DONE

    play(scenario)


def test_execution_of_somebody_else_keeps_no_lost_order_in_doubt(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.fault(FaultKind.REQUEST_LOST, "AddOrder")
        order = await world.submit(price=None)
        by_hand = msgspec.structs.replace(
            world.request(99, 0, price=None), client_order_id=ClientOrderId("by-hand")
        )
        await world.rest.add_order(by_hand, deadline_at_ns=world.clock.now_ns() + 9 * NS_PER_SECOND)
        await world.clock.sleep(30)
        assert list(await world.reconciler.reconcile()) == []
        assert world.stored(order.request).journal is Journal.ABSENT
        (fill,) = world.fills()
        assert fill.client_order_id is None

    play(scenario)


def test_unknown_order_holds_back_entries_of_its_pair_and_no_exit(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        world.fault(FaultKind.REQUEST_LOST, "AddOrder")
        plan = await world.plan({}, {"price": "49000.0"})
        exit_plan = await world.plan({"side": Side.SELL, "price": "70000.0", "kind": LegKind.EXIT})
        await world.execute(plan)
        await world.execute(exit_plan)
        journals = [world.stored(leg.request).journal for leg in (*plan.legs, *exit_plan.legs)]
        assert journals == [Journal.UNKNOWN, Journal.DROPPED, Journal.ACKED]
        assert "unknown state" in world.stored(plan.legs[1].request).reason

    play(scenario)


# not done, later


def test_order_is_sent_again_when_the_venue_takes_orders_again(play: Play) -> None:
    async def scenario(world: Any) -> None:
        exchange = world.simulator.exchange
        exchange.set_system_status(SystemStatus.CANCEL_ONLY, world.clock.now_ns())
        plan = await world.plan({})
        sending = asyncio.create_task(world.execute(plan))
        await world.clock.sleep(10)
        assert world.stored(plan.legs[0].request).journal is Journal.PENDING
        exchange.set_system_status(SystemStatus.ONLINE, world.clock.now_ns())
        await sending
        order = world.stored(plan.legs[0].request)
        assert order.journal is Journal.ACKED
        assert world.history(order) == [
            Journal.PENDING,
            Journal.SENT,
            Journal.PENDING,
            Journal.SENT,
            Journal.ACKED,
        ]
        assert len(await world.venue_orders()) == 1

    play(scenario)


def test_order_is_given_up_when_its_plan_expires_while_it_waits(play: Play) -> None:
    async def scenario(world: Any) -> None:
        exchange = world.simulator.exchange
        exchange.set_system_status(SystemStatus.CANCEL_ONLY, world.clock.now_ns())
        order = await world.submit()
        assert order.journal is Journal.DROPPED
        assert order.reason == "the plan expired"
        exchange.set_system_status(SystemStatus.ONLINE, world.clock.now_ns())
        await world.clock.sleep(600)
        assert await world.venue_orders() == {}

    play(scenario)


def test_order_is_given_up_after_its_retries(play: Play) -> None:
    async def scenario(world: Any) -> None:
        exchange = world.simulator.exchange
        exchange.set_system_status(SystemStatus.CANCEL_ONLY, world.clock.now_ns())
        order = await world.submit()
        assert order.journal is Journal.DROPPED
        assert "often enough" in order.reason
        assert world.history(order).count(Journal.SENT) == 3
        assert world.account.live_orders() == []

    play(scenario, rules=ExecutionRules(max_retries=2, max_plan_age_s=3600))


# the guard


@pytest.mark.parametrize("blocked_by", ["kill switch", "halt"])
def test_kill_switch_and_halt_stop_entries_at_the_wire_and_let_exits_pass(
    play: Play, blocked_by: str
) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        plan = await world.plan(
            {"side": Side.SELL, "price": "70000.0", "kind": LegKind.EXIT}, {"price": "50000.0"}
        )
        if blocked_by == "halt":
            world.account.halted = True
        else:
            world.account.kill_switch = KillSwitch(active=True)
        await world.execute(plan)
        journals = [world.stored(leg.request).journal for leg in plan.legs]
        assert journals == [Journal.ACKED, Journal.DROPPED]
        (resting,) = await world.rest.open_orders()
        assert resting.side is Side.SELL
        world.account.halted, world.account.kill_switch = False, KillSwitch()

    play(scenario)


def test_plan_that_waited_too_long_sends_nothing(play: Play) -> None:
    async def scenario(world: Any) -> None:
        plan = await world.plan({}, {"price": "49000.0"})
        await world.clock.sleep(60)
        await world.execute(plan)
        for leg in plan.legs:
            order = world.stored(leg.request)
            assert (order.journal, order.reason) == (Journal.DROPPED, "the plan expired")
        assert await world.venue_orders() == {}
        assert world.count(EventName.ORDER_SENT) == 0

    play(scenario)


def test_dry_run_plans_and_sends_nothing(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit()
        assert (order.journal, order.status) == (Journal.DROPPED, OrderStatus.CANCELED)
        assert "dry run" in order.reason
        assert await world.venue_orders() == {}

    play(scenario, rules=ExecutionRules(sends_orders=False))


def test_engine_that_meets_a_newer_owner_sends_nothing_ever_again(play: Play) -> None:
    async def scenario(world: Any) -> None:
        newer = world.adapter(world.simulator.trade_key, epoch=1)
        await newer.refresh_dead_man(60)
        await newer.close()
        plan = await world.plan({"kind": LegKind.EXIT, "price": "49000.0"}, {})
        await world.execute(plan)
        first, second = (world.stored(leg.request) for leg in plan.legs)
        assert (first.journal, second.journal) == (Journal.REJECTED, Journal.DROPPED)
        assert "Invalid nonce" in first.reason
        assert second.reason.startswith("fenced")
        assert world.count(EventName.ORDER_SENT) == 1
        assert not await world.dead_man.refresh()

    play(scenario)


@pytest.mark.parametrize("kind", [LegKind.ENTRY, LegKind.EXIT])
def test_entry_waits_for_a_place_among_the_open_orders_and_an_exit_does_not(
    play: Play, kind: LegKind
) -> None:
    async def scenario(world: Any) -> None:
        first = await world.submit()
        plan = await world.plan({"price": "49000.0", "kind": kind})
        sending = asyncio.create_task(world.execute(plan))
        await world.clock.sleep(1)
        waits = kind is LegKind.ENTRY
        assert len(await world.rest.open_orders()) == (1 if waits else 2)
        await world.executor.cancel(first)
        await world.reconciler.reconcile()
        await sending
        assert world.stored(plan.legs[0].request).journal is Journal.ACKED

    play(scenario, rules=ExecutionRules(max_concurrent_orders=1))


def test_entry_that_finds_no_place_in_time_is_not_sent(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.submit()
        order = await world.submit(price="49000.0")
        assert (order.journal, order.reason) == (Journal.DROPPED, "the plan expired")
        assert len(await world.venue_orders()) == 1

    play(scenario, rules=ExecutionRules(max_concurrent_orders=1, max_plan_age_s=5))


# cancelling


def test_cancel_that_is_refused_for_its_rate_is_known_to_leave_no_room_on_its_pair(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit()
        await world.restart()  # a new process has placed nothing
        world.fault(FaultKind.ENGINE_RATE_LIMIT, "CancelOrder")
        with pytest.raises(Transient, match="Rate limit"):
            await world.executor.cancel(order)
        assert world.rest.headroom().engine[order.request.pair] <= 0

    play(scenario)


def test_cancelled_order_is_done_once_its_end_is_learned(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit()
        assert await world.executor.cancel(order)
        assert world.stored(order.request).cancel_requested_at_ns is not None
        assert list(await world.reconciler.reconcile()) == []
        ended = world.stored(order.request)
        assert (ended.journal, ended.venue_status) == (Journal.DONE, VenueStatus.CANCELED)
        assert ended.reason == "User requested"
        assert world.fills() == []

    play(scenario)


def test_cancel_that_finds_the_order_filled_says_so_and_the_fill_is_booked(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit(price="59000.0")
        world.stand_at("58000.0")
        await world.clock.sleep(20)
        assert not await world.executor.cancel(order)
        assert list(await world.reconciler.reconcile()) == []
        ended = world.stored(order.request)
        assert (ended.journal, ended.status) == (Journal.DONE, OrderStatus.FILLED)
        assert len(world.fills()) >= 1

    play(scenario)


def test_cancel_of_an_order_that_ended_asks_nothing(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.bought("0.01")
        assert not await world.executor.cancel(order)
        assert world.count(EventName.ORDER_CANCEL_SENT) == 0

    play(scenario)


def test_cancel_reaches_an_order_whose_answer_was_lost_by_our_own_id(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.fault(FaultKind.ANSWER_LOST, "AddOrder")
        order = await world.submit()
        assert order.venue_order_id is None
        assert await world.executor.cancel(order)
        assert await world.rest.open_orders() == []
        assert list(await world.reconciler.reconcile()) == []
        assert world.stored(order.request).venue_status is VenueStatus.CANCELED

    play(scenario)


# a process that died between planning and sending


def test_order_planned_by_a_process_that_died_is_dropped_and_never_sent_late(play: Play) -> None:
    async def scenario(world: Any) -> None:
        plan = await world.plan({})
        await world.restart()
        assert await world.executor.drop_pending() == 1
        dropped = world.stored(plan.legs[0].request)
        assert dropped.journal is Journal.DROPPED
        assert dropped.reason == "the engine stopped before it was sent"
        assert world.account.orders == {}
        assert await world.venue_orders() == {}
        assert await world.executor.drop_pending() == 0

    play(scenario)


# clocks that are apart for a moment


class Skewed:
    """The engine's clock, off by ``skew_s`` for its first second."""

    def __init__(self, clock: Any, skew_s: float) -> None:
        self._clock = clock
        self._skew_ns = int(skew_s * NS_PER_SECOND)
        self._until_ns = clock.now_ns() + NS_PER_SECOND

    def now_ns(self) -> int:
        now_ns = int(self._clock.now_ns())
        return now_ns + self._skew_ns if now_ns < self._until_ns else now_ns

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


@pytest.mark.parametrize("skew_s", [40, 3600, -30, -40])
def test_order_whose_deadline_the_venue_cannot_take_is_sent_again_with_another(
    play: Play, skew_s: float
) -> None:
    async def scenario(world: Any) -> None:
        plan = await world.plan({}, cause="skewed")
        desk = msgspec.structs.replace(world.desk, clock=Skewed(world.clock, skew_s))
        executor = Executor(desk, on_unknown=world._on_unknown, on_wake=world._on_wake)
        lasting = msgspec.structs.replace(plan, expires_at_ns=plan.expires_at_ns + 10**13)
        await world.execute(lasting, executor)
        order = world.stored(plan.legs[0].request)
        assert order.journal is Journal.ACKED
        assert world.history(order) == [
            Journal.PENDING,
            Journal.SENT,
            Journal.PENDING,
            Journal.SENT,
            Journal.ACKED,
        ]
        assert len(await world.venue_orders()) == 1
        assert world.count(EventName.ORDER_REJECTED) == 0

    play(scenario, rules=ExecutionRules(deadline_s=31))


@pytest.mark.parametrize("skew_s", [28, -28])
def test_order_in_the_middle_of_the_venues_bounds_bears_clocks_that_are_apart(
    play: Play, skew_s: float
) -> None:
    async def scenario(world: Any) -> None:
        plan = await world.plan({})
        desk = msgspec.structs.replace(world.desk, clock=Skewed(world.clock, skew_s))
        executor = Executor(desk, on_unknown=world._on_unknown, on_wake=world._on_wake)
        await world.execute(plan, executor)
        assert world.history(world.stored(plan.legs[0].request)) == [
            Journal.PENDING,
            Journal.SENT,
            Journal.ACKED,
        ]

    play(scenario, rules=ExecutionRules(deadline_s=31))
