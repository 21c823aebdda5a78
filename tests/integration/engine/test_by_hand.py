"""Where no engine runs, a person's command takes the account by itself, acts, and lets go."""

from __future__ import annotations

import json
import signal
import sqlite3
from typing import Any

import pytest

from krakked.adapters.system.lease_file import path_beside

QUICK = (
    "strategies.trend.params={fast_bars: 2, slow_bars: 3}",
    "strategies.reversion.params={window_bars: 4, entry_z: 0.5, exit_z: 0.1}",
    "risk.max_portfolio_risk_pct=100",
    "risk.max_open_positions=100",
)
RESTING = ("execution.max_slippage_bps=0", "execution.post_only=true")
"""Purchases stand at the price of the moment, and some of them stay there."""


class Abandoned:
    """A venue whose engine was killed while it held positions and had orders at the venue."""

    def __init__(self, krakked: Any) -> None:
        self._krakked = krakked
        self.venue = krakked.simulator("--speed", "60", "--seed", "1", "--from", "2026-01-01")
        self.flags = [text for one in (*QUICK, *RESTING) for text in ("--set", one)]
        engine = self.venue.trade(*self.flags, bar="1m")
        engine.wait_for("fill_booked")
        engine.end(signal.SIGKILL)

    def give(self, *verb: str) -> dict[str, Any]:
        """A command's answer."""
        done = self._krakked.run(*verb, *self.venue.settings(), "--json", **self.venue.keys)
        assert done.returncode == 0, done.stderr
        assert "no engine runs on portfolio.db: taking its lock, its lease" in done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told


def live_orders(krakked: Any) -> int:
    connection = sqlite3.connect(krakked.folder / "portfolio.db")
    live = "SELECT count(*) FROM orders WHERE journal IN ('pending', 'sent', 'acked', 'unknown')"
    (count,) = connection.execute(live).fetchone()
    connection.close()
    return int(count)


def lease(krakked: Any) -> tuple[str, int, int]:
    told = json.loads(path_beside(krakked.folder / "portfolio.db").read_bytes())
    return told["holder"], told["released_epoch"], told["epoch"]


@pytest.mark.timeout(120)
def test_panic_without_an_engine_leaves_no_order_and_no_position_behind_and_says_so(
    krakked: Any,
) -> None:
    account = Abandoned(krakked)
    assert live_orders(krakked) > 0
    told = account.give("panic", "--yes", "--reason", "a test")
    assert "the account was taken for this, with epoch 2: the kill switch is on" in told["message"]
    assert told["data"] == {"running": False, "epoch": 2, "open_orders": 0, "positions": 0}
    assert live_orders(krakked) == 0
    assert lease(krakked) == ("", 2, 2)
    assert krakked.run("kill-switch", "status").returncode == 1


@pytest.mark.long
@pytest.mark.timeout(300)
def test_each_command_without_an_engine_is_done_once_and_an_engine_goes_on_after_them(
    krakked: Any,
) -> None:
    account = Abandoned(krakked)
    first = account.give("orders", "cancel-all")
    assert first["data"]["open_orders"] == 0
    assert first["data"]["positions"] > 0
    assert (
        ": 0 orders cancelled; 0 orders of ours left"
        in (account.give("orders", "cancel-all")["message"])
    )
    sold = account.give("orders", "flatten", "--yes", "--halt")
    assert "halted: no new plans" in sold["message"]
    assert sold["data"]["positions"] == 0
    assert (
        "no position of a strategy to close"
        in (account.give("orders", "flatten", "--yes")["message"])
    )
    assert lease(krakked) == ("", 5, 5)
    engine = account.venue.trade(*account.flags, bar="1m")
    engine.wait_for("engine_started")
    assert krakked.ask("status")["halted"] is True
    assert engine.end(signal.SIGINT) == 0, engine.story()
    assert engine.lines[-1] == "books: zero differences"


@pytest.mark.long
@pytest.mark.timeout(200)
def test_switch_and_halt_without_an_engine_cancel_what_rests_too(krakked: Any) -> None:
    account = Abandoned(krakked)
    told = account.give("kill-switch", "on", "--reason", "a test")
    assert "the kill switch is on; of those that would add risk, " in told["message"]
    assert told["data"]["open_orders"] == 0
    assert "halted; 0 orders cancelled" in account.give("halt", "--cancel")["message"]
    assert "so it is recorded" in krakked.run("kill-switch", "on").stdout  # nothing is left to do


@pytest.mark.timeout(120)
def test_venue_that_is_away_leaves_the_wish_on_record_for_the_next_start(krakked: Any) -> None:
    engine = krakked.start("run", "--env", "dev")
    engine.wait_for("engine_started")
    engine.end(signal.SIGKILL)
    away = ("--venue", "http://127.0.0.1:9")
    keys = {"KRAKEN_API_KEY": "k", "KRAKEN_API_SECRET": "c2VjcmV0"}
    done = krakked.run("panic", "--yes", *away, **keys)
    assert done.returncode == 69, done.stderr
    assert "krakked: kill switch on: no engine runs, so it is recorded" in done.stderr
    assert krakked.run("kill-switch", "status").returncode == 1
