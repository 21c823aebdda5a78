"""REST and WebSocket are two doors to one desk: the same acts leave the same exchange behind."""

from __future__ import annotations

from decimal import Decimal

import pytest

SCRIPT = [
    ("add", {"side": "buy", "qty": "0.1", "price": "49000", "id": "one"}),
    ("add", {"side": "sell", "qty": "0.2", "price": None, "id": "two"}),
    ("add", {"side": "buy", "qty": "1.3", "price": "50001", "id": "three"}),
    ("add", {"side": "buy", "qty": "0.1", "price": "49000", "id": "one"}),
    ("add", {"side": "sell", "qty": "99", "price": "60000", "id": "four"}),
    ("amend", {"id": "one", "qty": "0.15", "price": "48000"}),
    ("amend", {"id": "none", "qty": "0.15", "price": "48000"}),
    ("cancel", {"id": "three"}),
    ("cancel", {"id": "three"}),
    ("dead_man", {}),
]


def by_rest(bench, deed, act):
    if deed == "add":
        answer = bench.call(
            "AddOrder", **bench.ask(act["side"], act["qty"], act["price"], cl_ord_id=act["id"])
        )
    elif deed == "amend":
        answer = bench.call(
            "AmendOrder", cl_ord_id=act["id"], order_qty=act["qty"], limit_price=act["price"]
        )
    elif deed == "cancel":
        answer = bench.call("CancelOrder", cl_ord_id=act["id"])
    else:
        answer = bench.call("CancelAllOrdersAfter", timeout=60)
    return answer["error"][0] if answer["error"] else None


def by_websocket(bench, token, deed, act):
    if deed == "add":
        fields = {
            "symbol": "BTC/USD",
            "side": act["side"],
            "order_type": "limit" if act["price"] else "market",
            "order_qty": Decimal(act["qty"]),
            "cl_ord_id": act["id"],
        }
        if act["price"]:
            fields["limit_price"] = Decimal(act["price"])
        frames = bench.ws("add_order", token, **fields)
    elif deed == "amend":
        frames = bench.ws(
            "amend_order",
            token,
            cl_ord_id=act["id"],
            order_qty=Decimal(act["qty"]),
            limit_price=Decimal(act["price"]),
        )
    elif deed == "cancel":
        frames = bench.ws("cancel_order", token, cl_ord_id=[act["id"]])
    else:
        frames = bench.ws("cancel_all_orders_after", token, timeout=60)
    (frame,) = frames
    return frame.get("error")


@pytest.fixture
def two(make_bench):
    """Two exchanges alike."""
    pair = []
    for _ in range(2):
        bench = make_bench()
        bench.open(USD="100000", XBT="2")
        bench.house(bids=[("50000.0", "1")], asks=[("50001.0", "1")])
        bench.exchange.drain()
        pair.append(bench)
    return pair


def test_same_acts_over_either_wire_leave_the_same_exchange(two):
    rest, websocket = two
    token = websocket.token()
    for deed, act in SCRIPT:
        assert by_rest(rest, deed, act) == by_websocket(websocket, token, deed, act)
        assert rest.rows() == websocket.rows()
        rest.later(3)
        websocket.later(3)
    for bench in two:
        bench.later(120)
    assert state_of(rest) == state_of(websocket)


def state_of(bench):
    """Without keys and counters, which differ by the wire."""
    rows = bench.exchange.dump()["rows"]
    return [row for row in rows if row[0] not in ("key", "meta")]


def test_engine_counter_is_shared_by_both_wires(make_bench):
    from krakked.sim.exchange.limits import Tier

    bench = make_bench()
    bench.open(tier=Tier.STARTER, USD="100000", XBT="2")
    bench.house(asks=[("50001.0", "100")])
    token = bench.token()
    for _ in range(30):
        bench.add("buy", "0.0001")
        assert (
            by_websocket(
                bench, token, "add", {"side": "buy", "qty": "0.0001", "price": None, "id": "x"}
            )
            is None
        )
    assert bench.refused("buy", "0.0001") == "EOrder:Rate limit exceeded"
    frame_error = by_websocket(
        bench, token, "add", {"side": "buy", "qty": "0.0001", "price": None, "id": "x"}
    )
    assert frame_error == "EOrder:Rate limit exceeded"


def test_dead_man_is_one_timer_for_both_wires(two):
    bench, _ = two
    bench.add("buy", "0.1", "49000")
    bench.ok("CancelAllOrdersAfter", timeout=10)
    by_websocket(bench, bench.token(), "dead_man", {})
    bench.later(59)
    assert len(bench.account().open) == 1
    bench.later(1)
    assert bench.account().open == {}


def test_order_made_on_one_wire_is_ended_on_the_other(two):
    bench, _ = two
    bench.add("buy", "0.1", "49000", cl_ord_id="here")
    assert by_websocket(bench, bench.token(), "cancel", {"id": "here"}) is None
    (row,) = bench.ok("ClosedOrders")["closed"].values()
    assert row["reason"] == "User requested"
