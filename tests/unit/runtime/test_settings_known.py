"""What can be set is known by path, in words, and to the documentation."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from krakked.runtime.settings import documents, known
from krakked.runtime.settings.known import KnownSetting, known_settings

ROOT = Path(__file__).resolve().parents[3]


def test_every_setting_has_words_for_what_it_may_be() -> None:
    for setting in known_settings():
        assert known.in_words(setting.annotation), setting.path


def test_every_setting_has_its_documentation_under_it() -> None:
    silent = [known.dotted(one.path) for one in known_settings() if not one.field.description]
    assert silent == []


def test_documentation_of_settings_ends_as_a_sentence() -> None:
    for setting in known_settings():
        assert (setting.field.description or "").endswith((".", "`")), setting.path


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("execution.mode", "one of `dry_run`, `paper`, `live`"),
        ("execution.max_retries", "a whole number"),
        ("execution.dead_man_switch_seconds", "a whole number or `null`"),
        ("universe.include_pairs", "a list of the altname of a pair, like `XBTUSD`"),
        ("health.port", "a whole number or `null`"),
        ("simulator.speed", "a number or `max`"),
        ("ui.auth.token", "text (secret) or `null`"),
        ("strategies.trend.params", "names (text), each with anything"),
        ("market_data.ohlc_store.root_dir", "a path"),
        ("logging.level", "one of `debug`, `info`, `warning`, `error`, `critical`"),
    ],
)
def test_words_say_what_may_be_written(path: str, words: str) -> None:
    assert known.in_words(found(path).annotation) == words


@pytest.mark.parametrize(
    ("path", "bounds"),
    [
        ("execution.deadline_seconds", ["at least 3", "at most 60"]),
        ("execution.dead_man_switch_seconds", ["at least 20", "at most 3600"]),
        ("execution.retry_backoff_seconds", ["more than 0"]),
        ("risk.max_per_asset_pct", ["at least 0", "at most 100"]),
        ("universe.min_24h_volume_usd", ["at least 0"]),
        ("execution.mode", []),
    ],
)
def test_bounds_are_told_where_they_say_something(path: str, bounds: list[str]) -> None:
    assert documents.bounds_in_words(found(path)) == bounds


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("execution.mode", "execution.mode"),
        ("strategies.mine.type", "strategies.*.type"),
        ("strategies.mine.params.fast_bars", "strategies.*.params"),
        ("simulator.balances.USD", "simulator.balances"),
        ("execution", None),
        ("execution.nothing", None),
        ("execution.mode.deeper", None),
    ],
)
def test_path_leads_to_its_setting_or_to_the_map_it_lies_in(
    path: str, expected: str | None
) -> None:
    setting = known.find(tuple(path.split(".")))
    assert (None if setting is None else known.dotted(setting.path)) == expected


def test_sections_are_told_from_settings() -> None:
    assert known.is_section(("execution",))
    assert known.is_section(("strategies", "mine"))
    assert known.is_section(("market_data", "ws"))
    assert not known.is_section(("execution", "mode"))
    assert not known.is_section(("nothing",))


def test_only_the_token_is_a_secret() -> None:
    assert [known.dotted(s.path) for s in known_settings() if s.is_secret] == ["ui.auth.token"]


def test_variable_and_path_lead_to_each_other() -> None:
    for setting in known_settings():
        name = known.variable(setting.path)
        assert known.path_of_variable(name) == setting.path
        assert name.startswith("KRAKKED_")


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("execution.mod", "execution.mode"),
        ("xecution.mode", "execution.mode"),
        ("heartbeat_seconds", "market_data.ws.heartbeat_seconds"),
        ("strategies.mine.time_frames", "strategies.mine.timeframes"),
        ("max_open_positions", "risk.max_open_positions"),
        ("risk.max_slippage_bps", "execution.max_slippage_bps"),
        ("excution.mod", "execution.mode"),
        ("uii.aut.tokn", "ui.auth.token"),
        ("riks", "risk"),
        ("riks.a", "risk"),
        ("riks.max_open", "risk.max_open_positions"),
        ("riks.max_open_position", "risk.max_open_positions"),
        ("market_data.wss.foo", "market_data.ws"),
        ("stratgies.mine.pair", "strategies.mine.pairs"),
        ("tipe", "strategies.<id>.type"),
        ("strategies.trend.kind", "strategies.trend.type"),
        ("venue.type", "venue.kind"),
        ("stratgies.enabled", "strategies.<id>.enabled"),
        ("stratgies.nonsense", "strategies"),
        ("foo", None),
        ("risk.day_boundary.hour", "risk.day_boundary"),
        ("risk", None),
        ("risk.foo", None),
    ],
)
def test_nearest_known_name_is_found(path: str, nearest: str | None) -> None:
    found = known.nearest(tuple(path.split(".")))
    assert (None if found is None else known.dotted(found)) == nearest


@pytest.mark.parametrize("path", ["", "zzzzzzzz", "ф", "a.b.c.d.e.f"])
def test_what_is_like_nothing_is_near_nothing(path: str) -> None:
    assert known.nearest(tuple(path.split("."))) is None


@pytest.mark.parametrize(
    ("path", "section"),
    [
        ("risk", "risk"),
        ("risk.foo", "risk"),
        ("market_data.ws.foo.bar", "market_data.ws"),
        ("strategies.mine.foo", "strategies.mine"),
        ("riks.foo", None),
    ],
)
def test_innermost_section_of_a_path_is_found(path: str, section: str | None) -> None:
    found = known.section_of(tuple(path.split(".")))
    assert (None if found is None else known.dotted(found)) == section


def test_settings_of_a_section_are_all_below_it_by_the_names_people_chose() -> None:
    ws = [known.dotted(path) for path in known.settings_in(("market_data", "ws"))]
    assert ws == [
        known.dotted(one.path) for one in known_settings() if one.path[:2] == ("market_data", "ws")
    ]
    mine = [known.dotted(path) for path in known.settings_in(("strategies", "mine"))]
    assert "strategies.mine.type" in mine
    assert all(known.find(path) for path in known.settings_in(("strategies", "mine")))
    every = [known.dotted(path) for path in known.settings_in(("strategies",))]
    assert "strategies.<id>.type" in every


def test_page_of_the_configuration_is_current() -> None:
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert page == documents.markdown(), (
        "run `krakked config schema --markdown > docs/configuration.md`"
    )


def test_page_of_the_configuration_names_every_setting_and_variable() -> None:
    page = documents.markdown()
    for setting in known_settings():
        assert f"`{known.dotted(setting.path).replace('*', '<id>')}`" in page
    assert "`KRAKKED_CONFIG_DIR`" in page


def test_rows_of_the_page_have_four_cells() -> None:
    rows = [line for line in documents.markdown().splitlines() if line.startswith("| `")]
    table = [row for row in rows if "KRAKKED_" not in row.split("|")[1]]
    assert {row.count("|") for row in table} == {5}


def test_schema_is_one_and_takes_what_the_loader_takes() -> None:
    schema = json.loads(documents.json_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    good = {"execution": {"mode": "paper"}, "strategies": {"a": {"type": "trend_following"}}}
    jsonschema.validate(good, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"execution": {"mod": "paper"}}, schema)


def found(path: str) -> KnownSetting:
    setting = known.find(tuple(path.split(".")))
    assert setting is not None
    return setting
