"""The venue that is followed, as its public REST and its frames tell of it.

Names, rules and errors are the adapter's business; here is what only a mirror asks for: the assets'
own decimals, whole books with their sums, trades one by one.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from krakked.adapters.kraken.rate_limit import Tier
from krakked.adapters.kraken.records import (
    AssetInfo,
    HeartbeatFrame,
    InstrumentFrame,
    PairInfo,
    Reply,
    StatusFrame,
    TimeInfo,
)
from krakked.adapters.kraken.records import Candle as CandleInfo
from krakked.adapters.kraken.transport import RestSettings, Transport
from krakked.adapters.kraken.wire import Instruments, candles_of, not_negative, positive
from krakked.domain.errors import Transient
from krakked.domain.ids import Asset, PairName
from krakked.domain.orders import Side
from krakked.domain.pairs import PairStatus
from krakked.domain.times import NS_PER_SECOND, from_rfc3339, from_seconds
from krakked.ports.clock import Clock
from krakked.sim.exchange.mirrored import MirroredTrade
from krakked.sim.exchange.pairs import VenueAsset, VenuePair
from krakked.sim.market.candles import INTERVALS_MIN, Candle
from krakked.sim.market.following import BookTold, PairPast

TRADES_PAGE: Final = 1_000
MISSED_PAGES_MAX: Final = 20
"""After a longer gap the trades in between are not told."""
MICROSECOND_NS: Final = 1_000
"""REST tells trades to the nanosecond, WebSocket to this: both are cut to it."""
TRIES: Final = 4
PAUSE_S: Final = 2.0


class AssetRow(msgspec.Struct, frozen=True, kw_only=True):
    """What else Assets says of one."""

    decimals: int
    display_decimals: int
    collateral_value: Decimal | None = None
    margin_rate: Decimal | None = None


class PairRow(msgspec.Struct, frozen=True, kw_only=True):
    """What else AssetPairs says of one."""

    base: str
    quote: str
    pair_decimals: int
    wsname: str = ""
    leverage_buy: tuple[int, ...] = ()
    long_position_limit: int = 0
    short_position_limit: int = 0


class TradeRow(msgspec.Struct, frozen=True, array_like=True):
    """One row of Trades."""

    price: Decimal
    volume: Decimal
    time: Decimal
    side: str
    order_type: str
    misc: str = ""
    trade_id: int = 0


class DepthInfo(msgspec.Struct, frozen=True):
    """Depth of one pair: price, size, time."""

    asks: list[tuple[Decimal, Decimal, int]]
    bids: list[tuple[Decimal, Decimal, int]]


class LevelRow(msgspec.Struct, frozen=True, gc=False):
    """One level of a book frame."""

    price: Decimal
    qty: Decimal


class BookRow(msgspec.Struct, frozen=True, kw_only=True):
    """The one row of a book frame."""

    symbol: str
    checksum: int
    bids: list[LevelRow] = []
    asks: list[LevelRow] = []
    timestamp: str = ""


class BookFrame(msgspec.Struct, frozen=True, tag_field="channel", tag="book"):
    """Channel ``book``."""

    data: list[BookRow]
    type: str = "update"


class WsTrade(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of a trade frame."""

    symbol: str
    side: str
    price: Decimal
    qty: Decimal
    ord_type: str
    trade_id: int
    timestamp: str


class TradeFrame(msgspec.Struct, frozen=True, tag_field="channel", tag="trade"):
    """Channel ``trade``."""

    data: list[WsTrade]


SourceFrame: TypeAlias = BookFrame | TradeFrame | StatusFrame | InstrumentFrame | HeartbeatFrame

_FRAME: Final[msgspec.json.Decoder[SourceFrame]] = msgspec.json.Decoder(SourceFrame)
_REPLY: Final = msgspec.json.Decoder(Reply)
_TIME: Final = msgspec.json.Decoder(TimeInfo)
_ASSETS: Final = msgspec.json.Decoder(dict[str, AssetInfo])
_ASSET_ROWS: Final = msgspec.json.Decoder(dict[str, AssetRow], strict=False)
_PAIRS: Final = msgspec.json.Decoder(dict[str, PairInfo])
_PAIR_ROWS: Final = msgspec.json.Decoder(dict[str, PairRow])
_KEYED: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TRADES: Final = msgspec.json.Decoder(list[TradeRow])
_DEPTH: Final = msgspec.json.Decoder(DepthInfo)


