"""Candle files from a zip, a folder or one by one, into a bar store; exact, and once."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from krakked.adapters.parquet.bar_store import ParquetBarStore
from krakked.domain.bars import Timeframe
from krakked.domain.candles import parse_rows
from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName
from krakked.runtime import candle_import
from krakked.runtime.candle_import import LENGTHS, candle_files, finest_tick, import_file

XBTUSD, ETHUSD = PairName("XBTUSD"), PairName("ETHUSD")
START_S = 1_577_836_800


def rows(count: int, *, step_s: int = 3600, start_s: int = START_S, skip: int = -1) -> str:
    return "".join(
        f"{start_s + i * step_s},{100 + i}.5,{101 + i}.25,{99 + i},{100 + i},{i}.125,{i + 4}\n"
        for i in range(count)
        if i != skip
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ParquetBarStore]:
    opened = ParquetBarStore(tmp_path / "bars")
    yield opened
    opened.close()


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def zipped(folder: Path, **members: str) -> Path:
    path = folder / "Kraken_OHLCVT.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/") + ".csv", text)
    return path


@pytest.mark.parametrize("name", ["XBTUSD_60.csv", "XBTUSD_60.csv.gz"])
def test_file_is_imported_exactly(tmp_path: Path, store: ParquetBarStore, name: str) -> None:
    (file,) = candle_files(written(tmp_path, name, rows(30)))
    imported = import_file(file, store)
    assert (imported.rows, imported.added, imported.gaps) == (30, 30, 0)
    assert (imported.first_s, imported.last_s) == (START_S, START_S + 29 * 3600)
    bars = store.last(XBTUSD, Timeframe.H1, 30, Decimal("0.01"))
    assert [int(value) for value in bars.open[:2]] == [10050, 10150]
    assert int(bars.high[0]) == 10125
    assert int(bars.volume[1]) == 112_500_000


def test_importing_twice_adds_nothing(tmp_path: Path, store: ParquetBarStore) -> None:
    (file,) = candle_files(written(tmp_path, "XBTUSD_60.csv", rows(10)))
    import_file(file, store)
    again = import_file(file, store)
    assert (again.rows, again.added) == (10, 0)


def test_bars_that_are_kept_win(tmp_path: Path, store: ParquetBarStore) -> None:
    (file,) = candle_files(written(tmp_path, "XBTUSD_60.csv", rows(1)))
    import_file(file, store)
    written(tmp_path, "XBTUSD_60.csv", f"{START_S},7,7,7,7,7,7\n{START_S + 3600},8,8,8,8,8,8\n")
    assert import_file(file, store).added == 1
    bars = store.last(XBTUSD, Timeframe.H1, 2, Decimal("0.5"))
    assert [int(value) for value in bars.open] == [201, 16]


def test_missing_hours_are_counted_and_not_filled(tmp_path: Path, store: ParquetBarStore) -> None:
    (file,) = candle_files(written(tmp_path, "XBTUSD_60.csv", rows(10, skip=4)))
    imported = import_file(file, store)
    assert (imported.rows, imported.gaps) == (9, 1)
    assert [gap.end_s - gap.start_s for gap in store.gaps(XBTUSD, Timeframe.H1)] == [3600]


def test_gap_between_portions_is_counted_once(
    tmp_path: Path, store: ParquetBarStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candle_import, "PORTION_ROWS", 4)
    (file,) = candle_files(written(tmp_path, "XBTUSD_60.csv", rows(10, skip=4)))
    imported = import_file(file, store)
    assert (imported.rows, imported.added, imported.gaps) == (9, 9, 1)
    whole = store.last(XBTUSD, Timeframe.H1, 100, Decimal("0.01"))
    assert len(whole) == 9


def test_empty_file_imports_nothing(tmp_path: Path, store: ParquetBarStore) -> None:
    (file,) = candle_files(written(tmp_path, "XBTUSD_60.csv", ""))
    imported = import_file(file, store)
    assert (imported.rows, imported.first_s, imported.last_s) == (0, None, None)


def test_folder_gives_its_candle_files_by_name_and_no_others(tmp_path: Path) -> None:
    for name in ("XBTUSD_60.csv", "ETHUSD_1440.csv.gz", "README.md", "XBTUSD_720.csv"):
        written(tmp_path, name, "")
    found = [(file.pair, file.timeframe) for file in candle_files(tmp_path)]
    assert found == [(ETHUSD, Timeframe.D1), (XBTUSD, Timeframe.H1)]


def test_zip_gives_members_also_below_folders(tmp_path: Path, store: ParquetBarStore) -> None:
    path = zipped(tmp_path, master_q4__XBTUSD_60=rows(5), ETHUSD_1=rows(3, step_s=60), X_7="")
    files = candle_files(path)
    assert [(file.pair, file.timeframe) for file in files] == [
        (ETHUSD, Timeframe.M1),
        (XBTUSD, Timeframe.H1),
    ]
    assert [import_file(file, store).added for file in files] == [3, 5]


def test_bad_row_is_named_with_file_member_and_line(tmp_path: Path, store: ParquetBarStore) -> None:
    (file,) = candle_files(zipped(tmp_path, XBTUSD_60=rows(2) + "1,2,3\n"))
    with pytest.raises(BadInput, match=r"Kraken_OHLCVT.zip:XBTUSD_60.csv:3: XBTUSD candle: 3 col"):
        import_file(file, store)


def test_portions_before_a_bad_row_are_kept(
    tmp_path: Path, store: ParquetBarStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candle_import, "PORTION_ROWS", 4)
    (file,) = candle_files(written(tmp_path, "XBTUSD_60.csv", rows(6) + "bad\n"))
    with pytest.raises(BadInput):
        import_file(file, store)
    assert len(store.last(XBTUSD, Timeframe.H1, 100, Decimal("0.01"))) == 4


def test_file_of_another_length_than_its_name_says_is_refused(
    tmp_path: Path, store: ParquetBarStore
) -> None:
    (file,) = candle_files(written(tmp_path, "XBTUSD_60.csv", rows(3, step_s=60)))
    with pytest.raises(BadInput, match="not a multiple of 3600 s"):
        import_file(file, store)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("XBTUSD_60.csv.gz", b"no gzip", "cannot be read"),
        ("XBTUSD_60.csv.gz", gzip.compress(rows(100).encode())[:-20], "cannot be read"),
        ("XBTUSD_60.csv", b"\xff\xfe", "not plain text"),
    ],
)
def test_damaged_file_is_refused_in_one_line(
    tmp_path: Path, store: ParquetBarStore, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    (file,) = candle_files(tmp_path / name)
    with pytest.raises(BadInput, match=words):
        import_file(file, store)


def test_file_that_the_system_will_not_open_is_not_called_damaged(
    tmp_path: Path, store: ParquetBarStore
) -> None:
    (tmp_path / "XBTUSD_60.csv").mkdir()
    (file,) = candle_files(tmp_path)
    with pytest.raises(
        BadInput, match=r"XBTUSD_60.csv: cannot be read: Is a directory; look at its permissions$"
    ):
        import_file(file, store)


def test_damaged_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK no")
    with pytest.raises(BadInput, match="cannot be read as a zip"):
        candle_files(tmp_path / "x.zip")


@pytest.mark.parametrize("name", ["XBTUSD.csv", "candles.csv", "XBTUSD_60.txt"])
def test_file_that_is_not_named_like_candles_is_refused_with_the_rule(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(BadInput, match="they are named <PAIR>_<minutes>"):
        candle_files(written(tmp_path, name, ""))


@pytest.mark.parametrize("place", ["", "XBTUSD_7.csv"])
def test_file_of_a_length_that_is_not_kept_is_refused_for_its_length(
    tmp_path: Path, place: str
) -> None:
    written(tmp_path, "XBTUSD_7.csv", "")
    with pytest.raises(BadInput) as refused:
        candle_files(tmp_path / place)
    assert str(refused.value) == (
        f"{tmp_path / place}: no candle file; XBTUSD_7.csv: 7 minutes is no length that krakked "
        "keeps; take 1, 5, 15, 60, 240 or 1440"
    )


def test_lengths_in_words_are_those_that_are_kept() -> None:
    assert LENGTHS.replace(" or", ",").split(", ") == [str(one.minutes) for one in Timeframe]


def test_missing_and_empty_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file or folder"):
        candle_files(tmp_path / "XBTUSD_60.csv")
    with pytest.raises(BadInput, match=r"no.zip: no such file or folder; give a zip") as missing:
        candle_files(tmp_path / "no.zip")
    assert "Errno" not in str(missing.value)
    with pytest.raises(BadInput, match="no candle file"):
        candle_files(tmp_path)


@pytest.mark.parametrize(
    ("text", "tick"),
    [
        (f"{START_S},1,1,1,1,1,1", "1"),
        (f"{START_S},1000,1000,1000,1000,1,1", "1"),
        (f"{START_S},1.50,2.0,1.25,1.5,1,1", "0.01"),
        (f"{START_S},0.00001234,0.1,0.00001,0.01,1,1", "0.00000001"),
        (f"{START_S},1.0,1.00,1.000,1,0.12345678,1", "1"),
    ],
)
def test_finest_tick_is_of_the_prices_alone(text: str, tick: str) -> None:
    found = finest_tick(parse_rows([text], source="x", pair=XBTUSD))
    assert found == Decimal(tick)
