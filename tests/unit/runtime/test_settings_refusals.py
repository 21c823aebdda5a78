"""Whatever cannot be used is refused in one line: where, what, how to mend it."""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from krakked.cli.options import overrides
from krakked.domain.errors import BadInput
from krakked.runtime.settings import Environment, known
from krakked.runtime.settings.files import read_file
from krakked.runtime.settings.problems import Problem, refuse


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "execution:\n  mod: paper\n",
            "config.yaml:2: execution.mod: unknown setting; the nearest known one is "
            "execution.mode",
        ),
        (
            "excution:\n  mode: paper\n",
            "config.yaml:2: excution.mode: unknown setting; the nearest known one is "
            "execution.mode",
        ),
        (
            "max_open_positions: 3\n",
            "config.yaml:1: max_open_positions: unknown setting; the nearest known one is "
            "risk.max_open_positions",
        ),
        (
            "strategies:\n  trend:\n    tipe: x\n",
            "config.yaml:3: strategies.trend.tipe: unknown setting; the nearest known one is "
            "strategies.trend.type",
        ),
        (
            "qqqqqq: 1\n",
            "config.yaml:1: qqqqqq: unknown setting; it is like none that is known; settings "
            "begin with environment, region, account, execution, venue, universe, market_data, "
            "portfolio, risk, strategies, scheduler, leader, health, ui, logging, simulator",
        ),
        (
            "risk:\n  day_boundary:\n    hour: 3\n",
            "config.yaml:3: risk.day_boundary.hour: unknown setting; the nearest known one is "
            "risk.day_boundary",
        ),
    ],
)
def test_unknown_name_is_refused_with_the_nearest_known_one(
    configuration: Any, text: str, line: str
) -> None:
    assert configuration.write(text).refusal() == [line]


