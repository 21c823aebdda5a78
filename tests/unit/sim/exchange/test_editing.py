"""EditOrder and edit_order: another order with another id takes the place of the old one."""

from __future__ import annotations

from decimal import Decimal

import pytest

from krakked.domain.orders import Side
from krakked.sim.exchange.limits import Tier

INVALID = "EGeneral:Invalid arguments:"


def edit(venue, txid, **fields):
    return venue.ok("EditOrder", pair="XBTUSD", txid=txid, **fields)


def test_edit_answers_with_both_ids_and_the_new_terms(venue):
    txid = venue.add("buy", "0.1", "49000", userref=3)
    result = edit(venue, txid, volume="0.2", price="48000")
    new = result.pop("txid")
    assert new != txid
    assert result == {
        "status": "ok",
        "originaltxid": txid,
        "volume": "0.20000000",
        "price": "48000.0",
        "orders_cancelled": 1,
        "descr": {"order": "buy 0.20000000 XBTUSD @ limit 48000.0"},
    }


def test_old_order_is_canceled_as_replaced_and_the_new_one_has_no_names(venue):
    txid = venue.add("buy", "0.1", "49000", cl_ord_id="mine")
    new = edit(venue, txid, price="48000")["txid"]
    assert (venue.order(txid)["status"], venue.order(txid)["reason"]) == (
        "canceled",
        "Order replaced",
    )
    assert "cl_ord_id" not in venue.order(new)
    assert venue.order(new)["userref"] == 0


def test_new_reference_is_the_one_that_was_asked(venue):
    txid = venue.add("buy", "0.1", "49000", userref=3)
    result = edit(venue, "3", price="48000", userref=9)
    assert (result["originaltxid"], result["newuserref"]) == (txid, 9)


def test_edit_loses_the_place_in_the_queue(venue):
    venue.open("bob", USD="10000")
    txid = venue.add("buy", "0.1", "50000.5")
    other = venue.add("buy", "0.1", "50000.5", who="bob")
    new = edit(venue, txid, volume="0.09")["txid"]
    venue.strangers("50000.5", "0.1", Side.SELL)
    assert (venue.status(other, "bob")[0], venue.status(new)[1]) == ("closed", "0.00000000")


def test_fills_stay_with_the_old_order(venue):
    txid = venue.add("buy", "0.3", "50000.5")
    venue.strangers("50000.5", "0.1", Side.SELL)
    new = edit(venue, txid, volume="0.5")["txid"]
    assert (venue.status(txid), venue.status(new)) == (
        ("canceled", "0.10000000"),
        ("open", "0.00000000"),
    )
    assert venue.order(new)["vol"] == "0.40000000"


def test_edit_moves_a_trigger(venue):
    txid = venue.add("sell", "0.1", "49000", ordertype="stop-loss-limit", price2="48900")
    result = edit(venue, txid, price="48000", price2="47000")
    assert (result["price"], result["price2"]) == ("48000.0", "47000.0")
    assert venue.order(result["txid"])["descr"]["order"] == (
        "sell 0.10000000 XBTUSD @ stop loss 48000.0 -> limit 47000.0"
    )


def test_edit_of_one_thing_leaves_the_others(venue):
    txid = venue.add("sell", "0.1", "49000", ordertype="stop-loss-limit", price2="48900")
    trailing = venue.add("sell", "0.1", "+100", ordertype="trailing-stop-limit", price2="-5")
    first = edit(venue, txid, volume="0.2")["descr"]["order"]
    second = edit(venue, trailing, volume="0.2")["descr"]["order"]
    assert first.endswith("@ stop loss 49000.0 -> limit 48900.0")
    assert second.endswith("@ trailing stop +100.0 -> limit -5.0")


def test_edit_may_use_the_funds_of_the_old_order(venue):
    txid = venue.add("sell", "2", "60000")
    assert edit(venue, txid, price="61000")["status"] == "ok"


def test_validated_edit_changes_nothing(venue):
    txid = venue.add("buy", "0.1", "49000")
    result = edit(venue, txid, price="48000", validate="true")
    assert result == {"descr": {"order": "buy 0.10000000 XBTUSD @ limit 48000.0"}}
    assert venue.order(txid)["descr"]["price"] == "49000.0"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"txid": "OAAAAA-AAAAA-AAAAAA"}, "EOrder:Unknown order"),
        ({"txid": "77"}, "EOrder:Unknown order"),
        ({"txid": ""}, INVALID + "txid"),
        ({"pair": "ETHUSD"}, INVALID + "pair"),
        ({"pair": "NOPE"}, "EQuery:Unknown asset pair"),
        ({"volume": "0.05"}, INVALID + "volume"),
        ({"volume": "9"}, "EOrder:Insufficient funds"),
        ({"price": "48000.05"}, "EOrder:Tick size check failed"),
        ({"price": "50001", "oflags": "post"}, "EOrder:Post only order"),
        ({"displayvol": "0.1"}, INVALID + "displayvol"),
        ({"oflags": "viqc"}, INVALID + "oflags"),
    ],
)
def test_refused_edit_leaves_the_old_order(venue, fields, error):
    txid = venue.add("buy", "0.3", "50000.5")
    venue.strangers("50000.5", "0.1", Side.SELL)
    assert venue.error("EditOrder", **({"pair": "XBTUSD", "txid": txid} | fields)) == error
    assert venue.status(txid) == ("open", "0.10000000")


def test_order_that_went_off_or_closes_others_cannot_be_edited(venue):
    close = {"close[ordertype]": "limit", "close[price]": "51000"}
    closing = venue.add("buy", "0.1", "49000", **close)
    stop = venue.add("sell", "0.1", "49500", ordertype="stop-loss-limit", price2="51000")
    venue.strangers("49500", "0.1", Side.BUY)
    for txid in (closing, stop):
        error = venue.error("EditOrder", pair="XBTUSD", txid=txid, volume="0.2")
        assert error == "EOrder:Invalid order"


@pytest.mark.parametrize(("age_s", "points"), [(0, 7), (5, 6), (10, 5), (15, 3), (45, 2), (90, 1)])
def test_edit_costs_more_the_younger_the_order_is(make_bench, age_s, points):
    venue = make_bench()
    venue.open(tier=Tier.PRO, USD="100000")
    txid = venue.add("buy", "0.1", "49000")
    venue.later(age_s)
    counter = venue.account().counter("XBTUSD")
    before = counter.value(375, venue.now_ns)
    edit(venue, txid, price="48000")
    assert counter.value(375, venue.now_ns) - before == points


def test_edit_over_websocket_answers_with_both_ids(venue):
    txid = venue.add("buy", "0.1", "49000")
    (frame,) = venue.ws(
        "edit_order", order_id=txid, symbol="BTC/USD", order_qty=Decimal("0.2"), limit_price=48000
    )
    (new,) = venue.account().open
    assert frame["result"] == {"order_id": new, "original_order_id": txid}
    assert venue.order(new)["descr"]["order"] == "buy 0.20000000 XBTUSD @ limit 48000.0"


def test_edit_over_websocket_validates_and_refuses(venue):
    txid = venue.add("buy", "0.1", "49000")
    whole = {"order_id": txid, "symbol": "BTC/USD", "limit_price": 48000}
    assert venue.ws("edit_order", **whole, validate=True)[0]["result"] == {}
    assert venue.ws("edit_order", **(whole | {"symbol": "ETH/USD"}))[0]["error"] == (
        INVALID + "symbol"
    )
    assert venue.ws("edit_order", **whole, reduce_only=True)[0]["error"] == INVALID + "reduce_only"
    assert list(venue.account().open) == [txid]
