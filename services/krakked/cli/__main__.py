"""``krakked``: a group of verbs, each loaded only when it is called.

The table below is the whole list, with the line that ``krakked --help`` prints, so that asking for
help or for the version loads no verb. Errors that people can mend end as one line and the exit code
of their row in ``docs/exit-codes.md``; what is not expected stays a traceback.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import click

from krakked.domain.errors import KrakkedError

VERBS: Final = {
    "run": ("run:run", "Trade: start the engine in environment dev, paper or live."),
    "run-once": ("run:run_once", "One cycle, then stop. Never trades live."),
    "simulator": ("simulator:command", "A Kraken look-alike to trade against."),
    "status": ("controls:status", "How the running engine is."),
    "orders": ("orders:orders", "List and cancel orders; close positions."),
    "executions": ("reports:executions", "Fills, newest first."),
    "positions": ("reports:positions", "What each strategy holds."),
    "plans": ("plans:plans", "One plan: bar, decisions, orders, fills."),
    "decisions": ("decisions:decisions", "What strategies decided, newest first."),
    "why": ("decisions:why", "Why a strategy did, or did not, act on a bar."),
    "kill-switch": ("controls:kill_switch", "Stop what adds risk, until a person clears it."),
    "halt": ("controls:halt", "Make no new plans."),
    "resume": ("controls:resume", "Undo a halt, or a shutdown."),
    "shutdown": ("controls:shutdown", "End the engine; in a container it stays drained."),
    "panic": ("controls:panic", "Kill switch on, cancel all, sell all."),
    "unfence": ("ownership:unfence", "Let a fenced engine go on, with a later epoch."),
    "acknowledge": ("ownership:acknowledge", "You know what the database did not hear of."),
    "doctor": ("doctor:doctor", "Try out at the venue what trading relies on."),
    "portfolio": ("portfolio:portfolio", "The account's opening balances."),
    "config": ("config:config", "Show, check and describe the configuration."),
    "secrets": ("keys:secrets", "API keys in a file sealed with a password."),
    "data": ("data:data", "Candles: import what Kraken offers for download."),
    "db-info": ("database:db_info", "Path, schema version and row counts of the database."),
    "db-check": ("database:db_check", "Check the database and its projections."),
    "db-backup": ("database:db_backup", "Copy the database to a timestamped sibling."),
    "migrate-db": ("database:migrate_db", "Bring the database to this version's schema."),
    "db-schema-version": ("database:db_schema_version", "The schema version of the database."),
}
"""Verb → (module below this package : command, its line of help)."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The verbs, in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import one verb."""
        if cmd_name not in VERBS:
            return None
        module_name, _, attribute = VERBS[cmd_name][0].partition(":")
        module = importlib.import_module(f"krakked.cli.{module_name}")
        command = getattr(module, attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """From the table: no verb is loaded for it."""
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, text) for verb, (_, text) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; an unknown one names the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = _nearest_verb(args[0])
            raise click.UsageError(f"{error.message}{near}", ctx) from error

    def main(  # type: ignore[override]  # always ends the process, as click's own does
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run and end; what click finds wrong is one line, as everything else that is."""
        try:
            code = super().main(args, prog_name, **{**extra, "standalone_mode": False})
        except click.Abort as stopped:
            code = _stopped(stopped)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            code = error.exit_code
        except click.ClickException as error:
            code = _refuse(error)
        sys.exit(code)

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb: its result is the exit code, an error of ours is one line."""
        try:
            code = super().invoke(ctx)
        except KrakkedError as error:
            code = _fail(error)
        ctx.exit(code if isinstance(code, int) else 0)


def _nearest_verb(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, VERBS, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def _fail(error: KrakkedError) -> int:
    from krakked.runtime.exit_codes import of_error

    for line in str(error).splitlines() or [type(error).__name__]:
        click.echo(f"krakked: {line}", err=True)
    return int(of_error(error))


def _refuse(error: click.ClickException) -> int:
    """What click finds wrong with what was typed."""
    what = " ".join(error.format_message().split()).rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    verb = context.command_path if context is not None else "krakked"
    click.echo(f"krakked: {what}; `{verb} --help` has an example", err=True)
    return error.exit_code


def _stopped(stopped: click.Abort) -> int:
    """Ctrl-C, or a question that was not answered with yes."""
    from krakked.cli.options import NOBODY_ANSWERS
    from krakked.runtime.exit_codes import ExitCode

    if isinstance(stopped.__cause__, KeyboardInterrupt):
        click.echo("krakked: interrupted", err=True)
        return ExitCode.INTERRUPTED
    if isinstance(stopped.__context__, (EOFError, KeyboardInterrupt)):
        click.echo(err=True)  # the question still stands on this line
    if isinstance(stopped.__context__, EOFError):
        click.echo(f"krakked: {NOBODY_ANSWERS}", err=True)
        return ExitCode.USAGE
    click.echo("krakked: not agreed to; nothing was done", err=True)
    return ExitCode.REFUSED


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from krakked.runtime.version import version

        click.echo(f"krakked {version()}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes are listed in docs/exit-codes.md; `krakked VERB --help` names a verb's own.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
def root() -> None:
    """Trading strategies on a Kraken spot account, unattended.

    \b
    Example:  krakked run --env dev
    """


def _interrupt(_: int, __: object) -> NoReturn:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script. Whatever a verb writes is its owner's alone.

    A service manager's SIGTERM is heard from the first moment on, as Ctrl-C is: an engine that does
    not stand yet ends with the code of its row, and not as one that was killed.
    """
    os.umask(0o077)
    signal.signal(signal.SIGTERM, _interrupt)
    root.main(args=arguments, prog_name="krakked")


if __name__ == "__main__":
    main()
