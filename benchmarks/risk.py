"""What deciding costs: one risk decision over 50 positions, one wake, one cycle of 50 × 4 sleeves.

Budgets: 1 ms a risk decision; a cycle of 200 sleeves well under 30 ms. The least of several rounds
is shown, and each figure also in units of making one small record, which carries over to other
machines better than microseconds do.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from decimal import Decimal

import msgspec

from krakked.domain.bars import Bar, Bars, Timeframe, bars_from
from krakked.domain.ids import AccountFingerprint, Asset, PairName, StrategyId
from krakked.domain.intents import Condition, Direction, Intent, IntentType
from krakked.domain.limits import Limits
from krakked.domain.pairs import Pair
from krakked.domain.portfolio import SleeveState
from krakked.domain.positions import Position, Sleeve
from krakked.domain.quotes import Quote
from krakked.domain.risk import RiskContext, assess
from krakked.domain.risk_book import Holdings, RiskBook, risk_book
from krakked.domain.strategies import build
from krakked.domain.strategies.base import Strategy
from krakked.domain.times import NS_PER_SECOND
from krakked.trading.cycle import CycleInputs, CycleResult, DueSleeve, run_cycle, window_bars
from krakked.trading.rules import ExecutionRules

ROUNDS = 7
HOUR_S = 3600
FIRST_S = 1_600_000_000 // HOUR_S * HOUR_S
USD = Asset("USD")
TYPES = ("trend_following", "mean_reversion", "hold_target_weights", "trend_following")
STRATEGIES = [
    build(StrategyId(f"s{i}"), name, {"fast_bars": 20, "slow_bars": 100} if i == 3 else {})
    for i, name in enumerate(TYPES)
]
LIMITS = Limits(
    max_open_positions=500,
    max_per_strategy_pct={"s0": Decimal(80)},
    max_positions={"s0": 100},
    max_portfolio_risk_pct=Decimal(100),
)


def least_us(work: Callable[[], object], times: int) -> float:
    """Microseconds of one call, the least of all rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        for _ in range(times):
            work()
        best = min(best, (time.perf_counter_ns() - began) / times / 1000)
    return best


def walk(name: PairName, seed: int, count: int) -> Bars:
    chance = random.Random(seed)
    rows, price = [], 100_000
    for i in range(count):
        opened, price = price, price + chance.randint(-700, 700)
        rows.append(
            Bar(
                start_s=FIRST_S - (count - 1 - i) * HOUR_S,
                open=opened,
                high=max(opened, price) + 200,
                low=min(opened, price) - 200,
                close=price,
                volume=10**8,
                trades=9,
            )
        )
    return bars_from(name, Timeframe.H1, Decimal("0.1"), rows)


def pair_of(number: int) -> Pair:
    return Pair(
        name=PairName(f"P{number}USD"),
        base=Asset(f"P{number}"),
        quote=USD,
        tick_size=Decimal("0.1"),
        quantity_decimals=8,
        cost_decimals=5,
        quantity_min=Decimal("0.0001"),
        cost_min=Decimal("0.5"),
    )


PAIRS = [pair_of(i) for i in range(50)]
HISTORY = {pair.name: walk(pair.name, i, 400) for i, pair in enumerate(PAIRS)}


def holdings() -> Holdings:
    """Fifty positions of the first strategy."""
    positions = [
        Position(sleeve=Sleeve(StrategyId("s0"), pair.name), quantity_base=Decimal("0.02"))
        for pair in PAIRS
    ]
    return Holdings(
        base_currency=USD,
        equity=Decimal(100_000),
        totals={USD: Decimal(90_000), **{pair.base: Decimal("0.02") for pair in PAIRS}},
        prices={USD: Decimal(1), **{pair.base: Decimal(10_000) for pair in PAIRS}},
        pairs={pair.name: pair for pair in PAIRS},
        positions=positions,
        stops={position.sleeve: Decimal(9_500) for position in positions},
    )


