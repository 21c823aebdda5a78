"""``docs/simulator/clients.md`` is true: versions, scenes, and the tests that it names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[2] / "docs" / "simulator" / "clients.md"
PROGRAMS = HERE / "programs"
SAME_AS_REST = {"ccxt_async": "ccxt_rest"}
"""A program that plays another one's scenes, and more."""


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, its head left out."""
    section = DOCUMENT.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def scenes_of(program: str) -> set[str]:
    """The functions of a program that stand under their own name in a table."""
    tree = ast.parse((PROGRAMS / f"{program}.py").read_text(encoding="utf-8"))
    functions = {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    rows_of_tables = (
        pair
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for pair in zip(node.keys, node.values, strict=True)
    )
    return {
        value.id
        for key, value in rows_of_tables
        if isinstance(key, ast.Constant)
        and isinstance(value, ast.Name)
        and key.value == value.id
        and value.id in functions
    }


def text_of_tests() -> str:
    """All tests that play scenes."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(HERE.glob("test_*.py")))


def test_every_scene_is_told_of_and_every_scene_told_of_exists() -> None:
    told = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1])) for row in rows("What is tried")}
    programs = {path.stem for path in PROGRAMS.glob("*_*.py")}
    assert set(told) == programs
    for program in programs:
        assert told[program] - {SAME_AS_REST.get(program)} == scenes_of(program)
        assert scenes_of(program)


def test_every_scene_is_played_by_a_test() -> None:
    text = text_of_tests()
    programs = {path.stem for path in PROGRAMS.glob("*_*.py")}
    unplayed = {s for program in programs for s in scenes_of(program) if f'"{s}")' not in text}
    assert unplayed == set()


def test_every_version_told_of_is_the_pinned_one() -> None:
    pinned = {}
    for path in (HERE / "requirements").glob("*.in"):
        name, _, version = path.read_text(encoding="utf-8").strip().partition("==")
        pinned[name] = version
        lock = path.with_suffix(".txt").read_text(encoding="utf-8")
        assert f"\n{name}=={version} " in lock
        assert "://" not in lock
    told = {row[0]: row[1] for row in rows("How each is pointed at the simulator")}
    assert told == {**pinned, "ccxt.pro": pinned["ccxt"]}


def test_what_a_client_cannot_do_names_tests_that_exist() -> None:
    text = text_of_tests()
    table = rows("What they cannot do")
    assert len(table) > 5
    for client, cannot, because, shown in table:
        assert client
        assert cannot
        assert because
        assert shown == "–" or f"def {shown.strip('`')}(" in text
