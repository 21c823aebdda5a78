"""A new database on an account that krakked has traded: with the lease gone as well, too."""

from __future__ import annotations

import signal
from typing import Any

import pytest

OTHER = ("--db-path", "other.db")


def traded(krakked: Any, *, starts: int) -> Any:
    """A venue at which so many engines with one database have traded, one after the other."""
    venue = krakked.simulator("--speed", "60", "--seed", "1", "--from", "2026-01-01")
    for number in range(starts):
        engine = venue.trade()
        engine.wait_for("fill_booked" if number == 0 else "engine_started")
        assert engine.end(signal.SIGINT) == 0
    return venue


def check_restored(krakked: Any, engine: Any, *, epochs: tuple[int, int]) -> None:
    engine.wait_for("the database is older than what was done on this account")
    engine.wait_for("engine_started")
    told = krakked.ask("status", *OTHER)
    assert epochs[0] <= told["epoch"] <= epochs[1]
    assert (told["needs_acknowledgement"], told["drift"]) == (True, [])
    ours = krakked.ask("executions", "--limit", "100")
    theirs = krakked.ask("executions", "--limit", "100", *OTHER)
    facts = [{(one["trade"]["trade_id"], one["strategy_id"]) for one in r} for r in (ours, theirs)]
    assert facts[0] == facts[1]
    assert len(facts[0]) > 0
    assert krakked.run("acknowledge", *OTHER).returncode == 0
    assert krakked.ask("status", *OTHER)["needs_acknowledgement"] is False
    assert engine.end(signal.SIGINT) == 0, engine.story()
    assert engine.lines[-1] == "books: zero differences"


@pytest.mark.long
@pytest.mark.timeout(120)
def test_new_ledger_and_lease_find_orders_of_ours_in_the_accounts_history_and_are_restored(
    krakked: Any,
) -> None:
    venue = traded(krakked, starts=1)
    check_restored(krakked, venue.trade(*OTHER), epochs=(101, 1000))


@pytest.mark.long
@pytest.mark.timeout(120)
def test_new_ledger_below_the_venues_epoch_is_fenced_and_told_how_to_go_on(krakked: Any) -> None:
    venue = traded(krakked, starts=2)
    refused = venue.trade(*OTHER)
    assert refused.wait() == 70, refused.story()
    assert "`krakked unfence --epoch N`: N above every epoch that any engine" in refused.story()
    engine = venue.trade(*OTHER)
    assert "krakked unfence --epoch N" in engine.wait_for("still waiting for a person: fenced")
    assert krakked.run("unfence", "--yes", "--epoch", "1000", *OTHER).returncode == 0
    check_restored(krakked, engine, epochs=(1000, 1000))


@pytest.mark.long
@pytest.mark.timeout(180)
def test_an_engine_with_files_of_its_own_on_an_account_that_trades_deposes_the_one_there(
    krakked: Any,
) -> None:
    venue = krakked.simulator("--speed", "60", "--seed", "1", "--from", "2026-01-01")
    first = venue.trade()
    first.wait_for("fill_booked")
    second = venue.trade(*OTHER)
    second.wait_for("the account has orders of krakked's that this database and its lease never")
    second.wait_for("engine_started")
    first.wait_for("exchange_fenced")
    ours, theirs = krakked.ask("status"), krakked.ask("status", *OTHER)
    assert (ours["epoch"], ours["ready"]) == (1, False)
    assert "Invalid nonce" in ours["fenced"]
    assert theirs["epoch"] > 100
    assert (theirs["fenced"], theirs["drift"]) == (None, [])
    assert krakked.run("unfence", "--yes").returncode == 0  # by mistake: it deposes the other one
    second.wait_for("exchange_fenced")
    first.wait_for("trades with epoch")
    ours, theirs = krakked.ask("status"), krakked.ask("status", *OTHER)
    assert (ours["fenced"], theirs["ready"]) == (None, False)
    assert ours["epoch"] != theirs["epoch"]
    assert second.end(signal.SIGINT) == 70, second.story()  # it may not ask what the books are
    assert first.end(signal.SIGINT) == 0, first.story()
    assert first.lines[-1] == "books: zero differences"