def due(index: int, strategy: Strategy, pair: Pair, bars: Bars, woken_by: str) -> DueSleeve:
    sleeve = Sleeve(strategy.strategy_id, pair.name)
    close = Decimal(int(bars.close[-1])) / 10
    return DueSleeve(
        index=index,
        strategy=strategy,
        bars=bars,
        pair=pair,
        position=Position(sleeve=sleeve),
        state=SleeveState(sleeve=sleeve),
        quote=Quote(
            pair=pair.name,
            bid=close,
            ask=close,
            last=close,
            volume_24h_base=Decimal(10_000),
            at_ns=0,
        ),
        base_rate=Decimal(1),
        woken_by=woken_by,
    )


def cycle_inputs(book: RiskBook, *, woken_by: str) -> CycleInputs:
    sleeves = []
    for strategy in STRATEGIES:
        count = window_bars(strategy, LIMITS)
        for pair in PAIRS:
            bars = HISTORY[pair.name].slice(400 - count, 400)
            sleeves.append(due(len(sleeves), strategy, pair, bars, woken_by))
    plain = CycleInputs(
        epoch=1,
        account=AccountFingerprint("0a1b2c3d"),
        sequence=1,
        parent_id=None,
        now_ns=(FIRST_S + HOUR_S) * NS_PER_SECOND,
        rules=ExecutionRules(),
        due=tuple(sleeves),
        book=book,
        limits=LIMITS,
    )
    if woken_by != "bar":
        return plain
    first = run_cycle(plain)
    earlier = {
        (record.sleeve, "1h"): msgspec.structs.replace(
            record, last_bar_start_s=record.last_bar_start_s - HOUR_S
        )
        for record in first.records
    }
    return msgspec.structs.replace(plain, runs=earlier)


def entry(sleeve: Sleeve) -> Intent:
    return Intent(
        sleeve=sleeve,
        direction=Direction.LONG,
        type=IntentType.ENTER,
        target_exposure=Decimal("0.02"),
        stop_price=Decimal(9_500),
        bar=None,
        generated_at_ns=0,
    )


def main() -> None:
    book = risk_book(holdings())
    intent = entry(Sleeve(StrategyId("s1"), PAIRS[0].name))
    context = RiskContext(
        decision_id="d",
        position_base=Decimal(0),
        price=Decimal(10_000),
        worst_price=Decimal(10_050),
        volume_24h=Decimal(1_000_000),
    )
    answer = assess(intent, book, LIMITS, PAIRS[0], context)
    assert answer.reservation is not None
    reservation = answer.reservation
    value = Decimal(1)
    unit = least_us(lambda: Condition("a", value, ">", value), 2_000)
    busy = cycle_inputs(book, woken_by="restart")
    quiet = cycle_inputs(book, woken_by="bar")
    window = HISTORY[PAIRS[0].name].slice(300, 400)
    rows = [
        ("make one record of four fields", unit),
        (
            "risk decision, 50 positions held",
            least_us(lambda: assess(intent, book, LIMITS, PAIRS[0], context), 500),
        ),
        ("  and its reservation", least_us(lambda: book.reserve(reservation, PAIRS[0]), 500)),
        ("risk book of 50 positions", least_us(lambda: risk_book(holdings()), 20)),
        *(
            (
                f"features of {strategy.type}",
                least_us(lambda s=strategy: s.rules.features(window), 200),
            )
            for strategy in STRATEGIES[:3]
        ),
        ("cycle of 200 sleeves, all asked", least_us(lambda: run_cycle(busy), 2)),
        ("cycle of 200 sleeves, few asked", least_us(lambda: run_cycle(quiet), 2)),
    ]
    for name, cost_us in rows:
        print(f"{name:36} {cost_us:10.1f} µs  {cost_us / unit:10.0f} ×")
    per_sleeve(run_cycle(busy), rows)


def per_sleeve(result: CycleResult, rows: list[tuple[str, float]]) -> None:
    legs = 0 if result.plan is None else len(result.plan.legs)
    asked, rest = rows[-2][1], rows[-1][1]
    print(f"a sleeve costs {asked / 200:.0f} µs asked, {rest / 200:.0f} µs on average otherwise")
    print(f"the busy cycle made {legs} legs and {len(result.records)} verdicts")


if __name__ == "__main__":
    main()
