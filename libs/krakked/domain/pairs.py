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


class PairRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue says of an order's size and price now; None: it did not say."""

    tick_size: Decimal | None = None
    quantity_decimals: int | None = None
    cost_decimals: int | None = None
    quantity_min: Decimal | None = None
    cost_min: Decimal | None = None

    @property
    def is_empty(self) -> bool:
        """Nothing was said."""
        return not self.told()

    def told(self) -> dict[str, Decimal | int]:
        """What was said, by name."""
        found = msgspec.structs.asdict(self)
        return {name: value for name, value in found.items() if value is not None}


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

    @property
    def rules(self) -> PairRules:
        """As they are now."""
        return PairRules(**{name: getattr(self, name) for name in PairRules.__struct_fields__})

    def under(self, rules: PairRules) -> Pair:
        """The same pair by the rules that the venue has told."""
        return msgspec.structs.replace(self, **rules.told())

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
