"""A writer killed in the middle of its writes: what it was told is durable is there, whole."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from krakked.adapters.sqlite.ledger import SqliteLedger
from krakked.adapters.sqlite.maintenance import check_ledger
from krakked.domain.ids import Asset

WRITER = """
import asyncio, importlib.util, sys
from pathlib import Path
from krakked.adapters.sqlite.ledger import open_ledger

spec = importlib.util.spec_from_file_location("records", sys.argv[2])
records = importlib.util.module_from_spec(spec)
sys.modules["records"] = records
spec.loader.exec_module(records)

async def main():
    ledger = open_ledger(
        Path(sys.argv[1]), records.IDENTITY, clock=records.FixedClock(), threaded=True
    )
    booker = records.Booker()
    await ledger.write(lambda t: t.insert_plan(records.plan()))
    for number in range(1, 100_000):
        def work(transaction):
            transaction.insert_order(records.order(number))
            booker.book(transaction, records.trade(number))
            transaction.set_cursor("trades", str(number))
        await ledger.write(work)
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("writes", [1, 7, 40])
def test_killed_writer_loses_nothing_it_was_told_is_durable(
    path: Path, opened: Callable[..., SqliteLedger], records: Any, writes: int
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), records.__file__],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    told = 0
    while told < writes:
        told = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    told = max([told, *map(int, child.stdout.read().split())])
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL

    books = opened().run(lambda t: t.books())
    written = int(books.cursors["trades"])
    assert told <= written <= told + 1
    assert len(books.live_orders) == written
    assert books.totals[Asset("XBT")] == records.trade().quantity_base * written
    assert check_ledger(path) == []
