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


def test_file_needs_no_inequality_that_only_a_failover_rests_on() -> None:
    assert problems(store="file", clock_offset_max_seconds=2, start_budget_seconds=60) == {}


@pytest.mark.parametrize("store", ["file", "kubernetes"])
def test_renewals_must_fit_their_deadline_in_every_store(store: str) -> None:
    assert "leader.request_timeout_seconds" in problems(store=store, request_timeout_seconds=4)


def test_address_of_an_api_server_needs_namespace_and_token() -> None:
    assert set(problems(api_url="http://127.0.0.1:1")) == {"leader.namespace", "leader.token_file"}
    assert set(problems(namespace="trading")) == {"leader.namespace"}
    assert problems(api_url="http://127.0.0.1:1", namespace="a", token_file="/t") == {}
