"""JSON that people and their programs read."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from krakked.runtime.json_text import json_text


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts wherever they may stand."""

    zebra: Decimal
    amounts: dict[str, Decimal] = {}
    pair: tuple[Decimal, ...] = ()
    named: object = None


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0E-9", "0.000000000"), ("1E+3", "1000"), ("1E-7", "0.0000001"), ("-1.500", "-1.500")],
)
def test_amount_is_text_in_fixed_point_wherever_it_stands(amount: str, text: str) -> None:
    value = Decimal(amount)
    row = Row(zebra=value, amounts={"USD": value}, pair=(value,), named=[{"deep": value}])
    assert json.loads(json_text(row)) == {
        "zebra": text,
        "amounts": {"USD": text},
        "pair": [text],
        "named": [{"deep": text}],
    }


def test_fields_stand_as_declared_and_names_in_their_order() -> None:
    row = Row(zebra=Decimal(1), amounts={"b": Decimal(1), "a": Decimal(2)})
    told: Any = json.loads(json_text(row), object_pairs_hook=list)
    assert [name for name, _ in told] == ["zebra", "amounts", "pair", "named"]
    assert [name for name, _ in told[1][1]] == ["a", "b"]


def test_what_json_has_no_form_for_is_written_as_text() -> None:
    assert json.loads(json_text({"at": Path("x.db")})) == {"at": "x.db"}
