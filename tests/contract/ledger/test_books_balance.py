"""Whatever is booked in whatever order, the projections are what the books say."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from krakked.adapters.sqlite.ledger import open_ledger
from krakked.adapters.sqlite.maintenance import check_ledger
from krakked.domain.orders import Side
from krakked.ports.ledger import Books, Transaction

amounts = st.decimals(min_value="0.00000001", max_value="99999", places=8)
trades = st.fixed_dictionaries(
    {
        "side": st.sampled_from(Side),
        "quantity_base": amounts,
        "cost_quote": amounts,
        "price": amounts,
        "fee_amount": st.decimals(min_value=0, max_value=10, places=5),
        "fee_asset": st.sampled_from(["USD", "XBT", "KFEE"]),
    }
)
flows = st.fixed_dictionaries(
    {
        "asset": st.sampled_from(["USD", "XBT", "ADA"]),
        "amount": amounts,
        "value_base": st.none() | amounts,
    }
)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    booked=st.lists(st.tuples(trades, st.integers(1, 6)), max_size=8),
    flowed=st.lists(st.tuples(flows, st.integers(1, 4)), max_size=4),
)
def test_projections_agree_with_the_books_after_any_bookings(
    records: Any, booked: Sequence[Any], flowed: Sequence[Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "portfolio.db"
        ledger = open_ledger(path, records.IDENTITY, clock=records.FixedClock(), threaded=False)
        booker = records.Booker()

        def work(transaction: Transaction) -> Books:
            for changes, number in booked:
                booker.book(transaction, records.trade(number, **changes))
            for changes, number in flowed:
                transaction.insert_cash_flow(records.flow(number, **changes))
            return transaction.books()

        books = ledger.run(work)
        assert check_ledger(path) == []
        assert books.positions == booker.positions
        assert books.totals == expected_totals(booked, flowed)
        asyncio.run(ledger.close())


def expected_totals(booked: Sequence[Any], flowed: Sequence[Any]) -> dict[str, Decimal]:
    """Summed here by hand; the first of two with one id counts."""
    totals: dict[str, Decimal] = {}

    def add(asset: str, amount: Decimal) -> None:
        if amount:
            totals[asset] = totals.get(asset, Decimal(0)) + amount

    for changes in {number: changes for changes, number in reversed(booked)}.values():
        sign = 1 if changes["side"] is Side.BUY else -1
        add("XBT", sign * changes["quantity_base"])
        add("USD", -sign * changes["cost_quote"])
        add(changes["fee_asset"], -changes["fee_amount"])
    for changes in {number: changes for changes, number in reversed(flowed)}.values():
        add(changes["asset"], changes["amount"])
    return totals
