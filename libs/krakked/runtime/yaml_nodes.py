"""YAML that anybody may have written, as nodes that are safe to walk.

An alias is written once and stands for a whole tree: some lines of aliases of aliases are a
billion values, and one that stands inside of what it names has no end. So what a document comes to
with its aliases written out is reckoned first, each node once, and nothing is made of a document
that is too deep or too large.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
import yaml
from yaml.composer import Composer

DEPTH_MAX: Final = 40
"""Levels; the deepest setting has six."""
NODES_MAX: Final = 10_000
"""Values and names of a configuration, its aliases written out."""
ROWS_MAX: Final = 200_000
"""The same of a file of rows: more than a megabyte can name one by one."""


class UnsafeYaml(ValueError):
    """It is YAML, and nothing must be made of it."""

    def __init__(self, words: str, line: int) -> None:
        super().__init__(words)
        self.line = line


class _Shallow(Composer):
    """Stops where a document goes too deep, before the machine's stack does."""

    _level = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        """One level further down."""
        if self._level > DEPTH_MAX:
            raise _too_deep(int(self.peek_event().start_mark.line) + 1)  # type: ignore[attr-defined]  # of the parser that it is mixed with
        self._level += 1
        try:
            return super().compose_node(parent, index)  # type: ignore[arg-type]  # its stubs do not know a document's own node
        finally:
            self._level -= 1


class SafeNodes(_Shallow, yaml.SafeLoader):
    """Scalars are what they look like."""


class TextNodes(_Shallow, yaml.BaseLoader):
    """Every scalar is text: an amount must not pass through a float."""


def bounded_node(loader: SafeNodes | TextNodes, *, nodes_max: int = NODES_MAX) -> yaml.Node | None:
    """The one document of the loader; None if it is empty.

    Raises:
        UnsafeYaml: too deep, too large, or without end.
        yaml.YAMLError: it is not YAML.
    """
    node = loader.get_single_node()
    if node is not None:
        _measure(node, {}, nodes_max)
    return node


class _Size(msgspec.Struct, frozen=True):
    nodes: int
    depth: int


def _too_deep(line: int) -> UnsafeYaml:
    return UnsafeYaml(f"deeper than {DEPTH_MAX} levels; nothing here is, write it flat", line)


def _measure(node: yaml.Node, known: dict[int, _Size | None], nodes_max: int) -> _Size:
    """With aliases written out; None stands in ``known`` for a node that is not done yet."""
    if id(node) in known:
        size = known[id(node)]
        if size is None:
            raise UnsafeYaml("an alias in it stands for itself; write it out", _line(node))
        return size
    known[id(node)] = None
    inner = [_measure(each, known, nodes_max) for each in _inside(node)]
    size = _Size(
        nodes=1 + sum(each.nodes for each in inner),
        depth=1 + max((each.depth for each in inner), default=0),
    )
    if size.depth > DEPTH_MAX + 1:
        raise _too_deep(_line(node))
    if size.nodes > nodes_max:
        words = f"more than {nodes_max} values with its aliases written out; write fewer"
        raise UnsafeYaml(words, _line(node))
    known[id(node)] = size
    return size


def _inside(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            yield name
            yield value


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
