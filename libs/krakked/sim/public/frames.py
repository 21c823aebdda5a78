"""Public WebSocket v2 frames: each is encoded once, whoever gets it.

Numbers are bare JSON numbers at the pair's precision, trailing zeros included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeAlias

from krakked.domain.money import ONE, ZERO, quantum
from krakked.domain.orders import Side
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.book import Level
from krakked.sim.exchange.events import PublicTrade
from krakked.sim.exchange.pairs import VenueAsset, VenuePair
from krakked.sim.public.checksum import book_checksum
from krakked.sim.public.series import CandleSeries, Row
from krakked.sim.public.tape import Figures
from krakked.sim.wire import encode, instant, number

Quotes: TypeAlias = tuple[Level | None, Level | None]
LevelMap: TypeAlias = Mapping[Decimal, Decimal]
HEARTBEAT: Final = b'{"channel":"heartbeat"}'
VERSION: Final = "2.0.10"


def status(system: str, connection_id: int) -> bytes:
    """The first frame of a connection, and again whenever the system's state changes."""
    row = {
        "version": VERSION,
        "system": system,
        "api_version": "v2",
        "connection_id": connection_id,
        "upcoming_maintenance": [],
        "emergency": [],
    }
    return encode({"channel": "status", "type": "update", "data": [row]})


def ticker(kind: str, pair: VenuePair, figures: Figures, quotes: Quotes, now_ns: int) -> bytes:
    """Quotes and the last 24 hours."""
    bid, ask = quotes
    price, lot = pair.pair_decimals, pair.lot_decimals
    change = figures.last - figures.open_24h
    change_pct = change * 100 / figures.open_24h if figures.open_24h else ZERO
    row = {
        "symbol": pair.symbol,
        "bid": number(bid.price if bid else ZERO, price),
        "bid_qty": number(bid.quantity_base if bid else ZERO, lot),
        "ask": number(ask.price if ask else ZERO, price),
        "ask_qty": number(ask.quantity_base if ask else ZERO, lot),
        "last": number(figures.last, price),
        "volume": number(figures.volume[1], lot),
        "vwap": number(figures.vwap[1], price),
        "low": number(figures.low[1], price),
        "high": number(figures.high[1], price),
        "change": number(change, price),
        "change_pct": number(change_pct, 2),
        "trades": figures.count[1],
        "timestamp": instant(now_ns),
    }
    return encode({"channel": "ticker", "type": kind, "data": [row]})


def ohlc(
    kind: str, pair: VenuePair, series: CandleSeries, rows: Iterable[Row], now_ns: int
) -> bytes:
    """Candles; an update carries the one that changed."""
    return encode(
        {
            "channel": "ohlc",
            "type": kind,
            "timestamp": instant(now_ns, decimals=9),
            "data": [_candle(pair, series, row) for row in rows],
        }
    )


def _candle(pair: VenuePair, series: CandleSeries, row: Row) -> dict[str, object]:
    price = pair.pair_decimals
    begin_ns = row.start_s * NS_PER_SECOND
    return {
        "symbol": pair.symbol,
        "open": number(row.open, price),
        "high": number(row.high, price),
        "low": number(row.low, price),
        "close": number(row.close, price),
        "trades": row.trades,
        "volume": number(row.volume, pair.lot_decimals),
        "vwap": number(row.vwap, price),
        "interval_begin": instant(begin_ns, decimals=9),
        "interval": series.minutes,
        "timestamp": instant(begin_ns + series.step_s * NS_PER_SECOND),
    }


def trades(kind: str, pair: VenuePair, prints: Iterable[PublicTrade]) -> bytes:
    """Prints, oldest first."""
    rows = [
        {
            "symbol": pair.symbol,
            "side": item.taker_side.value,
            "price": number(item.price, pair.pair_decimals),
            "qty": number(item.quantity_base, pair.lot_decimals),
            "ord_type": item.order_type,
            "trade_id": item.trade_id,
            "timestamp": instant(item.at_ns),
        }
        for item in prints
    ]
    return encode({"channel": "trade", "type": kind, "data": rows})


