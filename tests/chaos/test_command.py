"""The command: what it refuses, and what it tells of a run that a person broke off."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from tests.chaos import __main__ as commands
from tests.chaos.outcome import Outcome
from tests.chaos.programs import MARK


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--only", "nosuch"], "patient, alone, two, files"),
        (["--quick", "--only", "patient"], "two, alone, files"),
    ],
)
def test_a_world_that_the_run_has_not_is_refused_with_those_that_it_has(
    words: list[str], names: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        commands.options_of(words)
    assert refused.value.code == 2
    assert f"has no world {words[-1]!r}; it has {names}\n" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["patient", "alone", "two", "files"])
def test_each_world_of_the_full_run_may_be_played_alone(name: str) -> None:
    assert commands.options_of(["--only", name]).only == name


@pytest.fixture
def broken_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A run in which so much is found; then a person breaks it off."""
    root = tmp_path / "run"

    def run(end: BaseException, *violations: str) -> int:
        async def found(_: object, __: Path, outcome: Outcome) -> None:
            outcome.kills += 3
            outcome.violations += violations
            await asyncio.sleep(0)
            raise end

        monkeypatch.setattr(commands, "run", found)
        monkeypatch.setattr(commands, "own_mounts", lambda: None)
        monkeypatch.setattr("tempfile.mkdtemp", lambda **_: str(root))
        monkeypatch.setattr(os, "environ", {**os.environ, MARK: ""})
        root.mkdir()
        return commands.main(["--quick", "--seed", "7"])

    return run, root


@pytest.mark.parametrize("end", [KeyboardInterrupt(), asyncio.CancelledError()])
def test_an_interrupted_run_tells_what_it_did_and_leaves_nothing_where_all_held(
    broken_off, end: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    run, root = broken_off
    assert run(end) == 130
    told = capsys.readouterr()
    last = told.out.splitlines()[-1]
    assert last.startswith("chaos: seed 7, 0.0 min, 3 kills, ")
    assert last.endswith("; 0 violations")
    assert told.err.startswith("interrupted: ")
    assert "wanted" not in told.err, "what was not done yet is no shortfall"
    assert not root.exists()


def test_an_interrupted_run_keeps_and_names_what_says_why_something_did_not_hold(
    broken_off, capsys: pytest.CaptureFixture[str]
) -> None:
    run, root = broken_off
    assert run(KeyboardInterrupt(), "two: nobody trades") == 130
    told = capsys.readouterr()
    assert told.err.splitlines()[:2] == ["violation: two: nobody trades", f"kept: {root}"]
    assert told.out.splitlines()[-1].endswith("; 1 violations")
    assert root.exists()
