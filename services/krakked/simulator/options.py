"""What one simulator is asked to be, and the checks that need no file and no socket."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from krakked.domain.errors import BadInput
from krakked.domain.ids import Asset, PairName
from krakked.domain.money import DECIMALS_MAX, BadAmount, check_amount, round_down
from krakked.runtime.exit_codes import ExitCode
from krakked.sim.exchange.keys import ALL_PERMISSIONS, Permission
from krakked.sim.exchange.limits import Tier
from krakked.sim.exchange.options import ExchangeOptions
from krakked.sim.exchange.pairs import ASSETS, PAIRS, WALLETS
from krakked.sim.exchange.rest import METHODS
from krakked.sim.fault_kinds import FaultKind
from krakked.sim.public.gate import OPEN, GateLimits
from krakked.simulator.faults import Armed

MarketKind: TypeAlias = Literal["calm", "synthetic", "replay", "follow"]
ACCOUNT: Final = "main"
BALANCES: Final = {Asset("USD"): Decimal(10_000)}
PERCENTAGE_MAX: Final = 100
DEFAULT_TRADE_KEY: Final = "simulator-trade-key"
DEFAULT_QUERY_KEY: Final = "simulator-query-key"


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """Key and secret, as a client is given them."""

    key: str
    secret: str
    """Base64; Kraken's decode to 64 bytes, any length does here."""

    def __repr__(self) -> str:
        return f"ApiKey({self.key!r}, secret hidden)"


class AccountKey(ApiKey, frozen=True, kw_only=True):
    """A key of one of several accounts, and what it may do."""

    permissions: frozenset[Permission] = ALL_PERMISSIONS
    nonce_window: int = 0

    def __repr__(self) -> str:
        return f"AccountKey({self.key!r}, secret hidden)"


class AccountOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One account beside the main one; a stored account keeps its own balances."""

    name: str
    balances: Mapping[Asset, Decimal] = {}
    tier: Tier = Tier.INTERMEDIATE
    keys: tuple[AccountKey, ...] = ()


def default_key(name: str) -> ApiKey:
    """A key that everybody may know: it opens nothing but a simulated account."""
    return ApiKey(key=name, secret=base64.b64encode(name.encode() * 4).decode())


class SourceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The venue that ``follow`` mirrors, and when to take it for lost."""

    rest: str = "https://api.kraken.com"
    ws: str = "wss://ws.kraken.com/v2"
    silence_s: float = 10.0
    """Without any frame for so long it is lost (it sends heartbeats); 0: never."""
    late_s: float = 30.0
    """Data that is older when it arrives is no market any more; 0: any age will do."""
    quiet_s: float = 60.0
    """Without market data for so long its REST is asked whether the book is still that; 0: not."""
    clock_s: float = 30.0
    """How far its clock may be from ours at the start."""
    connect_s: float = 10.0
    subscribe_s: float = 30.0
    backoff_s: float = 0.5
    backoff_max_s: float = 30.0


class SimulatorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Defaults are a small synthetic venue on free ports."""

    listen: str = "127.0.0.1:0"
    """Where REST and WebSocket are served; port 0 takes a free one."""
    listen_private: str | None = None
    """A second port for the private WebSocket; both are then as strict as the venue's hosts."""
    admin: str | None = "127.0.0.1:0"
    """Where the admin API is served; None: nowhere. Loopback only."""
    market: MarketKind = "synthetic"
    candles: Path | None = None
    """Folder of candle files, for ``replay``."""
    from_s: int | None = None
    """Start of simulated time (default: now; of a replay, the first candle there is)."""
    to_s: int | None = None
    """End of a replay, exclusive (default: after the last candle)."""
    pairs: tuple[PairName, ...] = ()
    """What it lists; nothing: all it knows, or all that the candles are of."""
    prices: Mapping[PairName, Decimal] = {}
    """Starting prices; the rest has the usual ones. Not for ``replay``."""
    speed: float | None = 1.0
    """Shown only: the event loop owns the pace. None: as fast as possible."""
    source: SourceOptions = SourceOptions()
    """For ``follow``."""
    seed: int = 1
    balances: Mapping[Asset, Decimal] = msgspec.field(default_factory=lambda: dict(BALANCES))
    """What the account starts with, as deposits; a stored account keeps its own."""
    tier: Tier = Tier.INTERMEDIATE
    trade_key: ApiKey = default_key(DEFAULT_TRADE_KEY)
    query_key: ApiKey | None = None
    """A second key that may ask but not trade."""
    accounts: tuple[AccountOptions, ...] = ()
    """Beside the main one."""
    gate: GateLimits = OPEN
    """Limits of addresses and connections; nothing is limited for an account of tier ``none``."""
    choices: Mapping[str, object] = {}
    """Fields of :class:`ExchangeOptions` that shall not have their defaults."""
    state: Path | None = None
    """File that the account lives in; None: it is gone with the process."""
    heartbeats: bool = True
    faults: Mapping[FaultKind, Decimal] = {}
    """Probability of each kind, per request or message."""
    fault_mixture: tuple[Armed, ...] = ()
    """Faults with parameters and filters, as a file has them; without a probability: armed."""
    fault_seed: int = 1


