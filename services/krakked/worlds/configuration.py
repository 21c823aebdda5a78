"""The configuration of a world's engines: the real settings, read and checked as always."""

from __future__ import annotations

from functools import lru_cache

from krakked.runtime.credentials import ApiKey, Credentials, Keys
from krakked.runtime.settings import Environment, Loaded, load_settings
from krakked.sim.exchange.limits import Tier
from krakked.trading.timings import NAMED, Timings
from krakked.worlds.host import QUERY_KEY, REST_URL, TRADE_KEY, WS_URL
from krakked.worlds.recipe import Behaviour

_STRATEGIES: dict[str, object] = {
    "strategies.trend": {
        "type": "trend_following",
        "timeframes": ["1m"],
        "params": {"fast_bars": 2, "slow_bars": 4, "atr_bars": 4, "target_exposure": "0.015"},
    },
    "strategies.basket": {
        "type": "hold_target_weights",
        "timeframes": ["1m"],
        "params": {"rebalance_bars": 1, "band": "0.01", "weight": "0.015"},
    },
    "strategies.reversion": {
        "type": "mean_reversion",
        "timeframes": ["1m"],
        "params": {
            "window_bars": 4,
            "entry_z": "0.3",
            "exit_z": "0",
            "atr_bars": 4,
            "stop_atr": "2",
            "target_exposure": "0.015",
        },
    },
}
"""Real strategies on the shortest bars, with parameters that make them trade all the time."""


@lru_cache(maxsize=256)
def loaded_for(behaviour: Behaviour, tier: Tier) -> Loaded:
    """Settings of engines that behave so."""
    return load_settings(
        Environment.PAPER,
        config_dir=None,
        overrides={
            "venue.rest_url": REST_URL,
            "venue.ws_url": WS_URL,
            "venue.ws_auth_url": WS_URL,
            "venue.tier": tier.value,
            "market_data.timeframes": ["1m"],
            "market_data.backfill_bars": 60,
            "universe.include_pairs": ["XBTUSD", "ETHUSD"],
            "universe.min_24h_volume_usd": 0,
            "risk.min_liquidity_24h_usd": 0,
            "scheduler.strategy_loop_sec": 5,
            "execution.default_order_type": behaviour.order_type,
            "execution.time_in_force": behaviour.time_in_force,
            "execution.post_only": behaviour.post_only,
            "execution.order_ttl_seconds": behaviour.order_ttl_s,
            "execution.max_concurrent_orders": behaviour.max_concurrent_orders,
            "execution.max_slippage_bps": behaviour.slippage_bps,
            "execution.on_shutdown": behaviour.on_shutdown,
            **_leader(NAMED[behaviour.timings]),
            "risk.max_per_asset_pct": behaviour.max_per_asset_pct,
            "risk.max_open_positions": behaviour.max_open_positions,
            **_STRATEGIES,
        },
        environ={},
    )


def _leader(timings: Timings) -> dict[str, object]:
    return {
        "leader.store": "kubernetes",
        "leader.waits": True,
        "leader.lease_duration_seconds": timings.lease_duration_s,
        "leader.renew_deadline_seconds": timings.renew_deadline_s,
        "leader.retry_period_seconds": timings.retry_period_s,
        "leader.request_timeout_seconds": timings.request_timeout_s,
        "leader.margin_seconds": timings.margin_s,
        "leader.clock_offset_max_seconds": timings.clock_offset_max_s,
        "leader.quarantine_seconds": timings.quarantine_s,
        "leader.start_budget_seconds": timings.start_budget_s,
        "execution.deadline_seconds": timings.order_deadline_s,
        "execution.dead_man_switch_seconds": timings.dead_man_timeout_s,
        "execution.dead_man_refresh_seconds": timings.dead_man_refresh_s,
    }


class WorldKeys(Keys):
    """The keys of the world's one account."""

    def __init__(self) -> None:
        super().__init__(None)
        self._found = Credentials(
            trade=ApiKey(TRADE_KEY.key, TRADE_KEY.secret),
            query=ApiKey(QUERY_KEY.key, QUERY_KEY.secret),
            source="the world",
        )
