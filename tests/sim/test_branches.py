"""Marks of the order path's branches: by which event each is told, and which a sweep has missed."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from krakked.worlds.branches import BRANCHES, MARK, Branch, gone, never_gone
from krakked.worlds.sweep import Summary
from krakked.worlds.trace import Trace
from krakked.worlds.world import Outcome

ROOT = Path(__file__).resolve().parents[2]
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in ("libs/krakked/trading", "libs/krakked/adapters/kraken", "libs/krakked/domain")
    for path in sorted((ROOT / folder).rglob("*.py"))
)
PAGE = (ROOT / "docs/simulation.md").read_text(encoding="utf-8")
OF_THE_VENUE = {"Throttled", "Post only", "Invalid nonce", "TimeoutError"}
"""Words that the venue or the network brings, and no code of ours has to spell."""


def name_of(branch: Branch) -> str:
    return branch.name


def test_each_branch_has_a_name_of_its_own() -> None:
    assert [name for name, n in Counter(map(name_of, BRANCHES)).items() if n > 1] == []
    assert len(BRANCHES) >= 40


@pytest.mark.parametrize("branch", BRANCHES, ids=name_of)
def test_an_event_of_a_branch_marks_it_and_one_that_says_something_else_does_not(
    branch: Branch,
) -> None:
    fields = {branch.field: f"well: {branch.says}, that is it"}
    assert branch.name in gone(branch.event.value, fields)
    if branch.says:
        assert branch.name not in gone(branch.event.value, {branch.field: "something else"})
        assert branch.name not in gone(branch.event.value, {})
    assert gone("bar_closed", fields) == []


@pytest.mark.parametrize("branch", [b for b in BRANCHES if b.says], ids=name_of)
def test_the_words_of_a_branch_are_still_those_of_the_product(branch: Branch) -> None:
    heads = [part for part in re.split(r"[:{]", branch.says) if part.strip()]
    known = any(head.strip() in SOURCES for head in heads)
    assert known or any(words in branch.says for words in OF_THE_VENUE)


def test_a_trace_marks_branches_beside_what_it_tells() -> None:
    trace = Trace(lambda: 0)
    for _ in range(2):
        trace.tell("a.1", "order_ended", reason="the kill switch is on")
    trace.tell("a.1", "order_ended", status="filled", reason=None)
    assert trace.marks == {
        "order_ended": 3,
        f"{MARK}held back: kill switch": 2,
        f"{MARK}ended: filled": 1,
    }


def test_a_sweep_knows_which_branches_no_world_of_it_has_gone() -> None:
    summary = Summary(first_seed=1)
    marks = {MARK + branch.name: 1 for branch in BRANCHES[1:]}
    world = Outcome(seed=1, violations=(), digest="0" * 16, seconds=1.0, marks=marks)
    summary.add(world)
    assert never_gone(summary.marks) == [BRANCHES[0].name]
    assert "branch:" not in summary.line()
    assert len(never_gone({})) == len(BRANCHES)


@pytest.mark.parametrize("branch", BRANCHES, ids=name_of)
def test_every_branch_is_told_on_the_page(branch: Branch) -> None:
    assert f"`{branch.name}`" in PAGE