@pytest.mark.parametrize(
    ("text", "name", "section"),
    [
        ("riks: 3\n", "riks", "risk"),
        ("riks:\n", "riks", "risk"),
        ("riks: {a: 1}\n", "riks.a", "risk"),
        ("market_data: {wss: {foo: 1}}\n", "market_data.wss.foo", "market_data.ws"),
    ],
)
def test_unknown_name_that_is_like_a_section_is_refused_with_what_that_holds(
    configuration: Any, text: str, name: str, section: str
) -> None:
    (said,) = configuration.write(text).refusal()
    assert said.startswith(
        f"config.yaml:1: {name}: unknown setting; the nearest known one is the section {section}; "
        f"its settings are {section}."
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "execution:\n\n  max_retries: three\n",
            "config.yaml:3: execution.max_retries: 'three' is wrong; expected a whole number",
        ),
        (
            "portfolio:\n  cost_basis_method: fifo\n",
            "config.yaml:2: portfolio.cost_basis_method: 'fifo' is wrong; expected `wac`: the "
            "books are kept by weighted average cost, `fifo` is for tax exports alone",
        ),
        (
            "execution:\n  max_retries: 2.5\n",
            "config.yaml:2: execution.max_retries: 2.5 is wrong; expected a whole number",
        ),
        (
            "execution:\n  max_retries: -1\n",
            "config.yaml:2: execution.max_retries: -1 is wrong; expected at least 0",
        ),
        (
            "execution:\n  retry_backoff_factor: 0.5\n",
            "config.yaml:2: execution.retry_backoff_factor: 0.5 is wrong; expected at least 1",
        ),
        (
            "execution:\n  deadline_seconds: 2\n",
            "config.yaml:2: execution.deadline_seconds: 2 is wrong; expected at least 3",
        ),
        (
            "execution:\n  mode: papr\n",
            "config.yaml:2: execution.mode: 'papr' is wrong; expected one of `dry_run`, `paper`, "
            "`live`",
        ),
        (
            "execution:\n  post_only: maybe\n",
            "config.yaml:2: execution.post_only: 'maybe' is wrong; expected true or false",
        ),
        (
            "risk:\n  max_per_asset_pct: 200\n",
            "config.yaml:2: risk.max_per_asset_pct: 200 is wrong; expected at most 100",
        ),
        (
            "risk:\n  max_per_asset_pct: .nan\n",
            "config.yaml:2: risk.max_per_asset_pct: '.nan' is wrong; expected a number",
        ),
        (
            "risk: 3\n",
            "config.yaml:1: risk: 3 is wrong; expected a section: `name: value` lines below it",
        ),
        (
            "risk: [1]\n",
            "config.yaml:1: risk: [1] is wrong; expected a section: `name: value` lines below it",
        ),
        (
            "risk:\n  day_boundary: '24:00'\n",
            "config.yaml:2: risk.day_boundary: '24:00' is wrong; expected a time of day in "
            "quotes, `00:00`",
        ),
        (
            "universe:\n  include_pairs: XBTUSD\n",
            "config.yaml:2: universe.include_pairs: 'XBTUSD' is wrong; expected a list of the "
            "altname of a pair, like `XBTUSD`",
        ),
        (
            "universe:\n  include_pairs: [XBTUSD, BTC/USD]\n",
            "config.yaml:2: universe.include_pairs.1: 'BTC/USD' is wrong; expected the "
            "altname of a pair, like `XBTUSD`",
        ),
        (
            "market_data:\n  timeframes: [1h, 2h]\n",
            "config.yaml:2: market_data.timeframes.1: '2h' is wrong; expected one of "
            "`1m`, `5m`, `15m`, `1h`, `4h`, `1d`",
        ),
        (
            "venue:\n  rest_url: api.kraken.com\n",
            "config.yaml:2: venue.rest_url: 'api.kraken.com' is wrong; expected an address "
            "`http://…` or `https://…` or `null`",
        ),
        (
            "simulator:\n  speed: fast\n",
            "config.yaml:2: simulator.speed: 'fast' is wrong; expected a number or `max`",
        ),
        (
            "simulator:\n  balances:\n    X: 1\n",
            "config.yaml:3: simulator.balances.X: 'X' is wrong; expected the code of an asset, "
            "like `XBT`",
        ),
        (
            "strategies:\n  Trend:\n    type: trend_following\n",
            "config.yaml:3: strategies.Trend: 'Trend' is wrong; expected a name of small letters, "
            "digits, `_` and `-`",
        ),
        (
            "strategies:\n  mine:\n    enabled: true\n",
            "config.yaml:3: strategies.mine.type: is missing; add it",
        ),
        (
            "region:\n  profile: EU\n",
            "config.yaml:2: region.profile: 'EU' is wrong; expected one of `US_CA`",
        ),
    ],
)
def test_wrong_type_is_refused_with_file_line_and_what_is_expected(
    configuration: Any, text: str, line: str
) -> None:
    assert configuration.write(text).refusal() == [line]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("execution:\n  mode: [paper\n", "config.yaml:3: not YAML: "),
        ("execution:\n\tmode: paper\n", "config.yaml:2: not YAML: "),
        ("a: 'b\n", "config.yaml:2: not YAML: "),
        ("a: *b\n", "config.yaml:1: not YAML: "),
        ("risk: {}\n---\nrisk: {}\n", "config.yaml:2: not YAML: "),
        ("- a\n", "config.yaml:1: a configuration is made of `name: value` lines"),
        ("text\n", "config.yaml:1: a configuration is made of `name: value` lines"),
        ("[a]: b\n", "config.yaml:1: a name must be plain text"),
        (
            "risk:\n  max_open_positions: 1\n  max_open_positions: 2\n",
            "config.yaml:3: risk.max_open_positions stands twice (first in line 2); remove one",
        ),
        ("a\x07: b\n", "config.yaml: not YAML: "),
    ],
)
def test_text_that_is_no_configuration_is_refused_with_its_line(
    configuration: Any, text: str, line: str
) -> None:
    (said,) = configuration.write(text).refusal()
    assert said.startswith(line)


