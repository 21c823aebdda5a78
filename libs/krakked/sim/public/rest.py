"""Public REST: one table of methods; every answer in the shape, spelling and precision recorded.

Text of prices carries the pair's decimals, tickers at least five; times are unix seconds, whole
but for trades; the newest candle is the forming one. The key of an answer is the pair's id, unless
the client asked by the v2 symbol: then it is that.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeAlias

from krakked.domain.money import ZERO, plain, to_text
from krakked.domain.times import NS_PER_SECOND, from_seconds, seconds, to_rfc3339
from krakked.sim.exchange.book import Level
from krakked.sim.exchange.errors import UNKNOWN_ASSET, UNKNOWN_METHOD, UNKNOWN_PAIR, VenueError
from krakked.sim.exchange.events import PublicTrade
from krakked.sim.exchange.fees import FeeTier
from krakked.sim.exchange.options import ExchangeOptions
from krakked.sim.exchange.pairs import VenueAsset, VenuePair
from krakked.sim.market.candles import INTERVALS_MIN
from krakked.sim.public.market_data import MarketData
from krakked.sim.public.series import Row
from krakked.sim.public.tape import Tape
from krakked.sim.wire import encode, number, text

PREFIX: Final = "/0/public/"
TICKER_DECIMALS: Final = 5
DEPTH_MAX: Final = 500
TRADES_MAX: Final = 1_000
VENUE: Final = "international"
"""Where its pairs are executed; answers to another name nothing."""
_NUMBER: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,9})?", re.ASCII)
INVALID_ARGUMENTS: Final = "EGeneral:Invalid arguments"

Query: TypeAlias = Mapping[str, str]
PublicFunction: TypeAlias = Callable[[MarketData, Query, int], object]


def answer(data: MarketData, path: str, query: Query, now_ns: int) -> bytes:
    """Serve one request: the whole envelope."""
    function = METHODS.get(path.removeprefix(PREFIX)) if path.startswith(PREFIX) else None
    if function is None:
        return refusal(UNKNOWN_METHOD)
    try:
        result = function(data, query, now_ns)
    except VenueError as error:
        return refusal(str(error))
    return encode({"error": [], "result": result})


def refusal(error: str) -> bytes:
    """The envelope of a request that is not served."""
    return encode({"error": [error]})


def _time(data: MarketData, _query: Query, now_ns: int) -> object:
    unixtime = data.exchange.told_ns(now_ns) // NS_PER_SECOND
    instant = dt.datetime.fromtimestamp(unixtime, tz=dt.UTC)
    return {
        "unixtime": unixtime,
        "rfc1123": instant.strftime("%a, %d %b %y %H:%M:%S +0000"),
    }


def _system_status(data: MarketData, _query: Query, now_ns: int) -> object:
    status = data.exchange.system_status().value
    told_ns = data.exchange.told_ns(now_ns)
    return {"status": status, "timestamp": to_rfc3339(told_ns, decimals=0)}


def _assets(data: MarketData, query: Query, _now_ns: int) -> object:
    if query.get("aclass", "currency") != "currency":
        raise VenueError(UNKNOWN_ASSET)
    wanted = _names(query, "asset")
    spellings = {
        name: asset
        for asset in data.assets.values()
        for name in (asset.id, asset.altname, asset.symbol)
    }
    if wanted is None:
        return {asset.id: _asset(asset) for asset in data.assets.values()}
    if any(name not in spellings for name in wanted):
        raise VenueError(UNKNOWN_ASSET)
    return {spellings[name].id: _asset(spellings[name]) for name in wanted}


def _asset(asset: VenueAsset) -> dict[str, object]:
    return {
        "aclass": "currency",
        "altname": asset.altname,
        "decimals": asset.decimals,
        "display_decimals": asset.display_decimals,
        **_margin(asset),
        "status": "enabled",
    }


def _margin(asset: VenueAsset) -> dict[str, object]:
    row: dict[str, object] = {}
    if asset.collateral_value is not None:
        row["collateral_value"] = _short(asset.collateral_value)
    if asset.margin_rate is not None:
        row["margin_rate"] = to_text(plain(asset.margin_rate))
    return row


def _asset_pairs(data: MarketData, query: Query, _now_ns: int) -> object:
    fields = INFO.get(query.get("info", "info"))
    if fields is None:
        raise VenueError(INVALID_ARGUMENTS)
    if query.get("aclass_base", "currency") not in ("currency", "all"):
        return {}
    if query.get("execution_venue", VENUE) != VENUE:
        return {}
    found = _tapes(data, query)
    return {key: _chosen(_pair(data, tape), fields) for key, tape in found}


def _pair(data: MarketData, tape: Tape) -> dict[str, object]:
    pair, ladder = tape.pair, _ladder(data.exchange.options)
    return {
        "altname": pair.altname,
        "wsname": pair.wsname,
        "aclass_base": "currency",
        "base": pair.base.id,
        "aclass_quote": "currency",
        "quote": pair.quote.id,
        "lot": "unit",
        "cost_decimals": pair.cost_decimals,
        "pair_decimals": pair.pair_decimals,
        "lot_decimals": pair.lot_decimals,
        "lot_multiplier": 1,
        "leverage_buy": list(pair.leverage),
        "leverage_sell": list(pair.leverage),
        "fees": [[int(tier.volume_usd), _short(tier.taker_pct)] for tier in ladder],
        "fees_maker": [[int(tier.volume_usd), _short(tier.maker_pct)] for tier in ladder],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": to_text(pair.order_min),
        "costmin": to_text(pair.cost_min),
        "tick_size": to_text(plain(pair.tick_size)),
        "status": data.exchange.pair_status(pair.altname).value,
        "execution_venue": VENUE,
        **_positions(pair),
    }


def _ladder(options: ExchangeOptions) -> tuple[FeeTier, ...]:
    match options.pair_fees:
        case "ladder":
            return options.fee_ladder
        case "first":
            return options.fee_ladder[:1]
        case "none":
            return ()


def _positions(pair: VenuePair) -> dict[str, object]:
    if not pair.leverage:
        return {}
    long, short = pair.position_limits
    return {"long_position_limit": long, "short_position_limit": short}


INFO: Final[Mapping[str, tuple[str, ...]]] = {
    "info": (),
    "leverage": ("leverage_buy", "leverage_sell"),
    "fees": ("fees", "fees_maker", "fee_volume_currency"),
    "margin": ("margin_call", "margin_stop"),
}
"""What ``info`` leaves of a pair; nothing named, everything left."""


def _chosen(row: dict[str, object], fields: Sequence[str]) -> dict[str, object]:
    return {name: row[name] for name in fields} if fields else row


def _short(value: Decimal) -> object:
    """A bare number without trailing zeros."""
    return number(value, max(0, -int(value.normalize().as_tuple().exponent)))


def _ticker(data: MarketData, query: Query, now_ns: int) -> object:
    found = ((key, _figures(data, tape, now_ns)) for key, tape in _tapes(data, query))
    return {key: row for key, row in found if row is not None}


def _figures(data: MarketData, tape: Tape, now_ns: int) -> dict[str, object] | None:
    figures = tape.figures(now_ns)
    bid, ask = data.quotes(tape)
    if figures is None:
        return None
    lot = tape.pair.lot_decimals

    def price(value: Decimal) -> str:
        return text(value, max(TICKER_DECIMALS, tape.pair.pair_decimals))

    return {
        "a": _quote(ask, price),
        "b": _quote(bid, price),
        "c": [price(figures.last), text(figures.last_quantity, lot)],
        "v": [text(value, lot) for value in figures.volume],
        "p": [price(value) for value in figures.vwap],
        "t": list(figures.count),
        "l": [price(value) for value in figures.low],
        "h": [price(value) for value in figures.high],
        "o": price(figures.open_today),
    }


def _quote(level: Level | None, price: Callable[[Decimal], str]) -> list[str]:
    if level is None:
        return [price(ZERO), "0", "0.000"]
    return [price(level.price), str(int(level.quantity_base)), text(level.quantity_base, 3)]


def _ohlc(data: MarketData, query: Query, now_ns: int) -> object:
    key, tape = _one_tape(data, query)
    minutes = _integer(query, "interval", 1)
    if minutes not in INTERVALS_MIN:
        raise VenueError(INVALID_ARGUMENTS)
    since_s = _integer(query, "since", 0)
    rows = tape.series(minutes).shown(now_ns)
    last_s = rows[-2].start_s if len(rows) > 1 else 0
    first_s = since_s + (data.exchange.options.ohlc_since == "exclusive" and since_s > 0)
    shown = [row for i, row in enumerate(rows) if row.start_s >= first_s or i == len(rows) - 1]
    return {key: [_candle(row, tape.pair) for row in shown], "last": last_s}


def _candle(row: Row, pair: VenuePair) -> list[object]:
    prices = (row.open, row.high, row.low, row.close, row.vwap)
    return [
        row.start_s,
        *(text(price, pair.pair_decimals) for price in prices),
        text(row.volume, pair.lot_decimals),
        row.trades,
    ]


def _depth(data: MarketData, query: Query, _now_ns: int) -> object:
    key, tape = _one_tape(data, query)
    count = _integer(query, "count", 100)
    if not 1 <= count <= DEPTH_MAX:
        raise VenueError(INVALID_ARGUMENTS)
    bids, asks = data.exchange.depth(tape.pair.altname, count)
    return {key: {"asks": _levels(asks, tape.pair), "bids": _levels(bids, tape.pair)}}


def _levels(levels: Sequence[Level], pair: VenuePair) -> list[object]:
    return [
        [
            text(level.price, max(TICKER_DECIMALS, pair.pair_decimals)),
            text(level.quantity_base, 3),
            level.at_ns // NS_PER_SECOND,
        ]
        for level in levels
    ]


def _trades(data: MarketData, query: Query, _now_ns: int) -> object:
    key, tape = _one_tape(data, query)
    count = _integer(query, "count", TRADES_MAX)
    if not 1 <= count <= TRADES_MAX:
        raise VenueError(INVALID_ARGUMENTS)
    since_ns = _since_ns(query)
    log = tape.trades
    shown = log.newest(count) if since_ns is None else log.after(since_ns, count)
    last_ns = shown[-1].at_ns if shown else since_ns or 0
    return {key: [_trade(trade, tape.pair) for trade in shown], "last": str(last_ns)}


def _trade(trade: PublicTrade, pair: VenuePair) -> list[object]:
    return [
        text(trade.price, max(TICKER_DECIMALS, pair.pair_decimals)),
        text(trade.quantity_base, pair.lot_decimals),
        number(seconds(trade.at_ns), 7),
        trade.taker_side.value[0],
        trade.order_type[0],
        "",
        trade.trade_id,
    ]


def _spread(data: MarketData, query: Query, _now_ns: int) -> object:
    key, tape = _one_tape(data, query)
    since_s = _integer(query, "since", 0)
    rows = [row for row in tape.spreads if row.at_ns // NS_PER_SECOND >= since_s]
    decimals = max(TICKER_DECIMALS, tape.pair.pair_decimals)
    last_s = tape.spreads[-1].at_ns // NS_PER_SECOND if tape.spreads else 0
    shown = [
        [row.at_ns // NS_PER_SECOND, text(row.bid, decimals), text(row.ask, decimals)]
        for row in rows
    ]
    return {key: shown, "last": last_s}


METHODS: Final[Mapping[str, PublicFunction]] = {
    "Time": _time,
    "SystemStatus": _system_status,
    "Assets": _assets,
    "AssetPairs": _asset_pairs,
    "Ticker": _ticker,
    "OHLC": _ohlc,
    "Depth": _depth,
    "Trades": _trades,
    "Spread": _spread,
}


def _names(query: Query, field: str) -> list[str] | None:
    given = query.get(field)
    return None if given is None else [name.strip() for name in given.split(",")]


def _tapes(data: MarketData, query: Query) -> list[tuple[str, Tape]]:
    names = _names(query, "pair")
    if names is None:
        return [(tape.pair.id, tape) for tape in data.tapes.values()]
    return [_named(data, name) for name in names]


def _one_tape(data: MarketData, query: Query) -> tuple[str, Tape]:
    name = query.get("pair")
    if name is None:
        raise VenueError(f"{INVALID_ARGUMENTS}:pair")
    return _named(data, name)


def _named(data: MarketData, name: str) -> tuple[str, Tape]:
    tape = data.by_rest_name(name)
    if tape is None:
        raise VenueError(UNKNOWN_PAIR)
    return (name if name == tape.pair.symbol else tape.pair.id), tape


def _integer(query: Query, field: str, default: int) -> int:
    given = query.get(field)
    if given is None:
        return default
    if _NUMBER.fullmatch(given) is None:
        raise VenueError(INVALID_ARGUMENTS)
    return int(Decimal(given))


def _since_ns(query: Query) -> int | None:
    """Trades take unix seconds or nanoseconds; nothing means the newest."""
    given = query.get("since")
    if given is None:
        return None
    since = _integer(query, "since", 0)
    return since if since >= NS_PER_SECOND * 10 else from_seconds(given)
