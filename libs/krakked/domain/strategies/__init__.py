"""The bundled strategies by type name, and how a configured one is built.

Names are known without importing what computes with arrays; :func:`build` imports it.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Final, cast

import msgspec

from krakked.domain.bars import Timeframe
from krakked.domain.errors import BadInput
from krakked.domain.ids import StrategyId

if TYPE_CHECKING:
    from krakked.domain.strategies.base import Parameters, Rules, Strategy

_BUNDLED: Final[Mapping[str, tuple[str, str]]] = {
    "trend_following": ("trend_following", "TrendFollowing"),
    "mean_reversion": ("mean_reversion", "MeanReversion"),
    "hold_target_weights": ("hold_target_weights", "HoldTargetWeights"),
}
"""Type name → (module here, class); its parameters are ``<class>Parameters``."""
_SHARED: Final = (
    "krakked.domain.features",
    "krakked.domain.strategies.base",
    "krakked.domain.strategies.stops",
)
"""What rules are made with: a change there may change a decision as well as one in the rules."""


def known_types() -> tuple[str, ...]:
    """Names of the bundled types, in the order of the table."""
    return tuple(_BUNDLED)


def build(
    strategy_id: StrategyId,
    type_name: str,
    params: Mapping[str, object],
    *,
    timeframes: Sequence[Timeframe] = (),
) -> Strategy:
    """A configured strategy; without ``timeframes`` it runs on its type's own.

    Raises:
        BadInput: unknown type or parameter (naming the nearest known one), or a bad value.
    """
    from krakked.domain.strategies.base import Strategy

    module, rules_type, parameters_type = _find(strategy_id, type_name)
    parameters = _parameters(strategy_id, parameters_type, params)
    rules = rules_type(parameters)
    return Strategy(
        strategy_id=strategy_id,
        rules=rules,
        timeframes=tuple(timeframes) or rules.default_timeframes,
        hash=_hash(module, parameters),
    )


def parameters_schema(type_name: str) -> dict[str, object]:
    """JSON Schema of a type's parameters.

    Raises:
        BadInput: no such type.
    """
    _, _, parameters_type = _find(StrategyId(type_name), type_name)
    return msgspec.json.schema(parameters_type)


if TYPE_CHECKING:
    from collections.abc import Callable

    RulesType = Callable[[Parameters], Rules]


def _find(
    strategy_id: StrategyId, type_name: str
) -> tuple[ModuleType, RulesType, type[Parameters]]:
    if type_name not in _BUNDLED:
        nearest = _nearest(type_name, _BUNDLED)
        message = f"strategies.{strategy_id}.type: there is no type {type_name!r}; {nearest}"
        raise BadInput(message)
    module_name, class_name = _BUNDLED[type_name]
    module = importlib.import_module(f"{__name__}.{module_name}")
    rules_type = cast("RulesType", getattr(module, class_name))
    return module, rules_type, cast("type[Parameters]", getattr(module, f"{class_name}Parameters"))


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"


def _parameters(
    strategy_id: StrategyId, parameters_type: type[Parameters], params: Mapping[str, object]
) -> Parameters:
    where = f"strategies.{strategy_id}.params"
    problems = [
        problem
        for name, value in params.items()
        for problem in _problems_of(where, parameters_type, name, value)
    ]
    if problems:
        raise BadInput("\n".join(problems))
    try:
        return msgspec.convert(dict(params), parameters_type, strict=False)
    except msgspec.ValidationError as error:
        raise BadInput(f"{where}: {error}") from error


def _problems_of(
    where: str, parameters_type: type[Parameters], name: str, value: object
) -> Iterator[str]:
    """What is wrong with one parameter, whatever the others are."""
    types = {field.encode_name: field.type for field in msgspec.structs.fields(parameters_type)}
    if name not in types:
        yield f"{where}: there is no parameter {name!r}; {_nearest(name, types)}"
        return
    try:
        converted = msgspec.convert(value, types[name], strict=False)
    except msgspec.ValidationError as error:
        what, _, inner = str(error).partition(" - at `$")
        yield f"{where}: {what} - at `$.{name}{inner or '`'}"
        return
    if isinstance(converted, Decimal):
        least, most = _bounds(_described(parameters_type)[name])
        if not (converted.is_finite() and least <= converted <= most):
            yield f"{where}.{name}: {converted} is not between {least} and {most}"


@cache  # a schema is slow to make, and each start builds its strategies several times
def _described(parameters_type: type[Parameters]) -> Mapping[str, Mapping[str, object]]:
    """The schema of each field."""
    schema = msgspec.json.schema(parameters_type)
    properties: Mapping[str, Mapping[str, object]]
    properties = schema["$defs"][parameters_type.__name__]["properties"]
    return properties


def _bounds(described: Mapping[str, object]) -> tuple[Decimal, Decimal]:
    return Decimal(str(described["x-minimum"])), Decimal(str(described["x-maximum"]))


def _hash(module: ModuleType, parameters: Parameters) -> str:
    """Twelve digits of the rules' source, the source of what they share, and the parameters."""
    digest = hashlib.sha256()
    for part in (module, *map(importlib.import_module, _SHARED)):
        digest.update(_source(part).encode())
    digest.update(msgspec.json.encode(parameters, order="sorted"))
    return digest.hexdigest()[:12]


@cache
def _source(module: ModuleType) -> str:
    """The module's text as it was imported (from a folder, a wheel or a zip alike)."""
    loader = module.__spec__.loader if module.__spec__ is not None else None
    get_source = getattr(loader, "get_source", None)
    text = get_source(module.__name__) if get_source is not None else None
    assert isinstance(text, str), f"{module.__name__} has no source to hash"
    return text
