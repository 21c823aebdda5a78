"""Exits outside a strategy's cycle: stops that were hit, and positions that a person flattens.

They are wishes like any other and pass through risk, which stops no reduction; what cannot be
sold (dust, a pair the venue does not trade now) comes back refused, with the reason as data. Where
a position says more than the account has, because somebody took some out, what is there is sold.
By default they are market orders, so that they work on stale data too. Their legs are protective:
no later wish of the strategy takes them back.

Each answer is on record, as what a strategy decides is: who or what closed the position, or why it
could not be closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from krakked.domain.decisions import ExitRecord
from krakked.domain.ids import AccountFingerprint, PlanId
from krakked.domain.intents import Direction, Intent, IntentType
from krakked.domain.limits import Limits
from krakked.domain.orders import LegKind, OrderType
from krakked.domain.pairs import Pair
from krakked.domain.plans import ExecutionPlan
from krakked.domain.positions import Position, Sleeve
from krakked.domain.quotes import Quote
from krakked.domain.risk import (
    RiskContext,
    RiskDecision,
    Verdict,
    assess,
    refuse_without_price,
)
from krakked.domain.risk_book import RiskBook
from krakked.trading.legs import Draft, PlanHeader, allowed_type, make_plan
from krakked.trading.rules import ExecutionRules
from krakked.trading.verdicts import OUTCOMES, joined_exit


class ExitSleeve(msgspec.Struct, frozen=True, kw_only=True):
    """A position to close. Cancel its resting orders first, or their fills come on top."""

    index: int
    pair: Pair
    position: Position
    quote: Quote | None = None
    available_base: Decimal | None = None
    """What the account has for it, where that may be less; None: what the position says."""
    base_rate: Decimal | None = None
    """Base currency for one unit of the pair's quote asset, if known."""

    @property
    def sleeve(self) -> Sleeve:
        """Whose position it is."""
        return self.position.sleeve


class ExitInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an exit plan depends on."""

    account: AccountFingerprint
    epoch: int
    """Of ownership; 0 where it is not contended."""
    sequence: int
    parent_id: PlanId | None
    now_ns: int
    rules: ExecutionRules
    sleeves: tuple[ExitSleeve, ...]
    book: RiskBook
    limits: Limits
    cause: str
    """``stop`` or ``flatten``."""
    principal: str = "engine"
    order_type: OrderType = OrderType.MARKET
    """Limit orders stand at the slippage cap."""
    trace_id: str = ""

    def decision_id(self, sleeve: Sleeve) -> str:
        """One per sleeve and exit."""
        return f"{sleeve}/{self.cause}/{self.now_ns}"


class ExitResult(msgspec.Struct, frozen=True, kw_only=True):
    """The plan, and risk's word on every sleeve (refused: still held)."""

    plan: ExecutionPlan | None
    answers: tuple[tuple[Sleeve, RiskDecision], ...]


def exit_plan(inputs: ExitInputs) -> ExitResult:
    """Close positions whole; the same function makes the preview and the act."""
    ordered = sorted(inputs.sleeves, key=lambda sleeve: sleeve.index)
    answers = [(sleeve, _answer(sleeve, inputs)) for sleeve in ordered]
    drafts = [
        Draft(
            index=sleeve.index,
            action=answer.action,
            pair=sleeve.pair,
            quote=sleeve.quote,
            order_type=inputs.order_type,
        )
        for sleeve, answer in answers
        if answer.action is not None
    ]
    header = PlanHeader(
        account=inputs.account,
        epoch=inputs.epoch,
        sequence=inputs.sequence,
        parent_id=inputs.parent_id,
        now_ns=inputs.now_ns,
        cause=inputs.cause,
        principal=inputs.principal,
        trace_id=inputs.trace_id,
    )
    return ExitResult(
        plan=make_plan(drafts, header, inputs.rules),
        answers=tuple((sleeve.sleeve, answer) for sleeve, answer in answers),
    )


def _answer(sleeve: ExitSleeve, inputs: ExitInputs) -> RiskDecision:
    intent = Intent(
        sleeve=sleeve.sleeve,
        direction=Direction.FLAT,
        type=IntentType.EXIT,
        target_exposure=None,
        reason=inputs.cause,
        bar=None,
        generated_at_ns=inputs.now_ns,
    )
    context = RiskContext(
        decision_id=inputs.decision_id(sleeve.sleeve),
        position_base=sleeve.position.quantity_base,
        price=None if sleeve.quote is None else sleeve.quote.mid,
        base_rate=sleeve.base_rate,
        available_base=sleeve.available_base,
        kind=LegKind.PROTECTIVE,
    )
    order_type = allowed_type(inputs.order_type, sleeve.pair)
    if sleeve.quote is None and order_type is OrderType.LIMIT:
        return refuse_without_price()
    return assess(intent, inputs.book, inputs.limits, sleeve.pair, context)


def exit_records(
    inputs: ExitInputs, result: ExitResult, runs: Mapping[Sleeve, ExitRecord]
) -> tuple[ExitRecord, ...]:
    """To save: deeds, and refusals as runs. Where nothing is held there is nothing to tell."""
    return tuple(
        joined_exit(runs.get(sleeve), _record(sleeve, answer, inputs, result.plan))
        for sleeve, answer in result.answers
        if answer.verdict is not Verdict.NO_CHANGE
    )


def _record(
    sleeve: Sleeve, answer: RiskDecision, inputs: ExitInputs, plan: ExecutionPlan | None
) -> ExitRecord:
    is_deed = answer.action is not None and plan is not None
    return ExitRecord(
        decision_id=inputs.decision_id(sleeve),
        sleeve=sleeve,
        cause=inputs.cause,
        principal=inputs.principal,
        outcome=OUTCOMES[answer.verdict],
        checks=answer.checks,
        plan_id=plan.plan_id if plan is not None and is_deed else None,
        trace_id=inputs.trace_id,
        decided_at_ns=inputs.now_ns,
        last_decided_at_ns=inputs.now_ns,
    )
