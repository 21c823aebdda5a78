"""Hold target weights: keep each pair at a fixed share of equity, put right now and then.

Source: the constant-mix strategy of Perold and Sharpe, "Dynamic strategies for asset allocation",
Financial Analysts Journal 44 (1988), with a band around the target so that small moves cost no
fees.

The share moves with every price, so the rules look at it on set bars only: at the first bar of
each stretch of ``rebalance_bars``, and from then on at every bar until the share is inside its
band. There is no stop: risk takes usual movement as what is at stake.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, ClassVar, Final

import msgspec
import numpy as np
from msgspec import Meta

from krakked.domain.bars import Bars, Timeframe
from krakked.domain.features import Features, Mask, changes
from krakked.domain.intents import Condition, Decision, Intent, View
from krakked.domain.strategies.base import (
    Parameters,
    State,
    bounded,
    enter,
    is_true,
    reduce,
    stay,
)

_PAIR: Final = re.compile("[A-Z0-9]{4,20}")


class HoldTargetWeightsParameters(Parameters, frozen=True, kw_only=True):
    """Weights are shares of equity."""

    weight: Annotated[
        Decimal, bounded(least="0", most="1", description="share of equity for each pair")
    ] = Decimal("0.015")
    weights: Annotated[
        Mapping[str, Decimal], Meta(description="shares of single pairs, instead of weight")
    ] = {}
    band: Annotated[
        Decimal, bounded(least="0", most="1", description="part of the weight it may be off")
    ] = Decimal("0.2")
    rebalance_bars: Annotated[
        int, Meta(ge=1, le=10_000, description="look at the share once in so many bars")
    ] = 24

    def __post_init__(self) -> None:
        """Pairs by their altname, as everywhere else; shares that are shares."""
        weights: dict[str, Decimal] = {}
        for written, weight in self.weights.items():
            pair = written.strip().upper()
            if not _PAIR.fullmatch(pair):
                message = f"weights.{written}: expected the altname of a pair, like XBTUSD"
                raise ValueError(message)
            if pair in weights:
                message = f"weights.{pair} stands twice; remove one"
                raise ValueError(message)
            if not (weight.is_finite() and 0 <= weight <= 1):
                message = f"weights.{pair} is {weight}, must be between 0 and 1"
                raise ValueError(message)
            weights[pair] = weight
        msgspec.structs.force_setattr(self, "weights", weights)

    @property
    def named_pairs(self) -> tuple[str, ...]:
        """Those with a weight of their own."""
        return tuple(self.weights)

    def share_of(self, pair: str) -> Decimal:
        """Its own weight, or that of all."""
        return self.weights.get(pair, self.weight)


class HoldTargetWeights:
    """Constant mix with a band."""

    type: ClassVar[str] = "hold_target_weights"
    source: ClassVar[str] = "Perold, Sharpe (1988): constant mix"
    default_timeframes: ClassVar[tuple[Timeframe, ...]] = (Timeframe.H1,)

    def __init__(self, params: HoldTargetWeightsParameters) -> None:
        self.params = params

    @property
    def warm_up_bars(self) -> int:
        """A bar and the one before it."""
        return 2

    def features(self, bars: Bars) -> Features:
        """``due`` is 1 at the first bar of each stretch, counted from 1970."""
        stretch = bars.start_s // (bars.timeframe.seconds * self.params.rebalance_bars)
        return {"due": changes(stretch).astype(np.int64)}

    def wake(self, features: Features) -> Mask:
        """Only where a stretch begins."""
        due: Mask = features["due"] == 1
        return due

    def decide(self, view: View, state: State) -> Decision:
        """Buy or sell back to the weight when outside the band, at the times to look."""
        weight = self.params.share_of(view.pair.name)
        band = weight * self.params.band
        is_looking = view.features["due"] == 1 or not state.get("balanced")
        is_balanced = abs(view.exposure - weight) <= band
        conditions = (
            is_true("time_to_look", is_looking),
            Condition("share_low", view.exposure, "<", weight - band),
            Condition("share_high", view.exposure, ">", weight + band),
        )
        return Decision(
            intent=self._intent(view, weight) if is_looking and not is_balanced else _keep(view),
            conditions=conditions,
            state={"balanced": is_balanced or not is_looking},
        )

    def _intent(self, view: View, weight: Decimal) -> Intent:
        if view.exposure > weight:
            return reduce(view, target_exposure=weight, reason="share above its band")
        return enter(view, target_exposure=weight, stop_price=None, reason="share below its band")


def _keep(view: View) -> Intent:
    return stay(view, reason="share inside its band, or not looked at")
