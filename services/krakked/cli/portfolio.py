"""``krakked portfolio``: what a used account holds before krakked's books begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from krakked.cli import options
from krakked.cli.output import amount, money, print_table
from krakked.cli.run import run_options
from krakked.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from krakked.domain.fills import OpeningLot


@click.group()
def portfolio() -> None:
    """The account's opening balances."""


@portfolio.command(
    epilog=options.ending(
        ExitCode.REFUSED,
        ExitCode.VENUE_UNREACHABLE,
        ExitCode.DATABASE,
        ExitCode.KEYS,
        ExitCode.CONFIGURATION,
        example="krakked portfolio init --env live",
    )
)
@options.environment
@options.db_path
@options.config_dir
@options.settings
@click.option("--yes", is_flag=True, help="Book what is found without asking.")
def init(yes: bool, **flags: object) -> int:
    """Book what the account holds now as opening lots.

    Asks the venue, shows what it found, and books it once a person agrees. Nothing is traded.
    """
    return _start(flags, yes=yes)


def _start(flags: Mapping[str, object], *, yes: bool) -> int:
    import msgspec

    from krakked.engine import __main__ as engine

    asked = run_options(flags, once=False)
    # Nothing runs unattended here, so nothing is probed, and no port can be in the way.
    chosen = msgspec.structs.replace(asked, overrides={**asked.overrides, "health.port": None})

    def confirm(lots: Sequence[OpeningLot]) -> bool:
        show_lots(lots)
        return yes or click.confirm("Book these as opening balances?")

    return int(engine.book_opening_lots(chosen, confirm=confirm))


def show_lots(lots: Sequence[OpeningLot]) -> None:
    """What was found, as a table."""
    rows = [(lot.asset, amount(lot.quantity), money(lot.cost_base)) for lot in lots]
    print_table(("asset", "quantity", "cost"), rows, nothing="the account is empty")
