"""Assembling one engine from its parts: what is configured, what is open, what was stored."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from krakked.domain.bars import Timeframe
from krakked.domain.decisions import NotEvaluated
from krakked.domain.ids import PairName, StrategyId
from krakked.domain.positions import Sleeve
from krakked.domain.strategies.base import Strategy as Built
from krakked.domain.universe import Universe
from krakked.engine import translating
from krakked.engine.given import Given
from krakked.engine.listing import Listing, kept_in_words
from krakked.engine.pair_names import SourceOf, nowhere, path_of_weight
from krakked.runtime.settings import Mode, Settings, Strategy
from krakked.runtime.settings.problems import Problem, refuse
from krakked.trading.adopting import same_tags
from krakked.trading.cycling import ConfiguredSleeve
from krakked.trading.engine import EngineOptions


def configured_sleeves(
    settings: Settings, universe: Universe, *, source_of: SourceOf = nowhere
) -> tuple[ConfiguredSleeve, ...]:
    """Every strategy on each of its pairs, in the order of the configuration.

    Where a person chose not to trade a pair, what is held there keeps its stops and no more.

    Raises:
        BadInput: a strategy names a pair that is not in the universe.
    """
    refuse(_same_tags(settings, source_of))
    sleeves: list[ConfiguredSleeve] = []
    for name, chosen in settings.strategies.items():
        strategy = translating.strategy_of(name, chosen)
        refuse(_outside(name, chosen.pairs, universe, source_of))
        refuse(_weighed_outside(name, chosen, strategy, universe, source_of))
        for pair in _pairs_of(chosen.pairs, universe):
            sleeves.append(
                ConfiguredSleeve(
                    index=len(sleeves),
                    strategy=strategy,
                    sleeve=Sleeve(StrategyId(name), pair),
                    is_enabled=chosen.enabled,
                    skip=NotEvaluated.NOT_IN_UNIVERSE if pair in universe.exits_only else None,
                )
            )
    return tuple(sleeves)


def _same_tags(settings: Settings, source_of: SourceOf) -> Sequence[Problem]:
    """Order ids tell strategies apart by a few digits only."""
    same = same_tags(map(StrategyId, settings.strategies))
    if same is None:
        return ()
    path = ("strategies", same[1])
    what = f"order ids cannot tell it from {same[0]}"
    return (Problem(path, what, "give one of the two another name", source=source_of(path)),)


def _outside(
    name: str, chosen: Sequence[str], universe: Universe, source_of: SourceOf
) -> Sequence[Problem]:
    """A pair that the venue has closed for the moment is no mistake of the configuration."""
    resting = {remark.pair for remark in universe.left_out if remark.why.is_of_the_moment}
    unknown = [pair for pair in chosen if pair not in universe.pairs and pair not in resting]
    if not unknown:
        return ()
    path = ("strategies", name, "pairs")
    what = f"{', '.join(unknown)} not in the universe"
    remedy = f"it has {', '.join(universe.pairs) or 'no pairs'}"
    return (Problem(path, what, remedy, source=source_of(path)),)


def _weighed_outside(
    name: str, chosen: Strategy, strategy: Built, universe: Universe, source_of: SourceOf
) -> Sequence[Problem]:
    """A weight of a pair that the strategy does not trade would be passed over in silence."""
    traded = _pairs_of(chosen.pairs, universe)
    resting = {remark.pair for remark in universe.left_out if remark.why.is_of_the_moment}
    problems = []
    for pair in strategy.rules.params.named_pairs:
        if pair not in traded and pair not in resting:
            path = path_of_weight(name, chosen, pair)
            near = difflib.get_close_matches(pair, traded, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"it trades {', '.join(traded)}"
            what = "the strategy does not trade this pair"
            problems.append(Problem(path, what, remedy, source=source_of(path)))
    return problems


def _pairs_of(chosen: Sequence[str], universe: Universe) -> Sequence[PairName]:
    return tuple(pair for pair in universe.pairs if not chosen or pair in chosen)


def timeframes_of(settings: Settings) -> tuple[Timeframe, ...]:
    """Those that are kept, shortest first; what strategies ask for is among them."""
    kept = set(settings.market_data.timeframes)
    return tuple(sorted(kept, key=lambda timeframe: timeframe.seconds)) or (Timeframe.H1,)


def options_of(given: Given, listing: Listing, timeframes: tuple[Timeframe, ...]) -> EngineOptions:
    """What the engine itself is told."""
    settings = given.settings
    return EngineOptions(
        pairs=listing.universe.pairs,
        strategies=tuple(map(StrategyId, settings.strategies)),
        valuing=listing.valuing,
        kept=kept_in_words(listing, settings),
        timeframes=timeframes,
        backfill_bars=settings.market_data.backfill_bars,
        mark_interval_s=settings.scheduler.portfolio_sync_sec * given.pace.factor,
        day_boundary_s=translating.day_boundary_s(settings),
        drawdown_max_pct=settings.risk.max_daily_drawdown_pct,
        kill_switch_on_drift=settings.risk.kill_switch_on_drift,
        clock_look_s=settings.scheduler.strategy_loop_sec * given.pace.factor,
        is_paced_by_bars=given.is_lock_step,
        halts_when_dead_man_fires=settings.execution.mode is Mode.LIVE,
    )
