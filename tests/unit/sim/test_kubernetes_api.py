"""The fake API server is as strict as the real one where a lease is concerned."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from krakked.sim.kubernetes_api import Asked, KubernetesApi, Switches

PATH = "/apis/coordination.k8s.io/v1/namespaces/trading/leases/engine"


@pytest.fixture
def api() -> KubernetesApi:
    made = KubernetesApi()
    made.create("trading", "engine")
    return made


def ask(api: KubernetesApi, verb: str = "GET", body: Any = None, **given: Any) -> tuple[int, Any]:
    asked = {"verb": verb, "path": PATH, "authorization": "Bearer t", **given}
    encoded = b"" if body is None else msgspec.json.encode(body)
    answered = api.handle(Asked(body=encoded, **asked))
    return answered.status, msgspec.json.decode(answered.body)


def put(api: KubernetesApi, **spec: Any) -> tuple[int, Any]:
    lease = ask(api)[1]
    return ask(api, "PUT", {**lease, "spec": {**lease["spec"], **spec}})


def test_write_is_taken_once_for_each_version(api: KubernetesApi) -> None:
    lease = ask(api)[1]
    status, written = ask(api, "PUT", lease)
    assert status == 200
    assert written["metadata"]["resourceVersion"] > lease["metadata"]["resourceVersion"]
    status, refusal = ask(api, "PUT", lease)
    assert (status, refusal["reason"]) == (409, "Conflict")
    assert "the object has been modified" in refusal["message"]


def test_write_without_a_version_is_invalid(api: KubernetesApi) -> None:
    lease = ask(api)[1]
    del lease["metadata"]["resourceVersion"]
    status, refusal = ask(api, "PUT", lease)
    assert (status, refusal["reason"]) == (422, "Invalid")
    assert "must be specified for an update" in refusal["message"]


@pytest.mark.parametrize(
    ("written", "status"),
    [
        ("2026-01-01T00:00:00.000000Z", 200),
        ("2026-01-01T00:00:00.123456+02:00", 200),
        ("2026-01-01T00:00:00Z", 422),
        ("2026-01-01T00:00:00.123Z", 422),
        ("2026-01-01T00:00:00.123456789Z", 422),
        ("2026-01-01 00:00:00.123456Z", 422),
        (17, 422),
    ],
)
def test_times_need_exactly_six_digits(api: KubernetesApi, written: Any, status: int) -> None:
    assert put(api, renewTime=written)[0] == status


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"leaseDurationSeconds": 0}, "must be greater than 0"),
        ({"leaseDurationSeconds": "15"}, "must be greater than 0"),
        ({"leaseTransitions": -1}, "must not be negative"),
    ],
)
def test_numbers_are_checked(api: KubernetesApi, spec: Any, words: str) -> None:
    status, refusal = put(api, **spec)
    assert status == 422
    assert words in refusal["message"]


def test_annotations_are_strings(api: KubernetesApi) -> None:
    lease = ask(api)[1]
    lease["metadata"]["annotations"] = {"krakked.io/epoch": 7}
    assert ask(api, "PUT", lease)[0] == 422


def test_write_to_a_lease_of_another_uid_conflicts(api: KubernetesApi) -> None:
    lease = ask(api)[1]
    api.delete("trading", "engine")
    new = api.create("trading", "engine")
    lease["metadata"]["resourceVersion"] = new["metadata"]["resourceVersion"]  # type: ignore[index]  # a dict
    assert ask(api, "PUT", lease)[0] == 409


@pytest.mark.parametrize("verb", ["GET", "PUT"])
def test_lease_that_was_deleted_is_not_found_and_not_made(api: KubernetesApi, verb: str) -> None:
    lease = ask(api)[1]
    api.delete("trading", "engine")
    assert ask(api, verb, lease)[0] == 404
    assert api.lease("trading", "engine") is None


@pytest.mark.parametrize("verb", ["POST", "DELETE", "PATCH"])
def test_role_allows_nothing_else_with_leases(api: KubernetesApi, verb: str) -> None:
    assert ask(api, verb)[0] == 403


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Basic t", "Bearer old"])
def test_token_must_be_one_of_those_accepted(api: KubernetesApi, authorization: str) -> None:
    api.switches.tokens = ("t",)
    assert ask(api, authorization=authorization)[0] == 401
    assert ask(api)[0] == 200


def test_partition_is_for_one_token_alone(api: KubernetesApi) -> None:
    api.by_token["t"] = Switches(is_cut=True)
    cut = api.handle(Asked(verb="GET", path=PATH, authorization="Bearer t"))
    assert cut.breaks
    assert ask(api, authorization="Bearer other")[0] == 200


def test_trouble_may_be_for_one_verb_alone(api: KubernetesApi) -> None:
    lease = ask(api)[1]
    api.switches = Switches(status=503, only="PUT")
    assert ask(api)[0] == 200
    assert ask(api, "PUT", lease)[0] == 503


def test_lost_answer_means_that_it_was_done(api: KubernetesApi) -> None:
    lease = ask(api)[1]
    lease["spec"] = {"holderIdentity": "one"}
    api.switches.loses_answers = True
    body = msgspec.json.encode(lease)
    lost = api.handle(Asked(verb="PUT", path=PATH, authorization="Bearer t", body=body))
    assert lost.breaks
    api.switches.loses_answers = False
    assert ask(api)[1]["spec"] == {"holderIdentity": "one"}


def test_hanging_server_has_done_nothing(api: KubernetesApi) -> None:
    lease = ask(api)[1]
    api.switches.hangs = True
    body = msgspec.json.encode(lease)
    hung = api.handle(Asked(verb="PUT", path=PATH, authorization="Bearer t", body=body))
    assert hung.never
    api.switches.hangs = False
    assert ask(api)[1] == lease


def test_latency_is_told_to_the_caller(api: KubernetesApi) -> None:
    api.switches.latency_s = 3
    assert api.handle(Asked(verb="GET", path=PATH, authorization="Bearer t")).delay_s == 3


def test_event_must_be_about_something_in_its_namespace(api: KubernetesApi) -> None:
    path = "/api/v1/namespaces/trading/events"
    assert ask(api, "POST", {"involvedObject": {"namespace": "trading"}}, path=path)[0] == 201
    assert ask(api, "POST", {"involvedObject": {"namespace": "x"}}, path=path)[0] == 422
    assert len(api.events) == 1


def test_body_that_is_no_json_and_path_that_is_unknown_are_refused(api: KubernetesApi) -> None:
    bad = api.handle(Asked(verb="PUT", path=PATH, authorization="Bearer t", body=b"{"))
    assert bad.status == 400
    assert ask(api, path="/api/v1/pods")[0] == 404


def test_person_changes_annotations_and_spec_whatever_the_version(api: KubernetesApi) -> None:
    api.change("trading", "engine", annotations={"a": "1", "b": "2"}, spec={"holderIdentity": "x"})
    kept = api.change("trading", "engine", annotations={"a": None})
    assert kept["metadata"]["annotations"] == {"b": "2"}  # type: ignore[index]  # a dict
    assert kept["spec"] == {"holderIdentity": "x"}
    assert list(api.leases()) == ["trading/engine"]
