"""Who cancels hears of orders in doubt too: they are not cancelled, and may still show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from krakked.domain.commands import Cancel, CancelAll, Command, Halt, Panic, SetKillSwitch
from krakked.domain.orders import Journal
from krakked.simulator.faults import FaultKind

Play = Callable[..., Any]
ADA = {"principal": "ada", "reason": "test"}
EACH = [
    CancelAll(command_id="c1", **ADA),
    Halt(command_id="c1", cancel=True, **ADA),
    SetKillSwitch(command_id="c1", active=True, **ADA),
    Panic(command_id="c1", **ADA),
]


async def in_doubt(world: Any) -> Any:
    """The venue has not taken it yet, and nobody here knows."""
    world.fault(FaultKind.REQUEST_LOST, "AddOrder")
    order = await world.submit()
    assert order.journal is Journal.UNKNOWN
    return order


@pytest.mark.parametrize("command", EACH, ids=lambda command: type(command).__name__)
def test_who_cancels_all_is_told_how_many_orders_are_in_doubt(play: Play, command: Command) -> None:
    async def scenario(world: Any) -> None:
        await in_doubt(world)
        reply = await world.control.handle(command)
        assert "0 orders cancelled, 1 in doubt" in reply.message

    play(scenario)


@pytest.mark.parametrize("command", EACH, ids=lambda command: type(command).__name__)
def test_order_that_rests_is_counted_as_cancelled_and_as_nothing_else(
    play: Play, command: Command
) -> None:
    async def scenario(world: Any) -> None:
        await world.submit()
        reply = await world.control.handle(command)
        assert "1 order cancelled" in reply.message
        assert "in doubt" not in reply.message

    play(scenario)


def test_order_in_doubt_that_rests_is_cancelled_by_its_client_id(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.fault(FaultKind.ANSWER_LOST, "AddOrder")
        assert (await world.submit()).journal is Journal.UNKNOWN
        reply = await world.control.handle(CancelAll(command_id="c1", **ADA))
        assert reply.message == "1 order cancelled"
        assert not await world.rest.open_orders()

    play(scenario)


def test_cancel_of_an_order_in_doubt_does_not_call_it_gone(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await in_doubt(world)
        client_id = order.request.client_order_id
        reply = await world.control.handle(Cancel(command_id="c1", order_id=client_id, **ADA))
        assert reply.message.startswith("not cancelled, for the order is in doubt: the venue shows")
        assert "gone" not in reply.message
        assert world.stored(order.request).journal is Journal.UNKNOWN

    play(scenario)


def test_cancel_of_an_order_that_was_filled_says_that_it_was_gone_already(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit(price=None)
        client_id = order.request.client_order_id
        reply = await world.control.handle(Cancel(command_id="c1", order_id=client_id, **ADA))
        assert reply.message == "it was gone already; its end will be booked"
        assert list(await world.reconciler.reconcile()) == []

    play(scenario)
