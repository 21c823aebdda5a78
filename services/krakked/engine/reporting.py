"""The end of a run: the books compared with the venue's to the last digit, a table, a digest.

A ledger goes on from run to run. The table is this run's: what was booked after the start had made
the books agree with the venue, which is also what its equity began with. It is told by the order
of booking and not by instants, which are the venue's for a fill and may be simulated. What stands
since the books began is named so, and so is the digest's span.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import msgspec

from krakked.adapters.sqlite.queries import open_queries
from krakked.adapters.sqlite.questions import Extent
from krakked.domain.errors import BadInput, KrakkedError, Transient
from krakked.domain.events import EventName
from krakked.domain.fills import Fill, VenueTrade
from krakked.domain.ids import PairName
from krakked.domain.money import ZERO
from krakked.domain.portfolio import Difference, Snapshot
from krakked.domain.times import NS_PER_SECOND
from krakked.engine.asking import agree, patiently
from krakked.runtime.exit_codes import ExitCode
from krakked.runtime.json_text import json_text
from krakked.simulator.covering import Uncovered, in_lines
from krakked.trading.account import Account
from krakked.trading.compare import compare_fills, standing
from krakked.trading.cursors import BOOKS_BEGAN_CURSOR
from krakked.trading.engine import Engine
from krakked.trading.feeding import Holes

EVERYTHING = 1_000_000_000
LIMITED = "the venue's rate limit left no time"


class PairLine(msgspec.Struct, frozen=True, kw_only=True):
    """One pair of the table: its executions."""

    pair: PairName
    fills: int
    bought_quote: Decimal
    sold_quote: Decimal
    fees_quote: Decimal
    realized_quote: Decimal


class Gain(msgspec.Struct, frozen=True, kw_only=True):
    """What is on record of one pair, of executions and of coins that came or went."""

    realized_quote: Decimal = ZERO
    fees_quote: Decimal = ZERO


class Began(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run began: what was on record, and what the account was worth."""

    extent: Extent
    snapshot: Snapshot
    gains: Mapping[PairName, Gain]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Of a run, or of all that is on record; amounts are in the base currency."""

    plans: int
    orders: int
    fills: int
    fees: Decimal
    realized: Decimal
    unrealized: Decimal
    flows: Decimal
    """What came in less what went out, at what it was worth then: neither gain nor loss."""


class RunFigures(Figures, frozen=True, kw_only=True):
    """What a run did: its profit that is not realized is how that changed.

    ``equity_end - equity_start = flows + equity_change``, and the change is what was realized and
    is unrealized. Table and JSON both tell it from here.
    """

    pairs: tuple[PairLine, ...]
    """In the currency of each pair."""
    bars: int
    equity_start: Decimal
    equity_end: Decimal
    equity_change: Decimal
    """Without flows."""
    drawdown_max_pct: Decimal
    """The deepest fall from the peak, without flows (:class:`~krakked.domain.portfolio.Falls`)."""
    gaps: tuple[Holes, ...] = ()
    """Stretches in which a pair has no bar."""
    uncovered: tuple[Uncovered, ...] = ()
    """Pairs whose candle files do not reach over the whole of a replay."""


class BooksFigures(Figures, frozen=True, kw_only=True):
    """What stands in the ledger, of all runs on it."""

    unknown_cost: tuple[PairName, ...] = ()
    """Pairs whose part of it is no more than their worth: nobody knows what they cost."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did, what stands on record, and how that compares with the venue."""

    this_run: RunFigures
    since_books_began: BooksFigures
    digest: str
    """Over everything on record."""
    differences: tuple[Difference, ...]
    remarks: tuple[str, ...] = ()
    """What was not compared with the venue, and why."""


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """What the comparison at a stop found, and what it had no time for."""

    differences: tuple[Difference, ...]
    remarks: tuple[str, ...] = ()


