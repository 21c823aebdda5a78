"""Matching alone: one order placed, cancelled and filled in a book of 1,000 and of 100,000 orders.

Neither wire nor socket: the order desk of the exchange is called with orders that are read already,
and what it tells is let go of after each. Figures are processor time, the least of all rounds. The
ratio is to the small book: were it 100, each order would pay for all that rest.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterable
from decimal import Decimal

from krakked.domain.ids import Asset, PairName
from krakked.domain.orders import Side
from krakked.sim.exchange import desk
from krakked.sim.exchange.accounts import Account
from krakked.sim.exchange.core import Core
from krakked.sim.exchange.limits import Tier
from krakked.sim.exchange.options import ExchangeOptions
from krakked.sim.exchange.orders import FORMS, Order, OrderAsk
from krakked.sim.exchange.pairs import PAIRS

SIZES = (1_000, 100_000)
ORDERS, ROUNDS = 1_000, 5
PAIR = PairName("XBTUSD")
START_NS = 1_767_225_600 * 10**9
MIDDLE_TICKS = 1_000_000
SIZE_BASE = Decimal("0.001")


def limit(side: Side, ticks: int, quantity_base: Decimal = SIZE_BASE) -> OrderAsk:
    """An order at so many tenths of a dollar."""
    return OrderAsk(
        pair=PAIR,
        side=side,
        form=FORMS["limit"],
        quantity_base=quantity_base,
        limit_price=Decimal(ticks).scaleb(-1),
    )


class World:
    """One exchange without limits, in whose book somebody has so many orders."""

    def __init__(self, resting: int) -> None:
        self.core = Core(PAIRS, ExchangeOptions(), START_NS)
        self.chance = random.Random(5)
        self.maker, self.taker = self._open("maker"), self._open("taker")
        for number in range(resting):
            self.add(self.maker, self.far(Side.BUY if number % 2 else Side.SELL))

    def _open(self, name: str) -> Account:
        account = Account(name, Tier.NONE, self.core.ids.next("trade"))
        self.core.accounts[name] = account
        for asset in ("XBT", "USD"):
            amounts = (Decimal(10**12), Decimal(0))
            self.core.post(account, "deposit", self.core.ids.next("funding"), Asset(asset), amounts)
        return account

    def far(self, side: Side) -> OrderAsk:
        """Somewhere within ten thousand dollars of the middle."""
        return limit(side, MIDDLE_TICKS - side.sign * self.chance.randint(1, 100_000))

    def add(self, account: Account, ask: OrderAsk) -> Order:
        """Through all checks, into the book or against it."""
        order = desk.add_order(self.core, account, ask, least_ns=0).order
        assert order is not None, "not only validated"
        self.core.drain()
        return order

    def cancel_all(self, orders: Iterable[Order]) -> None:
        """Out of the book again, one by one."""
        for order in orders:
            desk.cancel_order(self.core, self.maker, order)
            self.core.drain()


def per_order(work: Callable[[], object]) -> float:
    """Microseconds of processor time for one of so many orders."""
    gc.collect()
    began_s = time.process_time()
    work()
    return (time.process_time() - began_s) / ORDERS * 10**6


def one_round(world: World) -> tuple[float, float, float]:
    """Placing, cancelling and filling; the book is as full afterwards as it was."""
    sides = [Side.BUY, Side.SELL] * (ORDERS // 2)
    asks = [world.far(side) for side in sides]
    placed: list[Order] = []
    placing = per_order(lambda: placed.extend(world.add(world.maker, ask) for ask in asks))
    world.chance.shuffle(placed)
    cancelling = per_order(lambda: world.cancel_all(placed))
    takers = [limit(side, MIDDLE_TICKS + side.sign * 200_000) for side in sides]
    filling = per_order(lambda: [world.add(world.taker, ask) for ask in takers])
    for side in sides:
        world.add(world.maker, world.far(side.opposite))
    return placing, cancelling, filling


def measure(resting: int) -> list[float]:
    """The least of all rounds, of each of the three."""
    world = World(resting)
    rounds = [one_round(world) for _ in range(ROUNDS)]
    book = world.core.markets[PAIR].book
    left = sum(len(book.resting(side)) for side in Side)
    assert left == resting, "every fill took one order, and one came for it"
    return [min(column) for column in zip(*rounds, strict=True)]


def main() -> None:
    small, large = (measure(size) for size in SIZES)
    print(f"{'orders that rest':34}{SIZES[0]:>16,}{SIZES[1]:>18,}{'ratio':>8}")
    names = ("placed, rests", "cancelled", "placed, fills another")
    for name, few, many in zip(names, small, large, strict=True):
        rates = f"{few:7.0f} µs {10**6 / few:6,.0f}/s{many:9.0f} µs {10**6 / many:6,.0f}/s"
        print(f"{name:34}{rates}{many / few:8.2f}")


if __name__ == "__main__":
    main()
