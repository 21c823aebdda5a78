"""The book of one pair: the house's liquidity, replaced at will, and the accounts' resting orders.

Priority is price, then time. At one price the house stands in front of every account, because its
levels have no age of their own (``house_first=False`` turns that round). What icebergs hide at a
price comes after all that is visible there, portion by portion in turn. Keys grow from best to
worst on either side, so that one loop serves both.
"""

from __future__ import annotations

import bisect
import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from krakked.domain.money import ZERO
from krakked.domain.orders import Side
from krakked.sim.exchange.orders import Order, SelfTrade
from krakked.sim.exchange.ranked import Rank, Ranked


class Level(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All that rests at one price."""

    price: Decimal
    quantity_base: Decimal
    at_ns: int


class HouseLevel:
    """Liquidity of nobody in particular; shrinks as it is taken."""

    __slots__ = ("key", "price", "quantity_base")

    def __init__(self, key: Decimal, price: Decimal, quantity_base: Decimal) -> None:
        self.key = key
        self.price = price
        self.quantity_base = quantity_base


class Slice(msgspec.Struct, frozen=True, gc=False):
    """A piece of liquidity that an arriving order may take at its maker's price.

    Nothing of it means: withdraw this maker, which is of the same account.
    """

    price: Decimal
    quantity_base: Decimal
    maker: Order | None
    """None: the house."""
    level: HouseLevel | None


class MatchPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What an arriving order would take, before anything is taken."""

    slices: list[Slice]
    filled_base: Decimal
    cost_quote: Decimal
    """Exact, before any rounding."""
    met_itself: bool
    """Stopped at an order of the same account."""

    @property
    def crosses(self) -> bool:
        """Whether the order would not simply rest."""
        return bool(self.slices) or self.met_itself


def key_of(side: Side, price: Decimal) -> Decimal:
    """Smaller is better on that side."""
    return -price if side is Side.BUY else price


class Book:
    """Both sides of one pair."""

    def __init__(self, *, house_first: bool = True) -> None:
        self._house_first = house_first
        self._house: dict[Side, list[HouseLevel]] = {Side.BUY: [], Side.SELL: []}
        self._orders = {Side.BUY: Ranked(), Side.SELL: Ranked()}
        self._house_ns = 0

    def __repr__(self) -> str:
        sides = (f"{side.value} {self.best(side)}" for side in (Side.BUY, Side.SELL))
        orders = sum(len(rows) for rows in self._orders.values())
        return f"<Book {', '.join(sides)}, {orders} account orders>"

    def set_house(self, side: Side, levels: Sequence[tuple[Decimal, Decimal]], now_ns: int) -> None:
        """Replace the house's side, best first."""
        rows = [HouseLevel(key_of(side, price), price, size) for price, size in levels if size > 0]
        assert all(a.key < b.key for a, b in itertools.pairwise(rows)), "best first"
        self._house[side] = rows
        self._house_ns = now_ns

    def set_house_level(
        self, side: Side, price: Decimal, quantity_base: Decimal, now_ns: int
    ) -> None:
        """Replace what the house has at one price; zero takes the level away."""
        levels, key = self._house[side], key_of(side, price)
        index = bisect.bisect_left(levels, key, key=lambda level: level.key)
        is_there = index < len(levels) and levels[index].key == key
        fresh = [HouseLevel(key, price, quantity_base)] if quantity_base else []
        levels[index : index + is_there] = fresh
        self._house_ns = now_ns

    def house_levels(self, side: Side) -> list[HouseLevel]:
        """The house's side, best first."""
        return self._house[side]

    def add(self, order: Order) -> None:
        """Rest an order behind those at its price."""
        self._orders[order.ask.side].add(_entry(order))

    def remove(self, order: Order) -> None:
        """Take a resting order out."""
        self._orders[order.ask.side].remove(_entry(order))

    def resting(self, side: Side) -> list[Order]:
        """The accounts' orders of one side, best first."""
        return [row[2] for row in self._orders[side]]

    def first(self, side: Side) -> Order | None:
        """The accounts' order of a side that is filled next."""
        return self._orders[side].first()

    def has_orders(self) -> bool:
        """Whether any account rests here."""
        return bool(self._orders[Side.BUY] or self._orders[Side.SELL])

    def best(self, side: Side) -> Decimal | None:
        """The best price of a side."""
        found = [level.price for level in self._house[side][:1]]
        first = self.first(side)
        if first is not None and first.limit_price is not None:
            found.append(first.limit_price)
        return min(found, key=lambda price: key_of(side, price), default=None)

    def take_house(self, level: HouseLevel, side: Side, quantity_base: Decimal) -> None:
        """Shrink a house level; an empty one disappears."""
        level.quantity_base -= quantity_base
        assert level.quantity_base >= 0, "no more is taken than was there"
        if level.quantity_base == 0:
            self._house[side].remove(level)

    def sweep_house(self, side: Side, price: Decimal) -> None:
        """Strangers traded at ``price``: what the house had at better prices is gone."""
        key = key_of(side, price)
        self._house[side] = [level for level in self._house[side] if level.key >= key]

    def liquidity(self, side: Side) -> Iterator[Slice]:
        """Everything that rests on a side in the order in which it is taken, hidden or not."""
        icebergs: list[Order] = []
        for piece in self._visible(side):
            if icebergs and piece.price != icebergs[0].limit_price:
                yield from _refills(icebergs)
                icebergs.clear()
            yield piece
            if piece.maker is not None and piece.maker.hidden_base:
                icebergs.append(piece.maker)
        yield from _refills(icebergs)

    def _visible(self, side: Side) -> Iterator[Slice]:
        levels, ranks = iter(self._house[side]), iter(self._orders[side])
        level, rank = next(levels, None), next(ranks, None)
        while level is not None or rank is not None:
            if level is not None and (rank is None or self._house_leads(level, rank)):
                yield Slice(level.price, level.quantity_base, None, level)
                level = next(levels, None)
            elif rank is not None:
                order = rank[2]
                assert order.limit_price is not None, "only priced orders rest"
                yield Slice(order.limit_price, order.visible_base, order, None)
                rank = next(ranks, None)

    def depth(self, side: Side, count: int) -> list[Level]:
        """The best ``count`` levels, house and accounts together, without what is hidden."""
        levels: list[Level] = []
        price, quantity_base, at_ns = None, ZERO, 0
        for piece in self._visible(side):
            if piece.price != price:
                if price is not None:
                    levels.append(Level(price=price, quantity_base=quantity_base, at_ns=at_ns))
                    if len(levels) == count:
                        return levels
                price, quantity_base, at_ns = piece.price, ZERO, 0
            quantity_base += piece.quantity_base
            at_ns = max(at_ns, piece.maker.touched_ns if piece.maker else self._house_ns)
        if price is not None:
            levels.append(Level(price=price, quantity_base=quantity_base, at_ns=at_ns))
        return levels

    def _house_leads(self, level: HouseLevel, rank: Rank) -> bool:
        if self._house_first:
            return level.key <= rank[0]
        return level.key < rank[0]


def _refills(icebergs: list[Order]) -> Iterator[Slice]:
    """What they hide, a portion of each in turn: a refill goes to the back of its price."""
    queue = deque((order, order.hidden_base) for order in icebergs)
    while queue:
        order, left = queue.popleft()
        assert order.display_base is not None, "only icebergs hide"
        assert order.limit_price is not None, "only priced orders rest"
        portion = min(order.display_base, left)
        yield Slice(order.limit_price, portion, order, None)
        if left > portion:
            queue.append((order, left - portion))


def _entry(order: Order) -> Rank:
    assert order.limit_price is not None, "only priced orders rest"
    return (key_of(order.ask.side, order.limit_price), order.priority, order)


class Appetite(msgspec.Struct, frozen=True, kw_only=True):
    """How far an arriving order goes."""

    side: Side
    quantity_base: Decimal
    worst_price: Decimal | None
    """None: any price."""
    account: str
    self_trade: SelfTrade = "cancel_newest"


def plan_match(book: Book, appetite: Appetite) -> MatchPlan:
    """What the order would take now, in priority order; orders of its own account are not taken."""
    side = appetite.side.opposite
    worst = None if appetite.worst_price is None else key_of(side, appetite.worst_price)
    left, cost_quote = appetite.quantity_base, ZERO
    slices: list[Slice] = []
    met: list[Order] = []
    for piece in book.liquidity(side):
        if left <= 0 or (worst is not None and key_of(side, piece.price) > worst):
            break
        if piece.maker is not None and piece.maker.account == appetite.account:
            _meet(piece.maker, appetite.self_trade, met, slices)
            if appetite.self_trade == "cancel_oldest":
                continue
            break
        taken = min(left, piece.quantity_base)
        slices.append(Slice(piece.price, taken, piece.maker, piece.level))
        left -= taken
        cost_quote += taken * piece.price
    return MatchPlan(
        slices=slices,
        filled_base=appetite.quantity_base - left,
        cost_quote=cost_quote,
        met_itself=bool(met) and appetite.self_trade != "cancel_oldest",
    )


def _meet(maker: Order, rule: SelfTrade, met: list[Order], slices: list[Slice]) -> None:
    """An order of the same account stands in the way: it goes once, if the older one has to."""
    if any(order is maker for order in met):
        return
    met.append(maker)
    if rule != "cancel_newest":
        assert maker.limit_price is not None, "only priced orders rest"
        slices.append(Slice(maker.limit_price, ZERO, maker, None))


def affordable_base(book: Book, side: Side, budget_quote: Decimal) -> Decimal:
    """How much base a market order gets for that much quote, unrounded."""
    left, base = budget_quote, ZERO
    for piece in book.liquidity(side.opposite):
        cost = piece.price * piece.quantity_base
        if cost >= left:
            return base + left / piece.price
        base += piece.quantity_base
        left -= cost
    return base
