"""A thousand worlds, of which `make test` plays the first two hundred; and those that once failed.

A failing test names its seeds: `make sim SEED=…` plays one with its trace.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from krakked.worlds.recipe import recipe_of
from krakked.worlds.sweep import play

QUICK = 200
ALL = 1_000
CHUNK = 10
"""Seeds of one test, so that all cores have their share."""
CORPUS = Path(__file__).with_name("corpus.txt")


def chunks(first: int, last: int) -> list[range]:
    return [range(seed, seed + CHUNK) for seed in range(first, last + 1, CHUNK)]


def name_of(seeds: range) -> str:
    return f"{seeds[0]}-{seeds[-1]}"


def failing(seeds: range | list[int]) -> list[str]:
    """What did not hold, by seed, and how to see it."""
    outcomes = [play(recipe_of(seed)) for seed in seeds]
    return [
        f"make sim SEED={outcome.seed}: {violation}"
        for outcome in outcomes
        for violation in outcome.violations[:3]
    ]


def corpus(text: str) -> dict[int, str]:
    """By seed: what it showed."""
    found: dict[int, str] = {}
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        row = re.fullmatch(r"(\d+)  # (\S.*)", line)
        assert row, f"not <seed>  # <what it showed>: {line}"
        assert int(row[1]) not in found, f"twice: {line}"
        found[int(row[1])] = row[2]
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seeds", chunks(1, QUICK), ids=name_of)
def test_no_rule_is_broken_in_any_of_these_worlds(seeds: range) -> None:
    assert failing(seeds) == []


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seeds", chunks(QUICK + 1, ALL), ids=name_of)
def test_no_rule_is_broken_in_any_of_these_further_worlds(seeds: range) -> None:
    assert failing(seeds) == []


def test_chunks_are_all_of_the_thousand_once() -> None:
    seeds = [seed for chunk in (*chunks(1, QUICK), *chunks(QUICK + 1, ALL)) for seed in chunk]
    assert seeds == list(range(1, ALL + 1))


@pytest.mark.timeout(300)
def test_worlds_that_once_failed_hold() -> None:
    assert failing(sorted(corpus(CORPUS.read_text(encoding="utf-8")))) == []


def test_a_corpus_is_read_line_by_line() -> None:
    assert corpus("# a comment\n\n7  # an order sent twice\n12  # no rest\n") == {
        7: "an order sent twice",
        12: "no rest",
    }


@pytest.mark.parametrize("line", ["7", "7 # one blank", "seven  # words", "7  #", "-7  # below"])
def test_a_line_of_the_corpus_that_says_too_little_is_refused(line: str) -> None:
    with pytest.raises(AssertionError):
        corpus(line)


def test_a_seed_stands_in_the_corpus_once() -> None:
    with pytest.raises(AssertionError, match="twice"):
        corpus("7  # first\n7  # again")
