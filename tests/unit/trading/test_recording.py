"""A change and its events are stored together, and heard of only then."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from krakked.adapters.sqlite.ledger import SqliteLedger, open_ledger
from krakked.adapters.system.clock import SystemClock
from krakked.domain.events import Event, EventName
from krakked.domain.ids import AccountFingerprint, Asset
from krakked.ports.ledger import Identity, Transaction
from krakked.trading.recording import Recorder


class Stopped(Exception):
    """Work that fails half way."""


@pytest.fixture
def ledger(tmp_path: Path, fingerprint: AccountFingerprint) -> Iterator[SqliteLedger]:
    identity = Identity(
        environment="dev", venue="simulator", account=fingerprint, base_currency=Asset("USD")
    )
    opened = open_ledger(tmp_path / "l.db", identity, clock=SystemClock(), threaded=False)
    yield opened
    asyncio.run(opened.close())


def cursor(ledger: SqliteLedger) -> str | None:
    return ledger.run(lambda tx: tx.books()).cursors.get("c")


def test_commit_stores_then_tells_events_with_their_sequence(ledger: SqliteLedger) -> None:
    heard: list[tuple[Event, str | None]] = []
    recorder = Recorder(
        ledger, SystemClock(), [lambda event: heard.append((event, cursor(ledger)))]
    )
    event = recorder.event(EventName.NOTICE, n=1)
    asyncio.run(recorder.commit(lambda tx: tx.set_cursor("c", "7"), event))
    ((told, stored_then),) = heard
    assert told.sequence > 0
    assert told.fields == {"n": 1}
    assert stored_then == "7"


def test_commit_returns_what_the_work_returns(ledger: SqliteLedger) -> None:
    recorder = Recorder(ledger, SystemClock(), [])
    assert asyncio.run(recorder.commit(lambda tx: tx.books().halted)) is False


def test_work_that_fails_stores_nothing_and_tells_nobody(ledger: SqliteLedger) -> None:
    heard: list[Event] = []
    recorder = Recorder(ledger, SystemClock(), [heard.append])

    def half_way(tx: Transaction) -> None:
        tx.set_cursor("c", "7")
        raise Stopped

    with pytest.raises(Stopped):
        asyncio.run(recorder.commit(half_way, recorder.event(EventName.NOTICE)))
    assert heard == []
    assert cursor(ledger) is None


def test_events_alone_are_recorded_in_order(ledger: SqliteLedger) -> None:
    heard: list[Event] = []
    recorder = Recorder(ledger, SystemClock(), [heard.append])
    asyncio.run(
        recorder.record(recorder.event(EventName.HALTED), recorder.event(EventName.RESUMED))
    )
    assert [event.name for event in heard] == [EventName.HALTED, EventName.RESUMED]
    assert heard[0].sequence < heard[1].sequence


def test_published_events_need_no_record(ledger: SqliteLedger) -> None:
    heard: list[Event] = []
    recorder = Recorder(ledger, SystemClock(), [heard.append, heard.append])
    recorder.publish(recorder.event(EventName.NOTICE))
    assert [event.sequence for event in heard] == [0, 0]


def test_ledger_whose_last_transaction_failed_is_not_alive_before_one_succeeds(
    ledger: SqliteLedger,
) -> None:
    recorder = Recorder(ledger, SystemClock(), [])

    def fail(_: Transaction) -> None:
        raise Stopped

    assert recorder.is_alive(0, 1)
    with pytest.raises(Stopped):
        asyncio.run(recorder.commit(fail))
    assert not recorder.is_alive(0, 1)
    asyncio.run(recorder.record())
    assert recorder.is_alive(0, 1)


def test_ledger_is_alive_while_a_transaction_is_under_way_but_not_for_long(
    ledger: SqliteLedger,
) -> None:
    clock = SystemClock()
    recorder = Recorder(ledger, clock, [])
    seen: list[bool] = []

    def look(_: Transaction) -> None:
        now_ns = clock.now_ns()
        seen.append(recorder.is_alive(now_ns, 10 * 10**9))
        seen.append(recorder.is_alive(now_ns + 11 * 10**9, 10 * 10**9))

    asyncio.run(recorder.commit(look))
    assert seen == [True, False]
