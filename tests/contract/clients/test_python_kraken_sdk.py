"""python-kraken-sdk, unchanged, against a simulator in a process of its own: REST."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

pytestmark = pytest.mark.long
CLIENT = "python-kraken-sdk"
Scene = Callable[[str], dict[str, dict[str, Any]]]
Player = Callable[..., Any]


@pytest.fixture
def scene(player: Player, venue: dict[str, Any]) -> Scene:
    """Each kind was seen once."""

    def play(name: str) -> dict[str, dict[str, Any]]:
        return {kind: told for kind, (told,) in player(CLIENT, "sdk_rest", venue, name).items()}

    return play


def test_market_data_is_keyed_as_it_was_asked_for(scene: Scene) -> None:
    seen = scene("market_data")
    assert set(seen["assets"]) == {"XXBT", "ZUSD"}
    assert set(seen["pairs"]) == {"XXBTZUSD", "XETHZUSD"}
    assert set(seen["v2_name"]) == {"BTC/USD"}
    assert seen["v2_name"]["BTC/USD"]["pair_decimals"] == 1
    best_ask = seen["ticker"]["XXBTZUSD"]["a"][0]
    assert seen["book"]["XXBTZUSD"]["asks"][0][0] == best_ask
    assert len(seen["book"]["XXBTZUSD"]["bids"]) == 3
    candles = seen["ohlc"]["XXBTZUSD"]
    assert (len(candles), candles[1][0] - candles[0][0]) == (721, 240 * 60)
    assert len(seen["trades"]["XXBTZUSD"]) == 5
    assert seen["spreads"]["last"] == seen["spreads"]["XXBTZUSD"][-1][0]
    assert seen["status"]["status"] == "online"


def test_account_follows_a_purchase_to_the_last_digit(scene: Scene) -> None:
    seen = scene("account")
    before, after = seen["balance"]["before"], seen["balance"]["after"]
    cost, fee = Decimal(seen["order"]["cost"]), Decimal(seen["order"]["fee"])
    assert Decimal(after["ZUSD"]) == Decimal(before["ZUSD"]) - cost - fee
    assert Decimal(after["XXBT"]) == Decimal(before["XXBT"]) + Decimal("0.01")
    assert seen["extended"]["ZUSD"]["hold_trade"] == "10.0400"
    assert seen["one"]["available_balance"] == pytest.approx(seen["one"]["balance"] - 10.04)
    assert Decimal(seen["equity"]["eb"]) > Decimal(after["ZUSD"])
    assert seen["volume"]["fees"]["XXBTZUSD"]["fee"] == "0.4000"
    assert seen["trade"]["ordertxid"] == seen["trade"]["order"]
    assert seen["history"]["newest"] == seen["ledger"]["order"]
    amounts = {row["asset"]: Decimal(row["amount"]) for row in seen["ledger"]["rows"]}
    assert amounts == {"XXBT": Decimal("0.01"), "ZUSD": -cost}
    assert set(seen["closed"]["ids"]) == set(seen["closed"]["mine"])


def test_an_order_is_entered_amended_cancelled_and_one_expires(scene: Scene) -> None:
    """``validate`` and ``reduce_only`` always go along, as False: that must mean no."""
    seen = scene("order_entry")
    assert "txid" not in seen["validated"]
    (txid,) = seen["made"]["txid"]
    assert seen["amended"]["amend_id"].startswith("T")
    order = seen["open"]["orders"][txid]
    assert (order["vol"], order["descr"]["price"]) == ("0.00200000", "10001.0")
    assert "post" in order["oflags"].split(",")
    assert seen["canceled"] == {"count": 1}
    assert (seen["truncated"]["volume"], seen["truncated"]["price"]) == ("0.12345678", "10000.0")
    assert seen["expiring"]["status"] == "open"
    assert seen["expired"]["closetm"] >= seen["expiring"]["expiretm"]


def test_orders_are_entered_and_cancelled_in_batches(scene: Scene) -> None:
    seen = scene("batches")
    assert [entry["descr"]["order"] for entry in seen["made"]["orders"]] == [
        f"buy 0.00100000 XBTUSD @ limit 1000{step}.0" for step in range(3)
    ]
    assert seen["two_canceled"] == {"count": 2}
    assert seen["left"]["userrefs"] == [52]
    assert seen["all_canceled"] == {"count": 1}


def test_an_edited_order_is_another_one_and_an_amended_one_has_a_history(scene: Scene) -> None:
    seen = scene("edits")
    assert seen["edited"]["originaltxid"] == seen["edited"]["old"] != seen["edited"]["txid"]
    assert seen["after"]["old"]["status"] == "canceled"
    assert seen["after"]["new"]["vol"] == "0.00200000"
    assert [amend["amend_type"] for amend in seen["amends"]["amends"]] == ["original", "user"]
    assert [amend["limit_price"] for amend in seen["amends"]["amends"]] == ["10000.0", "10003.0"]


def test_every_type_of_order_is_taken_and_described(scene: Scene) -> None:
    seen = scene("triggers")
    assert {name: told.get("said") for name, told in seen.items()} == {
        "stop-loss": "sell 0.01000000 XBTUSD @ stop loss 10000.0",
        "stop-loss-limit": "sell 0.01000000 XBTUSD @ stop loss 10000.0 -> limit 9990.0",
        "take-profit": "sell 0.01000000 XBTUSD @ take profit 200000.0",
        "take-profit-limit": "sell 0.01000000 XBTUSD @ take profit 200000.0 -> limit 200100.0",
        "trailing-stop": "sell 0.01000000 XBTUSD @ trailing stop +5.0000%",
        "trailing-stop-limit": "sell 0.01000000 XBTUSD @ trailing stop +5.0000% -> limit -10.0",
        "iceberg": "sell 0.01000000 XBTUSD @ limit 200000.0",
        "closing": None,
        "canceled": None,
    }
    assert seen["closing"]["descr"]["close"] == "close position @ limit 90000.0"
    assert seen["canceled"] == {"count": 8}


def test_dead_man_switch_cancels_when_it_is_due(scene: Scene) -> None:
    seen = scene("dead_man")
    assert seen["armed"]["triggerTime"] > seen["armed"]["currentTime"]
    assert seen["fired"]["status"] == "canceled"
    assert seen["disarmed"]["triggerTime"] == "0"


def test_refusals_become_the_errors_that_the_client_has_for_them(scene: Scene) -> None:
    """It searches for texts within texts, so that an unknown pair is an unknown asset to it."""
    assert {name: told["error"] for name, told in scene("errors").items()} == {
        "no_funds": "KrakenInsufficientFundsError",
        "too_small": "KrakenOrderMinimumNotMetError",
        "off_tick": "KrakenTickSizeInvalidCheckError",
        "bad_volume": "KrakenInvalidArgumentsError",
        "unknown_order": "KrakenUnknownOrderError",
        "unknown_pair": "KrakenUnknownAssetError",
        "unknown_asset": "KrakenUnknownAssetError",
        "bad_key": "KrakenInvalidAPIKeyError",
        "bad_secret": "KrakenInvalidSignatureError",
        "may_not_trade": "KrakenPermissionDeniedError",
        "old_nonce": "KrakenInvalidNonceError",
        "maintenance": "KrakenServiceUnavailableError",
        "cancel_only": "KrakenMarketInOnlyCancelModeError",
        "post_only": "KrakenMarketInOnlyPostModeError",
    }


def test_what_the_simulator_does_not_have_is_an_unknown_method(scene: Scene) -> None:
    assert {name: told["error"] for name, told in scene("absent").items()} == {
        "positions": "KrakenUnknownMethodError",
        "export": "KrakenUnknownMethodError",
        "transfer": "KrakenUnknownMethodError",
        "subaccount": "KrakenUnknownMethodError",
        "deposit": "KrakenUnknownMethodError",
        "withdrawal": "KrakenUnknownMethodError",
        "earn": "KrakenUnknownMethodError",
    }


def test_calls_and_orders_run_into_their_own_limits(
    player: Player, strict_venue: dict[str, Any]
) -> None:
    seen = player(CLIENT, "sdk_rest", strict_venue, "limits")
    answers = seen["calls"][0]["errors"]
    assert answers[:15] == ["none"] * 15
    assert answers[-1] == "KrakenApiLimitExceededError"
    (orders,) = seen["orders"]
    # an order and its cancellation within five seconds cost 1 + 8 of Starter's 60
    assert (orders["count"], orders["error"]) == (6, "KrakenRateLimitExceededError")


def test_scenes_of_a_client_may_follow_each_other_on_one_key(
    scene: Scene, venue: dict[str, Any], player: Player
) -> None:
    """Its nonces count ten nanoseconds; another client's milliseconds would then be refused."""
    assert scene("dead_man")["fired"]["status"] == "canceled"
    (refused,) = player("krakenex", "krakenex_rest", venue, "one_call")["Balance"]
    assert refused["error"] == ["EAPI:Invalid nonce"]
