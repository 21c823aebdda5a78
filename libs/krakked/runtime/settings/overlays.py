"""From files, variables and flags to one configuration, with the origin of every value.

Later wins: defaults < defaults of the environment < ``config.yaml`` < ``config.<environment>.yaml``
< ``config.runtime.yaml`` (changes made while running) < ``KRAKKED_*`` variables < flags of the
command line. Mappings are merged name by name; lists are replaced. Nothing unknown is passed over.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec
from pydantic import SecretStr, ValidationError

from krakked.domain.errors import BadInput
from krakked.domain.ids import StrategyId
from krakked.domain.strategies import known_types
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
    source_below,
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
    from_variables, unreadable = _from_variables(environ)
    given = [
        *environment_defaults(environment),
        *(value for path in files for value in read_file(path)),
        *from_variables,
        *(Given(tuple(name.split(".")), value, COMMAND_LINE) for name, value in overrides.items()),
    ]
    unknown = [*_unknown_variables(environ), *unreadable, *_unknown(given)]
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
    paths = (config_dir / name for name in names)
    return tuple(path for path in paths if path.exists() or path.is_symlink())


def _from_variables(environ: Mapping[str, str]) -> tuple[list[Given], list[Problem]]:
    """What known variables say, and those that cannot be read."""
    given, unreadable = [], []
    for name, path in _our_variables(environ).items():
        if known.find(path) is None:
            continue
        try:
            given.append(Given(path, parse_text(environ[name], path), name))
        except ValueError as error:
            unreadable.append(Problem(path, str(error), "mend the variable", name, shown=""))
    return given, unreadable


def _our_variables(environ: Mapping[str, str]) -> dict[str, SettingPath]:
    return {
        name: known.path_of_variable(name)
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in RESERVED_VARIABLES
    }


def _unknown_variables(environ: Mapping[str, str]) -> list[Problem]:
    return [
        _unknown_variable(name, path)
        for name, path in _our_variables(environ).items()
        if known.find(path) is None
    ]


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
        told = [one for one in wrong if not _is_misspelt(one, unknown)]
        refuse(in_order([*unknown, *told, *_wrong_parameters(tree, sources)]))
        raise
    if unknown:
        sources = {path: value.source for path, value in merged.items()}
        refuse(in_order([*unknown, *_wrong_parameters(tree, sources)]))
    return settings


def _wrong_parameters(
    tree: Mapping[str, object], sources: Mapping[SettingPath, str]
) -> Iterator[Problem]:
    """Of strategies whose own settings can be read, what their types do not take."""
    from krakked.domain.strategies import build  # late: arrays come with it

    strategies = tree.get("strategies")
    for name, one in strategies.items() if isinstance(strategies, dict) else ():
        type_, params = _type_and_parameters(one)
        if type_ not in known_types() or not isinstance(params, dict):
            continue
        try:
            build(StrategyId(name), type_, params)
        except BadInput as error:
            path = ("strategies", name, "params")
            source = source_below(path, sources)
            yield from (Problem(path, line, "", source, "") for line in str(error).splitlines())


def _type_and_parameters(strategy: object) -> tuple[str, object]:
    if not isinstance(strategy, dict):
        return "", None
    return str(strategy.get("type")), strategy.get("params", {})


def _is_misspelt(problem: Problem, unknown: Sequence[Problem]) -> bool:
    """What is missing where an unknown name is like it is that one, and told by it."""
    return problem.what == MISSING and any(
        known.nearest(other.path) == problem.path
        for other in unknown
        if other.path[:-1] == problem.path[:-1]
    )


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
