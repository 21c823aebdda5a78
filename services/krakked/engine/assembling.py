"""Assembling one engine from its parts: what is configured, what is open, what was stored."""

from __future__ import annotations

from collections.abc import Sequence

from krakked.domain.bars import Timeframe
from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName, StrategyId
from krakked.domain.positions import Sleeve
from krakked.domain.strategies import build
from krakked.runtime.settings import Settings
from krakked.trading.cycling import ConfiguredSleeve


def configured_sleeves(
    settings: Settings, pairs: Sequence[PairName]
) -> tuple[ConfiguredSleeve, ...]:
    """Every strategy on each of its pairs, in the order of the configuration."""
    sleeves: list[ConfiguredSleeve] = []
    for name, chosen in settings.strategies.items():
        strategy = build(StrategyId(name), chosen.type, chosen.params, timeframes=chosen.timeframes)
        for pair in _pairs_of(name, chosen.pairs, pairs):
            sleeves.append(
                ConfiguredSleeve(
                    index=len(sleeves),
                    strategy=strategy,
                    sleeve=Sleeve(StrategyId(name), pair),
                    is_enabled=chosen.enabled,
                )
            )
    return tuple(sleeves)


def _pairs_of(name: str, chosen: Sequence[str], pairs: Sequence[PairName]) -> Sequence[PairName]:
    unknown = [pair for pair in chosen if pair not in pairs]
    if unknown:
        raise BadInput(
            f"strategies.{name}.pairs: {', '.join(unknown)} not in the universe; "
            f"it has {', '.join(pairs) or 'no pairs'}"
        )
    return tuple(pair for pair in pairs if not chosen or pair in chosen)


def timeframes_of(sleeves: Sequence[ConfiguredSleeve]) -> tuple[Timeframe, ...]:
    """Those that any strategy asks for, shortest first."""
    wanted = {timeframe for sleeve in sleeves for timeframe in sleeve.strategy.timeframes}
    return tuple(sorted(wanted, key=lambda timeframe: timeframe.seconds)) or (Timeframe.H1,)
