"""The last question before the wire: the lease's word on a change, the engine's on its proof."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

from krakked.adapters.kraken.transport import Call
from krakked.engine.running import Run
from krakked.trading.vetoes import Veto, VetoReason

REFRESH = Call(method="CancelAllOrdersAfter")
OTHERS = ("CancelOrder", "CancelAll", "AmendOrder")
ORDER = Call(method="AddOrder", form={"cl_ord_id": "ours"})


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


# an order that waited for its turn


class Desk:
    """One order of ours, and a guard whose word changes."""

    def __init__(self) -> None:
        self.no: Veto | None = None
        self.held: list[Veto] = []
        self.account = self.guard = self

    def now_ns(self) -> int:
        return 7

    def order(self, client_order_id: str) -> str | None:
        return "the order" if client_order_id == "ours" else None

    def veto(self, order: str, *, plan_expires_at_ns: int, now_ns: int) -> Veto | None:
        assert (order, now_ns) == ("the order", 7)
        assert plan_expires_at_ns > now_ns
        return self.no

    def held_back(self, veto: Veto) -> None:
        self.held.append(veto)


def with_desk(desk: Desk) -> Run:
    run = run_of(Word(), Word())
    engine: Any = run.engine
    engine.desk = desk
    return run


@pytest.mark.parametrize("reason", [VetoReason.KILL_SWITCH, VetoReason.HALTED, VetoReason.STOPPING])
def test_order_that_waited_for_its_turn_while_trading_was_stopped_is_not_sent(
    reason: VetoReason,
) -> None:
    desk = Desk()
    run = with_desk(desk)
    assert run._permit(ORDER) is None
    desk.no = Veto(reason, "no more")
    assert run._permit(ORDER) == "no more"
    assert desk.held == [desk.no], "counted as what was held back right before the wire"


def test_order_that_is_not_on_record_is_the_leases_business_alone() -> None:
    desk = Desk()
    desk.no = Veto(VetoReason.HALTED, "halted")
    run = with_desk(desk)
    for form in ({"cl_ord_id": "a stranger's"}, {}):
        assert run._permit(Call(method="AddOrder", form=form)) is None
    assert desk.held == []
