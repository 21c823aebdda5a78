"""REST methods that tell of orders, trades and ledger rows: open ones, and histories by the page.

Histories are newest first, fifty to a page; a start is exclusive, an end inclusive, both may be
ids. An order under the "late visibility" fault is not told of before its time, nor are its trades.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from krakked.domain.ids import Asset, VenueOrderId
from krakked.domain.money import ZERO
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange import errors
from krakked.sim.exchange.calls import Call
from krakked.sim.exchange.core import Core, Market, altnames
from krakked.sim.exchange.describing import NOTHING, of_close, of_order, prices_of
from krakked.sim.exchange.errors import VenueError, invalid
from krakked.sim.exchange.orders import LedgerRow, Order, Trade
from krakked.sim.exchange.rows import History, Window
from krakked.sim.wire import text

T = TypeVar("T")
ORDERS_MAX: Final = 50
TRADES_MAX: Final = 20
LEDGERS_MAX: Final = 20
TRADE_TYPES: Final = (
    "all",
    "any position",
    "closed position",
    "closing position",
    "no position",
)
LEDGER_TYPES: Final = (
    *("all", "trade", "deposit", "withdrawal", "transfer", "margin", "adjustment", "rollover"),
    *("credit", "settled", "staking", "dividend", "sale", "nft_rebate", "earn", "spend"),
    *("receive", "reward"),
)
_ZERO_TEXT: Final = "0.00000"


def open_orders(call: Call) -> object:
    """OpenOrders: in the order of their making, newest first."""
    keep = _order_filter(call)
    orders = [
        order for order in reversed(call.account.open.values()) if keep is None or keep(order)
    ]
    return {"open": _order_rows(call, orders)}


def closed_orders(call: Call) -> object:
    """ClosedOrders."""
    window, tests = _closed_window(call)
    keep = _all_of([*tests, *_order_tests(call)])
    rows, count = call.account.closed.page(window, _offset(call), keep)
    return _counted(call, "closed", _order_rows(call, rows), count)


def query_orders(call: Call) -> object:
    """QueryOrders: by id; unknown ones are an error unless others are known."""
    wanted = _ids(call, "txid", ORDERS_MAX)
    keep = _order_filter(call)
    found = [call.account.orders.get(VenueOrderId(order_id)) for order_id in wanted]
    orders = [o for o in found if o is not None and (keep is None or keep(o))]
    if not orders:
        raise VenueError(errors.UNKNOWN_ORDER)
    return _order_rows(call, orders)


def trades_history(call: Call) -> object:
    """TradesHistory: what one order took at one instant is one trade, unless asked otherwise."""
    account = call.account
    window = _window(call, account.trades)
    tests, merge = _trade_tests(call), _consolidates(call) and account.trades.has_merged
    keep = _all_of([*tests, account.trades.leads] if merge else tests)
    rows, count = account.trades.page(window, _offset(call), keep)
    rows = [account.trades.merged(row) for row in rows] if merge else rows
    with_ledgers = call.params.flag("ledgers")
    return _counted(
        call, "trades", {t.trade_txid: trade_row(call, t, with_ledgers) for t in rows}, count
    )


def query_trades(call: Call) -> object:
    """QueryTrades: by id."""
    keep = _all_of(_trade_tests(call))
    found = [call.account.trades.get(txid) for txid in _ids(call, "txid", TRADES_MAX)]
    trades = [t for t in found if t is not None and (keep is None or keep(t))]
    if not trades:
        raise VenueError("EQuery:Unknown trade")
    with_ledgers = call.params.flag("ledgers")
    return {t.trade_txid: trade_row(call, t, with_ledgers) for t in trades}


def ledgers(call: Call) -> object:
    """Ledgers."""
    account = call.account
    window = _window(call, account.ledger)
    rows, count = account.ledger.page(window, _offset(call), _ledger_filter(call))
    return _counted(call, "ledger", {r.ledger_id: ledger_row(call.core, r) for r in rows}, count)


def query_ledgers(call: Call) -> object:
    """QueryLedgers: by id."""
    found = [call.account.ledger.get(row_id) for row_id in _ids(call, "id", LEDGERS_MAX)]
    rows = [row for row in found if row is not None]
    if not rows:
        raise VenueError("EQuery:Unknown ledger")
    return {r.ledger_id: ledger_row(call.core, r) for r in rows}


def _order_rows(call: Call, orders: Sequence[Order]) -> dict[str, object]:
    """Orders with what was asked for: their trades one by one, or merged."""
    core, history = call.core, call.account.trades
    with_trades = call.params.flag("trades")
    rows = {order.order_id: order_row(core, order, with_trades) for order in orders}
    if with_trades and _consolidates(call) and history.has_merged:
        for order in orders:
            if order.trades:
                rows[order.order_id]["trades"] = history.leading(order.trades)
    return {str(order_id): row for order_id, row in rows.items()}


def _consolidates(call: Call) -> bool:
    return call.params.flag("consolidate_taker", default=True)


def unix_seconds(ns: int) -> msgspec.Raw:
    """A JSON number with microseconds."""
    whole, rest = divmod(ns, NS_PER_SECOND)
    return msgspec.Raw(f"{whole}.{rest // 1_000:06d}".encode())


def order_row(core: Core, order: Order, with_trades: bool) -> dict[str, object]:
    """An order as REST tells it."""
    market, ask = core.markets[order.ask.pair], order.ask
    pair = market.pair
    decimals = price_decimals(market)
    row: dict[str, object] = {"refid": order.opened_by, "userref": _userref(order)}
    if ask.cl_ord_id is not None:
        row["cl_ord_id"] = ask.cl_ord_id
    row |= {
        "status": order.status.value,
        "opentm": unix_seconds(order.opened_ns),
        "starttm": unix_seconds(ask.start_ns) if ask.start_ns else 0,
        "expiretm": unix_seconds(ask.expire_ns) if ask.expire_ns else 0,
        "descr": _description(market, order),
        "vol": text(order.quantity_base, pair.lot_decimals),
        "vol_exec": text(order.filled_base, pair.lot_decimals),
        "cost": text(order.cost_quote, pair.cost_decimals),
        "fee": text(order.fee_quote, pair.cost_decimals),
        "price": text(order.average_price, decimals),
        "stopprice": text(order.trigger_price or ZERO, decimals),
        "limitprice": text(_limit_price(order), decimals),
        "misc": _misc(order),
        "oflags": _flags(order),
    }
    if order.trigger is not None:
        row["trigger"] = order.trigger.reference
    if with_trades and order.trades:
        row["trades"] = list(order.trades)
    if order.is_done:
        row["closetm"] = unix_seconds(order.closed_ns)
        row["reason"] = order.reason
    return row


def trade_row(call: Call, trade: Trade, with_ledgers: bool) -> dict[str, object]:
    """A trade as REST tells it; the pair under its canonical id, unlike in orders."""
    market = call.core.markets[trade.pair]
    pair = market.pair
    row: dict[str, object] = {
        "ordertxid": trade.order_id,
        "postxid": call.account.position_txid,
        "pair": pair.id,
        "aclass": "forex",
        "time": unix_seconds(trade.at_ns),
        "type": trade.side.value,
        "ordertype": trade.form,
        "price": text(trade.price, price_decimals(market)),
        "cost": text(trade.cost_quote, pair.cost_decimals),
        "fee": text(trade.fee_quote, pair.cost_decimals),
        "vol": text(trade.quantity_base, pair.lot_decimals),
        "margin": _ZERO_TEXT,
        "leverage": "0",
        "misc": "",
        "trade_id": trade.trade_id,
        "maker": trade.maker,
    }
    if with_ledgers:
        row["ledgers"] = list(trade.ledgers)
    return row


def ledger_row(core: Core, row: LedgerRow) -> dict[str, object]:
    """A ledger row as REST tells it."""
    asset = core.assets[row.asset]
    return {
        "refid": row.ref_id,
        "time": unix_seconds(row.at_ns),
        "type": row.type,
        "subtype": row.subtype,
        "aclass": "currency",
        "asset": asset.id,
        "amount": text(row.amount, asset.decimals),
        "fee": text(row.fee, asset.decimals),
        "balance": text(row.balance, asset.decimals),
    }


def price_decimals(market: Market) -> int:
    """Prices of trades and averages are shown at least as fine as costs."""
    return max(market.pair.pair_decimals, market.pair.cost_decimals)


def _description(market: Market, order: Order) -> dict[str, object]:
    ask = order.ask
    price, price2 = prices_of(market, order)
    return {
        "pair": market.pair.altname,
        "aclass": "forex",
        "type": ask.side.value,
        "ordertype": ask.form.name,
        "price": price or NOTHING,
        "price2": price2 or NOTHING,
        "leverage": "none",
        "order": of_order(market, order),
        "close": of_close(market, ask.close),
    }


def _limit_price(order: Order) -> Decimal:
    """Of a trailing stop the best price so far, as recorded; of another, the limit once set off."""
    if order.ask.form.trigger == "trail":
        return order.peak_price or ZERO
    return order.limit_price or ZERO if order.triggered_ns else ZERO


def _userref(order: Order) -> int | None:
    """Null beside a client id, else 0 if none was given: both are seen live."""
    if order.ask.cl_ord_id is not None:
        return None
    return order.ask.userref or 0


def _misc(order: Order) -> str:
    words = []
    if order.triggered_ns:
        words.append("touched" if order.ask.form.trigger == "profit" else "stopped")
    if order.filled_base and not order.is_done:
        words.append("partial")
    if order.amended:
        words.append("amended")
    return ",".join(words)


def _flags(order: Order) -> str:
    ask = order.ask
    words = ["fcib" if ask.fee_in_base else "fciq"]
    if ask.post_only:
        words.append("post")
    if ask.budget_quote is not None:
        words.append("viqc")
    return ",".join(words)


def _window(call: Call, history: History[T]) -> Window:
    return _cut(history, call.params.bound("start"), call.params.bound("end"))


def _cut(history: History[T], start: int | str | None, end: int | str | None) -> Window:
    try:
        return history.window(start, end)
    except KeyError as error:
        raise invalid("start") from error


def _offset(call: Call) -> int:
    offset = call.params.integer("ofs") or 0
    if offset < 0:
        raise invalid("ofs")
    return offset


def _ids(call: Call, name: str, most: int) -> list[str]:
    wanted = call.params.listed(name)
    if not wanted or len(wanted) > most:
        raise invalid(name)
    return wanted


def _counted(call: Call, name: str, rows: dict[str, object], count: int) -> dict[str, object]:
    if call.params.flag("without_count"):
        return {name: rows}
    return {name: rows, "count": count}


def _all_of(tests: list[Callable[[T], bool]]) -> Callable[[T], bool] | None:
    """All tests in one; None if there are none, so that paging need not look at rows."""
    if not tests:
        return None
    return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)


def _order_tests(call: Call) -> list[Callable[[Order], bool]]:
    tests: list[Callable[[Order], bool]] = []
    userref, cl_ord_id = call.params.integer("userref"), call.params.text("cl_ord_id")
    hidden = call.account.hidden
    if userref is not None:
        tests.append(lambda order: order.ask.userref == userref)
    if cl_ord_id is not None:
        tests.append(lambda order: order.ask.cl_ord_id == cl_ord_id)
    if hidden:
        tests.append(lambda order: order.order_id not in hidden)
    return tests


def _order_filter(call: Call) -> Callable[[Order], bool] | None:
    return _all_of(_order_tests(call))


def _closed_window(call: Call) -> tuple[Window, list[Callable[[Order], bool]]]:
    """Histories lie by closing time. Asked for opening times, or for either, an end in time
    cuts nothing: who closed after it may have opened before.
    """
    mode = call.params.text("closetime") or "both"
    start, end = call.params.bound("start"), call.params.bound("end")
    if mode not in ("open", "close", "both"):
        raise invalid("closetime")
    if mode == "close" or isinstance(end, str) or (mode == "both" and end is None):
        return _window(call, call.account.closed), []
    after = start if isinstance(start, int) else 0
    before = end if isinstance(end, int) else call.core.now_ns

    def opened(order: Order) -> bool:
        return after < order.opened_ns <= before

    def either(order: Order) -> bool:
        return order.closed_ns <= before or opened(order)

    window = _cut(call.account.closed, start, None)
    return window, [opened if mode == "open" else either]


def _trade_tests(call: Call) -> list[Callable[[Trade], bool]]:
    kind = call.params.text("type") or "all"
    if kind not in TRADE_TYPES:
        raise invalid("type")
    tests: list[Callable[[Trade], bool]] = []
    hidden = call.account.hidden
    if hidden:
        tests.append(lambda trade: trade.order_id not in hidden)
    if kind not in ("all", "no position"):
        tests.append(lambda _trade: False)
    return tests


def _ledger_filter(call: Call) -> Callable[[LedgerRow], bool] | None:
    params = call.params
    tests: list[Callable[[LedgerRow], bool]] = []
    kind = params.text("type") or "all"
    if kind not in LEDGER_TYPES:
        raise invalid("type")
    if kind != "all":
        tests.append(lambda row: row.type == kind)
    if (params.text("aclass") or "currency") not in ("currency", "all"):
        tests.append(lambda _row: False)
    names = params.listed("asset")
    if names and names != ["all"]:
        wanted = _assets(call.core, names)
        tests.append(lambda row: row.asset in wanted)
    return _all_of(tests)


def _assets(core: Core, names: list[str]) -> set[Asset]:
    known = altnames(list(core.assets.values()))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise VenueError(errors.UNKNOWN_ASSET)
    return {known[name] for name in names}
