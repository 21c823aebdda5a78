"""Readers of a ledger: read-only connections that never checkpoint and never hold up the writer.

:class:`SqliteQueries` is for verbs and threads, :class:`AsyncQueries` for services with a loop.
Each question sees whole transactions; several questions see the same moment inside
:meth:`SqliteQueries.moment`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import aiosqlite

from krakked.adapters.sqlite import migrations, questions, state_rows
from krakked.adapters.sqlite.connections import (
    READER_PRAGMAS,
    open_reader,
    reader_uri,
    require_file,
    translated,
)
from krakked.adapters.sqlite.digest import digest
from krakked.adapters.sqlite.identities import stored_identity
from krakked.adapters.sqlite.migrations import Migration
from krakked.adapters.sqlite.projections import check_projections
from krakked.adapters.sqlite.questions import LIMIT_DEFAULT, Extent, OrderChange, Question
from krakked.domain.decisions import DecisionRecord, ExitRecord
from krakked.domain.errors import BadInput
from krakked.domain.events import Event
from krakked.domain.fills import CashFlow, Fill
from krakked.domain.ids import ClientOrderId, PlanId, VenueOrderId
from krakked.domain.orders import Order
from krakked.domain.plans import ExecutionPlan
from krakked.domain.portfolio import Difference, Snapshot
from krakked.domain.positions import Sleeve
from krakked.ports.ledger import Books, Identity

A = TypeVar("A")


def open_queries(path: Path, *, steps: Sequence[Migration] = ()) -> SqliteQueries:
    """Read the ledger at ``path``; ``steps`` are other migrations than those shipped.

    Raises:
        LedgerFailed: no such file, unreadable or damaged (73).
        BadInput: another program's file, or another schema than this krakked reads (78).
    """
    connection = open_reader(path)
    try:
        with translated(path):
            _check_readable(connection, path, steps or migrations.shipped())
    except BaseException:
        connection.close()
        raise
    return SqliteQueries(connection, path)


def _check_readable(connection: sqlite3.Connection, path: Path, known: Sequence[Migration]) -> None:
    migrations.check_compatible(connection, path, known)
    version = migrations.stored_version(connection)
    if version != known[-1].version:
        raise BadInput(
            f"ledger {path}: schema {version or 0} is older than this krakked reads"
            f" ({known[-1].version}); `krakked migrate-db` leads it on, after a backup"
        )


class SqliteQueries:
    """Implements ``krakked.ports.ledger.LedgerQueries``; made by :func:`open_queries`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def all(self, question: Question[A]) -> list[A]:
        """Every answer."""
        with translated(self.path):
            rows = self._connection.execute(question.sql, question.values).fetchall()
        return [question.read(row) for row in rows]

    def first(self, question: Question[A]) -> A | None:
        """The first answer, if any."""
        with translated(self.path):
            row = self._connection.execute(question.sql, question.values).fetchone()
        return None if row is None else question.read(row)

    @contextmanager
    def moment(self) -> Iterator[None]:
        """Everything asked inside sees one and the same state of the ledger."""
        with translated(self.path):
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    def digest(self) -> str:
        """What happened, in one line that two equal runs share (``adapters/sqlite/digest.py``)."""
        return digest(self._connection)

    def projection_differences(self) -> list[Difference]:
        """Where what is kept for quick reading does not follow from the books."""
        with self.moment():
            return check_projections(self._connection.execute)

    def cursor(self, name: str) -> str | None:
        """What is kept under that name; None if nothing is."""
        with translated(self.path):
            row = self._connection.execute(
                "SELECT value FROM cursors WHERE name = ?", (name,)
            ).fetchone()
        return None if row is None else str(row[0])

    def books(self) -> Books:
        """What an engine would go on with, at one moment."""
        with self.moment():
            return state_rows.books(self._connection.execute)

    def identity(self) -> Identity | None:
        """What the ledger belongs to."""
        with translated(self.path):
            return stored_identity(self._connection)

    def sleeves(self) -> Sequence[Sleeve]:
        """Every strategy and pair that anything is on record of."""
        return self.all(questions.sleeves())

    def orders(
        self,
        *,
        status: Collection[str] = (),
        pair: str | None = None,
        plan_id: PlanId | None = None,
        limit: int = LIMIT_DEFAULT,
    ) -> Sequence[Order]:
        """Newest first."""
        asked = questions.orders(status=status, pair=pair, plan_id=plan_id, limit=limit)
        return self.all(asked)

    def order(self, order_id: ClientOrderId | VenueOrderId) -> Order | None:
        """By client or venue id."""
        return self.first(questions.order(order_id))

    def order_history(self, client_order_id: ClientOrderId) -> Sequence[OrderChange]:
        """Oldest first."""
        return self.all(questions.order_history(client_order_id))

    def fills(
        self,
        *,
        pair: str | None = None,
        client_order_id: ClientOrderId | None = None,
        limit: int = LIMIT_DEFAULT,
    ) -> Sequence[Fill]:
        """Newest first."""
        asked = questions.fills(pair=pair, client_order_id=client_order_id, limit=limit)
        return self.all(asked)

    def fills_after(self, sequence: int) -> Sequence[Fill]:
        """All that were booked after that one, newest first."""
        return self.all(questions.fills_after(sequence))

    def extent(self) -> Extent:
        """How much is on record by now."""
        (found,) = self.all(questions.extent())
        return found

    def cash_flows(self, *, limit: int = LIMIT_DEFAULT) -> Sequence[CashFlow]:
        """Newest first."""
        return self.all(questions.cash_flows(limit=limit))

    def plan(self, plan_id: PlanId) -> ExecutionPlan | None:
        """By id."""
        return self.first(questions.plan(plan_id))

    def plans(self, *, limit: int = LIMIT_DEFAULT) -> Sequence[ExecutionPlan]:
        """Newest first."""
        return self.all(questions.plans(limit=limit))

    def decisions(
        self,
        *,
        sleeve: Sleeve | None = None,
        plan_id: PlanId | None = None,
        limit: int = LIMIT_DEFAULT,
    ) -> Sequence[DecisionRecord]:
        """Newest first."""
        return self.all(questions.decisions(sleeve=sleeve, plan_id=plan_id, limit=limit))

    def exits(
        self,
        *,
        sleeve: Sleeve | None = None,
        plan_id: PlanId | None = None,
        limit: int = LIMIT_DEFAULT,
    ) -> Sequence[ExitRecord]:
        """Newest first."""
        return self.all(questions.exits(sleeve=sleeve, plan_id=plan_id, limit=limit))

    def decision_at(
        self, sleeve: Sleeve, timeframe: str, bar_start_s: int
    ) -> DecisionRecord | None:
        """The verdict on that bar, from whichever run covers it."""
        run = self.first(questions.decision_at(sleeve, timeframe, bar_start_s))
        return run if run is not None and bar_start_s <= run.last_bar_start_s else None

    def snapshots(self, *, limit: int = LIMIT_DEFAULT) -> Sequence[Snapshot]:
        """Newest first."""
        return self.all(questions.snapshots(limit=limit))

    def events_after(self, sequence: int, *, limit: int = LIMIT_DEFAULT) -> Sequence[Event]:
        """The outbox from there on, oldest first."""
        return self.all(questions.events_after(sequence, limit=limit))


