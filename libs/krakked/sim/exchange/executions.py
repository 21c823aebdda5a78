"""Rows of the private channels ``executions`` and ``balances``, as recorded from the venue.

Updates are partial: an order's first row tells everything, later ones only what changed. Numbers
are bare JSON at the pair's precision with their trailing zeros.
"""

from __future__ import annotations

from typing import Final

import msgspec

from krakked.domain.orders import Side, VenueStatus
from krakked.sim.exchange.core import Market
from krakked.sim.exchange.events import WireRow
from krakked.sim.exchange.orders import CloseAsk, LedgerRow, Order, TimeInForce, Trade
from krakked.sim.exchange.pairs import VenueAsset
from krakked.sim.exchange.prices import PCT_DECIMALS, Price
from krakked.sim.wire import instant, number

USD_DECIMALS: Final = 4
_NO_STOP: Final = msgspec.Raw(b"0.0")


def pending_new(market: Market, order: Order) -> WireRow:
    """An order arrived."""
    return _whole_order(market, order, "pending_new", "pending_new")


def accepted(order: Order) -> WireRow:
    """It is in the engine."""
    row: WireRow = {
        "timestamp": instant(order.opened_ns),
        "order_status": "new",
        "exec_type": "new",
    }
    if order.ask.post_only:
        row["post_only"] = True
    return _with_ids(row, order)


def traded(market: Market, order: Order, trade: Trade) -> WireRow:
    """One fill; also the completing one says ``partially_filled``, and :func:`ended` follows."""
    row = _fill(market, trade)
    row["order_status"] = "partially_filled"
    _add_sums(row, market, order)
    return _with_user_ids(row, order)


def past_trade(market: Market, order: Order, trade: Trade) -> WireRow:
    """A fill as the snapshot tells it."""
    row = _fill(market, trade)
    row["order_status"] = _open_status(order) if not order.is_done else "filled"
    return _with_user_ids(row, order)


def triggered(market: Market, order: Order, now_ns: int) -> WireRow:
    """The price has come to the order's trigger."""
    return _status(market, order, now_ns)


def trigger_moved(market: Market, order: Order, now_ns: int) -> WireRow:
    """A trailing stop followed the price."""
    return _status(market, order, now_ns)


def refilled(market: Market, order: Order, now_ns: int) -> WireRow:
    """An iceberg shows its next portion."""
    row: WireRow = {
        "timestamp": instant(now_ns),
        "exec_type": "iceberg_refill",
        "order_status": _open_status(order),
    }
    _add_display(row, market, order)
    _add_sums(row, market, order)
    return _with_ids(row, order)


def ended(market: Market, order: Order, now_ns: int) -> WireRow:
    """Filled, canceled or expired: the last row of an order."""
    word = "filled" if order.status is VenueStatus.CLOSED else order.status.value
    row: WireRow = {
        "timestamp": instant(now_ns),
        "order_status": word,
        "exec_type": word,
    }
    _add_sums(row, market, order)
    row["fee_usd_equiv"] = number(order.fee_usd, USD_DECIMALS)
    if order.reason is not None:
        row["cancel_reason"] = order.reason
        row["reason"] = order.reason
    return _with_ids(row, order)


def amended(market: Market, order: Order, now_ns: int) -> WireRow:
    """An amend took effect."""
    pair = market.pair
    row: WireRow = {
        "timestamp": instant(now_ns),
        "exec_type": "amended",
        "order_status": _open_status(order),
        "cum_qty": number(order.filled_base, pair.lot_decimals),
        "reason": "User requested",
        "amended": True,
        "order_qty": number(order.quantity_base, pair.lot_decimals),
    }
    _add_limit(row, market, order)
    _add_display(row, market, order)
    _add_triggers(row, market, order)
    return _with_ids(row, order)


def open_order(market: Market, order: Order) -> WireRow:
    """An open order as the snapshot tells it."""
    scheduled = order.status is VenueStatus.PENDING
    status = "pending_new" if scheduled else _open_status(order)
    row = _whole_order(market, order, "pending_new" if scheduled else "new", status)
    _add_sums(row, market, order)
    return row


def balance(asset: VenueAsset, ledger: LedgerRow) -> WireRow:
    """One change of one balance."""
    row: WireRow = {
        "ledger_id": ledger.ledger_id,
        "ref_id": ledger.ref_id,
        "timestamp": instant(ledger.at_ns),
        "type": ledger.type,
    }
    if ledger.subtype:
        row["subtype"] = ledger.subtype
    return row | {
        "asset": asset.symbol,
        "asset_class": "currency",
        "category": ledger.subtype or ledger.type,
        "wallet_type": wallet_type(asset),
        "wallet_id": asset.wallet,
        "amount": number(ledger.amount, asset.decimals),
        "fee": number(ledger.fee, asset.decimals),
        "balance": number(ledger.balance, asset.decimals),
    }


def wallet_type(asset: VenueAsset) -> str:
    """Where it lies: to trade with, or to earn."""
    return "spot" if asset.wallet == "main" else "earn"


def _whole_order(market: Market, order: Order, exec_type: str, status: str) -> WireRow:
    pair, ask = market.pair, order.ask
    row: WireRow = {
        "order_id": order.order_id,
        "symbol": pair.symbol,
        "order_qty": number(order.quantity_base, pair.lot_decimals),
        "cum_cost": number(order.cost_quote, pair.cost_decimals),
        "time_in_force": ask.time_in_force.value,
        "exec_type": exec_type,
        "side": ask.side.value,
        "order_type": ask.form.name,
    }
    row = _with_user_ids(row, order)
    _add_limit(row, market, order)
    _add_stop_price(row, market, order)
    _add_display(row, market, order)
    _add_triggers(row, market, order)
    _add_terms(row, market, order)
    row["order_status"] = status
    row["fee_usd_equiv"] = number(order.fee_usd, USD_DECIMALS)
    row["fee_ccy_pref"] = "fcib" if ask.fee_in_base else "fciq"
    row["timestamp"] = instant(order.opened_ns)
    return row


