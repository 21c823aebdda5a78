"""The engine through mixtures of every fault that the simulator knows: its books agree in the end.

In lock step a client has no time-outs for silence, so half-open sockets are tried at a pace.
"""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import pytest

from krakked.sim.fault_kinds import FaultKind

SPAN = ("--from", "2024-01-01", "--to", "2024-01-21")
pytestmark = pytest.mark.timeout(240)

APART = {
    "ws-half-open": "in lock step nothing is silent for too long",
    "throttled-after": "the venue promises that what it throttles was not done",
    "foreign-nonce": "on the trading key it deposes the engine, as it should",
    "clock-offset": "beyond the bound no order is sent, as it should be: less far",
    "oversized-frame": "slow: each is seventeen megabytes",
    "maintenance": "half a minute each: rarer",
}
"""Kinds that are not mixed in at one percent, and why."""
RARER = (
    "  - {kind: maintenance, probability: 0.001}\n"
    "  - {kind: foreign-nonce, probability: 0.01, method: OpenOrders}\n"
    "  - {kind: clock-offset, probability: 0.01, seconds: 0.8}\n"
    "  - {kind: clock-offset, probability: 0.01, seconds: -0.8}\n"
    "  - {kind: oversized-frame, probability: 0.0003}\n"
)
ORDERS = (
    *("delay", "request-lost", "5xx", "busy", "unavailable", "throttled", "error"),
    *("answer-lost", "5xx-after", "busy-after", "unavailable-after", "error-after"),
    *("engine-rate-limit", "pair-status", "answer-delay", "late-visibility"),
)
FILLS = ("thin-book", "partial-fill", "fill-race")
FRAMES = ("ws-drop", "ws-stall", "sequence-gap", "duplicate", "reorder", "malformed-frame")


def one_percent_each() -> str:
    kinds = [kind.value for kind in FaultKind if kind.value not in APART]
    return "".join(f"  - {{kind: {kind}, probability: 0.01}}\n" for kind in kinds) + RARER


def harder_on_orders() -> str:
    rows = [f"  - {{kind: {kind}, method: AddOrder, probability: 0.04}}\n" for kind in ORDERS]
    rows += [f"  - {{kind: {kind}, probability: 0.3}}\n" for kind in FILLS]
    rows += [f"  - {{kind: {kind}, channel: executions, probability: 0.05}}\n" for kind in FRAMES]
    return "".join(rows)


def replay(krakked: Any, candles: Path, mixture: str, seed: int) -> list[str]:
    path = krakked.folder / "mixture.yaml"
    path.write_text(f"seed: {seed}\nfaults:\n{mixture}")
    flags = ("--env", "dev", "--candles", str(candles), "--speed", "max", *SPAN)
    done = krakked.run("run", *flags, "--faults", str(path))
    assert done.returncode == 0, f"seed {seed}: " + done.stdout[-3000:] + done.stderr[-2000:]
    return list(done.stdout.splitlines())


def number(lines: list[str], name: str) -> int:
    line = next(line for line in reversed(lines) if line.startswith("bars "))
    return int(re.findall(rf"{name} (\d+)", line)[0])


def test_replay_through_one_percent_of_everything_ends_with_books_that_agree(
    krakked: Any, invented: Path
) -> None:
    lines = replay(krakked, invented, one_percent_each(), seed=11)
    assert lines[-1] == "books: zero differences"
    assert number(lines, "fills") > 20
    assert number(lines, "bars") > 900


@pytest.mark.long
def test_replay_through_a_mixture_is_the_same_twice(krakked: Any, invented: Path) -> None:
    runs = [replay(krakked, invented, harder_on_orders(), seed=5) for _ in range(2)]
    digests = [[line for line in lines if line.startswith("digest ")] for lines in runs]
    assert digests[0] == digests[1]
    assert runs[0][-1] == "books: zero differences"


@pytest.mark.parametrize("seed", range(21, 27))
@pytest.mark.long
def test_replay_that_is_hard_on_orders_ends_with_books_that_agree(
    krakked: Any, invented: Path, seed: int
) -> None:
    lines = replay(krakked, invented, harder_on_orders(), seed)
    assert lines[-1] == "books: zero differences"
    assert number(lines, "fills") > 20


@pytest.mark.long
def test_engine_notices_half_open_sockets_and_trades_on(krakked: Any) -> None:
    path = krakked.folder / "mixture.yaml"
    path.write_text(
        "faults:\n  - {kind: ws-half-open, channel: ticker, count: 2, skip: 200}\n"
        "  - {kind: ws-half-open, channel: executions, skip: 3}\n"
        "  - {kind: clock-offset, seconds: 0.5, probability: 0.01}\n"
    )
    venue = krakked.simulator("--speed", "60", "--from", "2026-01-01", "--faults", str(path))
    engine = venue.trade(bar="1m")
    engine.wait_for("nothing was received for too long")
    engine.wait_for("connection_restored")
    engine.wait_for("fill_booked")
    assert engine.end(signal.SIGINT) == 0, engine.story()
    assert engine.lines[-1] == "books: zero differences"
    assert venue.process.end(signal.SIGINT) == 0
