"""The bundled strategies over months of bars through whole cycles: books, limits, runs, stops."""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from krakked.domain.bars import Bar, Bars, Timeframe, bars_from
from krakked.domain.decisions import DecisionRecord, Outcome
from krakked.domain.fills import Liquidity, VenueTrade
from krakked.domain.ids import (
    AccountFingerprint,
    Asset,
    PairName,
    StrategyId,
    TradeId,
    VenueOrderId,
)
from krakked.domain.limits import Limits
from krakked.domain.money import price_from_ticks, ticks_from_price
from krakked.domain.orders import LegKind, OrderRequest, Side
from krakked.domain.pairs import Pair
from krakked.domain.plans import ExecutionPlan
from krakked.domain.portfolio import SleeveState, equity_of
from krakked.domain.positions import Position, Sleeve, apply
from krakked.domain.quotes import Quote
from krakked.domain.risk_book import Holdings, RiskBook, risk_book
from krakked.domain.strategies import build, known_types
from krakked.domain.times import NS_PER_SECOND
from krakked.trading.cycle import (
    CycleInputs,
    CycleResult,
    DueSleeve,
    run_cycle,
    volatility,
    window_bars,
)
from krakked.trading.exits import ExitInputs, ExitSleeve, exit_plan
from krakked.trading.rules import ExecutionRules

HOUR_S = 3600
USD = Asset("USD")
SHARED = Path(os.environ.get("KRAKKED_SHARED", Path(__file__).parents[4] / "shared"))
REAL = SHARED / "data" / "kraken-ohlcvt"
STRATEGIES = [build(StrategyId(name), name, {}) for name in known_types()]
PAIRS = {
    name: Pair(
        name=name,
        base=base,
        quote=USD,
        tick_size=tick,
        quantity_decimals=8,
        cost_decimals=5,
        quantity_min=Decimal("0.0001"),
        cost_min=Decimal("0.5"),
    )
    for name, base, tick in (
        (PairName("XBTUSD"), Asset("XBT"), Decimal("0.1")),
        (PairName("ETHUSD"), Asset("ETH"), Decimal("0.01")),
    )
}


