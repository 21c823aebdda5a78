"""The configuration in words, made from the models: ``docs/configuration.md`` and a JSON schema."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from krakked.domain.times import DAY_S
from krakked.runtime.settings.contradictions import NOT_YET
from krakked.runtime.settings.defaults import ENVIRONMENT_DEFAULTS
from krakked.runtime.settings.known import (
    ANY_NAME,
    KnownSetting,
    in_words,
    known_settings,
    parts_of,
    variable,
)
from krakked.runtime.settings.models import Settings
from krakked.runtime.settings.overlays import RESERVED_VARIABLES

_BOUNDS: Final = (("gt", "more than"), ("ge", "at least"), ("lt", "below"), ("le", "at most"))
_UNBOUNDED: Final = (DAY_S, 10**12)
"""Upper bounds that only keep out nonsense are not worth a word."""

_HEAD: Final = """\
# Configuration

krakked reads `config.yaml`, then `config.<environment>.yaml`, then `config.runtime.yaml` in its
configuration folder (`~/.config/krakked` on Linux, or `--config-dir`). Later wins, name by name;
lists are replaced as a whole:

defaults < defaults of the environment < `config.yaml` < `config.<environment>.yaml` <
`config.runtime.yaml` < variables < flags

A variable is the setting's path in capitals with two underscores between the names:
`execution.mode` is `KRAKKED_EXECUTION__MODE`. A flag is `--set execution.mode=dry_run`. Lists are
written `[XBTUSD, ETHUSD]`, nothing is `null`. Unknown names are refused, with the
nearest known one, or with what there is if none is near. `krakked config show` prints what came out
and where each value was written, `krakked config check` only what is wrong.

This page is made by `krakked config schema --markdown` from the models in
`libs/krakked/runtime/settings/models.py`.
"""

_KEYS: Final = """\
## Keys of the venue

Keys are no settings. They are looked for in the variables `KRAKEN_API_KEY` and `KRAKEN_API_SECRET`
(and `KRAKEN_QUERY_KEY`, `KRAKEN_QUERY_SECRET` for the second, read-only key), then in the files of
`venue.keys_dir`, then in `secrets.enc` in the configuration folder, which `krakked secrets set`
makes and `krakked secrets check` opens. They are never shown and never logged.

`secrets.enc` is sealed (scrypt, ChaCha20-Poly1305) with a master password, which comes from
`KRAKKED_MASTER_PASSWORD`, from the file that `KRAKKED_MASTER_PASSWORD_FILE` names, or from a person
at the terminal. A file of keys or passwords that others than its owner may read is refused.
"""


def markdown() -> str:
    """``docs/configuration.md``."""
    return "\n".join(
        [_HEAD, *_sections(), *_environments(), *_variables(), *_not_yet(), _KEYS.rstrip(), ""]
    )


def json_schema() -> str:
    """The schema of the configuration files, for editors."""
    return json.dumps(Settings.model_json_schema(), indent=2, sort_keys=True, default=str)


def _sections() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        settings = [one for one in known_settings() if one.path[0] == name]
        yield f"## `{name}`\n\n{_one_line(field.description)}\n"
        yield "| setting | default | may be | meaning |\n|---|---|---|---|"
        for setting in settings:
            yield _row(setting)
        yield ""


def _row(setting: KnownSetting) -> str:
    path = ".".join("<id>" if name == ANY_NAME else name for name in setting.path)
    unit = [] if setting.unit is None else [f"in {setting.unit}"]
    allowed = ", ".join([in_words(setting.annotation), *unit, *bounds_in_words(setting)])
    cells = (f"`{path}`", _default(setting.field), allowed, _one_line(setting.field.description))
    return f"| {' | '.join(cell.replace('|', '·') for cell in cells)} |"


def bounds_in_words(setting: KnownSetting) -> list[str]:
    """``at least 2``, ``at most 60``."""
    found: dict[str, str] = {}
    for constraint in _constraints(setting):
        for name, words in _BOUNDS:
            limit = getattr(constraint, name, None)
            if limit is not None and not (name == "le" and limit in _UNBOUNDED):
                found[name] = f"{words} {limit}"
    return [found[name] for name, _ in _BOUNDS if name in found]


def _constraints(setting: KnownSetting) -> Iterator[object]:
    yield from setting.field.metadata
    for part in parts_of(setting.annotation):
        for extra in getattr(part, "__metadata__", ()):
            yield from extra.metadata if isinstance(extra, FieldInfo) else ()


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "(must be given)"
    return f"`{_written(field.default)}`"


def _written(value: object) -> str:
    """As it would stand in a file."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_written(item)}" for name, item in value.items()) + "}"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


def _not_yet() -> Iterator[str]:
    yield "## Settings of later versions\n"
    yield "They are known, and anything but their default is refused until they are acted on:\n"
    yield from (f"- `{path}`: {what}" for path, what in NOT_YET.items())
    yield ""


def _environments() -> Iterator[str]:
    yield "## Defaults of the environments\n"
    yield "| environment | setting | value |\n|---|---|---|"
    for environment, values in ENVIRONMENT_DEFAULTS.items():
        for name, value in values.items():
            yield f"| {environment.value} | `{name}` | `{value}` |"
    yield ""


def _variables() -> Iterator[str]:
    yield "## Variables that are no settings\n"
    yield "| variable | meaning |\n|---|---|"
    for name, meaning in RESERVED_VARIABLES.items():
        yield f"| `{name}` | {meaning} |"
    yield f"\nAll other variables of ours are settings, like `{variable(('logging', 'level'))}`.\n"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
