"""Pairs that people name in settings must be pairs that the venue lists.

A name that the venue does not know would be passed over in silence otherwise: it would exclude
nothing, or leave a typo untraded. The refusal names file and line, and the pair that was probably
meant: by another of its spellings (``DOGEUSD`` is ``XDGUSD`` here), or by likeness.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, TypeAlias

from krakked.domain.errors import Refused
from krakked.domain.ids import PairName
from krakked.domain.naming import resolve_pair
from krakked.engine.translating import strategy_of
from krakked.runtime.settings import Settings, Strategy
from krakked.runtime.settings.known import SettingPath
from krakked.runtime.settings.problems import Problem, refuse

SourceOf: TypeAlias = Callable[[SettingPath], str]
"""Where the value at that path was written (``config.yaml:12``)."""

LIKENESS_MIN: Final = 0.5
"""Below it a guess helps nobody."""


def nowhere(_: SettingPath) -> str:
    """For settings that nobody wrote down anywhere."""
    return ""


def check_pair_names(
    settings: Settings,
    listed: Collection[PairName],
    *,
    source_of: SourceOf = nowhere,
) -> None:
    """Return when every pair that a setting names is listed.

    Raises:
        BadInput: one line for each that is not.
    """
    refuse(
        [
            Problem(
                path,
                f"the venue does not list {name}",
                _remedy(name, listed),
                source=source_of(path),
            )
            for path, name in _named(settings)
            if name not in listed
        ]
    )


def _named(settings: Settings) -> Iterator[tuple[SettingPath, str]]:
    universe = settings.universe
    for name in universe.include_pairs:
        yield ("universe", "include_pairs"), name
    for name in universe.exclude_pairs:
        yield ("universe", "exclude_pairs"), name
    for strategy_id, strategy in settings.strategies.items():
        for name in strategy.pairs:
            yield ("strategies", strategy_id, "pairs"), name
        for name in strategy_of(strategy_id, strategy).rules.params.named_pairs:
            yield path_of_weight(strategy_id, strategy, name), name
    for asset, name in settings.portfolio.valuation_pairs.items():
        yield ("portfolio", "valuation_pairs", asset), name


def path_of_weight(strategy_id: str, strategy: Strategy, pair: str) -> SettingPath:
    """Where the pair's weight stands, as it was spelled there."""
    written = strategy.params.get("weights")
    spellings = written if isinstance(written, Mapping) else ()
    spelled = next((each for each in spellings if str(each).strip().upper() == pair), pair)
    return ("strategies", strategy_id, "params", "weights", str(spelled))


def _remedy(name: str, listed: Collection[PairName]) -> str:
    meant = _alias(name, listed) or next(
        iter(difflib.get_close_matches(name, sorted(listed), n=1, cutoff=LIKENESS_MIN)), None
    )
    return "remove it" if meant is None else f"did you mean {meant}?"


def _alias(name: str, listed: Collection[PairName]) -> PairName | None:
    try:
        return resolve_pair(name, listed)
    except Refused:
        return None
