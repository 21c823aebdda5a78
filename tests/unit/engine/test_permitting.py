"""The last question before the wire: the lease's word on a change, the engine's on its proof."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

from krakked.adapters.kraken.transport import Call
from krakked.engine.running import Run

REFRESH = Call(method="CancelAllOrdersAfter")
OTHERS = ("AddOrder", "CancelOrder", "CancelAll")


class Word:
    """Says no, if at all, and counts how often it is asked."""

    def __init__(self, no: str | None = None) -> None:
        self.no = no
        self.asked = 0

    def refusal(self, *_: object) -> str | None:
        self.asked += 1
        return self.no


def run_of(lease: Word, proof: Word | None) -> Run:
    given: Any = SimpleNamespace(
        clock=SimpleNamespace(now_ns=lambda: 0),
        listeners=(),
        pace=SimpleNamespace(patience=1.0, speed=1.0),
        stopwatch_s=lambda: 0.0,
    )
    supervisor: Any = None
    run = Run(given, supervisor, contextlib.AsyncExitStack())
    run.leading = SimpleNamespace(permit=lease.refusal)  # type: ignore[assignment]  # its word
    if proof is not None:
        engine: Any = SimpleNamespace(dead_man=proof)
        run.engine = engine
    return run


def test_refresh_whose_order_loop_stood_still_while_it_waited_for_its_turn_is_not_sent() -> None:
    proof = Word()
    run = run_of(Word(), proof)
    assert run._permit(REFRESH) is None
    proof.no = "the order loop stands still"
    assert run._permit(REFRESH) == "the order loop stands still"


@pytest.mark.parametrize("method", OTHERS)
def test_other_changes_prove_nothing_and_are_the_leases_business_alone(method: str) -> None:
    proof = Word("the order loop stands still")
    assert run_of(Word(), proof)._permit(Call(method=method)) is None
    assert proof.asked == 0


@pytest.mark.parametrize("method", [REFRESH.method, *OTHERS])
def test_what_the_lease_refuses_is_refused_whatever_the_engine_would_say(method: str) -> None:
    proof = Word()
    run = run_of(Word("the authority of the lease has run out"), proof)
    assert run._permit(Call(method=method)) == "the authority of the lease has run out"
    assert proof.asked == 0


def test_before_there_is_an_engine_the_lease_alone_is_asked() -> None:
    lease = Word()
    assert run_of(lease, None)._permit(REFRESH) is None
    assert lease.asked == 1
