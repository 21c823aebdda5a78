"""Opening a ledger: what is made, and every file that is refused, in one line and unharmed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from krakked.adapters.sqlite.connections import APPLICATION_ID, caution
from krakked.adapters.sqlite.ledger import SqliteLedger, open_ledger
from krakked.adapters.sqlite.maintenance import check_ledger
from krakked.adapters.sqlite.migrations import shipped
from krakked.domain.errors import BadInput, LedgerFailed

Opened = Callable[..., SqliteLedger]
Raw = Callable[..., list[Any]]


def refusal(opened: Opened, **changes: Any) -> BadInput | LedgerFailed:
    """The one line and the exit code with which opening is refused."""
    with pytest.raises((BadInput, LedgerFailed)) as caught:
        opened(**changes)
    assert isinstance(caught.value, BadInput | LedgerFailed)
    assert "\n" not in str(caught.value)
    return caught.value


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def closed(ledger: SqliteLedger) -> None:
    asyncio.run(ledger.close())


# ---------------------------------------------------------------- made


def test_new_ledger_is_private_and_says_whose_it_is(opened: Opened, path: Path, raw: Raw) -> None:
    closed(opened())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert raw("PRAGMA application_id") == [(APPLICATION_ID,)]
    assert raw("PRAGMA user_version") == raw("SELECT version FROM schema_version")
    assert raw("PRAGMA journal_mode") == [("wal",)]
    assert raw("SELECT environment, venue, account, base_currency FROM identity") == [
        ("dev", "simulator", "aabbccdd", "USD")
    ]


def test_folder_of_a_new_ledger_is_made_private(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "portfolio.db"
    opened(path=path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((path.parent / "portfolio.db-wal").stat().st_mode) == 0o600
    assert stat.S_IMODE((path.parent / "portfolio.db.lock").stat().st_mode) == 0o600


def test_commits_are_durable_and_references_kept(opened: Opened) -> None:
    connection = opened()._connection
    assert connection is not None
    pragmas = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("synchronous", "foreign_keys", "mmap_size", "busy_timeout")
    }
    assert pragmas == {"synchronous": 2, "foreign_keys": 1, "mmap_size": 0, "busy_timeout": 5000}


def test_closed_ledger_leaves_no_log_behind(opened: Opened, path: Path, records: Any) -> None:
    ledger = opened()
    ledger.run(lambda t: t.insert_cash_flow(records.flow()))
    assert path.with_name("portfolio.db-wal").stat().st_size > 0
    closed(ledger)
    closed(ledger)
    assert not path.with_name("portfolio.db-wal").exists()


def test_empty_file_becomes_a_ledger(opened: Opened, path: Path) -> None:
    path.touch()
    opened()


# ---------------------------------------------------------------- refused: exit code 78


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("environment", "live"),
        ("venue", "kraken"),
        ("account", "ffffffff"),
        ("base_currency", "EUR"),
    ],
)
def test_ledger_of_another_identity_is_refused_by_its_difference(
    opened: Opened, path: Path, records: Any, field: str, value: str
) -> None:
    closed(opened())
    before = digest(path)
    error = refusal(opened, identity=msgspec.structs.replace(records.IDENTITY, **{field: value}))
    assert error.exit_code == 78
    assert f"{field.replace('_', ' ')} {getattr(records.IDENTITY, field)!r}, not {value!r}" in str(
        error
    )
    assert "--db-path" in str(error)
    assert digest(path) == before


def test_ledger_of_a_newer_schema_is_refused(opened: Opened, path: Path, raw: Raw) -> None:
    closed(opened())
    raw("UPDATE schema_version SET version = 99")
    raw("PRAGMA wal_checkpoint(TRUNCATE)")
    before = digest(path)
    error = refusal(opened)
    assert error.exit_code == 78
    assert "schema 99 is newer than this krakked knows" in str(error)
    assert digest(path) == before


def test_newer_schema_is_noticed_by_the_header_alone(opened: Opened, raw: Raw) -> None:
    closed(opened())
    raw("PRAGMA user_version = 99")
    assert "schema 99 is newer" in str(refusal(opened))


def test_database_of_another_program_is_refused_unchanged(opened: Opened, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE moz_places (id INTEGER)")
        connection.commit()
    before = digest(path)
    error = refusal(opened)
    assert error.exit_code == 78
    assert "a database of another program" in str(error)
    assert digest(path) == before
    assert list(path.parent.iterdir()) == [path], "no lock, no log beside a file that is not ours"


def test_file_that_is_no_database_is_refused_without_a_lock_beside_it(
    opened: Opened, path: Path
) -> None:
    path.write_text("# Title\n" * 200)
    error = refusal(opened)
    assert error.exit_code == 73
    assert "it is damaged or not a database" in str(error)
    assert list(path.parent.iterdir()) == [path]


def test_empty_database_of_another_program_is_refused_by_its_id(opened: Opened, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 252006673")
        connection.execute("VACUUM")
    assert "another program (application_id 0xf055111)" in str(refusal(opened))


# ---------------------------------------------------------------- refused: exit code 73


def test_ledger_in_use_is_refused_and_names_the_process(opened: Opened, path: Path) -> None:
    opened()
    error = refusal(opened)
    assert error.exit_code == 73
    assert f"in use by another krakked (process {os.getpid()})" in str(error)


def test_ledger_can_be_opened_again_after_a_refusal(
    opened: Opened, path: Path, records: Any
) -> None:
    closed(opened())
    refusal(opened, identity=msgspec.structs.replace(records.IDENTITY, environment="live"))
    opened()


def test_lock_left_by_a_dead_process_locks_nothing(opened: Opened, path: Path) -> None:
    path.with_name("portfolio.db.lock").write_text("4194000\n")
    opened()


def test_ledger_locked_by_a_strange_program_is_reported_as_in_use(
    opened: Opened, path: Path, records: Any
) -> None:
    ledger = opened()
    assert ledger._connection is not None
    ledger._connection.execute("PRAGMA busy_timeout = 1")
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerFailed, match="in use by another program") as caught:
            ledger.run(lambda t: t.insert_cash_flow(records.flow()))
        stranger.execute("ROLLBACK")
    assert caught.value.exit_code == 73
    assert ledger.run(lambda t: t.insert_cash_flow(records.flow()))


def test_file_that_is_no_database_is_refused_unchanged(opened: Opened, path: Path) -> None:
    path.write_text("name: krakked\n" * 300)
    before = digest(path)
    error = refusal(opened)
    assert error.exit_code == 73
    assert "damaged or not a database" in str(error)
    assert digest(path) == before


def test_damaged_page_is_noticed_before_anything_is_written(
    filled: SqliteLedger, opened: Opened, path: Path
) -> None:
    closed(filled)
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xa5" * 64
    path.write_bytes(content)
    error = refusal(opened)
    assert error.exit_code == 73
    assert "it is damaged; restore the newest backup" in str(error)


def test_damage_of_which_sqlite_tells_in_several_lines_is_told_in_one(
    filled: SqliteLedger, opened: Opened, path: Path, raw: Raw
) -> None:
    closed(filled)
    ((page,),) = raw("SELECT rootpage FROM sqlite_schema WHERE name = 'fills'")
    content = bytearray(path.read_bytes())
    begin = (page - 1) * 4096
    content[begin + 1 : begin + 3] = b"\x00\x10"  # a free block where the header is
    path.write_bytes(content)
    error = refusal(opened)
    assert "it is damaged; restore the newest backup" in str(error)
    assert "*** in database main *** " in str(error)
    assert all("\n" not in fault for fault in check_ledger(path))


def test_truncated_file_is_refused(filled: SqliteLedger, opened: Opened, path: Path) -> None:
    closed(filled)
    os.truncate(path, path.stat().st_size // 2)
    assert refusal(opened).exit_code == 73


def test_folder_that_cannot_be_made_is_refused(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    error = refusal(opened, path=tmp_path / "file" / "portfolio.db")
    assert error.exit_code == 73
    assert "its folder cannot be written" in str(error)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable for root")
def test_folder_without_write_permission_is_refused(opened: Opened, tmp_path: Path) -> None:
    folder = tmp_path / "sealed"
    folder.mkdir(mode=0o500)
    assert refusal(opened, path=folder / "portfolio.db").exit_code == 73


def test_path_that_is_a_folder_is_refused(opened: Opened, path: Path) -> None:
    path.mkdir()
    assert "cannot be created or written" in str(refusal(opened))


# ---------------------------------------------------------------- migrations change nothing shipped


def test_migration_changed_after_it_was_applied_is_refused(
    opened: Opened, path: Path, records: Any
) -> None:
    closed(opened())
    edited = [msgspec.structs.replace(step, sql=step.sql + "-- edited") for step in shipped()]
    with pytest.raises(BadInput, match="was applied with another text") as caught:
        open_ledger(
            path, records.IDENTITY, clock=records.FixedClock(), threaded=False, steps=edited
        )
    assert caught.value.exit_code == 78


# ---------------------------------------------------------------- the library itself


@pytest.mark.parametrize(
    ("version", "is_cautious"),
    [
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 46, 1), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 54, 0), False),
    ],
)
def test_version_that_needs_one_writer_says_so(version: tuple[int, ...], is_cautious: bool) -> None:
    words = caution(version)
    assert (words is not None) is is_cautious
    assert words is None or "let krakked alone write" in words
