"""The table at the end of a run: its figures in words."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest

from krakked.domain.bars import Timeframe
from krakked.domain.ids import PairName
from krakked.domain.portfolio import Difference
from krakked.engine.reporting import (
    BooksFigures,
    Report,
    RunFigures,
    as_json,
    as_text,
    render,
    verdict_lines,
)
from krakked.simulator.covering import Uncovered
from krakked.trading.feeding import Holes

D = Decimal


RUN = RunFigures(
    pairs=(),
    bars=3,
    plans=2,
    orders=2,
    fills=1,
    fees=D("0.5"),
    realized=D(-1),
    unrealized=D("11.5"),
    flows=D(0),
    equity_start=D(10_000),
    equity_end=D("10010.5"),
    equity_change=D("10.5"),
    drawdown_max_pct=D("1.25"),
)
FRESH = BooksFigures(
    plans=2, orders=2, fills=1, fees=D("0.5"), realized=D(-1), unrealized=D("11.5"), flows=D(10_000)
)
"""What stands on record where this run is the first."""
OLD = BooksFigures(
    plans=12, orders=15, fills=9, fees=D(7), realized=D("-2.5"), unrealized=D("30000"), flows=D(5)
)


def report(books: BooksFigures = FRESH, run: RunFigures = RUN) -> Report:
    return Report(this_run=run, since_books_began=books, digest="abc", differences=())


def test_table_of_a_continued_run_is_its_own_with_one_line_for_the_whole_ledger() -> None:
    assert render(report(OLD)).splitlines()[2:] == [
        "bars 3, plans 2, orders 2, fills 1",
        "fees 0.50, realized -1.00, unrealized 11.50",
        "equity 10000.00 -> 10010.50 (+10.50), deepest fall 1.25 %",
        "since the books began: plans 12, orders 15, fills 9, fees 7.00, realized -2.50,"
        " unrealized 30000.00",
        "digest abc",
    ]


def test_table_of_a_first_run_does_not_say_the_same_twice() -> None:
    assert "since the books began" not in render(report())


def test_json_names_what_is_of_this_run_and_what_is_of_the_whole_ledger() -> None:
    told = json.loads(as_json(report(OLD)))
    assert list(told) == [
        "this_run",
        "since_books_began",
        "digest",
        "differences",
        "remarks",
    ]
    names = ("plans", "orders", "fills", "fees", "realized", "unrealized")
    assert [told["this_run"][name] for name in names] == [2, 2, 1, "0.5", "-1", "11.5"]
    assert [told["since_books_began"][name] for name in names] == [
        *(12, 15, 9, "7", "-2.5"),
        "30000",
    ]
    assert told["this_run"]["equity_end"] == "10010.5"
    assert told["this_run"]["bars"] == 3


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (("XBTUSD",), "unrealized 11.50 with XBTUSD of unknown cost"),
        (("ADAUSD", "XBTUSD"), "unrealized 11.50 with ADAUSD XBTUSD of unknown cost"),
    ],
)
def test_unrealized_profit_says_whose_cost_nobody_knows(pairs: tuple[str, ...], words: str) -> None:
    books = msgspec.structs.replace(FRESH, unknown_cost=tuple(map(PairName, pairs)))
    assert render(report(books)).splitlines()[5].endswith(words)


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
    whole = report(run=msgspec.structs.replace(RUN, gaps=found))
    assert render(whole).splitlines()[5:7] == [
        "ETHUSD 1h: 1 bar missing in 1 gap",
        "XBTUSD 4h: 7 bars missing in 2 gaps",
    ]
    assert json.loads(as_json(whole))["this_run"]["gaps"][1] == {
        "pair": "XBTUSD",
        "timeframe": "4h",
        "holes": 2,
        "bars": 7,
    }


def test_table_says_where_the_candles_end_that_do_not_reach_over_the_replay() -> None:
    short = Uncovered(pair=PairName("XBTUSD"), candles_end_s=1_706_745_600)
    whole = report(run=msgspec.structs.replace(RUN, uncovered=(short,)))
    line = "XBTUSD: candles end 2024-02-01 00:00, before --to"
    assert render(whole).splitlines()[5] == line
    told = json.loads(as_json(whole))["this_run"]["uncovered"]
    assert told == [{"pair": "XBTUSD", "candles_begin_s": None, "candles_end_s": 1_706_745_600}]


def test_equity_is_told_with_its_change_and_its_deepest_fall() -> None:
    lines = render(report()).splitlines()
    assert lines[2] == "bars 3, plans 2, orders 2, fills 1"
    assert lines[4] == "equity 10000.00 -> 10010.50 (+10.50), deepest fall 1.25 %"
    assert lines[5] == "digest abc"


@pytest.mark.parametrize(
    ("flows", "words"),
    [
        (D(0), "(+10.50),"),
        (D(500), "(+10.50; flows +500.00 came in),"),
        (D("-0.5"), "(+10.50; flows -0.50 went out),"),
    ],
)
def test_flows_are_told_beside_the_change_and_only_where_there_were_any(
    flows: Decimal, words: str
) -> None:
    run = msgspec.structs.replace(RUN, flows=flows)
    assert words in render(report(run=run)).splitlines()[4]
    assert json.loads(as_json(report(run=run)))["this_run"]["flows"] == str(flows)
