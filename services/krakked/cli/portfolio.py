"""``krakked portfolio``: what a used account holds before krakked's books begin."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from krakked.cli import options
from krakked.cli.output import amount, money, print_json, print_table
from krakked.cli.run import run_options
from krakked.domain.errors import BadInput
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
        example="krakked portfolio init --env live",
    )
)
@options.environment
@options.db_path
@options.config_dir
@options.settings
@click.option("--yes", is_flag=True, help="Book what is found without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; needs --yes.")
def init(yes: bool, **flags: object) -> int:
    """Book what the account holds now as opening lots.

    Asks the venue, shows what it found, and books it once a person agrees. Nothing is traded. The
    log goes to standard error.
    """
    if flags["as_json"] and not yes:
        raise click.UsageError("--json needs --yes: a program cannot be asked")
    return _start(flags, yes=yes)


def _start(flags: Mapping[str, object], *, yes: bool) -> int:
    import msgspec

    from krakked.engine import __main__ as engine

    asked = run_options(flags, once=False)
    # Nothing runs unattended here, so nothing is probed, and no port can be in the way.
    chosen = msgspec.structs.replace(
        asked, keeps_stdout_for_answer=True, overrides={**asked.overrides, "health.port": None}
    )
    found: list[OpeningLot] = []

    def confirm(lots: Sequence[OpeningLot]) -> bool:
        found.extend(lots)
        if not chosen.as_json:
            show_lots(lots)
        return yes or _agrees()

    code = int(engine.book_opening_lots(chosen, confirm=confirm))
    if code == ExitCode.REFUSED:
        raise BadInput("not agreed to; nothing was booked", exit_code=ExitCode.REFUSED)
    if code == ExitCode.DONE:
        _tell_booked(found, as_json=chosen.as_json)
    return code


def _agrees() -> bool:
    """Ask; Ctrl-C and the end of the input mean no.

    The engine's loop, on which this waits, hears signals in its own way: not before an answer.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return click.confirm("Book these as opening balances?", err=True)
    except click.Abort:
        click.echo(err=True)
        return False
    finally:
        signal.signal(signal.SIGINT, before or signal.default_int_handler)


def _tell_booked(lots: Sequence[OpeningLot], *, as_json: bool) -> None:
    if as_json:
        print_json({"booked": lots})
    else:
        noun = "balance" if len(lots) == 1 else "balances"
        click.echo(f"booked: {len(lots)} opening {noun}; the books begin")


def show_lots(lots: Sequence[OpeningLot]) -> None:
    """What was found, as a table."""
    rows = [(lot.asset, amount(lot.quantity), money(lot.cost_base)) for lot in lots]
    print_table(("asset", "quantity", "cost"), rows, nothing="the account is empty")