class Replay:
    """A venue that fills every order at once at the close, and an account without a database."""

    def __init__(self, history: dict[PairName, Bars], limits: Limits) -> None:
        self.history = history
        self.limits = limits
        self.totals = {USD: Decimal(10_000)}
        self.positions: dict[Sleeve, Position] = {}
        self.states: dict[Sleeve, SleeveState] = {}
        self.runs: dict[tuple[Sleeve, str], DecisionRecord] = {}
        self.wakes: dict[Sleeve, str] = {}
        self.fills: Counter[tuple[PairName, LegKind]] = Counter()
        self.verdicts: Counter[Outcome] = Counter()
        self.bars_seen: Counter[Sleeve] = Counter()
        self.rows = 0
        self.adding_plans = 0
        self.sequence = 0
        self.digest = hashlib.sha256()
        self.prices = {USD: Decimal(1)}
        self.at = {
            name: {int(start): i for i, start in enumerate(bars.start_s)}
            for name, bars in history.items()
        }

    def run(self) -> Replay:
        for start_s in sorted({start for at in self.at.values() for start in at}):
            present = [name for name in PAIRS if start_s in self.at[name]]
            for name in present:
                self.stop_out(name, start_s)
                bars, i = self.history[name], self.at[name][start_s]
                self.prices[PAIRS[name].base] = price_from_ticks(int(bars.close[i]), bars.tick_size)
            self.decide(present, start_s)
        return self

    def window(self, name: PairName, start_s: int, count: int) -> Bars:
        stop = self.at[name][start_s] + 1
        return self.history[name].slice(max(stop - count, 0), stop)

    def book(self, names: Sequence[PairName], start_s: int) -> RiskBook:
        ranges = {name: volatility(self.window(name, start_s, 60), self.limits) for name in names}
        equity, _ = equity_of(self.totals, self.prices)
        return risk_book(
            Holdings(
                base_currency=USD,
                equity=equity,
                totals=self.totals,
                prices=self.prices,
                pairs=PAIRS,
                positions=self.positions.values(),
                stops={
                    sleeve: state.stop_price
                    for sleeve, state in self.states.items()
                    if state.stop_price is not None
                },
                volatility={name: value for name, value in ranges.items() if value is not None},
            )
        )

    def decide(self, names: Sequence[PairName], start_s: int) -> None:
        due = [
            self.due(i * len(PAIRS) + j, i, name, start_s)
            for i in range(len(STRATEGIES))
            for j, name in enumerate(names)
        ]
        result = run_cycle(
            CycleInputs(
                epoch=1,
                account=AccountFingerprint("0a1b2c3d"),
                sequence=self.sequence + 1,
                parent_id=None,
                now_ns=(start_s + HOUR_S) * NS_PER_SECOND,
                rules=ExecutionRules(),
                due=tuple(due),
                book=self.book(names, start_s),
                limits=self.limits,
                runs=self.runs,
            )
        )
        assert len(result.records) == len(due)
        for record in result.records:
            known = self.runs.get((record.sleeve, "1h"))
            self.rows += known is None or known.decision_id != record.decision_id
            self.runs[(record.sleeve, "1h")] = record
            self.verdicts[record.outcome] += 1
            self.bars_seen[record.sleeve] += 1
        for state in result.states:
            self.states[state.sleeve] = state
        self.check_limits(result)
        self.execute(result.plan)

    def check_limits(self, result: CycleResult) -> None:
        """What a plan adds to is inside its limits with everything that the plan takes."""
        legs = () if result.plan is None else result.plan.legs
        bought = {PAIRS[leg.request.pair].base for leg in legs if leg.side is Side.BUY}
        self.adding_plans += bool(bought)
        allowed = result.book.equity * self.limits.max_per_asset_pct / 100
        for asset in bought:
            assert result.book.value_by_asset[asset] <= allowed
        if bought:
            assert len(result.book.value_by_sleeve) <= self.limits.max_open_positions
            assert result.book.free_cash[USD] >= 0

    def due(self, index: int, number: int, name: PairName, start_s: int) -> DueSleeve:
        strategy = STRATEGIES[number]
        sleeve = Sleeve(strategy.strategy_id, name)
        close = self.prices[PAIRS[name].base]
        quote = Quote(
            pair=name,
            bid=close,
            ask=close,
            last=close,
            volume_24h_base=Decimal(10_000),
            at_ns=0,
        )
        return DueSleeve(
            index=index,
            strategy=strategy,
            bars=self.window(name, start_s, window_bars(strategy, self.limits)),
            pair=PAIRS[name],
            position=self.positions.get(sleeve) or Position(sleeve=sleeve),
            state=self.states.get(sleeve) or SleeveState(sleeve=sleeve),
            quote=quote,
            base_rate=Decimal(1),
            woken_by=self.wakes.pop(sleeve, "bar"),
        )

    def stop_out(self, name: PairName, start_s: int) -> None:
        """Sell at the stop, or at the open where the price jumped over it."""
        bar = self.history[name].bar(self.at[name][start_s])
        tick = PAIRS[name].tick_size
        for sleeve, state in self.states.items():
            position = self.positions.get(sleeve)
            if sleeve.pair != name or state.stop_price is None or position is None:
                continue
            if bar.low * tick <= state.stop_price and position.quantity_base > 0:
                self.prices[PAIRS[name].base] = min(state.stop_price, bar.open * tick)
                self.execute(self.exit(sleeve, position), woken_by="stop")

    def exit(self, sleeve: Sleeve, position: Position) -> ExecutionPlan | None:
        book = RiskBook(base_currency=USD, equity=Decimal(0), free_cash={})
        return exit_plan(
            ExitInputs(
                epoch=1,
                account=AccountFingerprint("0a1b2c3d"),
                sequence=self.sequence + 1,
                parent_id=None,
                now_ns=0,
                rules=ExecutionRules(),
                sleeves=(ExitSleeve(index=0, pair=PAIRS[sleeve.pair], position=position),),
                book=book,
                limits=self.limits,
                cause="stop",
            )
        ).plan

    def execute(self, plan: ExecutionPlan | None, woken_by: str = "fill") -> None:
        if plan is None:
            return
        self.sequence = plan.sequence
        self.digest.update(msgspec.json.encode(plan))
        for leg in plan.legs:
            self.fill(leg.request)
            self.wakes[leg.action.sleeve] = woken_by

    def fill(self, request: OrderRequest) -> None:
        sleeve = Sleeve(request.strategy_id, request.pair)
        pair = PAIRS[request.pair]
        price = self.prices[pair.base]
        cost = price * request.quantity_base
        fee = cost * pair.fee_taker_pct / 100
        trade = VenueTrade(
            trade_id=TradeId("T"),
            venue_order_id=VenueOrderId("O"),
            pair=request.pair,
            side=request.side,
            price=price,
            quantity_base=request.quantity_base,
            cost_quote=cost,
            fee_amount=fee,
            fee_asset=USD,
            liquidity=Liquidity.TAKER,
            at_ns=0,
        )
        position = self.positions.get(sleeve) or Position(sleeve=sleeve)
        self.positions[sleeve], _ = apply(position, trade, fee_quote=fee)
        held = self.totals.get(pair.base, Decimal(0))
        self.totals[pair.base] = held + request.side.sign * request.quantity_base
        self.totals[USD] -= request.side.sign * cost + fee
        self.fills[(request.pair, request.kind)] += 1
        assert self.totals[pair.base] >= 0
        assert self.totals[USD] >= 0
        assert self.positions[sleeve].quantity_base >= 0

    def fills_of(self, name: PairName) -> int:
        return sum(count for (pair, _), count in self.fills.items() if pair == name)


