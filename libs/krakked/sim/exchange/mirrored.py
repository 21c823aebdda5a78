"""A pair whose book and trades are those of another venue: how the accounts' orders fare in it.

The house shows what the other venue shows; nobody here moves it. The rules:

1. What an order takes is gone from the house until the other venue tells that level again.
2. An order that comes to rest joins behind all that is shown at its price (*ahead*). At a price
   that is out of sight it waits until that price is shown, and joins then.
3. A trade at its price shortens the queue by its size; what is left of the trade when the queue
   is empty fills the orders of that price by time. A trade at a worse price fills it at once.
   No trade fills more than its size, all orders together.
4. What leaves a level without a trade was ahead and behind in proportion, rounded so that more
   stays ahead. Newcomers stand behind.
5. Trades and books come by different ways: a level that shrinks waits a second for the trade
   that may explain it before it counts as cancelled, and a trade waits for its level likewise.
6. A book that comes to cross a resting order fills it, as far as the crossing levels go.

Every fill is at the maker's price. Queues are forgotten with the process and with the source:
whoever rests then joins anew behind what is shown, which is never better than the truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final, Literal, TypeAlias

import msgspec

from krakked.domain.ids import VenueOrderId
from krakked.domain.money import ZERO, round_up
from krakked.domain.orders import Side
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange import house, waiting
from krakked.sim.exchange.book import key_of
from krakked.sim.exchange.core import Core, Market, SystemStatus
from krakked.sim.exchange.events import PublicTrade
from krakked.sim.exchange.matching import fill_maker
from krakked.sim.exchange.orders import Order

GRACE_NS: Final = NS_PER_SECOND
"""How far apart a trade and the change of its level may come."""

LevelChange: TypeAlias = tuple[Decimal, Decimal | None]
"""A price and what is shown there now; None: it is out of sight."""
SIDES: Final = (Side.BUY, Side.SELL)


class MirroredTrade(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One trade of the other venue."""

    price: Decimal
    quantity_base: Decimal
    taker_side: Side
    order_type: Literal["market", "limit"]
    trade_id: int
    at_ns: int
    matches: bool = True
    """False: it happened while nobody looked, and fills nothing."""


class _Place:
    """Where one resting order stands among strangers."""

    __slots__ = ("ahead", "priority")

    def __init__(self, priority: int, ahead: Decimal | None) -> None:
        self.priority = priority
        self.ahead = ahead
        """None: its price is out of sight."""


class _Gone:
    """What has left one level lately and is not explained: by trades told, or by books told."""

    __slots__ = ("cut", "cut_ns", "traded", "traded_ns")

    def __init__(self) -> None:
        self.traded = self.cut = ZERO
        self.traded_ns = self.cut_ns = 0


