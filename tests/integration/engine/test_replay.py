"""Candles replayed in lock step over real sockets: the books agree, and one seed is one run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

REAL = Path(__file__).parents[3] / "../shared/data/kraken-ohlcvt"
SPAN = ("--from", "2024-01-01", "--to", "2024-01-21")
pytestmark = pytest.mark.timeout(240)
FAULTS = ("answer-lost", "request-lost", "5xx", "5xx-after", "ws-drop", "late-visibility")


def replay(krakked: Any, candles: Path, *more: str, **environ: str) -> list[str]:
    """Its last lines; the run itself ended well."""
    flags = ("--env", "dev", "--candles", str(candles), "--speed", "max")
    done = krakked.run("run", *flags, *more, **environ)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    return done.stdout.splitlines()


def digest(lines: list[str]) -> str:
    return next(line for line in reversed(lines) if line.startswith("digest "))


def counts(lines: list[str]) -> dict[str, int]:
    line = next(line for line in reversed(lines) if line.startswith("bars "))
    return {name: int(number) for name, number in re.findall(r"(\w+) (\d+)", line)}


def test_replay_of_two_pairs_ends_with_books_that_agree_and_one_digest_under_two_hash_seeds(
    krakked: Any, invented: Path
) -> None:
    runs = [replay(krakked, invented, *SPAN, PYTHONHASHSEED=seed) for seed in ("1", "2")]
    for lines in runs:
        assert lines[-1] == "books: zero differences"
        assert counts(lines)["fills"] > 20
        assert counts(lines)["bars"] == 1005
    assert digest(runs[0]) == digest(runs[1])
    folders = sorted(path.name for path in (krakked.folder / "runs").iterdir())
    assert folders == ["replay-0001", "replay-0002"]


def test_replay_beside_another_with_a_database_of_its_own_has_the_digest_of_a_fresh_one(
    krakked: Any, invented: Path
) -> None:
    short = ("--from", "2024-01-01", "--to", "2024-01-05")
    fresh = replay(krakked, invented, *short)
    named = [
        replay(krakked, invented, *short, "--db-path", f"{name}.db") for name in ("one", "two")
    ]
    assert [digest(lines) for lines in named] == [digest(fresh)] * 2
    assert counts(fresh)["bars"] > 200
    assert [counts(lines) for lines in named] == [counts(fresh)] * 2
    flags = ("--candles", str(invented), *short, "--speed", "max", "--db-path", "one.db")
    again = krakked.run("run", "--env", "dev", *flags)
    assert again.returncode == 78, again.stderr
    words = r"krakked: one\.bars: the 1h bars of \w+ reach to 2024-01-05T23:00:00.*of another run"
    assert re.search(words, again.stderr), again.stderr


def test_replay_under_faults_ends_with_books_that_agree(krakked: Any, invented: Path) -> None:
    chances = [text for kind in FAULTS for text in ("--fault", f"{kind}=0.01")]
    lines = replay(krakked, invented, *SPAN, *chances)
    assert lines[-1] == "books: zero differences"
    assert counts(lines)["fills"] > 20


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.long
def test_replay_with_one_fault_in_ten_requests_ends_with_books_that_agree(
    krakked: Any, invented: Path, kind: str
) -> None:
    lines = replay(krakked, invented, *SPAN, "--fault", f"{kind}=0.1")
    assert lines[-1] == "books: zero differences"
    assert counts(lines)["fills"] > 10


@pytest.mark.long
def test_replay_of_the_worst_days_on_record_ends_with_books_that_agree(krakked: Any) -> None:
    if not REAL.is_dir():
        pytest.skip("no recorded candles beside the checkout")
    lines = replay(krakked, REAL, "--from", "2020-03-05", "--to", "2020-03-18")
    assert lines[-1] == "books: zero differences"
    assert counts(lines)["fills"] > 20


def test_replay_names_files_that_it_does_not_play_and_hours_that_nobody_traded(
    krakked: Any,
) -> None:
    candles = krakked.folder / "candles"
    candles.mkdir()
    first_s = 1_704_067_200
    hours = [hour for hour in range(48) if hour not in (20, 21, 30)]
    rows = [f"{first_s + hour * 3600},0.1,0.11,0.09,0.1,90000000,40\n" for hour in hours]
    (candles / "DOGEUSD_60.csv").write_text("".join(rows))
    (candles / "ACAEUR_60.csv").write_text(rows[0])
    flags = ("--candles", "candles", "--from", "2024-01-01", "--to", "2024-01-02")
    done = krakked.run("run", "--env", "dev", *flags, "--speed", "max", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    gaps = report["this_run"]["gaps"]
    assert gaps == [{"pair": "XDGUSD", "timeframe": "1h", "holes": 2, "bars": 3}]
    events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    told = [event.get("reason", "") for event in events]
    assert "XDGUSD has no 1h bar from 2024-01-01 20:00 to 2024-01-01 22:00 UTC" in told
    assert "XDGUSD has no 1h bar from 2024-01-02 06:00 to 2024-01-02 07:00 UTC" in told
    assert [words for words in told if "not replayed: ACAEUR_60.csv: no such pair" in words]
    why = krakked.run(
        *("why", "trend", "XDGUSD", "--at", "2024-01-01T21:30Z"),
        *("--db-path", "runs/replay-0001/portfolio.db"),
    )
    assert (why.returncode, "there is no such bar" in why.stderr) == (1, True), why.stderr


def test_replay_whose_second_pair_begins_later_trades_the_first_from_the_start(
    krakked: Any, invented: Path
) -> None:
    candles = krakked.folder / "candles"
    candles.mkdir()
    shutil.copy(invented / "XBTUSD_60.csv", candles)
    late = (invented / "ETHUSD_60.csv").read_text().splitlines(keepends=True)[-200:]
    (candles / "ETHUSD_60.csv").write_text("".join(late))
    replay(krakked, candles, "--from", "2024-01-05", "--to", "2024-01-21", "--db-path", "late.db")
    first = krakked.run(
        "why", "trend", "XBTUSD", "--at", "2024-01-05T01:00Z", "--db-path", "late.db"
    )
    assert first.returncode == 0, first.stderr
    orders = {
        row["request"]["pair"] for row in krakked.ask("orders", "list", "--db-path", "late.db")
    }
    assert orders == {"ETHUSD", "XBTUSD"}


def test_replay_beyond_the_last_candle_says_where_they_end_and_counts_what_there_is(
    krakked: Any, invented: Path
) -> None:
    span = ("--from", "2024-01-20", "--to", "2024-03-05", "--speed", "max", "--json")
    done = krakked.run("run", "--env", "dev", "--candles", str(invented), *span)
    assert done.returncode == 0, done.stderr
    end_s = 1_705_881_600
    assert json.loads(done.stdout)["this_run"]["uncovered"] == [
        {"pair": pair, "candles_begin_s": None, "candles_end_s": end_s}
        for pair in ("ETHUSD", "XBTUSD")
    ]
    assert "ETHUSD XBTUSD: candles end 2024-01-22 00:00, before --to" in done.stderr
    assert "48/48" in done.stderr
