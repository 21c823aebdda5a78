"""What a run is made of before anything is opened."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from krakked.engine.edges import Edges
from krakked.engine.lease_edges import LeaseEdges, OwnLease
from krakked.engine.pair_names import SourceOf
from krakked.engine.places import Places
from krakked.engine.venues import Pace
from krakked.ports.clock import Clock
from krakked.runtime.credentials import Keys
from krakked.runtime.health import HealthState
from krakked.runtime.metrics import Metrics
from krakked.runtime.run_options import RunOptions
from krakked.runtime.settings import Settings
from krakked.trading.recording import Listener


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Read, checked, and not to change while it runs."""

    settings: Settings
    source_of: SourceOf
    options: RunOptions
    places: Places
    pace: Pace
    keys: Keys
    clock: Clock
    listeners: Sequence[Listener]
    metrics: Metrics
    health: HealthState
    edges: Edges
    leases: LeaseEdges = msgspec.field(default_factory=OwnLease)
    """Where the lease is; a run that nobody can compete with has its own."""
    stopwatch_s: Callable[[], float] = time.perf_counter
    """By which the duration of a stage is told."""

    @property
    def is_lock_step(self) -> bool:
        """Whether the clock jumps."""
        return self.pace.speed is None
