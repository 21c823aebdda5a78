"""Rows that may go: thinned snapshots, old verdicts without a plan, events that were told.

Each statement takes at most so many rows and finds them from the oldest on, so that its cost does
not grow with what is kept.
"""

from __future__ import annotations

from typing import Final

from krakked.adapters.sqlite.connections import Execute
from krakked.domain.times import DAY_S, NS_PER_SECOND

_DAY_NS: Final = DAY_S * NS_PER_SECOND
_THIN_SNAPSHOTS: Final = """
    DELETE FROM snapshots WHERE at_ns IN (
        SELECT at_ns FROM snapshots AS one
        WHERE at_ns < ?1 AND EXISTS (
            SELECT 1 FROM snapshots AS later
            WHERE later.at_ns > one.at_ns AND later.at_ns < (one.at_ns / ?2 + 1) * ?2
        )
        ORDER BY at_ns LIMIT ?3
    )"""
_PRUNE_DECISIONS: Final = """
    DELETE FROM decisions WHERE decision_id IN (
        SELECT decision_id FROM decisions AS one
        WHERE decided_at_ns < ?1 AND last_bar_start_s < ?2 AND plan_id IS NULL AND EXISTS (
            SELECT 1 FROM decisions AS newer
            WHERE newer.strategy_id = one.strategy_id AND newer.pair = one.pair
                AND newer.timeframe = one.timeframe
                AND newer.first_bar_start_s > one.first_bar_start_s
        )
        ORDER BY decided_at_ns LIMIT ?3
    )"""
_FIRST_YOUNG: Final = "SELECT min(sequence) FROM outbox WHERE at_ns >= ?"
_NEWEST: Final = "SELECT max(sequence) FROM outbox"
_PRUNE_OUTBOX: Final = """
    DELETE FROM outbox WHERE sequence IN (
        SELECT sequence FROM outbox WHERE sequence < ? ORDER BY sequence LIMIT ?
    )"""


def thin_snapshots(execute: Execute, before_ns: int, limit: int) -> int:
    """Of days before that instant, keep the last one each; how many went."""
    return execute(_THIN_SNAPSHOTS, (before_ns, _DAY_NS, limit)).rowcount


def prune_decisions(execute: Execute, before_ns: int, limit: int) -> int:
    """Drop runs that ended before that instant, led to no plan, and have a successor."""
    return execute(_PRUNE_DECISIONS, (before_ns, before_ns // NS_PER_SECOND, limit)).rowcount


def prune_outbox(execute: Execute, before_ns: int, keep: int, limit: int) -> int:
    """Drop events before that instant, but never any of the newest ``keep``."""
    (newest,) = execute(_NEWEST).fetchone()
    if newest is None:
        return 0
    (young,) = execute(_FIRST_YOUNG, (before_ns,)).fetchone()
    below = newest - keep + 1 if young is None else min(young, newest - keep + 1)
    return execute(_PRUNE_OUTBOX, (below, limit)).rowcount
