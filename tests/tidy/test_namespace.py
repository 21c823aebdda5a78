"""One namespace package over two roots: what keeps both of them importable."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from typing import Any

ROOTS = ("libs/krakked", "services/krakked")
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}


def test_namespace_roots_have_no_init_which_would_hide_the_other_root(tree: Any) -> None:
    assert [root for root in ROOTS if (tree.root / root / "__init__.py").exists()] == []


def test_every_package_below_the_roots_has_an_init(tree: Any) -> None:
    folders = {path.parent for path in tree.python(*ROOTS)}
    roots = {tree.root / root for root in ROOTS}
    missing = [tree.name(f) for f in sorted(folders - roots) if not (f / "__init__.py").exists()]
    assert missing == []


def test_no_top_level_package_stands_in_both_roots(tree: Any) -> None:
    names = Counter(
        folder.name
        for root in ROOTS
        for folder in (tree.root / root).iterdir()
        if (folder / "__init__.py").exists()
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_module_names_say_what_is_inside(tree: Any) -> None:
    empty = [tree.name(path) for path in tree.python(*ROOTS) if path.stem in SAYS_NOTHING]
    assert empty == []


def program_of(path: Path) -> str:
    """The program under ``tests`` that a module is a part of, dotted; empty if of none."""
    folder = path.parent
    return ".".join(folder.parts[folder.parts.index("tests") :]) if is_program(folder) else ""


def is_program(folder: Path) -> bool:
    return (folder / "__main__.py").is_file()


def test_test_modules_do_not_import_each_other(tree: Any) -> None:
    """Parts of a program that is started by its name do: they are no test modules."""
    found = []
    for path in tree.python("tests"):
        program = program_of(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(["."] if node.level else [])]
            found += [
                f"{tree.name(path)}: {name}"
                for name in names
                if name == "." or name.split(".")[0] == "tests" or name.startswith("test_")
                if not (program and f"{name}.".startswith(f"{program}."))
            ]
    assert found == []