async def compare_books(
    engine: Engine,
    read_fills: Callable[[], Sequence[Fill]],
    *,
    since_ns: int,
    limit_s: float = math.inf,
    waited_ns: Callable[[], int] = lambda: 0,
) -> Compared:
    """Everything in which our books and the venue's disagree, after they had time to agree.

    First what asks least and proves most: fills that only the stream told, open orders, balances;
    balances rest on every execution. Then each execution since ``since_ns``, or since the books
    began if that is later: price, size, cost, fee.

    A stop must not take long, and the venue limits questions: after ``limit_s`` what was found
    counts, then what is on record, and what was not looked at is told. ``waited_ns`` is how long
    questions stood in line for the venue's rate limit: it tells a limit from a silent venue.

    Raises:
        Transient: the venue answered nothing, and no difference is on record.
        BadInput: the rate limit left no time for a single question, and none is on record.
    """
    began_ns, stood_ns = engine.desk.now_ns(), waited_ns()
    try:
        async with asyncio.timeout(None if math.isinf(limit_s) else limit_s):
            found = await agree(engine, waits_for_unknown=True)
            executions = await _compare_executions(engine, read_fills, since_ns)
            return Compared(differences=(*found, *executions))
    except TimeoutError:
        is_limited = waited_ns() - stood_ns >= limit_s * NS_PER_SECOND / 2
        why = LIMITED if is_limited else f"not done within {limit_s:g} s"
    except Transient as error:
        if not standing(engine.desk.account.drifts):
            raise
        why = str(error)
    remarks = _not_compared(engine, read_fills, began_ns, since_ns, why)
    recorder = engine.desk.recorder
    for remark in remarks:
        recorder.publish(recorder.event(EventName.CAUTION, reason=remark))
    on_record = tuple(drift.difference for drift in standing(engine.desk.account.drifts))
    return Compared(differences=on_record, remarks=remarks)


def _not_compared(
    engine: Engine,
    read_fills: Callable[[], Sequence[Fill]],
    began_ns: int,
    since_ns: int,
    why: str,
) -> tuple[str, ...]:
    """What the time did not suffice for, in words.

    Raises:
        Transient, BadInput: nothing was compared, and no difference is on record.
    """
    remarks = []
    if engine.reconciler.last_success_ns < began_ns:
        if not standing(engine.desk.account.drifts):
            raise _nothing_compared(why)
        remarks.append(f"balances and open orders not compared again: {why}")
    from_ns = _from_ns(engine, since_ns)
    count = sum(fill.trade.at_ns >= from_ns for fill in read_fills())
    if count:
        remarks.append(f"{count} execution{'s' * (count > 1)} not compared: {why}")
    return tuple(remarks)


def _nothing_compared(why: str) -> KrakkedError:
    if why != LIMITED:
        return Transient("the venue did not answer in time; books were not compared")
    return BadInput(
        f"books were not compared: {LIMITED}; nothing is lost, the next start compares them",
        exit_code=ExitCode.TIMED_OUT,
    )


def _from_ns(engine: Engine, since_ns: int) -> int:
    return max(int(engine.desk.account.cursors.get(BOOKS_BEGAN_CURSOR, "0")), since_ns)


async def _compare_executions(
    engine: Engine, read_fills: Callable[[], Sequence[Fill]], since_ns: int
) -> list[Difference]:
    from_ns = _from_ns(engine, since_ns)
    trades = await patiently(engine.desk.clock, lambda: engine.desk.exchange.trades_since(from_ns))
    fills = [fill for fill in read_fills() if fill.trade.at_ns >= from_ns]
    told = [trade for trade in trades if trade.at_ns >= from_ns]
    return compare_fills(fills, await _tracked(engine, told, fills))


async def _tracked(
    engine: Engine, trades: Sequence[VenueTrade], fills: Sequence[Fill]
) -> Sequence[VenueTrade]:
    """Those that must be fills here: all, unless what others do is booked as flows."""
    if engine.desk.rules.tracks_manual_trades:
        return trades
    booked = {fill.trade.trade_id for fill in fills}
    return await engine.desk.recorder.commit(
        lambda tx: [
            trade
            for trade in trades
            if trade.trade_id in booked or tx.order(trade.venue_order_id) is not None
        ]
    )


