"""Care of the file: info, check, backup, schema version; all safe beside a running engine."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from krakked.adapters.sqlite.backups import backups_of, prune
from krakked.adapters.sqlite.digest import digest
from krakked.adapters.sqlite.ledger import SqliteLedger
from krakked.adapters.sqlite.maintenance import (
    back_up_ledger,
    check_ledger,
    ledger_info,
    schema_version,
)
from krakked.adapters.sqlite.migrations import shipped
from krakked.adapters.sqlite.queries import open_queries
from krakked.domain.errors import BadInput, LedgerFailed

Opened = Callable[..., SqliteLedger]
NEWEST = shipped()[-1].version
MINUTE_NS = 60_000_000_000


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """Another program's database, with tables of names that are ours."""
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        for table in ("schema_version", "identity", "migrations"):
            connection.execute(f"CREATE TABLE {table} (other TEXT)")
        connection.execute("INSERT INTO identity VALUES ('x')")
        connection.commit()
    return path


# ---------------------------------------------------------------- info and version


def test_info_says_what_the_file_is_and_holds(
    filled: SqliteLedger, path: Path, records: Any
) -> None:
    info = ledger_info(path)
    assert info.path == str(path)
    assert info.is_ledger
    assert info.identity == records.IDENTITY
    assert info.schema_version == info.newest_version == NEWEST
    assert info.size_bytes == path.stat().st_size
    assert {name: count for name, count in info.rows.items() if count} == {
        "cash_flows": 1,
        "decisions": 2,
        "engine_state": 1,
        "fills": 2,
        "identity": 1,
        "migrations": NEWEST,
        "opening_lots": 1,
        "order_events": 2,
        "orders": 2,
        "outbox": 1,
        "plans": 1,
        "positions": 1,
        "postings": 8,
        "schema_version": 1,
        "totals": 2,
    }


def test_info_of_another_programs_database_knows_no_version(stranger: Path) -> None:
    info = ledger_info(stranger)
    assert not info.is_ledger
    assert info.schema_version is None
    assert info.identity is None
    assert info.rows == {"identity": 1, "migrations": 0, "schema_version": 0}


def test_version_without_its_row_is_none(filled: SqliteLedger, path: Path, raw: Any) -> None:
    assert schema_version(path) == NEWEST
    raw("DELETE FROM schema_version")
    assert schema_version(path) is None


def test_version_of_another_programs_database_is_refused(stranger: Path) -> None:
    with pytest.raises(BadInput, match="another program"):
        schema_version(stranger)


@pytest.mark.parametrize("look", [ledger_info, check_ledger, schema_version])
def test_looking_at_no_file_makes_none(look: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(LedgerFailed, match="no such file"):
        look(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- check


def test_check_of_another_programs_database_is_refused(stranger: Path) -> None:
    with pytest.raises(BadInput, match="another program"):
        check_ledger(stranger)


def test_check_of_a_damaged_ledger_tells_the_damage(filled: SqliteLedger, path: Path) -> None:
    asyncio.run(filled.close())
    content = bytearray(path.read_bytes())
    content[-4096 * 3 :] = b"\xff" * (4096 * 3)
    path.write_bytes(content)
    try:
        faults = check_ledger(path)
    except LedgerFailed as error:
        faults = [str(error)]
    assert faults
    assert faults != ["ok"]


def test_check_of_a_file_that_is_no_database_fails_in_one_line(path: Path) -> None:
    path.write_text("hello" * 1000)
    with pytest.raises(LedgerFailed, match="damaged or not a database"):
        check_ledger(path)


def test_ledger_that_was_never_completed_is_a_fault(path: Path) -> None:
    path.touch()
    assert check_ledger(path) == ["schema_version: missing; this ledger was never completed"]


# ---------------------------------------------------------------- backup


def test_backup_beside_a_running_engine_is_whole_and_private(
    filled: SqliteLedger, path: Path, records: Any
) -> None:
    made = back_up_ledger(path, now_ns=records.NOON_NS)
    assert made.path == path.with_name("portfolio.db.202311142213.bak")
    assert made.pruned == ()
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert check_ledger(made.path) == []
    copy = open_queries(made.path)
    assert copy.books() == filled.run(lambda t: t.books())
    assert copy.identity() == records.IDENTITY
    copy.close()


def test_backup_does_not_hold_what_came_later(
    filled: SqliteLedger, path: Path, records: Any
) -> None:
    made = back_up_ledger(path, now_ns=records.NOON_NS)
    filled.run(lambda t: t.insert_cash_flow(records.flow(2)))
    assert ledger_info(made.path).rows["cash_flows"] == 1
    assert ledger_info(path).rows["cash_flows"] == 2


def test_backup_can_be_opened_as_the_ledger_itself(
    filled: SqliteLedger, opened: Opened, path: Path, records: Any
) -> None:
    made = back_up_ledger(path, now_ns=records.NOON_NS).path
    restored = opened(path=made.rename(path.with_name("restored.db")))
    assert restored.run(lambda t: t.books()) == filled.run(lambda t: t.books())


def test_backup_never_replaces_a_backup(filled: SqliteLedger, path: Path, records: Any) -> None:
    names = [back_up_ledger(path, now_ns=records.NOON_NS).path.name for _ in range(3)]
    assert names == [f"portfolio.db.202311142213{n}.bak" for n in ("", "-2", "-3")]
    assert [copy.name for copy in backups_of(path)] == names[::-1]


def test_backup_keeps_as_many_as_asked_and_touches_nothing_else(
    filled: SqliteLedger, path: Path, records: Any
) -> None:
    others = [path.with_name(n) for n in ("portfolio.db.2023.bak", "x.db.202311142213.bak")]
    for other in others:
        other.touch()
    for minute in range(12):
        made = back_up_ledger(path, now_ns=records.NOON_NS + minute * MINUTE_NS, keep=10)
    assert [copy.name[13:25] for copy in backups_of(path)] == [
        str(202311142224 - n) for n in range(10)
    ]
    assert [copy.name for copy in made.pruned] == ["portfolio.db.202311142214.bak"]
    assert all(other.exists() for other in others)


def test_keeping_no_backup_at_all_is_a_bug(path: Path) -> None:
    with pytest.raises(AssertionError):
        prune(path, 0)


def test_failed_backup_leaves_nothing_half(filled: SqliteLedger, path: Path, records: Any) -> None:
    target = path.with_name("portfolio.db.202311142213.bak.partial")
    target.mkdir()
    (target / "in the way").touch()
    with pytest.raises(LedgerFailed) as caught:
        back_up_ledger(path, now_ns=records.NOON_NS)
    assert "\n" not in str(caught.value)
    assert backups_of(path) == []


def test_backup_of_a_damaged_ledger_is_no_backup(
    filled: SqliteLedger, path: Path, records: Any
) -> None:
    asyncio.run(filled.close())
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xa5" * 64
    path.write_bytes(content)
    with pytest.raises(LedgerFailed):
        back_up_ledger(path, now_ns=records.NOON_NS)
    assert backups_of(path) == []


# ---------------------------------------------------------------- digest


def test_digest_is_of_the_content_not_of_the_file(
    filled: SqliteLedger, path: Path, records: Any
) -> None:
    def of(file: Path) -> str:
        with closing(sqlite3.connect(file)) as connection:
            return digest(connection)

    before = of(path)
    assert of(back_up_ledger(path, now_ns=records.NOON_NS).path) == before
    filled.run(lambda t: t.insert_cash_flow(records.flow(2)))
    assert of(path) != before
