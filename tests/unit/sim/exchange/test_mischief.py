"""What faults do from inside goes the ways of any order: the books stay whole."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from krakked.sim.exchange.limits import Tier
from krakked.sim.exchange.params import Params

D = Decimal


def mischief(venue: Any) -> Any:
    return venue.exchange.mischief(venue.now_ns)


def assert_ledger_explains_balances(venue: Any) -> None:
    account = venue.account()
    for asset, balance in account.balances.items():
        rows = [row for row in account.ledger if row.asset == asset]
        assert sum((row.amount - row.fee for row in rows), D(0)) == balance


def test_fill_out_of_nowhere_is_booked_like_any_other_and_prints_nothing(venue: Any) -> None:
    txid = venue.add("buy", "0.5", "49000.0")
    mischief(venue).fill(txid, D("0.2"))
    assert venue.prints() == []
    assert venue.status(txid) == ("open", "0.20000000")
    assert venue.account().balances["XBT"] == D("2.2")
    mischief(venue).fill(txid, D(7))
    assert venue.status(txid) == ("closed", "0.50000000")
    assert venue.account().held["USD"] == 0
    assert_ledger_explains_balances(venue)


def test_fill_below_the_lot_or_of_an_order_that_is_gone_is_nothing(venue: Any) -> None:
    txid = venue.add("buy", "0.5", "49000.0")
    mischief(venue).fill(txid, D("0.000000001"))
    assert venue.status(txid) == ("open", "0.00000000")
    venue.ok("CancelOrder", txid=txid)
    mischief(venue).fill(txid, D("0.1"))
    assert mischief(venue).volume(txid) is None
    assert venue.status(txid) == ("canceled", "0.00000000")


def test_fill_of_an_iceberg_takes_portion_after_portion(venue: Any) -> None:
    txid = venue.add("buy", "0.5", "49000.0", ordertype="iceberg", displayvol="0.1")
    venue.exchange.drain()
    mischief(venue).fill(txid, D("0.25"))
    traded = [row["last_qty"] for row in venue.rows() if row["exec_type"] == "trade"]
    assert traded == [D("0.1"), D("0.1"), D("0.05")]
    assert venue.status(txid) == ("open", "0.25000000")


def test_orders_that_wait_or_are_scheduled_do_not_rest(venue: Any) -> None:
    resting = venue.add("buy", "0.1", "49000.0", cl_ord_id="mine")
    venue.add("buy", "0.1", "49000.0", starttm="+60")
    venue.add("sell", "0.1", "40000.0", ordertype="stop-loss")
    assert mischief(venue).resting() == [resting]
    assert mischief(venue).resting("alice") == [resting]


@pytest.mark.parametrize(
    "fields",
    [
        {"txid": "{txid}"},
        {"cl_ord_id": "mine"},
        {"order_id": ["{txid}"]},
        {"cl_ord_id": ["other", "mine"]},
        {"orders": ["{txid}", 77]},
    ],
)
def test_orders_are_found_however_a_request_names_them(
    venue: Any, fields: dict[str, object]
) -> None:
    txid = venue.add("buy", "0.1", "49000.0", cl_ord_id="mine")
    venue.add("buy", "0.1", "48000.0", cl_ord_id="yours")

    def filled_in(value: object) -> object:
        if isinstance(value, list):
            return [filled_in(item) for item in value]
        return value.format(txid=txid) if isinstance(value, str) else value

    params = Params({name: filled_in(value) for name, value in fields.items()})
    assert mischief(venue).named_orders("alice", params) == [txid]


def test_a_request_that_names_nothing_readable_means_no_order(venue: Any) -> None:
    venue.add("buy", "0.1", "49000.0")
    for fields in ({}, {"txid": {"a": 1}}, {"txid": "O-NOT-THERE"}):
        assert mischief(venue).named_orders("alice", Params(fields)) == []


def test_thin_book_is_a_tick_apart_from_the_best_price_on_and_one_side_only(venue: Any) -> None:
    mischief(venue).thin_book("XXBTZUSD", True, [D("0.3"), D("0.2"), D("0.0000000001")])
    bids, asks = venue.depth()
    assert asks == [("50001.0", "0.30000000"), ("50001.1", "0.20000000")]
    assert bids[0] == ("50000.0", "1")
    mischief(venue).thin_book("XBTUSD", False, [D("0.3"), D("0.2")])
    assert venue.depth()[0] == [("50000.0", "0.30000000"), ("49999.9", "0.20000000")]
    mischief(venue).thin_book("MOON", True, [D(1)])
    venue.house()
    mischief(venue).thin_book("XBTUSD", True, [D(1)])
    assert venue.depth() == [[], []]


@pytest.mark.parametrize(("is_buy", "price"), [(True, "50001.1"), (False, "49999.9")])
def test_thin_book_on_a_side_that_was_emptied_stands_where_it_was_last_traded(
    venue: Any, is_buy: bool, price: str
) -> None:
    order, side = ("buy", 1) if is_buy else ("sell", 0)
    mischief(venue).thin_book("XBTUSD", is_buy, [D("0.01"), D("0.01")])
    venue.add(order, "0.02", price)
    assert venue.depth()[side] == []
    mischief(venue).thin_book("XBTUSD", is_buy, [D("0.3")])
    assert venue.depth()[side] == [(price, "0.30000000")]


def test_thin_book_on_a_side_that_never_was_does_not_cross_the_other(venue: Any) -> None:
    venue.house(bids=[("50000.0", "1")])
    mischief(venue).thin_book("XBTUSD", True, [D("0.3")])
    assert venue.depth()[1] == [("50000.1", "0.30000000")]


def test_full_counters_refuse_until_they_have_drained(make_bench: Any) -> None:
    venue = make_bench()
    venue.open(USD="1000", tier=Tier.STARTER)
    mischief(venue).fill_rest_counters()
    assert venue.error("Balance") == "EAPI:Rate limit exceeded"
    mischief(venue).fill_engine_counters("alice")
    assert venue.refused("buy", "0.001", "40000.0") == "EOrder:Rate limit exceeded"
    venue.later(120)
    venue.ok("Balance")
    venue.add("buy", "0.001", "40000.0")


def test_counters_that_are_full_become_no_fuller(make_bench: Any) -> None:
    venue = make_bench()
    venue.open(USD="1000", tier=Tier.STARTER)
    for _ in range(20):
        mischief(venue).fill_engine_counters("alice")
    venue.later(1)
    venue.add("buy", "0.001", "40000.0")


def test_an_account_without_limits_has_no_counter_to_fill(venue: Any) -> None:
    mischief(venue).fill_rest_counter("alice")
    mischief(venue).fill_rest_counter("nobody")
    mischief(venue).fill_engine_counters("alice")
    venue.ok("Balance")
    venue.add("buy", "0.1", "49000.0")


def test_a_foreign_nonce_counts_as_used_and_never_goes_back(venue: Any) -> None:
    venue.ok("Balance")
    mischief(venue).use_nonce("alice", 10)
    mischief(venue).use_nonce("alice", 5)
    mischief(venue).use_nonce("nobody", 99)
    assert venue.exchange.changes()
    venue.nonce = 8
    seen = [venue.call("Balance")["error"] for _ in range(3)]
    assert seen == [["EAPI:Invalid nonce"], ["EAPI:Invalid nonce"], []]


def test_keys_and_pairs_are_known_by_their_names(venue: Any) -> None:
    assert mischief(venue).account_of_key("alice") == "alice"
    assert mischief(venue).account_of_key(None) is None
    assert mischief(venue).pair_of("BTC/USD") == "XBTUSD"
    assert mischief(venue).pair_of("MOON") is None
