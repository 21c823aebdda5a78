"""What every ledger promises to those who write to it; see ``krakked.ports.ledger``."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from krakked.domain.commands import CancelAll, Reply
from krakked.domain.fills import CashFlowKind
from krakked.domain.ids import PlanId
from krakked.domain.intents import Condition
from krakked.domain.kill_switch import KillSwitch, KillSwitchCause
from krakked.domain.leadership import Leadership
from krakked.domain.orders import Journal, Side, VenueStatus
from krakked.domain.portfolio import Day, Difference, Drift, DriftKind, SleeveState, Snapshot
from krakked.domain.positions import Position, Sleeve
from krakked.domain.shutdown import ShutDown
from krakked.ports.ledger import Transaction


class Oops(Exception):
    """Raised by a test's own work."""


def test_new_ledger_has_empty_books(subject: Any) -> None:
    books = subject.books()
    assert books.is_empty
    assert books.positions == {}
    assert books.totals == {}
    assert books.live_orders == []
    assert books.kill_switch == KillSwitch()
    assert not books.halted
    assert books.last_plan is None
    assert books.day is None
    assert books.net_flows == 0


def test_write_returns_what_its_work_returned(subject: Any) -> None:
    assert subject.write(lambda _: 42) == 42


def test_everything_written_is_there_after_closing_and_opening(subject: Any, records: Any) -> None:
    booker = records.Booker()

    def work(transaction: Transaction) -> None:
        transaction.insert_plan(records.plan())
        transaction.insert_order(records.order())
        booker.book(transaction, records.trade())
        transaction.insert_cash_flow(records.flow())
        transaction.save_decision(records.refusal())

    subject.write(work)
    before = subject.books()
    subject.reopen()
    assert subject.books() == before
    assert before.positions == booker.positions
    assert before.runs[records.SLEEVE, "1h"] == records.refusal()


def test_exception_from_work_rolls_everything_back(subject: Any, records: Any) -> None:
    def work(transaction: Transaction) -> None:
        transaction.insert_cash_flow(records.flow())
        transaction.add_event(records.event())
        raise Oops

    with pytest.raises(Oops):
        subject.write(work)
    assert subject.books().is_empty
    assert subject.write(lambda t: t.insert_cash_flow(records.flow()))


def test_transaction_kept_beyond_its_function_refuses_every_use(subject: Any) -> None:
    kept = subject.write(lambda transaction: transaction)
    with pytest.raises(AssertionError, match="this transaction has ended"):
        kept.set_cursor("trades", "1")
    assert subject.books().cursors == {}


def test_parallel_writers_lose_no_update(subject: Any) -> None:
    def count(transaction: Transaction) -> None:
        value = int(transaction.books().cursors.get("n", "0"))
        transaction.set_cursor("n", str(value + 1))

    async def all_at_once() -> None:
        await asyncio.gather(*(subject.ledger.write(count) for _ in range(25)))

    asyncio.run(all_at_once())
    assert subject.books().cursors == {"n": "25"}
    assert subject.ledger.is_idle


def test_writes_of_one_task_keep_their_order(subject: Any, records: Any) -> None:
    async def in_turn() -> list[int]:
        one = subject.ledger.write(lambda t: t.add_event(records.event(1)))
        two = subject.ledger.write(lambda t: t.add_event(records.event(2)))
        return [await one, await two]

    first, second = asyncio.run(in_turn())
    assert first < second


# ---------------------------------------------------------------- the books


def test_fill_posts_base_quote_and_fee_once(subject: Any, records: Any) -> None:
    booker = records.Booker()
    assert subject.write(lambda t: booker.book(t, records.trade()))
    books = subject.books()
    assert books.totals == {"XBT": Decimal("0.01"), "USD": Decimal("-370.963")}
    assert not books.is_empty


def test_fill_seen_again_changes_nothing(subject: Any, records: Any) -> None:
    booker = records.Booker()
    subject.write(lambda t: booker.book(t, records.trade()))
    before = subject.books()
    assert not subject.write(lambda t: booker.book(t, records.trade(price=Decimal("1.0"))))
    assert subject.books() == before


def test_fee_in_base_leaves_the_base_asset_alone(subject: Any, records: Any) -> None:
    paid = records.trade(fee_asset=records.XBT, fee_amount=Decimal("0.00002600"))
    booker = records.Booker()
    subject.write(lambda t: booker.book(t, paid))
    assert subject.books().totals == {"XBT": Decimal("0.009974"), "USD": Decimal("-370.001")}
    assert subject.books().positions[records.SLEEVE].quantity_base == Decimal("0.009974")


