"""What one order takes at one instant is one trade, unless the client wants every fill."""

from __future__ import annotations

from decimal import Decimal

from krakked.domain.orders import Side


def fills(venue):
    return [trade.trade_txid for trade in venue.account().trades]


def test_taker_fills_of_one_instant_are_one_trade_by_default(venue):
    order = venue.add("buy", "1.5")
    first, second = fills(venue)
    history = venue.ok("TradesHistory", ledgers="true")
    assert history["count"] == 1
    (row,) = history["trades"].values()
    assert list(history["trades"]) == [first]
    assert (row["vol"], row["cost"], row["ordertxid"]) == ("1.50000000", "75002.00000", order)
    assert row["price"] == "50001.33333"
    assert len(row["ledgers"]) == 4
    one_by_one = venue.ok("TradesHistory", consolidate_taker="false")
    assert list(one_by_one["trades"]) == [second, first]
    fees = [Decimal(each["fee"]) for each in one_by_one["trades"].values()]
    assert Decimal(row["fee"]) == sum(fees)


def test_maker_fills_stay_apart(venue):
    venue.add("buy", "1", "50000.5")
    venue.strangers("50000.5", "0.2", Side.SELL)
    venue.strangers("50000.5", "0.3", Side.SELL)
    assert venue.ok("TradesHistory")["count"] == 2


def test_taker_fills_of_two_orders_stay_apart(venue):
    venue.add("buy", "0.5")
    venue.add("buy", "0.5")
    assert venue.ok("TradesHistory")["count"] == 2


def test_orders_name_their_trades_merged_or_one_by_one(venue):
    order = venue.add("buy", "1.5")
    first, second = fills(venue)
    for method in ("QueryOrders", "ClosedOrders"):
        asked = {"txid": order, "trades": "true"}
        merged = venue.ok(method, **asked)
        apart = venue.ok(method, consolidate_taker="False", **asked)
        rows = [answer.get("closed", answer)[order]["trades"] for answer in (merged, apart)]
        assert rows == [[first], [first, second]]


def test_each_fill_can_be_asked_for_by_its_own_id(venue):
    venue.add("buy", "1.5")
    first, second = fills(venue)
    rows = venue.ok("QueryTrades", txid=f"{first},{second}", ledgers="true")
    assert [row["vol"] for row in rows.values()] == ["1.00000000", "0.50000000"]
    assert all(len(row["ledgers"]) == 2 for row in rows.values())


def test_merged_trades_are_fifty_to_a_page_and_counted_as_such(venue):
    venue.house(
        bids=[("49000.0", "1")],
        asks=[("50001.0", "0.001"), ("50002.0", "5")],
    )
    for _ in range(60):
        venue.later(1)
        venue.add("buy", "0.002")
        venue.house(bids=[("49000.0", "1")], asks=[("50001.0", "0.001"), ("50002.0", "5")])
    pages = [venue.ok("TradesHistory", ofs=ofs) for ofs in (0, 50, 100)]
    assert [len(page["trades"]) for page in pages] == [50, 10, 0]
    assert {page["count"] for page in pages} == {60}
    assert venue.ok("TradesHistory", consolidate_taker="false")["count"] == 120


def test_a_restored_account_merges_as_before(venue, make_bench):
    venue.add("buy", "1.5")
    again = make_bench()
    again.exchange.load(venue.exchange.dump())
    again.nonce = venue.nonce + 10
    assert again.ok("TradesHistory") == venue.ok("TradesHistory")
