"""Every setting is documented, has a unit where it is a number, and is read by somebody.

A setting that nobody reads is passed over in silence, and whoever set it believes otherwise. Who
reads is found in the source: the attribute, asked of its own section by whatever name the section
goes there (``execution = settings.execution``, a parameter of that type, or a loop over all
strategies).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from krakked.runtime.settings import Settings, known
from krakked.runtime.settings.contradictions import NOT_YET
from krakked.runtime.settings.documents import markdown

ALL = known.known_settings()
NUMBERS = {int, float, Decimal}
COUNTS_NOTHING = {"health.port", "ui.port", "simulator.seed", "strategies.*.userref"}
LOCKS = {"account.confirm_name", "execution.allow_live_trading"}
"""They only let live start: the rules of the settings themselves are who reads them."""
READ_BY_LATER_SERVICES = "ui."
"""As long as ``ui.enabled`` is refused, the rest of its section has no reader either."""


def dotted(setting: known.KnownSetting) -> str:
    return known.dotted(setting.path)


def is_number(setting: known.KnownSetting) -> bool:
    return bool(NUMBERS & {part for part in known.parts_of(setting.annotation) if _is_type(part)})


def _is_type(part: object) -> bool:
    return isinstance(part, type)


def has_one_value(setting: known.KnownSetting) -> bool:
    """A setting with a single choice is a promise, not a switch."""
    annotation = setting.field.annotation
    return get_origin(annotation) is Literal and len(get_args(annotation)) == 1


# who reads


def reads_in(tree: ast.AST, sections: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    """(name of the section, name of the setting), as they are asked for in this source."""
    names = dict(_names_of_sections(tree, sections))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            for parent in _parents(node.value, names):
                yield parent, node.attr


def _parents(value: ast.expr, names: dict[str, set[str]]) -> set[str]:
    if isinstance(value, ast.Attribute):
        return {value.attr}
    if isinstance(value, ast.Name):
        return names.get(value.id, {value.id})
    return set()


def _names_of_sections(
    tree: ast.AST, sections: dict[str, set[str]]
) -> Iterator[tuple[str, set[str]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            yield from _assigned(node)
        elif isinstance(node, ast.arg) and isinstance(node.annotation, ast.Name):
            if node.annotation.id in sections:
                yield node.arg, sections[node.annotation.id]
        elif isinstance(node, ast.For | ast.comprehension) and _is_over_strategies(node.iter):
            last = node.target.elts[-1] if isinstance(node.target, ast.Tuple) else node.target
            if isinstance(last, ast.Name):
                yield last.id, {known.ANY_NAME}


def _assigned(node: ast.Assign) -> Iterator[tuple[str, set[str]]]:
    (target,) = node.targets[:1]
    pairs = [(target, node.value)]
    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
        pairs = list(zip(target.elts, node.value.elts, strict=False))
    for name, value in pairs:
        if isinstance(name, ast.Name) and isinstance(value, ast.Attribute):
            yield name.id, {value.attr}


def _is_over_strategies(node: ast.expr) -> bool:
    return re.search(r"\.strategies\.(values|items)\(\)$", ast.unparse(node)) is not None


def sections_by_class() -> dict[str, set[str]]:
    """``Execution`` → {``execution``}; the whole configuration goes by ``settings``."""
    found: dict[str, set[str]] = {"Settings": {"settings"}}
    for setting in ALL:
        if len(setting.path) > 1:
            found.setdefault(setting.section.__name__, set()).add(setting.path[-2])
    return found


@pytest.fixture(scope="module")
def reads(tree: Any) -> set[tuple[str, str]]:
    """Everything that is asked of a section outside the settings themselves."""
    sections = sections_by_class()
    found: set[tuple[str, str]] = set()
    for path in tree.python("libs", "services"):
        if "runtime/settings" not in path.as_posix():
            found |= set(reads_in(ast.parse(Path(path).read_text(encoding="utf-8")), sections))
    return found


@pytest.mark.parametrize("setting", ALL, ids=dotted)
def test_setting_is_read_by_somebody_or_refused(
    setting: known.KnownSetting, reads: set[tuple[str, str]]
) -> None:
    name = dotted(setting)
    section = setting.path[-2] if len(setting.path) > 1 else "settings"
    is_excused = name in LOCKS | NOT_YET.keys() or name.startswith(READ_BY_LATER_SERVICES)
    is_read = (section, setting.path[-1]) in reads
    assert is_read or is_excused or has_one_value(setting), f"nobody reads {name}"
    assert not (is_read and name in NOT_YET), f"{name} is refused and read"


def test_later_services_read_no_settings_while_their_switch_is_on() -> None:
    assert f"{READ_BY_LATER_SERVICES}enabled" in NOT_YET


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("settings.execution.mode", True),
        ("self.given.settings.execution.mode", True),
        ("execution = settings.execution\nexecution.mode", True),
        ("chosen, other = settings.execution, 1\nchosen.mode", True),
        ("def f(rules: Execution): return rules.mode", True),
        ("settings.simulator.mode", False),
        ("mode", False),
        ("execution = settings.simulator\nexecution.mode", False),
    ],
)
def test_reader_is_known_by_the_section_it_asks(source: str, found: bool) -> None:
    reads = set(reads_in(ast.parse(source), {"Execution": {"execution"}}))
    assert (("execution", "mode") in reads) is found


# what is said of them


@pytest.mark.parametrize("setting", ALL, ids=dotted)
def test_setting_is_documented_under_its_field(setting: known.KnownSetting) -> None:
    words = setting.field.description
    assert words, f"{dotted(setting)} has no docstring"
    assert words.rstrip()[-1] == ".", words
    assert len(words.split()) >= 2, words


@pytest.mark.parametrize("setting", ALL, ids=dotted)
def test_number_has_a_unit_that_its_name_does_not_contradict(
    setting: known.KnownSetting,
) -> None:
    name = dotted(setting)
    needs_unit = is_number(setting) and name not in COUNTS_NOTHING
    assert (setting.unit is not None) is needs_unit, f"{name}: {setting.unit}"
    for ending, unit in (("_seconds", "seconds"), ("_sec", "seconds"), ("_pct", "%")):
        if name.endswith(ending):
            assert setting.unit == unit
    for ending in ("_usd",):
        if name.endswith(ending):
            assert setting.unit == "the base currency"


def test_every_setting_has_its_row_with_default_and_unit_in_the_page() -> None:
    page = markdown()
    for setting in ALL:
        path = ".".join("<id>" if part == known.ANY_NAME else part for part in setting.path)
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{path}` |")]
        default, allowed, meaning = (cell.strip() for cell in row.split(" | ")[1:4])
        assert default.startswith(("`", "("))
        assert meaning.rstrip(" |")
        if setting.unit is not None:
            assert f"in {setting.unit}" in allowed


def test_defaults_are_values_that_a_person_could_write() -> None:
    again = Settings.model_validate_json(Settings().model_dump_json())
    assert again == Settings()
