"""Conditional close: each fill of an order makes another of its size on the other side."""

from __future__ import annotations

from decimal import Decimal

import pytest

from krakked.domain.orders import Side

INVALID = "EGeneral:Invalid arguments:"
CLOSE = {"close[ordertype]": "stop-loss-limit", "close[price]": "49000", "close[price2]": "48900"}


def others(venue, txid, who="alice"):
    return [order for order in venue.account(who).orders.values() if order.order_id != txid]


def test_close_is_described_with_the_order(venue):
    result = venue.ok("AddOrder", **venue.ask("buy", "0.1", "49500"), **CLOSE)
    assert result["descr"] == {
        "order": "buy 0.10000000 XBTUSD @ limit 49500.0",
        "close": "close position @ stop loss 49000.0 -> limit 48900.0",
    }
    row = venue.order(result["txid"][0])
    assert row["descr"]["close"] == "close position @ stop loss 49000.0 -> limit 48900.0"
    assert row["refid"] is None


def test_each_fill_makes_an_order_of_its_size(venue):
    txid = venue.add("buy", "0.3", "49999.5", userref=7, **CLOSE)
    venue.strangers("49999.5", "0.1", Side.SELL)
    venue.strangers("49999.5", "0.2", Side.SELL)
    first, second = (venue.order(order.order_id) for order in others(venue, txid))
    assert (first["vol"], second["vol"]) == ("0.10000000", "0.20000000")
    assert first["descr"]["order"] == (
        "sell 0.10000000 XBTUSD @ stop loss 49000.0 -> limit 48900.0"
    )
    assert (first["refid"], first["userref"], first["status"]) == (txid, 7, "open")


def test_order_that_takes_makes_its_closes_after_its_own_match(venue):
    txid = venue.add("buy", "1.5", "50002", **{"close[ordertype]": "limit", "close[price]": "+10"})
    made = [venue.order(order.order_id)["descr"]["price"] for order in others(venue, txid)]
    assert made == ["50011.0", "50012.0"]


def test_distance_is_measured_from_the_fill(venue):
    txid = venue.add(
        "buy", "0.1", "49999.5", **{"close[ordertype]": "take-profit", "close[price]": "#1%"}
    )
    venue.strangers("49000", "0.1", Side.SELL)
    (close,) = others(venue, txid)
    assert venue.order(close.order_id)["descr"]["price"] == "50499.5"


def test_trailing_close_follows_on_its_own(venue):
    venue.strangers("50000", "0.1", Side.BUY)
    close = {"close[ordertype]": "trailing-stop", "close[price]": "+100"}
    txid = venue.add("buy", "0.1", "50001", **close)
    (made,) = others(venue, txid)
    assert made.trigger_price == Decimal("49901.0")


def test_close_that_cannot_be_funded_is_seen_and_ends(make_bench):
    venue = make_bench()
    venue.open(USD="10000")
    venue.house(asks=[("50000.0", "1")])
    txid = venue.add(
        "buy", "0.1", None, oflags="fcib", **{"close[ordertype]": "limit", "close[price]": "+10"}
    )
    (close,) = others(venue, txid)
    row = venue.order(close.order_id)
    assert (row["status"], row["reason"]) == ("canceled", "Insufficient funds")
    assert venue.rows()[-1]["order_status"] == "canceled"


def test_close_whose_distance_leads_below_zero_makes_nothing(venue):
    txid = venue.add(
        "buy", "0.1", "50001", **{"close[ordertype]": "limit", "close[price]": "-100000"}
    )
    assert others(venue, txid) == []


def test_waiting_close_is_told_with_its_parent(venue):
    txid = venue.add("buy", "0.1", "50001", **CLOSE)
    rows = venue.rows()
    assert rows[0]["contingent"] == {
        "order_type": "stop-loss-limit",
        "trigger_price": Decimal("49000.0"),
        "trigger_price_type": "static",
        "limit_price": Decimal("48900.0"),
        "limit_price_type": "static",
    }
    assert [row["ord_ref_id"] for row in rows if "ord_ref_id" in row] == [txid]


@pytest.mark.parametrize(
    ("close", "error"),
    [
        ({"close[ordertype]": "market"}, "close[ordertype]"),
        ({"close[ordertype]": "iceberg", "close[price]": "5"}, "close[ordertype]"),
        ({"close[ordertype]": "limit"}, "close[price]"),
        ({"close[ordertype]": "stop-loss"}, "close[price]"),
        ({"close[ordertype]": "stop-loss-limit", "close[price]": "49000"}, "close[price2]"),
        ({"close[ordertype]": "trailing-stop", "close[price]": "49000"}, "close[price]"),
    ],
)
def test_bad_close_is_refused(venue, close, error):
    assert venue.error("AddOrder", **venue.ask("buy", "0.1", "49500"), **close) == INVALID + error


def test_close_off_the_tick_is_refused(venue):
    close = {"close[ordertype]": "limit", "close[price]": "51000.05"}
    error = venue.error("AddOrder", **venue.ask("buy", "0.1", "49500"), **close)
    assert error == "EOrder:Tick size check failed"


def test_json_body_nests_the_close(venue):
    close = {"ordertype": "stop-loss-limit", "price": "49000", "price2": "48900"}
    answer = venue.send("AddOrder", venue.ask("buy", "0.1", "49500", close=close), as_json=True)
    assert b"close position @ stop loss 49000.0 -> limit 48900.0" in answer.body


CONDITIONAL = {"order_type": "stop-loss-limit", "trigger_price": 49000, "limit_price": 48900}


def ws(venue, conditional):
    (frame,) = venue.ws(
        "add_order",
        order_type="limit",
        side="buy",
        order_qty=Decimal("0.1"),
        symbol="BTC/USD",
        limit_price=50001,
        conditional=conditional,
    )
    return frame


@pytest.mark.parametrize(
    "conditional",
    [
        CONDITIONAL,
        {"order_type": "stop-loss-limit", "stop_price": 49000, "limit_price": 48900},
    ],
)
def test_conditional_over_websocket_is_the_same(venue, conditional):
    txid = ws(venue, conditional)["result"]["order_id"]
    (close,) = others(venue, txid)
    assert venue.order(close.order_id)["descr"]["order"] == (
        "sell 0.10000000 XBTUSD @ stop loss 49000.0 -> limit 48900.0"
    )


@pytest.mark.parametrize(
    "change",
    [{"order_type": "market"}, {"limit_price": None}, {"trigger_price": None}],
)
def test_bad_conditional_over_websocket_is_refused(venue, change):
    assert ws(venue, CONDITIONAL | change)["error"] == INVALID + "conditional"