BOMB = "a0: &a0 [1]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
ITSELF = "an alias in it stands for itself; write it out"
DEEP = "deeper than 40 levels; nothing here is, write it flat"
LARGE = "more than 10000 values with its aliases written out; write fewer"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("risk:\n  a: &a [*a]\n", f"config.yaml:2: {ITSELF}"),
        ("risk: &a\n  b: *a\n", f"config.yaml:1: {ITSELF}"),
        ("risk: &a\n  <<: *a\n", f"config.yaml:1: {ITSELF}"),
        ("a: &a [{b: [*a]}]\n", f"config.yaml:1: {ITSELF}"),
        (f"a: {'[' * 60}{']' * 60}\n", f"config.yaml:1: {DEEP}"),
        (f"a: {'[' * 3000}{']' * 3000}\n", f"config.yaml:1: {DEEP}"),
        ("".join(f"{' ' * n}a:\n" for n in range(1000)), f"config.yaml:41: {DEEP}"),
        (
            "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 60)).replace("*a0", ""),
            f"config.yaml:42: {DEEP}",
        ),
        (BOMB, f"config.yaml:5: {LARGE}"),
        (MERGES, f"config.yaml:9: {LARGE}"),
        (f"universe:\n  include_pairs: [{'A, ' * 20_000}B]\n", f"config.yaml:2: {LARGE}"),
    ],
    ids=[
        *("alias in itself", "mapping in itself", "merged into itself", "alias far in itself"),
        *(
            "deep",
            "very deep",
            "deep mappings",
            "deep by aliases",
            "bomb",
            "bomb of merges",
            "long",
        ),
    ],
)
def test_document_that_is_too_deep_too_large_or_without_end_is_refused_with_its_line(
    configuration: Any, text: str, line: str
) -> None:
    assert configuration.write(text).refusal() == [line]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{a: &a [*a]}", ITSELF),
        (f"{'[' * 3000}{']' * 3000}", DEEP),
        ("[2024-13-45]", "'2024-13-45' is not what it looks like; put it in quotes, or mend it"),
    ],
)
def test_variable_that_has_no_end_is_refused_by_its_name(
    configuration: Any, value: str, words: str
) -> None:
    name = "KRAKKED_STRATEGIES__BASKET__PARAMS"
    configuration.environ[name] = value
    assert configuration.refusal() == [f"{name}: {words}; mend the variable"]


def test_numbers_of_a_variable_stay_exact(configuration: Any) -> None:
    configuration.environ["KRAKKED_STRATEGIES__BASKET__PARAMS"] = "{weights: {XBTUSD: 0.10}}"
    params = configuration.load().settings.strategies["basket"].params
    assert params == {"weights": {"XBTUSD": Decimal("0.10")}}


@pytest.mark.parametrize(
    "value", ["2024-13-45", "!!int abc", "!!timestamp foo", "!!bool foo", "9" * 5000]
)
def test_value_that_is_not_what_it_looks_like_is_refused_with_its_line(
    configuration: Any, value: str
) -> None:
    (said,) = configuration.write(f"risk:\n  day_boundary: {value}\n").refusal()
    assert said.startswith("config.yaml:2: risk.day_boundary: '")
    assert said.endswith("' is not what it looks like; put it in quotes, or mend it")


@pytest.mark.parametrize("weight", ["NaN", "-NaN", "sNaN", "Infinity", "-Infinity", ".nan", ".inf"])
@pytest.mark.parametrize(
    "setting", ["params: {weights: {XBTUSD: %s}}", "params: {band: %s}", "budget: %s"]
)
def test_number_that_is_none_is_refused_with_its_line(
    configuration: Any, setting: str, weight: str
) -> None:
    kind = "type: hold_target_weights"
    configuration.write(f"strategies:\n  basket:\n    {kind}\n    {setting % weight}\n")
    (said,) = configuration.refusal()
    assert said.startswith("config.yaml:4: strategies.basket.")


def test_unknown_names_are_counted_without_a_guess_at_each(configuration: Any) -> None:
    configuration.write("".join(f"nonsense{n}: 1\n" for n in range(3000)))
    assert configuration.refusal()[-1] == "and 2990 more problems"


def test_code_in_a_file_is_refused_and_not_run(configuration: Any) -> None:
    configuration.write("risk:\n  day_boundary: !!python/object/apply:os.getcwd []\n")
    (said,) = configuration.refusal()
    assert said.startswith("config.yaml:2: ")


def test_file_that_is_not_utf8_is_refused(configuration: Any) -> None:
    (configuration.folder / "config.yaml").write_bytes(b"risk: \xff\n")
    assert configuration.refusal() == ["config.yaml: not UTF-8 text (byte 6); save it as UTF-8"]


