"""Orders meet the house, strangers and each other: by price, then time, nothing crossed at rest."""

from __future__ import annotations

from decimal import Decimal

import pytest

from krakked.domain.orders import Side
from krakked.sim.exchange.core import FIRST_TRADE_ID, PairMode


def test_market_buy_takes_the_house_level_by_level(venue):
    txid = venue.add("buy", "1.5")
    row = venue.order(txid)
    assert (row["status"], row["vol_exec"], row["cost"]) == ("closed", "1.50000000", "75002.00000")
    assert venue.depth()[1][0] == ("50002.0", "1.50000000")


def test_limit_buy_that_crosses_fills_at_the_makers_price(venue):
    txid = venue.add("buy", "0.5", "50005.0")
    assert venue.order(txid)["price"] == "50001.00000"


def test_limit_rest_of_a_partial_fill_stands_in_the_book(venue):
    txid = venue.add("buy", "1.2", "50001.0")
    assert venue.status(txid) == ("open", "1.00000000")
    assert venue.order(txid)["misc"] == "partial"
    assert venue.depth()[0][0] == ("50001.0", "0.20000000")


def test_depth_adds_house_and_accounts_at_one_price(venue):
    venue.add("buy", "0.25", "50000.0")
    assert venue.depth(count=2)[0] == [("50000.0", "1.25000000"), ("49999.0", "2")]


def test_depth_shows_no_more_levels_than_asked(venue):
    assert [len(side) for side in venue.depth(count=2)] == [2, 2]


def test_accounts_meet_at_the_makers_price_and_both_are_told(venue):
    venue.open("bob", USD="100000", XBT="1")
    sell = venue.add("sell", "0.3", "50000.5")
    buy = venue.add("buy", "0.3", "50000.9", who="bob")
    assert venue.order(sell)["price"] == "50000.50000"
    assert venue.order(buy, "bob")["price"] == "50000.50000"
    assert venue.status(sell)[0] == venue.status(buy, "bob")[0] == "closed"


def test_earlier_order_at_the_same_price_fills_first(venue):
    venue.open("bob", XBT="1")
    first = venue.add("sell", "0.3", "50000.5")
    second = venue.add("sell", "0.3", "50000.5", who="bob")
    venue.strangers("50000.5", "0.4", Side.BUY)
    assert venue.status(first) == ("closed", "0.30000000")
    assert venue.status(second, "bob") == ("open", "0.10000000")


def test_better_price_fills_before_an_earlier_order(venue):
    early = venue.add("sell", "0.3", "50000.6")
    better = venue.add("sell", "0.3", "50000.5")
    venue.strangers("50000.6", "0.3", Side.BUY)
    assert venue.status(better)[0] == "closed"
    assert venue.status(early) == ("open", "0.00000000")


def test_strangers_at_the_price_serve_the_houses_queue_first(venue):
    txid = venue.add("buy", "0.5", "50000.0")
    venue.strangers("50000.0", "0.9", Side.SELL)
    assert venue.status(txid) == ("open", "0.00000000")
    venue.strangers("50000.0", "0.4", Side.SELL)
    assert venue.status(txid) == ("open", "0.30000000")


def test_strangers_at_the_price_serve_accounts_first_if_so_chosen(make_bench):
    bench = make_bench(house_first=False)
    bench.open(USD="100000")
    bench.house(bids=[("50000.0", "1")], asks=[("50001.0", "1")])
    txid = bench.add("buy", "0.5", "50000.0")
    bench.strangers("50000.0", "0.4", Side.SELL)
    assert bench.status(txid) == ("open", "0.40000000")
    bench.strangers("50000.0", "0.7", Side.SELL)
    assert bench.status(txid) == ("closed", "0.50000000")
    assert bench.depth()[0] == [("50000.0", "0.40000000")]


def test_strangers_through_the_price_fill_at_the_resting_price(venue):
    txid = venue.add("buy", "0.5", "50000.0")
    venue.strangers("49995.0", "5", Side.SELL)
    row = venue.order(txid)
    assert (row["status"], row["price"]) == ("closed", "50000.00000")


