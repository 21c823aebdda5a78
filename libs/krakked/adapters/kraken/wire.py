"""The venue's numbers and spellings become krakked's here; nothing of them gets past the adapter.

A pair has four names: id ``XXBTZUSD``, altname ``XBTUSD`` (canonical in krakked), wsname
``XBT/USD`` (listed, but refused) and the v2 symbol ``BTC/USD``. :class:`Instruments` knows them.

Numbers are read from their text into exact decimals, trailing zeros kept, and each must be finite
and within bounds before it is used: a JSON reader lets NaN, infinities and 1E+999999 through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

import msgspec

from krakked.adapters.kraken.records import (
    AssetInfo,
    BalanceInfo,
    Candle,
    LedgerInfo,
    OrderDescription,
    OrderInfo,
    PairInfo,
    PairRow,
    TickerInfo,
    TradeInfo,
    VolumeInfo,
    WsCandle,
)
from krakked.domain.bars import VOLUME_DECIMALS, Bar
from krakked.domain.fills import Liquidity, VenueTrade
from krakked.domain.ids import (
    Asset,
    ClientOrderId,
    LedgerId,
    PairName,
    TradeId,
    VenueOrderId,
)
from krakked.domain.money import (
    DECIMALS_MAX,
    ONE,
    BadAmount,
    check_amount,
    parse_amount,
    quantum,
    ticks_from_price,
)
from krakked.domain.orders import Side, VenueOrder, VenueStatus
from krakked.domain.pairs import Pair, PairRules, PairStatus
from krakked.domain.times import from_seconds
from krakked.ports.exchange import Balance, Fees, LedgerRow
from krakked.ports.market_feed import Ticker

_V2_CODES: Final = {"XBT": "BTC", "XDG": "DOGE"}
_ASSETS_BY_V2_CODE: Final = {code: Asset(asset) for asset, code in _V2_CODES.items()}
_DARK_POOL: Final = ".d"
_INT64_MAX: Final = 2**63 - 1
_VOLUME_MAX: Final = 2**62
"""Bars hold volumes as whole 10^-8 in 64 bits; coins worth next to nothing can exceed that."""


# numbers


def not_negative(value: Decimal, what: str) -> Decimal:
    """``value`` if it is finite, bounded and at least zero.

    Raises:
        BadAmount: it is not; names ``what``.
    """
    if check_amount(value, what=what) < 0:
        raise BadAmount(f"{what}: {value} is negative")
    return value


def positive(value: Decimal, what: str) -> Decimal:
    """``value`` if it is finite, bounded and above zero.

    Raises:
        BadAmount: it is not; names ``what``.
    """
    if check_amount(value, what=what) <= 0:
        raise BadAmount(f"{what}: {value} is not positive")
    return value


def instant_ns(value: Decimal, what: str) -> int:
    """Nanoseconds of a time in unix seconds (four to seven decimals on the wire)."""
    return from_seconds(not_negative(value, what))


# names


class Instruments:
    """Every pair and asset of the venue under all of their names."""

    def __init__(
        self,
        assets: Mapping[str, AssetInfo],
        rows: Mapping[str, PairInfo],
        *,
        before: Instruments | None = None,
    ) -> None:
        self._assets = {venue_id: Asset(info.altname) for venue_id, info in assets.items()}
        self.problems: list[str] = []
        """Pairs that could not be understood, and why: they are left out."""
        self.pairs: dict[PairName, Pair] = {}
        self._names: dict[str, PairName] = {}
        self._symbols: dict[PairName, str] = {}
        for venue_id, info in rows.items():
            if not info.altname.endswith(_DARK_POOL):
                self._add(venue_id, info)
        self._bar_ticks: dict[PairName, Decimal] = {
            name: pair.tick_size for name, pair in self.pairs.items()
        }
        if before is not None:
            self._bar_ticks |= before._bar_ticks

    def __repr__(self) -> str:
        return f"<Instruments {len(self.pairs)} pairs, {len(self._assets)} assets>"

    def pair(self, name: PairName) -> Pair:
        """The rules of a pair by its canonical name.

        Raises:
            KeyError: the venue does not list it.
        """
        return self.pairs[name]

    def bar_tick(self, name: PairName) -> Decimal:
        """Step of a pair's bars: as it was at first, for bars of one run are of one step.

        Raises:
            KeyError: the venue does not list it.
        """
        return self._bar_ticks[name]

    def name_of(self, spelling: str) -> PairName | None:
        """The canonical name of a pair by its id, altname or v2 symbol."""
        return self._names.get(spelling)

    def symbol(self, name: PairName) -> str:
        """The v2 symbol of a pair.

        Raises:
            KeyError: the venue does not list it.
        """
        return self._symbols[name]

    def asset(self, code: str) -> tuple[Asset, str]:
        """Canonical asset and kind: ``XXBT`` → (XBT, spot), ``XBT.F`` → (XBT, F)."""
        head, _, suffix = code.partition(".")
        return self._assets.get(head, Asset(head)), suffix or "spot"

    def asset_of_code(self, code: str) -> Asset:
        """The canonical asset behind a code of the v2 streams: ``BTC`` → XBT."""
        return _ASSETS_BY_V2_CODE.get(code, Asset(code))

    def quote_of(self, spelling: str) -> Asset:
        """The quote asset of a pair, also of one that is listed no more.

        Raises:
            ValueError: no asset that we know ends its name.
        """
        name = self.name_of(spelling)
        if name is not None:
            return self.pairs[name].quote
        codes: dict[str, Asset] = {asset: asset for asset in self._assets.values()}
        codes.update(self._assets)
        endings = [code for code in codes if spelling.endswith(code) and code != spelling]
        if not endings:
            raise ValueError(f"pair {spelling!r} is unknown, and so is its quote asset")
        return codes[max(endings, key=len)]

    def _add(self, venue_id: str, info: PairInfo) -> None:
        try:
            pair = _pair(info, self.asset(info.base)[0], self.asset(info.quote)[0])
        except ValueError as error:
            self.problems.append(f"{venue_id}: {error}")
            return
        symbol = f"{_v2_code(pair.base)}/{_v2_code(pair.quote)}"
        self.pairs[pair.name] = pair
        self._symbols[pair.name] = symbol
        for spelling in (symbol, venue_id, pair.name):
            self._names[spelling] = pair.name


def _v2_code(asset: Asset) -> str:
    return _V2_CODES.get(asset, asset)


def _pair(info: PairInfo, base: Asset, quote: Asset) -> Pair:
    price_decimals = _decimals(info.pair_decimals, "pair_decimals")
    tick = quantum(price_decimals) if info.tick_size is None else info.tick_size
    cost_decimals = price_decimals if info.cost_decimals is None else info.cost_decimals
    pair = Pair(
        name=PairName(info.altname),
        base=base,
        quote=quote,
        tick_size=positive(tick, "tick_size"),
        quantity_decimals=_decimals(info.lot_decimals, "lot_decimals"),
        cost_decimals=_decimals(cost_decimals, "cost_decimals"),
        quantity_min=not_negative(info.ordermin, "ordermin"),
        cost_min=not_negative(info.costmin, "costmin"),
        status=pair_status(info.status),
    )
    fees = _listed_fees(info)
    if fees is None:
        return pair
    return msgspec.structs.replace(pair, fee_taker_pct=fees.taker_pct, fee_maker_pct=fees.maker_pct)


def rules_from(row: PairRow) -> PairRules:
    """What the stream says of a pair.

    Raises:
        ValueError: it cannot be.
    """
    tick, smallest, cheapest = row.price_increment, row.qty_min, row.cost_min
    quantity, cost = row.qty_precision, row.cost_precision
    return PairRules(
        tick_size=None if tick is None else positive(tick, "price_increment"),
        quantity_decimals=None if quantity is None else _decimals(quantity, "qty_precision"),
        cost_decimals=None if cost is None else _decimals(cost, "cost_precision"),
        quantity_min=None if smallest is None else not_negative(smallest, "qty_min"),
        cost_min=None if cheapest is None else not_negative(cheapest, "cost_min"),
    )


def _decimals(count: int, what: str) -> int:
    if not 0 <= count <= DECIMALS_MAX:
        raise BadAmount(f"{what}: {count} is no number of decimals")
    return count


def _listed_fees(info: PairInfo) -> Fees | None:
    # The ladders have been empty since 2026; their first rung is the fee without volume.
    if not info.fees:
        return None
    taker = not_negative(info.fees[0][1], "fees")
    maker = not_negative(info.fees_maker[0][1], "fees_maker") if info.fees_maker else taker
    return Fees(taker_pct=taker, maker_pct=maker)


def pair_status(text: str) -> PairStatus:
    """What the venue allows; a word that we do not know allows nothing."""
    try:
        return PairStatus(text)
    except ValueError:
        return PairStatus.MAINTENANCE


# records, as krakked knows them


def order_from(venue_id: str, info: OrderInfo, instruments: Instruments) -> VenueOrder:
    """One order.

    Raises:
        ValueError: a number or word cannot be.
    """
    pair = instruments.name_of(info.descr.pair) or PairName(info.descr.pair)
    return VenueOrder(
        venue_order_id=VenueOrderId(venue_id),
        client_order_id=ClientOrderId(info.cl_ord_id) if info.cl_ord_id else None,
        pair=pair,
        side=Side(info.descr.type),
        type=info.descr.ordertype,
        status=VenueStatus(info.status),
        quantity_base=not_negative(info.vol, "vol"),
        filled_base=not_negative(info.vol_exec, "vol_exec"),
        cost_quote=not_negative(info.cost, "cost"),
        fee_quote=not_negative(info.fee, "fee"),
        limit_price=_limit_price(info.descr),
        opened_at_ns=instant_ns(info.opentm, "opentm"),
        closed_at_ns=None if info.closetm is None else instant_ns(info.closetm, "closetm"),
        reason=info.reason or None,
    )


def _limit_price(descr: OrderDescription) -> Decimal | None:
    # Other types write offsets and percentages there: "+1.0000%".
    if descr.ordertype != "limit":
        return None
    return positive(parse_amount(descr.price, what="descr.price"), "descr.price")


def trade_from(trade_id: str, info: TradeInfo, instruments: Instruments) -> VenueTrade:
    """One execution. Its fee is in the quote asset: we ask for that with every order.

    Raises:
        ValueError: a number or word cannot be.
    """
    return VenueTrade(
        trade_id=TradeId(trade_id),
        venue_order_id=VenueOrderId(info.ordertxid),
        pair=instruments.name_of(info.pair) or PairName(info.pair),
        side=Side(info.type),
        price=positive(info.price, "price"),
        quantity_base=positive(info.vol, "vol"),
        cost_quote=not_negative(info.cost, "cost"),
        fee_amount=not_negative(info.fee, "fee"),
        fee_asset=instruments.quote_of(info.pair),
        liquidity=Liquidity.MAKER if info.maker else Liquidity.TAKER,
        at_ns=instant_ns(info.time, "time"),
    )


def ledger_row_from(row_id: str, info: LedgerInfo, instruments: Instruments) -> LedgerRow:
    """One ledger row; amounts may be negative, balances and fees may not.

    Raises:
        ValueError: a number cannot be.
    """
    asset, kind = instruments.asset(info.asset)
    return LedgerRow(
        ledger_id=LedgerId(row_id),
        reference_id=info.refid,
        type=info.type,
        subtype=info.subtype or "",
        asset=asset,
        amount=check_amount(info.amount, what="amount"),
        fee=not_negative(info.fee, "fee"),
        balance=not_negative(info.balance, "balance"),
        at_ns=instant_ns(info.time, "time"),
        kind=kind,
    )


def balance_from(code: str, info: BalanceInfo, instruments: Instruments) -> Balance:
    """What the account holds of one asset.

    Raises:
        ValueError: a number cannot be.
    """
    asset, kind = instruments.asset(code)
    return Balance(
        asset=asset,
        total=not_negative(info.balance, f"balance of {code}"),
        held=not_negative(info.hold_trade, f"hold_trade of {code}"),
        kind=kind,
    )


def fees_from(info: VolumeInfo, instruments: Instruments) -> dict[PairName, Fees]:
    """The account's fees by pair; a pair without a maker schedule pays the taker's."""
    makers = info.fees_maker or {}
    fees = {}
    for spelling, row in (info.fees or {}).items():
        name = instruments.name_of(spelling)
        if name is not None:
            taker = not_negative(row.fee, f"fee of {spelling}")
            maker = not_negative(makers.get(spelling, row).fee, f"maker fee of {spelling}")
            fees[name] = Fees(taker_pct=taker, maker_pct=maker)
    return fees


def tickers_from(
    rows: Mapping[str, msgspec.Raw],
    instruments: Instruments,
    on_problem: Callable[[str], None],
) -> dict[PairName, Ticker]:
    """By pair; one that cannot be understood is told and left out, for there are hundreds."""
    tickers = {}
    for spelling, raw in rows.items():
        name = instruments.name_of(spelling)
        if name is None:
            continue
        try:
            tickers[name] = _ticker(_TICKER.decode(raw))
        except (msgspec.DecodeError, ValueError) as error:
            on_problem(f"{spelling}: {error}")
    return tickers


def _ticker(info: TickerInfo) -> Ticker:
    return Ticker(
        last=not_negative(info.c[0], "last price"),
        volume_24h_base=not_negative(info.v[1], "volume"),
    )


def candles_of(result: Mapping[str, msgspec.Raw]) -> tuple[list[Candle], int]:
    """Rows and ``last`` of OHLC: the rows stand under the only key that is not ``last``.

    Raises:
        ValueError: there is not exactly one such key.
    """
    keys = [key for key in result if key != "last"]
    if len(keys) != 1 or "last" not in result:
        raise ValueError(f"expected one pair and 'last', got {sorted(result)}")
    rows = _CANDLES.decode(result[keys[0]])
    return rows, _LAST.decode(result["last"])


_CANDLES: Final = msgspec.json.Decoder(list[Candle])
_LAST: Final = msgspec.json.Decoder(int)
_TICKER: Final = msgspec.json.Decoder(TickerInfo)


def closed_bars_from(
    rows: list[Candle],
    last_s: int,
    *,
    since_s: int,
    tick_size: Decimal,
    on_problem: Callable[[str], None],
) -> list[Bar]:
    """The closed bars that had trades, oldest first; a row that cannot be is told and left out.

    The final row is always the forming one; ``last_s`` is the newest committed.
    """
    bars = []
    for row in rows[:-1]:
        if row.count == 0 or not since_s <= row.time <= last_s:
            continue
        try:
            bars.append(bar_from(row.time, row, tick_size, trades=row.count))
        except ValueError as error:
            on_problem(f"bar at {row.time}: {error}")
    return bars


def bar_from(start_s: int, prices: Candle | WsCandle, tick_size: Decimal, *, trades: int) -> Bar:
    """A bar in whole ticks.

    Raises:
        ValueError: a number cannot be, or they disagree.
    """
    bar = Bar(
        start_s=start_s,
        open=_ticks(prices.open, tick_size, "open"),
        high=_ticks(prices.high, tick_size, "high"),
        low=_ticks(prices.low, tick_size, "low"),
        close=_ticks(prices.close, tick_size, "close"),
        volume=_volume(prices.volume),
        trades=trades,
    )
    problem = bar.problem()
    if problem is not None:
        raise ValueError(problem)
    return bar


def _ticks(price: Decimal, tick_size: Decimal, what: str) -> int:
    if positive(price, what) > tick_size * _INT64_MAX:
        raise BadAmount(f"{what}: {price} is more ticks than a bar can hold")
    return ticks_from_price(price, tick_size)


def _volume(volume: Decimal) -> int:
    whole = not_negative(volume, "volume").scaleb(VOLUME_DECIMALS)
    return min(int(whole.quantize(ONE, rounding=ROUND_HALF_EVEN)), _VOLUME_MAX)