def test_file_of_absurd_size_is_refused_unread(configuration: Any) -> None:
    configuration.write("#" * 1_000_001)
    (said,) = configuration.refusal()
    assert "larger than a megabyte" in said


def test_file_that_is_a_folder_is_refused(configuration: Any) -> None:
    (configuration.folder / "config.yaml").mkdir()
    (said,) = configuration.refusal()
    assert said == "config.yaml: is a folder; put a file of that name in its place"


def test_link_to_what_is_not_there_is_refused_and_not_passed_over(configuration: Any) -> None:
    (configuration.folder / "config.yaml").symlink_to("gone.yaml")
    assert configuration.refusal() == [
        "config.yaml: a link to what is not there; mend the link, or remove it"
    ]


@pytest.mark.skipif(os.getuid() == 0, reason="root reads every file")
def test_file_without_permission_is_refused(configuration: Any) -> None:
    configuration.write("risk: {}")
    (configuration.folder / "config.yaml").chmod(0)
    (said,) = configuration.refusal()
    assert "mend its permissions" in said


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        (
            "KRAKKED_EXECUTION__MOD",
            "x",
            "KRAKKED_EXECUTION__MOD: unknown variable; the nearest known one is "
            "KRAKKED_EXECUTION__MODE",
        ),
        (
            "KRAKKED_EXECUTION_MODE",
            "x",
            "KRAKKED_EXECUTION_MODE: unknown variable; the nearest known one is "
            "KRAKKED_EXECUTION__MODE",
        ),
        (
            "KRAKKED_ENVIRONMEN",
            "x",
            "KRAKKED_ENVIRONMEN: unknown variable; the nearest known one is KRAKKED_ENVIRONMENT",
        ),
        (
            "KRAKKED_API_SERVICE_HOST",
            "10.0.0.1",
            "KRAKKED_API_SERVICE_HOST: unknown variable; Kubernetes sets it for a service; set "
            "`enableServiceLinks: false` on the pod",
        ),
        (
            "KRAKKED_RISK",
            "x",
            "KRAKKED_RISK: unknown variable; KRAKKED_RISK is a section; its settings are "
            "KRAKKED_RISK__",
        ),
        (
            "KRAKKED_EXECUTION__MAX_RETRIES",
            "three",
            "KRAKKED_EXECUTION__MAX_RETRIES: execution.max_retries: 'three' is wrong; expected a "
            "whole number",
        ),
        (
            "KRAKKED_UNIVERSE__INCLUDE_PAIRS",
            "[XBTUSD",
            "KRAKKED_UNIVERSE__INCLUDE_PAIRS: '[XBTUSD' is neither a list nor a mapping; mend "
            "the variable",
        ),
    ],
)
def test_bad_variable_is_refused_by_its_name(
    configuration: Any, name: str, text: str, line: str
) -> None:
    configuration.environ[name] = text
    if name == "KRAKKED_RISK":
        (said,) = configuration.refusal()
        assert said.startswith(line)  # all its settings follow
        assert ", KRAKKED_RISK__MAX_OPEN_POSITIONS, " in said
    else:
        assert configuration.refusal() == [line]


def test_variable_of_a_misspelt_section_is_refused_with_what_the_right_one_holds(
    configuration: Any,
) -> None:
    configuration.environ["KRAKKED_RISKS__X"] = "1"
    (said,) = configuration.refusal()
    assert said.startswith(
        "KRAKKED_RISKS__X: unknown variable; the nearest known one is the section KRAKKED_RISK; "
        "its settings are KRAKKED_RISK__"
    )


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("KRAKKED_CONFIGDIR", "KRAKKED_CONFIG_DIR"),
        ("KRAKKED_DBPATH", "KRAKKED_DB_PATH"),
        ("KRAKKED_RISKS__DAY_BOUNDRY", "KRAKKED_RISK__DAY_BOUNDARY"),
    ],
)
def test_unknown_variable_is_refused_with_the_nearest_reserved_one_or_setting(
    configuration: Any, name: str, nearest: str
) -> None:
    configuration.environ[name] = "x"
    assert configuration.refusal() == [
        f"{name}: unknown variable; the nearest known one is {nearest}"
    ]


