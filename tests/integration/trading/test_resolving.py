"""A person ends the wait of an execution whose order the venue never shows, on record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from krakked.domain.commands import Resolve
from krakked.domain.events import EventName
from krakked.domain.ids import MANUAL, Asset, ClientOrderId, PairName
from krakked.domain.orders import Journal, LegKind, Side
from krakked.domain.portfolio import DriftKind
from krakked.domain.positions import Sleeve
from krakked.simulator.faults import FaultKind
from krakked.trading.cursors import TRADES_CURSOR
from krakked.trading.rules import ExecutionRules

Play = Callable[..., Any]
BY_HAND = Sleeve(MANUAL, PairName("XBTUSD"))
WHO = {"principal": "ada", "reason": "asked the exchange's support"}


async def is_drift(world: Any) -> str:
    """It waits for longer than its patience; its id."""
    await world.reconciler.reconcile()
    await world.clock.sleep(world.rules.drift_patience_s + 1)
    await world.reconciler.reconcile()
    assert DriftKind.UNEXPLAINED in {drift.kind for drift in world.account.drifts}
    (waiting,) = world.booker.unattributed
    return str(waiting)


async def say(world: Any, trade_id: str, outcome: str, command_id: str = "c-1") -> Any:
    command = Resolve(
        command_id=command_id, client_order_id=ClientOrderId(trade_id), outcome=outcome, **WHO
    )
    return await world.control.handle(command)


def test_execution_that_a_person_calls_manual_is_booked_so_and_the_drift_is_over(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        world.hide_orders()
        await world.somebody_buys()
        trade_id = await is_drift(world)
        reply = await say(world, trade_id, MANUAL)
        assert reply.ok, reply.message
        assert "is somebody else's: booked as manual" in reply.message
        (fill,) = world.fills()
        assert (fill.trade.trade_id, fill.strategy_id) == (trade_id, MANUAL)
        assert world.account.position(BY_HAND).quantity_base == fill.trade.quantity_base
        assert list(await world.reconciler.reconcile()) == []
        assert world.account.drifts == ()
        assert [e for e in world.events if e.name is EventName.DRIFT_CLEARED]

    play(scenario)


def test_word_on_an_order_holds_for_its_later_executions_and_after_a_restart(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.hide_orders()
        await world.somebody_buys()
        first = await is_drift(world)
        await say(world, first, MANUAL)
        await world.restart()
        world.hide_orders()
        (booked,) = world.fills()
        later = msgspec.structs.replace(booked.trade, trade_id=f"{first}-2")
        assert await world.booker.book([later]) == 1
        assert [fill.strategy_id for fill in world.fills()] == [MANUAL, MANUAL]
        assert world.booker.unattributed == {}

    play(scenario, agree=False)


def test_cursor_goes_on_once_a_person_has_spoken(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.hide_orders()
        await world.somebody_buys()
        trade_id = await is_drift(world)
        (waiting,) = world.booker.unattributed.values()
        await world.reconciler.catch_up()
        assert int(world.account.cursors[TRADES_CURSOR]) < waiting.at_ns
        await say(world, trade_id, MANUAL)
        await world.reconciler.catch_up()
        assert int(world.account.cursors[TRADES_CURSOR]) >= waiting.at_ns

    play(scenario)


def test_execution_that_a_person_gives_to_an_order_of_ours_ends_its_doubt(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.fault(FaultKind.ANSWER_LOST, "AddOrder")
        show = world.hide_orders()
        order = await world.submit(price=None)
        assert order.journal is Journal.UNKNOWN
        trade_id = await is_drift(world)
        reply = await say(world, trade_id, order.request.client_order_id)
        assert reply.ok, reply.message
        (fill,) = world.fills()
        assert fill.client_order_id == order.request.client_order_id
        assert world.stored(order.request).journal is Journal.DONE
        assert world.account.unknown_pairs() == ()
        assert list(await world.reconciler.reconcile()) == []
        show()
        assert list(await world.reconciler.reconcile()) == []
        assert world.inconsistencies == []

    play(scenario)


def test_what_the_venue_shows_by_now_counts_more_than_the_word(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.fault(FaultKind.ANSWER_LOST, "AddOrder")
        show = world.hide_orders()
        await world.submit(price=None)
        trade_id = await is_drift(world)
        show()
        reply = await say(world, trade_id, MANUAL)
        assert reply.ok
        assert "booked by its word" in reply.message
        (fill,) = world.fills()
        assert fill.strategy_id == "trend"

    play(scenario)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("absent", "no order absent is on record"),
        ("O-NOBODY", "no order O-NOBODY is on record"),
        ("sale", "is to sell XBTUSD, and the execution was a buy of XBTUSD"),
        ("known", "is the venue's"),
    ],
)
def test_word_that_cannot_be_true_changes_nothing(play: Play, outcome: str, words: str) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        names = {}
        bought = await world.submit(quantity="0.002", price="49000.0")
        names["known"] = str(bought.request.client_order_id)
        sold = await world.submit(
            side=Side.SELL, quantity="0.001", price="70000.0", kind=LegKind.EXIT
        )
        names["sale"] = str(sold.request.client_order_id)
        world.hide_orders()
        await world.somebody_buys()
        trade_id = await is_drift(world)
        before = world.fills()
        reply = await say(world, trade_id, names.get(outcome, outcome))
        assert not reply.ok
        assert words in reply.message
        assert world.fills() == before
        assert list(world.booker.unattributed) == [trade_id]

    play(scenario, agree=False)


def test_execution_that_nobody_books_as_manual_leaves_the_list_and_is_told_by_the_ledger(
    play: Play,
) -> None:
    """Where trades by hand are flows, the word only says whose it is."""

    async def scenario(world: Any) -> None:
        world.hide_orders()
        await world.somebody_buys()
        trade_id = await is_drift(world)
        await world.deposit(Asset("USD"), "5")
        await world.clock.sleep(400)  # more than what is read again anyway
        await world.reconciler.catch_up()
        await world.restart()
        world.hide_orders()
        await world.reconciler.catch_up()
        assert (await say(world, trade_id, MANUAL)).ok
        assert world.fills() == []
        assert world.booker.unattributed == {}
        await world.reconciler.catch_up()
        assert list(await world.reconciler.reconcile()) == []

    play(scenario, rules=ExecutionRules(tracks_manual_trades=False))


def test_same_command_twice_is_done_once(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.hide_orders()
        await world.somebody_buys()
        trade_id = await is_drift(world)
        first = await say(world, trade_id, MANUAL)
        again = await say(world, trade_id, MANUAL)
        assert again == first
        other = await say(world, trade_id, MANUAL, command_id="c-2")
        assert not other.ok
        assert len(world.fills()) == 1

    play(scenario)


def test_execution_on_a_pair_that_is_not_listed_is_read_again_after_a_restart_however_late(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        await world.submit(price=None)
        listed, pairs = world.rest.pairs, dict(world.account.pairs)
        world.account.pairs.clear()

        async def nothing_listed() -> dict[str, Any]:
            return {}

        world.rest.pairs = nothing_listed
        await world.reconciler.catch_up()
        (waiting,) = world.booker.unbookable.values()
        await world.clock.sleep(400)  # more than what is read again anyway
        world.account.pairs.update(pairs)
        await world.somebody_buys()
        world.account.pairs.clear()
        await world.reconciler.catch_up()
        assert int(world.account.cursors.get(TRADES_CURSOR, "0")) < waiting.at_ns
        world.rest.pairs = listed
        await world.restart()
        await world.reconciler.catch_up()
        assert list(await world.reconciler.reconcile()) == []
        assert sorted(fill.strategy_id for fill in world.fills()) == [MANUAL, "trend"]

    play(scenario)