class AsyncQueries:
    """The same questions for a service with an event loop; made by :func:`open_async_queries`."""

    def __init__(self, connection: aiosqlite.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection

    async def close(self) -> None:
        """Give the connection back."""
        await self._connection.close()

    async def all(self, question: Question[A]) -> list[A]:
        """Every answer."""
        with translated(self.path):
            rows = await self._connection.execute_fetchall(question.sql, question.values)
        return [question.read(row) for row in rows]

    async def first(self, question: Question[A]) -> A | None:
        """The first answer, if any."""
        found = await self.all(question)
        return found[0] if found else None


async def open_async_queries(path: Path) -> AsyncQueries:
    """Read the ledger at ``path`` from a loop.

    Raises:
        LedgerFailed: no such file, unreadable or damaged (73).
        BadInput: another program's file, or another schema than this krakked reads (78).
    """
    require_file(path)
    connection = await aiosqlite.connect(reader_uri(path), uri=True, isolation_level=None)
    try:
        with translated(path):
            await _prepare(connection, path)
    except BaseException:
        await connection.close()
        raise
    return AsyncQueries(connection, path)


async def _prepare(connection: aiosqlite.Connection, path: Path) -> None:
    connection.row_factory = sqlite3.Row
    for pragma in READER_PRAGMAS:
        await connection.execute_fetchall(pragma)
    open_queries(path).close()
