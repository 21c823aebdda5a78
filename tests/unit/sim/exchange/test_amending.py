"""Amends of triggers and distances, and the history that they leave."""

from __future__ import annotations

from decimal import Decimal

import pytest

from krakked.domain.orders import Side
from krakked.sim.exchange.core import PairMode
from krakked.sim.exchange.keys import QUERY_PERMISSIONS

INVALID = "EGeneral:Invalid arguments:"


@pytest.fixture
def waiting(venue):
    """A stop that waits at 49000, with the last price at 50000."""
    venue.strangers("50000", "0.1", Side.BUY)
    txid = venue.add("sell", "0.1", "49000", ordertype="stop-loss-limit", price2="48900")
    return venue, txid


def test_trigger_can_be_moved_and_goes_off_there(waiting):
    venue, txid = waiting
    venue.ok("AmendOrder", txid=txid, trigger_price="48000", limit_price="60000")
    venue.strangers("48500", "0.1", Side.BUY)
    assert venue.order(txid)["misc"] == "amended"
    venue.strangers("48000", "0.1", Side.BUY)
    assert venue.order(txid)["misc"] == "stopped,amended"


def test_trigger_can_be_a_distance(waiting):
    venue, txid = waiting
    venue.ok("AmendOrder", txid=txid, trigger_price="-1%")
    assert venue.order(txid)["descr"]["price"] == "49500.0"
    assert venue.order(txid)["descr"]["price2"] == "48900.0"


def test_trigger_that_would_go_off_at_once_is_refused(waiting):
    venue, txid = waiting
    assert venue.error("AmendOrder", txid=txid, trigger_price="50500") == "EOrder:Invalid price"
    assert venue.order(txid)["descr"]["price"] == "49000.0"


def test_trigger_beyond_the_price_of_now_stays_if_it_is_not_moved(waiting):
    venue, txid = waiting
    venue.exchange.set_pair_status("XBTUSD", PairMode.POST_ONLY)
    venue.strangers("48000", "0.1", Side.BUY)
    venue.ok("AmendOrder", txid=txid, order_qty="0.2")
    assert venue.order(txid)["vol"] == "0.20000000"


def test_trailing_distance_is_measured_from_the_best_price(venue):
    venue.strangers("50000", "0.1", Side.BUY)
    txid = venue.add("sell", "0.1", "+100", ordertype="trailing-stop-limit", price2="-5")
    venue.strangers("51000", "0.1", Side.SELL)
    venue.strangers("50950", "0.1", Side.SELL)
    venue.ok("AmendOrder", txid=txid, trigger_price="+200")
    order = venue.account().orders[txid]
    assert (order.trigger_price, order.limit_price) == (Decimal("50800.0"), Decimal("50795.0"))


def test_limit_of_a_trailing_stop_is_a_distance_from_its_trigger(venue):
    venue.strangers("50000", "0.1", Side.BUY)
    txid = venue.add("sell", "0.1", "+100", ordertype="trailing-stop-limit", price2="-5")
    venue.ws("amend_order", order_id=txid, limit_price=-20)
    assert venue.account().orders[txid].limit_price == Decimal("49880.0")


@pytest.mark.parametrize("wire", ["rest", "websocket"])
def test_trailing_stop_that_went_off_has_a_plain_limit(venue, wire):
    venue.strangers("50000", "0.1", Side.BUY)
    txid = venue.add("sell", "0.1", "+100", ordertype="trailing-stop-limit", price2="+2000")
    venue.strangers("49900", "0.1", Side.BUY)
    if wire == "rest":
        venue.ok("AmendOrder", txid=txid, limit_price="52000")
    else:
        venue.ws("amend_order", order_id=txid, limit_price=52000)
    order = venue.account().orders[txid]
    assert (order.limit_price, order.trigger_price) == (Decimal(52000), Decimal("49900.0"))


def test_amend_in_post_only_mode_may_not_take(venue):
    txid = venue.add("buy", "0.1", "49000")
    venue.exchange.set_pair_status("XBTUSD", PairMode.POST_ONLY)
    error = venue.error("AmendOrder", txid=txid, limit_price="50001")
    assert error == "EOrder:Post only order"
    assert venue.ok("AmendOrder", txid=txid, limit_price="49500")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"trigger_price": "48000"}, INVALID + "trigger_price"),
        ({"display_qty": "0.1"}, INVALID + "display_qty"),
    ],
)
def test_plain_limit_has_neither_trigger_nor_portion(venue, fields, error):
    txid = venue.add("buy", "0.1", "49000")
    assert venue.error("AmendOrder", txid=txid, **fields) == error


