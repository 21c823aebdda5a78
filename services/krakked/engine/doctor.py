"""``krakked doctor fence``: whether the venue refuses an older owner on these keys, tried out.

The whole of ownership rests on one rule of the venue: a nonce below one that it has seen on a key
is refused. So it is tried, on the real key, with what can do no harm: a question first, with the
newest epoch that the database knows; then an order that is only validated, with the epoch before,
which must be refused as a nonce; then the question again with a nonce one below the first, which
only a nonce window lets through. The ledger is locked meanwhile: beside an engine that runs, its
next call would be the lower one. What was used up is on record there, for the next start.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Final

import msgspec

from krakked.adapters.kraken.network import AiohttpNetwork, Bounds
from krakked.adapters.kraken.nonces import Nonces, fingerprint, nonce_of
from krakked.adapters.kraken.observers import Silent
from krakked.adapters.kraken.rest import KrakenRest
from krakked.adapters.sqlite.ledger import open_ledger
from krakked.adapters.system.clock import SystemClock
from krakked.domain.errors import Ambiguous, BadInput, Fenced, Permanent, Refused
from krakked.domain.ids import MANUAL, PairName, client_order_id, plan_id
from krakked.domain.orders import LegKind, OrderRequest, OrderType, Side, TimeInForce
from krakked.domain.pairs import Pair
from krakked.domain.times import NS_PER_SECOND
from krakked.engine import translating, venues
from krakked.engine.keys import TRADING, WITHDRAWING, KeyNames
from krakked.ports.exchange import KeyFacts
from krakked.runtime.run_options import RunOptions
from krakked.runtime.settings import Loaded, Settings, load_settings

GAP: Final = 2
"""Between the nonces of two questions, so that one lies between them."""
ADVICE: Final = (
    "two keys of one account, each for this database alone",
    "nonce window 0 on both",
    "trade key: create & modify orders, cancel & close orders, query funds; never withdraw funds",
    "query key: query funds, open and closed orders & trades, ledger, WebSockets; no orders",
)
"""What a person sets at the venue."""
_NS_PER_MS: Final = 1_000_000


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    what: str
    is_good: bool
    said: str


class Chosen(Nonces):
    """The next nonce is the one that was chosen."""

    def __init__(self, epoch: int, tick: int) -> None:
        super().__init__(SystemClock())
        self.epoch_sent, self.tick = epoch, tick

    async def prepare(self, key: str) -> None:
        """Nothing is reserved beyond what :func:`check_fence` does."""
        del key

    def next(self, key: str) -> int:
        """The chosen one; of the other key the clock's, whose counter is its own."""
        del key
        return nonce_of(self.epoch_sent, self.tick)


def check_fence(options: RunOptions, environ: Mapping[str, str]) -> tuple[Finding, ...]:
    """Try it out, and look at the keys; every finding.

    Raises:
        LedgerInUse: an engine runs on the database.
        KrakkedError: the venue could not be asked, or knows the key as another owner's.
    """
    loaded = load_settings(
        options.environment,
        config_dir=options.config_dir,
        overrides=options.overrides,
        environ=environ,
        beside=lambda settings: venues.missing_keys(settings, environ, options.config_dir),
    )
    settings = loaded.settings
    if venues.is_in_process(settings):
        raise BadInput(
            "doctor fence: a simulator in this process would begin with every question; name one "
            "that runs with --venue, or another --env"
        )
    return asyncio.run(_check(options, loaded, environ))


async def _check(
    options: RunOptions, loaded: Loaded, environ: Mapping[str, str]
) -> tuple[Finding, ...]:
    settings = loaded.settings
    keys = venues.keys_of(settings, environ, options.config_dir)
    addresses = venues.addresses_of_settings(settings, keys)
    async with AsyncExitStack() as stack:
        epoch, tick = await _take_ledger(options, settings, addresses, stack)
        chosen = Chosen(epoch, tick)
        rest = venues.open_rest(
            addresses,
            SystemClock(),
            nonces=chosen,
            network=AiohttpNetwork(Bounds(timeout_s=settings.venue.timeout_seconds)),
            observer=Silent(),
        )
        stack.push_async_callback(rest.close)
        return await Doctor(rest, chosen, KeyNames(addresses.keys_from), settings).look()


async def _take_ledger(
    options: RunOptions, settings: Settings, addresses: venues.Addresses, stack: AsyncExitStack
) -> tuple[int, int]:
    """Epoch and tick to begin with, above all that was used; none is made where there is none."""
    now_tick = time.time_ns() // _NS_PER_MS  # noqa: TID251 - nonces go by this machine's clock
    if not options.db_path.exists():
        return 1, now_tick
    identity = translating.identity_of(settings)
    ledger = open_ledger(options.db_path, identity, clock=SystemClock(), threaded=False)
    stack.push_async_callback(ledger.close)
    known = await ledger.write(lambda tx: tx.leadership())
    floors = await ledger.write(lambda tx: tx.nonce_floors())
    names = [fingerprint(one.key) for one in (addresses.trade, addresses.query)]
    tick = max(now_tick, *(floors.get(name, 0) for name in names)) + 1
    for name in names:
        await ledger.write(lambda tx, name=name: tx.raise_nonce_floor(name, tick + 3 * GAP))  # type: ignore[misc]  # a default argument binds it
    return max(1, 0 if known is None else known.epoch), tick


