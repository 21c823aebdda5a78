"""What the page on safety names exists: rules, mutants, tests; no rule or mutant is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

PAGE = "docs/safety.md"
CHECKERS = "services/krakked/worlds/checkers"
HEADLESS = {"books", "rest"}
"""Modules that are one rule each."""
SECTIONS = ("2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.9")
CODE = re.compile(r"`([^`]+)`")


def rows(text: str, first: str) -> Iterator[list[str]]:
    """Cells of the table whose first heading is that."""
    table = text.split(f"\n| {first} |", 1)[1].split("\n\n", 1)[0]
    for line in table.splitlines()[2:]:
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


@pytest.fixture(scope="module")
def page(tree: Any) -> str:
    text: str = (tree.root / PAGE).read_text(encoding="utf-8")
    return text


def rules_of(tree: Any) -> set[str]:
    """``module/rule`` as the head of each module lists them."""
    found = set(HEADLESS)
    for path in tree.python(CHECKERS):
        head = path.read_text(encoding="utf-8").split('"""')[1]
        names = re.findall(r"^([a-z]+(?: [a-z]+)?) {2,}\S", head, re.MULTILINE)
        found |= {f"{path.stem}/{name}" for name in names}
    return found


def test_every_test_that_the_page_names_exists(tree: Any, page: str) -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in tree.python("tests"))
    there = set(re.findall(r"def (test_\w+)\(", sources))
    named = {name for name in CODE.findall(page) if name.startswith("test_")}
    assert len(named) > 100
    assert sorted(named - there) == []


def test_every_rule_that_the_page_names_is_one_and_no_rule_is_left_out(
    tree: Any, page: str
) -> None:
    named = {name for row in rows(page, "promise") for name in CODE.findall(row[2])}
    assert named == rules_of(tree)


def test_every_mutant_that_the_page_names_is_one_and_no_mutant_is_left_out(
    tree: Any, page: str
) -> None:
    sources = "\n".join(p.read_text(encoding="utf-8") for p in tree.python("tests/sim/mutants"))
    there = set(re.findall(r"Mutant\(\s*name=\"([^\"]+)\"", sources))
    named = {name for row in rows(page, "promise") for name in CODE.findall(row[3])}
    assert named == there


def test_every_sentence_and_every_promise_names_a_test(page: str) -> None:
    for row in (*rows(page, "promise"), *rows(page, "sentence")):
        assert "`test_" in row[-1], row[0]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_of_the_contract_has_sentences_on_the_page(page: str, section: str) -> None:
    assert [row for row in rows(page, "sentence") if row[0].startswith(f"{section} ")]
