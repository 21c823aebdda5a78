"""Who is refused at the start has touched nothing: no file of his own, none of another's."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

REPLAY = ("run", "--env", "dev", "--candles", "candles", "--speed", "max")
ROW = "{second},100.0,101.0,99.0,100.5,12.5,7\n"
START_S = 1_577_836_800


def files_of(folder: Path) -> set[str]:
    left = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return left - {"stderr.txt"}


@pytest.fixture
def candles(tmp_path: Path) -> Path:
    """Three days of one pair."""
    path = tmp_path / "candles" / "XBTUSD_60.csv"
    path.parent.mkdir()
    path.write_text("".join(ROW.format(second=START_S + hour * 3600) for hour in range(72)))
    return path


@pytest.mark.parametrize("ending", ["", "1577836800,1,2,3\n"], ids=["wrong range", "bad row"])
def test_refused_replay_leaves_no_folder(krakked: Any, candles: Path, ending: str) -> None:
    candles.write_text(candles.read_text() + ending)
    before = files_of(krakked.folder)
    span = () if ending else ("--from", "2019-01-01", "--to", "2019-01-31")
    refused = krakked.run(*REPLAY, *span)
    assert refused.returncode == 78, refused.stderr
    assert files_of(krakked.folder) == before


def test_refused_replay_leaves_the_folders_of_others(krakked: Any, candles: Path) -> None:
    kept = krakked.folder / "runs" / "replay-0001" / "portfolio.db"
    kept.parent.mkdir(parents=True)
    kept.write_text("of another run")
    candles.write_text(candles.read_text() + "nonsense\n")
    assert krakked.run(*REPLAY).returncode == 78
    assert files_of(krakked.folder / "runs") == {"replay-0001", "replay-0001/portfolio.db"}


@pytest.mark.parametrize("env", ["dev", "paper"])
def test_file_that_is_no_database_gets_no_companions(krakked: Any, env: str) -> None:
    (krakked.folder / "README.md").write_text("# Title\n")
    keys = {"KRAKEN_API_KEY": "key", "KRAKEN_API_SECRET": "c2VjcmV0"}
    refused = krakked.run("run", "--env", env, "--db-path", "README.md", **keys)
    assert refused.returncode == 73, refused.stderr
    assert "README.md: it is damaged or not a database" in refused.stderr
    assert files_of(krakked.folder) == {"README.md"}


def test_second_run_is_refused_at_the_ledger_and_the_first_goes_on(krakked: Any) -> None:
    first = krakked.start("run", "--env", "dev")
    opened = [first.wait_for('"event":"stage_done"') for _ in range(4)]
    assert [line.split('"stage":"')[1].split('"')[0] for line in opened] == [
        "config",
        "secrets",
        "database",
        "venue",
    ]
    first.wait_for("engine_started")
    second = krakked.run("run", "--env", "dev")
    assert second.returncode == 73
    assert f"portfolio.db: in use by another krakked (process {first.popen.pid})" in second.stderr
    assert '"stage":"venue"' not in second.stdout
    assert first.end(signal.SIGTERM) == 0
    assert first.lines[-1] == "books: zero differences"
