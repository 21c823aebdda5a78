"""Fills that the account's stream tells: booked at once as REST would tell them, and confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import pytest

from krakked.adapters.kraken.transport import Call
from krakked.domain.errors import LedgerFailed
from krakked.domain.ids import MANUAL, PairName, TradeId
from krakked.domain.orders import Journal, OrderStatus, Side
from krakked.domain.portfolio import DriftKind
from krakked.domain.positions import Sleeve
from krakked.sim.exchange.keys import ALL_PERMISSIONS
from krakked.simulator.faults import FaultKind
from krakked.simulator.options import ACCOUNT, default_key
from krakked.trading.cursors import TRADES_CURSOR

Play = Callable[..., Any]
D = Decimal
XBTUSD = PairName("XBTUSD")


def count_asked(world: Any, *methods: str) -> list[str]:
    """What the venue is asked by these methods from now on."""
    asked: list[str] = []

    def counted(method: str) -> Any:
        ask = getattr(world.rest, method)

        async def one(*args: Any) -> Any:
            asked.append(method)
            return await ask(*args)

        return one

    for method in methods:
        setattr(world.rest, method, counted(method))
    return asked


def changed(world: Any, change: Callable[[Any], Any]) -> None:
    """What the stream says is changed on its way; None is lost."""
    on_hint = world.booker.on_hint

    def altered(hint: Any) -> None:
        after = change(hint)
        if after is not None:
            on_hint(after)

    world.booker.on_hint = altered


def kept_in(heard: list[Any], hint: Any) -> Any:
    """As it came, and remembered."""
    heard.append(hint)
    return hint


async def moment(world: Any) -> None:
    """Long enough for sockets, short for people and for every pause of ours."""
    await world.clock.sleep(0.2)


def test_fill_is_booked_and_its_order_done_without_a_question(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            asked = count_asked(world, "trades", "orders", "trades_since")
            order = await world.submit(price=None)
            await moment(world)
            done = world.stored(order.request)
            assert (done.journal, done.status) == (Journal.DONE, OrderStatus.FILLED)
            assert done.filled_base == D("0.01")
            assert asked == []
            assert world.booker.is_idle
            assert [why for _, why in world.wakes] == ["fill", "order_ended"]

    play(scenario)


def test_fill_of_the_stream_is_to_the_last_digit_what_rest_tells(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            for quantity in ("0.01", "0.00123457", "0.0333"):
                await world.submit(price=None, quantity=quantity)
            await moment(world)
            booked = {fill.trade.trade_id: fill.trade for fill in world.fills()}
            told = {trade.trade_id: trade for trade in await world.rest.trades_since(0)}
            assert len(told) >= 3
            assert booked == told
            assert msgspec.json.encode(sorted_by_id(booked)) == msgspec.json.encode(
                sorted_by_id(told)
            )

    play(scenario)


def sorted_by_id(trades: dict[Any, Any]) -> list[Any]:
    return [trades[trade_id] for trade_id in sorted(trades)]


def test_fill_waits_for_no_limit_of_questions(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            await world.clock.sleep(1)
            for _ in range(19):
                await world.rest.balances()
            began_ns = world.clock.now_ns()
            for _ in range(7):
                await world.submit(price=None, quantity="0.001")
            await moment(world)
            assert len(world.fills()) == 7
            assert world.clock.now_ns() - began_ns < 500_000_000
            await world.clock.sleep(60)

    play(scenario)


# confirming


def test_reconciling_confirms_what_the_stream_told_with_one_question(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            for _ in range(3):
                await world.submit(price=None, quantity="0.001")
            await moment(world)
            assert world.booker.unconfirmed == 3
            asked = count_asked(world, "trades", "orders", "trades_since")
            assert list(await world.reconciler.reconcile()) == []
            assert asked == ["trades"]
            assert world.booker.unconfirmed == 0
            newest = max(fill.trade.at_ns for fill in world.fills())
            assert world.account.cursors[TRADES_CURSOR] == str(newest)
            await world.reconciler.reconcile()
            assert asked == ["trades"]

    play(scenario)


def test_reading_on_by_rest_confirms_as_well(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            await world.submit(price=None)
            await moment(world)
            await world.reconciler.catch_up()
            assert world.booker.unconfirmed == 0
            assert len(world.fills()) == 1

    play(scenario)


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"fee_amount": D("2.40")}, "fee"),
        ({"cost_quote": D("600")}, "cost"),
        ({"quantity_base": D("0.02")}, "fill"),
        ({"price": D("60005.0")}, "fill"),
    ],
)
def test_fill_that_rest_tells_differently_is_a_difference_and_in_time_drift(
    play: Play, change: dict[str, Any], subject: str
) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            await world.submit(price=None)
            await moment(world)
        ask = world.rest.trades

        async def trades(ids: Any) -> Any:
            return [msgspec.structs.replace(trade, **change) for trade in await ask(ids)]

        world.rest.trades = trades
        (difference,) = await world.reconciler.reconcile()
        (fill,) = world.fills()
        assert (difference.subject, difference.key) == (subject, fill.trade.trade_id)
        await world.clock.sleep(world.rules.drift_patience_s)
        await world.reconciler.reconcile()
        (drift,) = world.account.drifts
        assert drift.kind is DriftKind.UNEXPLAINED
        assert world.drifts_found == [str(difference)]

    play(scenario)


def test_fill_that_rest_shows_late_is_booked_at_once_and_confirmed_later(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            world.fault(FaultKind.LATE_VISIBILITY, seconds=4)
            order = await world.submit(price=None)
            await moment(world)
            assert world.stored(order.request).journal is Journal.DONE
            assert list(await world.reconciler.reconcile()) == []
            assert world.booker.unconfirmed == 1
            await world.clock.sleep(8)
            assert list(await world.reconciler.reconcile()) == []
            assert world.booker.unconfirmed == 0

    play(scenario)


# where the stream says too little


def test_end_that_comes_without_a_fill_has_the_fill_asked_for(play: Play) -> None:
    async def scenario(world: Any) -> None:
        changed(world, lambda hint: None if hint.trade_id else hint)
        async with world.listening():
            order = await world.submit(price=None)
            await world.clock.sleep(1)
            assert world.fills() == []
            assert world.stored(order.request).journal is Journal.ACKED
            assert list(await world.reconciler.reconcile()) == []
            assert world.stored(order.request).journal is Journal.DONE
            assert len(world.fills()) == 1

    play(scenario)


def test_end_of_which_the_stream_does_not_say_how_much_was_filled_is_asked_for(play: Play) -> None:
    async def scenario(world: Any) -> None:
        changed(world, lambda hint: msgspec.structs.replace(hint, filled_base=None))
        async with world.listening():
            asked = count_asked(world, "trades", "orders")
            order = await world.submit(price=None)
            await world.clock.sleep(1)
            assert world.stored(order.request).journal is Journal.DONE
            assert asked == ["orders"]

    play(scenario)


def test_fill_of_an_order_without_a_name_is_asked_for_before_it_is_taken_for_foreign(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        changed(world, lambda hint: msgspec.structs.replace(hint, client_order_id=None))

        async def slowly(*args: Any, **more: Any) -> Any:
            venue_id = await add_order(*args, **more)
            await world.clock.sleep(3)
            return venue_id

        add_order, world.rest.add_order = world.rest.add_order, slowly
        async with world.listening():
            order = await world.submit(price=None)
            await world.clock.sleep(2)
            (fill,) = world.fills()
            assert fill.client_order_id == order.request.client_order_id
            assert world.stored(order.request).journal is Journal.DONE

    play(scenario)


def test_order_that_is_cancelled_with_a_part_filled_ends_by_the_streams_word(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            order = await world.submit(price="59500.0")
            asked = count_asked(world, "trades", "orders")
            await world.executor.cancel(order)
            await moment(world)
            ended = world.stored(order.request)
            assert (ended.journal, ended.status) == (Journal.DONE, OrderStatus.CANCELED)
            assert ended.reason
            assert asked == []

    play(scenario)


# whose it is


def test_fill_of_a_foreign_order_goes_to_manual_by_the_streams_word(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            now_ns = world.clock.now_ns()
            await by_hand(world)
            await world.clock.sleep(3)
            (fill,) = world.fills()
            assert fill.strategy_id == MANUAL
            assert fill.trade.at_ns >= now_ns
            assert world.account.position(Sleeve(MANUAL, XBTUSD)).quantity_base == D("0.02")

    play(scenario)


async def by_hand(world: Any) -> None:
    key = default_key("by-hand")
    world.simulator.exchange.add_key(
        ACCOUNT, key=key.key, secret=key.secret, permissions=ALL_PERMISSIONS
    )
    client = world.adapter(key)
    form = {"pair": "XBTUSD", "type": "buy", "ordertype": "market", "volume": "0.02"}
    await client.transport.private(Call(method="AddOrder", form=form))
    await client.close()


# twice


def test_fill_that_the_stream_tells_twice_is_booked_once(play: Play) -> None:
    async def scenario(world: Any) -> None:
        heard: list[Any] = []
        changed(world, partial(kept_in, heard))
        async with world.listening():
            await world.submit(price=None)
            await moment(world)
            for hint in heard.copy():
                world.booker.on_hint(hint)
            await moment(world)
            assert len(world.fills()) == 1
            assert world.booker.is_idle

    play(scenario)


def test_ledger_that_fails_ends_the_booker_with_its_own_error(play: Play) -> None:
    async def scenario(world: Any) -> None:
        heard: list[Any] = []
        changed(world, heard.append)
        async with world.listening():
            await world.submit(price=None)
            await moment(world)
        commit = world.recorder.commit

        async def full(*_: Any) -> Any:
            raise LedgerFailed("disk full")

        world.recorder.commit = full
        (hint,) = [hint for hint in heard if hint.trade is not None]
        type(world.booker).on_hint(world.booker, hint)
        with pytest.raises(LedgerFailed):
            await asyncio.wait_for(world.booker.run(), timeout=5)
        world.recorder.commit = commit
        await world.reconciler.reconcile()
        assert [fill.trade.trade_id for fill in world.fills()] == [TradeId(hint.trade_id)]
        assert world.fills()[0].trade.side is Side.BUY

    play(scenario)
