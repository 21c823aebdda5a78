"""From files, variables and flags to one configuration, with the origin of every value.

Later wins: defaults < defaults of the environment < ``config.yaml`` < ``config.<environment>.yaml``
< ``config.runtime.yaml`` (changes made while running) < ``KRAKKED_*`` variables < flags of the
command line. Mappings are merged name by name; lists are replaced. Nothing unknown is passed over.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec
from pydantic import SecretStr, ValidationError

from krakked.domain.errors import BadInput
from krakked.runtime.settings import known
from krakked.runtime.settings.contradictions import contradictions
from krakked.runtime.settings.defaults import environment_defaults
from krakked.runtime.settings.fields import Environment
from krakked.runtime.settings.files import Given, parse_text, read_file
from krakked.runtime.settings.known import PREFIX, SettingPath, dotted
from krakked.runtime.settings.models import Settings
from krakked.runtime.settings.problems import (
    MISSING,
    SHOWN_MAX,
    Problem,
    from_validation,
    in_order,
    refuse,
)

RESERVED_VARIABLES: Final = {
    "KRAKKED_ENV": "the environment, where `--env` is not given",
    "KRAKKED_CONFIG_DIR": "the folder of the configuration, where `--config-dir` is not given",
    "KRAKKED_DB_PATH": "the database, where `--db-path` is not given",
    "KRAKKED_MASTER_PASSWORD": "opens `secrets.enc`",
    "KRAKKED_MASTER_PASSWORD_FILE": "the file that holds what opens `secrets.enc`",
}
"""Variables of ours that are no settings."""

DEFAULT_SOURCE: Final = "default"
COMMAND_LINE: Final = "command line"
_LINK_ENDINGS: Final = ("_SERVICE_HOST", "_SERVICE_PORT", "_PORT", "_TCP", "_ADDR", "_PROTO")


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration and where it came from."""

    settings: Settings
    sources: Mapping[SettingPath, str]
    """Of every value that somebody wrote; what is missing here is a default."""
    files: tuple[Path, ...]
    """Those that were read, weakest first."""

    def source_of(self, path: SettingPath) -> str:
        """Where the value at ``path`` was written."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.sources:
                return self.sources[path[:length]]
        below = (at for written, at in self.sources.items() if written[: len(path)] == path)
        return next(below, DEFAULT_SOURCE)

    def rows(self) -> list[tuple[str, object, str]]:
        """(setting, value without secrets, source) of everything, in the order of the models."""
        return [
            (dotted(path), value, self.source_of(path))
            for path, value in _flat(self.settings.model_dump(), ())
        ]


def load_settings(
    environment: Environment,
    *,
    config_dir: Path | None,
    overrides: Mapping[str, object],
    environ: Mapping[str, str],
    beside: Callable[[Settings], Sequence[Problem]] = lambda _: (),
) -> Loaded:
    """Read and merge all layers, and refuse what is unknown, wrong or contradictory.

    Args:
        environment: picks the overlay.
        config_dir: folder of the files; None reads none.
        overrides: values from flags, by dotted path (``execution.mode``).
        environ: the process's variables.
        beside: what else is missing that is no setting; asked only if something is refused anyway,
            so that a person hears of everything at once.

    Raises:
        BadInput: one line per problem: where, what, how to mend it.
    """
    files = _files(config_dir, environment)
    given = [
        *environment_defaults(environment),
        *(value for path in files for value in read_file(path)),
        *_from_variables(environ),
        *(Given(tuple(name.split(".")), value, COMMAND_LINE) for name, value in overrides.items()),
    ]
    unknown = [*_unknown_variables(environ), *_unknown(given)]
    merged = _merge(value for value in given if _is_setting(value))
    settings = _validate(environment, merged, unknown)
    sources = {path: value.source for path, value in merged.items()}
    loaded = Loaded(settings=settings, sources=sources, files=files)
    problems = contradictions(settings)
    if problems:
        problems += beside(settings)
    refuse([problem.at(loaded.source_of(problem.path)) for problem in problems])
    return loaded


def _files(config_dir: Path | None, environment: Environment) -> tuple[Path, ...]:
    if config_dir is None:
        return ()
    if not config_dir.is_dir():
        raise BadInput(f"{config_dir}: no such folder; create it or give another --config-dir")
    names = ("config.yaml", f"config.{environment.value}.yaml", "config.runtime.yaml")
    return tuple(config_dir / name for name in names if (config_dir / name).exists())


def _from_variables(environ: Mapping[str, str]) -> list[Given]:
    given = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in RESERVED_VARIABLES:
            path = known.path_of_variable(name)
            if known.find(path) is not None:
                text = environ[name]
                value = text if known.is_secret(path) else _variable_value(name, text)
                given.append(Given(path, value, name))
    return given


def _unknown_variables(environ: Mapping[str, str]) -> list[Problem]:
    named = {
        name: known.path_of_variable(name)
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in RESERVED_VARIABLES
    }
    return [
        _unknown_variable(name, path) for name, path in named.items() if known.find(path) is None
    ]


def _variable_value(name: str, text: str) -> object:
    try:
        return parse_text(text)
    except ValueError as error:
        raise BadInput(f"{name}: {error}; mend the variable") from error


def _unknown_variable(name: str, path: SettingPath) -> Problem:
    if name.endswith(_LINK_ENDINGS):
        remedy = "Kubernetes sets it for a service; set `enableServiceLinks: false` on the pod"
    else:
        remedy = _remedy_for_variable(name, path)
    return Problem(path, "unknown variable", remedy, source=name, shown="")


def _remedy_for_variable(name: str, path: SettingPath) -> str:
    ours = {reserved.removeprefix(PREFIX): reserved for reserved in RESERVED_VARIABLES}
    bare = name.removeprefix(PREFIX)
    meant = difflib.get_close_matches(bare, sorted(ours), n=1, cutoff=known.LIKE_WHOLE)
    if meant:
        return f"the nearest known one is {ours[meant[0]]}"
    return _remedy(path, known.variable)


def _unknown(given: Iterable[Given]) -> list[Problem]:
    unknown = [
        value
        for value in given
        if known.find(value.path) is None and not known.is_section(value.path)
    ]
    return [
        Problem(
            value.path,
            "unknown setting",
            _remedy(value.path) if number < SHOWN_MAX else "",
            source=value.source,
        )
        for number, value in enumerate(unknown)
    ]


def _remedy(path: SettingPath, spelled: Callable[[SettingPath], str] = dotted) -> str:
    likely = known.nearest(path)
    if likely is not None and not known.is_section(likely):
        return f"the nearest known one is {spelled(likely)}"
    section = likely or known.section_of(path)
    if section is None:
        sections = ", ".join(spelled((name,)) for name in known.names_below(()))
        return f"it is like none that is known; settings begin with {sections}"
    below = ", ".join(map(spelled, known.settings_in(section)))
    if likely is not None:
        return f"the nearest known one is the section {spelled(section)}; its settings are {below}"
    return f"{spelled(section)} is a section; its settings are {below}"


def _is_setting(value: Given) -> bool:
    """A known one; ``execution:`` with nothing below it says nothing, and is none."""
    if known.is_section(value.path):
        return value.value not in (None, {})
    return known.find(value.path) is not None


def _merge(given: Iterable[Given]) -> dict[SettingPath, Given]:
    """The winners by path; a value replaces what stood at, above or below its path."""
    merged: dict[SettingPath, Given] = {}
    for value in given:
        path = value.path
        for other in [other for other in merged if other[: len(path)] == path]:
            del merged[other]
        for length in range(1, len(path)):
            merged.pop(path[:length], None)
        merged[path] = value
    return merged


def _validate(
    environment: Environment, merged: Mapping[SettingPath, Given], unknown: Sequence[Problem]
) -> Settings:
    """What is known, in its types; what is unknown is told together with what is wrong."""
    refuse(_other_environment(environment, merged))
    tree: dict[str, object] = {}
    for path, value in merged.items():
        _put(tree, path, value.value)
    tree["environment"] = environment
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        sources = {path: value.source for path, value in merged.items()}
        wrong = from_validation(error, sources)
        refuse(in_order([*unknown, *(one for one in wrong if not _is_misspelt(one, unknown))]))
        raise
    refuse(in_order(unknown))
    return settings


def _is_misspelt(problem: Problem, unknown: Sequence[Problem]) -> bool:
    """What is missing in a section with an unknown name is likely that one, and told by it."""
    beside = {other.path[:-1] for other in unknown}
    return problem.what == MISSING and problem.path[:-1] in beside


def _other_environment(
    environment: Environment, merged: Mapping[SettingPath, Given]
) -> list[Problem]:
    given = merged.get(("environment",))
    if given is None or given.value == environment.value:
        return []
    what = f"is {given.value!r}, but {environment.value!r} is being started"
    return [Problem(given.path, what, "remove the line, or give that --env", source=given.source)]


def _put(tree: dict[str, object], path: SettingPath, value: object) -> None:
    for name in path[:-1]:
        branch = tree.setdefault(name, {})
        assert isinstance(branch, dict), "merging left a value above another"
        tree = branch
    tree[path[-1]] = value


def _flat(value: object, above: SettingPath) -> Iterable[tuple[SettingPath, object]]:
    if isinstance(value, dict) and (value or not above):
        for name, item in value.items():
            yield from _flat(item, (*above, str(name)))
    else:
        yield above, _shown(value)


def _shown(value: object) -> object:
    """As it would be written in a file; secrets never."""
    if isinstance(value, SecretStr):
        return "**********"
    if isinstance(value, (list, tuple)):
        return [_shown(item) for item in value]
    if isinstance(value, (Decimal, Path)):
        return str(value)
    return getattr(value, "value", value)
