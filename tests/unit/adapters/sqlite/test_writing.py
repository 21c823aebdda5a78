"""The writer under pressure: full disks, cancelled callers, closed ledgers."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from krakked.adapters.sqlite.ledger import SqliteLedger
from krakked.adapters.sqlite.maintenance import check_ledger
from krakked.domain.errors import LedgerFailed
from krakked.ports.ledger import Transaction

Opened = Callable[..., SqliteLedger]


def limit_pages(ledger: SqliteLedger, more: int) -> None:
    """Let the file grow by so many pages; then the disk counts as full."""
    connection = ledger._connection
    assert connection is not None
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + more}")


def test_disk_full_is_named_and_nothing_of_that_transaction_stays(
    opened: Opened, path: Path, records: Any
) -> None:
    ledger = opened()
    ledger.run(lambda t: t.insert_cash_flow(records.flow(1)))
    limit_pages(ledger, 2)

    def work(transaction: Transaction) -> None:
        for number in range(2, 2000):
            transaction.insert_cash_flow(records.flow(number))

    with pytest.raises(LedgerFailed, match="the disk is full; free some space") as caught:
        asyncio.run(ledger.write(work))
    assert caught.value.exit_code == 73
    assert "\n" not in str(caught.value)
    assert ledger.run(lambda t: t.books()).totals == {"USD": Decimal(10000)}
    assert check_ledger(path) == []


def test_ledger_goes_on_when_there_is_room_again(opened: Opened, records: Any) -> None:
    ledger = opened()
    limit_pages(ledger, 0)
    events = [records.event(number, text="x" * 500) for number in range(200)]

    def work(transaction: Transaction) -> int:
        return [transaction.add_event(event) for event in events][-1]

    with pytest.raises(LedgerFailed):
        ledger.run(work)
    limit_pages(ledger, 1000)
    assert ledger.run(work) == 200


def test_ledger_that_cannot_checkpoint_closes_and_loses_nothing(
    opened: Opened, path: Path, records: Any
) -> None:
    ledger = opened()
    asyncio.run(ledger.close())
    ledger = opened()
    ledger.run(lambda t: [t.insert_cash_flow(records.flow(n)) for n in range(300)])
    connection = ledger._connection
    assert connection is not None
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM cash_flows").fetchone()
        connection.execute("PRAGMA busy_timeout = 0")
        asyncio.run(ledger.close())
        reader.execute("ROLLBACK")
    assert opened().run(lambda t: t.books()).totals == {"USD": Decimal(3_000_000)}


@pytest.mark.parametrize("threaded", [True, False])
def test_write_after_closing_is_a_bug(opened: Opened, threaded: bool) -> None:
    ledger = opened(threaded=threaded)
    asyncio.run(ledger.close())
    with pytest.raises(AssertionError, match="is closed"):
        asyncio.run(ledger.write(lambda _: None))
    assert "closed" in repr(ledger)


def test_cancelled_writer_waits_for_the_end_of_its_transaction(opened: Opened) -> None:
    ledger, release = opened(threaded=True), threading.Event()

    async def scene() -> None:
        loop, started = asyncio.get_running_loop(), asyncio.Event()

        def work(transaction: Transaction) -> None:
            transaction.set_cursor("done", "yes")
            loop.call_soon_threadsafe(started.set)
            assert release.wait(10)

        task = asyncio.create_task(ledger.write(work))
        await started.wait()
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        assert not ledger.is_idle
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ledger.is_idle

    asyncio.run(scene())
    assert ledger.run(lambda t: t.books()).cursors == {"done": "yes"}


def test_cancelled_writer_whose_work_fails_is_still_cancelled(opened: Opened) -> None:
    ledger, release = opened(threaded=True), threading.Event()

    async def scene() -> None:
        loop, started = asyncio.get_running_loop(), asyncio.Event()

        def work(_: Transaction) -> None:
            loop.call_soon_threadsafe(started.set)
            assert release.wait(10)
            raise ValueError

        task = asyncio.create_task(ledger.write(work))
        await started.wait()
        task.cancel()
        await asyncio.sleep(0)
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())


def test_waiting_writer_that_is_cancelled_never_begins_or_ends_whole(opened: Opened) -> None:
    ledger, release = opened(threaded=True), threading.Event()
    began: list[str] = []

    async def scene() -> None:
        loop, started = asyncio.get_running_loop(), asyncio.Event()

        def first(_: Transaction) -> None:
            loop.call_soon_threadsafe(started.set)
            assert release.wait(10)

        def second(transaction: Transaction) -> None:
            began.append("second")
            transaction.set_cursor("second", "whole")

        one = asyncio.create_task(ledger.write(first))
        await started.wait()
        two = asyncio.create_task(ledger.write(second))
        await asyncio.sleep(0)
        two.cancel()
        release.set()
        await one
        with pytest.raises(asyncio.CancelledError):
            await two

    asyncio.run(scene())
    done = ledger.run(lambda t: t.books()).cursors
    assert done == ({"second": "whole"} if began else {})


def test_inline_ledger_needs_no_thread(opened: Opened) -> None:
    ledger = opened(threaded=False)
    here = threading.get_ident()
    assert asyncio.run(ledger.write(lambda _: threading.get_ident())) == here


def test_threaded_ledger_always_uses_one_and_the_same_thread(opened: Opened) -> None:
    ledger = opened(threaded=True)
    threads = {asyncio.run(ledger.write(lambda _: threading.get_ident())) for _ in range(5)}
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_backup_of_a_running_ledger_is_made_by_its_writer(
    filled: SqliteLedger, path: Path, records: Any
) -> None:
    copies = [asyncio.run(filled.back_up(keep=2)) for _ in range(3)]
    assert [copy.name for copy in copies] == [
        "portfolio.db.202311142213.bak",
        "portfolio.db.202311142213-2.bak",
        "portfolio.db.202311142213-3.bak",
    ]
    assert [copy.exists() for copy in copies] == [False, True, True]
    assert check_ledger(copies[-1]) == []
