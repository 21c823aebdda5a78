"""Who or what closed a position: shown where people ask what was decided, and why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result

from krakked.adapters.sqlite.ledger import open_ledger
from krakked.domain.decisions import ExitRecord, Outcome
from krakked.domain.limits import LimitCheck, LimitName
from krakked.domain.times import NS_PER_SECOND
from krakked.ports.ledger import Transaction

Krakked = Callable[..., Result]
HOUR_NS = 3600 * NS_PER_SECOND
DUST = LimitCheck(
    limit=LimitName.VENUE_MINIMUM,
    wanted=Decimal(0),
    had=Decimal("0.00001"),
    allowed=Decimal("0.00005"),
    unit="XBT",
    passed=False,
)


@pytest.fixture
def exits(ledger: Path, records: Any) -> Path:
    """After the newest verdict a stop closed the position; later a person met dust, twice."""
    newest_ns = (records.refusal(5).bar.start_s + 3600) * NS_PER_SECOND
    stop = ExitRecord(
        decision_id="trend/XBTUSD/stop/1",
        sleeve=records.SLEEVE,
        cause="stop",
        principal="engine",
        outcome=Outcome.ACTED,
        plan_id=records.plan().plan_id,
        decided_at_ns=newest_ns + HOUR_NS // 2,
        last_decided_at_ns=newest_ns + HOUR_NS // 2,
    )
    dust = msgspec.structs.replace(
        stop,
        decision_id="trend/XBTUSD/flatten/2",
        cause="flatten",
        principal="ada",
        outcome=Outcome.REFUSED,
        checks=(DUST,),
        plan_id=None,
        count=2,
        decided_at_ns=newest_ns + 3 * HOUR_NS,
        last_decided_at_ns=newest_ns + 4 * HOUR_NS,
    )

    def saved(exit_record: ExitRecord, tx: Transaction) -> None:
        tx.save_exit(exit_record)

    opened = open_ledger(ledger, records.IDENTITY, clock=records.FixedClock(), threaded=False)
    for one in (stop, dust):
        opened.run(partial(saved, one))
    asyncio.run(opened.close())
    return ledger


def test_decisions_show_what_closed_positions_among_those_on_bars(
    krakked: Krakked, exits: Path
) -> None:
    lines = krakked("decisions").stdout.splitlines()
    assert "not closed: flatten by ada was refused (venue_minimum), 2 times" in lines[1]
    assert "closed: stop" in lines[2]
    assert lines[2].endswith("000001-aaaaaaaaaa")
    assert "refused by risk" in lines[3]
    assert len(krakked("decisions", "--limit", "1").stdout.splitlines()) == 2


def test_decisions_in_json_carry_exits_with_their_checks(krakked: Krakked, exits: Path) -> None:
    found = json.loads(krakked("decisions", "--json").stdout)
    assert [one.get("cause") for one in found] == ["flatten", "stop", None, None]
    assert found[0]["checks"][0]["limit"] == "venue_minimum"


def test_why_ends_with_what_closed_the_position_since(krakked: Krakked, exits: Path) -> None:
    lines = krakked("why", "trend", "XBTUSD").stdout.splitlines()
    assert lines[-2] == "  2023-11-15 04:30 UTC  closed: stop, plan 000001-aaaaaaaaaa"
    assert "not closed: flatten by ada" in lines[-1]


@pytest.mark.parametrize(("at", "count"), [("03:30", 1), ("03:00", 1), ("01:00", 0)])
def test_why_at_a_time_shows_exits_around_that_bar_alone(
    krakked: Krakked, exits: Path, at: str, count: int
) -> None:
    found = krakked("why", "trend", "XBTUSD", "--at", f"2023-11-15T{at}Z", "--json")
    assert len(json.loads(found.stdout)["exits"]) == count


def test_plan_of_a_stop_shows_it_in_its_tree(krakked: Krakked, exits: Path) -> None:
    lines = krakked("plans", "show", "000001").stdout.splitlines()
    assert "├─ trend/XBTUSD: closed: stop" in lines
