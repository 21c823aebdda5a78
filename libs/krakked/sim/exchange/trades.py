"""An account's fills, one by one and merged as the venue shows them by default: what one order took
at one instant is one trade.

How the venue names a merged trade is not recorded; here it has the ids of its first fill.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from krakked.domain.ids import TradeId
from krakked.domain.money import ZERO
from krakked.sim.exchange.orders import Trade
from krakked.sim.exchange.rows import History


class TradeHistory(History[Trade]):
    """Fills in order; it knows which of them one taking made together."""

    def __init__(self) -> None:
        super().__init__()
        self._followers: dict[TradeId, list[Trade]] = {}
        self._heads: dict[TradeId, TradeId] = {}

    def append(self, row_id: str, at_ns: int, row: Trade) -> None:
        """Add the newest fill."""
        before = self.newest(1)
        super().append(row_id, at_ns, row)
        if before and _one_taking(before[0], row):
            newest = before[0].trade_txid
            head = self._heads[row.trade_txid] = self._heads.get(newest, newest)
            self._followers.setdefault(head, []).append(row)

    @property
    def has_merged(self) -> bool:
        """Whether any fills belong together."""
        return bool(self._heads)

    def leads(self, trade: Trade) -> bool:
        """Whether it is the first fill of its taking."""
        return trade.trade_txid not in self._heads

    def merged(self, trade: Trade) -> Trade:
        """All that was taken together with this first fill, as one trade."""
        followers = self._followers.get(trade.trade_txid)
        return trade if followers is None else _sum([trade, *followers])

    def leading(self, ids: Iterable[TradeId]) -> list[TradeId]:
        """Those that are first fills."""
        return [each for each in ids if each not in self._heads]


def _one_taking(before: Trade, trade: Trade) -> bool:
    return (
        not before.maker
        and not trade.maker
        and (before.order_id, before.at_ns) == (trade.order_id, trade.at_ns)
    )


def _sum(fills: list[Trade]) -> Trade:
    quantity = sum((fill.quantity_base for fill in fills), ZERO)
    worth = sum((fill.price * fill.quantity_base for fill in fills), ZERO)
    return msgspec.structs.replace(
        fills[0],
        price=worth / quantity,
        quantity_base=quantity,
        cost_quote=sum((fill.cost_quote for fill in fills), ZERO),
        fee_quote=sum((fill.fee_quote for fill in fills), ZERO),
        fee_amount=sum((fill.fee_amount for fill in fills), ZERO),
        ledgers=tuple(row for fill in fills for row in fill.ledgers),
    )
