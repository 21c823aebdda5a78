"""Frames that the documentation prints or somebody recorded, beside those of the simulator's
sessions: acknowledgements to the last key, data with the same keys and kinds, in the same order.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from krakked.sim.exchange.ws_orders import METHODS as TRADING
from krakked.sim.fidelity import Kind, Level, level_of
from krakked.sim.public.requests import PRIVATE_CHANNELS, PUBLIC_CHANNELS

PAGES = {
    "ticker": "websocket_v2_Ticker_Level_1_",
    "ohlc": "websocket_v2_Candles_OHLC_",
    "trade": "websocket_v2_Trades",
    "book": "websocket_v2_Book_Level_2_",
    "instrument": "websocket_v2_Instruments",
    "executions": "websocket_v2_Executions",
    "balances": "websocket_v2_Balances",
}
OURS = {"ALGO/USD": "ADA/USD", "MATIC/USD": "SOL/USD"}
"""Pairs of the examples, and ours in their place."""
LATER = {
    "ticker": {"trades", "timestamp"},
    "ohlc": set(),
    "trade": set(),
    "book": {"timestamp"},
    "instrument": set(),
    "executions": {"cl_ord_id", "post_only", "reason", "cancel_reason", "amended", "expire_time"},
    "balances": {"subtype"},
}
"""Keys that frames have since the examples were printed, or that depend on the order."""


def messages(library: Any, channel: str) -> list[Any]:
    text = library.text(f"kraken-docs-examples/{PAGES[channel]}.jsonl")
    for theirs, ours in OURS.items():
        text = text.replace(theirs, ours)
    return [json.loads(line) for line in text.splitlines()]


def requests_of(library: Any, channel: str) -> list[tuple[Any, list[Any]]]:
    """Each documented request with the acknowledgements printed after it."""
    found: list[tuple[Any, list[Any]]] = []
    for message in messages(library, channel):
        if "method" in message and "success" not in message:
            found.append((message, []))
        elif "method" in message:
            found[-1][1].append(message)
    return found


@pytest.mark.parametrize("channel", sorted(PAGES))
def test_documented_requests_are_acknowledged_as_documented(
    library: Any, life: Any, channel: str
) -> None:
    session = life.connect()
    for request, printed in requests_of(library, channel):
        if "token" in request["params"]:
            request["params"]["token"] = life.token()
        answers = [each for each in life.ask(session, request) if "method" in each]
        assert len(answers) == len(printed)
        for answer, wanted in zip(answers, printed, strict=True):
            assert set(answer) == set(wanted)
            result = {**answer["result"]}
            # the tier of an example's account is its own; a trigger is echoed since 2024
            wanted["result"].setdefault("event_trigger", result.get("event_trigger"))
            ignored = {"maxratecount", *({"event_trigger"} if channel != "ticker" else ())}
            trimmed = {k: v for k, v in wanted["result"].items() if k not in ignored}
            assert {k: v for k, v in result.items() if k not in ignored} == trimmed


@pytest.mark.parametrize("channel", sorted(PAGES))
def test_documented_data_has_no_key_or_kind_that_ours_lack(
    library: Any, life: Any, shapes: Any, channel: str
) -> None:
    ours = frames_of(life, channel)
    had = shapes.of(ours)
    differences = []
    for line in library.lines(PAGES[channel]):
        if line.get("channel") != channel:
            continue
        for place, kinds in shapes.of([line]).items():
            number = {"whole number", "number with a point"}
            seen = had.get(place, set())
            if not seen or (kinds - seen and not (kinds <= number and seen & number)):
                differences.append((place, kinds, seen))
    assert differences == []


@pytest.mark.parametrize("channel", sorted(PAGES))
def test_data_has_no_key_that_no_example_has(
    library: Any, life: Any, shapes: Any, channel: str
) -> None:
    printed = [line for line in library.lines(PAGES[channel]) if line.get("channel") == channel]
    ours = set(shapes.of(frames_of(life, channel)))
    known = set(shapes.of(printed))
    odd = {place for place in ours - known if place.rpartition(".")[2] not in LATER[channel]}
    assert odd == set()


def frames_of(life: Any, channel: str) -> list[Any]:
    """A snapshot of that channel and what follows it."""
    session = life.connect()
    params: dict[str, Any] = {"channel": channel}
    if channel in PRIVATE_CHANNELS:
        params["token"] = life.token()
        params |= {"snap_trades": True} if channel == "executions" else {}
    elif channel != "instrument":
        params |= {"symbol": ["BTC/USD", "SOL/USD"]}
        params |= {"snapshot": True}
    answers = life.ask(session, {"method": "subscribe", "params": params})
    life.order("buy", "0.01")
    life.post("CancelOrder", {"txid": life.order("buy", "0.01", "50000")})
    life.pass_time(30)
    frames = [frame for frame in [*answers, *life.frames[session]] if "channel" in frame]
    return [frame for frame in frames if frame["channel"] == channel]


def test_every_channel_and_request_is_in_the_table_as_it_is() -> None:
    for channel in (*PUBLIC_CHANNELS, *PRIVATE_CHANNELS):
        assert level_of(Kind.CHANNEL, channel) not in (None, Level.MISSING), channel
    for method in TRADING:
        assert level_of(Kind.REQUEST, method) not in (None, Level.MISSING), method


def test_a_channel_that_is_missing_is_refused(life: Any) -> None:
    request = {"method": "subscribe", "params": {"channel": "level3", "symbol": ["BTC/USD"]}}
    (answer,) = life.ask(life.connect(), request)
    assert answer["success"] is False


def test_the_greeting_has_every_documented_key(library: Any, life: Any) -> None:
    (printed,) = library.lines("websocket_v2_Status")
    (greeting,) = life.frames[life.connect()]
    assert set(printed) == set(greeting)
    assert set(printed["data"][0]) <= set(greeting["data"][0])
    assert greeting["data"][0]["connection_id"] > 2**63


def test_the_documented_ping_gets_the_documented_pong(library: Any, life: Any) -> None:
    ping, pong = library.lines("websocket_v2_Ping")
    (answer,) = life.ask(life.connect(), ping)
    assert set(answer) == set(pong)
    assert (answer["method"], answer["req_id"]) == (pong["method"], pong["req_id"])


def test_a_recorded_live_book_has_the_keys_and_kinds_of_ours(
    library: Any, life: Any, shapes: Any
) -> None:
    recorded = library.answer("python-kraken-sdk/share/orderbook-v2.first100.json")
    frames = [recorded["init"], *next(each for each in recorded.values() if isinstance(each, list))]
    assert len(frames) == 101
    theirs = {place for frame in frames for place in shapes.of(frame)}
    ours = {place for frame in frames_of(life, "book") for place in shapes.of(frame)}
    assert theirs - ours == set()


def test_a_fill_of_an_order_is_told_in_the_documented_order(library: Any, life: Any) -> None:
    printed = [
        row["exec_type"]
        for line in library.lines(PAGES["executions"])
        if line.get("channel") == "executions"
        for row in line["data"]
    ]
    session = life.connect()
    params = {"channel": "executions", "token": life.token()}
    life.ask(session, {"method": "subscribe", "params": params})
    life.order("buy", "0.005", "65000")
    told = [row["exec_type"] for f in life.frames[session][1:] for row in f["data"]]
    assert told == [*printed, "filled"]


ORDER = {"order_type": "limit", "side": "buy", "order_qty": 0.01, "limit_price": 50000}
TRADING_PAGES = {
    "add_order": ("Add_Order", lambda _: {"symbol": "BTC/USD", "order_userref": 5, **ORDER}),
    "amend_order": (
        "Amend_Order",
        lambda life: {"cl_ord_id": resting(life, "amended"), "order_qty": 0.02},
    ),
    "edit_order": (
        "Edit_Order",
        lambda life: {
            "order_id": life.order("buy", "0.01", "50000"),
            "symbol": "BTC/USD",
            "order_qty": 0.02,
        },
    ),
    "cancel_order": (
        "Cancel_Order",
        lambda life: {"order_id": [life.order("buy", "0.01", "50000") for _ in range(2)]},
    ),
    "cancel_all": ("Cancel_All", lambda _: {}),
    "cancel_all_orders_after": ("Cancel_on_Disconnect", lambda _: {"timeout": 100}),
    "batch_add": (
        "Batch_Add",
        lambda _: {"symbol": "BTC/USD", "orders": [{**ORDER, "order_userref": n} for n in (1, 2)]},
    ),
}
"""Pages of trading requests, and one of ours of that kind."""


def resting(life: Any, name: str) -> str:
    life.order("buy", "0.01", "50000", cl_ord_id=name)
    return name


@pytest.mark.parametrize("method", sorted(TRADING_PAGES))
def test_trading_is_acknowledged_with_the_documented_keys(
    library: Any, life: Any, shapes: Any, method: str
) -> None:
    page, params = TRADING_PAGES[method]
    printed = [line for line in library.lines(f"websocket_v2_{page}") if "success" in line]
    request = {"method": method, "params": params(life) | {"token": life.token()}, "req_id": 9}
    answers = life.ask(life.connect(), request)
    assert len(answers) == len(printed)
    for ours, theirs in zip(answers, printed, strict=True):
        had, wanted = shapes.of(ours), shapes.of(theirs)
        extra = {".req_id", ".result.order_id"} if method == "amend_order" else set()
        assert set(wanted) <= set(had)
        assert set(had) - set(wanted) <= extra
        assert all(had[place] == kinds for place, kinds in wanted.items())


@pytest.mark.parametrize(
    ("answer", "place"), [("documented", ".result.count"), ("live", ".orders_cancelled")]
)
def test_a_batch_of_cancels_is_acknowledged_in_either_recorded_way(
    make_scene: Any, shapes: Any, answer: str, place: str
) -> None:
    scene = make_scene(batch_cancel_answer=answer)
    scene.live()
    orders = [scene.order("buy", "0.01", "50000") for _ in range(2)]
    params = {"orders": orders, "token": scene.token()}
    (ours,) = scene.ask(scene.connect(), {"method": "batch_cancel", "params": params})
    assert place in shapes.of(ours)
