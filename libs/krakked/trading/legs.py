"""Legs: approved steps become orders with every detail chosen, in an order that is fixed.

Reducing legs go before adding ones, then by sleeve index. A limit price stands at most the
slippage cap away from the mid and is rounded towards the mid, never beyond the cap.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.bars import BarKey
from krakked.domain.ids import AccountFingerprint, PlanId, client_order_id, plan_id
from krakked.domain.money import ONE
from krakked.domain.orders import LegKind, OrderRequest, OrderType, Side, TimeInForce
from krakked.domain.pairs import Pair, PairStatus
from krakked.domain.plans import ApprovedAction, ExecutionPlan, PlanLeg
from krakked.domain.quotes import Quote
from krakked.domain.times import NS_PER_SECOND
from krakked.trading.rules import ExecutionRules

_BASIS_POINTS: Final = 10_000
_NEEDS_LIMIT: Final = frozenset({PairStatus.LIMIT_ONLY, PairStatus.POST_ONLY})


class PlanHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan says besides its legs."""

    account: AccountFingerprint
    epoch: int
    """Of the owner that makes it."""
    sequence: int
    parent_id: PlanId | None
    now_ns: int
    cause: str
    principal: str
    bar: BarKey | None = None
    trace_id: str = ""

    @property
    def plan_id(self) -> PlanId:
        """The same for the same account, epoch and sequence."""
        return plan_id(self.account, self.epoch, self.sequence)


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """One approved step on its way into a plan."""

    index: int
    """Of its sleeve."""
    action: ApprovedAction
    pair: Pair
    quote: Quote | None
    """None only where a market order may go out on stale data."""
    order_type: OrderType


def make_plan(
    drafts: Iterable[Draft], header: PlanHeader, rules: ExecutionRules
) -> ExecutionPlan | None:
    """The plan of all approved steps, or None without any."""
    ordered = sorted(drafts, key=lambda draft: (draft.action.type.adds_risk, draft.index))
    if not ordered:
        return None
    return ExecutionPlan(
        plan_id=header.plan_id,
        parent_id=header.parent_id,
        sequence=header.sequence,
        bar=header.bar,
        cause=header.cause,
        principal=header.principal,
        created_at_ns=header.now_ns,
        expires_at_ns=header.now_ns + int(rules.max_plan_age_s * NS_PER_SECOND),
        legs=tuple(
            PlanLeg(action=draft.action, request=_request(draft, number, header, rules))
            for number, draft in enumerate(ordered)
        ),
        trace_id=header.trace_id,
    )


def _request(draft: Draft, number: int, header: PlanHeader, rules: ExecutionRules) -> OrderRequest:
    action = draft.action
    side = Side.BUY if action.change_base > 0 else Side.SELL
    order_type = allowed_type(draft.order_type, draft.pair)
    post_only = order_type is OrderType.LIMIT and _is_post_only(action, draft.pair, rules)
    time_in_force, expire_at_ns = _lifetime(order_type, header.now_ns, rules, post_only=post_only)
    return OrderRequest(
        client_order_id=client_order_id(
            header.account, action.sleeve.strategy_id, header.plan_id, number, 0
        ),
        plan_id=header.plan_id,
        leg=number,
        revision=0,
        strategy_id=action.sleeve.strategy_id,
        pair=action.sleeve.pair,
        kind=action.kind,
        side=side,
        type=order_type,
        quantity_base=abs(action.change_base),
        limit_price=_limit_price(draft, side, rules, post_only=post_only)
        if order_type is OrderType.LIMIT
        else None,
        time_in_force=time_in_force,
        expire_at_ns=expire_at_ns,
        post_only=post_only,
    )


def allowed_type(wanted: OrderType, pair: Pair) -> OrderType:
    """The form of order that the venue takes on the pair now."""
    return OrderType.LIMIT if pair.status in _NEEDS_LIMIT else wanted


def _is_post_only(action: ApprovedAction, pair: Pair, rules: ExecutionRules) -> bool:
    """By setting, but never for a protective leg unless the venue takes nothing else."""
    wanted = rules.post_only and action.kind is not LegKind.PROTECTIVE
    return wanted or pair.status is PairStatus.POST_ONLY


def _lifetime(
    order_type: OrderType, now_ns: int, rules: ExecutionRules, *, post_only: bool
) -> tuple[TimeInForce, int | None]:
    """A resting order ends by itself at the venue, in whole seconds.

    One that may only make rests whatever was wished, so it has that end too.
    """
    if order_type is OrderType.MARKET:
        return TimeInForce.GTC, None
    if rules.time_in_force is TimeInForce.IOC and not post_only:
        return TimeInForce.IOC, None
    ttl_ns = int(rules.order_ttl_s * NS_PER_SECOND)
    if ttl_ns <= 0:
        return TimeInForce.GTC, None
    end_s = -(-(now_ns + ttl_ns) // NS_PER_SECOND)
    return TimeInForce.GTD, end_s * NS_PER_SECOND


def _limit_price(draft: Draft, side: Side, rules: ExecutionRules, *, post_only: bool) -> Decimal:
    quote = draft.quote
    assert quote is not None, f"{draft.action.sleeve}: a limit order needs a quote"
    if side is Side.BUY:
        cap = buy_limit(quote.mid, draft.pair, rules)
        return min(cap, draft.pair.price_below(quote.bid)) if post_only else cap
    cap = sell_limit(quote.mid, draft.pair, rules)
    return max(cap, draft.pair.price_above(quote.ask)) if post_only else cap


def buy_limit(mid: Decimal, pair: Pair, rules: ExecutionRules) -> Decimal:
    """The most a purchase may pay."""
    return pair.price_below(mid * (ONE + Decimal(rules.max_slippage_bps) / _BASIS_POINTS))


def sell_limit(mid: Decimal, pair: Pair, rules: ExecutionRules) -> Decimal:
    """The least a sale may bring."""
    return pair.price_above(mid * (ONE - Decimal(rules.max_slippage_bps) / _BASIS_POINTS))