def test_strangers_fill_no_more_than_they_traded(venue):
    venue.house(bids=[("49000.0", "1")], asks=[("50001.0", "1")])
    first = venue.add("buy", "0.5", "50000.0")
    second = venue.add("buy", "0.5", "49999.0")
    venue.strangers("49990.0", "0.7", Side.SELL)
    assert venue.status(first) == ("closed", "0.50000000")
    assert venue.status(second) == ("open", "0.20000000")


def test_what_an_order_had_of_a_strangers_print_is_on_the_tape_by_its_own_id_and_price(venue):
    txid = venue.add("buy", "0.5", "50000.0")
    venue.strangers("49995.0", "5", Side.SELL)
    ours, theirs = venue.prints()
    (fill,) = venue.order(txid)["trades"]
    assert ours.trade_id == venue.ok("QueryTrades", txid=fill)[fill]["trade_id"]
    assert (ours.price, ours.quantity_base) == (Decimal("50000.0"), Decimal("0.5"))
    assert (theirs.price, theirs.quantity_base) == (Decimal("49995.0"), Decimal("4.5"))
    assert {ours.taker_side, theirs.taker_side} == {Side.SELL}
    assert theirs.trade_id == ours.trade_id + 1
    assert venue.exchange.last_trade("XBTUSD") == theirs


def test_a_strangers_print_that_orders_took_whole_leaves_nothing_more_to_print(venue):
    venue.add("buy", "0.5", "50000.5")
    venue.strangers("49995.0", "0.5", Side.SELL)
    (printed,) = venue.prints()
    assert (printed.price, printed.quantity_base) == (Decimal("50000.5"), Decimal("0.5"))


@pytest.mark.parametrize("house_first", [True, False])
def test_prints_of_a_strangers_trade_are_its_whole_quantity(make_bench, house_first):
    bench = make_bench(house_first=house_first)
    bench.open(USD="100000")
    bench.house(bids=[("50000.0", "1")], asks=[("50009.0", "1")])
    bench.add("buy", "0.5", "50001.0")
    bench.add("buy", "0.7", "50000.0")
    bench.strangers("50000.0", "2", Side.SELL)
    rows = [(str(row.price), row.quantity_base) for row in bench.prints()]
    ours = Decimal("0.5") if house_first else Decimal("0.7")
    assert rows == [
        ("50001.0", Decimal("0.5")),
        ("50000.0", ours),
        ("50000.0", Decimal("1.5") - ours),
    ]


def test_a_strangers_print_stays_whole_on_a_tape_without_the_accounts_trades(make_bench):
    bench = make_bench(prints_own_trades=False)
    bench.open(USD="100000")
    bench.add("buy", "0.5", "50000.0")
    bench.strangers("49995.0", "5", Side.SELL)
    (printed,) = bench.prints()
    assert (printed.price, printed.quantity_base) == (Decimal("49995.0"), Decimal(5))


def test_two_accounts_that_trade_with_each_other_have_one_trade_id_and_one_print(venue):
    venue.open("bob", XBT="1")
    venue.add("buy", "0.5", "50000.5")
    venue.add("sell", "0.5", "50000.5", who="bob")
    (printed,) = venue.prints()
    ids = {
        trade["trade_id"]
        for who in ("alice", "bob")
        for trade in venue.ok("TradesHistory", who)["trades"].values()
    }
    assert ids == {printed.trade_id}


def test_strangers_sweep_what_the_house_had_at_better_prices(venue):
    venue.strangers("50002.0", "0.5", Side.BUY)
    assert venue.depth()[1][0] == ("50002.0", "1.5")


def test_house_that_crosses_a_resting_order_fills_it_at_its_price(venue):
    txid = venue.add("buy", "0.5", "49990.0")
    venue.house(bids=[("49000.0", "1")], asks=[("49500.0", "0.2"), ("49980.0", "5")])
    row = venue.order(txid)
    assert (row["status"], row["price"]) == ("closed", "49990.00000")
    assert venue.depth()[1] == [("49980.0", "4.70000000")]


def test_house_that_crosses_fills_the_best_order_first(venue):
    low = venue.add("buy", "0.5", "49980.0")
    high = venue.add("buy", "0.5", "49990.0")
    venue.house(bids=[("49000.0", "1")], asks=[("49970.0", "0.6")])
    assert venue.status(high) == ("closed", "0.50000000")
    assert venue.status(low) == ("open", "0.10000000")


