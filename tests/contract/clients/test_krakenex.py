"""krakenex, unchanged, against a simulator in a process of its own: REST as it is on the wire."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

pytestmark = pytest.mark.long
Scene = Callable[[str], dict[str, list[dict[str, Any]]]]


@pytest.fixture
def scene(player: Callable[..., Any], venue: dict[str, Any]) -> Scene:
    return partial(player, "krakenex", "krakenex_rest", venue)


def test_market_data_has_the_shapes_and_values_of_the_venue(scene: Scene) -> None:
    seen = scene("market_data")
    results = {name: told[0]["result"] for name, told in seen.items()}
    assert all(told[0]["error"] == [] for told in seen.values())
    assert results["SystemStatus"]["status"] == "online"
    assert results["Assets"]["XXBT"]["decimals"] == 10
    pair = results["AssetPairs"]["XXBTZUSD"]
    assert (pair["altname"], pair["wsname"], pair["tick_size"]) == ("XBTUSD", "XBT/USD", "0.1")
    ticker = results["Ticker"]["XXBTZUSD"]
    assert Decimal(ticker["b"][0]) < Decimal(ticker["a"][0])
    candles = results["OHLC"]["XXBTZUSD"]
    assert (len(candles), results["OHLC"]["last"]) == (721, candles[-2][0])
    depth = results["Depth"]["XXBTZUSD"]
    assert (len(depth["asks"]), len(depth["bids"])) == (5, 5)
    assert depth["asks"][0][0] == ticker["a"][0]
    assert len(results["Trades"]["XXBTZUSD"]) == 10
    assert len(results["Trades"]["last"]) == 19
    assert results["Spread"]["XXBTZUSD"][-1][0] == results["Spread"]["last"]


def test_account_shows_what_a_purchase_and_a_resting_order_did(scene: Scene) -> None:
    results = {name: told[0]["result"] for name, told in scene("account").items()}
    trade = next(iter(results["TradesHistory"]["trades"].values()))
    spent = Decimal(trade["cost"]) + Decimal(trade["fee"])
    assert Decimal(trade["fee"]) == round(Decimal(trade["cost"]) * Decimal("0.004"), 4)
    before, after = results["before"], results["Balance"]
    assert Decimal(after["ZUSD"]) == Decimal(before["ZUSD"]) - spent
    assert Decimal(after["XXBT"]) == Decimal(before["XXBT"]) + Decimal("0.01")
    assert results["BalanceEx"]["ZUSD"]["hold_trade"] == "10.0400"
    (resting,) = results["OpenOrders"]["open"].values()
    assert resting["descr"]["order"] == "buy 0.00100000 XBTUSD @ limit 10000.0"
    newest = next(iter(results["Ledgers"]["ledger"].values()))
    assert (newest["type"], newest["refid"]) == (
        "trade",
        next(iter(results["TradesHistory"]["trades"])),
    )
    assert results["TradeVolume"]["fees"]["XXBTZUSD"]["fee"] == "0.4000"
    assert results["CancelOrder"] == {"count": 1}
    newest_two = list(results["ClosedOrders"]["closed"].values())[:2]
    assert sorted(order["status"] for order in newest_two) == ["canceled", "closed"]
    assert results["GetWebSocketsToken"]["expires"] == 900


def test_an_order_is_entered_amended_and_cancelled(scene: Scene) -> None:
    """``validate`` goes out as True and False, which is how Python writes them into a form."""
    seen = {name: told[0] for name, told in scene("order_entry").items()}
    assert "txid" not in seen["validated"]["result"]
    txid = seen["not_validated"]["result"]["txid"][0]
    assert list(seen["found"]["result"]["open"]) == [txid]
    assert seen["twice"]["error"] != []
    assert seen["amended"]["result"]["amend_id"].startswith("T")
    assert seen["after_amend"]["txid"] == txid
    assert seen["after_amend"]["descr"]["price"] == "10001.5"
    assert seen["canceled"]["result"] == {"count": 1}
    assert seen["after_cancel"]["status"] == "canceled"
    assert seen["after_cancel"]["reason"] == "User requested"


def test_a_resting_order_is_filled_by_the_market_as_a_maker(scene: Scene) -> None:
    seen = {name: told[0] for name, told in scene("fill").items()}
    order, trade = seen["order"], seen["trade"]
    assert Decimal(order["price"]) == Decimal(order["asked"])
    assert order["vol_exec"] == trade["vol"] == "0.05000000"
    assert (trade["maker"], trade["pair"], order["descr"]["pair"]) == (True, "XETHZUSD", "ETHUSD")
    fee = Decimal(trade["cost"]) * Decimal("0.0025")
    assert abs(Decimal(trade["fee"]) - fee) <= Decimal("0.0001")


def test_many_orders_are_entered_and_cancelled_at_once(scene: Scene) -> None:
    """A form has no lists of objects: krakenex sends flat ``orders[0][price]``."""
    seen = {name: told[0] for name, told in scene("batches").items()}
    assert [entry["descr"]["order"] for entry in seen["added"]["result"]["orders"]] == [
        "buy 0.00100000 XBTUSD @ limit 10000.0",
        "buy 0.00100000 XBTUSD @ limit 10001.0",
    ]
    assert seen["userref"]["result"] == {"count": 2}
    assert seen["all"]["result"] == {"count": 2}


def test_dead_man_switch_cancels_when_it_is_due(scene: Scene) -> None:
    seen = {name: told[0] for name, told in scene("dead_man").items()}
    armed = seen["armed"]["result"]
    assert armed["triggerTime"] > armed["currentTime"]
    assert seen["fired"]["status"] == "canceled"
    assert seen["disarmed"]["result"]["triggerTime"] == "0"


def test_refusals_are_the_venues_own_words(scene: Scene) -> None:
    assert {name: told[0]["error"] for name, told in scene("errors").items()} == {
        "unknown_pair": ["EQuery:Unknown asset pair"],
        "unknown_method": ["EGeneral:Unknown method"],
        "too_small": ["EOrder:Order minimum not met"],
        "off_tick": ["EOrder:Tick size check failed"],
        "no_funds": ["EOrder:Insufficient funds"],
        "post_only": ["EOrder:Post only order"],
        "unknown_order": ["EOrder:Unknown order"],
        "bad_volume": ["EGeneral:Invalid arguments:volume"],
        "bad_key": ["EAPI:Invalid key"],
        "bad_secret": ["EAPI:Invalid signature"],
        "may_ask": [],
        "may_not_trade": ["EGeneral:Permission denied"],
        "old_nonce": ["EAPI:Invalid nonce"],
    }


def test_calls_and_orders_run_into_their_own_limits(
    player: Callable[..., Any], strict_venue: dict[str, Any]
) -> None:
    seen = player("krakenex", "krakenex_rest", strict_venue, "limits")
    answers = seen["calls"][0]["answers"]
    assert answers[:15] == [[]] * 15
    assert answers[-1] == ["EAPI:Rate limit exceeded"]
    # an order and its cancellation within five seconds cost 1 + 8 of Starter's 60
    assert seen["orders"] == [{"count": 6, "error": ["EOrder:Rate limit exceeded"]}]
