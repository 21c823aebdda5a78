"""Nothing that a client may send breaks the venue: every text and every query has an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from krakked.sim.public import requests, rest
from krakked.sim.public.sessions import Role

quick = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "BTC/USD", "XBT/USD", "trades", "buy", "limit", "GTC", "0", "-1", "ÿ"]),
    st.text(max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)
CHANNELS = ["ticker", "ohlc", "trade", "book", "instrument", "executions", "balances", "nope"]
SUBSCRIPTIONS = st.fixed_dictionaries(
    {"channel": st.sampled_from(CHANNELS)},
    optional={
        "symbol": VALUES | st.lists(st.sampled_from(["BTC/USD", "DOGE/USD", "X"]), max_size=3),
        "interval": VALUES | st.sampled_from([1, 60, 1440]),
        "depth": VALUES | st.sampled_from([10, 25, 10.0]),
        "event_trigger": VALUES,
        "snapshot": VALUES | st.booleans(),
        "snap_orders": VALUES | st.booleans(),
        "snap_trades": VALUES | st.booleans(),
        "token": VALUES,
    },
)
REQUESTS = st.fixed_dictionaries(
    {"method": st.sampled_from(["subscribe", "unsubscribe", "ping", "dance"]) | VALUES},
    optional={"params": SUBSCRIPTIONS | VALUES, "req_id": st.integers(0, 99) | VALUES},
)


def answers(bench: Any, session: Any, text: str | bytes) -> list[Any]:
    frames = requests.receive(bench.hub, session, text, bench.now_ns)
    bench.exchange.drain()
    return [json.loads(frame) for frame in frames]


@pytest.mark.parametrize("role", list(Role))
def test_every_request_is_answered_by_frames_that_say_how_it_went(bench: Any, role: Role) -> None:
    session, _ = bench.hub.open(role, bench.now_ns)

    @quick
    @given(REQUESTS)
    def any_request(request: dict[str, Any]) -> None:
        found = answers(bench, session, json.dumps(request))
        assert found
        for frame in found:
            assert {"success", "channel"} & set(frame) or frame["method"] == "pong"
            if frame.get("success") is False:
                assert frame["error"]

    any_request()


def test_every_text_is_answered(bench: Any) -> None:
    session, _ = bench.hub.open(Role.BOTH, bench.now_ns)

    @quick
    @given(st.text(max_size=60) | st.binary(max_size=60))
    def any_text(text: str | bytes) -> None:
        (answer,) = answers(bench, session, text)
        assert answer["success"] is False

    any_text()


ORDERS = st.fixed_dictionaries(
    {
        "order_type": st.sampled_from(["limit", "market"]),
        "side": st.sampled_from(["buy", "sell"]),
        "order_qty": st.sampled_from([0.01, 0.05]),
        "symbol": st.just("BTC/USD"),
        "limit_price": st.sampled_from([60000.0, 50000, 70000.5]),
    },
    optional={
        "time_in_force": st.sampled_from(["gtc", "ioc"]),
        "post_only": st.booleans(),
        "timeout": st.integers(0, 90),
    },
) | st.fixed_dictionaries(
    {},
    optional={
        "order_type": st.sampled_from(["limit", "market", "stop-loss"]) | VALUES,
        "side": st.sampled_from(["buy", "sell"]) | VALUES,
        "order_qty": st.sampled_from([0.01, 1, 0]) | VALUES,
        "symbol": st.sampled_from(["BTC/USD", "XBT/USD"]) | VALUES,
        "limit_price": st.sampled_from([60000.0, 60000.01, 0.1]) | VALUES,
        "time_in_force": st.sampled_from(["gtc", "ioc"]) | VALUES,
        "cl_ord_id": VALUES,
        "order_userref": VALUES,
        "order_id": VALUES,
        "deadline": VALUES,
        "timeout": VALUES,
        "validate": st.booleans() | VALUES,
        "post_only": st.booleans() | VALUES,
    },
)


@pytest.mark.parametrize(
    "method",
    ["add_order", "amend_order", "cancel_order", "cancel_all", "cancel_all_orders_after"],
)
def test_every_trading_request_is_answered_and_the_account_stays_sound(
    bench: Any, method: str
) -> None:
    session, _ = bench.hub.open(Role.BOTH, bench.now_ns)
    token = bench.token()
    done: list[bool] = []

    @quick
    @given(ORDERS)
    def any_order(params: dict[str, Any]) -> None:
        request = {"method": method, "params": params | {"token": token}, "req_id": 4}
        for frame in answers(bench, session, json.dumps(request)):
            assert frame["req_id"] == 4
            assert frame["success"] is True or frame["error"]
            done.append(frame["success"])
        assert all(amount >= 0 for amount in bench.exchange.balances("alice").values())

    any_order()
    assert any(done) or method in ("amend_order", "cancel_order")


QUERIES = st.dictionaries(
    st.sampled_from(["pair", "interval", "since", "count", "asset", "info", "aclass"]),
    st.text(max_size=12)
    | st.sampled_from(["XBTUSD", "BTC/USD", "1", "60", "0", "-1", "1e99", "9" * 40, "nan", "1.5"]),
)


@pytest.mark.parametrize("method", sorted(rest.METHODS))
def test_every_public_query_is_an_envelope(bench: Any, method: str) -> None:
    @quick
    @given(QUERIES)
    def any_query(query: dict[str, str]) -> None:
        body = rest.answer(bench.data, f"/0/public/{method}", query, bench.now_ns)
        envelope = json.loads(body)
        assert ("result" in envelope) is (envelope["error"] == [])

    any_query()


BOOKS = st.lists(
    st.tuples(
        st.dictionaries(st.integers(1, 40), st.integers(0, 9), max_size=12),
        st.dictionaries(st.integers(41, 80), st.integers(0, 9), max_size=12),
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("depth", [10, 25])
def test_a_mirror_of_any_books_agrees_with_the_exchange_after_each(bench: Any, depth: int) -> None:
    @quick
    @given(BOOKS)
    def any_books(books: list[tuple[dict[int, int], dict[int, int]]]) -> None:
        client = bench.connect()
        _, snapshot = client.subscribe("book", symbol=["BTC/USD"], depth=depth)
        client.take()
        mirror: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}
        apply(mirror, snapshot, depth)
        for bids, asks in books:
            bench.house(
                {str(price): str(size) for price, size in sorted(bids.items(), reverse=True)},
                {str(price): str(size) for price, size in sorted(asks.items())},
            )
            for frame in client.take("book"):
                apply(mirror, frame, depth)
            wanted = bench.exchange.depth("XBTUSD", depth)
            for name, levels in zip(("bids", "asks"), wanted, strict=True):
                found = [(float(price), float(size)) for price, size in mirror[name].items()]
                assert found == [(float(one.price), float(one.quantity_base)) for one in levels]
        bench.hub.close(client.session)

    any_books()


def apply(mirror: dict[str, dict[str, str]], frame: Any, depth: int) -> None:
    """As the venue tells clients to: in order, zero removes, cut to the depth afterwards."""
    (row,) = frame["data"]
    for name in ("bids", "asks"):
        side = {} if frame["type"] == "snapshot" else mirror[name]
        for level in row[name]:
            side[level["price"]] = level["qty"]
        kept = [item for item in side.items() if float(item[1])]
        kept.sort(key=lambda item: float(item[0]), reverse=name == "bids")
        mirror[name] = dict(kept[:depth])
