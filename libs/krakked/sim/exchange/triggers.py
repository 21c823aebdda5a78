"""Orders that wait for a price: which of them a price sets off, and how trailing stops move.

A stop waits for the price to get worse (a sell for it to fall to the trigger), a take-profit for it
to get better. A trailing stop follows the best price at its distance, never back, and goes off when
the price turns by that much. What one price sets off goes off in order of time.
"""

from __future__ import annotations

import bisect
from decimal import Decimal
from typing import Final

from krakked.domain.ids import VenueOrderId
from krakked.domain.orders import Side
from krakked.sim.exchange.orders import Order, OrderForm, Reference
from krakked.sim.exchange.prices import Price, placed

UP: Final = 1
DOWN: Final = -1


def direction(form: OrderForm, side: Side) -> int:
    """Where the price must go to set the order off: :data:`UP` or :data:`DOWN`."""
    up = (side is Side.BUY) != (form.trigger == "profit")
    return UP if up else DOWN


def is_met(order: Order, price: Decimal) -> bool:
    """Whether that price is at or beyond the order's trigger."""
    assert order.trigger_price is not None, "only asked of orders with a known trigger"
    sign = direction(order.ask.form, order.ask.side)
    return sign * (price - order.trigger_price) >= 0


def trail_from(distance: Price, peak: Decimal, tick_size: Decimal, side: Side) -> Decimal:
    """Where a trailing stop's trigger lies for that best price: above it for a buy."""
    signed = Price(amount=side.sign * distance.amount, unit=distance.unit)
    level = placed(signed, peak, tick_size, side)
    assert level is not None, "the peak is known"
    return level


def follow(order: Order, price: Decimal, tick_size: Decimal) -> bool:
    """Let a trailing stop see a price; true if its trigger moved."""
    trigger, side = order.trigger, order.ask.side
    assert trigger is not None, "only trailing stops follow"
    if order.peak_price is not None and side.sign * (price - order.peak_price) >= 0:
        return False
    order.peak_price = price
    order.trigger_price = trail_from(trigger.price, price, tick_size, side)
    if trigger.limit is not None:
        order.limit_price = placed(trigger.limit, order.trigger_price, tick_size, side)
    return True


class _Waiting:
    """Orders that wait for one reference price: fixed triggers sorted, trailing ones beside."""

    def __init__(self) -> None:
        self.fixed: dict[int, list[tuple[Decimal, int, Order]]] = {UP: [], DOWN: []}
        self.trailing: dict[VenueOrderId, Order] = {}

    def __len__(self) -> int:
        return len(self.fixed[UP]) + len(self.fixed[DOWN]) + len(self.trailing)

    def take(self, price: Decimal) -> list[Order]:
        """Fixed ones that the price reaches; they wait no longer."""
        found: list[Order] = []
        for sign, rows in self.fixed.items():
            end = bisect.bisect_right(rows, sign * price, key=lambda row: row[0])
            found += [row[2] for row in rows[:end]]
            del rows[:end]
        return found


class Watch:
    """All waiting orders of one pair, by what they look at."""

    def __init__(self) -> None:
        self._by: dict[Reference, _Waiting] = {"last": _Waiting(), "index": _Waiting()}
        self.index_seen: Decimal | None = None
        """The index price that was looked at last."""

    def __len__(self) -> int:
        return len(self._by["last"]) + len(self._by["index"])

    def __repr__(self) -> str:
        return f"<Watch {len(self)} orders>"

    def of(self, reference: Reference) -> int:
        """How many look at that price."""
        return len(self._by[reference])

    def add(self, order: Order) -> None:
        """Wait."""
        waiting = self._of(order)
        if order.ask.form.trigger == "trail":
            waiting.trailing[order.order_id] = order
            return
        sign = direction(order.ask.form, order.ask.side)
        bisect.insort(waiting.fixed[sign], _row(sign, order))

    def remove(self, order: Order) -> None:
        """Wait no longer."""
        waiting = self._of(order)
        if order.ask.form.trigger == "trail":
            del waiting.trailing[order.order_id]
            return
        sign = direction(order.ask.form, order.ask.side)
        rows = waiting.fixed[sign]
        index = bisect.bisect_left(rows, _row(sign, order))
        assert rows[index][2] is order, "waits where its trigger and priority say"
        del rows[index]

    def look(
        self, reference: Reference, price: Decimal, tick_size: Decimal
    ) -> tuple[list[Order], list[Order]]:
        """Show everyone a price: trailing stops that moved, and orders that go off, by time."""
        waiting = self._by[reference]
        moved: list[Order] = []
        off = waiting.take(price)
        for order in list(waiting.trailing.values()):
            if follow(order, price, tick_size):
                moved.append(order)
            elif is_met(order, price):
                del waiting.trailing[order.order_id]
                off.append(order)
        return moved, sorted(off, key=lambda order: order.priority)

    def _of(self, order: Order) -> _Waiting:
        assert order.trigger is not None, "only orders with a trigger wait"
        return self._by[order.trigger.reference]


def _row(sign: int, order: Order) -> tuple[Decimal, int, Order]:
    assert order.trigger_price is not None, "a fixed trigger is known"
    return (sign * order.trigger_price, order.priority, order)
