"""Risk: one pure function from a wish to an approval, a clamp or a refusal, with every limit met.

:func:`assess` knows three kinds of wish. *Keeping* changes nothing and shows the headroom.
*Reducing* is never stopped by a limit; only the venue itself can be in the way (dust below its
minimum, a pair it does not trade now), and more than there is cannot be sold. *Adding* must pass
every fact that blocks, is cut down to the smallest headroom, and must then still be worth an order.
It is sized by the wanted share of equity, or by the distance to the stop so that the stop costs
``max_risk_per_trade_pct``.

Nothing else makes an :class:`~krakked.domain.plans.ApprovedAction`, and no setting turns this off.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.intents import Direction, Intent, IntentType
from krakked.domain.limits import LimitCheck, LimitName, Limits
from krakked.domain.money import ZERO
from krakked.domain.orders import LegKind
from krakked.domain.pairs import Pair
from krakked.domain.plans import ActionType, ApprovedAction
from krakked.domain.risk_book import Reservation, RiskBook
from krakked.domain.risk_rules import (
    RiskContext,
    Wish,
    caps,
    gates,
    order_minima,
    sale_bounds,
    size_bounds,
    smallest_change,
    stale_check,
    standing,
    venue_checks,
)

__all__ = [
    "LimitCheck",
    "LimitName",
    "Limits",
    "RiskBook",
    "RiskContext",
    "RiskDecision",
    "Verdict",
    "assess",
    "refuse_without_price",
]

_approve: Final[Callable[..., ApprovedAction]] = ApprovedAction
"""The one way around the constructor that the type checker hides from everyone else."""


class Verdict(enum.Enum):
    """What became of a wish."""

    APPROVED = "approved"
    CLAMPED = "clamped"
    REFUSED = "refused"
    NO_CHANGE = "no_change"
    """The target is what is held already (or within the smallest order)."""


class RiskDecision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one wish; ``action`` is there exactly when approved or clamped."""

    verdict: Verdict
    action: ApprovedAction | None
    checks: tuple[LimitCheck, ...]
    """Every limit that was met, passed or not."""
    reservation: Reservation | None = None
    """What an adding action takes from the book."""

    @property
    def violated(self) -> tuple[LimitName, ...]:
        """The limits that clamped or refused."""
        return tuple(check.limit for check in self.checks if not check.passed)


def assess(
    intent: Intent, book: RiskBook, limits: Limits, pair: Pair, context: RiskContext
) -> RiskDecision:
    """Answer one wish; pure, and the same for live, backtests and previews."""
    if intent.type is IntentType.HOLD:
        return _unchanged(standing(intent, book, limits, pair, context))
    if intent.direction is Direction.FLAT or intent.type is IntentType.EXIT:
        return _reduce(intent, context.position_base, pair, context)
    if intent.type is IntentType.REDUCE:
        target = _quantity_of_exposure(intent, book, context)
        return _reduce(intent, context.position_base - target, pair, context)
    return _add(intent, book, limits, pair, context)


def _unchanged(checks: tuple[LimitCheck, ...]) -> RiskDecision:
    return RiskDecision(verdict=Verdict.NO_CHANGE, action=None, checks=checks)


def _refused(checks: tuple[LimitCheck, ...]) -> RiskDecision:
    return RiskDecision(verdict=Verdict.REFUSED, action=None, checks=checks)


def refuse_without_price() -> RiskDecision:
    """The answer to a sale that the venue takes only at a limit while no price is known."""
    return _refused((stale_check(is_stale=True),))


# reducing


def _reduce(intent: Intent, change_base: Decimal, pair: Pair, context: RiskContext) -> RiskDecision:
    """Sell ``change_base``: no limit stands in the way, only what the venue does not do."""
    if change_base <= 0 or context.position_base <= 0:
        return _unchanged(())
    wanted = pair.quantity_below(min(change_base, context.position_base))
    bounds = sale_bounds(wanted, pair, context)
    quantity = pair.quantity_below(min((bound.quantity_max for bound in bounds), default=wanted))
    venue = venue_checks(quantity, pair, context)
    checks = (*venue, *(bound.check for bound in bounds))
    if all(check.passed for check in venue):
        return RiskDecision(
            verdict=Verdict.CLAMPED if bounds else Verdict.APPROVED,
            action=_action(intent, -quantity, pair, context),
            checks=checks,
        )
    is_partial = change_base < context.position_base
    too_small = any(c.limit is LimitName.VENUE_MINIMUM and not c.passed for c in checks)
    return _unchanged(checks) if is_partial and too_small else _refused(checks)


