"""What a person may get wrong, tried on the command itself: one line, a code, nothing changed.

The line says what is wrong, where, and how to mend it. Finer cases of each kind are tried where the
reading is done; ``docs/bad-input.md`` names them.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from krakked.adapters.sqlite.ledger import open_ledger
from krakked.domain.ids import Asset, account_fingerprint
from krakked.ports.ledger import Identity

pytestmark = pytest.mark.timeout(120)
ROW = "1704067200,1,2,0.5,1.5,7,3\n"
EARLIER = "1704063600,1,2,0.5,1.5,7,3\n"
REPLAY = ("--candles", "candles", "--speed", "max")
KEYS = {"KRAKEN_API_KEY": "key", "KRAKEN_API_SECRET": "c2VjcmV0"}
ACCOUNT = account_fingerprint(venue="simulator", account="dev")


def refused(done: Any) -> str:
    """The one line of a run that was refused, without the traceback that it must not have."""
    said = [line for line in done.stderr.splitlines() if "krakked: " in line]
    assert len(said) == 1, done.stderr
    assert done.stderr.rstrip("\n").endswith(said[0])
    assert "Traceback" not in done.stdout + done.stderr
    return said[0].removeprefix("krakked: ")


def check(krakked: Any, flags: tuple[str, ...], code: int, words: str, **environ: str) -> None:
    done = krakked.run(*flags, **environ)
    assert (refused(done)[: len(words)], done.returncode) == (words, code), done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("risk:\n  max_open_positons: 3\n", "2: risk.max_open_positons: unknown setting; the near"),
        ("risk:\n  max_open_positions: many\n", "2: risk.max_open_positions: 'many' is wrong; exp"),
        ("risk:\n  max: [1\nstrategies:\n", "3: not YAML: "),
        (
            "risk:\n  max_portfolio_risk_pct: 1\n  max_risk_per_trade_pct: 2\n",
            "3: risk.max_risk_per_trade_pct: ",
        ),
        (
            "strategies:\n  mine:\n    type: trend_folowing\n",
            "3: strategies.mine.type: there is no type 'trend_folowing'; did you mean 'trend_follo",
        ),
    ],
    ids=["unknown key", "wrong type", "not YAML", "contradictory limits", "unknown strategy"],
)
def test_configuration_is_refused_with_file_line_and_remedy(
    krakked: Any, text: str, words: str
) -> None:
    (krakked.folder / "etc").mkdir()
    (krakked.folder / "etc" / "config.yaml").write_text(text)
    check(krakked, ("run", "--config-dir", "etc"), 78, f"etc/config.yaml:{words}")


@pytest.mark.parametrize(
    ("flags", "environ", "code", "words"),
    [
        (
            (),
            {"KRAKKED_RISK__MAX_OPEN_POSITON": "3"},
            78,
            "KRAKKED_RISK__MAX_OPEN_POSITON: unknown variable; the nearest known one is KRAKKED_RI",
        ),
        (
            ("--env", "live"),
            KEYS,
            78,
            "account.name (default): live needs a name for its account; ",
        ),
        (
            (
                *("--env", "live", "--set", "account.name=mine"),
                *("--set", "account.confirm_name=mine"),
                *("--set", "execution.mode=live"),
            ),
            KEYS,
            78,
            "execution.allow_live_trading (default): mode live needs it; set it to true, or use dr",
        ),
        (("--candles", "nowhere"), {}, 78, "--candles nowhere: no such folder; it must hold files"),
        (
            (*REPLAY, "--from", "2024-02-01", "--to", "2024-01-01"),
            {},
            2,
            "--from 2024-02-01 is after --to 2024-01-01; exchange them",
        ),
        (REPLAY, {}, 78, "candles: no candle file; they are named <PAIR>_<minutes>.csv or .csv.gz"),
    ],
    ids=["unknown variable", "live", "live unlocked", "no folder", "from after to", "empty folder"],
)
def test_flag_or_variable_is_refused_by_its_name(
    krakked: Any, flags: tuple[str, ...], environ: dict[str, str], code: int, words: str
) -> None:
    (krakked.folder / "candles").mkdir()
    check(krakked, ("run", *flags), code, words, **environ)


@pytest.mark.parametrize(
    ("rows", "flags", "words"),
    [
        (
            ROW + "rubbish\n",
            (),
            "candles/XBTUSD_60.csv:2: XBTUSD candle: 1 columns where 7 are exp",
        ),
        (ROW + EARLIER, (), "candles/XBTUSD_60.csv:2: XBTUSD candle: time 1704063600 comes after "),
        (ROW + ROW, (), "candles/XBTUSD_60.csv:2: XBTUSD candle: time 1704067200 stands twice; re"),
        (
            ROW,
            ("--from", "2025-01-01", "--to", "2025-01-31"),
            "no candles between 2025-01-01 00:00 and 2025-01-31 23:59; choose a range",
        ),
    ],
    ids=["malformed row", "unordered row", "row twice", "none in the range"],
)
def test_candles_that_cannot_be_replayed_are_named_with_file_and_line(
    krakked: Any, rows: str, flags: tuple[str, ...], words: str
) -> None:
    (krakked.folder / "candles").mkdir()
    (krakked.folder / "candles" / "XBTUSD_60.csv").write_text(rows)
    check(krakked, ("run", *REPLAY, *flags), 78, words)
    done = krakked.run("run", *REPLAY, *flags)
    assert (done.stdout, len(done.stderr.splitlines())) == ("", 1)  # no stage before that line


def make_ledger(path: Path, **other: str) -> Any:
    identity: dict[str, Any] = {
        "environment": "dev",
        "venue": "simulator",
        "account": ACCOUNT,
        "base_currency": Asset("USD"),
    }
    clock: Any = SimpleNamespace(now_ns=lambda: 1)
    return open_ledger(path, Identity(**(identity | other)), clock=clock, threaded=False)


def close(ledger: Any) -> None:
    asyncio.run(ledger.close())


def of_another_environment(path: Path) -> None:
    close(make_ledger(path, environment="paper"))


def of_another_account(path: Path) -> None:
    close(make_ledger(path, account="0a0a0a0a"))


def of_a_newer_krakked(path: Path) -> None:
    close(make_ledger(path))
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


def of_another_program(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE songs (title TEXT)")
    database.close()


def torn(path: Path) -> None:
    close(make_ledger(path))
    path.write_bytes(path.read_bytes()[:20_000])


def rubbish(path: Path) -> None:
    path.write_bytes(b"once upon a time" * 1000)


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (of_another_environment, 78, "these books belong to environment 'paper', not 'dev'; "),
        (of_another_account, 78, "these books belong to account '0a0a0a0a', not '"),
        (of_a_newer_krakked, 78, "schema 99 is newer than this krakked knows ("),
        (of_another_program, 78, "a database of another program (application_id 0x0); choose ano"),
        (torn, 73, "it is damaged; restore the newest backup (*.bak beside it)"),
        (rubbish, 73, "it is damaged or not a database; restore the newest backup (*.bak beside i"),
    ],
)
def test_database_that_is_not_this_runs_is_refused_unchanged(
    krakked: Any, make: Callable[[Path], None], code: int, words: str
) -> None:
    path = krakked.folder / "books.db"
    make(path)
    before = path.read_bytes()
    check(krakked, ("run", "--db-path", "books.db"), code, f"ledger books.db: {words}")
    assert path.read_bytes() == before


def test_database_in_use_is_refused_and_its_user_named(krakked: Any) -> None:
    ledger = make_ledger(krakked.folder / "portfolio.db")
    try:
        done = krakked.run("run")
    finally:
        close(ledger)
    assert done.returncode == 73
    assert refused(done).startswith("ledger portfolio.db: in use by another krakked")


@pytest.mark.parametrize(
    ("in_the_way", "flags", "code", "words"),
    [
        ("runs", REPLAY, 74, "folder runs/replay-0001 of this replay: Not a directory; start in a"),
        ("data", ("--db-path", "data/x.db"), 73, "ledger data/x.db: its folder cannot be "),
        (
            "bars",
            ("--db-path", "new/portfolio.db", "--set", "market_data.ohlc_store.root_dir=../bars"),
            73,
            "bar store ",
        ),
    ],
)
def test_folder_that_cannot_be_used_is_named(
    krakked: Any, in_the_way: str, flags: tuple[str, ...], code: int, words: str
) -> None:
    """A file stands in its place: that stops root too."""
    (krakked.folder / in_the_way).touch()
    (krakked.folder / "candles").mkdir()
    (krakked.folder / "candles" / "XBTUSD_60.csv").write_text(ROW)
    check(krakked, ("run", *flags), code, words)


@pytest.fixture
def small_disk(krakked: Any) -> Iterator[Path]:
    """A folder with room for a ledger that has just begun, and for no more."""
    folder: Path = krakked.folder / "small"
    folder.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=360k", "tmpfs", str(folder))
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk can be mounted by root alone")
    yield folder
    subprocess.run(("umount", "--lazy", str(folder)), check=True)


@pytest.mark.long
def test_disk_that_fills_up_ends_the_run_and_loses_nothing(krakked: Any, small_disk: Path) -> None:
    venue = krakked.simulator("--speed", "600", "--seed", "1", "--from", "2026-01-01")
    places = ("--db-path", "small/portfolio.db", "--set", "market_data.ohlc_store.root_dir=../bars")
    engine = venue.trade(*places, bar="1m")
    assert engine.wait() == 73, engine.story()
    said = (
        r"krakked: .*ledger small/portfolio.db: the disk is full; free some space and start again"
    )
    assert re.search(said, engine.story())
    assert "Traceback" not in engine.story()
    more_room = ("mount", "-o", "remount,size=20m", str(small_disk))
    subprocess.run(more_room, check=True)
    again = venue.trade(*places, bar="1m")
    again.wait_for("engine_started")
    assert again.end(signal.SIGINT) == 0, again.story()
    assert again.lines[-1] == "books: zero differences"
    assert venue.process.end(signal.SIGINT) == 0


@pytest.mark.parametrize("flag", ["--listen", "--admin"])
def test_port_of_the_simulator_that_is_taken_is_named_by_its_flag(krakked: Any, flag: str) -> None:
    free = {"--listen": "127.0.0.1:0", "--admin": "127.0.0.1:0"}
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        flags = [text for pair in (free | {flag: taken}).items() for text in pair]
        words = f"{flag} {taken}: the port is taken; stop the other program, or give another port"
        check(krakked, ("simulator", *flags), 74, words)


@pytest.mark.long
def test_keys_network_and_clock_are_told_apart(krakked: Any) -> None:
    """One venue for all cases; each is one run against it."""
    venue = krakked.simulator("--market", "calm", "--from", "2026-01-01", "--query-key", "asks")
    keys = venue.keys
    asking = {"KRAKEN_API_KEY": "asks", "KRAKEN_API_SECRET": venue.told["query_secret"]}
    unknown = keys | {"KRAKEN_API_KEY": "nobody"}
    wrong = keys | {"KRAKEN_API_SECRET": "c29tZSBvdGhlciBzZWNyZXQ="}
    away = {"rest_url": "http://127.0.0.1:1"}
    cases: list[tuple[dict[str, str], dict[str, str], int, str]] = [
        ({}, unknown, 77, "KRAKEN_API_KEY: the venue does not know this key (GetApiKeyInfo: "),
        ({}, wrong, 77, "KRAKEN_API_SECRET: "),
        ({}, asking, 77, "KRAKEN_API_KEY: "),
        ({}, {}, 77, "no API keys: set KRAKEN_API_KEY and KRAKEN_API_SECRET, or venue.keys"),
        (away, keys, 69, "command line: venue.rest_url: http://127.0.0.1:1 does not answer ("),
        ({"admin_url": "null"}, keys, 76, "the clock of this machine is +"),
    ]
    for number, (other, environ, code, words) in enumerate(cases):
        flags = ("--db-path", f"{number}.db", *venue.settings(**other))
        check(krakked, ("run", "--env", "paper", *flags), code, words, **environ)
