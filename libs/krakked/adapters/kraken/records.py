"""Answers and frames as the venue sends them, decoded from JSON text by type.

Only the fields that krakked uses: others are ignored, because the venue adds some all the time.
Numbers come as text over REST and bare over WebSocket; either way they become the decimal that was
written. Nothing here is checked for sense: that is ``wire`` and ``frames``.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from krakked.domain.money import ZERO

# REST


class Envelope(msgspec.Struct, frozen=True):
    """Every REST answer."""

    error: list[str] = []
    result: msgspec.Raw = msgspec.Raw(b"null")


class AssetInfo(msgspec.Struct, frozen=True):
    """One row of Assets."""

    altname: str


class PairInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One row of AssetPairs; what may be missing was missing in some recorded year."""

    altname: str
    base: str
    quote: str
    pair_decimals: int
    lot_decimals: int
    cost_decimals: int | None = None
    ordermin: Decimal = ZERO
    costmin: Decimal = ZERO
    tick_size: Decimal | None = None
    status: str = "online"
    fees: list[tuple[Decimal, Decimal]] | None = None
    fees_maker: list[tuple[Decimal, Decimal]] | None = None


class OrderDescription(msgspec.Struct, frozen=True):
    """``descr`` of an order; its pair is the altname."""

    pair: str
    type: str
    ordertype: str
    price: str = "0"


class OrderInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One order of OpenOrders, ClosedOrders, QueryOrders."""

    status: str
    descr: OrderDescription
    vol: Decimal
    vol_exec: Decimal
    cost: Decimal
    fee: Decimal
    opentm: Decimal
    closetm: Decimal | None = None
    cl_ord_id: str | None = None
    reason: str | None = None


class TradeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of TradesHistory, QueryTrades; its pair is the id, not the altname."""

    ordertxid: str
    pair: str
    time: Decimal
    type: str
    price: Decimal
    cost: Decimal
    fee: Decimal
    vol: Decimal
    maker: bool = False


class LedgerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One row of Ledgers."""

    refid: str
    time: Decimal
    type: str
    asset: str
    amount: Decimal
    fee: Decimal
    balance: Decimal
    subtype: str | None = None


class BalanceInfo(msgspec.Struct, frozen=True):
    """One row of BalanceEx."""

    balance: Decimal
    hold_trade: Decimal = ZERO


class FeeInfo(msgspec.Struct, frozen=True):
    """One pair of TradeVolume."""

    fee: Decimal


class TickerInfo(msgspec.Struct, frozen=True):
    """One pair of Ticker; of pairs of numbers the second is of the last 24 hours."""

    c: tuple[Decimal, Decimal]
    """Price and size of the newest trade."""
    v: tuple[Decimal, Decimal]
    """Volume in base."""


class VolumeInfo(msgspec.Struct, frozen=True):
    """TradeVolume."""

    fees: dict[str, FeeInfo] | None = None
    fees_maker: dict[str, FeeInfo] | None = None


class OpenOrdersPage(msgspec.Struct, frozen=True):
    """OpenOrders."""

    open: dict[str, OrderInfo]


class ClosedOrdersPage(msgspec.Struct, frozen=True):
    """ClosedOrders, newest first."""

    closed: dict[str, OrderInfo]
    count: int | None = None

    @property
    def rows(self) -> dict[str, OrderInfo]:
        """By id."""
        return self.closed


class TradesPage(msgspec.Struct, frozen=True):
    """TradesHistory, newest first."""

    trades: dict[str, TradeInfo]
    count: int | None = None

    @property
    def rows(self) -> dict[str, TradeInfo]:
        """By id."""
        return self.trades


class LedgersPage(msgspec.Struct, frozen=True):
    """Ledgers, newest first."""

    ledger: dict[str, LedgerInfo]
    count: int | None = None

    @property
    def rows(self) -> dict[str, LedgerInfo]:
        """By id."""
        return self.ledger


class Candle(msgspec.Struct, frozen=True, array_like=True):
    """One row of OHLC."""

    time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    vwap: Decimal
    volume: Decimal
    count: int


class AddedOrder(msgspec.Struct, frozen=True):
    """AddOrder; without ``txid`` when only validated."""

    txid: list[str] = []


class AmendedOrder(msgspec.Struct, frozen=True):
    """AmendOrder."""

    amend_id: str


class Cancelled(msgspec.Struct, frozen=True):
    """CancelOrder, CancelAll."""

    count: int


class DeadMan(msgspec.Struct, frozen=True, rename="camel"):
    """CancelAllOrdersAfter; ``trigger_time`` is ``"0"`` when disarmed."""

    current_time: str
    trigger_time: str | None = None


class TokenInfo(msgspec.Struct, frozen=True):
    """GetWebSocketsToken."""

    token: str


class KeyInfo(msgspec.Struct, frozen=True):
    """GetApiKeyInfo."""

    permissions: list[str]
    iban: str = ""
    """The account's public number: the same for each of its keys."""


