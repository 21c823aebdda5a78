"""What a fill costs: percent of its cost by the account's volume of the last thirty days.

The ladder is data. A fee is rounded half up at the precision of the asset that pays it, once per
fill; the cost it is taken from was cut to the quote asset's ledger precision before.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.money import ZERO, round_nearest
from krakked.domain.times import DAY_S, NS_PER_SECOND

WINDOW_NS: Final = 30 * DAY_S * NS_PER_SECOND
PERCENT: Final = Decimal("0.01")


class FeeTier(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Percentages from ``volume_usd`` upwards."""

    volume_usd: Decimal
    taker_pct: Decimal
    maker_pct: Decimal


def _ladder(*rows: tuple[str, str, str]) -> tuple[FeeTier, ...]:
    return tuple(
        FeeTier(volume_usd=Decimal(volume), taker_pct=Decimal(taker), maker_pct=Decimal(maker))
        for volume, taker, maker in rows
    )


STANDARD: Final = _ladder(
    ("0", "0.40", "0.25"),
    ("10000", "0.35", "0.20"),
    ("50000", "0.24", "0.14"),
    ("100000", "0.22", "0.12"),
    ("250000", "0.20", "0.10"),
    ("500000", "0.18", "0.08"),
    ("1000000", "0.16", "0.06"),
    ("2500000", "0.14", "0.04"),
    ("5000000", "0.12", "0.02"),
    ("10000000", "0.10", "0.00"),
)
"""The spot schedule recorded in 2025-11 and still in force by documentation."""


def tier_index(ladder: tuple[FeeTier, ...], volume_usd: Decimal) -> int:
    """The highest tier that the volume reaches."""
    reached = 0
    for index, tier in enumerate(ladder):
        if volume_usd >= tier.volume_usd:
            reached = index
    return reached


def fee_of(amount: Decimal, pct: Decimal, decimals: int) -> Decimal:
    """``pct`` percent of ``amount``, rounded as the venue shows it."""
    return round_nearest(amount * pct * PERCENT, decimals)


class RollingVolume:
    """USD traded in the last thirty days; looking at it lets go of what is older."""

    def __init__(self) -> None:
        self._rows: deque[tuple[int, Decimal]] = deque()
        self._total = ZERO

    def add(self, at_ns: int, usd: Decimal) -> None:
        """Count one fill; instants never go backwards."""
        self._rows.append((at_ns, usd))
        self._total += usd

    def total(self, now_ns: int) -> Decimal:
        """The sum over the window that ends now."""
        while self._rows and self._rows[0][0] <= now_ns - WINDOW_NS:
            self._total -= self._rows.popleft()[1]
        return self._total
