"""AddOrder, AmendOrder, CancelOrder and the dead-man over REST: what is taken, what is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from krakked.sim.exchange import errors
from krakked.sim.exchange.core import PairMode, SystemStatus

UUID = "0835958d-c526-4ad8-aea8-af54836de47e"
INVALID = "EGeneral:Invalid arguments:"


def rfc3339(venue, seconds):
    from krakked.domain.times import to_rfc3339

    return to_rfc3339(venue.now_ns + int(seconds * 1_000_000_000))


@pytest.mark.parametrize("spelling", ["XBTUSD", "XXBTZUSD", "BTC/USD"])
def test_add_order_takes_every_spelling_and_answers_with_the_altname(venue, spelling):
    result = venue.ok("AddOrder", **venue.ask("buy", "0.1", "49000", pair=spelling))
    assert result["descr"] == {"order": "buy 0.10000000 XBTUSD @ limit 49000.0"}


def test_add_order_describes_a_market_order(venue):
    result = venue.ok("AddOrder", **venue.ask("sell", "0.1"))
    assert result["descr"] == {"order": "sell 0.10000000 XBTUSD @ market"}


def test_add_order_cuts_the_volume_to_the_lots_decimals(venue):
    txid = venue.add("buy", "0.123456789", "49000")
    assert venue.order(txid)["vol"] == "0.12345678"


def test_validated_order_is_described_and_not_placed(venue):
    result = venue.ok("AddOrder", **venue.ask("buy", "0.1", "49000", validate="true"))
    assert result == {"descr": {"order": "buy 0.10000000 XBTUSD @ limit 49000.0"}}
    assert venue.ok("OpenOrders") == {"open": {}}


@pytest.mark.parametrize("word", ["False", "false", "0", ""])
def test_false_in_a_form_means_false(venue, word):
    result = venue.ok(
        "AddOrder", **venue.ask("buy", "0.1", "49000", validate=word, reduce_only=word)
    )
    assert result["txid"]


@pytest.mark.parametrize("word", ["True", "true", "1"])
def test_true_in_a_form_means_true(venue, word):
    result = venue.ok("AddOrder", **venue.ask("buy", "0.1", "49000", validate=word))
    assert "txid" not in result


def test_json_body_is_read_exactly(venue):
    fields = venue.ask("buy", "0.1", None) | {"ordertype": "limit", "price": Decimal("49000.1")}
    answer = venue.send("AddOrder", fields | {"validate": False, "userref": 5}, as_json=True)
    assert answer.accepted
    (txid,) = answer.order_ids
    assert venue.order(txid)["descr"]["price"] == "49000.1"
    assert venue.order(txid)["userref"] == 5


def test_answer_names_the_orders_that_were_made(venue):
    answer = venue.send("AddOrder", venue.ask("buy", "0.1", "49000"))
    assert (answer.method, answer.mutated, answer.accepted) == ("AddOrder", True, True)
    assert list(answer.order_ids) == list(venue.account().open)


def test_answer_to_a_refused_order_says_that_nothing_changed(venue):
    answer = venue.send("AddOrder", venue.ask("buy", "100", "49000"))
    assert (answer.mutated, answer.accepted, answer.order_ids) == (False, False, ())


REFUSALS = [
    ({"pair": "XBT/USD"}, "EQuery:Unknown asset pair"),
    ({"pair": "NOPE"}, "EQuery:Unknown asset pair"),
    ({"pair": ""}, INVALID + "pair"),
    ({"type": "hold"}, INVALID + "type"),
    ({"type": ""}, INVALID + "type"),
    ({"ordertype": "guess"}, INVALID + "ordertype"),
    ({"volume": ""}, INVALID + "volume"),
    ({"volume": "-1"}, INVALID + "volume"),
    ({"volume": "0"}, INVALID + "volume"),
    ({"volume": "NaN"}, INVALID + "volume"),
    ({"volume": "Infinity"}, INVALID + "volume"),
    ({"volume": "1e999999"}, INVALID + "volume"),
    ({"volume": "many"}, INVALID + "volume"),
    ({"price": ""}, INVALID + "price"),
    ({"price": "-60000"}, INVALID + "price"),
    ({"price": "0"}, INVALID + "price"),
    ({"price": "49000.05"}, "EOrder:Tick size check failed"),
    ({"volume": "0.00004999"}, "EOrder:Order minimum not met"),
    ({"volume": "0.00005", "price": "9999.9"}, "EOrder:Cost minimum not met"),
    ({"volume": "3"}, "EOrder:Insufficient funds"),
    ({"volume": "999999999999999", "price": "999999999999999"}, "EOrder:Insufficient funds"),
    ({"timeinforce": "DAY"}, INVALID + "timeinforce"),
    ({"timeinforce": "FOK", "ordertype": "market"}, INVALID + "timeinforce"),
    ({"timeinforce": "GTD", "ordertype": "market"}, INVALID + "timeinforce"),
    ({"stptype": "cancel_newest"}, INVALID + "stptype"),
    ({"timeinforce": "GTD"}, INVALID + "expiretm"),
    ({"timeinforce": "GTD", "expiretm": "+4"}, INVALID + "expiretm"),
    ({"timeinforce": "GTD", "expiretm": "+2764800"}, INVALID + "expiretm"),
    ({"timeinforce": "IOC", "expiretm": "+10"}, INVALID + "expiretm"),
    ({"expiretm": "soon"}, INVALID + "expiretm"),
    ({"starttm": "+9999999"}, INVALID + "starttm"),
    ({"starttm": "-20"}, INVALID + "starttm"),
    ({"oflags": "fcib,fciq"}, INVALID + "oflags"),
    ({"oflags": "fast"}, INVALID + "oflags"),
    ({"oflags": "viqc"}, INVALID + "oflags"),
    ({"leverage": "5:1"}, INVALID + "leverage"),
    ({"reduce_only": "true"}, INVALID + "reduce_only"),
    ({"validate": "maybe"}, INVALID + "validate"),
    ({"userref": "2147483648"}, INVALID + "userref"),
    ({"userref": "abc"}, INVALID + "userref"),
    ({"userref": "1", "cl_ord_id": UUID}, INVALID + "cl_ord_id"),
    ({"cl_ord_id": "z" * 32}, INVALID + "cl_ord_id"),
    ({"cl_ord_id": "x" * 19}, INVALID + "cl_ord_id"),
    ({"cl_ord_id": UUID.replace("-", "_")}, INVALID + "cl_ord_id"),
    ({"cl_ord_id": "café"}, INVALID + "cl_ord_id"),
    ({"deadline": "tomorrow"}, INVALID + "deadline"),
]


@pytest.mark.parametrize(("change", "text"), REFUSALS)
def test_bad_order_is_refused_in_the_venues_words_and_leaves_no_trace(venue, change, text):
    fields = venue.ask("buy", "0.1", "49000") | change
    assert venue.error("AddOrder", **fields) == text
    assert venue.ok("OpenOrders") == {"open": {}}
    assert venue.account().available("USD") == Decimal("100000.0000")
    assert venue.rows() == []


def test_post_only_market_order_is_refused(venue):
    assert venue.refused("buy", "0.1", oflags="post") == INVALID + "oflags"


def test_other_spelling_of_the_minimum_can_be_chosen(make_bench):
    bench = make_bench(order_minimum_error=errors.ORDER_MINIMUM_ARGUMENTS)
    bench.open(USD="1000")
    assert bench.refused("buy", "0.00001", "49000") == INVALID + "volume minimum not met"


def test_first_failing_check_decides_in_the_venues_order(venue):
    venue.exchange.set_pair_status("XBTUSD", PairMode.CANCEL_ONLY)
    assert venue.refused("buy", "0.00001", "1.05") == "EService:Market in cancel_only mode"
    venue.exchange.set_pair_status("XBTUSD", PairMode.ONLINE)
    assert venue.refused("buy", "0.00001", "1.05") == "EOrder:Tick size check failed"
    assert venue.refused("buy", "0.00001", "1.0") == "EOrder:Order minimum not met"
    assert venue.refused("buy", "0.00005", "1.0") == "EOrder:Cost minimum not met"
    assert venue.refused("buy", "99", "50001.0", oflags="post") == "EOrder:Insufficient funds"


def test_buy_may_use_exactly_what_is_free_with_its_fee(make_bench):
    bench = make_bench()
    bench.open(USD="1004.00")
    bench.house()
    assert bench.refused("buy", "0.02000001", "50000") == "EOrder:Insufficient funds"
    bench.add("buy", "0.02", "50000")
    assert bench.account().available("USD") == 0


def test_market_buy_needs_what_its_fills_will_charge(make_bench):
    bench = make_bench()
    bench.open(USD="1004.00")
    bench.house(asks=[("50000.0", "0.01"), ("50010.0", "1")])
    assert bench.refused("buy", "0.02") == "EOrder:Insufficient funds"
    assert bench.status(bench.add("buy", "0.0199"))[0] == "closed"


def test_sell_needs_the_base_it_sells(venue):
    assert venue.refused("sell", "2.00000001", "60000") == "EOrder:Insufficient funds"
    venue.add("sell", "2", "60000")
    assert venue.refused("sell", "0.1") == "EOrder:Insufficient funds"


def test_fee_in_base_makes_a_sell_need_more_base(venue):
    assert venue.refused("sell", "2", "60000", oflags="fcib") == "EOrder:Insufficient funds"
    venue.add("sell", "1.99203187", "60000", oflags="fcib")


@pytest.mark.parametrize(
    ("seconds", "outcome"),
    [
        (-1, "EService:Deadline elapsed"),
        (0, "EService:Deadline elapsed"),
        (1.9, INVALID + "deadline"),
        (2, None),
        (60, None),
        (60.1, INVALID + "deadline"),
    ],
)
def test_deadline_lies_between_two_seconds_and_a_minute_ahead(venue, seconds, outcome):
    fields = venue.ask("buy", "0.1", "49000", deadline=rfc3339(venue, seconds))
    assert venue.call("AddOrder", **fields)["error"] == ([] if outcome is None else [outcome])


@pytest.mark.parametrize("cl_ord_id", [UUID, UUID.replace("-", ""), "my order 7"])
def test_client_id_is_echoed_and_finds_the_order(venue, cl_ord_id):
    txid = venue.add("buy", "0.1", "49000", cl_ord_id=cl_ord_id)
    (row,) = venue.ok("OpenOrders", cl_ord_id=cl_ord_id)["open"].values()
    assert (row["cl_ord_id"], row["userref"]) == (cl_ord_id, None)
    assert venue.ok("CancelOrder", cl_ord_id=cl_ord_id) == {"count": 1}
    assert venue.status(txid)[0] == "canceled"


def test_client_id_is_unique_among_open_orders_only(venue):
    venue.add("buy", "0.1", "49000", cl_ord_id=UUID)
    taken = "EGeneral:Invalid arguments:cl_ord_id not unique"
    assert venue.refused("buy", "0.1", "48000", cl_ord_id=UUID) == taken
    venue.ok("CancelAll")
    venue.add("buy", "0.1", "48000", cl_ord_id=UUID)
    assert venue.ok("ClosedOrders", cl_ord_id=UUID)["count"] == 1


def test_client_id_of_another_account_is_free(venue):
    venue.open("bob", USD="100000")
    venue.add("buy", "0.1", "49000", cl_ord_id=UUID)
    venue.add("buy", "0.1", "49000", who="bob", cl_ord_id=UUID)


def test_cancel_order_ends_it_with_the_users_reason_and_frees_its_hold(venue):
    txid = venue.add("buy", "0.1", "49000")
    assert venue.ok("CancelOrder", txid=txid) == {"count": 1}
    row = venue.order(txid)
    assert (row["status"], row["reason"]) == ("canceled", "User requested")
    assert venue.account().available("USD") == 100_000


def test_cancel_of_an_ended_or_unknown_order_is_an_unknown_order(venue):
    txid = venue.add("buy", "0.1")
    assert venue.error("CancelOrder", txid=txid) == "EOrder:Unknown order"
    assert venue.error("CancelOrder", txid="OABCDE-FGHIJ-KLMNOP") == "EOrder:Unknown order"
    assert venue.error("CancelOrder", cl_ord_id=UUID) == "EOrder:Unknown order"
    assert venue.error("CancelOrder", txid="77") == "EOrder:Unknown order"
    assert venue.error("CancelOrder") == INVALID + "txid"


def test_cancel_of_another_accounts_order_is_an_unknown_order(venue):
    venue.open("bob", USD="1")
    txid = venue.add("buy", "0.1", "49000")
    assert venue.error("CancelOrder", "bob", txid=txid) == "EOrder:Unknown order"
    assert venue.status(txid)[0] == "open"


def test_cancel_by_user_reference_cancels_all_that_carry_it(venue):
    venue.add("buy", "0.1", "49000", userref=9)
    venue.add("buy", "0.1", "48000", userref=9)
    other = venue.add("buy", "0.1", "47000", userref=8)
    assert venue.ok("CancelOrder", txid=9) == {"count": 2}
    assert list(venue.ok("OpenOrders")["open"]) == [other]


def test_cancel_all_counts_what_it_cancels(venue):
    venue.add("buy", "0.1", "49000")
    venue.add("sell", "0.1", "51000")
    assert venue.ok("CancelAll") == {"count": 2}
    assert venue.ok("CancelAll") == {"count": 0}
    assert venue.depth()[0][0] == ("50000.0", "1")


def test_cancelled_partial_fill_keeps_its_fills(venue):
    txid = venue.add("buy", "1.2", "50001.0")
    venue.ok("CancelOrder", txid=txid)
    row = venue.order(txid)
    assert (row["status"], row["vol_exec"]) == ("canceled", "1.00000000")
    assert len(row["trades"]) == 1


def test_amend_keeps_ids_and_fills_and_shows(venue):
    txid = venue.add("buy", "1.2", "50001.0", cl_ord_id=UUID)
    result = venue.ok("AmendOrder", cl_ord_id=UUID, order_qty="1.5", limit_price="49500.0")
    assert list(result) == ["amend_id"]
    assert result["amend_id"].startswith("T")
    row = venue.order(txid)
    assert (row["vol"], row["vol_exec"], row["cl_ord_id"]) == ("1.50000000", "1.00000000", UUID)
    assert row["descr"]["order"] == "buy 1.50000000 XBTUSD @ limit 49500.0"
    assert row["misc"] == "partial,amended"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, INVALID + "order_qty"),
        ({"order_qty": "0"}, INVALID + "order_qty"),
        ({"limit_price": "0"}, INVALID + "limit_price"),
        ({"limit_price": "49000.05"}, "EOrder:Tick size check failed"),
        ({"order_qty": "0.00001"}, "EOrder:Order minimum not met"),
        ({"order_qty": "0.00005", "limit_price": "1.0"}, "EOrder:Cost minimum not met"),
        ({"order_qty": "3"}, "EOrder:Insufficient funds"),
        ({"order_qty": "0.2", "deadline": "2001-01-01T00:00:00Z"}, "EService:Deadline elapsed"),
    ],
)
def test_bad_amend_is_refused_and_changes_nothing(venue, change, text):
    txid = venue.add("buy", "0.1", "49000")
    before = venue.order(txid)
    assert venue.error("AmendOrder", txid=txid, **change) == text
    assert venue.order(txid) == before


def test_amend_may_use_what_the_order_holds_already(make_bench):
    bench = make_bench()
    bench.open(USD="1004.00")
    bench.house()
    txid = bench.add("buy", "0.02", "50000")
    bench.ok("AmendOrder", txid=txid, order_qty="0.04", limit_price="25000")
    assert bench.account().available("USD") == 0
    assert bench.error("AmendOrder", txid=txid, order_qty="0.05") == "EOrder:Insufficient funds"


def test_amend_of_an_ended_order_is_an_unknown_order(venue):
    txid = venue.add("buy", "0.1")
    assert venue.error("AmendOrder", txid=txid, order_qty="0.2") == "EOrder:Unknown order"


def test_dead_man_answers_in_whole_seconds_and_fires_at_what_it_shows(venue):
    venue.later("0.4")
    txid = venue.add("buy", "0.1", "49000")
    answer = venue.ok("CancelAllOrdersAfter", timeout=60)
    assert answer == {
        "currentTime": "2023-11-14T22:13:20Z",
        "triggerTime": "2023-11-14T22:14:20Z",
    }
    venue.later("59.5")
    assert venue.status(txid)[0] == "open"
    venue.later("0.1")
    row = venue.order(txid)
    assert (row["status"], row["closetm"]) == ("canceled", Decimal("1700000060.000000"))


def test_dead_man_shows_the_nearest_second(venue):
    venue.later("0.6")
    answer = venue.ok("CancelAllOrdersAfter", timeout=60)
    assert answer["currentTime"] == "2023-11-14T22:13:21Z"
    assert answer["triggerTime"] == "2023-11-14T22:14:21Z"


def test_order_of_exactly_the_smallest_size_and_worth_is_taken(venue):
    venue.add("buy", "0.00005", "10000")


def test_dead_man_fires_at_its_own_instant_in_a_large_step(venue):
    txid = venue.add("buy", "0.1", "49000")
    venue.ok("CancelAllOrdersAfter", timeout=60)
    venue.later(86_400)
    assert venue.order(txid)["closetm"] == Decimal("1700000060.000000")


def test_dead_man_refreshed_in_time_does_not_fire(venue):
    txid = venue.add("buy", "0.1", "49000")
    for _ in range(8):
        venue.ok("CancelAllOrdersAfter", timeout=60)
        venue.later(45)
    assert venue.status(txid)[0] == "open"
    venue.later(15)
    assert venue.status(txid)[0] == "canceled"


def test_dead_man_set_to_zero_is_disarmed(venue):
    txid = venue.add("buy", "0.1", "49000")
    venue.ok("CancelAllOrdersAfter", timeout=60)
    assert venue.ok("CancelAllOrdersAfter", timeout=0)["triggerTime"] == "0"
    venue.later(600)
    assert venue.status(txid)[0] == "open"


def test_dead_man_that_fired_stays_off(venue):
    venue.ok("CancelAllOrdersAfter", timeout=5)
    venue.later(6)
    txid = venue.add("buy", "0.1", "49000")
    venue.later(600)
    assert venue.status(txid)[0] == "open"


def test_dead_man_takes_the_orders_of_every_key_and_no_other_account(venue):
    venue.open("bob", USD="100000")
    bobs = venue.add("buy", "0.1", "49000", who="bob")
    venue.add("buy", "0.1", "49000")
    venue.add("sell", "0.1", "51000")
    venue.ok("CancelAllOrdersAfter", timeout=5)
    venue.later(5)
    assert venue.ok("OpenOrders") == {"open": {}}
    assert venue.status(bobs, "bob")[0] == "open"


@pytest.mark.parametrize("timeout", ["86400", "-1", "", "soon"])
def test_dead_man_refuses_an_absurd_time(venue, timeout):
    assert venue.error("CancelAllOrdersAfter", timeout=timeout) == INVALID + "timeout"


MODES = [
    ("cancel_only", "limit", {}, "EService:Market in cancel_only mode"),
    ("post_only", "limit", {}, "EService:Market in post_only mode"),
    ("post_only", "limit", {"oflags": "post"}, None),
    ("limit_only", "market", {}, "EService:Market in limit_only mode"),
    ("limit_only", "limit", {}, None),
    ("online", "market", {}, None),
]


@pytest.mark.parametrize(("mode", "kind", "more", "text"), MODES)
def test_mode_of_the_exchange_decides_what_it_takes(venue, mode, kind, more, text):
    resting = venue.add("buy", "0.1", "49000")
    venue.exchange.set_system_status(SystemStatus(mode), venue.now_ns)
    fields = venue.ask("buy", "0.1", "48000" if kind == "limit" else None, **more)
    assert venue.call("AddOrder", **fields)["error"] == ([] if text is None else [text])
    assert venue.ok("CancelOrder", txid=resting) == {"count": 1}


@pytest.mark.parametrize(("mode", "kind", "more", "text"), MODES)
def test_mode_of_a_pair_decides_what_it_takes(venue, mode, kind, more, text):
    venue.exchange.set_pair_status("XBTUSD", PairMode(mode))
    fields = venue.ask("buy", "0.1", "48000" if kind == "limit" else None, **more)
    assert venue.call("AddOrder", **fields)["error"] == ([] if text is None else [text])
    assert venue.exchange.pair_status("ETHUSD") is PairMode.ONLINE


def test_amend_in_cancel_only_mode_is_refused(venue):
    txid = venue.add("buy", "0.1", "49000")
    venue.exchange.set_system_status(SystemStatus.CANCEL_ONLY, venue.now_ns)
    text = venue.error("AmendOrder", txid=txid, limit_price="49001.0")
    assert text == "EService:Market in cancel_only mode"


def test_reduce_only_pair_takes_sells_only(venue):
    venue.exchange.set_pair_status("XBTUSD", PairMode.REDUCE_ONLY)
    assert venue.refused("buy", "0.1") == "EService:Market in reduce_only mode"
    venue.add("sell", "0.1")


@pytest.mark.parametrize("word", ["maintenance", "work_in_progress", "delisted"])
def test_pair_out_of_service_takes_nothing_leaves_no_doubt_and_lets_orders_go(venue, word):
    txid = venue.add("buy", "0.1", "49000")
    venue.exchange.set_pair_status("XBTUSD", PairMode(word))
    assert venue.refused("buy", "0.1") == "EService:Market in cancel_only mode"
    text = venue.error("AmendOrder", txid=txid, limit_price="49001.0")
    assert text == "EService:Market in cancel_only mode"
    assert venue.ok("CancelOrder", txid=txid)["count"] == 1


def test_maintenance_answers_nothing_and_stops_time_for_orders(venue):
    txid = venue.add("buy", "0.1", "49000", expiretm="+10")
    venue.exchange.set_system_status(SystemStatus.MAINTENANCE, venue.now_ns)
    assert venue.error("Balance") == "EService:Unavailable"
    assert venue.refused("buy", "0.1") == "EService:Unavailable"
    assert venue.exchange.next_event_ns() is None
    venue.later(60)
    venue.house(asks=[("48000.0", "5")])
    assert venue.account().orders[txid].status.value == "open"
    venue.exchange.set_system_status(SystemStatus.ONLINE, venue.now_ns)
    assert venue.status(txid) == ("expired", "0.00000000")


def test_maintenance_that_ends_lets_the_new_house_meet_old_orders(venue):
    txid = venue.add("buy", "0.1", "49000")
    venue.exchange.set_system_status(SystemStatus.MAINTENANCE, venue.now_ns)
    venue.house(asks=[("48000.0", "5")])
    venue.exchange.set_system_status(SystemStatus.ONLINE, venue.now_ns)
    assert venue.status(txid)[0] == "closed"
    assert venue.order(txid)["price"] == "49000.00000"


def test_maintenance_with_an_armed_dead_man_cancels_everything_on_return(venue):
    txid = venue.add("buy", "0.1", "49000")
    venue.ok("CancelAllOrdersAfter", timeout=3600)
    venue.exchange.set_system_status(SystemStatus.MAINTENANCE, venue.now_ns)
    venue.later(10)
    venue.house(asks=[("48000.0", "5")])
    venue.exchange.set_system_status(SystemStatus.ONLINE, venue.now_ns)
    assert venue.status(txid) == ("canceled", "0.00000000")


def test_fields_without_a_meaning_here_are_accepted(venue):
    more = {"broker": "AA00 N84G", "asset_class": "currency", "oflags": "nompp"}
    assert venue.ok("AddOrder", **venue.ask("sell", "0.1"), **more)["txid"]


def test_tokenized_assets_are_not_among_the_pairs(venue):
    fields = venue.ask("sell", "0.1")
    for method, more in (
        ("AddOrder", fields),
        ("EditOrder", {"pair": "XBTUSD", "txid": venue.add("sell", "0.1", "60000")}),
    ):
        text = venue.error(method, **more, asset_class="tokenized_asset")
        assert text == "EQuery:Unknown asset pair"
        text = venue.error(method, **more, asset_class="stocks")
        assert text == "EGeneral:Invalid arguments:asset_class"