def test_fee_in_a_third_asset_is_posted_there(subject: Any, records: Any) -> None:
    paid = records.trade(fee_asset="KFEE", fee_amount=Decimal("96.2"))
    booker = records.Booker()
    subject.write(lambda t: booker.book(t, paid))
    assert subject.books().totals["KFEE"] == Decimal("-96.2")


def test_round_trip_ends_flat_with_the_profit_realized(subject: Any, records: Any) -> None:
    booker = records.Booker()
    out = records.trade(2, side=Side.SELL, price=Decimal(38000), cost_quote=Decimal("380.00000"))
    subject.write(lambda t: booker.book(t, records.trade()))
    subject.write(lambda t: booker.book(t, out))
    books = subject.books()
    assert books.positions[records.SLEEVE].is_flat
    assert books.positions[records.SLEEVE].realized_quote == Decimal("8.07500")
    assert books.totals == {"XBT": Decimal(0), "USD": Decimal("8.07500")}


def test_known_trades_are_those_booked(subject: Any, records: Any) -> None:
    booker = records.Booker()
    subject.write(lambda t: booker.book(t, records.trade(1)))
    assert subject.write(lambda t: t.known_trades(["T00001", "T00002"])) == {"T00001"}


def test_cash_flow_is_booked_once_by_its_ledger_id(subject: Any, records: Any) -> None:
    assert subject.write(lambda t: t.insert_cash_flow(records.flow()))
    assert not subject.write(lambda t: t.insert_cash_flow(records.flow(amount=Decimal(1))))
    assert subject.books().totals == {"USD": Decimal(10000)}
    assert subject.books().net_flows == Decimal(10000)
    assert subject.write(lambda t: t.known_ledger_rows(["L00001", "L00009"])) == {"L00001"}


def test_net_flows_are_what_came_in_less_what_went_out(subject: Any, records: Any) -> None:
    out = records.flow(
        2, kind=CashFlowKind.WITHDRAWAL, amount=Decimal(-250), value_base=Decimal(-250)
    )
    gift = records.flow(3, asset="ADA", amount=Decimal(7), value_base=None)

    def work(transaction: Transaction) -> None:
        transaction.insert_cash_flow(records.flow())
        transaction.insert_cash_flow(out)
        transaction.insert_cash_flow(gift)
        transaction.insert_opening_lot(records.lot())
        transaction.insert_opening_lot(records.lot(asset="ETH", cost_base=None))

    subject.write(work)
    assert subject.books().net_flows == Decimal(54750)
    assert subject.books().totals["ADA"] == Decimal(7)


def test_two_equal_opening_lots_are_two_lots(subject: Any, records: Any) -> None:
    for _ in range(2):
        subject.write(lambda t: t.insert_opening_lot(records.lot()))
    assert subject.books().totals == {"XBT": Decimal("3.0")}


def test_sums_keep_every_digit(subject: Any, records: Any) -> None:
    huge = records.flow(1, amount=Decimal(999999999999999), value_base=None)
    tiny = records.flow(2, amount=Decimal("0.000000000000000001"), value_base=None)
    for one in (huge, tiny):
        subject.write(lambda t, one=one: t.insert_cash_flow(one))
    assert str(subject.books().totals["USD"]) == "999999999999999.000000000000000001"


# ---------------------------------------------------------------- plans, orders, decisions


def test_newest_plan_is_the_last_plan(subject: Any, records: Any) -> None:
    later = records.plan(2, parent_id=PlanId("000001-aaaaaaaaaa"), bar=None, legs=())
    subject.write(lambda t: t.insert_plan(records.plan()))
    subject.write(lambda t: t.insert_plan(later))
    assert subject.books().last_plan == (2, later.plan_id)


def test_plan_inserted_twice_is_a_bug(subject: Any, records: Any) -> None:
    subject.write(lambda t: t.insert_plan(records.plan()))
    with pytest.raises(AssertionError, match="refused by the schema"):
        subject.write(lambda t: t.insert_plan(records.plan()))


def test_order_without_its_plan_is_a_bug(subject: Any, records: Any) -> None:
    with pytest.raises(AssertionError, match="refused by the schema"):
        subject.write(lambda t: t.insert_order(records.order()))


def test_order_is_found_by_client_id_and_by_venue_id(subject: Any, records: Any) -> None:
    acked = records.changed(
        records.order(),
        journal=Journal.ACKED,
        venue_order_id="O00001",
        venue_status=VenueStatus.OPEN,
        filled_base=Decimal("0.005"),
        sent_at_ns=1,
        acked_at_ns=2,
        deadline_at_ns=3,
        epoch=4,
        cancel_requested_at_ns=5,
        reason="why",
        trace_id="t",
    )

    def work(transaction: Transaction) -> None:
        transaction.insert_plan(records.plan())
        transaction.insert_order(records.order())
        transaction.update_order(acked, at_ns=records.NOON_NS + 5)

    subject.write(work)
    assert subject.write(lambda t: t.order(records.ORDER)) == acked
    assert subject.write(lambda t: t.order("O00001")) == acked
    assert subject.write(lambda t: t.order("O00002")) is None