def test_house_bids_that_cross_fill_resting_sells(venue):
    txid = venue.add("sell", "0.5", "50100.0")
    venue.house(bids=[("50200.0", "0.3")], asks=[("50300.0", "1")])
    assert venue.status(txid) == ("open", "0.30000000")
    assert venue.depth() == [[], [("50100.0", "0.20000000"), ("50300.0", "1")]]


def test_house_that_crosses_itself_is_a_bug(venue):
    with pytest.raises(AssertionError, match="cross"):
        venue.house(bids=[("50001.0", "1")], asks=[("50001.0", "1")])


def test_house_levels_out_of_order_are_a_bug(venue):
    with pytest.raises(AssertionError, match="best first"):
        venue.house(bids=[("49999.0", "1"), ("50000.0", "1")])


def test_house_levels_of_nothing_are_not_there(venue):
    venue.house(bids=[("50000.0", "0"), ("49999.0", "1")])
    assert venue.depth()[0] == [("49999.0", "1")]


def test_own_trades_with_the_house_are_printed(venue):
    venue.add("buy", "1.5")
    assert [(str(p.price), str(p.quantity_base), p.order_type) for p in venue.prints()] == [
        ("50001.0", "1", "market"),
        ("50002.0", "0.50000000", "market"),
    ]


def test_own_trades_stay_off_a_replayed_tape(make_bench):
    bench = make_bench(prints_own_trades=False)
    bench.open(USD="100000")
    bench.house(asks=[("50001.0", "1")])
    txid = bench.add("buy", "0.5")
    assert bench.prints() == []
    assert bench.status(txid)[0] == "closed"
    assert bench.depth()[1] == [("50001.0", "0.50000000")]


def test_trade_ids_count_up_and_never_repeat(venue):
    venue.add("buy", "0.5", "50000.0")
    venue.strangers("49995.0", "5", Side.SELL)
    venue.add("buy", "1.2")
    trades = venue.ok("TradesHistory", consolidate_taker="False")["trades"].values()
    (printed,) = (event for event in venue.prints() if event.price == Decimal("49995.0"))
    ids = sorted([trade["trade_id"] for trade in trades] + [printed.trade_id])
    assert ids == [FIRST_TRADE_ID + count for count in range(4)]


def test_immediate_or_cancel_fills_what_it_can_and_cancels_the_rest(venue):
    txid = venue.add("buy", "1.2", "50001.0", timeinforce="IOC")
    assert venue.status(txid) == ("canceled", "1.00000000")
    assert venue.order(txid)["reason"] == "Immediate or cancel"
    assert venue.depth()[0][0][0] == "50000.0"


def test_fill_or_kill_that_cannot_fill_whole_takes_nothing(venue):
    txid = venue.add("buy", "1.2", "50001.0", timeinforce="FOK")
    assert venue.status(txid) == ("canceled", "0.00000000")
    assert venue.order(txid)["reason"] == "Fill or kill"
    assert venue.depth()[1][0] == ("50001.0", "1")


def test_fill_or_kill_that_can_fill_whole_does(venue):
    txid = venue.add("buy", "1.2", "50002.0", timeinforce="FOK")
    assert venue.status(txid) == ("closed", "1.20000000")


@pytest.mark.parametrize(("house_first", "mine"), [(True, "0.00000000"), (False, "0.40000000")])
def test_house_and_account_at_one_price_are_taken_in_the_chosen_order(
    make_bench, house_first, mine
):
    bench = make_bench(house_first=house_first)
    bench.open(XBT="1")
    bench.open("bob", USD="100000")
    bench.house(asks=[("50001.0", "1")])
    txid = bench.add("sell", "0.5", "50001.0")
    bench.add("buy", "0.4", who="bob")
    assert bench.status(txid) == ("open", mine)


def test_market_order_stops_at_the_price_band_and_cancels_the_rest(venue):
    venue.house(bids=[("50000.0", "1")], asks=[("50001.0", "0.5"), ("55001.2", "5")])
    txid = venue.add("buy", "1")
    row = venue.order(txid)
    assert (row["status"], row["vol_exec"]) == ("canceled", "0.50000000")
    assert row["reason"] == "Market price protection"


