"""``--strict`` ends a run at what it otherwise survives."""

from __future__ import annotations

from pathlib import Path

import pytest

from krakked.domain.events import Event, EventName
from krakked.engine import __main__ as engine
from krakked.engine.running import Run
from krakked.engine.strictness import NOT_SURVIVED, strict
from krakked.runtime.exit_codes import ExitCode
from krakked.runtime.run_options import RunOptions
from krakked.runtime.settings import Environment
from krakked.runtime.supervisor import Supervisor


def heard(name: EventName, **fields: object) -> Supervisor:
    supervisor = Supervisor()
    strict(supervisor)(Event(name=name, at_ns=0, fields=fields))
    return supervisor


def test_drift_ends_a_strict_run_with_findings_and_its_words() -> None:
    supervisor = heard(EventName.DRIFT_FOUND, difference="XBT: ours 1, theirs 2")
    assert supervisor.exit_code == ExitCode.FINDINGS
    assert supervisor.reason == "strict: drift_found: XBT: ours 1, theirs 2"


def test_malformed_frame_ends_a_strict_run() -> None:
    supervisor = heard(EventName.MALFORMED_FRAME, problem="not JSON", frame="<html>")
    assert supervisor.reason == "strict: malformed_frame: not JSON"


@pytest.mark.parametrize("name", [name for name in EventName if name not in NOT_SURVIVED])
def test_anything_else_is_survived(name: EventName) -> None:
    assert not heard(name).is_ending


@pytest.mark.parametrize(("is_strict", "code"), [(True, ExitCode.FINDINGS), (False, ExitCode.DONE)])
def test_flag_decides_whether_a_run_listens_that_closely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_strict: bool, code: ExitCode
) -> None:
    monkeypatch.setattr("krakked.engine.__main__.logs.configure", lambda *_, **__: None)
    monkeypatch.setattr("krakked.engine.__main__.telling.voice", lambda *_: lambda _: None)

    async def work(run: Run, supervisor: Supervisor) -> int:
        run._tell(Event(name=EventName.DRIFT_FOUND, at_ns=0, fields={}))
        return supervisor.exit_code

    options = RunOptions(
        environment=Environment.DEV,
        db_path=tmp_path / "portfolio.db",
        is_strict=is_strict,
        once=True,
    )
    assert engine._with_settings(options, work) == code
