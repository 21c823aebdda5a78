"""Trend following: hold while the fast moving average lies above the slow one, with a stop.

Source: Brock, Lakonishok and LeBaron, "Simple technical trading rules and the stochastic properties
of stock returns", Journal of Finance 47 (1992); for the stop see ``stops.py``.

The stop stands some true ranges below the close at entry and does not move. A position that was
stopped out (or closed by a person) is not bought again in the same upward stretch: the next one
begins when the averages cross downward and up again.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from krakked.domain.bars import Bars, Timeframe
from krakked.domain.features import (
    Features,
    Mask,
    average_hundredths,
    average_true_range,
    changes,
    price_of_hundredths,
)
from krakked.domain.intents import Condition, Decision, View
from krakked.domain.strategies.base import State, be_flat, enter, is_true, stay
from krakked.domain.strategies.stops import StopParameters, ended_early, stop_below


class TrendFollowingParameters(StopParameters, frozen=True, kw_only=True):
    """Lengths in bars; the share is of equity."""

    fast_bars: Annotated[int, Meta(ge=2, le=500, description="length of the fast average")] = 12
    slow_bars: Annotated[int, Meta(ge=3, le=1000, description="length of the slow average")] = 48

    def __post_init__(self) -> None:
        if self.fast_bars >= self.slow_bars:
            message = f"fast_bars {self.fast_bars} must be less than slow_bars {self.slow_bars}"
            raise ValueError(message)


class TrendFollowing:
    """Moving-average cross with a stop of some average true ranges."""

    type: ClassVar[str] = "trend_following"
    source: ClassVar[str] = "Brock, Lakonishok, LeBaron (1992); stop: Wilder (1978)"
    default_timeframes: ClassVar[tuple[Timeframe, ...]] = (Timeframe.H1,)

    def __init__(self, params: TrendFollowingParameters) -> None:
        self.params = params

    @property
    def warm_up_bars(self) -> int:
        """The longest average, the bar before (for the cross), the true range's extra close."""
        return max(self.params.slow_bars + 1, self.params.atr_bars + 1)

    def features(self, bars: Bars) -> Features:
        """Both averages and the true range, in hundredths of a tick; ``up`` is 1 in a trend."""
        fast = average_hundredths(bars.close, self.params.fast_bars)
        slow = average_hundredths(bars.close, self.params.slow_bars)
        return {
            "fast": fast,
            "slow": slow,
            "up": (fast > slow).astype(np.int64),
            "atr": average_true_range(bars, self.params.atr_bars),
        }

    def wake(self, features: Features) -> Mask:
        """Only where the averages cross."""
        return changes(features["up"])

    def decide(self, view: View, state: State) -> Decision:
        """Long in an upward stretch that has not been stopped out, else flat."""
        is_up = view.features["up"] == 1
        is_done = is_up and ended_early(view, state, "done")
        conditions = (
            Condition("fast_average", self._price(view, "fast"), ">", self._price(view, "slow")),
            is_true("stretch_not_stopped", not is_done),
        )
        next_state: dict[str, object] = {"held": is_up and view.is_holding, "done": is_done}
        if not is_up or (is_done and not view.is_holding):
            reason = "stopped out in this stretch" if is_up else "fast average below slow"
            return Decision(
                intent=be_flat(view, reason=reason), conditions=conditions, state=next_state
            )
        if view.is_holding:
            intent = stay(view, reason="fast average above slow")
        else:
            intent = enter(
                view,
                target_exposure=self.params.target_exposure,
                stop_price=stop_below(view, self.params.stop_atr),
                reason="fast average above slow",
            )
        return Decision(intent=intent, conditions=conditions, state=next_state)

    def _price(self, view: View, feature: str) -> Decimal:
        return price_of_hundredths(view.features[feature], view.pair.tick_size)