def test_market_order_reaches_the_edge_of_the_band(venue):
    venue.house(bids=[("50000.0", "1")], asks=[("50001.0", "0.5"), ("55001.1", "5")])
    assert venue.status(venue.add("buy", "1")) == ("closed", "1.00000000")


def test_market_order_into_an_empty_book_is_canceled_whole(venue):
    venue.house()
    assert venue.status(venue.add("sell", "1")) == ("canceled", "0.00000000")


def test_post_only_that_would_take_is_refused(venue):
    assert venue.refused("buy", "0.5", "50001.0", oflags="post") == "EOrder:Post only order"
    assert venue.ok("OpenOrders") == {"open": {}}


def test_post_only_that_would_take_is_canceled_in_the_other_mode(make_bench):
    bench = make_bench(post_only_mode="cancel")
    bench.open(USD="100000")
    bench.house(asks=[("50001.0", "1")])
    row = bench.order(bench.add("buy", "0.5", "50001.0", oflags="post"))
    assert (row["status"], row["reason"]) == ("canceled", "Post only order")
    assert (row["vol_exec"], bench.prints()) == ("0.00000000", [])


@pytest.mark.parametrize("mode", ["reject", "cancel"])
def test_post_only_that_would_meet_its_own_account_does_not_rest_crossed(make_bench, mode):
    bench = make_bench(post_only_mode=mode)
    bench.open(USD="100000", XBT="1")
    bench.add("sell", "0.5", "50000.5")
    answer = bench.call("AddOrder", **bench.ask("buy", "0.5", "50000.5", oflags="post"))
    if mode == "reject":
        assert answer["error"] == ["EOrder:Post only order"]
    else:
        assert bench.order(answer["result"]["txid"][0])["reason"] == "Post only order"
    assert bench.depth()[0] == []


def test_post_only_that_would_rest_rests(venue):
    txid = venue.add("buy", "0.5", "50000.9", oflags="post")
    assert venue.order(txid)["oflags"] == "fciq,post"
    assert venue.depth()[0][0] == ("50000.9", "0.50000000")


def test_order_that_meets_its_own_account_is_canceled(venue):
    sell = venue.add("sell", "0.5", "50000.5")
    row = venue.order(venue.add("buy", "0.7", "50001.0"))
    assert (row["status"], row["vol_exec"]) == ("canceled", "0.00000000")
    assert row["reason"] == "Self trade prevention"
    assert venue.status(sell) == ("open", "0.00000000")


def test_gtd_order_expires_at_its_instant_and_not_before(venue):
    txid = venue.add("buy", "0.5", "49000.0", timeinforce="GTD", expiretm="+10")
    expiry_ns = venue.now_ns + 10_000_000_000
    assert venue.exchange.next_event_ns() == expiry_ns
    venue.exchange.advance(expiry_ns - 1_000)
    assert len(venue.account().open) == 1
    venue.later(60)
    row = venue.order(txid)
    assert row["status"] == "expired"
    assert row["closetm"] == Decimal("1700000010.000000")
    assert venue.exchange.next_event_ns() is None


def test_order_that_ended_before_its_expiry_leaves_nothing_due(venue):
    venue.add("buy", "0.5", "49000.0", expiretm="+10")
    venue.ok("CancelAll")
    assert venue.exchange.next_event_ns() is None
    venue.later(20)
    assert venue.ok("ClosedOrders")["count"] == 1


def test_scheduled_order_waits_holds_funds_and_starts_at_its_instant(venue):
    txid = venue.add("buy", "0.5", "50001.0", starttm="+30")
    assert venue.status(txid) == ("pending", "0.00000000")
    assert Decimal(venue.ok("BalanceEx")["ZUSD"]["hold_trade"]) > 25_000
    venue.later(29)
    assert venue.status(txid)[0] == "pending"
    venue.later(1)
    assert venue.status(txid) == ("closed", "0.50000000")


def test_scheduled_order_does_not_start_into_a_market_that_takes_none(venue):
    txid = venue.add("buy", "0.1", "50001", starttm="+10")
    venue.exchange.set_pair_status("XBTUSD", PairMode.CANCEL_ONLY)
    venue.later(10)
    row = venue.order(txid)
    assert (row["status"], row["reason"]) == ("canceled", "Market in cancel_only mode")


