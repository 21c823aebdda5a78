"""An account with a coin on it: its gain is profit, a position shows it, the books agree."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(200)
D = Decimal
BOUND = D("1e-15")
FIGURES = ("equity", "net_flows", "realized", "unrealized")


def snapshots(krakked: Any) -> list[dict[str, Decimal]]:
    """Every row of equity that the engine kept, oldest first."""
    with closing(sqlite3.connect(krakked.folder / "portfolio.db")) as connection:
        rows = connection.execute(
            "SELECT equity, net_flows, realized, unrealized FROM snapshots ORDER BY at_ns"
        ).fetchall()
    return [dict(zip(FIGURES, map(D, row), strict=True)) for row in rows]


@pytest.mark.long
def test_coin_of_the_opening_balance_is_manuals_and_every_mark_is_explained(krakked: Any) -> None:
    balance = ("--balance", "USD=10000,XBT=1")
    venue = krakked.simulator("--market", "synthetic", "--speed", "600", *balance)
    engine = venue.trade("--duration", "5", bar="1m")
    assert engine.wait() == 0, engine.story()
    assert engine.lines[-1] == "books: zero differences"

    rows = snapshots(krakked)
    assert len(rows) > 1
    for row in rows:
        explained = row["net_flows"] + row["realized"] + row["unrealized"]
        assert abs(row["equity"] - explained) < BOUND, row
    assert len({row["unrealized"] for row in rows}) > 1, "the coin's price moved"

    held = [one for one in krakked.ask("positions") if one["sleeve"]["strategy_id"] == "manual"]
    (coin,) = held
    assert (coin["sleeve"]["pair"], D(coin["quantity_base"])) == ("XBTUSD", 1)
    assert D(coin["cost_quote"]) == rows[0]["net_flows"] - 10_000
    checked = krakked.run("db-check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
