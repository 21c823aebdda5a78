"""Verbs that only read: what they print, in words and in JSON, and that they change nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result

from krakked.adapters.sqlite.ledger import open_ledger
from krakked.domain.ids import PairName
from krakked.domain.positions import Sleeve
from krakked.runtime.exit_codes import ExitCode

Krakked = Callable[..., Result]

READING = (
    ("orders", "list"),
    ("executions",),
    ("positions",),
    ("plans", "list"),
    ("plans", "show", "000001"),
    ("decisions",),
    ("why", "trend", "XBTUSD"),
    ("kill-switch", "status"),
    ("db-info",),
    ("db-check",),
    ("db-schema-version",),
)


@pytest.mark.parametrize("verb", READING, ids=" ".join)
def test_reading_verb_gives_json_and_changes_nothing(
    krakked: Krakked, ledger: Path, verb: tuple[str, ...]
) -> None:
    before = hashlib.sha256(ledger.read_bytes()).hexdigest()
    beside = sorted(ledger.parent.iterdir())
    result = krakked(*verb, "--json")
    assert result.exit_code == 0, result.output
    json.loads(result.stdout)
    assert hashlib.sha256(ledger.read_bytes()).hexdigest() == before
    assert sorted(ledger.parent.iterdir()) == beside, "a clean database gets no files beside it"


@pytest.mark.parametrize("verb", READING, ids=" ".join)
def test_missing_database_is_one_line_and_is_not_created(
    krakked: Krakked, folder: Path, verb: tuple[str, ...]
) -> None:
    result = krakked(*verb)
    assert result.exit_code == ExitCode.DATABASE
    (line,) = result.stderr.splitlines()
    assert line.startswith("krakked: ledger portfolio.db: there is no such file")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("verb", READING, ids=" ".join)
def test_file_that_is_no_database_is_one_line(
    krakked: Krakked, folder: Path, verb: tuple[str, ...]
) -> None:
    (folder / "portfolio.db").write_text("not a database at all, but long enough to be looked at")
    result = krakked(*verb)
    assert result.exit_code in (ExitCode.DATABASE, ExitCode.CONFIGURATION)
    assert len(result.stderr.splitlines()) == 1


def test_database_is_named_by_flag_and_by_variable(
    krakked: Krakked, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = ledger.rename(ledger.with_name("other.db"))
    assert krakked("positions").exit_code == ExitCode.DATABASE
    assert krakked("positions", "--db-path", str(elsewhere)).exit_code == 0
    monkeypatch.setenv("KRAKKED_DB_PATH", str(elsewhere))
    assert krakked("positions").exit_code == 0


def test_orders_are_listed_with_what_became_of_them(krakked: Krakked, ledger: Path) -> None:
    lines = krakked("orders", "list").stdout.splitlines()
    assert lines[0].split("  ")[0] == "opened (UTC)"
    assert len(lines) == 3
    (filled,) = (line for line in lines if "filled  " in line and "O00001" in line)
    assert filled.split() == [
        *("2023-11-14", "22:13", "XBTUSD", "buy", "limit", "0.01", "0.01", "37000.1"),
        *("filled", "trend", "O00001"),
    ]


def test_orders_can_be_narrowed(krakked: Krakked, ledger: Path) -> None:
    def ids(*flags: str) -> list[str]:
        listed = json.loads(krakked("orders", "list", "--json", *flags).stdout)
        return [order["request"]["client_order_id"][-1] for order in listed]

    assert sorted(ids()) == ["1", "2"]
    assert ids("--open") == ["2"]
    assert ids("--status", "filled") == ["1"]
    assert sorted(ids("--pair", "btc/usd")) == ["1", "2"]
    assert len(ids("--limit", "1")) == 1
    assert krakked("orders", "list", "--status", "wonderful").exit_code == ExitCode.USAGE


def test_order_in_json_carries_its_status_and_exact_amounts(krakked: Krakked, ledger: Path) -> None:
    (order,) = json.loads(krakked("orders", "list", "--status", "filled", "--json").stdout)
    assert order["status"] == "filled"
    assert order["request"]["quantity_base"] == "0.01000000"
    assert order["created_at_ns"] == 1_700_000_000_000_000_000


@pytest.fixture
def watched(ledger: Path, records: Any) -> Path:
    """The same, with a second pair of which there is a verdict and nothing else."""
    eth = Sleeve(records.SLEEVE.strategy_id, PairName("ETHUSD"))
    held = records.decision(0)
    bar = msgspec.structs.replace(held.bar, pair=eth.pair)
    seen = msgspec.structs.replace(held, sleeve=eth, bar=bar, decision_id="trend/ETHUSD/1h/0")
    opened = open_ledger(ledger, records.IDENTITY, clock=records.FixedClock(), threaded=False)
    opened.run(lambda tx: tx.save_decision(seen))
    asyncio.run(opened.close())
    return ledger


def test_empty_answers_say_so(krakked: Krakked, watched: Path) -> None:
    assert krakked("orders", "list", "--pair", "ETHUSD").stdout == "no orders\n"
    assert krakked("executions", "--pair", "eth/usd").stdout == "no executions\n"


@pytest.mark.parametrize(
    "verb",
    [
        ("orders", "list", "--pair", "XBTUSS"),
        ("executions", "--pair", "XBTUSS"),
        ("decisions", "--strategy", "trend", "--pair", "XBTUSS"),
        ("why", "trend", "XBTUSS"),
    ],
    ids=" ".join,
)
def test_pair_that_is_not_on_record_is_not_an_empty_answer(
    krakked: Krakked, watched: Path, verb: tuple[str, ...]
) -> None:
    result = krakked(*verb)
    assert (result.exit_code, result.stdout) == (ExitCode.FINDINGS, "")
    assert result.stderr == (
        "krakked: portfolio.db: pair 'XBTUSS' is not known; did you mean XBTUSD?\n"
    )


@pytest.mark.parametrize(
    "verb",
    [("decisions", "--strategy", "trendd", "--pair", "XBTUSD"), ("why", "trendd", "XBTUSD")],
    ids=" ".join,
)
def test_strategy_that_is_not_on_record_is_not_an_empty_answer(
    krakked: Krakked, watched: Path, verb: tuple[str, ...]
) -> None:
    result = krakked(*verb)
    assert (result.exit_code, result.stdout) == (ExitCode.FINDINGS, "")
    assert "strategy 'trendd' is not known; did you mean trend?" in result.stderr


@pytest.mark.parametrize("pair", ["xbtusd", "XBT/USD", "BTC/USD", "XXBTZUSD"])
def test_why_and_decisions_know_a_sleeve_by_each_spelling(
    krakked: Krakked, ledger: Path, pair: str
) -> None:
    assert krakked("why", "Trend", pair).stdout.startswith("trend/XBTUSD: ")
    listed = krakked("decisions", "--strategy", "TREND", "--pair", pair)
    assert len(listed.stdout.splitlines()) == 3


def test_plan_without_a_name_is_wrong_use_and_not_the_only_plan(
    krakked: Krakked, ledger: Path
) -> None:
    for empty in ("", " "):
        result = krakked("plans", "show", empty)
        assert (result.exit_code, result.stdout) == (ExitCode.USAGE, "")
        assert "PLAN_ID is empty; `krakked plans list` names the plans" in result.stderr


def test_executions_show_price_cost_and_fee(krakked: Krakked, ledger: Path) -> None:
    lines = krakked("executions").stdout.splitlines()
    assert len(lines) == 3
    assert lines[1].split() == [
        *("2023-11-14", "22:13", "XBTUSD", "buy", "0.01", "37000.1", "370.00", "0.96"),
        *("-0.96", "trend", "T00002"),
    ]


def test_positions_are_those_that_are_held(krakked: Krakked, ledger: Path) -> None:
    lines = krakked("positions").stdout.splitlines()
    assert lines[1].split()[:5] == ["trend", "XBTUSD", "0.02", "37000.1", "740.00"]
    assert len(krakked("positions", "--all").stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("cost", "shown", "as_data"),
    [
        (None, ["unknown", "unknown"], None),
        (Decimal(0), ["0", "0.00"], "0"),
        (Decimal(45_000), ["30000", "45000.00"], "45000"),
    ],
)
def test_position_whose_cost_nobody_knows_is_not_shown_as_one_that_cost_nothing(
    krakked: Krakked,
    folder: Path,
    records: Any,
    cost: Decimal | None,
    shown: list[str],
    as_data: str | None,
) -> None:
    opened = open_ledger(
        folder / "portfolio.db", records.IDENTITY, clock=records.FixedClock(), threaded=False
    )
    lot = records.lot(cost_base=cost, pair="XBTUSD")
    opened.run(lambda transaction: transaction.insert_opening_lot(lot))
    asyncio.run(opened.close())
    assert krakked("positions").stdout.splitlines()[1].split()[3:5] == shown
    (position,) = json.loads(krakked("positions", "--json").stdout)
    assert (position["cost_quote"], position["has_unknown_cost"]) == (as_data, cost is None)


def test_plan_is_a_tree_from_bar_to_fills(krakked: Krakked, ledger: Path) -> None:
    lines = krakked("plans", "show", "000001-aaaaaaaaaa").stdout.splitlines()
    assert lines[0] == "bar XBTUSD 1h, closed 2023-11-14 23:00 UTC"
    assert lines[1].startswith("├─ trend/XBTUSD 1h: refused by risk, wanted to enter long, 5 %")
    assert lines[2].strip().removeprefix("│").strip().startswith("NO  free_cash: wanted 500.1 USD")
    assert lines[3].startswith("└─ plan 000001-aaaaaaaaaa  cycle by engine, 1 orders, made 2023-")
    assert lines[4].startswith("   ├─ entry buy 0.01 XBTUSD at 37000.1: filled  [trend] O00001")
    assert lines[5].startswith(
        "   │  ├─ fill 0.01 at 37000.1, fee 0.962 USD, realized -0.96, 2023-"
    )
    assert lines[6].startswith("   │  └─ fill")
    assert lines[7].startswith("   └─ entry buy 0.01 XBTUSD at 37000.1: open")


def test_plan_may_be_cut_short_while_it_is_one(krakked: Krakked, ledger: Path) -> None:
    assert krakked("plans", "show", "000001").exit_code == 0
    missing = krakked("plans", "show", "000009")
    assert missing.exit_code == ExitCode.FINDINGS
    assert missing.stderr == (
        "krakked: plan 000009: there is no such plan; `krakked plans list` names them\n"
    )


def test_plan_in_json_holds_everything(krakked: Krakked, ledger: Path) -> None:
    tree = json.loads(krakked("plans", "show", "000001", "--json").stdout)
    assert set(tree) == {"plan", "decisions", "exits", "orders"}
    assert [len(fills) for _, fills in tree["orders"]] == [2, 0]


def test_plans_are_listed(krakked: Krakked, ledger: Path) -> None:
    assert "000001-aaaaaaaaaa  cycle" in krakked("plans", "list").stdout


def test_decisions_show_runs_as_one_line(krakked: Krakked, ledger: Path) -> None:
    lines = krakked("decisions").stdout.splitlines()
    assert "refused by risk" in lines[1]
    assert "5 x 1h  held: wanted no change" in lines[2]
    both = krakked("decisions", "--strategy", "trend", "--pair", "XBTUSD").stdout.splitlines()
    assert len(both) == 3


def test_half_a_sleeve_is_refused(krakked: Krakked, ledger: Path) -> None:
    result = krakked("decisions", "--strategy", "trend")
    assert result.exit_code == ExitCode.USAGE
    assert "give both" in result.stderr


def test_why_tells_verdict_wish_and_limits_in_words(krakked: Krakked, ledger: Path) -> None:
    assert krakked("why", "trend", "XBTUSD").stdout.splitlines() == [
        "trend/XBTUSD: refused by risk",
        "  on the 1h bar that closed 2023-11-15 04:00 UTC, woken by bar",
        "  wanted to enter long, 5 % of equity, stop at 35000, because cross",
        "  conditions:",
        "    no   fast_above_slow: -1.25 > 0",
        "  limits:",
        "    NO  free_cash: wanted 500.1 USD, had 0, at most 20, left 20",
        "  plan 000001-aaaaaaaaaa (`krakked plans show 000001-aaaaaaaaaa`)",
    ]


@pytest.mark.parametrize(
    "at",
    [
        "2023-11-15T01:30Z",
        "2023-11-15 01:30",
        "2023-11-15T01:30:59.5Z",
        "2023-11-15T01:00Z",
        "2023-11-14T22:00Z",
    ],
)
def test_why_finds_the_run_that_covers_a_time(krakked: Krakked, ledger: Path, at: str) -> None:
    lines = krakked("why", "trend", "XBTUSD", "--at", at).stdout.splitlines()
    assert lines[0] == "trend/XBTUSD: held: wanted no change"
    assert lines[1] == (
        "  on 5 1h bars, closed 2023-11-14 23:00 to 2023-11-15 03:00 UTC, woken by bar"
    )


def test_why_of_a_bar_that_nobody_judged_says_so(krakked: Krakked, ledger: Path) -> None:
    result = krakked("why", "trend", "XBTUSD", "--at", "2023-11-20T00:00Z")
    assert result.exit_code == ExitCode.FINDINGS
    assert result.stderr == (
        "krakked: trend/XBTUSD: no verdict on the 1h bar that opened 2023-11-20 00:00 UTC; the "
        "nearest is on the bar that opened 2023-11-15 03:00 and closed 2023-11-15 04:00 UTC\n"
    )
    unknown = krakked("why", "nobody", "XBTUSD")
    assert unknown.exit_code == ExitCode.FINDINGS
    assert "strategy 'nobody' is not known; known: trend" in unknown.stderr
    other = krakked("why", "trend", "XBTUSD", "--timeframe", "1d")
    assert other.exit_code == ExitCode.FINDINGS


def test_why_at_no_time_at_all_is_wrong_use(krakked: Krakked, ledger: Path) -> None:
    result = krakked("why", "trend", "XBTUSD", "--at", "noon")
    assert result.exit_code == ExitCode.USAGE
    assert "write it in UTC as 2020-03-12T10:00Z" in result.stderr


def test_kill_switch_that_is_off_is_one_line(krakked: Krakked, ledger: Path) -> None:
    result = krakked("kill-switch", "status")
    assert (result.exit_code, result.stdout) == (0, "kill switch  off\n")


def test_kill_switch_that_is_on_says_why_and_ends_with_1(krakked: Krakked, tripped: Path) -> None:
    result = krakked("kill-switch", "status")
    assert result.exit_code == ExitCode.FINDINGS
    assert dict(line.split("  ", 1) for line in result.stdout.splitlines()) == {
        "kill switch": "on",
        "cause": "      daily_drawdown",
        "reason": "     10.2 % since midnight",
        "by": "         engine",
        "since": "      2023-11-14 22:13",
    }


def test_status_without_an_engine_tells_what_the_database_says(
    krakked: Krakked, tripped: Path
) -> None:
    result = krakked("status")
    assert result.exit_code == ExitCode.NO_ENGINE
    shown = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert shown["engine"] == "not running"
    assert (shown["equity"], shown["kill_switch"], shown["positions"]) == ("10012.35", "on", "1")
    assert "no engine answers at portfolio.db.sock; start it with" in result.stderr
    data: Any = json.loads(krakked("status", "--json").stdout)
    assert (data["running"], data["equity"]) == (False, "10012.3456")


def test_status_without_engine_and_database_is_one_line(krakked: Krakked, folder: Path) -> None:
    result = krakked("status")
    assert result.exit_code == ExitCode.NO_ENGINE
    assert len(result.stderr.splitlines()) == 1
