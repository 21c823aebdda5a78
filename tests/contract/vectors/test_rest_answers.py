"""Answers that were recorded or printed, beside the simulator's to the same request: the same keys,
the same kinds of values in the same places, rows in the same order.
"""

from __future__ import annotations

from typing import Any

import pytest

from krakked.sim.exchange.rest import METHODS as PRIVATE
from krakked.sim.fidelity import TABLE, Kind, Level
from krakked.sim.public.rest import METHODS as PUBLIC

FILES = ("Kraken.Net/Endpoints/**/*.txt", "Kraken.Net/JsonResponses/Spot*/*.txt")
ASYNC = {
    "account_balance": "Balance",
    "extended_balance": "BalanceEx",
    "trade_balance": "TradeBalance",
    "trade_volume": "TradeVolume",
    "trade_volume_per_pair": "TradeVolume",
    "websockets_token": "GetWebSocketsToken",
    "open_orders": "OpenOrders",
    "query_order_info": "QueryOrders",
    "query_trades_info": "QueryTrades",
    "query_ledgers": "QueryLedgers",
    "add_order": "AddOrder",
    "add_order_batch": "AddOrderBatch",
    "amend_order": "AmendOrder",
    "edit_order": "EditOrder",
    "cancel_order": "CancelOrder",
    "cancel_order_batch": "CancelOrderBatch",
    "cancel_all_orders": "CancelAll",
    "cancel_all_orders_after": "CancelAllOrdersAfter",
    "server_time": "Time",
    "system_status": "SystemStatus",
    "asset_info": "Assets",
    "tradable_asset_pairs": "AssetPairs",
    "ticker_information": "Ticker",
    "ohlc_data": "OHLC",
    "orderbook": "Depth",
    "recent_trades": "Trades",
    "recent_spreads": "Spread",
    "open_positions": "OpenPositions",
    "open_positions_json_do_calc_optional_fields": "OpenPositions",
    "account_transfer": "AccountTransfer",
    "create_sub_account": "CreateSubaccount",
    "allocate_earn_funds": "Earn/Allocate",
    "deallocate_earn_funds": "Earn/Deallocate",
    "allocation_status": "Earn/AllocateStatus",
    "deallocation_status": "Earn/DeallocateStatus",
    "list_earn_allocations": "Earn/Allocations",
    "list_earn_strategies": "Earn/Strategies",
    "request_export_report": "AddExport",
    "export_report_status": "ExportStatus",
    "delete_export_report": "RemoveExport",
    "deposit_addresses": "DepositAddresses",
    "deposit_methods": "DepositMethods",
    "status_of_recent_deposits": "DepositStatus",
    "status_of_recent_withdrawals": "WithdrawStatus",
    "request_withdrawal_cancellation": "WithdrawCancel",
    "request_wallet_transfer": "WalletTransfer",
    "withdraw_funds": "Withdraw",
    "withdrawal_addresses": "WithdrawAddresses",
    "withdrawal_info": "WithdrawInfo",
    "withdrawal_methods": "WithdrawMethods",
}
"""Files whose name says in words what they answer."""
JSON_RESPONSES = {
    "GetBalances": "Balance",
    "GetLedgerInfo": "Ledgers",
    "GetLedgersEntry": "QueryLedgers",
    "GetTradeBalance": "TradeBalance",
    "GetTradeVolume": "TradeVolume",
    "GetAssets": "Assets",
    "GetOrderBook": "Depth",
    "GetSymbols": "AssetPairs",
    "GetSystemStatus": "SystemStatus",
    "GetTicker": "Ticker",
    "GetTickers": "Ticker",
    "CancelOrder": "CancelOrder",
    "GetClosedOrders": "ClosedOrders",
    "GetOpenOrders": "OpenOrders",
    "GetOrder": "QueryOrders",
    "GetUserTradeDetails": "QueryTrades",
    "GetUserTrades": "TradesHistory",
    "PlaceOrder": "AddOrder",
    "GetDepositAddresses": "DepositAddresses",
    "GetDepositMethods": "DepositMethods",
    "GetDepositStatus": "DepositStatus",
    "GetOpenPositions": "OpenPositions",
    "GetWithdrawInfo": "WithdrawInfo",
    "Withdraw": "Withdraw",
    "GetAllocations": "Earn/Allocations",
}
NOT_OURS = {
    ".*.trigger": "orders with a trigger alone",
    ".open.*.trigger": "orders with a trigger alone",
    ".closed.*.trigger": "orders with a trigger alone",
    ".*.link_id": "not told of every order",
    ".open.*.link_id": "not told of every order",
    ".*.sender_sub_id": "of accounts with subaccounts",
    ".open.*.sender_sub_id": "of accounts with subaccounts",
    ".open.*.margin": "of margin orders",
    ".*.margin": "of margin orders",
    ".ml": "margin level, of who has positions",
    ".newuserref": "not told since 2025",
    ".descr.close": "of orders with a conditional close",
    ".orders[].close": "of orders with a conditional close",
    ".orders[].descr.close": "of orders with a conditional close",
    ".price2": "of orders with two prices",
    ".ip_allowlist[]": "no address is listed",
    ".pending": "cancels are not left for later",
}
"""Places that a recorded answer has and ours may lack, and why."""
HISTORIC = {
    (".open.*.refid", "text"): "once the text None",
    (".closed.*.refid", "text"): "once the text None",
    (".*.refid", "text"): "once the text None",
    (".*.balance", "number with a point"): "an example: recorded answers have text",
    (".*.hold_trade", "number with a point"): "an example: recorded answers have text",
    (".*.reason", "null"): "of orders that were filled",
    (".closed.*.reason", "null"): "of orders that were filled",
    (".*.cl_ord_id", "null"): "left out since 2025",
    (".*.descr.price", "text"): "of orders at a distance",
    **{
        (f".{side}.*.{field}", "null"): "at the top of the ladder"
        for side in ("fees", "fees_maker")
        for field in ("nextfee", "nextvolume")
    },
}
"""Kinds that a recorded answer shows and ours need not, and why."""


