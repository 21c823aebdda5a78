"""Backups: whole, checked copies beside the ledger, named ``<db-name>.YYYYMMDDHHMM.bak`` (UTC).

``VACUUM INTO`` copies one read transaction, so a running engine is not disturbed and its copy is
consistent. The copy gets its name only after it is complete, on disk, and found sound. A second
one of the same minute gets ``-2``: a backup never replaces a backup.
"""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from krakked.adapters.sqlite.connections import on_one_line, open_reader, translated
from krakked.domain.errors import LedgerFailed
from krakked.domain.times import to_minute


def back_up(connection: sqlite3.Connection, path: Path, now_ns: int) -> Path:
    """Copy the ledger; the path of the copy.

    Raises:
        LedgerFailed: the copy could not be written, or is not sound.
    """
    target = _free_name(path, now_ns)
    partial = target.with_name(target.name + ".partial")
    try:
        _copy(connection, partial)
        partial.rename(target)
        _sync(target.parent)
    except OSError as error:
        raise LedgerFailed(
            f"backup {target}: {error.strerror}; free some space or make its folder writable"
        ) from error
    finally:
        if partial.is_file():
            partial.unlink()
    return target


def prune(path: Path, keep: int) -> list[Path]:
    """Delete all but the ``keep`` newest backups; those deleted."""
    assert keep > 0, "at least one backup is kept"
    doomed = backups_of(path)[keep:]
    for old in doomed:
        old.unlink()
    return doomed


def backups_of(path: Path) -> list[Path]:
    """The backups beside the ledger, newest first."""
    pattern = re.compile(re.escape(path.name) + r"\.(\d{12})(?:-(\d+))?\.bak")
    found = [
        (match[1], int(match[2] or 1), file)
        for file in path.parent.iterdir()
        if (match := pattern.fullmatch(file.name))
    ]
    return [file for _, _, file in sorted(found, reverse=True)]


def _free_name(path: Path, now_ns: int) -> Path:
    digits = re.sub(r"\D", "", to_minute(now_ns))
    target = path.with_name(f"{path.name}.{digits}.bak")
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.{digits}-{number}.bak")
    return target


def _copy(connection: sqlite3.Connection, partial: Path) -> None:
    partial.unlink(missing_ok=True)
    with translated(partial):
        connection.execute("VACUUM INTO ?", (str(partial),))
    partial.chmod(0o600)
    _check(partial)
    _sync(partial)


def _check(copy: Path) -> None:
    with closing(open_reader(copy)) as connection, translated(copy):
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise LedgerFailed(f"backup {copy}: not sound: {on_one_line(verdict)}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
