"""Which worlds there are: their timings, engines and limits."""

from __future__ import annotations

import msgspec

from krakked.trading.timings import Timings


class Sort(msgspec.Struct, frozen=True, kw_only=True):
    """Which world."""

    name: str
    timings: Timings
    engines: int = 2
    tier: str = "none"
    """Of the account. Starts one after the other within seconds use up the venue's limits, and a
    start that waits for them proves nothing about ownership; so the mass has none."""
    sync_s: int = 10
    """Between two comparisons of the books."""
    shares_volume: bool = False
    """One database for all: they compete for its lock, and the lease is in a file beside it. Who
    holds the lock keeps it while it is paused, so such a world has restarts only."""

    @property
    def has_limits(self) -> bool:
        """Whether the venue limits how much is asked."""
        return self.tier != "none"

    @property
    def has_api(self) -> bool:
        """Engines with one volume need nobody's lease."""
        return self.engines > 1 and not self.shares_volume
