"""Epochs of ownership as rows; the newest is the one that counts."""

from __future__ import annotations

from typing import Final

from krakked.adapters.sqlite.cells import cells, insert, record, replacing
from krakked.adapters.sqlite.connections import Execute
from krakked.domain.leadership import Leadership

_COLUMNS: Final = Leadership.__struct_fields__
_SAVE: Final = insert("leadership", _COLUMNS, replacing(("epoch",), _COLUMNS))


def newest(execute: Execute) -> Leadership | None:
    """The newest epoch that this ledger knows."""
    row = execute("SELECT * FROM leadership ORDER BY epoch DESC LIMIT 1").fetchone()
    if row is None:
        return None
    flags = {name: bool(row[name]) for name in ("is_unclean", "is_restored")}
    return record(row, Leadership, **flags)


def save(execute: Execute, leadership: Leadership) -> None:
    """Keep it; the same epoch again replaces what is known of it."""
    execute(_SAVE, cells(leadership, _COLUMNS))
