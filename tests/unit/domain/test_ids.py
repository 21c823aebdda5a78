"""Ids follow from what they name; nothing about them is random."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.domain.ids import (
    AccountFingerprint,
    account_fingerprint,
    client_order_id,
    is_ours,
    plan_id,
)

ACCOUNT = account_fingerprint(venue="simulator", account="dev")
OTHER = account_fingerprint(venue="simulator", account="other")
accounts = st.text(max_size=20).map(lambda name: account_fingerprint(venue="v", account=name))
numbers = st.integers(0, 10**7)


def test_ids_are_the_same_in_every_process_and_release() -> None:
    # Written down: were they to change, a restarted engine would not know its own orders.
    plan = plan_id(ACCOUNT, 7)
    assert ACCOUNT == "edeb2082"
    assert plan == "000007-557cb18393"
    assert client_order_id(ACCOUNT, plan, 0, 0) == "edeb2082-730e-63fc-99ac-354a48480251"


def test_account_fingerprint_is_eight_hex_digits_of_venue_and_account() -> None:
    assert len(ACCOUNT) == 8
    assert int(ACCOUNT, 16) >= 0
    assert account_fingerprint(venue="kraken", account="dev") != ACCOUNT
    assert OTHER != ACCOUNT


@given(accounts, numbers, st.integers(0, 99), st.integers(0, 99))
def test_client_order_id_is_a_uuid_with_dashes_that_begins_with_the_account(
    account: AccountFingerprint, sequence: int, leg: int, revision: int
) -> None:
    made = client_order_id(account, plan_id(account, sequence), leg, revision)
    assert str(uuid.UUID(made)) == made
    assert made.startswith(account)
    assert is_ours(made, account)


@given(st.lists(st.tuples(numbers, st.integers(0, 50), st.integers(0, 50)), unique=True))
def test_client_order_ids_of_different_legs_differ(legs: list[tuple[int, int, int]]) -> None:
    made = [client_order_id(ACCOUNT, plan_id(ACCOUNT, plan), leg, rev) for plan, leg, rev in legs]
    assert len(set(made)) == len(legs)


def test_client_order_id_does_not_run_leg_and_revision_together() -> None:
    plan = plan_id(ACCOUNT, 1)
    assert client_order_id(ACCOUNT, plan, 1, 11) != client_order_id(ACCOUNT, plan, 11, 1)


def test_plan_id_differs_by_account_and_sorts_as_made() -> None:
    made = [plan_id(ACCOUNT, n) for n in (0, 1, 9, 10, 99_999, 999_999)]
    assert made == sorted(made)
    assert plan_id(OTHER, 1) != plan_id(ACCOUNT, 1)


@pytest.mark.parametrize("foreign", [None, "", "my-order-1", "0", "edeb208"])
def test_is_ours_of_somebody_elses_id_is_false(foreign: str | None) -> None:
    assert not is_ours(foreign, ACCOUNT)


def test_is_ours_of_another_account_is_false() -> None:
    assert not is_ours(client_order_id(OTHER, plan_id(OTHER, 1), 0, 0), ACCOUNT)


def test_is_ours_without_dashes_is_the_same() -> None:
    made = client_order_id(ACCOUNT, plan_id(ACCOUNT, 1), 0, 0)
    assert is_ours(made.replace("-", ""), ACCOUNT)
