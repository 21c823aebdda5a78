"""Pairs and their rules, under canonical names.

The venue's other spellings (``XXBTZUSD``, ``XBT/USD``, ``BTC/USD``) never leave
``adapters/kraken/wire.py`` and the simulator.
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.ids import Asset, PairName
from krakked.domain.money import AMOUNT_MAX, price_down, price_up, round_down

_STEPS_MAX: Final = 2**63 - 1
"""Sizes in whole steps fit into 64 bits, here and in most programs that read them."""


class PairStatus(enum.Enum):
    """What the venue allows on a pair now."""

    ONLINE = "online"
    CANCEL_ONLY = "cancel_only"
    POST_ONLY = "post_only"
    LIMIT_ONLY = "limit_only"
    REDUCE_ONLY = "reduce_only"
    MAINTENANCE = "maintenance"
    DELISTED = "delisted"


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One spot pair (phase 2's ``PairMetadata``)."""

    name: PairName
    base: Asset
    quote: Asset
    tick_size: Decimal
    """Step of prices, in quote."""
    quantity_decimals: int
    """Decimals of sizes, in base (Kraken's ``lot_decimals``)."""
    cost_decimals: int
    """Decimals of price × size, in quote."""
    quantity_min: Decimal
    """Smallest order, in base (``ordermin``)."""
    cost_min: Decimal
    """Smallest price × size, in quote (``costmin``)."""
    status: PairStatus = PairStatus.ONLINE
    fee_taker_pct: Decimal = Decimal("0.40")
    fee_maker_pct: Decimal = Decimal("0.25")

    def price_below(self, price: Decimal) -> Decimal:
        """Highest valid price at or below ``price``."""
        return price_down(price, self.tick_size)

    def price_above(self, price: Decimal) -> Decimal:
        """Lowest valid price at or above ``price``."""
        return price_up(price, self.tick_size)

    def quantity_below(self, quantity_base: Decimal) -> Decimal:
        """Largest valid size at or below ``quantity_base``."""
        return round_down(quantity_base, self.quantity_decimals)

    @property
    def quantity_max(self) -> Decimal:
        """Largest size of one order."""
        return min(Decimal(_STEPS_MAX).scaleb(-self.quantity_decimals), AMOUNT_MAX)
