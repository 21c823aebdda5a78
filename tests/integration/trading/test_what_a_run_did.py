"""The table of a run on a ledger that goes on: what it did itself, and what stands on record."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from krakked.domain.ids import Asset, PairName
from krakked.domain.orders import Side
from krakked.domain.quotes import Quote
from krakked.engine import reporting
from krakked.engine.reporting import Began, Compared, Report

Play = Callable[..., Any]
USD, XBT = Asset("USD"), Asset("XBT")


async def begun(world: Any) -> Began:
    """As a start does it, once the books agree."""
    snapshot = await world.marker.mark()
    return reporting.beginning_of(world.account, world._path, snapshot)


async def reported(world: Any, began: Began) -> Report:
    engine: Any = SimpleNamespace(
        desk=world.desk,
        marker=world.marker,
        feeder=SimpleNamespace(bars_closed=4, holes=lambda: ()),
    )
    snapshot = await world.marker.mark()
    compared = Compared(differences=())
    return reporting.report_of(engine, world._path, snapshot, began=began, compared=compared)


def books_lines(report: Report) -> list[str]:
    lines = reporting.render(report).splitlines()
    return [line for line in lines if line.startswith("since the books began: ")]


def test_first_run_on_a_ledger_did_all_that_is_on_record(play: Play) -> None:
    async def scenario(world: Any) -> None:
        began = await begun(world)
        await world.bought("0.01")
        await world.bought("0.02")
        report = await reported(world, began)
        run, books = report.this_run, report.since_books_began
        assert (run.plans, run.orders, run.fills) == (2, 2, len(world.fills()))
        assert (books.plans, books.orders, books.fills) == (2, 2, run.fills)
        assert run.fees == books.fees == sum(fill.fee_quote for fill in world.fills()) > 0
        assert run.realized == books.realized == -run.fees
        assert [(line.pair, line.fills) for line in run.pairs] == [("XBTUSD", run.fills)]
        assert books_lines(report) == []

    play(scenario)


def test_continued_run_tells_its_own_and_what_stands_since_the_books_began(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.03")
        earlier = world.fills()
        await world.restart()
        began = await begun(world)
        await world.bought("0.01")
        await world.submit(side=Side.SELL, quantity="0.02", price=None)
        await world.reconciler.reconcile()
        own = [fill for fill in world.fills() if fill not in earlier]
        report = await reported(world, began)
        run, books = report.this_run, report.since_books_began
        assert earlier
        assert own
        assert (run.plans, run.orders, run.fills) == (2, 2, len(own))
        assert (books.plans, books.orders, books.fills) == (3, 3, len(own) + len(earlier))
        assert run.fees == sum(fill.fee_quote for fill in own)
        assert run.realized == sum(fill.realized_quote for fill in own)
        assert books.fees - run.fees == sum(fill.fee_quote for fill in earlier)
        assert books.realized - run.realized == sum(fill.realized_quote for fill in earlier)
        (line,) = run.pairs
        assert line.fills == len(own)
        assert line.sold_quote == sum(f.trade.cost_quote for f in own if f.trade.side.sign < 0)
        assert line.fees_quote == run.fees
        assert books_lines(report) == [
            f"since the books began: plans 3, orders 3, fills {books.fills}, fees {books.fees:.2f},"
            f" realized {books.realized:.2f}, unrealized {books.unrealized:.2f}"
        ]

    play(scenario)


def test_run_that_did_nothing_says_so_after_one_that_traded(play: Play) -> None:
    async def scenario(world: Any) -> None:
        await world.bought("0.03")
        await world.restart()
        report = await reported(world, await begun(world))
        run = report.this_run
        assert (run.pairs, run.plans, run.orders, run.fills) == ((), 0, 0, 0)
        assert (run.fees, run.realized, run.unrealized) == (0, 0, 0)
        assert run.equity_start == run.equity_end
        assert report.since_books_began.fills == len(world.fills()) > 0

    play(scenario)


def test_execution_is_of_the_run_that_booked_it_whatever_its_instant_says(play: Play) -> None:
    """The venue's clock may be behind, or simulated anew: the order of booking counts."""

    async def scenario(world: Any) -> None:
        await world.submit(quantity="0.01", price=None)
        assert world.fills() == []
        await world.clock.sleep(5)
        began = await begun(world)
        await world.reconciler.reconcile()
        report = await reported(world, began)
        assert all(fill.trade.at_ns < began.snapshot.at_ns for fill in world.fills())
        assert report.this_run.fills == len(world.fills()) > 0
        assert report.this_run.orders == 0

    play(scenario)


