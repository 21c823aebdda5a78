"""The engine is killed at random moments, again and again; the account never notices.

The simulator is a process of its own and lives on. Strategies run on short bars, so that the
kills meet plans, orders on the wire and fills that nobody has booked yet.
"""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from krakked.adapters.sqlite.queries import open_queries
from krakked.simulator.store import StateStore

KILLS = 10
SPEED = 120
MOMENTS = (None, "stage_done", "strategy_cycle", "engine_started", "engine_started")
"""What a kill waits for before its random delay; None: nothing, the start itself is hit."""


@pytest.mark.long
@pytest.mark.timeout(400)
def test_engine_killed_ten_times_loses_no_fill_and_doubles_no_order(krakked: Any) -> None:
    rng = random.Random(4)
    ports = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    market = ("--speed", str(SPEED), "--seed", "1", "--from", "2026-01-01", "--state", "sim.state")
    venue = krakked.start("simulator", *ports, *market, "--json")
    engine = _engine_at(krakked, json.loads(venue.wait_for("rest_url")))
    for number in range(KILLS):
        _kill_at_random(engine(), MOMENTS[number % len(MOMENTS)], rng)
    last = engine()
    last.wait_for("engine_started")
    last.wait_for("strategy_cycle")
    assert last.end(signal.SIGINT) == 0, last.story()
    assert last.lines[-1] == "books: zero differences"
    assert venue.end(signal.SIGINT) == 0
    _check_account(krakked.folder)


def _engine_at(krakked: Any, told: Any) -> Callable[[], Any]:
    urls = ("rest_url", "ws_url", "ws_auth_url", "admin_url")
    flags = [text for name in urls for text in ("--set", f"venue.{name}={told[name]}")]
    flags += ["--set", 'market_data.timeframes=["1m"]']
    flags += ["--set", 'market_data.timeframes=["1m"]']
    for strategy in ("trend", "reversion", "basket"):
        flags += ["--set", f'strategies.{strategy}.timeframes=["1m"]']
    keys = {"KRAKEN_API_KEY": told["trade_key"], "KRAKEN_API_SECRET": told["trade_secret"]}
    return lambda: krakked.start("run", "--env", "dev", *flags, **keys)


def _kill_at_random(engine: Any, moment: str | None, rng: random.Random) -> None:
    if moment is not None:
        engine.wait_for(moment)
    time.sleep(rng.uniform(0.3, 2.0))
    assert engine.end(signal.SIGKILL) == -signal.SIGKILL, engine.story()


def _check_account(folder: Path) -> None:
    store = StateStore(folder / "sim.state")
    rows = store.rows()
    store.close()
    orders = [row for kind, _, row in rows if kind == "order"]
    asked: list[Any] = [order["ask"] for order in orders]
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
    assert len(theirs) >= 8
