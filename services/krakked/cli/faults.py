"""Flags that make the simulator misbehave, for the verbs that start one."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from krakked.domain.errors import BadInput
from krakked.domain.money import ONE, BadAmount, parse_amount
from krakked.runtime.exit_codes import ExitCode
from krakked.sim.fault_kinds import KINDS, FaultKind

if TYPE_CHECKING:
    from krakked.simulator.fault_files import Mixture

WIDTH: Final = 100
_NAME_WIDTH: Final = 20

by_chance = click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND=PROBABILITY",
    help="Let the simulator misbehave: answer-lost=0.01. May be repeated; "
    "`krakked simulator --help` lists the kinds.",
)
by_file = click.option(
    "--faults",
    "faults_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A mixture of faults with their parameters, as docs/simulator/faults.md shows.",
)


def table() -> str:
    """Every kind with what it does, for the end of a help."""
    return "\n".join(["\b", "Faults:", *(_row(kind) for kind in FaultKind)])


def _row(kind: FaultKind) -> str:
    margin = " " * (_NAME_WIDTH + 2)
    lines = textwrap.wrap(
        KINDS[kind].doc,
        width=WIDTH,
        initial_indent=f"  {kind.value}".ljust(len(margin)),
        subsequent_indent=margin,
    )
    return "\n".join(lines)


def chances(texts: Iterable[str]) -> Mapping[str, Decimal]:
    """``answer-lost=0.01`` as kind and probability, each kind once.

    Raises:
        BadInput: no such kind, no probability, or a kind that stands twice.
    """
    found: dict[str, Decimal] = {}
    for text in texts:
        kind, chance = _chance(text)
        if kind in found:
            raise _usage(f"--fault {text}: {kind} is given twice; give it once")
        found[kind] = chance
    return found


def _chance(text: str) -> tuple[str, Decimal]:
    kind, _, probability = text.partition("=")
    known = [each.value for each in FaultKind]
    if kind not in known:
        nearest = difflib.get_close_matches(kind, known, 1)
        meant = f"; did you mean {nearest[0]}?" if nearest else ""
        raise _usage(
            f"--fault {text}: no kind {kind}{meant} (`krakked simulator --help` lists them)"
        )
    try:
        value = parse_amount(probability)
    except BadAmount:
        value = -ONE
    if not 0 <= value <= 1:
        raise _usage(f"--fault {text}: write a probability from 0 to 1, as in answer-lost=0.01")
    return kind, value


def mixture(path: Path | None) -> Mixture | None:
    """What a file of faults asks for, if there is one.

    Raises:
        BadInput: a file that cannot be used, by file and line.
    """
    if path is None:
        return None
    from krakked.simulator.fault_files import read_mixture

    return read_mixture(path)


def _usage(text: str) -> BadInput:
    return BadInput(text, exit_code=ExitCode.USAGE)