def check(options: SimulatorOptions) -> None:
    """Refuse what cannot be meant.

    Raises:
        BadInput: one clear line.
    """
    _check_pairs(options)
    _check_accounts(options)
    exchange_options(options)
    if options.market == "replay" and options.candles is None:
        raise BadInput("--market replay needs --candles DIR", exit_code=ExitCode.USAGE)
    if options.market != "replay" and options.candles is not None:
        raise BadInput(
            f"--candles goes with --market replay, not {options.market}; leave one of them out",
            exit_code=ExitCode.USAGE,
        )
    if options.market == "replay" and options.prices:
        raise BadInput("recorded candles have prices of their own; leave the given ones out")
    if options.market == "follow":
        _check_following(options)
    if None not in (options.from_s, options.to_s) and _span(options) <= 0:
        raise BadInput("--from is not before --to; exchange them", exit_code=ExitCode.USAGE)


def exchange_options(options: SimulatorOptions) -> ExchangeOptions:
    """The exchange's choices: of these options, and of their own.

    Raises:
        BadInput: no such choice, or a value that it does not take.
    """
    given: dict[str, object] = {
        "seed": options.seed,
        "prints_own_trades": options.market not in ("replay", "follow"),
    }
    unknown = [name for name in options.choices if name not in ExchangeOptions.__struct_fields__]
    if unknown:
        known = ", ".join(ExchangeOptions.__struct_fields__)
        raise BadInput(f"--choice {unknown[0]}: there is no such choice; there are {known}")
    try:
        chosen = msgspec.convert(given | dict(options.choices), ExchangeOptions, strict=False)
    except msgspec.ValidationError as error:
        raise BadInput(f"--choice: {error}; see docs/simulator/fidelity.md") from error
    _check_choices(chosen)
    return chosen


def _check_choices(chosen: ExchangeOptions) -> None:
    """What the types alone do not say."""
    band = chosen.market_band_pct
    if not _is_percentage(band) or not band:
        raise BadInput(f"--choice market_band_pct={band}: write a number above 0, up to 100")
    for name in chosen.rest_costs:
        if name not in METHODS:
            raise BadInput(f"--choice rest_costs: there is no private method {name}")
    steps = [tier.volume_usd for tier in chosen.fee_ladder]
    if not all(step.is_finite() for step in steps) or steps[:1] != [0]:
        raise BadInput("--choice fee_ladder: its first tier begins at volume_usd 0")
    if steps != sorted(set(steps)):
        raise BadInput("--choice fee_ladder: each tier begins above the one before")
    for tier in chosen.fee_ladder:
        if not all(map(_is_percentage, (tier.taker_pct, tier.maker_pct))):
            raise BadInput("--choice fee_ladder: taker_pct and maker_pct are from 0 to 100")


def _is_percentage(value: Decimal) -> bool:
    return value.is_finite() and 0 <= value <= PERCENTAGE_MAX


