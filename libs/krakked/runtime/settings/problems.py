"""What is wrong with a configuration, in lines for people: where, what, how to mend it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from pydantic import ValidationError

from krakked.domain.errors import BadInput
from krakked.runtime.settings import known
from krakked.runtime.settings.known import HIDDEN, SettingPath, spoken

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SHOWN_MAX: Final = 10
"""Problems shown at once; the rest is counted."""
MISSING: Final = "is missing"
_VALUE_MAX: Final = 60
"""Characters shown of a wrong value."""


class Problem(msgspec.Struct, frozen=True):
    """One thing to mend."""

    path: SettingPath
    what: str
    remedy: str
    source: str = ""
    shown: str | None = None
    """What stands for the path in the line; None: the path itself."""

    def at(self, source: str) -> Problem:
        """The same, found there."""
        return msgspec.structs.replace(self, source=source)

    def __str__(self) -> str:
        name = spoken(self.path) if self.shown is None else self.shown
        if self.source.startswith("default"):
            subject = f"{name} ({self.source})" if name else ""
        else:
            subject = f"{self.source}: {name}" if name else self.source
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{subject}: {self.what}{remedy}".removeprefix(": ")


def refuse(problems: Sequence[Problem]) -> None:
    """Raise if there are any.

    Raises:
        BadInput: with one line for each.
    """
    if not problems:
        return
    lines = [str(problem) for problem in problems[:SHOWN_MAX]]
    if len(problems) > SHOWN_MAX:
        lines.append(f"and {len(problems) - SHOWN_MAX} more problems")
    raise BadInput("\n".join(lines))


def from_validation(error: ValidationError, sources: Mapping[SettingPath, str]) -> list[Problem]:
    """One problem for each thing that a model refused, in the order of the sources."""
    found = [_from_details(details, sources) for details in error.errors(include_url=False)]
    return in_order(found)


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """File by file, from the top down."""
    return sorted(problems, key=_place)


def _place(problem: Problem) -> tuple[str, int]:
    file_name, _, line = problem.source.rpartition(":")
    return (file_name, int(line)) if line.isdigit() else (problem.source, 0)


def _from_details(details: ErrorDetails, sources: Mapping[SettingPath, str]) -> Problem:
    path = tuple(str(part) for part in details["loc"])
    named = tuple(part for part in path if part != "[key]")
    source = source_below(named, sources)
    if details["type"] == "missing":
        return Problem(named, MISSING, "add it", source=source)
    value = HIDDEN if known.touches_secret(named) else _shortened(details["input"])
    return Problem(
        named, f"{value} is wrong", f"expected {_expected(details, path)}", source=source
    )


def source_below(path: SettingPath, sources: Mapping[SettingPath, str]) -> str:
    """Where what stands there, or nearest above it, was written first."""
    for length in range(len(path), 0, -1):
        head = path[:length]
        for written, source in sources.items():
            if written[:length] == head:
                return source
    return "default"


def _shortened(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _VALUE_MAX else text[: _VALUE_MAX - 1] + "…"


_BOUNDS: Final = {
    "greater_than": "more than",
    "greater_than_equal": "at least",
    "less_than": "less than",
    "less_than_equal": "at most",
}


def _expected(details: ErrorDetails, path: SettingPath) -> str:
    bound = _BOUNDS.get(details["type"])
    if bound is not None:
        (limit,) = details["ctx"].values()
        return f"{bound} {limit:g}" if isinstance(limit, float) else f"{bound} {limit}"
    setting = known.find(_without_indices(path))
    if path[-1] == "[key]":
        return known.names_in_words(setting)
    if setting is None:
        return "a section: `name: value` lines below it"
    words = known.one_in_words if path[-1].isdigit() else known.in_words
    return words(setting.annotation)


def _without_indices(path: SettingPath) -> SettingPath:
    return tuple(part for part in path if not part.isdigit())
