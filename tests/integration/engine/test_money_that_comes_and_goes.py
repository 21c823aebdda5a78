"""Deposits and withdrawals while an engine runs: no gain, no loss, no fall."""

from __future__ import annotations

import json
import signal
import urllib.request
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(120)
STRATEGIES = ("trend", "reversion", "basket")
NOBODY_TRADES = tuple(
    text for strategy in STRATEGIES for text in ("--set", f"strategies.{strategy}.enabled=false")
)

LOOKS_OFTEN = ("--set", "venue.tier=none", "--set", "scheduler.portfolio_sync_sec=1")


def moves(venue: Any, **act: dict[str, str]) -> None:
    """A person's money, by the venue's admin address."""
    request = urllib.request.Request(  # noqa: S310 - our own
        f"{venue.told['admin_url']}/balances", data=json.dumps(act).encode(), method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own
        assert answer.status == 200


def test_money_that_moves_during_a_run_is_told_as_flows_and_not_as_loss(krakked: Any) -> None:
    flags = ("--market", "calm", "--speed", "60", "--balance", "USD=10000", "--tier", "none")
    venue = krakked.simulator(*flags)
    engine = venue.trade(*NOBODY_TRADES, *LOOKS_OFTEN)
    engine.wait_for('"engine_started"')
    moves(venue, deposit={"USD": "2500"})
    assert '"2500.0000"' in engine.wait_for('"cash_flow_booked"')
    moves(venue, withdraw={"USD": "4000"})
    assert '"-4000.0000"' in engine.wait_for('"cash_flow_booked"')
    assert engine.end(signal.SIGINT) == 0, engine.story()
    assert (
        "equity 10000.00 -> 8500.00 (+0.00; flows -1500.00 went out), deepest fall 0.00 %"
        in engine.lines
    ), engine.story()
    assert engine.lines[-1] == "books: zero differences"
