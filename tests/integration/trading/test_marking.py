"""The account's worth over the days: baselines, drawdown, and the kill switch it trips."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from krakked.domain.bars import Timeframe
from krakked.domain.events import EventName
from krakked.domain.ids import Asset, PairName
from krakked.domain.kill_switch import KillSwitchCause
from krakked.domain.limits import Limits
from krakked.domain.orders import Side
from krakked.domain.times import DAY_S, NS_PER_SECOND
from krakked.domain.valuation import Valuation
from krakked.trading.cycling import Cycler
from krakked.trading.engine import Engine, EngineOptions
from krakked.trading.marking import realized_today

Play = Callable[..., Any]
D = Decimal
USD, XBT = Asset("USD"), Asset("XBT")
BALANCES = {USD: D(10_000), XBT: D("0.5")}


def test_mark_is_recorded_with_equity_cash_and_profit(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        await world.reconciler.catch_up()
        await world.bought("0.01")
        snapshot = await world.marker.mark()
        assert snapshot.equity == snapshot.net_flows + snapshot.realized + snapshot.unrealized
        assert snapshot.cash == world.account.totals[USD]
        assert world.ask(lambda q: list(q.snapshots())) == [snapshot]
        assert world.marker.latest == snapshot

    play(scenario)


def test_first_mark_of_a_day_is_its_baseline_and_survives_a_restart(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        await world.marker.mark()
        baseline = world.account.day
        assert baseline.baseline_equity == 40_000
        await world.restart()
        world.price_is("50000")
        await world.marker.mark()
        assert world.account.day == baseline
        assert world.count(EventName.DAY_ROLLED) == 1

    play(scenario, balances=BALANCES)


def test_day_rolls_at_midnight_and_begins_where_the_account_stands(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        await world.marker.mark()
        await world.bought("0.01", side=Side.SELL)
        world.price_is("55000")
        first = world.account.day
        now_s = world.clock.now_ns() // NS_PER_SECOND
        await world.clock.sleep(DAY_S - now_s % DAY_S - 1)
        world.price_is("55000")
        await world.marker.mark()
        assert world.account.day.day == first.day
        await world.clock.sleep(1)
        world.price_is("55000")
        snapshot = await world.marker.mark()
        assert world.account.day.day == first.day + 1
        assert world.account.day.baseline_equity == snapshot.equity
        assert realized_today(world.account.day, snapshot) == 0
        assert world.count(EventName.DAY_ROLLED) == 2

    play(scenario, balances=BALANCES)


def test_day_boundary_moves_the_day(play: Play) -> None:
    async def scenario(world: Any) -> None:
        marker = world.marker_of(day_boundary_s=6 * 3600)
        midnight_ns = 20_000 * DAY_S * NS_PER_SECOND
        six_ns = midnight_ns + 6 * 3600 * NS_PER_SECOND
        assert marker.day_of(six_ns) == 20_000
        assert marker.day_of(six_ns - 1) == 19_999
        assert marker.day_of(midnight_ns) == 19_999

    play(scenario)


def test_loss_at_the_daily_limit_trips_the_kill_switch_for_good(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        await world.marker.mark()  # 10,000 and half of 60,000
        world.price_is("52001")
        await world.marker.mark()
        assert not world.account.kill_switch.active
        world.price_is("52000")
        await world.marker.mark()
        state = world.account.kill_switch
        assert (state.active, state.cause) == (True, KillSwitchCause.DAILY_DRAWDOWN)
        assert state.reason == "down 10.00 % today, the limit is 10 %"
        world.price_is("70000")
        await world.marker.mark()
        assert world.account.kill_switch == state
        await world.restart()
        assert world.account.kill_switch == state
        assert world.count(EventName.KILL_SWITCH_ACTIVATED) == 1

    play(scenario, balances=BALANCES)


def test_deposit_and_withdrawal_are_neither_gain_nor_loss_of_the_day(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.marker.mark()
        await world.deposit(USD, "-9000")
        await world.reconciler.catch_up()
        snapshot = await world.marker.mark()
        assert snapshot.equity == 1000
        assert not world.account.kill_switch.active
        await world.deposit(USD, "5000")
        await world.reconciler.catch_up()
        snapshot = await world.marker.mark()
        assert world.account.day.drawdown_pct(snapshot.equity) == 0

    play(scenario)


def test_mark_sees_a_flow_in_the_equity_and_in_the_flows_or_in_neither(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.marker.mark()
        await world.deposit(USD, "5000")
        await world.recorder.turn.acquire()
        booking = asyncio.create_task(world.reconciler._flows.book())
        await world.clock.sleep(1)
        marking = asyncio.create_task(world.marker.mark())
        await world.clock.sleep(1)
        world.recorder.turn.release()
        await booking
        snapshot = await marking
        assert snapshot.equity == snapshot.net_flows
        assert (await world.marker.mark()).equity == 15_000
        assert not world.account.kill_switch.active

    play(scenario)


def test_largest_fall_from_the_peak_is_kept(play: Play) -> None:
    async def scenario(world: Any) -> None:
        for mid in ("60000", "80000", "60000", "70000"):
            world.price_is(mid)
            await world.marker.mark()
        assert world.marker.falls.peak == 50_000
        assert world.marker.falls.deepest_pct == 20

    play(scenario, balances=BALANCES)


async def flows(world: Any, amount: str, asset: Asset = USD) -> None:
    """Money comes or goes, and a pass finds it."""
    await world.deposit(asset, amount)
    assert list(await world.reconciler.reconcile()) == []


def marks_around_flows(world: Any) -> None:
    """As the engine does it."""
    world.reconciler.around_flow = world.marker.mark_around_flow


def test_money_that_comes_and_goes_is_no_fall(play: Play) -> None:
    async def scenario(world: Any) -> None:
        marks_around_flows(world)
        world.price_is("60000")
        await world.reconciler.catch_up()
        await world.marker.mark()
        for amount in ("-3333.33", "12345.67", "-9000"):
            await flows(world, amount)
            await world.marker.mark()
        await flows(world, "-0.4", XBT)
        await world.marker.mark()
        assert world.marker.falls.deepest_pct == 0
        assert world.marker.falls.peak == world.marker.latest.equity

    play(scenario, balances=BALANCES)


def test_fall_is_found_between_two_marks_though_a_deposit_hides_it(play: Play) -> None:
    async def scenario(world: Any) -> None:
        marks_around_flows(world)
        world.price_is("60000")
        await world.marker.mark()
        world.price_is("52000")
        await flows(world, "100000")
        assert world.marker.falls.deepest_pct == 10
        # The kill switch judges what was lost by what there was to lose.
        assert world.account.kill_switch.cause is KillSwitchCause.DAILY_DRAWDOWN
        assert world.marker.latest.equity == 136_000

    play(scenario, balances=BALANCES)


def test_engine_values_the_account_around_flows_and_not_before_its_first_mark(play: Play) -> None:
    async def scenario(world: Any) -> None:
        options = EngineOptions(pairs=(PairName("XBTUSD"),), timeframes=(Timeframe.M1,))
        cycler = Cycler(world.desk, world.store, (), Limits())
        parts = {"feed": world.rest, "history": world.rest, "store": world.store}
        engine = Engine(world.desk, cycler=cycler, options=options, **parts)
        await engine.reconciler.catch_up()
        assert world.account.day is None
        world.price_is("60000")
        await engine.marker.mark()
        world.price_is("54000")
        await world.deposit(USD, "3000")
        await engine.reconciler.reconcile()
        marks = [e for e in world.events if e.name is EventName.EQUITY_MARKED]
        assert [D(str(e.fields["equity"])) for e in marks] == [40_000, 37_000, 40_000]
        assert engine.marker.latest.equity == 40_000
        assert engine.marker.falls.deepest_pct == D("7.5")

    play(scenario, balances=BALANCES)


def test_kill_switch_is_durable_and_says_who_and_why(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.breaker.turn_on(KillSwitchCause.MANUAL, "news", principal="ada")
        await world.restart()
        state = world.account.kill_switch
        assert (state.active, state.reason, state.principal) == (True, "news", "ada")
        await world.breaker.turn_off("ok", principal="ada")
        await world.restart()
        assert not world.account.kill_switch.active
        assert world.account.kill_switch.cause is None

    play(scenario)


# what does not count


def leave_out_xbt(world: Any) -> None:
    world.account.valuation = Valuation(USD, world.account.pairs, exclude=[XBT])


def test_asset_that_does_not_count_is_neither_wealth_nor_a_flow_and_is_still_compared(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        leave_out_xbt(world)
        world.price_is("60000")
        before = await world.marker.mark()
        assert (before.equity, before.values) == (10_000, {"USD": 10_000})
        await world.deposit(XBT, "2")
        world.price_is("30000")
        assert list(await world.reconciler.reconcile()) == []
        assert world.account.totals[XBT] == D("2.5")
        after = await world.marker.mark()
        assert (after.equity, after.unvalued) == (10_000, ())
        assert after.net_flows == before.net_flows
        assert world.account.day.drawdown_pct(after.equity) == 0
        assert not world.account.kill_switch.active

    play(scenario, balances=BALANCES)


def test_loss_of_an_asset_that_does_not_count_is_found_all_the_same(play: Play) -> None:
    async def scenario(world: Any) -> None:
        leave_out_xbt(world)
        world.price_is("60000")
        world.account.totals[XBT] += 1
        (difference,) = await world.reconciler.reconcile()
        assert (difference.subject, difference.key) == ("balance", "XBT")
        world.account.totals[XBT] -= 1
        await world.reconciler.reconcile()

    play(scenario, balances=BALANCES)


def test_asset_without_a_way_to_the_base_currency_counts_nothing_and_is_flagged(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        snapshot = await world.marker.mark()
        assert (snapshot.equity, snapshot.unvalued) == (10_000, (XBT,))
        world.price_is("60000")
        assert (await world.marker.mark()).unvalued == ()

    play(scenario, balances=BALANCES)


def test_what_does_not_count_is_not_in_the_equity_and_the_holdings_that_limits_see(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        cycler = Cycler(world.desk, world.store, (), Limits())
        book = cycler.book()
        assert (book.equity, book.manual_by_asset[XBT]) == (40_000, 30_000)
        leave_out_xbt(world)
        book = cycler.book()
        assert book.equity == 10_000
        assert not book.manual_by_asset.get(XBT)

    play(scenario, balances=BALANCES)


def test_start_waits_for_the_quotes_that_value_the_account(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        engine = Engine(
            world.desk,
            feed=world.rest,
            history=world.rest,
            store=world.store,
            cycler=Cycler(world.desk, world.store, (), Limits()),
            options=EngineOptions(
                pairs=(PairName("XBTUSD"),),
                timeframes=(Timeframe.M1,),
                valuing=(PairName("ETHXBT"),),
            ),
        )
        assert engine.missing().endswith("a quote of ETHXBT")

    play(scenario, balances=BALANCES)


# what lost its price


def test_price_that_is_missing_after_a_restart_is_no_drawdown(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        await world.marker.mark()
        await world.restart()
        snapshot = await world.marker.mark()
        assert (snapshot.equity, snapshot.unvalued) == (10_000, (XBT,))
        assert world.marker.lost == (XBT,)
        assert not world.account.kill_switch.active
        assert world.marker.falls.deepest_pct == 0
        (told,) = [e for e in world.events if e.name is EventName.CAUTION]
        assert "XBT" in str(told.fields["reason"])
        await world.marker.mark()
        assert world.count(EventName.CAUTION) == 1

    play(scenario, balances=BALANCES)


def test_price_that_stays_away_over_two_restarts_is_still_remembered(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        await world.marker.mark()
        for _ in range(2):
            await world.restart()
            await world.marker.mark()
        assert world.marker.lost == (XBT,)
        assert not world.account.kill_switch.active

    play(scenario, balances=BALANCES)


def test_loss_is_judged_again_once_the_price_is_back(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        await world.marker.mark()
        await world.restart()
        await world.marker.mark()
        world.price_is("50000")
        await world.marker.mark()
        assert world.marker.lost == ()
        assert world.account.kill_switch.cause is KillSwitchCause.DAILY_DRAWDOWN

    play(scenario, balances=BALANCES)


def test_no_day_begins_while_a_price_is_missing(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        await world.marker.mark()
        first = world.account.day
        await world.restart()
        await world.clock.sleep(DAY_S)
        await world.marker.mark()
        assert world.account.day == first
        world.price_is("60000")
        await world.marker.mark()
        assert world.account.day.day == first.day + 1
        assert world.account.day.baseline_equity == 40_000

    play(scenario, balances=BALANCES)


def test_asset_that_never_had_a_price_holds_nothing_up(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.marker.mark()
        assert world.marker.latest.unvalued == (XBT,)
        assert world.marker.lost == ()

    play(scenario, balances=BALANCES)


def test_asset_that_is_sold_or_left_out_is_not_missed(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.price_is("60000")
        await world.marker.mark()
        await world.restart()
        world.account.valuation = Valuation(USD, world.account.pairs, exclude=[XBT])
        await world.marker.mark()
        assert world.marker.lost == ()
        world.account.valuation = Valuation(USD, world.account.pairs)
        await world.deposit(XBT, "-0.5")
        await world.reconciler.reconcile()
        await world.marker.mark()
        assert world.marker.lost == ()

    play(scenario, balances=BALANCES)


def test_nothing_is_bought_while_a_price_is_missing(play: Play) -> None:
    async def scenario(world: Any) -> None:
        cycler = Cycler(world.desk, world.store, (), Limits())
        world.market.on_connected()
        world.price_is("60000")
        await world.marker.mark()
        assert not cycler.book().blocks.feed_stale
        await world.restart()
        world.market.on_connected()
        cycler = Cycler(world.desk, world.store, (), Limits())
        assert cycler.book().blocks.feed_stale
        world.price_is("60000")
        assert not cycler.book().blocks.feed_stale

    play(scenario, balances=BALANCES)
