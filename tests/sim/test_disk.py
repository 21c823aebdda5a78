"""The disk of a world: what a kill, a power cut, a full or a lost volume leave of a real ledger."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from krakked.adapters.sqlite import connections
from krakked.domain.errors import LedgerFailed
from krakked.ports.ledger import Transaction
from krakked.worlds.disk import DATABASE, Disk, ends_of_transactions
from krakked.worlds.loop import Process

LOG = DATABASE + "-wal"


class Unlucky(Random):
    """Loses all that can be lost."""

    def random(self) -> float:
        return 0.999999


class Middling(Random):
    """Loses about half of it; of one, that one."""

    def random(self) -> float:
        return 0.8


class Lucky(Random):
    """Loses nothing."""

    def random(self) -> float:
        return 0.0


def synchronous(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    """Let writers that are opened from here on flush so."""
    changed = [
        f"PRAGMA synchronous = {level}" if "synchronous" in one else one
        for one in connections._WRITER_PRAGMAS
    ]
    assert any(level in one for one in changed)
    monkeypatch.setattr(connections, "_WRITER_PRAGMAS", tuple(changed))


def volume(shelf: Any, rng: Random) -> None:
    """Another disk on the shelf, by that generator, with a blank ledger."""
    shelf.disk = Disk(shelf.disk.folder.parent / "other", rng)
    shelf.disk.begin()


def cursor(value: str) -> Callable[[Transaction], None]:
    """A change that is easy to find again."""
    return lambda transaction: transaction.set_cursor("place", value)


def write(shelf: Any, ledger: Any, value: str) -> None:
    shelf.lab.run(ledger.write(cursor(value)))


def write_much(shelf: Any, ledger: Any, value: str) -> None:
    """More than a log takes before it is checkpointed."""

    def work(transaction: Transaction) -> None:
        transaction.set_cursor("long", "long" * 1_250_000)
        transaction.set_cursor("place", value)

    shelf.lab.run(ledger.write(work))


def place(shelf: Any) -> str | None:
    """What the next process finds."""
    found = shelf.books().cursors.get("place")
    assert found is None or isinstance(found, str)
    return found


def said_by(database: Path) -> list[str]:
    """Everything in it but when its schema was made and what SQLite reckons of sizes."""
    with closing(sqlite3.connect(database)) as connection:
        pragmas = ("user_version", "application_id", "journal_mode", "page_size")
        headed = [str(connection.execute(f"PRAGMA {name}").fetchone()) for name in pragmas]
        rows = [line for line in connection.iterdump() if not line.startswith("ANALYZE")]
    return headed + [re.sub(r'("migrations" .*),\d+\);$', r"\1", row) for row in rows]


@pytest.mark.parametrize("power_lost", [False, True])
def test_what_was_committed_survives_and_the_old_folder_is_left_behind(
    shelf: Any, power_lost: bool
) -> None:
    ledger = shelf.open()
    for number in range(20):
        write(shelf, ledger, str(number))
    old = shelf.disk.folder
    shelf.disk.survive(power_lost=power_lost)
    assert shelf.disk.folder != old
    assert place(shelf) == "19"


def test_a_power_cut_tears_the_end_of_the_log_and_what_stands_before_it_is_whole(
    shelf: Any,
) -> None:
    write(shelf, shelf.open(), "kept")
    before = (shelf.disk.folder / LOG).read_bytes()
    shelf.disk.survive(power_lost=True)
    after = (shelf.disk.folder / LOG).read_bytes()
    assert after.startswith(before)
    assert len(after) > len(before)
    assert place(shelf) == "kept"


def test_many_power_cuts_in_a_row_lose_nothing_that_was_committed(shelf: Any) -> None:
    for number in range(12):
        write(shelf, shelf.open(), str(number))
        shelf.disk.survive(power_lost=True)
    assert place(shelf) == "11"


def test_what_was_not_committed_is_gone(shelf: Any) -> None:
    ledger = shelf.open()
    write(shelf, ledger, "before")

    def half(transaction: Transaction) -> None:
        transaction.set_cursor("place", "half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        shelf.lab.run(ledger.write(half))
    shelf.disk.survive(power_lost=True)
    assert place(shelf) == "before"


@pytest.mark.parametrize(("before", "kept"), [(True, "2"), (False, "3")])
def test_a_death_at_a_commit_loses_it_or_keeps_it_and_answers_neither_way(
    shelf: Any, process: Process, before: bool, kept: str
) -> None:
    ledger, answered = shelf.open(), []

    async def live() -> None:
        for number in range(1, 6):
            await ledger.write(cursor(str(number)))
            answered.append(number)

    shelf.disk.die_at(3, before=before)
    shelf.lab.start(live(), process)
    shelf.lab.pass_(1.0)
    assert process.is_dead
    assert answered == [1, 2], "nobody heard of the third"
    shelf.disk.survive(power_lost=False)
    assert place(shelf) == kept


def test_a_death_is_counted_from_the_commit_at_which_it_was_asked_for(
    shelf: Any, process: Process
) -> None:
    ledger = shelf.open()
    for number in range(5):
        write(shelf, ledger, str(number))
    shelf.disk.die_at(1, before=True)
    shelf.lab.start(ledger.write(cursor("fatal")), process)
    shelf.lab.pass_(1.0)
    assert process.is_dead
    shelf.disk.survive(power_lost=False)
    assert place(shelf) == "4"


def test_a_full_disk_refuses_keeps_nothing_and_works_again_when_there_is_room(shelf: Any) -> None:
    ledger = shelf.open()
    write(shelf, ledger, "before")
    shelf.disk.is_full = True
    with pytest.raises(LedgerFailed, match="full"):
        write(shelf, ledger, "no room")
    shelf.disk.is_full = False
    assert shelf.lab.run(ledger.write(lambda tx: tx.books().cursors["place"])) == "before"
    write(shelf, ledger, "after")
    shelf.disk.survive(power_lost=False)
    assert place(shelf) == "after"


def test_a_slow_disk_takes_its_time_and_one_transaction_after_another(shelf: Any) -> None:
    ledger = shelf.open()
    shelf.disk.slow_s = 1.5
    ended_us: list[int] = []

    async def one(value: str) -> None:
        await ledger.write(cursor(value))
        ended_us.append(shelf.lab.loop.now_us())

    async def both() -> None:
        await asyncio.gather(one("first"), one("second"))

    shelf.lab.run(both())
    assert ended_us == [1_500_000, 3_000_000]
    shelf.disk.slow_s = 0.0
    shelf.disk.survive(power_lost=False)
    assert place(shelf) in ("first", "second")


def test_a_slow_commit_ends_although_who_waited_for_it_was_cancelled(shelf: Any) -> None:
    """As the real ledger promises: nobody goes on beside a running commit."""
    ledger = shelf.open()
    shelf.disk.slow_s = 2.0

    async def cancelled() -> int:
        task = asyncio.ensure_future(ledger.write(cursor("all the same")))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return int(shelf.lab.loop.now_us())

    assert shelf.lab.run(cancelled()) == 2_000_000
    shelf.disk.slow_s = 0.0
    shelf.disk.survive(power_lost=False)
    assert place(shelf) == "all the same"


def test_a_process_that_dies_in_a_slow_commit_has_not_committed(
    shelf: Any, process: Process
) -> None:
    ledger = shelf.open()
    write(shelf, ledger, "before")
    shelf.disk.slow_s = 2.0
    shelf.lab.start(ledger.write(cursor("too slow")), process)
    shelf.lab.pass_(1.0)
    process.kill()
    shelf.lab.pass_(10.0)
    shelf.disk.slow_s = 0.0
    shelf.disk.survive(power_lost=False)
    assert place(shelf) == "before"


def test_a_lost_volume_is_empty(shelf: Any) -> None:
    write(shelf, shelf.open(), "gone")
    shelf.disk.lose()
    assert list(shelf.disk.folder.iterdir()) == []
    assert place(shelf) is None


def test_what_a_dead_process_still_writes_is_never_seen_again(shelf: Any) -> None:
    old = shelf.open()
    write(shelf, old, "seen")
    shelf.disk.survive(power_lost=False)
    write(shelf, old, "unseen")
    assert place(shelf) == "seen"


def test_a_ledger_of_a_world_is_in_use_by_one_alone_like_any_other(shelf: Any) -> None:
    shelf.open()
    with pytest.raises(LedgerFailed):
        shelf.open()


def test_a_ledger_that_was_put_there_is_the_one_that_an_engine_makes(shelf: Any) -> None:
    made = shelf.open()
    shelf.lab.run(made.close())
    by_engine = said_by(shelf.disk.database)
    shelf.disk.lose()
    shelf.disk.begin()
    assert shelf.disk.database.stat().st_size > 0
    put = shelf.open()
    shelf.lab.run(put.close())
    assert said_by(shelf.disk.database) == by_engine


def test_a_ledger_that_is_there_stays_as_it_is(shelf: Any) -> None:
    shelf.disk.begin()
    write(shelf, shelf.open(), "kept")
    shelf.disk.survive(power_lost=True)
    shelf.disk.begin()
    assert place(shelf) == "kept"


WEAK = pytest.mark.parametrize("level", ["NORMAL", "OFF"])


@pytest.mark.parametrize(
    ("level", "flushes"), [("OFF", False), ("NORMAL", False), ("FULL", True), ("EXTRA", True)]
)
def test_a_ledger_says_by_its_connection_whether_it_flushes(
    shelf: Any, monkeypatch: pytest.MonkeyPatch, level: str, flushes: bool
) -> None:
    synchronous(monkeypatch, level)
    ledger = shelf.open()._ledger
    assert ledger.flushes_commits is flushes
    shelf.lab.run(ledger.close())
    assert ledger.flushes_commits, "its end has taken all of it into the database"


@WEAK
def test_a_power_cut_takes_what_nobody_flushed_and_a_kill_does_not(
    shelf: Any, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    synchronous(monkeypatch, level)
    volume(shelf, Unlucky())
    ledger = shelf.open()
    for number in range(5):
        write(shelf, ledger, str(number))
    shelf.disk.survive(power_lost=False)
    assert place(shelf) == "4"
    shelf.disk.survive(power_lost=True)
    assert place(shelf) is None, "nor did anybody flush it after the kill"


def test_a_power_cut_takes_the_last_transactions_as_many_as_chance_says(
    shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    synchronous(monkeypatch, "NORMAL")
    found: list[str | None] = []
    for seed in range(40):
        shelf.disk = Disk(shelf.disk.folder / "next", Random(seed))
        shelf.disk.begin()
        ledger = shelf.open()
        for number in range(3):
            write(shelf, ledger, str(number))
        shelf.disk.survive(power_lost=True)
        found.append(place(shelf))
    assert {None, "0", "1", "2"} == set(found)
    assert found.count("2") > found.count("0")


def test_a_transaction_is_lost_whole(shelf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    synchronous(monkeypatch, "NORMAL")
    volume(shelf, Lucky())
    ledger = shelf.open()
    write(shelf, ledger, "short")
    write(shelf, ledger, "x" * 100_000)
    log = shelf.disk.folder / LOG
    ends = ends_of_transactions(log)
    assert ends[-1] - ends[-2] > 100_000, "one transaction of many frames"
    assert ends[-1] == log.stat().st_size
    shelf.disk.survive(power_lost=True)
    assert place(shelf) == "x" * 100_000


def test_a_generator_is_not_asked_what_is_lost_where_all_is_flushed(shelf: Any) -> None:
    """So worlds of an engine that flushes are what they were before anything could be lost."""
    volume(shelf, Random("as it was"))
    write(shelf, shelf.open(), "kept")
    before = (shelf.disk.folder / LOG).read_bytes()
    shelf.disk.survive(power_lost=True)
    rng = Random("as it was")
    torn = rng.randbytes(rng.randrange(6_000))
    assert (shelf.disk.folder / LOG).read_bytes() == before + torn


def checkpointed(shelf: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A writer of ten transactions that are in the database, and in the log as well, unflushed."""
    synchronous(monkeypatch, "NORMAL")
    volume(shelf, Middling())
    ledger = shelf.open()
    for number in range(10):
        write(shelf, ledger, str(number))
    ledger._ledger._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    return ledger


