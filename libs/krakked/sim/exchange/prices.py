"""Prices as they are asked for: plain, or as a distance from another price.

``50000`` is a price; ``+150``, ``-2%`` and ``#5%`` are distances from the last price (a ``#``
points to whatever side makes sense for the order). A distance is turned into a price on the tick
that is kinder to whoever asked: sells up, buys down, as the recorded trailing stop has it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final, Literal, TypeAlias

import msgspec

from krakked.domain.money import BadAmount, parse_amount, price_down, price_up
from krakked.domain.orders import Side
from krakked.sim.exchange.errors import invalid
from krakked.sim.exchange.fees import PERCENT
from krakked.sim.wire import text

Unit: TypeAlias = Literal["static", "pct", "quote"]
UNITS: Final[dict[str, Unit]] = {"static": "static", "pct": "pct", "quote": "quote"}
PCT_DECIMALS: Final = 4
_SPELLING: Final = re.compile(r"([+\-#]?)([^+\-#%]+)(%?)")


class Price(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A price, or a distance from one in quote or percent."""

    amount: Decimal
    unit: Unit = "static"

    @property
    def is_distance(self) -> bool:
        """Means nothing without another price."""
        return self.unit != "static"

    def at(self, base: Decimal) -> Decimal:
        """Where it lies, seen from ``base``; on no tick yet."""
        if self.unit == "static":
            return self.amount
        distance = self.amount if self.unit == "quote" else base * self.amount * PERCENT
        return base + distance

    def shown(self, decimals: int) -> str:
        """As the venue writes it: ``27000.0``, ``+100.0``, ``-5.0000%``."""
        if self.unit == "static":
            return text(self.amount, decimals)
        sign = "+" if self.amount >= 0 else ""
        if self.unit == "pct":
            return f"{sign}{text(self.amount, PCT_DECIMALS)}%"
        return f"{sign}{text(self.amount, decimals)}"


def static(amount: Decimal | None) -> Price | None:
    """A plain price, if there is one."""
    return None if amount is None else Price(amount=amount)


def read_price(spelling: str, name: str, towards: int) -> Price:
    """A price of REST; ``towards`` is the sign that a ``#`` stands for."""
    found = _SPELLING.fullmatch(spelling.strip())
    if found is None:
        raise invalid(name)
    prefix, digits, percent = found.groups()
    try:
        amount = parse_amount(digits, what=name)
    except BadAmount as error:
        raise invalid(name) from error
    if not prefix:
        if percent:
            raise invalid(name)
        return Price(amount=amount)
    sign = {"+": 1, "-": -1, "#": towards}[prefix]
    return Price(amount=sign * amount, unit="pct" if percent else "quote")


def on_tick(price: Decimal, tick_size: Decimal, side: Side) -> Decimal:
    """The tick at or beyond a price, away from the market: up for a sell, down for a buy."""
    return (price_down if side is Side.BUY else price_up)(price, tick_size)


def placed(price: Price, base: Decimal | None, tick_size: Decimal, side: Side) -> Decimal | None:
    """A plain price as it is; a distance on its tick; None if its base is not known."""
    if not price.is_distance:
        return price.amount
    return None if base is None else on_tick(price.at(base), tick_size, side)
