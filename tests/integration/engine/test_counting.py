"""Whole runs whose account is counted as a person says, and whose universe is what trades."""

from __future__ import annotations

import signal
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(240)


def test_account_is_valued_through_the_named_pair_and_without_what_does_not_count(
    krakked: Any,
) -> None:
    chosen = {
        "KRAKKED_SIMULATOR__BALANCES": "{USD: 10000, ETH: 2, XBT: 1}",
        "KRAKKED_PORTFOLIO__VALUATION_PAIRS": "{ETH: ETHXBT}",
        "KRAKKED_PORTFOLIO__EXCLUDE_ASSETS": "[XBT]",
        "KRAKKED_EXECUTION__MODE": "dry_run",
    }
    engine = krakked.start("run", "--env", "dev", "--set", "simulator.market=calm", **chosen)
    left_out = engine.wait_for('"pair_left_out"')
    assert '"pair":"XBTUSD"' in left_out
    rolled = engine.wait_for('"day_rolled"')
    engine.wait_for("engine_started")
    assert engine.end(signal.SIGTERM) == 0, engine.story()
    assert engine.lines[-1] == "books: zero differences"
    equity = float(rolled.split('"baseline_equity":"')[1].split('"')[0])
    # 10,000 USD and 2 ETH; the bitcoin is there, compared, and not counted.
    assert 10_000 < equity < 30_000
    assert not any("ETHXBT" in line and "bar_closed" in line for line in engine.lines)


def test_pair_that_turns_over_too_little_is_told_and_not_traded(krakked: Any) -> None:
    engine = krakked.start(
        *("run", "--env", "dev", "--set", "simulator.market=calm"),
        KRAKKED_UNIVERSE__MIN_24H_VOLUME_USD="1000000000",
        KRAKKED_STRATEGIES__TREND__PAIRS="[XBTUSD]",
    )
    said = engine.wait_for('"pair_left_out"')
    assert "less than universe.min_24h_volume_usd (1000000000)" in said
    warned = engine.wait_for("XBTUSD stays in the universe")
    assert '"level":"warning"' in warned
    engine.wait_for("engine_started")
    assert engine.end(signal.SIGTERM) == 0, engine.story()


def test_named_pair_that_values_nothing_is_one_line_and_exit_code_78(krakked: Any) -> None:
    done = krakked.run("run", "--env", "dev", "--set", "portfolio.valuation_pairs={ETH: XBTUSD}")
    assert done.returncode == 78
    assert (
        done.stderr.strip()
        .splitlines()[-1]
        .endswith(
            "portfolio.valuation_pairs.ETH: XBTUSD trades XBT for USD, not ETH; name another pair, "
            "or none"
        )
    )
