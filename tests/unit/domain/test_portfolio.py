"""Equity counts what has a price; the day's drawdown leaves flows out."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.domain.ids import Asset
from krakked.domain.portfolio import Day, Difference, equity_of

D = Decimal
USD, XBT, ETH, KFEE = Asset("USD"), Asset("XBT"), Asset("ETH"), Asset("KFEE")
money = st.decimals(D(1), D(10) ** 8, places=2)


def test_equity_is_each_holding_at_its_price() -> None:
    totals = {USD: D("100.50"), XBT: D("0.5"), ETH: D(2)}
    assert equity_of(totals, {USD: D(1), XBT: D(50_000), ETH: D(3_000)}) == (D("31100.50"), ())


def test_equity_counts_what_has_no_price_as_nothing_and_says_so_in_order() -> None:
    totals = {XBT: D(1), USD: D(5), KFEE: D(9), ETH: D(0)}
    assert equity_of(totals, {USD: D(1)}) == (D(5), (KFEE, XBT))


def test_equity_of_nothing_is_zero() -> None:
    assert equity_of({}, {USD: D(1)}) == (D(0), ())


def test_equity_of_a_debt_is_negative() -> None:
    assert equity_of({USD: D(-5)}, {USD: D(1)}) == (D(-5), ())


@pytest.mark.parametrize(
    ("baseline", "flows", "equity", "fall_pct"),
    [
        ("1000", "0", "900", "10"),
        ("1000", "0", "1000", "0"),
        ("1000", "0", "1100", "0"),
        ("1000", "500", "1500", "0"),
        ("1000", "500", "1350", "10"),
        ("1000", "-500", "500", "0"),
        ("1000", "-500", "400", "20"),
        ("1000", "-1000", "0", "0"),
        ("0", "0", "0", "0"),
        ("1000", "0", "-100", "110"),
    ],
)
def test_drawdown_is_loss_in_percent_of_baseline_and_flows(
    baseline: str, flows: str, equity: str, fall_pct: str
) -> None:
    day = Day(day=1, baseline_equity=D(baseline), net_flows=D(flows))
    assert day.drawdown_pct(D(equity)) == D(fall_pct)


@given(money, money, st.decimals(D(0), D(10) ** 8, places=2))
def test_drawdown_is_not_changed_by_a_deposit_at_flat_markets(
    baseline: Decimal, loss: Decimal, deposit: Decimal
) -> None:
    before = Day(day=1, baseline_equity=baseline).drawdown_pct(baseline - loss)
    after = Day(day=1, baseline_equity=baseline, net_flows=deposit).drawdown_pct(
        baseline - loss + deposit
    )
    assert 0 <= after <= before
    assert (after > 0) == (before > 0)


def test_difference_reads_as_one_line() -> None:
    difference = Difference(subject="balance", key="XBT", ours="1.5", theirs="1.4")
    assert str(difference) == "balance XBT: ours 1.5, theirs 1.4"
