"""What verbs print: aligned columns for people, JSON with exact amounts for programs."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Final

import click

from krakked.domain.money import plain, to_text
from krakked.domain.times import to_minute
from krakked.runtime.json_text import json_text

_EIGHT_DIGITS: Final = Context(prec=8)


def print_json(value: object) -> None:
    """Indented JSON; amounts are text, times are nanoseconds, as in the records."""
    click.echo(json_text(value))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, nothing: str) -> None:
    """Columns as wide as they need to be, numbers to the right; ``nothing`` where no row is."""
    if not rows:
        click.echo(nothing)
        return
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    to_right = [all(_is_number(row[i]) for row in rows) for i in range(len(head))]
    for row in (head, *rows):
        click.echo(_line(row, widths, to_right))


def print_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """``name  value`` lines."""
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        click.echo(f"{name.ljust(width)}  {value}".rstrip())


def amount(value: Decimal | None) -> str:
    """Without trailing zeros or exponent; a dash for nothing."""
    return "-" if value is None else to_text(plain(value))


def rounded(value: Decimal | None) -> str:
    """To eight significant digits, for people; JSON has them all."""
    if value is None:
        return "-"
    return amount(_EIGHT_DIGITS.plus(value))


def money(value: Decimal | None) -> str:
    """Two decimals, for people; JSON has them all."""
    return "-" if value is None else f"{value:.2f}"


def moment(at_ns: int | None) -> str:
    """``2026-11-23 08:53`` UTC."""
    return "-" if at_ns is None else to_minute(at_ns)


def _line(row: Sequence[str], widths: Sequence[int], to_right: Sequence[bool]) -> str:
    cells = [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(row, widths, to_right, strict=True)
    ]
    return "  ".join(cells).rstrip()


def _is_number(cell: str) -> bool:
    return cell == "-" or cell.lstrip("-").replace(".", "", 1).replace("%", "", 1).isdigit()
