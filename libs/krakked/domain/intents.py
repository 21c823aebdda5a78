"""What strategies see and say.

A strategy states a *target* for its sleeve, so that a missed moment is made up for, not lost:
``Target`` is the wish, :class:`Intent` the wish with its sleeve and moment. :class:`Condition`
says why, also when nothing is wanted: "why not" cannot be rebuilt later.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from krakked.domain.bars import Bar, BarKey
from krakked.domain.ids import StrategyId
from krakked.domain.pairs import Pair
from krakked.domain.positions import Position, Sleeve


class Direction(enum.Enum):
    """Of a spot position."""

    LONG = "long"
    FLAT = "flat"


class IntentType(enum.Enum):
    """What the wish does to the sleeve's position."""

    ENTER = "enter"
    EXIT = "exit"
    INCREASE = "increase"
    REDUCE = "reduce"
    HOLD = "hold"


class Condition(msgspec.Struct, frozen=True, gc=False):
    """One test that a decision rested on: ``value op threshold``."""

    name: str
    value: Decimal
    operator: str
    """One of ``> < >= <= ==``."""
    threshold: Decimal

    @property
    def passed(self) -> bool:
        """Whether it held."""
        match self.operator:
            case ">":
                return self.value > self.threshold
            case "<":
                return self.value < self.threshold
            case ">=":
                return self.value >= self.threshold
            case "<=":
                return self.value <= self.threshold
            case _:
                return self.value == self.threshold


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy wishes for one sleeve at one bar."""

    sleeve: Sleeve
    direction: Direction
    type: IntentType
    target_exposure: Decimal | None
    """Wanted share of equity (0.05 = 5 %); None lets risk size it from the stop's distance."""
    stop_price: Decimal | None = None
    """Where the engine closes the position again; None: no stop (on a hold: leave it as it is)."""
    confidence: Decimal = Decimal(1)
    """0 to 1; scales the size when risk does the sizing."""
    reason: str = ""
    bar: BarKey | None
    """The bar it was decided on; None when a stop or a person asked."""
    generated_at_ns: int


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The immutable snapshot that ``decide`` sees: one row of features, its own sleeve."""

    strategy_id: StrategyId
    pair: Pair
    key: BarKey
    bar: Bar
    features: Mapping[str, int]
    """Values at this bar, by name; whole numbers (see :mod:`krakked.domain.features`)."""
    position: Position
    exposure: Decimal = Decimal(0)
    """Share of equity that the position is worth now. It moves with every price of the account:
    a strategy that reads it must wake at each bar at which it would act on it."""
    stop_price: Decimal | None
    """Of the position held, if it has one."""
    now_ns: int
    """End of the bar."""
    woken_by: str = "bar"
    """bar, fill, order_ended, stop, kill_switch, parameters, restart or unmet."""

    @property
    def sleeve(self) -> Sleeve:
        """Whose view it is."""
        return self.position.sleeve

    @property
    def is_holding(self) -> bool:
        """Holds at least what the venue would let it sell; less is dust, and as good as nothing."""
        return self.position.quantity_base >= self.pair.quantity_min


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy answers: at most one intent, always its reasons, and its next state."""

    intent: Intent | None
    conditions: tuple[Condition, ...]
    state: dict[str, object] = {}
    """Plain data, persisted with the record of each wake."""
