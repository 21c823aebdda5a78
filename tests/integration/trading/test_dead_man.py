"""The dead-man at the venue: kept from firing by a healthy engine, and noticed when it has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from krakked.domain.events import EventName
from krakked.domain.orders import Journal, LegKind, Side, VenueStatus
from krakked.domain.times import NS_PER_SECOND
from krakked.simulator.faults import FaultKind
from krakked.trading.rules import ExecutionRules

Play = Callable[..., Any]


def test_refresh_takes_the_venues_word_on_when_it_fires(play: Play) -> None:
    async def scenario(world: Any) -> None:
        assert await world.dead_man.refresh()
        assert world.dead_man.last_refresh_ns == world.clock.now_ns()
        assert world.dead_man.expires_at_ns == world.clock.now_ns() + 60 * NS_PER_SECOND
        (event,) = [e for e in world.events if e.name is EventName.DEAD_MAN_REFRESHED]
        assert event.fields["expires_at_s"] == world.dead_man.expires_at_ns // NS_PER_SECOND

    play(scenario)


def test_orders_rest_as_long_as_the_engine_refreshes(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit()
        await world.dead_man.refresh()
        running = asyncio.create_task(world.dead_man.run())
        await world.clock.sleep(600)
        assert world.count(EventName.DEAD_MAN_REFRESHED) in (40, 41)
        assert list(await world.reconciler.reconcile()) == []
        assert world.stored(order.request).venue_status is VenueStatus.OPEN
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    play(scenario)


def test_venue_cancels_what_rests_when_nobody_refreshes(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit()
        await world.dead_man.refresh()
        await world.clock.sleep(59)
        assert len(await world.rest.open_orders()) == 1
        await world.clock.sleep(2)
        assert await world.rest.open_orders() == []
        assert list(await world.reconciler.reconcile()) == []
        ended = world.stored(order.request)
        assert (ended.journal, ended.venue_status) == (Journal.DONE, VenueStatus.CANCELED)

    play(scenario)


def test_dead_man_that_fired_is_told_once_and_armed_again(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.dead_man.refresh()
        await world.clock.sleep(61)
        assert await world.dead_man.refresh()
        assert await world.dead_man.refresh()
        assert world.count(EventName.DEAD_MAN_FIRED) == 1
        assert world.dead_man.expires_at_ns == world.clock.now_ns() + 60 * NS_PER_SECOND

    play(scenario)


def test_unhealthy_engine_does_not_refresh_and_lets_it_fire(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.submit()
        await world.dead_man.refresh()
        world.is_healthy = False
        running = asyncio.create_task(world.dead_man.run())
        await world.clock.sleep(61)
        assert await world.rest.open_orders() == []
        assert world.count(EventName.DEAD_MAN_REFRESHED) == 1
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await world.reconciler.reconcile()

    play(scenario)


def test_fenced_engine_does_not_refresh(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.guard.fenced_by = "EAPI:Invalid nonce"
        assert not await world.dead_man.refresh()
        assert world.count(EventName.DEAD_MAN_REFRESHED) == 0

    play(scenario)


def test_refresh_that_meets_a_newer_owner_fences_the_engine(play: Play) -> None:
    async def scenario(world: Any) -> None:
        newer = world.adapter(world.simulator.trade_key, epoch=1)
        await newer.refresh_dead_man(60)
        await newer.close()
        assert not await world.dead_man.refresh()
        assert "Invalid nonce" in world.guard.fenced_by
        assert world.count(EventName.DEAD_MAN_FAILED) == 1

    play(scenario)


@pytest.mark.parametrize("fault", [FaultKind.REQUEST_LOST, FaultKind.SERVER_ERROR])
def test_refresh_that_fails_is_told_and_tried_again_the_next_period(
    play: Play, fault: FaultKind
) -> None:
    async def scenario(world: Any) -> None:
        await world.dead_man.refresh()
        expires_at_ns = world.dead_man.expires_at_ns
        world.fault(fault, "CancelAllOrdersAfter")
        await world.clock.sleep(15)
        assert not await world.dead_man.refresh()
        assert world.dead_man.expires_at_ns == expires_at_ns
        assert world.count(EventName.DEAD_MAN_FAILED) == 1
        await world.clock.sleep(15)
        assert await world.dead_man.refresh()
        assert world.dead_man.expires_at_ns == expires_at_ns + 30 * NS_PER_SECOND

    play(scenario)


def test_dead_man_that_is_turned_off_asks_the_venue_nothing(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.submit()
        assert not await world.dead_man.refresh()
        await world.clock.sleep(600)
        assert len(await world.rest.open_orders()) == 1

    play(scenario, rules=ExecutionRules(dead_man_timeout_s=None))


async def running_for(world: Any, seconds: float) -> None:
    """Let the dead-man run on its own for so long."""
    running = asyncio.create_task(world.dead_man.run())
    await world.clock.sleep(seconds)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_refresh_that_fails_is_tried_again_long_before_the_next_period(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.dead_man.refresh()
        world.fault(FaultKind.SERVER_ERROR, "CancelAllOrdersAfter", count=2)
        await running_for(world, 23)
        told = [e.fields["failures"] for e in world.events if e.name is EventName.DEAD_MAN_FAILED]
        assert told == [1, 2]
        assert world.count(EventName.DEAD_MAN_REFRESHED) == 2
        assert world.dead_man.failures == 0
        assert world.dead_man.expires_at_ns > world.clock.now_ns() + 50 * NS_PER_SECOND

    play(scenario)


def test_venue_that_refuses_for_long_loses_no_order_if_it_answers_before_its_moment(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit()
        await world.dead_man.refresh()
        world.fault(FaultKind.SERVER_ERROR, "CancelAllOrdersAfter", count=12)
        await running_for(world, 90)
        assert world.count(EventName.DEAD_MAN_FIRED) == 0
        assert world.stored(order.request).venue_status is VenueStatus.OPEN
        assert len(await world.rest.open_orders()) == 1

    play(scenario)


def test_dead_man_that_fired_has_the_books_compared_at_once(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit()
        await world.dead_man.refresh()
        await world.clock.sleep(61)
        comparing = asyncio.create_task(world.reconciler.run())
        await world.dead_man.refresh()
        await world.clock.sleep(1)  # far less than the minute between two comparisons
        comparing.cancel()
        await asyncio.gather(comparing, return_exceptions=True)
        assert world.dead_man_fired == 1
        assert world.stored(order.request).journal is Journal.DONE

    play(scenario)


def test_dead_man_that_fired_is_noticed_even_while_nobody_may_refresh(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.dead_man.refresh()
        world.is_healthy = False
        await running_for(world, 76)
        assert world.count(EventName.DEAD_MAN_FIRED) == 1
        assert world.dead_man_fired == 1
        assert world.dead_man.expires_at_ns is None

    play(scenario)


def test_entry_is_refused_while_the_dead_man_is_not_armed_and_an_exit_is_not(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.02")
        await world.dead_man.refresh()
        world.is_healthy = False
        await running_for(world, 76)
        entry = await world.submit()
        assert (entry.journal, entry.reason) == (
            Journal.DROPPED,
            "the dead-man switch is not armed",
        )
        leaving = await world.submit(side=Side.SELL, kind=LegKind.EXIT, price="70000.0")
        assert leaving.journal is Journal.ACKED
        world.is_healthy = True
        await world.dead_man.refresh()
        assert (await world.submit()).journal is Journal.ACKED

    play(scenario)


def test_entry_is_refused_when_the_first_refresh_already_failed(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.fault(FaultKind.SERVER_ERROR, "CancelAllOrdersAfter")
        assert not await world.dead_man.refresh()
        assert (await world.submit()).journal is Journal.DROPPED

    play(scenario)


def test_refresh_is_withheld_while_the_last_transaction_of_the_ledger_failed(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.recorder.is_last_durable = False
        assert not await world.dead_man.refresh()
        assert world.count(EventName.DEAD_MAN_REFRESHED) == 0
        await world.recorder.record()
        assert await world.dead_man.refresh()

    play(scenario)


def test_refresh_that_was_withheld_is_tried_again_long_before_the_next_period(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.dead_man.refresh()
        world.is_healthy = False
        running = asyncio.create_task(world.dead_man.run())
        await world.clock.sleep(16)
        world.is_healthy = True
        await world.clock.sleep(3)
        assert world.count(EventName.DEAD_MAN_REFRESHED) == 2
        assert not world.dead_man.is_withheld
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    play(scenario)


def test_dead_man_that_fired_by_the_venues_clock_is_noticed_where_ours_is_slow(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.dead_man.refresh()
        await world.clock.sleep(59.5)
        moment_ns = world.dead_man.expires_at_ns
        world.dead_man.expires_at_ns = moment_ns - 2 * NS_PER_SECOND  # it fired two seconds ago
        world.dead_man._desk = SlowDesk(world.desk, by_ns=3 * NS_PER_SECOND)
        assert await world.dead_man.refresh()
        assert world.count(EventName.DEAD_MAN_FIRED) == 1
        assert world.dead_man_fired == 1
        assert world.dead_man.expires_at_ns > moment_ns

    play(scenario)


class SlowDesk:
    """The same desk by a clock that is behind."""

    def __init__(self, desk: Any, *, by_ns: int) -> None:
        self._desk = desk
        self._by_ns = by_ns

    def __getattr__(self, name: str) -> Any:
        return getattr(self._desk, name)

    def now_ns(self) -> int:
        return int(self._desk.now_ns()) - self._by_ns
