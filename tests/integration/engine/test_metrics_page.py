"""The page of ``/metrics`` of an engine that trades: every family that is declared tells something.

What tells nothing on a quiet day stands in a list here, with what would make it speak; a family
that nothing feeds can be in neither.
"""

from __future__ import annotations

import socket
import time
import urllib.request
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
}
MEASURED = (
    "krakked_order_submit_duration_seconds",
    "krakked_intent_to_submit_seconds",
    "krakked_plan_duration_seconds",
    "krakked_reconcile_duration_seconds",
    "krakked_sqlite_write_duration_seconds",
    "krakked_exchange_request_duration_seconds",
)
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
    assert offset_s == 0  # the simulator's clock is the engine's
