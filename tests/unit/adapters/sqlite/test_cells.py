"""Cells: exact both ways, and never a float."""

from __future__ import annotations

import decimal
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.adapters.sqlite.cells import add, cell, from_json, insert, replacing, to_json
from krakked.domain.intents import Condition
from krakked.domain.orders import Side

decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15)


@given(decimals)
def test_amount_comes_back_equal_from_its_cell(value: Decimal) -> None:
    text = cell(value)
    assert isinstance(text, str)
    assert Decimal(text) == value
    assert "E" not in text.upper()


@given(st.lists(st.decimals(min_value=-(10**15), max_value=10**15, places=18), max_size=20))
def test_sum_is_the_same_in_any_order(values: list[Decimal]) -> None:
    forward = backward = Decimal(0)
    for value in values:
        forward = add(forward, value)
    for value in reversed(values):
        backward = add(backward, value)
    assert Fraction(forward) == Fraction(backward) == sum(map(Fraction, values))


def test_sum_that_would_lose_a_digit_is_an_error() -> None:
    with pytest.raises(decimal.Inexact):
        add(Decimal("1E+80"), Decimal("1E-18"))


def test_enum_is_kept_by_value_and_flag_as_a_number() -> None:
    assert cell(Side.BUY) == "buy"
    assert cell(True) == 1
    assert cell(None) is None


@pytest.mark.parametrize("value", [1.5, b"x", (1,), {}])
def test_value_without_a_column_of_its_own_is_a_bug(value: object) -> None:
    with pytest.raises(AssertionError, match="no column"):
        cell(value)


@given(decimals, decimals)
def test_record_comes_back_equal_from_json(value: Decimal, threshold: Decimal) -> None:
    condition = Condition("z", value, ">", threshold)
    assert from_json(to_json(condition), Condition) == condition


def test_statements_name_their_columns() -> None:
    assert insert("t", ("a", "values")) == 'INSERT INTO t ("a", "values") VALUES (?, ?) '
    assert replacing(("a",), ("a", "b")) == 'ON CONFLICT (a) DO UPDATE SET "b" = excluded."b"'
