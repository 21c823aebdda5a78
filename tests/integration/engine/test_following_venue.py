"""Paper trading as it is meant: an engine of ``paper`` against a venue that follows another one."""

from __future__ import annotations

import signal
from typing import Any

import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
PAIRS = ("--pair", "XBTUSD", "--pair", "ETHUSD", "--pair", "SOLUSD", "--pair", "ADAUSD")
PAPER = ("--env", "paper", "--duration", "0.2")


def test_paper_runs_against_a_follower_whose_account_survives_it(krakked: Any) -> None:
    source = krakked.simulator("--market", "calm", "--tier", "none", *PAIRS)
    follow = ("--market", "follow", "--source-rest", source.told["rest_url"])
    state = ("--state", "paper.state", "--balance", "USD=5000", "--tier", "none")

    follower = krakked.simulator(*follow, *state)
    assert follower.told["pairs"] == ["XBTUSD", "ETHUSD", "SOLUSD", "ADAUSD"]
    flags = follower.settings(tier="none")
    run = krakked.run("run", *PAPER, *flags, **follower.keys)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "books: zero differences"
    assert follower.process.end(signal.SIGKILL) == -signal.SIGKILL

    again = krakked.simulator(*follow, *state)
    run = krakked.run("run", *PAPER, *again.settings(tier="none"), **again.keys)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "books: zero differences"
    assert again.process.end(signal.SIGTERM) == 0
