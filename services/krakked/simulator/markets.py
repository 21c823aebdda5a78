"""From options to a market: the files to read, the pairs to list, the instant to open at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from krakked.domain.candles import unkept_length
from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName
from krakked.domain.times import DAY_S, NS_PER_SECOND
from krakked.runtime.candle_import import (
    CandleFile,
    candle_files,
    length_in_words,
    read_rows,
    strangers,
)
from krakked.sim.exchange.pairs import PAIRS, VenuePair
from krakked.sim.market.candles import Candle, candle_of
from krakked.sim.market.model import DEFAULT_PRICES, Market
from krakked.sim.market.replaying import TRADES_OF_A_CANDLE, ReplayMarket
from krakked.sim.market.still import CalmMarket
from krakked.simulator.covering import Covered
from krakked.simulator.options import SimulatorOptions, check
from krakked.simulator.store import stored_now_ns

PAST_S: Final = 722 * DAY_S
"""A replay reads so much before its start: 720 whole days of it, and one to fill from."""
NAMED_MAX: Final = 12
"""More files than this are not worth a line's length."""
_FOR_EVER_S: Final = 253_402_300_799


class RecordedMarket(ReplayMarket):
    """A replay of files, which knows how far they reach."""

    files: Mapping[PairName, Covered]


def opening_ns(options: SimulatorOptions, *, otherwise_ns: int) -> int:
    """The instant at which the simulated clock has to start.

    Where a stored world stopped (in real time, not before now); else where the options begin, or
    the candles of a replay; else ``otherwise_ns``.

    Raises:
        BadInput: options that cannot be meant, no candles, or a file that cannot be read.
    """
    check(options)
    stored_ns = stored_now_ns(options.state)
    if stored_ns is not None:
        return max(stored_ns, otherwise_ns) if options.speed == 1 else stored_ns
    if options.from_s is not None:
        return options.from_s * NS_PER_SECOND
    if options.market != "replay":
        return otherwise_ns
    return min(_first_s(file) for file in chosen_files(options)) * NS_PER_SECOND


def build_market(
    options: SimulatorOptions, start_ns: int
) -> tuple[Market, Mapping[PairName, VenuePair]]:
    """The market, and the rules of the pairs it moves.

    Raises:
        BadInput: candles that cannot be used.
    """
    if options.market == "replay":
        return _replay(options, start_ns)
    names = options.pairs or tuple(DEFAULT_PRICES)
    prices = {name: options.prices.get(name, DEFAULT_PRICES[name]) for name in names}
    pairs = {name: PAIRS[name] for name in names}
    if options.market == "calm":
        return CalmMarket(pairs=pairs, prices=prices, start_ns=start_ns), pairs
    return _synthetic(pairs, prices, options.seed, start_ns), pairs


def chosen_files(options: SimulatorOptions) -> list[CandleFile]:
    """One file for each pair that is known and wanted: the shortest candles there are of it.

    Raises:
        BadInput: none, or no such folder; two files of the same candles.
    """
    folder = options.candles
    assert folder is not None, "checked with the options"
    if not folder.is_dir():
        raise BadInput(
            f"--candles {folder}: no such folder; give one with files like XBTUSD_60.csv"
        )
    shortest: dict[PairName, CandleFile] = {}
    for file in sorted(candle_files(folder), key=lambda file: -file.timeframe.minutes):
        if file.pair not in (options.pairs or PAIRS):
            continue
        other = shortest.get(file.pair)
        if other is not None and other.timeframe is file.timeframe:
            minutes = file.timeframe.minutes
            raise BadInput(
                f"{other.name} and {file.name} both hold {minutes}-minute candles of {file.pair}; "
                "remove one"
            )
        shortest[file.pair] = file
    _check_found(folder, shortest, options.pairs)
    return [shortest[pair] for pair in sorted(shortest)]


