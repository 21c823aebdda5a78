"""Orders of one account that would trade with each other: which of them goes."""

from __future__ import annotations

from decimal import Decimal

import pytest

REASON = "Self trade prevention"


@pytest.mark.parametrize(
    ("rule", "resting", "arriving", "filled"),
    [
        ("cancel-newest", "open", "canceled", "0.00000000"),
        ("cancel-oldest", "canceled", "closed", "0.40000000"),
        ("cancel-both", "canceled", "canceled", "0.00000000"),
    ],
)
def test_rule_says_who_goes(venue, rule, resting, arriving, filled):
    old = venue.add("sell", "0.2", "50000.5")
    new = venue.add("buy", "0.4", "50001", stptype=rule)
    assert (venue.status(old)[0], venue.status(new)) == (resting, (arriving, filled))


def test_orders_that_go_say_why(venue):
    old = venue.add("sell", "0.2", "50000.5")
    new = venue.add("buy", "0.4", "50001", stptype="cancel-both")
    assert [venue.order(txid)["reason"] for txid in (old, new)] == [REASON, REASON]


def test_what_stood_in_front_is_taken_first(venue):
    venue.open("bob", XBT="1")
    venue.add("sell", "0.1", "50000.4", who="bob")
    venue.add("sell", "0.2", "50000.5")
    new = venue.add("buy", "0.4", "50001", stptype="cancel-both")
    assert venue.status(new) == ("canceled", "0.10000000")


def test_all_older_orders_in_the_way_go(venue):
    old = [venue.add("sell", "0.2", price) for price in ("50000.4", "50000.5")]
    iceberg = venue.add("sell", "1", "50000.6", ordertype="iceberg", displayvol="0.1")
    new = venue.add("buy", "0.4", "50001", stptype="cancel-oldest")
    assert {venue.status(txid)[0] for txid in (*old, iceberg)} == {"canceled"}
    assert venue.status(new) == ("closed", "0.40000000")


def test_older_order_that_is_not_reached_stays(venue):
    old = venue.add("sell", "0.2", "50001.5")
    venue.add("buy", "0.4", "50001.5", stptype="cancel-oldest")
    assert venue.status(old)[0] == "open"


def test_fill_or_kill_that_cannot_fill_cancels_nobody(venue):
    old = venue.add("sell", "0.2", "50000.5")
    venue.add("buy", "1", "50000.5", stptype="cancel-oldest", timeinforce="FOK")
    assert venue.status(old)[0] == "open"


def test_unknown_rule_is_refused_on_both_wires(venue):
    error = venue.refused("buy", "0.4", "50001", stptype="cancel-all")
    assert error == "EGeneral:Invalid arguments:stptype"
    order = {"order_type": "limit", "side": "buy", "symbol": "BTC/USD", "limit_price": 49000}
    (frame,) = venue.ws("add_order", **order, order_qty=Decimal("0.1"), stp_type="cancel-newest")
    assert frame["error"] == "EGeneral:Invalid arguments:stp_type"


def test_rule_is_kept_over_websocket(venue):
    old = venue.add("sell", "0.2", "50000.5")
    order = {"order_type": "limit", "side": "buy", "symbol": "BTC/USD", "limit_price": 50001}
    venue.ws("add_order", **order, order_qty=Decimal("0.1"), stp_type="cancel_oldest")
    assert venue.status(old)[0] == "canceled"
