"""Private REST: one table of methods, the order of checks before any of them, and the envelope.

    method → key → signature → nonce → rate → permission → what the method itself checks

A refusal is an answer like any other: HTTP knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, TypeAlias

import msgspec

from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange import errors, rest_account, rest_history, rest_orders
from krakked.sim.exchange.accounts import Account
from krakked.sim.exchange.calls import Call, PrivateRequest, RestAnswer
from krakked.sim.exchange.core import Core, SystemStatus
from krakked.sim.exchange.errors import VenueError
from krakked.sim.exchange.keys import Key, Keys, Permission
from krakked.sim.exchange.limits import admit_rest_call
from krakked.sim.exchange.params import Params, parse_body
from krakked.sim.wire import encode

PREFIX: Final = "/0/private/"
HISTORY: Final = -1
"""Costs what the options say a history costs."""
RestFunction: TypeAlias = Callable[[Call], object]


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    run: RestFunction
    any_of: Collection[Permission]
    """The key needs one of these; none named, none needed."""
    cost: int = 1
    mutates: bool = False


_TRADE: Final = (Permission.MODIFY,)
_CANCEL: Final = (Permission.MODIFY, Permission.CLOSE)
_ORDERS: Final = (Permission.QUERY_OPEN, Permission.QUERY_CLOSED)

METHODS: Final[dict[str, Method]] = {
    "Balance": Method(run=rest_account.balance, any_of=(Permission.QUERY_FUNDS,)),
    "BalanceEx": Method(run=rest_account.balance_extended, any_of=(Permission.QUERY_FUNDS,)),
    "TradeBalance": Method(run=rest_account.trade_balance, any_of=(Permission.QUERY_FUNDS,)),
    "TradeVolume": Method(run=rest_account.trade_volume, any_of=(Permission.QUERY_FUNDS,)),
    "GetApiKeyInfo": Method(run=rest_account.api_key_info, any_of=()),
    "GetWebSocketsToken": Method(
        run=rest_account.websockets_token, any_of=(Permission.WS_TOKEN,), mutates=True
    ),
    "OpenOrders": Method(run=rest_history.open_orders, any_of=(Permission.QUERY_OPEN,)),
    "ClosedOrders": Method(
        run=rest_history.closed_orders, any_of=(Permission.QUERY_CLOSED,), cost=HISTORY
    ),
    "QueryOrders": Method(run=rest_history.query_orders, any_of=_ORDERS),
    "TradesHistory": Method(
        run=rest_history.trades_history, any_of=(Permission.QUERY_CLOSED,), cost=HISTORY
    ),
    "QueryTrades": Method(run=rest_history.query_trades, any_of=(Permission.QUERY_CLOSED,)),
    "Ledgers": Method(run=rest_history.ledgers, any_of=(Permission.LEDGER,), cost=HISTORY),
    "QueryLedgers": Method(
        run=rest_history.query_ledgers, any_of=(Permission.LEDGER,), cost=HISTORY
    ),
    "AddOrder": Method(run=rest_orders.add_order, any_of=_TRADE, cost=0, mutates=True),
    "AmendOrder": Method(run=rest_orders.amend_order, any_of=_TRADE, cost=0, mutates=True),
    "AddOrderBatch": Method(run=rest_orders.add_order_batch, any_of=_TRADE, cost=0, mutates=True),
    "EditOrder": Method(run=rest_orders.edit_order, any_of=_TRADE, cost=0, mutates=True),
    "OrderAmends": Method(run=rest_orders.order_amends, any_of=_ORDERS),
    "CancelOrderBatch": Method(
        run=rest_orders.cancel_order_batch, any_of=_CANCEL, cost=0, mutates=True
    ),
    "CancelOrder": Method(run=rest_orders.cancel_order, any_of=_CANCEL, cost=0, mutates=True),
    "CancelAll": Method(run=rest_orders.cancel_all, any_of=_CANCEL, cost=0, mutates=True),
    "CancelAllOrdersAfter": Method(
        run=rest_orders.cancel_all_orders_after, any_of=_CANCEL, cost=0, mutates=True
    ),
}


def answer(core: Core, keys: Keys, request: PrivateRequest) -> RestAnswer:
    """Serve one private request."""
    name = request.path.removeprefix(PREFIX)
    method = METHODS.get(name)
    made: list[str] = []
    if method is None:
        return _refused(name, errors.UNKNOWN_METHOD)
    try:
        result = _run(core, keys, request, method, made)
    except VenueError as error:
        return _refused(name, str(error))
    return RestAnswer(
        body=encode({"error": [], "result": result}),
        method=name,
        mutated=method.mutates,
        accepted=True,
        order_ids=tuple(made),
    )


def _refused(method: str, error: str) -> RestAnswer:
    body = encode({"error": [error]})
    return RestAnswer(body=body, method=method, mutated=False, accepted=False)


def _run(
    core: Core, keys: Keys, request: PrivateRequest, method: Method, made: list[str]
) -> object:
    params = parse_body(request.body, request.content_type)
    key = _authenticate(core, keys, request, params)
    account = core.accounts[key.account]
    _throttle(core, key, account)
    cost = _cost(core, request, method)
    if not admit_rest_call(key.counter, account.limits, cost, core.now_ns):
        raise VenueError(errors.REST_RATE)
    if method.any_of and key.permissions.isdisjoint(method.any_of):
        raise VenueError(errors.PERMISSION_DENIED)
    if core.system_status is SystemStatus.MAINTENANCE:
        raise VenueError(errors.UNAVAILABLE)
    return method.run(
        Call(core=core, keys=keys, key=key, account=account, params=params, made=made)
    )


def _throttle(core: Core, key: Key, account: Account) -> None:
    if account.limits is None:
        return
    options = core.options
    length_ns = options.request_ms * (NS_PER_SECOND // 1_000)
    until_ns = key.under_way.begin(options.concurrent_requests, length_ns, core.now_ns)
    if until_ns is not None:
        raise errors.throttled(-(-(until_ns + core.clock_offset_ns) // NS_PER_SECOND))


def _cost(core: Core, request: PrivateRequest, method: Method) -> int:
    usual = core.options.history_cost if method.cost == HISTORY else method.cost
    return core.options.rest_costs.get(request.path.removeprefix(PREFIX), usual)


def _authenticate(core: Core, keys: Keys, request: PrivateRequest, params: Params) -> Key:
    key = keys.identify(request.api_key, core.now_ns)
    nonce = params.text("nonce")
    try:
        keys.check(key, request.path, nonce, request.body, request.api_sign)
    except VenueError:
        keys.fail(key, core.now_ns)
        core.changes.note("key", key.key)
        raise
    key.last_used_ns = core.now_ns
    core.changes.note("key", key.key)
    return key