class BookView:
    """A book to some depth as its subscribers know it, and the frames that keep it so."""

    def __init__(self, pair: VenuePair, depth: int) -> None:
        self.pair = pair
        self.depth = depth
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}

    def __repr__(self) -> str:
        return f"<BookView {self.pair.altname} {self.depth}>"

    def snapshot(self, now_ns: int) -> bytes:
        """All of it."""
        return self._frame("snapshot", self._bids, self._asks, now_ns)

    def update(self, bids: Sequence[Level], asks: Sequence[Level], now_ns: int) -> bytes | None:
        """Take over the new levels; the frame that tells the difference, None if there is none."""
        new_bids, new_asks = _levels(bids), _levels(asks)
        changed_bids = self._difference(self._bids, new_bids, Side.BUY)
        changed_asks = self._difference(self._asks, new_asks, Side.SELL)
        self._bids, self._asks = new_bids, new_asks
        if not changed_bids and not changed_asks:
            return None
        return self._frame("update", changed_bids, changed_asks, now_ns)

    def _difference(self, old: LevelMap, new: LevelMap, side: Side) -> dict[Decimal, Decimal]:
        """What a client must be told, who cuts its book to the depth after each message.

        A level that better ones have pushed out is not taken back: it is cut.
        """
        is_full = len(new) == self.depth
        edge = list(new)[-1] if is_full else ZERO
        gone = {
            price: ZERO
            for price in old
            if price not in new and not (is_full and side.sign * (edge - price) > 0)
        }
        return gone | {price: size for price, size in new.items() if old.get(price) != size}

    def _frame(self, kind: str, bids: LevelMap, asks: LevelMap, now_ns: int) -> bytes:
        pair = self.pair
        row = {
            "symbol": pair.symbol,
            "bids": [_level(pair, *level) for level in bids.items()],
            "asks": [_level(pair, *level) for level in asks.items()],
            "checksum": book_checksum(
                list(self._asks.items()),
                list(self._bids.items()),
                price_decimals=pair.pair_decimals,
                quantity_decimals=pair.lot_decimals,
            ),
            "timestamp": instant(now_ns),
        }
        return encode({"channel": "book", "type": kind, "data": [row]})


def _levels(levels: Sequence[Level]) -> dict[Decimal, Decimal]:
    return {level.price: level.quantity_base for level in levels}


def _level(pair: VenuePair, price: Decimal, quantity_base: Decimal) -> dict[str, object]:
    return {
        "price": number(price, pair.pair_decimals),
        "qty": number(quantity_base, pair.lot_decimals),
    }


def instrument(
    kind: str, assets: Iterable[VenueAsset], pairs: Iterable[tuple[VenuePair, str]]
) -> bytes:
    """Reference data; pairs come with their status."""
    data = {
        "assets": [_asset(asset) for asset in assets],
        "pairs": [_pair(pair, pair_status) for pair, pair_status in pairs],
    }
    return encode({"channel": "instrument", "type": kind, "data": data})


def _asset(asset: VenueAsset) -> dict[str, object]:
    return {
        "id": asset.symbol,
        "status": "enabled",
        "precision": asset.decimals,
        "precision_display": asset.display_decimals,
        "borrowable": asset.margin_rate is not None,
        "collateral_value": number(asset.collateral_value or ZERO, 2),
        "margin_rate": number(asset.margin_rate or ZERO, 3),
    }


def _pair(pair: VenuePair, pair_status: str) -> dict[str, object]:
    step = number(pair.tick_size, pair.pair_decimals)
    return {
        "symbol": pair.symbol,
        "base": pair.base.symbol,
        "quote": pair.quote.symbol,
        "status": pair_status,
        "qty_precision": pair.lot_decimals,
        "qty_increment": number(quantum(pair.lot_decimals), pair.lot_decimals),
        "price_precision": pair.pair_decimals,
        "cost_precision": pair.cost_decimals,
        "marginable": bool(pair.leverage),
        "has_index": bool(pair.leverage),
        "cost_min": number(pair.cost_min, pair.cost_decimals),
        **_margin(pair),
        "tick_size": step,
        "price_increment": step,
        "qty_min": number(pair.order_min, pair.lot_decimals),
    }


def _margin(pair: VenuePair) -> dict[str, object]:
    if not pair.leverage:
        return {}
    long, short = pair.position_limits
    return {
        "margin_initial": number(ONE / pair.leverage[-1], 2),
        "position_limit_long": long,
        "position_limit_short": short,
    }
