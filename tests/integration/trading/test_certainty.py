"""When doubt about an order ends: by the venue's clock, by a person's word, and by nothing else."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from krakked.domain.commands import Resolve
from krakked.domain.errors import Ambiguous, Fenced, Permanent, Transient
from krakked.domain.events import EventName
from krakked.domain.ids import VenueOrderId
from krakked.domain.orders import Journal, LegKind, Side
from krakked.domain.times import NS_PER_SECOND
from krakked.simulator.faults import FaultKind
from krakked.trading.rules import ExecutionRules

Play = Callable[..., Any]
DEADLINE_S = 3
WHO = {"principal": "ada", "reason": "looked at the venue"}


async def in_doubt(world: Any, fault: FaultKind = FaultKind.REQUEST_LOST, **fields: Any) -> Any:
    world.fault(fault, "AddOrder")
    order = await world.submit(**fields)
    assert order.journal is Journal.UNKNOWN
    return order


def resolve(order: Any, outcome: str) -> Resolve:
    client_id = order.request.client_order_id
    return Resolve(command_id=f"c-{outcome}", client_order_id=client_id, outcome=outcome, **WHO)


# patience


class Ahead:
    """Our clock alone, an hour ahead of everybody's."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def now_ns(self) -> int:
        return int(self._clock.now_ns()) + 3_600 * NS_PER_SECOND

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


def test_step_of_our_clock_does_not_end_the_doubt_about_an_order(play: Play) -> None:
    """An hour later by our clock and a second by the venue's: it may still arrive."""

    async def scenario(world: Any) -> None:
        order = await in_doubt(world)
        world.reconciler._desk = msgspec.structs.replace(world.desk, clock=Ahead(world.clock))
        for _ in range(3):
            await world.reconciler._resolve_unknown()
            assert world.stored(order.request).journal is Journal.UNKNOWN
        await world.clock.sleep(30)
        await world.reconciler.reconcile()
        assert world.stored(order.request).journal is Journal.ABSENT

    play(scenario)


