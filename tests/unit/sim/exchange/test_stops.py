"""Stops, take-profits and trailing stops: when they go off, as what, and how they are told."""

from __future__ import annotations

from decimal import Decimal

import pytest

from krakked.domain.orders import Side
from krakked.sim.exchange.core import PairMode, SystemStatus

INVALID = "EGeneral:Invalid arguments:"


def stop(venue, kind, side, price, price2=None, volume="0.1", **more):
    if price2 is not None:
        more["price2"] = price2
    return venue.add(side, volume, price, ordertype=kind, **more)


def prints(venue, *prices):
    """Trades that leave the house's levels where they are."""
    for price in prices:
        taker = Side.BUY if Decimal(price) <= 50000 else Side.SELL
        venue.strangers(price, "0.001", taker)


@pytest.mark.parametrize(
    ("kind", "side", "trigger", "before", "at"),
    [
        ("stop-loss", "sell", "49000", "49000.1", "49000"),
        ("stop-loss", "buy", "51000", "50999.9", "51000"),
        ("take-profit", "sell", "51000", "50999.9", "51000"),
        ("take-profit", "buy", "49000", "49000.1", "49000"),
    ],
)
def test_fixed_trigger_goes_off_at_its_price_and_not_before(venue, kind, side, trigger, before, at):
    prints(venue, "50000")
    txid = stop(venue, kind, side, trigger)
    prints(venue, before)
    assert venue.status(txid) == ("open", "0.00000000")
    prints(venue, at)
    assert venue.status(txid) == ("closed", "0.10000000")


def test_waiting_order_stands_in_no_book(venue):
    before = venue.depth()
    stop(venue, "stop-loss-limit", "sell", "49000", "50005")
    assert venue.depth() == before


def test_limit_form_rests_at_its_limit_once_set_off(venue):
    txid = stop(venue, "stop-loss-limit", "sell", "49000", "50000.5")
    prints(venue, "49000")
    assert venue.status(txid)[0] == "open"
    assert venue.depth()[1][0] == ("50000.5", "0.10000000")


def test_order_that_went_off_stands_behind_those_who_came_meanwhile(venue):
    venue.open("bob", XBT="1")
    txid = stop(venue, "stop-loss-limit", "sell", "49000", "50000.5")
    other = venue.add("sell", "0.1", "50000.5", who="bob")
    prints(venue, "49000")
    venue.strangers("50000.5", "0.1", Side.BUY)
    assert (venue.status(txid)[1], venue.status(other, "bob")[0]) == ("0.00000000", "closed")


def test_orders_of_one_print_go_off_by_time(venue):
    first = stop(venue, "stop-loss", "sell", "49000", volume="0.6")
    second = stop(venue, "stop-loss", "sell", "49500", volume="0.6")
    prints(venue, "48000")
    rows = venue.ok("TradesHistory", consolidate_taker="false")["trades"].values()
    assert [row["ordertxid"] for row in reversed(rows)] == [first, second, second]


def test_one_stop_can_set_off_the_next(venue):
    venue.house(bids=[("49000.0", "0.1"), ("48000.0", "5")], asks=[("50001.0", "1")])
    prints(venue, "50000")
    second = stop(venue, "stop-loss", "sell", "49000")
    first = stop(venue, "stop-loss", "sell", "49900")
    prints(venue, "49900")
    assert venue.order(first)["price"] == "49000.00000"
    assert venue.order(second)["price"] == "48000.00000"


def test_trigger_that_is_reached_already_ends_the_order(venue):
    prints(venue, "50000")
    txid = stop(venue, "stop-loss", "sell", "50500")
    row = venue.order(txid)
    assert (row["status"], row["reason"]) == ("canceled", "Order would trigger immediately")
    assert venue.ok("BalanceEx")["XXBT"]["hold_trade"] == "0.0000000000"


