"""Commands of people are done once, answered, on record; one failing part stops no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from krakked.domain.commands import (
    Cancel,
    CancelAll,
    Command,
    Flatten,
    Halt,
    Panic,
    Resolve,
    Resume,
    SetKillSwitch,
    Shutdown,
    Status,
)
from krakked.domain.events import EventName
from krakked.domain.ids import Asset, ClientOrderId, PairName, StrategyId
from krakked.domain.kill_switch import STAYS_ON
from krakked.domain.orders import Journal, LegKind, OrderType, Side, VenueStatus
from krakked.domain.positions import Sleeve
from krakked.domain.quotes import Quote
from krakked.simulator.faults import FaultKind
from krakked.trading.control import SHUTS_DOWN, STAYS_DOWN, Control, Hands
from krakked.trading.rules import ExecutionRules

Play = Callable[..., Any]
D = Decimal
USD, XBT = Asset("USD"), Asset("XBT")
XBTUSD = PairName("XBTUSD")
ADA = {"principal": "ada", "reason": "test"}
EXIT = {"side": Side.SELL, "price": "70000.0", "kind": LegKind.EXIT}


def price_is(world: Any, mid: str) -> None:
    world.market.on_connected()
    world.market.on_quote(
        Quote(
            pair=XBTUSD,
            bid=D(mid),
            ask=D(mid),
            last=D(mid),
            volume_24h_base=D(1000),
            at_ns=world.clock.now_ns(),
        )
    )


async def resting_sides(world: Any) -> list[Side]:
    return sorted((o.side for o in await world.rest.open_orders()), key=lambda side: side.value)


# once


def test_command_that_comes_twice_is_done_once_and_gets_the_same_answer(play: Play) -> None:
    async def scenario(world: Any) -> None:
        on = SetKillSwitch(command_id="c1", active=True, **ADA)
        first = await world.control.handle(on)
        off = SetKillSwitch(command_id="c2", active=False, **ADA)
        await world.control.handle(off)
        assert await world.control.handle(on) == first
        assert not world.account.kill_switch.active
        assert world.count(EventName.KILL_SWITCH_ACTIVATED) == 1

    play(scenario)


def test_command_that_was_done_before_a_restart_is_not_done_again(play: Play) -> None:
    async def scenario(world: Any) -> None:
        halt = Halt(command_id="c1", **ADA)
        first = await world.control.handle(halt)
        await world.control.handle(Resume(command_id="c2", **ADA))
        await world.restart()
        assert await world.control.handle(halt) == first
        assert not world.account.halted

    play(scenario)


def test_command_that_comes_again_while_it_is_being_done_waits_for_its_answer(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.submit()
        cancel = CancelAll(command_id="c1", **ADA)
        first, second = await asyncio.gather(
            world.control.handle(cancel), world.control.handle(cancel)
        )
        assert first == second
        assert world.count(EventName.ORDER_CANCEL_SENT) == 1
        assert world.count(EventName.COMMAND_DONE) == 1
        await world.reconciler.reconcile()

    play(scenario)


def test_different_commands_do_not_wait_for_each_other(play: Play) -> None:
    async def scenario(world: Any) -> None:
        price_is(world, "60000")
        await world.bought("0.01")
        await world.submit(**EXIT)
        # Without its stream the engine does not learn of the end, for which flattening waits.
        slow = asyncio.create_task(world.control.handle(Flatten(command_id="c1", **ADA)))
        await world.clock.sleep(0.5)
        reply = await world.control.handle(Halt(command_id="c2", **ADA))
        assert reply.ok
        assert not slow.done()
        await slow
        await world.reconciler.reconcile()

    play(scenario)


def test_command_is_on_record_with_who_and_why(play: Play) -> None:
    async def scenario(world: Any) -> None:
        reply = await world.control.handle(Halt(command_id="c1", **ADA))
        assert world.ledger.run(lambda tx: tx.reply_to("c1")) == reply
        (event,) = [e for e in world.events if e.name is EventName.COMMAND_DONE]
        assert event.fields["principal"] == "ada"
        assert event.fields["reason"] == "test"
        assert event.sequence > 0

    play(scenario)


def test_status_is_answered_and_not_recorded(play: Play) -> None:
    async def scenario(world: Any) -> None:
        reply = await world.control.handle(Status(command_id="c1", **ADA))
        assert reply.ok
        assert reply.data == {"stops": 0}
        assert world.ledger.run(lambda tx: tx.reply_to("c1")) is None

    play(scenario)


def test_shutdown_asks_the_engine_to_stop(play: Play) -> None:
    async def scenario(world: Any) -> None:
        reply = await world.control.handle(Shutdown(command_id="c1", **ADA))
        assert (reply.ok, reply.message) == (True, SHUTS_DOWN)
        assert world.stops == 1

    play(scenario)


def test_shutdown_is_on_record_before_the_stop_and_nothing_adds_risk_after_it(play: Play) -> None:
    async def scenario(world: Any) -> None:
        recorded: list[Any] = []

        def stop() -> None:
            recorded.append(world.ledger.run(lambda tx: tx.books().shut_down))

        hands = Hands(
            resolve=world.reconciler.resolve_by_hand, stop=stop, status=dict, stays_down=True
        )
        control = Control(world.desk, world.executor, world.breaker, world.stopper, hands)
        reply = await control.handle(Shutdown(command_id="c1", **ADA))
        assert reply.message == STAYS_DOWN
        (shut_down,) = recorded
        assert (shut_down.principal, shut_down.reason) == ("ada", "test")
        (event,) = [e for e in world.events if e.name is EventName.HALTED]
        assert (event.fields["cause"], event.sequence > 0) == ("shutdown", True)
        await world.submit()
        (dropped,) = [e for e in world.events if e.name is EventName.ORDER_ENDED]
        assert dropped.fields["reason"] == shut_down.words
        assert "shut down by ada at 20" in shut_down.words
        assert await world.rest.open_orders() == []

    play(scenario)


def test_shutdown_outlives_a_restart_until_a_person_resumes(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.control.handle(Shutdown(command_id="c1", **ADA))
        await world.restart()
        assert world.account.halted
        assert world.account.shut_down.principal == "ada"
        await world.control.handle(Resume(command_id="c2", **ADA))
        assert (world.account.halted, world.account.shut_down) == (False, None)
        await world.restart()
        assert (world.account.halted, world.account.shut_down) == (False, None)

    play(scenario)


# kill switch, halt


def test_kill_switch_cancels_what_would_add_risk_and_keeps_exits(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        plan = await world.plan({}, {"price": "49000.0"}, EXIT)
        await world.execute(plan)
        reply = await world.control.handle(SetKillSwitch(command_id="c1", active=True, **ADA))
        assert reply.ok
        assert "2 orders" in reply.message
        assert await resting_sides(world) == [Side.SELL]
        assert world.account.kill_switch.principal == "ada"
        assert list(await world.reconciler.reconcile()) == []

    play(scenario)


def test_kill_switch_is_on_before_any_order_is_cancelled(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.submit()
        await world.control.handle(SetKillSwitch(command_id="c1", active=True, **ADA))
        names = world.names()
        assert names.index(EventName.KILL_SWITCH_ACTIVATED) < names.index(
            EventName.ORDER_CANCEL_SENT
        )
        await world.reconciler.reconcile()

    play(scenario)


def test_cancel_that_fails_stops_no_other_and_is_told(play: Play) -> None:
    async def scenario(world: Any) -> None:
        plan = await world.plan({}, {"price": "49000.0"}, {"price": "48000.0"})
        await world.execute(plan)
        world.fault(FaultKind.REQUEST_LOST, "CancelOrder")
        reply = await world.control.handle(SetKillSwitch(command_id="c1", active=True, **ADA))
        assert not reply.ok
        assert "the kill switch is on" in reply.message
        assert "2 orders" in reply.message
        assert plan.legs[0].request.client_order_id in reply.message
        assert world.account.kill_switch.active
        assert len(await world.rest.open_orders()) == 1
        await world.reconciler.reconcile()

    play(scenario)


@pytest.mark.parametrize("cancel", [False, True])
def test_halt_keeps_or_cancels_what_rests_and_survives_a_restart(play: Play, cancel: bool) -> None:
    async def scenario(world: Any) -> None:
        await world.submit()
        reply = await world.control.handle(Halt(command_id="c1", cancel=cancel, **ADA))
        assert reply.ok
        assert len(await world.rest.open_orders()) == (0 if cancel else 1)
        await world.restart()
        await world.clock.sleep(20)
        assert world.account.halted
        assert (await world.submit(price="48000.0")).reason == "halted"
        await world.control.handle(Resume(command_id="c2", **ADA))
        assert (await world.submit(price="48000.0")).journal is Journal.ACKED
        await world.reconciler.reconcile()

    play(scenario)


def test_resume_says_that_the_kill_switch_stays_on_and_how_to_turn_it_off(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.control.handle(Halt(command_id="c1", **ADA))
        await world.control.handle(SetKillSwitch(command_id="c2", active=True, **ADA))
        reply = await world.control.handle(Resume(command_id="c3", **ADA))
        assert (reply.ok, reply.message) == (True, f"resumed: plans are made again; {STAYS_ON}")
        assert "`krakked kill-switch off --reason" in reply.message
        assert world.account.kill_switch.active
        await world.control.handle(SetKillSwitch(command_id="c4", active=False, **ADA))
        again = await world.control.handle(Resume(command_id="c5", **ADA))
        assert again.message == "resumed: plans are made again"

    play(scenario)


# cancelling


def test_cancel_takes_either_id(play: Play) -> None:
    async def scenario(world: Any) -> None:
        first, second = await world.submit(), await world.submit(price="49000.0")
        ids = (first.venue_order_id, second.request.client_order_id)
        for n, order_id in enumerate(ids):
            reply = await world.control.handle(Cancel(command_id=f"c{n}", order_id=order_id, **ADA))
            assert (reply.ok, reply.message) == (True, "cancelled")
        assert await world.rest.open_orders() == []
        await world.reconciler.reconcile()

    play(scenario)


def test_cancel_of_an_order_we_do_not_have_is_refused(play: Play) -> None:
    async def scenario(world: Any) -> None:
        reply = await world.control.handle(Cancel(command_id="c1", order_id="OABC", **ADA))
        assert not reply.ok
        assert "OABC" in reply.message
        assert world.count(EventName.COMMAND_REFUSED) == 1

    play(scenario)


@pytest.mark.parametrize(
    "command",
    [
        CancelAll(command_id="c1", **ADA),
        Halt(command_id="c1", cancel=True, **ADA),
        SetKillSwitch(command_id="c1", active=True, **ADA),
        Panic(command_id="c1", **ADA),
    ],
    ids=lambda command: type(command).__name__,
)
def test_leg_that_was_not_sent_yet_is_not_sent_after_all_was_cancelled(
    play: Play, command: Any
) -> None:
    async def scenario(world: Any) -> None:
        plan = await world.plan({})
        reply = await world.control.handle(command)
        assert reply.ok
        assert "1 order" in reply.message
        order = world.stored(plan.legs[0].request)
        assert (order.journal, order.reason) == (Journal.DROPPED, "cancelled before it was sent")
        await world.execute(plan)
        assert await world.venue_orders() == {}

    play(scenario)


def test_leg_that_was_not_sent_yet_is_cancelled_by_its_id(play: Play) -> None:
    async def scenario(world: Any) -> None:
        plan = await world.plan({})
        order_id = plan.legs[0].request.client_order_id
        reply = await world.control.handle(Cancel(command_id="c1", order_id=order_id, **ADA))
        assert (reply.ok, reply.message) == (True, "cancelled")
        assert world.stored(plan.legs[0].request).journal is Journal.DROPPED

    play(scenario)


def test_cancel_all_of_a_pair_leaves_other_pairs(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.submit()
        other = CancelAll(command_id="c1", pair=PairName("ETHUSD"), **ADA)
        world.account.pairs = {**world.account.pairs, PairName("ETHUSD"): None}
        assert (await world.control.handle(other)).message == "0 orders cancelled"
        same = CancelAll(command_id="c2", pair=XBTUSD, **ADA)
        assert (await world.control.handle(same)).message == "1 order cancelled"
        await world.reconciler.reconcile()

    play(scenario)


@pytest.mark.parametrize("spelling", ["xbtusd", "BTC/USD", "XXBTZUSD", "XBT/USD"])
def test_cancel_all_knows_a_pair_by_each_of_its_spellings(play: Play, spelling: str) -> None:
    async def scenario(world: Any) -> None:
        await world.submit()
        reply = await world.control.handle(
            CancelAll(command_id="c1", pair=PairName(spelling), **ADA)
        )
        assert (reply.ok, reply.message) == (True, "1 order cancelled")
        await world.reconciler.reconcile()

    play(scenario)


@pytest.mark.parametrize("kind", [CancelAll, Flatten])
def test_pair_that_does_not_exist_is_refused_with_the_nearest(play: Play, kind: Any) -> None:
    async def scenario(world: Any) -> None:
        await world.submit()
        reply = await world.control.handle(kind(command_id="c1", pair=PairName("XBTUS"), **ADA))
        assert not reply.ok
        assert reply.message == "pair 'XBTUS' is not known; did you mean XBTUSD?"
        assert len(await world.rest.open_orders()) == 1
        assert world.enqueued == []

    play(scenario)


# flattening


@pytest.mark.parametrize("spelling", ["trend", "Trend", " TREND"])
def test_flatten_of_one_strategy_knows_it_in_any_case(play: Play, spelling: str) -> None:
    async def scenario(world: Any) -> None:
        price_is(world, "60000")
        await world.bought("0.01")
        of_trend = Flatten(command_id="c1", strategy_id=StrategyId(spelling), **ADA)
        reply = await world.control.handle(of_trend)
        assert reply.ok
        assert "1 position being closed; 0 orders cancelled" in reply.message

    play(scenario)


def test_flatten_of_a_strategy_that_does_not_exist_is_refused_before_it_halts(play: Play) -> None:
    async def scenario(world: Any) -> None:
        price_is(world, "60000")
        await world.bought("0.01")
        wrong = Flatten(command_id="c1", strategy_id=StrategyId("trendd"), halt=True, **ADA)
        reply = await world.control.handle(wrong)
        assert not reply.ok
        assert reply.message == "strategy 'trendd' is not known; did you mean trend?"
        assert not world.account.halted
        assert world.enqueued == []

    play(scenario)


def test_flatten_of_a_strategy_that_is_only_in_the_books_is_understood(play: Play) -> None:
    async def scenario(world: Any) -> None:
        price_is(world, "60000")
        await world.bought("0.01", strategy="retired")
        of_old = Flatten(command_id="c1", strategy_id=StrategyId("retired"), **ADA)
        assert "1 position being closed" in (await world.control.handle(of_old)).message

    play(scenario)


def test_flatten_says_that_strategies_may_buy_back_unless_nothing_can_be_bought(play: Play) -> None:
    async def scenario(world: Any) -> None:
        price_is(world, "60000")
        told = (await world.control.handle(Flatten(command_id="c1", **ADA))).message
        assert "strategies go on and may buy again at their next bar" in told
        await world.control.handle(Halt(command_id="c2", **ADA))
        told = (await world.control.handle(Flatten(command_id="c3", **ADA))).message
        assert "buy again" not in told
        panicked = (await world.control.handle(Panic(command_id="c4", **ADA))).message
        assert "buy again" not in panicked

    play(scenario)


@pytest.mark.parametrize("is_away", [False, True])
def test_answer_to_a_panic_says_that_the_venue_cannot_be_reached(play: Play, is_away: bool) -> None:
    async def scenario(world: Any) -> None:
        price_is(world, "60000")
        await world.bought("0.01")
        degraded = ["exchange"] if is_away else ["market_data"]
        world.control._hands = msgspec.structs.replace(
            world.control._hands, status=lambda: {"degraded": degraded}
        )
        reply = await world.control.handle(Panic(command_id="c1", **ADA))
        assert reply.ok
        assert "1 position being closed" in reply.message
        assert ("the venue cannot be reached now" in reply.message) == is_away

    play(scenario)


def test_flatten_that_halts_has_halted_before_it_sells(play: Play) -> None:
    async def scenario(world: Any) -> None:
        price_is(world, "60000")
        await world.bought("0.01")
        reply = await world.control.handle(Flatten(command_id="c1", halt=True, **ADA))
        assert reply.ok
        assert reply.message == (
            "halted: no new plans; 1 position being closed; 0 orders cancelled"
        )
        assert world.account.halted
        names = [event.name for event in world.events]
        assert names.index(EventName.HALTED) < names.index(EventName.PLAN_CREATED)

    play(scenario)


def test_flatten_cancels_what_rests_then_sells_what_is_held(play: Play) -> None:
    async def scenario(world: Any) -> None:
        price_is(world, "60000")
        async with world.listening():
            await world.submit(quantity="0.01", price=None)
            await world.clock.sleep(3)
            resting = await world.submit(**EXIT)
            reply = await world.control.handle(Flatten(command_id="c1", **ADA))
            assert reply.ok, reply.message
            assert world.stored(resting.request).venue_status is VenueStatus.CANCELED
            (plan,) = world.enqueued
            (leg,) = plan.legs
            assert (leg.request.side, leg.request.type) == (Side.SELL, OrderType.MARKET)
            assert leg.request.quantity_base == D("0.01")
            assert (plan.cause, plan.principal) == ("flatten", "ada")
            await world.execute(plan)
            await world.clock.sleep(3)
        assert world.account.position(Sleeve(StrategyId("trend"), XBTUSD)).is_flat
        assert list(await world.reconciler.reconcile()) == []

    play(scenario)


def fence(world: Any) -> None:
    world.guard.fenced_by = "EAPI:Invalid nonce"


def stop(world: Any) -> None:
    world.guard.is_stopping = True


@pytest.mark.parametrize("command", [Flatten, Panic])
@pytest.mark.parametrize(
    ("hinder", "words"),
    [
        (fence, "fenced: EAPI:Invalid nonce: nothing can be sold from here; 1 position stays"),
        (stop, "the engine is stopping: nothing is sold any more; 1 position stays"),
    ],
)
def test_sale_that_can_never_be_sent_is_refused_and_panic_turns_the_switch_all_the_same(
    play: Play, command: Any, hinder: Callable[[Any], None], words: str
) -> None:
    async def scenario(world: Any) -> None:
        price_is(world, "60000")
        await world.bought("0.01")
        hinder(world)
        reply = await world.control.handle(command(command_id="c1", **ADA))
        assert not reply.ok
        assert words in reply.message
        assert "being closed" not in reply.message
        assert world.enqueued == []
        assert world.count(EventName.COMMAND_REFUSED) == 1
        assert world.account.kill_switch.active is (command is Panic)
        assert reply.message.startswith("the kill switch is on; ") is (command is Panic)

    play(scenario)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (ExecutionRules(sends_orders=False), "dry_run: nothing is sent; 1 position stays"),
        (
            ExecutionRules(validates_only=True),
            "validate_only: sales are only checked; 1 position stays",
        ),
    ],
)
def test_sale_that_is_only_planned_or_checked_is_shown_as_a_plan_and_refused_as_a_sale(
    play: Play, rules: ExecutionRules, words: str
) -> None:
    async def scenario(world: Any) -> None:
        price_is(world, "60000")
        await world.bought("0.01")
        world.rules = rules
        await world.restart()
        price_is(world, "60000")
        reply = await world.control.handle(Panic(command_id="c1", **ADA))
        assert (reply.ok, world.account.kill_switch.active) == (False, True)
        assert reply.message == f"the kill switch is on; {words}; 0 orders cancelled"
        assert [plan.cause for plan in world.enqueued] == ["flatten"]
        other = Flatten(command_id="c2", strategy_id=StrategyId("reversion"), **ADA)
        assert (await world.control.handle(other)).ok

    play(scenario)


def test_stopping_engine_cancels_what_rests_though_it_sells_nothing(play: Play) -> None:
    async def scenario(world: Any) -> None:
        price_is(world, "60000")
        await world.bought("0.01")
        await world.submit()
        stop(world)
        reply = await world.control.handle(Flatten(command_id="c1", **ADA))
        assert reply.message.endswith("1 position stays; 1 order cancelled")
        assert await world.rest.open_orders() == []
        await world.reconciler.reconcile()

    play(scenario)


def test_flatten_of_a_strategy_leaves_the_others_alone(play: Play) -> None:
    async def scenario(world: Any) -> None:
        price_is(world, "60000")
        async with world.listening():
            await world.submit(quantity="0.01", price=None)
            await world.submit(quantity="0.02", price=None, strategy="reversion")
            await world.clock.sleep(3)
            await world.submit(**EXIT)
            await world.submit(**EXIT, strategy="reversion", quantity="0.02")
            only = Flatten(command_id="c1", strategy_id=StrategyId("trend"), **ADA)
            assert (await world.control.handle(only)).ok
        (resting,) = await world.rest.open_orders()
        assert resting.quantity_base == D("0.02")
        (plan,) = world.enqueued
        assert [leg.request.strategy_id for leg in plan.legs] == ["trend"]

    play(scenario)


def test_flatten_sells_nothing_twice_while_a_sale_may_still_rest(play: Play) -> None:
    async def scenario(world: Any) -> None:
        price_is(world, "60000")
        await world.bought("0.01")
        await world.submit(**EXIT)
        world.fault(FaultKind.REQUEST_LOST, "CancelOrder", count=2)
        await world.control.handle(Flatten(command_id="c1", **ADA))
        assert world.enqueued == []
        assert await resting_sides(world) == [Side.SELL]

    play(scenario)


def test_flatten_sells_nothing_twice_while_a_sale_waits_to_be_sent(play: Play) -> None:
    async def scenario(world: Any) -> None:
        price_is(world, "60000")
        await world.bought("0.01")
        await world.bought("0.02", strategy="reversion")
        await world.control.handle(Flatten(command_id="c1", **ADA))
        reply = await world.control.handle(Flatten(command_id="c2", **ADA))
        assert "0 of 2 positions being closed; what is left" in reply.message
        (plan,) = world.enqueued
        await world.execute(plan)
        assert list(await world.reconciler.reconcile()) == []
        assert all(position.is_flat for position in world.account.positions.values())

    play(scenario)


def test_panic_turns_the_switch_cancels_all_and_sells_all_even_if_a_cancel_fails(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        price_is(world, "60000")
        async with world.listening():
            await world.submit(quantity="0.01", price=None)
            await world.clock.sleep(3)
            await world.submit()
            world.fault(FaultKind.SERVER_ERROR, "CancelOrder")
            reply = await world.control.handle(Panic(command_id="c1", **ADA))
            assert world.account.kill_switch.active
            assert not reply.ok
            (plan,) = world.enqueued
            await world.execute(plan)
            await world.clock.sleep(3)
        assert world.account.position(Sleeve(StrategyId("trend"), XBTUSD)).is_flat
        assert await world.rest.open_orders() == []
        assert list(await world.reconciler.reconcile()) == []

    play(scenario)


# resolving by hand


async def in_doubt(world: Any, fault: FaultKind) -> Any:
    world.fault(fault, "AddOrder")
    order = await world.submit()
    assert order.journal is Journal.UNKNOWN
    return order


def test_order_in_doubt_is_ended_by_a_persons_word(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await in_doubt(world, FaultKind.REQUEST_LOST)
        await world.clock.sleep(4)  # its deadline is over
        client_id = order.request.client_order_id
        command = Resolve(command_id="c1", client_order_id=client_id, outcome="absent", **ADA)
        assert (await world.control.handle(command)).ok
        assert world.stored(order.request).journal is Journal.ABSENT

    play(scenario)


def test_order_in_doubt_is_tied_to_the_venues_order_that_a_person_names(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await in_doubt(world, FaultKind.ANSWER_LOST)
        (there,) = await world.rest.open_orders()
        command = Resolve(
            command_id="c1",
            client_order_id=order.request.client_order_id,
            outcome=there.venue_order_id,
            **ADA,
        )
        assert (await world.control.handle(command)).ok
        found = world.stored(order.request)
        assert (found.journal, found.venue_order_id) == (Journal.ACKED, there.venue_order_id)

    play(scenario)


def test_order_that_is_not_in_doubt_cannot_be_resolved(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit()
        for n, client_id in enumerate((order.request.client_order_id, ClientOrderId("x"))):
            command = Resolve(
                command_id=f"c{n}", client_order_id=client_id, outcome="absent", **ADA
            )
            reply = await world.control.handle(command)
            assert not reply.ok
            assert "not in doubt" in reply.message
        assert world.stored(order.request).journal is Journal.ACKED

    play(scenario)


@pytest.mark.parametrize(
    "command", [Flatten(command_id="c1", **ADA), Panic(command_id="c1", **ADA)]
)
def test_flatten_with_nothing_held_makes_no_plan(play: Play, command: Command) -> None:
    async def scenario(world: Any) -> None:
        reply = await world.control.handle(command)
        assert reply.ok
        assert "no position of a strategy to close" in reply.message
        assert world.enqueued == []

    play(scenario)
