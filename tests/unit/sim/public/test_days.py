"""The moving day against a slow definition of itself."""

from __future__ import annotations

import random
from decimal import Decimal

from krakked.domain.times import NS_PER_SECOND
from krakked.sim.public.days import DAY_NS, DayWindow, Today

MIDNIGHT_NS = 1_767_225_600 * NS_PER_SECOND


def test_the_window_equals_a_slow_definition_at_every_trade() -> None:
    chance = random.Random(3)
    window, kept, now_ns = DayWindow(), [], MIDNIGHT_NS
    for _ in range(800):
        now_ns += chance.randrange(30 * 60) * NS_PER_SECOND + 1
        price, size = Decimal(chance.randrange(900, 1100)), Decimal(chance.randrange(1, 9)) / 4
        window.add(now_ns, price, size)
        kept = [one for one in [*kept, (now_ns, price, size)] if one[0] > now_ns - DAY_NS]
        volume = sum(size for _, _, size in kept)
        assert (window.count, window.volume, window.open) == (len(kept), volume, kept[0][1])
        assert window.high == max(price for _, price, _ in kept)
        assert window.low == min(price for _, price, _ in kept)
        assert window.vwap == sum(price * size for _, price, size in kept) / volume


def test_a_day_without_trades_keeps_the_last_price() -> None:
    window = DayWindow()
    window.add(MIDNIGHT_NS, Decimal(5), Decimal(1))
    window.forget(MIDNIGHT_NS + DAY_NS - 1)
    assert window.count == 1
    window.forget(MIDNIGHT_NS + DAY_NS)
    assert (window.count, window.volume, window.vwap) == (0, 0, 0)
    assert (window.open, window.high, window.low) == (5, 5, 5)


def test_a_window_that_never_saw_a_trade_knows_no_price() -> None:
    window = DayWindow()
    assert (window.open, window.high, window.low, window.vwap) == (None, None, None, 0)


def test_today_begins_at_midnight_utc() -> None:
    today = Today()
    today.add(MIDNIGHT_NS - 1, Decimal(9), Decimal(1))
    today.add(MIDNIGHT_NS, Decimal(5), Decimal(1))
    today.add(MIDNIGHT_NS + 1, Decimal(7), Decimal(3))
    assert (today.open, today.high, today.low) == (5, 7, 5)
    assert (today.volume, today.count, today.vwap) == (4, 2, Decimal("6.5"))


def test_today_rolls_over_without_a_trade() -> None:
    today = Today()
    today.add(MIDNIGHT_NS, Decimal(5), Decimal(1))
    today.roll(MIDNIGHT_NS + DAY_NS - 1, Decimal(6))
    assert today.count == 1
    today.roll(MIDNIGHT_NS + DAY_NS, Decimal(6))
    assert (today.open, today.count, today.volume, today.vwap) == (6, 0, 0, 0)
