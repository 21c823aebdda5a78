"""Sales that the venue refuses: how often in a row, its last word, and how long to wait.

A sale that must be made is tried again for as long as there is something to sell, for what stands
in the way may go. Each refusal doubles the pause, up to a minute, so that neither the venue nor
the journal is flooded; and people see what is refused, and why.
"""

from __future__ import annotations

from typing import Final

import msgspec

from krakked.domain.positions import Sleeve
from krakked.domain.times import NS_PER_SECOND

PAUSE_NS: Final = 5 * NS_PER_SECOND
PAUSE_MAX_NS: Final = 60 * NS_PER_SECOND
_DOUBLINGS_MAX: Final = 10


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Of one sleeve's sales."""

    count: int
    reason: str


class Refusals:
    """By sleeve, since its last sale that the venue took."""

    def __init__(self) -> None:
        self._found: dict[Sleeve, Refusal] = {}

    def __repr__(self) -> str:
        return f"<Refusals {len(self._found)} sleeves>"

    def refused(self, sleeve: Sleeve, reason: str) -> None:
        """Once more."""
        before = self._found.get(sleeve)
        count = 1 if before is None else before.count + 1
        self._found[sleeve] = Refusal(count=count, reason=reason)

    def taken(self, sleeve: Sleeve) -> None:
        """The venue has one of them."""
        self._found.pop(sleeve, None)

    def of(self, sleeve: Sleeve) -> Refusal | None:
        """What was refused in a row; None: nothing."""
        return self._found.get(sleeve)

    def pause_ns(self, sleeve: Sleeve) -> int:
        """Between two sales of that sleeve."""
        found = self._found.get(sleeve)
        if found is None:
            return PAUSE_NS
        return min(PAUSE_NS * (1 << min(found.count, _DOUBLINGS_MAX)), PAUSE_MAX_NS)