class Doctor:
    """One look at one pair of keys."""

    def __init__(
        self, rest: KrakenRest, chosen: Chosen, names: KeyNames, settings: Settings
    ) -> None:
        self._rest = rest
        self._chosen = chosen
        self._names = names
        self._settings = settings
        self._epoch = chosen.epoch_sent

    async def look(self) -> tuple[Finding, ...]:
        """Everything, in the order in which it is tried."""
        facts = {}
        for role in self._rest.key_roles:
            self._chosen.tick += GAP
            facts[role] = await self._question(role)
        tick = self._chosen.tick
        fence = await self._order_of_older_epoch()
        self._chosen.epoch_sent, self._chosen.tick = self._epoch, tick + GAP
        await self._question("trade")
        return (fence, await self._lower_nonce(), *_looked_at(facts, self._names))

    async def _question(self, role: str) -> KeyFacts:
        try:
            return await self._rest.key_facts(role)
        except Fenced as error:
            raise Refused(
                f"{self._names.of(role)}: the venue has seen a higher nonce than those of epoch "
                f"{self._epoch}, the newest that this database knows ({error}): another engine, "
                "database or program uses this key, so nothing can be tried on it from here"
            ) from error

    async def _order_of_older_epoch(self) -> Finding:
        """As an owner that was deposed would send it, but only to be validated."""
        self._chosen.epoch_sent = self._epoch - 1
        request = _order(next(iter((await self._rest.pairs()).values())), self._settings)
        deadline_ns = SystemClock().now_ns() + 10 * NS_PER_SECOND
        what = f"an order of epoch {self._epoch - 1} after a call of epoch {self._epoch}"
        try:
            await self._rest.validate_order(request, deadline_at_ns=deadline_ns)
        except Fenced as error:
            return Finding(what=what, is_good=True, said=f"refused, as it must be ({error})")
        except (Permanent, Ambiguous) as error:
            said = f"its nonce was NOT refused ({error}): an older owner could trade"
            return Finding(what=what, is_good=False, said=said)
        said = "taken (it was only validated): an older owner could trade"
        return Finding(what=what, is_good=False, said=said)

    async def _lower_nonce(self) -> Finding:
        self._chosen.tick -= 1
        what = "a nonce that is one too low"
        try:
            await self._rest.key_facts("trade")
        except Fenced:
            return Finding(what=what, is_good=True, said="refused: the nonce window is 0")
        said = "taken: the key has a nonce window; set it to 0 at the venue"
        return Finding(what=what, is_good=False, said=said)


def _looked_at(facts: Mapping[str, KeyFacts], names: KeyNames) -> Iterator[Finding]:
    yield Finding(
        what="two keys",
        is_good="query" in facts,
        said="yes"
        if "query" in facts
        else "only one: slow questions hold up cancels, and whoever "
        "opens the private stream can trade",
    )
    for role, of_key in sorted(facts.items()):
        allowed = sorted(of_key.permissions & _needless(role))
        said = f"may {', '.join(allowed)}: untick it" if allowed else "may nothing that it need not"
        yield Finding(what=names.of(role), is_good=not allowed, said=said)
    lacking = sorted({*TRADING} - facts["trade"].permissions)
    said = f"may not {', '.join(lacking)}: it cannot trade" if lacking else "may place and cancel"
    yield Finding(what=f"{names.of('trade')}, orders", is_good=not lacking, said=said)


def _needless(role: str) -> frozenset[str]:
    return frozenset({WITHDRAWING, *(TRADING if role == "query" else ())})


def _order(pair: Pair, settings: Settings) -> OrderRequest:
    """The smallest there is, at a price that nobody takes; and it is never placed."""
    plan = plan_id(translating.fingerprint_of(settings), 0, 0)
    return OrderRequest(
        client_order_id=client_order_id(translating.fingerprint_of(settings), MANUAL, plan, 0, 0),
        plan_id=plan,
        leg=0,
        revision=0,
        strategy_id=MANUAL,
        pair=PairName(pair.name),
        kind=LegKind.EXIT,
        side=Side.BUY,
        type=OrderType.LIMIT,
        quantity_base=max(pair.quantity_min, Decimal(0)),
        limit_price=pair.tick_size,
        time_in_force=TimeInForce.GTC,
        expire_at_ns=None,
    )
