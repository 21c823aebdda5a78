"""``krakked doctor``: what must hold at the venue, tried out there without doing anything."""

from __future__ import annotations

import os

import click

from krakked.cli import options
from krakked.cli.output import print_json, print_table
from krakked.runtime.exit_codes import ExitCode


@click.group(epilog=options.shown("krakked doctor fence --env live"))
def doctor() -> None:
    """Try out at the venue what trading relies on; no order is ever placed."""


@doctor.command(
    epilog=options.ending(
        ExitCode.FINDINGS,
        ExitCode.REFUSED,
        *options.ACTING,
        example="krakked doctor fence --env live",
    )
)
@options.environment
@options.without_engine
@options.db_path
@options.as_json
def fence(**flags: object) -> int:
    """Whether the venue refuses an owner that was deposed, and what the keys may do.

    An order is validated with the nonce of an older epoch, and must be refused for it. The engine
    of that database must be stopped meanwhile.
    """
    from krakked.cli.run import run_options
    from krakked.engine.doctor import ADVICE, check_fence

    environ = os.environ  # noqa: TID251 - handed on, as by the engine's composition root
    findings = check_fence(run_options(flags, once=False), environ)
    if flags["as_json"]:
        print_json({"findings": findings, "advice": ADVICE})
    else:
        rows = [("yes" if one.is_good else "NO", one.what, one.said) for one in findings]
        print_table(("good", "what", "the venue"), rows, nothing="")
        click.echo("\nright at the venue:")
        for line in ADVICE:
            click.echo(f"  {line}")
    return ExitCode.DONE if all(one.is_good for one in findings) else ExitCode.FINDINGS
