"""Risk: one pure function from a wish to an approval, a clamp or a refusal, with every limit met.

See :func:`assess`. (Records first; the rules follow.)
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from krakked.domain.plans import ApprovedAction


class LimitName(enum.Enum):
    """Every rule that can clamp or refuse; the value is the setting's or the fact's name."""

    KILL_SWITCH = "kill_switch"
    DRIFT = "drift"
    STALE = "stale"
    UNKNOWN_ORDER = "unknown_order"
    PAIR_STATUS = "pair_status"
    MAX_RISK_PER_TRADE_PCT = "max_risk_per_trade_pct"
    MAX_PORTFOLIO_RISK_PCT = "max_portfolio_risk_pct"
    MAX_OPEN_POSITIONS = "max_open_positions"
    MAX_PER_ASSET_PCT = "max_per_asset_pct"
    MAX_PER_STRATEGY_PCT = "max_per_strategy_pct"
    MAX_POSITIONS_PER_STRATEGY = "max_positions"
    MIN_LIQUIDITY_24H_USD = "min_liquidity_24h_usd"
    MIN_ORDER_NOTIONAL_USD = "min_order_notional_usd"
    VENUE_MINIMUM = "venue_minimum"
    FREE_CASH = "free_cash"


class LimitCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One limit as it stood: what the wish wanted, what was there, what is allowed."""

    limit: LimitName
    wanted: Decimal
    had: Decimal
    allowed: Decimal
    unit: str
    """``USD``, ``%``, ``positions``, an asset code, or ``bool``."""
    passed: bool

    @property
    def headroom(self) -> Decimal:
        """What is left below the limit before this wish."""
        return self.allowed - self.had


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

    @property
    def violated(self) -> tuple[LimitName, ...]:
        """The limits that clamped or refused."""
        return tuple(check.limit for check in self.checks if not check.passed)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Phase 4's ``risk.*`` as numbers; percentages are of equity."""

    max_risk_per_trade_pct: Decimal = Decimal(1)
    max_portfolio_risk_pct: Decimal = Decimal(10)
    max_open_positions: int = 10
    max_per_asset_pct: Decimal = Decimal(5)
    max_per_strategy_pct: Mapping[str, Decimal] = {}
    max_daily_drawdown_pct: Decimal = Decimal(10)
    kill_switch_on_drift: bool = True
    include_manual_positions: bool = True
    volatility_lookback_bars: int = 20
    min_liquidity_24h_usd: Decimal = Decimal(100_000)
    min_order_notional_usd: Decimal = Decimal(20)