# adding


def _add(
    intent: Intent, book: RiskBook, limits: Limits, pair: Pair, context: RiskContext
) -> RiskDecision:
    """Buy towards the target: facts first, then the smallest headroom, then the smallest order."""
    facts = gates(book, limits, pair, context, stop_price=intent.stop_price)
    if context.price is None or not context.base_rate:
        return _refused(facts)
    wish = _wish(intent, book, limits, pair, context)
    if _is_met(wish, facts, limits, pair, context):
        return _unchanged(standing(intent, book, limits, pair, context))
    bounds = (*caps(wish, book, limits), *size_bounds(wish.quantity, pair))
    room = min((bound.quantity_max for bound in bounds), default=wish.quantity)
    quantity = pair.quantity_below(max(min(wish.quantity, room), ZERO))
    minima = order_minima(quantity or wish.quantity, limits, pair, context)
    checks = (*facts, *(bound.check for bound in bounds), *minima)
    may_go = quantity > 0 and all(check.passed for check in (*facts, *minima))
    if not may_go:
        return _refused(checks)
    return RiskDecision(
        verdict=Verdict.APPROVED if quantity == wish.quantity else Verdict.CLAMPED,
        action=_action(intent, quantity, pair, context),
        checks=checks,
        reservation=wish.reservation(quantity),
    )


def _is_met(
    wish: Wish, facts: tuple[LimitCheck, ...], limits: Limits, pair: Pair, context: RiskContext
) -> bool:
    """Whether what is held already is the target, but for less than an order is worth."""
    if context.position_base < pair.quantity_min:
        return False
    is_sound = all(check.passed for check in facts if check.limit is LimitName.STOP_PRICE)
    return is_sound and wish.quantity < smallest_change(limits, pair, context)


def _wish(intent: Intent, book: RiskBook, limits: Limits, pair: Pair, context: RiskContext) -> Wish:
    wish = Wish.of(intent, pair, context)
    target = (
        _quantity_by_risk(wish, intent, book, limits)
        if intent.target_exposure is None
        else _quantity_of_exposure(intent, book, context)
    )
    change = max(target - context.position_base, ZERO)
    return msgspec.structs.replace(wish, quantity=pair.quantity_below(change))


def _quantity_of_exposure(intent: Intent, book: RiskBook, context: RiskContext) -> Decimal:
    """Units that make up the wanted share of equity at the mid."""
    if context.price is None or not context.base_rate:
        return context.position_base
    share = ZERO if intent.target_exposure is None else intent.target_exposure
    return max(book.equity, ZERO) * share / (context.price * context.base_rate)


def _quantity_by_risk(wish: Wish, intent: Intent, book: RiskBook, limits: Limits) -> Decimal:
    """Units whose stop costs the allowed share of equity, scaled by confidence."""
    risk_per_unit = wish.distance * wish.rate
    if risk_per_unit <= 0:
        return ZERO
    budget = max(book.equity, ZERO) * limits.max_risk_per_trade_pct / 100
    return budget * intent.confidence / risk_per_unit


def _action(
    intent: Intent, change_base: Decimal, pair: Pair, context: RiskContext
) -> ApprovedAction:
    """The approval itself."""
    target = context.position_base + change_base
    price = context.price or ZERO
    return _approve(
        sleeve=intent.sleeve,
        type=_action_type(change_base, target, pair, context),
        kind=context.kind or (LegKind.ENTRY if change_base > 0 else LegKind.EXIT),
        current_base=context.position_base,
        target_base=target,
        target_notional_base_currency=target * price * (context.base_rate or ZERO),
        stop_price=intent.stop_price,
        decision_id=context.decision_id,
    )


def _action_type(
    change_base: Decimal, target: Decimal, pair: Pair, context: RiskContext
) -> ActionType:
    if change_base < 0:
        return ActionType.REDUCE if target >= pair.quantity_min else ActionType.CLOSE
    return ActionType.INCREASE if context.position_base >= pair.quantity_min else ActionType.OPEN