def test_venue_whose_clock_cannot_be_asked_leaves_an_order_in_doubt(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await in_doubt(world)

        async def silent() -> int:
            raise Transient("Time: no answer")

        world.rest.venue_time_ns = silent
        await world.clock.sleep(60)
        with pytest.raises(Transient):
            await world.reconciler.reconcile()
        assert world.stored(order.request).journal is Journal.UNKNOWN

    play(scenario)


def test_clock_is_asked_before_the_lists_so_that_what_they_lack_is_old_enough(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await in_doubt(world)
        await world.clock.sleep(30)
        asked: list[str] = []
        time_ns, find = world.rest.venue_time_ns, world.rest.find_order

        async def venue_time_ns() -> int:
            asked.append("clock")
            return int(await time_ns())

        async def find_order(*args: Any) -> Any:
            asked.append("lists")
            return await find(*args)

        world.rest.venue_time_ns, world.rest.find_order = venue_time_ns, find_order
        await world.reconciler.reconcile()
        assert asked == ["clock", "lists"]

    play(scenario)


def test_order_in_doubt_blocks_its_pair_and_shows_itself_until_it_ends(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await in_doubt(world)
        assert world.account.unknown_pairs() == ("XBTUSD",)
        assert world.count(EventName.ORDER_UNKNOWN) == 1
        await world.clock.sleep(30)
        await world.reconciler.reconcile()
        assert world.account.unknown_pairs() == ()
        (event,) = [e for e in world.events if e.name is EventName.ORDER_RESOLVED]
        assert event.fields["outcome"] == "absent"
        assert world.wakes[-1][1] == "order_ended"
        assert world.history(order)[-1] is Journal.ABSENT

    play(scenario)


# a person's word


def test_person_cannot_call_absent_what_the_venue_shows(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await in_doubt(world, FaultKind.ANSWER_LOST)
        (there,) = await world.rest.open_orders()
        reply = await world.control.handle(resolve(order, "absent"))
        assert not reply.ok
        assert there.venue_order_id in reply.message
        found = world.stored(order.request)
        assert (found.journal, found.venue_order_id) == (Journal.ACKED, there.venue_order_id)

    play(scenario)


def test_persons_word_counts_while_the_venue_is_away(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await in_doubt(world)
        await world.clock.sleep(DEADLINE_S + 1)
        world.fault(FaultKind.SERVER_ERROR, "OpenOrders", count=9)
        assert (await world.control.handle(resolve(order, "absent"))).ok
        assert world.stored(order.request).journal is Journal.ABSENT
        world.simulator.faults.armed.clear()

    play(scenario)


def test_person_cannot_call_absent_what_the_venue_may_still_take(play: Play) -> None:
    """It may lie somewhere on its way until its deadline has passed."""

    async def scenario(world: Any) -> None:
        order = await in_doubt(world)
        reply = await world.control.handle(resolve(order, "absent"))
        assert not reply.ok
        assert "the venue takes it for another 4 s; ask again then" in reply.message
        assert world.stored(order.request).journal is Journal.UNKNOWN
        await world.clock.sleep(DEADLINE_S + 1)
        again = msgspec.structs.replace(resolve(order, "absent"), command_id="again")
        assert (await world.control.handle(again)).ok
        assert world.stored(order.request).journal is Journal.ABSENT

    play(scenario)


def test_persons_word_on_an_order_is_held_to_the_venues_clock_and_not_to_ours(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await in_doubt(world)
        world.reconciler._desk = msgspec.structs.replace(world.desk, clock=Ahead(world.clock))
        assert not (await world.control.handle(resolve(order, "absent"))).ok
        assert world.stored(order.request).journal is Journal.UNKNOWN

    play(scenario)


def test_persons_word_is_held_to_our_clock_where_the_venue_tells_no_time(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await in_doubt(world)
        world.fault(FaultKind.SERVER_ERROR, "Time", count=9)
        assert not (await world.control.handle(resolve(order, "absent"))).ok
        await world.clock.sleep(DEADLINE_S + 1)
        again = msgspec.structs.replace(resolve(order, "absent"), command_id="again")
        assert (await world.control.handle(again)).ok
        world.simulator.faults.armed.clear()

    play(scenario)


def test_person_cannot_name_an_order_that_is_another_one(play: Play) -> None:
    async def scenario(world: Any) -> None:
        other = await world.submit(price="45000.0")
        order = await in_doubt(world)
        reply = await world.control.handle(resolve(order, other.venue_order_id))
        assert not reply.ok
        assert "another one" in reply.message
        assert world.stored(order.request).journal is Journal.UNKNOWN
        assert world.stored(other.request).journal is Journal.ACKED

    play(scenario)


def test_person_cannot_name_an_order_of_the_other_side(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought()
        sale = await world.submit(side=Side.SELL, price="70000.0")
        order = await in_doubt(world)
        assert not (await world.control.handle(resolve(order, sale.venue_order_id))).ok

    play(scenario)


def test_person_cannot_resolve_what_is_still_on_its_way(play: Play) -> None:
    async def scenario(world: Any) -> None:
        add_order = world.rest.add_order
        replies = []

        async def add_slowly(request: Any, *, deadline_at_ns: int) -> VenueOrderId:
            (order,) = world.account.live_orders()
            assert order.journal is Journal.SENT
            replies.append(await world.control.handle(resolve(order, "absent")))
            found: VenueOrderId = await add_order(request, deadline_at_ns=deadline_at_ns)
            return found

        world.rest.add_order = add_slowly
        order = await world.submit()
        assert [reply.ok for reply in replies] == [False]
        assert order.journal is Journal.ACKED

    play(scenario)


# cancels


def test_cancel_that_leaves_a_doubt_has_the_books_compared(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit()
        world.fault(FaultKind.ANSWER_LOST, "CancelOrder")
        with pytest.raises(Ambiguous):
            await world.executor.cancel(world.stored(order.request))
        assert world.lookups_wanted == 1
        assert not world.booker.is_idle
        await world.reconciler.reconcile()
        assert world.stored(order.request).journal is Journal.DONE

    play(scenario)


def test_cancel_that_meets_a_newer_owner_ends_all_sending(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit()
        world.fault(FaultKind.FOREIGN_NONCE, "CancelOrder")
        with pytest.raises(Fenced):
            await world.executor.cancel(world.stored(order.request))
        assert world.guard.fenced_by is not None
        later = await world.submit()
        assert later.journal is Journal.DROPPED
        await world.reconciler.reconcile()

    play(scenario)


# failures in a row


async def failing(world: Any, kind: FaultKind, count: int) -> None:
    """So many orders, each failing at its first try."""
    for turn in range(count):
        world.fault(kind, "AddOrder")
        await world.submit(price=str(70_000 + turn), **SALE)


SALE: dict[str, Any] = {"side": Side.SELL, "kind": LegKind.EXIT}
"""One in doubt holds back purchases of its pair, and no sale."""
UNAVAILABLE = FaultKind.UNAVAILABLE
IMPATIENT = ExecutionRules(max_retries=2, retry_backoff_s=1)


def degraded(world: Any) -> list[dict[str, Any]]:
    return [e.fields for e in world.events if e.name is EventName.EXCHANGE_DEGRADED]


def test_orders_that_fail_in_a_row_degrade_the_exchange_once_and_an_answer_restores_it(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        failures = world.executor.failures
        await failing(world, UNAVAILABLE, 2)
        assert not failures.outage.is_on
        await failing(world, UNAVAILABLE, 2)
        assert failures.outage.is_on
        (told,) = degraded(world)
        assert told["what"] == "orders"
        assert "EService:Unavailable" in told["reason"]
        order = await world.submit(quantity="1000", **SALE)
        assert order.journal is Journal.REJECTED
        assert not failures.outage.is_on, "a no is an answer"
        assert world.count(EventName.EXCHANGE_RESTORED) == 1
        await world.clock.sleep(30)
        await world.reconciler.reconcile()

    play(scenario, rules=IMPATIENT)


def test_one_order_that_is_tried_in_vain_degrades_the_exchange_after_its_retries(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        tries = []

        async def unreached(*_: Any, **__: Any) -> None:
            tries.append(world.clock.now_ns())
            raise Transient("AddOrder: not connected")

        world.rest.add_order = unreached
        order = await world.submit()
        del world.rest.add_order
        assert len(tries) == 1 + IMPATIENT.max_retries
        assert [b - a for a, b in pairwise(tries)] == [10**9, 2 * 10**9]
        assert order.journal is Journal.DROPPED
        assert world.executor.failures.outage.is_on

    play(scenario, rules=IMPATIENT)


def test_answers_between_failures_begin_the_row_anew(play: Play) -> None:
    async def scenario(world: Any) -> None:
        for turn in range(3):
            await failing(world, UNAVAILABLE, 2)
            await world.submit(price=str(71_000 + turn), **SALE)
        assert degraded(world) == []
        await world.clock.sleep(30)
        await world.reconciler.reconcile()

    play(scenario, rules=IMPATIENT)


def test_cancels_that_fail_count_in_the_row_too(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit()
        for _ in range(3):
            world.fault(FaultKind.THROTTLED, "CancelOrder")
            with pytest.raises(Transient):
                await world.executor.cancel(world.stored(order.request))
        assert world.executor.failures.outage.is_on
        assert await world.executor.cancel(world.stored(order.request))
        assert not world.executor.failures.outage.is_on
        await world.reconciler.reconcile()

    play(scenario, rules=IMPATIENT)


def test_row_of_failures_ends_when_nothing_fails_for_a_while_and_the_venue_answers(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        failures = world.executor.failures
        await failing(world, UNAVAILABLE, 3)
        failures.look()
        assert failures.outage.is_on
        await world.clock.sleep(9)  # twice the longest pause, and a little
        failures.look()
        assert not failures.outage.is_on
        assert failures.count == 0
        await world.clock.sleep(30)
        await world.reconciler.reconcile()

    play(scenario, rules=IMPATIENT)


def test_no_of_the_venue_is_no_failure(play: Play) -> None:
    async def scenario(world: Any) -> None:
        for _ in range(5):
            order = await world.submit(quantity="1000")
            assert order.journal is Journal.REJECTED
        assert degraded(world) == []

        async def refuse(*_: Any, **__: Any) -> None:
            raise Permanent("CancelOrder: no")

        world.rest.cancel_order = refuse
        resting = await world.submit()
        for _ in range(5):
            with pytest.raises(Permanent):
                await world.executor.cancel(world.stored(resting.request))
        assert degraded(world) == []

    play(scenario, rules=IMPATIENT)