def method_of(library: Any, name: str) -> str:
    """What a file answers."""
    if name.startswith("Kraken.Net/Endpoints"):
        return library.text(name).splitlines()[1].partition("/0/")[2].partition("/")[2]
    if name.startswith("Kraken.Net/JsonResponses"):
        return JSON_RESPONSES[name.rpartition("/")[2].removesuffix(".txt").removesuffix("Async")]
    return ASYNC[name.rpartition("/")[2].removeprefix("rest_").removesuffix(".json")]


def answers(library: Any) -> list[tuple[str, str]]:
    names = library.files(*FILES, "kraken-async-rs/*.json")
    found = [(name, method_of(library, name)) for name in names]
    # what cancels everything comes last: there is nothing to tell after it
    return sorted(found, key=lambda row: row[1] == "CancelAll")


def asked(life: Any, method: str) -> Any:
    """The simulator's answer to a plain request of that method."""
    public = {"pair": "XBTUSD"} if method not in ("Assets", "Time", "SystemStatus") else {}
    if method == "Ticker":
        public = {"pair": "XETHZUSD,XBTUSD"}
    if method in PUBLIC:
        return life.get(method, public)
    return life.post(method, PRIVATE_REQUESTS.get(method, nothing)(life), as_json=method in BATCHES)


def nothing(_life: Any) -> dict[str, str]:
    return {}


