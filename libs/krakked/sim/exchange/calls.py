"""One private request that has passed its credentials: who asks, what, and with what effect."""

from __future__ import annotations

import msgspec

from krakked.sim.exchange.accounts import Account
from krakked.sim.exchange.core import Core
from krakked.sim.exchange.keys import Key, Keys
from krakked.sim.exchange.params import Params


class PrivateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A REST request as it came over the wire."""

    path: str
    """``/0/private/AddOrder``."""
    api_key: str | None
    api_sign: str | None
    body: bytes
    content_type: str


class RestAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The whole envelope, and what the caller may want to know of it."""

    body: bytes
    method: str
    mutated: bool
    """An order, a timer or a token may have changed."""
    accepted: bool
    """No error in it."""
    order_ids: tuple[str, ...] = ()
    """Orders that it made."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What a method's function works with."""

    core: Core
    keys: Keys
    key: Key
    account: Account
    params: Params
    made: list[str]
    """Orders it made are added here."""
