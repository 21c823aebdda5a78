"""What is due at which instant: expiries, scheduled starts, dead-man timers, late visibility.

An appointment is never withdrawn; whoever keeps it looks whether it still holds. What falls on one
instant happens in a fixed order (dead-man timers, expiries, starts, then by number), so that a
restored exchange does the same as one that was never stored.
"""

from __future__ import annotations

import heapq
from typing import Final, Literal, TypeAlias

import msgspec

from krakked.sim.exchange.orders import Order

DueKind: TypeAlias = Literal["start", "expire", "dead_man", "reveal"]


_RANK: Final[dict[DueKind, int]] = {"dead_man": 0, "expire": 1, "start": 2, "reveal": 3}


class Due(msgspec.Struct, frozen=True, order=True, gc=False):
    """One appointment."""

    at_ns: int
    rank: int
    number: int
    """Of the order; 0 for a dead-man timer."""
    account: str
    kind: DueKind
    ref: str = ""
    """The order's id; nothing for a dead-man timer."""


class Agenda:
    """Appointments by instant."""

    def __init__(self) -> None:
        self._heap: list[Due] = []

    def __repr__(self) -> str:
        return f"<Agenda of {len(self._heap)}>"

    def arm_dead_man(self, at_ns: int, account: str) -> None:
        """A timer will fire."""
        heapq.heappush(self._heap, Due(at_ns, _RANK["dead_man"], 0, account, "dead_man"))

    def add(self, at_ns: int, kind: DueKind, order: Order) -> None:
        """Something will happen to an order."""
        due = Due(at_ns, _RANK[kind], order.number, order.account, kind, order.order_id)
        heapq.heappush(self._heap, due)

    def first(self) -> Due | None:
        """The next one, kept in place."""
        return self._heap[0] if self._heap else None

    def pop(self) -> Due:
        """Take the next one out."""
        return heapq.heappop(self._heap)
