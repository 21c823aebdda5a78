"""Verdicts as runs: what joins, what stands alone, and bars that nobody decided on."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from krakked.domain.bars import BarKey, Timeframe
from krakked.domain.decisions import DecisionRecord, NotEvaluated, Outcome
from krakked.domain.ids import PairName, PlanId, StrategyId
from krakked.domain.limits import LimitCheck, LimitName
from krakked.domain.positions import Sleeve
from krakked.trading.verdicts import decision_id, joined, missed

SLEEVE = Sleeve(StrategyId("trend"), PairName("XBTUSD"))
HOUR_S = 3600


def key(hour: int, timeframe: Timeframe = Timeframe.H1) -> BarKey:
    return BarKey(SLEEVE.pair, timeframe, hour * HOUR_S)


def check(limit: LimitName, wanted: str) -> LimitCheck:
    return LimitCheck(
        limit=limit,
        wanted=Decimal(wanted),
        had=Decimal(0),
        allowed=Decimal(0),
        unit="USD",
        passed=False,
    )


def verdict(hour: int, outcome: Outcome = Outcome.HELD, **changes: object) -> DecisionRecord:
    record = DecisionRecord(
        decision_id=decision_id(SLEEVE, key(hour)),
        sleeve=SLEEVE,
        bar=key(hour),
        last_bar_start_s=hour * HOUR_S,
        count=1,
        outcome=outcome,
        decided_at_ns=hour,
    )
    return msgspec.structs.replace(record, **changes)


def test_id_names_strategy_pair_timeframe_and_bar() -> None:
    assert decision_id(SLEEVE, key(2, Timeframe.H4)) == "trend/XBTUSD/4h/7200"


def test_first_verdict_is_a_run_of_its_own() -> None:
    assert joined(None, verdict(1)) == verdict(1)


def test_run_grows_and_keeps_where_it_began() -> None:
    run = verdict(1)
    for hour in (2, 3, 6):  # hours without a bar in between have no verdict
        run = joined(run, verdict(hour))
    assert run == verdict(1, last_bar_start_s=6 * HOUR_S, count=4)


@pytest.mark.parametrize("outcome", [Outcome.ACTED, Outcome.CLAMPED])
def test_verdict_with_a_plan_stands_alone(outcome: Outcome) -> None:
    before = verdict(1, outcome, plan_id=PlanId("p1"))
    after = verdict(2, outcome, plan_id=PlanId("p2"))
    assert joined(before, after) == after


def test_refusals_join_by_the_limits_not_by_the_numbers() -> None:
    first = verdict(1, Outcome.REFUSED, checks=(check(LimitName.FREE_CASH, "5"),))
    same = verdict(2, Outcome.REFUSED, checks=(check(LimitName.FREE_CASH, "6"),))
    other = verdict(2, Outcome.REFUSED, checks=(check(LimitName.DRIFT, "1"),))
    run = joined(first, same)
    assert (run.count, run.checks) == (2, same.checks)
    assert joined(first, other) == other


def test_reasons_for_not_deciding_join_with_their_like_only() -> None:
    stale = verdict(1, Outcome.NOT_EVALUATED, not_evaluated=NotEvaluated.STALE)
    again = verdict(2, Outcome.NOT_EVALUATED, not_evaluated=NotEvaluated.STALE)
    other = verdict(2, Outcome.NOT_EVALUATED, not_evaluated=NotEvaluated.DISABLED)
    assert joined(stale, again).count == 2
    assert joined(stale, other) == other


def test_held_without_asking_is_told_apart_from_held_when_asked() -> None:
    asleep = verdict(2, not_evaluated=NotEvaluated.NOT_WOKEN)
    assert joined(verdict(1), asleep) == asleep


def test_second_verdict_on_one_bar_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="one verdict"):
        joined(verdict(2), verdict(2))


def test_missed_bars_are_one_run_from_first_to_last() -> None:
    run = missed(
        SLEEVE,
        (key(4), key(5), key(9)),
        NotEvaluated.RESTART_GAP,
        now_ns=77,
        previous=verdict(3),
    )
    assert run.decision_id == decision_id(SLEEVE, key(4))
    assert (run.bar, run.last_bar_start_s, run.count) == (key(4), 9 * HOUR_S, 3)
    assert (run.outcome, run.not_evaluated) == (
        Outcome.NOT_EVALUATED,
        NotEvaluated.RESTART_GAP,
    )
    assert run.decided_at_ns == 77


def test_missed_bars_after_missed_bars_are_one_run() -> None:
    first = missed(SLEEVE, (key(4),), NotEvaluated.NOT_OWNER, now_ns=1, previous=None)
    both = missed(SLEEVE, (key(5), key(6)), NotEvaluated.NOT_OWNER, now_ns=2, previous=first)
    assert (both.decision_id, both.count, both.last_bar_start_s) == (
        first.decision_id,
        3,
        6 * HOUR_S,
    )
