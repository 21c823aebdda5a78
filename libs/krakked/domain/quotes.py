"""Quotes: the best bid and ask, and the last price, each with its age."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from krakked.domain.ids import PairName


class Quote(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a pair trades at; ``at_ns`` is when we received it."""

    pair: PairName
    bid: Decimal
    ask: Decimal
    last: Decimal
    volume_24h_base: Decimal
    at_ns: int

    @property
    def mid(self) -> Decimal:
        """Half way between bid and ask."""
        return (self.bid + self.ask) / 2
