"""Bars to try strategies on: crafted from closes, or a seeded random walk with gaps."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest

from krakked.domain.bars import Bar, Bars, Timeframe, bars_from
from krakked.domain.ids import PairName

HOUR_S = 3600
START_S = 1_546_300_800  # 2019-01-01, a Tuesday, midnight


def make_bars(closes: Sequence[int], *, wick: int = 0, starts: Sequence[int] | None = None) -> Bars:
    """Bars that open at the last close and reach ``wick`` beyond both ends."""
    rows = []
    for i, close in enumerate(closes):
        opened = closes[i - 1] if i else close
        rows.append(
            Bar(
                start_s=starts[i] if starts else START_S + i * HOUR_S,
                open=opened,
                high=max(opened, close) + wick,
                low=max(min(opened, close) - wick, 1),
                close=close,
                volume=10**8,
                trades=5,
            )
        )
    return bars_from(PairName("XBTUSD"), Timeframe.H1, Decimal("0.1"), rows)


def random_walk(seed: int, count: int = 400, *, level: int = 50_000) -> Bars:
    """A walk that trends, jumps, stands still and misses hours."""
    chance = random.Random(seed)
    closes, starts, price, start_s, drift = [], [], level, START_S, 0
    for _ in range(count):
        if chance.random() < 0.03:
            drift = chance.randint(-level // 100, level // 100)
        move = 0 if chance.random() < 0.1 else drift + chance.randint(-level // 60, level // 60)
        if chance.random() < 0.01:
            move -= level // 5
        price = max(price + move, level // 20)
        start_s += HOUR_S * (1 if chance.random() < 0.97 else chance.randint(2, 30))
        closes.append(price)
        starts.append(start_s)
    return make_bars(closes, wick=chance.randint(0, level // 100), starts=starts)


@pytest.fixture(name="make_bars", scope="session")
def make_bars_fixture() -> Callable[..., Bars]:
    return make_bars


@pytest.fixture(name="random_walk", scope="session")
def random_walk_fixture() -> Callable[..., Bars]:
    return random_walk
