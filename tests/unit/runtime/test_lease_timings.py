"""The timing contract as people write it: refused with its numbers where a failover rests on it."""

from __future__ import annotations

import pytest

from krakked.runtime.lease_timings import timings_of
from krakked.runtime.settings import Settings
from krakked.runtime.settings.contradictions import contradictions
from krakked.runtime.settings.services import Leader
from krakked.trading.timings import DEFAULT


def problems(**leader: object) -> dict[str, str]:
    settings = Settings(leader=Leader.model_validate(leader))
    return {
        ".".join(problem.path): f"{problem.what}; {problem.remedy}"
        for problem in contradictions(settings)
        if problem.path[0] == "leader"
    }


def test_defaults_are_the_contract_of_the_page() -> None:
    assert timings_of(Settings()) == DEFAULT


def test_broken_inequality_of_a_lease_of_kubernetes_is_refused_with_its_numbers() -> None:
    assert problems(store="kubernetes", clock_offset_max_seconds=2) == {
        "leader.renew_deadline_seconds": (
            "R + δ + ε < D: 10 + 3 + 2 = 15 is not below 15; lower "
            "leader.renew_deadline_seconds or raise leader.lease_duration_seconds"
        )
    }


def test_file_needs_no_inequality_that_rests_on_a_wait_for_the_lease() -> None:
    """Its lock is free when its owner is dead, so nobody waits for D."""
    waited_out = {"clock_offset_max_seconds": 2, "lease_duration_seconds": 12}
    assert set(problems(store="kubernetes", **waited_out)) == {"leader.renew_deadline_seconds"}
    assert problems(store="file", **waited_out) == {}
    assert problems(store="file", start_budget_seconds=37) == {}
    assert problems(store="kubernetes", start_budget_seconds=37) != {}


@pytest.mark.parametrize("store", ["file", "kubernetes"])
def test_quarantine_outlasts_the_last_order_of_who_died_in_every_store(store: str) -> None:
    assert problems(store=store, quarantine_seconds=3.9) == {
        "leader.quarantine_seconds": (
            "Q ≥ δ + ε: 3.9 is below 3 + 1 = 4; raise leader.quarantine_seconds"
        )
    }


def test_restart_beside_a_file_that_may_outlast_the_dead_man_is_refused_with_its_numbers() -> None:
    assert problems(store="file", start_budget_seconds=38) == {
        "leader.start_budget_seconds": (
            "P + B + Q < C − r: 2 + 38 + 5 = 45 is not below 60 − 15 = 45; lower "
            "leader.start_budget_seconds or raise execution.dead_man_switch_seconds"
        )
    }


@pytest.mark.parametrize("store", ["file", "kubernetes"])
def test_authority_ends_before_the_lease_in_every_store(store: str) -> None:
    """Between the two the watchdog bites."""
    said = problems(store=store, renew_deadline_seconds=15)
    assert (
        said["leader.renew_deadline_seconds"].startswith("R < D: 15 is not below 15")
        or store == "kubernetes"
    )
    assert "leader.renew_deadline_seconds" in said


@pytest.mark.parametrize("store", ["file", "kubernetes"])
def test_renewals_must_fit_their_deadline_in_every_store(store: str) -> None:
    assert "leader.request_timeout_seconds" in problems(store=store, request_timeout_seconds=4)


def test_address_of_an_api_server_needs_namespace_and_token() -> None:
    assert set(problems(api_url="http://127.0.0.1:1")) == {"leader.namespace", "leader.token_file"}
    assert set(problems(namespace="trading")) == {"leader.namespace"}
    assert problems(api_url="http://127.0.0.1:1", namespace="a", token_file="/t") == {}
