"""The venue: Kraken, a simulator by address, or a simulator in this process; then one adapter.

Which of them it is is the only difference between environments, and it ends here: what comes out
is addresses, keys and limits, and one adapter speaks to them.
"""

from __future__ import annotations

import getpass
import random
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from krakked.adapters.kraken.auth import Credentials
from krakked.adapters.kraken.network import Bounds, Network
from krakked.adapters.kraken.nonces import BLOCK_TICKS, Nonces
from krakked.adapters.kraken.observers import Observer
from krakked.adapters.kraken.rate_limit import Tier
from krakked.adapters.kraken.rest import KrakenRest
from krakked.adapters.kraken.transport import RestSettings, Transport
from krakked.adapters.kraken.websocket import FeedSettings, KrakenFeed
from krakked.domain.errors import BadInput
from krakked.domain.ids import Asset, PairName
from krakked.domain.times import NS_PER_SECOND
from krakked.ports.clock import Clock
from krakked.ports.ledger import Ledger
from krakked.runtime.credentials import SEALED_FILE, TRADE_VARIABLES, Keys, KeySources
from krakked.runtime.exit_codes import ExitCode
from krakked.runtime.run_options import RunOptions
from krakked.runtime.settings import Environment, Settings, VenueKind
from krakked.runtime.settings.problems import Problem
from krakked.sim.exchange.limits import Tier as SimulatorTier
from krakked.sim.exchange.pairs import PAIRS
from krakked.sim.fault_kinds import FaultKind
from krakked.simulator.fault_files import Mixture, read_mixture
from krakked.simulator.options import ApiKey, SimulatorOptions, default_key

NO_KEYS: Final = (
    "no API keys",
    "set KRAKEN_API_KEY and KRAKEN_API_SECRET, or venue.keys_dir, or run `krakked secrets set`",
)
"""What is wrong, and how to mend it."""
FLAG_DEEDS: Final = {
    "--candles": "replays on a simulator",
    "--from": "says what is replayed on a simulator",
    "--to": "says what is replayed on a simulator",
    "--fault": "makes faults in a simulator",
    "--faults": "makes faults in a simulator",
    "--speed": "is the clock of a simulator",
    "--seed": "makes the market of a simulator",
}
"""What each flag is for that needs a simulator in this process."""
LOCK_STEP_PATIENCE: Final = 10_000.0
DAY_TICKS: Final = 86_400_000
"""Nonces that a replay reserves at once: its clock runs through a minute in no time."""
LONG_S: Final = 10.0**9
"""For time-outs of idle connections, which a lock-step replay must not run into."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How the time of a run passes."""

    start_ns: int
    speed: float | None
    """Seconds of the run in a real one; None: as fast as possible, in lock step."""
    read_at_s: float | None = None
    """When ``start_ns`` was the time, by this machine's monotonic clock; None: when the run starts.
    A clock that somebody else keeps goes on while we get ready."""

    def begins_at_ns(self, monotonic_s: float) -> int:
        """The instant of the run at this moment of the machine."""
        if self.read_at_s is None or self.speed is None:
            return self.start_ns
        return self.start_ns + int((monotonic_s - self.read_at_s) * self.speed * NS_PER_SECOND)

    @property
    def factor(self) -> float:
        """How much longer, in the run's own seconds, what the machine does may take."""
        return 1.0 if self.speed is None else max(1.0, self.speed)

    @property
    def patience(self) -> float:
        """The same for what waits for the venue's rate limits; in lock step waiting is free."""
        return LOCK_STEP_PATIENCE if self.speed is None else self.factor


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Where the venue answers, and with which keys."""

    rest_url: str
    ws_url: str
    ws_auth_url: str
    trade: Credentials
    query: Credentials
    tier: Tier
    keys_from: str = ""
    """Where the keys were found."""


def is_in_process(settings: Settings) -> bool:
    """Whether the venue is a simulator that starts in this process."""
    return settings.venue.kind is VenueKind.SIMULATOR and settings.venue.rest_url is None


def check_flags(options: RunOptions, settings: Settings | None = None) -> None:
    """Whoever asks for a replay or for faults must not trade anywhere else; nothing is open yet.

    Raises:
        BadInput: no simulator starts in this process; without settings, as far as is known.
    """
    is_dev = options.environment is Environment.DEV
    is_inside = is_dev if settings is None else is_in_process(settings)
    flags = options.flags_for_simulator()
    if flags and not is_inside:
        does = FLAG_DEEDS[flags[0]]
        raise BadInput(
            f"{flags[0]} {does} of this process: only --env dev without venue.rest_url",
            exit_code=ExitCode.USAGE,
        )


def simulator_options(
    settings: Settings, options: RunOptions, *, state: Path | None, is_lock_step: bool
) -> SimulatorOptions:
    """The simulator of dev: on free ports, with a trade and a query key."""
    chosen = settings.simulator
    mixture = Mixture() if options.faults_file is None else read_mixture(options.faults_file)
    return SimulatorOptions(
        admin="127.0.0.1:0",
        market=chosen.market,
        candles=options.candles,
        from_s=options.start_s,
        to_s=options.end_s,
        pairs=tuple(PairName(pair) for pair in chosen.pairs),
        speed=None if chosen.speed is None else float(chosen.speed),
        seed=chosen.seed,
        balances={Asset(asset): amount for asset, amount in chosen.balances.items()},
        tier=SimulatorTier(chosen.tier.value),
        query_key=default_key("simulator-query-key"),
        state=state,
        heartbeats=not is_lock_step,
        faults=_faults(options.faults),
        fault_mixture=mixture.faults,
        fault_seed=chosen.seed if mixture.seed is None else mixture.seed,
    )


def _faults(given: Mapping[str, Decimal]) -> dict[FaultKind, Decimal]:
    return {FaultKind(name): chance for name, chance in given.items()}


def addresses_of_simulator(
    rest_url: str, ws_url: str, options: SimulatorOptions, settings: Settings
) -> Addresses:
    """Of the simulator in this process."""
    query = options.query_key or options.trade_key
    return Addresses(
        rest_url=rest_url,
        ws_url=ws_url,
        ws_auth_url=ws_url,
        trade=_credentials(options.trade_key),
        query=_credentials(query),
        tier=Tier(settings.simulator.tier.value),
    )


def _credentials(key: ApiKey) -> Credentials:
    return Credentials(key.key, key.secret)


def known_pairs(settings: Settings) -> tuple[PairName, ...]:
    """Pairs that are real though this run's venue may not list them: replays list a few."""
    return tuple(PAIRS) if is_in_process(settings) else ()


