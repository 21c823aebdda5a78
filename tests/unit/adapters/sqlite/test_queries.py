"""Readers: the right answers, newest first, and no way to change or to hold up anything."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from krakked.adapters.sqlite import questions
from krakked.adapters.sqlite.ledger import SqliteLedger
from krakked.adapters.sqlite.queries import (
    AsyncQueries,
    SqliteQueries,
    open_async_queries,
    open_queries,
)
from krakked.domain.commands import Reply, Status
from krakked.domain.errors import BadInput, LedgerFailed
from krakked.domain.orders import Journal, Order, VenueStatus
from krakked.domain.portfolio import Snapshot
from krakked.domain.positions import Sleeve
from krakked.ports.ledger import LedgerQueries, Transaction

Opened = Callable[..., SqliteLedger]


@pytest.fixture
def queries(filled: SqliteLedger, path: Path) -> Iterator[SqliteQueries]:
    made = open_queries(path)
    yield made
    made.close()


def test_reader_is_what_the_port_asks_for(queries: LedgerQueries, records: Any) -> None:
    assert queries.plan(records.PLAN) == records.plan()


def test_reader_sees_what_is_committed_while_the_engine_runs(
    filled: SqliteLedger, queries: SqliteQueries, records: Any
) -> None:
    assert len(queries.cash_flows()) == 1
    filled.run(lambda t: t.insert_cash_flow(records.flow(2)))
    assert [flow.ledger_id for flow in queries.cash_flows()] == ["L00002", "L00001"]


def test_reader_can_write_nothing(queries: SqliteQueries) -> None:
    with pytest.raises(LedgerFailed, match="cannot be written"):
        queries.all(questions.Question("DELETE FROM orders", (), lambda _: None))


def test_reader_never_checkpoints(filled: SqliteLedger, path: Path) -> None:
    log = path.with_name("portfolio.db-wal")
    before = log.stat().st_size
    reader = open_queries(path)
    reader.books()
    reader.close()
    assert log.stat().st_size == before > 0


def test_reader_in_a_moment_sees_one_state(
    filled: SqliteLedger, queries: SqliteQueries, records: Any
) -> None:
    with queries.moment():
        assert len(queries.cash_flows()) == 1
        filled.run(lambda t: t.insert_cash_flow(records.flow(2)))
        assert len(queries.cash_flows()) == 1
    assert len(queries.cash_flows()) == 2


def test_reader_of_nothing_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LedgerFailed, match="`krakked run` makes one") as caught:
        open_queries(tmp_path / "none.db")
    assert caught.value.exit_code == 73
    assert list(tmp_path.iterdir()) == []


def test_reader_of_another_programs_database_refuses_it(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE identity (whatever TEXT)")
    connection.close()
    with pytest.raises(BadInput, match="another program"):
        open_queries(path)


def test_reader_of_a_file_that_is_no_database_refuses_it(path: Path) -> None:
    path.write_bytes(b"\x00\x01garbage" * 1000)
    with pytest.raises(LedgerFailed, match="damaged or not a database"):
        open_queries(path)


def test_reader_sees_the_books_an_engine_would_go_on_with(
    filled: SqliteLedger, queries: SqliteQueries, records: Any
) -> None:
    assert queries.books() == filled.run(lambda t: t.books())
    assert queries.identity() == records.IDENTITY


# ---------------------------------------------------------------- orders and fills


def test_orders_can_be_asked_by_status_pair_and_plan(
    filled: SqliteLedger, queries: SqliteQueries, records: Any
) -> None:
    done = records.order(
        2, journal=Journal.DONE, venue_status=VenueStatus.CLOSED, venue_order_id="O2"
    )
    filled.run(lambda t: t.update_order(done, at_ns=records.NOON_NS))
    assert queries.orders(status=["filled"]) == [done]
    assert queries.orders(status=["pending"]) == [records.order(1)]
    assert len(queries.orders(status=["filled", "pending"])) == 2
    assert len(queries.orders(pair="XBTUSD", plan_id=records.PLAN)) == 2
    assert queries.orders(pair="ETHUSD") == []
    assert len(queries.orders(limit=1)) == 1
    assert queries.order("O2") == queries.order(done.request.client_order_id) == done


def write_order(order: Order, at_ns: int, transaction: Transaction) -> None:
    transaction.update_order(order, at_ns=at_ns)


def test_history_of_an_order_tells_each_of_its_states(
    filled: SqliteLedger, queries: SqliteQueries, records: Any
) -> None:
    for step, journal in enumerate((Journal.SENT, Journal.UNKNOWN, Journal.ABSENT), start=1):
        after = records.order(1, journal=journal, reason=f"step {step}")
        filled.run(partial(write_order, after, step))
    history = queries.order_history(records.ORDER)
    assert [(change.journal, change.status, change.at_ns) for change in history] == [
        ("pending", "pending", records.NOON_NS),
        ("sent", "submitted", 1),
        ("unknown", "unknown", 2),
        ("absent", "error", 3),
    ]
    assert history[-1].reason == "step 3"


def test_fills_are_newest_first_and_whole(queries: SqliteQueries, records: Any) -> None:
    fills = queries.fills()
    assert [fill.trade for fill in fills] == [records.trade(2), records.trade(1)]
    assert queries.fills(limit=1) == fills[:1]
    assert queries.fills(client_order_id=records.ORDER) == fills
    assert queries.fills(client_order_id="other") == []
    assert queries.fills(pair="ETHUSD") == []


def test_amounts_come_back_with_the_text_they_had(queries: SqliteQueries) -> None:
    trade = queries.fills(limit=1)[0].trade
    assert [str(trade.quantity_base), str(trade.cost_quote)] == ["0.01000000", "370.00100"]


def test_plans_are_newest_first(filled: SqliteLedger, queries: SqliteQueries, records: Any) -> None:
    filled.run(lambda t: t.insert_plan(records.plan(2, parent_id=records.PLAN, bar=None)))
    assert queries.plans() == [
        records.plan(2, parent_id=records.PLAN, bar=None),
        records.plan(),
    ]
    assert queries.plan("none") is None


# ---------------------------------------------------------------- decisions


def test_verdict_on_any_bar_of_a_run_is_that_run(queries: SqliteQueries, records: Any) -> None:
    run = records.decision(0, last=4)
    for bar in range(5):
        start_s = records.decision(bar).bar.start_s
        assert queries.decision_at(records.SLEEVE, "1h", start_s) == run
    assert queries.decision_at(records.SLEEVE, "1h", start_s + 3600) == records.refusal(5)


def test_bar_without_a_verdict_has_none(queries: SqliteQueries, records: Any) -> None:
    before = records.decision(-1).bar.start_s
    after = records.decision(6).bar.start_s
    inside = records.decision(0).bar.start_s
    assert queries.decision_at(records.SLEEVE, "1h", before) is None
    assert queries.decision_at(records.SLEEVE, "1h", after) is None
    assert queries.decision_at(records.SLEEVE, "4h", inside) is None
    assert queries.decision_at(Sleeve("other", "XBTUSD"), "1h", inside) is None


def test_verdict_on_a_bar_is_found_in_one_seek(queries: SqliteQueries, records: Any) -> None:
    question = questions.decision_at(records.SLEEVE, "1h", 0)
    plan = queries.all(
        questions.Question(
            f"EXPLAIN QUERY PLAN {question.sql}", question.values, lambda row: row["detail"]
        )
    )
    assert plan == [
        "SEARCH decisions USING INDEX decisions_by_bar"
        " (strategy_id=? AND pair=? AND timeframe=? AND first_bar_start_s<?)"
    ]


def test_decisions_can_be_asked_by_sleeve_and_plan(queries: SqliteQueries, records: Any) -> None:
    assert queries.decisions() == [records.refusal(5), records.decision(0, last=4)]
    assert queries.decisions(sleeve=records.SLEEVE, limit=1) == [records.refusal(5)]
    assert queries.decisions(sleeve=Sleeve("other", "XBTUSD")) == []
    assert queries.decisions(plan_id=records.PLAN) == [records.refusal(5)]


# ---------------------------------------------------------------- what else is asked


def test_snapshots_are_newest_first(
    filled: SqliteLedger, queries: SqliteQueries, records: Any
) -> None:
    def snapshot(at_ns: int) -> Snapshot:
        one = Decimal(1)
        return Snapshot(
            at_ns=at_ns,
            equity=one,
            cash=one,
            realized=one,
            unrealized=one,
            fees=one,
            net_flows=one,
            unvalued=("ADA",),
            values={"XBT": Decimal("0.5")},
        )

    filled.run(lambda t: [t.insert_snapshot(snapshot(at_ns)) for at_ns in (2, 1, 3)])
    assert queries.snapshots(limit=2) == [snapshot(3), snapshot(2)]


def test_outbox_is_read_on_from_any_sequence(
    filled: SqliteLedger, queries: SqliteQueries, records: Any
) -> None:
    filled.run(lambda t: [t.add_event(records.event(n, price=Decimal("1.5"))) for n in (2, 3)])
    first, *rest = queries.events_after(0)
    assert first.fields == {"pair": "XBTUSD"}
    assert [event.sequence for event in rest] == [first.sequence + 1, first.sequence + 2]
    assert rest[0].fields == {"price": "1.5"}
    assert queries.events_after(first.sequence, limit=1) == rest[:1]
    assert queries.all(questions.events(limit=1)) == rest[1:]


def test_answer_to_a_command_can_be_read(filled: SqliteLedger, queries: SqliteQueries) -> None:
    reply = Reply(command_id="c1", ok=False, message="no", data={"n": 1})
    command = Status(command_id="c1", principal="ada")

    def work(transaction: Transaction) -> None:
        transaction.record_command(command, reply, at_ns=1)

    filled.run(work)
    assert queries.first(questions.reply("c1")) == reply
    assert queries.first(questions.reply("c2")) is None


# ---------------------------------------------------------------- from a loop


def test_async_reader_gives_the_same_answers(
    filled: SqliteLedger, queries: SqliteQueries, path: Path, records: Any
) -> None:
    async def ask() -> tuple[Any, ...]:
        reader = await open_async_queries(path)
        try:
            return (
                await reader.all(questions.orders(plan_id=records.PLAN)),
                await reader.all(questions.fills(pair="XBTUSD")),
                await reader.first(questions.plan(records.PLAN)),
                await reader.first(questions.plan("none")),
            )
        finally:
            await reader.close()

    assert asyncio.run(ask()) == (
        queries.orders(plan_id=records.PLAN),
        queries.fills(pair="XBTUSD"),
        records.plan(),
        None,
    )


def test_async_reader_can_write_nothing(filled: SqliteLedger, path: Path) -> None:
    async def change() -> None:
        reader: AsyncQueries = await open_async_queries(path)
        try:
            await reader.all(questions.Question("DELETE FROM orders", (), lambda _: None))
        finally:
            await reader.close()

    with pytest.raises(LedgerFailed, match="cannot be written"):
        asyncio.run(change())


@pytest.mark.parametrize("content", [None, b"\x00\x01garbage" * 1000])
def test_async_reader_refuses_what_the_other_refuses(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LedgerFailed):
        asyncio.run(open_async_queries(path))
