"""What can be set: every path of the configuration, read from the models.

A path is a tuple of names (``("execution", "mode")``); ``*`` stands for any name where people
choose the names themselves (``strategies.*.type``). Files, variables, flags, messages and the
documentation all ask here, so that they cannot disagree.
"""

from __future__ import annotations

import difflib
import enum
import types
import typing
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Final, Literal, TypeAlias, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from krakked.runtime.settings.fields import NameText, Spoken, Unit
from krakked.runtime.settings.models import Settings

SettingPath: TypeAlias = tuple[str, ...]

ANY_NAME: Final = "*"
PREFIX: Final = "KRAKKED_"
NEST: Final = "__"
HIDDEN: Final = "(secret)"
# How like two texts must be: whole paths, last names anywhere, names in the same place.
LIKE_WHOLE: Final = 0.85
LIKE_LAST: Final = 0.75
LIKE_NAME: Final = 0.6
SAME: Final = {"kind": "type", "type": "kind"}
"""Words that mean the same, and look nothing like each other."""


class KnownSetting(msgspec.Struct, frozen=True, kw_only=True):
    """One value that can be set."""

    path: SettingPath
    section: type[BaseModel]
    field: FieldInfo
    annotation: object

    @property
    def is_secret(self) -> bool:
        """Whether it is never shown."""
        return SecretStr in parts_of(self.annotation)

    @property
    def unit(self) -> str | None:
        """What its number counts; None where it is no number, or counts nothing."""
        units = [part.words for part in parts_of(self.annotation) if isinstance(part, Unit)]
        return units[0] if units else None

    @property
    def is_map(self) -> bool:
        """Whether people choose the names below it."""
        return dict in _origins(self.annotation)


def known_settings() -> tuple[KnownSetting, ...]:
    """Every setting, in the order of the models."""
    return tuple(_walk(Settings, ()))


@cache
def _by_path() -> dict[SettingPath, KnownSetting]:
    return {setting.path: setting for setting in known_settings()}


@cache
def _sections() -> frozenset[SettingPath]:
    return frozenset(
        path[:length] for path in _by_path() for length in range(1, len(path))
    ) | frozenset({()})


def find(path: SettingPath) -> KnownSetting | None:
    """The setting at that path, or the map that it lies in; None for sections and unknown paths."""
    for length in range(len(path), 0, -1):
        for spelling in _spellings(path[:length]):
            setting = _by_path().get(spelling)
            if setting is not None:
                return setting if length == len(path) or setting.is_map else None
    return None


def is_section(path: SettingPath) -> bool:
    """Whether settings lie below it, and it is none itself."""
    return any(spelling in _sections() for spelling in _spellings(path))


def is_secret(path: SettingPath) -> bool:
    """Whether its value is never shown."""
    setting = find(path)
    return setting is not None and setting.is_secret


def touches_secret(path: SettingPath) -> bool:
    """Whether a value there may be, hold, or stand in a secret: a wrong one is not repeated."""
    known_part = path if find(path) is not None else section_of(path) or path
    return any(
        all(one in (other, ANY_NAME) for one, other in zip(secret, known_part, strict=False))
        for secret in _secrets()
    )


def names_secret(text: str) -> bool:
    """Whether a text that cannot be read speaks of one."""
    return any(name in text for path in _secrets() for name in path if name != ANY_NAME)


@cache
def _secrets() -> tuple[SettingPath, ...]:
    return tuple(setting.path for setting in known_settings() if setting.is_secret)


def spoken(path: SettingPath) -> str:
    """The path as messages say it; what stands below a secret is none of its names."""
    for length in range(1, len(path)):
        if is_secret(path[:length]):
            return dotted((*path[:length], HIDDEN))
    return dotted(path)


def nearest(path: SettingPath) -> SettingPath | None:
    """The known setting, or section, that an unknown one was probably meant to be.

    None where nothing is near: what may stand there says more than a far guess. A section itself
    sets nothing, and is near nothing.
    """
    if is_section(path):
        return None
    said_otherwise = (*path[:-1], SAME.get(path[-1], ""))
    if find(said_otherwise) is not None:
        return said_otherwise
    settings = {
        dotted(named): named for named in (_named_like(known, path) for known in _by_path())
    }
    whole = difflib.get_close_matches(dotted(path), sorted(settings), n=1, cutoff=LIKE_WHOLE)
    if whole:
        return settings[whole[0]]
    return (
        _by_last(path, settings, cutoff=1.0)
        or _by_segment(path)
        or _by_last(path, settings, cutoff=LIKE_LAST)
    )


def _by_last(
    path: SettingPath, settings: Mapping[str, SettingPath], *, cutoff: float
) -> SettingPath | None:
    """The right name in the wrong place."""
    by_last: dict[str, SettingPath] = {}
    for spelled in sorted(settings):
        by_last.setdefault(settings[spelled][-1], settings[spelled])
    last = difflib.get_close_matches(path[-1], sorted(by_last), n=1, cutoff=cutoff)
    return by_last[last[0]] if last else None


