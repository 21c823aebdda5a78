"""Trading methods of WebSocket v2: the same desk behind other names, numbers that are numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from krakked.sim.exchange.core import SystemStatus
from krakked.sim.exchange.keys import QUERY_PERMISSIONS

INVALID = "EGeneral:Invalid arguments:"
LIMIT = {
    "order_type": "limit",
    "side": "buy",
    "order_qty": Decimal("0.1"),
    "symbol": "BTC/USD",
    "limit_price": Decimal(49000),
}


def one(frames):
    (frame,) = frames
    return frame


def test_add_order_answers_with_order_and_reference(venue):
    frame = one(venue.ws("add_order", **LIMIT, order_userref=5))
    (txid,) = venue.account().open
    assert frame == {
        "method": "add_order",
        "req_id": 7,
        "result": {"order_id": txid, "order_userref": 5},
        "success": True,
    }


def test_add_order_answers_with_the_client_id(venue):
    frame = one(venue.ws("add_order", **LIMIT, cl_ord_id="mine"))
    assert frame["result"]["cl_ord_id"] == "mine"


def test_request_without_an_id_is_answered_without_one(venue):
    frame = one(
        venue.exchange.ws_request("cancel_all", {"token": venue.token()}, None, venue.now_ns)
    )
    assert frame == {"method": "cancel_all", "result": {"count": 0}, "success": True}


def test_market_order_trades(venue):
    frame = one(
        venue.ws("add_order", order_type="market", side="sell", order_qty=1, symbol="BTC/USD")
    )
    assert venue.status(frame["result"]["order_id"]) == ("closed", "1.00000000")


def test_market_order_by_budget_trades_for_it(venue):
    frame = one(
        venue.ws(
            "add_order",
            order_type="market",
            side="buy",
            cash_order_qty=Decimal(100),
            symbol="BTC/USD",
        )
    )
    assert venue.status(frame["result"]["order_id"])[0] == "closed"


def test_limit_order_with_an_expiry_is_good_till_then(venue):
    frame = one(
        venue.ws("add_order", **LIMIT, time_in_force="gtd", expire_time="2023-11-14T22:13:30Z")
    )
    venue.later(10)
    assert venue.status(frame["result"]["order_id"])[0] == "expired"


def test_fill_or_kill_fills_whole_or_not_at_all(venue):
    order = LIMIT | {"limit_price": 50001, "time_in_force": "fok"}
    whole = one(venue.ws("add_order", **order))["result"]["order_id"]
    none = one(venue.ws("add_order", **(order | {"order_qty": 1})))["result"]["order_id"]
    assert (venue.status(whole)[0], venue.status(none)) == ("closed", ("canceled", "0.00000000"))


def test_fill_or_kill_can_be_unknown_to_websocket(make_bench):
    venue = make_bench(ws_fill_or_kill=False)
    venue.open(USD="10000")
    frame = one(venue.ws("add_order", **LIMIT, time_in_force="fok"))
    assert frame["error"] == INVALID + "time_in_force"
    assert venue.add("buy", "0.1", "49000", timeinforce="FOK")


@pytest.mark.parametrize("change", [{"side": "sell"}, {"order_type": "stop-loss"}])
def test_budget_is_for_market_buys(venue, change):
    order = {"order_type": "market", "side": "buy", "symbol": "BTC/USD", "cash_order_qty": 100}
    order |= {"triggers": {"price": 49000}} | change
    assert one(venue.ws("add_order", **order))["error"] == INVALID + "order_qty"


def test_validated_order_is_not_placed(venue):
    frame = one(venue.ws("add_order", **LIMIT, validate=True))
    assert (frame["success"], venue.account().open) == (True, {})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"symbol": "XBT/USD"}, "Currency pair not supported XBT/USD"),
        ({"symbol": "XBTUSD"}, "Currency pair not supported XBTUSD"),
        ({"symbol": None}, "Currency pair not supported null"),
        ({"symbol": ["BTC/USD"]}, 'Currency pair not supported ["BTC/USD"]'),
        ({"symbol": {"a": Decimal("1.50")}}, 'Currency pair not supported {"a":1.50}'),
        ({"symbol": True}, "Currency pair not supported true"),
        ({"limit_price": "49000"}, "Limit_price field must be a number_float"),
        ({"order_qty": "0.1"}, "Order_qty field must be a number_float"),
        ({"order_qty": True}, "Order_qty field must be a number_float"),
        ({"order_qty": Decimal("NaN")}, INVALID + "order_qty"),
        ({"order_qty": 0}, INVALID + "order_qty"),
        ({"order_qty": None}, INVALID + "order_qty"),
        ({"cash_order_qty": 5}, INVALID + "order_qty"),
        ({"limit_price": None}, INVALID + "limit_price"),
        ({"limit_price": Decimal("1.05")}, "EOrder:Tick size check failed"),
        ({"side": "hold"}, INVALID + "side"),
        ({"order_type": "guess"}, INVALID + "order_type"),
        ({"time_in_force": "day"}, INVALID + "time_in_force"),
        ({"margin": True}, INVALID + "margin"),
        ({"cl_ord_id": "a", "order_userref": 1}, INVALID + "cl_ord_id"),
        ({"order_userref": 2**40}, INVALID + "order_userref"),
        ({"order_qty": 99}, "EOrder:Insufficient funds"),
        ({"limit_price": Decimal(60000), "post_only": True}, "EOrder:Post only order"),
        ({"deadline": "2023-11-14T22:13:20.4Z"}, INVALID + "deadline"),
        ({"deadline": "2023-11-14T22:13:19Z"}, "EService:Deadline elapsed"),
    ],
)
def test_bad_order_is_refused_in_the_venues_words(venue, change, text):
    frame = one(venue.ws("add_order", **(LIMIT | change)))
    assert (frame["error"], frame["success"], frame["method"]) == (text, False, "add_order")
    assert venue.account().open == {}


def test_deadline_may_be_half_a_second_ahead(venue):
    assert one(venue.ws("add_order", **LIMIT, deadline="2023-11-14T22:13:20.5Z"))["success"]


def test_amend_changes_the_order(venue):
    txid = venue.add("buy", "0.1", "49000", cl_ord_id="mine")
    frame = one(
        venue.ws("amend_order", cl_ord_id="mine", order_qty=Decimal("0.2"), limit_price=48000)
    )
    assert frame["result"]["amend_id"].startswith("T")
    assert (frame["result"]["order_id"], frame["result"]["cl_ord_id"]) == (txid, "mine")
    assert venue.order(txid)["descr"]["order"] == "buy 0.20000000 XBTUSD @ limit 48000.0"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"order_qty": 0}, INVALID + "order_qty"),
        ({"order_qty": "0.2"}, "Order_qty field must be a number_float"),
        ({"limit_price": Decimal(60000), "post_only": True}, "EOrder:Post only order"),
    ],
)
def test_bad_amend_is_refused(venue, change, text):
    txid = venue.add("buy", "0.1", "49000")
    assert one(venue.ws("amend_order", order_id=txid, **change))["error"] == text
    assert venue.order(txid)["descr"]["price"] == "49000.0"


def test_cancel_answers_once_per_order_in_the_order_asked(venue):
    first = venue.add("buy", "0.1", "49000")
    second = venue.add("buy", "0.1", "49000", cl_ord_id="mine")
    third = venue.add("buy", "0.1", "49000", userref=9)
    frames = venue.ws(
        "cancel_order",
        order_id=[first, "OAAAAA-AAAAA-AAAAAA"],
        cl_ord_id=["mine"],
        order_userref=[9, 10],
    )
    assert [frame.get("result", frame.get("error")) for frame in frames] == [
        {"order_id": first},
        "EOrder:Unknown order",
        {"cl_ord_id": "mine"},
        {"order_userref": 9},
        "EOrder:Unknown order",
    ]
    assert {frame["req_id"] for frame in frames} == {7}
    assert [venue.status(txid)[0] for txid in (first, second, third)] == ["canceled"] * 3


@pytest.mark.parametrize("params", [{}, {"order_id": []}, {"order_id": "O"}])
def test_cancel_of_nothing_is_refused(venue, params):
    assert one(venue.ws("cancel_order", **params))["error"] == INVALID + "order_id"


def test_cancel_all_counts(venue):
    venue.add("buy", "0.1", "49000")
    assert one(venue.ws("cancel_all"))["result"] == {"count": 1}


def test_dead_man_is_the_same_as_over_rest(venue):
    txid = venue.add("buy", "0.1", "49000")
    frame = one(venue.ws("cancel_all_orders_after", timeout=100))
    assert frame["result"] == {
        "currentTime": "2023-11-14T22:13:20Z",
        "triggerTime": "2023-11-14T22:15:00Z",
    }
    venue.later(100)
    assert venue.status(txid)[0] == "canceled"


@pytest.mark.parametrize("timeout", [None, -1, 86400, "60", "", 1.5, True, [60]])
def test_dead_man_refuses_an_absurd_time(venue, timeout):
    frame = one(venue.ws("cancel_all_orders_after", timeout=timeout))
    assert frame["error"] == INVALID + "timeout"


def test_unknown_token_is_an_invalid_session(venue):
    frame = one(venue.ws("add_order", token="made up", **LIMIT))
    assert frame["error"] == "ESession:Invalid session"


def test_missing_token_is_not_found(venue):
    frame = one(venue.exchange.ws_request("add_order", dict(LIMIT), 7, venue.now_ns))
    assert frame["error"] == "Token(s) not found"


def test_token_of_a_key_that_may_not_trade_cannot(venue):
    venue.exchange.add_key("alice", key="query", secret=venue.secret, permissions=QUERY_PERMISSIONS)
    token = venue.token("query")
    for method in ("add_order", "cancel_all", "cancel_all_orders_after", "cancel_order"):
        frame = one(venue.ws(method, token=token, timeout=5, **LIMIT))
        assert frame["error"] == "EGeneral:Permission denied"


def test_unknown_method_is_refused(venue):
    assert one(venue.ws("teleport"))["error"] == "Unsupported event"
    assert not venue.exchange.is_trading_method("subscribe")
    assert venue.exchange.is_trading_method("add_order")


def test_maintenance_refuses_everything(venue):
    token = venue.token()
    venue.exchange.set_system_status(SystemStatus.MAINTENANCE, venue.now_ns)
    assert one(venue.ws("cancel_all", token=token))["error"] == "EService:Unavailable"
    assert venue.exchange.system_status() is SystemStatus.MAINTENANCE