def test_stop_at_the_market_has_no_limit_to_amend(venue):
    txid = venue.add("sell", "0.1", "49000", ordertype="stop-loss")
    assert venue.error("AmendOrder", txid=txid, limit_price="1") == INVALID + "limit_price"


def test_trigger_that_was_reached_cannot_be_moved(waiting):
    venue, txid = waiting
    venue.house(bids=[("48000.0", "1")], asks=[("50001.0", "1")])
    venue.strangers("49000", "0.1", Side.BUY)
    error = venue.error("AmendOrder", txid=txid, trigger_price="48000")
    assert error == INVALID + "trigger_price"


def test_limit_over_websocket_has_a_type(venue):
    venue.strangers("50000", "0.1", Side.BUY)
    txid = venue.add("sell", "0.1", "51000")
    venue.ws("amend_order", order_id=txid, limit_price=5, limit_price_type="pct")
    assert venue.order(txid)["descr"]["price"] == "52500.0"
    (frame,) = venue.ws("amend_order", order_id=txid, limit_price=5, limit_price_type="ticks")
    assert frame["error"] == INVALID + "limit_price_type"


def test_trigger_over_websocket_has_a_type(waiting):
    venue, txid = waiting
    venue.ws("amend_order", order_id=txid, trigger_price=-3, trigger_price_type="pct")
    assert venue.order(txid)["descr"]["price"] == "48500.0"


def test_amend_of_an_all_in_stop_may_use_what_it_holds(venue):
    txid = venue.add("sell", "2", "49000", ordertype="stop-loss")
    assert venue.ok("AmendOrder", txid=txid, trigger_price="48000")["amend_id"]


def test_cancel_only_forbids_amends(waiting):
    venue, txid = waiting
    venue.exchange.set_pair_status("XBTUSD", PairMode.CANCEL_ONLY)
    error = venue.error("AmendOrder", txid=txid, order_qty="0.2")
    assert error == "EService:Market in cancel_only mode"


def test_history_begins_with_the_original_and_goes_on_by_amends(venue):
    txid = venue.add("buy", "0.3", "50000.5")
    venue.strangers("50000.5", "0.1", Side.SELL)
    venue.later(2)
    amend_id = venue.ok("AmendOrder", txid=txid, order_qty="0.5", limit_price="49000")["amend_id"]
    result = venue.ok("OrderAmends", order_id=txid)
    assert result["count"] == 2
    first, second = result["amends"]
    assert first == {
        "amend_id": f"T{txid[1:]}",
        "amend_type": "original",
        "order_qty": "0.30000000",
        "remaining_qty": "0.30000000",
        "limit_price": "50000.5",
        "post_only": False,
        "timestamp": 1_700_000_000_000,
    }
    assert second == {
        "amend_id": amend_id,
        "amend_type": "user",
        "order_qty": "0.50000000",
        "remaining_qty": "0.40000000",
        "limit_price": "49000.0",
        "post_only": False,
        "reason": "User requested",
        "timestamp": 1_700_000_002_000,
    }


def test_history_of_an_order_that_was_never_amended_is_its_birth(venue):
    txid = venue.add("sell", "0.3", "49000", ordertype="stop-loss")
    (only,) = venue.ok("OrderAmends", order_id=txid)["amends"]
    assert (only["amend_type"], only["trigger_price"]) == ("original", "49000.0")
    assert "limit_price" not in only


def test_history_shows_portions_and_survives_a_restart(venue, make_bench):
    txid = venue.add("sell", "1", "60000", ordertype="iceberg", displayvol="0.1")
    venue.ok("AmendOrder", txid=txid, display_qty="0.2")
    twin = make_bench()
    twin.exchange.load(venue.exchange.dump())
    twin.nonce = venue.nonce
    rows = twin.ok("OrderAmends", order_id=txid)["amends"]
    assert [row["display_qty"] for row in rows] == ["0.10000000", "0.20000000"]


def test_history_of_an_unknown_order_is_refused_and_may_be_read_without_trading(venue):
    assert venue.error("OrderAmends", order_id="OAAAAA-AAAAA-AAAAAA") == "EOrder:Unknown order"
    venue.exchange.add_key("alice", key="query", secret=venue.secret, permissions=QUERY_PERMISSIONS)
    txid = venue.add("buy", "0.3", "40000")
    assert venue.ok("OrderAmends", "query", order_id=txid)["count"] == 1