class TimeInfo(msgspec.Struct, frozen=True):
    """Time."""

    unixtime: int


class StatusInfo(msgspec.Struct, frozen=True):
    """SystemStatus."""

    status: str


# WebSocket v2


class TickerRow(msgspec.Struct, frozen=True, gc=False):
    """Best bid and ask, last price, and the volume of 24 hours."""

    symbol: str
    bid: Decimal
    ask: Decimal
    last: Decimal
    volume: Decimal


class TickerFrame(msgspec.Struct, frozen=True, tag_field="channel", tag="ticker"):
    """Channel ``ticker``."""

    data: list[TickerRow]


class WsCandle(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One bar of channel ``ohlc``; there is no word for closed."""

    symbol: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: int
    interval: int
    interval_begin: str


class OhlcFrame(msgspec.Struct, frozen=True, tag_field="channel", tag="ohlc"):
    """Channel ``ohlc``."""

    data: list[WsCandle]


class PairRow(msgspec.Struct, frozen=True, gc=False):
    """What is used of a pair in channel ``instrument``."""

    symbol: str
    status: str
    qty_precision: int | None = None
    cost_precision: int | None = None
    price_increment: Decimal | None = None
    qty_min: Decimal | None = None
    cost_min: Decimal | None = None


class InstrumentData(msgspec.Struct, frozen=True):
    """An object, where other channels have a list."""

    pairs: list[PairRow] = []


class InstrumentFrame(msgspec.Struct, frozen=True, tag_field="channel", tag="instrument"):
    """Channel ``instrument``."""

    data: InstrumentData


class SystemRow(msgspec.Struct, frozen=True):
    """The venue's own state."""

    system: str


class StatusFrame(msgspec.Struct, frozen=True, tag_field="channel", tag="status"):
    """Channel ``status``."""

    data: list[SystemRow]


class FeeRow(msgspec.Struct, frozen=True):
    """What an execution cost, in one asset."""

    asset: str = ""
    qty: Decimal | None = None


class ExecutionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One report on an order; updates name only what changed."""

    order_id: str
    exec_type: str
    timestamp: str
    order_status: str | None = None
    cl_ord_id: str | None = None
    exec_id: str | None = None
    symbol: str | None = None
    side: str | None = None
    last_qty: Decimal | None = None
    last_price: Decimal | None = None
    cost: Decimal | None = None
    liquidity_ind: str | None = None
    fees: list[FeeRow] | None = None
    cum_qty: Decimal | None = None
    reason: str | None = None


class ExecutionsFrame(msgspec.Struct, frozen=True, tag_field="channel", tag="executions"):
    """Channel ``executions``; numbered from 1 with the snapshot."""

    data: list[ExecutionRow]
    type: str = "update"
    sequence: int | None = None


class HeartbeatFrame(msgspec.Struct, frozen=True, tag_field="channel", tag="heartbeat"):
    """Nothing else flows."""


class ReplyResult(msgspec.Struct, frozen=True):
    """What was subscribed; one reply per symbol."""

    channel: str = ""
    symbol: str = ""
    interval: int | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a request, or (with ``channel``) a frame of a channel that we do not know."""

    method: str = ""
    channel: str = ""
    symbol: str = ""
    """On a refusal, beside ``error``."""
    success: bool | None = None
    error: str | None = None
    req_id: int | None = None
    result: ReplyResult | None = None
