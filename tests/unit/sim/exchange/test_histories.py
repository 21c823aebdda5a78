"""Open orders, and histories by the page: newest first, start exclusive, end inclusive."""

from __future__ import annotations

from decimal import Decimal

import pytest

from krakked.sim.exchange.core import FIRST_TRADE_ID
from krakked.sim.exchange.rows import History, Window

INVALID = "EGeneral:Invalid arguments:"


def cancelled_orders(venue, count, gap=10):
    """That many orders, each canceled two seconds after it was made."""
    txids = []
    for i in range(count):
        txids.append(venue.add("buy", "0.01", "40000", userref=i))
        venue.later(2)
        venue.ok("CancelOrder", txid=txids[-1])
        venue.later(gap - 2)
    return txids


def trades(venue, count):
    """That many trades, ten seconds apart, oldest first."""
    for _ in range(count):
        venue.add("buy", "0.001")
        venue.later(10)
    return [trade.trade_txid for trade in venue.account().trades]


def test_open_orders_are_shown_newest_first(venue):
    first, second = venue.add("buy", "0.1", "40000"), venue.add("sell", "0.1", "60000")
    assert list(venue.ok("OpenOrders")["open"]) == [second, first]


def test_open_order_shows_every_documented_field(venue):
    txid = venue.add("buy", "1.2", "50001", userref=5)
    row = venue.ok("OpenOrders", trades="true")["open"][txid]
    (trade_txid,) = row.pop("trades")
    assert trade_txid.startswith("T")
    assert row == {
        "refid": None,
        "userref": 5,
        "status": "open",
        "opentm": Decimal("1700000000.000000"),
        "starttm": 0,
        "expiretm": 0,
        "descr": {
            "pair": "XBTUSD",
            "aclass": "forex",
            "type": "buy",
            "ordertype": "limit",
            "price": "50001.0",
            "price2": "0",
            "leverage": "none",
            "order": "buy 1.20000000 XBTUSD @ limit 50001.0",
            "close": "",
        },
        "vol": "1.20000000",
        "vol_exec": "1.00000000",
        "cost": "50001.00000",
        "fee": "200.00400",
        "price": "50001.00000",
        "stopprice": "0.00000",
        "limitprice": "0.00000",
        "misc": "partial",
        "oflags": "fciq",
    }


def test_open_orders_without_asking_show_no_trades(venue):
    txid = venue.add("buy", "1.2", "50001")
    assert "trades" not in venue.ok("OpenOrders")["open"][txid]


def test_open_orders_are_found_by_user_reference(venue):
    mine = venue.add("buy", "0.1", "40000", userref=7)
    venue.add("buy", "0.1", "40000")
    assert list(venue.ok("OpenOrders", userref=7)["open"]) == [mine]
    assert venue.ok("OpenOrders", userref=8) == {"open": {}}


def test_order_without_references_shows_zero(venue):
    txid = venue.add("buy", "0.1", "40000")
    row = venue.order(txid)
    assert row["userref"] == 0
    assert "cl_ord_id" not in row


def test_orders_are_queried_by_id_open_or_closed(venue):
    done, alive = venue.add("buy", "0.1"), venue.add("buy", "0.1", "40000")
    rows = venue.ok("QueryOrders", txid=f"{done}, {alive}")
    assert [row["status"] for row in rows.values()] == ["closed", "open"]


def test_query_that_finds_nothing_is_an_unknown_order(venue):
    assert venue.error("QueryOrders", txid="OAAAAA-AAAAA-AAAAAA") == "EOrder:Unknown order"
    assert venue.error("QueryOrders") == INVALID + "txid"
    assert venue.error("QueryOrders", txid=",".join(["O"] * 51)) == INVALID + "txid"


def test_closed_orders_come_newest_first_fifty_to_a_page(venue):
    txids = cancelled_orders(venue, 60)
    pages = [venue.ok("ClosedOrders", ofs=ofs) for ofs in (0, 50, 100)]
    assert [page["count"] for page in pages] == [60, 60, 60]
    shown = [txid for page in pages for txid in page["closed"]]
    assert shown == txids[::-1]


def test_closed_order_shows_its_end(venue):
    (txid,) = cancelled_orders(venue, 1)
    row = venue.ok("ClosedOrders")["closed"][txid]
    assert (row["closetm"], row["reason"]) == (Decimal("1700000002.000000"), "User requested")


