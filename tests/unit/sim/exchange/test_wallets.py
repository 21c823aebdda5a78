"""Balances that earn: other keys beside the one that trades, with ledger rows of their own."""

from __future__ import annotations

from decimal import Decimal

import pytest

from krakked.domain.ids import Asset

XBT = Asset("XBT")


def allocate(venue, amount, wallet=".F"):
    venue.exchange.allocate("alice", XBT, Decimal(amount), wallet, venue.now_ns)


def test_allocated_balance_stands_under_a_key_of_its_own(venue):
    allocate(venue, "0.5")
    assert venue.ok("Balance") == {
        "XXBT": "1.5000000000",
        "ZUSD": "100000.0000",
        "XBT.F": "0.5000000000",
    }
    assert venue.ok("BalanceEx")["XBT.F"] == {
        "balance": "0.5000000000",
        "hold_trade": "0.0000000000",
    }


def test_allocated_balance_cannot_be_sold(venue):
    allocate(venue, "1.5")
    assert venue.refused("sell", "1", "60000") == "EOrder:Insufficient funds"
    allocate(venue, "-1.5")
    venue.add("sell", "1", "60000")


def test_an_allocation_is_two_ledger_rows_with_one_reference(venue):
    allocate(venue, "0.5", ".S")
    rows = list(venue.ok("Ledgers", type="earn")["ledger"].values())
    assert [(row["asset"], row["amount"], row["subtype"]) for row in rows] == [
        ("XBT.S", "0.5000000000", "allocation"),
        ("XXBT", "-0.5000000000", "allocation"),
    ]
    assert len({row["refid"] for row in rows}) == 1


def test_what_orders_hold_cannot_be_allocated(venue):
    venue.add("sell", "1.8", "60000")
    with pytest.raises(AssertionError, match="free balance"):
        allocate(venue, "0.5")


def test_a_reward_is_told_with_type_and_subtype(venue):
    venue.exchange.reward("alice", Asset("XBT.F"), Decimal("0.0001"), venue.now_ns)
    venue.exchange.dividend("alice", Asset("SOL"), Decimal(1), venue.now_ns)
    reward, dividend = venue.rows("balances")
    assert (reward["type"], reward["subtype"]) == ("earn", "reward")
    assert (reward["asset"], reward["wallet_type"], reward["wallet_id"]) == ("BTC", "earn", "flex")
    assert (dividend["type"], dividend["wallet_id"]) == ("dividend", "main")
    assert "subtype" not in dividend
    (row,) = venue.ok("Ledgers", asset="XBT.F")["ledger"].values()
    assert (row["type"], row["subtype"], row["amount"]) == ("earn", "reward", "0.0001000000")


def test_the_snapshot_of_balances_lists_all_wallets_of_an_asset_in_one_row(venue):
    allocate(venue, "0.5")
    rows = {row["asset"]: row for row in venue.exchange.balances_snapshot("alice")}
    assert bytes(rows["BTC"]["balance"]) == b"2.0000000000"
    wallets = [
        (each["type"], each["id"], bytes(each["balance"])) for each in rows["BTC"]["wallets"]
    ]
    assert wallets == [("spot", "main", b"1.5000000000"), ("earn", "flex", b"0.5000000000")]


def test_equity_counts_every_wallet_and_the_trade_balance_one(venue):
    allocate(venue, "1")
    worth = venue.ok("TradeBalance")
    assert (worth["eb"], worth["tb"]) == ("200001.0000", "150000.5000")


def test_wallets_survive_a_restart(venue, make_bench):
    allocate(venue, "0.5")
    again = make_bench()
    again.exchange.load(venue.exchange.dump())
    again.nonce = venue.nonce + 10
    assert again.ok("Ledgers") == venue.ok("Ledgers")
    assert again.ok("Balance") == venue.ok("Balance")


def test_every_asset_is_known_in_each_of_its_wallets(venue):
    for name in ("XBT.F", "ETH.S", "USD.F", "USDT.M", "SOL.B", "XBT.HOLD"):
        assert venue.exchange.knows_asset(name)
    assert not venue.exchange.knows_asset("XBT.Q")
