"""The nonce fence is tried on a key, with an order that is only validated; no order is placed."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

ACCOUNTS = """
{"alice": {"balances": {"USD": 1000}, "keys": [
  {"key": "strict"}, {"key": "narrow", "nonce_window": 10000},
  {"key": "wide", "nonce_window": 100000000000000},
  {"key": "watch", "may": "query"}, {"key": "other-trade"}]}}
"""


@pytest.fixture
def venue(krakked: Any) -> Any:
    (krakked.folder / "accounts.json").write_text(ACCOUNTS)
    return krakked.simulator("--accounts", "accounts.json", "--speed", "60")


def look(krakked: Any, venue: Any, key: str, query: str = "watch", *more: str) -> tuple[int, Any]:
    from krakked.simulator.options import default_key

    keys = {
        "KRAKEN_API_KEY": key,
        "KRAKEN_API_SECRET": default_key(key).secret,
        "KRAKEN_QUERY_KEY": query,
        "KRAKEN_QUERY_SECRET": default_key(query).secret,
    }
    done = krakked.run("doctor", "fence", *venue.settings(), "--json", *more, **keys)
    assert done.returncode in (0, 1), done.stderr
    told = json.loads(done.stdout)
    assert "nonce window 0 on both" in told["advice"]
    return done.returncode, {one["what"]: (one["is_good"], one["said"]) for one in told["findings"]}


@pytest.mark.timeout(120)
def test_fence_holds_on_a_strict_key_and_each_nonce_window_is_found(
    krakked: Any, venue: Any
) -> None:
    older = "an order of epoch 0 after a call of epoch 1"
    lower = "a nonce that is one too low"
    code, found = look(krakked, venue, "strict")
    assert (code, {good for good, _ in found.values()}) == (0, {True})
    assert "EAPI:Invalid nonce" in found[older][1]
    code, found = look(krakked, venue, "narrow")
    assert (code, found[older][0], found[lower][0]) == (1, True, False)
    assert "set it to 0" in found[lower][1]
    code, found = look(krakked, venue, "wide")
    assert (code, found[older][0], found[lower][0]) == (1, False, False)
    assert "an older owner could trade" in found[older][1]
    code, found = look(krakked, venue, "strict", "other-trade")
    assert (code, found["KRAKEN_QUERY_KEY"][0]) == (1, False)
    assert not list(krakked.folder.glob("portfolio.db*"))  # none is made


@pytest.mark.long
@pytest.mark.timeout(120)
def test_doctor_leaves_the_next_start_above_what_it_used_and_never_looks_beside_an_engine(
    krakked: Any,
) -> None:
    venue = krakked.simulator("--speed", "60", "--seed", "1")
    engine = venue.trade()
    engine.wait_for("engine_started")
    busy = krakked.run("doctor", "fence", *venue.settings(), **venue.keys)
    assert (busy.returncode, "in use by another krakked" in busy.stderr) == (73, True)
    assert engine.end(signal.SIGINT) == 0, engine.story()
    alone = krakked.run("doctor", "fence", *venue.settings(), **venue.keys)
    assert alone.returncode == 1
    assert "only one: slow questions hold up cancels" in alone.stdout
    assert "refused: the nonce window is 0" in alone.stdout
    engine = venue.trade()
    engine.wait_for("engine_started")
    assert krakked.ask("status")["epoch"] == 2
    assert engine.end(signal.SIGINT) == 0, engine.story()
