"""At rest: the ledger has what the venue has, each execution once, each asset to the last digit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Final

from krakked.adapters.sqlite.cells import Row
from krakked.adapters.sqlite.questions import Question
from krakked.domain.fills import Fill
from krakked.domain.ids import Asset, ClientOrderId, TradeId
from krakked.domain.money import ZERO
from krakked.domain.orders import Journal, Order
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.orders import Trade
from krakked.worlds.checkers.evidence import EVERYTHING, Evidence, orders_of

PENDING_MAX_NS: Final = 120 * NS_PER_SECOND
"""What was planned is sent or dropped when its plan has expired."""
_POSTINGS: Final = "SELECT asset, amount FROM postings ORDER BY sequence"


class Books:
    """See the module."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._trades: dict[TradeId, Trade] = {}
        self._problems: list[str] = []

    def problems(self) -> list[str]:
        """How the owner's ledger differs from the venue now; some of it may still be on its way."""
        owner = self._evidence.owner()
        self._problems = []
        if owner is None:
            return ["nobody owns the books"]
        self._trades = {trade.trade_txid: trade for trade in self._evidence.trades()}
        queries = self._evidence.reader(owner.disk.database)
        books = queries.books()
        fills = queries.fills(limit=EVERYTHING)
        orders = orders_of(queries)
        self._problems += [f"projections: {d}" for d in queries.projection_differences()]
        self._problems += [f"drift on record: {d.kind.value} {d.difference}" for d in books.drifts]
        self._look_at_totals(books.totals)
        self._look_at_count(Counter(fill.trade.trade_id for fill in fills))
        for fill in fills:
            self._look_at_amounts(fill)
        self._look_at_orders(orders.values())
        self._look_at_ends(orders)
        evidence = self._evidence
        # Other ledgers book what they find before what was there.
        if evidence.has_one_ledger and not evidence.is_traded_by_hand:
            below = sinks_below_zero(queries.all(Question(_POSTINGS, (), _posting)))
            if below is not None:
                self._problems.append(f"there was less than nothing of {below}")
        return self._problems

    def _look_at_totals(self, ours: Mapping[Asset, Decimal]) -> None:
        theirs = self._evidence.account.balances
        for asset in sorted(ours.keys() | theirs.keys()):
            here, there = ours.get(asset, ZERO), theirs.get(asset, ZERO)
            if here != there:
                self._problems.append(f"{asset}: {here} here, {there} there")

    def _look_at_count(self, booked: Counter[TradeId]) -> None:
        for trade_id, count in sorted(booked.items()):
            if count > 1 or trade_id not in self._trades:
                self._problems.append(f"execution {trade_id} is booked {count} times")
        for trade_id in sorted(self._trades.keys() - booked.keys()):
            self._problems.append(f"execution {trade_id} is not booked")

    def _look_at_amounts(self, fill: Fill) -> None:
        ours, theirs = fill.trade, self._trades.get(fill.trade.trade_id)
        if theirs is None:
            return
        here = (ours.price, ours.quantity_base, ours.cost_quote, ours.fee_amount)
        there = (theirs.price, theirs.quantity_base, theirs.cost_quote, theirs.fee_amount)
        if here != there:
            self._problems.append(f"execution {ours.trade_id}: {here} here, {there} there")
        is_ours = self._evidence.account.orders[theirs.order_id].ask.cl_ord_id is not None
        if is_ours != (fill.client_order_id is not None):
            whose = "ours" if is_ours else "the person"
            self._problems.append(f"execution {ours.trade_id} of {whose} is booked as another's")

    def _look_at_orders(self, orders: Collection[Order]) -> None:
        old_ns = self._evidence.world.loop.now_ns() - PENDING_MAX_NS
        for order in orders:
            is_left = order.journal is Journal.PENDING and order.created_at_ns < old_ns
            if is_left or order.journal in (Journal.SENT, Journal.UNKNOWN):
                client_id = order.request.client_order_id
                self._problems.append(f"order {client_id} is {order.journal.value}")
        live = {str(order.venue_order_id) for order in orders if order.is_live}
        theirs = {
            str(order_id)
            for order_id, order in self._evidence.account.open.items()
            if order.ask.cl_ord_id is not None
        }
        for order_id in sorted(theirs - live):
            self._problems.append(f"the venue's open order {order_id} is not live on record")
        for order_id in sorted(live - theirs):
            self._problems.append(f"order {order_id} is live on record and not open at the venue")

    def _look_at_ends(self, orders: Mapping[ClientOrderId, Order]) -> None:
        """What the venue took is on record as taken, with all that was filled of it."""
        for theirs in self._evidence.account.orders.values():
            client_id = theirs.ask.cl_ord_id
            ours = None if client_id is None else orders.get(client_id)
            if ours is None:
                continue
            if ours.journal not in (Journal.ACKED, Journal.DONE):
                self._problems.append(f"order {client_id} was taken, and is {ours.journal.value}")
                continue
            here = (ours.venue_order_id, ours.filled_base, ours.cost_quote, ours.fee_quote)
            there = (theirs.order_id, theirs.filled_base, theirs.cost_quote, theirs.fee_quote)
            if here != there:
                self._problems.append(f"order {client_id}: {here} here, {there} there")


def sinks_below_zero(postings: Iterable[tuple[Asset, Decimal]]) -> Asset | None:
    """The first asset of which there would have been less than nothing, booking by booking."""
    totals: dict[Asset, Decimal] = {}
    for asset, amount in postings:
        totals[asset] = totals.get(asset, ZERO) + amount
        if totals[asset] < 0:
            return asset
    return None


def _posting(row: Row) -> tuple[Asset, Decimal]:
    return Asset(row["asset"]), Decimal(row["amount"])
