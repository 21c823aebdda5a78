"""ccxt, unchanged, against a simulator in a process of its own: REST, sync and async."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

pytestmark = [
    pytest.mark.long,
    pytest.mark.parametrize("program", ["ccxt_rest", "ccxt_async"]),
]
Scene = Callable[[str], dict[str, list[dict[str, Any]]]]


@pytest.fixture
def scene(player: Callable[..., Any], venue: dict[str, Any], program: str) -> Scene:
    return partial(player, "ccxt", program, venue)


def only(seen: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Where each kind was seen once."""
    return {name: told for name, (told,) in seen.items()}


def test_market_data_is_understood(scene: Scene) -> None:
    seen = only(scene("market_data"))
    assert {"BTC/USD", "ETH/BTC", "DOGE/USD", "BTC/USDT"} <= set(seen["symbols"]["symbols"])
    assert seen["market"]["id"] == "XXBTZUSD"
    assert seen["market"]["precision"] == {"amount": 1e-8, "price": 0.1}
    assert seen["market"]["limits"]["amount"]["min"] == 0.00005
    assert seen["market"]["active"] is True
    assert (seen["currency"]["id"], seen["currency"]["precision"]) == ("XXBT", 1e-10)
    assert seen["time"]["status"] == "ok"
    assert seen["ticker"]["bid"] < seen["ticker"]["ask"]
    assert seen["tickers"]["symbols"] == seen["symbols"]["symbols"]
    book = seen["book"]
    assert (len(book["bids"]), len(book["asks"])) == (5, 5)
    assert book["bids"][0][0] == seen["ticker"]["bid"]
    trades = seen["trades"]["trades"]
    assert len(trades) == 10
    assert {trade["side"] for trade in trades} == {"buy", "sell"}
    assert [trade["timestamp"] for trade in trades] == sorted(t["timestamp"] for t in trades)


def test_candles_reach_back_720_and_begin_where_asked(scene: Scene) -> None:
    seen = only(scene("market_data"))
    candles = seen["candles"]["candles"]
    assert len(candles) == 721
    assert {later[0] - earlier[0] for earlier, later in pairwise(candles)} == {3_600_000}
    assert all(low <= min(o, c) <= max(o, c) <= high for _, o, high, low, c, _ in candles)
    assert seen["candles_since"]["candles"][0][0] == seen["candles_since"]["since"]


def test_account_follows_a_purchase_to_the_cent(scene: Scene) -> None:
    seen = only(scene("account"))
    assert round(seen["after"]["total"] - seen["before"]["total"], 8) == 0.01
    assert seen["after"]["usd"]["used"] == 10.04  # 0.001 BTC at 10,000 dollars, and its fee
    assert seen["trade"]["order"] == seen["trade"]["expected_order"]
    assert seen["trade"]["takerOrMaker"] == "taker"
    assert seen["trade"]["fee"]["cost"] == round(seen["trade"]["cost"] * 0.004, 4)
    assert [trade["id"] for trade in seen["of_order"]["trades"]] == [seen["trade"]["id"]]
    newest = seen["ledger"]["entries"][-2:]
    assert {entry["referenceId"] for entry in newest} == {seen["trade"]["id"]}
    assert {entry["currency"]: entry["direction"] for entry in newest} == {
        "BTC": "in",
        "USD": "out",
    }
    assert (seen["fee"]["maker"], seen["fee"]["taker"]) == (0.0025, 0.004)


def test_an_order_is_entered_edited_in_place_and_cancelled(scene: Scene) -> None:
    seen = only(scene("order_entry"))
    assert seen["validated"]["id"] is None
    order_id = seen["made"]["id"]
    (open_order,) = [order for order in seen["open"]["orders"] if order["id"] == order_id]
    assert (open_order["clientOrderId"], open_order["price"]) == ("from-ccxt", 10_000.0)
    assert seen["edited"]["info"]["amend_id"].startswith("T")
    assert (seen["after_edit"]["amount"], seen["after_edit"]["price"]) == (0.002, 10_001.0)
    assert seen["canceled"]["info"]["result"] == {"count": 1}
    assert (seen["after_cancel"]["status"], seen["after_cancel"]["same"]) == ("canceled", order_id)
    assert seen["closed"]["id"] in seen["closed"]["ids"]