BATCHES = ("AddOrderBatch", "CancelOrderBatch")
_LIMIT = {"ordertype": "limit", "type": "buy", "volume": "0.01", "price": "50000.0"}
PRIVATE_REQUESTS = {
    "OpenOrders": lambda _: {"trades": "true"},
    "ClosedOrders": lambda _: {"trades": "true"},
    "TradesHistory": lambda _: {"ledgers": "true"},
    "TradeVolume": lambda _: {"pair": "XBTUSD"},
    "QueryOrders": lambda life: {"txid": f"{life.gone},{life.partly_filled}", "trades": "true"},
    "QueryTrades": lambda life: {"txid": newest(life, "TradesHistory"), "ledgers": "true"},
    "QueryLedgers": lambda life: {"id": newest(life, "Ledgers")},
    "AddOrder": lambda _: {"pair": "XBTUSD", **_LIMIT},
    "AmendOrder": lambda life: {"txid": life.order("buy", "0.01", "50000"), "order_qty": "0.02"},
    "EditOrder": lambda life: {
        "txid": life.order("buy", "0.01", "50000"),
        "pair": "XBTUSD",
        "volume": "0.02",
        "price": "49000.0",
    },
    "CancelOrder": lambda life: {"txid": life.order("buy", "0.01", "50000")},
    "AddOrderBatch": lambda _: {"pair": "XBTUSD", "orders": [_LIMIT, _LIMIT]},
    "CancelOrderBatch": lambda life: {
        "orders": [life.order("buy", "0.01", "50000"), life.order("buy", "0.01", "50000")]
    },
    "CancelAllOrdersAfter": lambda _: {"timeout": "60"},
}


def newest(life: Any, method: str) -> str:
    (rows, *_) = life.post(method, {})["result"].values()
    return str(next(iter(rows)))


def test_every_recorded_answer_is_of_a_method_in_the_table(library: Any) -> None:
    known = {row.name for row in TABLE if row.kind in (Kind.PUBLIC, Kind.PRIVATE)}
    unknown = {method for _, method in answers(library)} - known
    assert unknown == set()


def test_methods_that_are_missing_are_unknown_to_the_simulator(library: Any) -> None:
    missing = {row.name for row in TABLE if row.level is Level.MISSING}
    asked_for = {method for _, method in answers(library)} & missing
    assert asked_for
    assert asked_for.isdisjoint({*PUBLIC, *PRIVATE})


def test_recorded_answers_have_no_place_and_no_kind_that_ours_lack(
    library: Any, life: Any, shapes: Any
) -> None:
    differences = []
    for name, method in answers(library):
        if method not in {*PUBLIC, *PRIVATE}:
            continue
        theirs, ours = library.answer(name), asked(life, method)
        assert ours["error"] == [], (method, ours)
        wanted, had = shapes.of(theirs["result"]), shapes.of(ours["result"])
        for place, kinds in wanted.items():
            if place not in had:
                if place not in NOT_OURS and not is_empty_there(ours, method, place):
                    differences.append((name, place, "lacking"))
                continue
            odd = {kind for kind in kinds - had[place] if (place, kind) not in HISTORIC}
            if odd - loosely(had[place]):
                differences.append((name, place, f"{odd} against {had[place]}"))
    assert differences == []


def is_empty_there(ours: Any, method: str, place: str) -> bool:
    """Answers whose places depend on what was asked with: fees without a pair, and with one."""
    return method == "TradeVolume" and place in (".fees", ".fees_maker")


def loosely(kinds: set[str]) -> set[str]:
    """Kinds that say the same: what has a fraction now may have none then."""
    more = set(kinds)
    if "whole number" in kinds or "number with a point" in kinds:
        more |= {"whole number", "number with a point"}
    if "decimal text" in kinds or "whole text" in kinds:
        more |= {"decimal text", "whole text"}
    if "null" in kinds or "whole number" in kinds:
        more |= {"null", "whole number"}
    if "text" in kinds:
        more |= {"whole text", "decimal text"}
    if "null" in kinds:
        more |= {"text", "decimal text"}
    return more


