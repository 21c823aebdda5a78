"""Batches: all are checked before one is placed; the engine refuses them one by one."""

from __future__ import annotations

from decimal import Decimal

import pytest

from krakked.sim.exchange.limits import Tier

INVALID = "EGeneral:Invalid arguments:"


def limit(side="buy", volume="0.1", price="49000", **more):
    return {"ordertype": "limit", "type": side, "volume": volume, "price": price, **more}


def form(orders):
    """As clients that send forms spell a list."""
    return {
        f"orders[{place}]{key if key.startswith('[') else f'[{key}]'}": value
        for place, order in enumerate(orders)
        for key, value in order.items()
    }


def batch(venue, orders, **more):
    return venue.call("AddOrderBatch", pair="XBTUSD", **form(orders), **more)


def test_batch_answers_one_by_one_in_the_order_asked(venue):
    close = {"[close][ordertype]": "limit", "[close][price]": "51000"}
    answer = batch(venue, [limit(), limit(price="48000", userref="4") | close])
    first, second = answer["result"]["orders"]
    assert first == {
        "txid": next(iter(venue.account().open)),
        "descr": {"order": "buy 0.10000000 XBTUSD @ limit 49000.0"},
    }
    assert second["close"] == "close position @ limit 51000.0"
    assert venue.order(second["txid"])["userref"] == 4


def test_json_batch_is_the_same_and_names_what_it_made(venue):
    body = {"pair": "BTC/USD", "orders": [limit(), limit(price="48000")], "validate": False}
    answer = venue.send("AddOrderBatch", body, as_json=True)
    assert list(answer.order_ids) == list(venue.account().open)
    assert len(answer.order_ids) == 2


def test_one_mistake_refuses_the_whole_batch(venue):
    answer = batch(venue, [limit(), limit(price="48000.05")])
    assert answer == {"error": ["EOrder:Tick size check failed"]}
    assert venue.account().orders == {}


def test_engine_refuses_single_orders_inside_a_good_answer(venue):
    answer = batch(venue, [limit(volume="9"), limit(price="50001", oflags="post"), limit()])
    first, second, third = answer["result"]["orders"]
    assert first == {"error": "EOrder:Insufficient funds"}
    assert second == {"error": "EOrder:Post only order"}
    assert venue.status(third["txid"])[0] == "open"


def test_validated_batch_places_nothing(venue):
    answer = batch(venue, [limit(), limit()], validate="true")
    assert [set(row) for row in answer["result"]["orders"]] == [{"descr"}, {"descr"}]
    assert venue.account().orders == {}


@pytest.mark.parametrize("count", [0, 1, 16])
def test_batch_has_two_to_fifteen_orders(venue, count):
    assert batch(venue, [limit()] * count)["error"] == [INVALID + "orders"]


def test_client_ids_are_unique_within_a_batch(venue):
    orders = [limit(cl_ord_id="mine"), limit(cl_ord_id="mine")]
    assert batch(venue, orders)["error"] == [INVALID + "cl_ord_id not unique"]


@pytest.mark.parametrize("orders", ["text", [1, 2]])
def test_batch_of_something_else_is_refused(venue, orders):
    answer = venue.send("AddOrderBatch", {"pair": "XBTUSD", "orders": orders}, as_json=True)
    assert INVALID.encode() + b"orders" in answer.body


def test_batch_has_one_deadline_for_all(venue):
    orders = [limit(), limit()]
    error = batch(venue, orders, deadline="2001-01-01T00:00:00Z")["error"]
    assert error == ["EService:Deadline elapsed"]


@pytest.mark.parametrize(("count", "points"), [(2, "1"), (3, "1.5"), (15, "7.5")])
def test_batch_costs_half_a_point_an_order(make_bench, count, points):
    venue = make_bench()
    venue.open(tier=Tier.PRO, USD="100000")
    batch(venue, [limit(volume="0.001")] * count)
    assert venue.account().counter("XBTUSD").value(375, venue.now_ns) == Decimal(points)


def test_batch_is_refused_whole_when_the_counter_is_full(make_bench):
    venue = make_bench()
    venue.open(tier=Tier.STARTER, USD="100000")
    venue.account().counter("XBTUSD").charge(60)
    venue.account().counter("XBTUSD")._at_ns = venue.now_ns
    assert batch(venue, [limit(), limit()])["error"] == ["EOrder:Rate limit exceeded"]


