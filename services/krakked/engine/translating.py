"""From the settings that people write to the plain rules that the layers below take."""

from __future__ import annotations

from decimal import Decimal

from krakked.domain.ids import AccountFingerprint, Asset, StrategyId, account_fingerprint
from krakked.domain.risk import Limits
from krakked.domain.strategies import build
from krakked.domain.strategies.base import Strategy as Built
from krakked.ports.ledger import Identity
from krakked.runtime.settings import Mode, Settings, Strategy
from krakked.runtime.settings.contradictions import REFRESHES_PER_DEAD_MAN
from krakked.trading.rules import ExecutionRules

DEADLINE_MAX_S = 60.0
"""The venue takes deadlines from 2 to 60 seconds ahead."""
DEADLINE_MIDDLE_S = 31.0
"""Furthest from being refused at either end."""
LIVENESS_S = 10.0
"""Of real time: what the machine and the wire take does not grow with a faster clock."""
DEAD_MAN_MAX_S = 86_399
"""The venue takes no timer of a day."""
NEVER_S = 10.0**9
"""A replay reconciles at each bar, when the engine asks for it."""


def venue_name(settings: Settings) -> str:
    """What the ledger calls the venue."""
    return settings.venue.kind.value


def fingerprint_of(settings: Settings) -> AccountFingerprint:
    """Stands for this environment's account in order ids."""
    account = f"{settings.environment.value}/{settings.account.name}"
    return account_fingerprint(venue=venue_name(settings), account=account)


def identity_of(settings: Settings) -> Identity:
    """What the ledger must belong to."""
    return Identity(
        environment=settings.environment.value,
        venue=venue_name(settings),
        account=fingerprint_of(settings),
        base_currency=Asset(settings.portfolio.base_currency),
    )


def strategy_of(name: str, chosen: Strategy) -> Built:
    """A configured strategy.

    Raises:
        BadInput: what it was given is not what its type takes.
    """
    return build(StrategyId(name), chosen.type, chosen.params, timeframes=chosen.timeframes)


def userrefs_of(settings: Settings) -> dict[StrategyId, int]:
    """The numbers that a person gave to strategies."""
    return {
        StrategyId(name): strategy.userref
        for name, strategy in settings.strategies.items()
        if strategy.userref is not None
    }


def places_orders(settings: Settings) -> bool:
    """Whether orders of ours can ever stand at the venue.

    Where they cannot, the dead-man has nothing to guard: it would cancel other people's orders.
    """
    execution = settings.execution
    return execution.mode is not Mode.DRY_RUN and not execution.validate_only


def rules_of(
    settings: Settings, *, replay_bar_s: int | None, speed: float, is_venue_apart: bool = False
) -> ExecutionRules:
    """The execution rules.

    Args:
        settings: the configuration.
        replay_bar_s: length of the shortest bar of a lock-step replay, whose dead-man must last
            from bar to bar; None outside one.
        speed: how many seconds of the engine's clock pass in a real one. What the wire and the
            machine need stays real time, so it takes that many more of the clock's seconds.
        is_venue_apart: whether the venue is a process of its own that keeps such a clock.
    """
    execution = settings.execution
    reconcile_s = settings.scheduler.portfolio_sync_sec * speed
    timeout_s = execution.dead_man_switch_seconds if places_orders(settings) else None
    refresh_s = execution.dead_man_refresh_seconds
    if replay_bar_s is not None:
        reconcile_s = NEVER_S
    if timeout_s is not None and replay_bar_s is not None:
        timeout_s, refresh_s = 2 * replay_bar_s, float(replay_bar_s)
    elif timeout_s is not None:
        timeout_s = min(int(timeout_s * speed), DEAD_MAN_MAX_S)
        refresh_s = min(refresh_s * speed, timeout_s / REFRESHES_PER_DEAD_MAN)
    return ExecutionRules(
        sends_orders=execution.mode is not Mode.DRY_RUN,
        validates_only=execution.validate_only,
        order_type=execution.default_order_type,
        max_slippage_bps=execution.max_slippage_bps,
        time_in_force=execution.time_in_force,
        post_only=execution.post_only,
        order_ttl_s=execution.order_ttl_seconds or 0,
        deadline_s=_deadline_s(execution.deadline_seconds, speed, is_venue_apart=is_venue_apart),
        max_plan_age_s=execution.max_plan_age_seconds * speed,
        max_concurrent_orders=execution.max_concurrent_orders,
        max_retries=execution.max_retries,
        retry_backoff_s=execution.retry_backoff_seconds,
        retry_backoff_factor=execution.retry_backoff_factor,
        tracks_manual_trades=settings.portfolio.track_manual_trades,
        reconciliation_tolerance=settings.portfolio.reconciliation_tolerance,
        reconcile_interval_s=reconcile_s,
        dead_man_timeout_s=timeout_s,
        dead_man_refresh_s=refresh_s,
        liveness_s=LIVENESS_S * speed,
        cancel_on_shutdown=execution.on_shutdown == "cancel",
    )


def _deadline_s(seconds: float, speed: float, *, is_venue_apart: bool) -> float:
    """Longer on a faster clock, as long as the venue takes it.

    A venue that is a process of its own has a clock of its own: what one of the two is late by in
    real time, their clocks are apart by so many times more, in either direction.
    """
    longest_s = DEADLINE_MIDDLE_S if is_venue_apart else DEADLINE_MAX_S
    return max(seconds, min(longest_s, seconds * speed))


def limits_of(settings: Settings) -> Limits:
    """The risk limits."""
    risk = settings.risk
    return Limits(
        max_risk_per_trade_pct=risk.max_risk_per_trade_pct,
        max_portfolio_risk_pct=risk.max_portfolio_risk_pct,
        max_open_positions=risk.max_open_positions,
        max_per_asset_pct=risk.max_per_asset_pct,
        max_per_strategy_pct=strategy_budgets(settings),
        max_positions={
            strategy_id: strategy.max_positions
            for strategy_id, strategy in settings.strategies.items()
            if strategy.max_positions is not None
        },
        max_daily_drawdown_pct=risk.max_daily_drawdown_pct,
        kill_switch_on_drift=risk.kill_switch_on_drift,
        include_manual_positions=risk.include_manual_positions,
        volatility_lookback_bars=risk.volatility_lookback_bars,
        min_liquidity_24h_usd=risk.min_liquidity_24h_usd,
        min_order_notional_usd=settings.execution.min_order_notional_usd,
    )


def strategy_budgets(settings: Settings) -> dict[str, Decimal]:
    """The tighter of a strategy's own budget and the risk setting that names it."""
    budgets: dict[str, Decimal] = dict(settings.risk.max_per_strategy_pct)
    for strategy_id, strategy in settings.strategies.items():
        if strategy.budget is not None:
            budgets[strategy_id] = min(strategy.budget, budgets.get(strategy_id, strategy.budget))
    return budgets


def day_boundary_s(settings: Settings) -> int:
    """Seconds after midnight UTC at which the trading day begins."""
    hours, minutes = settings.risk.day_boundary.split(":")
    return int(hours) * 3600 + int(minutes) * 60
