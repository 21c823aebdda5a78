"""The guard has the last word before the wire; it may stop entries and never traps an exit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from krakked.domain.ids import PairName
from krakked.domain.kill_switch import KillSwitch
from krakked.domain.orders import Journal, LegKind, Order
from krakked.trading.account import Account
from krakked.trading.guard import Guard
from krakked.trading.vetoes import Veto, VetoReason

MakeOrder = Callable[..., Order]
EXPIRES_NS = 100
LEAVING = [LegKind.EXIT, LegKind.PROTECTIVE]


@pytest.fixture
def guard(account: Account) -> Guard:
    ready = Guard(account)
    ready.is_ready = True
    return ready


def refusal(guard: Guard, order: Order, *, now_ns: int = 0) -> str | None:
    return guard.refusal(order, plan_expires_at_ns=EXPIRES_NS, now_ns=now_ns)


@pytest.mark.parametrize("kind", LegKind)
def test_guard_of_a_healthy_engine_lets_every_order_pass(
    guard: Guard, make_order: MakeOrder, kind: LegKind
) -> None:
    assert refusal(guard, make_order(kind=kind)) is None


@pytest.mark.parametrize("kind", LegKind)
def test_guard_before_the_books_agree_lets_nothing_pass(
    account: Account, make_order: MakeOrder, kind: LegKind
) -> None:
    assert refusal(Guard(account), make_order(kind=kind)) == "the engine is starting"


@pytest.mark.parametrize("kind", LegKind)
def test_guard_of_a_stopping_engine_lets_nothing_pass(
    guard: Guard, make_order: MakeOrder, kind: LegKind
) -> None:
    guard.is_stopping = True
    assert refusal(guard, make_order(kind=kind)) == "the engine is stopping"


@pytest.mark.parametrize("kind", LegKind)
def test_guard_that_was_fenced_lets_nothing_pass_and_says_by_what(
    guard: Guard, make_order: MakeOrder, kind: LegKind
) -> None:
    guard.fenced_by = "EAPI:Invalid nonce"
    assert refusal(guard, make_order(kind=kind)) == "fenced: EAPI:Invalid nonce"


@pytest.mark.parametrize("kind", LegKind)
@pytest.mark.parametrize(("now_ns", "is_refused"), [(99, False), (100, True), (101, True)])
def test_guard_refuses_a_plan_from_its_expiry_on(
    guard: Guard, make_order: MakeOrder, kind: LegKind, now_ns: int, is_refused: bool
) -> None:
    found = refusal(guard, make_order(kind=kind), now_ns=now_ns)
    assert found == ("the plan expired" if is_refused else None)


@pytest.mark.parametrize(
    ("status", "is_refused"),
    [("online", False), ("post_only", False), ("cancel_only", True), ("maintenance", True)],
)
def test_guard_asks_whether_the_venue_takes_orders(
    guard: Guard, make_order: MakeOrder, status: str, is_refused: bool
) -> None:
    guard.venue_status = status
    found = refusal(guard, make_order(kind=LegKind.EXIT))
    assert found == (f"the venue is in {status}" if is_refused else None)


def test_kill_switch_stops_entries(guard: Guard, account: Account, make_order: MakeOrder) -> None:
    account.kill_switch = KillSwitch(active=True)
    assert refusal(guard, make_order()) == "the kill switch is on"


def test_halt_stops_entries(guard: Guard, account: Account, make_order: MakeOrder) -> None:
    account.halted = True
    assert refusal(guard, make_order()) == "halted"


def test_unknown_order_stops_entries_of_its_pair_alone(
    guard: Guard, account: Account, make_order: MakeOrder
) -> None:
    account.put_order(make_order(1, journal=Journal.UNKNOWN))
    assert refusal(guard, make_order(2)) == "XBTUSD has an order in an unknown state"
    assert refusal(guard, make_order(3, pair=PairName("ETHUSD"))) is None


@pytest.mark.parametrize("kind", LEAVING)
def test_orders_that_reduce_pass_the_kill_switch_halt_and_unknown_orders(
    guard: Guard, account: Account, make_order: MakeOrder, kind: LegKind
) -> None:
    account.kill_switch = KillSwitch(active=True)
    account.halted = True
    account.put_order(make_order(1, journal=Journal.UNKNOWN))
    assert refusal(guard, make_order(2, kind=kind)) is None


def test_guard_follows_the_account_as_it_changes(
    guard: Guard, account: Account, make_order: MakeOrder
) -> None:
    account.kill_switch = KillSwitch(active=True)
    assert refusal(guard, make_order()) is not None
    account.kill_switch = KillSwitch()
    assert refusal(guard, make_order()) is None


@pytest.mark.parametrize(
    ("until_ns", "told"),
    [
        (None, None),
        (11, None),
        (10, "the dead-man switch is not armed"),
        (0, "the dead-man switch is not armed"),
    ],
)
def test_guard_lets_entries_pass_only_while_the_dead_man_would_cancel_them(
    guard: Guard, make_order: MakeOrder, until_ns: int | None, told: str | None
) -> None:
    guard.dead_man_until_ns = until_ns
    assert refusal(guard, make_order(kind=LegKind.ENTRY), now_ns=10) == told


@pytest.mark.parametrize("kind", LEAVING)
def test_guard_without_a_dead_man_traps_no_exit(
    guard: Guard, make_order: MakeOrder, kind: LegKind
) -> None:
    guard.dead_man_until_ns = 0
    assert refusal(guard, make_order(kind=kind), now_ns=10) is None


@pytest.mark.parametrize("kind", LegKind)
@pytest.mark.parametrize("offset_ms", [1_200, -1_200])
def test_guard_whose_clock_is_further_from_the_venues_than_allowed_lets_nothing_pass(
    guard: Guard, make_order: MakeOrder, kind: LegKind, offset_ms: int
) -> None:
    guard.clock_offset_max_ns = 1_000_000_000
    guard.clock_offset_ns = offset_ms * 1_000_000
    assert refusal(guard, make_order(kind=kind)) == (
        f"this clock is {-offset_ms:+d} ms from the venue's"
    )
    guard.clock_offset_ns = 1_000_000_000
    assert refusal(guard, make_order(kind=kind)) is None


def reason(guard: Guard, order: Order, *, now_ns: int = 0) -> VetoReason | None:
    veto = guard.veto(order, plan_expires_at_ns=EXPIRES_NS, now_ns=now_ns)
    return None if veto is None else veto.reason


def _is_killed(guard: Guard, account: Account, order: Order) -> None:
    account.kill_switch = KillSwitch(active=True)


def _is_halted(guard: Guard, account: Account, order: Order) -> None:
    account.halted = True


def _is_in_doubt(guard: Guard, account: Account, order: Order) -> None:
    account.put_order(msgspec.structs.replace(order, journal=Journal.UNKNOWN))


@pytest.mark.parametrize(
    ("change", "counted"),
    [
        ({}, None),
        ({"fenced_by": "a newer owner"}, VetoReason.FENCED),
        ({"is_stopping": True}, VetoReason.STOPPING),
        ({"is_ready": False}, VetoReason.STARTING),
        ({"venue_status": "maintenance"}, VetoReason.VENUE_STATUS),
        ({"clock_offset_max_ns": 1, "clock_offset_ns": 2}, VetoReason.CLOCK),
        ({"needs_acknowledgement": True}, VetoReason.UNACKNOWLEDGED),
        ({"dead_man_until_ns": 0}, VetoReason.DEAD_MAN),
        (_is_killed, VetoReason.KILL_SWITCH),
        (_is_halted, VetoReason.HALTED),
        (_is_in_doubt, VetoReason.UNKNOWN_ORDER),
    ],
)
def test_guard_counts_an_entry_that_it_holds_back_by_its_safeguard(
    guard: Guard, account: Account, make_order: MakeOrder, change: Any, counted: VetoReason | None
) -> None:
    if callable(change):
        change(guard, account, make_order(1))
    else:
        for name, value in change.items():
            setattr(guard, name, value)
    assert reason(guard, make_order(2)) is counted


def test_guard_counts_an_expired_plan_as_such(guard: Guard, make_order: MakeOrder) -> None:
    assert reason(guard, make_order(), now_ns=EXPIRES_NS) is VetoReason.PLAN_EXPIRED


def test_guard_tells_whoever_counts_of_each_order_that_was_held_back(guard: Guard) -> None:
    heard: list[VetoReason] = []
    guard.held_back(Veto(VetoReason.CLOCK, "nobody listens yet"))
    guard.on_veto = heard.append
    guard.held_back(Veto(VetoReason.HALTED, "halted"))
    assert heard == [VetoReason.HALTED]