def keys_of(settings: Settings, environ: Mapping[str, str], config_dir: Path | None) -> Keys:
    """The keys, looked for now: a person may be asked. A simulator in this process has its own."""
    if is_in_process(settings):
        return Keys(None)
    sources = KeySources(
        environ=environ,
        keys_dir=settings.venue.keys_dir,
        sealed=None if config_dir is None else config_dir / SEALED_FILE,
        ask=ask_for_password if sys.stdin is not None and sys.stdin.isatty() else None,
    )
    return Keys(sources)


def missing_keys(
    settings: Settings, environ: Mapping[str, str], config_dir: Path | None
) -> Sequence[Problem]:
    """What to say beside other problems where no key is to be found; nothing is opened for it."""
    if is_in_process(settings) or any(environ.get(name) for name in TRADE_VARIABLES):
        return ()
    is_sealed = config_dir is not None and (config_dir / SEALED_FILE).exists()
    if settings.venue.keys_dir is not None or is_sealed:
        return ()
    return [Problem(("venue", "keys_dir"), *NO_KEYS, shown="")]


def ask_for_password() -> str:
    """Of the person at the terminal."""
    return getpass.getpass("Master password: ")


def addresses_of_settings(settings: Settings, given: Keys) -> Addresses:
    """Of a venue that runs elsewhere.

    Raises:
        BadInput: an address or the keys are missing.
    """
    venue = settings.venue
    if venue.rest_url is None or venue.ws_url is None:
        raise BadInput("venue.rest_url and venue.ws_url: both are needed for a venue elsewhere")
    keys = given.get()
    if keys is None:
        raise BadInput(
            ": ".join(NO_KEYS),
            exit_code=ExitCode.KEYS,
        )
    return Addresses(
        rest_url=venue.rest_url,
        ws_url=venue.ws_url,
        ws_auth_url=venue.ws_auth_url or venue.ws_url,
        trade=Credentials(keys.trade.key, keys.trade.secret),
        query=Credentials(keys.query.key, keys.query.secret),
        keys_from=keys.source,
        tier=Tier(venue.tier.value),
    )


async def open_nonces(ledger: Ledger, clock: Clock, pace: Pace) -> Nonces:
    """Nonces that go on above those of earlier processes, whatever the clock says."""

    async def reserve(key: str, tick: int) -> None:
        await ledger.write(lambda tx: tx.raise_nonce_floor(key, tick))

    return Nonces(
        clock,
        floors=await ledger.write(lambda tx: tx.nonce_floors()),
        reserve=reserve,
        block=DAY_TICKS if pace.speed is None else int(BLOCK_TICKS * pace.factor),
    )


def bounds_of(settings: Settings, pace: Pace) -> Bounds:
    """Time-outs at the run's pace."""
    return Bounds(
        timeout_s=settings.venue.timeout_seconds * pace.factor,
        keepalive_s=LONG_S if pace.speed is None else 15.0 * pace.factor,
    )


def open_rest(
    addresses: Addresses,
    clock: Clock,
    *,
    nonces: Nonces,
    network: Network,
    observer: Observer,
) -> KrakenRest:
    """The account side of the adapter."""
    return KrakenRest(
        Transport(
            RestSettings(url=addresses.rest_url, tier=addresses.tier),
            clock,
            network=network,
            trade=addresses.trade,
            query=addresses.query,
            nonces=nonces,
            observer=observer,
        )
    )


def open_feed(
    addresses: Addresses,
    settings: Settings,
    rest: KrakenRest,
    clock: Clock,
    *,
    pace: Pace,
) -> KrakenFeed:
    """The market side of the adapter."""
    silence_s = settings.market_data.ws.heartbeat_seconds * pace.factor
    return KrakenFeed(
        FeedSettings(
            public_url=addresses.ws_url,
            private_url=addresses.ws_auth_url,
            connect_timeout_s=10.0 * pace.factor,
            subscribe_timeout_s=15.0 * pace.factor,
            silence_s=0.0 if pace.speed is None else silence_s,
        ),
        rest,
        clock,
        random.Random(settings.simulator.seed),  # noqa: S311 - jitter, not a secret
    )
