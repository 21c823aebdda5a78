"""The end of a run: the books compared with the venue's to the last digit, a table, a digest."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import msgspec

from krakked.adapters.sqlite.queries import open_queries
from krakked.domain.errors import BadInput, KrakkedError, Transient
from krakked.domain.events import EventName
from krakked.domain.fills import Fill, VenueTrade
from krakked.domain.ids import PairName
from krakked.domain.money import ZERO
from krakked.domain.portfolio import Difference, Snapshot
from krakked.domain.times import NS_PER_SECOND
from krakked.engine.asking import agree, patiently
from krakked.runtime.exit_codes import ExitCode
from krakked.trading.compare import compare_fills, standing
from krakked.trading.cursors import BOOKS_BEGAN_CURSOR
from krakked.trading.engine import Engine
from krakked.trading.feeding import Holes

EVERYTHING = 1_000_000_000
LIMITED = "the venue's rate limit left no time"


class PairLine(msgspec.Struct, frozen=True, kw_only=True):
    """One pair of the table."""

    pair: PairName
    fills: int
    bought_quote: Decimal
    sold_quote: Decimal
    fees_quote: Decimal
    realized_quote: Decimal


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did."""

    pairs: tuple[PairLine, ...]
    bars: int
    plans: int
    orders: int
    fills: int
    fees: Decimal
    realized: Decimal
    unrealized: Decimal
    unknown_cost: tuple[PairName, ...] = ()
    """Pairs whose part of it is no more than their worth: nobody knows what they cost."""
    equity_start: Decimal
    equity_end: Decimal
    drawdown_max_pct: Decimal
    gaps: tuple[Holes, ...] = ()
    """Stretches in which a pair has no bar."""
    digest: str
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
    lines = ["pair        fills        bought          sold          fees      realized"]
    lines += [
        f"{line.pair:<10}{line.fills:>7}{line.bought_quote:>14.2f}{line.sold_quote:>14.2f}"
        f"{line.fees_quote:>14.2f}{line.realized_quote:>14.2f}"
        for line in report.pairs
    ]
    change = report.equity_end - report.equity_start
    lines += [
        "",
        f"bars {report.bars}, plans {report.plans}, orders {report.orders}, fills {report.fills}",
        f"fees {report.fees:.2f}, realized {report.realized:.2f},"
        f" unrealized {report.unrealized:.2f}{_unknown(report.unknown_cost)}",
        f"equity {report.equity_start:.2f} -> {report.equity_end:.2f} ({change:+.2f}),"
        f" deepest fall {report.drawdown_max_pct:.2f} %",
        *(_gap_line(gap) for gap in report.gaps),
        f"digest {report.digest}",
    ]
    return "\n".join(lines)


def _gap_line(gap: Holes) -> str:
    bars = "1 bar" if gap.bars == 1 else f"{gap.bars} bars"
    holes = "1 gap" if gap.holes == 1 else f"{gap.holes} gaps"
    return f"{gap.pair} {gap.timeframe.value}: {bars} missing in {holes}"


def as_text(report: Report) -> str:
    """The table, each difference, and the last line of every run."""
    return "\n".join([render(report), *verdict_lines(report.differences, report.remarks), ""])


def as_json(report: Report) -> str:
    """All of it, for programs; amounts are text."""
    encoded = msgspec.json.encode(report, order="deterministic")
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


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


def report_of(
    engine: Engine,
    database: Path,
    snapshot: Snapshot,
    *,
    equity_start: Decimal,
    compared: Compared,
) -> Report:
    """What the run did, as the database and the last snapshot tell it."""
    with closing(open_queries(database)) as queries:
        fills = queries.fills(limit=EVERYTHING)
        return Report(
            pairs=pair_lines(fills),
            bars=engine.feeder.bars_closed,
            plans=len(queries.plans(limit=EVERYTHING)),
            orders=len(queries.orders(limit=EVERYTHING)),
            fills=len(fills),
            fees=snapshot.fees,
            realized=snapshot.realized,
            unrealized=snapshot.unrealized,
            unknown_cost=engine.desk.account.of_unknown_cost(),
            equity_start=equity_start,
            equity_end=snapshot.equity,
            drawdown_max_pct=engine.marker.drawdown_max_pct,
            gaps=engine.feeder.holes(),
            digest=queries.digest(),
            differences=compared.differences,
            remarks=compared.remarks,
        )
