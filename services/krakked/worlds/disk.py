"""The disk of a machine: real SQLite files on a folder in memory, and what becomes of them.

A process that dies leaves what it has committed; a machine that loses power leaves what was
flushed. Which that is, the connection that wrote is asked when the power goes: with
``synchronous=FULL`` every commit is, with less only what a checkpoint has taken out of the log,
and of the transactions behind it the last ones are lost, so many as chance says. Then the end of
the log is torn: bytes stand behind the last commit that no checksum covers. The dead process keeps
its old folder, so that nothing it might still do is ever seen again.
"""

from __future__ import annotations

import asyncio
import shutil
import struct
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TypeVar

import msgspec

from krakked.adapters.sqlite import migrations
from krakked.adapters.sqlite.connections import open_writer, prepare_writer
from krakked.adapters.sqlite.ledger import SqliteLedger, to_the_end
from krakked.domain.errors import LedgerFailed
from krakked.ports.ledger import Transaction
from krakked.worlds.loop import PROCESS

T = TypeVar("T")

DATABASE = "portfolio.db"
_LOG = DATABASE + "-wal"
_INDEX = DATABASE + "-shm"
_PARTS = (DATABASE, _LOG)
_TORN_BYTES_MAX = 6_000
_LOG_HEADER = struct.Struct(">8xI4x8s8x")
"""Page size, and the salt that tells this log from those that stood in the file before."""
_FRAME_HEADER = struct.Struct(">4xI8s8x")
"""Pages of the database after this commit (0: the transaction goes on), and the log's salt."""
_CHECKPOINTED = struct.Struct("=96xI")
"""In the index of a log, in the machine's own byte order: frames that are in the database."""


class _Flushed(msgspec.Struct, frozen=True, kw_only=True):
    """What of a log has reached the disk itself."""

    salt: bytes = b""
    """Of that log: when it begins anew at the file's beginning, nothing of it counts any more."""
    size: int = 0
    """So many bytes from the file's beginning."""


class Disk:
    """One volume; survives the processes that use it."""

    def __init__(self, root: Path, rng: Random) -> None:
        self._root = root
        self._rng = rng
        self._number = 0
        self.slow_s = 0.0
        """How long each transaction takes."""
        self.is_full = False
        self.commits = 0
        self.dies_at_commit: int | None = None
        self.dies_before = False
        """Whether that commit is the first thing that is lost, or the last that is kept."""
        self.folder = self._next_folder()
        self._writer: SqliteLedger | None = None
        """Who wrote in this folder last."""
        self._flushed = _Flushed()

    @property
    def database(self) -> Path:
        """Where the ledger is now."""
        return self.folder / DATABASE

    def _next_folder(self) -> Path:
        self._number += 1
        folder = self._root / str(self._number)
        folder.mkdir(parents=True)
        return folder

    def die_at(self, commit: int, *, before: bool) -> None:
        """Let the process die at that commit from here, counted from one."""
        self.dies_at_commit = self.commits + commit
        self.dies_before = before

    def survive(self, *, power_lost: bool) -> None:
        """The process that used it is gone: what the next one will find."""
        old, self.folder = self.folder, self._next_folder()
        for name in _PARTS:
            if (old / name).exists():
                shutil.copyfile(old / name, self.folder / name)
        log = self.folder / _LOG
        self._flushed = self._flushed_of(old) if log.exists() else _Flushed()
        self._writer = None
        if power_lost and log.exists():
            self._lose_unflushed(log)
            with log.open("ab") as file:
                file.write(self._rng.randbytes(self._rng.randrange(_TORN_BYTES_MAX)))
            self._flushed = _Flushed(salt=self._flushed.salt, size=log.stat().st_size)

    def _flushed_of(self, folder: Path) -> _Flushed:
        """What of the log there no power cut takes away."""
        log, index = folder / _LOG, folder / _INDEX
        page_bytes, salt = _headed(log)
        if self._writer is not None and self._writer.flushes_commits:
            return _Flushed(salt=salt, size=log.stat().st_size)
        before = self._flushed.size if self._flushed.salt == salt else 0
        if not index.exists():
            return _Flushed(salt=salt, size=before)
        with index.open("rb") as file:
            (frames,) = _CHECKPOINTED.unpack(file.read(_CHECKPOINTED.size))
        size = _LOG_HEADER.size + frames * (_FRAME_HEADER.size + page_bytes) if frames else 0
        return _Flushed(salt=salt, size=max(before, size))

    def _lose_unflushed(self, log: Path) -> None:
        """The last transactions that nobody flushed; few are likelier than many, and all can go."""
        if log.stat().st_size == self._flushed.size:
            return
        ends = [end for end in ends_of_transactions(log) if end > self._flushed.size]
        lost = int((len(ends) + 1) * self._rng.random() ** 3)
        if lost:
            with log.open("r+b") as file:
                file.truncate([self._flushed.size, *ends][-1 - lost])

    def lose(self) -> None:
        """A new, empty volume."""
        self.folder = self._next_folder()
        self._writer, self._flushed = None, _Flushed()

    def opened_by(self, writer: SqliteLedger) -> None:
        """That one writes in this folder from here on."""
        self._writer = writer

    def begin(self) -> None:
        """Put a ledger without a word in it there, unless there is one."""
        if not self.database.exists():
            self.database.write_bytes(_blank())


