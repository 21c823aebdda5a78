"""Stops measured in average true ranges, for strategies that enter with one.

The range is Wilder's ("New concepts in technical trading systems", 1978) as a plain mean over a
fixed number of bars. The stop stands some ranges below the close at entry. What was stopped out, or
closed by a person, counts as *ended early*: the strategy then waits until the reason for its entry
has gone and come again, or it would buy back at once what it was just taken out of.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, TypeAlias

from msgspec import Meta

from krakked.domain.features import HUNDREDTHS
from krakked.domain.intents import View
from krakked.domain.money import price_from_ticks
from krakked.domain.strategies.base import Parameters, State, bounded

RangeBars: TypeAlias = Annotated[
    int, Meta(ge=2, le=500, description="length of the true range, in bars")
]
StopRanges: TypeAlias = Annotated[
    Decimal, bounded(least="0.5", most="50", description="stop, in true ranges below the close")
]
EntryShare: TypeAlias = Annotated[
    Decimal | None,
    bounded(least="0", most="1", description="share of equity; null sizes by the stop"),
]


class StopParameters(Parameters, frozen=True, kw_only=True):
    """What every entry with a stop is made of; a strategy may have defaults of its own."""

    atr_bars: RangeBars = 24
    stop_atr: StopRanges = Decimal(4)
    target_exposure: EntryShare = Decimal("0.02")


def stop_below(view: View, stop_atr: Decimal) -> Decimal:
    """The stop of an entry at this bar's close: at least a tick below it, and never under a tick.

    Reads the feature ``atr``, in hundredths of a tick.
    """
    distance_ticks = int(stop_atr * view.features["atr"]) // HUNDREDTHS
    ticks = max(view.bar.close - max(distance_ticks, 1), 1)
    return price_from_ticks(ticks, view.pair.tick_size)


def ended_early(view: View, state: State, noted: str) -> bool:
    """Whether what was held since the last reason to enter is gone, by a stop or a person.

    ``noted`` is where the strategy's state remembers it; ``held`` is where it says that it held.
    """
    if state.get(noted):
        return True
    return not view.is_holding and (view.woken_by == "stop" or bool(state.get("held")))
