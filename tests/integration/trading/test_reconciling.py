"""Fills are booked once, whatever told of them; what differs is explained, or becomes drift."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from krakked.adapters.kraken.transport import Call
from krakked.domain.errors import MissingPermission, Transient
from krakked.domain.events import EventName
from krakked.domain.fills import CashFlowKind, OpeningLot
from krakked.domain.ids import MANUAL, Asset, PairName, StrategyId
from krakked.domain.limits import Limits
from krakked.domain.orders import Journal, LegKind, OrderStatus, Side, VenueStatus
from krakked.domain.portfolio import Difference, Drift, DriftKind
from krakked.domain.positions import Sleeve
from krakked.domain.quotes import Quote
from krakked.domain.risk_book import Holdings, risk_book
from krakked.domain.risk_rules import asset_value, open_positions
from krakked.engine.opening import Holding, book_lots, find_holding
from krakked.ports.market_feed import ExecutionHint
from krakked.sim.exchange.keys import ALL_PERMISSIONS
from krakked.simulator.faults import FaultKind
from krakked.simulator.options import ACCOUNT, default_key
from krakked.trading.cursors import (
    BOOKS_BEGAN_CURSOR,
    LEDGER_CURSOR,
    TRADES_CURSOR,
)
from krakked.trading.fills import HINT_TRIES_MAX
from krakked.trading.rules import ExecutionRules

Play = Callable[..., Any]
D = Decimal
USD, XBT = Asset("USD"), Asset("XBT")
XBTUSD = PairName("XBTUSD")
TREND = Sleeve(StrategyId("trend"), XBTUSD)
BY_HAND = Sleeve(MANUAL, XBTUSD)


def quote(world: Any, mid: str) -> Quote:
    return Quote(
        pair=XBTUSD,
        bid=D(mid),
        ask=D(mid),
        last=D(mid),
        volume_24h_base=D(1),
        at_ns=world.clock.now_ns(),
    )


async def settled_down(world: Any) -> None:
    """Long enough for hints to be followed up."""
    await world.clock.sleep(5)


async def passed(is_reached: Callable[[], bool]) -> None:
    """Let the loop turn until a point is reached, and no further."""
    while not is_reached():  # noqa: ASYNC110 - there is no event: the point is inside others' work
        await asyncio.sleep(0)


# fills, by stream and by REST


def test_fill_that_the_stream_tells_is_booked_without_reconciling(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            order = await world.submit(price=None)
            await settled_down(world)
            assert world.booker.is_idle
            assert world.stored(order.request).journal is Journal.DONE
            assert len(world.fills()) == 1

    play(scenario)


def names_only(world: Any) -> None:
    """The stream names executions, and does not tell them."""
    on_hint = world.booker.on_hint
    world.booker.on_hint = lambda hint: on_hint(
        msgspec.structs.replace(hint, trade=None, filled_base=None)
    )


def test_fill_that_is_told_twice_and_reconciled_as_well_is_booked_once(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            order = await world.submit(price=None)
            await asyncio.gather(
                world.reconciler.catch_up(), world.reconciler.catch_up(), settled_down(world)
            )
            (fill,) = world.fills()
            done = world.stored(order.request)
            again = ExecutionHint(
                venue_order_id=done.venue_order_id,
                client_order_id=done.request.client_order_id,
                trade_id=fill.trade.trade_id,
                status=VenueStatus.CLOSED,
                filled_base=None,
                reason=None,
                at_ns=world.clock.now_ns(),
            )
            world.booker.on_hint(again)
            world.booker.on_hint(again)
            await settled_down(world)
            assert world.booker.is_idle
            assert list(await world.reconciler.reconcile()) == []
        assert len(world.fills()) == 1
        assert world.account.position(TREND).quantity_base == D("0.01")
        assert world.stored(order.request).filled_base == D("0.01")

    play(scenario)


def test_fill_that_the_stream_missed_is_found_by_reconciling(play: Play) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit(price="59500.0")
        assert list(await world.reconciler.reconcile()) == []
        world.stand_at("59000.0")
        await world.clock.sleep(30)
        assert world.fills() == []
        assert list(await world.reconciler.reconcile()) == []
        assert sum(fill.trade.quantity_base for fill in world.fills()) == D("0.01")
        assert world.stored(order.request).status is OrderStatus.FILLED
        assert world.account.drifts == ()

    play(scenario)


def test_stream_that_drops_in_the_middle_loses_no_fill(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            world.fault(FaultKind.WS_DROP)
            order = await world.submit(price=None)
            await settled_down(world)
            assert list(await world.reconciler.reconcile()) == []
        assert world.stored(order.request).journal is Journal.DONE
        assert len(world.fills()) == 1

    play(scenario)


def test_fill_that_is_only_named_and_shows_itself_late_is_booked_when_it_does(play: Play) -> None:
    async def scenario(world: Any) -> None:
        names_only(world)
        async with world.listening():
            world.fault(FaultKind.LATE_VISIBILITY, seconds=4)
            order = await world.submit(price=None)
            await world.clock.sleep(2)
            assert world.fills() == []
            await world.clock.sleep(8)
            assert len(world.fills()) == 1
            assert world.stored(order.request).journal is Journal.DONE
            assert list(await world.reconciler.reconcile()) == []

    play(scenario)


def test_hint_that_leads_nowhere_is_given_up_after_its_tries(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            world.booker.on_hint(
                ExecutionHint(
                    venue_order_id="OAAAAA-BBBBB-CCCCCC",
                    client_order_id=None,
                    trade_id="TAAAAA-BBBBB-CCCCCC",
                    status=VenueStatus.OPEN,
                    filled_base=None,
                    reason=None,
                    at_ns=world.clock.now_ns(),
                )
            )
            await world.clock.sleep(2)
            assert not world.booker.is_idle
            await world.clock.sleep(HINT_TRIES_MAX + 5)
            assert world.booker.is_idle
        assert world.fills() == []

    play(scenario)


def test_sale_realizes_profit_on_its_sleeve(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        world.stand_at("66000.0")
        await world.clock.sleep(20)
        await world.bought("0.01", side=Side.SELL)
        position = world.account.position(TREND)
        assert position.is_flat
        assert position.cost_quote == 0
        flows = world.account.net_flows
        assert flows == 10_000
        assert world.account.totals[USD] - flows == position.realized_quote
        assert position.realized_quote > 50

    play(scenario)


# other people's orders


async def by_hand(world: Any, **fields: str) -> str:
    """Somebody trades on the account with a program of his own."""
    key = default_key("by-hand")
    world.simulator.exchange.add_key(
        ACCOUNT, key=key.key, secret=key.secret, permissions=ALL_PERMISSIONS
    )
    client = world.adapter(key)
    form = {"pair": "XBTUSD", "type": "buy", "ordertype": "market", "volume": "0.02", **fields}
    raw = await client.transport.private(Call(method="AddOrder", form=form))
    await client.close()
    (txid,) = msgspec.json.decode(bytes(raw))["txid"]
    return str(txid)


def test_fill_of_a_foreign_order_goes_to_manual(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.01")
        await by_hand(world)
        assert list(await world.reconciler.reconcile()) == []
        assert world.account.position(BY_HAND).quantity_base == D("0.02")
        assert world.account.position(TREND).quantity_base == D("0.01")
        (foreign,) = [fill for fill in world.fills() if fill.strategy_id == MANUAL]
        assert foreign.client_order_id is None
        assert world.account.drifts == ()

    play(scenario)


def test_foreign_order_that_rests_is_shown_and_no_difference(play: Play) -> None:
    async def scenario(world: Any) -> None:
        txid = await by_hand(world, ordertype="limit", price="50000")
        assert list(await world.reconciler.reconcile()) == []
        assert [order.venue_order_id for order in world.reconciler.foreign] == [txid]
        assert world.account.live_orders() == []
        (shown,) = world.account.drifts
        assert shown.kind is DriftKind.FOREIGN
        assert (shown.difference.subject, shown.difference.key) == ("open_order", txid)
        assert shown.difference.theirs == "buy 0.02 XBTUSD at 50000"

    play(scenario)


def test_foreign_order_never_becomes_drift_and_is_told_once(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await by_hand(world, ordertype="limit", price="50000")
        for _ in range(4):
            await world.reconciler.reconcile()
            await world.clock.sleep(20)
        assert [drift.kind for drift in world.account.drifts] == [DriftKind.FOREIGN]
        assert world.drifts_found == []
        notices = told(world, EventName.NOTICE)
        assert [notice["order"] for notice in notices] == ["buy 0.02 XBTUSD at 50000"]
        await world.rest.cancel_all()
        await world.reconciler.reconcile()
        assert world.account.drifts == ()
        assert world.count(EventName.DRIFT_CLEARED) == 0

    play(scenario)


def test_own_order_that_somebody_cancelled_beside_a_foreign_one_is_settled_as_ours(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        order = await world.submit()
        foreign = await by_hand(world, ordertype="limit", price="50000")
        await world.rest.cancel_order(world.stored(order.request).venue_order_id)
        assert list(await world.reconciler.reconcile()) == []
        assert world.stored(order.request).journal is Journal.DONE
        assert [drift.difference.key for drift in world.account.drifts] == [foreign]

    play(scenario)


def test_foreign_order_with_an_id_of_its_own_is_foreign_too(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await by_hand(world, cl_ord_id="my-order-1")
        assert list(await world.reconciler.reconcile()) == []
        assert world.account.position(BY_HAND).quantity_base == D("0.02")

    play(scenario)


# trades made by hand that nobody tracks

UNTRACKED = ExecutionRules(tracks_manual_trades=False)


def test_untracked_trade_is_a_flow_of_the_account_and_its_coins_are_manuals(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.market.on_quote(quote(world, "60000"))
        await world.marker.mark()
        await by_hand(world)
        assert list(await world.reconciler.reconcile()) == []
        assert world.account.drifts == ()
        assert world.fills() == []
        held = world.account.position(BY_HAND)
        assert (held.quantity_base, held.cost_quote, held.fees_quote) == (D("0.02"), 1_200, 0)
        assert world.account.totals[XBT] == D("0.02")
        moved = [f for f in world.ask(lambda q: list(q.cash_flows())) if f.kind.value == "transfer"]
        assert sorted(flow.asset for flow in moved) == [USD, XBT]
        snapshot = await world.marker.mark()
        assert snapshot.realized == snapshot.unrealized == 0
        assert snapshot.equity == snapshot.net_flows
        assert world.account.day.drawdown_pct(snapshot.equity) == 0

    play(scenario, rules=UNTRACKED)


def test_untracked_trade_that_the_stream_tells_of_is_not_booked_either(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async with world.listening():
            await by_hand(world)
            await settled_down(world)
            assert world.fills() == []
            assert world.booker.is_idle
        assert list(await world.reconciler.reconcile()) == []
        assert world.fills() == []

    play(scenario, rules=UNTRACKED)


def test_own_trade_beside_an_untracked_one_is_a_fill_as_ever(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await by_hand(world)
        await world.bought("0.01")
        await by_hand(world, type="sell", volume="0.01")
        assert list(await world.reconciler.reconcile()) == []
        (fill,) = world.fills()
        assert fill.strategy_id == "trend"
        assert world.account.position(TREND).quantity_base == D("0.01")
        assert world.account.totals[XBT] == D("0.02")

    play(scenario, rules=UNTRACKED)


def test_own_trade_whose_order_shows_itself_late_is_never_taken_for_untracked(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.fault(FaultKind.LATE_VISIBILITY, seconds=15)
        order = await world.submit(price=None)
        for _ in range(8):
            await world.reconciler.reconcile()
            await world.clock.sleep(3)
        assert list(await world.reconciler.reconcile()) == []
        (fill,) = world.fills()
        assert fill.client_order_id == order.request.client_order_id
        assert not [f for f in world.ask(lambda q: list(q.cash_flows())) if f.amount < 0]

    play(scenario, rules=UNTRACKED)


def test_trade_with_an_id_of_ours_that_we_do_not_know_is_neither_fill_nor_flow_but_drift(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        stray = world.request(99, 0, price=None)
        await world.rest.add_order(stray, deadline_at_ns=world.clock.now_ns() + 5_000_000_000)
        await world.reconciler.reconcile()
        differences = await world.reconciler.reconcile()
        assert [difference.key for difference in differences[:2]] == [USD, XBT]
        assert [difference.subject for difference in differences[2:]] == ["fill"]
        assert world.fills() == []
        assert not [f for f in world.ask(lambda q: list(q.cash_flows())) if f.asset == XBT]

    play(scenario, rules=UNTRACKED, agree=False)


def test_untracked_trades_are_flows_once_also_after_a_restart(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await by_hand(world)
        await world.reconciler.reconcile()
        before = world.ask(lambda q: len(list(q.cash_flows())))
        await world.restart()
        await world.clock.sleep(20)
        await world.reconciler.catch_up()
        assert list(await world.reconciler.reconcile()) == []
        assert world.ask(lambda q: len(list(q.cash_flows()))) == before

    play(scenario, rules=UNTRACKED)


# cash flows


def test_opening_deposit_explains_a_fresh_account(play: Play) -> None:
    async def scenario(world: Any) -> None:
        assert world.account.totals == {}
        assert list(await world.reconciler.reconcile()) == []
        assert world.account.totals == {USD: 10_000, XBT: 1}
        flows = world.ask(lambda q: list(q.cash_flows()))
        assert {(flow.kind, flow.asset) for flow in flows} == {
            (CashFlowKind.DEPOSIT, USD),
            (CashFlowKind.DEPOSIT, XBT),
        }

    play(scenario, speaks_first=False, balances={USD: D(10_000), XBT: D(1)})


def test_deposit_and_withdrawal_become_cash_flows_and_no_drift(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.marker.mark()
        await world.deposit(USD, "500.25")
        await world.deposit(USD, "-200")
        assert list(await world.reconciler.reconcile()) == []
        assert world.account.totals[USD] == D("10300.25")
        assert world.account.net_flows == D("10300.25")
        assert world.account.day.net_flows == D("300.25")
        assert world.account.drifts == ()
        assert world.count(EventName.CASH_FLOW_BOOKED) == 3
        assert world.fills() == []

    play(scenario)


def test_deposit_is_booked_once_however_often_it_is_seen(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.deposit(USD, "500")
        for _ in range(3):
            await world.reconciler.catch_up()
        assert world.account.totals[USD] == 10_500
        assert world.account.net_flows == 10_500

    play(scenario)


def test_adjustment_is_a_flow_that_is_shown_and_no_loss_of_the_day(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.marker.mark()
        exchange = world.simulator.exchange
        exchange.book_adjustment(ACCOUNT, USD, D("-100"), world.clock.now_ns())
        world.simulator.settle()
        assert list(await world.reconciler.reconcile()) == []
        (flow,) = [f for f in world.ask(lambda q: list(q.cash_flows())) if f.amount < 0]
        assert flow.kind is CashFlowKind.ADJUSTMENT
        assert world.account.net_flows == 9_900
        assert world.count(EventName.CASH_FLOW_BOOKED) == 2
        snapshot = await world.marker.mark()
        assert world.account.day.baseline_equity == snapshot.equity == 9_900
        assert world.account.day.drawdown_pct(snapshot.equity) == 0
        assert snapshot.equity == snapshot.net_flows + snapshot.realized + snapshot.unrealized

    play(scenario)


def test_flow_in_an_asset_with_a_price_is_valued_at_it(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.market.on_quote(quote(world, "60000"))
        await world.deposit(XBT, "0.5")
        assert list(await world.reconciler.reconcile()) == []
        assert world.account.net_flows == 40_000

    play(scenario)


def test_restarted_engine_knows_what_the_stopped_one_knew(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.market.on_quote(quote(world, "60000"))
        await world.bought("0.01")
        resting = await world.submit()
        await world.deposit(USD, "500")
        exchange = world.simulator.exchange
        exchange.book_adjustment(ACCOUNT, USD, D("-1"), world.clock.now_ns())
        world.simulator.settle()
        assert list(await world.reconciler.reconcile()) == []
        await world.marker.mark()
        before = world.account
        await world.restart()
        await world.clock.sleep(20)  # the venue's counter of calls outlives the process
        after = world.account
        assert after is not before
        assert after.positions == before.positions
        assert after.net_flows == before.net_flows == 10_499
        assert after.day == before.day
        assert after.order(None, resting.venue_order_id) == resting
        assert list(await world.reconciler.reconcile()) == []
        assert len(world.fills()) == 1

    play(scenario)


# a process that died


def test_order_in_flight_when_the_process_died_is_found_after_the_restart(play: Play) -> None:
    async def scenario(world: Any) -> None:
        plan = await world.plan({"price": None})
        request = plan.legs[0].request
        sending = asyncio.create_task(world.execute(plan))
        await passed(lambda: XBT in world.simulator.exchange.balances(ACCOUNT))
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        assert world.stored(request).journal is Journal.SENT
        await world.restart()
        await world.clock.sleep(4)
        assert list(await world.reconciler.reconcile()) == []
        found = world.stored(request)
        assert (found.journal, found.status) == (Journal.DONE, OrderStatus.FILLED)
        assert len(world.fills()) == 1
        assert len(await world.venue_orders()) == 1

    play(scenario)


def test_order_recorded_but_never_written_to_the_wire_is_absent_in_the_end(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.fault(FaultKind.REQUEST_LOST, "AddOrder")
        plan = await world.plan({})
        sending = asyncio.create_task(world.execute(plan))
        request = plan.legs[0].request
        await passed(lambda: world.stored(request).journal is not Journal.PENDING)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await world.restart()
        for journal, pause_s in ((Journal.SENT, 10), (Journal.SENT, 14), (Journal.ABSENT, 0)):
            await world.reconciler.reconcile()
            assert world.stored(request).journal is journal
            await world.clock.sleep(pause_s)
        assert await world.venue_orders() == {}

    play(scenario)


# the beginning of the books


def test_executions_and_flows_from_before_the_books_began_are_in_the_lots_alone(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        await by_hand(world)
        await world.clock.sleep(10)
        held = world.simulator.exchange.balances(ACCOUNT)
        now_ns = world.clock.now_ns()

        def begin(tx: Any) -> None:
            for asset, quantity in sorted(held.items()):
                tx.insert_opening_lot(
                    OpeningLot(asset=asset, quantity=quantity, cost_base=None, at_ns=now_ns)
                )
            for cursor in (BOOKS_BEGAN_CURSOR, TRADES_CURSOR, LEDGER_CURSOR):
                tx.set_cursor(cursor, str(now_ns))

        world.ledger.run(begin)
        await world.restart()
        assert list(await world.reconciler.reconcile()) == []
        await world.reconciler.catch_up()
        assert world.fills() == []
        assert world.ask(lambda q: list(q.cash_flows())) == []
        await world.clock.sleep(10)
        await by_hand(world)
        assert list(await world.reconciler.reconcile()) == []
        assert len(world.fills()) == 1

    play(scenario, speaks_first=False)


class MovesWhileRead:
    """The venue, where somebody pays in right after the balances, or right before, were told."""

    def __init__(self, world: Any, when: str, times: int = 1) -> None:
        self._world, self._when, self._times = world, when, times

    async def _move(self, when: str) -> None:
        if when == self._when and self._times:
            self._times -= 1
            await self._world.deposit(XBT, "0.25")

    async def balances(self) -> Any:
        await self._move("before")
        balances = await self._world.rest.balances()
        await self._move("after")
        return balances

    async def ledger_since(self, since_ns: int) -> Any:
        return await self._world.rest.ledger_since(since_ns)


@pytest.mark.parametrize("when", ["before", "after", "never"])
def test_deposit_beside_the_reading_of_opening_balances_is_counted_once(
    play: Play, when: str
) -> None:
    async def scenario(world: Any) -> None:
        await world.clock.sleep(10)
        holding: Holding = await find_holding(MovesWhileRead(world, when), world.clock)
        assert holding.totals[XBT] == (D("0.5") if when == "never" else D("0.75"))
        await world.deposit(XBT, "1")  # while a person reads what was found
        lots = [
            OpeningLot(asset=asset, quantity=total, cost_base=None, at_ns=holding.at_ns)
            for asset, total in holding.totals.items()
        ]
        world.ledger.run(lambda tx: book_lots(tx, lots, holding.at_ns))
        await world.clock.sleep(60)
        await world.restart()
        assert list(await world.reconciler.reconcile()) == []
        (flow,) = world.ask(lambda q: list(q.cash_flows()))
        assert (flow.asset, flow.amount) == (XBT, 1)

    play(scenario, speaks_first=False, balances={USD: D(10_000), XBT: D("0.5")})


def test_account_that_never_comes_to_rest_is_not_opened(play: Play) -> None:
    async def scenario(world: Any) -> None:
        with pytest.raises(Transient, match="the account moves while it is read"):
            await find_holding(MovesWhileRead(world, "after", times=100), world.clock)
        await world.reconciler.catch_up()

    play(scenario, speaks_first=False, balances={USD: D(10_000), XBT: D("0.5")})


async def begin_with_lot(world: Any, quantity: str, cost: str | None) -> None:
    """The books begin with what the account holds: so much XBT, at this cost."""
    await world.clock.sleep(10)
    now_ns = world.clock.now_ns()
    known = None if cost is None else D(cost)
    lots = [
        OpeningLot(asset=USD, quantity=D(10_000), cost_base=D(10_000), at_ns=now_ns),
        OpeningLot(asset=XBT, quantity=D(quantity), cost_base=known, at_ns=now_ns, pair=XBTUSD),
    ]
    world.ledger.run(lambda tx: book_lots(tx, lots, now_ns))
    await world.restart()
    world.market.on_quote(quote(world, "60000"))
    await world.clock.sleep(10)


@pytest.mark.parametrize(("cost", "unrealized"), [("25000", 5_000), (None, 30_000)])
def test_opening_lot_is_held_by_the_manual_sleeve_of_its_pair(
    play: Play, cost: str | None, unrealized: int
) -> None:
    async def scenario(world: Any) -> None:
        await begin_with_lot(world, "0.5", cost)
        position = world.account.position(BY_HAND)
        assert (position.quantity_base, position.cost_quote) == (D("0.5"), D(cost or 0))
        assert position.opened_at_ns is not None
        assert list(await world.reconciler.reconcile()) == []
        snapshot = await world.marker.mark()
        assert snapshot.unrealized == unrealized
        marked = [e for e in world.events if e.name is EventName.EQUITY_MARKED][-1]
        assert marked.fields["unknown_cost"] == ([] if cost else [XBTUSD])
        assert snapshot.equity == 40_000
        assert snapshot.equity == snapshot.net_flows + snapshot.realized + snapshot.unrealized

    play(scenario, speaks_first=False, balances={USD: D(10_000), XBT: D("0.5")})


def test_opening_lot_sold_by_hand_realizes_against_its_cost(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await begin_with_lot(world, "0.5", "25000")
        await by_hand(world, type="sell", volume="0.1")
        assert list(await world.reconciler.reconcile()) == []
        position = world.account.position(BY_HAND)
        assert (position.quantity_base, position.cost_quote) == (D("0.4"), 20_000)
        (fill,) = world.fills()
        assert fill.realized_quote == fill.trade.cost_quote - fill.fee_quote - 5_000

    play(scenario, speaks_first=False, balances={USD: D(10_000), XBT: D("0.5")})


def test_lot_of_unknown_cost_stays_unknown_until_all_of_it_is_gone(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await begin_with_lot(world, "0.5", None)
        for side, volume, is_unknown in (
            ("sell", "0.1", True),
            ("buy", "0.05", True),
            ("sell", "0.45", False),
            ("buy", "0.05", False),
        ):
            await by_hand(world, type=side, volume=volume)
            assert list(await world.reconciler.reconcile()) == []
            position = world.account.position(BY_HAND)
            assert position.has_unknown_cost is is_unknown
            assert world.account.of_unknown_cost() == ((XBTUSD,) if is_unknown else ())
            assert (position.average_price is None) == (is_unknown or position.is_flat)
            await world.clock.sleep(10)

    play(scenario, speaks_first=False, balances={USD: D(10_000), XBT: D("0.5")})


@pytest.mark.parametrize("included", [True, False])
def test_opening_lot_counts_towards_the_limits_where_manual_positions_do(
    play: Play, included: bool
) -> None:
    async def scenario(world: Any) -> None:
        await begin_with_lot(world, "0.5", "25000")
        account = world.account
        prices = account.prices(world.market.quotes)
        book = risk_book(
            Holdings(
                base_currency=USD,
                equity=D(40_000),
                totals=account.totals,
                prices=prices,
                pairs=account.pairs,
                positions=account.positions.values(),
            )
        )
        limits = Limits(include_manual_positions=included)
        assert asset_value(XBT, book, limits) == (30_000 if included else 0)
        assert open_positions(book, limits) == included

    play(scenario, speaks_first=False, balances={USD: D(10_000), XBT: D("0.5")}, agree=True)


# drift


async def make_unexplained(world: Any, asset: Asset, amount: str) -> None:
    """Our books say what the venue never did."""
    lot = OpeningLot(asset=asset, quantity=D(amount), cost_base=None, at_ns=world.clock.now_ns())
    async with world.recorder.turn:
        await world.recorder.commit(lambda tx: tx.insert_opening_lot(lot))
        world.account.post(asset, D(amount))


def test_unexplained_balance_becomes_drift_after_its_patience_and_not_before(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await make_unexplained(world, USD, "0.01")
        (difference,) = await world.reconciler.reconcile()
        assert str(difference) == "balance USD: ours 10000.01, theirs 10000"
        assert [drift.kind for drift in world.account.drifts] == [DriftKind.LATE]
        await world.clock.sleep(29)
        await world.reconciler.reconcile()
        assert [drift.kind for drift in world.account.drifts] == [DriftKind.LATE]
        assert (world.drifts_found, world.count(EventName.DRIFT_FOUND)) == ([], 0)
        await world.clock.sleep(2)
        await world.reconciler.reconcile()
        assert [drift.kind for drift in world.account.drifts] == [DriftKind.UNEXPLAINED]
        assert world.drifts_found == [str(difference)]
        assert world.count(EventName.DRIFT_FOUND) == 1

    play(scenario, agree=False)


def test_drift_is_told_once_and_survives_a_restart(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await make_unexplained(world, USD, "0.01")
        for _ in range(4):
            await world.reconciler.reconcile()
            await world.clock.sleep(15)
        assert world.count(EventName.DRIFT_FOUND) == 1
        await world.restart()
        (drift,) = world.account.drifts
        assert drift.kind is DriftKind.UNEXPLAINED
        await world.reconciler.reconcile()
        assert world.count(EventName.DRIFT_FOUND) == 1

    play(scenario, agree=False)


def test_drift_that_is_explained_is_cleared(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await make_unexplained(world, USD, "5")
        await world.reconciler.reconcile()
        await world.clock.sleep(31)
        await world.reconciler.reconcile()
        assert world.count(EventName.DRIFT_CLEARED) == 0
        await make_unexplained(world, USD, "-5")
        assert list(await world.reconciler.reconcile()) == []
        assert world.account.drifts == ()
        assert world.count(EventName.DRIFT_CLEARED) == 1

    play(scenario)


def test_difference_that_was_only_late_leaves_without_a_word(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await make_unexplained(world, USD, "5")
        await world.reconciler.reconcile()
        await make_unexplained(world, USD, "-5")
        assert list(await world.reconciler.reconcile()) == []
        assert world.account.drifts == ()
        assert world.count(EventName.DRIFT_FOUND) == world.count(EventName.DRIFT_CLEARED) == 0

    play(scenario)


def test_order_of_ours_that_we_do_not_know_is_drift_and_is_not_adopted(play: Play) -> None:
    async def scenario(world: Any) -> None:
        stray = world.request(99, 0)
        await world.rest.add_order(stray, deadline_at_ns=world.clock.now_ns() + 5_000_000_000)
        (difference,) = await world.reconciler.reconcile()
        assert (difference.subject, difference.key) == ("open_order", stray.client_order_id)
        assert world.account.live_orders() == []

    play(scenario)


# what is tolerated

TOLERANT = ExecutionRules(reconciliation_tolerance=D("1.0"))


@pytest.mark.parametrize(
    ("asset", "amount", "kind"),
    [
        (USD, "1.0", DriftKind.TOLERATED),
        (USD, "-1.0", DriftKind.TOLERATED),
        (USD, "1.01", DriftKind.UNEXPLAINED),
        (XBT, "0.00001", DriftKind.TOLERATED),  # 0.60 USD
        (XBT, "-0.00002", DriftKind.UNEXPLAINED),  # 1.20 USD
        (Asset("ADA"), "0.00000001", DriftKind.UNEXPLAINED),  # no price: who knows
    ],
)
def test_difference_is_drift_only_when_it_is_worth_more_than_the_tolerance(
    play: Play, asset: Asset, amount: str, kind: DriftKind
) -> None:
    async def scenario(world: Any) -> None:
        world.market.on_quote(quote(world, "60000"))
        await make_unexplained(world, asset, amount)
        await world.reconciler.reconcile()
        await world.clock.sleep(31)
        (difference,) = await world.reconciler.reconcile()
        assert difference.key == asset
        assert [drift.kind for drift in world.account.drifts] == [kind]
        is_drift = kind is DriftKind.UNEXPLAINED
        assert world.count(EventName.DRIFT_FOUND) == len(world.drifts_found) == is_drift

    play(scenario, agree=False, rules=TOLERANT)


def test_tolerated_difference_that_grows_is_drift_at_once(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await make_unexplained(world, USD, "0.9")
        await world.reconciler.reconcile()
        assert [drift.kind for drift in world.account.drifts] == [DriftKind.TOLERATED]
        assert not world.reconciler.is_settled
        await world.clock.sleep(31)
        assert world.reconciler.is_settled
        await make_unexplained(world, USD, "0.2")
        await world.reconciler.reconcile()
        assert [drift.kind for drift in world.account.drifts] == [DriftKind.UNEXPLAINED]
        assert world.drifts_found == ["balance USD: ours 10001.1, theirs 10000"]

    play(scenario, agree=False, rules=TOLERANT)


@pytest.mark.parametrize(
    ("kind", "pause_s"),
    [
        (DriftKind.LATE, 10),
        (DriftKind.UNEXPLAINED, 60),
        (DriftKind.TOLERATED, 60),
        (DriftKind.FOREIGN, 60),
    ],
)
def test_venue_is_asked_more_often_only_while_a_difference_may_explain_itself(
    play: Play, kind: DriftKind, pause_s: float
) -> None:
    async def scenario(world: Any) -> None:
        difference = Difference(subject="balance", key="USD", ours="1", theirs="2")
        world.account.drifts = (Drift(difference=difference, kind=kind, since_ns=0),)
        assert world.reconciler._pause_s() == pause_s
        world.account.drifts = ()

    play(scenario)


def test_order_that_one_side_lacks_is_never_tolerated(play: Play) -> None:
    async def scenario(world: Any) -> None:
        stray = world.request(99, 0)
        await world.rest.add_order(stray, deadline_at_ns=world.clock.now_ns() + 5_000_000_000)
        await world.reconciler.reconcile()
        await world.clock.sleep(31)
        await world.reconciler.reconcile()
        assert [drift.kind for drift in world.account.drifts] == [DriftKind.UNEXPLAINED]

    play(scenario, rules=TOLERANT)


def test_difference_past_its_patience_costs_two_questions_until_the_interval_is_over(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        world.account.totals[Asset("USD")] += 100
        await world.reconciler.reconcile()
        await world.clock.sleep(31)
        await world.reconciler.reconcile()
        assert [drift.kind for drift in world.account.drifts] == [DriftKind.UNEXPLAINED]
        for pause_s, points in ((20, 2), (60, 12)):
            await world.clock.sleep(pause_s)
            before = min(world.rest.headroom().rest.values())
            await world.reconciler.reconcile()
            assert before - min(world.rest.headroom().rest.values()) == points
        world.account.totals[Asset("USD")] -= 100

    play(scenario)


# trouble


@pytest.mark.parametrize("method", ["OpenOrders", "BalanceEx"])
def test_reconciling_a_venue_that_does_not_answer_concludes_nothing(
    play: Play, method: str
) -> None:
    async def scenario(world: Any) -> None:
        await make_unexplained(world, USD, "5")
        world.fault(FaultKind.SERVER_ERROR, method, count=9)
        with pytest.raises(Transient):
            await world.reconciler.reconcile()
        assert world.account.drifts == ()
        assert world.reconciler.last_success_ns == 0
        world.simulator.faults.armed.clear()
        assert len(await world.reconciler.reconcile()) == 1
        assert world.reconciler.last_success_ns == world.clock.now_ns()

    play(scenario, agree=False)


@contextlib.asynccontextmanager
async def reconciling(world: Any) -> AsyncIterator[None]:
    """The reconciler runs on its own, and has been asked for a pass."""
    running = asyncio.create_task(world.reconciler.run())
    world.reconciler.request()
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def told(world: Any, name: EventName) -> list[dict[str, Any]]:
    return [event.fields for event in world.events if event.name is name]


def test_question_without_an_answer_is_asked_again_with_growing_pauses_and_only_warned_of(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        world.fault(FaultKind.SERVER_ERROR, "OpenOrders", count=3)
        async with reconciling(world):
            await world.clock.sleep(30)
        retries = told(world, EventName.EXCHANGE_RETRIED)
        assert [(retry["attempt"], retry["pause_s"]) for retry in retries] == [
            (1, 2),
            (2, 4),
            (3, 8),
        ]
        assert told(world, EventName.EXCHANGE_DEGRADED) == []
        assert told(world, EventName.EXCHANGE_RESTORED) == []
        assert not world.reconciler.outage.is_on
        assert world.reconciler.last_success_ns > 0

    play(scenario)


def test_venue_that_answers_no_retry_is_unreliable_once_and_restored_with_its_duration(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        world.fault(FaultKind.SERVER_ERROR, "OpenOrders", count=5)
        async with reconciling(world):
            await world.clock.sleep(25)
            assert world.reconciler.outage.is_on
            assert world.reconciler.last_success_ns == 0
            await world.clock.sleep(60)
        assert len(told(world, EventName.EXCHANGE_RETRIED)) == 3
        (lost,) = told(world, EventName.EXCHANGE_DEGRADED)
        assert "OpenOrders" in lost["reason"]
        (restored,) = told(world, EventName.EXCHANGE_RESTORED)
        assert restored["lasted_s"] == 32  # two more tries, sixteen seconds apart
        assert not world.reconciler.outage.is_on

    play(scenario)


def test_no_of_the_venue_is_not_asked_again(play: Play) -> None:
    async def scenario(world: Any) -> None:
        async def refuse() -> None:
            raise MissingPermission("OpenOrders: EGeneral:Permission denied")

        world.rest.open_orders = refuse
        async with reconciling(world):
            await world.clock.sleep(1)
        assert told(world, EventName.EXCHANGE_RETRIED) == []
        assert len(told(world, EventName.EXCHANGE_DEGRADED)) == 1

    play(scenario)


def test_retries_that_are_turned_off_make_the_venue_unreliable_at_once(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.fault(FaultKind.SERVER_ERROR, "OpenOrders")
        async with reconciling(world):
            await world.clock.sleep(1)
            assert world.reconciler.outage.is_on
        assert told(world, EventName.EXCHANGE_RETRIED) == []

    play(scenario, rules=ExecutionRules(max_retries=0))


def test_reconciler_looks_soon_while_an_order_is_unknown(play: Play) -> None:
    async def scenario(world: Any) -> None:
        running = asyncio.create_task(world.reconciler.run())
        world.fault(FaultKind.ANSWER_LOST, "AddOrder")
        order = await world.submit()
        world.reconciler.request()  # what the executor's on_unknown does in an engine
        await world.clock.sleep(3)
        assert world.stored(order.request).journal is Journal.ACKED
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    play(scenario, rules=ExecutionRules(reconcile_interval_s=3600))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_many_orders_with_every_kind_of_fault_leave_no_difference(play: Play, seed: int) -> None:
    """Whatever is lost on the way, each order exists once at most and each fill is booked once."""

    async def scenario(world: Any) -> None:
        world.simulator.faults.reseed(seed)
        world.simulator.faults.probabilities = {
            FaultKind.REQUEST_LOST: D("0.05"),
            FaultKind.ANSWER_LOST: D("0.05"),
            FaultKind.SERVER_ERROR: D("0.05"),
            FaultKind.SERVER_ERROR_AFTER: D("0.05"),
            FaultKind.WS_DROP: D("0.05"),
            FaultKind.LATE_VISIBILITY: D("0.2"),
        }
        orders = []
        async with world.listening():
            running = asyncio.create_task(world.reconciler.run())
            for turn in range(20):
                fields: dict[str, Any] = {"quantity": "0.002", "price": None}
                if turn % 4 == 3:
                    fields = {"quantity": "0.002", "price": "59000.0"}
                if turn % 3 == 2:
                    fields |= {"side": Side.SELL, "price": None, "kind": LegKind.EXIT}
                orders.append(await world.submit(**fields))
                await world.clock.sleep(30)
            world.simulator.faults.probabilities = {}
            await world.clock.sleep(120)
            assert list(await world.reconciler.reconcile()) == []
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        venue = (await world.venue_orders()).values()
        by_client_id = [order.client_order_id for order in venue]
        assert len(by_client_id) == len(set(by_client_id))
        assert not [o for o in orders if world.stored(o.request).journal is Journal.UNKNOWN]
        executed = {trade.trade_id for trade in await world.rest.trades_since(0)}
        booked = [fill.trade.trade_id for fill in world.fills()]
        assert sorted(booked) == sorted(executed)
        assert len(booked) >= 6
        assert world.count(EventName.ORDER_UNKNOWN) >= 1

    play(scenario)
