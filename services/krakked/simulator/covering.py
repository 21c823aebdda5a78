"""How much of a wanted range the candle files of a replay have: what they lack is said, per pair.

A file that begins after ``--from`` or ends before ``--to`` is played as far as it goes. Rows that
are missing in between are no matter of these: they are stretches without trades.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from krakked.domain.ids import PairName
from krakked.domain.times import NS_PER_SECOND, to_minute


class Covered(msgspec.Struct, frozen=True):
    """The span of a file: from its first candle to the end of its last."""

    begin_s: int
    end_s: int


class Uncovered(msgspec.Struct, frozen=True, kw_only=True):
    """A pair whose candles are not there for the whole range; None: at that end they are."""

    pair: PairName
    candles_begin_s: int | None = None
    candles_end_s: int | None = None


def uncovered(
    files: Mapping[PairName, Covered], from_s: int | None, to_s: int | None
) -> tuple[Uncovered, ...]:
    """Pairs that lack some of ``[from_s, to_s)``, by name; an end that nobody gave is where it is.

    A pair that has no candles in the range at all ended before it.
    """
    found = []
    for pair, file in sorted(files.items()):
        begins_late = from_s is not None and file.begin_s > from_s
        ends_early = to_s is not None and file.end_s < to_s
        if begins_late or ends_early:
            one = Uncovered(
                pair=pair,
                candles_begin_s=file.begin_s if begins_late else None,
                candles_end_s=file.end_s if ends_early else None,
            )
            found.append(one)
    return tuple(found)


def in_lines(lacking: Sequence[Uncovered]) -> list[str]:
    """A line for all pairs that lack the same."""
    pairs: dict[str, list[PairName]] = {}
    for one in lacking:
        pairs.setdefault(_in_words(one), []).append(one.pair)
    return [f"{' '.join(names)}: {words}" for words, names in pairs.items()]


def _in_words(lacking: Uncovered) -> str:
    words = []
    if lacking.candles_begin_s is not None:
        words.append(f"candles begin {_minute(lacking.candles_begin_s)}, after --from")
    if lacking.candles_end_s is not None:
        words.append(f"candles end {_minute(lacking.candles_end_s)}, before --to")
    return "; ".join(words)


def _minute(at_s: int) -> str:
    return to_minute(at_s * NS_PER_SECOND)
