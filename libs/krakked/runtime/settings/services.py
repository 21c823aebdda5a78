"""Settings of what stands around trading: loops, probes, screens, logs, the simulator of dev."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from krakked.runtime.settings.fields import (
    SECONDS,
    Balances,
    HttpUrl,
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


class Leader(Section):
    """Which engine owns the account, and for how long it may believe so. `docs/ownership.md` has
    the contract that these times must keep; a configuration that breaks it is refused.
    """

    store: Literal["file", "kubernetes"] = "file"
    """Where the lease is: a `file` beside the database, or a Lease of `kubernetes`, which the chart
    makes."""
    lease_name: Annotated[
        str,
        Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"),
        Spoken("a name as Kubernetes takes it"),
    ] = "krakked-engine"
    """Name of the Lease, in the namespace of the pod. The file beside the database has none."""
    api_url: HttpUrl | None = None
    """Address of the API server. Empty: the one of the pod that krakked runs in."""
    namespace: str | None = None
    """Namespace of the Lease; needed with `leader.api_url`, else it is the pod's."""
    token_file: Path | None = None
    """File with the bearer token, read again when it is rotated; needed with `leader.api_url`."""
    waits: bool = False
    """Whether an engine that finds the database or the lease taken waits for it. If not, a second
    one on the same files is refused at once."""
    lease_duration_seconds: Annotated[int, Field(ge=5, le=300), SECONDS] = 15
    """How long others watch a lease that does not change before they take it."""
    renew_deadline_seconds: Seconds = 10
    """How long the owner may act after the sending of its last renewal."""
    retry_period_seconds: Seconds = 2
    """How often the lease is renewed, or looked at."""
    request_timeout_seconds: Seconds = 3
    """How long one call to the lease may take."""
    margin_seconds: Seconds = 1
    """The owner sends nothing so long before its time is over."""
    clock_offset_max_seconds: Seconds = 1
    """Furthest the venue's clock may be from ours, as the contract counts with it. It is meant in
    the venue's time: at a simulator's speed of 60 the bound is 60 times as wide, for a
    machine that is late by a second of ours is late by a minute of its."""
    quarantine_seconds: Seconds = 5
    """A new owner sends no order for so long, unless the one before let go by itself. At least
    `execution.deadline_seconds` and `leader.clock_offset_max_seconds` together, so that the last
    order of the one before is dead by then."""
    start_budget_seconds: Seconds = 15
    """What start and comparison of the books may take after a takeover."""


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
