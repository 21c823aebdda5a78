"""The guard asks the lease, and passes on what the venue says of newer owners."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from krakked.domain.orders import LegKind, Order
from krakked.trading.account import Account
from krakked.trading.guard import Guard
from krakked.trading.vetoes import Veto, VetoReason

MakeOrder = Callable[..., Order]


class Lease:
    """Says what it is told to."""

    def __init__(self) -> None:
        self.epoch = 7
        self.words: str | None = None
        self.veto_reason = VetoReason.LEASE_EXPIRED

    def refusal_of_order(self) -> str | None:
        return self.words

    def refusal(self) -> str | None:
        return self.words


@pytest.fixture
def lease() -> Lease:
    return Lease()


@pytest.fixture
def guard(account: Account, lease: Lease) -> Guard:
    ready = Guard(account)
    ready.is_ready = True
    ready.authority = lease
    return ready


def refusal(guard: Guard, order: Order) -> str | None:
    return guard.refusal(order, plan_expires_at_ns=100, now_ns=0)


@pytest.mark.parametrize("kind", LegKind)
def test_nothing_is_sent_without_authority(
    guard: Guard, lease: Lease, make_order: MakeOrder, kind: LegKind
) -> None:
    assert refusal(guard, make_order(kind=kind)) is None
    lease.words = "the authority of the lease has run out"
    assert refusal(guard, make_order(kind=kind)) == lease.words
    assert guard.refusal_to_prove() == lease.words
    veto = guard.veto(make_order(kind=kind), plan_expires_at_ns=100, now_ns=0)
    assert veto == Veto(VetoReason.LEASE_EXPIRED, lease.words)


def test_orders_carry_the_epoch_of_the_lease(guard: Guard, account: Account) -> None:
    assert guard.epoch == 7
    assert Guard(account).epoch == 0


def test_fence_of_the_venue_is_passed_on_and_what_the_owner_keeps_is_not(guard: Guard) -> None:
    heard: list[str] = []
    guard.on_fenced = heard.append
    guard.fenced_by = "EAPI:Invalid nonce"
    assert heard == ["EAPI:Invalid nonce"]
    assert guard.refusal_to_prove() == "fenced: EAPI:Invalid nonce"
    guard.keep_fenced("venue: EAPI:Invalid nonce")
    assert heard == ["EAPI:Invalid nonce"]
    guard.keep_fenced(None)
    assert guard.refusal_to_prove() is None


def test_ledger_that_was_behind_blocks_new_risk_and_no_exit(
    guard: Guard, make_order: MakeOrder
) -> None:
    guard.needs_acknowledgement = True
    assert "krakked acknowledge" in str(refusal(guard, make_order(kind=LegKind.ENTRY)))
    assert refusal(guard, make_order(kind=LegKind.EXIT)) is None
    assert refusal(guard, make_order(kind=LegKind.PROTECTIVE)) is None
