"""Verdicts: one per sleeve and bar, stored as runs of equal ones.

Holds, equal refusals and equal reasons for not deciding extend the run that came before; what
acted stands alone, since each carries its own plan. A run keeps its first bar, its id and its first
instant, and shows the newest conditions and checks.
"""

from __future__ import annotations

from typing import Final

import msgspec

from krakked.domain.bars import BarKey
from krakked.domain.decisions import DecisionRecord, ExitRecord, NotEvaluated, Outcome
from krakked.domain.positions import Sleeve
from krakked.domain.risk import Verdict

OUTCOMES: Final = {
    Verdict.APPROVED: Outcome.ACTED,
    Verdict.CLAMPED: Outcome.CLAMPED,
    Verdict.REFUSED: Outcome.REFUSED,
    Verdict.NO_CHANGE: Outcome.HELD,
}
"""What risk's answer makes of a bar, or of an exit."""
_JOINABLE: Final = frozenset({Outcome.HELD, Outcome.REFUSED, Outcome.NOT_EVALUATED})


def decision_id(sleeve: Sleeve, key: BarKey) -> str:
    """``<strategy>/<pair>/<timeframe>/<bar start>``."""
    return f"{sleeve.strategy_id}/{sleeve.pair}/{key.timeframe.value}/{key.start_s}"


def joined(previous: DecisionRecord | None, record: DecisionRecord) -> DecisionRecord:
    """The run to save: the previous one made longer, or a new one."""
    if previous is None or record.outcome not in _JOINABLE or previous.run_key != record.run_key:
        return record
    assert record.bar.start_s > previous.last_bar_start_s, "a bar has one verdict"
    return msgspec.structs.replace(
        record,
        decision_id=previous.decision_id,
        bar=previous.bar,
        count=previous.count + record.count,
        decided_at_ns=previous.decided_at_ns,
    )


def joined_exit(previous: ExitRecord | None, record: ExitRecord) -> ExitRecord:
    """The run to save: the same refusal as before made longer, or a new record."""
    is_again = previous is not None and previous.run_key == record.run_key
    if previous is None or not is_again or record.outcome is not Outcome.REFUSED:
        return record
    return msgspec.structs.replace(
        record,
        decision_id=previous.decision_id,
        count=previous.count + 1,
        decided_at_ns=previous.decided_at_ns,
    )


def missed(
    sleeve: Sleeve,
    bars: tuple[BarKey, ...],
    reason: NotEvaluated,
    *,
    now_ns: int,
    previous: DecisionRecord | None,
) -> DecisionRecord:
    """The verdict on bars, oldest first, that nobody decided on (a restart's gap, a lost lease)."""
    record = DecisionRecord(
        decision_id=decision_id(sleeve, bars[0]),
        sleeve=sleeve,
        bar=bars[0],
        last_bar_start_s=bars[-1].start_s,
        count=len(bars),
        outcome=Outcome.NOT_EVALUATED,
        not_evaluated=reason,
        decided_at_ns=now_ns,
    )
    return joined(previous, record)
