"""Connections: how the ledger's file is opened, and what its failures mean.

One connection writes and checkpoints; readers are read-only, never checkpoint and never block
it. ``synchronous=FULL`` makes a commit survive a power cut: nothing is sent to the venue
before its record is durable. No memory mapping: an I/O error must be an error, not a signal.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

from krakked.adapters.sqlite.cells import Cell, add
from krakked.domain.errors import LedgerFailed
from krakked.domain.money import ZERO, to_text

APPLICATION_ID: Final = 0x4B52_414B
"""``KRAK`` in the file's header: this is a ledger of ours."""
BUSY_TIMEOUT_MS: Final = 5_000
JOURNAL_SIZE_LIMIT_BYTES: Final = 64 * 2**20
STATEMENTS_CACHED: Final = 256

_WRITER_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA mmap_size = 0",
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    f"PRAGMA journal_size_limit = {JOURNAL_SIZE_LIMIT_BYTES}",
)
READER_PRAGMAS: Final = (
    "PRAGMA query_only = 1",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA mmap_size = 0",
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
)

_CAUSES: Final = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space and start again",
    sqlite3.SQLITE_IOERR: "the disk gave an I/O error; check the volume and its free space",
    sqlite3.SQLITE_READONLY: "it cannot be written; give this user write permission",
    sqlite3.SQLITE_PERM: "permission denied; give this user read and write permission",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened or created; check that its folder is writable",
    sqlite3.SQLITE_BUSY: "it is in use by another program; stop that one first",
    sqlite3.SQLITE_LOCKED: "it is in use by another program; stop that one first",
    sqlite3.SQLITE_CORRUPT: "it is damaged; restore the newest backup (*.bak beside it)",
    sqlite3.SQLITE_NOTADB: (
        "it is damaged or not a database; restore the newest backup (*.bak beside it),"
        " or choose another path with --db-path"
    ),
}
"""By SQLite's primary result code: what happened and how to mend it."""


class DecimalSum:
    """The aggregate ``decimal_sum``: exact, where SQLite's own ``sum`` would make floats."""

    def __init__(self) -> None:
        self._sum = ZERO

    def step(self, amount: str | None) -> None:
        """One more amount; NULL counts nothing."""
        if amount is not None:
            self._sum = add(self._sum, Decimal(amount))

    def finalize(self) -> str:
        """The sum as text."""
        return to_text(self._sum)


class Execute(Protocol):
    """Run one statement (a bound ``Connection.execute``)."""

    def __call__(self, sql: str, parameters: Sequence[Cell] = ..., /) -> sqlite3.Cursor: ...


def failure(path: Path, error: sqlite3.Error) -> LedgerFailed | None:
    """What the error means to a person; None for a mistake of ours (bad SQL, misuse)."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    cause = _CAUSES.get(code)
    if cause is None:
        return None
    return LedgerFailed(f"ledger {path}: {cause} (SQLite: {on_one_line(error)})")


def on_one_line(words: object) -> str:
    """What SQLite says of damage has several lines; a person's message has one."""
    return " ".join(str(words).split())


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours.

    Raises:
        LedgerFailed: disk, permissions, damage, somebody else's lock.
        AssertionError: a row that the schema refuses: a bug.
    """
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise AssertionError(f"ledger {path}: refused by the schema: {error}") from error
    except sqlite3.Error as error:
        named = failure(path, error)
        if named is None:
            raise
        raise named from error


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes; creates the file (0600) if there is none."""
    with translated(path):
        _create_private(path)
        connection = sqlite3.connect(
            path,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=STATEMENTS_CACHED,
        )
        _equip(connection)
        return connection


def prepare_writer(connection: sqlite3.Connection, path: Path) -> None:
    """WAL, durability and limits; apart, so that a stranger's file is looked at first."""
    with translated(path):
        for pragma in _WRITER_PRAGMAS:
            connection.execute(pragma).fetchall()


def reader_uri(path: Path) -> str:
    """The read-only address of the file."""
    return f"file:{quote(str(path.absolute()))}?mode=ro"


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that can change nothing and never checkpoints.

    Raises:
        LedgerFailed: there is no such file, or it cannot be read.
    """
    require_file(path)
    uri = f"{reader_uri(path)}&immutable=1" if _is_at_rest(path) else reader_uri(path)
    with translated(path):
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        _equip(connection)
        for pragma in READER_PRAGMAS:
            connection.execute(pragma).fetchall()
        return connection


def _is_at_rest(path: Path) -> bool:
    """Whether nobody has the ledger open: its last writer left cleanly, nothing waits in a log.

    Such a file is read as it stands. Otherwise the reader would make a log and its index beside it,
    which only a writer may remove again. An engine that starts meanwhile does not write into the
    file itself before its first checkpoint, long after a question is answered.
    """
    return not any(path.with_name(path.name + end).exists() for end in ("-wal", "-journal"))


def require_file(path: Path) -> None:
    """Refuse a path without a file, before SQLite says so in its own words."""
    if not path.is_file():
        raise LedgerFailed(
            f"ledger {path}: there is no such file; `krakked run` makes one,"
            " --db-path names another"
        )


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A reader for the length of the block."""
    with closing(open_reader(path)) as connection, translated(path):
        yield connection


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """The value of an integer pragma."""
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def caution(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str | None:
    """What to know about this SQLite; None if nothing.

    Up to 3.51.2 two connections that write or checkpoint at once can damage a WAL database
    (mended in 3.51.3, and in 3.50.7 and 3.44.6). Ours has one such connection, so it is safe as
    long as nothing else writes to the file.
    """
    mended = version >= (3, 51, 3) or any(
        version[:2] == branch[:2] and version >= branch for branch in ((3, 50, 7), (3, 44, 6))
    )
    if mended:
        return None
    words = ".".join(map(str, version))
    return f"SQLite {words} can damage a database that two programs write: let krakked alone write"


def _equip(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    # typeshed knows aggregates of int alone
    connection.create_aggregate("decimal_sum", 1, DecimalSum)  # type: ignore[arg-type]


def _create_private(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise LedgerFailed(
            f"ledger {path}: cannot be created or written: {error.strerror};"
            " choose a writable folder with --db-path"
        ) from error
