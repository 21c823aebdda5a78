"""Settings of what stands around trading: loops, probes, screens, logs, the simulator of dev."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from krakked.runtime.settings.fields import (
    Balances,
    PairText,
    Port,
    Seconds,
    Section,
    Speed,
    Spoken,
    Tier,
)


class Scheduler(Section):
    """How often what no event triggers is looked at."""

    portfolio_sync_sec: Seconds = 60
    """Seconds between two comparisons of our books with the venue."""
    strategy_loop_sec: Seconds = 1
    """Seconds between two looks for bars whose end has passed while no frame came."""


class Health(Section):
    """The probes `/livez /readyz /startupz` and `/metrics`."""

    host: str = "127.0.0.1"
    """Address they listen on. In a pod it must be 0.0.0.0: the kubelet cannot reach loopback."""
    port: Port | None = 8081
    """0 takes any free port; `null` serves none."""


class UiAuth(Section):
    """Who may use the HTTP API."""

    enabled: bool = False
    """Whether a bearer token is asked for on everything but `/health`."""
    token: SecretStr | None = None
    """The token. Better given as `KRAKKED_UI__AUTH__TOKEN` than in a file."""


class RefreshIntervals(Section):
    """How often screens ask again when no event told them."""

    portfolio_seconds: Seconds = 5
    """Equity and positions."""
    orders_seconds: Seconds = 5
    """Orders and executions."""
    system_seconds: Seconds = 15
    """Health and metrics."""


class Ui(Section):
    """The HTTP API and the screens, as the service that will serve them reads them."""

    enabled: bool = False
    """Whether it is served. This version has no such service, so `true` is refused: nobody should
    wait at a door that nothing opens."""
    host: str = "127.0.0.1"
    """Address it listens on. Behind anything but loopback, turn `ui.auth.enabled` on."""
    port: Port = 8080
    """0 takes any free port."""
    base_path: Annotated[str, Field(pattern=r"^/\S*$"), Spoken("a path from `/` on")] = "/"
    """Path under which a proxy serves it."""
    auth: UiAuth = UiAuth()
    """Who may use it."""
    read_only: bool = False
    """Whether every change is answered with 403."""
    refresh_intervals: RefreshIntervals = RefreshIntervals()
    """How often screens ask again."""


class Logging(Section):
    """What is written to standard output."""

    level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    """Lines below this level are left out."""
    format: Literal["auto", "json", "pretty"] = "auto"
    """`auto` is pretty on a terminal and JSON in a pipe."""


class Simulator(Section):
    """The Kraken look-alike that starts in this process in dev."""

    market: Literal["calm", "synthetic", "replay"] = "synthetic"
    """A still book, seeded trends and jumps, or recorded candles (`--candles`)."""
    seed: Annotated[int, Field(ge=0, le=2**32)] = 1
    """One seed is one market: the same numbers every time."""
    speed: Speed = Decimal(60)
    """Simulated seconds in a real one; `max` is as fast as the machine can."""
    balances: Balances = Field(default={"USD": Decimal(10_000)})
    """What the account holds at first, by asset."""
    tier: Tier = Tier.INTERMEDIATE
    """Verification tier of its account."""
    pairs: tuple[PairText, ...] = ()
    """Pairs it lists. Empty: all it knows."""
