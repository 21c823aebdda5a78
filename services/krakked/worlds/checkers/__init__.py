"""Checkers: what must hold in every world, whatever goes wrong in it.

They stand apart from engines and faults and see everything: the venue itself, its tape, the log of
the lease, and each ledger. Some look whenever a change is written or a call arrives (``look``),
some when the exchange has answered it (``see``), some when the world has come to rest, most when
all is over (``look_back``). Each rule has a name, with which each violation of it begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from krakked.worlds.checkers.arrivals import Arrivals
from krakked.worlds.checkers.authority import Authority
from krakked.worlds.checkers.dead_man import DeadMan
from krakked.worlds.checkers.evidence import Evidence
from krakked.worlds.checkers.limits import Limits
from krakked.worlds.checkers.once import Once
from krakked.worlds.checkers.permits import Permits
from krakked.worlds.checkers.rest import Rest
from krakked.worlds.checkers.words import Words

if TYPE_CHECKING:
    from krakked.worlds.world import World


class Checkers:
    """All of them over one world."""

    def __init__(self, world: World) -> None:
        self._evidence = evidence = Evidence(world)
        self._rest = Rest(evidence)
        self._looked_at_rest = False
        arrivals, dead_man = Arrivals(evidence), DeadMan(evidence)
        authority, log = Authority(evidence), world.leases.log
        log.on_taken.append(authority.taken)
        log.on_heard.append(authority.heard)
        log.on_let_go.append(authority.let_go)
        world.tape.porters.append(authority.look)
        world.tape.watchers += (arrivals.look, dead_man.look)
        world.tape.witnesses += (arrivals.see, dead_man.see)
        self._backward = (
            arrivals,
            Permits(evidence),
            Once(evidence),
            Limits(evidence),
            Words(evidence),
        )

    @property
    def violations(self) -> tuple[str, ...]:
        """What did not hold, each once, oldest first."""
        return tuple(dict.fromkeys(self._evidence.violations))

    def is_at_rest(self) -> bool:
        """Whether all is well: nothing unknown, the books agree, somebody trades."""
        self._looked_at_rest = self._rest.problem() is None
        return self._looked_at_rest

    def look(self) -> None:
        """When nothing goes wrong any more, and all has had its time."""
        if not self._looked_at_rest:
            self._evidence.violated("no rest", str(self._rest.problem()))

    def look_back(self) -> None:
        """When all is over, and every engine was told to end."""
        for machine in self._evidence.world.machines:
            for crash in machine.crashes:
                self._evidence.violated("crash", crash)
        for checker in self._backward:
            checker.look_back()

    def let_go(self) -> None:
        """Close the files."""
        self._evidence.let_go()
