"""What a row of the venue's ledger is, by its type and subtype."""

from __future__ import annotations

from decimal import Decimal

import pytest

from krakked.domain.fills import CashFlowKind
from krakked.domain.ids import Asset, LedgerId
from krakked.ports.exchange import LedgerRow
from krakked.trading.flows import kind_of


@pytest.mark.parametrize(
    ("type_", "subtype", "kind"),
    [
        ("deposit", "", CashFlowKind.DEPOSIT),
        ("withdrawal", "", CashFlowKind.WITHDRAWAL),
        ("earn", "allocation", CashFlowKind.TRANSFER),
        ("earn", "deallocation", CashFlowKind.TRANSFER),
        ("earn", "autoallocation", CashFlowKind.TRANSFER),
        ("earn", "migration", CashFlowKind.TRANSFER),
        ("earn", "reward", CashFlowKind.REWARD),
        ("earn", "something new", CashFlowKind.ADJUSTMENT),
        ("reward", "", CashFlowKind.REWARD),
        ("staking", "", CashFlowKind.REWARD),
        ("dividend", "", CashFlowKind.REWARD),
        ("airdrop", "", CashFlowKind.REWARD),
        ("transfer", "spottostaking", CashFlowKind.TRANSFER),
        ("trade", "tradespot", CashFlowKind.TRANSFER),
        ("fee", "", CashFlowKind.FEE),
        ("adjustment", "", CashFlowKind.ADJUSTMENT),
        ("something new", "", CashFlowKind.ADJUSTMENT),
    ],
)
def test_row_of_the_ledger_is_named_by_type_and_subtype(
    type_: str, subtype: str, kind: CashFlowKind
) -> None:
    row = LedgerRow(
        ledger_id=LedgerId("L1"),
        reference_id="R1",
        type=type_,
        subtype=subtype,
        asset=Asset("XBT"),
        amount=Decimal("-0.25"),
        fee=Decimal(0),
        balance=Decimal("0.75"),
        at_ns=1,
    )
    assert kind_of(row) is kind
