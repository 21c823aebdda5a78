"""Coins that come and go without a trade: manual's lots, and equity explained to the last digit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from krakked.adapters.kraken.transport import Call
from krakked.domain.events import EventName
from krakked.domain.fills import CashFlowKind, OpeningLot
from krakked.domain.ids import MANUAL, Asset, PairName, StrategyId
from krakked.domain.kill_switch import KillSwitchCause
from krakked.domain.orders import LegKind, Side
from krakked.domain.portfolio import Difference
from krakked.domain.positions import Sleeve
from krakked.domain.risk_book import Holdings, risk_book
from krakked.domain.valuation import Valuation
from krakked.engine.opening import book_lots
from krakked.sim.exchange.keys import ALL_PERMISSIONS
from krakked.simulator.options import ACCOUNT, default_key
from krakked.trading.proving import Prover
from krakked.trading.rules import ExecutionRules

Play = Callable[..., Any]
D = Decimal
USD, XBT = Asset("USD"), Asset("XBT")
XBTUSD = PairName("XBTUSD")
TREND = Sleeve(StrategyId("trend"), XBTUSD)
BY_HAND = Sleeve(MANUAL, XBTUSD)
HOLDS_XBT = {USD: D(10_000), XBT: D(1)}


async def explained(world: Any, mid: str) -> Any:
    """The snapshot at that price; its equity is flows and profit, exactly."""
    world.price_is(mid)
    snapshot = await world.marker.mark()
    assert snapshot.equity == snapshot.net_flows + snapshot.realized + snapshot.unrealized
    return snapshot


async def comes(world: Any, amount: str) -> None:
    await world.deposit(XBT, amount)
    assert list(await world.reconciler.reconcile()) == []


async def by_hand(world: Any, side: str, volume: str) -> None:
    """A person's market order, booked."""
    key = default_key(f"by-hand-{side}-{volume}")
    world.simulator.exchange.add_key(
        ACCOUNT, key=key.key, secret=key.secret, permissions=ALL_PERMISSIONS
    )
    client = world.adapter(key)
    form = {"pair": "XBTUSD", "type": side, "ordertype": "market", "volume": volume}
    await client.transport.private(Call(method="AddOrder", form=form))
    await client.close()
    await world.clock.sleep(5)
    assert list(await world.reconciler.reconcile()) == []


def held_by_hand(world: Any) -> tuple[Decimal, Decimal]:
    position = world.account.position(BY_HAND)
    return position.quantity_base, position.cost_quote


