"""Ledgers in a temporary folder, and the records of the ledger's contract tests to fill them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from krakked.adapters.sqlite.ledger import SqliteLedger, open_ledger
from krakked.ports.ledger import Transaction


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "portfolio.db"


@pytest.fixture
def opened(path: Path, records: Any) -> Iterator[Callable[..., SqliteLedger]]:
    """Open ``path``, with what is given replaced; all are closed at the end."""
    ledgers: list[SqliteLedger] = []

    def open_(**changes: Any) -> SqliteLedger:
        arguments = {
            "identity": records.IDENTITY,
            "clock": records.FixedClock(),
            "threaded": False,
            "path": path,
        } | changes
        ledgers.append(open_ledger(arguments.pop("path"), arguments.pop("identity"), **arguments))
        return ledgers[-1]

    yield open_
    for ledger in ledgers:
        asyncio.run(ledger.close())


@pytest.fixture
def filled(opened: Callable[..., SqliteLedger], records: Any) -> SqliteLedger:
    """A ledger with something of everything in it."""
    ledger = opened()
    booker = records.Booker()

    def work(transaction: Transaction) -> None:
        transaction.insert_cash_flow(records.flow())
        transaction.insert_opening_lot(records.lot())
        transaction.insert_plan(records.plan())
        for number in (1, 2):
            transaction.insert_order(records.order(number))
            booker.book(transaction, records.trade(number))
        transaction.save_decision(records.decision(0, last=4))
        transaction.save_decision(records.refusal(5))
        transaction.add_event(records.event(1, pair="XBTUSD"))

    ledger.run(work)
    return ledger


@pytest.fixture
def raw(path: Path) -> Callable[..., list[Any]]:
    """Run SQL on the file behind krakked's back."""

    def run(sql: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            return connection.execute(sql, values).fetchall()

    return run
