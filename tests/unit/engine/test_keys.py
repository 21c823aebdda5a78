"""What is wrong with the keys is said before anything rests on them: which, what, how to mend."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from krakked.domain.errors import BadInput, BadKey, Fenced, MissingPermission, Transient
from krakked.engine.keys import ASKING, TRADING, KeyNames, Looked, check_keys
from krakked.ports.exchange import KeyFacts
from krakked.runtime.exit_codes import ExitCode

ALL = frozenset((*ASKING, *TRADING))
ONE_KEY = KeyNames("KRAKEN_API_KEY, KRAKEN_API_SECRET")


class Venue:
    """Knows these keys; fails first with these errors, by the role that is asked for."""

    def __init__(
        self,
        permissions: Mapping[str, frozenset[str]],
        *,
        accounts: Mapping[str, str] | None = None,
        errors: Mapping[str, list[Exception]] | None = None,
    ) -> None:
        self.permissions = permissions
        self.accounts = accounts or {}
        self.errors = dict(errors or {})

    @property
    def key_roles(self) -> tuple[str, ...]:
        return tuple(self.permissions)

    async def key_facts(self, role: str) -> KeyFacts:
        self._fail(role)
        return KeyFacts(permissions=self.permissions[role], account=self.accounts.get(role, ""))

    async def balances(self) -> dict[str, Any]:
        self._fail("balances")
        return {}

    def _fail(self, what: str) -> None:
        if self.errors.get(what):
            raise self.errors[what].pop(0)


@pytest.fixture
def check(still_clock: Any) -> Any:
    def run(venue: Any, *, places_orders: bool = True, names: KeyNames = ONE_KEY) -> Looked:
        return asyncio.run(check_keys(venue, still_clock, places_orders=places_orders, names=names))

    return run


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
    check: Any, permissions: Mapping[str, frozenset[str]], places_orders: bool
) -> None:
    assert check(Venue(permissions), places_orders=places_orders) == Looked("")


@pytest.mark.parametrize(
    ("permissions", "line"),
    [
        (
            {"trade": frozenset(ASKING)},
            "KRAKEN_API_KEY: may not 'create & modify orders' (modify-trades), 'cancel & close "
            "orders' (close-trades); tick it at the venue, or give another key",
        ),
        (
            {"trade": ALL - {"close-trades"}},
            "KRAKEN_API_KEY: may not 'cancel & close orders' (close-trades); tick it at the "
            "venue, or give another key",
        ),
        (
            {"trade": ALL - {"query-ledger"}},
            "KRAKEN_API_KEY: may not 'query ledger entries' (query-ledger); tick it at the venue, "
            "or give another key",
        ),
        (
            {"trade": ALL, "query": ALL - {"create-ws-token", "query-funds"}},
            "KRAKEN_QUERY_KEY: may not 'query funds' (query-funds), 'access WebSockets API' "
            "(create-ws-token); tick it at the venue, or give another key",
        ),
    ],
)
def test_permission_that_lacks_is_named_with_its_variable_and_tick_box(
    check: Any, permissions: Mapping[str, frozenset[str]], line: str
) -> None:
    with pytest.raises(MissingPermission) as caught:
        check(Venue(permissions))
    assert str(caught.value) == line


def test_key_that_may_withdraw_is_refused(check: Any) -> None:
    venue = Venue({"trade": ALL, "query": frozenset({*ASKING, "withdraw-funds"})})
    with pytest.raises(
        BadInput, match=r"KRAKEN_QUERY_KEY: may withdraw funds .*; untick"
    ) as caught:
        check(venue)
    assert caught.value.exit_code == ExitCode.KEYS


def test_query_key_that_may_trade_is_a_caution(check: Any) -> None:
    (caution,) = check(Venue({"trade": ALL, "query": ALL})).cautions
    assert caution.startswith("KRAKEN_QUERY_KEY: may place or cancel orders, which only the trade")


@pytest.mark.parametrize(
    ("role", "code", "line"),
    [
        (
            "trade",
            "EAPI:Invalid key",
            "KRAKEN_API_KEY: the venue does not know this key (EAPI:Invalid key); copy it anew, "
            "or make a new one at the venue",
        ),
        (
            "query",
            "EAPI:Invalid key",
            "KRAKEN_QUERY_KEY: the venue does not know this key (EAPI:Invalid key); copy it anew, "
            "or make a new one at the venue",
        ),
        (
            "trade",
            "EAPI:Invalid signature",
            "KRAKEN_API_SECRET: does not belong to its key (EAPI:Invalid signature); copy the "
            "secret anew, or make a new key at the venue",
        ),
    ],
)
def test_key_that_the_venue_does_not_take_is_told_by_its_variable(
    check: Any, role: str, code: str, line: str
) -> None:
    errors: Any = {role: [BadKey(code, code=code)]}
    with pytest.raises(BadKey) as caught:
        check(Venue({"trade": ALL, "query": ALL}, errors=errors))
    assert (str(caught.value), caught.value.code) == (line, code)


def test_key_from_files_is_told_by_where_it_came_from(check: Any) -> None:
    names = KeyNames("files in /keys")
    code = "EAPI:Invalid signature"
    with pytest.raises(BadKey, match=r"^files in /keys: the secret of the trade key: does not bel"):
        check(Venue({"trade": ALL}, errors={"trade": [BadKey(code, code=code)]}), names=names)
    with pytest.raises(MissingPermission, match=r"^files in /keys: the trade key: may not"):
        check(Venue({"trade": frozenset()}), names=names)


def test_key_that_fails_at_the_first_real_question_is_told_too(check: Any) -> None:
    errors: Any = {"balances": [BadKey("EAPI:Invalid key", code="EAPI:Invalid key")]}
    with pytest.raises(BadKey, match=r"^KRAKEN_QUERY_KEY: the venue does not know this key"):
        check(Venue({"trade": ALL, "query": frozenset(ASKING)}, errors=errors))


def test_key_that_somebody_else_uses_is_told_as_that(check: Any) -> None:
    errors: Any = {"trade": [Fenced("GetApiKeyInfo: EAPI:Invalid nonce")]}
    with pytest.raises(
        Fenced,
        match=r"^KRAKEN_API_KEY: .*Invalid nonce\): another program uses it, .* --epoch N`",
    ):
        check(Venue({"trade": ALL}, errors=errors))


def test_key_that_is_locked_out_is_told_at_once(check: Any, still_clock: Any) -> None:
    locked = Transient("EGeneral:Temporary lockout", retry_after_s=900)
    with pytest.raises(Transient, match=r"KRAKEN_API_KEY: .*locked .* out .*wait 900 s and start"):
        check(Venue({"trade": ALL}, errors={"trade": [locked]}))
    assert still_clock.slept == []


def test_venue_that_does_not_answer_is_no_bad_key(check: Any) -> None:
    check(Venue({"trade": ALL}, errors={"trade": [Transient("away")]}))
    with pytest.raises(Transient, match=r"^away$"):
        check(Venue({"trade": ALL}, errors={"trade": [Transient("away") for _ in range(10)]}))


def test_account_is_the_one_that_the_keys_tell(check: Any) -> None:
    keys = {"trade": ALL, "query": frozenset(ASKING)}
    assert check(Venue(keys, accounts={"trade": "a", "query": "a"})).account == "a"
    assert check(Venue(keys, accounts={"query": "a"})).account == "a"


def test_keys_of_two_accounts_are_refused(check: Any) -> None:
    venue = Venue({"trade": ALL, "query": frozenset(ASKING)}, accounts={"trade": "a", "query": "b"})
    with pytest.raises(BadInput, match="KRAKEN_QUERY_KEY: of another account than KRAKEN_API_KEY"):
        check(venue)
