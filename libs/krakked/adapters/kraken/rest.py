"""The venue's account and history over REST: ``Exchange`` and ``MarketHistory``.

Each method says which call it makes, how its answer is decoded, and how that becomes a record of
krakked. An answer that cannot be understood is refused whole, with the field that is wrong: a
question may be asked again (``Malformed``), an order is then in doubt (``Ambiguous``).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from krakked.adapters.kraken.auth import SessionToken
from krakked.adapters.kraken.errors import Broken, broken
from krakked.adapters.kraken.nonces import fingerprint
from krakked.adapters.kraken.outcomes import GONE, INVALID_ARGUMENTS, MUTATIONS, UNKNOWN_ORDER
from krakked.adapters.kraken.paging import all_rows
from krakked.adapters.kraken.rate_limit import Headroom
from krakked.adapters.kraken.records import (
    AddedOrder,
    AmendedOrder,
    AssetInfo,
    BalanceInfo,
    Cancelled,
    ClosedOrdersPage,
    DeadMan,
    KeyInfo,
    LedgersPage,
    OpenOrdersPage,
    OrderInfo,
    PairInfo,
    StatusInfo,
    TimeInfo,
    TokenInfo,
    TradeInfo,
    TradesPage,
    VolumeInfo,
)
from krakked.adapters.kraken.transport import Call, Transport
from krakked.adapters.kraken.wire import (
    Instruments,
    balance_from,
    candles_of,
    closed_bars_from,
    fees_from,
    ledger_row_from,
    order_from,
    tickers_from,
    trade_from,
)
from krakked.domain.bars import Bar, Timeframe
from krakked.domain.errors import Ambiguous, Permanent
from krakked.domain.fills import VenueTrade
from krakked.domain.ids import ClientOrderId, PairName, TradeId, VenueOrderId
from krakked.domain.money import to_text
from krakked.domain.orders import OrderRequest, OrderType, VenueOrder
from krakked.domain.pairs import Pair
from krakked.domain.times import NS_PER_SECOND, from_rfc3339, to_rfc3339
from krakked.ports.exchange import Amend, Balance, DeadManReply, Fees, KeyFacts, LedgerRow
from krakked.ports.market_feed import Ticker

T = TypeVar("T")
Id = TypeVar("Id", bound=str)

DEADLINE_MIN_NS: Final = 2 * NS_PER_SECOND
"""The venue takes no order over REST whose deadline is nearer."""
QUERY_ORDERS_MAX: Final = 50
QUERY_TRADES_MAX: Final = 20
BARS_MAX: Final = 720
_VENUE_ORDER_ID: Final = re.compile(r"[A-Z0-9]{6}-[A-Z0-9]{5}-[A-Z0-9]{6}")
_DISARMED: Final = "0"

_ADDED: Final = msgspec.json.Decoder(AddedOrder)
_AMENDED: Final = msgspec.json.Decoder(AmendedOrder)
_CANCELLED: Final = msgspec.json.Decoder(Cancelled)
_DEAD_MAN: Final = msgspec.json.Decoder(DeadMan)
_TIME: Final = msgspec.json.Decoder(TimeInfo)
_STATUS: Final = msgspec.json.Decoder(StatusInfo)
_KEY: Final = msgspec.json.Decoder(KeyInfo)
_TOKEN: Final = msgspec.json.Decoder(TokenInfo)
_ASSETS: Final = msgspec.json.Decoder(dict[str, AssetInfo])
_PAIRS: Final = msgspec.json.Decoder(dict[str, PairInfo])
_TICKERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_VOLUME: Final = msgspec.json.Decoder(VolumeInfo)
_BALANCES: Final = msgspec.json.Decoder(dict[str, BalanceInfo])
_OPEN: Final = msgspec.json.Decoder(OpenOrdersPage)
# Some recorded pages write their count as text.
_CLOSED: Final = msgspec.json.Decoder(ClosedOrdersPage, strict=False)
_ORDERS: Final = msgspec.json.Decoder(dict[str, OrderInfo])
_TRADES: Final = msgspec.json.Decoder(TradesPage, strict=False)
_TRADES_BY_ID: Final = msgspec.json.Decoder(dict[str, TradeInfo])
_LEDGERS: Final = msgspec.json.Decoder(LedgersPage, strict=False)
_CANDLES: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class KrakenRest:
    """One account at Kraken."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._known: Instruments | None = None
        self._loading = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<KrakenRest {self.transport} {self._known}>"

    async def close(self) -> None:
        """Let go of all connections."""
        await self.transport.close()

    def headroom(self) -> Headroom:
        """Points left below the venue's rate limits."""
        return self.transport.limits.headroom()

    def waited_ns(self) -> int:
        """How long calls have stood in line for room under the rate limit, all told."""
        return self.transport.limits.waited_ns

    def headroom_ratios(self) -> dict[str, float]:
        """What is left of each counter, 1 for untouched (``RateLimiter.headroom_ratios``)."""
        return self.transport.limits.headroom_ratios()

    # What changes something.

    async def add_order(self, request: OrderRequest, *, deadline_at_ns: int) -> VenueOrderId:
        """Send one order, once. After ``deadline_at_ns`` the venue refuses it."""
        answer = await self._submit(request, deadline_at_ns, {})
        if not answer.txid:
            raise Ambiguous("AddOrder: the answer names no order")
        self.transport.limits.added(request.pair, VenueOrderId(answer.txid[0]))
        return VenueOrderId(answer.txid[0])

    async def validate_order(self, request: OrderRequest, *, deadline_at_ns: int) -> None:
        """Have the venue check an order without placing it; returns if it would be taken."""
        await self._submit(request, deadline_at_ns, {"validate": "true"})

    async def _submit(
        self, request: OrderRequest, deadline_at_ns: int, extra: Mapping[str, str]
    ) -> AddedOrder:
        not_after_ns = deadline_at_ns - DEADLINE_MIN_NS
        await self.transport.limits.before_add(request.pair, not_after_ns=not_after_ns)
        # Known as young before the answer, which may be lost.
        self.transport.limits.added(request.pair, request.client_order_id)
        return await self._ask(
            _ADDED,
            Call(
                method="AddOrder",
                form={**order_form(request, deadline_at_ns), **extra},
                pair=request.pair,
                not_after_ns=not_after_ns,
            ),
        )

    async def amend_order(self, amend: Amend, *, deadline_at_ns: int) -> bool:
        """Change an open order where it stands; False if the venue has none open by that id."""
        limits = self.transport.limits
        not_after_ns = deadline_at_ns - DEADLINE_MIN_NS
        await limits.before_amend(amend.order_id, amend.pair, not_after_ns=not_after_ns)
        # Its age starts anew, also if the answer is lost.
        limits.amended(amend.pair, amend.order_id)
        call = Call(
            method="AmendOrder",
            form=amend_form(amend, deadline_at_ns),
            pair=amend.pair,
            not_after_ns=not_after_ns,
        )
        try:
            await self._ask(_AMENDED, call)
        except Permanent as error:
            if error.code.startswith(GONE):
                return False
            raise
        return True

    async def cancel_order(
        self, order_id: ClientOrderId | VenueOrderId, *, pair: PairName | None = None
    ) -> bool:
        """Cancel one order; False if the venue has none open by that id."""
        limits = self.transport.limits
        await limits.before_cancel(order_id)
        call = Call(
            method="CancelOrder",
            form=_naming(order_id),
            pair=pair or limits.pair_of(order_id),
        )
        try:
            answer = await self._ask(_CANCELLED, call)
        except Permanent as error:
            if error.code.startswith(GONE):
                return False
            raise
        return answer.count > 0

    async def cancel_all(self) -> int:
        """Cancel every open order of the account; how many."""
        self.transport.limits.before_cancel_all()
        return (await self._ask(_CANCELLED, Call(method="CancelAll"))).count

    async def refresh_dead_man(self, timeout_s: int) -> DeadManReply:
        """(Re)arm CancelAllOrdersAfter; 0 disarms."""
        call = Call(method="CancelAllOrdersAfter", form={"timeout": str(timeout_s)})
        answer = await self._ask(_DEAD_MAN, call)
        if timeout_s == 0 or answer.trigger_time in (None, _DISARMED):
            return DeadManReply(None)
        with self._understanding(call.method):
            trigger_ns = from_rfc3339(answer.trigger_time)
            return DeadManReply(trigger_ns, now_ns=from_rfc3339(answer.current_time))

    # What asks about the venue.

    async def venue_time_ns(self) -> int:
        """The venue's clock, whole seconds."""
        raw = await self.transport.public("Time")
        with self._understanding("Time"):
            return _TIME.decode(raw).unixtime * NS_PER_SECOND

    async def system_status(self) -> str:
        """``online``, ``maintenance``, ``cancel_only`` or ``post_only``."""
        raw = await self.transport.public("SystemStatus")
        with self._understanding("SystemStatus"):
            return _STATUS.decode(raw).status

    @property
    def key_roles(self) -> tuple[str, ...]:
        """``trade``, and ``query`` where there is a second key."""
        return self.transport.key_roles

    async def key_facts(self, role: str) -> KeyFacts:
        """Permissions in the venue's words, and whose key it is."""
        info = await self._ask(_KEY, Call(method="GetApiKeyInfo", role=role))
        return KeyFacts(permissions=frozenset(info.permissions), account=_mark(info.iban))

    async def websocket_token(self) -> SessionToken:
        """Opens private streams; taken with the query key, so that it can never trade."""
        return SessionToken((await self._ask(_TOKEN, Call(method="GetWebSocketsToken"))).token)

    async def pairs(self) -> Mapping[PairName, Pair]:
        """All pairs that the venue lists, asked for anew."""
        async with self._loading:
            return (await self._load()).pairs

    async def instruments(self) -> Instruments:
        """Names and rules of all pairs; asked for once, until :meth:`pairs` asks anew."""
        async with self._loading:
            return self._known or await self._load()

    async def _load(self) -> Instruments:
        assets = await self.transport.public("Assets")
        rows = await self.transport.public("AssetPairs")
        with self._understanding("AssetPairs"):
            self._known = Instruments(
                _ASSETS.decode(assets), _PAIRS.decode(rows), before=self._known
            )
        for problem in self._known.problems:
            self.transport.observer.on_malformed("AssetPairs", problem)
        return self._known

    async def tickers(self) -> Mapping[PairName, Ticker]:
        """Every pair that has ever traded, in one call."""
        instruments = await self.instruments()
        raw = await self.transport.public("Ticker")
        with self._understanding("Ticker"):
            rows = _TICKERS.decode(raw)
        return tickers_from(
            rows,
            instruments,
            on_problem=lambda problem: self.transport.observer.on_malformed("Ticker", problem),
        )

    async def closed_bars(
        self, pair: PairName, timeframe: Timeframe, *, since_s: int
    ) -> Sequence[Bar]:
        """Closed bars starting at or after ``since_s``, oldest first, at most 720."""
        tick_size = (await self.instruments()).bar_tick(pair)
        # One bar more, because the venue may or may not include ``since`` itself.
        params = {
            "pair": pair,
            "interval": str(timeframe.minutes),
            "since": str(max(0, since_s - timeframe.seconds)),
        }
        raw = await self.transport.public("OHLC", params, subject=pair)
        with self._understanding("OHLC"):
            rows, last_s = candles_of(_CANDLES.decode(raw))
        bars = closed_bars_from(
            rows,
            last_s,
            since_s=since_s,
            tick_size=tick_size,
            on_problem=lambda problem: self.transport.observer.on_malformed("OHLC", problem),
        )
        return bars[-BARS_MAX:]

    # What asks about the account.

    async def fees(self, pairs: Sequence[PairName]) -> Mapping[PairName, Fees]:
        """The account's fees; empty where the venue does not say."""
        if not pairs:
            return {}
        instruments = await self.instruments()
        call = Call(method="TradeVolume", form={"pair": ",".join(pairs)})
        answer = await self._ask(_VOLUME, call)
        with self._understanding(call.method):
            return fees_from(answer, instruments)

    async def balances(self) -> Sequence[Balance]:
        """What the account holds now."""
        instruments = await self.instruments()
        answer = await self._ask(_BALANCES, Call(method="BalanceEx"))
        with self._understanding("BalanceEx"):
            return [balance_from(code, row, instruments) for code, row in answer.items()]

    async def open_orders(self) -> Sequence[VenueOrder]:
        """Every open order of the account, ours or not."""
        page = await self._ask(_OPEN, Call(method="OpenOrders"))
        orders = list((await self._orders(page.open)).values())
        for order in orders:
            ids = (order.venue_order_id, order.client_order_id)
            known = [order_id for order_id in ids if order_id is not None]
            self.transport.limits.seen(order.pair, order.opened_at_ns, *known)
        return orders

    async def find_order(self, client_order_id: ClientOrderId, since_ns: int) -> VenueOrder | None:
        """Look an order up by our id: open orders, then closed ones since ``since_ns``."""
        try:
            found = await self._rows_of(client_order_id, since_ns, {"cl_ord_id": client_order_id})
        except Permanent as error:
            if not error.code.startswith(INVALID_ARGUMENTS):
                raise
            # The venue disputes the form of the id: look at all and match here.
            found = await self._rows_of(client_order_id, since_ns, {})
        return next(iter((await self._orders(found)).values()), None)

    async def _rows_of(
        self, client_order_id: ClientOrderId, since_ns: int, wanted: Mapping[str, str]
    ) -> dict[str, OrderInfo]:
        page = await self._ask(_OPEN, Call(method="OpenOrders", form=dict(wanted)))
        found = _by_client_id(page.open, client_order_id)
        if found:
            return found
        form = {**wanted, **_since(since_ns), "closetime": "both", "without_count": "true"}
        ask = self._pages(_CLOSED, "ClosedOrders", form)
        return _by_client_id(await all_rows(ask, _closing_time), client_order_id)

    async def orders(self, ids: Sequence[VenueOrderId]) -> Mapping[VenueOrderId, VenueOrder]:
        """Orders by the venue's id, whatever their state; those not visible (yet) are left out."""
        found: dict[VenueOrderId, VenueOrder] = {}
        for chunk in _chunks(ids, QUERY_ORDERS_MAX):
            found.update(await self._orders(await self._query_orders(chunk)))
        return found

    async def _query_orders(self, ids: Sequence[VenueOrderId]) -> Mapping[str, OrderInfo]:
        form = {"txid": ",".join(ids), "consolidate_taker": "false"}
        try:
            return await self._ask(_ORDERS, Call(method="QueryOrders", form=form))
        except Permanent as error:
            if not error.code.startswith(UNKNOWN_ORDER):
                raise
        if len(ids) == 1:
            return {}
        # One that is unknown hides the others.
        middle = len(ids) // 2
        return {**await self._query_orders(ids[:middle]), **await self._query_orders(ids[middle:])}

    async def closed_orders(self, since_ns: int) -> Sequence[VenueOrder]:
        """Orders that ended at or after ``since_ns``, oldest first, all pages."""
        form = {**_since(since_ns), "closetime": "close", "consolidate_taker": "false"}
        ask = self._pages(_CLOSED, "ClosedOrders", form)
        rows = await all_rows(ask, _closing_time)
        orders = list((await self._orders(rows)).values())[::-1]
        ended = [order for order in orders if (order.closed_at_ns or 0) >= since_ns]
        return sorted(ended, key=lambda order: order.closed_at_ns or 0)

    async def trades(self, ids: Sequence[TradeId]) -> Sequence[VenueTrade]:
        """Executions by id."""
        rows: dict[str, TradeInfo] = {}
        for chunk in _chunks(ids, QUERY_TRADES_MAX):
            form = {"txid": ",".join(chunk)}
            found = await self._ask(_TRADES_BY_ID, Call(method="QueryTrades", form=form))
            rows.update(found)
        return await self._trades(rows)

    async def trades_since(self, since_ns: int) -> Sequence[VenueTrade]:
        """Executions at or after ``since_ns``, oldest first; none skipped or repeated."""
        form = {**_since(since_ns), "consolidate_taker": "false"}
        ask = self._pages(_TRADES, "TradesHistory", form)
        rows = await all_rows(ask, lambda trade: trade.time)
        return [trade for trade in await self._trades(rows) if trade.at_ns >= since_ns]

    async def ledger_since(self, since_ns: int) -> Sequence[LedgerRow]:
        """Ledger rows at or after ``since_ns``, oldest first, all pages."""
        instruments = await self.instruments()
        ask = self._pages(_LEDGERS, "Ledgers", _since(since_ns))
        rows = await all_rows(ask, lambda row: row.time)
        with self._understanding("Ledgers"):
            oldest_first = list(rows.items())[::-1]
            ledger = [ledger_row_from(row_id, row, instruments) for row_id, row in oldest_first]
        return sorted((row for row in ledger if row.at_ns >= since_ns), key=lambda row: row.at_ns)

    # helpers

    async def _ask(self, decoder: msgspec.json.Decoder[T], call: Call) -> T:
        raw = await self.transport.private(call)
        with self._understanding(call.method):
            return decoder.decode(raw)

    def _pages(
        self, decoder: msgspec.json.Decoder[T], method: str, form: Mapping[str, str]
    ) -> Callable[[str | None], Awaitable[T]]:
        async def ask(end: str | None) -> T:
            bounds = {} if end is None else {"end": end}
            return await self._ask(decoder, Call(method=method, form={**form, **bounds}))

        return ask

    async def _orders(self, rows: Mapping[str, OrderInfo]) -> dict[VenueOrderId, VenueOrder]:
        instruments = await self.instruments()
        with self._understanding("orders"):
            orders = [order_from(order_id, row, instruments) for order_id, row in rows.items()]
        return {order.venue_order_id: order for order in orders}

    async def _trades(self, rows: Mapping[str, TradeInfo]) -> list[VenueTrade]:
        instruments = await self.instruments()
        with self._understanding("trades"):
            oldest_first = list(rows.items())[::-1]
            trades = [trade_from(trade_id, row, instruments) for trade_id, row in oldest_first]
        return sorted(trades, key=lambda trade: trade.at_ns)

    @contextlib.contextmanager
    def _understanding(self, method: str) -> Iterator[None]:
        """Turn what cannot be decoded or cannot be meant into the caller's errors."""
        try:
            yield
        except (msgspec.DecodeError, ValueError, ArithmeticError) as error:
            self.transport.observer.on_malformed(method, str(error))
            message = f"{method}: cannot be understood: {error}"
            raise broken(Broken.UNREADABLE, message, mutates=method in MUTATIONS) from error


