"""``krakked data import``: from Kraken's files into the bar store."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import Result

from krakked.adapters.parquet.bar_store import ParquetBarStore
from krakked.domain.bars import Timeframe
from krakked.domain.ids import PairName
from krakked.runtime.exit_codes import ExitCode

Krakked = Callable[..., Result]
START_S = 1_577_836_800


def rows(count: int, step_s: int = 3600) -> str:
    return "".join(f"{START_S + i * step_s},1.5,2,1,1.25,{i},4\n" for i in range(count))


@pytest.fixture
def candles(folder: Path) -> Path:
    path = folder / "candles"
    path.mkdir()
    (path / "XBTUSD_60.csv").write_text(rows(48))
    (path / "ETHUSD_1440.csv").write_text(rows(10, 86_400))
    return path


def kept(folder: Path, pair: str, timeframe: Timeframe) -> int:
    store = ParquetBarStore(folder)
    bars = store.last(PairName(pair), timeframe, 1000, Decimal("0.01"))
    store.close()
    return len(bars)


def test_folder_is_imported_beside_the_database(krakked: Krakked, candles: Path) -> None:
    result = krakked("data", "import", "candles")
    assert result.exit_code == 0, result.output
    assert [line.split() for line in result.stdout.splitlines()[1:]] == [
        *(
            ["ETHUSD", "1d", "10", "10", "0", "2020-01-01", "00:00", "2020-01-10", "00:00"],
            ["XBTUSD", "1h", "48", "48", "0", "2020-01-01", "00:00", "2020-01-02", "23:00"],
        )
    ]
    assert kept(Path("bars"), "XBTUSD", Timeframe.H1) == 48


def test_second_import_adds_nothing(krakked: Krakked, candles: Path) -> None:
    krakked("data", "import", "candles")
    again = json.loads(krakked("data", "import", "candles", "--json").stdout)
    assert [one["added"] for one in again] == [0, 0]


def test_pair_and_timeframe_choose(krakked: Krakked, candles: Path) -> None:
    chosen = json.loads(krakked("data", "import", "candles", "--pair", "XBTUSD", "--json").stdout)
    assert [one["pair"] for one in chosen] == ["XBTUSD"]
    chosen = json.loads(krakked("data", "import", "candles", "--timeframe", "1d", "--json").stdout)
    assert [one["pair"] for one in chosen] == ["ETHUSD"]
    nothing = krakked("data", "import", "candles", "--pair", "SOLUSD")
    assert nothing.exit_code == ExitCode.FINDINGS
    assert nothing.stdout == "no file of that pair and timeframe was found\n"


def test_each_spelling_of_a_pair_is_one_pair(krakked: Krakked, candles: Path) -> None:
    (candles / "DOGEUSD_60.csv").write_text(rows(5))
    krakked("data", "import", "candles/DOGEUSD_60.csv")
    (candles / "DOGEUSD_60.csv").rename(candles / "XDGUSD_60.csv")
    again = krakked("data", "import", "candles", "--pair", "doge/usd", "--json")
    (one,) = json.loads(again.stdout)
    assert (one["pair"], one["rows"], one["added"]) == ("XDGUSD", 5, 0)
    assert kept(Path("bars"), "XDGUSD", Timeframe.H1) == 5


def test_file_that_is_not_named_like_candles_is_told(krakked: Krakked, candles: Path) -> None:
    (candles / "notes.csv").write_text("rubbish")
    (candles / "README.md").write_text("of no concern")
    shown = krakked("data", "import", "candles")
    assert shown.exit_code == 0
    assert shown.stderr == (
        "krakked: candles/notes.csv: not imported: not named <PAIR>_<minutes>.csv[.gz]\n"
    )


def test_zip_and_single_files_go_in_one_call(krakked: Krakked, candles: Path) -> None:
    with zipfile.ZipFile("download.zip", "w") as archive:
        archive.writestr("SOLUSD_60.csv", rows(3))
    result = krakked("data", "import", "download.zip", "candles/XBTUSD_60.csv", "--json")
    assert [one["added"] for one in json.loads(result.stdout)] == [3, 48]


def test_target_may_be_named_or_configured(krakked: Krakked, candles: Path) -> None:
    krakked("data", "import", "candles", "--into", "one")
    krakked("data", "import", "candles", "--set", "market_data.ohlc_store.root_dir=two")
    krakked("data", "import", "candles", "--db-path", "place/portfolio.db")
    for folder in ("one", "two", "place/bars"):
        assert kept(Path(folder), "XBTUSD", Timeframe.H1) == 48


def test_bad_row_ends_the_import_with_file_and_line(krakked: Krakked, candles: Path) -> None:
    (candles / "XBTUSD_60.csv").write_text(rows(5) + "1,2\n")
    result = krakked("data", "import", "candles/XBTUSD_60.csv")
    assert result.exit_code == ExitCode.CONFIGURATION
    assert result.stderr.startswith("krakked: candles/XBTUSD_60.csv:6: XBTUSD candle: 2 columns")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("bad", ["ADAUSD_60.csv", "ZRXUSD_60.csv"])
def test_zip_with_a_bad_file_changes_nothing_whichever_comes_first(
    krakked: Krakked, candles: Path, bad: str
) -> None:
    with zipfile.ZipFile("k.zip", "w") as archive:
        archive.writestr("XBTUSD_60.csv", rows(48))
        archive.writestr(bad, rows(3) + "broken\n")
    result = krakked("data", "import", "k.zip", "candles")
    assert result.exit_code == ExitCode.CONFIGURATION
    assert f"k.zip:{bad}:4: " in result.stderr
    assert not Path("bars").exists()
    with zipfile.ZipFile("k.zip", "w") as archive:
        archive.writestr("XBTUSD_60.csv", rows(48))
    assert krakked("data", "import", "k.zip", "candles").exit_code == 0
    assert kept(Path("bars"), "XBTUSD", Timeframe.H1) == 48


@pytest.mark.parametrize("given", ["candles", "candles/ADAUSD_60.csv"])
def test_link_to_what_is_not_there_is_told_as_that(
    krakked: Krakked, candles: Path, given: str
) -> None:
    (candles / "ADAUSD_60.csv").symlink_to("gone.csv")
    result = krakked("data", "import", given)
    assert (result.exit_code, result.stderr) == (
        ExitCode.CONFIGURATION,
        "krakked: candles/ADAUSD_60.csv: a link to what is not there; mend the link, or remove "
        "it\n",
    )


def test_pair_that_no_file_is_of_is_named(krakked: Krakked, candles: Path) -> None:
    result = krakked("data", "import", "candles", "--pair", "XBTUSD", "--pair", "XYZUSD")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "krakked: XYZUSD: no file of that pair; there is ETHUSD, XBTUSD"
    ]


def test_missing_path_is_one_line(krakked: Krakked, folder: Path) -> None:
    result = krakked("data", "import", "nowhere")
    assert result.exit_code == ExitCode.CONFIGURATION
    assert result.stderr == (
        "krakked: nowhere: no such file or folder; give a zip, a .csv, a .csv.gz or a folder\n"
    )


def test_import_without_a_path_is_wrong_use(krakked: Krakked, folder: Path) -> None:
    assert krakked("data", "import").exit_code == ExitCode.USAGE
