"""What each environment starts from, before anything is written.

dev has a simulator in its own process, paper one by address, live has Kraken, and begins with
plans that are not sent. dev and paper begin with the three bundled strategies: switch one off with
``enabled: false``. live begins with none: what trades for money is written down by a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from krakked.runtime.settings.fields import Environment
from krakked.runtime.settings.files import Given

_BUNDLED: Final[Mapping[str, object]] = {
    "strategies.trend.type": "trend_following",
    "strategies.reversion.type": "mean_reversion",
    "strategies.basket.type": "hold_target_weights",
}

ENVIRONMENT_DEFAULTS: Final[Mapping[Environment, Mapping[str, object]]] = {
    Environment.DEV: {**_BUNDLED},
    Environment.PAPER: {
        "venue.rest_url": "http://127.0.0.1:8700",
        "venue.ws_url": "ws://127.0.0.1:8700/v2",
        "venue.ws_auth_url": "ws://127.0.0.1:8700/v2",
        **_BUNDLED,
    },
    Environment.LIVE: {
        "execution.mode": "dry_run",
        "venue.kind": "kraken",
        "venue.rest_url": "https://api.kraken.com",
        "venue.ws_url": "wss://ws.kraken.com/v2",
        "venue.ws_auth_url": "wss://ws-auth.kraken.com/v2",
    },
}


def environment_defaults(environment: Environment) -> list[Given]:
    """The values that the environment starts from."""
    source = f"default of {environment.value}"
    return [
        Given(tuple(name.split(".")), value, source)
        for name, value in ENVIRONMENT_DEFAULTS[environment].items()
    ]
