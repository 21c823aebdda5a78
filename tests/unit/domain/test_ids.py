"""Ids follow from what they name; nothing about them is random."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.domain.ids import (
    AccountFingerprint,
    StrategyId,
    account_fingerprint,
    client_order_id,
    is_ours,
    plan_id,
    strategy_tag,
    tag_in,
)

ACCOUNT = account_fingerprint(venue="simulator", account="dev")
TREND = StrategyId("trend")
OTHER = account_fingerprint(venue="simulator", account="other")
accounts = st.text(max_size=20).map(lambda name: account_fingerprint(venue="v", account=name))
numbers = st.integers(0, 10**7)


def test_ids_are_the_same_in_every_process_and_release() -> None:
    # Written down: were they to change, a restarted engine would not know its own orders.
    plan = plan_id(ACCOUNT, 1, 7)
    assert ACCOUNT == "edeb2082"
    assert plan == "000007-a5f75e63f8"
    assert client_order_id(ACCOUNT, TREND, plan, 0, 0) == "edeb2082-2ab0-3f4f-69b5-a19bcf3361fe"


def test_account_fingerprint_is_eight_hex_digits_of_venue_and_account() -> None:
    assert len(ACCOUNT) == 8
    assert int(ACCOUNT, 16) >= 0
    assert account_fingerprint(venue="kraken", account="dev") != ACCOUNT
    assert OTHER != ACCOUNT


@given(accounts, numbers, st.integers(0, 99), st.integers(0, 99))
def test_client_order_id_is_a_uuid_with_dashes_that_begins_with_the_account(
    account: AccountFingerprint, sequence: int, leg: int, revision: int
) -> None:
    made = client_order_id(account, TREND, plan_id(account, 1, sequence), leg, revision)
    assert str(uuid.UUID(made)) == made
    assert made.startswith(account)
    assert is_ours(made, account)


@given(st.lists(st.tuples(numbers, st.integers(0, 50), st.integers(0, 50)), unique=True))
def test_client_order_ids_of_different_legs_differ(legs: list[tuple[int, int, int]]) -> None:
    made = [
        client_order_id(ACCOUNT, TREND, plan_id(ACCOUNT, 1, plan), leg, revision)
        for plan, leg, revision in legs
    ]
    assert len(set(made)) == len(legs)


def test_client_order_id_does_not_run_leg_and_revision_together() -> None:
    plan = plan_id(ACCOUNT, 1, 1)
    assert client_order_id(ACCOUNT, TREND, plan, 1, 11) != client_order_id(
        ACCOUNT, TREND, plan, 11, 1
    )


def test_plan_id_differs_by_account_and_sorts_as_made() -> None:
    made = [plan_id(ACCOUNT, 1, n) for n in (0, 1, 9, 10, 99_999, 999_999)]
    assert made == sorted(made)
    assert plan_id(OTHER, 1, 1) != plan_id(ACCOUNT, 1, 1)


@pytest.mark.parametrize("foreign", [None, "", "my-order-1", "0", "edeb208"])
def test_is_ours_of_somebody_elses_id_is_false(foreign: str | None) -> None:
    assert not is_ours(foreign, ACCOUNT)


def test_is_ours_of_another_account_is_false() -> None:
    assert not is_ours(client_order_id(OTHER, TREND, plan_id(OTHER, 1, 1), 0, 0), ACCOUNT)


def test_is_ours_without_dashes_is_the_same() -> None:
    made = client_order_id(ACCOUNT, TREND, plan_id(ACCOUNT, 1, 1), 0, 0)
    assert is_ours(made.replace("-", ""), ACCOUNT)


@given(st.text(min_size=1, max_size=30))
def test_strategy_is_told_by_an_order_id_without_its_plan(name: str) -> None:
    strategy_id = StrategyId(name)
    made = client_order_id(ACCOUNT, strategy_id, plan_id(ACCOUNT, 3, 1), 0, 0)
    assert tag_in(made) == strategy_tag(strategy_id)
    assert len(strategy_tag(strategy_id)) == 4


def test_plans_of_two_owners_with_ledgers_of_their_own_never_share_an_id() -> None:
    assert plan_id(ACCOUNT, 1, 2) != plan_id(ACCOUNT, 2, 2)