def test_closed_orders_start_is_exclusive_and_end_inclusive(venue):
    txids = cancelled_orders(venue, 4)
    # closed at 2, 12, 22, 32 seconds
    page = venue.ok("ClosedOrders", start=1_700_000_002, end=1_700_000_022, closetime="close")
    assert list(page["closed"]) == [txids[2], txids[1]]


def test_closed_orders_are_bounded_by_ids_as_well(venue):
    txids = cancelled_orders(venue, 4)
    page = venue.ok("ClosedOrders", start=txids[0], end=txids[2])
    assert list(page["closed"]) == [txids[2], txids[1]]
    error = venue.error("ClosedOrders", start="OAAAAA-AAAAA-AAAAAA")
    assert error == INVALID + "start"


def test_closed_orders_by_opening_time(venue):
    txids = cancelled_orders(venue, 3)
    # opened at 0, 10, 20 seconds
    page = venue.ok("ClosedOrders", start=1_700_000_000, end=1_700_000_010, closetime="open")
    assert list(page["closed"]) == [txids[1]]


def test_closed_orders_by_either_time_match_when_one_of_them_does(venue):
    txids = cancelled_orders(venue, 3)
    # opened at 10, closed at 12: an end of 11 lies between
    both = venue.ok("ClosedOrders", start=1_700_000_002, end=1_700_000_011)
    assert list(both["closed"]) == [txids[1]]
    close = venue.ok("ClosedOrders", start=1_700_000_002, end=1_700_000_011, closetime="close")
    assert close["closed"] == {}


def test_instants_are_whole_microseconds_so_that_both_wires_carry_them(venue):
    venue.later("0.000001999")
    (txid,) = cancelled_orders(venue, 1, gap=2)
    venue.later("0.0000005")
    row = venue.ok("ClosedOrders")["closed"][txid]
    assert (row["opentm"], row["closetm"]) == (
        Decimal("1700000000.000001"),
        Decimal("1700000002.000001"),
    )
    after = venue.ok("ClosedOrders", start=row["closetm"], closetime="close")
    assert after["closed"] == {}
    upto = venue.ok("ClosedOrders", end=row["closetm"], closetime="close")
    assert list(upto["closed"]) == [txid]


def test_closed_orders_refuse_an_unknown_time(venue):
    assert venue.error("ClosedOrders", closetime="never") == INVALID + "closetime"
    assert venue.error("ClosedOrders", ofs=-1) == INVALID + "ofs"
    assert venue.error("ClosedOrders", start="yesterday") == INVALID + "start"


def test_closed_orders_filter_by_references(venue):
    txids = cancelled_orders(venue, 3)
    page = venue.ok("ClosedOrders", userref=1)
    assert (list(page["closed"]), page["count"]) == ([txids[1]], 1)


@pytest.mark.parametrize("method", ["ClosedOrders", "TradesHistory", "Ledgers"])
def test_count_is_left_out_on_request(venue, method):
    assert "count" in venue.ok(method)
    assert "count" not in venue.ok(method, without_count="true")


def test_trades_history_pages_newest_first(venue):
    txids = trades(venue, 55)
    first, second = venue.ok("TradesHistory"), venue.ok("TradesHistory", ofs=50)
    assert list(first["trades"]) + list(second["trades"]) == txids[::-1]
    assert first["count"] == 55


def test_trades_history_is_bounded_by_time_and_by_id(venue):
    txids = trades(venue, 4)
    by_time = venue.ok("TradesHistory", start=1_700_000_000, end=1_700_000_020)
    assert list(by_time["trades"]) == [txids[2], txids[1]]
    by_id = venue.ok("TradesHistory", start=txids[1])
    assert list(by_id["trades"]) == [txids[3], txids[2]]


def test_trades_of_one_instant_are_not_lost_by_paging_on_ids(venue):
    venue.add("buy", "1.5")
    txids = [trade.trade_txid for trade in venue.account().trades]
    assert len(txids) == 2
    rest = venue.ok("TradesHistory", start=txids[0], consolidate_taker="false")
    assert list(rest["trades"]) == [txids[1]]


def test_trade_shows_every_documented_field(venue):
    order = venue.add("buy", "0.5")
    (trade_txid,) = trades(venue, 0)
    row = venue.ok("TradesHistory", ledgers="true")["trades"][trade_txid]
    assert [ledger[0] for ledger in row.pop("ledgers")] == ["L", "L"]
    assert row.pop("postxid").startswith("T")
    assert row == {
        "ordertxid": order,
        "pair": "XXBTZUSD",
        "aclass": "forex",
        "time": Decimal("1700000000.000000"),
        "type": "buy",
        "ordertype": "market",
        "price": "50001.00000",
        "cost": "25000.50000",
        "fee": "100.00200",
        "vol": "0.50000000",
        "margin": "0.00000",
        "leverage": "0",
        "misc": "",
        "trade_id": FIRST_TRADE_ID,
        "maker": False,
    }


