"""The real ledger, both ways it runs its transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pytest

from krakked.adapters.sqlite.ledger import SqliteLedger, open_ledger
from krakked.ports.ledger import Books, Transaction

T = TypeVar("T")


class Subject:
    """A ledger under test; each call is a run of the loop of its own."""

    def __init__(self, path: Path, records: ModuleType, *, threaded: bool) -> None:
        self.path = path
        self._records = records
        self._threaded = threaded
        self.ledger = self._open()

    def _open(self) -> SqliteLedger:
        return open_ledger(
            self.path,
            self._records.IDENTITY,
            clock=self._records.FixedClock(),
            threaded=self._threaded,
        )

    def write(self, work: Callable[[Transaction], T]) -> T:
        return asyncio.run(self.ledger.write(work))

    def books(self) -> Books:
        return self.write(lambda transaction: transaction.books())

    def reopen(self) -> None:
        self.close()
        self.ledger = self._open()

    def close(self) -> None:
        asyncio.run(self.ledger.close())


@pytest.fixture(params=["threaded", "inline"])
def subject(request: pytest.FixtureRequest, tmp_path: Path, records: Any) -> Iterator[Subject]:
    made = Subject(tmp_path / "portfolio.db", records, threaded=request.param == "threaded")
    yield made
    made.close()
