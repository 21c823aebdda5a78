"""Between records and cells: amounts as fixed-point text, enums by value, the rest as JSON text.

Columns carry the names of the record's fields, so a record becomes a row field by field and a row
becomes a record through msgspec, which checks every type on the way back. JSON cells keep amounts
as text too (exact; an exponent is possible there, never in a column).
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import msgspec

from krakked.domain.money import to_text

Cell: TypeAlias = str | int | None
T = TypeVar("T")

_EXACT: Final = Context(
    prec=80, rounding=ROUND_HALF_EVEN, traps=[Inexact, InvalidOperation, DivisionByZero]
)
"""Sums of amounts, with room for any account; a digit that would be lost is an error."""


class Row(Protocol):
    """A row whose cells have names (``sqlite3.Row``)."""

    def __getitem__(self, key: str, /) -> Any: ...
    def keys(self) -> Sequence[str]: ...


def add(left: Decimal, right: Decimal) -> Decimal:
    """Exact sum."""
    return _EXACT.add(left, right)


def cell(value: object) -> Cell:
    """One field as SQLite keeps it."""
    if isinstance(value, Decimal):
        return to_text(value)
    if isinstance(value, enum.Enum):
        return str(value.value)
    assert value is None or isinstance(value, str | int), f"{value!r} has no column of its own"
    return value


def cells(record: object, names: Sequence[str]) -> list[Cell]:
    """The named fields of a record as cells."""
    return [cell(getattr(record, name)) for name in names]


def to_json(value: object) -> str:
    """Plain data and records as JSON text."""
    return msgspec.json.encode(value).decode()


def from_json(text: str, type_: type[T]) -> T:
    """The record that :func:`to_json` wrote."""
    return msgspec.json.decode(text, type=type_)


def record(row: Row, type_: type[T], **others: object) -> T:
    """The record whose fields are in the row's cells, ``others`` replacing what has a shape."""
    return msgspec.convert({name: row[name] for name in row.keys()} | others, type_)  # noqa: SIM118 rows are not mappings


def insert(table: str, names: Sequence[str], conflict: str = "") -> str:
    """The text of an INSERT of those columns."""
    columns = ", ".join(f'"{name}"' for name in names)
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}) {conflict}"  # noqa: S608 names of our own tables


def replacing(key: Sequence[str], names: Sequence[str]) -> str:
    """The ON CONFLICT clause that replaces every column but the key."""
    changes = ", ".join(f'"{name}" = excluded."{name}"' for name in names if name not in key)
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
