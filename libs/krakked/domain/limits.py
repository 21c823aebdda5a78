"""Limits: what the account's owner allows, and one limit as it stood when a wish met it.

Maxima say how much there may be (value, risk, positions); minima say how much there must be for
an order to make sense (liquidity, size). Facts (kill switch, drift, staleness) are limits that
allow nothing while they hold.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal

import msgspec


class LimitName(enum.Enum):
    """Every rule that can clamp or refuse; the value is the setting's or the fact's name."""

    KILL_SWITCH = "kill_switch"
    HALTED = "halted"
    DRIFT = "drift"
    STALE = "stale"
    UNKNOWN_ORDER = "unknown_order"
    PAIR_STATUS = "pair_status"
    STOP_PRICE = "stop_price"
    """The stop must lie below the price, or it would close what it protects at once."""
    MAX_DAILY_DRAWDOWN_PCT = "max_daily_drawdown_pct"
    MAX_RISK_PER_TRADE_PCT = "max_risk_per_trade_pct"
    MAX_PORTFOLIO_RISK_PCT = "max_portfolio_risk_pct"
    MAX_OPEN_POSITIONS = "max_open_positions"
    MAX_PER_ASSET_PCT = "max_per_asset_pct"
    MAX_PER_STRATEGY_PCT = "max_per_strategy_pct"
    MAX_POSITIONS_PER_STRATEGY = "max_positions"
    MIN_LIQUIDITY_24H_USD = "min_liquidity_24h_usd"
    MIN_ORDER_NOTIONAL_USD = "min_order_notional_usd"
    VENUE_MINIMUM = "venue_minimum"
    ORDER_SIZE = "order_size"
    """The most that one order can carry; met by coins that are worth next to nothing alone."""
    HELD_BY_ACCOUNT = "held_by_account"
    """What there is to sell: less than the position says, where somebody took some out."""
    FREE_CASH = "free_cash"

    @property
    def is_minimum(self) -> bool:
        """Whether ``allowed`` is the least, not the most."""
        return self in _MINIMA


_MINIMA = frozenset(
    {
        LimitName.MIN_LIQUIDITY_24H_USD,
        LimitName.MIN_ORDER_NOTIONAL_USD,
        LimitName.VENUE_MINIMUM,
    }
)


class LimitCheck(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One limit as it stood: what the wish wanted, what was there, what is allowed.

    A maximum holds when ``had + wanted <= allowed``, a minimum when ``had >= allowed``.
    """

    limit: LimitName
    wanted: Decimal
    had: Decimal
    allowed: Decimal
    unit: str
    """The base currency, ``%``, ``positions``, an asset code, or ``bool``."""
    passed: bool

    @property
    def headroom(self) -> Decimal:
        """What is left to the limit before this wish; negative when it is broken already."""
        if self.limit.is_minimum:
            return self.had - self.allowed
        return self.allowed - self.had


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Phase 4's ``risk.*`` as numbers; percentages are of equity."""

    max_risk_per_trade_pct: Decimal = Decimal(1)
    max_portfolio_risk_pct: Decimal = Decimal(10)
    max_open_positions: int = 10
    """Sleeves that hold or are buying; assets held by hand count too where they are included."""
    max_per_asset_pct: Decimal = Decimal(5)
    max_per_strategy_pct: Mapping[str, Decimal] = {}
    max_positions: Mapping[str, int] = {}
    """Open positions by strategy (its ``max_positions``)."""
    max_daily_drawdown_pct: Decimal = Decimal(10)
    kill_switch_on_drift: bool = True
    include_manual_positions: bool = True
    volatility_lookback_bars: int = 20
    min_liquidity_24h_usd: Decimal = Decimal(100_000)
    min_order_notional_usd: Decimal = Decimal(20)
