"""``krakked data``: candles that Kraken offers for download, into the bar store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from krakked.cli import options
from krakked.cli.config import load
from krakked.cli.output import moment, print_json, print_table
from krakked.domain.bars import Timeframe
from krakked.domain.naming import standard_pair
from krakked.domain.times import NS_PER_SECOND
from krakked.runtime.bar_folders import folder_of_bars
from krakked.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from krakked.runtime.candle_import import CandleFile, Imported


@click.group(epilog=options.shown("krakked data import Kraken_OHLCVT.zip --pair XBTUSD"))
def data() -> None:
    """Candles: import what Kraken offers for download."""


@data.command(
    "import",
    epilog=options.ending(
        ExitCode.FINDINGS,
        *options.READING,
        example="krakked data import Kraken_OHLCVT.zip --pair XBTUSD --timeframe 1h",
    ),
)
@click.argument("paths", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--pair", "pairs", multiple=True, help="Only this pair (XBTUSD). May be repeated.")
@click.option(
    "--timeframe",
    "timeframes",
    type=click.Choice([timeframe.value for timeframe in Timeframe]),
    multiple=True,
    help="Only bars of this length. May be repeated.",
)
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the bar store (default: market_data.ohlc_store.root_dir).",
)
@options.environment
@options.db_path
@options.config_dir
@options.settings
@options.as_json
def import_candles(
    paths: tuple[Path, ...], pairs: tuple[str, ...], timeframes: tuple[str, ...], **flags: object
) -> int:
    """Import Kraken's OHLCVT zip, folders of candle files, or single .csv and .csv.gz files.

    Bars that are there already stay as they are. All files are checked before the first is kept: a
    bad row anywhere is told with its file and line, and nothing is imported. No venue is asked
    whether it lists a pair: the pair is what the file is called.
    """
    wanted = tuple(map(standard_pair, pairs))
    found = list(_all_files(paths))
    files = [file for file in found if _is_wanted(file, wanted, timeframes)]
    for words in (*_passed_over(paths), *_told_pairs(wanted, found)):
        click.echo(f"krakked: {words}", err=True)
    imported = _import(files, _store_folder(flags))
    if flags["as_json"]:
        print_json(imported)
    else:
        _show(imported)
    return ExitCode.DONE if imported else ExitCode.FINDINGS


def _all_files(paths: Sequence[Path]) -> Iterator[CandleFile]:
    from krakked.runtime.candle_import import candle_files

    for path in paths:
        yield from candle_files(path)


def _passed_over(paths: Sequence[Path]) -> Iterator[str]:
    """Files of folders that are not named like candle files."""
    from krakked.runtime.candle_import import strangers

    for folder in filter(Path.is_dir, paths):
        for name in strangers(folder):
            yield f"{folder / name}: not imported: not named <PAIR>_<minutes>.csv[.gz]"


def _is_wanted(file: CandleFile, pairs: Sequence[str], timeframes: Sequence[str]) -> bool:
    return (not pairs or file.pair in pairs) and (
        not timeframes or file.timeframe.value in timeframes
    )


def _import(files: Sequence[CandleFile], folder: Path) -> list[Imported]:
    from tqdm import tqdm

    from krakked.adapters.parquet.bar_store import ParquetBarStore
    from krakked.runtime.candle_import import check_file, import_file

    for file in tqdm(files, desc="check", unit="file", disable=None, leave=False):
        check_file(file)
    with closing(ParquetBarStore(folder)) as store:
        progress = tqdm(files, desc="keep", unit="file", disable=None, leave=False)
        return [import_file(file, store) for file in progress]


def _store_folder(flags: Mapping[str, object]) -> Path:
    into = flags["into"]
    if isinstance(into, Path):
        return into
    env, config_dir, assignments = flags["env"], flags["config_dir"], flags["assignments"]
    assert isinstance(env, str)
    assert isinstance(assignments, tuple)
    loaded = load(env, config_dir if isinstance(config_dir, Path) else None, assignments)
    db_path = flags["db_path"]
    assert isinstance(db_path, Path)
    return folder_of_bars(loaded.settings.market_data.ohlc_store.root_dir, db_path)


def _show(imported: Sequence[Imported]) -> None:
    head = ("pair", "bars", "rows", "added", "gaps", "first (UTC)", "last (UTC)")
    rows = [
        (
            one.pair,
            one.timeframe.value,
            str(one.rows),
            str(one.added),
            str(one.gaps),
            _time(one.first_s),
            _time(one.last_s),
        )
        for one in imported
    ]
    print_table(head, rows, nothing="no file of that pair and timeframe was found")


def _told_pairs(pairs: Sequence[str], files: Sequence[CandleFile]) -> Iterator[str]:
    """Pairs that were asked for and no file is of."""
    there = sorted({file.pair for file in files})
    for pair in pairs:
        if pair not in there:
            yield f"{pair}: no file of that pair; there is {', '.join(there)}"


def _time(start_s: int | None) -> str:
    return moment(None if start_s is None else start_s * NS_PER_SECOND)
