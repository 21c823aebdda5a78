"""Amounts: exact decimals from the text of the wire to the ledger, and the one place that rounds.

A float never enters the domain. Prices inside bars and features are whole ticks of the pair
(``int``); :func:`price_from_ticks` is the one way back to a price.
"""

from __future__ import annotations

import functools
from decimal import (
    ROUND_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
    InvalidOperation,
)
from typing import Final, TypeAlias

Price: TypeAlias = Decimal
"""Quote units for one base unit."""
Quantity: TypeAlias = Decimal
"""Units of an asset."""

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
AMOUNT_MAX: Final = Decimal(10) ** 15
"""Larger than any amount a spot account can hold; beyond it a number is absurd."""
DECIMALS_MAX: Final = 18
"""More decimals than any asset of the venue has."""
_EVERY_DIGIT: Final = Context(prec=80)
"""Room for any amount within the bounds, which have more digits than the usual 28."""


class BadAmount(ValueError):
    """Not a finite decimal within bounds."""


def parse_amount(text: str | int | Decimal, *, what: str = "amount") -> Decimal:
    """Read one amount exactly; refuse NaN, infinities and absurd sizes.

    Raises:
        BadAmount: not a number, not finite, or beyond ``AMOUNT_MAX`` or ``DECIMALS_MAX``.
    """
    if isinstance(text, str) and not is_plain(text):
        message = f"{what}: {text!r} is not a number"
        raise BadAmount(message)
    try:
        value = Decimal(text)
    except (InvalidOperation, ValueError, TypeError) as error:
        message = f"{what}: {text!r} is not a number"
        raise BadAmount(message) from error
    return check_amount(value, what=what)


def is_plain(number: str) -> bool:
    """Whether it has none of the digits and separators that Python alone takes for a number's."""
    return number.isascii() and "_" not in number


def check_amount(value: Decimal, *, what: str = "amount") -> Decimal:
    """Return ``value`` if it is finite and within bounds.

    Raises:
        BadAmount: see :func:`parse_amount`.
    """
    if not value.is_finite():
        message = f"{what}: {value} is not finite"
        raise BadAmount(message)
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    if exponent < -DECIMALS_MAX or exponent > DECIMALS_MAX or abs(value) > AMOUNT_MAX:
        message = f"{what}: {value} is beyond any amount the venue can mean"
        raise BadAmount(message)
    return value


def to_text(value: Decimal) -> str:
    """Fixed-point text: never an exponent, trailing zeros as they are."""
    return format(value, "f")


def plain(value: Decimal) -> Decimal:
    """The same number without trailing zeros or exponent (1.500 → 1.5, 1E+2 → 100)."""
    if not value:
        return ZERO
    short = value.normalize(_EVERY_DIGIT)
    if short == short.to_integral_value():
        return short.quantize(ONE, context=_EVERY_DIGIT)
    return short


@functools.lru_cache(maxsize=64)
def quantum(decimals: int) -> Decimal:
    """10^-decimals."""
    return ONE.scaleb(-decimals)


def round_down(value: Decimal, decimals: int) -> Decimal:
    """Toward zero at ``decimals`` places: sizes, so that we never ask for more than we may."""
    return value.quantize(quantum(decimals), rounding=ROUND_DOWN, context=_EVERY_DIGIT)


def round_up(value: Decimal, decimals: int) -> Decimal:
    """Away from zero at ``decimals`` places: holds, so that we never reserve too little."""
    return value.quantize(quantum(decimals), rounding=ROUND_UP, context=_EVERY_DIGIT)


def round_nearest(value: Decimal, decimals: int) -> Decimal:
    """Half away from zero at ``decimals`` places: costs and fees, as the venue shows them."""
    return value.quantize(quantum(decimals), rounding=ROUND_HALF_UP)


def ticks_from_price(price: Decimal, tick_size: Decimal) -> int:
    """The whole number of ticks nearest to ``price`` (half to even)."""
    return int((price / tick_size).quantize(ONE, rounding=ROUND_HALF_EVEN))


def price_from_ticks(ticks: int, tick_size: Decimal) -> Decimal:
    """The one way from bars and features back to a price."""
    return tick_size * int(ticks)


def price_down(price: Decimal, tick_size: Decimal) -> Decimal:
    """The highest tick at or below ``price``."""
    return (price / tick_size).quantize(ONE, rounding=ROUND_DOWN) * tick_size


def price_up(price: Decimal, tick_size: Decimal) -> Decimal:
    """The lowest tick at or above ``price``."""
    return (price / tick_size).quantize(ONE, rounding=ROUND_UP) * tick_size
