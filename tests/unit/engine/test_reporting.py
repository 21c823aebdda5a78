"""The table at the end of a run: its figures in words."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest

from krakked.domain.bars import Timeframe
from krakked.domain.ids import PairName
from krakked.domain.portfolio import Difference
from krakked.engine.reporting import Report, as_json, as_text, render, verdict_lines
from krakked.trading.feeding import Holes

D = Decimal


def report(**unknown: tuple[PairName, ...]) -> Report:
    return Report(
        pairs=(),
        bars=3,
        plans=2,
        orders=2,
        fills=1,
        fees=D("0.5"),
        realized=D(-1),
        unrealized=D("30000"),
        equity_start=D(10_000),
        equity_end=D("10010.5"),
        drawdown_max_pct=D("1.25"),
        digest="abc",
        differences=(),
        **unknown,
    )


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ((), "unrealized 30000.00"),
        (("ADAUSD", "XBTUSD"), "unrealized 30000.00 with ADAUSD XBTUSD of unknown cost"),
    ],
)
def test_unrealized_profit_says_whose_cost_nobody_knows(pairs: tuple[str, ...], words: str) -> None:
    lines = render(report(unknown_cost=tuple(map(PairName, pairs)))).splitlines()
    assert lines[3] == f"fees 0.50, realized -1.00, {words}"


def test_what_was_not_compared_stands_before_the_last_line_and_in_json() -> None:
    partial = msgspec.structs.replace(report(), remarks=("5 executions not compared: no time",))
    assert as_text(partial).splitlines()[-2:] == [
        "5 executions not compared: no time",
        "books: zero differences in what was compared; 5 executions not compared",
    ]
    assert as_text(report()).splitlines()[-1] == "books: zero differences"
    assert json.loads(as_json(partial))["remarks"] == ["5 executions not compared: no time"]


def test_differences_beside_what_was_not_compared_are_told_as_such() -> None:
    difference = Difference(subject="balance", key="USD", ours="1", theirs="2")
    remarks = (
        "balances and open orders not compared again: no time",
        "1 execution not compared: x",
    )
    assert verdict_lines([difference], remarks)[-1] == (
        "books: 1 differences in what was compared; balances and open orders not compared again; "
        "1 execution not compared"
    )


def test_bars_that_are_missing_are_told_by_pair_and_in_json() -> None:
    found = (
        Holes(pair=PairName("ETHUSD"), timeframe=Timeframe.H1, holes=1, bars=1),
        Holes(pair=PairName("XBTUSD"), timeframe=Timeframe.H4, holes=2, bars=7),
    )
    whole = msgspec.structs.replace(report(), gaps=found)
    assert render(whole).splitlines()[5:7] == [
        "ETHUSD 1h: 1 bar missing in 1 gap",
        "XBTUSD 4h: 7 bars missing in 2 gaps",
    ]
    assert json.loads(as_json(whole))["gaps"][1] == {
        "pair": "XBTUSD",
        "timeframe": "4h",
        "holes": 2,
        "bars": 7,
    }


def test_equity_is_told_with_its_change_and_its_deepest_fall() -> None:
    lines = render(report()).splitlines()
    assert lines[2] == "bars 3, plans 2, orders 2, fills 1"
    assert lines[4] == "equity 10000.00 -> 10010.50 (+10.50), deepest fall 1.25 %"
    assert lines[5] == "digest abc"