def pair_lines(fills: Sequence[Fill]) -> tuple[PairLine, ...]:
    """Sums by pair."""
    by_pair: dict[PairName, list[Fill]] = {}
    for fill in fills:
        by_pair.setdefault(fill.trade.pair, []).append(fill)
    return tuple(
        PairLine(
            pair=pair,
            fills=len(rows),
            bought_quote=sum((f.trade.cost_quote for f in rows if f.trade.side.sign > 0), ZERO),
            sold_quote=sum((f.trade.cost_quote for f in rows if f.trade.side.sign < 0), ZERO),
            fees_quote=sum((f.fee_quote for f in rows), ZERO),
            realized_quote=sum((f.realized_quote for f in rows), ZERO),
        )
        for pair, rows in sorted(by_pair.items())
    )


def render(report: Report) -> str:
    """The table, for people."""
    run = report.this_run
    lines = ["pair        fills        bought          sold          fees      realized"]
    lines += [
        f"{line.pair:<10}{line.fills:>7}{line.bought_quote:>14.2f}{line.sold_quote:>14.2f}"
        f"{line.fees_quote:>14.2f}{line.realized_quote:>14.2f}"
        for line in run.pairs
    ]
    lines += [
        "",
        f"bars {run.bars}, {_counts(run)}",
        _amounts(run),
        _equity_line(run),
        *(_gap_line(gap) for gap in run.gaps),
        *in_lines(run.uncovered),
        *_books_line(run, report.since_books_began),
        f"digest {report.digest}",
    ]
    return "\n".join(lines)


def _equity_line(run: RunFigures) -> str:
    return (
        f"equity {run.equity_start:.2f} -> {run.equity_end:.2f}"
        f" ({run.equity_change:+.2f}{_flows(run.flows)}),"
        f" deepest fall {run.drawdown_max_pct:.2f} %"
    )


def _flows(flows: Decimal) -> str:
    """Which way money went that no trade explains; nothing where none did."""
    if not flows:
        return ""
    way = "came in" if flows > 0 else "went out"
    return f"; flows {flows:+.2f} {way}"


def _counts(figures: Figures) -> str:
    return f"plans {figures.plans}, orders {figures.orders}, fills {figures.fills}"


def _amounts(figures: Figures) -> str:
    return (
        f"fees {figures.fees:.2f}, realized {figures.realized:.2f},"
        f" unrealized {figures.unrealized:.2f}"
    )


def _books_line(run: RunFigures, books: BooksFigures) -> list[str]:
    """None where this run is all that the ledger knows."""
    texts = f"{_counts(books)}, {_amounts(books)}{_unknown(books.unknown_cost)}"
    return (
        [] if texts == f"{_counts(run)}, {_amounts(run)}" else [f"since the books began: {texts}"]
    )


def _gap_line(gap: Holes) -> str:
    bars = "1 bar" if gap.bars == 1 else f"{gap.bars} bars"
    holes = "1 gap" if gap.holes == 1 else f"{gap.holes} gaps"
    return f"{gap.pair} {gap.timeframe.value}: {bars} missing in {holes}"


def as_text(report: Report) -> str:
    """The table, each difference, and the last line of every run."""
    return "\n".join([render(report), *verdict_lines(report.differences, report.remarks), ""])


def as_json(report: Report) -> str:
    """All of it, for programs; amounts are text."""
    return json_text(report) + "\n"


def verdict_lines(differences: Sequence[Difference], remarks: Sequence[str] = ()) -> list[str]:
    """Each difference, what was not compared, then the last line of every run."""
    count = len(differences)
    verdict = "zero differences" if not count else f"{count} differences"
    found = [f"difference: {difference}" for difference in differences]
    if remarks:
        left_out = "; ".join(remark.partition(": ")[0] for remark in remarks)
        verdict += f" in what was compared; {left_out}"
    return [*found, *remarks, f"books: {verdict}"]


