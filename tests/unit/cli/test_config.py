"""``krakked config``: what holds and where it was written, what is wrong, what may be written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from click.testing import Result

from krakked.runtime.exit_codes import ExitCode
from krakked.runtime.settings import documents

Krakked = Callable[..., Result]


@pytest.fixture
def etc(folder: Path) -> Path:
    path = folder / "etc"
    path.mkdir()
    (path / "config.yaml").write_text("risk:\n  max_open_positions: 4\n")
    return path


def test_show_prints_value_and_source_of_everything(krakked: Krakked, etc: Path) -> None:
    result = krakked("config", "show", "--config-dir", "etc")
    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert lines["risk.max_open_positions"].split() == [
        *("risk.max_open_positions", "4", "etc/config.yaml:2")
    ]
    assert lines["execution.mode"].split() == ["execution.mode", "paper", "default"]
    assert len(lines) > 90


def test_show_changed_prints_what_was_written_alone(krakked: Krakked, etc: Path) -> None:
    flags = ("--changed", "--env", "live", "--config-dir", "etc", "--set", "account.name=main")
    result = krakked("config", "show", "--json", *flags)
    shown = {row["setting"]: row["source"] for row in json.loads(result.stdout)}
    assert shown["account.name"] == "command line"
    assert shown["venue.kind"] == "default of live"
    assert shown["risk.max_open_positions"] == "etc/config.yaml:2"
    assert "execution.max_retries" not in shown


def test_show_reads_variables_and_hides_secrets(
    krakked: Krakked, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRAKKED_UI__AUTH__TOKEN", "geheim")
    result = krakked("config", "show", "--json")
    (row,) = (r for r in json.loads(result.stdout) if r["setting"] == "ui.auth.token")
    assert row == {
        "setting": "ui.auth.token",
        "value": "**********",
        "source": "KRAKKED_UI__AUTH__TOKEN",
    }
    assert "geheim" not in result.output


def test_check_of_a_good_configuration_names_its_files(krakked: Krakked, etc: Path) -> None:
    result = krakked("config", "check", "--config-dir", "etc")
    assert (result.exit_code, result.stdout) == (
        0,
        "configuration of dev: no problems (etc/config.yaml)\n",
    )


def test_check_without_files_says_so(krakked: Krakked, folder: Path) -> None:
    assert krakked("config", "check").stdout == "configuration of dev: no problems (no files)\n"


def test_check_of_named_pairs_says_that_only_the_venue_knows_them(krakked: Krakked) -> None:
    for flag in (
        "universe.exclude_pairs=[XBTUDS]",
        "strategies.trend.pairs=[XBTUSD]",
        "portfolio.valuation_pairs={ETH: ETHXBT}",
    ):
        _, line = krakked("config", "check", "--set", flag).stdout.splitlines()
        assert line == (
            "the venue is not asked here: a start looks whether it lists the pairs named"
        )


def test_check_of_a_bad_configuration_is_a_line_for_each_problem(
    krakked: Krakked, etc: Path
) -> None:
    (etc / "config.dev.yaml").write_text(
        "risk:\n  max_open_positions: x\n  max_per_asset_pct: 101\n"
    )
    result = krakked("config", "check", "--config-dir", "etc")
    assert (result.exit_code, result.stdout) == (ExitCode.CONFIGURATION, "")
    assert result.stderr.splitlines() == [
        "krakked: etc/config.dev.yaml:2: risk.max_open_positions: 'x' is wrong; expected a whole "
        "number",
        "krakked: etc/config.dev.yaml:3: risk.max_per_asset_pct: 101 is wrong; expected at most "
        "100",
    ]


def test_folder_of_the_configuration_may_be_a_variable(
    krakked: Krakked, etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRAKKED_CONFIG_DIR", "etc")
    assert "etc/config.yaml" in krakked("config", "check").stdout


def test_schema_is_a_json_schema_and_the_page(krakked: Krakked, folder: Path) -> None:
    schema = json.loads(krakked("config", "schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert krakked("config", "schema", "--markdown").stdout == documents.markdown()
