"""The configuration of a world's engines: the real settings, read and checked as always."""

from __future__ import annotations

from functools import lru_cache

from krakked.runtime.credentials import ApiKey, Credentials, Keys
from krakked.runtime.settings import Environment, Loaded, load_settings
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
def loaded_for(behaviour: Behaviour) -> Loaded:
    """Settings of engines that behave so."""
    return load_settings(
        Environment.PAPER,
        config_dir=None,
        overrides={
            "venue.rest_url": REST_URL,
            "venue.ws_url": WS_URL,
            "venue.ws_auth_url": WS_URL,
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
            **_STRATEGIES,
        },
        environ={},
    )


class WorldKeys(Keys):
    """The keys of the world's one account."""

    def __init__(self) -> None:
        super().__init__(None)
        self._found = Credentials(
            trade=ApiKey(TRADE_KEY.key, TRADE_KEY.secret),
            query=ApiKey(QUERY_KEY.key, QUERY_KEY.secret),
            source="the world",
        )
