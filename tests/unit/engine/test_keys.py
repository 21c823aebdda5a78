"""What the keys lack is said before anything rests on them, with the remedy."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from krakked.domain.errors import BadKey, Fenced, MissingPermission, Transient
from krakked.engine.keys import ASKING, TRADING, check_keys

ALL = frozenset((*ASKING, *TRADING))


class Clock:
    async def sleep(self, seconds: float) -> None:
        """Takes no time."""


class Rest:
    """A venue that knows these keys."""

    def __init__(self, permissions: Mapping[str, frozenset[str]], *errors: Exception) -> None:
        self.permissions = permissions
        self.errors = list(errors)

    async def check_keys(self) -> Mapping[str, frozenset[str]]:
        if self.errors:
            raise self.errors.pop(0)
        return self.permissions

    async def balances(self) -> dict[str, Any]:
        return {}


def check(rest: Any, *, places_orders: bool = True) -> None:
    clock: Any = Clock()
    asyncio.run(check_keys(rest, clock, places_orders=places_orders))


@pytest.mark.parametrize(
    ("permissions", "places_orders"),
    [
        ({"trade": ALL}, True),
        ({"trade": frozenset(TRADING), "query": frozenset(ASKING)}, True),
        ({"trade": frozenset(ASKING)}, False),
        ({"trade": frozenset(), "query": frozenset(ASKING)}, False),
    ],
)
def test_keys_that_may_do_what_is_needed_are_fine(
    permissions: Mapping[str, frozenset[str]], places_orders: bool
) -> None:
    check(Rest(permissions), places_orders=places_orders)


@pytest.mark.parametrize(
    ("permissions", "words"),
    [
        ({"trade": frozenset(ASKING)}, "trade key (KRAKEN_API_KEY) lacks the permission modify-tr"),
        ({"trade": ALL - {"close-trades"}}, "lacks the permission close-trades; add it"),
        ({"trade": ALL - {"query-ledger"}}, "trade key (KRAKEN_API_KEY) lacks the permission que"),
        (
            {"trade": ALL, "query": ALL - {"create-ws-token", "query-funds"}},
            "query key (KRAKEN_QUERY_KEY) lacks the permission query-funds, create-ws-token; add",
        ),
    ],
)
def test_permission_that_lacks_is_named_with_its_key(
    permissions: Mapping[str, frozenset[str]], words: str
) -> None:
    with pytest.raises(MissingPermission) as caught:
        check(Rest(permissions))
    assert words in str(caught.value)


def test_key_that_the_venue_does_not_know_is_told_with_its_own_words_and_a_remedy() -> None:
    with pytest.raises(BadKey, match=r"\(GetApiKeyInfo: EAPI:Invalid key\); copy key and secret"):
        check(Rest({}, BadKey("GetApiKeyInfo: EAPI:Invalid key", code="EAPI:Invalid key")))


def test_key_that_somebody_else_uses_is_told_as_that() -> None:
    with pytest.raises(
        Fenced, match=r"Invalid nonce\): another program uses it, .* key of its own"
    ):
        check(Rest({}, Fenced("GetApiKeyInfo: EAPI:Invalid nonce")))


def test_venue_that_does_not_answer_is_no_bad_key() -> None:
    check(Rest({"trade": ALL}, Transient("away")))
    with pytest.raises(Transient, match="away"):
        check(Rest({"trade": ALL}, *[Transient("away")] * 10))
