"""Verdicts on exits as rows: one row per deed, or per run of equal refusals."""

from __future__ import annotations

from typing import Final

from krakked.adapters.sqlite.book_rows import sleeve_from
from krakked.adapters.sqlite.cells import Row, cells, from_json, insert, record, replacing, to_json
from krakked.adapters.sqlite.connections import Execute
from krakked.domain.decisions import ExitRecord
from krakked.domain.risk import LimitCheck

_PLAIN: Final = tuple(
    name for name in ExitRecord.__struct_fields__ if name not in ("sleeve", "checks")
)
_COLUMNS: Final = ("strategy_id", "pair", *_PLAIN, "checks")
_GROWING: Final = ("count", "last_decided_at_ns", "checks")
_SAVE: Final = insert("exits", _COLUMNS, replacing(("decision_id",), _GROWING))


def save(execute: Execute, decided: ExitRecord) -> None:
    """Insert it, or put the longer run in place of the shorter."""
    sleeve = decided.sleeve
    execute(
        _SAVE,
        [sleeve.strategy_id, sleeve.pair, *cells(decided, _PLAIN), to_json(decided.checks)],
    )


def exit_from(row: Row) -> ExitRecord:
    """The verdict of a row."""
    return record(
        row,
        ExitRecord,
        sleeve=sleeve_from(row),
        checks=from_json(row["checks"], tuple[LimitCheck, ...]),
    )