def walk(name: PairName, seed: int, count: int) -> Bars:
    """Hours that trend, jump and are missing."""
    chance = random.Random(seed)
    rows, price, drift, start_s = [], 100_000, 0, 1_546_300_800
    for _ in range(count):
        drift = chance.randint(-150, 150) if chance.random() < 0.02 else drift
        opened, price = price, max(price + drift + chance.randint(-700, 700), 5_000)
        rows.append(
            Bar(
                start_s=start_s,
                open=opened,
                high=max(opened, price) + chance.randint(0, 400),
                low=max(min(opened, price) - chance.randint(0, 400), 1),
                close=price,
                volume=10**8,
                trades=9,
            )
        )
        start_s += HOUR_S * (1 if chance.random() < 0.99 else 3)
    return bars_from(name, Timeframe.H1, PAIRS[name].tick_size, rows)


def walks(count: int) -> dict[PairName, Bars]:
    return {name: walk(name, seed, count) for seed, name in enumerate(PAIRS)}


def test_replay_of_bundled_strategies_trades_on_every_pair_with_entries_exits_and_stops() -> None:
    done = Replay(walks(1_500), Limits()).run()
    for name in PAIRS:
        assert done.fills_of(name) > 40
        assert min(done.fills[(name, kind)] for kind in LegKind) > 3


def test_replay_gives_every_bar_of_every_sleeve_one_verdict_in_few_rows() -> None:
    history = walks(800)
    done = Replay(history, Limits()).run()
    for sleeve, count in done.bars_seen.items():
        assert count == len(history[sleeve.pair])
    assert sum(done.verdicts.values()) == 2 * 3 * 800
    assert done.rows < sum(done.verdicts.values()) // 4


def test_replay_twice_makes_the_same_plans_to_the_last_byte() -> None:
    first = Replay(walks(600), Limits()).run()
    second = Replay(walks(600), Limits()).run()
    assert first.digest.hexdigest() == second.digest.hexdigest()
    assert first.totals == second.totals


def test_replay_with_narrow_limits_never_passes_them_in_any_plan() -> None:
    """Three strategies want more of one asset than it may have: the sum is what counts."""
    narrow = Limits(max_per_asset_pct=Decimal("1.8"), max_open_positions=4)
    done = Replay(walks(1_000), narrow).run()
    assert done.verdicts[Outcome.CLAMPED] > 5
    assert done.verdicts[Outcome.REFUSED] > 5
    assert done.adding_plans > 20


@pytest.mark.skipif(not REAL.is_dir(), reason="the recorded candles are not beside this checkout")
def test_replay_of_real_hours_trades_often_with_default_settings() -> None:
    history = {name: real_hours(name, 1_577_836_800, 4_400) for name in PAIRS}
    done = Replay(history, Limits()).run()
    for name in PAIRS:
        assert done.fills_of(name) > 100  # half a year; three years must have 100
    assert all(outcome in done.verdicts for outcome in (Outcome.ACTED, Outcome.HELD))


def real_hours(name: PairName, start_s: int, count: int) -> Bars:
    tick = PAIRS[name].tick_size
    rows: list[Bar] = []
    with gzip.open(REAL / f"{name}_60.csv.gz", "rt") as file:
        for row in csv.reader(file):
            if int(row[0]) < start_s or len(rows) == count:
                continue
            opened, high, low, close = (ticks_from_price(Decimal(text), tick) for text in row[1:5])
            rows.append(
                Bar(
                    start_s=int(row[0]),
                    open=opened,
                    high=max(opened, high, close),
                    low=min(opened, low, close),
                    close=close,
                    volume=int(Decimal(row[5]).scaleb(8)),
                    trades=int(row[6]),
                )
            )
    return bars_from(name, Timeframe.H1, tick, rows)
