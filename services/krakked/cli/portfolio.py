"""``krakked portfolio``: what a used account holds before krakked's books begin."""

from __future__ import annotations

import datetime as dt
import signal
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from krakked.cli import doors, options
from krakked.cli.output import amount, moment, money, print_json, print_table
from krakked.cli.run import is_given, parse_day, run_options, start_of
from krakked.domain.errors import BadInput
from krakked.domain.ids import Asset
from krakked.domain.money import ONE, BadAmount, parse_amount
from krakked.domain.times import NS_PER_SECOND
from krakked.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from krakked.domain.fills import OpeningLot


@click.group(epilog=options.shown("krakked portfolio init --env live"))
def portfolio() -> None:
    """The account's opening balances."""


@portfolio.command(
    epilog=options.ending(
        ExitCode.REFUSED,
        ExitCode.VENUE_UNREACHABLE,
        ExitCode.CRASHED,
        ExitCode.DATABASE,
        ExitCode.OCCUPIED,
        ExitCode.TIMED_OUT,
        ExitCode.KEYS,
        ExitCode.CONFIGURATION,
        ExitCode.INTERRUPTED,
        example=(
            "krakked portfolio init --env live\n"
            "krakked portfolio init --env paper --venue http://127.0.0.1:8700"
        ),
    )
)
@options.environment
@options.db_path
@options.config_dir
@options.settings
@options.venue
@options.venue_admin
@click.option(
    "--cost",
    "costs",
    metavar="ASSET=PRICE|unknown",
    multiple=True,
    help="What one unit was bought for, in the base currency. Without it: the newest price, which "
    "is a guess. May be repeated.",
)
@click.option("--date", metavar="DATE", help="Since when it is held, UTC (default: now).")
@click.option("--yes", is_flag=True, help="Book what is found without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; needs --yes.")
def init(yes: bool, costs: tuple[str, ...], date: str | None, **flags: object) -> int:
    """Book what the account holds now as opening lots.

    The environment is that of the database, where there is one and --env is not given. Asks the
    venue, shows what it found, and books it once a person agrees. Nothing is traded. The
    log goes to standard error.
    """
    if flags["as_json"] and not yes:
        raise click.UsageError("--json needs --yes: a program cannot be asked")
    prices = dict(map(_cost, costs))
    return _start(flags, yes=yes, prices=prices, at_ns=_since(date))


def _cost(text: str) -> tuple[Asset, Decimal | None]:
    asset, _, price = text.partition("=")
    try:
        known = None if price == "unknown" else parse_amount(price)
    except BadAmount:
        known = -ONE
    if not asset or (known is not None and known < 0):
        raise BadInput(
            f"--cost {text}: expected an asset and the price of one unit, like XBT=25000, or "
            "XBT=unknown",
            exit_code=ExitCode.USAGE,
        )
    return Asset(asset.upper()), known


def _since(date: str | None) -> int | None:
    day = parse_day("--date", date)
    if day is None:
        return None
    if day > dt.datetime.now(dt.UTC).date():  # noqa: TID251 - a person's today
        raise BadInput(
            f"--date {date}: is still to come; give the day of the purchase", exit_code=2
        )
    return start_of(day) * NS_PER_SECOND


def _start(
    flags: Mapping[str, object],
    *,
    yes: bool,
    prices: Mapping[Asset, Decimal | None],
    at_ns: int | None,
) -> int:
    import msgspec

    from krakked.engine import __main__ as engine
    from krakked.engine.opening import Known

    asked = run_options({**flags, "env": _environment(flags)}, once=False)
    # Nothing runs unattended here, so nothing is probed, and no port can be in the way.
    chosen = msgspec.structs.replace(
        asked, keeps_stdout_for_answer=True, overrides={**asked.overrides, "health.port": None}
    )
    found: list[OpeningLot] = []

    def confirm(lots: Sequence[OpeningLot]) -> bool:
        found.extend(lots)
        if not chosen.as_json:
            show_lots(lots, prices)
        return yes or _agrees()

    code = int(
        engine.book_opening_lots(chosen, confirm=confirm, known=Known(prices=prices, at_ns=at_ns))
    )
    if code == ExitCode.REFUSED:
        raise BadInput("not agreed to; nothing was booked", exit_code=ExitCode.REFUSED)
    if code == ExitCode.DONE:
        _tell_booked(found, as_json=chosen.as_json)
    return code


def _environment(flags: Mapping[str, object]) -> object:
    """The one that was named; else that of the database, where there is one."""
    path = flags["db_path"]
    assert isinstance(path, Path)
    if is_given("env") or not path.is_file():
        return flags["env"]
    with doors.reading(path) as queries:
        identity = queries.identity()
    return flags["env"] if identity is None else identity.environment


def _agrees() -> bool:
    """Ask; Ctrl-C means no. Where nobody can answer, that is said.

    The engine's loop, on which this waits, hears signals in its own way: not before an answer.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return click.confirm("Book these as opening balances?", err=True)
    except click.Abort as stopped:
        click.echo(err=True)
        if isinstance(stopped.__context__, EOFError):
            raise BadInput(options.NOBODY_ANSWERS, exit_code=ExitCode.USAGE) from stopped
        return False
    finally:
        signal.signal(signal.SIGINT, before or signal.default_int_handler)


def _tell_booked(lots: Sequence[OpeningLot], *, as_json: bool) -> None:
    if as_json:
        print_json({"booked": lots})
    else:
        noun = "balance" if len(lots) == 1 else "balances"
        click.echo(f"booked: {len(lots)} opening {noun}; the books begin")


def show_lots(lots: Sequence[OpeningLot], prices: Mapping[Asset, Decimal | None]) -> None:
    """What was found, as a table that says where each cost comes from."""
    rows = [
        (
            lot.asset,
            amount(lot.quantity),
            money(lot.cost_base),
            _whence(lot, prices),
            moment(lot.at_ns),
        )
        for lot in lots
    ]
    head = ("asset", "quantity", "cost", "cost is", "held since (UTC)")
    print_table(head, rows, nothing="the account is empty")


def _whence(lot: OpeningLot, prices: Mapping[Asset, Decimal | None]) -> str:
    if lot.asset in prices:
        return "as given" if lot.cost_base is not None else "unknown, as given"
    if lot.cost_base is None:
        return "unknown: no price, or it does not count"
    if lot.pair is None and lot.cost_base == lot.quantity:
        return "its amount"
    return f"a guess: the newest price; --cost {lot.asset}=PRICE|unknown says better"