NONSENSE: Final = (ValueError, ArithmeticError)
"""What decoding raises when something cannot be what it should be."""
_CHANNELS: Final = frozenset({"book", "trade", "status", "instrument", "heartbeat"})


def decode(text: str | bytes) -> SourceFrame | Reply | None:
    """One frame; None if it is of no channel that a mirror knows.

    Raises:
        DecodeError: it is no frame, or of a channel that we know and not as we know it.
    """
    try:
        return _FRAME.decode(text)
    except msgspec.ValidationError:
        reply = _REPLY.decode(text)
        if reply.channel in _CHANNELS:
            raise
        return None if reply.channel else reply


def book_told(frame: BookFrame, row: BookRow) -> BookTold:
    """A message about a book.

    Raises:
        ValueError: a number cannot be.
    """
    return BookTold(
        is_snapshot=frame.type == "snapshot",
        bids=[_level(level) for level in row.bids],
        asks=[_level(level) for level in row.asks],
        checksum=row.checksum,
    )


def _level(row: LevelRow) -> tuple[Decimal, Decimal]:
    return positive(row.price, "price"), not_negative(row.qty, "qty")


def trade_told(row: WsTrade, *, matches: bool) -> MirroredTrade:
    """A trade of a frame.

    Raises:
        ValueError: a number or word cannot be.
    """
    return MirroredTrade(
        price=positive(row.price, "price"),
        quantity_base=positive(row.qty, "qty"),
        taker_side=Side(row.side),
        order_type=_order_type(row.ord_type),
        trade_id=row.trade_id,
        at_ns=_cut(from_rfc3339(row.timestamp)),
        matches=matches,
    )


def _past_trade(row: TradeRow) -> MirroredTrade:
    return MirroredTrade(
        price=positive(row.price, "price"),
        quantity_base=positive(row.volume, "volume"),
        taker_side=Side.BUY if row.side == "b" else Side.SELL,
        order_type=_order_type(row.order_type),
        trade_id=row.trade_id,
        at_ns=_cut(from_seconds(row.time)),
        matches=False,
    )


def _order_type(word: str) -> Literal["market", "limit"]:
    return "limit" if word.startswith("l") else "market"


def _cut(at_ns: int) -> int:
    return at_ns - at_ns % MICROSECOND_NS


