"""What a ledger belongs to: another environment's or account's books are never traded on."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from krakked.adapters.sqlite.cells import cells, insert, record
from krakked.adapters.sqlite.migrations import has_table
from krakked.domain.errors import BadInput
from krakked.ports.ledger import Identity

_FIELDS: Final = Identity.__struct_fields__


def stored_identity(connection: sqlite3.Connection) -> Identity | None:
    """What stands in the ledger; None before it was given one."""
    if not has_table(connection, "identity"):
        return None
    row = connection.execute("SELECT * FROM identity").fetchone()
    return record(row, Identity) if row else None


def check_identity(
    connection: sqlite3.Connection, path: Path, wanted: Identity, *, is_new_allowed: bool = False
) -> None:
    """Compare, before anything in the file is changed; a ledger without identity is given this.

    Raises:
        BadInput: the ledger belongs elsewhere; the message names each difference.
    """
    stored = stored_identity(connection)
    if stored is None:
        if is_new_allowed:
            connection.execute(insert("identity", ("id", *_FIELDS)), [1, *cells(wanted, _FIELDS)])
        return
    differences = [
        f"{name.replace('_', ' ')} {getattr(stored, name)!r}, not {getattr(wanted, name)!r}"
        for name in _FIELDS
        if getattr(stored, name) != getattr(wanted, name)
    ]
    if differences:
        raise BadInput(
            f"ledger {path}: these books belong to {'; '.join(differences)};"
            " choose another path with --db-path, or run with the settings they belong to"
        )
