"""A run opens ``secrets.enc`` by the master password; what is wrong with it is one line and 77."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from krakked.runtime.credentials import ApiKey, sealed_content
from krakked.runtime.sealed_secrets import Cost, seal, write_private

PASSWORD = "correct horse battery"
SECRET = "c2VjcmV0LW9mLXRyYWRl"


@pytest.fixture
def sealed(krakked: Any) -> Path:
    path: Path = krakked.folder / "etc" / "secrets.enc"
    content = sealed_content(ApiKey("the-key", SECRET), None)
    write_private(path, seal(content, PASSWORD, Cost(n=2)))
    return path


@pytest.fixture
def run(krakked: Any) -> Callable[..., Any]:
    """A run in paper against a port where nobody answers; its failed stages and its process."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    addresses = {
        "KRAKKED_VENUE__REST_URL": f"http://127.0.0.1:{port}",
        "KRAKKED_VENUE__WS_URL": f"ws://127.0.0.1:{port}",
        "KRAKKED_VENUE__WS_AUTH_URL": f"ws://127.0.0.1:{port}",
        "KRAKKED_VENUE__TIMEOUT_SECONDS": "3",
    }

    def start(**environ: str) -> Any:
        ran = krakked.run("run", "--env", "paper", "--config-dir", "etc", **addresses, **environ)
        lines = map(json.loads, ran.stdout.splitlines())
        stages = [(line["event"], line["stage"]) for line in lines if "stage" in line]
        assert SECRET not in ran.stdout + ran.stderr
        assert PASSWORD not in ran.stdout + ran.stderr
        assert len(ran.stderr.splitlines()) == 1
        return ran, stages

    return start


def test_run_opens_the_sealed_keys(sealed: Path, run: Callable[..., Any]) -> None:
    ran, stages = run(KRAKKED_MASTER_PASSWORD=PASSWORD)
    assert ("stage_done", "secrets") in stages
    assert stages[-1] == ("stage_failed", "venue reachable")
    assert ran.returncode == 69


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"KRAKKED_MASTER_PASSWORD": "wrong"}, "secrets.enc: the master password is wrong"),
        ({}, "secrets.enc: no master password; set KRAKKED_MASTER_PASSWORD_FILE"),
        ({"KRAKKED_MASTER_PASSWORD_FILE": "nowhere"}, "nowhere: cannot be read"),
    ],
)
def test_run_that_cannot_open_them_says_why_and_ends_with_77(
    sealed: Path, run: Callable[..., Any], environ: dict[str, str], words: str
) -> None:
    ran, stages = run(**environ)
    assert ran.returncode == 77
    assert words in ran.stderr
    assert stages[-1] == ("stage_failed", "secrets")


def test_run_refuses_a_sealed_file_that_others_may_read(
    sealed: Path, run: Callable[..., Any]
) -> None:
    sealed.chmod(0o644)
    ran, stages = run(KRAKKED_MASTER_PASSWORD=PASSWORD)
    assert ran.returncode == 77
    assert "others may read it (mode 0644)" in ran.stderr
    assert stages[-1] == ("stage_failed", "secrets")


def test_variables_win_over_the_sealed_file(sealed: Path, run: Callable[..., Any]) -> None:
    ran, stages = run(KRAKEN_API_KEY="other", KRAKEN_API_SECRET=SECRET)
    assert ("stage_done", "secrets") in stages
    assert ran.returncode == 69