def test_order_that_waits_is_described_with_both_prices(venue):
    txid = stop(venue, "stop-loss-limit", "sell", "49000", "48900", userref=4)
    row = venue.order(txid)
    assert row["descr"]["order"] == "sell 0.10000000 XBTUSD @ stop loss 49000.0 -> limit 48900.0"
    assert (row["descr"]["price"], row["descr"]["price2"]) == ("49000.0", "48900.0")
    assert (row["trigger"], row["status"], row["misc"]) == ("last", "open", "")
    assert (row["stopprice"], row["limitprice"]) == ("49000.00000", "0.00000")


@pytest.mark.parametrize(("kind", "word"), [("stop-loss", "stopped"), ("take-profit", "touched")])
def test_order_that_went_off_says_how(venue, kind, word):
    price = "49000" if kind == "stop-loss" else "51000"
    txid = stop(venue, f"{kind}-limit", "sell", price, "60000")
    prints(venue, price)
    row = venue.order(txid)
    assert (row["misc"], row["limitprice"]) == (word, "60000.00000")


def test_stop_is_told_waiting_and_then_triggered(venue):
    txid = stop(venue, "stop-loss-limit", "sell", "49000", "60000")
    pending, new = venue.rows()
    assert new["exec_type"] == "new"
    assert pending["triggers"] == {
        "reference": "last",
        "price": Decimal("49000.0"),
        "price_type": "static",
        "actual_price": Decimal("49000.0"),
        "status": "untriggered",
    }
    assert (pending["stop_price"], pending["order_type"]) == (Decimal(49000), "stop-loss-limit")
    prints(venue, "48999")
    (status,) = venue.rows()
    assert (status["exec_type"], status["order_id"]) == ("status", txid)
    assert status["triggers"]["status"] == "triggered"
    assert status["triggers"]["last_price"] == Decimal("48999.0")


@pytest.mark.parametrize(
    ("side", "offset", "path", "trigger"),
    [
        ("sell", "+100", ("50000", "50300", "50250"), "50200.00000"),
        ("buy", "+100", ("50000", "49700", "49750"), "49800.00000"),
        ("sell", "+1%", ("50000", "50300.5", "50250"), "49797.50000"),
    ],
)
def test_trailing_stop_follows_the_best_price_and_never_back(venue, side, offset, path, trigger):
    prints(venue, "50000")
    txid = stop(venue, "trailing-stop", side, offset)
    prints(venue, *path)
    row = venue.order(txid)
    assert (row["status"], row["stopprice"], row["limitprice"]) == (
        "open",
        trigger,
        f"{Decimal(path[1]):.5f}",
    )


def test_trailing_stop_goes_off_when_the_price_turns_by_its_distance(venue):
    prints(venue, "50000")
    txid = stop(venue, "trailing-stop", "sell", "+100")
    prints(venue, "50300", "50200.1")
    assert venue.status(txid)[0] == "open"
    prints(venue, "50200")
    assert venue.status(txid) == ("closed", "0.10000000")


def test_recorded_trailing_stop_lies_on_the_same_tick(venue):
    """Peak 4.0266, one percent, four decimals: the venue showed 3.9864."""
    from krakked.sim.exchange.prices import Price
    from krakked.sim.exchange.triggers import trail_from

    level = trail_from(
        Price(amount=Decimal(1), unit="pct"), Decimal("4.0266"), Decimal("0.0001"), Side.SELL
    )
    assert level == Decimal("3.9864")


def test_moved_trailing_stop_is_told(venue):
    prints(venue, "50000")
    stop(venue, "trailing-stop", "sell", "+1%")
    venue.rows()
    prints(venue, "51000")
    (row,) = venue.rows()
    assert row["exec_type"] == "status"
    assert row["triggers"]["actual_price"] == Decimal("50490.0")
    assert row["triggers"]["peak_price"] == Decimal("51000.0")
    assert row["triggers"]["price"] == Decimal("1.0000")


def test_trailing_limit_moves_with_the_trigger(venue):
    prints(venue, "50000")
    txid = stop(venue, "trailing-stop-limit", "sell", "+100", "-50")
    prints(venue, "50300")
    order = venue.account().orders[txid]
    assert (order.trigger_price, order.limit_price) == (Decimal("50200.0"), Decimal("50150.0"))
    assert venue.order(txid)["descr"]["order"] == (
        "sell 0.10000000 XBTUSD @ trailing stop +100.0 -> limit -50.0"
    )


