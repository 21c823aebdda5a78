"""What is asked for, in which portions, and when all of it has been answered."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from krakked.adapters.kraken.auth import SessionToken
from krakked.adapters.kraken.records import Reply
from krakked.adapters.kraken.subscriptions import (
    Refusal,
    Subscriptions,
    private_subscriptions,
    public_subscriptions,
)
from krakked.domain.bars import Timeframe


def sent(wanted: Subscriptions) -> list[dict[str, Any]]:
    return [json.loads(text) for text in wanted.messages()]


def reply(**fields: Any) -> Reply:
    return msgspec.convert({"method": "subscribe", **fields}, Reply)


def accept(wanted: Subscriptions, request: dict[str, Any]) -> None:
    params = request["params"]
    for symbol in params.get("symbol", [""]):
        result = {"channel": params["channel"], "symbol": symbol}
        wanted.on_reply(reply(req_id=request["req_id"], success=True, result=result))


def test_public_stream_asks_for_status_quotes_and_bars_of_each_timeframe() -> None:
    wanted = public_subscriptions(["BTC/USD", "ETH/USD"], [Timeframe.M1, Timeframe.H1])
    params = [message["params"] for message in sent(wanted)]
    both = ["BTC/USD", "ETH/USD"]
    assert params == [
        {"channel": "instrument"},
        {"channel": "ticker", "event_trigger": "bbo", "snapshot": True, "symbol": both},
        {"channel": "ohlc", "interval": 1, "snapshot": True, "symbol": both},
        {"channel": "ohlc", "interval": 60, "snapshot": True, "symbol": both},
    ]


def test_private_stream_asks_for_open_orders_first_and_no_old_trades() -> None:
    (message,) = sent(private_subscriptions(SessionToken("SECRET")))
    assert message["method"] == "subscribe"
    assert message["params"] == {
        "channel": "executions",
        "token": "SECRET",
        "snap_orders": True,
        "snap_trades": False,
    }


@pytest.mark.parametrize(("count", "sizes"), [(50, [50]), (51, [50, 1]), (120, [50, 50, 20])])
def test_symbols_are_asked_for_in_portions_of_fifty(count: int, sizes: list[int]) -> None:
    wanted = Subscriptions()
    wanted.add("ticker", [f"S{number}/USD" for number in range(count)])
    assert [len(message["params"]["symbol"]) for message in sent(wanted)] == sizes


def test_each_request_has_a_number_of_its_own() -> None:
    wanted = public_subscriptions([f"S{number}/USD" for number in range(60)], [Timeframe.M1])
    numbers = [message["req_id"] for message in sent(wanted)]
    assert numbers == list(range(1, 6))


def test_without_pairs_no_symbol_is_asked_for() -> None:
    assert all("symbol" not in message["params"] for message in sent(public_subscriptions([], [])))


def test_stream_is_complete_when_every_symbol_of_every_request_was_answered() -> None:
    wanted = public_subscriptions(["BTC/USD", "ETH/USD"], [Timeframe.M1])
    for request in sent(wanted):
        assert not wanted.is_complete
        accept(wanted, request)
    assert wanted.is_complete
    assert wanted.failure() is None


def test_answers_of_one_request_may_come_in_any_order() -> None:
    wanted = Subscriptions()
    wanted.add("ticker", ["A", "B", "C"])
    for symbol in ("C", "A", "B"):
        assert not wanted.is_complete
        wanted.on_reply(reply(req_id=1, success=True, result={"symbol": symbol}))
    assert wanted.is_complete


def test_refused_symbol_is_reported_and_the_rest_goes_on() -> None:
    wanted = Subscriptions()
    wanted.add("ticker", ["A", "B"])
    wanted.on_reply(reply(req_id=1, success=False, symbol="B", error="Currency pair not supported"))
    wanted.on_reply(reply(req_id=1, success=True, result={"symbol": "A"}))
    assert wanted.is_complete
    assert wanted.failure() is None
    assert wanted.refusals == [Refusal("ticker", "B", "Currency pair not supported")]


def test_request_of_which_nothing_was_accepted_makes_the_connection_useless() -> None:
    wanted = private_subscriptions(SessionToken("T"))
    wanted.on_reply(reply(req_id=1, success=False, error="ESession:Invalid session"))
    assert wanted.is_complete
    assert wanted.failure() == "executions refused: ESession:Invalid session"


def test_refusal_without_a_symbol_means_all_symbols_of_its_request() -> None:
    wanted = Subscriptions()
    wanted.add("ticker", ["A", "B"])
    wanted.on_reply(reply(req_id=1, success=False, error="wrong host"))
    assert [refusal.symbol for refusal in wanted.refusals] == ["A", "B"]
    assert wanted.failure() == "ticker refused: wrong host"


def test_answer_without_number_is_matched_by_channel() -> None:
    wanted = public_subscriptions(["BTC/USD"], [])
    for channel in ("ticker", "instrument"):
        assert not wanted.is_complete
        wanted.on_reply(reply(success=True, result={"channel": channel, "symbol": "BTC/USD"}))
    assert wanted.is_complete


def test_symbol_answered_twice_answers_for_no_other() -> None:
    wanted = Subscriptions()
    wanted.add("ticker", ["A", "B"])
    for _ in range(2):
        wanted.on_reply(reply(req_id=1, success=True, result={"symbol": "A"}))
    assert not wanted.is_complete


@pytest.mark.parametrize("fields", [{"req_id": 99}, {"req_id": 1}])
def test_answer_to_nothing_is_ignored(fields: dict[str, Any]) -> None:
    wanted = Subscriptions()
    wanted.add("instrument")
    accept(wanted, sent(wanted)[0])
    wanted.on_reply(reply(success=False, error="late", **fields))
    assert wanted.failure() is None
    assert wanted.refusals == []


def test_what_is_to_come_is_shown_without_the_token() -> None:
    wanted = private_subscriptions(SessionToken("SECRET"))
    assert repr(wanted) == "<Subscriptions 1 requests, 1 replies to come>"
