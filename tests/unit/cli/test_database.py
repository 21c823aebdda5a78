"""The database verbs of the user's document: their output, and exit codes for automation."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result

from krakked.adapters.sqlite.migrations import shipped
from krakked.runtime.exit_codes import ExitCode

Krakked = Callable[..., Result]
NEWEST = shipped()[-1].version


def damage(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql)


def test_info_tells_path_version_owner_and_rows(krakked: Krakked, ledger: Path) -> None:
    result = krakked("db-info")
    assert result.exit_code == 0
    lines = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    values = {name: value.strip() for name, value in lines.items()}
    assert values["path"] == str(ledger)
    assert values["schema version"] == f"{NEWEST} (this krakked: {NEWEST})"
    assert values["belongs to"] == "dev, simulator, aabbccdd"
    assert (values["rows in fills"], values["rows in orders"]) == ("2", "2")


def test_info_in_json_is_for_automation(krakked: Krakked, ledger: Path) -> None:
    info = json.loads(krakked("db-info", "--json").stdout)
    assert (info["schema_version"], info["rows"]["fills"]) == (NEWEST, 2)


def test_info_of_a_stranger_says_unknown(krakked: Krakked, folder: Path) -> None:
    damage(folder / "portfolio.db", "CREATE TABLE something (x)")
    result = krakked("db-info")
    assert result.exit_code == 0
    assert re.search(r"krakked's +no", result.stdout)
    assert re.search(r"schema version +unknown", result.stdout)


def test_check_of_a_sound_database_is_ok(krakked: Krakked, ledger: Path) -> None:
    result = krakked("db-check")
    assert (result.exit_code, result.stdout) == (0, "ok\n")
    assert json.loads(krakked("db-check", "--json").stdout) == {"ok": True, "faults": []}


def test_check_finds_books_that_do_not_follow_from_fills(krakked: Krakked, ledger: Path) -> None:
    damage(ledger, "UPDATE totals SET amount = '1' WHERE asset = 'USD'")
    result = krakked("db-check")
    assert result.exit_code == ExitCode.FINDINGS
    assert "USD" in result.stdout
    assert json.loads(krakked("db-check", "--json").stdout)["ok"] is False


def test_check_of_a_newer_schema_is_refused(krakked: Krakked, ledger: Path) -> None:
    damage(ledger, "UPDATE schema_version SET version = 99")
    result = krakked("db-check")
    assert result.exit_code == ExitCode.CONFIGURATION
    assert len(result.stderr.splitlines()) == 1


def test_backup_is_a_timestamped_sibling(krakked: Krakked, ledger: Path) -> None:
    result = krakked("db-backup")
    assert result.exit_code == 0
    (copy,) = ledger.parent.glob("*.bak")
    assert re.fullmatch(r"portfolio\.db\.\d{12}\.bak", copy.name)
    assert copy.name in result.stdout
    assert krakked("db-check", "--db-path", str(copy)).stdout == "ok\n"


def test_backup_keeps_the_newest_alone(krakked: Krakked, ledger: Path) -> None:
    for stamp in ("202301010000", "202401010000", "202501010000"):
        ledger.with_name(f"portfolio.db.{stamp}.bak").write_text("old")
    answer = json.loads(krakked("db-backup", "--keep", "2", "--json").stdout)
    assert [Path(path).name for path in sorted(answer["pruned"])] == [
        "portfolio.db.202301010000.bak",
        "portfolio.db.202401010000.bak",
    ]
    assert len(list(ledger.parent.glob("*.bak"))) == 2


@pytest.mark.parametrize("keep", ["0", "-1", "x"])
def test_backup_that_would_keep_nothing_is_wrong_use(
    krakked: Krakked, ledger: Path, keep: str
) -> None:
    assert krakked("db-backup", "--keep", keep).exit_code == ExitCode.USAGE


def test_migration_of_a_current_database_does_nothing(krakked: Krakked, ledger: Path) -> None:
    assert krakked("migrate-db").stdout == f"schema version {NEWEST}: nothing to do\n"
    answer = json.loads(krakked("migrate-db", "--json").stdout)
    assert answer == {"before": NEWEST, "after": NEWEST, "backup": None}


def test_migration_of_a_newer_schema_is_refused(krakked: Krakked, ledger: Path) -> None:
    damage(ledger, "UPDATE schema_version SET version = 99")
    assert krakked("migrate-db").exit_code == ExitCode.CONFIGURATION


def test_version_is_a_number_or_unknown_with_exit_code_0(krakked: Krakked, ledger: Path) -> None:
    assert krakked("db-schema-version").stdout == f"{NEWEST}\n"
    damage(ledger, "DELETE FROM schema_version")
    result = krakked("db-schema-version")
    assert (result.exit_code, result.stdout) == (0, "unknown\n")