def _check_accounts(options: SimulatorOptions) -> None:
    names = [ACCOUNT, *(account.name for account in options.accounts)]
    if len(set(names)) < len(names):
        raise BadInput(f"an account is given twice among {', '.join(names)} ({ACCOUNT} is there)")
    for balances in (options.balances, *(account.balances for account in options.accounts)):
        for asset, amount in balances.items():
            _check_balance(asset, amount)
    if options.query_key is not None and options.query_key.key == options.trade_key.key:
        raise BadInput(
            f"key {options.trade_key.key} is given for trading and for asking; give two keys, or "
            "--api-key alone"
        )
    keys = [key for account in options.accounts for key in account.keys]
    seen: set[str] = set()
    for key in (options.trade_key, options.query_key, *keys):
        if key is None:
            continue
        _check_secret(key)
        if key.key in seen:
            raise BadInput(f"key {key.key} is given twice; each key belongs to one account")
        seen.add(key.key)


def _check_following(options: SimulatorOptions) -> None:
    """Prices, time and pace are the source's."""
    if options.prices:
        raise BadInput("--market follow has the prices of its source; leave --price out")
    if options.from_s is not None or options.to_s is not None:
        raise BadInput(
            "--market follow lives now; leave --from and --to out", exit_code=ExitCode.USAGE
        )
    for flag, url in (("--source-rest", options.source.rest), ("--source-ws", options.source.ws)):
        scheme = "http" if flag == "--source-rest" else "ws"
        if not url.startswith((f"{scheme}://", f"{scheme}s://")):
            raise BadInput(
                f"{flag} {url}: write {scheme}://HOST:PORT or {scheme}s://HOST",
                exit_code=ExitCode.USAGE,
            )


def _check_pairs(options: SimulatorOptions) -> None:
    if options.market == "follow":
        return  # the source says what it lists
    for pair in (*options.pairs, *options.prices):
        if pair not in PAIRS:
            raise BadInput(f"pair {pair} is not known; known are {', '.join(PAIRS)}")
    unlisted = [pair for pair in options.prices if options.pairs and pair not in options.pairs]
    if unlisted:
        raise BadInput(
            f"--price {unlisted[0]}={options.prices[unlisted[0]]}: not among the pairs that are "
            f"listed ({', '.join(options.pairs)}); add --pair {unlisted[0]}, or leave the price out"
        )
    for pair, price in options.prices.items():
        _check_number(price, f"--price {pair}={price}")
        if price < PAIRS[pair].tick_size:
            raise BadInput(f"--price {pair}={price}: below a tick; give a price that is traded")


def _span(options: SimulatorOptions) -> int:
    assert options.from_s is not None
    assert options.to_s is not None
    return options.to_s - options.from_s


def _check_balance(asset: Asset, amount: Decimal) -> None:
    base, dot, suffix = asset.partition(".")
    if Asset(base) not in ASSETS or (dot and f".{suffix}" not in WALLETS):
        raise BadInput(f"asset {asset} is not known; known are {', '.join(ASSETS)}")
    _check_number(amount, f"balance {asset}={amount}")
    if amount < 0:
        raise BadInput(f"balance {asset}={amount} is negative; give zero or more")
    decimals = ASSETS[Asset(base)].decimals
    if amount != round_down(amount, decimals):
        raise BadInput(
            f"balance {asset}={amount}: {base} has {decimals} decimals; give no more of them"
        )


def _check_number(value: Decimal, what: str) -> None:
    """Within what the exchange can reckon with exactly."""
    try:
        check_amount(value)
    except BadAmount:
        raise BadInput(
            f"{what}: give a number of at most 10^15, with at most {DECIMALS_MAX} decimals"
        ) from None


def _check_secret(key: ApiKey) -> None:
    try:
        base64.b64decode(key.secret, validate=True)
    except (binascii.Error, ValueError):
        raise BadInput(
            f"the secret of key {key.key} is not base64; give it as the venue shows it"
        ) from None


def parse_address(text: str, flag: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``; a host in brackets is IPv6.

    Raises:
        BadInput: not of that form.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise BadInput(f"{flag} {text}: write HOST:PORT, as in 127.0.0.1:8700", exit_code=2)
    return host, int(port)