def order_form(request: OrderRequest, deadline_at_ns: int) -> dict[str, str]:
    """The fields of AddOrder. The fee is asked for in quote, always: a seller's default differs."""
    form = {
        "ordertype": request.type.value,
        "type": request.side.value,
        "volume": to_text(request.quantity_base),
        "pair": request.pair,
        "cl_ord_id": request.client_order_id,
        "oflags": "fciq,post" if request.post_only else "fciq",
        "deadline": to_rfc3339(deadline_at_ns),
    }
    if request.type is OrderType.LIMIT:
        assert request.limit_price is not None, (
            f"limit order {request.client_order_id} has no price"
        )
        form["price"] = to_text(request.limit_price)
        form["timeinforce"] = request.time_in_force.value
    if request.expire_at_ns is not None:
        form["expiretm"] = str(request.expire_at_ns // NS_PER_SECOND)
    return form


def amend_form(amend: Amend, deadline_at_ns: int) -> dict[str, str]:
    """The fields of AmendOrder; what stays as it is has none."""
    form = {**_naming(amend.order_id), "deadline": to_rfc3339(deadline_at_ns)}
    if amend.quantity_base is not None:
        form["order_qty"] = to_text(amend.quantity_base)
    if amend.limit_price is not None:
        form["limit_price"] = to_text(amend.limit_price)
    if amend.post_only:
        form["post_only"] = "true"
    return form


def _naming(order_id: ClientOrderId | VenueOrderId) -> dict[str, str]:
    return {"txid" if _VENUE_ORDER_ID.fullmatch(order_id) else "cl_ord_id": order_id}


def _mark(iban: str) -> str:
    """Stands for the account where its number itself has no business."""
    return fingerprint(iban) if iban else ""


def _since(since_ns: int) -> dict[str, str]:
    # ``start`` is exclusive and in whole seconds: from the second before, the rest is cut here.
    start_s = since_ns // NS_PER_SECOND - 1
    return {"start": str(start_s)} if start_s > 0 else {}


def _by_client_id(
    rows: Mapping[str, OrderInfo], client_order_id: ClientOrderId
) -> dict[str, OrderInfo]:
    wanted = _bare(client_order_id)
    return {
        order_id: row
        for order_id, row in rows.items()
        if row.cl_ord_id is not None and _bare(row.cl_ord_id) == wanted
    }


def _bare(client_order_id: str) -> str:
    # The venue takes UUIDs with and without dashes.
    return client_order_id.replace("-", "").lower()


def _closing_time(order: OrderInfo) -> Decimal:
    return order.opentm if order.closetm is None else order.closetm


def _chunks(ids: Sequence[Id], size: int) -> Iterator[Sequence[Id]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
