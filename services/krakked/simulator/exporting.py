"""Writing a market that follows from its parameters as candle files, as ``replay`` reads them."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

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
    _check_free(paths.values())
    for pair, path in paths.items():
        candles = _candles(market, pair, minutes, (options.from_s, options.to_s))
        rows = _write(path, candles)
        yield Exported(path=str(path), pair=pair, minutes=minutes, rows=rows)


def _check_free(paths: Iterable[Path]) -> None:
    """Recorded candles look the same as invented ones, and nobody can export those again."""
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
    for start_s in range(from_s, to_s, _PORTION_S):
        end_s = min(start_s + _PORTION_S, to_s)
        yield from market.candles_between(pair, minutes, start_s, end_s)


def _write(path: Path, candles: Iterable[Candle]) -> int:
    """Write beside, then rename: a file under its name is whole."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [to_line(row_of(candle)) + "\n" for candle in candles]
        data = "".join(rows).encode()
        part.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
        part.replace(path)
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be written: {error.strerror or error}; choose another --out",
            exit_code=ExitCode.OCCUPIED,
        ) from error
    return len(rows)
