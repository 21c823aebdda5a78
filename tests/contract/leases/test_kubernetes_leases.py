"""The client of the API server: time-outs, tokens, lost answers, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from krakked.adapters.kubernetes.lease_objects import object_of, record_of
from krakked.adapters.kubernetes.leases import api_server_of
from krakked.domain.errors import BadInput
from krakked.ports.lease_store import (
    LeaseConflict,
    LeaseEvent,
    LeaseEventKind,
    LeaseRecord,
    LeaseUnreachable,
)

NAMESPACE, NAME = "trading", "krakked-engine"
T0_NS = 1_767_225_600_000_000_000


def test_server_that_hangs_is_out_of_reach_in_time(in_kubernetes: Any) -> None:
    store = in_kubernetes.impatient()
    in_kubernetes.api.switches.hangs = True
    with pytest.raises(LeaseUnreachable, match=r"no answer in 0\.05 s"):
        in_kubernetes.read(store)


def test_server_that_is_slow_is_out_of_reach_in_time(in_kubernetes: Any) -> None:
    store = in_kubernetes.impatient()
    in_kubernetes.api.switches.latency_s = 30
    with pytest.raises(LeaseUnreachable):
        in_kubernetes.read(store)


@pytest.mark.parametrize("status", [403, 429, 500, 503, 504])
def test_server_in_trouble_is_out_of_reach_with_its_words(in_kubernetes: Any, status: int) -> None:
    store = in_kubernetes.open()
    in_kubernetes.api.switches.status = status
    with pytest.raises(LeaseUnreachable, match=f"HTTP {status} the server was told"):
        in_kubernetes.read(store)
    in_kubernetes.api.switches.status = 0
    assert in_kubernetes.read(store).holder == ""


def test_cut_connection_is_out_of_reach_and_mends(in_kubernetes: Any) -> None:
    store = in_kubernetes.open()
    in_kubernetes.read(store)
    in_kubernetes.api.switches.is_cut = True
    with pytest.raises(LeaseUnreachable):
        in_kubernetes.read(store)
    in_kubernetes.api.switches.is_cut = False
    assert in_kubernetes.read(store).holder == ""


def test_write_whose_answer_was_lost_may_be_done_and_a_second_one_conflicts(
    in_kubernetes: Any,
) -> None:
    store = in_kubernetes.open()
    record = in_kubernetes.read(store)
    in_kubernetes.api.switches.loses_answers = True
    with pytest.raises(LeaseUnreachable):
        in_kubernetes.replace(store, record, holder="one")
    in_kubernetes.api.switches.loses_answers = False
    with pytest.raises(LeaseConflict):
        in_kubernetes.replace(store, record, holder="one")
    assert in_kubernetes.read(store).holder == "one"


def test_token_that_was_rotated_is_read_again_when_it_is_refused(in_kubernetes: Any) -> None:
    store = in_kubernetes.open()
    in_kubernetes.api.switches.tokens = ("a-token",)
    in_kubernetes.read(store)
    in_kubernetes.api.switches.tokens = ("another",)
    in_kubernetes.token_file.write_text("another")
    assert in_kubernetes.read(store).holder == ""


def test_token_that_stays_refused_is_out_of_reach(in_kubernetes: Any) -> None:
    store = in_kubernetes.open()
    in_kubernetes.api.switches.tokens = ("nobody's",)
    with pytest.raises(LeaseUnreachable, match="HTTP 401 Unauthorized"):
        in_kubernetes.read(store)
    assert in_kubernetes.api.calls["GET"] == 2


def test_token_file_that_is_gone_is_out_of_reach(in_kubernetes: Any) -> None:
    store = in_kubernetes.open()
    in_kubernetes.token_file.unlink()
    with pytest.raises(LeaseUnreachable, match="FileNotFoundError"):
        in_kubernetes.read(store)


def test_what_others_wrote_into_the_object_stays(in_kubernetes: Any) -> None:
    api = in_kubernetes.api
    api.change(
        NAMESPACE,
        NAME,
        annotations={"helm.sh/resource-policy": "keep"},
        spec={"strategy": "OldestEmulationVersion"},
    )
    store = in_kubernetes.open()
    in_kubernetes.replace(store, in_kubernetes.read(store), holder="one", epoch=2)
    kept = api.lease(NAMESPACE, NAME)
    assert kept["metadata"]["annotations"] == {
        "helm.sh/resource-policy": "keep",
        "krakked.io/epoch": "2",
    }
    assert kept["metadata"]["labels"] == {"app.kubernetes.io/name": "krakked"}
    assert kept["spec"]["strategy"] == "OldestEmulationVersion"


def test_annotation_of_a_person_makes_the_next_renewal_conflict_and_is_read(
    in_kubernetes: Any,
) -> None:
    store = in_kubernetes.open()
    taken = in_kubernetes.replace(store, in_kubernetes.read(store), holder="one")
    in_kubernetes.api.change(
        NAMESPACE, NAME, annotations={"krakked.io/fenced": "true", "krakked.io/unfence": "4"}
    )
    with pytest.raises(LeaseConflict):
        in_kubernetes.replace(store, taken)
    seen = in_kubernetes.read(store)
    assert (seen.fenced, seen.unfence) == ("true", 4)


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/St_Johns", "UTC"])
def test_times_are_utc_with_six_digits_wherever_the_process_runs(
    in_kubernetes: Any, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    store = in_kubernetes.open()
    times = {"acquired_at_ns": T0_NS, "renewed_at_ns": T0_NS + 1_000}
    in_kubernetes.replace(store, in_kubernetes.read(store), holder="one", **times)
    spec = in_kubernetes.api.lease(NAMESPACE, NAME)["spec"]
    assert spec["acquireTime"] == "2026-01-01T00:00:00.000000Z"
    assert spec["renewTime"] == "2026-01-01T00:00:00.000001Z"
    assert in_kubernetes.read(store).renewed_at_ns == T0_NS + 1_000


def test_event_says_which_lease_and_why(in_kubernetes: Any) -> None:
    store = in_kubernetes.open()
    uid = in_kubernetes.read(store).uid
    event = LeaseEvent(
        kind=LeaseEventKind.FENCED, reason="EAPI:Invalid nonce", holder="pod-0", at_ns=T0_NS
    )
    in_kubernetes.run(store.announce(event))
    (kept,) = in_kubernetes.api.events
    assert (kept["reason"], kept["type"], kept["message"]) == (
        "Fenced",
        "Warning",
        "EAPI:Invalid nonce",
    )
    assert kept["involvedObject"]["uid"] == uid
    assert kept["firstTimestamp"] == "2026-01-01T00:00:00Z"


def test_proxy_of_the_environment_is_not_used(
    in_kubernetes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert in_kubernetes.read(in_kubernetes.open()).holder == ""


def test_object_with_null_parts_is_a_new_lease() -> None:
    record = record_of({"metadata": {"uid": "u", "resourceVersion": "5"}, "spec": None})
    assert record == LeaseRecord(uid="u", version="5")


@pytest.mark.parametrize(
    ("written", "meant"), [("false", ""), ("False", ""), ("true", "true"), ("venue: x", "venue: x")]
)
def test_fenced_annotation_that_says_false_is_no_fence(written: str, meant: str) -> None:
    lease = {"metadata": {"annotations": {"krakked.io/fenced": written}}}
    assert record_of(lease).fenced == meant  # type: ignore[arg-type]  # a literal is narrower


def test_record_survives_the_way_there_and_back() -> None:
    record = LeaseRecord(
        holder="a_b_c",
        duration_s=15,
        acquired_at_ns=T0_NS,
        renewed_at_ns=T0_NS + 5_000,
        transitions=2,
        epoch=9,
        account="00ff00ff",
        program="1",
        uid="u",
        version="12",
    )
    base: dict[str, object] = {"metadata": {"uid": "u", "managedFields": [1]}, "spec": {}}
    assert record_of(object_of(record, base)) == record
    assert base["metadata"] == {"uid": "u", "managedFields": [1]}


def test_pod_finds_its_api_server(tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("trading\n")
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    server = api_server_of(environ, mount=tmp_path)
    assert (server.url, server.namespace) == ("https://[fd00::1]:443", "trading")
    assert server.token_file == tmp_path / "token"


def test_process_that_is_no_pod_is_told_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"set leader\.store to file"):
        api_server_of({}, mount=tmp_path)