def unused_files(options: SimulatorOptions, played: Collection[PairName]) -> list[str]:
    """Files of a replay's folder that are not played, a line for each reason."""
    folder = options.candles
    if options.market != "replay" or folder is None:
        return []
    chosen = {file.name for file in chosen_files(options)}
    unused: dict[str, list[str]] = {}
    for file in candle_files(folder):
        if file.name not in chosen or file.pair not in played:
            why = _why_unused(file, options, is_chosen=file.name in chosen)
            unused.setdefault(why, []).append(Path(file.name).name)
    if names := strangers(folder):
        unused["not named <PAIR>_<minutes>.csv, or of a length that is not kept"] = names
    return [f"{folder}: not replayed: {_listed(names)}: {why}" for why, names in unused.items()]


def _why_unused(file: CandleFile, options: SimulatorOptions, *, is_chosen: bool) -> str:
    if is_chosen:
        return "no candle in the range, and none before it"
    if file.pair not in PAIRS:
        return f"no such pair here; known are {', '.join(PAIRS)}"
    if options.pairs and file.pair not in options.pairs:
        return "not among the pairs that were asked for"
    return "shorter candles of the pair are there"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMED_MAX
    shown = ", ".join(names[:NAMED_MAX])
    return f"{shown} and {more} more" if more > 0 else shown


def _check_found(
    folder: Path, found: Mapping[PairName, CandleFile], wanted: Sequence[PairName]
) -> None:
    missing = [pair for pair in wanted if pair not in found]
    if found and not missing:
        return
    for name in strangers(folder):
        odd = unkept_length(name)
        if odd is not None and odd[0] in (missing or PAIRS):
            raise BadInput(f"--candles {folder}: {length_in_words(name)}")
    if missing:
        raise BadInput(
            f"--candles {folder}: no file of {', '.join(missing)}; add it, or leave it out"
        )
    raise BadInput(f"--candles {folder}: no file of a known pair; known are {', '.join(PAIRS)}")


def _replay(
    options: SimulatorOptions, start_ns: int
) -> tuple[Market, Mapping[PairName, VenuePair]]:
    from_s = start_ns // NS_PER_SECOND - PAST_S
    to_s = _FOR_EVER_S if options.to_s is None else options.to_s
    read = {file.pair: _read(file, from_s, to_s) for file in chosen_files(options)}
    candles = {pair: found for pair, (found, _) in read.items() if found}
    pairs = {name: PAIRS[name] for name in candles}
    end_ns = to_s * NS_PER_SECOND
    market = RecordedMarket(pairs=pairs, candles=candles, start_ns=start_ns, end_ns=end_ns)
    market.files = {pair: read[pair][1] for pair in candles}
    return market, pairs


def _read(file: CandleFile, from_s: int, to_s: int) -> tuple[list[Candle], Covered]:
    """Candles that start in the range; all rows are read, so that all are checked.

    A row without volume and trades is a stretch without trades. One with volume and no trades is of
    a program that does not count them: it is played with as many as its shape needs.
    """
    minutes = file.timeframe.minutes
    found: list[Candle] = []
    begin_s, end_s = _FOR_EVER_S, 0
    for row in read_rows(file):
        begin_s, end_s = min(begin_s, row.start_s), row.start_s + minutes * 60
        if from_s <= row.start_s < to_s and (row.trades > 0 or row.volume > 0):
            found.append(candle_of(row, minutes, trades_otherwise=TRADES_OF_A_CANDLE))
    return found, Covered(begin_s, end_s)


def _first_s(file: CandleFile) -> int:
    first = next(read_rows(file), None)
    if first is None:
        raise BadInput(f"{file.name}: empty; remove it, or export it again")
    return first.start_s


def _synthetic(
    pairs: Mapping[PairName, VenuePair],
    prices: Mapping[PairName, Decimal],
    seed: int,
    start_ns: int,
) -> Market:
    from krakked.sim.market.synthetic import SyntheticMarket  # numpy, only where it is used

    return SyntheticMarket(pairs=pairs, prices=prices, seed=seed, start_ns=start_ns)
