"""The source of instants for ownership: how much time has passed, whatever people do to clocks."""

from __future__ import annotations

from typing import Protocol

from krakked.domain.instants import Instant


class Elapsed(Protocol):
    """Reads all clocks of the machine at once; cheap enough to be asked before each order."""

    def now(self) -> Instant:
        """The instant of this moment."""
        ...