def test_limit_of_a_trailing_stop_is_told_as_a_distance_from_its_trigger(venue):
    prints(venue, "50000")
    stop(venue, "trailing-stop-limit", "sell", "+100", "-50")
    (told,) = [row for row in venue.rows() if "limit_price" in row]
    assert (told["limit_price_type"], told["limit_price"]) == ("quote", Decimal("-50.0"))


def test_trailing_percentage_is_described_to_four_places(venue):
    txid = stop(venue, "trailing-stop", "sell", "+50%")
    row = venue.order(txid)
    assert row["descr"]["order"] == "sell 0.10000000 XBTUSD @ trailing stop +50.0000%"
    assert row["descr"]["price"] == "+50.0000%"


def test_trailing_buy_releases_what_it_need_not_hold_any_more(venue):
    prints(venue, "50000")
    stop(venue, "trailing-stop", "buy", "+1000")
    before = Decimal(venue.ok("BalanceEx")["ZUSD"]["hold_trade"])
    prints(venue, "40000")
    after = Decimal(venue.ok("BalanceEx")["ZUSD"]["hold_trade"])
    assert (before, after) == (Decimal("5120.4000"), Decimal("4116.4000"))


def test_index_is_the_middle_of_the_book_and_not_the_last_price(venue):
    txid = stop(venue, "stop-loss", "sell", "49500", trigger="index")
    prints(venue, "49000")
    assert venue.status(txid)[0] == "open"
    venue.house(bids=[("49499.0", "1")], asks=[("49501.0", "1")])
    assert venue.status(txid)[0] == "closed"
    assert venue.order(txid)["trigger"] == "index"


def test_pair_without_an_index_says_so(make_bench):
    venue = make_bench(has_index=False)
    venue.open(XBT="1")
    error = venue.refused("sell", "0.1", "49000", ordertype="stop-loss", trigger="index")
    assert error == INVALID + "Index unavailable"


@pytest.mark.parametrize(
    ("kind", "side", "price", "shown"),
    [
        ("limit", "buy", "-100", "49900.0"),
        ("limit", "sell", "+1%", "50500.0"),
        ("limit", "buy", "#100", "49900.0"),
        ("limit", "sell", "#100", "50100.0"),
        ("stop-loss", "sell", "#2%", "49000.0"),
        ("stop-loss", "buy", "#2%", "51000.0"),
        ("take-profit", "sell", "#2%", "51000.0"),
        ("take-profit", "buy", "-0.0009%", "49999.5"),
    ],
)
def test_relative_price_is_measured_from_the_last_trade(venue, kind, side, price, shown):
    prints(venue, "50000")
    venue.house()
    txid = venue.add(side, "0.1", price, ordertype=kind)
    assert venue.order(txid)["descr"]["price"] == shown


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"price": ""}, INVALID + "price"),
        ({"price": "5%"}, INVALID + "price"),
        ({"price": "+-5"}, INVALID + "price"),
        ({"price": "-200%"}, INVALID + "price"),
        ({"price": "49000.05"}, "EOrder:Tick size check failed"),
        ({"trigger": "mark"}, INVALID + "trigger"),
        ({"ordertype": "stop-loss-limit"}, INVALID + "price2"),
        ({"ordertype": "stop-loss-limit", "price2": "x"}, INVALID + "price2"),
        ({"ordertype": "trailing-stop"}, INVALID + "price"),
        ({"ordertype": "trailing-stop", "price": "-5"}, INVALID + "price"),
        ({"ordertype": "trailing-stop", "price": "+0"}, INVALID + "price"),
        ({"oflags": "post"}, INVALID + "oflags"),
        ({"oflags": "viqc", "type": "buy"}, INVALID + "oflags"),
        ({"timeinforce": "FOK"}, INVALID + "timeinforce"),
        ({"volume": "3"}, "EOrder:Insufficient funds"),
        ({"ordertype": "settle-position"}, "EOrder:Unknown position"),
        ({"leverage": "5"}, INVALID + "leverage"),
    ],
)
def test_bad_stop_is_refused_and_leaves_no_trace(venue, fields, error):
    ask = venue.ask("sell", "0.1", "49000", ordertype="stop-loss") | fields
    assert venue.error("AddOrder", **ask) == error
    assert venue.account().orders == {}


