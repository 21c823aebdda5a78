"""Words that do not belong into any file: left-over notes, one machine's paths, package indexes."""

from __future__ import annotations

import re
from typing import Any

import pytest

LARGEST_FILE_BYTES = 600_000
NOTES = re.compile(r"\b(?:FIX" + r"ME|TO" + r"DO|XX" + r"X|HA" + r"CK)\b")
"""Put together here, so that this file does not find itself."""
OWN_PLACES = re.compile(r"(?<![\w.)}\]])/(?:work|root|opt)/\w")
"""Folders of the machine somebody happened to sit at."""
PLACES_IN_DOCUMENTS = re.compile(r"(?<![\w.)}\]])/(?:work|root|opt|tmp|home|Users)/\w")
WORKSHOP = re.compile(r"\b(?:[Ii]ssue #?\d+|[Cc]olleagues?)\b")
"""The project speaks of itself, not of how its makers were organised."""
INDEX_HOSTS = re.compile(
    "|".join(
        name.replace(" ", "") for name in (r"py pi\.org", "python hosted", r"npm js\.(?:com|org)")
    )
    + r"|crates\.io|proxy\.golang"
)
URL = re.compile(r"https?://([\w.-]+)")


def lines_with(tree: Any, pattern: re.Pattern[str], paths: list[Any]) -> list[str]:
    return [
        f"{tree.name(path)}:{number}: {line.strip()[:80]}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def unlocked(tree: Any) -> list[Any]:
    """All texts but the locks, which are long and tested by themselves."""
    return [path for path in tree.texts() if path.parent.name != "requirements"]


def test_no_note_to_oneself_is_left_behind(tree: Any) -> None:
    assert lines_with(tree, NOTES, unlocked(tree)) == []


def test_no_file_names_a_place_on_one_machine(tree: Any) -> None:
    assert lines_with(tree, OWN_PLACES, unlocked(tree)) == []


def test_no_document_names_an_absolute_folder_of_somebody(tree: Any) -> None:
    assert lines_with(tree, PLACES_IN_DOCUMENTS, tree.documents()) == []


def test_no_file_speaks_of_the_workshop(tree: Any) -> None:
    assert lines_with(tree, WORKSHOP, unlocked(tree)) == []


def test_no_file_names_a_package_index(tree: Any) -> None:
    assert lines_with(tree, INDEX_HOSTS, tree.texts()) == []


def test_every_text_ends_its_last_line_and_leaves_no_blanks_behind(tree: Any) -> None:
    bad = []
    for path in unlocked(tree):
        text = path.read_text(encoding="utf-8")
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            bad.append(f"{tree.name(path)}: its end")
        if path.suffix != ".md" and re.search(r"[ \t]$", text, re.MULTILINE):
            bad.append(f"{tree.name(path)}: blanks at the end of a line")
    assert bad == []


def test_no_file_is_large(tree: Any) -> None:
    large = [tree.name(p) for p in tree.files if p.stat().st_size > LARGEST_FILE_BYTES]
    assert large == []


@pytest.mark.parametrize(
    ("pattern", "guilty", "innocent"),
    [
        (NOTES, "# TO" + "DO later", "XXBTZUSD"),
        (OWN_PLACES, "see /wo" + "rk/main", "https://example.org/work/x and network/opt/y"),
        (PLACES_IN_DOCUMENTS, "cd /ho" + "me/me/krakked", "cd ~/krakked"),
        (WORKSHOP, "as issue" + " 4 says", "the issue is settled"),
        (INDEX_HOSTS, "https://py" + "pi.org/simple", "from the package index"),
    ],
)
def test_pattern_tells_guilty_from_innocent(
    pattern: re.Pattern[str], guilty: str, innocent: str
) -> None:
    assert pattern.search(guilty)
    assert not pattern.search(innocent)
