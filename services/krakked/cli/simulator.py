"""``krakked simulator``: a venue to trade against that is nobody's but one's own."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from krakked.cli import faults as fault_flags
from krakked.cli import options as shared
from krakked.cli import simulator_words as words
from krakked.cli.output import print_json, print_table
from krakked.domain.errors import BadInput
from krakked.domain.naming import standard_asset, standard_pair
from krakked.domain.times import DAY_S
from krakked.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from krakked.simulator import RunningSimulator, SimulatorOptions
    from krakked.simulator.options import ApiKey

T = TypeVar("T")
MARKETS: Final = ("calm", "synthetic", "replay", "follow")
TIERS: Final = ("starter", "intermediate", "pro", "none")
STRICT_CONCURRENT: Final = 5
"""Requests of one key at a time under --strict; the venue does not say how many it takes."""
INTERVALS: Final = ("1", "5", "15", "60", "240", "1440")


@click.group(
    invoke_without_command=True,
    epilog=shared.ending(
        ExitCode.VENUE_UNREACHABLE,
        ExitCode.DATABASE,
        ExitCode.OCCUPIED,
        ExitCode.CLOCK,
        ExitCode.CONFIGURATION,
        example=(
            "krakked simulator --market synthetic --speed 60 --balance USD=10000,XBT=1\n"
            "krakked simulator --market replay --candles candles --from 2020-03-01 --speed 600\n"
            "krakked simulator --market follow --source-rest http://127.0.0.1:8700"
            " --listen 127.0.0.1:8710 --admin 127.0.0.1:8711 --state paper.state\n"
            "krakked simulator --market calm --fault answer-lost=0.05 --console\n"
            "krakked simulator --faults bad-day.yaml --state account.db\n"
            "krakked simulator export-candles --pair XBTUSD --from 2024-01-01 --to 2024-03-31"
            " --out candles"
        ),
    )
    + "\n\n"
    + fault_flags.table(),
)
@click.option(
    "--listen",
    default="127.0.0.1:8700",
    show_default=True,
    metavar="HOST:PORT",
    help="REST and WebSocket v2. Port 0 takes a free one.",
)
@click.option(
    "--listen-private",
    metavar="HOST:PORT",
    help="A port of its own for the private WebSocket; both are then as strict as the venue's.",
)
@click.option(
    "--admin",
    default="127.0.0.1:8701",
    show_default=True,
    metavar="HOST:PORT",
    help="State, clock, prices, balances, faults. Loopback only.",
)
@click.option("--market", type=click.Choice(MARKETS), default="synthetic", show_default=True)
@click.option(
    "--candles",
    type=click.Path(path_type=Path),
    help="Folder of <PAIR>_<minutes>.csv[.gz] files, for --market replay.",
)
@click.option(
    "--source-rest",
    metavar="URL",
    help="Venue that --market follow mirrors.  [default: Kraken's own]",
)
@click.option(
    "--source-ws",
    metavar="URL",
    help="Its public WebSocket v2.  [default: Kraken's own; of a --source-rest, ws://…/v2 there]",
)
@click.option("--from", "start", metavar="DATE", help="First day of simulated time, UTC.")
@click.option("--to", "end", metavar="DATE", help="Last day of a replay, UTC, inclusive.")
@click.option(
    "--speed",
    default="1",
    show_default=True,
    metavar="N|max",
    help="Simulated seconds in a real one. max leaves clients of other processes behind.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--pair", "pairs", multiple=True, help="List only this pair. May be repeated.")
@click.option("--price", "prices", multiple=True, metavar="PAIR=PRICE", help="Starting price.")
@click.option(
    "--balance",
    "balances",
    multiple=True,
    metavar="ASSET=AMOUNT,…",
    help="What the account starts with.  [default: USD=10000]",
)
@click.option("--tier", type=click.Choice(TIERS), default="intermediate", show_default=True)
@click.option("--api-key", help="Key that may do everything.  [default: one that is printed]")
@click.option("--api-secret", help="Its secret, base64.")
@click.option("--query-key", help="A second key, that may ask but not trade.")
@click.option("--query-secret", help="Its secret, base64.")
@click.option(
    "--accounts",
    type=click.Path(path_type=Path, dir_okay=False),
    help="YAML or JSON file of more accounts: name: {balances, tier, keys: [{key, secret, may, "
    "nonce_window}]}.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Limit addresses and connections as the venue does: public requests, requests at a "
    "time, messages, reconnects, idling. Not with --tier none.",
)
@click.option(
    "--choice",
    "choices",
    multiple=True,
    metavar="NAME=VALUE",
    help="How the exchange behaves where sources disagree, as in post_only_mode=cancel.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that the account lives in; the next start goes on from it.",
)
@click.option(
    "--heartbeats/--no-heartbeats",
    default=None,
    help="Of WebSockets, every second.  [default: unless the speed is max]",
)
@fault_flags.by_chance
@fault_flags.by_file
@click.option("--console", is_flag=True, help="Show trades and orders, a line each.")
@shared.as_json
@click.pass_context
def command(context: click.Context, /, **flags: object) -> int:
    """A Kraken look-alike: REST and WebSocket v2 over a market of its own.

    Serves until Ctrl-C. At start it prints its addresses, its keys, and what to try.
    """
    if context.invoked_subcommand is not None:
        return ExitCode.DONE
    from krakked.simulator import __main__ as simulator

    if flags["console"] and flags["as_json"]:
        raise _usage("--console is for people and --json for programs; leave one of them out")
    if flags["end"] and flags["market"] != "replay":
        raise _usage(
            f"--to goes with --market replay, not {flags['market']}; leave one of them out"
        )
    chosen = _options(flags)

    def announce(running: RunningSimulator) -> None:
        words.remark(running)
        (words.announce_json if flags["as_json"] else words.announce)(running)
        if flags["console"]:
            running.watch(click.echo)

    return simulator.run(chosen, announce=announce, at_end=words.say_over)


@command.command(
    "export-candles",
    epilog=shared.ending(
        ExitCode.OCCUPIED,
        ExitCode.CONFIGURATION,
        example="krakked simulator export-candles --pair XBTUSD --pair ETHUSD --from 2024-01-01"
        " --to 2024-03-31 --out candles",
    ),
)
@click.option("--pair", "pairs", multiple=True, help="May be repeated.  [default: all]")
@click.option("--from", "start", required=True, metavar="DATE", help="First day, UTC.")
@click.option("--to", "end", required=True, metavar="DATE", help="Last day, UTC, inclusive.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder."
)
@click.option(
    "--interval",
    type=click.Choice(INTERVALS),
    default="60",
    show_default=True,
    help="Length of a candle in minutes.",
)
@click.option(
    "--market", type=click.Choice(("calm", "synthetic")), default="synthetic", show_default=True
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--price", "prices", multiple=True, metavar="PAIR=PRICE", help="Base price.")
@click.option("--gzip", "compressed", is_flag=True, help="Write .csv.gz.")
@shared.as_json
def export_candles(out: Path, interval: str, compressed: bool, **flags: object) -> int:
    """Write an invented market as candle files that --market replay and data import read.

    A file that is there already is never overwritten: then nothing is written, with exit code 74.
    """
    from krakked.simulator.exporting import export
    from krakked.simulator.options import check

    chosen = _options(flags)
    check(chosen)
    written = list(export(chosen, minutes=int(interval), folder=out, compressed=compressed))
    if flags["as_json"]:
        print_json(written)
    else:
        rows = [(one.path, str(one.rows)) for one in written]
        print_table(("file", "rows"), rows, nothing="nothing was written")
    return ExitCode.DONE


def _options(flags: Mapping[str, object]) -> SimulatorOptions:
    """The flags that are there, as options; the others keep their defaults.

    Raises:
        BadInput: a flag that cannot be read, or a file of keys without its other half.
    """
    from krakked.simulator import SimulatorOptions

    given: dict[str, object] = {
        name: flags[name]
        for name in ("listen", "listen_private", "admin", "market", "candles", "seed", "state")
        if flags.get(name) is not None
    }
    given["pairs"] = tuple(dict.fromkeys(map(standard_pair, _texts(flags, "pairs"))))
    given["from_s"] = _day(flags, "start", "--from", days=0)
    given["to_s"] = _day(flags, "end", "--to", days=1)
    given["speed"] = speed = _speed(str(flags.get("speed", "1")))
    beats = flags.get("heartbeats")
    given["heartbeats"] = speed is not None if beats is None else beats
    given["prices"] = _assignments(_texts(flags, "prices"), "--price", standard_pair)
    if balances := _texts(flags, "balances"):
        parts = [part for text in balances for part in text.split(",")]
        given["balances"] = _assignments(parts, "--balance", standard_asset)
    given |= _source(flags, speed)
    given |= _keys(flags) | _chances(flags) | _people(flags) | _strictness(flags)
    return SimulatorOptions(**given)  # type: ignore[arg-type]  # each name has its type above


def _source(flags: Mapping[str, object], speed: float | None) -> dict[str, object]:
    """The venue to follow, if one is named."""
    rest, ws = flags.get("source_rest"), flags.get("source_ws")
    if flags.get("market") != "follow":
        if rest is not None or ws is not None:
            raise _usage("--source-rest and --source-ws go with --market follow")
        return {}
    if speed != 1:
        raise _usage("--market follow goes as time does; leave --speed out")
    if rest is None and ws is None:
        return {}
    if rest is None:
        raise _usage("--source-ws needs the --source-rest of the same venue")
    from krakked.simulator.options import SourceOptions

    url = str(rest).rstrip("/")
    there = f"{url.replace('http', 'ws', 1)}/v2" if ws is None else str(ws)
    return {"source": SourceOptions(rest=url, ws=there)}


def _people(flags: Mapping[str, object]) -> dict[str, object]:
    """More accounts, if a file names them."""
    path = flags.get("accounts")
    if path is None:
        return {}
    from krakked.sim.exchange.limits import Tier
    from krakked.simulator.accounts import read_accounts

    return {"accounts": read_accounts(Path(str(path)), Tier(flags.get("tier", "intermediate")))}


def _strictness(flags: Mapping[str, object]) -> dict[str, object]:
    """Limits of the gate, and what the exchange is to do where sources disagree."""
    from krakked.sim.public.gate import VENUE

    choices: dict[str, object] = {}
    for text in _texts(flags, "choices"):
        name, equals, value = text.partition("=")
        if not equals or name in choices:
            raise _usage(f"--choice {text}: write NAME=VALUE, each name once")
        choices[name] = _choice(name, value)
    if not flags.get("strict"):
        return {"choices": choices}
    if flags.get("tier") == "none":
        raise _usage("--strict limits what --tier none does not: leave one of them out")
    return {"gate": VENUE, "choices": {"concurrent_requests": STRICT_CONCURRENT} | choices}


def _choice(name: str, value: str) -> object:
    """One word, or JSON for what is made of several."""
    if not value.startswith(("{", "[")):
        return value
    try:
        found: object = json.loads(value, parse_float=Decimal)
    except ValueError as error:
        raise _usage(f"--choice {name}: this is no JSON: {error}") from error
    return found


def _chances(flags: Mapping[str, object]) -> dict[str, object]:
    from krakked.sim.exchange.limits import Tier
    from krakked.sim.fault_kinds import FaultKind

    given: dict[str, object] = {"tier": Tier(flags.get("tier", "intermediate"))}
    chances = fault_flags.chances(_texts(flags, "faults"))
    given["faults"] = {FaultKind(name): chance for name, chance in chances.items()}
    path = flags.get("faults_file")
    mixture = fault_flags.mixture(path if isinstance(path, Path) else None)
    if mixture is not None:
        given["fault_mixture"] = mixture.faults
        given["fault_seed"] = 1 if mixture.seed is None else mixture.seed
    return given


def _keys(flags: Mapping[str, object]) -> dict[str, object]:
    pairs = {
        "trade_key": _key(flags, "api_key", "api_secret"),
        "query_key": _key(flags, "query_key", "query_secret"),
    }
    return {name: key for name, key in pairs.items() if key is not None}


def _key(flags: Mapping[str, object], key_flag: str, secret_flag: str) -> ApiKey | None:
    from krakked.simulator.options import ApiKey, default_key

    key, secret = flags.get(key_flag), flags.get(secret_flag)
    if key is None and secret is None:
        return None
    if key is None:
        raise _usage(f"--{secret_flag.replace('_', '-')} needs --{key_flag.replace('_', '-')}")
    return default_key(str(key)) if secret is None else ApiKey(key=str(key), secret=str(secret))


def _texts(flags: Mapping[str, object], name: str) -> tuple[str, ...]:
    found = flags.get(name, ())
    assert isinstance(found, tuple)
    return found


def _assignments(
    texts: Iterable[str], flag: str, named: Callable[[str], str]
) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for written, value in (_assignment(text.strip(), flag) for text in texts):
        name = named(written)
        if name in found:
            raise _usage(f"{flag} {name}: given twice; give it once")
        found[name] = value
    return found


def _assignment(text: str, flag: str) -> tuple[str, Decimal]:
    name, _, amount = text.partition("=")
    value = _or_none(Decimal, amount)
    if value is None or not value.is_finite() or value < 0:
        raise _usage(f"{flag} {text}: write NAME=NUMBER, as in USD=10000")
    return name.strip(), value


def _or_none(read: Callable[[str], T], text: str) -> T | None:
    try:
        return read(text)
    except (ValueError, InvalidOperation):
        return None


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    speed = _or_none(float, text)
    if speed is None or not 0 < speed <= 1_000_000:
        raise _usage(f"--speed {text}: write a number above 0, or max")
    return speed


def _day(flags: Mapping[str, object], name: str, flag: str, *, days: int) -> int | None:
    text = flags.get(name)
    if text is None:
        return None
    day = _or_none(dt.date.fromisoformat, str(text))
    if day is None:
        raise _usage(f"{flag} {text}: not a date; write it as 2020-03-12")
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp()) + days * DAY_S


def _usage(text: str) -> BadInput:
    return BadInput(text, exit_code=ExitCode.USAGE)
