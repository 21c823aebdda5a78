"""``krakked secrets``: made, opened, refused; nothing that is secret is ever printed."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from krakked.cli import keys
from krakked.runtime import sealed_secrets
from krakked.runtime.credentials import KeySources, load_credentials
from krakked.runtime.exit_codes import ExitCode
from krakked.runtime.sealed_secrets import Cost

Krakked = Callable[..., Result]
PASSWORD = "correct horse battery"
SECRET = "c2VjcmV0LW9mLXRyYWRl"
QUERY_SECRET = "c2VjcmV0LW9mLXF1ZXJ5"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variables of the one who runs the tests, and a cost that tests can pay."""
    for name in ("KRAKEN_API_KEY", "KRAKEN_API_SECRET", "KRAKEN_QUERY_KEY", "KRAKEN_QUERY_SECRET"):
        monkeypatch.delenv(name, raising=False)
    for name in ("KRAKKED_MASTER_PASSWORD", "KRAKKED_MASTER_PASSWORD_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sealed_secrets, "RECOMMENDED", Cost(n=2))


def answers(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def told(result: Result) -> str:
    """Everything it wrote, in which nothing secret may stand."""
    everything = result.stdout + result.stderr
    for text in (PASSWORD, SECRET, QUERY_SECRET):
        assert text not in everything
    return everything


def keys_in(path: Path) -> Any:
    return load_credentials(KeySources(environ={"KRAKKED_MASTER_PASSWORD": PASSWORD}, sealed=path))


def test_keys_are_asked_for_sealed_and_opened_again(krakked: Krakked, folder: Path) -> None:
    result = krakked(
        *("secrets", "set", "--config-dir", "etc"),
        input=answers("the-key", SECRET, "", PASSWORD, PASSWORD),
    )
    assert result.exit_code == 0, told(result)
    assert result.stdout == "sealed one key into etc/secrets.enc\n"
    assert "the-key" not in told(result)
    path = folder / "etc" / "secrets.enc"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = keys_in(path)
    assert (found.trade.key, found.trade.secret) == ("the-key", SECRET)
    assert found.query is found.trade


def test_second_key_is_sealed_with_the_first(krakked: Krakked, folder: Path) -> None:
    typed = answers("the-key", SECRET, "query-key", QUERY_SECRET, PASSWORD, PASSWORD)
    result = krakked("secrets", "set", "--config-dir", "etc", input=typed)
    assert result.stdout == "sealed trade and query key into etc/secrets.enc\n"
    assert keys_in(folder / "etc" / "secrets.enc").query.key == "query-key"


def test_variables_answer_for_a_person(
    krakked: Krakked, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRAKEN_API_KEY", "the-key")
    monkeypatch.setenv("KRAKEN_API_SECRET", SECRET)
    monkeypatch.setenv("KRAKEN_QUERY_KEY", "query-key")
    monkeypatch.setenv("KRAKEN_QUERY_SECRET", QUERY_SECRET)
    monkeypatch.setenv("KRAKKED_MASTER_PASSWORD", PASSWORD)
    result = krakked("secrets", "set", "--json")
    path = folder / "home/.config/krakked/secrets.enc"
    assert json.loads(told(result)) == {"path": str(path), "keys": 2}
    assert keys_in(path).query.key == "query-key"


def test_file_that_is_there_is_replaced_only_by_a_typed_word(
    krakked: Krakked, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRAKEN_API_KEY", "first")
    monkeypatch.setenv("KRAKEN_API_SECRET", SECRET)
    monkeypatch.setenv("KRAKKED_MASTER_PASSWORD", PASSWORD)
    arguments = ("secrets", "set", "--config-dir", "etc")
    assert krakked(*arguments, input=answers("")).exit_code == 0
    path = folder / "etc" / "secrets.enc"
    monkeypatch.setenv("KRAKEN_API_KEY", "second")
    refused = krakked(*arguments, input=answers("yes", ""))
    assert refused.exit_code == ExitCode.REFUSED
    assert keys_in(path).trade.key == "first"
    assert krakked(*arguments, input=answers("replace", "")).exit_code == 0
    assert keys_in(path).trade.key == "second"
    monkeypatch.setenv("KRAKEN_API_KEY", "third")
    assert krakked(*arguments, "--yes", input=answers("")).exit_code == 0
    assert keys_in(path).trade.key == "third"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("", ""), "no trade key was given"),
        (("the-key", ""), "give both or none"),
        (("the-key", "not base64!"), "not base64"),
        (("the-key", SECRET, "", "short", "short"), "has 5 characters; take at least 12"),
        (("the-key", SECRET, "query", ""), "give both or none"),
    ],
)
def test_bad_answer_is_one_line_and_writes_nothing(
    krakked: Krakked, folder: Path, typed: tuple[str, ...], words: str
) -> None:
    result = krakked("secrets", "set", "--config-dir", "etc", input=answers(*typed))
    assert result.exit_code == ExitCode.KEYS
    assert words in told(result).splitlines()[-1]
    assert not (folder / "etc" / "secrets.enc").exists()


def test_folder_that_cannot_be_written_is_one_line(
    krakked: Krakked, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRAKKED_MASTER_PASSWORD", PASSWORD)
    (folder / "etc").mkdir()
    (folder / "etc" / "secrets.enc.new").mkdir()
    result = krakked(
        *("secrets", "set", "--config-dir", "etc"), input=answers("the-key", SECRET, "")
    )
    assert result.exit_code == ExitCode.KEYS
    assert "cannot be written" in told(result).splitlines()[-1]


@pytest.fixture
def sealed(krakked: Krakked, folder: Path) -> Path:
    typed = answers("the-key", SECRET, "", PASSWORD, PASSWORD)
    assert krakked("secrets", "set", "--config-dir", "etc", input=typed).exit_code == 0
    return folder / "etc" / "secrets.enc"


def test_check_says_where_keys_come_from(
    krakked: Krakked, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRAKKED_MASTER_PASSWORD", PASSWORD)
    result = krakked("secrets", "check", "--config-dir", "etc")
    assert (result.exit_code, result.stdout) == (0, "one key for all, from etc/secrets.enc\n")
    answer = json.loads(krakked("secrets", "check", "--config-dir", "etc", "--json").stdout)
    assert answer["source"] == "etc/secrets.enc"
    assert answer["fingerprints"]["trade"] == answer["fingerprints"]["query"]
    monkeypatch.setenv("KRAKEN_API_KEY", "of-the-variable")
    monkeypatch.setenv("KRAKEN_API_SECRET", SECRET)
    shown = krakked("secrets", "check", "--config-dir", "etc").stdout
    assert shown == "one key for all, from KRAKEN_API_KEY, KRAKEN_API_SECRET\n"


def test_check_with_a_wrong_password_is_one_line_and_77(
    krakked: Krakked, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRAKKED_MASTER_PASSWORD", "something else")
    result = krakked("secrets", "check", "--config-dir", "etc")
    assert result.exit_code == 77
    assert told(result) == "krakked: etc/secrets.enc: the master password is wrong\n"


def test_check_of_a_damaged_file_is_one_line_and_77(
    krakked: Krakked, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRAKKED_MASTER_PASSWORD", PASSWORD)
    sealed.write_bytes(sealed.read_bytes()[:-20])
    result = krakked("secrets", "check", "--config-dir", "etc")
    assert result.exit_code == 77
    assert told(result).startswith("krakked: etc/secrets.enc: damaged, or not made by krakked")
    assert len(told(result).splitlines()) == 1


def test_check_without_a_terminal_says_how_to_give_the_password(
    krakked: Krakked, sealed: Path
) -> None:
    result = krakked("secrets", "check", "--config-dir", "etc")
    assert result.exit_code == 77
    assert "no master password; set KRAKKED_MASTER_PASSWORD_FILE" in told(result)


def test_check_at_a_terminal_asks(
    krakked: Krakked, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "_asker", lambda: lambda: PASSWORD)
    assert krakked("secrets", "check", "--config-dir", "etc").exit_code == 0


def test_check_without_any_keys_says_how_to_give_some(krakked: Krakked) -> None:
    result = krakked("secrets", "check")
    assert result.exit_code == 77
    assert "`krakked secrets set`" in told(result)
