"""Executions: booked once, quicker than answers if need be, and never invented."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from krakked.adapters.sqlite import questions
from krakked.domain.errors import Ambiguous, Permanent
from krakked.domain.events import EventName
from krakked.domain.fills import VenueTrade
from krakked.domain.ids import Asset, PairName, TradeId
from krakked.domain.kill_switch import KillSwitch
from krakked.domain.orders import Journal, OrderStatus, VenueStatus
from krakked.domain.portfolio import DriftKind
from krakked.sim.exchange.core import SystemStatus
from krakked.simulator.faults import FaultKind
from krakked.trading.rules import ExecutionRules

Play = Callable[..., Any]
XBTUSD = PairName("XBTUSD")
ENDS = {
    "accepted": None,
    "in doubt": Ambiguous("no answer"),
    "refused": Permanent("no", code="EOrder:Odd"),
}


def count_asked(world: Any, method: str) -> list[Any]:
    """What the venue is asked by that method from now on."""
    asked: list[Any] = []
    ask = getattr(world.rest, method)

    async def counted(*args: Any) -> Any:
        asked.append(args)
        return await ask(*args)

    setattr(world.rest, method, counted)
    return asked


def answer_late(world: Any, meanwhile: Callable[[], Any], *, end: str = "accepted") -> None:
    """The venue has the order at once; its answer arrives when ``meanwhile`` is over."""
    add_order = world.rest.add_order

    async def add(*args: Any, **more: Any) -> Any:
        venue_id = await add_order(*args, **more)
        await meanwhile()
        error = ENDS[end]
        if error is not None:
            raise error
        return venue_id

    world.rest.add_order = add


# quicker than the answer


@pytest.mark.parametrize("end", list(ENDS))
def test_order_that_is_filled_and_booked_before_its_answer_is_done_whatever_the_answer(
    play: Play, end: str
) -> None:
    async def scenario(world: Any) -> None:
        answer_late(world, world.reconciler.catch_up, end=end)
        order = await world.submit(price=None)
        assert (order.journal, order.status) == (Journal.DONE, OrderStatus.FILLED)
        assert world.history(order)[:2] == [Journal.PENDING, Journal.SENT]
        assert world.history(order)[-1] is Journal.DONE
        assert order.acked_at_ns is not None
        assert len(world.fills()) == 1
        assert world.count(EventName.ORDER_UNKNOWN) == world.lookups_wanted == 0
        assert world.count(EventName.ORDER_REJECTED) == 0
        assert list(await world.reconciler.reconcile()) == []

    play(scenario)


def test_fill_that_the_stream_tells_before_the_answer_is_booked_at_once(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async def until_booked() -> None:
            while not world.fills():
                await world.clock.sleep(0.1)
            await world.clock.sleep(5)

        async with world.listening():
            answer_late(world, until_booked)
            order = await world.submit(price=None)
        assert (order.journal, order.status) == (Journal.DONE, OrderStatus.FILLED)
        assert world.count(EventName.ORDER_UNKNOWN) == 0
        assert [why for _, why in world.wakes] == ["fill", "order_ended"]

    play(scenario)


@pytest.mark.parametrize("end", ["accepted", "refused"])
def test_order_of_which_a_part_is_booked_before_its_answer_goes_on_resting(
    play: Play, end: str
) -> None:
    async def scenario(world: Any) -> None:
        async def book_half() -> None:
            (report,) = await world.rest.open_orders()
            half = msgspec.structs.replace(report, filled_base=report.quantity_base / 2)
            async with world.recorder.turn:
                order = next(iter(world.account.orders.values()))
                filled = msgspec.structs.replace(
                    order,
                    journal=Journal.ACKED,
                    venue_order_id=half.venue_order_id,
                    filled_base=half.filled_base,
                )
                at_ns = world.clock.now_ns()
                await world.recorder.commit(lambda tx: tx.update_order(filled, at_ns=at_ns))
                world.account.put_order(filled)

        answer_late(world, book_half, end=end)
        order = await world.submit()
        assert (order.journal, order.status) == (Journal.ACKED, OrderStatus.PARTIALLY_FILLED)
        assert (order.acked_at_ns is not None) is (end == "accepted")
        assert world.count(EventName.ORDER_REJECTED) == 0
        assert world.count(EventName.ORDER_ERROR) == (end == "refused")

    play(scenario)


def test_answer_that_comes_after_the_news_of_the_end_does_not_open_the_order_again(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        async def hear_of_its_end() -> None:
            (report,) = await world.rest.open_orders()
            missing = msgspec.structs.replace(
                report, status=VenueStatus.CANCELED, filled_base=report.quantity_base / 2
            )
            await world.booker.settle([missing])

        answer_late(world, hear_of_its_end)
        order = await world.submit()
        assert (order.journal, order.venue_status) == (Journal.ACKED, VenueStatus.CANCELED)

    play(scenario)


# asking


def test_executions_that_are_booked_already_are_not_asked_about_again(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        asked = count_asked(world, "orders")
        await world.reconciler.catch_up()
        await world.reconciler.catch_up()
        assert asked == []
        assert len(world.fills()) == 1

    play(scenario)


def test_reports_are_asked_for_of_orders_that_are_new_to_us_alone(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        world.fault(FaultKind.ANSWER_LOST, "AddOrder")
        order = await world.submit(price=None)
        asked = count_asked(world, "orders")
        await world.reconciler.catch_up()
        ((ids,), *_) = asked
        assert ids == [world.stored(order.request).venue_order_id]

    play(scenario)


# events


@pytest.mark.parametrize("name", [EventName.FILL_BOOKED, EventName.CASH_FLOW_BOOKED])
def test_booking_is_told_with_its_place_in_the_outbox(play: Play, name: EventName) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        await world.deposit(Asset("USD"), "100")
        await world.bought("0.02")
        told = [event for event in world.events if event.name is name]
        stored = [
            event
            for event in world.ask(lambda q: list(q.all(questions.events(limit=1000))))
            if event.name is name
        ]
        assert len(told) == 2
        assert sorted(told, key=lambda e: e.sequence) == sorted(stored, key=lambda e: e.sequence)
        assert all(event.sequence > 0 for event in told)

    play(scenario)


# pairs that we do not know


def forget(world: Any, *, venue_lists_it: bool) -> None:
    """The pair is not among those that were listed when the engine started."""
    world.account.pairs.pop(XBTUSD)
    if venue_lists_it:
        return

    async def none_listed() -> dict[PairName, Any]:
        return {}

    world.rest.pairs = none_listed


def test_execution_on_a_pair_that_was_listed_since_is_booked(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit(price=None)
        forget(world, venue_lists_it=True)
        assert list(await world.reconciler.reconcile()) == []
        assert len(world.fills()) == 1
        assert world.stored(order.request).journal is Journal.DONE

    play(scenario)


def test_execution_on_a_pair_that_nobody_lists_is_a_difference_and_in_time_drift(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        await world.submit(price=None)
        forget(world, venue_lists_it=False)
        for _ in range(3):
            differences = await world.reconciler.reconcile()
            assert "fill" in [difference.subject for difference in differences]
            await world.clock.sleep(31)
        assert world.fills() == []
        assert world.drifts_found
        assert DriftKind.UNEXPLAINED in [drift.kind for drift in world.account.drifts]
        notices = [e for e in world.events if e.name is EventName.NOTICE and "reason" in e.fields]
        assert len(notices) == 1
        assert "cannot be booked" in str(notices[0].fields["reason"])

    play(scenario, agree=False)


def test_execution_that_could_not_be_booked_is_booked_once_its_pair_is_listed(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.submit(price=None)
        pairs = world.rest.pairs
        forget(world, venue_lists_it=False)
        await world.reconciler.reconcile()
        world.rest.pairs = pairs
        await world.booker.book([])
        assert len(world.fills()) == 1
        assert world.booker.unbookable == {}
        assert list(await world.reconciler.reconcile()) == []

    play(scenario)


def test_execution_on_an_unknown_pair_holds_up_no_other(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.submit(price=None)
        (true,) = await world.rest.trades_since(0)
        strange: VenueTrade = msgspec.structs.replace(
            true, trade_id=TradeId("TODD"), pair=PairName("ODDUSD")
        )
        assert await world.booker.book([strange, true]) == 1
        assert list(world.booker.unbookable) == ["TODD"]

    play(scenario)


# ends without a fill


def test_order_that_is_refused_wakes_its_sleeve(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.submit(quantity="5")
        assert [why for _, why in world.wakes] == ["order_rejected"]

    play(scenario)


def test_order_that_never_arrived_wakes_its_sleeve_when_that_is_certain(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.fault(FaultKind.REQUEST_LOST, "AddOrder")
        order = await world.submit()
        assert world.wakes == []
        await world.clock.sleep(24)
        await world.reconciler.reconcile()
        assert world.stored(order.request).journal is Journal.ABSENT
        assert [why for _, why in world.wakes] == ["order_ended"]

    play(scenario)


def test_order_that_is_held_back_by_the_guard_wakes_its_sleeve(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.account.kill_switch = KillSwitch(active=True)
        order = await world.submit()
        world.account.kill_switch = KillSwitch()
        assert order.journal is Journal.DROPPED
        assert [why for _, why in world.wakes] == ["order_ended"]

    play(scenario)


# expiry


def test_plan_that_expires_with_unsent_legs_says_so_once(play: Play) -> None:
    async def scenario(world: Any) -> None:
        plan = await world.plan({}, {"price": "49000.0"})
        await world.clock.sleep(60)
        await world.execute(plan)
        (told,) = [e for e in world.events if e.name is EventName.PLAN_EXPIRED]
        assert told.fields["plan_id"] == plan.plan_id
        assert (told.fields["legs"], told.fields["unsent"]) == (2, 2)
        assert told.sequence > 0

    play(scenario)


def test_plan_that_expires_half_way_tells_how_much_was_not_sent(play: Play) -> None:
    async def scenario(world: Any) -> None:
        plan = await world.plan({}, {"price": "49000.0"}, {"price": "48000.0"})
        await world.execute(plan)
        (told,) = [e for e in world.events if e.name is EventName.PLAN_EXPIRED]
        assert (told.fields["legs"], told.fields["unsent"]) == (3, 2)

    play(scenario, rules=ExecutionRules(max_concurrent_orders=1, max_plan_age_s=5))


def test_plan_that_was_sent_whole_never_expires(play: Play) -> None:
    async def scenario(world: Any) -> None:
        plan = await world.plan({})
        await world.execute(plan)
        await world.clock.sleep(120)
        await world.execute(plan)
        assert world.count(EventName.PLAN_EXPIRED) == 0

    play(scenario)


# the last try


def test_leg_is_given_up_without_a_pause_after_its_last_try(play: Play) -> None:
    async def scenario(world: Any) -> None:
        now_ns = world.clock.now_ns()
        world.simulator.exchange.set_system_status(SystemStatus.CANCEL_ONLY, now_ns)
        began_ns = world.clock.now_ns()
        order = await asyncio.wait_for(world.submit(), timeout=1)
        assert order.journal is Journal.DROPPED
        assert world.clock.now_ns() - began_ns < 10**9

    play(scenario, rules=ExecutionRules(max_retries=0, max_plan_age_s=3600))
