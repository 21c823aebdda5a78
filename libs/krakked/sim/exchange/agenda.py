"""What is due at which instant: expiries, scheduled starts, dead-man timers, late visibility.

An appointment is never withdrawn; whoever keeps it looks whether it still holds.
"""

from __future__ import annotations

import heapq
from typing import Literal, TypeAlias

import msgspec

DueKind: TypeAlias = Literal["start", "expire", "dead_man", "reveal"]


class Due(msgspec.Struct, frozen=True, order=True, gc=False):
    """One appointment; at one instant they are kept in the order in which they were made."""

    at_ns: int
    number: int
    kind: DueKind
    account: str
    ref: str = ""
    """The order; nothing for a dead-man timer."""


class Agenda:
    """Appointments by instant."""

    def __init__(self) -> None:
        self._heap: list[Due] = []
        self._made = 0

    def __repr__(self) -> str:
        return f"<Agenda of {len(self._heap)}>"

    def add(self, at_ns: int, kind: DueKind, account: str, ref: str = "") -> None:
        """Make an appointment."""
        self._made += 1
        heapq.heappush(self._heap, Due(at_ns, self._made, kind, account, ref))

    def first(self) -> Due | None:
        """The next one, kept in place."""
        return self._heap[0] if self._heap else None

    def pop(self) -> Due:
        """Take the next one out."""
        return heapq.heappop(self._heap)