def test_trades_of_a_kind_that_does_not_exist_are_none(venue):
    trades(venue, 1)
    assert venue.ok("TradesHistory", type="closed position") == {"trades": {}, "count": 0}


def test_trades_are_queried_by_id(venue):
    txids = trades(venue, 2)
    assert list(venue.ok("QueryTrades", txid=txids[1])) == [txids[1]]
    assert venue.error("QueryTrades", txid="TAAAAA-AAAAA-AAAAAA") == "EQuery:Unknown trade"


def test_ledgers_filter_by_asset_and_type(venue):
    trades(venue, 2)
    for asset in ("XBT", "XXBT", "BTC"):
        page = venue.ok("Ledgers", asset=asset, type="trade")
        assert page["count"] == 2
        assert {row["asset"] for row in page["ledger"].values()} == {"XXBT"}
    assert venue.ok("Ledgers", asset="all", type="all")["count"] == 6
    assert venue.error("Ledgers", asset="GOLD") == "EQuery:Unknown asset"


def test_ledgers_are_queried_by_id(venue):
    rows = venue.ok("Ledgers")["ledger"]
    name = next(iter(rows))
    assert venue.ok("QueryLedgers", id=name) == {name: rows[name]}
    assert venue.error("QueryLedgers", id="LAAAAA-AAAAA-AAAAAA") == "EQuery:Unknown ledger"


def test_hidden_order_and_its_trades_are_not_found_before_their_time(venue):
    txid = venue.add("buy", "0.5", cl_ord_id="late")
    venue.exchange.hide_order(txid, venue.now_ns + 3_000_000_000)
    assert venue.error("QueryOrders", txid=txid) == "EOrder:Unknown order"
    assert venue.ok("ClosedOrders", cl_ord_id="late")["count"] == 0
    assert venue.ok("TradesHistory") == {"trades": {}, "count": 0}
    assert venue.exchange.next_event_ns() == venue.now_ns + 3_000_000_000
    venue.later(3)
    assert venue.status(txid)[0] == "closed"
    assert venue.ok("TradesHistory")["count"] == 1
    assert venue.exchange.next_event_ns() is None


def test_hidden_open_order_can_still_be_canceled(venue):
    txid = venue.add("buy", "0.5", "40000")
    venue.exchange.hide_order(txid, venue.now_ns + 3_000_000_000)
    assert venue.ok("OpenOrders") == {"open": {}}
    assert venue.ok("CancelOrder", txid=txid) == {"count": 1}


def history(count):
    rows = History()
    for i in range(count):
        rows.append(f"R{i}", i * 10, i)
    return rows


def test_history_window_is_cut_by_instants_and_ids():
    rows = history(5)
    assert rows.window(None, None) == Window(low=0, high=5)
    assert rows.window(10, 30) == Window(low=2, high=4)
    assert rows.window("R1", "R3") == Window(low=2, high=4)
    assert rows.window(40, 0) == Window(low=5, high=5)


def test_history_page_with_and_without_a_filter_agree():
    rows = history(130)
    window = rows.window(50, 1200)
    for offset in (0, 50, 100, 150):
        plain = rows.page(window, offset)
        filtered = rows.page(window, offset, lambda _row: True)
        assert plain == filtered


def test_history_never_goes_back_in_time():
    rows = history(2)
    with pytest.raises(AssertionError, match="goes on"):
        rows.append("R9", 5, 9)


@pytest.mark.parametrize("method", ["Ledgers", "TradesHistory"])
def test_an_unknown_type_is_refused_by_name(venue, method):
    assert venue.error(method, type="gift") == "EGeneral:Invalid arguments:type"


@pytest.mark.parametrize(
    "kind", ["any position", "closed position", "closing position", "no position", "all"]
)
def test_every_type_of_trade_is_understood(venue, kind):
    venue.add("buy", "0.5")
    has_spot = kind in ("no position", "all")
    assert venue.ok("TradesHistory", type=kind)["count"] == has_spot


def test_ledgers_of_another_class_are_none(venue):
    assert venue.ok("Ledgers", aclass="nft")["count"] == 0
    assert venue.ok("Ledgers", aclass="currency")["count"] == 2
