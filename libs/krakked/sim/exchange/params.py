"""Arguments of one request, from a form or from JSON, read by kind.

A form carries text only; JSON carries booleans and numbers too. Readers take either and name the
field that is wrong. "False" means false, however it is spelled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from krakked.domain.money import BadAmount, is_plain, parse_amount
from krakked.domain.times import from_rfc3339, from_seconds
from krakked.sim.exchange.errors import invalid

_TRUE: Final = frozenset({"true", "1", "yes"})
_FALSE: Final = frozenset({"false", "0", "no", "", "none"})
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
FIELDS_MAX: Final = 1_000
"""More fields than any request has."""


class Params:
    """The arguments by name; absent and empty are the same."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, object]) -> None:
        self._fields = fields

    def __repr__(self) -> str:
        return f"<Params {', '.join(self._fields)}>"

    def raw(self, name: str) -> object:
        """As it came, or None."""
        return self._fields.get(name)

    def text(self, name: str) -> str | None:
        """Text, or None if absent or empty."""
        value = self._fields.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str):
            return value
        if isinstance(value, int | Decimal):
            return str(value)
        raise invalid(name)

    def required(self, name: str) -> str:
        """Text that must be there."""
        value = self.text(name)
        if value is None:
            raise invalid(name)
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A yes or a no."""
        value = self._fields.get(name)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        word = str(value).strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        raise invalid(name)

    def amount(self, name: str) -> Decimal | None:
        """An exact decimal within bounds."""
        text = self.text(name)
        if text is None:
            return None
        try:
            return parse_amount(text.strip(), what=name)
        except BadAmount as error:
            raise invalid(name) from error

    def integer(self, name: str) -> int | None:
        """A whole number."""
        text = self.text(name)
        if text is None:
            return None
        try:
            value = int(text)
        except ValueError as error:
            raise invalid(name) from error
        if not is_plain(text):
            raise invalid(name)
        return value

    def instant(self, name: str) -> int | None:
        """RFC 3339, in nanoseconds."""
        text = self.text(name)
        if text is None:
            return None
        try:
            return from_rfc3339(text)
        except ValueError as error:
            raise invalid(name) from error

    def moment(self, name: str, now_ns: int) -> int:
        """``0``, ``+seconds`` or unix seconds, in nanoseconds; 0 if absent."""
        text = (self.text(name) or "0").strip()
        if text.startswith("-"):
            raise invalid(name)
        relative = text.startswith("+")
        try:
            ns = from_seconds(parse_amount(text, what=name))
        except BadAmount as error:
            raise invalid(name) from error
        return now_ns + ns if relative else ns

    def bound(self, name: str) -> int | str | None:
        """A limit of a history: unix seconds in nanoseconds, or the id of a row."""
        text = self.text(name)
        if text is None:
            return None
        if text.count("-") == 2 and not text[0].isdigit():
            return text
        try:
            return from_seconds(parse_amount(text, what=name))
        except BadAmount as error:
            raise invalid(name) from error

    def listed(self, name: str) -> list[str]:
        """A comma-separated list, or a JSON array of texts."""
        value = self._fields.get(name)
        if isinstance(value, list):
            return [str(item) for item in value]
        text = self.text(name)
        return [] if text is None else [part.strip() for part in text.split(",") if part.strip()]

    def part(self, name: str) -> Params:
        """The arguments within one: a JSON object, or ``name[field]`` of a form."""
        value = self._fields.get(name)
        if isinstance(value, dict):
            return Params(value)
        if value is not None and value != "":
            raise invalid(name)
        return Params(_within(self._fields, name))

    def parts(self, name: str) -> list[Params]:
        """A list of such: a JSON array of objects, or ``name[0][field]`` of a form."""
        value = self._fields.get(name)
        if isinstance(value, list):
            if not all(isinstance(each, dict) for each in value):
                raise invalid(name)
            return [Params(each) for each in value]
        inner = Params(_within(self._fields, name))
        places = dict.fromkeys(key.partition("[")[0] for key in inner)
        return [inner.part(place) for place in places]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)


def _within(fields: Mapping[str, object], name: str) -> dict[str, object]:
    """``name[a]`` and ``name[a][b]`` as ``a`` and ``a[b]``, in the order in which they came."""
    found: dict[str, object] = {}
    for key, value in fields.items():
        head, bracket, rest = key.partition("[")
        inner, closing, tail = rest.partition("]")
        if head == name and bracket and closing:
            found[inner + tail] = value
    return found


def as_json(value: object) -> str:
    """What was sent where a name was wanted, for its echo: text as it is, the rest as JSON."""
    if isinstance(value, str):
        return value
    return _ENCODER.encode(value).decode()


def parse_body(body: bytes, content_type: str) -> Params:
    """The arguments of a request; nothing readable is no arguments (the nonce will be missing)."""
    if "json" in content_type.lower():
        return Params(_json_fields(body))
    text = body.decode("utf-8", "replace")
    try:
        return Params(dict(parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)))
    except ValueError:
        return Params({})


def _json_fields(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body, parse_float=Decimal)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
