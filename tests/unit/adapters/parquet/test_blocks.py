"""Ticks of two sizes in one block: exact together, rounded only on the way out."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.adapters.parquet.blocks import Block, block_of, common_tick, empty, joined, merged
from krakked.domain.bars import Bar
from krakked.domain.money import ticks_from_price

ticks = st.integers(1, 500).map(lambda n: Decimal(n).scaleb(-3))
prices = st.integers(1, 10**9)


def flat(start_s: int, price: int) -> Bar:
    return Bar(start_s=start_s, open=price, high=price, low=price, close=price, volume=0, trades=0)


@given(ticks, ticks)
def test_common_tick_divides_both(one: Decimal, other: Decimal) -> None:
    common = Fraction(common_tick(one, other))
    assert (Fraction(one) / common).denominator == 1
    assert (Fraction(other) / common).denominator == 1
    assert common_tick(one, other) == common_tick(other, one)


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [("0.1", "0.01", "0.01"), ("0.5", "0.2", "0.1"), ("1", "25", "1"), ("1E+1", "4", "2")],
)
def test_common_tick_is_the_greatest(one: str, other: str, common: str) -> None:
    assert common_tick(Decimal(one), Decimal(other)) == Decimal(common)


@given(prices, ticks, ticks)
def test_block_in_another_tick_rounds_as_money_does(
    price: int, have: Decimal, want: Decimal
) -> None:
    block = block_of(have, [flat(0, price)]).in_ticks_of(want)
    assert int(block.table[1, 0]) == ticks_from_price(have * price, want)


@given(prices, ticks, ticks)
def test_block_in_the_common_tick_loses_nothing(price: int, one: Decimal, other: Decimal) -> None:
    common = common_tick(one, other)
    block = block_of(one, [flat(0, price)]).in_ticks_of(common)
    assert Fraction(common) * int(block.table[4, 0]) == Fraction(one) * price


def test_volume_and_trades_are_not_prices() -> None:
    bar = Bar(start_s=60, open=1, high=1, low=1, close=1, volume=7, trades=3)
    table = block_of(Decimal(1), [bar]).in_ticks_of(Decimal("0.1")).table
    assert table[:, 0].tolist() == [60, 10, 10, 10, 10, 7, 3]


@given(st.lists(st.integers(0, 30)), st.lists(st.integers(0, 30)))
def test_merged_blocks_have_each_start_once_in_order(kept: list[int], added: list[int]) -> None:
    first = block_of(Decimal(1), [flat(n, 5) for n in sorted(set(kept))])
    second = block_of(Decimal(1), [flat(n, 9) for n in sorted(set(added))])
    whole = merged(first, second)
    assert whole.starts.tolist() == sorted({*kept, *added})
    assert [int(p) for p in whole.table[1]] == [5 if n in set(kept) else 9 for n in whole.starts]


def test_joined_blocks_follow_one_another_in_the_common_tick() -> None:
    parts = [
        empty(Decimal(3)),
        block_of(Decimal("0.5"), [flat(0, 2)]),
        block_of(Decimal("0.2"), [flat(1, 5)]),
    ]
    whole = joined(parts)
    assert whole.tick_size == Decimal("0.1")
    assert whole.table[1].tolist() == [10, 10]
    assert len(joined([])) == 0


def test_block_within_is_a_view() -> None:
    block = block_of(Decimal(1), [flat(n, 5) for n in range(10)])
    part = block.within(3, 6)
    assert part.starts.tolist() == [3, 4, 5]
    assert np.shares_memory(part.table, block.table)
    assert isinstance(part, Block)
