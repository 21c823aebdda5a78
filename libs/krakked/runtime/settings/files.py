"""One YAML file as a flat list of values, each with its line.

Numbers with a point stay exact decimals, a name that stands twice is refused, and nothing but
plain values is built: this is configuration, not a program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import msgspec
import yaml

from krakked.domain.errors import BadInput
from krakked.runtime.settings.known import HIDDEN, SettingPath, is_secret, spoken, touches_secret
from krakked.runtime.yaml_nodes import SafeNodes, UnsafeYaml, bounded_node

_FLOAT_TAG: Final = "tag:yaml.org,2002:float"
_SIZE_MAX_BYTES: Final = 1_000_000
_SHOWN_MAX: Final = 60
"""Characters shown of what is wrong."""
_REPEATED: Final = re.compile(r"'([^']*)'")
"""What the library repeats of the text: an alias or a tag may be a secret without its quotes."""


_NOT_WHAT_IT_LOOKS_LIKE: Final = "{} is not what it looks like; put it in quotes, or mend it"


class Given(msgspec.Struct, frozen=True):
    """A value that somebody wrote, and where."""

    path: SettingPath
    value: object
    source: str
    """``/etc/krakked/config.yaml:12``, ``KRAKKED_EXECUTION__MODE``, ``--seed``."""


def read_file(path: Path) -> list[Given]:
    """All values of the file.

    Raises:
        BadInput: not readable, not YAML, or not a mapping; named by file and line.
    """
    text = _read_text(path)
    try:
        loader = SafeNodes(text)
        node = bounded_node(loader)
        return [] if node is None else list(_values(loader, str(path), node, ()))
    except UnsafeYaml as error:
        raise BadInput(f"{path}:{error.line}: {error}") from error
    except yaml.MarkedYAMLError as error:
        raise BadInput(_yaml_problem(str(path), error)) from error
    except yaml.YAMLError as error:
        raise BadInput(f"{path}: not YAML: {str(error).splitlines()[0]}; mend it") from error


def parse_text(text: str, path: SettingPath) -> object:
    """A value as it stands in a variable or a flag: lists, mappings and null by YAML, else text.

    A secret is what it is.

    Raises:
        ValueError: it looks like a list or a mapping, and is none.
    """
    if is_secret(path) or not _is_yaml(text.strip()):
        return text
    try:
        loader = SafeNodes(text)
        node = bounded_node(loader)
        return None if node is None else _plain(loader, node)
    except yaml.YAMLError as error:
        what = HIDDEN if touches_secret(path) else repr(_shortened(text))
        message = f"{what} is neither a list nor a mapping"
        raise ValueError(message) from error
    except ValueError as error:
        if touches_secret(path) and not isinstance(error, UnsafeYaml):
            raise ValueError(_NOT_WHAT_IT_LOOKS_LIKE.format(HIDDEN)) from error
        raise


def _is_yaml(text: str) -> bool:
    return text.startswith(("[", "{")) or text in ("null", "~")


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…"


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > _SIZE_MAX_BYTES:
            raise BadInput(f"{path}: larger than a megabyte; this cannot be a configuration")
        return path.read_text(encoding="utf-8")
    except IsADirectoryError as error:
        raise BadInput(f"{path}: is a folder; put a file of that name in its place") from error
    except FileNotFoundError as error:
        words = "a link to what is not there; mend the link, or remove it"
        raise BadInput(f"{path}: {words}") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}; mend its permissions") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def _yaml_problem(file_name: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"{file_name}:{mark.line + 1}" if mark else file_name
    column = f" (column {mark.column + 1})" if mark else ""
    problem = _REPEATED.sub(_sign_alone, error.problem or error.context or "")
    return f"{where}: not YAML: {problem}{column}; mend the line"


def _sign_alone(quoted: re.Match[str]) -> str:
    is_told = len(quoted[1]) < 2 or quoted[1].startswith(("<", "tag:yaml.org,2002:python/"))
    return quoted[0] if is_told else "(not shown)"


def _values(
    loader: yaml.SafeLoader, file_name: str, node: yaml.Node, above: SettingPath
) -> Iterator[Given]:
    if not isinstance(node, yaml.MappingNode):
        source = f"{file_name}:{node.start_mark.line + 1}"
        if not above:
            raise BadInput(f"{source}: a configuration is made of `name: value` lines")
        try:
            value = _plain(loader, node)
        except ValueError as error:
            what = _NOT_WHAT_IT_LOOKS_LIKE.format(HIDDEN) if touches_secret(above) else error
            raise BadInput(f"{source}: {spoken(above)}: {what}") from error
        yield Given(above, value, source)
        return
    _refuse_twins(file_name, node, above)
    loader.flatten_mapping(node)
    if not node.value and above:
        yield Given(above, {}, f"{file_name}:{node.start_mark.line + 1}")
    # What is merged in stands before what is written out, which wins.
    last = {_name(file_name, key): value for key, value in node.value}
    for name, value_node in last.items():
        yield from _values(loader, file_name, value_node, (*above, name))


def _refuse_twins(file_name: str, node: yaml.MappingNode, above: SettingPath) -> None:
    seen: dict[str, int] = {}
    for key_node, _ in node.value:
        name, line = _name(file_name, key_node), key_node.start_mark.line + 1
        if name in seen:
            raise BadInput(
                f"{file_name}:{line}: {spoken((*above, name))} stands twice (first in line "
                f"{seen[name]}); remove one"
            )
        seen[name] = line


def _name(file_name: str, node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise BadInput(f"{file_name}:{node.start_mark.line + 1}: a name must be plain text")
    return str(node.value)


def _plain(loader: yaml.SafeLoader, node: yaml.Node) -> object:
    if isinstance(node, yaml.SequenceNode):
        return [_plain(loader, item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        return {str(key.value): _plain(loader, value) for key, value in node.value}
    if node.tag == _FLOAT_TAG:
        return _decimal(str(node.value))
    try:
        value: object = loader.construct_object(node, deep=True)
    except (ValueError, LookupError, AttributeError) as error:
        # What looks like a date or a number and is none, which the library does not say itself.
        what = _shortened(str(node.value))
        message = _NOT_WHAT_IT_LOOKS_LIKE.format(repr(what))
        raise ValueError(message) from error
    return value


def _decimal(text: str) -> object:
    try:
        return Decimal(text.replace("_", ""))
    except InvalidOperation:
        return text
