"""Whether the world has come to rest: what is still amiss, in words."""

from __future__ import annotations

from krakked.worlds.checkers.evidence import Evidence


class Rest:
    """See the module."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def problem(self) -> str | None:
        """The first thing that is not well; None if all is."""
        owner = self._evidence.owner()
        if owner is None:
            return "no engine trades: " + ", ".join(m.told for m in self._evidence.world.machines)
        assert owner.run is not None and owner.run.engine is not None, "it trades"  # noqa: PT018 - one thing
        status = owner.run.engine.status()
        for name in ("fenced", "halted", "kill_switch", "drift", "unknown_orders", "degraded"):
            if status[name]:
                return f"{name}: {status[name]}"
        engine = owner.run.engine
        since_ns = self._evidence.world.loop.now_ns() - engine.reconciler.last_success_ns
        if engine.has_work or engine.booker.unconfirmed:
            return "work is under way"
        if since_ns > REST_NS:
            return "no comparison with the venue lately"
        return None


REST_NS = 100_000_000_000
