"""The keys, asked about before anything rests on them, one role after the other.

What is wrong is told with the variable (or file) that holds the key, and the remedy: the venue does
not know it, its secret does not belong to it, it may not do what this run needs, it may do what no
program should, somebody else uses it, or it is locked out. A run that plans without orders needs no
right to place any. Whose account it is, the venue says too: both keys must be of one.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from krakked.domain.errors import BadInput, BadKey, Fenced, MissingPermission, Transient
from krakked.engine.asking import LONG_S, patiently
from krakked.ports.clock import Clock
from krakked.ports.exchange import Balance, Exchange, KeyFacts
from krakked.runtime.credentials import QUERY_VARIABLES, TRADE_VARIABLES
from krakked.runtime.exit_codes import ExitCode

ASKING: Final = (
    "query-funds",
    "query-open-trades",
    "query-closed-trades",
    "query-ledger",
    "create-ws-token",
)
TRADING: Final = ("modify-trades", "close-trades")
WITHDRAWING: Final = "withdraw-funds"
TICK_BOXES: Final = {
    "query-funds": "query funds",
    "query-open-trades": "query open orders & trades",
    "query-closed-trades": "query closed orders & trades",
    "query-ledger": "query ledger entries",
    "create-ws-token": "access WebSockets API",
    "modify-trades": "create & modify orders",
    "close-trades": "cancel & close orders",
}
"""The venue's word on the wire, and the words beside its tick box."""
VARIABLES: Final = {"trade": TRADE_VARIABLES, "query": QUERY_VARIABLES}
HOW_TO_UNFENCE: Final = (
    "if nobody else shall trade this account, start the engine, which then waits, and let it go on "
    "with `krakked unfence --epoch N`: N above every epoch that any engine ever had on this key "
    "(the other one's `krakked status`, `owns the account, epoch ...` in its log); one too high "
    "costs nothing, so add a thousand; one too low is refused again"
)
WRONG_SECRET: Final = "EAPI:Invalid signature"  # noqa: S105 - the venue's error


class Looked(msgspec.Struct, frozen=True):
    """What the keys are good for, beyond what was needed."""

    account: str
    """The venue's own mark of the account; empty where it tells none."""
    cautions: tuple[str, ...] = ()
    balances: tuple[Balance, ...] = ()
    """What the account held when the key that asks was tried."""


class KeyNames(msgspec.Struct, frozen=True):
    """What people call the keys."""

    source: str = ""
    """Where they came from, if not from variables."""

    def of(self, role: str, *, secret: bool = False) -> str:
        """``KRAKEN_API_KEY``, or ``files in /keys: the trade key``."""
        if self.source and not self.source.startswith(TRADE_VARIABLES):
            return f"{self.source}: the {'secret of the ' if secret else ''}{role} key"
        return VARIABLES[role][secret]


async def check_keys(
    venue: Exchange, clock: Clock, *, places_orders: bool, names: KeyNames | None = None
) -> Looked:
    """Return when the keys may do what the run needs, and no more than they should.

    Raises:
        BadKey: the venue does not know a key, or its secret is wrong.
        Fenced: somebody else uses the trade key.
        MissingPermission: a key is good, but may not do something that is needed.
        BadInput: a key may withdraw funds, or the keys are of two accounts.
        Transient: the venue did not answer, or has locked a key out.
    """
    named = names or KeyNames()
    found: dict[str, KeyFacts] = {}
    for role in venue.key_roles:
        with _told(named, role):
            found[role] = await patiently(clock, functools.partial(venue.key_facts, role))
    _check_permissions(found, named, places_orders=places_orders)
    with _told(named, _asking_role(found)):
        balances = await patiently(clock, venue.balances)
    return Looked(_account_of(found, named), tuple(_cautions(found, named)), tuple(balances))


@contextlib.contextmanager
def _told(named: KeyNames, role: str) -> Iterator[None]:
    """What the venue says of a key, with the key's name and the remedy."""
    try:
        yield
    except BadKey as error:
        raise BadKey(_bad(named, role, error), code=error.code) from error
    except Fenced as error:
        raise Fenced(
            f"{named.of(role)}: the venue has seen a higher nonce on this key ({error}): another "
            "program uses it, or another database of krakked's did; give each database a key of "
            f"its own, or, {HOW_TO_UNFENCE}",
            code=error.code,
        ) from error
    except Transient as error:
        if (error.retry_after_s or 0) < LONG_S:
            raise
        raise Transient(
            f"{named.of(role)}: the venue has locked this key out after too many bad calls "
            f"({error}); mend the key, wait {error.retry_after_s:.0f} s and start again",
            retry_after_s=error.retry_after_s,
        ) from error


def _bad(named: KeyNames, role: str, error: BadKey) -> str:
    if error.code.startswith(WRONG_SECRET):
        what = f"{named.of(role, secret=True)}: does not belong to its key ({error})"
        return f"{what}; copy the secret anew, or make a new key at the venue"
    what = f"{named.of(role)}: the venue does not know this key ({error})"
    return f"{what}; copy it anew, or make a new one at the venue"


def _asking_role(found: Mapping[str, KeyFacts]) -> str:
    """The key that asks is the query key, or the only one."""
    return "query" if "query" in found else "trade"


def _check_permissions(
    found: Mapping[str, KeyFacts], named: KeyNames, *, places_orders: bool
) -> None:
    needed = {_asking_role(found): ASKING}
    if places_orders:
        needed["trade"] = (*needed.get("trade", ()), *TRADING)
    for role, permissions in needed.items():
        lacking = [name for name in permissions if name not in found[role].permissions]
        if lacking:
            boxes = ", ".join(f"'{TICK_BOXES[name]}' ({name})" for name in lacking)
            raise MissingPermission(
                f"{named.of(role)}: may not {boxes}; tick it at the venue, or give another key"
            )
    for role, facts in found.items():
        if WITHDRAWING in facts.permissions:
            raise BadInput(
                f"{named.of(role)}: may withdraw funds ({WITHDRAWING}), which krakked never does; "
                "untick it at the venue, so that a stolen key cannot either",
                exit_code=ExitCode.KEYS,
            )


def _account_of(found: Mapping[str, KeyFacts], named: KeyNames) -> str:
    accounts = {facts.account for facts in found.values()} - {""}
    if len(accounts) > 1:
        raise BadInput(
            f"{named.of('query')}: of another account than {named.of('trade')}; give two keys of "
            "one account",
            exit_code=ExitCode.KEYS,
        )
    return next(iter(accounts), "")


def _cautions(found: Mapping[str, KeyFacts], named: KeyNames) -> Iterator[str]:
    query = found.get("query")
    if query is not None and not query.permissions.isdisjoint(TRADING):
        yield (
            f"{named.of('query')}: may place or cancel orders, which only the trade key needs; "
            "untick it at the venue"
        )
