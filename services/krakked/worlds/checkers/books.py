"""At rest: the ledger has what the venue has, each execution once, each asset to the last digit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from krakked.domain.fills import VenueTrade
from krakked.domain.ids import TradeId
from krakked.domain.money import ZERO
from krakked.domain.orders import Journal, Order
from krakked.sim.exchange.orders import Trade
from krakked.worlds.checkers.evidence import EVERYTHING, Evidence, orders_of, reading


class Books:
    """See the module."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._trades: dict[TradeId, Trade] = {}

    def look(self) -> None:
        """The owner's ledger against the venue."""
        owner = self._evidence.owner()
        if owner is None:
            return
        self._trades = {trade.trade_txid: trade for trade in self._evidence.trades()}
        with reading(owner.disk.database) as queries:
            books = queries.books()
            fills = queries.fills(limit=EVERYTHING)
            orders = orders_of(queries)
            for difference in queries.projection_differences():
                self._violated(f"projections: {difference}")
        self._totals({str(asset): amount for asset, amount in books.totals.items()})
        self._fills(Counter(fill.trade.trade_id for fill in fills))
        for fill in fills:
            self._amounts(fill.trade.trade_id, fill.trade)
            if fill.client_order_id is None:
                self._violated(f"execution {fill.trade.trade_id} of ours is booked as manual")
        self._orders(orders.values())
        for drift in books.drifts:
            self._violated(f"drift on record at rest: {drift.kind.value} {drift.difference}")

    def _orders(self, orders: Collection[Order]) -> None:
        for order in orders:
            if order.journal in (Journal.SENT, Journal.UNKNOWN):
                client_id = order.request.client_order_id
                self._violated(f"order {client_id} is {order.journal.value} at rest")
        live = {str(order.venue_order_id) for order in orders if order.is_live}
        theirs = {str(order_id) for order_id in self._evidence.account.open}
        for order_id in sorted(theirs - live):
            self._violated(f"the venue's open order {order_id} is not live on record")
        for order_id in sorted(live - theirs):
            self._violated(f"order {order_id} is live on record and not open at the venue")

    def _violated(self, what: str) -> None:
        self._evidence.violated("books", what)

    def _totals(self, ours: dict[str, object]) -> None:
        balances = {str(a): amount for a, amount in self._evidence.account.balances.items()}
        for asset in sorted(ours.keys() | balances.keys()):
            if ours.get(asset, ZERO) != balances.get(asset, ZERO):
                self._violated(f"{asset}: {ours.get(asset)} here, {balances.get(asset)} there")

    def _fills(self, booked: Counter[TradeId]) -> None:
        theirs = self._trades.keys()
        for trade_id, count in sorted(booked.items()):
            if count > 1 or trade_id not in theirs:
                self._violated(f"execution {trade_id} is booked {count} times")
        for trade_id in sorted(theirs - booked.keys()):
            self._violated(f"execution {trade_id} is not booked")

    def _amounts(self, trade_id: TradeId, booked: VenueTrade) -> None:
        theirs = self._trades.get(trade_id)
        if theirs is None:
            return
        ours = (booked.price, booked.quantity_base, booked.cost_quote, booked.fee_amount)
        if ours != (theirs.price, theirs.quantity_base, theirs.cost_quote, theirs.fee_amount):
            self._violated(f"execution {trade_id} has other amounts: {ours}")
