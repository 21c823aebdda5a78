"""Care of a ledger's file, for people and cron jobs: look at it, check it, copy it, lead it on.

Looking, checking and copying are safe beside a running engine; leading the schema on needs the
ledger to itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from krakked.adapters.sqlite import backups, lock_files, migrations
from krakked.adapters.sqlite.connections import (
    APPLICATION_ID,
    on_one_line,
    open_writer,
    pragma,
    prepare_writer,
    reading,
    require_file,
    translated,
)
from krakked.adapters.sqlite.identities import stored_identity
from krakked.adapters.sqlite.migrations import Migration, has_table
from krakked.adapters.sqlite.projections import check_projections
from krakked.domain.errors import LedgerFailed
from krakked.ports.ledger import Identity


class LedgerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a ledger's file is and holds."""

    path: str
    is_ledger: bool
    """Whether its header says that krakked wrote it."""
    schema_version: int | None
    newest_version: int
    """Of this krakked."""
    identity: Identity | None
    sqlite_version: str
    size_bytes: int
    rows: dict[str, int]
    """By table, in order of their names."""


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A copy that was made, and older ones that went."""

    path: Path
    pruned: tuple[Path, ...]


class Migrated(msgspec.Struct, frozen=True, kw_only=True):
    """How a schema was led on."""

    before: int
    after: int
    backup: Path | None


def ledger_info(path: Path) -> LedgerInfo:
    """What the file is and holds.

    Raises:
        LedgerFailed: no such file, or damaged.
    """
    with reading(path) as connection:
        is_ledger = pragma(connection, "application_id") == APPLICATION_ID
        return LedgerInfo(
            path=str(path.absolute()),
            is_ledger=is_ledger,
            schema_version=migrations.stored_version(connection) if is_ledger else None,
            newest_version=migrations.shipped()[-1].version,
            identity=stored_identity(connection) if is_ledger else None,
            sqlite_version=sqlite3.sqlite_version,
            size_bytes=path.stat().st_size,
            rows={name: _count(connection, name) for name in _tables(connection)},
        )


def check_ledger(path: Path) -> list[str]:
    """Every fault found, as lines: the file's structure, its references, its projections.

    Raises:
        LedgerFailed: no such file, or too damaged to look at.
        BadInput: another program's file, or a newer schema.
    """
    with reading(path) as connection:
        migrations.check_compatible(connection, path, migrations.shipped())
        found = [on_one_line(row[0]) for row in connection.execute("PRAGMA integrity_check")]
        if found != ["ok"]:
            return found
        references = connection.execute("PRAGMA foreign_key_check").fetchall()
        faults = [
            f"{row[0]} row {row[1]}: refers to a missing row of {row[2]}" for row in references
        ]
        if migrations.stored_version(connection) is None:
            return [*faults, "schema_version: missing; this ledger was never completed"]
        return [*faults, *_check_projections(connection)]


def schema_version(path: Path) -> int | None:
    """The stored version; None where the row or its table is missing.

    Raises:
        LedgerFailed: no such file, or it cannot be read.
        BadInput: another program's file.
    """
    with reading(path) as connection:
        migrations.check_program(connection, path)
        return migrations.stored_version(connection)


def back_up_ledger(path: Path, *, now_ns: int, keep: int | None = None) -> Backup:
    """Copy the ledger beside itself; with ``keep``, all but that many newest backups go.

    Raises:
        LedgerFailed: no such file, damaged, or the copy could not be written.
    """
    with reading(path) as connection:
        # VACUUM INTO counts as writing; the connection stays read-only by its mode
        connection.execute("PRAGMA query_only = 0")
        made = backups.back_up(connection, path, now_ns)
    pruned = backups.prune(path, keep) if keep is not None else []
    return Backup(path=made, pruned=tuple(pruned))


def migrate_ledger(path: Path, *, now_ns: int, steps: Sequence[Migration] = ()) -> Migrated:
    """Lead the schema on to this krakked's, after a backup.

    Raises:
        BadInput: another program's file, or a newer schema (78).
        LedgerFailed: no such file, in use, damaged, not writable (73).
    """
    require_file(path)
    lock = lock_files.acquire_for_ledger(path)
    try:
        with closing(open_writer(path)) as connection, translated(path):
            return _migrate(connection, path, steps or migrations.shipped(), now_ns)
    finally:
        lock.release()


def _migrate(
    connection: sqlite3.Connection, path: Path, steps: Sequence[Migration], now_ns: int
) -> Migrated:
    migrations.check_compatible(connection, path, steps)
    prepare_writer(connection, path)
    before = migrations.stored_version(connection) or 0
    backup = migrations.migrate(connection, path, steps, now_ns)
    after = migrations.stored_version(connection)
    if after is None:
        raise LedgerFailed(f"ledger {path}: its schema_version is missing after the migration")
    return Migrated(before=before, after=after, backup=backup)


def _check_projections(connection: sqlite3.Connection) -> list[str]:
    connection.execute("BEGIN")
    try:
        return [str(difference) for difference in check_projections(connection.execute)]
    finally:
        connection.execute("ROLLBACK")


def _tables(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        " ORDER BY name"
    )
    return [str(row[0]) for row in rows]


def _count(connection: sqlite3.Connection, table: str) -> int:
    assert has_table(connection, table)
    quoted = table.replace('"', '""')
    (count,) = connection.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()  # noqa: S608 a table's own name, quoted
    return int(count)