class Mirror:
    """See the module."""

    def __init__(self, core: Core, market: Market) -> None:
        self._core = core
        self._market = market
        self._shown: dict[Side, dict[Decimal, Decimal]] = {side: {} for side in SIDES}
        self._sees_all = dict.fromkeys(SIDES, False)
        self._places: dict[VenueOrderId, _Place] = {}
        self._gone: dict[tuple[Side, Decimal], _Gone] = {}

    def __repr__(self) -> str:
        levels = "/".join(str(len(self._shown[side])) for side in SIDES)
        return f"<Mirror {self._market.name} {levels} levels, {len(self._places)} in queues>"

    def resume(self, trade_id: int) -> None:
        """The other venue's newest trade so far."""
        self._market.trade_count = max(self._market.trade_count, trade_id)

    def ahead(self, order_id: VenueOrderId) -> Decimal | None:
        """What stands before a resting order; None if that is not known."""
        self._join()
        place = self._places.get(order_id)
        return None if place is None else place.ahead

    def replace(self, bids: Sequence[LevelChange], asks: Sequence[LevelChange], depth: int) -> None:
        """A whole book, best first: all that was known of queues is forgotten."""
        self._places.clear()
        self._gone.clear()
        for side, levels in zip(SIDES, (bids, asks), strict=True):
            told = [(price, size) for price, size in levels if size]
            self._shown[side] = dict(told)
            self._sees_all[side] = len(told) < depth
            self._market.book.set_house(side, told, self._core.now_ns)
        self._moved()

    def change(self, bids: Sequence[LevelChange], asks: Sequence[LevelChange], depth: int) -> None:
        """Levels that are no longer what they were."""
        self._join()
        for side, levels in zip(SIDES, (bids, asks), strict=True):
            for price, size in levels:
                self._change_level(side, price, size)
            self._sees_all[side] = len(self._shown[side]) < depth
        self._moved()

    def trade(self, item: MirroredTrade) -> None:
        """A trade of the other venue: it fills who is in turn, and stands on the tape."""
        if self._core.system_status is SystemStatus.MAINTENANCE:
            return
        if item.matches:
            self._join()
            self._match(item)
        self._market.trade_count = max(self._market.trade_count, item.trade_id)
        self._core.print_trade(
            PublicTrade(
                pair=self._market.name,
                price=item.price,
                quantity_base=item.quantity_base,
                taker_side=item.taker_side,
                order_type=item.order_type,
                trade_id=item.trade_id,
                at_ns=item.at_ns,
            )
        )
        waiting.settle(self._core, self._market)

    # the house

    def _moved(self) -> None:
        core, market = self._core, self._market
        core.book_changed(market.name)
        if market.book.has_orders() and core.system_status is not SystemStatus.MAINTENANCE:
            house.arrives(core, market)
        waiting.settle(core, market)

    def _change_level(self, side: Side, price: Decimal, size: Decimal | None) -> None:
        shown = self._shown[side]
        if size is not None:
            self._follow(side, price, shown.get(price, ZERO), size)
        if size:
            shown[price] = size
        else:
            shown.pop(price, None)
        self._market.book.set_house_level(side, price, size or ZERO, self._core.now_ns)

    # queues

    def _join(self) -> None:
        """Everybody who rests has a place; who came, or lost priority, joins at the back."""
        resting = {order.order_id: order for order in self._resting()}
        for order_id in [each for each in self._places if each not in resting]:
            del self._places[order_id]
        for order_id, order in resting.items():
            place = self._places.get(order_id)
            if place is None or place.priority != order.priority or place.ahead is None:
                self._places[order_id] = _Place(order.priority, self._shown_at(order))
        self._explain()

    def _resting(self) -> Iterator[Order]:
        for side in SIDES:
            yield from self._market.book.resting(side)

    def _shown_at(self, order: Order) -> Decimal | None:
        """What strangers show at its price; None if they cannot be seen so far from the best."""
        side, price = order.ask.side, order.limit_price
        assert price is not None, "only priced orders rest"
        shown = self._shown[side]
        if price in shown or self._sees_all[side]:
            return shown.get(price, ZERO)
        worst = max((key_of(side, each) for each in shown), default=None)
        return None if worst is None or key_of(side, price) > worst else ZERO

    def _at(self, side: Side, price: Decimal) -> list[tuple[Order, _Place]]:
        """Orders of one price by time, with their places."""
        return [
            (order, self._places[order.order_id])
            for order in self._market.book.resting(side)
            if order.limit_price == price and order.order_id in self._places
        ]

    def _follow(self, side: Side, price: Decimal, was: Decimal, size: Decimal) -> None:
        """A level with orders of ours shrinks: by trades that were told, else we wait for them."""
        if size >= was or not self._at(side, price):
            return
        gone = self._gone.setdefault((side, price), _Gone())
        explained = min(was - size, gone.traded)
        gone.traded -= explained
        if was - size > explained:
            gone.cut += was - size - explained
            gone.cut_ns = self._core.now_ns

    def _explain(self) -> None:
        """No trade came for what left: it was cancelled. No book came for a trade: it was refilled.

        Nobody has more before them than is shown.
        """
        since_ns = self._core.now_ns - GRACE_NS
        for (side, price), gone in list(self._gone.items()):
            if gone.traded_ns <= since_ns:
                gone.traded = ZERO
            if gone.cut and gone.cut_ns <= since_ns:
                self._cancel_some(side, price, gone.cut)
                gone.cut = ZERO
            if not gone.cut and not gone.traded:
                del self._gone[side, price]

    def _cancel_some(self, side: Side, price: Decimal, quantity_base: Decimal) -> None:
        shown = self._shown[side].get(price, ZERO)
        kept = shown / (shown + quantity_base)
        for _, place in self._at(side, price):
            if place.ahead is not None:
                left = round_up(place.ahead * kept, self._market.pair.lot_decimals)
                place.ahead = min(place.ahead, left, shown)

    # trades

    def _match(self, item: MirroredTrade) -> None:
        side = item.taker_side.opposite
        left = self._fill_through(side, item)
        self._fill_at(side, item.price, left)
        for _, place in self._at(side, item.price):
            if place.ahead is not None:
                place.ahead = max(ZERO, place.ahead - item.quantity_base)
        self._note(side, item)

    def _fill_through(self, side: Side, item: MirroredTrade) -> Decimal:
        """The trade went through better prices than its own; what is left of it."""
        left, key = item.quantity_base, key_of(side, item.price)
        order = self._market.book.first(side)
        while left and order is not None and order.limit_price is not None:
            if key_of(side, order.limit_price) >= key:
                break
            left -= self._fill(order, left)
            order = self._market.book.first(side)
        return left

    def _fill_at(self, side: Side, price: Decimal, reach: Decimal) -> None:
        """What reaches beyond the queue, to each order in turn."""
        filled = ZERO
        for order, place in self._at(side, price):
            if place.ahead is not None and reach - place.ahead > filled:
                filled += self._fill(order, reach - place.ahead - filled)

    def _fill(self, order: Order, quantity_base: Decimal) -> Decimal:
        taken = min(quantity_base, order.visible_base)
        fill_maker(self._core, self._market, order, taken)
        return taken

    def _note(self, side: Side, item: MirroredTrade) -> None:
        """The level will be told without this trade, or was already."""
        if not self._at(side, item.price):
            self._gone.pop((side, item.price), None)
            return
        gone = self._gone.setdefault((side, item.price), _Gone())
        explained = min(item.quantity_base, gone.cut)
        gone.cut -= explained
        gone.traded += item.quantity_base - explained
        gone.traded_ns = self._core.now_ns