def test_wrong_secret_is_not_repeated_in_the_refusal(configuration: Any) -> None:
    configuration.write("ui:\n  auth:\n    token: [geheim]\n")
    (said,) = configuration.refusal()
    assert "geheim" not in said
    assert said.startswith("config.yaml:3: ui.auth.token: (secret) is wrong; expected ")


SECRETS = [setting.path for setting in known.known_settings() if setting.is_secret]
WORD = "s3cret-token"
SHAPES = [
    "{}",
    "[{}]",
    "[{}",
    "[1, [{}]]",
    "{{a: {}}}",
    "{{a: {}",
    "*{}",
    "!{} x",
    "!!{} x",
    "[&{} 1, &{} 2]",
    "'{}",
    "2024-13-45 #{}",
]


def wrong_in_a_file(configuration: Any, path: tuple[str, ...], text: str) -> None:
    lines = [f"{'  ' * depth}{name}:" for depth, name in enumerate(path)]
    configuration.write("\n".join(lines) + f" {text}\nrisk: 1\n")
    assert not any(WORD in line for line in configuration.refusal())


def wrong_in_a_variable(configuration: Any, path: tuple[str, ...], text: str) -> None:
    configuration.environ[known.variable(path)] = text
    configuration.flags["risk"] = "1"
    assert not any(WORD in line for line in configuration.refusal())


def wrong_in_a_flag(configuration: Any, path: tuple[str, ...], text: str) -> None:
    def start() -> None:
        configuration.flags = dict(overrides((f"{'.'.join(path)}={text}", "risk=1")))
        configuration.load()

    with pytest.raises(BadInput) as caught:
        start()
    assert WORD not in str(caught.value)


@pytest.mark.parametrize("wrong", [wrong_in_a_file, wrong_in_a_variable, wrong_in_a_flag])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("path", SECRETS, ids=known.dotted)
def test_secret_is_repeated_in_no_refusal_wherever_around_its_place_it_stands(
    configuration: Any, path: tuple[str, ...], shape: str, wrong: Callable[..., None]
) -> None:
    for length in range(1, len(path) + 1):
        wrong(configuration, path[:length], shape.format(WORD, WORD))
    wrong(configuration, (*path, "inner"), shape.format(WORD, WORD))
    wrong(configuration, (*path, WORD), "1")
    wrong(configuration, path, f"{{{WORD}: 1, {WORD}: 2}}")


def test_assignment_without_its_sign_does_not_repeat_what_may_be_a_secret() -> None:
    with pytest.raises(BadInput, match=r"^--set \(secret\): not of the form"):
        overrides((f"ui.auth.token:{WORD}",))
    with pytest.raises(BadInput, match=r"^--set execution.mode: not of the form"):
        overrides(("execution.mode",))


def test_flag_takes_a_secret_as_it_is() -> None:
    assert overrides(("ui.auth.token=[s3cret",)) == {"ui.auth.token": "[s3cret"}


def test_long_wrong_value_is_cut(configuration: Any) -> None:
    configuration.write(f"execution:\n  mode: {'x' * 500}\n")
    (said,) = configuration.refusal()
    assert len(said) < 200
    assert "…" in said


def test_flag_that_is_wrong_is_named_as_such(configuration: Any) -> None:
    configuration.flags["execution.max_retries"] = "x"
    assert configuration.refusal() == [
        "command line: execution.max_retries: 'x' is wrong; expected a whole number"
    ]
    configuration.flags.clear()
    configuration.flags["execution.modus"] = "x"
    assert configuration.refusal() == [
        "command line: execution.modus: unknown setting; the nearest known one is execution.mode"
    ]


def test_file_of_another_environment_is_refused(configuration: Any) -> None:
    configuration.write("environment: live\n")
    assert configuration.refusal() == [
        "config.yaml:1: environment: is 'live', but 'dev' is being started; remove the line, or "
        "give that --env"
    ]


def test_file_that_names_its_own_environment_is_fine(configuration: Any) -> None:
    configuration.write("environment: paper\n", "config.paper.yaml")
    assert configuration.load(Environment.PAPER).settings.environment is Environment.PAPER