def test_open_orders_limit_is_met_by_single_orders(make_bench):
    venue = make_bench()
    venue.open(tier=Tier.STARTER, USD="100000")
    account = venue.account()
    account.open_count["XBTUSD"] = 59
    rows = batch(venue, [limit(volume="0.001"), limit(volume="0.001")])["result"]["orders"]
    assert "txid" in rows[0]
    assert rows[1] == {"error": "EOrder:Orders limit exceeded"}


def test_orders_are_cancelled_by_every_name(venue):
    first = venue.add("buy", "0.1", "49000")
    venue.add("buy", "0.1", "49000", userref=5)
    venue.add("buy", "0.1", "49000", userref=5)
    venue.add("buy", "0.1", "49000", cl_ord_id="mine")
    body = {"orders": [first, "5", first, "OAAAAA-AAAAA-AAAAAA"], "cl_ord_ids": ["mine", "other"]}
    answer = venue.send("CancelOrderBatch", body, as_json=True)
    assert answer.body == b'{"error":[],"result":{"count":4}}'
    assert venue.account().open == {}


def test_cancel_of_only_unknown_orders_says_so(venue):
    error = venue.error("CancelOrderBatch", orders="OAAAAA-AAAAA-AAAAAA")
    assert error == "EOrder:Unknown order"


@pytest.mark.parametrize("orders", ["", ",".join(["OAAAAA-AAAAA-AAAAAA"] * 51)])
def test_cancel_batch_has_one_to_fifty_names(venue, orders):
    assert venue.error("CancelOrderBatch", orders=orders) == INVALID + "orders"


def test_cancel_batch_is_taken_over_the_limit_and_charged_by_age(make_bench):
    venue = make_bench()
    venue.open(tier=Tier.STARTER, USD="100000")
    old = venue.add("buy", "0.1", "49000")
    venue.later(20)
    young = venue.add("buy", "0.1", "49000")
    counter = venue.account().counter("XBTUSD")
    before = counter.value(100, venue.now_ns)
    counter.charge(60)
    assert venue.ok("CancelOrderBatch", orders=f"{old},{young}") == {"count": 2}
    assert counter.value(100, venue.now_ns) == before + 60 + 4 + 8


WS = {"order_type": "limit", "side": "buy", "order_qty": Decimal("0.1"), "limit_price": 49000}


def test_batch_over_websocket_answers_with_a_list(venue):
    orders = [WS | {"order_userref": 1}, WS | {"order_qty": 9}]
    (frame,) = venue.ws("batch_add", symbol="BTC/USD", orders=orders)
    (txid,) = venue.account().open
    assert frame["result"] == [
        {"order_id": txid, "order_userref": 1},
        {"error": "EOrder:Insufficient funds"},
    ]
    assert frame["success"]


def test_batch_over_websocket_is_refused_whole_for_a_mistake(venue):
    orders = [WS, WS | {"limit_price": "49000"}]
    (frame,) = venue.ws("batch_add", symbol="BTC/USD", orders=orders)
    assert frame["error"] == "Limit_price field must be a number_float"
    assert venue.account().orders == {}


def test_batch_cancel_over_websocket_counts_beside_the_result(venue):
    txid = venue.add("buy", "0.1", "49000")
    venue.add("buy", "0.1", "49000", cl_ord_id="mine")
    (frame,) = venue.ws("batch_cancel", orders=[txid], cl_ord_id=["mine"])
    assert frame == {
        "method": "batch_cancel",
        "req_id": 7,
        "orders_cancelled": 2,
        "success": True,
    }


def test_batch_cancel_over_websocket_can_answer_as_documented(make_bench):
    venue = make_bench(batch_cancel_answer="documented")
    venue.open(USD="100000")
    txid = venue.add("buy", "0.1", "49000")
    (frame,) = venue.ws("batch_cancel", orders=[txid])
    assert frame["result"] == {"count": 1}


def test_batch_cancel_over_websocket_of_nothing_is_refused(venue):
    assert venue.ws("batch_cancel", orders=[])[0]["error"] == INVALID + "orders"


def test_cancel_by_a_shared_reference_answers_once_per_order(venue):
    for _ in range(3):
        venue.add("buy", "0.1", "49000", userref=9)
    frames = venue.ws("cancel_order", order_userref=[9])
    assert [frame["result"] for frame in frames] == [{"order_userref": 9}] * 3
