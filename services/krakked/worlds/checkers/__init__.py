"""Checkers: what must hold in every world, whatever goes wrong in it.

They stand apart from engines and faults and see everything: the venue itself, its tape, and each
ledger. Some look whenever a call arrives, some when the world has come to rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from krakked.worlds.checkers.arrivals import Arrivals
from krakked.worlds.checkers.evidence import Evidence
from krakked.worlds.checkers.rest import Rest

if TYPE_CHECKING:
    from krakked.worlds.world import World


class Checkers:
    """All of them over one world."""

    def __init__(self, world: World) -> None:
        self._evidence = Evidence(world)
        self._rest = Rest(self._evidence)
        self._looked_at_rest = False
        arrivals = Arrivals(self._evidence)
        world.tape.watchers.append(arrivals.look)
        self._conclude = arrivals.conclude

    @property
    def violations(self) -> tuple[str, ...]:
        """What did not hold, each once, oldest first."""
        return tuple(dict.fromkeys(self._evidence.violations))

    def is_at_rest(self) -> bool:
        """Whether all is well: nothing unknown, the books agree, somebody trades."""
        self._looked_at_rest = self._rest.problem() is None
        return self._looked_at_rest

    def look(self) -> None:
        """At the end of the world."""
        if not self._looked_at_rest:
            self._evidence.violated("no rest", str(self._rest.problem()))
        for machine in self._evidence.world.machines:
            for crash in machine.crashes:
                self._evidence.violated("crash", crash)
        self._conclude()
