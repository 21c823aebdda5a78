"""A cycle: one verdict per due sleeve, one plan, the same every time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import ClassVar

import msgspec
import numpy as np
import pytest

from krakked.domain.bars import Bar, Bars, Timeframe, bars_from
from krakked.domain.decisions import DecisionRecord, NotEvaluated, Outcome
from krakked.domain.features import Features, Mask
from krakked.domain.ids import AccountFingerprint, Asset, PairName, PlanId, StrategyId, is_ours
from krakked.domain.intents import Decision, Direction, Intent, IntentType, View
from krakked.domain.limits import LimitName, Limits
from krakked.domain.orders import Journal, LegKind, Order, OrderType, Side, TimeInForce
from krakked.domain.pairs import Pair, PairStatus
from krakked.domain.plans import ExecutionPlan
from krakked.domain.portfolio import SleeveState
from krakked.domain.positions import Position, Sleeve
from krakked.domain.quotes import Quote
from krakked.domain.risk_book import Blocks, RiskBook
from krakked.domain.strategies.base import (
    Parameters,
    State,
    Strategy,
    be_flat,
    enter,
    is_true,
    reduce,
    stay,
)
from krakked.domain.times import NS_PER_SECOND
from krakked.trading.cycle import (
    CycleInputs,
    CycleResult,
    DueSleeve,
    run_cycle,
    volatility,
    window_bars,
)
from krakked.trading.rules import ExecutionRules

HOUR_S = 3600
FIRST_S = 1_600_000_000 // HOUR_S * HOUR_S
USD, XBT, ETH = Asset("USD"), Asset("XBT"), Asset("ETH")
XBTUSD, ETHUSD = PairName("XBTUSD"), PairName("ETHUSD")
ANSWERS: Mapping[str, Callable[[View], Intent | None]] = {
    "enter": lambda view: enter(
        view, target_exposure=Decimal("0.1"), stop_price=Decimal(90), reason="up"
    ),
    "unprotected": lambda view: enter(
        view, target_exposure=Decimal("0.1"), stop_price=None, reason="up"
    ),
    "much": lambda view: enter(
        view, target_exposure=Decimal("0.9"), stop_price=Decimal(90), reason="up"
    ),
    "leave": lambda view: be_flat(view, reason="down"),
    "less": lambda view: reduce(view, target_exposure=Decimal("0.05"), reason="less"),
    "stay": lambda view: stay(view, reason="as it is"),
    "trail": lambda view: stay(view, reason="as it is", stop_price=Decimal(95)),
    "none": lambda _: None,
}
LIMITS = Limits(
    max_risk_per_trade_pct=Decimal(5),
    max_portfolio_risk_pct=Decimal(20),
    max_per_asset_pct=Decimal(25),
    volatility_lookback_bars=3,
)


class Scripted:
    """Answers what its script says at the row ``say`` of its features; notes what it saw."""

    type: ClassVar[str] = "scripted"
    source: ClassVar[str] = "none"
    default_timeframes: ClassVar[tuple[Timeframe, ...]] = (Timeframe.H1,)
    params = Parameters()
    warm_up_bars = 3

    def __init__(self, answer: str, *, wakes: bool = True) -> None:
        self.answer = answer
        self.wakes = wakes
        self.views: list[View] = []
        self.computed = 0

    def features(self, bars: Bars) -> Features:
        self.computed += 1
        return {"close": bars.close * 2}

    def wake(self, features: Features) -> Mask:
        return np.full(len(features["close"]), self.wakes)

    def decide(self, view: View, state: State) -> Decision:
        self.views.append(view)
        return Decision(
            intent=ANSWERS[self.answer](view),
            conditions=(is_true(self.answer, True),),
            state={"asked_by": view.woken_by, "before": dict(state)},
        )


def bars(pair: PairName = XBTUSD, count: int = 5, *, last_start_s: int = FIRST_S) -> Bars:
    rows = [
        Bar(
            start_s=last_start_s - (count - 1 - i) * HOUR_S,
            open=1000,
            high=1010,
            low=990,
            close=1000,
            volume=10**8,
            trades=3,
        )
        for i in range(count)
    ]
    return bars_from(pair, Timeframe.H1, Decimal("0.1"), rows)


def pair_named(name: PairName) -> Pair:
    return Pair(
        name=name,
        base=XBT if name == XBTUSD else ETH,
        quote=USD,
        tick_size=Decimal("0.1"),
        quantity_decimals=4,
        cost_decimals=5,
        quantity_min=Decimal("0.01"),
        cost_min=Decimal("0.5"),
        fee_taker_pct=Decimal(0),
    )


QUOTE = Quote(
    pair=XBTUSD,
    bid=Decimal("99.9"),
    ask=Decimal("100.1"),
    last=Decimal(100),
    volume_24h_base=Decimal(10_000),
    at_ns=0,
)
NOW_NS = (FIRST_S + HOUR_S + 1) * NS_PER_SECOND


def due(
    answer: str | Scripted = "enter",
    *,
    index: int = 0,
    owner: str = "trend",
    pair: PairName = XBTUSD,
    held: str = "0",
    pair_rules: Pair | None = None,
    hash_: str = "",
    **changes: object,
) -> DueSleeve:
    rules = answer if isinstance(answer, Scripted) else Scripted(answer)
    sleeve = Sleeve(StrategyId(owner), pair)
    strategy = Strategy(
        strategy_id=sleeve.strategy_id,
        rules=rules,
        timeframes=(Timeframe.H1,),
        hash=hash_ or f"{rules.answer}",
    )
    plain = DueSleeve(
        index=index,
        strategy=strategy,
        bars=bars(pair),
        pair=pair_rules or pair_named(pair),
        position=Position(sleeve=sleeve, quantity_base=Decimal(held)),
        state=SleeveState(sleeve=sleeve),
        quote=msgspec.structs.replace(QUOTE, pair=pair),
        base_rate=Decimal(1),
    )
    return msgspec.structs.replace(plain, **changes)


def inputs(*sleeves: DueSleeve, **changes: object) -> CycleInputs:
    plain = CycleInputs(
        epoch=1,
        account=AccountFingerprint("0a1b2c3d"),
        sequence=7,
        parent_id=PlanId("000006-x"),
        now_ns=NOW_NS,
        rules=ExecutionRules(max_slippage_bps=100),
        due=sleeves,
        book=RiskBook(base_currency=USD, equity=Decimal(10_000), free_cash={USD: Decimal(10_000)}),
        limits=LIMITS,
        trace_id="1h-x",
    )
    return msgspec.structs.replace(plain, **changes)


def cycle(*sleeves: DueSleeve, **changes: object) -> CycleResult:
    return run_cycle(inputs(*sleeves, **changes))


def the_plan(result: CycleResult) -> ExecutionPlan:
    assert result.plan is not None
    return result.plan


def only(result: CycleResult) -> tuple[DecisionRecord, SleeveState]:
    (record,), (state,) = result.records, result.states
    return record, state


def previous(sleeve: DueSleeve, **changes: object) -> dict[tuple[Sleeve, str], DecisionRecord]:
    """A held run of the bar before, decided by the same code."""
    start_s = FIRST_S - HOUR_S
    record = DecisionRecord(
        decision_id="before",
        sleeve=sleeve.sleeve,
        bar=msgspec.structs.replace(sleeve.key, start_s=start_s),
        last_bar_start_s=start_s,
        count=1,
        outcome=Outcome.HELD,
        strategy_hash=sleeve.strategy.hash,
        decided_at_ns=5,
    )
    record = msgspec.structs.replace(record, **changes)
    return {(sleeve.sleeve, "1h"): record}


# acting


def test_wish_that_risk_approves_becomes_a_leg_a_verdict_and_a_state() -> None:
    result = cycle(due("enter"))
    record, state = only(result)
    plan = the_plan(result)
    (leg,) = plan.legs
    assert record.outcome is Outcome.ACTED
    assert record.decision_id == f"trend/XBTUSD/1h/{FIRST_S}"
    assert record.plan_id == plan.plan_id == leg.request.plan_id
    assert record.trace_id == plan.trace_id == "1h-x"
    assert leg.action.decision_id == record.decision_id
    assert [condition.name for condition in record.conditions] == ["enter"]
    assert record.checks
    assert record.intent is not None
    assert state.state == {"asked_by": "restart", "before": {}}
    assert state.stop_price == Decimal(90)
    assert state.is_unmet
    assert state.last_bar_start_s == FIRST_S


def test_plan_of_a_cycle_is_numbered_has_its_parent_and_expires() -> None:
    plan = the_plan(cycle(due("enter"), rules=ExecutionRules(max_plan_age_s=30)))
    assert plan.sequence == 7
    assert plan.plan_id.startswith("000007-")
    assert plan.parent_id == "000006-x"
    assert plan.cause == "cycle"
    assert plan.created_at_ns == NOW_NS
    assert plan.expires_at_ns == NOW_NS + 30 * NS_PER_SECOND
    assert plan.bar is not None
    assert plan.bar.start_s == FIRST_S


def test_order_of_a_leg_leaves_nothing_to_choose() -> None:
    (leg,) = the_plan(cycle(due("enter"))).legs
    request = leg.request
    assert (request.side, request.type, request.kind) == (
        Side.BUY,
        OrderType.LIMIT,
        LegKind.ENTRY,
    )
    assert request.quantity_base == Decimal(10)  # 10 % of 10,000 at the mid of 100
    assert request.limit_price == Decimal(101)
    assert request.time_in_force is TimeInForce.GTD
    assert is_ours(request.client_order_id, AccountFingerprint("0a1b2c3d"))


def test_reducing_legs_go_before_adding_ones_then_by_sleeve_index() -> None:
    plan = the_plan(
        cycle(
            due("enter", index=0, owner="a"),
            due("leave", index=1, owner="b", held="2"),
            due("enter", index=2, owner="c", pair=ETHUSD),
            due("less", index=3, owner="d", held="9"),
        )
    )
    assert [leg.request.strategy_id for leg in plan.legs] == ["b", "d", "a", "c"]
    assert [leg.request.leg for leg in plan.legs] == [0, 1, 2, 3]
    assert len({leg.request.client_order_id for leg in plan.legs}) == 4


def test_two_strategies_on_one_pair_are_not_netted() -> None:
    plan = the_plan(cycle(due("leave", owner="a", held="5"), due("enter", index=1, owner="b")))
    assert [(leg.side, leg.request.quantity_base) for leg in plan.legs] == [
        (Side.SELL, Decimal(5)),
        (Side.BUY, Decimal(10)),
    ]


def test_headroom_goes_to_the_sleeve_with_the_lower_index() -> None:
    result = cycle(due("much", index=1, owner="late"), due("much", index=0, owner="early"))
    plan = the_plan(result)
    assert [leg.request.strategy_id for leg in plan.legs] == ["early"]
    outcomes = {record.sleeve.strategy_id: record.outcome for record in result.records}
    assert outcomes == {"early": Outcome.CLAMPED, "late": Outcome.REFUSED}
    assert result.book.value_by_asset[XBT] <= 2500


def test_sale_of_this_plan_frees_no_cash_for_its_purchases() -> None:
    book = RiskBook(base_currency=USD, equity=Decimal(10_000), free_cash={USD: Decimal(0)})
    result = cycle(due("leave", owner="a", held="50"), due("enter", index=1, owner="b"), book=book)
    assert [leg.side for leg in the_plan(result).legs] == [Side.SELL]
    assert result.records[1].outcome is Outcome.REFUSED


def test_cycle_without_an_approved_step_has_no_plan() -> None:
    result = cycle(due("stay"))
    assert result.plan is None
    assert only(result)[0].plan_id is None


def test_cycle_without_due_sleeves_is_empty() -> None:
    result = cycle()
    assert (result.plan, result.records, result.states) == (None, (), ())


# verdicts without a decision


NOT_DECIDED: Mapping[str, tuple[dict[str, object], NotEvaluated]] = {
    "disabled": ({"is_enabled": False}, NotEvaluated.DISABLED),
    "stale": ({"quote": None}, NotEvaluated.STALE),
    "no rate": ({"base_rate": None}, NotEvaluated.STALE),
    "warming up": ({"bars": bars(count=2)}, NotEvaluated.WARMING_UP),
    "expired": (
        {"bars": bars(last_start_s=FIRST_S - 2 * HOUR_S)},
        NotEvaluated.EXPIRED,
    ),
    "not owner": ({"skip": NotEvaluated.NOT_OWNER}, NotEvaluated.NOT_OWNER),
    "restart gap": ({"skip": NotEvaluated.RESTART_GAP}, NotEvaluated.RESTART_GAP),
}


@pytest.mark.parametrize("case", list(NOT_DECIDED))
def test_sleeve_that_cannot_decide_gets_a_verdict_with_the_reason(case: str) -> None:
    changes, reason = NOT_DECIDED[case]
    rules = Scripted("enter")
    kept = SleeveState(
        sleeve=Sleeve(StrategyId("trend"), XBTUSD),
        state={"kept": True},
        stop_price=Decimal(5),
        is_unmet=True,
    )
    sleeve = due(rules, state=kept, **changes)
    result = cycle(sleeve)
    record, state = only(result)
    assert (record.outcome, record.not_evaluated) == (Outcome.NOT_EVALUATED, reason)
    assert state == msgspec.structs.replace(kept, last_bar_start_s=sleeve.key.start_s)
    assert rules.views == []
    assert result.plan is None


def test_bar_that_just_closed_is_not_expired_until_the_next_one_is_due() -> None:
    last_ns = (FIRST_S + 2 * HOUR_S) * NS_PER_SECOND - 1
    assert only(cycle(due("stay"), now_ns=last_ns))[0].outcome is Outcome.HELD
    late = only(cycle(due("stay"), now_ns=last_ns + 1))[0]
    assert late.not_evaluated is NotEvaluated.EXPIRED


def test_bar_that_has_its_verdict_is_not_decided_again() -> None:
    sleeve = due("enter")
    run = previous(sleeve, last_bar_start_s=FIRST_S)
    result = cycle(sleeve, runs=run)
    assert (result.plan, result.records, result.states) == (None, (), ())


def test_sleeve_without_any_bar_has_no_verdict() -> None:
    assert cycle(due("enter", bars=bars(count=0))).records == ()


# wakes


def test_sleeve_that_nothing_woke_is_held_without_asking() -> None:
    rules = Scripted("enter", wakes=False)
    sleeve = due(rules)
    record, state = only(cycle(sleeve, runs=previous(sleeve)))
    assert (record.outcome, record.not_evaluated) == (Outcome.HELD, NotEvaluated.NOT_WOKEN)
    assert rules.views == []
    assert state.last_bar_start_s == FIRST_S


def woken_by(sleeve: DueSleeve, **run: object) -> str:
    runs = previous(sleeve, **run)
    record, _ = only(cycle(sleeve, runs=runs))
    rules = sleeve.strategy.rules
    assert isinstance(rules, Scripted)
    assert [view.woken_by for view in rules.views] == [record.woken_by]
    return record.woken_by


def test_sleeve_is_woken_by_its_mask() -> None:
    assert woken_by(due(Scripted("stay"))) == "bar"


def test_sleeve_is_woken_by_what_happened_to_it() -> None:
    assert woken_by(due(Scripted("stay", wakes=False), woken_by="fill")) == "fill"


def test_sleeve_with_an_unmet_wish_is_asked_at_every_bar() -> None:
    unmet = SleeveState(sleeve=Sleeve(StrategyId("trend"), XBTUSD), is_unmet=True)
    assert woken_by(due(Scripted("stay", wakes=False), state=unmet)) == "unmet"


def test_sleeve_is_asked_after_bars_on_which_nobody_decided() -> None:
    sleeve = due(Scripted("stay", wakes=False))
    assert woken_by(sleeve, outcome=Outcome.NOT_EVALUATED) == "restart"


def test_sleeve_without_any_verdict_is_asked() -> None:
    record, _ = only(cycle(due(Scripted("stay", wakes=False))))
    assert record.woken_by == "restart"


def test_sleeve_is_asked_when_its_code_or_parameters_changed() -> None:
    sleeve = due(Scripted("stay", wakes=False))
    assert woken_by(sleeve, strategy_hash="older") == "parameters"


def test_view_holds_the_row_the_position_and_the_end_of_the_bar() -> None:
    rules = Scripted("stay")
    book = RiskBook(
        base_currency=USD,
        equity=Decimal(10_000),
        free_cash={},
        value_by_sleeve={Sleeve(StrategyId("trend"), XBTUSD): Decimal(250)},
    )
    cycle(due(rules, held="2.5"), book=book)
    (view,) = rules.views
    assert view.features == {"close": 2000}
    assert view.bar.close == 1000
    assert view.position.quantity_base == Decimal("2.5")
    assert view.exposure == Decimal("0.025")
    assert view.now_ns == (FIRST_S + HOUR_S) * NS_PER_SECOND
    assert view.is_holding


def test_features_are_computed_once_for_equal_rules_on_one_pair() -> None:
    rules = Scripted("stay")
    cycle(
        due(rules, owner="a", hash_="same"),
        due(rules, owner="b", index=1, hash_="same"),
        due(rules, owner="c", index=2, hash_="same", pair=ETHUSD),
        due(rules, owner="d", index=3, hash_="different"),
    )
    assert rules.computed == 3
    assert len(rules.views) == 4


# refusals, and what stays unmet


def test_refused_wish_is_recorded_with_the_limit_and_stays_unmet() -> None:
    book = RiskBook(
        base_currency=USD,
        equity=Decimal(10_000),
        free_cash={USD: Decimal(10_000)},
        blocks=Blocks(kill_switch=True),
    )
    record, state = only(cycle(due("enter"), book=book))
    assert record.outcome is Outcome.REFUSED
    assert [c.limit for c in record.checks if not c.passed] == [LimitName.KILL_SWITCH]
    assert state.is_unmet
    assert state.stop_price is None


def test_clamped_wish_acts_and_stays_unmet() -> None:
    result = cycle(due("much"))
    record, state = only(result)
    assert record.outcome is Outcome.CLAMPED
    assert record.plan_id == the_plan(result).plan_id
    assert state.is_unmet


def test_met_wish_is_held_and_not_unmet() -> None:
    held = due("enter", held="10", state=SleeveState(sleeve=due().sleeve, is_unmet=True))
    record, state = only(cycle(held))
    assert record.outcome is Outcome.HELD
    assert not state.is_unmet


def test_dust_that_cannot_be_sold_is_refused_once_not_asked_for_ever() -> None:
    record, state = only(cycle(due("leave", held="0.005")))
    assert record.outcome is Outcome.REFUSED
    assert [c.limit for c in record.checks if not c.passed] == [LimitName.VENUE_MINIMUM]
    assert not state.is_unmet


def test_exit_that_the_venue_does_not_take_now_is_asked_for_again() -> None:
    shut = msgspec.structs.replace(pair_named(XBTUSD), status=PairStatus.CANCEL_ONLY)
    record, state = only(cycle(due("leave", held="3", pair_rules=shut)))
    assert record.outcome is Outcome.REFUSED
    assert state.is_unmet


def test_strategy_without_an_opinion_is_held() -> None:
    record, state = only(cycle(due("none", held="3")))
    assert record.outcome is Outcome.HELD
    assert record.intent is None
    assert record.conditions
    assert not state.is_unmet


def test_hold_shows_the_headroom_of_the_limits() -> None:
    record, _ = only(cycle(due("stay", held="3")))
    shown = {check.limit: check.headroom for check in record.checks}
    assert shown[LimitName.MAX_PER_ASSET_PCT] == 2500


def test_entry_without_a_stop_is_sized_with_the_volatility_of_its_bars() -> None:
    record, _ = only(cycle(due("unprotected")))
    risk = next(c for c in record.checks if c.limit is LimitName.MAX_RISK_PER_TRADE_PCT)
    assert risk.wanted == 60  # ten units, three times a true range of 2 USD


def test_traded_volume_is_converted_to_the_base_currency() -> None:
    record, _ = only(cycle(due("enter", base_rate=Decimal("0.5"))))
    liquidity = next(c for c in record.checks if c.limit is LimitName.MIN_LIQUIDITY_24H_USD)
    assert liquidity.had == 500_000  # 10,000 units at 100, half a dollar each


# stops


def kept_stop(answer: str, *, held: str, resting: tuple[Order, ...] = ()) -> Decimal | None:
    state = SleeveState(sleeve=due().sleeve, stop_price=Decimal(80))
    _, after = only(cycle(due(answer, held=held, state=state, resting=resting)))
    return after.stop_price


def test_stop_of_a_held_position_stays() -> None:
    assert kept_stop("stay", held="3") == 80
    assert kept_stop("none", held="3") == 80


def test_stop_moves_where_a_hold_names_another() -> None:
    assert kept_stop("trail", held="3") == 95


def test_stop_stays_until_the_exit_is_filled() -> None:
    assert kept_stop("leave", held="3") == 80


def test_stop_goes_with_the_position() -> None:
    assert kept_stop("leave", held="0") is None
    assert kept_stop("none", held="0") is None


# orders that still rest

MakeOrder = Callable[..., Order]


def test_order_that_works_towards_the_wish_goes_on(make_order: MakeOrder) -> None:
    result = cycle(due("enter", resting=(make_order(side=Side.BUY),)))
    record, state = only(result)
    assert (result.plan, result.cancels, result.deferred) == (None, (), ())
    assert record.outcome is Outcome.HELD
    assert state.is_unmet


def test_order_against_the_wish_is_cancelled_before_anything_else(make_order: MakeOrder) -> None:
    order = make_order(side=Side.BUY)
    sleeve = due("leave", held="3", resting=(order,))
    result = cycle(sleeve)
    assert result.cancels == (order.request.client_order_id,)
    assert result.deferred == (sleeve.sleeve,)
    assert (result.plan, result.records, result.states) == (None, (), ())


def test_deferred_sleeve_decides_on_the_same_bar_once_the_order_ended(
    make_order: MakeOrder,
) -> None:
    first = cycle(due("leave", held="3", resting=(make_order(side=Side.BUY),)))
    assert first.deferred
    second = cycle(due("leave", held="4"))
    assert only(second)[0].outcome is Outcome.ACTED
    assert the_plan(second).legs[0].request.quantity_base == 4


def test_entry_that_rests_while_nothing_is_wanted_is_cancelled(make_order: MakeOrder) -> None:
    order = make_order(side=Side.BUY)
    result = cycle(due("leave", held="0", resting=(order,)))
    assert result.cancels == (order.request.client_order_id,)


def test_exit_that_rests_gives_way_to_a_new_entry(make_order: MakeOrder) -> None:
    order = make_order(side=Side.SELL)
    result = cycle(due("enter", held="3", resting=(order,)))
    assert result.cancels == (order.request.client_order_id,)


@pytest.mark.parametrize("side", list(Side))
def test_order_that_rests_while_the_strategy_keeps_is_left_alone(
    side: Side, make_order: MakeOrder
) -> None:
    for answer in ("stay", "none"):
        result = cycle(due(answer, held="3", resting=(make_order(side=side),)))
        assert (result.cancels, result.deferred, result.plan) == ((), (), None)


def test_order_that_may_not_even_exist_does_not_hold_up_an_exit(make_order: MakeOrder) -> None:
    unknown = make_order(side=Side.BUY, journal=Journal.UNKNOWN)
    result = cycle(due("leave", held="3", resting=(unknown,)))
    assert [leg.side for leg in the_plan(result).legs] == [Side.SELL]


# runs of equal verdicts


def test_equal_verdicts_on_consecutive_bars_are_one_run() -> None:
    sleeve = due("stay")
    record, _ = only(cycle(sleeve, runs=previous(sleeve)))
    assert record.decision_id == "before"
    assert (record.bar.start_s, record.last_bar_start_s) == (FIRST_S - HOUR_S, FIRST_S)
    assert record.count == 2
    assert record.decided_at_ns == 5
    assert [condition.name for condition in record.conditions] == ["stay"]


def test_verdict_that_differs_begins_a_new_run() -> None:
    sleeve = due("stay")
    record, _ = only(cycle(sleeve, runs=previous(sleeve, outcome=Outcome.REFUSED)))
    assert record.count == 1
    assert record.bar.start_s == FIRST_S


def test_deeds_are_never_one_run() -> None:
    sleeve = due("enter")
    record, _ = only(cycle(sleeve, runs=previous(sleeve, outcome=Outcome.ACTED)))
    assert (record.outcome, record.count) == (Outcome.ACTED, 1)


def test_same_refusal_again_is_one_run_and_another_limit_is_not() -> None:
    def refused(
        blocks: Blocks, runs: Mapping[tuple[Sleeve, str], DecisionRecord], at_s: int
    ) -> DecisionRecord:
        book = RiskBook(
            base_currency=USD,
            equity=Decimal(10_000),
            free_cash={USD: Decimal(10_000)},
            blocks=blocks,
        )
        sleeve = due("enter", bars=bars(last_start_s=at_s))
        now_ns = (at_s + HOUR_S) * NS_PER_SECOND
        record, _ = only(cycle(sleeve, book=book, runs=runs, now_ns=now_ns))
        return record

    key = (due().sleeve, "1h")
    first = refused(Blocks(drift=True), {}, FIRST_S)
    second = refused(Blocks(drift=True), {key: first}, FIRST_S + HOUR_S)
    third = refused(Blocks(halted=True), {key: second}, FIRST_S + 2 * HOUR_S)
    assert (second.count, second.decision_id) == (2, first.decision_id)
    assert third.count == 1


# determinism


def a_busy_cycle() -> CycleInputs:
    return inputs(
        due("enter", index=0, owner="a"),
        due("leave", index=1, owner="b", held="2"),
        due("much", index=2, owner="c", pair=ETHUSD),
        due("stay", index=3, owner="d", held="1"),
        due("enter", index=4, owner="e", pair=ETHUSD, is_enabled=False),
    )


def test_equal_inputs_give_an_equal_result_ids_included() -> None:
    first, second = run_cycle(a_busy_cycle()), run_cycle(a_busy_cycle())
    assert first == second
    assert msgspec.json.encode(first.plan) == msgspec.json.encode(second.plan)


def test_order_of_the_inputs_changes_nothing() -> None:
    made = a_busy_cycle()
    expected = run_cycle(made)
    for due_in_some_order in itertools.permutations(made.due):
        assert run_cycle(msgspec.structs.replace(made, due=due_in_some_order)) == expected


def test_order_of_dictionaries_changes_nothing() -> None:
    made = a_busy_cycle()
    book = msgspec.structs.replace(
        made.book,
        value_by_asset={XBT: Decimal(100), ETH: Decimal(200)},
        manual_by_asset={XBT: Decimal(1), ETH: Decimal(2)},
    )
    turned = msgspec.structs.replace(
        book,
        value_by_asset=dict(reversed(list(book.value_by_asset.items()))),
        manual_by_asset=dict(reversed(list(book.manual_by_asset.items()))),
    )
    assert run_cycle(msgspec.structs.replace(made, book=book)) == run_cycle(
        msgspec.structs.replace(made, book=turned)
    )


def test_ids_of_orders_depend_on_account_and_sequence() -> None:
    def order_id(**changes: object) -> str:
        return the_plan(cycle(due("enter"), **changes)).legs[0].request.client_order_id

    ids = {
        order_id(),
        order_id(sequence=8),
        order_id(account=AccountFingerprint("ffffffff")),
    }
    assert len(ids) == 3
    assert order_id(now_ns=NOW_NS + 1) == order_id()


def test_cycle_changes_nothing_that_it_was_given() -> None:
    made = a_busy_cycle()
    before = msgspec.json.encode((made.book, [item.state for item in made.due]), order="sorted")
    run_cycle(made)
    after = msgspec.json.encode((made.book, [item.state for item in made.due]), order="sorted")
    assert before == after


# windows


def test_window_is_long_enough_to_warm_up_and_to_size_by_volatility() -> None:
    strategy = due().strategy
    assert window_bars(strategy, Limits(volatility_lookback_bars=20)) == 21
    assert window_bars(strategy, Limits(volatility_lookback_bars=1)) == 3
    assert volatility(bars(count=21), Limits()) == Decimal(2)
    assert volatility(bars(count=20), Limits()) is None


def test_outcome_of_every_verdict_is_shown_as_an_intent_type() -> None:
    record, _ = only(cycle(due("leave", held="3")))
    assert record.intent is not None
    assert (record.intent.type, record.intent.direction) == (IntentType.EXIT, Direction.FLAT)
