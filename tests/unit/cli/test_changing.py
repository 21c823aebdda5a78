"""Verbs that change something go to the engine, once, with who and why; or nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from krakked.domain.commands import (
    Acknowledge,
    Cancel,
    CancelAll,
    Command,
    Flatten,
    Halt,
    Panic,
    Reply,
    Resolve,
    Resume,
    SetKillSwitch,
    Shutdown,
    Status,
    Unfence,
)
from krakked.runtime import control_socket
from krakked.runtime.control_socket import EngineHangs, NotFinished
from krakked.runtime.exit_codes import ExitCode

Krakked = Callable[..., Result]

CHANGING: tuple[tuple[tuple[str, ...], type, dict[str, object]], ...] = (
    (("halt",), Halt, {"cancel": False}),
    (("halt", "--cancel"), Halt, {"cancel": True}),
    (("resume",), Resume, {}),
    (("shutdown",), Shutdown, {}),
    (("panic", "--yes"), Panic, {}),
    (("unfence", "--yes"), Unfence, {"epoch": 0}),
    (("unfence", "--yes", "--epoch", "7"), Unfence, {"epoch": 7}),
    (("acknowledge",), Acknowledge, {}),
    (("kill-switch", "on"), SetKillSwitch, {"active": True}),
    (("kill-switch", "off", "--yes", "--reason", "looked"), SetKillSwitch, {"active": False}),
    (("orders", "cancel", "O1"), Cancel, {"order_id": "O1"}),
    (
        ("orders", "resolve", "client-1", "absent"),
        Resolve,
        {"client_order_id": "client-1", "outcome": "absent"},
    ),
    (
        ("orders", "resolve", "TQ3B7X", "manual"),
        Resolve,
        {"client_order_id": "TQ3B7X", "outcome": "manual"},
    ),
    (("orders", "cancel-all"), CancelAll, {"pair": None}),
    (("orders", "cancel-all", "--pair", "XBTUSD"), CancelAll, {"pair": "XBTUSD"}),
    (
        ("orders", "flatten", "--yes"),
        Flatten,
        {"pair": None, "strategy_id": None, "halt": False},
    ),
    (("orders", "flatten", "--yes", "--halt"), Flatten, {"pair": None, "halt": True}),
    (
        ("orders", "flatten", "--yes", "--pair", "XBTUSD", "--strategy", "trend"),
        Flatten,
        {"pair": "XBTUSD", "strategy_id": "trend"},
    ),
)
IDS = [" ".join(verb) for verb, _, _ in CHANGING]
FROM_HERE = (Halt, Resume, SetKillSwitch, Panic, CancelAll, Flatten)
"""What is put on record, or done from here, where no engine runs (``test_offline.py``)."""
NEEDING = [one for one in CHANGING if one[1] not in FROM_HERE]


@pytest.mark.parametrize(("verb", "kind", "fields"), CHANGING, ids=IDS)
def test_verb_sends_one_command_and_prints_the_answer(
    krakked: Krakked, engine: Any, verb: tuple[str, ...], kind: type[Any], fields: dict[str, object]
) -> None:
    result = krakked(*verb, "--reason", "a test")
    assert (result.exit_code, result.stdout) == (0, "done\n")
    command: Any = engine.only
    assert type(command) is kind
    assert {name: getattr(command, name) for name in fields} == fields
    assert command.reason == "a test"
    assert "@" in command.principal
    assert len(command.command_id) == 16


@pytest.mark.parametrize(
    ("verb", "kind", "fields"), NEEDING, ids=[" ".join(verb) for verb, _, _ in NEEDING]
)
def test_verb_without_an_engine_is_refused_and_says_what_to_do(
    krakked: Krakked,
    ledger: Path,
    verb: tuple[str, ...],
    kind: type[Any],
    fields: dict[str, object],
) -> None:
    result = krakked(*verb)
    assert result.exit_code == ExitCode.NO_ENGINE
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("krakked: no engine answers at portfolio.db.sock; ")


@pytest.mark.parametrize(("verb", "kind", "fields"), CHANGING, ids=IDS)
def test_refusal_of_the_engine_is_told_with_its_own_exit_code(
    krakked: Krakked, engine: Any, verb: tuple[str, ...], kind: type[Any], fields: dict[str, object]
) -> None:
    engine.reply = Reply(command_id="", ok=False, message="no such order")
    result = krakked(*verb)
    assert (result.exit_code, result.stdout) == (ExitCode.REFUSED, "")
    assert result.stderr == "no such order\n"


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that listens, as process 4711, and does not hear."""

    def ask(path: Path, command: Command) -> Reply:
        raise EngineHangs(path, 4711)

    monkeypatch.setattr(control_socket, "ask", ask)


@pytest.mark.usefixtures("hung")
@pytest.mark.parametrize(("verb", "kind", "fields"), CHANGING, ids=IDS)
def test_verb_to_a_hung_engine_says_that_nothing_is_done_and_whom_to_stop(
    krakked: Krakked, verb: tuple[str, ...], kind: type[Any], fields: dict[str, object]
) -> None:
    result = krakked(*verb)
    assert (result.exit_code, result.stdout) == (ExitCode.NO_ENGINE, "")
    assert result.stderr == (
        "krakked: the engine at portfolio.db.sock (pid 4711) is running but not answering: this "
        "was not done, and will not be; wait and try again, or stop it with `kill 4711` "
        "(`kill -9 4711` if it stays) and start it again: nothing on record is lost\n"
    )


