"""A lease in a file beside the database: for one machine, with the kernel's word on who is dead.

The record is a small JSON file, replaced whole by rename and synced, so that it is never torn. Only
who holds the file lock beside it may replace it. The kernel drops that lock with the process that
held it: whoever gets it knows that the holder of the record is dead, and need not wait. A holder
that is frozen keeps its lock, and nobody takes the lease from it, however long.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from krakked.domain.errors import LedgerFailed
from krakked.ports.lease_store import (
    LeaseConflict,
    LeaseEvent,
    LeaseMissing,
    LeaseRecord,
    LeaseUnreachable,
)

T = TypeVar("T")

_DECODER: Final = msgspec.json.Decoder(LeaseRecord)
_MODE: Final = 0o600
_replace = msgspec.structs.replace


def path_beside(database: Path) -> Path:
    """``<database>.lease``; its lock is ``<database>.lease.lock``."""
    return database.with_name(database.name + ".lease")


def make_lease_file(path: Path, *, uid: str, is_first: bool = False) -> None:
    """An empty lease, unless there is one.

    Args:
        path: of the file.
        uid: of the lease, if it is made now.
        is_first: whether nobody can have owned the account by this file before.

    Raises:
        LedgerFailed: what is there is no lease, or the folder cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            released_epoch = 0 if is_first else None
            _create(path, LeaseRecord(uid=uid, version="1", released_epoch=released_epoch))
        _DECODER.decode(path.read_bytes())
    except OSError as error:
        raise LedgerFailed(f"lease {path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise LedgerFailed(
            f"lease {path}: it is damaged ({error}); remove it when no krakked runs here: "
            "the ledger knows the epoch"
        ) from error


def _create(path: Path, record: LeaseRecord) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    _write_synced(draft, record)
    try:
        os.link(draft, path)  # unlike a rename, it takes nothing from who was quicker
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    _sync_folder(path.parent)


class LeaseFile:
    """Implements ``krakked.ports.lease_store.LeaseStore``."""

    def __init__(self, path: Path, *, timeout_s: float, threaded: bool = True) -> None:
        """Open nothing yet.

        Args:
            path: of a file that :func:`make_lease_file` made.
            timeout_s: of each call; a disk that hangs longer is out of reach.
            threaded: whether the disk is touched in a thread, beside the event loop.
        """
        self._path = path
        self._timeout_s = timeout_s
        self._threaded = threaded
        self._turn = threading.Lock()
        self._descriptor: int | None = None
        self._written = ""
        """Version of the record that this process wrote last."""

    def __repr__(self) -> str:
        return f"<LeaseFile {self._path} {'locked' if self._descriptor else 'not locked'}>"

    async def read(self) -> LeaseRecord:
        """The newest record; also takes the lock, if it is free."""
        return await self._do(self._read)

    async def replace(self, record: LeaseRecord) -> LeaseRecord:
        """Compare and swap; refused as long as another process has the lock."""
        return await self._do(lambda: self._replace(record))

    async def announce(self, event: LeaseEvent) -> None:
        """Nobody watches a file: the log says the same."""
        del event

    async def close(self) -> None:
        """Let go of the lock."""
        with self._turn:
            self._unlock()

    async def _do(self, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await (asyncio.to_thread(self._in_turn, work) if self._threaded
                              else self._at_once(work))  # fmt: skip
        except TimeoutError as error:
            raise LeaseUnreachable(f"lease {self._path}: the disk does not answer") from error

    async def _at_once(self, work: Callable[[], T]) -> T:
        return self._in_turn(work)

    def _in_turn(self, work: Callable[[], T]) -> T:
        with self._turn:
            try:
                return work()
            except FileNotFoundError as error:
                raise LeaseMissing(f"lease {self._path}: there is none") from error
            except OSError as error:
                raise LeaseUnreachable(f"lease {self._path}: {error.strerror}") from error

    def _read(self) -> LeaseRecord:
        is_locked = self._lock()
        record = self._load()
        is_foreign = bool(record.holder) and record.version != self._written
        return _replace(record, is_abandoned=is_locked and is_foreign, is_local=True)

    def _replace(self, record: LeaseRecord) -> LeaseRecord:
        if not self._lock():
            raise LeaseConflict(f"lease {self._path}: another process has its lock")
        newest = self._load()
        if (record.uid, record.version) != (newest.uid, newest.version):
            raise LeaseConflict(f"lease {self._path}: replaced since it was read")
        kept = _replace(record, version=str(int(newest.version) + 1), is_abandoned=False)
        draft = self._path.with_name(self._path.name + ".new")
        _write_synced(draft, kept)
        draft.replace(self._path)
        _sync_folder(self._path.parent)
        self._written = kept.version
        if not kept.holder:
            self._unlock()
        return kept

    def _load(self) -> LeaseRecord:
        try:
            return _DECODER.decode(self._path.read_bytes())
        except msgspec.DecodeError as error:
            raise LeaseMissing(f"lease {self._path}: damaged ({error})") from error

    def _lock(self) -> bool:
        """Take the lock unless another process has it; whether we have it."""
        if self._descriptor is not None:
            return True
        path = self._path.with_name(self._path.name + ".lock")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def _unlock(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _write_synced(path: Path, record: LeaseRecord) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
    try:
        os.write(descriptor, msgspec.json.encode(record))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
