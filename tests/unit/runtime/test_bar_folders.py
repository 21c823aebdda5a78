"""Every ledger has bars of its own, and says where they are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from krakked.adapters.sqlite.ledger import SqliteLedger, open_ledger
from krakked.adapters.sqlite.queries import open_queries
from krakked.domain.ids import AccountFingerprint, Asset
from krakked.ports.ledger import Identity
from krakked.runtime.bar_folders import (
    BARS_CURSOR,
    books_with_folder,
    folder_of_bars,
    kept_folder,
)

ROOT = Path("bars")
IDENTITY = Identity(
    environment="dev", venue="simulator", account=AccountFingerprint("0a1b2c3d"),
    base_currency=Asset("USD"),
)  # fmt: skip


class StillClock:
    """Time does not matter here."""

    def now_ns(self) -> int:
        return 1_700_000_000 * 10**9

    def monotonic_ns(self) -> int:
        return 0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nobody sleeps here, not even {seconds} s")


@pytest.mark.parametrize(
    ("root", "database", "folder"),
    [
        ("bars", "portfolio.db", "bars"),
        ("bars", "data/portfolio.db", "data/bars"),
        ("candles/kept", "data/portfolio.db", "data/candles/kept"),
        ("bars", "data/other.db", "data/other.bars"),
        ("../bars", "data/other.db", "data/../other.bars"),
        ("/srv/bars", "data/portfolio.db", "/srv/bars"),
        ("/srv/bars", "data/other.db", "/srv/bars"),
    ],
)
def test_folder_of_bars_bears_the_name_of_any_database_but_the_usual(
    root: str, database: str, folder: str
) -> None:
    assert folder_of_bars(Path(root), Path(database)) == Path(folder)


@pytest.mark.parametrize("root", ["bars", "../bars", "/srv/bars"])
@pytest.mark.parametrize("name", ["portfolio", "other"])
def test_folder_of_bars_of_a_replay_is_beside_its_database_whatever_is_configured(
    root: str, name: str
) -> None:
    folder = folder_of_bars(Path(root), Path(f"data/{name}.db"), is_replay=True)
    assert folder == Path(f"data/{name}.bars")


def test_two_databases_in_one_folder_never_share_a_relative_folder_of_bars() -> None:
    folders = {folder_of_bars(ROOT, Path(f"{name}.db")) for name in ("a", "b", "portfolio")}
    assert len(folders) == 3


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "home" / "portfolio.db"


@pytest.fixture
def ledger(database: Path) -> Iterator[SqliteLedger]:
    database.parent.mkdir()
    opened = open_ledger(database, IDENTITY, clock=StillClock(), threaded=False)
    yield opened
    asyncio.run(opened.close())


def note(ledger: SqliteLedger, bars: Path, database: Path) -> None:
    ledger.run(lambda tx: books_with_folder(tx, bars, database))


def told(database: Path) -> Path:
    queries = open_queries(database)
    try:
        return kept_folder(queries.cursor(BARS_CURSOR), database)
    finally:
        queries.close()


def test_folder_of_a_ledger_that_says_nothing_is_the_usual_one(
    ledger: SqliteLedger, database: Path
) -> None:
    del ledger
    assert told(database) == database.parent / "bars"


@pytest.mark.parametrize("inside", ["bars", "deep/er"])
def test_folder_below_the_database_is_found_after_both_were_moved(
    ledger: SqliteLedger, database: Path, inside: str
) -> None:
    note(ledger, database.parent / inside, database)
    assert told(database) == database.parent / inside
    moved = database.parent.rename(database.parent.with_name("moved"))
    assert told(moved / database.name) == moved / inside
    moved.rename(database.parent)


def test_folder_elsewhere_is_found_from_any_working_directory(
    ledger: SqliteLedger, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    note(ledger, Path("elsewhere"), database)
    monkeypatch.chdir("/")
    assert told(database) == tmp_path / "elsewhere"


def test_folder_that_changes_is_found_where_it_was_last(
    ledger: SqliteLedger, database: Path, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        note(ledger, tmp_path / name, database)
    assert told(database) == tmp_path / "second"
