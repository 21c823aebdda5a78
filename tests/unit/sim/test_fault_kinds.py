"""The table of faults: whole, and the same in the documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from krakked.sim.exchange.rest import METHODS
from krakked.sim.fault_kinds import (
    FILTERS,
    KINDS,
    FaultKind,
    Strikes,
    as_markdown,
    names,
    of_place,
)

DOCUMENT = Path(__file__).parents[3] / "docs/simulator/faults.md"


def test_every_kind_has_its_row_and_its_place() -> None:
    assert list(KINDS) == [kind for place in Strikes for kind in of_place(place)]
    assert set(KINDS) == set(FaultKind)
    assert names().split(", ") == [kind.value for kind in FaultKind]


@pytest.mark.parametrize("kind", FaultKind)
def test_a_row_names_methods_that_exist_and_tells_units_and_defaults(kind: FaultKind) -> None:
    row = KINDS[kind]
    assert row.doc.endswith(".")
    assert [name for name in row.methods if name not in METHODS] == []
    for parameter in (*row.parameters, *FILTERS):
        assert parameter.unit
        assert parameter.default
        assert parameter.doc


def test_the_document_has_the_table_as_it_is() -> None:
    assert DOCUMENT.read_text(encoding="utf-8").endswith(as_markdown() + "\n"), (
        "write what `python -m krakked.sim.fault_kinds` prints below `## All kinds`"
    )


def test_every_kind_has_a_recipe_or_is_kin_of_one_that_has() -> None:
    recipes = DOCUMENT.read_text(encoding="utf-8").partition("## All kinds")[0]
    kin = {"request-lost", "unavailable", "throttled", "error", "answer-delay"}
    missing = [
        kind.value
        for kind in FaultKind
        if f'"{kind.value}"' not in recipes and kind.value.removesuffix("-after") not in kin
    ]
    assert missing == []
