"""Execution plans: immutable, numbered, with parent and expiry; they leave nothing to choose.

Only :func:`krakked.domain.risk.assess` makes an :class:`ApprovedAction`, and a leg cannot be made
without one: what risk has not approved does not type-check as something to send. (Decoding a plan
that was stored makes them too: it was approved when it was written.)
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from krakked.domain.bars import BarKey
from krakked.domain.ids import PlanId
from krakked.domain.orders import LegKind, OrderRequest
from krakked.domain.positions import Sleeve

if TYPE_CHECKING:
    from typing import Never

    from krakked.domain.orders import Side


class ActionType(enum.Enum):
    """Phase 4's words for one sized step."""

    OPEN = "open"
    INCREASE = "increase"
    REDUCE = "reduce"
    CLOSE = "close"

    @property
    def adds_risk(self) -> bool:
        """Whether the kill switch and drift forbid it."""
        return self in (ActionType.OPEN, ActionType.INCREASE)


class ApprovedAction(msgspec.Struct, frozen=True, kw_only=True):
    """One sized step that risk approved (phase 4's ``RiskAdjustedAction``)."""

    sleeve: Sleeve
    type: ActionType
    kind: LegKind
    current_base: Decimal
    target_base: Decimal
    target_notional_base_currency: Decimal
    stop_price: Decimal | None
    decision_id: str

    if TYPE_CHECKING:

        def __init__(self, _only_risk_approves: Never) -> None:
            """Nobody can call this: the type checker refuses every argument."""

    @property
    def change_base(self) -> Decimal:
        """Signed: positive buys, negative sells."""
        return self.target_base - self.current_base


class PlanLeg(msgspec.Struct, frozen=True, kw_only=True):
    """One order of a plan, with the approval it rests on."""

    action: ApprovedAction
    request: OrderRequest

    @property
    def side(self) -> Side:
        """Of its order."""
        return self.request.side


class ExecutionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One cycle's orders, reducing legs first."""

    plan_id: PlanId
    parent_id: PlanId | None
    sequence: int
    bar: BarKey | None
    """The bar that closed (the first pair's); None for a plan by a person or a stop."""
    cause: str
    """``cycle``, ``stop``, ``flatten``, ``submitted``."""
    principal: str
    """Who caused it: ``engine`` or a person's name."""
    created_at_ns: int
    expires_at_ns: int
    legs: tuple[PlanLeg, ...]
    trace_id: str = ""
