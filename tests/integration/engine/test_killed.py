"""The engine is killed at random moments, again and again; the account never notices.

The simulator is a process of its own and lives on. Quick strategies on short bars place some orders
a second, so that the kills meet plans, orders on the wire and fills that nobody has booked yet.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from krakked.adapters.sqlite.queries import open_queries
from krakked.domain.orders import Journal
from krakked.simulator.store import StateStore

SEED = 4
SPEED = 120
ORDERS_MIN = 60
QUICK = (
    "strategies.trend.params={fast_bars: 2, slow_bars: 3}",
    "strategies.reversion.params={window_bars: 4, entry_z: 0.5, exit_z: 0.1}",
    "risk.max_open_positions=100",
    "risk.max_daily_drawdown_pct=90",
    "risk.max_portfolio_risk_pct=100",
)


class Moment(NamedTuple):
    """When to kill: after the engine has traded a while, so long after the next line of a kind."""

    line: str | None
    trades_s_max: float
    delay_s_max: float


MOMENTS = (
    Moment("order_sent", 2.0, 0.0),
    Moment(None, 0.0, 2.0),  # in the middle of the start
    Moment("order_sent", 2.0, 0.01),
    Moment("plan_created", 2.0, 0.0),
    Moment("stage_done", 0.0, 1.0),
    Moment("fill_booked", 2.0, 0.0),
    Moment("order_sent", 2.0, 0.02),
    Moment("fill_booked", 2.0, 0.01),
    Moment("order_sent", 2.0, 0.0),
    Moment("strategy_cycle", 2.0, 0.5),
)


@pytest.mark.long
@pytest.mark.timeout(180)
def test_engine_killed_ten_times_loses_no_fill_and_doubles_no_order(krakked: Any) -> None:
    rng = random.Random(SEED)
    story = [f"seed {SEED}"]
    market = ("--speed", str(SPEED), "--seed", "1", "--from", "2026-01-01", "--state", "sim.state")
    venue = krakked.simulator(*market)
    quick = tuple(text for setting in QUICK for text in ("--set", setting))
    unfinished = []
    for moment in MOMENTS:
        _kill(venue.trade(*quick, bar="1m"), moment, rng)
        unfinished.append(_under_way(krakked.folder))
        story.append(f"killed at {moment.line}: {unfinished[-1]} orders were on their way")
    last = venue.trade(*quick, bar="1m")
    last.wait_for("engine_started")
    last.wait_for("fill_booked")
    assert last.end(signal.SIGINT) == 0, last.story()
    assert last.lines[-1] == "books: zero differences"
    assert venue.process.end(signal.SIGINT) == 0
    assert sum(map(bool, unfinished)) >= 2, "hardly any kill fell amid submissions"
    story.append(_check_account(krakked.folder))
    sys.stdout.write("\n".join([*story, ""]))


def _kill(engine: Any, moment: Moment, rng: random.Random) -> None:
    if moment.trades_s_max:
        engine.wait_for("engine_started")
        time.sleep(rng.uniform(0.5, moment.trades_s_max))
        engine.skip()
    if moment.line is not None:
        engine.wait_for(moment.line)
    time.sleep(rng.uniform(0.0, moment.delay_s_max))
    assert engine.end(signal.SIGKILL) == -signal.SIGKILL, engine.story()


def _under_way(folder: Path) -> int:
    """Orders that were recorded and whose answer was not."""
    if not (folder / "portfolio.db").exists():
        return 0
    queries = open_queries(folder / "portfolio.db")
    try:
        orders = queries.orders(limit=100_000)
    finally:
        queries.close()
    return sum(order.journal in (Journal.PENDING, Journal.SENT) for order in orders)


def _check_account(folder: Path) -> str:
    """Each order once, each fill booked; how many there were."""
    store = StateStore(folder / "sim.state")
    rows = store.rows()
    store.close()
    asked: list[Any] = [row["ask"] for kind, _, row in rows if kind == "order"]
    client_ids = [ask["cl_ord_id"] for ask in asked]
    assert None not in client_ids
    assert len(client_ids) == len(set(client_ids))
    queries = open_queries(folder / "portfolio.db")
    fills = queries.fills(limit=100_000)
    queries.close()
    theirs = {
        row["trade_txid"]: Decimal(row["quantity_base"]) for k, _, row in rows if k == "trade"
    }
    ours = {str(fill.trade.trade_id): fill.trade.quantity_base for fill in fills}
    assert ours == theirs
    assert len(asked) > ORDERS_MIN
    assert len(theirs) > ORDERS_MIN // 2
    return f"{len(asked)} orders, {len(theirs)} fills"