def test_update_of_an_order_never_inserted_is_a_bug(subject: Any, records: Any) -> None:
    with pytest.raises(AssertionError, match="never inserted"):
        subject.write(lambda t: t.update_order(records.order(), at_ns=1))


@pytest.mark.parametrize("journal", list(Journal))
def test_orders_not_ended_are_what_a_starting_engine_must_settle(
    subject: Any, records: Any, journal: Journal
) -> None:
    found = records.order(journal=journal)
    subject.write(lambda t: t.insert_plan(records.plan()))
    subject.write(lambda t: t.insert_order(found))
    is_open = found.is_live or journal is Journal.PENDING
    assert subject.books().live_orders == ([found] if is_open else [])


def test_run_of_decisions_grows_in_place(subject: Any, records: Any) -> None:
    for last in (3, 4, 7):
        subject.write(lambda t, last=last: t.save_decision(records.decision(3, last=last)))
    assert subject.books().runs == {(records.SLEEVE, "1h"): records.decision(3, last=7)}


def test_extended_run_keeps_what_it_was_extended_with(subject: Any, records: Any) -> None:
    newer = records.decision(
        0, last=1, conditions=(Condition("z", Decimal("0.10"), "<", Decimal("1E-7")),)
    )
    subject.write(lambda t: t.save_decision(records.decision(0)))
    subject.write(lambda t: t.save_decision(newer))
    assert subject.books().runs[records.SLEEVE, "1h"] == newer


def test_newest_run_is_kept_per_sleeve_and_timeframe(subject: Any, records: Any) -> None:
    other = Sleeve("revert", records.XBTUSD)
    records_of = [
        records.decision(0, last=4),
        records.decision(5),
        records.decision(2, sleeve=other, decision_id="revert/XBTUSD/1h/2"),
    ]
    for one in records_of:
        subject.write(lambda t, one=one: t.save_decision(one))
    runs = subject.books().runs
    assert runs == {(records.SLEEVE, "1h"): records_of[1], (other, "1h"): records_of[2]}


def test_sleeve_state_is_replaced_as_a_whole(subject: Any, records: Any) -> None:
    first = SleeveState(sleeve=records.SLEEVE, state={"high": 5}, stop_price=Decimal("35000.0"))
    second = SleeveState(
        sleeve=records.SLEEVE,
        state={"n": [1, {"deep": None}]},
        is_unmet=True,
        last_bar_start_s=7_200,
    )
    subject.write(lambda t: t.save_sleeve(first))
    assert subject.books().sleeves == {records.SLEEVE: first}
    subject.write(lambda t: t.save_sleeve(second))
    assert subject.books().sleeves == {records.SLEEVE: second}


# ---------------------------------------------------------------- state of the engine


def test_kill_switch_halt_day_and_cursors_are_the_newest(subject: Any, records: Any) -> None:
    on = KillSwitch(
        active=True,
        cause=KillSwitchCause.DRIFT,
        reason="XBT",
        principal="engine",
        changed_at_ns=records.NOON_NS,
    )

    def work(transaction: Transaction) -> None:
        transaction.save_kill_switch(KillSwitch())
        transaction.save_kill_switch(on)
        transaction.save_halted(True)
        transaction.save_day(Day(day=19675, baseline_equity=Decimal("10000.0")))
        transaction.save_day(Day(day=19676, baseline_equity=Decimal("9999.0")))
        transaction.save_day(
            Day(day=19676, baseline_equity=Decimal("9999.0"), net_flows=Decimal("5.5"))
        )
        transaction.set_cursor("trades", "1")
        transaction.set_cursor("trades", "2")

    subject.write(work)
    books = subject.books()
    assert books.kill_switch == on
    assert books.halted
    assert books.day == Day(day=19676, baseline_equity=Decimal("9999.0"), net_flows=Decimal("5.5"))
    assert books.cursors == {"trades": "2"}
    subject.write(lambda t: t.save_halted(False))
    assert not subject.books().halted


