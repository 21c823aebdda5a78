"""Migrations: numbered SQL files, forward only, each whole in a transaction of its own.

What was applied is kept with its checksum, so that a file changed after it shipped is noticed.
``schema_version`` holds the version for people, ``PRAGMA user_version`` mirrors it in the header.
A ledger with content is backed up before it is migrated; one of a newer krakked is refused.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import re
import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from krakked.adapters.sqlite.backups import back_up
from krakked.adapters.sqlite.connections import APPLICATION_ID, pragma
from krakked.domain.errors import BadInput

_FILE_NAME: Final = re.compile(r"(?P<version>\d{4})_(?P<name>\w+)\.sql")


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the schema."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Of its text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@cache
def shipped() -> tuple[Migration, ...]:
    """The migrations of this version of krakked, oldest first."""
    folder = importlib.resources.files("krakked.adapters.sqlite") / "schema"
    found = [
        Migration(version=int(match["version"]), name=match["name"], sql=file.read_text("utf-8"))
        for file in folder.iterdir()
        if (match := _FILE_NAME.fullmatch(file.name))
    ]
    steps = tuple(sorted(found, key=lambda step: step.version))
    assert [step.version for step in steps] == list(range(1, len(steps) + 1))
    return steps


def stored_version(connection: sqlite3.Connection) -> int | None:
    """The version in ``schema_version``; None if the table or its row is missing."""
    if not has_table(connection, "schema_version"):
        return None
    row = connection.execute("SELECT version FROM schema_version").fetchone()
    return None if row is None else int(row[0])


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether the schema has it."""
    found = connection.execute(
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", (name,)
    )
    return found.fetchone() is not None


def check_compatible(
    connection: sqlite3.Connection, path: Path, steps: Sequence[Migration]
) -> None:
    """Refuse what these migrations cannot lead on from.

    Raises:
        BadInput: another program's file, a newer schema, or a migration changed after the fact.
    """
    check_program(connection, path)
    version = max(stored_version(connection) or 0, pragma(connection, "user_version"))
    newest = steps[-1].version
    if version > newest:
        raise BadInput(
            f"ledger {path}: schema {version} is newer than this krakked knows ({newest});"
            " run the krakked that wrote it or a later one, or restore a backup (*.bak beside it)"
        )
    _check_checksums(connection, path, steps)


def check_program(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a database that is neither ours nor empty.

    Raises:
        BadInput: it is another program's.
    """
    application = pragma(connection, "application_id")
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and (application or tables):
        raise BadInput(
            f"ledger {path}: a database of another program (application_id {application:#x});"
            " choose another path with --db-path"
        )


def migrate(
    connection: sqlite3.Connection, path: Path, steps: Sequence[Migration], now_ns: int
) -> Path | None:
    """Lead the schema on to the newest step; the backup that was made first, if any."""
    version = stored_version(connection) or 0
    pending = [step for step in steps if step.version > version]
    backup = back_up(connection, path, now_ns) if pending and version else None
    for step in pending:
        _apply(connection, step, now_ns)
    return backup


def _check_checksums(
    connection: sqlite3.Connection, path: Path, steps: Sequence[Migration]
) -> None:
    if not has_table(connection, "migrations"):
        return
    known = {step.version: step for step in steps}
    for version, name, checksum in connection.execute(
        "SELECT version, name, checksum FROM migrations ORDER BY version"
    ):
        step = known.get(version)
        if step is None or step.checksum != checksum:
            raise BadInput(
                f"ledger {path}: migration {version:04d}_{name} was applied with another text than"
                " this krakked has; run the krakked that wrote it, or restore a backup"
            )


def _apply(connection: sqlite3.Connection, step: Migration, now_ns: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements(step.sql):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {step.version}")
        connection.execute(
            "INSERT INTO schema_version (id, version) VALUES (1, ?)"
            " ON CONFLICT (id) DO UPDATE SET version = excluded.version",
            (step.version,),
        )
        connection.execute(
            "INSERT INTO migrations (version, name, checksum, applied_at_ns) VALUES (?, ?, ?, ?)",
            (step.version, step.name, step.checksum, now_ns),
        )
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def statements(sql: str) -> Iterator[str]:
    """The single statements of a script (a trigger's body is one), so that one BEGIN holds all."""
    gathered = ""
    for line in sql.splitlines(keepends=True):
        gathered += line
        if sqlite3.complete_statement(gathered):
            yield gathered
            gathered = ""
    assert not gathered.strip() or gathered.strip().startswith("--"), f"unfinished: {gathered}"
