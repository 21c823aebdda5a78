"""What the exchange tells the outside: records it leaves behind, drained after each call.

Public ones feed the tape, candles and books; private ones carry rows already in the venue's wire
form, to which each session adds its own sequence number.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

from krakked.domain.ids import PairName
from krakked.domain.orders import Side

WireRow: TypeAlias = dict[str, object]
"""One element of a channel's ``data``; numbers are :class:`msgspec.Raw` (see ``sim/wire.py``)."""


class PublicTrade(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One print on the tape."""

    pair: PairName
    price: Decimal
    quantity_base: Decimal
    taker_side: Side
    order_type: Literal["market", "limit"]
    trade_id: int
    at_ns: int


class BookChanged(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The depth of a pair is no longer what it was; ask again."""

    pair: PairName
    at_ns: int


class PrivateMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One update for every session of ``account`` that subscribed to ``channel``."""

    account: str
    channel: Literal["executions", "balances"]
    data: tuple[WireRow, ...]


ExchangeEvent: TypeAlias = PublicTrade | BookChanged | PrivateMessage
