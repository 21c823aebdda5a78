"""Amounts are exact, bounded, and rounded in named directions."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.domain.money import (
    AMOUNT_MAX,
    BadAmount,
    check_amount,
    parse_amount,
    plain,
    price_down,
    price_from_ticks,
    price_up,
    quantum,
    round_down,
    round_nearest,
    round_up,
    ticks_from_price,
    to_text,
)

D = Decimal
bounded = st.decimals(-AMOUNT_MAX, AMOUNT_MAX, allow_nan=False, allow_infinity=False, places=18)
positive = st.decimals(D("0.00000001"), D(10) ** 9, places=8)
tick_sizes = st.sampled_from([D(1).scaleb(-n) for n in range(11)] + [D("0.25"), D("0.05"), D(5)])


# reading


@pytest.mark.parametrize(
    "text",
    ["0", "0.00000", "1", "-1.5", "10000.00000000", "0.00000001", "1E+3", "1000000000000000"],
)
def test_parse_amount_of_a_number_keeps_every_digit(text: str) -> None:
    value = parse_amount(text)
    assert value.as_tuple() == D(text).as_tuple()


@pytest.mark.parametrize(
    "text", ["", "abc", "1,5", "0x10", "1.2.3", "--1", "None", "1_0", "0.0_1", "１", "١"]
)
def test_parse_amount_of_no_number_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadAmount, match=r"volume: .* is not a number") as caught:
        parse_amount(text, what="volume")
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["NaN", "sNaN", "-NaN", "Infinity", "-inf"])
def test_parse_amount_of_nan_or_infinity_is_refused(text: str) -> None:
    with pytest.raises(BadAmount, match="is not finite"):
        parse_amount(text)


@pytest.mark.parametrize(
    "text",
    [
        "1E+999999",
        "1E-19",
        "1E+19",
        "0E+19",
        "0.0000000000000000001",
        "1000000000000000.1",
        "-1000000000000001",
    ],
)
def test_parse_amount_of_an_absurd_size_is_refused(text: str) -> None:
    with pytest.raises(BadAmount, match="beyond any amount"):
        parse_amount(text)


def test_parse_amount_takes_whole_numbers_and_decimals_as_they_are() -> None:
    assert parse_amount(7) == D(7)
    assert parse_amount(D("7.10")).as_tuple() == D("7.10").as_tuple()


def test_check_amount_at_the_bounds_passes_and_beyond_them_does_not() -> None:
    assert check_amount(AMOUNT_MAX) == AMOUNT_MAX
    assert check_amount(-AMOUNT_MAX) == -AMOUNT_MAX
    assert check_amount(D("1E-18")) == D("1E-18")
    with pytest.raises(BadAmount):
        check_amount(AMOUNT_MAX + D("0.01"))


@given(bounded)
def test_parse_amount_of_what_to_text_wrote_is_the_same_number(value: Decimal) -> None:
    assert parse_amount(to_text(value)).as_tuple() == value.as_tuple()


# writing


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (D("1E-7"), "0.0000001"),
        (D("1E+3"), "1000"),
        (D("0.50"), "0.50"),
        (D("-2.10"), "-2.10"),
        (D("0E-8"), "0.00000000"),
    ],
)
def test_to_text_never_writes_an_exponent(value: Decimal, text: str) -> None:
    assert to_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (D("1.500"), "1.5"),
        (D("1E+2"), "100"),
        (D("100.00"), "100"),
        (D("0E-9"), "0"),
        (D("-0.00"), "0"),
        (D("-0.10"), "-0.1"),
        (D("1E-18"), "0.000000000000000001"),
        (D("1E+15"), "1000000000000000"),
    ],
)
def test_plain_has_neither_trailing_zeros_nor_exponent(value: Decimal, text: str) -> None:
    assert to_text(plain(value)) == text


@given(bounded)
def test_plain_is_the_same_number_to_the_last_digit(value: Decimal) -> None:
    assert plain(value) == value
    assert plain(plain(value)).as_tuple() == plain(value).as_tuple()


# rounding


def test_quantum_is_one_in_the_last_place() -> None:
    assert quantum(0) == 1
    assert quantum(8) == D("0.00000001")


@pytest.mark.parametrize(
    ("value", "down", "nearest", "up"),
    [
        ("1.005", "1.00", "1.01", "1.01"),
        ("1.0049", "1.00", "1.00", "1.01"),
        ("1.00", "1.00", "1.00", "1.00"),
        ("-1.005", "-1.00", "-1.01", "-1.01"),
        ("0.001", "0.00", "0.00", "0.01"),
    ],
)
def test_rounding_goes_by_the_named_direction(value: str, down: str, nearest: str, up: str) -> None:
    assert to_text(round_down(D(value), 2)).lstrip("-") == down.lstrip("-")
    assert to_text(round_nearest(D(value), 2)).lstrip("-") == nearest.lstrip("-")
    assert to_text(round_up(D(value), 2)).lstrip("-") == up.lstrip("-")


def test_round_nearest_of_a_recorded_fee_is_what_the_venue_charged() -> None:
    # 0.26 % of two costs, as the venue rounded them
    assert round_nearest(D("7.105741") * D("0.0026"), 6) == D("0.018475")
    assert round_nearest(D("132.9995") * D("0.0026"), 4) == D("0.3458")


@given(positive, st.integers(0, 10))
def test_rounding_never_moves_by_a_whole_step(value: Decimal, decimals: int) -> None:
    step = quantum(decimals)
    down, nearest, up = (
        round_down(value, decimals),
        round_nearest(value, decimals),
        round_up(value, decimals),
    )
    assert down <= value <= up
    assert down <= nearest <= up
    assert value - down < step
    assert up - value < step
    assert abs(nearest - value) <= step / 2


# ticks


@given(st.integers(1, 10**12), tick_sizes)
def test_ticks_and_prices_on_the_grid_are_one_to_one(ticks: int, tick_size: Decimal) -> None:
    price = price_from_ticks(ticks, tick_size)
    assert ticks_from_price(price, tick_size) == ticks
    assert price_down(price, tick_size) == price == price_up(price, tick_size)


@given(positive, tick_sizes)
def test_price_down_and_up_are_the_neighbours_on_the_grid(
    price: Decimal, tick_size: Decimal
) -> None:
    below, above = price_down(price, tick_size), price_up(price, tick_size)
    assert below <= price <= above
    assert below % tick_size == 0
    assert above % tick_size == 0
    assert above - below in (0, tick_size)


@given(positive, tick_sizes)
def test_ticks_from_price_is_the_nearest_tick(price: Decimal, tick_size: Decimal) -> None:
    distance = abs(price_from_ticks(ticks_from_price(price, tick_size), tick_size) - price)
    assert distance * 2 <= tick_size


@pytest.mark.parametrize(("price", "ticks"), [("0.25", 2), ("0.35", 4), ("0.45", 4), ("0.251", 3)])
def test_ticks_from_price_half_way_goes_to_the_even_tick(price: str, ticks: int) -> None:
    assert ticks_from_price(D(price), D("0.1")) == ticks


def test_price_from_ticks_of_a_column_value_is_a_decimal() -> None:
    np = pytest.importorskip("numpy")
    price = price_from_ticks(np.int64(123_457), D("0.1"))
    assert price == D("12345.7")
    assert isinstance(price, Decimal)


def test_rounding_does_not_depend_on_the_rounding_of_the_context() -> None:
    with localcontext() as context:
        context.rounding = ROUND_FLOOR
        assert round_nearest(D("0.5"), 0) == 1
        assert round_up(D("0.1"), 0) == 1
        assert ticks_from_price(D("0.35"), D("0.1")) == 4
