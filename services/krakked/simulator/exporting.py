"""Writing a market that follows from its parameters as candle files, as ``replay`` reads them."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final

import msgspec
from tqdm import tqdm

from krakked.domain.candles import to_line
from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName
from krakked.domain.times import DAY_S, NS_PER_SECOND
from krakked.runtime.exit_codes import ExitCode
from krakked.sim.market.candles import Candle, row_of
from krakked.sim.market.model import Market
from krakked.simulator.markets import build_market
from krakked.simulator.options import SimulatorOptions

INTERVALS: Final = (1, 5, 15, 60, 240, 1440)
"""Lengths in minutes that a replay takes; each divides a day."""
_ENDINGS: Final = (".csv", ".csv.gz")
_PORTION_S: Final = 30 * DAY_S


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """One file that was written."""

    path: str
    pair: PairName
    minutes: int
    rows: int


def export(
    options: SimulatorOptions, *, minutes: int, folder: Path, compressed: bool = False
) -> Iterator[Exported]:
    """Write one file per pair with the candles of ``[from_s, to_s)``; none over another.

    Raises:
        BadInput: a file is there already (then none is written), or the folder cannot be written.
    """
    assert options.from_s is not None
    assert options.to_s is not None
    assert minutes in INTERVALS
    market, pairs = build_market(options, options.from_s * NS_PER_SECOND)
    ending = ".csv.gz" if compressed else ".csv"
    paths = {pair: folder / f"{pair}_{minutes}{ending}" for pair in pairs}
    _check_free(folder / f"{pair}_{minutes}{each}" for pair in pairs for each in _ENDINGS)
    for pair, path in paths.items():
        candles = _candles(market, pair, minutes, (options.from_s, options.to_s))
        rows = _write(path, candles)
        yield Exported(path=str(path), pair=pair, minutes=minutes, rows=rows)


def _check_free(paths: Iterable[Path]) -> None:
    """Recorded candles look the same as invented ones, and nobody can export those again.

    In the other form they are the same candles: a replay would find them twice.
    """
    taken = [path for path in paths if path.exists()]
    if taken:
        more = f" (and {len(taken) - 1} more)" if taken[1:] else ""
        raise BadInput(
            f"{taken[0]}{more}: there already, and never overwritten; nothing was written: give "
            "another folder as --out, or remove what is there",
            exit_code=ExitCode.OCCUPIED,
        )


def _candles(
    market: Market, pair: PairName, minutes: int, span: tuple[int, int]
) -> Iterator[Candle]:
    from_s, to_s = span
    starts = range(from_s, to_s, _PORTION_S)
    for start_s in tqdm(starts, desc=pair, unit="month", disable=None, leave=False):
        end_s = min(start_s + _PORTION_S, to_s)
        yield from market.candles_between(pair, minutes, start_s, end_s)


def _write(path: Path, candles: Iterable[Candle]) -> int:
    """Write beside as they come, then rename: a file under its name is whole."""
    part = path.with_name(path.name + ".part")
    rows = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _opened(part, is_compressed=path.suffix == ".gz") as file:
            for rows, candle in enumerate(candles, 1):  # noqa: B007 - the last one counts them
                file.write((to_line(row_of(candle)) + "\n").encode())
        part.replace(path)
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be written: {error.strerror or error}; choose another --out",
            exit_code=ExitCode.OCCUPIED,
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return rows


@contextlib.contextmanager
def _opened(path: Path, *, is_compressed: bool) -> Iterator[IO[bytes] | gzip.GzipFile]:
    with path.open("wb") as raw:
        if not is_compressed:
            yield raw
            return
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
            yield packed