def _by_segment(path: SettingPath) -> SettingPath | None:
    """Each name among those that may stand in its place; a section where the next is like none."""
    mended: SettingPath = ()
    for name in path:
        below = names_below(mended)
        close = difflib.get_close_matches(name, below, n=1, cutoff=LIKE_NAME)
        if ANY_NAME in below and len(mended) == len(path) - 1:
            break  # the last word is a setting's and no name that a person chose
        if name in below or ANY_NAME in below:
            mended = (*mended, name)
        elif close:
            mended = (*mended, close[0])
        else:
            break
    return mended if mended != path[: len(mended)] or find(mended) else None


def names_below(section: SettingPath) -> list[str]:
    """What may come next, in the order of the models."""
    size, spellings = len(section), _spellings(section)
    found = (path[size] for path in _by_path() if len(path) > size and path[:size] in spellings)
    return list(dict.fromkeys(found))


def section_of(path: SettingPath) -> SettingPath | None:
    """The innermost section that the path names or lies in; None where it begins in none."""
    lengths = range(len(path), 0, -1)
    return next((path[:length] for length in lengths if is_section(path[:length])), None)


def settings_in(section: SettingPath) -> list[SettingPath]:
    """All that can be set below it, in the order of the models; ``<id>`` is for people to name."""
    size, spellings = len(section), _spellings(section)
    return [
        (*section, *("<id>" if name == ANY_NAME else name for name in known[size:]))
        for known in _by_path()
        if known[:size] in spellings
    ]


def dotted(path: SettingPath) -> str:
    """``execution.mode``."""
    return ".".join(path)


def variable(path: SettingPath) -> str:
    """``KRAKKED_EXECUTION__MODE``."""
    return PREFIX + NEST.join(name.upper() for name in path)


def path_of_variable(name: str) -> SettingPath:
    """The path that a variable of ours names, known or not."""
    return tuple(name.removeprefix(PREFIX).lower().split(NEST))


def _walk(model: type[BaseModel], above: SettingPath) -> typing.Iterator[KnownSetting]:
    hints = typing.get_type_hints(model, include_extras=True)
    for name, field in model.model_fields.items():
        path = (*above, name)
        inner = _model_in(hints[name])
        if inner is None:
            yield KnownSetting(path=path, section=model, field=field, annotation=hints[name])
        else:
            in_map = dict in _origins(hints[name])
            yield from _walk(inner, (*path, ANY_NAME) if in_map else path)


def _model_in(annotation: object) -> type[BaseModel] | None:
    for part in parts_of(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def parts_of(annotation: object) -> list[object]:
    """The annotation and everything it is made of."""
    parts = [annotation]
    for argument in get_args(annotation):
        parts.extend(parts_of(argument))
    return parts


def _origins(annotation: object) -> set[object]:
    return {get_origin(part) for part in parts_of(annotation)}


def _spellings(path: SettingPath) -> list[SettingPath]:
    """The path, with ``*`` in every place where people choose the name."""
    spellings: list[SettingPath] = [()]
    for name in path:
        spellings = [(*head, tail) for head in spellings for tail in (name, ANY_NAME)]
    return spellings


def _named_like(known: SettingPath, path: SettingPath) -> SettingPath:
    """``strategies.*.type`` said with the name that the person chose: ``strategies.trend.type``.

    The last word of a path is a setting's: in a name's place it says that the name was left out.
    """
    given = (*path[:-1], *("<id>" for _ in known))
    return tuple(given[i] if name == ANY_NAME else name for i, name in enumerate(known))


# What a value may be, in words.

_WORDS: Final[dict[object, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Decimal: "a number",
    str: "text",
    Path: "a path",
    SecretStr: "text (secret)",
    object: "anything",
}


def in_words(annotation: object) -> str:
    """What may be written, without its bounds."""
    spoken = [part for part in getattr(annotation, "__metadata__", ()) if isinstance(part, Spoken)]
    if spoken:
        return spoken[0].words
    origin = get_origin(annotation)
    if origin is None:
        return _plain_words(annotation)
    if origin is Literal:
        return _one_of(get_args(annotation))
    return _words_of_parts(origin, annotation)


def one_in_words(annotation: object) -> str:
    """What one element of a list may be."""
    lists = [part for part in parts_of(annotation) if get_origin(part) is tuple]
    return in_words(get_args(lists[0])[0] if lists else annotation)


def names_in_words(setting: KnownSetting | None) -> str:
    """What the names in a map may be; None stands for the map of strategies."""
    annotation = dict[NameText, object] if setting is None else setting.annotation
    maps = [part for part in parts_of(annotation) if get_origin(part) is dict]
    return in_words(get_args(maps[0])[0])


def _words_of_parts(origin: object, annotation: object) -> str:
    if origin in (Union, types.UnionType):
        return " or ".join(in_words(part) for part in get_args(annotation))
    if origin is tuple:
        return "a list of " + in_words(get_args(annotation)[0])
    if origin is dict:
        key, value = get_args(annotation)
        return f"names ({in_words(key)}), each with {in_words(value)}"
    return in_words(get_args(annotation)[0])  # Annotated


def _plain_words(annotation: object) -> str:
    if annotation is type(None):
        return "`null`"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _one_of([member.value for member in annotation])
    return _WORDS[annotation]


def _one_of(choices: Sequence[object]) -> str:
    return "one of " + ", ".join(f"`{choice}`" for choice in choices)
