"""``krakked why`` finds a bar by the time at which it closed, and the grounds of one not judged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from krakked.adapters.parquet.bar_store import ParquetBarStore
from krakked.adapters.sqlite.ledger import open_ledger
from krakked.domain.bars import Bar, Timeframe
from krakked.domain.decisions import NotEvaluated, Outcome
from krakked.domain.ids import PairName
from krakked.runtime.bar_folders import books_with_folder
from krakked.runtime.exit_codes import ExitCode

Krakked = Callable[..., Result]


def why(krakked: Krakked, *flags: str) -> Result:
    return krakked("why", "trend", "XBTUSD", *flags)


@pytest.fixture
def sleeping(ledger: Path, records: Any) -> Path:
    """After the refusal on the sixth bar, three bars that woke nobody."""
    opened = open_ledger(ledger, records.IDENTITY, clock=records.FixedClock(), threaded=False)
    quiet = records.decision(
        6,
        last=8,
        outcome=Outcome.NOT_EVALUATED,
        not_evaluated=NotEvaluated.NOT_WOKEN,
        conditions=(),
    )
    opened.run(lambda transaction: transaction.save_decision(quiet))
    asyncio.run(opened.close())
    return ledger


@pytest.mark.usefixtures("ledger")
def test_why_at_the_close_of_the_newest_bar_finds_that_bar(krakked: Krakked) -> None:
    result = why(krakked, "--at", "2023-11-15 04:00")
    assert result.exit_code == 0
    assert "on the 1h bar that closed 2023-11-15 04:00 UTC" in result.stdout


@pytest.mark.usefixtures("ledger")
def test_why_between_two_judged_bars_prefers_the_one_that_begins(krakked: Krakked) -> None:
    lines = why(krakked, "--at", "2023-11-15 03:00").stdout.splitlines()
    assert lines[1].startswith("  on the 1h bar that closed 2023-11-15 04:00 UTC")


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("at", "nearest"),
    [
        ("2023-11-15 04:01", "opened 2023-11-15 03:00 and closed 2023-11-15 04:00 UTC"),
        ("2023-11-01 00:00", "opened 2023-11-14 22:00 and closed 2023-11-14 23:00 UTC"),
    ],
)
def test_why_of_a_bar_without_a_verdict_names_the_nearest_that_has_one(
    krakked: Krakked, at: str, nearest: str
) -> None:
    result = why(krakked, "--at", at)
    assert result.exit_code == ExitCode.FINDINGS
    assert result.stderr.endswith(f"the nearest is on the bar that {nearest}\n")


@pytest.fixture
def with_holes(ledger: Path) -> Path:
    """Bars beside the database: two of a run's hours, and one long after it, have none."""
    store = ParquetBarStore(ledger.parent / "bars")
    first_s = 1_700_000_000 // 3600 * 3600
    bars = [
        Bar(start_s=first_s + hour * 3600, open=1, high=1, low=1, close=1, volume=1, trades=1)
        for hour in (0, 1, 4, 5, 50, 52)
    ]
    store.insert(PairName("XBTUSD"), Timeframe.H1, Decimal(1), bars)
    store.close()
    return ledger


@pytest.mark.usefixtures("with_holes")
@pytest.mark.parametrize(
    ("at", "opened"),
    [
        ("2023-11-15 00:30", "2023-11-15 00:00"),
        ("2023-11-15 01:30", "2023-11-15 01:00"),
        ("2023-11-17 01:30", "2023-11-17 01:00"),
    ],
)
def test_why_at_an_hour_without_a_bar_says_that_there_was_none(
    krakked: Krakked, at: str, opened: str
) -> None:
    result = why(krakked, "--at", at)
    assert result.exit_code == ExitCode.FINDINGS
    assert f"the 1h bar that opened {opened} UTC: there is no such bar, for no" in result.stderr


def test_why_looks_for_bars_where_the_books_say_that_they_are(
    krakked: Krakked, with_holes: Path, records: Any, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere" / "kept"
    elsewhere.parent.mkdir()
    (with_holes.parent / "bars").rename(elsewhere)
    assert why(krakked, "--at", "2023-11-15 01:30").exit_code == 0
    opened = open_ledger(with_holes, records.IDENTITY, clock=records.FixedClock(), threaded=False)
    opened.run(lambda transaction: books_with_folder(transaction, elsewhere, with_holes))
    asyncio.run(opened.close())
    result = why(krakked, "--at", "2023-11-15 01:30")
    assert result.exit_code == ExitCode.FINDINGS
    assert "there is no such bar" in result.stderr


@pytest.mark.usefixtures("with_holes")
def test_why_at_an_hour_with_a_bar_goes_on_beside_the_holes(krakked: Krakked) -> None:
    assert why(krakked, "--at", "2023-11-15 02:30").exit_code == 0


@pytest.mark.usefixtures("sleeping")
def test_why_of_a_bar_that_woke_nobody_shows_what_was_found_last(krakked: Krakked) -> None:
    lines = why(krakked, "--at", "2023-11-15 05:30").stdout.splitlines()
    assert lines[1].startswith("  on 3 1h bars, closed 2023-11-15 05:00 to 2023-11-15 07:00 UTC")
    assert lines[2:] == [
        "  last asked on the bar that closed 2023-11-15 04:00 UTC: refused by risk",
        "  conditions:",
        "    no   fast_above_slow: -1.25 > 0",
        "  limits:",
        "    NO  free_cash: wanted 500.1 USD, had 0, at most 20, left 20",
    ]


@pytest.mark.usefixtures("sleeping")
def test_why_in_json_tells_the_last_verdict_with_grounds(krakked: Krakked) -> None:
    told = json.loads(why(krakked, "--json").stdout)
    assert told["conditions"] == []
    assert told["last_asked"]["conditions"][0]["name"] == "fast_above_slow"
    judged = json.loads(why(krakked, "--at", "2023-11-15 03:30", "--json").stdout)
    assert judged["last_asked"] is None
