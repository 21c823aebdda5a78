"""Lock files: a second engine on the same files is refused.

The kernel drops the lock when its process dies, however it dies, so a left-over file locks
nothing. The file is never deleted: deleting it would let two processes lock two files of one name.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from krakked.domain.errors import LedgerFailed, LedgerInUse


class LockFile:
    """An exclusive lock, held from :func:`acquire` until :meth:`release`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let go; doing it twice does it once."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def acquire(path: Path, *, subject: str, setting: str) -> LockFile:
    """Lock the file, which is made if there is none.

    Args:
        path: of the lock file.
        subject: what it guards, as messages name it.
        setting: how a person chooses another place.

    Raises:
        LedgerFailed: another process has it, or the folder cannot be written.
    """
    descriptor = _open(path, subject, setting)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise LedgerInUse(
            f"{subject}: in use by another krakked (process {holder});"
            f" stop that one first, or choose another place with {setting}"
        ) from error
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return LockFile(descriptor)


def acquire_for_ledger(database: Path) -> LockFile:
    """Lock ``<database>.lock``.

    Raises:
        LedgerFailed: see :func:`acquire`.
    """
    path = database.with_name(database.name + ".lock")
    return acquire(path, subject=f"ledger {database}", setting="--db-path")


def _open(path: Path, subject: str, setting: str) -> int:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerFailed(
            f"{subject}: its folder cannot be written: {error.strerror};"
            f" choose a writable one with {setting}"
        ) from error
