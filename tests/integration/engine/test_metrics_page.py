"""The page of ``/metrics`` of an engine that trades: every family that is declared tells something.

What tells nothing on a quiet day stands in a list here, with what would make it speak; a family
that nothing feeds can be in neither.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from krakked.runtime.metrics import Metrics

pytestmark = pytest.mark.timeout(240)

SILENT_ON_A_QUIET_DAY = {
    "krakked_orders_rejected": "an order that the venue refuses",
    "krakked_order_errors": "a venue that is away for a moment",
    "krakked_risk_blocks": "a wish that risk refuses",
    "krakked_commands": "a person",
    "krakked_engine_degraded": "trouble",
    "krakked_ws_reconnects": "a connection that was lost",
    "krakked_exchange_errors": "a call that fails",
    "krakked_exchange_malformed_parts": "an answer that is not understood",
    "krakked_exchange_subscriptions_refused": "a pair that the venue does not stream",
    "krakked_sqlite_errors": "a disk that is full",
    "krakked_leader_renew_failures": "a lease that does not answer",
    "krakked_submit_guard_rejections": "an order that must not go out any more",
}
MEASURED = (
    "krakked_order_submit_duration_seconds",
    "krakked_intent_to_submit_seconds",
    "krakked_plan_duration_seconds",
    "krakked_reconcile_duration_seconds",
    "krakked_sqlite_write_duration_seconds",
    "krakked_leader_renew_duration_seconds",
    "krakked_exchange_request_duration_seconds",
)
QUICK = {
    "lease_duration_seconds": 8,
    "renew_deadline_seconds": 3,
    "retry_period_seconds": 1,
    "request_timeout_seconds": 1,
    "margin_seconds": 0.5,
}
LEADING = {"krakked_engine_state{'state': 'leading'}": 1}
FROZEN = {"krakked_engine_state{'state': 'frozen'}": 1}
TRIES = 200
PAUSE_S = 0.25


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def _samples(port: int) -> dict[str, dict[str, float]]:
    """By family: its samples, by name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    return {
        family.name: {f"{s.name}{s.labels}": s.value for s in family.samples}
        for family in text_string_to_metric_families(page)
    }


def _counted(page: dict[str, dict[str, float]], family: str) -> float:
    return sum(value for name, value in page[family].items() if name.startswith(f"{family}_count"))


def _silent(page: dict[str, dict[str, float]]) -> set[str]:
    return {family for family, samples in page.items() if not samples} | {
        family for family in MEASURED if not _counted(page, family)
    }


def _phases(page: dict[str, dict[str, float]]) -> list[tuple[str, str]]:
    """What was left for what, in the order in which it first happened."""
    family = page["krakked_leader_transitions"]
    moves = [re.findall(r"'(?:from|to)': '([^']+)'", name) for name in family]
    return [(before, after) for before, after in moves]


def _until(port: int, holds: Callable[[dict[str, dict[str, float]]], bool]) -> None:
    for _ in range(TRIES):
        page = _samples(port)
        if holds(page):
            return
        time.sleep(PAUSE_S)
    raise AssertionError({name: page[name] for name in page if "leader" in name or "guard" in name})


def test_every_family_that_is_declared_tells_something_of_a_run_that_trades(krakked: Any) -> None:
    port = _free_port()
    engine = krakked.start(
        *("run", "--env", "dev", "--speed", "600"), KRAKKED_HEALTH__PORT=str(port)
    )
    engine.wait_for("fill_booked")
    for _ in range(TRIES):
        page = _samples(port)
        if _silent(page) <= set(SILENT_ON_A_QUIET_DAY):
            break
        time.sleep(PAUSE_S)
    assert _silent(page) <= set(SILENT_ON_A_QUIET_DAY)
    declared = {
        f"{family.name}_info" if family.type == "info" else family.name
        for family in Metrics(environment="dev").registry.collect()
    }
    assert declared == set(page)
    assert set(SILENT_ON_A_QUIET_DAY) <= declared
    assert page["krakked_sqlite_wal_bytes"]["krakked_sqlite_wal_bytes{}"] > 0
    offset_s = page["krakked_exchange_clock_offset_seconds"][
        "krakked_exchange_clock_offset_seconds{}"
    ]
    assert _phases(page) == [
        ("starting", "candidate"),
        ("candidate", "acquired"),
        ("acquired", "fencing"),
        ("fencing", "reconciling"),
        ("reconciling", "leading"),
    ]
    assert page["krakked_engine_state"] == {"krakked_engine_state{'state': 'leading'}": 1}
    assert page["krakked_leader_is_leader"] == {"krakked_leader_is_leader{}": 1}
    assert page["krakked_leader_epoch"] == {"krakked_leader_epoch{}": 1}
    assert offset_s == 0  # the simulator's clock is the engine's


@pytest.fixture
def api() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A process that stands for the API server, with the lease of an account nobody ever owned."""
    process = subprocess.Popen(
        [sys.executable, "-m", "krakked.simulator.coordination", "--lease", "trading/engine"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    word = {"namespace": "trading", "name": "engine", "annotations": {"krakked.io/released": "0"}}
    with urllib.request.urlopen(f"{told['admin']}/change", json.dumps(word).encode()) as answer:  # noqa: S310 - our own
        assert answer.status == 200
    yield told["api"], process
    process.kill()
    process.wait(timeout=10)
    process.stdout.close()


def test_lease_that_cannot_be_renewed_shows_as_failures_a_frozen_phase_and_orders_held_back(
    krakked: Any, api: tuple[str, subprocess.Popen[str]]
) -> None:
    url, server = api
    port = _free_port()
    token = krakked.folder / "token"
    token.write_text("t")
    lease: dict[str, object] = {"store": "kubernetes", "api_url": url, "namespace": "trading"}
    lease |= {"lease_name": "engine", "token_file": token, **QUICK}
    settings = [part for k, v in lease.items() for part in ("--set", f"leader.{k}={v}")]
    engine = krakked.start(
        *("run", "--env", "dev", "--speed", "600", *settings), KRAKKED_HEALTH__PORT=str(port)
    )
    engine.wait_for("fill_booked")
    _until(port, lambda page: page["krakked_engine_state"] == LEADING)
    server.kill()
    held_back = "krakked_submit_guard_rejections_total{'reason': 'lease_expired'}"
    failed = "krakked_leader_renew_failures_total{'reason': 'unreachable'}"
    _until(
        port,
        lambda page: (
            page["krakked_engine_state"] == FROZEN
            and page["krakked_leader_is_leader"] == {"krakked_leader_is_leader{}": 0}
            and page["krakked_leader_renew_failures"].get(failed, 0) > 1
        ),
    )
    krakked.run("orders", "flatten", "--yes")
    _until(port, lambda page: page["krakked_submit_guard_rejections"].get(held_back, 0) > 0)
    assert ("leading", "frozen") in _phases(_samples(port))
    engine.kill()
