"""Whether the world has come to rest: what is still amiss, in words."""

from __future__ import annotations

from typing import Final

from krakked.trading.engine import Engine
from krakked.worlds.checkers.books import Books
from krakked.worlds.checkers.evidence import Evidence

LATELY_NS: Final = 100 * 10**9
MUST_BE_EMPTY: Final = ("fenced", "halted", "kill_switch", "drift", "unknown_orders", "degraded")


class Rest:
    """See the module."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._books = Books(evidence)

    def problem(self) -> str | None:
        """What is not well; None if all is."""
        owner = self._evidence.owner()
        if owner is None:
            return "no engine trades: " + ", ".join(m.told for m in self._evidence.world.machines)
        assert owner.run is not None, "it trades"
        assert owner.run.engine is not None, "it trades"
        if self._evidence.account.dead_man_ns is None:
            return "the dead-man switch does not run"
        return self._of_engine(owner.run.engine) or "; ".join(self._books.problems()[:4]) or None

    def _of_engine(self, engine: Engine) -> str | None:
        status = engine.status()
        for name in MUST_BE_EMPTY:
            if status[name]:
                return f"{name}: {status[name]}"
        if self._evidence.world.loop.now_ns() - engine.reconciler.last_success_ns > LATELY_NS:
            return "no comparison with the venue lately"
        return None