def test_change_of_equity_is_what_was_realized_and_unrealized_and_paid_in(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.market.on_quote(quote("60000"))
        await world.bought("0.03")
        await world.restart()
        world.market.on_quote(quote("60000"))
        began = await begun(world)
        await world.deposit(USD, "500")
        await world.submit(side=Side.SELL, quantity="0.01", price=None)
        await world.reconciler.reconcile()
        world.market.on_quote(quote("61000"))
        run = (await reported(world, began)).this_run
        assert run.unrealized > 0 > run.realized
        gained = run.realized + run.unrealized + Decimal(500)
        assert abs(run.equity_end - run.equity_start - gained) < Decimal("1e-8")
        assert run.flows == 500
        assert abs(run.equity_change - run.realized - run.unrealized) < Decimal("1e-8")

    play(scenario)


@pytest.mark.parametrize(
    ("amount", "line"),
    [
        ("5000", "equity 10000.00 -> 15000.00 (+0.00; flows +5000.00 came in), deepest fall 0.00"),
        ("-4000", "equity 10000.00 -> 6000.00 (+0.00; flows -4000.00 went out), deepest fall 0.00"),
    ],
)
def test_money_that_comes_or_goes_is_neither_gain_nor_loss_of_a_run(
    play: Play, amount: str, line: str
) -> None:
    async def scenario(world: Any) -> None:
        await world.reconciler.catch_up()
        began = await begun(world)
        await world.deposit(USD, amount)
        await world.reconciler.reconcile()
        report = await reported(world, began)
        assert f"{line} %" in reporting.render(report).splitlines()
        told = json.loads(reporting.as_json(report))
        assert Decimal(told["this_run"]["flows"]) == Decimal(amount)
        assert Decimal(told["this_run"]["equity_change"]) == 0
        assert Decimal(told["this_run"]["drawdown_max_pct"]) == 0
        assert Decimal(told["since_books_began"]["flows"]) == 10_000 + Decimal(amount)

    play(scenario)


def test_deposit_during_a_fall_leaves_the_fall_and_the_loss_in_the_table(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.reconciler.around_flow = world.marker.mark_around_flow
        world.market.on_quote(quote("60000"))
        await world.reconciler.catch_up()
        began = await begun(world)
        world.market.on_quote(quote("57000"))
        await world.deposit(USD, "8000")
        await world.reconciler.reconcile()
        report = await reported(world, began)
        run = report.this_run
        assert (run.equity_end - run.equity_start, run.flows) == (5_000, 8_000)
        assert run.equity_change == run.realized + run.unrealized == -3_000
        assert 4 < run.drawdown_max_pct < 5  # 3,000 of 70,000
        assert "(-3000.00; flows +8000.00 came in), deepest fall 4.29 %" in reporting.render(report)

    play(scenario, balances={USD: Decimal(10_000), XBT: Decimal(1)})


def test_coins_that_a_person_takes_out_realize_in_the_run_that_books_it(play: Play) -> None:
    async def scenario(world: Any) -> None:
        world.market.on_quote(quote("60000"))
        await world.reconciler.catch_up()  # the coins are booked at this price
        await world.restart()
        world.market.on_quote(quote("61000"))
        began = await begun(world)
        await world.deposit(XBT, "-0.5")
        await world.reconciler.reconcile()
        run = (await reported(world, began)).this_run
        assert (run.fills, run.fees) == (0, 0)
        assert run.realized == Decimal(500)
        assert run.realized == -run.unrealized

    balances = {USD: Decimal(10_000), XBT: Decimal("0.5")}
    play(scenario, balances=balances, speaks_first=False)


def quote(price: str) -> Quote:
    at = Decimal(price)
    return Quote(
        pair=PairName("XBTUSD"), bid=at, ask=at, last=at, volume_24h_base=Decimal(100), at_ns=0
    )
