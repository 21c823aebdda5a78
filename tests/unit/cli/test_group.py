"""The group of verbs: help without loading them, one line for what goes wrong."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result

from krakked.cli.__main__ import VERBS, root
from krakked.domain.errors import BadInput, BadKey, Transient
from krakked.runtime.exit_codes import ExitCode

Krakked = Callable[..., Result]
CLI = Path(__file__).resolve().parents[3] / "services/krakked/cli"
HEAVY = {"aiohttp", "numpy", "pyarrow", "pydantic", "tqdm", "yaml", "structlog", "platformdirs"}


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Every verb that does something, by what is typed."""
    context = click.Context(root)
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            inner = click.Context(command)
            for sub_name in command.list_commands(inner):
                sub = command.get_command(inner, sub_name)
                assert sub is not None
                yield f"{name} {sub_name}", sub
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield name, command


COMMANDS = dict(every_command())
GROUPS = sorted({name.split()[0] for name in COMMANDS if " " in name})


def test_version_is_printed(krakked: Krakked) -> None:
    result = krakked("--version")
    assert (result.exit_code, result.stdout) == (0, "krakked 0.7.0\n")


def test_help_lists_every_verb_with_its_line(krakked: Krakked) -> None:
    shown = krakked("--help").stdout
    for name, (_, line) in VERBS.items():
        assert f"  {name} " in shown
        assert line.split()[0] in shown
    assert "Example:  krakked run --env dev" in shown


def test_verbs_asked_for_by_the_contract_are_there() -> None:
    wanted = {
        "run",
        "run-once",
        "simulator",
        "status",
        "orders list",
        "orders cancel",
        "orders cancel-all",
        "orders flatten",
        "executions",
        "positions",
        "plans show",
        "decisions",
        "why",
        "kill-switch status",
        "kill-switch on",
        "kill-switch off",
        "halt",
        "resume",
        "panic",
        "portfolio init",
        "config show",
        "config check",
        "config schema",
        "data import",
        "db-info",
        "db-check",
        "db-backup",
        "migrate-db",
        "db-schema-version",
        "secrets set",
        "secrets check",
    }
    assert wanted <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_verb_has_an_example_and_its_exit_codes(krakked: Krakked, name: str) -> None:
    result = krakked(*name.split(), "--help")
    assert result.exit_code == 0
    assert re.search(rf"Examples?:\s+krakked {name}", result.stdout), result.stdout
    _, _, told = result.stdout.partition("Exit codes:")
    codes = [int(code) for code in re.findall(r"^ +(\d+)  \S", told, re.MULTILINE)]
    assert codes == sorted(set(codes)), "each once"
    assert {0, 2} <= set(codes)


@pytest.mark.parametrize("name", GROUPS)
def test_help_of_a_group_has_an_example(krakked: Krakked, name: str) -> None:
    result = krakked(name, "--help")
    assert re.search(rf"Example:\s+krakked {name} \S", result.stdout), result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_verb_can_answer_in_json(name: str) -> None:
    spoken = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert "--json" in spoken


@pytest.mark.parametrize(
    "name", [n for n in COMMANDS if not n.startswith(("simulator", "config", "secrets"))]
)
def test_verb_on_a_database_takes_its_path_and_has_the_default(name: str) -> None:
    (option,) = (p for p in COMMANDS[name].params if "--db-path" in p.opts)
    assert str(option.get_default(click.Context(COMMANDS[name]))) == "portfolio.db"


def test_table_of_verbs_is_true() -> None:
    context = click.Context(root)
    for name, (_, line) in VERBS.items():
        command = root.get_command(context, name)
        assert command is not None
        assert command.name in (name, "command")
        assert line.endswith(".")


def test_unknown_verb_names_the_nearest(krakked: Krakked) -> None:
    result = krakked("kil-switch")
    assert result.exit_code == ExitCode.USAGE
    assert "Did you mean 'kill-switch'?" in result.stderr


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (("status", "--nonsense"), "No such option '--nonsense'; `krakked status --help`"),
        (("--nonsense",), "No such option '--nonsense'; `krakked --help`"),
        (("orders", "cancel"), "Missing argument 'ORDER_ID'; `krakked orders cancel --help`"),
        (("orders", "lst"), "No such command 'lst'"),
        (("run", "--seed", "x"), "Invalid value for '--seed': 'x' is not a valid integer range; "),
        (("config", "schema", "--json", "--markdown"), "--markdown and --json exclude each other"),
        (("portfolio", "init", "--json"), "--json needs --yes: a program cannot be asked; "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_wrong_use_is_one_line_that_names_the_help(
    krakked: Krakked, typed: tuple[str, ...], line: str
) -> None:
    result = krakked(*typed)
    assert (result.exit_code, result.stdout) == (ExitCode.USAGE, "")
    (told,) = result.stderr.splitlines()
    assert told.startswith(f"krakked: {line}")
    assert told.endswith("--help` has an example")


def test_interrupt_is_not_called_a_refusal(
    krakked: Krakked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(root, "get_command", lambda *_: failing(KeyboardInterrupt()))
    result = krakked("status")
    assert (result.exit_code, result.stderr) == (ExitCode.INTERRUPTED, "\nkrakked: interrupted\n")


def test_no_verb_prints_the_help(krakked: Krakked) -> None:
    assert "Verbs:" in krakked().output


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (BadInput("mend it"), 78, ["krakked: mend it"]),
        (BadInput("one\ntwo"), 78, ["krakked: one", "krakked: two"]),
        (BadInput("port taken", exit_code=74), 74, ["krakked: port taken"]),
        (BadKey("EAPI:Invalid key"), 77, ["krakked: EAPI:Invalid key"]),
        (Transient(""), 69, ["krakked: Transient"]),
    ],
)
def test_error_of_ours_is_one_line_each_and_its_exit_code(
    krakked: Krakked,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    code: int,
    lines: list[str],
) -> None:
    monkeypatch.setitem(VERBS, "status", ("failing:command", "Fails."))
    monkeypatch.setattr(root, "get_command", lambda *_: failing(error))
    result = krakked("status")
    assert (result.exit_code, result.stderr.splitlines()) == (code, lines)
    assert result.stdout == ""


def test_bug_keeps_its_traceback(krakked: Krakked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root, "get_command", lambda *_: failing(AssertionError("bug")))
    assert isinstance(krakked("status").exception, AssertionError)


def failing(error: BaseException) -> click.Command:
    @click.command("status")
    def command() -> None:
        raise error

    return command


def test_modules_of_verbs_import_nothing_heavy_at_their_top() -> None:
    """The group would still be quick, but `krakked VERB --help` would not."""
    guilty = [
        f"{path.name}: {name}"
        for path in sorted(CLI.glob("*.py"))
        for node in ast.parse(path.read_text()).body
        for name in imported(node)
        if name.split(".")[0] in HEAVY
    ]
    assert guilty == []


def imported(node: Any) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return []