def test_scheduled_order_can_be_canceled(venue):
    txid = venue.add("buy", "0.5", "50001.0", starttm="+30")
    venue.ok("CancelOrder", txid=txid)
    venue.later(60)
    assert venue.status(txid) == ("canceled", "0.00000000")


def test_budget_order_buys_for_that_much_quote(venue):
    txid = venue.add("buy", "100", oflags="viqc")
    row = venue.order(txid)
    assert row["descr"]["order"].startswith("buy 100.00000 XBTUSD")
    assert (row["vol_exec"], row["oflags"]) == ("0.00199996", "fciq,viqc")
    assert Decimal("99.99") < Decimal(row["cost"]) <= 100


def test_amend_to_less_keeps_the_place_in_the_queue(venue):
    venue.open("bob", XBT="1")
    first = venue.add("sell", "0.5", "50000.5")
    second = venue.add("sell", "0.5", "50000.5", who="bob")
    venue.ok("AmendOrder", txid=first, order_qty="0.3")
    venue.strangers("50000.5", "0.4", Side.BUY)
    assert venue.status(first) == ("closed", "0.30000000")
    assert venue.status(second, "bob") == ("open", "0.10000000")


@pytest.mark.parametrize("change", [{"order_qty": "0.6"}, {"limit_price": "50000.6"}])
def test_amend_to_more_or_another_price_goes_to_the_back(venue, change):
    venue.open("bob", XBT="1")
    first = venue.add("sell", "0.5", "50000.5")
    second = venue.add("sell", "0.5", "50000.5", who="bob")
    venue.ok("AmendOrder", txid=first, **change)
    venue.strangers("50000.5", "0.5", Side.BUY)
    assert venue.status(first) == ("open", "0.00000000")
    assert venue.status(second, "bob")[0] == "closed"


def test_amend_to_no_more_than_was_filled_ends_the_order(venue):
    txid = venue.add("buy", "1.2", "50001.0")
    venue.ok("AmendOrder", txid=txid, order_qty="0.4")
    row = venue.order(txid)
    assert (row["status"], row["vol"], row["vol_exec"]) == (
        "canceled",
        "1.00000000",
        "1.00000000",
    )
    assert venue.ok("BalanceEx")["ZUSD"]["hold_trade"] == "0.0000"


def test_amend_to_a_crossing_price_takes(venue):
    txid = venue.add("buy", "0.5", "49000.0")
    venue.ok("AmendOrder", txid=txid, limit_price="50001.0")
    assert venue.status(txid) == ("closed", "0.50000000")


def test_amend_with_post_only_to_a_crossing_price_is_refused_and_changes_nothing(venue):
    txid = venue.add("buy", "0.5", "49000.0")
    before = venue.order(txid)
    assert (
        venue.error("AmendOrder", txid=txid, limit_price="50001.0", post_only="true")
        == "EOrder:Post only order"
    )
    assert venue.order(txid) == before


def test_amend_that_meets_its_own_account_is_canceled(venue):
    sell = venue.add("sell", "0.5", "50000.5")
    txid = venue.add("buy", "0.5", "49000.0")
    venue.ok("AmendOrder", txid=txid, limit_price="50000.6")
    row = venue.order(txid)
    assert (row["status"], row["reason"]) == ("canceled", "Self trade prevention")
    assert venue.status(sell) == ("open", "0.00000000")


def test_amended_scheduled_order_still_waits(venue):
    txid = venue.add("buy", "0.5", "49000.0", starttm="+30")
    venue.ok("AmendOrder", txid=txid, limit_price="50001.0")
    assert venue.status(txid)[0] == "pending"
    venue.later(31)
    assert venue.status(txid)[0] == "closed"


def test_book_changes_are_told_once_per_drain(venue):
    venue.add("buy", "0.5", "49000.0")
    venue.add("buy", "0.5", "49001.0")
    assert [change.pair for change in venue.changed_books()] == ["XBTUSD"]
    assert venue.changed_books() == []


def test_mid_is_half_way_or_the_side_there_is(venue):
    assert venue.exchange.mid("XBTUSD") == Decimal("50000.5")
    venue.house(bids=[("49000.0", "1")])
    assert venue.exchange.mid("XBTUSD") == Decimal("49000.0")
    venue.house()
    assert venue.exchange.mid("XBTUSD") is None
