"""Mixtures of faults in a file: which, how often, and to what.

    seed: 7
    faults:
      - {kind: answer-lost, method: AddOrder, probability: 0.01}
      - {kind: ws-drop, contains: '"exec_type":"trade"', skip: 1}

An entry with a probability strikes some of all that match, for ever; one without strikes the next
``count`` of them, after ``skip``. Every problem is one line that names the file and the line.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import msgspec
import yaml

from krakked.domain.errors import BadInput
from krakked.runtime.yaml_nodes import ROWS_MAX, TextNodes, UnsafeYaml, bounded_node
from krakked.sim.fault_kinds import names
from krakked.simulator.faults import Armed, check

BYTES_MAX: Final = 1_000_000
_FIELD: Final = re.compile(r"\$\.(\w+)")
_UNKNOWN: Final = re.compile(r"unknown field `(\w+)`")


class Mixture(msgspec.Struct, frozen=True):
    """What a file asks for."""

    faults: tuple[Armed, ...] = ()
    seed: int | None = None


class _Row(Armed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry, in which a misspelt name is refused."""


def read_mixture(path: Path) -> Mixture:
    """The mixture of a file.

    Raises:
        BadInput: no such file, not of that form, or a fault that cannot be.
    """
    loader = TextNodes(_text(path))
    # every scalar stays text: a probability must not pass through a float
    try:
        node = bounded_node(loader, nodes_max=ROWS_MAX)
    except UnsafeYaml as error:
        raise BadInput(f"{path}:{error.line}: {error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise BadInput(f"{where}: not YAML: {error.problem or error.context}; mend it") from error
    finally:
        loader.dispose()
    parts = _parts(path, node)
    rows = _sequence(path, parts.get("faults"))
    return Mixture(tuple(_fault(path, row) for row in rows), _seed(path, parts.get("seed")))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > BYTES_MAX:
            raise BadInput(f"{path}: larger than a megabyte; this cannot be a mixture of faults")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}; give a file that can be read") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def _parts(path: Path, node: yaml.Node | None) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        line = 1 if node is None else _line(node)
        raise BadInput(f"{path}:{line}: write `faults:` and a list below it")
    parts = {str(key.value): value for key, value in node.value}
    for key, _ in node.value:
        if key.value not in ("faults", "seed"):
            raise BadInput(f"{path}:{_line(key)}: {key.value}? There are faults and seed")
    return parts


def _sequence(path: Path, node: yaml.Node | None) -> list[yaml.Node]:
    if not isinstance(node, yaml.SequenceNode):
        line = 1 if node is None else _line(node)
        raise BadInput(f"{path}:{line}: faults must be a list; write `- {{kind: answer-lost}}`")
    return list(node.value)


def _seed(path: Path, node: yaml.Node | None) -> int | None:
    if node is None:
        return None
    text = str(node.value)
    if not (text.isascii() and text.isdigit()):
        raise BadInput(f"{path}:{_line(node)}: seed {text}: write a whole number")
    return int(text)


def _fault(path: Path, node: yaml.Node) -> Armed:
    if not isinstance(node, yaml.MappingNode):
        raise BadInput(f"{path}:{_line(node)}: write a fault as {{kind: …, probability: …}}")
    lines = _lines(path, node)
    given = {str(key.value): _plain(value) for key, value in node.value}
    try:
        fault = msgspec.convert(given, _Row, strict=False)
        check(fault)
    except msgspec.ValidationError as error:
        raise _problem(path, str(error), lines, _line(node)) from error
    except BadInput as error:
        raise BadInput(f"{path}:{_line(node)}: {error}") from error
    return fault


def _lines(path: Path, node: yaml.MappingNode) -> dict[str, int]:
    """Where each name of an entry stands."""
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if key.value in lines:
            raise BadInput(f"{path}:{_line(key)}: {key.value} stands twice; remove one")
        lines[str(key.value)] = _line(key)
    return lines


def _problem(path: Path, words: str, lines: dict[str, int], line: int) -> BadInput:
    found = _FIELD.search(words) or _UNKNOWN.search(words)
    if found is not None:
        line = lines.get(found.group(1), line)
    more = f"; there are {names()}" if "enum value" in words and "$.kind" in words else ""
    return BadInput(f"{path}:{line}: {words}{more}")


def _plain(node: yaml.Node) -> object:
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    return str(node.value)


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