def test_shutdown_stands_until_it_is_ended_and_the_newest_counts(
    subject: Any, records: Any
) -> None:
    first = ShutDown(principal="ada", reason="", at_ns=records.NOON_NS)
    second = ShutDown(principal="bob", reason="new disk", at_ns=records.NOON_NS + 1)
    assert subject.books().shut_down is None
    subject.write(lambda t: t.save_shutdown(first))
    subject.write(lambda t: t.save_shutdown(second))
    assert subject.books().shut_down == second
    subject.write(lambda t: t.end_shutdown(principal="eve", at_ns=records.NOON_NS + 2))
    assert subject.books().shut_down is None
    subject.write(lambda t: t.save_shutdown(first))
    assert subject.books().shut_down == first


def test_drifts_are_replaced_in_their_order(subject: Any, records: Any) -> None:
    def drift(key: str) -> Drift:
        found = Difference(subject="balance", key=key, ours="1", theirs="2")
        return Drift(difference=found, kind=DriftKind.UNEXPLAINED, since_ns=records.NOON_NS)

    subject.write(lambda t: t.save_drifts([drift("XBT"), drift("ADA")]))
    subject.write(lambda t: t.save_drifts([drift("USD"), drift("ADA")]))
    assert subject.books().drifts == [drift("USD"), drift("ADA")]
    subject.write(lambda t: t.save_drifts([]))
    assert subject.books().drifts == []


def test_command_is_answered_again_from_its_record(subject: Any, records: Any) -> None:
    command = CancelAll(command_id="c1", principal="ada", pair=records.XBTUSD)
    reply = Reply(command_id="c1", ok=True, message="2 cancelled", data={"orders": ["a", "b"]})
    assert subject.write(lambda t: t.reply_to("c1")) is None
    subject.write(lambda t: t.record_command(command, reply, at_ns=records.NOON_NS))
    assert subject.write(lambda t: t.reply_to("c1")) == reply


def test_command_recorded_twice_is_a_bug(subject: Any, records: Any) -> None:
    command = CancelAll(command_id="c1", principal="ada")
    reply = Reply(command_id="c1", ok=True, message="")
    subject.write(lambda t: t.record_command(command, reply, at_ns=1))
    with pytest.raises(AssertionError, match="refused by the schema"):
        subject.write(lambda t: t.record_command(command, reply, at_ns=2))


def test_outbox_numbers_events_upward_over_restarts(subject: Any, records: Any) -> None:
    first = subject.write(lambda t: t.add_event(records.event(1, pair="XBTUSD")))
    subject.reopen()
    second = subject.write(lambda t: t.add_event(records.event(2)))
    assert 0 < first < second


def test_snapshot_with_everything_can_be_kept(subject: Any, records: Any) -> None:
    snapshot = Snapshot(
        at_ns=records.NOON_NS,
        equity=Decimal("10001.5"),
        cash=Decimal(9000),
        realized=Decimal("-1.5"),
        unrealized=Decimal(3),
        fees=Decimal("0.96"),
        net_flows=Decimal(10000),
        unvalued=("ADA",),
        values={"XBT": Decimal("1001.5")},
    )
    subject.write(lambda t: t.insert_snapshot(snapshot))
    subject.write(lambda t: t.insert_snapshot(snapshot))


def test_position_of_an_unknown_sleeve_is_not_invented(subject: Any, records: Any) -> None:
    booker = records.Booker()
    subject.write(lambda t: booker.book(t, records.trade()))
    assert list(subject.books().positions) == [records.SLEEVE]
    assert isinstance(subject.books().positions[records.SLEEVE], Position)


def test_nonce_floors_are_kept_by_key_and_never_fall(subject: Any) -> None:
    assert subject.write(lambda tx: tx.nonce_floors()) == {}
    for key, tick in [("b", 5), ("a", 7), ("b", 9), ("a", 3)]:
        subject.write(lambda tx, key=key, tick=tick: tx.raise_nonce_floor(key, tick))
    subject.reopen()
    assert subject.write(lambda tx: tx.nonce_floors()) == {"a": 7, "b": 9}


def test_newest_epoch_is_kept_and_may_be_acknowledged_later(subject: Any) -> None:
    first = Leadership(epoch=3, holder="a_b_c", acquired_at_ns=5, is_unclean=True, is_restored=True)
    later = msgspec.structs.replace(first, epoch=4, is_unclean=False)
    assert subject.write(lambda tx: tx.leadership()) is None
    subject.write(lambda tx: tx.save_leadership(later))
    subject.write(lambda tx: tx.save_leadership(first))
    assert subject.write(lambda tx: tx.leadership()) == later
    assert later.needs_acknowledgement
    seen = msgspec.structs.replace(later, acknowledged_at_ns=9, acknowledged_by="ada")
    subject.write(lambda tx: tx.save_leadership(seen))
    subject.reopen()
    assert subject.write(lambda tx: tx.leadership()) == seen
    assert not seen.needs_acknowledgement
