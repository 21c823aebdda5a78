"""Decisions in words: the verdict, its conditions, and what each limit had left."""

from __future__ import annotations

from typing import Final

from krakked.cli.output import amount, moment, rounded
from krakked.domain.decisions import DecisionRecord, ExitRecord, NotEvaluated, Outcome
from krakked.domain.intents import Condition, Intent
from krakked.domain.limits import LimitCheck
from krakked.domain.times import NS_PER_SECOND

_OUTCOMES: Final = {
    Outcome.ACTED: "acted",
    Outcome.HELD: "held: wanted no change",
    Outcome.CLAMPED: "acted, with a smaller size than wished",
    Outcome.REFUSED: "refused by risk",
    Outcome.NOT_EVALUATED: "not evaluated",
}
_NOT_EVALUATED: Final = {
    NotEvaluated.STALE: "its market data was too old",
    NotEvaluated.WARMING_UP: "it had too few bars yet",
    NotEvaluated.DISABLED: "the strategy was switched off",
    NotEvaluated.NOT_IN_UNIVERSE: "the pair is not traded any more, only what it holds is watched",
    NotEvaluated.NOT_OWNER: "this engine did not own the account",
    NotEvaluated.RESTART_GAP: "the engine was not running when the bar closed",
    NotEvaluated.MARKET_DATA_GAP: "the market stream was lost when the bar closed",
    NotEvaluated.EXPIRED: "the plan grew too old before it could be carried out",
    NotEvaluated.ORDER_IN_THE_WAY: "an earlier order of it was in the way and did not end in time",
    NotEvaluated.NOT_WOKEN: "the strategy says that nothing can change at this bar",
}


def outcome_words(record: DecisionRecord) -> str:
    """The verdict."""
    if record.not_evaluated is NotEvaluated.NOT_WOKEN:
        return f"held: {_NOT_EVALUATED[NotEvaluated.NOT_WOKEN]}"
    words = _OUTCOMES[record.outcome]
    if record.not_evaluated is not None:
        return f"{words}: {_NOT_EVALUATED[record.not_evaluated]}"
    return words


def decision_line(record: DecisionRecord) -> str:
    """One decision in one line."""
    wish = f", wanted {intent_words(record.intent)}" if record.intent else ""
    return f"{record.sleeve} {record.bar.timeframe.value}: {outcome_words(record)}{wish}"


def exit_words(record: ExitRecord) -> str:
    """What or who closed a position, or why it could not be closed."""
    by = "" if record.principal == "engine" else f" by {record.principal}"
    if record.outcome is not Outcome.REFUSED:
        return f"closed: {record.cause}{by}"
    limits = ", ".join(check.limit.value for check in record.checks if not check.passed)
    times = "" if record.count == 1 else f", {record.count} times"
    return f"not closed: {record.cause}{by} was refused ({limits}){times}"


def intent_words(intent: Intent) -> str:
    """What a strategy wished for."""
    parts = [f"to {intent.type.value} {intent.direction.value}"]
    if intent.target_exposure is not None:
        parts.append(f"{amount(intent.target_exposure * 100)} % of equity")
    if intent.stop_price is not None:
        parts.append(f"stop at {amount(intent.stop_price)}")
    if intent.reason:
        parts.append(f"because {intent.reason}")
    return ", ".join(parts)


def span_words(record: DecisionRecord) -> str:
    """Which bars the verdict covers."""
    step_s = record.bar.timeframe.seconds
    first = moment((record.bar.start_s + step_s) * NS_PER_SECOND)
    if record.count == 1:
        return f"the {record.bar.timeframe.value} bar that closed {first} UTC"
    last = moment((record.last_bar_start_s + step_s) * NS_PER_SECOND)
    return f"{record.count} {record.bar.timeframe.value} bars, closed {first} to {last} UTC"


def condition_line(condition: Condition) -> str:
    """One test that the decision rested on."""
    mark = "yes" if condition.passed else "no "
    return (
        f"{mark}  {condition.name}: {rounded(condition.value)} {condition.operator} "
        f"{rounded(condition.threshold)}"
    )


def limit_line(check: LimitCheck) -> str:
    """One limit: what was wanted, what was there, what is allowed and what is left."""
    mark = "ok " if check.passed else "NO "
    return f"{mark} {check.limit.value}: {_limit_words(check)}"


def _limit_words(check: LimitCheck) -> str:
    if check.unit == "bool":
        return "clear" if check.passed else "in the way"
    had, allowed, left = rounded(check.had), rounded(check.allowed), rounded(check.headroom)
    if check.limit.is_minimum:
        over = "above it by" if check.passed else "short of it by"
        return f"{had} {check.unit}, at least {allowed} needed, {over} {left.removeprefix('-')}"
    return f"wanted {rounded(check.wanted)} {check.unit}, had {had}, at most {allowed}, left {left}"
