"""Probes: what they look at, what they do not, and that a busy engine cannot hold them up."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from krakked.domain.errors import BadInput
from krakked.runtime.health import HealthServer, HealthState

SECOND_NS = 1_000_000_000


class Times:
    """A wall clock and a stopwatch that a test moves."""

    def __init__(self) -> None:
        self.wall_s = 1_767_225_600.0
        self.elapsed_s = 100.0

    def pass_s(self, seconds: float) -> None:
        self.wall_s += seconds
        self.elapsed_s += seconds


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def state(times: Times) -> HealthState:
    return HealthState(
        wall_ns=lambda: int(times.wall_s * SECOND_NS), elapsed_s=lambda: times.elapsed_s
    )


def serving(state: HealthState, host: str = "127.0.0.1", port: int = 0) -> HealthServer:
    return HealthServer(state, host=host, port=port, metrics=lambda: b"krakked_up 1\n")


@pytest.fixture
def server(state: HealthState) -> Iterator[HealthServer]:
    running = serving(state)
    running.start()
    yield running
    running.stop()


def ask(server: HealthServer, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(server.url + path, timeout=5) as answer:  # noqa: S310 - our own server
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_engine_that_starts_is_live_and_neither_started_nor_ready(server: HealthServer) -> None:
    assert ask(server, "/livez")[0] == 200
    assert ask(server, "/startupz") == (
        503,
        {
            "ok": False,
            "problems": ["starting"],
            "degraded": [],
            "heartbeat_age_seconds": 0.0,
        },
    )
    assert ask(server, "/readyz")[0] == 503


def test_engine_that_trades_answers_well_on_all(server: HealthServer, state: HealthState) -> None:
    state.mark_started()
    state.mark_ready()
    assert [ask(server, path)[0] for path in ("/livez", "/startupz", "/readyz")] == [200] * 3


def test_trouble_with_the_venue_is_told_with_200(server: HealthServer, state: HealthState) -> None:
    state.mark_ready()
    state.set_degraded(["exchange", "bus"])
    status, body = ask(server, "/readyz")
    assert (status, body["ok"], body["degraded"]) == (200, True, ["exchange", "bus"])
    state.set_degraded([])
    assert ask(server, "/readyz")[1]["degraded"] == []


def test_engine_that_is_fenced_is_alive_and_not_ready(
    server: HealthServer, state: HealthState
) -> None:
    state.mark_ready()
    state.mark_not_ready("fenced")
    status, body = ask(server, "/readyz")
    assert (status, body["problems"]) == (503, ["fenced"])
    assert ask(server, "/livez")[0] == 200


def test_loop_that_stands_still_is_not_live_after_fifteen_seconds(
    state: HealthState, times: Times
) -> None:
    times.pass_s(14.9)
    assert state.live() == []
    times.pass_s(0.1)
    assert state.live() == ["the loop has not turned for 15 s"]
    state.beat()
    assert state.live() == []


@pytest.mark.parametrize(
    ("jump_s", "is_live"), [(59, True), (-59, True), (61, False), (-61, False)]
)
def test_wall_clock_that_jumps_is_noticed(
    state: HealthState, times: Times, jump_s: float, is_live: bool
) -> None:
    times.pass_s(5)
    times.wall_s += jump_s
    assert (state.live() == []) is is_live


def test_registered_check_makes_the_process_dead(times: Times) -> None:
    trouble: list[str] = []
    state = HealthState(
        wall_ns=lambda: int(times.wall_s * SECOND_NS),
        elapsed_s=lambda: times.elapsed_s,
    )
    state.add_check(lambda: trouble[0] if trouble else None)
    state.add_check(lambda: None)
    assert state.live() == []
    trouble.append("the writer's thread is gone")
    assert state.live() == ["the writer's thread is gone"]
    assert repr(state) == "<HealthState live: False, ready: False>"


def test_metrics_page_is_served_as_text(server: HealthServer) -> None:
    with urllib.request.urlopen(server.url + "/metrics", timeout=5) as answer:  # noqa: S310 - our own server
        assert answer.read() == b"krakked_up 1\n"
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")


def test_unknown_path_is_not_found(server: HealthServer) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        urllib.request.urlopen(server.url + "/", timeout=5)  # noqa: S310 - our own server
    caught.value.close()


def test_probes_answer_while_the_thread_of_the_engine_is_busy(server: HealthServer) -> None:
    """The engine's thread waits here; only a thread of its own can answer."""
    answers: list[int] = []
    prober = threading.Thread(target=lambda: answers.append(ask(server, "/livez")[0]))
    prober.start()
    prober.join(5)
    assert answers == [200]


def test_port_that_is_taken_is_refused_in_one_line(state: HealthState) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            BadInput, match=rf"health\.port {port} on 127\.0\.0\.1: address already in use; "
        ) as caught:
            serving(state, port=port).start()
    assert caught.value.exit_code == 74
    assert "set health.port (0 takes any free one)" in str(caught.value)


def test_address_that_is_not_ours_is_refused(state: HealthState) -> None:
    with pytest.raises(BadInput, match=r"on 203\.0\.113\.1: "):
        serving(state, host="203.0.113.1").start()


def test_free_port_is_taken_and_told(server: HealthServer) -> None:
    assert not server.url.endswith(":0")
    assert repr(server) == f"<HealthServer {server.url}>"


def test_stopped_server_gives_its_port_and_thread_back(state: HealthState) -> None:
    server = serving(state)
    server.start()
    port = int(server.url.rpartition(":")[2])
    server.stop()
    server.stop()
    assert "health" not in {thread.name for thread in threading.enumerate()}
    socket.create_server(("127.0.0.1", port)).close()
