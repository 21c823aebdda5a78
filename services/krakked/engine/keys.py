"""The keys, asked about before anything rests on them.

Three things are told apart, each with its remedy: the venue does not know the key, the key may not
do what this run needs, and the venue does not answer. A run that plans without orders needs no
right to place any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from krakked.adapters.kraken.rest import KrakenRest
from krakked.domain.errors import BadKey, Fenced, MissingPermission
from krakked.engine.asking import patiently
from krakked.ports.clock import Clock

ASKING: Final = (
    "query-funds",
    "query-open-trades",
    "query-closed-trades",
    "query-ledger",
    "create-ws-token",
)
TRADING: Final = ("modify-trades", "close-trades")
VARIABLES: Final = {"trade": "KRAKEN_API_KEY", "query": "KRAKEN_QUERY_KEY"}


async def check_keys(rest: KrakenRest, clock: Clock, *, places_orders: bool) -> None:
    """Return when the keys may do what the run needs.

    Raises:
        BadKey: the venue does not know a key, or its signature is wrong.
        Fenced: somebody else uses the trade key.
        MissingPermission: a key is good, but may not do something that is needed.
        Transient: the venue did not answer.
    """
    try:
        permissions = await patiently(clock, rest.check_keys)
        await patiently(clock, rest.balances)
    except BadKey as error:
        raise BadKey(
            f"the venue does not accept the API keys ({error}); copy key and secret of "
            f"{' or '.join(VARIABLES.values())} (or of venue.keys_dir) anew, or make new ones",
            code=error.code,
        ) from error
    except Fenced as error:
        raise Fenced(
            f"the venue has seen a higher nonce on this key ({error}): another program uses it, or "
            "another database of krakked's did; give each database a key of its own",
            code=error.code,
        ) from error
    if missing := _missing(permissions, places_orders=places_orders):
        raise MissingPermission(missing)


def _missing(permissions: Mapping[str, frozenset[str]], *, places_orders: bool) -> str | None:
    """What lacks, in words; the key that asks is the query key, or the only one."""
    needed = {"query" if "query" in permissions else "trade": ASKING}
    if places_orders:
        needed["trade"] = (*needed.get("trade", ()), *TRADING)
    for role, names in needed.items():
        lacking = [name for name in names if name not in permissions[role]]
        if lacking:
            return (
                f"the {role} key ({VARIABLES[role]}) lacks the permission {', '.join(lacking)}; "
                "add it to the key at the venue, or give another key"
            )
    return None
