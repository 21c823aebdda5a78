"""What may go from a ledger goes, oldest first; what the books rest on stays to the last row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from krakked.adapters.sqlite.ledger import SqliteLedger
from krakked.adapters.sqlite.queries import open_queries
from krakked.domain.portfolio import Snapshot
from krakked.domain.times import DAY_S, NS_PER_SECOND
from krakked.trading.retention import Pruned, Retention

Opened = Callable[..., SqliteLedger]
DAY_NS = DAY_S * NS_PER_SECOND
HOUR_S = 3_600
HOUR_NS = HOUR_S * NS_PER_SECOND
MANY = 10_000


def snapshot(at_ns: int) -> Snapshot:
    return Snapshot(
        at_ns=at_ns,
        equity=Decimal(10_000),
        cash=Decimal(10_000),
        realized=Decimal(0),
        unrealized=Decimal(0),
        fees=Decimal(0),
        net_flows=Decimal(0),
    )


@pytest.fixture
def hourly(opened: Opened) -> SqliteLedger:
    """Three days with a snapshot on each hour."""
    ledger = opened()

    def work(tx: Any) -> None:
        for hour in range(72):
            tx.insert_snapshot(snapshot(1_000 * DAY_NS + hour * HOUR_NS))

    ledger.run(work)
    return ledger


def hours(raw: Any) -> list[tuple[int, int]]:
    """Day and hour of each snapshot that is there."""
    rows = raw("SELECT at_ns FROM snapshots ORDER BY at_ns")
    return [(at // DAY_NS - 1_000, at % DAY_NS // HOUR_NS) for (at,) in rows]


def test_old_days_keep_their_last_snapshot_and_young_days_all(
    hourly: SqliteLedger, raw: Any
) -> None:
    gone = hourly.run(lambda tx: tx.thin_snapshots(before_ns=1_002 * DAY_NS, limit=MANY))
    assert gone == 46
    assert hours(raw) == [(0, 23), (1, 23), *((2, hour) for hour in range(24))]
    again = hourly.run(lambda tx: tx.thin_snapshots(before_ns=1_002 * DAY_NS, limit=MANY))
    assert again == 0


def test_thinning_takes_no_more_than_it_may_and_the_oldest_first(
    hourly: SqliteLedger, raw: Any
) -> None:
    gone = hourly.run(lambda tx: tx.thin_snapshots(before_ns=1_002 * DAY_NS, limit=5))
    assert gone == 5
    assert hours(raw)[0] == (0, 5)
    assert len(hours(raw)) == 67


def test_last_snapshot_of_all_stays_however_old(opened: Opened, raw: Any) -> None:
    ledger = opened()
    ledger.run(lambda tx: tx.insert_snapshot(snapshot(5 * DAY_NS)))
    assert ledger.run(lambda tx: tx.thin_snapshots(before_ns=DAY_NS * 9_000, limit=MANY)) == 0


def test_old_verdicts_go_but_for_those_with_a_plan_and_the_newest_of_a_sleeve(
    opened: Opened, raw: Any, records: Any
) -> None:
    ledger = opened()

    def work(tx: Any) -> None:
        tx.insert_plan(records.plan())
        tx.save_decision(records.decision(0, last=4))
        tx.save_decision(records.decision(5, plan_id=records.PLAN))
        tx.save_decision(records.decision(6))
        tx.save_decision(records.decision(7, last=9))

    ledger.run(work)
    far_ns = records.NOON_NS + 1_000 * DAY_NS
    newest = ledger.run(lambda tx: tx.books()).runs
    assert ledger.run(lambda tx: tx.prune_decisions(before_ns=far_ns, limit=1)) == 1
    assert ledger.run(lambda tx: tx.prune_decisions(before_ns=far_ns, limit=MANY)) == 1
    assert ledger.run(lambda tx: tx.prune_decisions(before_ns=far_ns, limit=MANY)) == 0
    (planned, last) = raw("SELECT plan_id, count FROM decisions ORDER BY first_bar_start_s")
    assert (planned[0], last[0]) == (records.PLAN, None)
    assert ledger.run(lambda tx: tx.books()).runs == newest


def test_young_verdicts_stay(opened: Opened, records: Any) -> None:
    ledger = opened()

    def work(tx: Any) -> None:
        tx.save_decision(records.decision(0, last=4))
        tx.save_decision(records.refusal(5))

    ledger.run(work)
    first_s = records.decision(0).bar.start_s
    inside_ns = (first_s + 2 * HOUR_S) * NS_PER_SECOND
    assert ledger.run(lambda tx: tx.prune_decisions(before_ns=inside_ns, limit=MANY)) == 0


def test_old_events_go_and_young_ones_and_the_newest_stay(
    opened: Opened, raw: Any, records: Any
) -> None:
    ledger = opened()
    events = [records.event(number) for number in range(1, 11)]
    ledger.run(lambda tx: [tx.add_event(event) for event in events])
    border_ns = events[6].at_ns
    assert events[5].at_ns < border_ns
    prune = ledger.run
    assert prune(lambda tx: tx.prune_outbox(before_ns=border_ns, keep=0, limit=2)) == 2
    assert raw("SELECT min(sequence) FROM outbox") == [(3,)]
    assert prune(lambda tx: tx.prune_outbox(before_ns=border_ns, keep=0, limit=MANY)) == 4
    assert raw("SELECT min(sequence) FROM outbox") == [(7,)]
    assert prune(lambda tx: tx.prune_outbox(before_ns=2**62, keep=3, limit=MANY)) == 1
    assert raw("SELECT min(sequence), max(sequence) FROM outbox") == [(8, 10)]


def test_sequence_of_events_goes_on_after_all_of_them_went(
    opened: Opened, raw: Any, records: Any
) -> None:
    ledger = opened()
    ledger.run(lambda tx: [tx.add_event(records.event(number)) for number in (1, 2, 3)])
    ledger.run(lambda tx: tx.prune_outbox(before_ns=2**62, keep=0, limit=MANY))
    assert raw("SELECT count(*) FROM outbox") == [(0,)]
    assert ledger.run(lambda tx: tx.prune_outbox(before_ns=2**62, keep=0, limit=MANY)) == 0
    assert ledger.run(lambda tx: tx.add_event(records.event(4))) == 4


def test_pass_over_a_ledger_of_long_ago_leaves_all_that_the_books_rest_on(
    filled: SqliteLedger, raw: Any, path: Any, records: Any
) -> None:
    kept = ("fills", "orders", "order_events", "plans", "cash_flows", "opening_lots", "postings")
    before = {table: raw(f"SELECT * FROM {table}") for table in kept}  # noqa: S608 - our own names
    books = filled.run(lambda tx: tx.books())
    queries = open_queries(path)
    digest = queries.digest()

    class Later:
        def now_ns(self) -> int:
            return int(records.NOON_NS + 4_000 * DAY_NS)

        async def sleep(self, _: float) -> None: ...

    gone = asyncio.run(Retention(filled, Later(), snapshot_days=1).prune())
    assert gone == Pruned(snapshots=0, decisions=1, events=0)
    assert gone.rows() == {"snapshots": 0, "decisions": 1, "events": 0}
    after = {table: raw(f"SELECT * FROM {table}") for table in kept}  # noqa: S608 - our own names
    assert after == before
    assert filled.run(lambda tx: tx.books()) == books
    assert queries.digest() == digest
    queries.close()
