"""What came of all worlds: their figures, what is wanted of them, and the last line."""

from __future__ import annotations

from collections import Counter

import msgspec
from tests.chaos.acts import Acts
from tests.chaos.failovers import Interval, in_words
from tests.chaos.world import World

from krakked.trading.timings import DEFAULT


class Outcome(msgspec.Struct, kw_only=True):
    """What came of all phases."""

    kills: int = 0
    pauses: int = 0
    default_kills: int = 0
    """Those under the default timings."""
    long_pauses: int = 0
    """Those of an engine for a minute, under the default timings."""
    acts: Counter[str] = msgspec.field(default_factory=Counter)
    skipped: Counter[str] = msgspec.field(default_factory=Counter)
    shown: Counter[str] = msgspec.field(default_factory=Counter)
    met: Counter[str] = msgspec.field(default_factory=Counter)
    ways: set[str] = set()
    ends: Counter[int] = msgspec.field(default_factory=Counter)
    refusals: Counter[str] = msgspec.field(default_factory=Counter)
    intervals: list[Interval] = []
    orders: int = 0
    trades: int = 0
    epochs: int = 0
    calls: int = 0
    violations: list[str] = []


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """At least so many."""

    kills: int
    pauses: int
    default_kills: int = 0
    long_pauses: int = 0


QUICK_RUN = Wanted(kills=15, pauses=5)
FULL_RUN = Wanted(kills=200, pauses=50, default_kills=10, long_pauses=5)


def shortfalls(outcome: Outcome, wanted: Wanted) -> list[str]:
    """What was to be seen and was not."""
    counts = {name: getattr(wanted, name) for name in Wanted.__struct_fields__}
    short = [
        f"{getattr(outcome, name)} {name.replace('_', ' ')}, {count} were wanted"
        for name, count in counts.items()
        if getattr(outcome, name) < count
    ]
    full = outcome.acts["disk full"]
    if not full:
        short.append("no disk became full")
    if outcome.shown["disk full"] < full:
        short.append(f"{full} disks became full, {outcome.shown['disk full']} ended an engine")
    return short


def note(outcome: Outcome, world: World, acts: Acts) -> None:
    """Add a world's figures."""
    outcome.kills += acts.kills
    outcome.pauses += acts.pauses
    if world.sort.timings is DEFAULT:
        outcome.default_kills += acts.kills
        outcome.long_pauses += acts.long_pauses
    outcome.acts += acts.done
    outcome.shown += acts.shown
    outcome.met += acts.met
    outcome.ways |= acts.ways
    outcome.skipped += acts.skipped
    outcome.refusals += world.tape.refusals()
    outcome.intervals += world.failovers.intervals
    outcome.epochs += len({entry.epoch for entry in world.tape.entries})
    outcome.calls += len(world.tape.entries)
    outcome.violations += world.violations
    for engine in world.engines:
        outcome.ends += engine.ends


def summary(outcome: Outcome, seed: int, minutes: float) -> str:
    """The last line."""
    skipped = "".join(f"; left out {n}: {why}" for why, n in outcome.skipped.items())
    parts = [
        f"{outcome.kills} kills, {outcome.pauses} pauses (default timings: "
        f"{outcome.default_kills} kills, {outcome.long_pauses} pauses of 60 s)",
        f"acts: {counted(outcome.acts)}{skipped}",
        trials(outcome),
        f"ends of engines {{{counted(outcome.ends, ': ')}}}",
        traffic(outcome),
        f"failovers: {in_words(outcome.intervals)}",
        f"{len(outcome.violations)} violations",
    ]
    return f"chaos: seed {seed}, {minutes:.1f} min, " + "; ".join(parts)


def trials(outcome: Outcome) -> str:
    """What was shown of disks and hung loops."""
    shown, acts = outcome.shown, outcome.acts
    ways = f" ({', '.join(sorted(outcome.ways))})" if outcome.ways else ""
    return (
        f"{shown['disk full']} of {acts['disk full']} full disks{ways} were met by an engine, "
        f"{shown['ends by it']} ends by them in {{{counted(outcome.met)}}}, "
        f"{shown['hung loop']} of {acts['hang owner']} hung loops ended by the watchdog"
    )


def traffic(outcome: Outcome) -> str:
    """What went over the lines and came of it."""
    fenced = sum(n for words, n in outcome.refusals.items() if "nonce" in words)
    return (
        f"{outcome.epochs} epochs, {outcome.calls} private calls, {fenced} refused by the fence, "
        f"{outcome.orders} orders, {outcome.trades} trades"
    )


def counted(of: Counter[str] | Counter[int], between: str = " ") -> str:
    """Names with their numbers, in order."""
    return ", ".join(f"{name}{between}{n}" for name, n in sorted(of.items()))
