"""Each event about an order says which: plan, our id, the venue's, strategy, and a person's tag."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from krakked.domain.errors import KrakkedError
from krakked.domain.events import Event, EventName
from krakked.domain.ids import Asset
from krakked.domain.kill_switch import KillSwitchCause
from krakked.domain.orders import LegKind, Side
from krakked.sim.exchange.core import SystemStatus
from krakked.simulator.faults import FaultKind
from krakked.trading.rules import ExecutionRules

Play = Callable[..., Any]
USERREF = 77
"""What the harness's configuration gives to the strategy ``trend``."""
IDENTIFYING = {"plan_id", "local_order_id", "strategy_id", "userref", "pair", "side"}
ABOUT_ORDERS = {name for name in EventName if name.value.startswith("order_")} | {
    EventName.FILL_BOOKED
}
KNOWS_THE_VENUES_ID = {
    EventName.ORDER_ACKED,
    EventName.ORDER_CANCEL_SENT,
    EventName.FILL_BOOKED,
}
SALE = {"side": Side.SELL, "price": "70000.0", "kind": LegKind.EXIT, "quantity": "0.001"}


async def what_an_order_can_meet(world: Any) -> None:
    """Taken, filled, refused, lost and found, tried again, cancelled, and cancelled in vain."""
    exchange = world.simulator.exchange
    await world.bought("0.01")
    await world.submit(quantity="0.00001")
    world.fault(FaultKind.ANSWER_LOST, "AddOrder")
    await world.submit()
    assert list(await world.reconciler.reconcile()) == []
    exchange.set_system_status(SystemStatus.CANCEL_ONLY, world.clock.now_ns())
    await world.submit(price="49000.0")
    exchange.set_system_status(SystemStatus.ONLINE, world.clock.now_ns())
    resting = await world.submit(**SALE)
    entry = await world.submit(price="48000.0")
    world.fault(FaultKind.REQUEST_LOST, "CancelOrder")
    with contextlib.suppress(KrakkedError):
        await world.stopper.cancel_and_learn(resting.request.client_order_id)
    world.fault(FaultKind.REQUEST_LOST, "CancelOrder")
    await world.breaker.turn_on(KillSwitchCause.MANUAL, "enough", principal="ada")
    for order in (resting, entry):
        await world.executor.cancel(order)
    assert list(await world.reconciler.reconcile()) == []


def told(world: Any) -> list[Event]:
    return [event for event in world.events if event.name in ABOUT_ORDERS]


def missing(event: Event) -> set[str]:
    wanted = IDENTIFYING | ({"kraken_order_id"} if event.name in KNOWS_THE_VENUES_ID else set())
    return {name for name in wanted if event.fields.get(name) is None}


def test_each_event_about_an_order_identifies_it(play: Play) -> None:
    world = play(what_an_order_can_meet)
    events = told(world)
    told_elsewhere = {EventName.ORDER_VALIDATED, EventName.ORDER_ADOPTED}
    assert {event.name for event in events} == ABOUT_ORDERS - told_elsewhere
    assert [(event.name.value, missing(event)) for event in events if missing(event)] == []
    assert {event.fields["userref"] for event in events} == {USERREF}


def test_cancel_that_failed_names_the_venues_order(play: Play) -> None:
    world = play(what_an_order_can_meet)
    errors = [e.fields for e in told(world) if e.name is EventName.ORDER_ERROR]
    failed = [fields for fields in errors if "CancelOrder" in str(fields["kraken_error"])]
    assert len(failed) == 2
    assert all(str(fields["kraken_order_id"]).startswith("O") for fields in failed)


def test_event_of_a_check_identifies_the_order(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.submit()
        (event,) = [e for e in told(world) if e.name is EventName.ORDER_VALIDATED]
        assert missing(event) == set()

    play(scenario, rules=ExecutionRules(validates_only=True))


@pytest.mark.parametrize(("strategy", "userref"), [("trend", USERREF), ("reversion", None)])
def test_strategy_without_a_number_has_no_such_field(
    play: Play, strategy: str, userref: int | None
) -> None:
    async def scenario(world: Any) -> None:
        await world.submit(strategy=strategy)
        (sent,) = [e for e in world.events if e.name is EventName.ORDER_SENT]
        assert sent.fields.get("userref") == userref
        assert ("userref" in sent.fields) is (userref is not None)

    play(scenario, balances={Asset("USD"): Decimal(10_000)})