def test_what_a_checkpoint_has_taken_stays_and_what_came_after_it_goes(
    shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = checkpointed(shelf, monkeypatch)
    write(shelf, ledger, "after")
    shelf.disk.survive(power_lost=True)
    assert place(shelf) == "9"


def test_a_power_cut_right_after_a_checkpoint_loses_nothing(
    shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpointed(shelf, monkeypatch)
    shelf.disk.survive(power_lost=True)
    assert place(shelf) == "9"


def test_what_was_checkpointed_before_a_kill_stays_after_a_power_cut(
    shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpointed(shelf, monkeypatch)
    shelf.disk.survive(power_lost=False)
    write(shelf, shelf.open(), "after")
    shelf.disk.survive(power_lost=True)
    assert place(shelf) == "9"


def test_a_log_that_begins_anew_is_not_flushed_because_an_older_one_was(
    shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    synchronous(monkeypatch, "NORMAL")
    volume(shelf, Unlucky())
    write_much(shelf, shelf.open(), "much")
    shelf.disk.survive(power_lost=False)
    ledger = shelf.open()
    write_much(shelf, ledger, "checkpointed")
    write(shelf, ledger, "after")
    shelf.disk.survive(power_lost=True)
    assert place(shelf) == "checkpointed"


def test_who_flushes_flushes_what_was_there_before_too(
    shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume(shelf, Unlucky())
    with monkeypatch.context() as weaker:
        synchronous(weaker, "NORMAL")
        write(shelf, shelf.open(), "not flushed")
        shelf.disk.survive(power_lost=False)
    write(shelf, shelf.open(), "flushed")
    shelf.disk.survive(power_lost=True)
    assert place(shelf) == "flushed"


def test_what_one_power_cut_has_left_the_next_one_leaves(
    shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume(shelf, Unlucky())
    write(shelf, shelf.open(), "flushed")
    shelf.disk.survive(power_lost=True)
    synchronous(monkeypatch, "NORMAL")
    shelf.disk.survive(power_lost=True)
    write(shelf, shelf.open(), "not flushed")
    shelf.disk.survive(power_lost=True)
    assert place(shelf) == "flushed"
