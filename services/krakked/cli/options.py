"""Options that several verbs share, and the end of their help: an example and the exit codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import click

from krakked.domain.errors import BadInput
from krakked.runtime.exit_codes import MEANINGS, ExitCode

Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]
F = TypeVar("F", bound=Callable[..., Any])

ENVIRONMENTS: Final = ("dev", "paper", "live")
READING: Final = (ExitCode.DATABASE, ExitCode.CONFIGURATION)
"""How a question to the database may end: it cannot be read, or is of another schema or program."""
ACTING: Final = (
    ExitCode.VENUE_UNREACHABLE,
    *READING,
    ExitCode.TIMED_OUT,
    ExitCode.KEYS,
)
"""How a command may end that is done from here, as no engine runs."""

db_path = click.option(
    "--db-path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("portfolio.db"),
    show_default=True,
    envvar="KRAKKED_DB_PATH",
    show_envvar=True,
    help="The engine's database.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
environment = click.option(
    "--env",
    type=click.Choice(ENVIRONMENTS),
    default="dev",
    show_default=True,
    envvar="KRAKKED_ENV",
    show_envvar=True,
    help="Picks the overlay of the configuration, and what may happen.",
)
config_dir = click.option(
    "--config-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="KRAKKED_CONFIG_DIR",
    show_envvar=True,
    help="Folder of config.yaml and its overlays (default: the platform's, if it is there).",
)
settings = click.option(
    "--set",
    "assignments",
    metavar="SETTING=VALUE",
    multiple=True,
    help="Override one setting, e.g. execution.mode=dry_run. May be repeated.",
)
venue = click.option(
    "--venue",
    metavar="URL",
    help="REST address of a running `krakked simulator`, or of what speaks as it does: sets "
    "venue.rest_url to it, and venue.ws_url and venue.ws_auth_url to ws://…/v2 there (--set goes "
    "before). Not in live, nor in a replay.",
)
venue_admin = click.option(
    "--venue-admin",
    metavar="URL",
    help="Admin address of that simulator, whose clock is then followed: sets venue.admin_url.",
)
reason = click.option("--reason", default="", help="Why; goes on record with who and when.")
limit = click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Rows at most."
)


def without_engine(verb: Callable[..., Any]) -> Callable[..., Any]:
    """What acting takes where no engine runs: the configuration of the one that traded."""
    for option in (venue_admin, venue, settings, config_dir):
        verb = option(verb)
    return verb


def ending(*codes: ExitCode, example: str) -> str:
    """The epilog of a verb."""
    every = {ExitCode.DONE, *codes, ExitCode.USAGE}
    rows = [f"  {int(code):>3}  {MEANINGS[code]}" for code in sorted(every)]
    return "\n".join([shown(example), "", "\b", "Exit codes:", *rows])


def shown(example: str) -> str:
    """The epilog of a group of verbs: what to type."""
    return "\n".join(["\b", "Example:", *(f"  {line}" for line in example.splitlines())])


def overrides(assignments: tuple[str, ...]) -> Mapping[str, object]:
    """Settings by dotted path from ``NAME=VALUE`` texts.

    Raises:
        BadInput: not of that form.
    """
    from krakked.runtime.settings import known
    from krakked.runtime.settings.files import parse_text

    given: dict[str, object] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            shown = known.HIDDEN if known.names_secret(assignment) else assignment
            raise BadInput(
                f"--set {shown}: not of the form SETTING=VALUE; write e.g. "
                "--set execution.mode=dry_run",
                exit_code=ExitCode.USAGE,
            )
        try:
            given[name.strip()] = parse_text(text, tuple(name.strip().split(".")))
        except ValueError as error:
            raise BadInput(f"--set {name}: {error}", exit_code=ExitCode.USAGE) from error
    return given


def folder_of_configuration(given: Path | None) -> Path | None:
    """The folder that was named, else the platform's own if it exists."""
    if given is not None:
        return given
    import platformdirs

    usual = Path(platformdirs.user_config_dir("krakked"))
    return usual if usual.is_dir() else None


NOBODY_ANSWERS: Final = (
    "nobody answers the question here, so nothing was done; start it at a terminal, or say --yes"
)


def confirm_by_word(word: str, warning: str, is_given: bool) -> None:
    """Ask a person to type ``word``, unless they said yes on the command line.

    Raises:
        BadInput: another word was typed.
    """
    if is_given:
        return
    click.echo(warning, err=True)
    if click.prompt(f"Type {word} to go on", err=True) != word:
        raise BadInput(f"{word} was not typed; nothing was done", exit_code=ExitCode.REFUSED)
