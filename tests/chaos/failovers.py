"""How long the account was without an owner that trades, against the timing contract.

An interval begins with what ended the owner's work and ends when an engine says that it has
started. It is held against its bound only if nothing else was wrong meanwhile: lines whole, another
engine waiting (or, where there is but one, itself started again).

    killed, paused, hung
                     D + P + B + Q from the signal on
    stopped          P + B from the end of the process on: it let go by itself
    restarted        P + B + Q from the start of the process on (one engine, its own files)

Where the venue has limits, each is at least as long as it takes until there is room for what a
start must ask (``engine/promises.py``).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from krakked.adapters.kraken.rate_limit import Tier
from krakked.engine.promises import start_s, takeover_s
from krakked.trading.timings import NAMED, Timings

_MANNER = {"stopped": "clean", "restarted": "alone"}


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """One that ended."""

    kind: str
    timings: str
    """The name of the set by which the engines of its world go."""
    seconds: float
    bound_s: float
    is_disturbed: bool

    @property
    def is_late(self) -> bool:
        """Whether the contract is broken."""
        return not self.is_disturbed and self.seconds > self.bound_s


class Failovers:
    """The intervals of one world."""

    def __init__(self, timings: Timings, tier: Tier = Tier.NONE) -> None:
        self.intervals: list[Interval] = []
        self._timings, self._tier = timings, tier
        self._name = next(name for name, named in NAMED.items() if named == timings)
        self._open: tuple[str, float, bool] | None = None

    def bound_s(self, kind: str) -> float:
        """Of that kind."""
        if kind in ("killed", "paused", "hung"):
            return takeover_s(self._timings, self._tier)
        return start_s(self._timings, self._tier, is_unclean=kind == "restarted")

    def begin(self, kind: str, at_s: float, *, is_disturbed: bool) -> None:
        """The owner works no more; one that is open already goes on."""
        if self._open is None:
            self._open = (kind, at_s, is_disturbed)
        else:
            self._open = (*self._open[:2], True)

    def disturb(self) -> None:
        """Something else went wrong meanwhile."""
        if self._open is not None:
            self._open = (*self._open[:2], True)

    def drop(self) -> None:
        """It went on without anybody having started."""
        self._open = None

    def end(self, at_s: float) -> None:
        """An engine trades."""
        if self._open is None:
            return
        kind, began_s, is_disturbed = self._open
        self._open = None
        bound_s = self.bound_s(kind)
        self.intervals.append(
            Interval(
                kind=kind,
                timings=self._name,
                seconds=at_s - began_s,
                bound_s=bound_s,
                is_disturbed=is_disturbed,
            )
        )


def _groups(intervals: Iterable[Interval]) -> list[tuple[tuple[str, str, float], list[Interval]]]:
    """By kind, timings and bound."""
    found: dict[tuple[str, str, float], list[Interval]] = {}
    for one in intervals:
        found.setdefault((one.kind, one.timings, one.bound_s), []).append(one)
    return sorted(found.items())


def in_words(intervals: list[Interval]) -> str:
    """By group: how many, the middle, the longest, the bound; then the disturbed ones."""
    lines = []
    for (kind, timings, bound_s), mine in _groups(i for i in intervals if not i.is_disturbed):
        told = sorted(i.seconds for i in mine)
        lines.append(
            f"{kind} ({timings}) n={len(told)} median {told[len(told) // 2]:.1f} s "
            f"max {told[-1]:.1f} s (bound {bound_s:g} s)"
        )
    if others := [i.seconds for i in intervals if i.is_disturbed]:
        lines.append(f"amid other faults n={len(others)} max {max(others):.1f} s")
    return "; ".join(lines) or "none"


def table(intervals: list[Interval]) -> str:
    """One line for each group: those held against the bound, and those amid other faults.

    Clean ones let go by themselves; unclean ones are over when their lease is.
    """
    lines = [
        "failover           timings    n  median     max   bound | amid other faults: n     max"
    ]
    for (kind, timings, bound_s), mine in _groups(intervals):
        alone = sorted(i.seconds for i in mine if not i.is_disturbed)
        amid = [i.seconds for i in mine if i.is_disturbed]
        cells = f"{alone[len(alone) // 2]:5.1f} s {alone[-1]:5.1f} s" if alone else " " * 15
        worst = f" {max(amid):5.1f} s" if amid else ""
        name = f"{_MANNER.get(kind, 'unclean')} {kind}"
        figures = f"{len(alone):4} {cells} {bound_s:5.1f} s |{len(amid):21}{worst}"
        lines.append(f"{name:<18} {timings:<7} {figures}".rstrip())
    return "\n".join(lines) + "\n"
