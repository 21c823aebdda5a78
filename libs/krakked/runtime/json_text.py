"""JSON for people and their programs: amounts are text in fixed point, never with an exponent.

What a library makes of a decimal is its shortest form: ``0E-9`` is nothing to nine decimals. Each
amount is written by the one function that writes amounts.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from krakked.domain.money import to_text


def json_text(value: object, *, otherwise: Callable[[object], object] = str) -> str:
    """Indented; fields as they are declared, other names in their order.

    ``otherwise`` says what is to be written of what JSON has no form for.
    """
    plain = msgspec.to_builtins(
        value, builtin_types=(Decimal,), enc_hook=otherwise, order="deterministic"
    )
    encoded = msgspec.json.encode(_fixed(plain))
    return msgspec.json.format(encoded, indent=2).decode()


def _fixed(value: object) -> object:
    if isinstance(value, Decimal):
        return to_text(value) if value.is_finite() else str(value)
    if isinstance(value, dict):
        return {_fixed(name): _fixed(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_fixed(item) for item in value]
    return value