LATER = {
    "ClosedOrders": {"cl_ord_id", "aclass", "trades"},
    "OpenOrders": {"cl_ord_id", "aclass", "trades"},
    "QueryOrders": {"cl_ord_id", "aclass", "trades"},
    "TradesHistory": {"aclass", "leverage", "ledgers", "trade_id", "maker", "count"},
    "QueryTrades": {"aclass", "leverage", "ledgers", "trade_id", "maker"},
    "AssetPairs": {"execution_venue", "costmin", "tick_size", "status"},
    "Assets": {"margin_rate", "collateral_value", "status"},
    "TradeBalance": {"uv"},
    "TradeVolume": set(),
}
"""Keys that answers had from a later day on than that of the recording, by method."""
ANY_DAY = {"descr", "price", "volume", "reason", "closetm", "trigger", "userref"}
"""Keys that depend on the order, in whatever answer."""


@pytest.mark.parametrize("method", sorted({*PUBLIC, *PRIVATE}))
def test_answers_have_no_key_that_no_recording_has(
    library: Any, life: Any, shapes: Any, method: str
) -> None:
    recordings = [library.answer(name) for name, answered in answers(library) if answered == method]
    if not recordings:
        pytest.skip(f"nobody recorded an answer of {method}")
    seen = {key for each in recordings for place in shapes.of(each) for key in keys(place)}
    ours = {key for place in shapes.of(asked(life, method)) for key in keys(place)}
    assert ours - seen - LATER.get(method, set()) - ANY_DAY == set()


def keys(place: str) -> set[str]:
    """The names on the way to a place."""
    return {part.partition("[")[0] for part in place.split(".")} - {"", "*", "result", "error"}


@pytest.mark.parametrize(
    ("method", "number"),
    [("ClosedOrders", "closetm"), ("TradesHistory", "time"), ("Ledgers", "time")],
)
def test_histories_are_newest_first_in_recordings_and_here(
    library: Any, life: Any, method: str, number: str
) -> None:
    found = [library.answer(name) for name, answered in answers(library) if answered == method]
    for envelope in [*found, asked(life, method)]:
        (rows, *_) = envelope["result"].values()
        instants = [float(row[number]) for row in rows.values()]
        assert len(instants) > 1
        assert instants == sorted(instants, reverse=True)


@pytest.mark.parametrize("method", ["OHLC", "Trades", "Spread"])
def test_series_are_oldest_first_in_recordings_and_here(
    library: Any, life: Any, method: str
) -> None:
    place = 2 if method == "Trades" else 0
    found = [library.answer(name) for name, answered in answers(library) if answered == method]
    assert found
    for envelope in [*found, asked(life, method)]:
        rows = next(value for key, value in envelope["result"].items() if key != "last")
        instants = [float(row[place]) for row in rows]
        assert instants == sorted(instants)


def test_depth_is_best_first_in_recordings_and_here(library: Any, life: Any) -> None:
    found = [library.answer(name) for name, answered in answers(library) if answered == "Depth"]
    for envelope in [*found, asked(life, "Depth")]:
        (book,) = envelope["result"].values()
        for side, descending in (("asks", False), ("bids", True)):
            prices = [float(row[0]) for row in book[side]]
            assert prices == sorted(prices, reverse=descending)


@pytest.mark.parametrize("method", ["OHLC", "Trades", "Depth", "Spread", "Ticker"])
def test_numbers_of_bitcoin_have_the_decimals_of_the_recordings(
    library: Any, life: Any, method: str
) -> None:
    """The one pair that is in all of them; elsewhere decimals follow the pair."""
    found = [library.answer(name) for name, answered in answers(library) if answered == method]
    wanted = [decimals(each["result"].get("XXBTZUSD")) for each in found]
    assert wanted
    ours = decimals(asked(life, method)["result"]["XXBTZUSD"])
    assert [one for one in wanted if one not in (set(), ours)] == []


def decimals(value: Any) -> set[int]:
    """How many digits stand behind the points of texts."""
    if isinstance(value, list | dict):
        inner = value.values() if isinstance(value, dict) else value
        return {count for one in inner for count in decimals(one)}
    text = str(value)
    is_text_number = type(value) is str and text.replace(".", "").isdigit() and "." in text
    return {len(text.partition(".")[2])} if is_text_number else set()
