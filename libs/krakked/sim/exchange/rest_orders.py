"""REST methods that add, amend, edit and cancel orders: arguments in, acts of the desk, answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from krakked.domain.ids import ClientOrderId, VenueOrderId
from krakked.domain.times import NS_PER_SECOND, to_rfc3339
from krakked.sim.exchange import amending, batches, desk, editing, errors
from krakked.sim.exchange.accounts import Account
from krakked.sim.exchange.calls import Call
from krakked.sim.exchange.core import Market
from krakked.sim.exchange.describing import prices_of
from krakked.sim.exchange.errors import VenueError, invalid
from krakked.sim.exchange.orders import Amendment, Order
from krakked.sim.exchange.rest_reading import read_amend, read_edit, read_order
from krakked.sim.wire import text

_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,10}")
NS_PER_MILLISECOND: Final = NS_PER_SECOND // 1_000
ASSET_CLASSES: Final = ("currency", "tokenized_asset")
"""Of the second there is no pair here."""


def add_order(call: Call) -> object:
    """AddOrder."""
    market = _market(call, call.params.required("pair"))
    ask = read_order(call.core, call.params, market)
    validate = call.params.flag("validate")
    added = desk.add_order(
        call.core, call.account, ask, least_ns=desk.REST_DEADLINE_LEAST_NS, validate=validate
    )
    result: dict[str, object] = {"descr": _descriptions(added)}
    if added.order is not None:
        result["txid"] = [added.order.order_id]
        call.made.append(added.order.order_id)
    return result


def add_order_batch(call: Call) -> object:
    """AddOrderBatch: single refusals of the engine stand inside the answer."""
    market = _market(call, call.params.required("pair"))
    outcomes = batches.add_asked(call, market, read_order, least_ns=desk.REST_DEADLINE_LEAST_NS)
    return {"orders": [_outcome(call, outcome) for outcome in outcomes]}


def _outcome(call: Call, outcome: batches.Outcome) -> dict[str, object]:
    if isinstance(outcome, VenueError):
        return {"error": str(outcome)}
    row: dict[str, object] = {"descr": {"order": outcome.description}}
    if outcome.close:
        row["close"] = outcome.close
    if outcome.order is not None:
        row = {"txid": outcome.order.order_id} | row
        call.made.append(outcome.order.order_id)
    return row


def _descriptions(added: desk.Added) -> dict[str, str]:
    found = {"order": added.description}
    return found | {"close": added.close} if added.close else found


def amend_order(call: Call) -> object:
    """AmendOrder."""
    params = call.params
    order = desk.find_open(call.account, params.text("txid"), params.text("cl_ord_id"))
    ask = read_amend(params, call.core.markets[order.ask.pair], order)
    amend_id = desk.amend_order(
        call.core, call.account, order, ask, least_ns=desk.REST_DEADLINE_LEAST_NS
    )
    return {"amend_id": amend_id}


def edit_order(call: Call) -> object:
    """EditOrder: the order named by id, or by a user reference that only one has."""
    market = _market(call, call.params.required("pair"))
    order = _the_one(call.account, call.params.required("txid"))
    if order.ask.pair != market.name:
        raise invalid("pair")
    edit = read_edit(call.params, market, order)
    added = editing.edit_order(
        call.core,
        call.account,
        order,
        edit,
        least_ns=desk.REST_DEADLINE_LEAST_NS,
        validate=call.params.flag("validate"),
    )
    if added.order is None:
        return {"descr": {"order": added.description}}
    call.made.append(added.order.order_id)
    return _edited(market, order, added.order, added.description)


def _edited(market: Market, old: Order, new: Order, description: str) -> dict[str, object]:
    price, price2 = prices_of(market, new)
    row: dict[str, object] = {
        "status": "ok",
        "txid": new.order_id,
        "originaltxid": old.order_id,
        "volume": text(new.quantity_base, market.pair.lot_decimals),
    }
    if new.ask.userref is not None:
        row["newuserref"] = new.ask.userref
    row |= {name: shown for name, shown in (("price", price), ("price2", price2)) if shown}
    return row | {"orders_cancelled": 1, "descr": {"order": description}}


def order_amends(call: Call) -> object:
    """OrderAmends: what an order was, from its birth on; nothing if it was never amended."""
    order_id = call.params.text("order_id") or call.params.required("txid")
    order = call.account.orders.get(VenueOrderId(order_id))
    if order is None or order.order_id in call.account.hidden:
        raise VenueError(errors.UNKNOWN_ORDER)
    rows = order.amendments or [amending.original(order)]
    market = call.core.markets[order.ask.pair]
    return {"count": len(rows), "amends": [_amend_row(market, row) for row in rows]}


def _amend_row(market: Market, amendment: Amendment) -> dict[str, object]:
    pair = market.pair
    row: dict[str, object] = {
        "amend_id": amendment.amend_id,
        "amend_type": amendment.kind,
        "order_qty": text(amendment.quantity_base, pair.lot_decimals),
        "remaining_qty": text(amendment.remaining_base, pair.lot_decimals),
        "post_only": amendment.post_only,
        "timestamp": amendment.at_ns // NS_PER_MILLISECOND,
    }
    if amendment.display_base is not None:
        row["display_qty"] = text(amendment.display_base, pair.lot_decimals)
    if amendment.limit_price is not None:
        row["limit_price"] = text(amendment.limit_price, pair.pair_decimals)
    if amendment.trigger_price is not None:
        row["trigger_price"] = text(amendment.trigger_price, pair.pair_decimals)
    if amendment.kind == "user":
        row["reason"] = "User requested"
    return row


def cancel_order(call: Call) -> object:
    """CancelOrder: one by id or client id, or all that carry a user reference."""
    txid, cl_ord_id = call.params.text("txid"), call.params.text("cl_ord_id")
    if txid is not None and _WHOLE_NUMBER.fullmatch(txid):
        orders = desk.open_by_userref(call.account, int(txid))
        if not orders:
            raise VenueError(errors.UNKNOWN_ORDER)
    else:
        orders = [desk.find_open(call.account, txid, cl_ord_id)]
    for order in orders:
        desk.cancel_order(call.core, call.account, order)
    return {"count": len(orders)}


def cancel_order_batch(call: Call) -> object:
    """CancelOrderBatch: by ids, user references and client ids, fifty at most; unknown ones are
    passed over, unless all are.
    """
    names, client_ids = call.params.listed("orders"), call.params.listed("cl_ord_ids")
    if not 1 <= len(names) + len(client_ids) <= batches.CANCELS_MOST:
        raise invalid("orders")
    orders = named_orders(call.account, names, client_ids)
    return {"count": batches.cancel_orders(call.core, call.account, orders)}


def named_orders(account: Account, names: Sequence[str], client_ids: Sequence[str]) -> list[Order]:
    """The open orders that are meant, in the order in which they are named."""
    found: list[Order] = []
    for name in names:
        if _WHOLE_NUMBER.fullmatch(name):
            found += desk.open_by_userref(account, int(name))
        elif VenueOrderId(name) in account.open:
            found.append(account.open[VenueOrderId(name)])
    for client_id in client_ids:
        order = account.by_client_id.get(ClientOrderId(client_id))
        if order is not None:
            found.append(order)
    if not found:
        raise VenueError(errors.UNKNOWN_ORDER)
    return found


def cancel_all(call: Call) -> object:
    """CancelAll."""
    return {"count": desk.cancel_all(call.core, call.account)}


def cancel_all_orders_after(call: Call) -> object:
    """CancelAllOrdersAfter."""
    timeout_s = call.params.integer("timeout")
    if timeout_s is None:
        raise invalid("timeout")
    return dead_man_answer(desk.set_dead_man(call.core, call.account, timeout_s))


def dead_man_answer(timer: desk.DeadMan) -> dict[str, object]:
    """Both instants as they are shown; a disarmed timer says 0."""
    trigger = "0" if timer.trigger_ns is None else to_rfc3339(timer.trigger_ns, decimals=0)
    return {"currentTime": to_rfc3339(timer.current_ns, decimals=0), "triggerTime": trigger}


def _the_one(account: Account, txid: str) -> Order:
    if not _WHOLE_NUMBER.fullmatch(txid):
        return desk.find_open(account, txid, None)
    orders = desk.open_by_userref(account, int(txid))
    if len(orders) != 1:
        raise VenueError(errors.UNKNOWN_ORDER)
    return orders[0]


def _market(call: Call, spelling: str) -> Market:
    kind = call.params.text("asset_class") or "currency"
    if kind not in ASSET_CLASSES:
        raise invalid("asset_class")
    market = call.core.market(spelling) if kind == "currency" else None
    if market is None:
        raise VenueError(errors.UNKNOWN_PAIR)
    return market
