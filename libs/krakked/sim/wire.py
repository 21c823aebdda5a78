"""How the venue writes numbers: REST as decimal strings, WebSocket v2 as bare JSON numbers.

Both keep trailing zeros (``"qty":0.00044780``), so that a reader may take the precision from
the text.
"""

from __future__ import annotations

import functools
from decimal import Decimal

import msgspec

from krakked.domain.money import round_nearest, to_text
from krakked.domain.times import to_rfc3339

_encoder = msgspec.json.Encoder()


def text(value: Decimal, decimals: int) -> str:
    """A REST number: fixed-point text with exactly ``decimals`` places."""
    return to_text(round_nearest(value, decimals))


def number(value: Decimal, decimals: int) -> msgspec.Raw:
    """A WebSocket number: bare, fixed-point, with exactly ``decimals`` places."""
    return msgspec.Raw(text(value, decimals).encode())


@functools.lru_cache(maxsize=256)
def instant(at_ns: int, *, decimals: int = 6) -> str:
    """RFC 3339; the same few instants stand in many frames."""
    return to_rfc3339(at_ns, decimals=decimals)


def encode(message: object) -> bytes:
    """One JSON document; :class:`msgspec.Raw` inside it is written as it is."""
    return _encoder.encode(message)
