"""The checksum that proves a client's book is the venue's: CRC32 over the ten best of each side."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from krakked.sim.wire import text

LEVELS: Final = 10


def book_checksum(
    asks: Sequence[tuple[Decimal, Decimal]],
    bids: Sequence[tuple[Decimal, Decimal]],
    *,
    price_decimals: int,
    quantity_decimals: int,
) -> int:
    """Asks from low to high, then bids from high to low; sides are given best first.

    Each number is its text at the pair's precision without point and leading zeros.
    """
    digits = [
        _digits(price, price_decimals) + _digits(quantity, quantity_decimals)
        for side in (asks, bids)
        for price, quantity in side[:LEVELS]
    ]
    return zlib.crc32("".join(digits).encode())


def _digits(value: Decimal, decimals: int) -> str:
    return text(value, decimals).replace(".", "").lstrip("0")
