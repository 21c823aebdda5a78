"""The books cannot be rewritten, and the projections are proved against them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from krakked.adapters.sqlite.connections import DecimalSum
from krakked.adapters.sqlite.ledger import SqliteLedger
from krakked.adapters.sqlite.maintenance import check_ledger
from krakked.domain.ids import Asset

Raw = Callable[..., list[Any]]


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("fills", "UPDATE fills SET price = '1'"),
        ("fills", "DELETE FROM fills"),
        ("cash_flows", "UPDATE cash_flows SET amount = '1'"),
        ("cash_flows", "DELETE FROM cash_flows"),
        ("opening_lots", "UPDATE opening_lots SET quantity = '1'"),
        ("opening_lots", "DELETE FROM opening_lots"),
        ("postings", "UPDATE postings SET amount = '1'"),
        ("postings", "DELETE FROM postings"),
    ],
)
def test_books_refuse_to_be_changed_even_by_hand(
    filled: SqliteLedger, path: Path, raw: Raw, table: str, change: str
) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=f"{table} are append-only"):
        raw(change)
    assert check_ledger(path) == []


def test_plans_refuse_to_be_changed(filled: SqliteLedger, raw: Raw) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="plans are immutable"):
        raw("UPDATE plans SET cause = 'other'")


def test_every_table_is_strict(filled: SqliteLedger, raw: Raw) -> None:
    tables = raw("SELECT name, strict FROM pragma_table_list WHERE type = 'table'")
    assert {name for name, strict in tables if not strict} <= {
        "sqlite_schema",
        "sqlite_sequence",
        "sqlite_temp_schema",
        "sqlite_stat1",
        "sqlite_stat4",
    }


def test_no_column_holds_floats(filled: SqliteLedger, raw: Raw) -> None:
    kinds = raw(
        "SELECT DISTINCT c.type FROM pragma_table_list t, pragma_table_info(t.name) c"
        " WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'"
    )
    assert {kind for (kind,) in kinds} == {"TEXT", "INTEGER"}


@pytest.mark.parametrize("amount", ["1E+3", "NaN", "1,5", " 1"])
def test_amounts_that_are_not_plain_decimals_are_refused_by_the_schema(
    filled: SqliteLedger, raw: Raw, amount: str
) -> None:
    sql = (
        "INSERT INTO postings (asset, amount, source_kind, source_id, part, strategy_id)"
        " VALUES ('USD', ?, 'fill', 'T9', 'base', 'trend')"
    )
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        raw(sql, amount)


def test_exact_sum_is_an_aggregate(filled: SqliteLedger) -> None:
    total = DecimalSum()
    for amount in ("0.1", "0.2", None, "-0.3", "1000000000000000.000000000000000001"):
        total.step(amount)
    assert total.finalize() == "1000000000000000.000000000000000001"


def test_sound_ledger_has_no_faults(filled: SqliteLedger, path: Path) -> None:
    assert check_ledger(path) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            "UPDATE positions SET quantity_base = '0.03'",
            "position trend/XBTUSD: ours 0.03 for 740.00200, realized -1.92400, fees 1.92400,"
            " theirs 0.02000000 for 740.00200, realized -1.92400, fees 1.92400",
        ),
        ("DELETE FROM positions", "position trend/XBTUSD: ours 0 for 0, realized 0, fees 0"),
        ("UPDATE totals SET amount = '1' WHERE asset = 'USD'", "total USD: ours 1, theirs 9258.0"),
        ("DELETE FROM totals WHERE asset = 'XBT'", "total XBT: ours 0, theirs 1.52000000"),
        ("UPDATE engine_state SET net_flows = '5'", "net_flows all: ours 5, theirs 55000.0000"),
    ],
)
def test_projection_changed_by_hand_is_found(
    filled: SqliteLedger, path: Path, raw: Raw, change: str, fault: str
) -> None:
    raw(change)
    (found,) = check_ledger(path)
    assert found.startswith(fault)


def without_triggers(raw: Raw, table: str) -> None:
    for (name,) in raw("SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
        if name.startswith(table):
            raw(f"DROP TRIGGER {name}")


@pytest.mark.parametrize(
    ("table", "change", "subjects"),
    [
        ("fills", "UPDATE fills SET realized_quote = '9' WHERE trade_id = 'T00001'", ["realized"]),
        (
            "fills",
            "DELETE FROM fills WHERE trade_id = 'T00002'",
            ["position", "posting", "posting", "posting"],
        ),
        ("postings", "UPDATE postings SET amount = '7' WHERE part = 'lot'", ["posting", "total"]),
        ("postings", "DELETE FROM postings WHERE part = 'flow'", ["posting", "total"]),
        ("cash_flows", "UPDATE cash_flows SET value_base = '1'", ["net_flows"]),
    ],
)
def test_books_changed_by_hand_are_found(
    filled: SqliteLedger, path: Path, raw: Raw, table: str, change: str, subjects: list[str]
) -> None:
    without_triggers(raw, table)
    raw(change)
    assert [fault.split()[0] for fault in check_ledger(path)] == subjects


def test_order_without_its_plan_is_found(filled: SqliteLedger, path: Path, raw: Raw) -> None:
    raw("DELETE FROM plans")
    assert check_ledger(path) == [
        f"orders row {n}: refers to a missing row of plans" for n in (1, 2)
    ]


def test_totals_stay_exact_over_many_bookings(filled: SqliteLedger, records: Any) -> None:
    some = [
        records.flow(number, amount=Decimal("0.1"), value_base=Decimal("0.1"))
        for number in range(100, 400)
    ]
    filled.run(lambda t: [t.insert_cash_flow(one) for one in some])
    books = filled.run(lambda t: t.books())
    assert books.totals[Asset("USD")] == Decimal("9288.074")
    assert books.net_flows == Decimal(55030)
