"""Verbs about who owns the account: let a fenced engine go on, acknowledge what was missed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from krakked.cli import doors, options
from krakked.runtime.exit_codes import ExitCode

_CHANGING: Final = (ExitCode.REFUSED, ExitCode.NO_ENGINE)
EPOCH_MAX: Final = 500_000
"""As ``krakked.adapters.kraken.nonces``, which is not loaded for help."""
_START_FIRST: Final = "start it with `krakked run`, or give its database with --db-path"


@click.command(
    epilog=options.ending(*_CHANGING, example='krakked unfence --reason "the old host is off"')
)
@click.option(
    "--epoch",
    type=click.IntRange(min=0, max=EPOCH_MAX),
    default=0,
    help="The least the new epoch must be, where the venue has seen more than lease and database: "
    "above every one that any engine ever had on this key. One too high costs nothing.",
)
@options.reason
@click.option("--yes", is_flag=True, help="Do not ask for the word.")
@options.db_path
@options.as_json
def unfence(epoch: int, reason: str, yes: bool, db_path: Path, as_json: bool) -> int:
    """Let a fenced engine own the account again, with a later epoch.

    The venue then refuses whatever the other engine sends: be sure that it shall not trade.
    """
    from krakked.domain.commands import Unfence

    options.confirm_by_word("UNFENCE", "This takes the account from whoever trades it now.", yes)
    command = Unfence(
        command_id=doors.new_command_id(),
        principal=doors.principal(),
        reason=reason,
        epoch=epoch,
    )
    return doors.order(db_path, command, otherwise=_START_FIRST, as_json=as_json)


@click.command(epilog=options.ending(*_CHANGING, example='krakked acknowledge --reason "looked"'))
@options.reason
@options.db_path
@options.as_json
def acknowledge(reason: str, db_path: Path, as_json: bool) -> int:
    """Say that you have looked at what was done while the database did not hear of it.

    Until then an engine with an older database than the account adds no risk.
    """
    from krakked.domain.commands import Acknowledge

    command = Acknowledge(
        command_id=doors.new_command_id(), principal=doors.principal(), reason=reason
    )
    return doors.order(db_path, command, otherwise=_START_FIRST, as_json=as_json)
