"""The comparison at a stop: whole where there is time, else bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from krakked.domain.errors import Transient
from krakked.domain.events import EventName
from krakked.domain.ids import Asset
from krakked.engine.reporting import compare_books
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


async def use_up(world: Any) -> None:
    """No question is left under the venue's limit."""
    for _ in range(19):
        await world.rest.balances()


def test_books_of_a_short_run_are_compared_at_once(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await traded(world)
        await world.clock.sleep(60)
        took_s, differences = await seconds_of(
            world, compare_books(world, world.fills, since_ns=0, limit_s=LIMIT_S)
        )
        assert differences == []
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
        took_s, differences = await seconds_of(
            world, compare_books(world, world.fills, since_ns=0, limit_s=LIMIT_S)
        )
        assert differences == []
        assert took_s <= LIMIT_S
        (words,) = cautions(world)
        assert "no time" in words
        assert world.booker.unconfirmed == 0
        await world.clock.sleep(60)

    play(scenario)


def test_difference_that_stands_is_reported_when_the_time_is_over(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await traded(world)
        world.account.totals[USD] += 1
        took_s, (difference,) = await seconds_of(
            world, compare_books(world, world.fills, since_ns=0, limit_s=LIMIT_S)
        )
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
            await compare_books(world, world.fills, since_ns=0, limit_s=LIMIT_S)

    play(scenario)


def test_fill_that_is_missing_here_is_found_where_there_is_time(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await traded(world)
        await world.clock.sleep(60)
        kept = world.fills()[1:]
        (difference,) = await compare_books(world, lambda: kept, since_ns=0)
        assert (difference.subject, difference.ours) == ("fill", "none")

    play(scenario)
