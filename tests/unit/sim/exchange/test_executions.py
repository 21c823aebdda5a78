"""Rows of the private channels, as the venue writes them: which, in which order, to the digit."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from krakked.domain.orders import Side
from krakked.sim.exchange.core import FIRST_TRADE_ID

NOW = "2023-11-14T22:13:20.000000Z"


def kinds(rows):
    return [(row["exec_type"], row["order_status"]) for row in rows]


def test_resting_order_is_told_pending_then_new(venue):
    venue.add("buy", "0.0001", "40000", cl_ord_id="mine")
    pending, new = venue.raw_rows()
    (txid,) = venue.account().open
    assert json.loads(pending, parse_float=str) == {
        "order_id": txid,
        "symbol": "BTC/USD",
        "order_qty": "0.00010000",
        "cum_cost": "0.00000",
        "time_in_force": "GTC",
        "exec_type": "pending_new",
        "side": "buy",
        "order_type": "limit",
        "cl_ord_id": "mine",
        "limit_price_type": "static",
        "limit_price": "40000.0",
        "stop_price": "0.0",
        "order_status": "pending_new",
        "fee_usd_equiv": "0.0000",
        "fee_ccy_pref": "fciq",
        "timestamp": NOW,
    }
    assert json.loads(new) == {
        "timestamp": NOW,
        "order_status": "new",
        "exec_type": "new",
        "cl_ord_id": "mine",
        "order_id": txid,
    }


def test_completing_fill_says_partially_filled_and_filled_follows(venue):
    txid = venue.add("sell", "0.005", userref=3)
    rows = venue.rows()
    assert kinds(rows) == [
        ("pending_new", "pending_new"),
        ("new", "new"),
        ("trade", "partially_filled"),
        ("filled", "filled"),
    ]
    trade, filled = rows[2], rows[3]
    assert trade["cum_qty"] == filled["cum_qty"] == Decimal("0.00500000")
    assert {row["order_id"] for row in rows} == {txid}
    assert {row["order_userref"] for row in rows} == {3}


def test_trade_row_tells_everything_of_one_fill(venue):
    txid = venue.add("buy", "0.5")
    row = json.loads(venue.raw_rows()[2], parse_float=str)
    (trade,) = venue.account().trades
    assert row == {
        "order_id": txid,
        "exec_id": trade.trade_txid,
        "exec_type": "trade",
        "trade_id": FIRST_TRADE_ID,
        "symbol": "BTC/USD",
        "side": "buy",
        "last_qty": "0.50000000",
        "last_price": "50001.0",
        "liquidity_ind": "t",
        "cost": "25000.50000",
        "order_type": "market",
        "timestamp": NOW,
        "fees": [{"asset": "USD", "qty": "100.0020"}],
        "fee_usd_equiv": "100.0020",
        "order_status": "partially_filled",
        "cum_qty": "0.50000000",
        "cum_cost": "25000.50000",
        "avg_price": "50001.0",
        "order_userref": 0,
    }


def test_trade_rows_are_the_trades_that_rest_tells(venue):
    venue.add("buy", "1.5")
    rows = [row for row in venue.rows() if row["exec_type"] == "trade"]
    told = venue.ok("TradesHistory", consolidate_taker="false")["trades"]
    assert [row["exec_id"] for row in rows] == list(told)[::-1]
    for row in rows:
        other = told[row["exec_id"]]
        assert row["cost"] == Decimal(other["cost"])
        assert row["fees"][0]["qty"] == Decimal(other["fee"])
        assert row["last_qty"] == Decimal(other["vol"])
        assert row["trade_id"] == other["trade_id"]


def test_maker_fill_says_so(venue):
    venue.add("buy", "0.5", "50000.5")
    venue.strangers("50000.5", "0.2", Side.SELL)
    row = next(row for row in venue.rows() if row["exec_type"] == "trade")
    assert (row["liquidity_ind"], row["order_type"]) == ("m", "limit")


def test_fee_taken_in_base_is_told_in_base(venue):
    venue.add("buy", "0.01", oflags="fcib")
    rows = venue.rows()
    assert rows[0]["fee_ccy_pref"] == "fcib"
    assert rows[2]["fees"] == [{"asset": "BTC", "qty": Decimal("0.0000400000")}]
    assert rows[2]["fee_usd_equiv"] == Decimal("2.0000")


def test_fee_in_a_crypto_quote_is_told_with_its_worth_in_dollars(venue):
    venue.exchange.deposit("alice", "ETH", Decimal(10), venue.now_ns)
    venue.house(pair="ETHXBT", bids=[("0.05", "5")])
    venue.strangers("50000.5", "0.1", Side.BUY)
    venue.add("sell", "1", pair="ETHXBT")
    trade = next(row for row in venue.rows() if row["exec_type"] == "trade")
    assert trade["fees"] == [{"asset": "BTC", "qty": Decimal("0.0002000000")}]
    assert trade["fee_usd_equiv"] == Decimal("10.0001")


def test_cancel_is_told_with_its_reason_and_sums(venue):
    txid = venue.add("buy", "0.1", "40000", cl_ord_id="mine")
    venue.exchange.drain()
    venue.ok("CancelOrder", txid=txid)
    (raw,) = venue.raw_rows()
    assert json.loads(raw, parse_float=str) == {
        "timestamp": NOW,
        "order_status": "canceled",
        "exec_type": "canceled",
        "cum_qty": "0.00000000",
        "cum_cost": "0.00000",
        "avg_price": "0.0",
        "fee_usd_equiv": "0.0000",
        "cancel_reason": "User requested",
        "reason": "User requested",
        "cl_ord_id": "mine",
        "order_id": txid,
    }


def test_expiry_is_told(venue):
    venue.add("buy", "0.1", "40000", expiretm="+10")
    (pending, _) = venue.rows()
    assert pending["time_in_force"] == "GTD"
    assert pending["expire_time"] == "2023-11-14T22:13:30.000000Z"
    venue.later(10)
    (row,) = venue.rows()
    assert (row["exec_type"], row["order_status"]) == ("expired", "expired")
    assert row["timestamp"] == "2023-11-14T22:13:30.000000Z"


def test_amend_is_told_with_what_stands_now(venue):
    txid = venue.add("buy", "0.1", "40000", cl_ord_id="mine")
    venue.exchange.drain()
    venue.ok("AmendOrder", txid=txid, order_qty="0.2", limit_price="41000")
    (raw,) = venue.raw_rows()
    assert json.loads(raw, parse_float=str) == {
        "timestamp": NOW,
        "exec_type": "amended",
        "order_status": "new",
        "cum_qty": "0.00000000",
        "reason": "User requested",
        "amended": True,
        "order_qty": "0.20000000",
        "limit_price": "41000.0",
        "limit_price_type": "static",
        "cl_ord_id": "mine",
        "order_id": txid,
    }


def test_post_only_is_told(venue):
    venue.add("buy", "0.1", "40000", oflags="post")
    assert [row["post_only"] for row in venue.rows()] == [True, True]


def test_scheduled_order_is_new_only_when_it_starts(venue):
    venue.add("buy", "0.1", "40000", starttm="+10")
    assert kinds(venue.rows()) == [("pending_new", "pending_new")]
    venue.later(10)
    assert kinds(venue.rows()) == [("new", "new")]


def test_rows_go_to_the_account_they_belong_to(venue):
    venue.open("bob", XBT="1")
    venue.exchange.drain()
    venue.add("buy", "0.1", "50000.5")
    venue.add("sell", "0.1", "50000.5", who="bob")
    events = venue.exchange.drain()
    accounts = [event.account for event in events if hasattr(event, "account")]
    assert (accounts.count("alice"), accounts.count("bob")) == (6, 6)


def test_snapshot_of_orders_tells_open_ones_whole(venue):
    venue.add("buy", "0.1", "40000", cl_ord_id="quiet")
    venue.add("buy", "1.2", "50001")
    venue.add("buy", "0.1", "40000", starttm="+10")
    rows = venue.exchange.executions_snapshot("alice", snap_orders=True, snap_trades=False)
    told = [json.loads(json_of(row), parse_float=str) for row in rows]
    assert kinds(told) == [
        ("new", "new"),
        ("new", "partially_filled"),
        ("pending_new", "pending_new"),
    ]
    assert told[0]["cl_ord_id"] == "quiet"
    assert (told[1]["cum_qty"], told[1]["avg_price"]) == ("1.00000000", "50001.0")


def test_snapshot_of_trades_tells_the_newest_fifty_oldest_first(venue):
    for _ in range(55):
        venue.add("buy", "0.001")
    rows = venue.exchange.executions_snapshot("alice", snap_orders=False, snap_trades=True)
    told = [json.loads(json_of(row)) for row in rows]
    trades = [trade.trade_txid for trade in venue.account().trades]
    assert [row["exec_id"] for row in told] == trades[5:]
    assert {row["order_status"] for row in told} == {"filled"}


def test_snapshot_of_nothing_is_empty(venue):
    venue.add("buy", "0.5", "40000")
    assert venue.exchange.executions_snapshot("alice", snap_orders=False, snap_trades=False) == []


def test_each_ledger_row_is_told_on_the_balances_channel(venue):
    venue.add("sell", "0.005")
    told = venue.rows("balances")
    base, quote = told
    assert (base["asset"], base["amount"], base["fee"]) == ("BTC", Decimal("-0.005"), 0)
    assert (quote["asset"], quote["amount"]) == ("USD", Decimal("250.0000"))
    assert quote["fee"] == Decimal("1.0000")
    assert base["ref_id"] == quote["ref_id"]
    ledger = venue.ok("Ledgers")["ledger"]
    assert [row["ledger_id"] for row in told] == list(ledger)[1::-1]
    assert quote["balance"] == Decimal(ledger[quote["ledger_id"]]["balance"])


def test_balances_snapshot_shows_totals_under_the_websocket_names(venue):
    venue.add("buy", "0.1", "40000")
    rows = venue.exchange.balances_snapshot("alice")
    assert [json.loads(json_of(row), parse_float=str) for row in rows] == [
        {
            "asset": "BTC",
            "asset_class": "currency",
            "balance": "2.0000000000",
            "wallets": [{"type": "spot", "id": "main", "balance": "2.0000000000"}],
        },
        {
            "asset": "USD",
            "asset_class": "currency",
            "balance": "100000.0000",
            "wallets": [{"type": "spot", "id": "main", "balance": "100000.0000"}],
        },
    ]


def test_documented_rows_have_no_field_that_ours_lack(venue):
    shared = Path(os.environ.get("KRAKKED_SHARED", Path(__file__).parents[5] / "shared"))
    folder = shared / "data" / "vectors" / "kraken-docs-examples"
    if not folder.exists():
        pytest.skip(f"recorded payloads are not at {shared}")
    documented = {}
    for name in ("Executions", "Balances"):
        for line in (folder / f"websocket_v2_{name}.jsonl").read_text().splitlines():
            message = json.loads(line)
            for row in message.get("data", ()):
                kind = row.get("exec_type") or (message["channel"], message["type"])
                documented.setdefault(kind, set()).update(row)
    venue.add("sell", "0.005", "26500.0", userref=3)
    events = venue.exchange.drain()
    ours = {}
    for event in events:
        for row in getattr(event, "data", ()):
            ours.setdefault(row.get("exec_type") or ("balances", "update"), set()).update(row)
    ours["balances", "snapshot"] = set(venue.exchange.balances_snapshot("alice")[0])
    assert len(documented) == 5
    lacking = {kind: fields - ours[kind] for kind, fields in documented.items()}
    assert not any(lacking.values()), lacking


def json_of(row):
    from krakked.sim.wire import encode

    return encode(row)
