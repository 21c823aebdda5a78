"""The comparison at a stop: whole where there is time, else bounded."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from krakked.domain.errors import BadInput, Transient
from krakked.domain.events import EventName
from krakked.domain.ids import Asset
from krakked.domain.portfolio import DriftKind
from krakked.engine.reporting import Compared, compare_books
from krakked.runtime.exit_codes import ExitCode
from krakked.simulator.faults import FaultKind

Play = Callable[..., Any]
USD = Asset("USD")
LIMIT_S = 10.0


def cautions(world: Any) -> list[str]:
    return [str(e.fields["reason"]) for e in world.events if e.name is EventName.CAUTION]


async def seconds_of(world: Any, work: Any) -> tuple[float, Any]:
    began_ns = world.clock.now_ns()
    result = await work
    return (world.clock.now_ns() - began_ns) / 1e9, result


async def traded(world: Any, fills: int = 3) -> None:
    async with world.listening():
        for _ in range(fills):
            await world.submit(price=None, quantity="0.001")
        await world.clock.sleep(1)


def comparing(world: Any) -> Coroutine[Any, Any, Compared]:
    """As a stop does it."""
    return compare_books(
        world, world.fills, since_ns=0, limit_s=LIMIT_S, waited_ns=world.rest.waited_ns
    )


async def use_up(world: Any) -> None:
    """No question is left under the venue's limit."""
    for _ in range(19):
        await world.rest.balances()


def test_books_of_a_short_run_are_compared_at_once(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await traded(world)
        await world.clock.sleep(60)
        took_s, compared = await seconds_of(world, comparing(world))
        assert compared.differences == ()
        assert took_s < 1
        assert cautions(world) == []
        assert world.booker.unconfirmed == 0

    play(scenario)


def test_comparison_ends_in_time_when_the_limits_are_used_up_and_says_what_is_missing(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        await traded(world, fills=60)
        await world.clock.sleep(30)
        await use_up(world)
        took_s, compared = await seconds_of(world, comparing(world))
        assert compared.differences == ()
        assert took_s <= LIMIT_S
        words = "60 executions not compared: the venue's rate limit left no time"
        assert compared.remarks == (words,)
        assert cautions(world) == [words]
        assert world.booker.unconfirmed == 0
        await world.clock.sleep(60)

    play(scenario)


def test_difference_that_stands_is_reported_when_the_time_is_over(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await traded(world)
        world.account.totals[USD] += 1
        took_s, compared = await seconds_of(world, comparing(world))
        (difference,) = compared.differences
        assert (difference.subject, difference.key) == ("balance", "USD")
        assert took_s <= LIMIT_S
        world.account.totals[USD] -= 1
        await world.clock.sleep(60)
        await world.reconciler.reconcile()

    play(scenario)


def test_venue_that_answers_nothing_leaves_the_books_uncompared(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await traded(world)
        for _ in range(50):
            world.fault(FaultKind.REQUEST_LOST)
        with pytest.raises(Transient, match=r"not compared|no answer|lost|connection"):
            await comparing(world)

    play(scenario)


async def drifted(world: Any) -> None:
    """A difference that no waiting explains is on record, and the limit is used up since."""
    await traded(world)
    world.account.totals[USD] += 100
    await world.reconciler.reconcile()
    await world.clock.sleep(31)
    await world.reconciler.reconcile()
    assert [drift.kind for drift in world.account.drifts] == [DriftKind.UNEXPLAINED]
    await world.clock.sleep(1)


async def straighten(world: Any) -> None:
    world.account.totals[USD] -= 100
    await world.clock.sleep(60)
    await world.reconciler.reconcile()


def test_known_drift_is_compared_again_though_the_limit_is_used_up(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await drifted(world)
        await use_up(world)
        world.rest.transport.limits._rest["trade"].charge(6, world.clock.now_ns())
        took_s, compared = await seconds_of(world, comparing(world))
        assert [(d.subject, d.key) for d in compared.differences] == [("balance", "USD")]
        assert took_s <= LIMIT_S
        assert compared.remarks == (
            "3 executions not compared: the venue's rate limit left no time",
        )
        await straighten(world)

    play(scenario)


@pytest.mark.parametrize("is_silent", [False, True])
def test_drift_on_record_is_the_answer_where_no_question_gets_one(
    play: Play, is_silent: bool
) -> None:
    async def scenario(world: Any) -> None:
        await drifted(world)
        if is_silent:
            for _ in range(50):
                world.fault(FaultKind.REQUEST_LOST)
        else:
            world.rest.transport.limits.rest_tripped("trade", "BalanceEx")
            world.rest.transport.limits._rest["trade"].charge(10, world.clock.now_ns())
        compared = await comparing(world)
        assert [(d.subject, d.key) for d in compared.differences] == [("balance", "USD")]
        again, executions = compared.remarks
        assert again.startswith("balances and open orders not compared again: ")
        assert executions.startswith("3 executions not compared: ")
        assert ("rate limit" in again) is not is_silent
        world.simulator.faults.clear()
        await straighten(world)

    play(scenario)


def test_rate_limit_that_leaves_no_time_at_all_is_not_called_a_silent_venue(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await traded(world)
        world.rest.transport.limits.rest_tripped("trade", "BalanceEx")
        world.rest.transport.limits._rest["trade"].charge(10, world.clock.now_ns())
        with pytest.raises(BadInput, match="rate limit left no time") as caught:
            await comparing(world)
        assert caught.value.exit_code == ExitCode.TIMED_OUT
        await world.clock.sleep(60)

    play(scenario)


def test_fill_that_is_missing_here_is_found_where_there_is_time(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await traded(world)
        await world.clock.sleep(60)
        kept = world.fills()[1:]
        (difference,) = (await compare_books(world, lambda: kept, since_ns=0)).differences
        assert (difference.subject, difference.ours) == ("fill", "none")

    play(scenario)
