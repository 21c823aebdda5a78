"""The account on disk: rows of the exchange, upserted before the answer that made them leaves.

Safe against the death of this process, not of the machine (``synchronous=OFF``): what SQLite has
handed to the kernel outlives a SIGKILL. The file belongs to the simulator alone and says so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from krakked.adapters.sqlite.lock_files import LockFile, acquire
from krakked.domain.errors import BadInput, LedgerFailed
from krakked.runtime.exit_codes import ExitCode

APPLICATION_ID: Final = 0x6B72_6B53  # "krkS"
CLOCK: Final = ("clock", "clock")
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS rows (
    kind TEXT NOT NULL, id TEXT NOT NULL, row BLOB NOT NULL, PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID
"""
_TABLES: Final = "SELECT count(*) FROM sqlite_master"
_UPSERT: Final = (
    "INSERT INTO rows VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET row = excluded.row"
)


class StateStore:
    """One open state file; one process at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        _check_folder(path)
        self._lock = _lock(path)
        try:
            with _readable(path):
                self._database = _open(path)
        except BadInput:
            self._lock.release()
            raise

    def __repr__(self) -> str:
        return f"<StateStore {self._path}>"

    def rows(self) -> list[tuple[str, str, dict[str, object]]]:
        """Everything stored, but the clock."""
        with _readable(self._path):
            found = self._database.execute("SELECT kind, id, row FROM rows WHERE kind <> 'clock'")
            return [(kind, row_id, msgspec.json.decode(row)) for kind, row_id, row in found]

    def now_ns(self) -> int | None:
        """The latest simulated instant that was stored."""
        with _readable(self._path):
            return _clock(self._database)

    def save(
        self, changes: Sequence[tuple[str, str, dict[str, object] | None]], now_ns: int
    ) -> None:
        """Store changed rows (None: gone) and the time, all or nothing.

        Raises:
            LedgerFailed: the disk is full, or fails.
        """
        kept = [(kind, row_id, msgspec.json.encode(row)) for kind, row_id, row in changes if row]
        gone = [(kind, row_id) for kind, row_id, row in changes if row is None]
        with _writable(self._path), self._database:
            self._database.executemany(_UPSERT, [*kept, (*CLOCK, str(now_ns).encode())])
            self._database.executemany("DELETE FROM rows WHERE kind = ? AND id = ?", gone)

    def close(self) -> None:
        """Let the file go."""
        self._database.close()
        self._lock.release()


def stored_now_ns(path: Path | None) -> int | None:
    """When the world in that file stopped; None if there is none.

    Only looks, and takes no lock: whoever will be refused the file has not touched it.
    """
    if path is None or not path.exists():
        return None
    is_at_rest = not path.with_name(path.name + "-wal").exists()
    uri = f"file:{quote(str(path.absolute()))}?mode=ro{'&immutable=1' * is_at_rest}"
    with _readable(path), closing(sqlite3.connect(uri, uri=True)) as database:
        is_empty = not database.execute(_TABLES).fetchone()[0]
        return _clock(database) if _is_ours(database, path) and not is_empty else None


def _clock(database: sqlite3.Connection) -> int | None:
    found = database.execute("SELECT row FROM rows WHERE kind = ? AND id = ?", CLOCK).fetchone()
    return None if found is None else int(found[0])


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    try:
        _claim(database, path)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = OFF")
        database.execute(_SCHEMA)
    except (sqlite3.Error, BadInput):
        database.close()
        raise
    return database


def _lock(path: Path) -> LockFile:
    """Two simulators on one file would each write balances that know nothing of the other's."""
    lock = path.with_name(path.name + ".lock")
    try:
        return acquire(lock, subject=f"--state {path}", setting="--state")
    except LedgerFailed as error:
        raise BadInput(str(error), exit_code=error.exit_code) from error


def _check_folder(path: Path) -> None:
    """None is made: a path that is mistyped would begin another account instead of this one."""
    if not path.parent.is_dir():
        raise BadInput(
            f"--state {path}: no folder {path.parent}; make it, or give another path",
            exit_code=ExitCode.OCCUPIED,
        )


def _claim(database: sqlite3.Connection, path: Path) -> None:
    """Refuse another program's file; mark an empty one as ours."""
    if not _is_ours(database, path):
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _is_ours(database: sqlite3.Connection, path: Path) -> bool:
    """Whether a simulator has written it; not if it is empty.

    Raises:
        BadInput: it is another program's.
    """
    (owner,) = database.execute("PRAGMA application_id").fetchone()
    (tables,) = database.execute(_TABLES).fetchone()
    if owner == APPLICATION_ID:
        return True
    if owner or tables:
        raise BadInput(
            f"--state {path}: not a simulator's file; give another path "
            "(in dev it stands beside --db-path)",
            exit_code=ExitCode.DATABASE,
        )
    return False


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise LedgerFailed(
            f"--state {path}: the simulated account cannot be stored ({error}); free some space "
            "and start again, what was answered before is kept"
        ) from error


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, msgspec.DecodeError, ValueError) as error:
        raise BadInput(
            f"--state {path}: {error}; move the file away to start anew",
            exit_code=ExitCode.DATABASE,
        ) from error
