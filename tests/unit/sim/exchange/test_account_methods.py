"""What an account asks about itself: balances, worth, fees."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest


def test_balance_shows_assets_under_their_ids_at_their_precision(venue):
    venue.exchange.deposit("alice", "SOL", Decimal(3), venue.now_ns)
    assert venue.ok("Balance") == {
        "XXBT": "2.0000000000",
        "SOL": "3.00000000",
        "ZUSD": "100000.0000",
    }


def test_balance_of_an_empty_account_is_empty(venue):
    venue.open("poor")
    assert venue.ok("Balance", "poor") == {}


def test_balance_shows_an_asset_that_was_spent_as_nothing(venue):
    venue.add("sell", "2")
    assert venue.ok("Balance")["XXBT"] == "0.0000000000"


def test_trade_balance_values_everything_at_last_prices(venue):
    worth = venue.ok("TradeBalance")
    assert worth["eb"] == "200001.0000"
    assert worth["tb"] == worth["e"] == worth["mf"] == worth["eb"]
    assert worth["m"] == worth["n"] == worth["c"] == worth["v"] == "0.0000"


def test_trade_balance_counts_in_the_asset_asked_for(venue):
    assert venue.ok("TradeBalance", asset="XXBT")["eb"] == "4.0000"
    assert venue.error("TradeBalance", asset="GOLD") == "EQuery:Unknown asset"


def test_trade_balance_of_an_asset_without_a_price_counts_nothing(venue):
    venue.exchange.deposit("alice", "SOL", Decimal(3), venue.now_ns)
    assert venue.ok("TradeBalance")["eb"] == "200001.0000"
    assert venue.ok("TradeBalance", asset="SOL")["eb"] == "0.0000"


def test_trade_volume_without_pairs_has_no_fees(venue):
    assert venue.ok("TradeVolume") == {
        "currency": "ZUSD",
        "volume": "0.0000",
        "fees": None,
        "fees_maker": None,
    }


def test_trade_volume_tells_both_rates_and_the_next_tier(venue):
    answer = venue.ok("TradeVolume", pair="XBTUSD, BTC/USDT")
    assert list(answer["fees"]) == list(answer["fees_maker"]) == ["XXBTZUSD", "XBTUSDT"]
    assert answer["fees"]["XXBTZUSD"] == {
        "fee": "0.4000",
        "minfee": "0.1000",
        "maxfee": "0.4000",
        "nextfee": "0.3500",
        "nextvolume": "10000.0000",
        "tiervolume": "0.0000",
    }
    assert answer["fees_maker"]["XXBTZUSD"]["fee"] == "0.2500"


def test_trade_volume_of_the_top_tier_has_no_next(make_bench):
    from krakked.sim.exchange.fees import STANDARD

    bench = make_bench(fee_ladder=STANDARD[:1])
    bench.open(USD="1")
    row = bench.ok("TradeVolume", pair="XBTUSD")["fees"]["XXBTZUSD"]
    assert (row["nextfee"], row["nextvolume"]) == (None, None)


def test_trade_volume_takes_a_json_list_of_pairs(venue):
    answer = venue.send("TradeVolume", {"pair": ["XBTUSD"]}, as_json=True)
    assert b'"XXBTZUSD"' in answer.body


def test_trade_volume_refuses_an_unknown_pair(venue):
    assert venue.error("TradeVolume", pair="XBTUSD,NOPE") == "EQuery:Unknown asset pair"


def test_account_can_be_opened_once(venue):
    with pytest.raises(AssertionError, match="exists"):
        venue.open("alice")
    assert venue.exchange.has_account("alice")
    assert venue.exchange.account_names() == ["alice"]


def test_exchange_shows_its_state_in_one_line(venue):
    venue.add("buy", "0.1", "40000")
    assert repr(venue.exchange) == ("<Exchange <Core online, 1 accounts> <Keys 1 keys, 0 tokens>>")
    assert repr(venue.account()) == "<Account alice: 1 open, 0 closed, 0 trades>"
    assert repr(venue.core.markets["XBTUSD"].book) == (
        "<Book buy 50000.0, sell 50001.0, 1 account orders>"
    )


def test_secrets_are_in_no_repr(venue):
    (key,) = venue.exchange._keys.all()
    assert venue.secret not in repr(key)
    assert venue.secret not in repr(venue.exchange)


def test_trade_volume_takes_lists_of_names_and_of_records(venue):
    for pairs in (["XBTUSD", "ETHUSD"], [{"asset": "XBTUSD", "aclass": "forex"}, "XETHZUSD"]):
        body = venue.send("TradeVolume", {"pair": pairs}, as_json=True).body
        assert list(json.loads(body)["result"]["fees"]) == ["XXBTZUSD", "XETHZUSD"]


def test_trade_volume_tells_the_whole_schedule_when_asked(venue):
    answer = venue.ok("TradeVolume", pair="XBTUSD", fee_schedule="true")
    tiers = answer["schedules"]["XXBTZUSD"]
    assert len(tiers) == 10
    assert tiers[0] == {"volume": "0.0000", "fee": "0.4000", "fee_maker": "0.2500"}
    assert "schedules" not in venue.ok("TradeVolume", pair="XBTUSD")