class Source:
    """The other venue's REST, and its pairs under all their names."""

    def __init__(self, rest_url: str, clock: Clock) -> None:
        self.rest_url = rest_url.rstrip("/")
        tier = Tier.NONE if is_loopback(self.rest_url) else Tier.STARTER
        self.transport = Transport(RestSettings(url=self.rest_url, tier=tier), clock)
        self._clock = clock
        self._instruments = Instruments({}, {})
        self._assets: dict[str, AssetRow] = {}
        self.pairs: dict[PairName, VenuePair] = {}

    def __repr__(self) -> str:
        return f"<Source {self.rest_url} {len(self.pairs)} pairs>"

    def status(self, pair: PairName) -> PairStatus:
        """What it allowed on a pair when it was asked."""
        return self._instruments.pair(pair).status

    async def close(self) -> None:
        """Let go of all connections."""
        await self.transport.close()

    async def offset_ns(self) -> int:
        """How far its clock is ahead of ours, to the second."""
        raw = await self._ask("Time")
        return _TIME.decode(raw).unixtime * NS_PER_SECOND - self._clock.now_ns()

    async def learn_pairs(self) -> None:
        """Rules and names of everything it lists."""
        assets, rows = await self._ask("Assets"), await self._ask("AssetPairs")
        self._instruments = Instruments(_ASSETS.decode(assets), _PAIRS.decode(rows))
        self._assets = _ASSET_ROWS.decode(assets)
        for pair_id, row in _PAIR_ROWS.decode(rows).items():
            name = self._instruments.name_of(pair_id)
            if name is not None and {row.base, row.quote} <= self._assets.keys():
                self.pairs[name] = self._pair(name, pair_id, row)

    def _pair(self, name: PairName, pair_id: str, row: PairRow) -> VenuePair:
        rules, symbol = self._instruments.pair(name), self._instruments.symbol(name)
        codes = symbol.split("/")
        base = _asset(row.base, self._assets[row.base], rules.base, codes[0])
        quote = _asset(row.quote, self._assets[row.quote], rules.quote, codes[1])
        return VenuePair(
            id=pair_id,
            altname=name,
            wsname=row.wsname or f"{base.altname}/{quote.altname}",
            symbol=symbol,
            base=base,
            quote=quote,
            pair_decimals=row.pair_decimals,
            lot_decimals=rules.quantity_decimals,
            cost_decimals=rules.cost_decimals,
            order_min=rules.quantity_min,
            cost_min=rules.cost_min,
            tick_size=rules.tick_size,
            leverage=row.leverage_buy,
            position_limits=(row.long_position_limit, row.short_position_limit),
        )

    async def past(self, pair: PairName) -> PairPast:
        """Candles of every length, and the newest trades."""
        candles: dict[int, Sequence[Candle]] = {}
        asked_ns: dict[int, int] = {}
        for minutes in INTERVALS_MIN:
            asked_ns[minutes] = self._clock.now_ns()
            candles[minutes] = await self._candles(pair, minutes)
        return PairPast(trades=await self._trades(pair, None), candles=candles, candles_ns=asked_ns)

    async def missed(self, pair: PairName, since_ns: int) -> list[MirroredTrade]:
        """Trades since an instant, oldest first; with it, since several may share it."""
        found: list[MirroredTrade] = []
        for _ in range(MISSED_PAGES_MAX):
            page = await self._trades(pair, since_ns - 1)
            new = [trade for trade in page if not found or trade.trade_id > found[-1].trade_id]
            found += new
            if len(page) < TRADES_PAGE or not new:
                break
            since_ns = page[-1].at_ns
        return found

    async def best(self, pair: PairName) -> tuple[Decimal | None, Decimal | None]:
        """Bid and ask by REST."""
        raw = await self._ask("Depth", {"pair": pair, "count": "1"}, subject=pair)
        depth = _DEPTH.decode(_only(raw))
        bids, asks = depth.bids, depth.asks
        return (bids[0][0] if bids else None), (asks[0][0] if asks else None)

    async def _candles(self, pair: PairName, minutes: int) -> list[Candle]:
        params = {"pair": pair, "interval": str(minutes)}
        raw = await self._ask("OHLC", params, subject=pair)
        rows, _ = candles_of(_KEYED.decode(raw))
        return [_candle(row, minutes) for i, row in enumerate(rows) if row.count or i == 0]

    async def _trades(self, pair: PairName, since_ns: int | None) -> list[MirroredTrade]:
        params = {"pair": pair, "count": str(TRADES_PAGE)}
        if since_ns is not None:
            params["since"] = str(max(since_ns, 0))
        raw = await self._ask("Trades", params, subject=pair)
        return [_past_trade(row) for row in _TRADES.decode(_only(raw))]

    async def _ask(
        self, method: str, params: dict[str, str] | None = None, *, subject: str | None = None
    ) -> msgspec.Raw:
        """Ask, and ask again where the venue wants to be asked later."""
        for _ in range(TRIES - 1):
            try:
                return await self.transport.public(method, params, subject=subject)
            except Transient as error:
                if error.retry_after_s is None:
                    raise
                await self._clock.sleep(max(error.retry_after_s, PAUSE_S))
        return await self.transport.public(method, params, subject=subject)


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine: asked as fast as it answers."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def pasts_of(source: Source, pairs: Iterable[PairName]) -> dict[PairName, PairPast]:
    """The past of several pairs, asked for beside each other.

    Raises:
        KrakkedError: the first thing that went wrong.
    """
    try:
        async with asyncio.TaskGroup() as group:
            asking = {name: group.create_task(source.past(name)) for name in pairs}
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    return {name: task.result() for name, task in asking.items()}


def _only(raw: msgspec.Raw) -> msgspec.Raw:
    """What stands under the only key that is not ``last``."""
    keyed = _KEYED.decode(raw)
    keys = [key for key in keyed if key != "last"]
    if len(keys) != 1:
        raise ValueError(f"expected one pair, got {sorted(keyed)}")
    return keyed[keys[0]]


def _asset(asset_id: str, row: AssetRow, altname: Asset, symbol: str) -> VenueAsset:
    return VenueAsset(
        id=asset_id,
        altname=altname,
        symbol=symbol,
        decimals=row.decimals,
        display_decimals=row.display_decimals,
        collateral_value=row.collateral_value or None,
        margin_rate=row.margin_rate,
    )


def _candle(row: CandleInfo, minutes: int) -> Candle:
    for name in ("open", "high", "low", "close"):
        positive(getattr(row, name), name)
    return Candle(
        start_s=row.time,
        minutes=minutes,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=not_negative(row.volume, "volume"),
        trades=row.count,
        vwap=not_negative(row.vwap, "vwap"),
    )
