"""Cost, fee, hold and ledger rows of fills, to the last digit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from krakked.domain.orders import Side
from krakked.sim.exchange.fees import (
    STANDARD,
    WINDOW_NS,
    RollingVolume,
    fee_of,
    tier_index,
)

DAY_S = 86_400


@pytest.mark.parametrize(
    ("amount", "pct", "decimals", "fee"),
    [
        ("7.105741", "0.26", 6, "0.018475"),
        ("132.9995", "0.26", 4, "0.3458"),
        ("0.02", "0.25", 4, "0.0001"),
        ("0.01", "0.25", 4, "0.0000"),
        ("100", "0.00", 4, "0.0000"),
    ],
)
def test_fee_is_a_percentage_rounded_half_up(amount, pct, decimals, fee):
    assert str(fee_of(Decimal(amount), Decimal(pct), decimals)) == fee


@pytest.mark.parametrize(
    ("volume", "taker", "maker"),
    [
        ("0", "0.40", "0.25"),
        ("9999.9999", "0.40", "0.25"),
        ("10000", "0.35", "0.20"),
        ("250000", "0.20", "0.10"),
        ("123456789", "0.10", "0.00"),
    ],
)
def test_tier_is_the_highest_that_the_volume_reaches(volume, taker, maker):
    tier = STANDARD[tier_index(STANDARD, Decimal(volume))]
    assert (str(tier.taker_pct), str(tier.maker_pct)) == (taker, maker)


def test_volume_lets_go_of_what_is_thirty_days_old():
    volume = RollingVolume()
    volume.add(0, Decimal(5))
    volume.add(10, Decimal(7))
    assert volume.total(WINDOW_NS - 1) == 12
    assert volume.total(WINDOW_NS) == 7
    assert volume.total(WINDOW_NS + 10) == 0


def test_taker_pays_the_takers_rate_and_maker_the_makers(venue):
    taker = venue.order(venue.add("buy", "0.01"))
    resting = venue.add("sell", "0.01", "50000.5")
    venue.strangers("50000.5", "1", Side.BUY)
    assert (taker["cost"], taker["fee"]) == ("500.01000", "2.00000")
    maker = venue.order(resting)
    assert (maker["cost"], maker["fee"]) == ("500.00500", "1.25000")


def test_fill_leaves_two_ledger_rows_that_carry_cost_and_fee(venue):
    txid = venue.add("buy", "0.01")
    (trade_txid,) = venue.order(txid)["trades"]
    trade = venue.ok("QueryTrades", txid=trade_txid)[trade_txid]
    rows = list(venue.ok("Ledgers", type="trade")["ledger"].values())
    assert [(r["asset"], r["amount"], r["fee"], r["refid"]) for r in rows] == [
        ("XXBT", "0.0100000000", "0.0000000000", trade_txid),
        ("ZUSD", "-500.0100", "2.0000", trade_txid),
    ]
    assert Decimal(trade["cost"]) == Decimal("500.0100")
    assert Decimal(trade["fee"]) == Decimal("2.0000")


def test_ledger_balances_follow_amount_minus_fee(venue):
    venue.add("buy", "0.5")
    venue.add("sell", "0.7")
    for asset in ("ZUSD", "XXBT"):
        rows = list(venue.ok("Ledgers", asset=asset)["ledger"].values())
        running = Decimal(0)
        for row in reversed(rows):
            running += Decimal(row["amount"]) - Decimal(row["fee"])
            assert running == Decimal(row["balance"])
        assert running == Decimal(venue.ok("Balance")[asset])


def test_cost_is_cut_to_the_precision_of_the_quote_assets_ledger(venue):
    txid = venue.add("buy", "0.00012345")
    row = venue.order(txid)
    # 0.00012345 × 50001.0 = 6.172 623 45
    assert row["cost"] == "6.17260"


def test_pair_quoted_in_crypto_keeps_its_own_precision(venue):
    venue.exchange.deposit("alice", "ETH", Decimal(10), venue.now_ns)
    venue.house(pair="ETHXBT", bids=[("0.054321", "5")])
    txid = venue.add("sell", "0.1234567", pair="ETHXBT")
    row = venue.order(txid)
    # 0.1234567 × 0.054321 = 0.0067062914007
    assert row["cost"] == "0.0067062914"
    assert row["fee"] == "0.0000268252"


def test_buy_with_fee_in_base_receives_less_base(venue):
    txid = venue.add("buy", "0.01", oflags="fcib")
    rows = {r["asset"]: r for r in venue.ok("Ledgers", type="trade")["ledger"].values()}
    assert rows["XXBT"]["fee"] == "0.0000400000"
    assert rows["ZUSD"]["fee"] == "0.0000"
    assert venue.order(txid)["oflags"] == "fcib"
    assert venue.ok("Balance")["XXBT"] == "2.0099600000"


def test_sell_with_fee_in_base_gives_more_base(venue):
    venue.add("sell", "0.01", oflags="fcib")
    assert venue.ok("Balance")["XXBT"] == "1.9899600000"
    assert venue.ok("Balance")["ZUSD"] == "100500.0000"


def test_resting_buy_holds_its_worth_with_the_takers_fee(venue):
    venue.add("buy", "0.1", "40000")
    assert venue.ok("BalanceEx")["ZUSD"] == {"balance": "100000.0000", "hold_trade": "4016.0000"}


def test_resting_sell_holds_its_base(venue):
    venue.add("sell", "0.1", "60000")
    assert venue.ok("BalanceEx")["XXBT"]["hold_trade"] == "0.1000000000"


def test_hold_shrinks_with_each_fill_and_ends_with_the_order(venue):
    venue.house(bids=[("40000.0", "1")], asks=[("60000.0", "1")])
    venue.add("buy", "0.1", "50000")
    venue.strangers("49999.0", "0.04", Side.SELL)
    assert venue.ok("BalanceEx")["ZUSD"]["hold_trade"] == "3012.0000"
    venue.strangers("49999.0", "0.06", Side.SELL)
    assert venue.ok("BalanceEx")["ZUSD"]["hold_trade"] == "0.0000"


def test_hold_does_not_lower_the_balance(venue):
    before = venue.ok("Balance")
    venue.add("buy", "0.1", "40000")
    assert venue.ok("Balance") == before


def test_all_in_buy_filled_in_dust_never_takes_more_than_it_held(make_bench):
    bench = make_bench()
    bench.open(USD="10.04")
    bench.house(bids=[("40000.0", "1")])
    bench.add("buy", "0.0002", "50000")
    account = bench.account()
    for _ in range(60):
        # A fill of 0.02 USD owes 0.00005, shown as 0.0001; its hold set aside 0.00008.
        bench.strangers("49999.0", "0.0000004", Side.SELL)
        assert account.available("USD") >= 0
    bench.strangers("49999.0", "1", Side.SELL)
    assert account.balance("XBT") == Decimal("0.0002")
    assert account.balance("USD") >= 0


def test_all_in_sell_with_fee_in_base_never_takes_more_than_it_held(make_bench):
    bench = make_bench()
    bench.open(XBT="0.01004")
    bench.add("sell", "0.01", "60000", oflags="fcib")
    account = bench.account()
    for _ in range(60):
        # A fill of 2e-8 owes 5e-11, shown as 1e-10; its hold set aside 8e-11.
        bench.strangers("60001.0", "0.00000002", Side.BUY)
        assert account.available("XBT") >= 0
    bench.strangers("60001.0", "1", Side.BUY)
    assert account.balance("XBT") >= 0


def test_fill_pays_no_higher_rate_than_its_hold_allowed_for(make_bench):
    bench = make_bench()
    bench.open(USD="100000000")
    bench.house(asks=[("50000.0", "1000")])
    bench.add("buy", "201")
    resting = bench.add("buy", "0.1", "40000")
    assert bench.account().orders[resting].hold == Decimal("4004.0000")
    bench.later(31 * DAY_S)
    bench.house()
    bench.strangers("39999.0", "0.1", Side.SELL)
    # The account's maker rate is 0.25 % again, but 0.10 % was held.
    assert bench.order(resting)["fee"] == "4.00000"


def test_amend_holds_by_the_rate_of_the_moment(venue):
    txid = venue.add("buy", "0.1", "40000")
    assert venue.account().held["USD"] == Decimal("4016.0000")
    venue.add("buy", "0.25")
    venue.ok("AmendOrder", txid=txid, limit_price="30000")
    assert venue.account().held["USD"] == Decimal("3010.5000")


def test_volume_moves_the_account_to_a_better_tier(venue):
    venue.add("buy", "0.25")
    volume = venue.ok("TradeVolume", pair="XBTUSD")
    assert volume["volume"] == "12500.2500"
    assert volume["fees"]["XXBTZUSD"]["fee"] == "0.3500"
    assert venue.order(venue.add("buy", "0.01"))["fee"] == "1.75000"
    venue.later(31 * DAY_S)
    assert venue.ok("TradeVolume", pair="XBTUSD")["fees"]["XXBTZUSD"]["fee"] == "0.4000"


def test_volume_of_a_crypto_pair_counts_in_dollars(venue):
    venue.exchange.deposit("alice", "ETH", Decimal(10), venue.now_ns)
    venue.house(pair="ETHXBT", bids=[("0.05", "5")])
    venue.strangers("50000.5", "0.1", Side.BUY)
    venue.add("sell", "1", pair="ETHXBT")
    assert venue.ok("TradeVolume")["volume"] == "2500.0250"


def test_withdrawal_cannot_take_what_orders_hold(venue):
    venue.add("buy", "0.1", "40000")
    with pytest.raises(AssertionError, match="free"):
        venue.exchange.withdraw("alice", "USD", Decimal(96_000), venue.now_ns)
    venue.exchange.withdraw("alice", "USD", Decimal(95_000), venue.now_ns)
    assert venue.ok("Balance")["ZUSD"] == "5000.0000"


def test_money_that_comes_and_goes_is_explained_in_the_ledger(venue):
    venue.exchange.deposit("alice", "USD", Decimal("10.5"), venue.now_ns)
    venue.exchange.withdraw("alice", "XBT", Decimal("0.5"), venue.now_ns)
    venue.exchange.book_adjustment("alice", "EUR", Decimal(3), venue.now_ns)
    rows = list(venue.ok("Ledgers")["ledger"].values())
    assert [(r["type"], r["asset"], r["amount"], r["balance"]) for r in rows] == [
        ("adjustment", "ZEUR", "3.0000", "3.0000"),
        ("withdrawal", "XXBT", "-0.5000000000", "1.5000000000"),
        ("deposit", "ZUSD", "10.5000", "100010.5000"),
        ("deposit", "XXBT", "2.0000000000", "2.0000000000"),
        ("deposit", "ZUSD", "100000.0000", "100000.0000"),
    ]


@pytest.mark.parametrize("volume", ["0.00017", "0.00012345", "0.33333333", "0.00005"])
def test_the_average_price_of_one_fill_is_its_price_however_small_it_is(venue, volume):
    venue.house(asks=[("60006.0", "1")])
    txid = venue.add("buy", volume)
    assert venue.order(txid)["price"] == "60006.00000"
    ended = [row for row in venue.rows() if row.get("order_id") == txid and "avg_price" in row]
    assert {str(row["avg_price"]) for row in ended} == {"60006.0"}


def test_the_average_price_weighs_fills_by_their_size_and_not_by_their_cut_costs(venue):
    venue.house(asks=[("60006.0", "0.00005"), ("60010.0", "1")])
    txid = venue.add("buy", "0.00017")
    exact = Decimal(60006 * 5 + 60010 * 12) / 17  # 60008.823529…
    assert venue.order(txid)["price"] == str(round(exact, 5)) == "60008.82353"
    *_, last = [row for row in venue.rows() if "avg_price" in row]
    assert str(last["avg_price"]) == "60008.8"
    (trade,) = venue.ok("TradesHistory")["trades"].values()
    assert trade["price"] == "60008.82353"


RECORDED = [
    ("0.00017212", "1001.0", "0.17229"),
    ("0.00020000", "1001.0", "0.20020"),
    ("0.00011288", "1001.0", "0.11299"),
    ("0.00008712", "1001.0", "0.08721"),
]


def recorded_bench(make_bench):
    venue = make_bench(trade_costs="recorded")
    venue.open(USD="100000", XBT="2")
    venue.exchange.drain()
    return venue


@pytest.mark.parametrize(("volume", "price", "cost"), RECORDED)
def test_costs_can_be_told_to_the_pairs_decimals_as_recorded(make_bench, volume, price, cost):
    venue = recorded_bench(make_bench)
    # the venue takes no order that small any more: it is one fill of a larger one
    txid = venue.add("buy", "0.01", price)
    venue.strangers(price, volume, Side.SELL)
    ((trade_txid, trade),) = venue.ok("TradesHistory")["trades"].items()
    assert (trade["cost"], venue.order(txid)["cost"]) == (cost, cost)
    (told,) = [row for row in venue.rows() if row.get("exec_id") == trade_txid]
    assert str(told["cost"]) == cost


def test_costs_and_fees_told_finer_leave_the_ledger_as_it_is(make_bench, venue):
    finer = recorded_bench(make_bench)
    for bench in (venue, finer):
        bench.house(bids=[("59930.8", "1")], asks=[("60006.3", "1")])
        bench.add("buy", "0.00017123")
        bench.add("sell", "0.00017123")
    assert finer.ok("Balance") == venue.ok("Balance")
    amounts = [
        [(row["asset"], row["amount"], row["fee"]) for row in rows["ledger"].values()]
        for rows in (bench.ok("Ledgers", type="trade") for bench in (venue, finer))
    ]
    assert amounts[0] == amounts[1]
    sell, buy = finer.ok("TradesHistory")["trades"].values()
    assert (buy["cost"], buy["fee"]) == ("10.27488", "0.04110")
    assert (sell["cost"], sell["fee"]) == ("10.26195", "0.04105")
    told = [row["fees"] for row in finer.rows() if row["exec_type"] == "trade"]
    assert [(fee["asset"], str(fee["qty"])) for (fee,) in told] == [
        ("USD", "0.04110"),
        ("USD", "0.04105"),
    ]


def test_by_default_costs_and_fees_are_those_of_the_ledger(venue):
    venue.house(asks=[("60006.3", "1")])
    venue.add("buy", "0.00017123")
    (trade,) = venue.ok("TradesHistory")["trades"].values()
    row = next(r for r in venue.ok("Ledgers")["ledger"].values() if r["asset"] == "ZUSD")
    assert Decimal(trade["cost"]) == -Decimal(row["amount"]) == Decimal("10.2748")
    assert Decimal(trade["fee"]) == Decimal(row["fee"])
