"""What a strategy is: rules (pure, written by an author) and their configuration (ours).

:class:`Rules` has two halves. ``features`` sees all bars at once and computes columns; ``decide``
sees one row of them, its own position and its own state, and states the *target* it wants. So one
strategy serves live, paper and backtests, and looking ahead can be proved absent
(:func:`krakked.domain.strategies.checks.check_strategy`).

``decide`` is called where ``wake`` is true, when something happened to the sleeve, and while its
wish is unmet. A target may be stated late, never lost. It answers with conditions also when it
wants nothing, because "why not" cannot be rebuilt later.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar, Protocol, TypeAlias, runtime_checkable

import msgspec
import numpy as np

from krakked.domain.bars import Bars, Timeframe
from krakked.domain.features import Features, Mask
from krakked.domain.ids import StrategyId
from krakked.domain.intents import Condition, Decision, Direction, Intent, IntentType, View

State: TypeAlias = Mapping[str, object]
"""What a strategy keeps between wakes: plain data, and nothing that moves by itself."""


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every strategy's parameters; each is typed, bounded and described in its ``Meta``.

    Bounds of decimals, which msgspec does not check, stand in :func:`bounded`.
    """

    @property
    def named_pairs(self) -> tuple[str, ...]:
        """Pairs that a person named in them: each must be one that the strategy trades."""
        return ()

    def share_of(self, pair: str) -> Decimal:  # noqa: ARG002 - of those that speak of shares
        """What is wanted of the pair, of equity, as far as it is known beforehand."""
        return Decimal(0)


def bounded(*, least: str, most: str, description: str) -> msgspec.Meta:
    """Bounds and meaning of a decimal parameter; checked when a strategy is built."""
    return msgspec.Meta(
        description=description, extra_json_schema={"x-minimum": least, "x-maximum": most}
    )


class Rules(Protocol):
    """A strategy's own part. Pure: no clock, no I/O, no chance, nothing kept on itself."""

    type: ClassVar[str]
    """Its name in configuration."""
    source: ClassVar[str]
    """Where the idea comes from."""
    default_timeframes: ClassVar[tuple[Timeframe, ...]]

    @property
    def params(self) -> Parameters:
        """What it was configured with."""
        ...

    @property
    def warm_up_bars(self) -> int:
        """How many bars it takes until the newest row means something."""
        ...

    def features(self, bars: Bars) -> Features:
        """Columns as long as ``bars``; causal, exact, and the same from any window."""
        ...

    def decide(self, view: View, state: State) -> Decision:
        """The target at this bar, why, and the next state."""
        ...


@runtime_checkable
class Waking(Protocol):
    """Rules that know at which bars they cannot change their mind."""

    def wake(self, features: Features) -> Mask:
        """True where ``decide`` may answer something new though nothing happened."""
        ...


class Strategy(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Configured rules: made by :func:`krakked.domain.strategies.build`."""

    strategy_id: StrategyId
    rules: Rules
    timeframes: tuple[Timeframe, ...]
    hash: str
    """Of its code and parameters; stands on every decision."""

    @property
    def type(self) -> str:
        """Its type's name."""
        return self.rules.type

    @property
    def warm_up_bars(self) -> int:
        """Fewer bars than this, and it is warming up."""
        return self.rules.warm_up_bars

    def wake(self, features: Features, count: int) -> Mask:
        """The bars, of ``count``, at which to ask; all of them if the rules do not say."""
        if isinstance(self.rules, Waking):
            return self.rules.wake(features)
        return np.ones(count, dtype=np.bool_)

    def wakes_at_last(self, features: Features, count: int) -> bool:
        """Whether to ask at the newest bar."""
        return bool(self.wake(features, count)[-1])


# what ``decide`` answers with


def enter(
    view: View,
    *,
    target_exposure: Decimal | None,
    stop_price: Decimal | None,
    reason: str,
) -> Intent:
    """Hold that share of equity (None: let risk size it from the stop)."""
    kind = IntentType.INCREASE if view.is_holding else IntentType.ENTER
    return _intent(
        view,
        Direction.LONG,
        kind,
        target_exposure=target_exposure,
        stop_price=stop_price,
        reason=reason,
    )


def reduce(view: View, *, target_exposure: Decimal, reason: str) -> Intent:
    """Hold no more than that share of equity."""
    return _intent(
        view, Direction.LONG, IntentType.REDUCE, target_exposure=target_exposure, reason=reason
    )


def stay(view: View, *, reason: str, stop_price: Decimal | None = None) -> Intent:
    """Hold what is held; move its stop if one is given."""
    return _intent(view, Direction.LONG, IntentType.HOLD, stop_price=stop_price, reason=reason)


def be_flat(view: View, *, reason: str) -> Intent:
    """Hold nothing: sell what is held, and let no entry rest."""
    has_any = view.position.quantity_base > 0
    return _intent(
        view, Direction.FLAT, IntentType.EXIT if has_any else IntentType.HOLD, reason=reason
    )


def _intent(
    view: View,
    direction: Direction,
    kind: IntentType,
    *,
    reason: str,
    target_exposure: Decimal | None = None,
    stop_price: Decimal | None = None,
) -> Intent:
    return Intent(
        sleeve=view.sleeve,
        direction=direction,
        type=kind,
        target_exposure=target_exposure,
        stop_price=stop_price,
        reason=reason,
        bar=view.key,
        generated_at_ns=view.now_ns,
    )


def is_true(name: str, value: bool) -> Condition:
    """A condition on a fact."""
    return Condition(name, Decimal(int(value)), "==", Decimal(1))
