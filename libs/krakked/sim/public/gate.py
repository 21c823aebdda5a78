"""What stands before the venue: how often an address may ask, connect and speak, and how long a
connection may be silent. None of it is published but the cap on connections, so all of it can be
switched off, and is unless asked for.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.limits import Counter

CENTI: Final = 100
PLACES_MAX: Final = 10_000
"""Addresses and pairs that are remembered; whoever was quiet longest is forgotten first."""


class GateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Zero is no limit."""

    public_burst: int = 0
    """Public REST requests of one address on one pair at once; one a second comes back."""
    messages_burst: int = 0
    """Texts of one connection at once."""
    messages_per_s: int = 20
    connections: int = 0
    """Connections of one address within the window; one more, and it is banned."""
    connections_window_s: int = 600
    ban_s: int = 600
    idle_s: int = 0
    """Connections without a subscription that say nothing, and private ones without a private
    subscription, are closed after this."""


OPEN: Final = GateLimits()
"""Nothing is limited."""
VENUE: Final = GateLimits(public_burst=5, messages_burst=100, connections=150, idle_s=60)
"""Connections as documented, idling as seen; the other two are modelled."""


class Gate:
    """Remembers who came how often."""

    def __init__(self, limits: GateLimits = OPEN) -> None:
        self.limits = limits
        self._requests: dict[tuple[str, str], Counter] = {}
        self._connections: dict[str, deque[int]] = {}
        self._banned_until_ns: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Gate {self.limits} {len(self._banned_until_ns)} banned>"

    def admits_request(self, address: str, subject: str, now_ns: int) -> bool:
        """Whether one more public request is served; a refused one counts too."""
        burst = self.limits.public_burst
        if not burst:
            return True
        place = (address, subject)
        counter = self._requests.pop(place, None) or Counter()
        self._requests[place] = counter
        if len(self._requests) > PLACES_MAX:
            del self._requests[next(iter(self._requests))]
        admitted = counter.admits(1, burst, CENTI, now_ns)
        counter.charge(1, ceiling=burst + 1)
        return admitted

    def admits_connection(self, address: str, now_ns: int) -> bool:
        """Whether one more connection is taken; too many ban the address."""
        limits = self.limits
        if not limits.connections:
            return True
        if now_ns < self._banned_until_ns.get(address, 0):
            return False
        opened_ns = self._connections.setdefault(address, deque())
        while opened_ns and opened_ns[0] <= now_ns - limits.connections_window_s * NS_PER_SECOND:
            opened_ns.popleft()
        if len(opened_ns) >= limits.connections:
            self._banned_until_ns[address] = now_ns + limits.ban_s * NS_PER_SECOND
            opened_ns.clear()
            return False
        opened_ns.append(now_ns)
        return True

    def admits_message(self, counter: Counter, now_ns: int) -> bool:
        """Whether one more text of a connection is read."""
        burst = self.limits.messages_burst
        if not burst:
            return True
        rate = self.limits.messages_per_s * CENTI
        admitted = counter.admits(1, burst, rate, now_ns)
        counter.charge(1, ceiling=burst + 1)
        return admitted