class WorldLedger:
    """The ledger as an engine of a world has it: slow, full, or fatal at times."""

    def __init__(self, ledger: SqliteLedger, disk: Disk) -> None:
        self._ledger = ledger
        self._disk = disk
        self._turn = asyncio.Lock()
        disk.opened_by(ledger)

    @property
    def wal_bytes(self) -> int:
        """Size of the write-ahead log."""
        return self._ledger.wal_bytes

    def writer_problem(self) -> str | None:
        """Nobody else writes here."""
        return self._ledger.writer_problem()

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in one durable transaction; an exception from it rolls back."""
        if not self._disk.slow_s:
            return await self._write(work)
        return await to_the_end(asyncio.ensure_future(self._write_slowly(work)))

    async def _write_slowly(self, work: Callable[[Transaction], T]) -> T:
        async with self._turn:
            await asyncio.sleep(self._disk.slow_s)  # noqa: TID251 - on the world's own time
            return await self._write(work)

    async def _write(self, work: Callable[[Transaction], T]) -> T:
        disk, process = self._disk, PROCESS.get()
        disk.commits += 1
        if process is None or disk.commits != disk.dies_at_commit:
            return self._ledger.run(lambda tx: _done(work, tx, is_full=disk.is_full))
        if not disk.dies_before:
            self._ledger.run(work)
        process.kill()
        grave: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        return await grave  # where a dead process waits

    async def close(self) -> None:
        """Checkpoint and close."""
        await self._ledger.close()

    def let_go(self) -> None:
        """The world is over: close the files, whoever had them open."""
        self._ledger.abandon()


def _headed(log: Path) -> tuple[int, bytes]:
    """Page size and salt of a log; none, as long as nothing stands in it."""
    with log.open("rb") as file:
        header = file.read(_LOG_HEADER.size)
    page_bytes, salt = _LOG_HEADER.unpack(header) if len(header) == _LOG_HEADER.size else (0, b"")
    return int(page_bytes), bytes(salt)


def ends_of_transactions(log: Path) -> list[int]:
    """How long the log was after each commit that stands in it."""
    page_bytes, salt = _headed(log)
    content = log.read_bytes()
    ends = []
    at = _LOG_HEADER.size
    while at + _FRAME_HEADER.size + page_bytes <= len(content):
        pages_after, of = _FRAME_HEADER.unpack_from(content, at)
        if of != salt:
            break  # what an older log, or a power cut, has left behind this one's end
        at += _FRAME_HEADER.size + page_bytes
        if pages_after:
            ends.append(at)
    return ends


@cache
def _blank() -> bytes:
    """A ledger of the newest schema that belongs to nobody yet: an engine would make the same.

    It takes a world's engine longer to make one than to use it for a minute.
    """
    with TemporaryDirectory(prefix="krakked-") as folder:
        path = Path(folder) / DATABASE
        with closing(open_writer(path)) as connection:
            prepare_writer(connection, path)
            migrations.migrate(connection, path, migrations.shipped(), now_ns=0)
        return path.read_bytes()


def _done(work: Callable[[Transaction], T], tx: Transaction, *, is_full: bool) -> T:
    result = work(tx)
    if is_full:
        raise LedgerFailed("the disk is full; free some space and start again")
    return result
