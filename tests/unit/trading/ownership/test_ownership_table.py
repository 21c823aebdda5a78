"""The page about ownership says what the function does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from krakked.trading.owning import EXIT_CODES, Phase
from krakked.trading.timings import DEFAULT

PAGE = Path(__file__).parents[4] / "docs" / "ownership.md"


def test_table_of_the_page_is_what_the_function_does(ownership_table: Any) -> None:
    """To write it anew: print ``support_table.markdown()`` into the page."""
    assert ownership_table.markdown() in PAGE.read_text(encoding="utf-8")


def test_every_phase_and_every_observation_has_a_row(ownership_table: Any) -> None:
    rows = list(ownership_table.rows())
    assert {row[0] for row in rows} == {p.name for p in Phase if p not in EXIT_CODES}
    observed = {*ownership_table.READS, *ownership_table.WRITES, *ownership_table.EITHER}
    observed |= set(ownership_table.OTHER)
    assert observed - {row[1] for row in rows} == set()
    assert {row[2].split()[0] for row in rows} == {p.name for p in Phase if p is not Phase.STARTING}


def test_page_draws_every_phase() -> None:
    drawing = PAGE.read_text(encoding="utf-8").split("```")[1]
    assert [phase.name for phase in Phase if phase.name not in drawing] == []


@pytest.mark.parametrize("name", DEFAULT.__struct_fields__)
def test_page_names_every_timing_with_its_default(name: str) -> None:
    value = getattr(DEFAULT, name)
    assert f"`{name}` | {value} |" in PAGE.read_text(encoding="utf-8")
