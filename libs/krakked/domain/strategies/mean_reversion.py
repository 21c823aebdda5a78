"""Mean reversion: buy far below the recent mean, sell when the price is back at it.

Source: the bands of Bollinger, "Bollinger on Bollinger Bands" (2001), read as a z-score; for why
prices may revert see Poterba and Summers, "Mean reversion in stock prices", Journal of Financial
Economics 22 (1988).

The z-score of the close over the window lies in one of three zones: *low* (at or below minus
``entry_z``), *high* (at or above minus ``exit_z``), and the middle, where what is held stays held.
After a stop nothing is bought until the price has been in the high zone once.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Final

import numpy as np
from msgspec import Meta

from krakked.domain.bars import Bars, Timeframe
from krakked.domain.features import (
    MILLION,
    Features,
    Mask,
    average_true_range,
    changes,
    of_millionths,
    score_millionths,
)
from krakked.domain.intents import Condition, Decision, Intent, View
from krakked.domain.strategies.base import State, be_flat, bounded, enter, is_true, stay
from krakked.domain.strategies.stops import (
    EntryShare,
    StopParameters,
    StopRanges,
    ended_early,
    stop_below,
)

LOW: Final = -1
MIDDLE: Final = 0
HIGH: Final = 1


class MeanReversionParameters(StopParameters, frozen=True, kw_only=True):
    """Lengths in bars, distances in standard deviations; the share is of equity."""

    window_bars: Annotated[int, Meta(ge=4, le=1000, description="bars of mean and deviation")] = 48
    entry_z: Annotated[
        Decimal, bounded(least="0.1", most="10", description="buy at this many deviations below")
    ] = Decimal(2)
    exit_z: Annotated[
        Decimal, bounded(least="-5", most="5", description="sell at this many deviations below")
    ] = Decimal(0)
    stop_atr: StopRanges = Decimal(5)
    target_exposure: EntryShare = Decimal("0.01")

    def __post_init__(self) -> None:
        if self.exit_z >= self.entry_z:
            message = f"exit_z {self.exit_z} must be less than entry_z {self.entry_z}"
            raise ValueError(message)


class MeanReversion:
    """Buys at a low z-score of the close, sells at the mean."""

    type: ClassVar[str] = "mean_reversion"
    source: ClassVar[str] = "Bollinger (2001) as a z-score; Poterba, Summers (1988)"
    default_timeframes: ClassVar[tuple[Timeframe, ...]] = (Timeframe.H1,)

    def __init__(self, params: MeanReversionParameters) -> None:
        self.params = params
        # Whole millionths, so that mask and decision compare the very same numbers.
        self._low = -int(params.entry_z * MILLION)
        self._high = -int(params.exit_z * MILLION)

    @property
    def warm_up_bars(self) -> int:
        """The window and the bar before (for the change of zone), or the true range."""
        return max(self.params.window_bars + 1, self.params.atr_bars + 1)

    def features(self, bars: Bars) -> Features:
        """The score in millionths, its zone, and the true range in hundredths of a tick."""
        score = score_millionths(bars.close, self.params.window_bars)
        zone = np.where(score <= self._low, LOW, np.where(score >= self._high, HIGH, MIDDLE))
        return {
            "score": score,
            "zone": zone.astype(np.int64),
            "atr": average_true_range(bars, self.params.atr_bars),
        }

    def wake(self, features: Features) -> Mask:
        """Only where the price enters another zone."""
        return changes(features["zone"])

    def decide(self, view: View, state: State) -> Decision:
        """Enter in the low zone, leave in the high one, keep in between."""
        zone = view.features["zone"]
        was_stopped = zone != HIGH and ended_early(view, state, "stopped")
        score = of_millionths(view.features["score"])
        conditions = (
            Condition("z_score", score, "<=", of_millionths(self._low)),
            Condition("z_score_back", score, ">=", of_millionths(self._high)),
            is_true("dip_not_stopped", not was_stopped),
        )
        return Decision(
            intent=self._intent(view, zone, was_stopped=was_stopped),
            conditions=conditions,
            state={"held": zone != HIGH and view.is_holding, "stopped": was_stopped},
        )

    def _intent(self, view: View, zone: int, *, was_stopped: bool) -> Intent:
        if view.is_holding:
            if zone == HIGH:
                return be_flat(view, reason="back at the mean")
            return stay(view, reason="below the mean")
        if zone != LOW:
            return be_flat(view, reason="not far enough below the mean")
        if was_stopped:
            return be_flat(view, reason="stopped out in this dip")
        return enter(
            view,
            target_exposure=self.params.target_exposure,
            stop_price=stop_below(view, self.params.stop_atr),
            reason="far below the mean",
        )
