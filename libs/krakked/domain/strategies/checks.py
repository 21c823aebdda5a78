"""Checks that a strategy keeps the promises that its callers build on.

- *exact*: every feature is an int64 column as long as the bars, and computing it changes no bar;
- *causal*: changing later bars changes no earlier feature;
- *window-proof*: a window that ends at a bar gives the same bits there as all of history;
- *deterministic*: the same view and state give the same decision, and neither is changed;
- *wake complete*: at a bar where ``wake`` is false and nothing happened, ``decide`` wants nothing
  and keeps its state. It is played out on the bars, with fills, refusals and stops.

A check can only find what its bars provoke: give it long ones with trends, dips and gaps.
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Final

import msgspec
import numpy as np

from krakked.domain.bars import COLUMNS, BarKey, Bars
from krakked.domain.features import Features, Mask
from krakked.domain.ids import Asset
from krakked.domain.intents import Decision, Direction, Intent, IntentType, View
from krakked.domain.money import ZERO, price_from_ticks
from krakked.domain.pairs import Pair
from krakked.domain.positions import Position, Sleeve
from krakked.domain.strategies.base import Strategy
from krakked.domain.times import NS_PER_SECOND

_PROBES: Final = 12
"""Bars at which causality and windows are tried."""
_EXTRA_BARS: Final = (0, 1, 2, 7, 40)
"""Bars that windows hold beyond the warm-up."""
_PRICE_COLUMNS: Final = ("open", "high", "low", "close")
_REFUSAL_ODDS: Final = 4
"""One wish in so many is refused while playing."""
_EQUITY: Final = Decimal(10_000)


def check_strategy(strategy: Strategy, bars: Bars, chance: random.Random) -> list[str]:
    """Every promise that the strategy breaks on these bars, in words; empty if it keeps all.

    Raises:
        ValueError: fewer bars than three times the warm-up: too few to find anything.
    """
    if len(bars) < 3 * strategy.warm_up_bars:
        message = f"{len(bars)} bars are too few to check a warm-up of {strategy.warm_up_bars}"
        raise ValueError(message)
    problems = _check_exact(strategy, bars)
    if problems:
        return problems
    return [
        *_check_causal(strategy, bars, chance),
        *_check_windows(strategy, bars, chance),
        *_Play(strategy, bars, chance).problems(),
    ]


# features


def _check_exact(strategy: Strategy, bars: Bars) -> list[str]:
    before = {name: getattr(bars, name).copy() for name in COLUMNS}
    features = strategy.rules.features(bars)
    problems = []
    for name, column in features.items():
        if column.dtype != np.int64:
            problems.append(f"feature {name!r} is {column.dtype}, must be int64")
        if len(column) != len(bars):
            problems.append(f"feature {name!r} has {len(column)} rows for {len(bars)} bars")
    problems += [
        f"computing features changed the bars' {name!r}"
        for name, column in before.items()
        if not np.array_equal(column, getattr(bars, name))
    ]
    return problems


def _check_causal(strategy: Strategy, bars: Bars, chance: random.Random) -> list[str]:
    features = strategy.rules.features(bars)
    for index in _probes(strategy, bars, chance):
        changed = strategy.rules.features(_with_other_future(bars, index))
        name = _first_difference(
            features, changed, slice(strategy.warm_up_bars - 1, index + 1), offset=0
        )
        if name is not None:
            return [f"feature {name!r} is not causal: bars after {index} change it there or before"]
    return []


def _check_windows(strategy: Strategy, bars: Bars, chance: random.Random) -> list[str]:
    features = strategy.rules.features(bars)
    masks = strategy.wake(features, len(bars))
    for index in _probes(strategy, bars, chance):
        for extra in _EXTRA_BARS:
            start = max(index + 1 - strategy.warm_up_bars - extra, 0)
            window = bars.slice(start, index + 1)
            narrow = strategy.rules.features(window)
            rows = slice(start + strategy.warm_up_bars - 1, index + 1)
            name = _first_difference(features, narrow, rows, offset=start)
            if name is not None:
                return [f"feature {name!r} at bar {index} differs from a window of {len(window)}"]
            if strategy.wakes_at_last(narrow, len(window)) != bool(masks[index]):
                return [f"wake at bar {index} differs from a window of {len(window)}"]
    return []


def _probes(strategy: Strategy, bars: Bars, chance: random.Random) -> list[int]:
    first = strategy.warm_up_bars - 1
    return [first, *(chance.randrange(first, len(bars)) for _ in range(_PROBES))]


def _with_other_future(bars: Bars, index: int) -> Bars:
    """The same bars up to ``index``; after it, prices half as high again, in reverse order."""
    changes = {}
    for name in _PRICE_COLUMNS:
        column = getattr(bars, name).copy()
        column[index + 1 :] = column[index + 1 :][::-1] * 3 // 2 + 1
        changes[name] = column
    return msgspec.structs.replace(bars, **changes)


def _first_difference(
    features: Features, others: Features, rows: slice, *, offset: int
) -> str | None:
    """The first feature that differs in those rows; row ``r`` is ``r - offset`` in the others."""
    there = slice(rows.start - offset, rows.stop - offset)
    for name in sorted(features):
        if not np.array_equal(features[name][rows], others[name][there]):
            return name
    return None


# deciding


class _Play:
    """One run over the bars: wishes are filled at the close or refused, stops are watched."""

    def __init__(self, strategy: Strategy, bars: Bars, chance: random.Random) -> None:
        self._strategy = strategy
        self._bars = bars
        self._chance = chance
        self._pair = _pair_of(bars)
        self._features = strategy.rules.features(bars)
        self._mask: Mask = strategy.wake(self._features, len(bars))
        self._position = Position(sleeve=Sleeve(strategy.strategy_id, bars.pair))
        self._state: dict[str, object] = {}
        self._stop_price: Decimal | None = None
        self._woken_by = "restart"
        self._problems: list[str] = []

    def problems(self) -> list[str]:
        """Play until something is found or the bars end."""
        for index in range(self._strategy.warm_up_bars - 1, len(self._bars)):
            self._watch_stop(index)
            self._visit(index)
            if self._problems:
                break
        return self._problems

    def _visit(self, index: int) -> None:
        if self._woken_by == "bar" and not self._mask[index]:
            self._probe(index)
            return
        decision = self._decide(index)
        self._state = decision.state
        self._woken_by = self._answer(decision.intent, index)

    def _probe(self, index: int) -> None:
        """Where it would not be asked it must have nothing new to say."""
        decision = self._decide(index)
        intent = decision.intent
        if intent is not None and intent.type is not IntentType.HOLD:
            self._problems.append(f"wake is false at bar {index}, but it wants {intent.type.value}")
        elif intent is not None and intent.stop_price not in (None, self._stop_price):
            self._problems.append(f"wake is false at bar {index}, but it moves its stop")
        elif decision.state != self._state:
            self._problems.append(f"wake is false at bar {index}, but its state changes")

    def _decide(self, index: int) -> Decision:
        view = self._view(index)
        state = dict(self._state)
        decision = self._strategy.rules.decide(view, state)
        if decision != self._strategy.rules.decide(view, dict(self._state)):
            self._problems.append(f"decide is not deterministic at bar {index}")
        if state != self._state:
            self._problems.append(f"decide changes the state it is given at bar {index}")
        if not decision.conditions:
            self._problems.append(f"decide gives no conditions at bar {index}")
        return decision

    def _view(self, index: int) -> View:
        key = BarKey(self._bars.pair, self._bars.timeframe, int(self._bars.start_s[index]))
        close = self._close(index)
        return View(
            strategy_id=self._strategy.strategy_id,
            pair=self._pair,
            key=key,
            bar=self._bars.bar(index),
            features={name: int(column[index]) for name, column in self._features.items()},
            position=self._position,
            exposure=self._position.quantity_base * close / _EQUITY,
            stop_price=self._stop_price,
            now_ns=key.start_s * NS_PER_SECOND + self._bars.timeframe.ns,
            woken_by=self._woken_by,
        )

    def _close(self, index: int) -> Decimal:
        return price_from_ticks(int(self._bars.close[index]), self._bars.tick_size)

    # what happens to its wishes

    def _answer(self, intent: Intent | None, index: int) -> str:
        """Fill or refuse; what wakes it next (``bar``: nothing happened)."""
        if intent is None or intent.type is IntentType.HOLD:
            if intent is not None and intent.stop_price is not None:
                self._stop_price = intent.stop_price
            return "bar"
        if self._chance.randrange(_REFUSAL_ODDS) == 0:
            return "unmet"
        target = self._target(intent, index)
        if target == self._position.quantity_base:
            return "bar"
        self._stop_price = intent.stop_price if target else None
        self._hold(target)
        return "fill"

    def _target(self, intent: Intent, index: int) -> Decimal:
        if intent.direction is Direction.FLAT or intent.type is IntentType.EXIT:
            return ZERO
        share = Decimal("0.01") if intent.target_exposure is None else intent.target_exposure
        return self._pair.quantity_below(_EQUITY * share / self._close(index))

    def _watch_stop(self, index: int) -> None:
        low = price_from_ticks(int(self._bars.low[index]), self._bars.tick_size)
        if self._stop_price is not None and low <= self._stop_price:
            self._hold(ZERO)
            self._stop_price = None
            self._woken_by = "stop"

    def _hold(self, quantity: Decimal) -> None:
        self._position = msgspec.structs.replace(self._position, quantity_base=quantity)


def _pair_of(bars: Bars) -> Pair:
    """A pair that takes any order: the check is of the strategy, not of the venue."""
    smallest = Decimal("1E-12")
    return Pair(
        name=bars.pair,
        base=Asset("BASE"),
        quote=Asset("QUOTE"),
        tick_size=bars.tick_size,
        quantity_decimals=12,
        cost_decimals=12,
        quantity_min=smallest,
        cost_min=smallest,
    )
