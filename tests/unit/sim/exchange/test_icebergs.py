"""Icebergs: what they show, where refills stand, what is told of them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from krakked.domain.orders import Side

INVALID = "EGeneral:Invalid arguments:"


def iceberg(venue, side="sell", volume="1", price="50000.5", shown="0.2", **more):
    return venue.add(side, volume, price, ordertype="iceberg", displayvol=shown, **more)


def test_iceberg_shows_only_its_portion(venue):
    iceberg(venue)
    assert venue.depth()[1][0] == ("50000.5", "0.20000000")


def test_iceberg_is_filled_beyond_what_it_shows(venue):
    venue.open("bob", USD="100000")
    txid = iceberg(venue)
    venue.add("buy", "0.7", "50000.5", who="bob")
    assert venue.status(txid) == ("open", "0.70000000")
    fills = venue.ok("TradesHistory", consolidate_taker="false")["trades"].values()
    assert [row["vol"] for row in fills] == ["0.10000000", "0.20000000", "0.20000000", "0.20000000"]
    assert venue.depth()[1][0] == ("50000.5", "0.10000000")


def test_refill_goes_behind_those_who_stood_there(venue):
    venue.open("bob", XBT="1")
    first = iceberg(venue)
    second = venue.add("sell", "0.3", "50000.5", who="bob")
    venue.strangers("50000.5", "0.4", Side.BUY)
    assert venue.status(first)[1] == "0.20000000"
    assert venue.status(second, "bob")[1] == "0.20000000"
    venue.strangers("50000.5", "0.1", Side.BUY)
    assert venue.status(second, "bob")[0] == "closed"


def test_two_icebergs_take_turns_within_one_taking(venue):
    venue.open("bob", XBT="1")
    venue.open("carol", USD="100000")
    first = iceberg(venue)
    second = iceberg(venue, volume="0.5", shown="0.1", who="bob")
    venue.add("buy", "0.5", "50000.5", who="carol")
    assert venue.status(first)[1] == "0.40000000"
    assert venue.status(second, "bob")[1] == "0.10000000"


def test_refill_is_told_with_what_is_shown(venue):
    iceberg(venue, cl_ord_id="mine")
    venue.rows()
    venue.strangers("50000.5", "0.2", Side.BUY)
    refill = venue.rows()[-1]
    assert (refill["exec_type"], refill["order_status"]) == ("iceberg_refill", "partially_filled")
    assert (refill["display_qty"], refill["display_qty_remain"]) == (Decimal("0.2"), Decimal("0.2"))
    assert (refill["cl_ord_id"], refill["cum_qty"]) == ("mine", Decimal("0.2"))


def test_house_that_crosses_fills_the_hidden_part_too(venue):
    txid = iceberg(venue)
    venue.house(bids=[("50001.0", "0.9")], asks=[("50002.0", "1")])
    assert venue.status(txid) == ("open", "0.90000000")


def test_hold_covers_all_of_it(venue):
    iceberg(venue)
    assert venue.ok("BalanceEx")["XXBT"]["hold_trade"] == "1.0000000000"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"displayvol": ""}, INVALID + "displayvol"),
        ({"displayvol": "0.0666"}, INVALID + "displayvol"),
        ({"displayvol": "1.1"}, INVALID + "displayvol"),
        ({"ordertype": "limit"}, INVALID + "displayvol"),
    ],
)
def test_portion_is_a_fifteenth_at_least(venue, fields, error):
    ask = {"ordertype": "iceberg", "displayvol": "0.2"} | fields
    assert venue.refused("sell", "1", "50000.5", **ask) == error


def test_amend_to_a_larger_portion_goes_to_the_back(venue):
    venue.open("bob", XBT="1")
    txid = iceberg(venue)
    other = venue.add("sell", "0.2", "50000.5", who="bob")
    venue.ok("AmendOrder", txid=txid, display_qty="0.3")
    venue.strangers("50000.5", "0.2", Side.BUY)
    assert (venue.status(txid)[1], venue.status(other, "bob")[0]) == ("0.00000000", "closed")
    assert venue.depth()[1][0] == ("50000.5", "0.30000000")


def test_amend_to_a_smaller_portion_keeps_the_place(venue):
    venue.open("bob", XBT="1")
    txid = iceberg(venue)
    venue.add("sell", "0.2", "50000.5", who="bob")
    venue.ok("AmendOrder", txid=txid, display_qty="0.1")
    venue.strangers("50000.5", "0.1", Side.BUY)
    assert venue.status(txid)[1] == "0.10000000"


def test_amend_of_a_portion_is_for_icebergs_and_not_too_small(venue):
    plain, txid = venue.add("sell", "0.1", "50000.5"), iceberg(venue)
    assert venue.error("AmendOrder", txid=plain, display_qty="0.05") == INVALID + "display_qty"
    assert venue.error("AmendOrder", txid=txid, display_qty="0.01") == INVALID + "display_qty"


def test_iceberg_over_websocket_is_the_same(venue):
    order = {"order_type": "iceberg", "side": "sell", "symbol": "BTC/USD", "order_qty": 1}
    order |= {"limit_price": Decimal("50000.5")}
    (frame,) = venue.ws("add_order", **order, display_qty=Decimal("0.25"))
    assert frame["success"]
    assert venue.depth()[1][0] == ("50000.5", "0.25000000")
    (frame,) = venue.ws("add_order", **order)
    assert frame["error"] == INVALID + "display_qty"


def test_stored_iceberg_shows_the_same_portion(venue, make_bench):
    iceberg(venue)
    venue.strangers("50000.5", "0.15", Side.BUY)
    twin = make_bench()
    twin.exchange.load(venue.exchange.dump())
    assert twin.depth()[1] == [("50000.5", "0.05000000")]


def test_an_iceberg_is_told_with_its_first_portion_from_the_beginning(venue):
    iceberg(venue)
    pending, *_ = venue.rows()
    assert pending["exec_type"] == "pending_new"
    assert str(pending["display_qty"]) == str(pending["display_qty_remain"]) == "0.20000000"
