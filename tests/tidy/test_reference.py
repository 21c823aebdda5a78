"""The reference is complete: every setting and every exit code is documented."""

from __future__ import annotations

import enum
import importlib
from collections.abc import Iterator
from typing import Any

import pytest


def keys(model: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of all settings below a pydantic model."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and hasattr(inner, "model_fields"):
            yield from keys(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_every_setting_is_documented(tree: Any) -> None:
    document = tree.root / "docs/configuration.md"
    settings = importlib.import_module("krakked.runtime.settings")
    text = document.read_text(encoding="utf-8")
    named = list(keys(settings.Settings))
    assert len(named) > 20
    assert [key for key in named if f"`{key}`" not in text] == []


def test_every_exit_code_is_documented(tree: Any) -> None:
    exits = importlib.import_module("krakked.runtime.exit_codes")
    codes = [
        int(member)
        for kind in vars(exits).values()
        if isinstance(kind, type) and issubclass(kind, enum.IntEnum) and kind is not enum.IntEnum
        for member in kind
    ]
    text = (tree.root / "docs/exit-codes.md").read_text(encoding="utf-8")
    assert len(codes) >= 5
    assert [code for code in codes if f"| {code} |" not in text] == []


def test_every_module_opens_with_what_it_is(tree: Any) -> None:
    import ast

    silent = [
        tree.name(path)
        for path in tree.python("libs", "services", "scripts")
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_keys_walks_into_nested_models() -> None:
    pydantic = pytest.importorskip("pydantic")
    inner = pydantic.create_model("Inner", a=(int, 1))
    outer = pydantic.create_model("Outer", b=(int, 1), inner=(inner, None))
    assert list(keys(outer)) == ["b", "inner.a"]
