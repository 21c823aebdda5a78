"""The documents are true: links lead somewhere, paths exist, commands and names are real."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(
    r"(?:libs|services|tests|docs|scripts|requirements|benchmarks|\.ci|\.github)/[\w./-]+"
)
MAKE = re.compile(r"\bmake ([a-z][a-z-]+)")
VERB = re.compile(r"(?:^|[`$ ])krakked ([a-z][a-z-]+)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
ARCHITECTURE_LINES_MAX = 150


def headings(path: Path) -> list[str]:
    """The titles of a document, code left out."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    return [line for line in text.splitlines() if re.match(r"#{1,6} ", line)]


def anchors(path: Path) -> set[str]:
    """What a link may name behind ``#``, by the rule of the common hosts."""
    titles = (re.sub(r"[^\w\- ]", "", h.lstrip("# ").lower()) for h in headings(path))
    return {title.replace(" ", "-") for title in titles}


def broken_links(document: Path) -> list[str]:
    """Relative links that lead nowhere."""
    found = []
    for target in LINK.findall(FENCE.sub("", document.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        aim = (document.parent / place) if place else document
        missing = not aim.exists()
        if missing or (anchor and aim.suffix == ".md" and anchor not in anchors(aim)):
            found.append(target)
    return found


def commands(text: str) -> str:
    """Only what stands as code: fences and back-ticked words."""
    return "\n".join([*FENCE.findall(text), *(f"`{c}`" for c in CODE.findall(FENCE.sub("", text)))])


def test_every_relative_link_leads_somewhere(tree: Any) -> None:
    found = [f"{tree.name(d)}: {link}" for d in tree.documents() for link in broken_links(d)]
    assert found == []


def test_every_path_that_a_document_names_exists(tree: Any) -> None:
    missing = [
        f"{tree.name(document)}: {path}"
        for document in tree.documents()
        for code in CODE.findall(FENCE.sub("", document.read_text(encoding="utf-8")))
        for path in PATH.findall(code)
        if "my_" not in path and not (tree.root / path.rstrip("./")).exists()
    ]
    assert missing == []


def test_every_make_target_that_a_document_names_exists(tree: Any) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (tree.root / "Makefile").read_text(), re.MULTILINE))
    unknown = [
        f"{tree.name(document)}: make {name}"
        for document in tree.documents()
        for name in MAKE.findall(commands(document.read_text(encoding="utf-8")))
        if name not in targets
    ]
    assert unknown == []


def test_readme_shows_the_two_commands(tree: Any) -> None:
    shown = set(MAKE.findall(commands((tree.root / "README.md").read_text())))
    assert {"run", "test"} <= shown


def test_every_verb_that_a_document_names_is_one_of_krakkeds(tree: Any) -> None:
    known = importlib.import_module("krakked.cli.__main__").VERBS
    unknown = [
        f"{tree.name(document)}: krakked {name}"
        for document in tree.documents()
        for name in VERB.findall(commands(document.read_text(encoding="utf-8")))
        if name not in known
    ]
    assert unknown == []


def test_architecture_fits_into_one_sitting(tree: Any) -> None:
    lines = (tree.root / "ARCHITECTURE.md").read_text().splitlines()
    assert len(lines) <= ARCHITECTURE_LINES_MAX


def test_every_document_has_one_title_at_its_top(tree: Any) -> None:
    bad = [
        tree.name(d)
        for d in tree.documents()
        if [h for h in headings(d) if h.startswith("# ")] != headings(d)[:1] or not headings(d)
    ]
    assert bad == []


def test_every_document_below_docs_can_be_reached_from_the_readme(tree: Any) -> None:
    todo, seen = [tree.root / "README.md"], set()
    while todo:
        document = todo.pop().resolve()
        if document in seen or document.suffix != ".md" or not document.exists():
            continue
        seen.add(document)
        targets = LINK.findall(document.read_text(encoding="utf-8"))
        todo += [document.parent / t.partition("#")[0] for t in targets if ":" not in t]
    lost = [tree.name(d) for d in tree.documents() if d.resolve() not in seen]
    assert lost == []


def test_decisions_are_numbered_without_a_gap_and_begin_with_their_decision(tree: Any) -> None:
    files = sorted(d for d in tree.documents() if d.parent.name == "decisions")
    numbered = [d for d in files if re.match(r"\d{4}-", d.name)]
    assert [int(d.name[:4]) for d in numbered] == list(range(1, len(numbered) + 1))
    for document in numbered:
        assert "## What would change our mind" in document.read_text(), document.name


def undefined_names(row: str, tree: Any) -> list[str]:
    """What the second cell of a row names and no file of its third defines."""
    _, _, here, where, _ = row.split("|")
    files = CODE.findall(where)
    text = "\n".join((tree.root / file).read_text(encoding="utf-8") for file in files)
    defined = set(re.findall(r"^ *(?:class|(?:async )?def) (\w+)", text, re.MULTILINE))
    wanted = re.findall(r"`([A-Z]\w+(?:\.\w+)?|[a-z]+_\w+)`", here)
    return [name for name in wanted if not set(name.split(".")) <= defined]


def test_names_that_stand_for_those_of_the_contracts_are_defined_where_the_page_says(
    tree: Any,
) -> None:
    page = (tree.root / "docs/decisions/0010-names-of-the-contracts.md").read_text()
    rows = [row for row in page.splitlines() if row.startswith("| ") and "contract |" not in row]
    assert len(rows) > 20
    assert [name for row in rows for name in undefined_names(row, tree)] == []


def test_name_that_is_defined_nowhere_is_found(tree: Any) -> None:
    row = "| `x` | `Market.quote`, `Market.quotation` | `libs/krakked/trading/market.py` |"
    assert undefined_names(row, tree) == ["Market.quotation"]


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("[a](gone.md)", ["gone.md"]),
        ("[a](here.md)", []),
        ("[a](here.md#a-title)", []),
        ("[a](here.md#another)", ["here.md#another"]),
        ("[a](#own)", ["#own"]),
        ("[a](https://example.org/x)", []),
        ("```\n[a](gone.md)\n```", []),
    ],
)
def test_broken_link_is_found_and_good_one_is_not(
    tmp_path: Path, text: str, broken: list[str]
) -> None:
    (tmp_path / "here.md").write_text("# A title\n")
    document = tmp_path / "document.md"
    document.write_text(text)
    assert broken_links(document) == broken