@pytest.mark.usefixtures("hung")
def test_status_of_a_hung_engine_is_not_that_it_does_not_run(
    krakked: Krakked, ledger: Path
) -> None:
    result = krakked("status")
    assert result.exit_code == ExitCode.NO_ENGINE
    state, equity, at, *_ = result.stdout.splitlines()
    assert state.split(maxsplit=1) == ["engine", "running (pid 4711) but not answering"]
    assert equity.split() == ["equity", "10012.35"]
    assert at.split() == ["equity_at", "2023-11-14T22:13:20Z"]
    assert "`kill 4711`" in result.stderr
    told = json.loads(krakked("status", "--json").stdout)
    assert (told["running"], told["answering"], told["pid"]) == (True, False, 4711)


def test_command_that_was_begun_and_not_answered_is_not_called_undone(
    krakked: Krakked, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(path: Path, command: Command) -> Reply:
        raise NotFinished("the engine did not answer in time")

    monkeypatch.setattr(control_socket, "ask", ask)
    result = krakked("panic", "--yes")
    assert result.exit_code == ExitCode.NO_ENGINE
    assert "it has begun and may still finish; look at `krakked status`" in result.stderr


def test_answer_in_json_is_the_whole_reply(krakked: Krakked, engine: Any) -> None:
    engine.reply = Reply(command_id="", ok=True, message="2 orders cancelled", data={"n": 2})
    reply = json.loads(krakked("orders", "cancel-all", "--json").stdout)
    assert reply == {
        "command_id": engine.only.command_id,
        "ok": True,
        "message": "2 orders cancelled",
        "data": {"n": 2},
    }


def test_each_wish_has_an_id_of_its_own(krakked: Krakked, engine: Any) -> None:
    krakked("halt")
    krakked("halt")
    first, second = engine.heard
    assert first.command_id != second.command_id


@pytest.mark.parametrize("verb", [("panic",), ("orders", "flatten")], ids=" ".join)
def test_dangerous_verb_asks_for_the_word(
    krakked: Krakked, engine: Any, verb: tuple[str, ...]
) -> None:
    wrong = krakked(*verb, input="yes\n")
    assert wrong.exit_code == ExitCode.REFUSED
    assert "FLATTEN was not typed; nothing was done" in wrong.stderr
    assert engine.heard == []
    right = krakked(*verb, input="FLATTEN\n")
    assert right.exit_code == 0
    assert len(engine.heard) == 1


@pytest.mark.parametrize(
    "verb",
    [("panic",), ("orders", "flatten"), ("kill-switch", "off", "--reason", "looked")],
    ids=" ".join,
)
def test_question_where_nobody_can_answer_names_the_flag(
    krakked: Krakked, engine: Any, verb: tuple[str, ...]
) -> None:
    result = krakked(*verb, input="")
    assert result.exit_code == ExitCode.USAGE
    assert result.stderr.splitlines()[-1] == (
        "krakked: nobody answers the question here, so nothing was done; start it at a terminal, "
        "or say --yes"
    )
    assert engine.heard == []


def test_what_is_sold_is_said_before(krakked: Krakked, engine: Any) -> None:
    flags = ("--pair", "XBTUSD", "--strategy", "trend")
    asked = krakked("orders", "flatten", *flags, input="no\n").stderr
    assert "This sells the positions of trend in XBTUSD." in asked
    assert "This sells every position." in krakked("orders", "flatten", input="no\n").stderr


def test_kill_switch_off_asks_first(krakked: Krakked, engine: Any) -> None:
    off = ("kill-switch", "off", "--reason", "looked")
    assert krakked(*off, input="n\n").exit_code == ExitCode.REFUSED
    assert engine.heard == []
    assert krakked(*off, input="y\n").exit_code == 0


@pytest.mark.parametrize("reason", [(), ("--reason", " ")], ids=["none", "empty"])
def test_kill_switch_off_without_a_reason_is_wrong_use(
    krakked: Krakked, engine: Any, reason: tuple[str, ...]
) -> None:
    result = krakked("kill-switch", "off", "--yes", *reason)
    assert result.exit_code == ExitCode.USAGE
    assert "--reason" in result.stderr
    assert engine.heard == []


def test_kill_switch_on_never_asks(krakked: Krakked, engine: Any) -> None:
    assert krakked("kill-switch", "on", input="").exit_code == 0


def test_status_of_a_running_engine_is_its_own_answer(krakked: Krakked, engine: Any) -> None:
    engine.reply = Reply(
        command_id="",
        ok=True,
        message="",
        data={
            "ready": True,
            "equity": "10012.34",
            "stale_pairs": ["XBTUSD", "ETHUSD"],
            "drift": [],
            "streams": {"public": True},
            "fenced": None,
        },
    )
    result = krakked("status")
    assert result.exit_code == 0
    assert [line.split(maxsplit=1) for line in result.stdout.splitlines()] == [
        ["engine", "running"],
        ["ready", "True"],
        ["equity", "10012.34"],
        ["stale_pairs", "XBTUSD, ETHUSD"],
        ["drift", "-"],
        ["streams.public", "True"],
        ["fenced", "-"],
    ]
    assert type(engine.only) is Status
    data = json.loads(krakked("status", "--json").stdout)
    assert (data["running"], data["stale_pairs"]) == (True, ["XBTUSD", "ETHUSD"])


def test_engine_of_another_database_is_not_spoken_to(
    krakked: Krakked, engine: Any, ledger: Path
) -> None:
    result = krakked("halt", "--db-path", "other.db")
    assert result.exit_code == ExitCode.NO_ENGINE
    assert engine.heard == []