def test_all_problems_are_told_at_once(configuration: Any) -> None:
    configuration.write("execution:\n  max_retries: x\n  post_only: 3\nrisk: 1\n")
    assert [line.split(":")[1] for line in configuration.refusal()] == ["2", "3", "4"]


def test_unknown_names_and_wrong_types_are_told_in_one_report(configuration: Any) -> None:
    configuration.environ["KRAKKED_EXECUTION__MOD"] = "paper"
    configuration.write(
        "execution:\n  max_retries: x\n  mod: paper\nrisk: 1\nstrategies:\n  mine:\n    tipe: y\n"
    )
    assert configuration.refusal() == [
        "config.yaml:2: execution.max_retries: 'x' is wrong; expected a whole number",
        "config.yaml:3: execution.mod: unknown setting; the nearest known one is execution.mode",
        "config.yaml:4: risk: 1 is wrong; expected a section: `name: value` lines below it",
        "config.yaml:7: strategies.mine.tipe: unknown setting; the nearest known one is "
        "strategies.mine.type",
        "KRAKKED_EXECUTION__MOD: unknown variable; the nearest known one is "
        "KRAKKED_EXECUTION__MODE",
    ]


def test_what_cannot_be_read_and_parameters_are_told_beside_unknown_names(
    configuration: Any,
) -> None:
    configuration.environ["KRAKKED_UNIVERSE__INCLUDE_PAIRS"] = "[XBTUSD"
    configuration.environ["KRAKKED_EXECUTION__MOD"] = "paper"
    configuration.write(
        "strategies:\n  mine:\n    type: trend_following\n"
        "    params:\n      fast_bar: 3\n      stop_atr: 0\n"
    )
    assert configuration.refusal() == [
        "config.yaml:5: strategies.mine.params: there is no parameter 'fast_bar'; did you mean "
        "'fast_bars'?",
        "config.yaml:5: strategies.mine.params.stop_atr: 0 is not between 0.5 and 50",
        "KRAKKED_EXECUTION__MOD: unknown variable; the nearest known one is "
        "KRAKKED_EXECUTION__MODE",
        "KRAKKED_UNIVERSE__INCLUDE_PAIRS: '[XBTUSD' is neither a list nor a mapping; mend "
        "the variable",
    ]


def test_missing_type_is_told_beside_an_unknown_name_that_is_not_like_it(
    configuration: Any,
) -> None:
    configuration.write("strategies:\n  mine:\n    max_positions: 3\n    colour: red\n")
    missing, unknown = configuration.refusal()
    assert missing == "config.yaml:3: strategies.mine.type: is missing; add it"
    assert unknown.startswith("config.yaml:4: strategies.mine.colour: unknown setting; ")


def test_problems_beyond_ten_are_counted() -> None:
    problems = [Problem(("a",), "is wrong", "mend it", source=f"f:{n}") for n in range(13)]
    with pytest.raises(BadInput) as caught:
        refuse(problems)
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "and 3 more problems"


def test_anchors_and_merged_mappings_are_plain_values(configuration: Any) -> None:
    configuration.write(
        "strategies:\n"
        "  one: &base\n    type: trend_following\n    max_positions: 3\n"
        "  two:\n    <<: *base\n    max_positions: 1\n"
    )
    strategies = configuration.load().settings.strategies
    assert (strategies["one"].max_positions, strategies["two"].max_positions) == (3, 1)
    assert strategies["two"].type == "trend_following"


def test_read_values_know_their_lines(configuration: Any) -> None:
    configuration.write("a:\n  b: 1.50\n  c: [1, {d: 2.5}]\n  e:\n")
    given = {
        v.path: (v.value, v.source[-1]) for v in read_file(configuration.folder / "config.yaml")
    }
    assert str(given[("a", "b")][0]) == "1.50"
    assert given[("a", "c")][1] == "3"
    assert given[("a", "e")] == (None, "4")


def test_unknown_setting_in_a_known_section_is_refused_with_what_is_there(
    configuration: Any,
) -> None:
    configuration.flags["risk.foo"] = "1"
    (said,) = configuration.refusal()
    assert said.startswith(
        "command line: risk.foo: unknown setting; risk is a section; its settings are risk."
    )
    assert ", risk.max_open_positions, " in said
