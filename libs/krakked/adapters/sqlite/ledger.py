"""The writer: every change is one function, run whole inside one durable transaction.

With ``threaded=True`` the function runs in a thread that alone uses the connection; a caller that
is cancelled still waits for the end of its transaction, so a commit is never left unknown. With
``threaded=False`` (lock-step replay, simulation) the same function runs where it is called.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol, TypeVar

from krakked.adapters.sqlite import backups, lock_files, migrations
from krakked.adapters.sqlite.connections import (
    on_one_line,
    open_writer,
    pragma,
    prepare_writer,
    reading,
    translated,
)
from krakked.adapters.sqlite.identities import check_identity
from krakked.adapters.sqlite.lock_files import LockFile
from krakked.adapters.sqlite.migrations import Migration
from krakked.adapters.sqlite.transaction import SqliteTransaction
from krakked.domain.errors import LedgerFailed
from krakked.ports.clock import Clock
from krakked.ports.ledger import Identity, Transaction

T = TypeVar("T")

SYNCHRONOUS_FULL: Final = 2
STUCK_AFTER_S: Final = 60.0
"""A transaction takes milliseconds and a backup seconds; after so long neither will end."""


class Observe(Protocol):
    """Hears how long a transaction took, and whether it failed."""

    def __call__(self, seconds: float, /, *, failed: bool) -> None: ...


def _unobserved(_: float, /, *, failed: bool) -> None:
    del failed


def open_ledger(
    path: Path,
    identity: Identity,
    *,
    clock: Clock,
    threaded: bool,
    observe: Observe = _unobserved,
    steps: Sequence[Migration] = (),
) -> SqliteLedger:
    """Open or create the ledger of that identity, led on to the newest schema.

    Args:
        path: the file; its folder is made if there is none.
        identity: what the books must belong to; a new ledger is given it.
        clock: dates migrations and backups.
        threaded: whether transactions run in a thread of their own.
        observe: hears of each transaction, in the thread that ran it.
        steps: other migrations than those shipped.

    Raises:
        BadInput: a newer schema, or another program's, environment's or account's file (78).
        LedgerFailed: in use, damaged, not writable, disk full (73).
    """
    known = steps or migrations.shipped()
    _look(path, known)
    with ExitStack() as undo:
        lock = lock_files.acquire_for_ledger(path)
        undo.callback(lock.release)
        connection = open_writer(path)
        undo.callback(connection.close)
        with translated(path):
            _check_sound(connection, path)
            migrations.check_compatible(connection, path, known)
            check_identity(connection, path, identity)
            prepare_writer(connection, path)
            migrations.migrate(connection, path, known, clock.now_ns())
            check_identity(connection, path, identity, is_new_allowed=True)
        undo.pop_all()
    return SqliteLedger(
        connection, path, lock=lock, clock=clock, threaded=threaded, observe=observe
    )


def _look(path: Path, known: Sequence[Migration]) -> None:
    """Refuse a file that is not ours before a lock file stands beside it; nothing is changed."""
    if not path.is_file() or not path.stat().st_size:
        return
    with reading(path) as connection:
        migrations.check_compatible(connection, path, known)


def _check_sound(connection: sqlite3.Connection, path: Path) -> None:
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise LedgerFailed(
            f"ledger {path}: it is damaged; restore the newest backup (*.bak beside it)"
            f" (SQLite: {on_one_line(verdict)})"
        )


class SqliteLedger:
    """Implements ``krakked.ports.ledger.Ledger``; made by :func:`open_ledger`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        lock: LockFile,
        clock: Clock,
        threaded: bool,
        observe: Observe = _unobserved,
    ) -> None:
        self.path = path
        self._wal = path.with_name(path.name + "-wal")
        self._observe = observe
        self._connection: sqlite3.Connection | None = connection
        self._lock_file = lock
        self._clock = clock
        self._turn = threading.Lock()
        self._pending = 0
        self._busy_since_s: float | None = None
        self._writer: threading.Thread | None = None
        self._thread = (
            ThreadPoolExecutor(1, "ledger", initializer=self._note_writer) if threaded else None
        )

    def __repr__(self) -> str:
        state = "closed" if self._connection is None else f"{self._pending} pending"
        return f"<SqliteLedger {self.path} {state}>"

    @property
    def wal_bytes(self) -> int:
        """Size of the write-ahead log."""
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def is_idle(self) -> bool:
        """Whether no transaction runs or waits."""
        return self._pending == 0

    @property
    def flushes_commits(self) -> bool:
        """Whether a commit survives a power cut, by what the connection itself says now."""
        connection = self._connection
        return connection is None or pragma(connection, "synchronous") >= SYNCHRONOUS_FULL

    def writer_problem(self, *, stuck_after_s: float = STUCK_AFTER_S) -> str | None:
        """Why nothing gets written any more; None if it does. May be asked from any thread."""
        if self._connection is None:
            return None
        if self._writer is not None and not self._writer.is_alive():
            return "the thread that writes the ledger is dead"
        since_s = self._busy_since_s
        age_s = 0.0 if since_s is None else time.perf_counter() - since_s
        if age_s <= stuck_after_s:
            return None
        return f"the ledger has not ended a transaction for {age_s:.0f} s"

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in one durable transaction; an exception from it rolls back."""
        return await self._hop(lambda: self.run(work))

    def run(self, work: Callable[[Transaction], T]) -> T:
        """The same at once, in the calling thread, which waits for its turn."""
        with self._turn, self._observed(), translated(self.path):
            return _run(self._open_connection(), work)

    @contextmanager
    def _observed(self) -> Iterator[None]:
        began_s = time.perf_counter()
        failed = False
        try:
            yield
        except LedgerFailed:
            failed = True
            raise
        finally:
            self._observe(time.perf_counter() - began_s, failed=failed)

    async def back_up(self, *, keep: int | None = None) -> Path:
        """Copy the ledger beside itself; with ``keep``, older backups beyond that many go."""
        return await self._hop(lambda: self._back_up(keep))

    async def close(self) -> None:
        """Checkpoint and close; doing it twice does it once."""
        if self._connection is None:
            return
        await self._hop(self._close)
        if self._thread is not None:
            self._thread.shutdown()

    def abandon(self) -> None:
        """Let go of the files as a process that dies does: no checkpoint, nothing flushed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            self._lock_file.release()

    async def _hop(self, job: Callable[[], T]) -> T:
        self._open_connection()
        self._pending += 1
        self._busy_since_s = self._busy_since_s or time.perf_counter()
        try:
            if self._thread is None:
                return job()
            loop = asyncio.get_running_loop()
            return await to_the_end(loop.run_in_executor(self._thread, job))
        finally:
            self._pending -= 1
            self._busy_since_s = time.perf_counter() if self._pending else None

    def _note_writer(self) -> None:
        self._writer = threading.current_thread()

    def _open_connection(self) -> sqlite3.Connection:
        assert self._connection is not None, f"ledger {self.path} is closed"
        return self._connection

    def _back_up(self, keep: int | None) -> Path:
        with self._turn:
            made = backups.back_up(self._open_connection(), self.path, self._clock.now_ns())
        if keep is not None:
            backups.prune(self.path, keep)
        return made

    def _close(self) -> None:
        with self._turn:
            connection, self._connection = self._connection, None
            if connection is None:
                return
            try:
                # a full disk loses nothing here: the next opening goes on from the log
                with translated(self.path), suppress(sqlite3.OperationalError):
                    connection.execute("PRAGMA optimize")
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                connection.close()
                self._lock_file.release()


def _run(connection: sqlite3.Connection, work: Callable[[Transaction], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    transaction = SqliteTransaction(connection.execute)
    try:
        result = work(transaction)
        connection.execute("COMMIT")
    finally:
        transaction.end()
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return result


async def to_the_end(future: asyncio.Future[T]) -> T:
    """Wait for it even when cancelled, so that nobody goes on beside a running commit."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                continue
        if not future.cancelled():
            future.exception()
        raise
