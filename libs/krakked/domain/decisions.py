"""Verdicts on every bar of every sleeve: what happened, or why nothing did.

Repeated holds and repeated equal refusals are one *run* with first, last and count. What closes a
position between bars, a stop or a person, has a record of its own.
"""

from __future__ import annotations

import enum

import msgspec

from krakked.domain.bars import BarKey
from krakked.domain.ids import PlanId
from krakked.domain.intents import Condition, Intent
from krakked.domain.positions import Sleeve
from krakked.domain.risk import LimitCheck


class Outcome(enum.Enum):
    """What became of one bar of one sleeve."""

    ACTED = "acted"
    HELD = "held"
    CLAMPED = "clamped"
    """Acted, with a smaller size than wished."""
    REFUSED = "refused"
    NOT_EVALUATED = "not_evaluated"


class NotEvaluated(enum.Enum):
    """Why a bar was not decided on."""

    STALE = "stale"
    WARMING_UP = "warming_up"
    DISABLED = "disabled"
    NOT_IN_UNIVERSE = "not_in_universe"
    """A person left the pair out while something is held there: its stop is watched, no more."""
    NOT_OWNER = "not_owner"
    RESTART_GAP = "restart_gap"
    """The engine was not running when the bar closed."""
    MARKET_DATA_GAP = "market_data_gap"
    """It was running and did not see the bar, which history has shown since."""
    EXPIRED = "expired"
    ORDER_IN_THE_WAY = "order_in_the_way"
    """An order of its own, against its wish, could not be ended in time."""
    NOT_WOKEN = "not_woken"
    """The strategy's ``wake`` says that nothing can change at this bar; it counts as held."""


class DecisionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The record of one verdict, or of a run of equal ones."""

    decision_id: str
    """``<strategy>/<pair>/<timeframe>/<bar start>``: one per sleeve and bar."""
    sleeve: Sleeve
    bar: BarKey
    """The first bar of the run."""
    last_bar_start_s: int
    count: int
    outcome: Outcome
    not_evaluated: NotEvaluated | None = None
    woken_by: str = "bar"
    intent: Intent | None = None
    conditions: tuple[Condition, ...] = ()
    checks: tuple[LimitCheck, ...] = ()
    plan_id: PlanId | None = None
    strategy_hash: str = ""
    """Of the strategy's code and parameters."""
    trace_id: str = ""
    decided_at_ns: int

    @property
    def run_key(self) -> tuple[object, ...]:
        """Two consecutive records with one key are one run."""
        limits = tuple(check.limit for check in self.checks if not check.passed)
        return (self.sleeve, self.bar.timeframe, self.outcome, self.not_evaluated, limits)


class ExitRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on closing one position outside its strategy's bars: who or what, and how."""

    decision_id: str
    """``<sleeve>/<cause>/<nanoseconds>``: the leg of the plan carries the same."""
    sleeve: Sleeve
    cause: str
    """``stop`` or ``flatten``."""
    principal: str
    """``engine``, or a person's name."""
    outcome: Outcome
    """ACTED, or REFUSED: then the position is still held, and the checks say why."""
    checks: tuple[LimitCheck, ...] = ()
    plan_id: PlanId | None = None
    trace_id: str = ""
    count: int = 1
    """Of equal refusals in a row."""
    decided_at_ns: int
    last_decided_at_ns: int

    @property
    def run_key(self) -> tuple[object, ...]:
        """Two consecutive refusals with one key are one run."""
        limits = tuple(check.limit for check in self.checks if not check.passed)
        return (self.sleeve, self.cause, self.principal, self.outcome, limits)
