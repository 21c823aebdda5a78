"""The books looked at as a whole: what contradicts itself turns the kill switch on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from krakked.domain.ids import Asset
from krakked.domain.kill_switch import KillSwitchCause
from krakked.domain.orders import Journal
from krakked.domain.portfolio import Difference
from krakked.trading.proving import Prover, differing

Play = Callable[..., Any]
D = Decimal
USD = Asset("USD")


def prover_of(world: Any) -> Prover:
    async def prove() -> list[Difference]:
        found: list[Difference] = world.ask(lambda q: q.projection_differences())
        return found

    async def trip(what: str) -> None:
        await world.breaker.trip(KillSwitchCause.INCONSISTENCY, what)

    return Prover(world.desk, prove=prove, on_inconsistent=trip)


def change(world: Any, total: str) -> None:
    """Somebody edits the file behind our back."""
    sql = "UPDATE totals SET amount = ? WHERE asset = 'USD'"
    world.ledger._connection.execute(sql, (total,))


def test_books_that_follow_from_their_sources_trip_nothing(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        await world.submit()
        assert list(await prover_of(world).look()) == []
        assert not world.account.kill_switch.active

    play(scenario)


def test_total_that_does_not_follow_from_its_postings_turns_the_kill_switch_on(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        kept = world.account.totals[USD]
        change(world, "1")
        world.account.totals[USD] = D(1)  # as read at a start
        (difference,) = await prover_of(world).look()
        assert (difference.subject, difference.key) == ("total", "USD")
        state = world.account.kill_switch
        assert (state.active, state.cause) == (True, KillSwitchCause.INCONSISTENCY)
        assert "total USD: ours 1" in state.reason
        change(world, str(kept))
        world.account.totals[USD] = kept

    play(scenario)


def test_memory_that_is_not_what_the_ledger_holds_turns_the_kill_switch_on(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.account.totals[USD] += 1
        (difference,) = await prover_of(world).look()
        assert str(difference) == "total USD: ours 10001.0000, theirs 10000.0000"
        assert world.account.kill_switch.cause is KillSwitchCause.INCONSISTENCY
        world.account.totals[USD] -= 1

    play(scenario)


def test_order_that_memory_lost_is_a_difference(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit()
        lost = world.account.orders.pop(order.request.client_order_id)
        (difference,) = await prover_of(world).look()
        assert (difference.subject, difference.ours) == ("order", "None")
        world.account.put_order(lost)

    play(scenario)


def test_proof_is_repeated_once_a_day(play: Play) -> None:
    async def scenario(world: Any) -> None:
        looks: list[int] = []

        async def prove() -> list[Difference]:
            looks.append(world.clock.now_ns())
            return []

        prover = Prover(world.desk, prove=prove, on_inconsistent=world._on_inconsistent)
        task = asyncio.create_task(prover.run())
        began_ns = world.clock.now_ns()
        await world.clock.sleep(3 * 86_400 + 1)
        task.cancel()
        days = [(at_ns - began_ns) / 86_400e9 for at_ns in looks]
        assert days == [1, 2, 3]

    play(scenario)


def test_differences_are_found_under_every_key_of_both_sides() -> None:
    found = list(differing("total", {"a": 1, "b": 2}, {"b": 3, "c": 4}))
    assert [str(difference) for difference in found] == [
        "total a: ours 1, theirs None",
        "total b: ours 2, theirs 3",
        "total c: ours None, theirs 4",
    ]


# fills that should not be


@pytest.mark.parametrize(
    "journal",
    [Journal.REJECTED, Journal.ABSENT, Journal.DROPPED, Journal.PENDING, Journal.VALIDATED],
)
def test_fill_of_an_order_that_never_reached_the_venue_is_booked_and_told_as_a_contradiction(
    play: Play, journal: Journal
) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit(price=None)
        async with world.recorder.turn:
            wrong = msgspec.structs.replace(order, journal=journal, venue_order_id=None)
            at_ns = world.clock.now_ns()
            await world.recorder.commit(lambda tx: tx.update_order(wrong, at_ns=at_ns))
            world.account.put_order(order)
            world.account.put_order(wrong)
        await world.reconciler.catch_up()
        (what,) = world.inconsistencies
        assert order.request.client_order_id in what
        assert journal.value in what
        assert len(world.fills()) == 1
        assert list(await world.reconciler.reconcile()) == []

    play(scenario)


def test_fill_beyond_the_size_of_its_order_is_a_contradiction(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.bought("0.01")
        (trade,) = [fill.trade for fill in world.fills()]
        again = msgspec.structs.replace(trade, trade_id="TAGAIN-AAAAA-BBBBBB")
        await world.booker.book([again])
        (what,) = world.inconsistencies
        assert "TAGAIN" in what
        assert order.request.client_order_id in what

    play(scenario, agree=False)


def test_fills_in_parts_up_to_the_whole_order_contradict_nothing(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            for quantity in ("0.01", "0.02"):
                await world.submit(price=None, quantity=quantity)
            await world.clock.sleep(3)
        assert len(world.fills()) >= 2
        assert world.inconsistencies == []

    play(scenario)