def test_stop_buy_holds_its_worth_at_the_trigger(venue):
    stop(venue, "stop-loss", "buy", "51000")
    assert venue.ok("BalanceEx")["ZUSD"]["hold_trade"] == "5120.4000"


def test_stop_buy_that_slips_beyond_the_money_is_canceled(make_bench):
    venue = make_bench()
    venue.open(USD="5130")
    venue.house(bids=[("50000.0", "1")], asks=[("53000.0", "1")])
    prints(venue, "50000")
    txid = stop(venue, "stop-loss", "buy", "51000")
    prints(venue, "51000")
    row = venue.order(txid)
    assert (row["status"], row["reason"]) == ("canceled", "Insufficient funds")
    assert venue.ok("Balance")["ZUSD"] == "5130.0000"


def test_scheduled_market_buy_that_became_too_dear_is_canceled(make_bench):
    venue = make_bench()
    venue.open(USD="5100")
    venue.house(asks=[("50000.0", "1")])
    txid = venue.add("buy", "0.1", starttm="+10")
    venue.house(asks=[("60000.0", "1")])
    venue.later(10)
    assert venue.order(txid)["reason"] == "Insufficient funds"


def test_waiting_order_expires_and_is_canceled_like_others(venue):
    first = stop(venue, "stop-loss", "sell", "49000", expiretm="+20")
    second = stop(venue, "trailing-stop", "sell", "+500")
    venue.ok("CancelOrder", txid=second)
    venue.later(20)
    assert (venue.status(first)[0], venue.status(second)[0]) == ("expired", "canceled")
    prints(venue, "40000")
    assert venue.ok("TradesHistory")["trades"] == {}


def test_scheduled_stop_waits_from_its_start_on(venue):
    txid = stop(venue, "stop-loss", "sell", "49000", starttm="+10")
    prints(venue, "48000", "50000")
    venue.later(10)
    assert venue.status(txid)[0] == "open"
    prints(venue, "48500")
    assert venue.status(txid)[0] == "closed"


def test_scheduled_trailing_stop_starts_from_the_price_of_its_start(venue):
    prints(venue, "50000")
    txid = stop(venue, "trailing-stop", "sell", "+100", starttm="+10")
    prints(venue, "52000", "51000")
    venue.later(10)
    assert venue.order(txid)["stopprice"] == "50900.00000"


def test_scheduled_trailing_buy_that_cannot_be_held_for_is_canceled(make_bench):
    venue = make_bench()
    venue.open(USD="5130")
    prints(venue, "50000")
    txid = stop(venue, "trailing-stop", "buy", "+100", starttm="+10")
    prints(venue, "60000")
    venue.later(10)
    assert venue.order(txid)["reason"] == "Insufficient funds"
    assert venue.ok("BalanceEx")["ZUSD"]["hold_trade"] == "0.0000"


@pytest.mark.parametrize("status", [SystemStatus.CANCEL_ONLY, SystemStatus.POST_ONLY])
def test_nothing_goes_off_while_new_orders_are_not_taken(venue, status):
    txid = stop(venue, "stop-loss", "sell", "49000")
    venue.exchange.set_system_status(status, venue.now_ns)
    prints(venue, "48000")
    assert venue.status(txid)[0] == "open"
    venue.exchange.set_system_status(SystemStatus.ONLINE, venue.now_ns)
    assert venue.status(txid)[0] == "closed"


