"""Migrations: whole or not at all, after a backup, forward only."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from krakked.adapters.sqlite.backups import backups_of
from krakked.adapters.sqlite.ledger import SqliteLedger
from krakked.adapters.sqlite.maintenance import check_ledger, migrate_ledger, schema_version
from krakked.adapters.sqlite.migrations import Migration, shipped, statements
from krakked.adapters.sqlite.queries import open_queries
from krakked.domain.errors import BadInput, LedgerFailed

Opened = Callable[..., SqliteLedger]
Raw = Callable[..., list[Any]]

NEWEST = shipped()[-1].version
NEXT = Migration(
    version=NEWEST + 1,
    name="notes",
    sql="""
    -- what a person wants to remember; with a semicolon; in a comment
    CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
    CREATE TRIGGER notes_stay BEFORE DELETE ON notes
    BEGIN
        SELECT RAISE(ABORT, 'notes; stay');
    END;
    INSERT INTO notes (text) VALUES ('first');
    """,
)
BROKEN = Migration(
    version=NEXT.version,
    name="broken",
    sql="CREATE TABLE half (id INTEGER) STRICT;\nINSERT INTO nowhere VALUES (1);\n",
)


def steps(*more: Migration) -> tuple[Migration, ...]:
    return (*shipped(), *more)


def closed(ledger: SqliteLedger) -> None:
    asyncio.run(ledger.close())


def test_shipped_migrations_are_numbered_from_one_without_a_hole() -> None:
    assert [step.version for step in shipped()] == list(range(1, len(shipped()) + 1))
    assert shipped()[0].name == "ledger"


def test_each_migration_is_recorded_with_its_checksum(opened: Opened, raw: Raw) -> None:
    closed(opened())
    assert raw("SELECT version, name, checksum FROM migrations") == [
        (step.version, step.name, step.checksum) for step in shipped()
    ]


def test_ledger_is_led_on_when_it_is_opened_after_a_backup(
    filled: SqliteLedger, opened: Opened, path: Path, raw: Raw
) -> None:
    before = filled.run(lambda t: t.books())
    closed(filled)
    ledger = opened(steps=steps(NEXT))
    assert ledger.run(lambda t: t.books()) == before
    closed(ledger)
    assert raw("SELECT text FROM notes") == [("first",)]
    assert (
        raw("PRAGMA user_version") == raw("SELECT version FROM schema_version") == [(NEXT.version,)]
    )
    (backup,) = backups_of(path)
    assert backup.name == "portfolio.db.202311142213.bak"
    assert schema_version(backup) == NEWEST


def test_ledger_of_the_first_release_is_led_on_with_all_that_is_in_it(
    opened: Opened, path: Path, raw: Raw
) -> None:
    closed(opened(steps=shipped()[:1]))
    insert_flow_of_before(raw, "USD", "10000")
    ledger = opened()
    assert ledger.run(lambda tx: tx.books()).totals == {"USD": 10_000}
    assert ledger.run(lambda tx: tx.nonce_floors()) == {}
    assert schema_version(path) == NEWEST
    assert [schema_version(backup) for backup in backups_of(path)] == [1]


def insert_flow_of_before(raw: Raw, asset: str, amount: str) -> None:
    """As the first release booked a deposit."""
    raw(
        "INSERT INTO cash_flows (ledger_id, kind, asset, amount, fee, at_ns, value_base)"
        " VALUES ('L00001', 'deposit', ?, ?, '0', 7, '10000')",
        asset,
        amount,
    )
    raw(
        "INSERT INTO postings (asset, amount, source_kind, source_id, part, strategy_id)"
        " VALUES (?, ?, 'cash_flow', 'L00001', 'flow', 'manual')",
        asset,
        amount,
    )
    raw("INSERT INTO totals (asset, amount) VALUES (?, ?)", asset, amount)
    raw("UPDATE engine_state SET net_flows = '10000'")


def test_flow_of_before_stays_past_the_positions_after_leading_on(
    opened: Opened, path: Path, records: Any, raw: Raw
) -> None:
    closed(opened(steps=shipped()[:6]))
    insert_flow_of_before(raw, "XBT", "2")
    ledger = opened()
    assert ledger.run(lambda tx: tx.books()).positions == {}
    assert check_ledger(path) == []
    again = records.flow(1, asset="XBT", pair="XBTUSD")
    assert not ledger.run(lambda tx: tx.insert_cash_flow(again, position=None))
    assert check_ledger(path) == []


def test_positions_of_unknown_cost_are_known_as_such_after_leading_on(
    opened: Opened, path: Path, records: Any, raw: Raw
) -> None:
    before = opened(steps=shipped()[:4])
    closed(before)
    raw(
        "INSERT INTO opening_lots (asset, quantity, cost_base, at_ns, pair) VALUES"
        " ('XBT', '1', NULL, 7, 'XBTUSD'), ('ETH', '1', '2', 7, 'ETHUSD'),"
        " ('SOL', '1', NULL, 7, 'SOLUSD')"
    )
    raw(
        "INSERT INTO positions VALUES ('manual', 'XBTUSD', '1', '0', '0', '0', 7),"
        " ('manual', 'ETHUSD', '1', '2', '0', '0', 7), ('manual', 'SOLUSD', '3', '6', '0', '0', 9),"
        " ('trend', 'XBTUSD', '1', '0', '0', '0', 7)"
    )
    positions = opened().run(lambda tx: tx.books()).positions
    unknown = [str(sleeve) for sleeve, held in positions.items() if held.has_unknown_cost]
    assert unknown == ["manual/XBTUSD"]


def test_new_ledger_is_not_backed_up_first(opened: Opened, path: Path) -> None:
    opened(steps=steps(NEXT))
    assert backups_of(path) == []


def test_opening_a_current_ledger_makes_no_backup(
    filled: SqliteLedger, opened: Opened, path: Path
) -> None:
    closed(filled)
    opened()
    assert backups_of(path) == []


def test_failing_migration_leaves_the_ledger_as_it_was(
    filled: SqliteLedger, opened: Opened, path: Path, raw: Raw
) -> None:
    before = filled.run(lambda t: t.books())
    closed(filled)
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        opened(steps=steps(BROKEN))
    assert raw("SELECT name FROM sqlite_schema WHERE name = 'half'") == []
    assert opened().run(lambda t: t.books()) == before


def test_older_krakked_refuses_a_ledger_that_was_led_on(opened: Opened) -> None:
    closed(opened(steps=steps(NEXT)))
    with pytest.raises(BadInput, match=f"schema {NEXT.version} is newer than this krakked knows"):
        opened()


def test_reader_of_an_older_schema_says_how_to_lead_it_on(opened: Opened, path: Path) -> None:
    closed(opened())
    with pytest.raises(BadInput, match="migrate-db") as caught:
        open_queries(path, steps=steps(NEXT))
    assert caught.value.exit_code == 78


def test_migrate_verb_leads_on_once_and_says_from_where_to_where(
    filled: SqliteLedger, path: Path, records: Any
) -> None:
    closed(filled)
    first = migrate_ledger(path, now_ns=records.NOON_NS, steps=steps(NEXT))
    again = migrate_ledger(path, now_ns=records.NOON_NS, steps=steps(NEXT))
    assert (first.before, first.after) == (NEWEST, NEXT.version)
    assert first.backup in backups_of(path)
    assert (again.before, again.after, again.backup) == (NEXT.version, NEXT.version, None)


def test_migrate_verb_refuses_a_ledger_in_use(filled: SqliteLedger, path: Path) -> None:
    with pytest.raises(LedgerFailed, match="in use"):
        migrate_ledger(path, now_ns=0)


def test_migrate_verb_makes_no_ledger_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(LedgerFailed, match="no such file"):
        migrate_ledger(tmp_path / "none.db", now_ns=0)
    assert list(tmp_path.iterdir()) == []


def test_script_is_split_where_statements_end_not_where_semicolons_are() -> None:
    found = [" ".join(statement.split()) for statement in statements(NEXT.sql)]
    assert len(found) == 3
    assert found[1].endswith("SELECT RAISE(ABORT, 'notes; stay'); END;")


def test_script_that_ends_in_the_middle_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="unfinished"):
        list(statements("CREATE TABLE a (b INTEGER);\nCREATE TABLE c (\n"))
