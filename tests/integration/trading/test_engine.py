"""The engine over its parts: what it tells of itself, and what it does when one of them fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest

from krakked.adapters.kraken.transport import Call
from krakked.adapters.kraken.websocket import FeedSettings, KrakenFeed
from krakked.domain.bars import Timeframe
from krakked.domain.errors import Transient
from krakked.domain.events import EventName
from krakked.domain.ids import Asset, PairName
from krakked.domain.kill_switch import KillSwitchCause
from krakked.domain.limits import Limits
from krakked.domain.portfolio import Difference, Drift, DriftKind
from krakked.domain.times import NS_PER_SECOND, to_rfc3339
from krakked.engine.reporting import compare_books
from krakked.simulator.faults import FaultKind
from krakked.trading.cycling import Cycler
from krakked.trading.engine import Engine, EngineOptions
from krakked.trading.rules import ExecutionRules

Play = Callable[..., Any]
XBTUSD = PairName("XBTUSD")


class Forgetful:
    """A history that does not answer the first ``count`` questions."""

    def __init__(self, count: int) -> None:
        self.count = count

    async def closed_bars(self, *_: Any, **__: Any) -> list[Any]:
        self.count -= 1
        if self.count >= 0:
            raise Transient("OHLC: no answer")
        return []


def engine_of(world: Any, *, history: Any = None, **options: Any) -> Engine:
    settings = FeedSettings(
        public_url=world.simulator.ws_url, private_url=world.simulator.ws_auth_url, silence_s=0
    )
    return Engine(
        world.desk,
        feed=KrakenFeed(settings, world.rest, world.clock, Random(1)),
        history=history or world.rest,
        store=world.store,
        cycler=Cycler(world.desk, world.store, (), Limits()),
        options=EngineOptions(pairs=(XBTUSD,), timeframes=(Timeframe.M1,), **options),
    )


@contextlib.asynccontextmanager
async def running(engine: Engine, names: Sequence[str]) -> AsyncIterator[None]:
    """The feed and the named tasks."""
    tasks = [asyncio.create_task(engine.feed_task())]
    await engine.wait_until_fed()
    for name, work in engine.tasks().items():
        if name in names:
            tasks.append(asyncio.create_task(work))
        else:
            work.close()
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def told(world: Any, name: EventName) -> list[dict[str, Any]]:
    return [event.fields for event in world.events if event.name is name]


def test_engine_tells_that_its_prices_went_stale_and_came_back(play: Play) -> None:
    async def scenario(world: Any) -> None:
        engine = engine_of(world)
        async with running(engine, ["cycles"]):
            await world.clock.sleep(3)
            world.market.on_lost()
            await world.clock.sleep(10)
            assert "market_data" in engine.degraded()
            world.market.on_connected()
            await world.clock.sleep(2)
        (lost,) = told(world, EventName.MARKET_DATA_UNAVAILABLE)
        assert lost["what"] == "the market stream"
        (restored,) = told(world, EventName.MARKET_DATA_RESTORED)
        assert 8 < restored["lasted_s"] < 12

    play(scenario)


def test_history_that_cannot_be_fetched_is_told_once_and_its_return_too(play: Play) -> None:
    async def scenario(world: Any) -> None:
        engine = engine_of(world, history=Forgetful(3))
        async with running(engine, ["history"]):
            await world.clock.sleep(30)
        (lost,) = told(world, EventName.MARKET_DATA_UNAVAILABLE)
        assert lost == {"what": "history", "reason": "OHLC: no answer"}
        (restored,) = told(world, EventName.MARKET_DATA_RESTORED)
        assert restored == {"what": "history", "lasted_s": 14}  # pauses of 2, 4 and 8 seconds

    play(scenario)


def test_account_is_valued_and_its_loss_judged_before_a_bar_is_decided_on(play: Play) -> None:
    async def scenario(world: Any) -> None:
        engine = engine_of(world, is_paced_by_bars=True)
        await world.bought("0.1")
        seen: list[tuple[bool, int]] = []

        async def decide(*_: Any) -> None:
            seen.append((world.account.kill_switch.active, world.count(EventName.EQUITY_MARKED)))

        engine.cycler.run = decide  # type: ignore[method-assign, assignment]  # who decides sees what is there
        async with running(engine, ["cycles"]):
            await engine.marker.mark()
            world.stand_at("40000")
            await world.clock.sleep(130)
        assert seen == [(False, 1), (True, 2), (True, 3)]  # the first is that of the start
        assert "daily_drawdown" in told(world, EventName.KILL_SWITCH_ACTIVATED)[0]["cause"]
        world.stand_at("60000")

    play(scenario)


def test_day_that_began_is_rolled_before_its_first_bar_is_decided_on(play: Play) -> None:
    async def scenario(world: Any) -> None:
        now_s = world.clock.now_ns() // NS_PER_SECOND
        engine = engine_of(world, day_boundary_s=(now_s // 60 * 60 + 120) % 86_400)
        await engine.marker.mark()
        days: list[int] = []

        async def decide(*_: Any) -> None:
            days.append(world.account.day.day)

        engine.cycler.run = decide  # type: ignore[method-assign, assignment]  # who decides sees what is there
        async with running(engine, ["cycles"]):
            await world.clock.sleep(190)
        first = days[0]
        assert days == [first, first, first + 1, first + 1][: len(days)]
        assert first + 1 in days
        assert world.count(EventName.EQUITY_MARKED) == 2  # the clock marks the other minutes

    play(scenario)


@pytest.mark.parametrize("halts", [True, False])
def test_dead_man_that_fired_halts_the_engine_only_where_money_is_at_stake(
    play: Play, halts: bool
) -> None:
    async def scenario(world: Any) -> None:
        engine = engine_of(world, halts_when_dead_man_fires=halts)
        await engine.dead_man.refresh()
        await world.clock.sleep(61)
        await engine.dead_man.refresh()
        assert world.count(EventName.DEAD_MAN_FIRED) == 1
        assert world.account.halted is halts
        assert world.count(EventName.HALTED) == halts
        assert world.ledger.run(lambda tx: tx.books()).halted is halts

    play(scenario)


def test_dead_man_that_fired_has_the_books_compared_before_the_interval_is_over(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        engine = engine_of(world)
        resting = await world.submit()
        await engine.dead_man.refresh()
        await world.clock.sleep(61)
        async with running(engine, ["reconcile"]):
            await world.clock.sleep(1)
            before = world.count(EventName.RECONCILED)
            await engine.dead_man.refresh()
            await world.clock.sleep(1)
            assert world.count(EventName.RECONCILED) == before + 1
        assert world.account.order(resting.request.client_order_id) is None

    play(scenario)


def test_engine_keeps_its_dead_man_also_when_bars_set_the_pace(play: Play) -> None:
    async def scenario(world: Any) -> None:
        engine = engine_of(world, is_paced_by_bars=True)
        await engine.dead_man.refresh()
        world.fault(FaultKind.SERVER_ERROR, "CancelAllOrdersAfter")
        async with running(engine, ["dead-man"]):
            await world.clock.sleep(20)
            assert world.count(EventName.DEAD_MAN_FAILED) == 1
            assert world.count(EventName.DEAD_MAN_REFRESHED) == 2

    play(scenario)


@pytest.mark.parametrize(
    ("fault", "word"),
    [("CancelAllOrdersAfter", "dead_man"), (None, None)],
)
def test_dead_man_whose_refresh_failed_is_shown(
    play: Play, fault: str | None, word: str | None
) -> None:
    async def scenario(world: Any) -> None:
        engine = engine_of(world)
        world.market.on_connected()
        if fault is not None:
            world.fault(FaultKind.SERVER_ERROR, fault)
        await engine.dead_man.refresh()
        assert ("dead_man" in engine.degraded()) is (word is not None)
        await engine.dead_man.refresh()
        assert "dead_man" not in engine.degraded()

    play(scenario)


def test_status_says_when_equity_was_reckoned_and_how_many_positions_are_held(play: Play) -> None:
    async def scenario(world: Any) -> None:
        engine = engine_of(world)
        before = engine.status()
        assert (before["equity"], before["equity_at"], before["positions"]) == (None, None, 0)
        await world.bought("0.01")
        snapshot = await engine.marker.mark()
        await world.clock.sleep(3600)
        status = engine.status()
        assert status["positions"] == 1
        assert status["equity"] == str(snapshot.equity)
        assert status["equity_at"] == to_rfc3339(snapshot.at_ns, decimals=0)
        assert status["equity_at"] != status["now"]
        await world.reconciler.reconcile()

    play(scenario)


def test_status_of_a_fenced_engine_is_degraded_and_not_ready(play: Play) -> None:
    async def scenario(world: Any) -> None:
        engine = engine_of(world)
        assert engine.status()["ready"] is True
        assert "fenced" not in engine.degraded()
        world.guard.fenced_by = "EAPI:Invalid nonce"
        status = engine.status()
        assert (status["ready"], status["fenced"]) == (False, "EAPI:Invalid nonce")
        assert "fenced" in engine.degraded()

    play(scenario)


def test_status_shows_sales_that_are_refused_and_whom_they_are_owed_to(play: Play) -> None:
    async def scenario(world: Any) -> None:
        engine = engine_of(world)
        await world.bought("0.01")
        status = engine.status()
        assert (status["flatten_owed"], status["refused_sales"]) == ([], [])
        sleeve = next(iter(world.account.positions))
        world.account.cursors[f"flatten_owed/{sleeve.pair}/{sleeve.strategy_id}"] = "ada"
        engine.executor.refusals.refused(sleeve, "EOrder:Insufficient funds")
        status = engine.status()
        assert status["flatten_owed"] == ["trend XBTUSD for ada"]
        assert status["refused_sales"] == [
            "trend XBTUSD: refused 1 in a row, at last: EOrder:Insufficient funds"
        ]
        assert {"flatten_owed", "refused_sales"} <= set(engine.degraded())
        world.account.cursors.clear()
        world.account.cursors.update(world.ledger.run(lambda tx: tx.books()).cursors)

    play(scenario)


def test_status_keeps_drift_tolerated_and_foreign_apart(play: Play) -> None:
    async def scenario(world: Any) -> None:
        engine = engine_of(world)
        drifts = tuple(
            Drift(
                difference=Difference(subject="balance", key=kind.value, ours="1", theirs="2"),
                kind=kind,
                since_ns=0,
            )
            for kind in (DriftKind.FOREIGN, DriftKind.TOLERATED)
        )
        world.account.drifts = drifts
        status = engine.status()
        assert status["drift"] == []
        assert status["tolerated"] == ["balance tolerated: ours 1, theirs 2"]
        assert status["foreign_orders"] == ["balance foreign: ours 1, theirs 2"]
        assert "drift" not in engine.degraded()
        late = Drift(difference=drifts[0].difference, kind=DriftKind.LATE, since_ns=0)
        world.account.drifts = (late,)
        assert engine.status()["drift"] == ["balance foreign: ours 1, theirs 2"]
        assert "drift" in engine.degraded()
        world.account.drifts = ()

    play(scenario)


def test_venue_that_does_not_answer_the_reconciler_is_shown_as_degraded(play: Play) -> None:
    async def scenario(world: Any) -> None:
        engine = engine_of(world)
        engine.reconciler.outage.begin("no answer")
        assert "exchange" in engine.degraded()
        assert list(await engine.reconciler.reconcile()) == []
        assert "exchange" not in engine.degraded()

    play(scenario)


async def buy_by_hand(world: Any) -> None:
    form = {"pair": "XBTUSD", "type": "buy", "ordertype": "market", "volume": "0.01"}
    await world.rest.transport.private(Call(method="AddOrder", form=form))


@pytest.mark.parametrize("tracks", [True, False])
def test_books_at_the_end_agree_beside_trades_made_by_hand_tracked_or_not(
    play: Play, tracks: bool
) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.02")
        await buy_by_hand(world)
        engine = engine_of(world)
        assert (await compare_books(engine, world.fills, since_ns=0)).differences == ()
        assert len(world.fills()) == (2 if tracks else 1)

    play(scenario, rules=ExecutionRules(tracks_manual_trades=tracks))


def test_books_at_the_end_miss_a_fill_of_ours_also_when_others_are_not_tracked(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.02")
        (difference,) = (await compare_books(engine_of(world), list, since_ns=0)).differences
        assert difference.subject == "fill"

    play(scenario, rules=ExecutionRules(tracks_manual_trades=False))


def test_status_shows_pairs_that_are_only_watched_and_assets_without_a_price(play: Play) -> None:
    async def scenario(world: Any) -> None:
        engine = engine_of(world, kept=("ADAUSD: not named in universe.include_pairs",))
        engine.marker.lost = (Asset("ADA"),)
        status = engine.status()
        assert status["kept_pairs"] == ["ADAUSD: not named in universe.include_pairs"]
        assert status["without_price"] == ["ADA"]
        assert "valuation" in engine.degraded()
        engine.marker.lost = ()
        assert "valuation" not in engine.degraded()
        # an asset that never had a price is no loss of a valuation, and counts nothing in equity
        snapshot = await engine.marker.mark()
        engine.marker.latest = msgspec.structs.replace(snapshot, unvalued=(Asset("KFEE"),))
        assert engine.status()["without_price"] == ["KFEE"]
        assert "valuation" not in engine.degraded()

    play(scenario)


def test_status_shows_what_positions_hold_beyond_the_account(play: Play) -> None:
    async def scenario(world: Any) -> None:
        engine = engine_of(world)
        await world.bought("0.01")
        assert engine.status()["overdrawn"] == []
        world.account.post("XBT", Decimal("-0.004"))
        assert engine.status()["overdrawn"] == ["XBT 0.00400000"]
        world.account.post("XBT", Decimal("0.004"))

    play(scenario)


def test_contradiction_turns_the_kill_switch_on(play: Play) -> None:
    async def scenario(world: Any) -> None:
        engine = engine_of(world)
        await engine.booker._on_inconsistent("execution T of order O")
        state = world.account.kill_switch
        assert (state.active, state.cause) == (True, KillSwitchCause.INCONSISTENCY)
        assert state.reason == "inconsistent: execution T of order O"

    play(scenario)


def test_orders_that_fail_in_a_row_degrade_the_exchange_until_a_pass_finds_it_quiet(
    play: Play,
) -> None:
    async def scenario(world: Any) -> None:
        engine = engine_of(world)
        failures = engine.executor.failures
        for _ in range(3):
            failures.failed(Transient("AddOrder: not connected"), pause_ns=NS_PER_SECOND)
        assert "exchange" in engine.degraded()
        await engine.reconciler.reconcile()
        assert "exchange" in engine.degraded(), "a question that is answered is no order"
        await world.clock.sleep(3)
        await engine.reconciler.reconcile()
        assert "exchange" not in engine.degraded()
        assert [fields["what"] for fields in told(world, EventName.EXCHANGE_DEGRADED)] == ["orders"]
        assert len(told(world, EventName.EXCHANGE_RESTORED)) == 1

    play(scenario, rules=ExecutionRules(max_retries=2))


def test_owed_flatten_degrades_the_engine_also_after_a_restart(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.market.on_connected()
        await world.bought("0.01")
        engine = engine_of(world)
        await engine.stopper.flatten(pair=None, strategy_id=None, principal="ada")
        assert "flatten_owed" not in engine.degraded()
        await world.restart()
        await world.clock.sleep(30)
        again = engine_of(world)
        assert await again.executor.drop_pending() == 1
        assert "flatten_owed" in again.degraded()

    play(scenario)


def test_pair_of_which_the_venue_shows_no_price_holds_up_no_start(play: Play) -> None:
    async def scenario(world: Any) -> None:
        engine = engine_of(world, valuing=(PairName("ETHXBT"),))
        engine.feeder.is_ready.update({False: True, True: True})
        began_ns = world.clock.now_ns()
        await engine.wait_until_fed(patience_s=10)
        assert world.clock.now_ns() - began_ns == pytest.approx(10e9, rel=0.01)
        told = [e.fields["pair"] for e in world.events if e.name is EventName.CAUTION]
        assert told == [XBTUSD, "ETHXBT"]

    play(scenario)


def test_pair_that_is_known_to_have_no_price_is_not_waited_for_and_told(play: Play) -> None:
    async def scenario(world: Any) -> None:
        engine = engine_of(world)
        engine.feeder.is_ready.update({False: True, True: True})
        began_ns = world.clock.now_ns()
        await engine.wait_until_fed(patience_s=10, without=(XBTUSD,))
        assert world.clock.now_ns() == began_ns
        told = [e.fields["pair"] for e in world.events if e.name is EventName.CAUTION]
        assert told == [XBTUSD]

    play(scenario)
