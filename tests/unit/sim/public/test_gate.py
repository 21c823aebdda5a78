"""Limits of addresses and connections: what they admit, and when they do again."""

from __future__ import annotations

from typing import Any

from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.limits import Counter
from krakked.sim.public.gate import OPEN, PLACES_MAX, VENUE, Gate, GateLimits
from krakked.sim.public.sessions import Role

S = NS_PER_SECOND


def test_an_open_gate_admits_everything() -> None:
    gate = Gate(OPEN)
    assert all(gate.admits_request("a", "XBTUSD", 0) for _ in range(1_000))
    assert all(gate.admits_connection("a", 0) for _ in range(1_000))
    assert all(gate.admits_message(Counter(), 0) for _ in range(1_000))


def test_public_requests_come_back_one_a_second_for_each_address_and_pair() -> None:
    gate = Gate(GateLimits(public_burst=2))
    assert [gate.admits_request("a", "XBTUSD", 0) for _ in range(3)] == [True, True, False]
    assert gate.admits_request("a", "ETHUSD", 0)
    assert gate.admits_request("b", "XBTUSD", 0)
    assert not gate.admits_request("a", "XBTUSD", S)
    assert gate.admits_request("a", "XBTUSD", 3 * S)


def test_a_refused_public_request_prolongs_the_refusal_by_one_at_most() -> None:
    gate = Gate(GateLimits(public_burst=1))
    for _ in range(100):
        gate.admits_request("a", "XBTUSD", 0)
    assert not gate.admits_request("a", "XBTUSD", S)
    assert gate.admits_request("a", "XBTUSD", 4 * S)


def test_whoever_was_quiet_longest_is_forgotten_first() -> None:
    gate = Gate(GateLimits(public_burst=1))
    gate.admits_request("first", "", 0)
    for number in range(PLACES_MAX):
        gate.admits_request(f"a{number}", "", 0)
    assert gate.admits_request("first", "", 0)
    assert not gate.admits_request(f"a{PLACES_MAX - 1}", "", 0)


def test_one_connection_too_many_bans_the_address_for_ten_minutes() -> None:
    gate = Gate(VENUE)
    for number in range(150):
        assert gate.admits_connection("a", number * S)
    assert not gate.admits_connection("a", 200 * S)
    assert gate.admits_connection("b", 200 * S)
    assert not gate.admits_connection("a", 799 * S)
    assert gate.admits_connection("a", 800 * S)


def test_connections_of_more_than_ten_minutes_ago_do_not_count() -> None:
    gate = Gate(GateLimits(connections=2))
    assert gate.admits_connection("a", 0)
    assert gate.admits_connection("a", 300 * S)
    assert gate.admits_connection("a", 600 * S)
    assert not gate.admits_connection("a", 899 * S)


def limited(make_bench: Any, **limits: int) -> Any:
    bench = make_bench()
    bench.hub.gate = Gate(GateLimits(**limits))
    return bench


def test_texts_above_the_rate_are_answered_unlike_anything_else(make_bench: Any) -> None:
    bench = limited(make_bench, messages_burst=3, messages_per_s=1)
    client = bench.connect()
    answers = [client.ask({"method": "ping"})[0] for _ in range(4)]
    assert [one.get("method") for one in answers] == ["pong", "pong", "pong", None]
    assert answers[-1] == {"Error": "Exceeded msg rate"}
    assert bench.connect().ask({"method": "ping"})[0]["method"] == "pong"
    bench.pass_time(2)
    assert client.ask({"method": "ping"})[0]["method"] == "pong"


def test_a_silent_connection_without_a_subscription_is_idle_after_a_minute(make_bench: Any) -> None:
    bench = limited(make_bench, idle_s=60)
    silent, talking, subscribed = bench.connect(), bench.connect(), bench.connect()
    subscribed.subscribe("ticker", symbol=["BTC/USD"])
    bench.pass_time(59)
    assert bench.hub.idle(bench.now_ns) == []
    talking.ask({"method": "ping"})
    bench.pass_time(1)
    assert bench.hub.idle(bench.now_ns) == [silent.session]


def test_a_private_connection_lives_by_a_private_subscription_alone(make_bench: Any) -> None:
    bench = limited(make_bench, idle_s=60)
    pinging, following = bench.connect(Role.PRIVATE), bench.connect(Role.PRIVATE)
    token = bench.token()
    following.subscribe("balances", token=token)
    bench.pass_time(60)
    pinging.ask({"method": "ping"})
    assert bench.hub.idle(bench.now_ns) == [pinging.session]
    following.unsubscribe("balances", token=token)
    bench.pass_time(59)
    assert following.session not in bench.hub.idle(bench.now_ns)
    bench.pass_time(2)
    assert following.session in bench.hub.idle(bench.now_ns)


def test_nobody_is_idle_where_the_gate_is_open(make_bench: Any) -> None:
    bench = make_bench()
    bench.connect(Role.PRIVATE)
    bench.pass_time(3_600)
    assert bench.hub.idle(bench.now_ns) == []