def test_price_that_came_back_during_a_pause_sets_nothing_off(venue):
    txid = stop(venue, "stop-loss", "sell", "49000")
    venue.exchange.set_pair_status("XBTUSD", PairMode.CANCEL_ONLY)
    prints(venue, "48000", "50000")
    venue.exchange.set_pair_status("XBTUSD", PairMode.ONLINE)
    assert venue.status(txid)[0] == "open"


def test_own_trades_off_the_tape_set_nothing_off(make_bench):
    venue = make_bench(prints_own_trades=False)
    venue.open(XBT="2")
    venue.house(bids=[("49000.0", "5")], asks=[("50001.0", "1")])
    prints(venue, "50000")
    txid = stop(venue, "stop-loss", "sell", "49500")
    venue.add("sell", "0.1")
    assert venue.status(txid)[0] == "open"


def test_stored_orders_wait_on(venue, make_bench):
    prints(venue, "50000")
    fixed = stop(venue, "stop-loss", "sell", "49000")
    trailing = stop(venue, "trailing-stop", "sell", "+500")
    prints(venue, "50400")
    twin = make_bench()
    twin.exchange.load(venue.exchange.dump())
    twin.nonce = venue.nonce
    assert twin.order(trailing)["stopprice"] == "49900.00000"
    twin.house(bids=[("49000.0", "5")])
    prints(twin, "49900")
    assert (twin.status(trailing)[0], twin.status(fixed)[0]) == ("closed", "closed")


STOP = {"order_type": "stop-loss", "side": "sell", "symbol": "BTC/USD", "order_qty": Decimal("0.1")}


def ws(venue, **more):
    (frame,) = venue.ws("add_order", **(STOP | more))
    return frame


@pytest.mark.parametrize(
    ("triggers", "shown"),
    [
        ({"price": 49000}, "49000.0"),
        ({"price": Decimal("-2.0"), "price_type": "pct"}, "49000.0"),
        ({"price": -150, "price_type": "quote", "reference": "last"}, "49850.0"),
        ({"price": -1, "price_type": "pct", "reference": "index"}, "49501.0"),
    ],
)
def test_trigger_over_websocket_has_a_type(venue, triggers, shown):
    prints(venue, "50000")
    venue.house(bids=[("50000.0", "1")], asks=[("50002.0", "1")])
    frame = ws(venue, triggers=triggers)
    assert venue.order(frame["result"]["order_id"])["descr"]["price"] == shown


def test_trailing_stop_over_websocket_has_a_quote_limit_by_default(venue):
    prints(venue, "50000")
    frame = ws(
        venue,
        order_type="trailing-stop-limit",
        triggers={"price": 1, "price_type": "pct"},
        limit_price=-10,
    )
    row = venue.order(frame["result"]["order_id"])
    assert row["descr"]["order"] == (
        "sell 0.10000000 XBTUSD @ trailing stop +1.0000% -> limit -10.0"
    )


def test_older_fields_of_a_stop_still_work_over_websocket(venue):
    frame = ws(venue, stop_price=49000, trigger="index")
    row = venue.order(frame["result"]["order_id"])
    assert (row["descr"]["price"], row["trigger"]) == ("49000.0", "index")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, INVALID + "triggers"),
        ({"triggers": {"price": "49000"}}, "Price field must be a number_float"),
        ({"triggers": {"price": 49000, "price_type": "points"}}, INVALID + "price_type"),
        ({"triggers": {"price": 49000, "reference": "mark"}}, INVALID + "triggers"),
        ({"triggers": 5}, INVALID + "triggers"),
        (
            {"order_type": "trailing-stop", "triggers": {"price": 49000}},
            INVALID + "triggers",
        ),
        (
            {"order_type": "stop-loss-limit", "triggers": {"price": 49000}},
            INVALID + "limit_price",
        ),
        (
            {
                "order_type": "stop-loss-limit",
                "triggers": {"price": 49000},
                "limit_price": -5,
                "limit_price_type": "pct",
            },
            INVALID + "limit_price_type",
        ),
    ],
)
def test_bad_stop_over_websocket_is_refused(venue, fields, error):
    frame = ws(venue, **fields)
    assert (frame["error"], frame["success"]) == (error, False)
