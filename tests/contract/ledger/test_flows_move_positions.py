"""Flows that move manual's positions: kept with them, and rebuilt in the order of booking."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from krakked.adapters.sqlite.maintenance import check_ledger
from krakked.domain.fills import CashFlow, Fill
from krakked.domain.ids import MANUAL, Asset, PairName
from krakked.domain.orders import Side
from krakked.domain.positions import Position, Sleeve, apply, moved
from krakked.ports.ledger import Transaction

D = Decimal
USD, XBT = Asset("USD"), Asset("XBT")
BY_HAND = Sleeve(MANUAL, PairName("XBTUSD"))


class ByHand:
    """What a person brings, takes and trades, booked as the engine does."""

    def __init__(self, records: Any) -> None:
        self._records = records
        self.position = Position(sleeve=BY_HAND)

    def comes(self, tx: Transaction, number: int, amount: str, value: str | None) -> bool:
        flow: CashFlow = self._records.flow(
            number,
            asset=XBT,
            amount=D(amount),
            value_base=None if value is None else D(value),
            pair=BY_HAND.pair,
        )
        after, _ = moved(self.position, flow)
        if not tx.insert_cash_flow(flow, position=after):
            return False
        self.position = after
        return True

    def trades(self, tx: Transaction, number: int, side: Side, quantity: str, cost: str) -> None:
        trade = self._records.trade(
            number, side=side, quantity_base=D(quantity), cost_quote=D(cost), fee_amount=D(1)
        )
        self.position, realized = apply(self.position, trade, fee_quote=D(1))
        fill = Fill(
            trade=trade,
            strategy_id=MANUAL,
            client_order_id=None,
            fee_quote=D(1),
            realized_quote=realized,
        )
        tx.insert_fill(fill, position=self.position, base=XBT, quote=USD)


def test_flow_keeps_the_position_that_it_moved(subject: Any, records: Any) -> None:
    person = ByHand(records)
    assert subject.write(lambda tx: person.comes(tx, 1, "2", "70000"))
    subject.reopen()
    books = subject.books()
    assert books.positions == {BY_HAND: person.position}
    assert (books.positions[BY_HAND].quantity_base, books.net_flows) == (2, 70_000)
    assert check_ledger(subject.path) == []


def test_flow_that_was_there_moves_nothing_again(subject: Any, records: Any) -> None:
    person = ByHand(records)
    subject.write(lambda tx: person.comes(tx, 1, "2", "70000"))
    before = subject.books()
    assert not subject.write(lambda tx: person.comes(tx, 1, "2", "70000"))
    assert subject.books() == before
    assert check_ledger(subject.path) == []


def test_positions_are_rebuilt_in_the_order_in_which_fills_and_flows_were_booked(
    subject: Any, records: Any
) -> None:
    person = ByHand(records)

    def work(tx: Transaction) -> None:
        person.comes(tx, 1, "1", "30000")
        person.trades(tx, 1, Side.SELL, "0.4", "14000")
        person.comes(tx, 2, "1", "50000")
        person.trades(tx, 2, Side.SELL, "0.3", "15000")
        person.comes(tx, 3, "-2", "-90000")
        person.trades(tx, 3, Side.BUY, "1.5", "60000")
        person.comes(tx, 4, "0.1", None)

    subject.write(work)
    assert subject.books().positions == {BY_HAND: person.position}
    assert check_ledger(subject.path) == []


def test_flow_without_a_pair_is_in_the_totals_alone(subject: Any, records: Any) -> None:
    flow = records.flow(asset=XBT, amount=D(2), value_base=D(9), pair=None)
    subject.write(lambda tx: tx.insert_cash_flow(flow))
    assert subject.books().totals == {XBT: 2}
    assert subject.books().positions == {}
    assert check_ledger(subject.path) == []


def test_flow_whose_position_was_not_kept_is_found(subject: Any, records: Any) -> None:
    flow = records.flow(asset=XBT, amount=D(2), value_base=D(9), pair=BY_HAND.pair)
    subject.write(lambda tx: tx.insert_cash_flow(flow))
    (fault,) = check_ledger(subject.path)
    assert fault.startswith("position manual/XBTUSD: ours 0 for 0,")
    assert "theirs 2 for 9," in fault
