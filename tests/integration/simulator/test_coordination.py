"""The fake API server as a process of its own, steered by its admin port."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

LEASE = "/apis/coordination.k8s.io/v1/namespaces/trading/leases/engine"
NAMED = {"namespace": "trading", "name": "engine"}


class Server:
    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "krakked.simulator.coordination", *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.addresses = json.loads(self.process.stdout.readline())

    def get(self, client: str = "t") -> Any:
        return self.ask("api", "GET", LEASE, headers={"Authorization": f"Bearer {client}"})

    def put(self, lease: Any) -> Any:
        headers = {"Authorization": "Bearer t"}
        return self.ask("api", "PUT", LEASE, headers=headers, body=json.dumps(lease))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=10)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def act(self, path: str, act: Any) -> Any:
        return self.ask("admin", "POST", path, body=json.dumps(act))

    def state(self) -> Any:
        return self.ask("admin", "GET", "/state")

    def ask(self, port: str, verb: str, path: str, **given: Any) -> Any:
        host = self.addresses[port].removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=5)
        try:
            connection.request(verb, path, **given)
            answer = connection.getresponse()
            body = answer.read().decode()
        finally:
            connection.close()
        return json.loads(body) if answer.status == 200 else (answer.status, body)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server("--lease", "trading/engine", "--token", "t", "--token", "u")
    yield made
    if made.process.poll() is None:
        made.end()


def test_process_serves_until_it_is_told_to_end(server: Server) -> None:
    assert server.get()["metadata"]["name"] == "engine"
    assert server.end() == 0


def test_person_steers_it_by_the_admin_port(server: Server) -> None:
    changed = server.act("/change", {**NAMED, "annotations": {"krakked.io/fenced": "true"}})
    assert server.get()["metadata"] == changed["metadata"]
    server.act("/switches", {"status": 503, "tokens": ["t"]})
    assert server.get()[0] == 503
    server.act("/switches", {})
    assert server.get()["spec"] == {}
    server.act("/switches", {"token": "u", "is_cut": True})
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        server.get("u")
    assert server.get("t")["spec"] == {}
    server.act("/delete", NAMED)
    assert server.get()[0] == 404
    server.act("/leases", NAMED)
    state = server.state()
    assert list(state["leases"]) == ["trading/engine"]
    assert state["calls"]["GET"] >= 5
    assert state["by_token"]["u"]["is_cut"] is True


def test_killed_server_that_starts_again_knows_what_it_answered(tmp_path: Path) -> None:
    options = ("--lease", "trading/engine", "--state", str(tmp_path / "state"))
    first = Server(*options)
    seen = first.get()
    written = first.put({**seen, "spec": {"holderIdentity": "a"}})
    noted = first.act("/change", {**NAMED, "annotations": {"krakked.io/epoch": "7"}})
    first.kill()
    second = Server(*options)
    try:
        again = second.get()
        assert again == noted
        assert again["spec"] == written["spec"]
        status, _ = second.put(seen)  # of a version that another process gave out
        assert status == 409
        later = int(second.put(again)["metadata"]["resourceVersion"])
        assert later > int(noted["metadata"]["resourceVersion"])
    finally:
        second.end()


def test_lease_deleted_before_the_kill_stays_deleted(tmp_path: Path) -> None:
    options = ("--lease", "trading/engine", "--state", str(tmp_path / "state"))
    first = Server(*options)
    first.act("/delete", NAMED)
    first.kill()
    second = Server(*options)
    try:
        assert second.get()[0] == 404
        uid = second.act("/leases", NAMED)["metadata"]["uid"]
        assert uid.endswith("2"), "a new lease under an old uid"
    finally:
        second.end()


def test_state_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("{")
    done = subprocess.run(
        [sys.executable, "-m", "krakked.simulator.coordination", "--state", tmp_path / "state"],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 78
    assert "state" in done.stderr


@pytest.mark.parametrize(
    ("path", "act"),
    [
        ("/switches", {"hang": True}),
        ("/change", {"namespace": "x", "name": "y"}),
        ("/leases", {"name": "y"}),
    ],
)
def test_act_that_cannot_be_done_is_refused_with_words(server: Server, path: str, act: Any) -> None:
    status, words = server.act(path, act)
    assert status == 400
    assert len(words.splitlines()) == 1


@pytest.mark.parametrize(("address", "code"), [("nonsense", 2), ("192.0.2.1:1", 74)])
def test_address_that_cannot_be_used_is_told(address: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "krakked.simulator.coordination", "--listen", address],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == code
    assert done.stderr.startswith("krakked: ")
