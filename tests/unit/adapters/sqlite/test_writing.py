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


# ---------------------------------------------------------------- watched from outside


def test_each_transaction_is_told_with_its_time(opened: Opened, records: Any) -> None:
    told: list[tuple[float, bool]] = []
    ledger = opened(observe=lambda seconds, *, failed: told.append((seconds, failed)))
    ledger.run(lambda t: t.insert_cash_flow(records.flow()))
    asyncio.run(ledger.write(lambda t: t.books()))
    assert [failed for _, failed in told] == [False, False]
    assert all(0 < seconds < 5 for seconds, _ in told)


def test_transaction_that_the_disk_refuses_is_told_as_failed(opened: Opened, records: Any) -> None:
    told: list[bool] = []
    ledger = opened(observe=lambda _, *, failed: told.append(failed))
    limit_pages(ledger, 0)
    events = [records.event(number, text="x" * 500) for number in range(200)]
    with pytest.raises(LedgerFailed):
        ledger.run(lambda t: [t.add_event(event) for event in events])
    assert told == [True]


def test_work_that_changes_its_mind_is_no_failure_of_the_ledger(opened: Opened) -> None:
    told: list[bool] = []
    ledger = opened(observe=lambda _, *, failed: told.append(failed))

    def work(_: Transaction) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        ledger.run(work)
    assert told == [False]


def test_size_of_the_log_grows_with_what_is_written(opened: Opened, records: Any) -> None:
    ledger = opened()
    before = ledger.wal_bytes
    ledger.run(lambda t: t.insert_cash_flow(records.flow()))
    assert ledger.wal_bytes > before
    asyncio.run(ledger.close())
    assert ledger.wal_bytes == 0


def test_writer_that_works_has_no_problem(opened: Opened, records: Any) -> None:
    ledger = opened(threaded=True)
    assert ledger.writer_problem(stuck_after_s=0) is None
    asyncio.run(ledger.write(lambda t: t.insert_cash_flow(records.flow())))
    assert ledger.writer_problem(stuck_after_s=0) is None
    asyncio.run(ledger.close())
    assert ledger.writer_problem(stuck_after_s=0) is None


def test_writer_that_is_stuck_is_noticed_from_another_thread_until_it_goes_on(
    opened: Opened,
) -> None:
    ledger = opened(threaded=True)
    entered, release = threading.Event(), threading.Event()

    def work(_: Transaction) -> None:
        entered.set()
        assert release.wait(10)

    prober = threading.Thread(target=lambda: asyncio.run(ledger.write(work)))
    prober.start()
    assert entered.wait(10)
    assert ledger.writer_problem(stuck_after_s=60) is None
    problem = ledger.writer_problem(stuck_after_s=0)
    release.set()
    prober.join(10)
    assert problem == "the ledger has not ended a transaction for 0 s"
    assert ledger.writer_problem(stuck_after_s=0) is None


def test_writer_whose_thread_is_gone_is_noticed(opened: Opened) -> None:
    ledger = opened(threaded=True)
    asyncio.run(ledger.write(lambda t: t.books()))
    assert ledger._thread is not None
    ledger._thread.shutdown()
    assert ledger.writer_problem() == "the thread that writes the ledger is dead"
    ledger._thread = None  # so that it can be closed
