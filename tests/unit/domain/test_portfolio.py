"""Equity counts what has a price; the day's drawdown leaves flows out."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.domain.ids import Asset
from krakked.domain.portfolio import Day, Difference, Falls, Snapshot, equity_of

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
        ("1000", "500", "1400", "10"),
        ("1000", "-500", "500", "0"),
        ("1000", "-500", "400", "10"),
        ("1000", "-1000", "0", "0"),
        ("0", "0", "0", "0"),
        ("1000", "0", "-100", "110"),
    ],
)
def test_drawdown_is_loss_in_percent_of_the_baseline_without_flows_since(
    baseline: str, flows: str, equity: str, fall_pct: str
) -> None:
    day = Day(day=1, baseline_equity=D(baseline), net_flows=D(flows))
    assert day.drawdown_pct(D(equity)) == D(fall_pct)


@given(money, st.integers(0, 99), st.integers(-99, 10_000))
def test_fall_of_a_day_is_changed_by_no_flow_before_the_next_mark_nor_after_it(
    baseline: Decimal, fall_pct: int, flow_pct: int
) -> None:
    day = Day(day=1, baseline_equity=baseline)
    fallen = baseline * (100 - fall_pct) / 100
    flow = fallen * flow_pct / 100
    waiting = msgspec.structs.replace(day, net_flows=flow)
    assert waiting.drawdown_pct(fallen + flow) == pytest.approx(fall_pct, abs=D("1e-18"))
    marked = waiting.marked(fallen + flow)
    assert marked.net_flows == 0
    assert marked.drawdown_pct(fallen + flow) == pytest.approx(fall_pct, abs=D("1e-18"))


def test_withdrawal_while_down_leaves_the_fall_of_the_day_as_it_was() -> None:
    day = Day(day=1, baseline_equity=D(40_000), net_flows=D(-20_000)).marked(D(18_000))
    assert day.drawdown_pct(D(18_000)) == pytest.approx(D(5))
    assert day.drawdown_pct(D(17_100)) > D("9.7")


def test_money_that_comes_to_an_empty_account_is_where_its_day_begins() -> None:
    day = Day(day=1, baseline_equity=D(0), net_flows=D(500)).marked(D(500))
    assert (day.baseline_equity, day.drawdown_pct(D(450))) == (500, 10)


def test_flow_that_is_not_valued_leaves_the_day_alone() -> None:
    day = Day(day=1, baseline_equity=D(40_000))
    assert day.marked(D(50_000)) == day


def mark(equity: str | Decimal, net_flows: str | Decimal = "0") -> Snapshot:
    zero = Decimal(0)
    return Snapshot(
        at_ns=1,
        equity=Decimal(equity),
        cash=zero,
        realized=zero,
        unrealized=zero,
        fees=zero,
        net_flows=Decimal(net_flows),
    )


@pytest.mark.parametrize(
    ("marks", "deepest"),
    [
        ([("100", "0"), ("150", "50")], "0"),
        ([("100", "0"), ("30", "-70")], "0"),
        ([("100", "100"), ("90", "100")], "10"),
        ([("100", "0"), ("90", "0"), ("1090", "1000"), ("1090", "1000")], "10"),
        ([("100", "0"), ("90", "0"), ("9", "-81"), ("9", "-81")], "10"),
        ([("100", "0"), ("190", "100")], "10"),  # lost and paid in between two marks
        ([("100", "0"), ("50", "0"), ("1050", "1000"), ("525", "1000")], "75"),
        ([("100", "0"), ("200", "100"), ("100", "100"), ("40", "40")], "50"),
        ([("0", "0"), ("100", "100"), ("80", "100")], "20"),
        ([("100", "0"), ("0", "-100"), ("50", "-50"), ("40", "-50")], "20"),
    ],
)
def test_deepest_fall_is_of_prices_and_trades_and_of_no_flow(
    marks: list[tuple[str, str]], deepest: str
) -> None:
    falls = Falls()
    for equity, net_flows in marks:
        falls.note(mark(equity, net_flows))
    assert falls.deepest_pct == Decimal(deepest)


@given(
    st.lists(st.integers(-99, 10_000), min_size=1, max_size=5),
    st.decimals(1, 10**6, places=7),
)
def test_flows_alone_make_no_fall_whatever_their_amounts(
    shares: list[int], equity: Decimal
) -> None:
    falls, net_flows = Falls(), Decimal(0)
    falls.note(mark(equity))
    for percent in shares:
        flow = round(equity * percent / 100, 7)
        if equity + flow <= 0:
            continue
        equity, net_flows = equity + flow, net_flows + flow
        falls.note(mark(equity, net_flows))
        falls.note(mark(equity, net_flows))
    assert falls.deepest_pct == 0


def test_difference_reads_as_one_line() -> None:
    difference = Difference(subject="balance", key="XBT", ours="1.5", theirs="1.4")
    assert str(difference) == "balance XBT: ours 1.5, theirs 1.4"