def test_market_orders_by_amount_and_by_cost_and_one_at_once_are_filled(
    player: Callable[..., Any], own_venue: dict[str, Any], program: str
) -> None:
    seen = only(player("ccxt", program, own_venue, "fills"))
    by_amount, by_cost, at_once = seen["by_amount"], seen["by_cost"], seen["at_once"]
    assert (by_amount["status"], by_amount["filled"]) == ("closed", 0.01)
    assert float(by_amount["fee"]["cost"]) == pytest.approx(by_amount["cost"] * 0.004, abs=1e-4)
    assert by_cost["status"] == "closed"
    assert by_cost["cost"] == pytest.approx(300, abs=0.01)
    # what the first level did not hold is cancelled, not left standing
    assert at_once["status"] == "canceled"
    assert 0 < at_once["filled"] < 1.5
    assert at_once["average"] == at_once["ask"]


def test_orders_are_entered_and_cancelled_in_batches(scene: Scene) -> None:
    seen = only(scene("batches"))
    made = [order["id"] for order in seen["made"]["orders"]]
    assert len(set(made)) == 3
    assert [order["price"] for order in seen["made"]["orders"]] == [10_000.0, 10_001.0, 10_002.0]
    assert seen["some_canceled"]["answer"][0]["info"]["result"] == {"count": 2}
    assert seen["still_open"]["ids"] == made[2:]
    assert seen["all_canceled"]["answer"][0]["info"]["result"] == {"count": 1}


def test_triggered_orders_are_read_back_as_they_were_written(scene: Scene) -> None:
    seen = {name: told["order"] for name, told in only(scene("triggers")).items()}
    assert seen["stop"]["stopLossPrice"] == 10_000.0
    assert (seen["stop_limit"]["stopLossPrice"], seen["stop_limit"]["price"]) == (10_000.0, 9_990.0)
    assert seen["take"]["takeProfitPrice"] == 200_000.0
    assert seen["take_limit"]["price"] == 210_000.0
    assert seen["trailing_amount"]["info"]["descr"]["price"] == "+5000.0"
    assert seen["trailing_percent"]["info"]["descr"]["price"] == "+5.0000%"
    assert {order["status"] for order in seen.values()} == {"open"}


def test_dead_man_switch_cancels_when_it_is_due(scene: Scene) -> None:
    seen = only(scene("dead_man"))
    assert seen["armed"]["triggerTime"] > seen["armed"]["currentTime"]
    assert seen["fired"]["status"] == "canceled"
    assert seen["disarmed"]["triggerTime"] == "0"


def test_refusals_become_the_errors_that_ccxt_has_for_them(scene: Scene) -> None:
    """What is ``ExchangeError`` here has no row in ccxt's own table."""
    assert {name: told["error"] for name, told in only(scene("errors")).items()} == {
        "no_funds": "InsufficientFunds",
        "too_small": "InvalidOrder",
        "post_only": "ExchangeError",
        "unknown_order": "OrderNotFound",
        "unknown_pair": "ExchangeError",
        "bad_arguments": "ExchangeError",
        "old_nonce": "InvalidNonce",
        "bad_secret": "ExchangeError",
        "bad_key": "AuthenticationError",
    }
    asked = {name: told["error"] for name, told in only(scene("permissions")).items()}
    assert asked == {"may_ask": "none", "may_not_trade": "PermissionDenied"}


def test_outages_become_errors_that_can_be_tried_again(scene: Scene) -> None:
    seen = only(scene("outages"))
    assert seen["5xx"]["error"] == "ExchangeNotAvailable"
    assert seen["request-lost"]["error"] in ("NetworkError", "ExchangeNotAvailable")
    assert seen["maintenance"]["error"] == "ExchangeNotAvailable"
    assert seen["maintenance"]["status"] == "maintenance"
    assert seen["again"]["error"] == "none"


def test_calls_and_orders_run_into_their_own_limits(
    player: Callable[..., Any], strict_venue: dict[str, Any], program: str
) -> None:
    seen = player("ccxt", program, strict_venue, "limits")
    answers = seen["calls"][0]["errors"]
    assert answers[:15] == ["none"] * 15
    assert answers[-1] == "DDoSProtection"
    (orders,) = seen["orders"]
    # an order and its cancellation within five seconds cost 1 + 8 of Starter's 60
    assert (orders["count"], orders["error"]) == (6, "DDoSProtection")
    assert "EOrder:Rate limit exceeded" in orders["says"]


def test_public_requests_side_by_side_are_answered_each(scene: Scene, program: str) -> None:
    if program == "ccxt_rest":
        pytest.skip("only the asynchronous side asks side by side")
    books = scene("at_once")["book"]
    assert [book["symbol"] for book in books] == ["BTC/USD", "ETH/USD", "SOL/USD", "ADA/USD"]
    assert all(book["bid"] < book["ask"] for book in books)