def test_coin_of_the_opening_balance_is_a_lot_of_manual_and_its_gain_is_unrealized(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        assert list(await world.reconciler.reconcile()) == []
        assert held_by_hand(world) == (1, 60_000)
        snapshot = await explained(world, "75000")
        assert (snapshot.equity, snapshot.net_flows) == (85_000, 70_000)
        assert (snapshot.unrealized, snapshot.realized) == (15_000, 0)

    play(scenario, speaks_first=False, balances=HOLDS_XBT)


def test_withdrawal_of_a_coin_realizes_what_it_gained_and_is_no_loss_of_the_day(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        await comes(world, "1")
        await explained(world, "70000")
        await comes(world, "-0.4")
        assert held_by_hand(world) == (D("0.6"), 36_000)
        snapshot = await explained(world, "70000")
        assert (snapshot.realized, snapshot.unrealized) == (4_000, 6_000)
        assert snapshot.equity == D(10_000) + 42_000
        assert world.account.day.drawdown_pct(snapshot.equity) == 0
        booked = [e.fields for e in world.events if e.name is EventName.CASH_FLOW_BOOKED]
        told = [(one.get("pair"), one.get("realized_quote")) for one in booked]
        assert told[0] == (None, None), "money of the base currency moves no position"
        assert [(pair, D(gain)) for pair, gain in told[1:]] == [(XBTUSD, 0), (XBTUSD, 4_000)]

    play(scenario)


async def earns(world: Any, amount: str) -> None:
    """Coins move into the wallet that earns; a negative amount: back."""
    exchange, now_ns = world.simulator.exchange, world.clock.now_ns()
    exchange.allocate(ACCOUNT, XBT, D(amount), ".F", now_ns)
    world.simulator.settle()
    assert list(await world.reconciler.reconcile()) == []


def kinds_of(world: Any) -> list[tuple[CashFlowKind, Asset, Decimal]]:
    flows = world.ask(lambda queries: list(queries.cash_flows()))
    return [(flow.kind, flow.asset, flow.amount) for flow in flows]


def test_coins_that_move_into_earn_are_a_transfer_and_no_loss_of_the_day(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        assert list(await world.reconciler.reconcile()) == []
        await world.marker.mark()
        await earns(world, "0.5")
        assert (CashFlowKind.TRANSFER, XBT, D("-0.5")) in kinds_of(world)
        snapshot = await explained(world, "60000")
        assert snapshot.equity == 40_000
        assert world.account.day.drawdown_pct(snapshot.equity) == 0
        assert not world.account.kill_switch.active
        await explained(world, "52001")
        assert not world.account.kill_switch.active
        await explained(world, "52000")  # what is left fell by a tenth
        state = world.account.kill_switch
        assert (state.active, state.cause) == (True, KillSwitchCause.DAILY_DRAWDOWN)

    play(scenario, speaks_first=False, balances=HOLDS_XBT)


def test_coins_that_come_back_from_earn_hide_no_loss_of_the_day(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        await earns(world, "0.5")
        await world.marker.mark()
        assert world.account.day.baseline_equity == 40_000
        await explained(world, "53000")  # 8.75 % down
        await earns(world, "-0.5")
        assert (CashFlowKind.TRANSFER, XBT, D("0.5")) in kinds_of(world)
        snapshot = await explained(world, "53000")
        assert snapshot.equity == 63_000
        assert world.account.day.drawdown_pct(snapshot.equity) == pytest.approx(D("8.75"))
        await explained(world, "52000")
        state = world.account.kill_switch
        assert (state.active, state.cause) == (True, KillSwitchCause.DAILY_DRAWDOWN)

    play(scenario, speaks_first=False, balances=HOLDS_XBT)


def test_withdrawal_while_down_neither_trips_the_kill_switch_nor_is_forgotten_by_a_restart(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        assert list(await world.reconciler.reconcile()) == []
        await explained(world, "60000")
        await explained(world, "56500")  # 5 % down
        await world.deposit(USD, "-9000")
        assert list(await world.reconciler.reconcile()) == []
        day = world.account.day
        await world.restart()
        assert world.account.day == day
        snapshot = await explained(world, "56500")
        assert day.drawdown_pct(snapshot.equity) == pytest.approx(D(5))
        assert not world.account.kill_switch.active

    play(scenario, speaks_first=False, balances=HOLDS_XBT)


def test_flow_that_a_start_finds_moves_the_baseline_at_its_first_mark(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.marker.mark()
        await world.deposit(USD, "-5000")
        await world.restart()
        await world.clock.sleep(20)  # the venue's counter of calls outlives the process
        assert list(await world.reconciler.reconcile()) == []
        day = world.account.day
        assert (day.baseline_equity, day.net_flows) == (10_000, -5_000)
        await world.restart()
        assert world.account.day == day
        await world.marker.mark()
        day = world.account.day
        assert (day.baseline_equity, day.net_flows) == (5_000, 0)
        assert not world.account.kill_switch.active

    play(scenario)


@pytest.mark.parametrize("book", ["dividend", "reward"])
def test_what_the_venue_pays_is_a_reward_and_covers_no_loss_of_the_day(
    play: Play, book: str
) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        assert list(await world.reconciler.reconcile()) == []
        await explained(world, "60000")
        await explained(world, "55000")
        pay = getattr(world.simulator.exchange, book)
        pay(ACCOUNT, XBT, D("0.5"), world.clock.now_ns())
        world.simulator.settle()
        assert list(await world.reconciler.reconcile()) == []
        assert (CashFlowKind.REWARD, XBT, D("0.5")) in kinds_of(world)
        snapshot = await explained(world, "55000")
        fall_pct = world.account.day.drawdown_pct(snapshot.equity)
        assert fall_pct == pytest.approx(D(50) / 7)  # 5,000 of 70,000

    play(scenario, speaks_first=False, balances=HOLDS_XBT)


def test_flows_booked_together_build_on_each_other(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        for amount in ("1", "0.5", "-0.25", "2"):
            await world.deposit(XBT, amount)
        assert list(await world.reconciler.reconcile()) == []
        assert held_by_hand(world) == (D("3.25"), 195_000)
        await explained(world, "61000")

    play(scenario)


def test_person_who_sells_deposited_coins_realizes_against_their_value(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("50000")
        await comes(world, "1")
        await by_hand(world, "sell", "0.5")
        assert held_by_hand(world) == (D("0.5"), 25_000)
        (fill,) = world.fills()
        assert fill.realized_quote == fill.trade.cost_quote - fill.fee_quote - 25_000
        await explained(world, "61000")
        assert world.account.overdrawn() == {}

    play(scenario)


def test_strategies_and_deposits_of_one_coin_keep_apart_and_sum_to_the_account(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        await comes(world, "1")
        await world.bought("0.02")
        await explained(world, "66000")
        await comes(world, "-0.3")
        assert world.account.position(TREND).quantity_base == D("0.02")
        assert held_by_hand(world)[0] == D("0.7")
        assert world.account.totals[XBT] == D("0.72")
        await world.submit(side=Side.SELL, quantity="0.02", price=None, kind=LegKind.EXIT)
        assert list(await world.reconciler.reconcile()) == []
        assert world.account.position(TREND).is_flat
        assert held_by_hand(world) == (D("0.7"), 42_000)
        await explained(world, "1234.5")

    play(scenario)


def test_strategys_coins_taken_out_are_owed_by_manual_until_they_come_back(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        await world.bought("0.02")
        await comes(world, "-0.02")
        assert held_by_hand(world) == (D("-0.02"), -1_200)
        assert world.account.overdrawn() == {XBT: D("0.02")}
        await explained(world, "50000")
        await explained(world, "90000")
        await comes(world, "0.02")
        assert held_by_hand(world) == (0, 0)
        assert world.account.overdrawn() == {}
        assert world.account.position(BY_HAND).realized_quote == -600
        await explained(world, "60000")

    play(scenario)


def test_deposit_without_a_price_is_a_lot_of_unknown_cost_and_counts_as_gain(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await comes(world, "0.5")
        assert held_by_hand(world) == (D("0.5"), 0)
        assert world.account.of_unknown_cost() == (XBTUSD,)
        snapshot = await world.marker.mark()
        assert (snapshot.equity, snapshot.unvalued, snapshot.unrealized) == (10_000, (XBT,), 0)
        snapshot = await explained(world, "60000")
        assert (snapshot.net_flows, snapshot.unrealized) == (10_000, 30_000)
        await comes(world, "-0.5")
        assert world.account.of_unknown_cost() == ()
        assert (await explained(world, "60000")).realized == 30_000

    play(scenario)


def test_coin_that_does_not_count_moves_no_position(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.account.valuation = Valuation(USD, world.account.pairs, exclude=[XBT])
        world.price_is("60000")
        await comes(world, "0.5")
        assert world.account.positions == {}
        (flow,) = [f for f in world.ask(lambda q: list(q.cash_flows())) if f.asset == XBT]
        assert (flow.pair, flow.value_base) == (None, 0)
        await explained(world, "70000")

    play(scenario)


def test_deposit_on_top_of_an_opening_lot_averages_and_doubles_nothing(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.clock.sleep(10)
        now_ns = world.clock.now_ns()
        lots = [
            OpeningLot(asset=USD, quantity=D(10_000), cost_base=D(10_000), at_ns=now_ns),
            OpeningLot(asset=XBT, quantity=D(1), cost_base=D(20_000), at_ns=now_ns, pair=XBTUSD),
        ]
        world.ledger.run(lambda tx: book_lots(tx, lots, now_ns))
        await world.restart()
        world.price_is("60000")
        await world.clock.sleep(10)
        assert list(await world.reconciler.reconcile()) == []
        assert held_by_hand(world) == (1, 20_000), "what brought it came before the books"
        await comes(world, "1")
        assert held_by_hand(world) == (2, 80_000)
        snapshot = await explained(world, "60000")
        assert (snapshot.net_flows, snapshot.unrealized) == (90_000, 40_000)

    play(scenario, speaks_first=False, balances=HOLDS_XBT)


def test_adjustment_takes_coins_from_manual_too(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        await comes(world, "1")
        exchange = world.simulator.exchange
        exchange.book_adjustment(ACCOUNT, XBT, D("-0.1"), world.clock.now_ns())
        world.simulator.settle()
        assert list(await world.reconciler.reconcile()) == []
        assert held_by_hand(world) == (D("0.9"), 54_000)
        await explained(world, "70000")

    play(scenario)


@pytest.mark.parametrize("tracks", [True, False])
def test_what_a_person_does_with_deposited_coins_is_explained_tracked_or_not(
    play: Play, tracks: bool
) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        await comes(world, "1")
        await by_hand(world, "sell", "0.25")
        await by_hand(world, "buy", "0.05")
        assert held_by_hand(world)[0] == world.account.totals[XBT] == D("0.8")
        await explained(world, "70000")
        assert bool(world.fills()) is tracks

    play(scenario, rules=ExecutionRules(tracks_manual_trades=tracks))


def test_restart_finds_the_positions_that_flows_made_and_proves_them(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        await comes(world, "1")
        await by_hand(world, "sell", "0.3")
        world.price_is("70000")
        await comes(world, "-0.1")
        await by_hand(world, "buy", "0.05")
        await comes(world, "0.25")
        before = world.account.positions
        await world.restart()
        await world.clock.sleep(20)  # the venue's counter of calls outlives the process
        assert world.account.positions == before
        assert list(await world.reconciler.reconcile()) == []
        assert world.account.positions == before, "what is read twice is booked once"
        assert await Prover(world.desk, prove=prove(world), on_inconsistent=never).look() == []
        await explained(world, "65000")

    play(scenario)


def prove(world: Any) -> Callable[[], Awaitable[list[Difference]]]:
    async def differences() -> list[Difference]:
        return list(world.ask(lambda q: q.projection_differences()))

    return differences


async def never(what: str) -> None:
    raise AssertionError(what)


def test_flatten_leaves_deposited_coins_alone(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        await comes(world, "1")
        assert await world.stopper.flatten(pair=None, strategy_id=None, principal="ada") == 0
        assert world.enqueued == []
        await world.bought("0.02")
        assert await world.stopper.flatten(pair=None, strategy_id=None, principal="ada") == 1
        assert {leg.action.sleeve for plan in world.enqueued for leg in plan.legs} == {TREND}

    play(scenario)


def test_deposited_coins_count_once_towards_the_limits(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        await comes(world, "1")
        account = world.account
        book = risk_book(
            Holdings(
                base_currency=USD,
                equity=D(70_000),
                totals=account.totals,
                prices=account.prices(world.market.quotes),
                pairs=account.pairs,
                positions=account.positions.values(),
            )
        )
        assert book.manual_by_asset == {XBT: 60_000}
        assert book.value_by_asset == {}
        assert book.free_cash[XBT] == 1

    play(scenario)
