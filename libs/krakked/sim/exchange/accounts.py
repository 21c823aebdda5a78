"""Accounts: balances, what open orders hold of them, and the rows that explain every change.

A balance changes by a ledger row and in no other way, so the rows of an asset always sum to its
balance. A hold is no change: it only lowers what is available. It belongs to one open order, and
the holds of an asset are the sum over the open orders, at all times.
"""

from __future__ import annotations

from decimal import Decimal

from krakked.domain.ids import Asset, ClientOrderId, PairName, VenueOrderId
from krakked.domain.money import ZERO
from krakked.sim.exchange.fees import RollingVolume
from krakked.sim.exchange.limits import LIMITS, Counter, Tier, TierLimits
from krakked.sim.exchange.orders import LedgerRow, Order
from krakked.sim.exchange.rows import History
from krakked.sim.exchange.trades import TradeHistory


class Account:
    """One client of the exchange."""

    def __init__(self, name: str, tier: Tier, position_txid: str) -> None:
        self.name = name
        self.tier = tier
        self.position_txid = position_txid
        """What ``postxid`` of its trades says."""
        self.balances: dict[Asset, Decimal] = {}
        self.held: dict[Asset, Decimal] = {}
        self.orders: dict[VenueOrderId, Order] = {}
        self.open: dict[VenueOrderId, Order] = {}
        self.by_client_id: dict[ClientOrderId, Order] = {}
        """Open orders only: the scope in which client ids are unique."""
        self.open_count: dict[PairName, int] = {}
        self.closed: History[Order] = History()
        self.trades = TradeHistory()
        self.ledger: History[LedgerRow] = History()
        self.volume = RollingVolume()
        self.dead_man_ns: int | None = None
        self.hidden: dict[VenueOrderId, int] = {}
        """Orders that queries do not show before that instant (a fault)."""
        self._counters: dict[PairName, Counter] = {}

    def __repr__(self) -> str:
        return (
            f"<Account {self.name}: {len(self.open)} open, {len(self.closed)} closed, "
            f"{len(self.trades)} trades>"
        )

    @property
    def limits(self) -> TierLimits | None:
        """What its tier allows."""
        return LIMITS[self.tier]

    def counter(self, pair: PairName) -> Counter:
        """The matching engine's counter for this account on that pair."""
        found = self._counters.get(pair)
        if found is None:
            found = self._counters[pair] = Counter()
        return found

    def balance(self, asset: Asset) -> Decimal:
        """All of it, held or not."""
        return self.balances.get(asset, ZERO)

    def available(self, asset: Asset) -> Decimal:
        """What new orders may use."""
        return self.balances.get(asset, ZERO) - self.held.get(asset, ZERO)

    def post(self, row: LedgerRow) -> None:
        """Apply one ledger row: the only way a balance changes."""
        after = self.balance(row.asset) + row.amount - row.fee
        assert after == row.balance, "the row says what the balance becomes"
        assert after >= 0, f"{self.name} cannot owe {row.asset}"
        self.balances[row.asset] = after
        self.ledger.append(row.ledger_id, row.at_ns, row)

    def set_hold(self, order: Order, asset: Asset, amount: Decimal) -> None:
        """Make one order hold that much."""
        self.held[asset] = self.held.get(asset, ZERO) + amount - order.hold
        order.hold = amount

    def enter(self, order: Order) -> None:
        """Take in a new order."""
        self.orders[order.order_id] = order
        self.open[order.order_id] = order
        self.open_count[order.ask.pair] = self.open_count.get(order.ask.pair, 0) + 1
        if order.ask.cl_ord_id is not None:
            self.by_client_id[order.ask.cl_ord_id] = order

    def leave(self, order: Order) -> None:
        """Move an ended order into history."""
        assert order.is_done, "only ended orders leave"
        assert order.hold == 0, "an ended order holds nothing"
        del self.open[order.order_id]
        self.open_count[order.ask.pair] -= 1
        if order.ask.cl_ord_id is not None:
            del self.by_client_id[order.ask.cl_ord_id]
        order.closed_number = len(self.closed)
        self.closed.append(order.order_id, order.closed_ns, order)
