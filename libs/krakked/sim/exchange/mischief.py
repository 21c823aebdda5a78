"""What faults do to an exchange from inside: fills out of nowhere, full counters, a used-up nonce.

Everything goes the ways that orders and calls go anyway, so that the books stay whole: balances,
ledgers, holds and private messages tell of it as of anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from krakked.domain.ids import PairName, VenueOrderId
from krakked.domain.money import ZERO, round_down
from krakked.domain.orders import Side
from krakked.sim.exchange import matching
from krakked.sim.exchange.core import Core, Market
from krakked.sim.exchange.errors import VenueError
from krakked.sim.exchange.keys import Keys
from krakked.sim.exchange.limits import OVERDRAFT_POINTS
from krakked.sim.exchange.orders import Order
from krakked.sim.exchange.params import Params

_ID_FIELDS: Final = ("txid", "cl_ord_id", "order_id", "orders", "cl_ord_ids")
"""Where requests name orders, over either wire."""


class Mischief:
    """Acts upon one exchange at the instant it has reached."""

    def __init__(self, core: Core, keys: Keys) -> None:
        self._core = core
        self._keys = keys

    def __repr__(self) -> str:
        return f"<Mischief {self._core!r}>"

    def account_of_key(self, api_key: str | None) -> str | None:
        """Whose key it is."""
        key = self._keys.get(api_key or "")
        return None if key is None else key.account

    def is_limited(self, account: str | None) -> bool:
        """Whether rates of the account are limited; without a name: of any account."""
        owners = self._core.accounts.values()
        return any(each.limits is not None for each in owners if account in (None, each.name))

    def use_nonce(self, api_key: str | None, nonce: int) -> None:
        """As if another process had called with it."""
        key = self._keys.get(api_key or "")
        if key is not None and nonce > key.nonce:
            key.use_nonce(nonce)
            self._core.changes.note("key", key.key)

    def fill_rest_counter(self, api_key: str | None) -> None:
        """As if the key had called too often."""
        key = self._keys.get(api_key or "")
        limits = None if key is None else self._core.accounts[key.account].limits
        if key is None or limits is None:
            return
        most = limits.rest_max + OVERDRAFT_POINTS
        key.counter.value(limits.rest_decay_centi, self._core.now_ns)
        key.counter.charge(most, ceiling=most)

    def fill_rest_counters(self) -> None:
        """Of every key."""
        for key in self._keys.all():
            self.fill_rest_counter(key.key)

    def fill_engine_counters(self, account: str) -> None:
        """As if the account had sent too many orders, on every pair; full ones stay as they are."""
        owner = self._core.accounts[account]
        limits = owner.limits
        if limits is None:
            return
        for counter in map(owner.counter, self._core.markets):
            counter.value(limits.engine_decay_centi, self._core.now_ns)
            counter.fill(limits.engine_max)

    def named_orders(self, account: str, params: Params) -> list[str]:
        """The resting orders that a request names."""
        names = [name for field in _ID_FIELDS for name in _listed(params, field)]
        return [
            order.order_id
            for order in self._core.accounts[account].open.values()
            if self._rests(order) and (order.order_id in names or order.ask.cl_ord_id in names)
        ]

    def resting(self, account: str | None = None) -> list[str]:
        """Orders that rest, of one account or of all."""
        owners = [self._core.accounts[account]] if account else self._core.accounts.values()
        return [
            order.order_id
            for owner in owners
            for order in owner.open.values()
            if self._rests(order)
        ]

    def volume(self, order_id: str) -> Decimal | None:
        """What an order is for altogether, if it rests."""
        order = self._resting(order_id)
        return None if order is None else order.quantity_base

    def fill(self, order_id: str, quantity_base: Decimal) -> None:
        """Somebody takes that much of a resting order, at its price; less if less is left.

        Of an iceberg one portion after the other is taken, as anybody would have to.
        """
        order = self._resting(order_id)
        if order is None:
            return
        market = self._core.markets[order.ask.pair]
        exact = round_down(quantity_base, market.pair.lot_decimals)
        left = min(exact, order.remaining_base)
        while left > 0:
            taken = min(left, order.visible_base)
            matching.fill_maker(self._core, market, order, taken)
            left -= taken

    def thin_book(self, pair: str, is_buy: bool, sizes: Sequence[Decimal]) -> None:
        """The house offers a buyer (or bids a seller) these sizes only, a tick apart."""
        market = self._core.market(pair)
        if market is None:
            return
        side = Side.SELL if is_buy else Side.BUY
        best, tick = _best(market, side), market.pair.tick_size
        if best is None:
            return
        levels = [
            (best - side.sign * tick * index, exact)
            for index, exact in enumerate(_exact(market, sizes))
            if best - side.sign * tick * index > ZERO
        ]
        market.book.set_house(side, levels, self._core.now_ns)
        self._core.book_changed(market.name)

    def pair_of(self, spelling: object) -> PairName | None:
        """The pair that a request means."""
        market = self._core.market(str(spelling))
        return None if market is None else market.name

    def _resting(self, order_id: str) -> Order | None:
        for account in self._core.accounts.values():
            order = account.open.get(VenueOrderId(order_id))
            if order is not None and self._rests(order):
                return order
        return None

    def _rests(self, order: Order) -> bool:
        """In the book: neither scheduled nor waiting for its trigger."""
        book = self._core.markets[order.ask.pair].book
        return any(each is order for each in book.resting(order.ask.side))


def _listed(params: Params, field: str) -> list[str]:
    """What is no list of names will be refused by whoever is asked for it."""
    try:
        return params.listed(field)
    except VenueError:
        return []


def _best(market: Market, side: Side) -> Decimal | None:
    """Where the house begins; of a side that was emptied, where it would stand again."""
    levels = market.book.house_levels(side)
    if levels:
        return levels[0].price
    across = market.book.best(side.opposite)
    last = market.last_trade
    if across is None:
        return None if last is None else last.price
    beyond = across - side.sign * market.pair.tick_size
    if last is None:
        return beyond
    return max(last.price, beyond) if side is Side.SELL else min(last.price, beyond)


def _exact(market: Market, sizes: Iterable[Decimal]) -> list[Decimal]:
    rounded = (round_down(size, market.pair.lot_decimals) for size in sizes)
    return [size for size in rounded if size > 0]