def _status(market: Market, order: Order, now_ns: int) -> WireRow:
    row: WireRow = {
        "timestamp": instant(now_ns),
        "exec_type": "status",
        "order_status": _open_status(order),
    }
    _add_stop_price(row, market, order)
    _add_triggers(row, market, order)
    return _with_ids(row, order)


def _add_terms(row: WireRow, market: Market, order: Order) -> None:
    """What only some orders have."""
    ask = order.ask
    if ask.budget_quote is not None:
        row["cash_order_qty"] = number(ask.budget_quote, market.pair.cost_decimals)
    if ask.post_only:
        row["post_only"] = True
    if ask.start_ns:
        row["effective_time"] = instant(ask.start_ns)
    if ask.time_in_force is TimeInForce.GTD:
        row["expire_time"] = instant(ask.expire_ns)
    if order.opened_by is not None:
        row["ord_ref_id"] = order.opened_by
    if ask.close is not None:
        row["contingent"] = _contingent(market, ask.close)


def _contingent(market: Market, close: CloseAsk) -> WireRow:
    row: WireRow = {"order_type": close.form.name}
    if close.trigger is not None:
        row["trigger_price"] = _price_number(market, close.trigger.price)
        row["trigger_price_type"] = close.trigger.price.unit
    if close.limit is not None:
        row["limit_price"] = _price_number(market, close.limit)
        row["limit_price_type"] = close.limit.unit
    return row


def _price_number(market: Market, price: Price) -> msgspec.Raw:
    decimals = PCT_DECIMALS if price.unit == "pct" else market.pair.pair_decimals
    return number(price.amount, decimals)


def _add_stop_price(row: WireRow, market: Market, order: Order) -> None:
    level = order.trigger_price
    row["stop_price"] = _NO_STOP if level is None else number(level, market.pair.pair_decimals)


def _add_display(row: WireRow, market: Market, order: Order) -> None:
    if order.display_base is not None:
        decimals = market.pair.lot_decimals
        row["display_qty"] = number(order.display_base, decimals)
        row["display_qty_remain"] = number(order.shown_base, decimals)


def _add_limit(row: WireRow, market: Market, order: Order) -> None:
    """Its limit; as long as a trailing stop waits, how far that lies from its trigger."""
    distance = order.trigger.limit if order.waits and order.trigger is not None else None
    if distance is not None:
        row["limit_price_type"] = distance.unit
        row["limit_price"] = _price_number(market, distance)
    elif order.limit_price is not None:
        row["limit_price_type"] = "static"
        row["limit_price"] = number(order.limit_price, market.pair.pair_decimals)


def _add_triggers(row: WireRow, market: Market, order: Order) -> None:
    """What the order waits for, and how far that has come."""
    trigger, decimals = order.trigger, market.pair.pair_decimals
    if trigger is None:
        return
    found: WireRow = {
        "reference": trigger.reference,
        "price": _price_number(market, trigger.price),
        "price_type": trigger.price.unit,
    }
    if order.trigger_price is not None:
        found["actual_price"] = number(order.trigger_price, decimals)
    if order.peak_price is not None:
        found["peak_price"] = number(order.peak_price, decimals)
    found["status"] = "triggered" if order.triggered_ns else "untriggered"
    if order.triggered_ns:
        price = market.price_of(trigger.reference)
        if price is not None:
            found["last_price"] = number(price, decimals)
        found["timestamp"] = instant(order.triggered_ns)
    row["triggers"] = found


def _fill(market: Market, trade: Trade) -> WireRow:
    pair = market.pair
    in_base = trade.fee_asset == pair.base.altname
    fee_asset = pair.base if in_base else pair.quote
    decimals = fee_asset.decimals if in_base else max(fee_asset.decimals, market.told_decimals)
    return {
        "order_id": trade.order_id,
        "exec_id": trade.trade_txid,
        "exec_type": "trade",
        "trade_id": trade.trade_id,
        "symbol": pair.symbol,
        "side": "buy" if trade.side is Side.BUY else "sell",
        "last_qty": number(trade.quantity_base, pair.lot_decimals),
        "last_price": number(trade.price, pair.pair_decimals),
        "liquidity_ind": "m" if trade.maker else "t",
        "cost": number(trade.cost_quote, pair.cost_decimals),
        "order_type": trade.form,
        "timestamp": instant(trade.at_ns),
        "fees": [
            {
                "asset": fee_asset.symbol,
                "qty": number(trade.fee_amount, decimals),
            }
        ],
        "fee_usd_equiv": number(trade.fee_usd, USD_DECIMALS),
    }


def _add_sums(row: WireRow, market: Market, order: Order) -> None:
    pair = market.pair
    row["cum_qty"] = number(order.filled_base, pair.lot_decimals)
    row["cum_cost"] = number(order.cost_quote, pair.cost_decimals)
    row["avg_price"] = number(order.average_price, pair.pair_decimals)


def _open_status(order: Order) -> str:
    return "partially_filled" if order.filled_base else "new"


def _with_ids(row: WireRow, order: Order) -> WireRow:
    row = _with_user_ids(row, order)
    row["order_id"] = order.order_id
    return row


def _with_user_ids(row: WireRow, order: Order) -> WireRow:
    if order.ask.cl_ord_id is not None:
        row["cl_ord_id"] = order.ask.cl_ord_id
    else:
        row["order_userref"] = order.ask.userref or 0
    return row
