"""python-kraken-sdk's WebSocket clients, unchanged, against a simulator in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

pytestmark = pytest.mark.long
CLIENT = "python-kraken-sdk"
Scene = Callable[[str], dict[str, list[dict[str, Any]]]]
Player = Callable[..., Any]


@pytest.fixture
def scene(player: Player, venue: dict[str, Any]) -> Scene:
    return partial(player, CLIENT, "sdk_ws", venue)


def test_public_channels_open_with_their_snapshots(scene: Scene) -> None:
    seen = {kind: told[0] for kind, told in scene("channels").items()}
    assert seen["status"]["data"][0]["system"] == "online"
    ticker = seen["ticker"]["data"][0]
    assert ticker["bid"] < ticker["ask"]
    assert seen["book"]["data"][0]["bids"][0]["price"] == ticker["bid"]
    assert seen["ohlc"]["data"][0]["interval"] == 5
    assert len(seen["trade"]["data"]) == 50
    assert {"assets", "pairs"} == set(seen["instrument"]["data"])
    assert seen["heartbeat"] == {"channel": "heartbeat"}
    assert set(seen["pong"]) == {"method", "time_in", "time_out"}


def test_subscriptions_are_acknowledged_one_by_one_so_that_the_client_knows_them(
    scene: Scene,
) -> None:
    seen = {kind: told[0] for kind, told in scene("channels").items()}
    assert all(ack["success"] for ack in seen["acks"]["acks"])
    assert [known["channel"] for known in seen["subscriptions"]["known"]] == [
        "ticker",
        "ticker",
        "ohlc",
        "trade",
        "book",
        "instrument",
    ]
    assert seen["left"]["result"]["symbol"] == "BTC/USD"


def test_the_clients_own_checksum_agrees_with_every_book(
    player: Player, busy_venue: dict[str, Any]
) -> None:
    seen = player(CLIENT, "sdk_ws", busy_venue, "books")
    assert [book["pair"] for book in seen["book"]] == ["BTC/USD", "ETH/USD", "DOGE/USD"]
    assert all(book["updates"] >= 30 for book in seen["book"])
    assert seen["mismatches"] == [{"mismatches": []}]


def test_executions_tell_the_life_of_an_order_in_an_unbroken_sequence(scene: Scene) -> None:
    seen = scene("executions")
    sequences = seen["sequences"][0]["sequences"]
    assert sequences == list(range(1, len(sequences) + 1))
    resting = [(report["exec_type"], report["order_status"]) for report in seen["resting"]]
    assert resting == [("pending_new", "pending_new"), ("new", "new"), ("canceled", "canceled")]
    taking = [(report["exec_type"], report["order_status"]) for report in seen["taking"]]
    assert taking == [
        ("pending_new", "pending_new"),
        ("new", "new"),
        ("trade", "partially_filled"),
        ("filled", "filled"),
    ]
    trade = seen["taking"][2]
    assert trade["fees"] == [{"asset": "USD", "qty": round(trade["cost"] * 0.004, 4)}]
    assert trade["cum_qty"] == seen["taking"][0]["order_qty"]


def test_balances_change_by_the_rows_of_the_ledger(scene: Scene) -> None:
    seen = scene("executions")
    start = {row["asset"]: row["balance"] for row in seen["balances"][0]["data"]}
    trade = seen["taking"][2]
    for row in seen["balance_changes"][0]["rows"]:
        assert row["ref_id"] == trade["exec_id"]
        after = start[row["asset"]] + row["amount"] - row["fee"]
        assert row["balance"] == pytest.approx(after, abs=1e-8)


def test_orders_are_made_amended_and_cancelled_over_the_socket(scene: Scene) -> None:
    seen = {kind: told[0] for kind, told in scene("trading").items()}
    order_id = seen["made"]["result"]["order_id"]
    assert seen["made"]["result"]["cl_ord_id"] == "from-sdk-ws"
    assert seen["validated"]["success"] is True
    assert "order_id" not in seen["validated"]["result"]
    assert seen["amended"]["result"]["order_id"] == order_id
    assert seen["canceled"]["success"] is True
    assert seen["dead_man"]["result"]["triggerTime"] > seen["dead_man"]["result"]["currentTime"]
    assert seen["disarmed"]["result"]["triggerTime"] == "0"
    assert seen["all_canceled"]["result"] == {"count": 2}


def test_batches_and_edits_go_over_the_socket(scene: Scene) -> None:
    seen = {kind: told[0] for kind, told in scene("batches").items()}
    assert [entry["order_userref"] for entry in seen["made"]["result"]] == [70, 71, 72]
    assert seen["canceled"]["orders_cancelled"] == 2
    assert seen["edited"]["result"]["original_order_id"] == seen["edited"]["old"]
    assert seen["all_canceled"]["result"] == {"count": 1}


def test_refusals_are_the_venues_own_words_and_one_for_each_order(scene: Scene) -> None:
    seen = {kind: told[0] for kind, told in scene("errors").items()}
    assert seen.pop("answers") == {"count": 2}
    assert all(told["success"] is False for told in seen.values())
    assert {kind: told["error"] for kind, told in seen.items()} == {
        "no_funds": "EOrder:Insufficient funds",
        "too_small": "EOrder:Order minimum not met",
        "text_price": "Limit_price field must be a number_float",
        "post_only": "EOrder:Post only order",
        "unknown_symbol": "Currency pair not supported NOPE/USD",
        "unknown_order": "EOrder:Unknown order",
        "two_unknown": "EOrder:Unknown order",
        "subscribed": "Currency pair not supported NOPE/USD",
    }


def test_a_dropped_client_connects_and_subscribes_by_itself(scene: Scene) -> None:
    (snapshot,) = scene("dropped")["again"]
    assert (snapshot["type"], snapshot["sequence"]) == ("snapshot", 1)


def test_private_channels_on_a_host_of_their_own_serve_as_well(
    player: Player, split_venue: dict[str, Any]
) -> None:
    seen = player(CLIENT, "sdk_ws", split_venue, "trading")
    assert seen["all_canceled"][0]["result"] == {"count": 2}
