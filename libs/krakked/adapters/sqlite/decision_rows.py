"""Verdicts as rows: one row per run of equal ones, found by any bar inside the run in one seek."""

from __future__ import annotations

from typing import Final

from krakked.adapters.sqlite.book_rows import sleeve_from
from krakked.adapters.sqlite.cells import Row, cells, from_json, insert, record, replacing, to_json
from krakked.adapters.sqlite.connections import Execute
from krakked.domain.bars import BarKey, Timeframe
from krakked.domain.decisions import DecisionRecord
from krakked.domain.ids import PairName
from krakked.domain.intents import Condition, Intent
from krakked.domain.portfolio import SleeveState
from krakked.domain.positions import Sleeve
from krakked.domain.risk import LimitCheck

_SHAPED: Final = ("sleeve", "bar", "intent", "conditions", "checks")
_PLAIN: Final = tuple(name for name in DecisionRecord.__struct_fields__ if name not in _SHAPED)
_KEY: Final = ("strategy_id", "pair", "timeframe", "first_bar_start_s")
_COLUMNS: Final = (*_KEY, *_PLAIN, "intent", "conditions", "checks")
_FIXED: Final = ("decision_id", *_KEY)
_SAVE: Final = insert(
    "decisions",
    _COLUMNS,
    replacing(("decision_id",), [name for name in _COLUMNS if name not in _FIXED]),
)
_STATE: Final = ("strategy_id", "pair", "state", "stop_price", "is_unmet", "last_bar_start_s")
_SAVE_STATE: Final = insert("sleeves", _STATE, replacing(("strategy_id", "pair"), _STATE))
_FIRST_KEY: Final = (
    "SELECT strategy_id, pair, timeframe FROM decisions"
    " WHERE (strategy_id, pair, timeframe) > (?, ?, ?)"
    " ORDER BY strategy_id, pair, timeframe LIMIT 1"
)
AT_BAR: Final = (
    "SELECT * FROM decisions WHERE strategy_id = ? AND pair = ? AND timeframe = ?"
    " AND first_bar_start_s <= ? ORDER BY first_bar_start_s DESC LIMIT 1"
)
_END_OF_TIME_S: Final = 2**62


def save(execute: Execute, decision: DecisionRecord) -> None:
    """Insert it, or put the longer run in place of the shorter."""
    sleeve, bar = decision.sleeve, decision.bar
    assert bar.pair == sleeve.pair, f"{decision.decision_id}: a bar of {bar.pair}"
    execute(
        _SAVE,
        [
            sleeve.strategy_id,
            sleeve.pair,
            bar.timeframe.value,
            bar.start_s,
            *cells(decision, _PLAIN),
            to_json(decision.intent) if decision.intent else None,
            to_json(decision.conditions),
            to_json(decision.checks),
        ],
    )


def newest_runs(execute: Execute) -> dict[tuple[Sleeve, str], DecisionRecord]:
    """The newest run by sleeve and timeframe: hops from key to key, whatever the table's size."""
    runs = {}
    key = execute(_FIRST_KEY, ("", "", "")).fetchone()
    while key is not None:
        row = execute(AT_BAR, (*key, _END_OF_TIME_S)).fetchone()
        runs[sleeve_from(row), str(row["timeframe"])] = decision_from(row)
        key = execute(_FIRST_KEY, tuple(key)).fetchone()
    return runs


def decision_from(row: Row) -> DecisionRecord:
    """The verdict of a row."""
    return record(
        row,
        DecisionRecord,
        sleeve=sleeve_from(row),
        bar=BarKey(PairName(row["pair"]), Timeframe(row["timeframe"]), row["first_bar_start_s"]),
        intent=from_json(row["intent"], Intent) if row["intent"] else None,
        conditions=from_json(row["conditions"], tuple[Condition, ...]),
        checks=from_json(row["checks"], tuple[LimitCheck, ...]),
    )


def save_sleeve(execute: Execute, state: SleeveState) -> None:
    """Replace what is kept of the sleeve."""
    sleeve = state.sleeve
    rest = cells(state, ("stop_price", "is_unmet", "last_bar_start_s"))
    execute(_SAVE_STATE, [sleeve.strategy_id, sleeve.pair, to_json(state.state), *rest])


def sleeves(execute: Execute) -> dict[Sleeve, SleeveState]:
    """By sleeve, in order."""
    rows = execute("SELECT * FROM sleeves ORDER BY strategy_id, pair")
    return {(found := _sleeve_state_from(row)).sleeve: found for row in rows}


def _sleeve_state_from(row: Row) -> SleeveState:
    return record(
        row,
        SleeveState,
        sleeve=sleeve_from(row),
        state=from_json(row["state"], dict[str, object]),
        is_unmet=bool(row["is_unmet"]),
    )