def _unknown(pairs: Sequence[PairName]) -> str:
    return f" with {' '.join(pairs)} of unknown cost" if pairs else ""


# read from the database


def read_fills(database: Path) -> Sequence[Fill]:
    """Every execution that is booked."""
    with closing(open_queries(database)) as queries:
        return queries.fills(limit=EVERYTHING)


def projection_differences(database: Path) -> Sequence[Difference]:
    """What is kept for quick reading, against what follows from the rows."""
    with closing(open_queries(database)) as queries:
        return queries.projection_differences()


def beginning_of(account: Account, database: Path, snapshot: Snapshot) -> Began:
    """Where a run begins whose books have just been marked; call it in the same step."""
    with closing(open_queries(database)) as queries:
        return Began(extent=queries.extent(), snapshot=snapshot, gains=_gains(account))


def _gains(account: Account) -> dict[PairName, Gain]:
    gains: dict[PairName, Gain] = {}
    for sleeve, position in account.positions.items():
        before = gains.get(sleeve.pair, Gain())
        gains[sleeve.pair] = Gain(
            realized_quote=before.realized_quote + position.realized_quote,
            fees_quote=before.fees_quote + position.fees_quote,
        )
    return gains


def report_of(
    engine: Engine,
    database: Path,
    snapshot: Snapshot,
    *,
    began: Began,
    compared: Compared,
    uncovered: tuple[Uncovered, ...] = (),
) -> Report:
    """What the run did, as the database and its first and last snapshot tell it."""
    with closing(open_queries(database)) as queries:
        extent = queries.extent()
        run = _run_figures(
            engine,
            snapshot,
            began=began,
            extent=extent,
            fills=queries.fills_after(began.extent.newest_fill),
        )
        return Report(
            this_run=msgspec.structs.replace(run, uncovered=uncovered),
            since_books_began=_books_figures(engine, snapshot, extent),
            digest=queries.digest(),
            differences=compared.differences,
            remarks=compared.remarks,
        )


def _run_figures(
    engine: Engine, snapshot: Snapshot, *, began: Began, extent: Extent, fills: Sequence[Fill]
) -> RunFigures:
    fees, realized = _gained(engine, began)
    start = began.snapshot
    flows = snapshot.net_flows - start.net_flows
    return RunFigures(
        pairs=pair_lines(fills),
        bars=engine.feeder.bars_closed,
        plans=extent.plans - began.extent.plans,
        orders=extent.orders - began.extent.orders,
        fills=len(fills),
        fees=fees,
        realized=realized,
        unrealized=snapshot.unrealized - start.unrealized,
        flows=flows,
        equity_start=start.equity,
        equity_end=snapshot.equity,
        equity_change=snapshot.equity - start.equity - flows,
        drawdown_max_pct=engine.marker.falls.deepest_pct,
        gaps=engine.feeder.holes(),
    )


def _books_figures(engine: Engine, snapshot: Snapshot, extent: Extent) -> BooksFigures:
    return BooksFigures(
        plans=extent.plans,
        orders=extent.orders,
        fills=extent.fills,
        fees=snapshot.fees,
        realized=snapshot.realized,
        unrealized=snapshot.unrealized,
        flows=snapshot.net_flows,
        unknown_cost=engine.desk.account.of_unknown_cost(),
    )


def _gained(engine: Engine, began: Began) -> tuple[Decimal, Decimal]:
    """Fees and profit since then, by the prices of now: no older gain is valued anew."""
    account = engine.desk.account
    prices = account.prices(engine.desk.market.quotes)
    fees = realized = ZERO
    for name, gain in _gains(account).items():
        before = began.gains.get(name, Gain())
        pair = account.pairs.get(name)
        price = ZERO if pair is None else prices.get(pair.quote, ZERO)
        fees += (gain.fees_quote - before.fees_quote) * price
        realized += (gain.realized_quote - before.realized_quote) * price
    return fees, realized
