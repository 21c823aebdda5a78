"""The checks find strategies that break a promise: one broken strategy per promise."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import ClassVar

import msgspec
import numpy as np
import pytest

from krakked.domain.bars import Bars, Timeframe
from krakked.domain.features import Features, Mask, average_hundredths, changes
from krakked.domain.ids import StrategyId
from krakked.domain.intents import Decision, View
from krakked.domain.strategies.base import (
    Parameters,
    Rules,
    State,
    Strategy,
    be_flat,
    enter,
    is_true,
    stay,
)
from krakked.domain.strategies.checks import check_strategy

MakeBars = Callable[..., Bars]
LENGTH = 6


class Sound:
    """Long above the average of six bars."""

    type: ClassVar[str] = "sound"
    source: ClassVar[str] = "none"
    default_timeframes: ClassVar[tuple[Timeframe, ...]] = (Timeframe.H1,)
    params = Parameters()
    warm_up_bars = LENGTH + 1

    def features(self, bars: Bars) -> Features:
        above = bars.close * 100 > average_hundredths(bars.close, LENGTH)
        return {"above": above.astype(np.int64)}

    def wake(self, features: Features) -> Mask:
        return changes(features["above"])

    def decide(self, view: View, state: State) -> Decision:
        is_above = view.features["above"] == 1
        if not is_above:
            intent = be_flat(view, reason="below")
        elif view.is_holding:
            intent = stay(view, reason="above")
        else:
            intent = enter(view, target_exposure=None, stop_price=None, reason="above")
        return Decision(intent=intent, conditions=(is_true("above", is_above),), state=dict(state))


class LooksAhead(Sound):
    def features(self, bars: Bars) -> Features:
        tomorrow = np.append(bars.close[1:], bars.close[-1])
        return {"above": (tomorrow > bars.close).astype(np.int64)}


class Remembers(Sound):
    """An average of all there is: its value depends on where the window begins."""

    def features(self, bars: Bars) -> Features:
        mean = np.cumsum(bars.close) // np.arange(1, len(bars) + 1)
        return {"above": (bars.close > mean).astype(np.int64)}


class NeedsMore(Sound):
    warm_up_bars = LENGTH - 2


class Floats(Sound):
    def features(self, bars: Bars) -> Features:
        return {"above": bars.close / 2}  # type: ignore[dict-item]  # the fault


class TooShort(Sound):
    def features(self, bars: Bars) -> Features:
        return {"above": super().features(bars)["above"][1:]}


class ChangesBars(Sound):
    def features(self, bars: Bars) -> Features:
        bars.close[-1] += 1
        return super().features(bars)


class Sleeps(Sound):
    """Wakes where the averages cross upward only, though it would sell where they cross down."""

    def wake(self, features: Features) -> Mask:
        mask: Mask = changes(features["above"]) & (features["above"] == 1)
        return mask


class Counts(Sound):
    """Its state moves by itself, at bars where nobody should ask it."""

    def decide(self, view: View, state: State) -> Decision:
        decision = super().decide(view, {})
        count = state.get("count", 0)
        assert isinstance(count, int)
        return msgspec.structs.replace(decision, state={"count": count + 1})


class MovesStop(Sound):
    """Trails its stop without saying so in ``wake``."""

    def decide(self, view: View, state: State) -> Decision:
        decision = super().decide(view, state)
        if view.is_holding and view.features["above"] == 1:
            from krakked.domain.money import price_from_ticks

            stop = price_from_ticks(max(view.bar.close // 2, 1), view.pair.tick_size)
            intent = stay(view, reason="trail", stop_price=stop)
            decision = msgspec.structs.replace(decision, intent=intent)
        return decision


class KeepsSecrets(Sound):
    """Keeps something on itself between calls."""

    calls = 0

    def decide(self, view: View, state: State) -> Decision:
        self.calls += 1
        decision = super().decide(view, state)
        return msgspec.structs.replace(decision, state={"odd": self.calls % 2})


class WritesState(Sound):
    def decide(self, view: View, state: State) -> Decision:
        assert isinstance(state, dict)
        state["seen"] = True
        return super().decide(view, state)


class SaysNothing(Sound):
    def decide(self, view: View, state: State) -> Decision:
        return msgspec.structs.replace(super().decide(view, state), conditions=())


class EveryBar:
    """Like the sound one without a ``wake``: asked at each bar."""

    type: ClassVar[str] = "every_bar"
    source: ClassVar[str] = "none"
    default_timeframes: ClassVar[tuple[Timeframe, ...]] = (Timeframe.H1,)
    params = Parameters()
    warm_up_bars = LENGTH

    def features(self, bars: Bars) -> Features:
        return Sound().features(bars)

    def decide(self, view: View, state: State) -> Decision:
        return Sound().decide(view, state)


def made(rules: Rules) -> Strategy:
    return Strategy(
        strategy_id=StrategyId("mine"), rules=rules, timeframes=(Timeframe.H1,), hash="0"
    )


def problems(rules: Rules, random_walk: MakeBars) -> list[str]:
    return check_strategy(made(rules), random_walk(2, 300), random.Random(2))


@pytest.mark.parametrize("rules", [Sound(), EveryBar()])
def test_check_of_a_sound_strategy_finds_nothing(rules: Rules, random_walk: MakeBars) -> None:
    assert problems(rules, random_walk) == []


BROKEN: Mapping[type[Sound], str] = {
    LooksAhead: "is not causal",
    Remembers: "differs from a window",
    NeedsMore: "differs from a window",
    Floats: "must be int64",
    TooShort: "299 rows for 300 bars",
    ChangesBars: "changed the bars' 'close'",
    Sleeps: "wake is false at bar .* but it wants exit",
    Counts: "wake is false at bar .* its state changes",
    MovesStop: "wake is false at bar .* moves its stop",
    KeepsSecrets: "decide is not deterministic",
    WritesState: "changes the state it is given",
    SaysNothing: "gives no conditions",
}


@pytest.mark.parametrize("rules_type", list(BROKEN), ids=lambda rules_type: rules_type.__name__)
def test_check_of_a_broken_strategy_names_the_promise(
    rules_type: type[Sound], random_walk: MakeBars
) -> None:
    found = problems(rules_type(), random_walk)
    assert found
    assert any(_matches(BROKEN[rules_type], problem) for problem in found), found


def _matches(pattern: str, text: str) -> bool:
    import re

    return re.search(pattern, text) is not None


def test_check_with_too_few_bars_is_refused(random_walk: MakeBars) -> None:
    with pytest.raises(ValueError, match="too few"):
        check_strategy(made(Sound()), random_walk(2, 20), random.Random(1))
