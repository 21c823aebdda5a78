"""A shutdown that a person asked for: who wanted the engine down, why and since when.

It is no halt of its own: while one stands nothing adds risk, as if halted. Who starts an engine by
hand ends it; one that something else restarts (a container) stays drained until a person resumes.
"""

from __future__ import annotations

import msgspec

from krakked.domain.times import to_rfc3339


class ShutDown(msgspec.Struct, frozen=True, kw_only=True):
    """One that stands."""

    principal: str
    reason: str
    at_ns: int

    @property
    def words(self) -> str:
        """For people: who, since when, why, and what ends it."""
        why = f" ({self.reason})" if self.reason else ""
        at = to_rfc3339(self.at_ns, decimals=0)
        return f"shut down by {self.principal} at {at}{why}: `krakked resume`"
