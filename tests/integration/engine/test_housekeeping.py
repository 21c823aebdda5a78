"""What an engine does beside trading: it takes out what need not be kept, and says so."""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(240)

OLD_DAY_NS = 19_000 * 86_400 * 10**9


def _old_snapshots(path: Any) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT at_ns FROM snapshots WHERE at_ns < ?", (2 * OLD_DAY_NS,))
        return sorted(at - OLD_DAY_NS for (at,) in rows if at < OLD_DAY_NS + 10**12)


@pytest.mark.long
def test_running_engine_thins_out_old_snapshots_and_tells_how_many(krakked: Any) -> None:
    path = krakked.folder / "portfolio.db"
    first = krakked.run("run", "--env", "dev", "--speed", "600", "--duration", "1")
    assert first.returncode == 0, first.stderr
    with closing(sqlite3.connect(path)) as connection, connection:
        keys = connection.execute("SELECT count(*), min(tick) FROM nonce_floors").fetchall()
        assert keys == [(2, pytest.approx(1_767_225_600_000, rel=1e-3))]  # trade and query key
        for number in range(5):
            connection.execute(
                "INSERT INTO snapshots SELECT ?, equity, cash, realized, unrealized, fees,"
                ' net_flows, unvalued, "values" FROM snapshots LIMIT 1',
                (OLD_DAY_NS + number,),
            )
    engine = krakked.start("run", "--env", "dev", "--speed", "600")
    line = json.loads(engine.wait_for('"pruned"'))
    assert (line["event"], line["pruned"]) == ("notice", {"snapshots": 4})
    assert engine.end(signal.SIGTERM) == 0, engine.story()
    assert engine.lines[-1] == "books: zero differences"
    assert _old_snapshots(path) == [4]
