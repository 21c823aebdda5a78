"""Whose an execution is, what is read again, and what a cursor promises."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from krakked.domain.errors import LedgerFailed
from krakked.domain.events import EventName
from krakked.domain.ids import MANUAL, PairName, StrategyId, TradeId
from krakked.domain.portfolio import DriftKind
from krakked.domain.positions import Sleeve
from krakked.domain.times import NS_PER_SECOND
from krakked.simulator.faults import FaultKind
from krakked.trading.cursors import LEDGER_CURSOR, TRADES_CURSOR

Play = Callable[..., Any]
D = Decimal
XBTUSD = PairName("XBTUSD")
TREND = Sleeve(StrategyId("trend"), XBTUSD)
BY_HAND = Sleeve(MANUAL, XBTUSD)


async def bought_unheard(world: Any) -> Any:
    """One of ours is filled, and nothing was answered."""
    world.fault(FaultKind.ANSWER_LOST, "AddOrder")
    return await world.submit(price=None)


def in_ledger(world: Any, cursor: str) -> str:
    found = world.ledger.run(lambda tx: tx.books()).cursors.get(cursor, "0")
    assert isinstance(found, str)
    return found


# whose it is


def test_own_execution_whose_order_is_not_shown_waits_and_is_never_manual(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await bought_unheard(world)
        show = world.hide_orders()
        differences = await world.reconciler.reconcile()
        assert world.fills() == []
        assert "fill" in [difference.subject for difference in differences]
        assert world.account.position(BY_HAND).is_flat
        assert len(world.booker.unattributed) == 1
        show()
        assert list(await world.reconciler.reconcile()) == []
        (fill,) = world.fills()
        assert fill.strategy_id == TREND.strategy_id
        assert world.booker.unattributed == {}

    play(scenario)


def test_foreign_execution_whose_order_is_not_shown_is_manual_once_it_is(play: Play) -> None:
    async def scenario(world: Any) -> None:
        show = world.hide_orders()
        await world.somebody_buys()
        for _ in range(3):
            await world.reconciler.reconcile()
        assert world.fills() == []
        told = [e for e in world.events if e.name is EventName.NOTICE]
        assert len(told) == 1, "told once"
        show()
        assert list(await world.reconciler.reconcile()) == []
        (fill,) = world.fills()
        assert fill.strategy_id == MANUAL

    play(scenario)


def test_execution_whose_order_is_never_shown_is_drift_in_time(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.hide_orders()
        await world.somebody_buys()
        await world.reconciler.reconcile()
        await world.clock.sleep(world.rules.drift_patience_s + 1)
        await world.reconciler.reconcile()
        kinds = {drift.kind for drift in world.account.drifts}
        assert kinds == {DriftKind.UNEXPLAINED}
        assert world.drifts_found
        assert world.fills() == []

    play(scenario, agree=False)


@pytest.mark.parametrize("is_heard", [True, False])
def test_execution_of_an_order_of_ours_that_is_not_on_record_waits_and_is_never_manual(
    play: Play, is_heard: bool
) -> None:
    """An engine that is frozen hears what its successor does, whose orders only that one knows."""

    async def scenario(world: Any) -> None:
        stray = world.request(99, 0, price=None)
        deadline_ns = world.clock.now_ns() + 5 * NS_PER_SECOND
        if is_heard:
            async with world.listening():
                await world.rest.add_order(stray, deadline_at_ns=deadline_ns)
                await world.clock.sleep(0.5)
        else:
            await world.rest.add_order(stray, deadline_at_ns=deadline_ns)
            await world.reconciler.reconcile()
        assert world.fills() == []
        assert world.account.position(BY_HAND).is_flat
        assert len(world.booker.unattributed) == 1

    play(scenario, agree=False)


def test_execution_that_waits_for_its_order_is_read_again_after_a_restart_however_late(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        await bought_unheard(world)
        world.hide_orders()
        await world.reconciler.reconcile()
        (waiting,) = world.booker.unattributed.values()
        await world.clock.sleep(400)  # more than what is read again anyway
        await world.somebody_buys()
        await world.reconciler.catch_up()
        assert int(in_ledger(world, TRADES_CURSOR)) < waiting.at_ns
        await world.restart()
        await world.reconciler.catch_up()
        assert list(await world.reconciler.reconcile()) == []
        assert sorted(fill.strategy_id for fill in world.fills()) == [MANUAL, "trend"]

    play(scenario)


def test_stream_that_tells_more_does_not_book_what_waits_for_its_order(play: Play) -> None:
    async def scenario(world: Any) -> None:
        show = world.hide_orders()
        await world.somebody_buys()
        await world.reconciler.reconcile()
        async with world.listening():
            await world.submit(price=None)
            await world.clock.sleep(0.2)
            assert [fill.strategy_id for fill in world.fills()] == ["trend"]
            assert len(world.booker.unattributed) == 1
            show()
            await world.reconciler.reconcile()
        assert sorted(fill.strategy_id for fill in world.fills()) == [MANUAL, "trend"]

    play(scenario)


# the cursor


class Watched:
    """One transaction, and which of its writes were made."""

    def __init__(self, tx: Any, seen: list[str]) -> None:
        self._tx = tx
        self._seen = seen

    def __getattr__(self, name: str) -> Any:
        if name in ("insert_fill", "insert_cash_flow", "set_cursor"):
            self._seen.append(name)
        return getattr(self._tx, name)


def watched(world: Any, *, fails_after: str | None = None) -> list[list[str]]:
    """The writes of each transaction from now on; after one of that name the disk gives up."""
    found: list[list[str]] = []
    write = world.ledger.write

    async def one(work: Callable[[Any], Any]) -> Any:
        seen: list[str] = []
        found.append(seen)

        def done(tx: Any) -> Any:
            result = work(Watched(tx, seen))
            if fails_after in seen:
                raise LedgerFailed("the disk gave up")
            return result

        return await write(done)

    world.ledger.write = one
    return found


@pytest.mark.parametrize(
    ("books", "cursor"), [("insert_fill", TRADES_CURSOR), ("insert_cash_flow", LEDGER_CURSOR)]
)
def test_cursor_moves_in_the_transaction_that_books(play: Play, books: str, cursor: str) -> None:
    async def scenario(world: Any) -> None:
        await world.submit(price=None)
        await world.deposit("USD", "5")
        transactions = watched(world)
        await world.reconciler.catch_up()
        (booking,) = [seen for seen in transactions if books in seen]
        assert "set_cursor" in booking
        assert in_ledger(world, cursor) == world.account.cursors[cursor] != "0"

    play(scenario)


@pytest.mark.parametrize("books", ["insert_fill", "insert_cash_flow"])
def test_disk_that_fails_while_booking_leaves_neither_row_nor_cursor(
    play: Play, books: str
) -> None:
    async def scenario(world: Any) -> None:
        await world.submit(price=None)
        await world.deposit("USD", "5")
        before = dict(world.ledger.run(lambda tx: tx.books()).cursors)
        watched(world, fails_after=books)
        with pytest.raises(LedgerFailed):
            await world.reconciler.catch_up()
        after = world.ledger.run(lambda tx: tx.books()).cursors
        name = TRADES_CURSOR if books == "insert_fill" else LEDGER_CURSOR
        assert after.get(name) == before.get(name)
        del world.ledger.write
        await world.restart()
        await world.clock.sleep(30)  # what was asked before still counts at the venue
        assert list(await world.reconciler.reconcile()) == []
        assert len(world.fills()) == 1

    play(scenario)


def test_reading_without_news_writes_no_cursor(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought()
        await world.reconciler.catch_up()
        transactions = watched(world)
        await world.reconciler._book_trades()
        assert [seen for seen in transactions if seen] == []

    play(scenario)


# what the stream told, after a crash


def test_fill_that_the_stream_told_wrongly_is_found_after_a_crash_too(play: Play) -> None:
    async def scenario(world: Any) -> None:
        on_hint = world.booker.on_hint

        def dearer(hint: Any) -> None:
            if hint.trade is not None:
                fee = hint.trade.fee_amount + 1
                hint = msgspec.structs.replace(
                    hint, trade=msgspec.structs.replace(hint.trade, fee_amount=fee)
                )
            on_hint(hint)

        async with world.listening():
            world.booker.on_hint = dearer
            await world.submit(price=None)
            await world.clock.sleep(0.2)
        (fill,) = world.fills()
        await world.restart()
        assert world.booker.unconfirmed == 0, "nobody in this process heard of it"
        await world.reconciler.catch_up()
        (difference, *_) = world.booker.differences
        assert (difference.subject, difference.key) == ("fee", TradeId(fill.trade.trade_id))

    play(scenario, agree=False)


def test_fill_that_is_told_the_same_after_a_crash_is_no_difference(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            await world.submit(price=None)
            await world.clock.sleep(0.2)
        await world.restart()
        await world.reconciler.catch_up()
        assert list(world.booker.differences) == []
        assert list(await world.reconciler.reconcile()) == []

    play(scenario)
