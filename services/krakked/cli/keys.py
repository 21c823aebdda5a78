"""``krakked secrets``: the venue's API keys in a file that only a master password opens."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from krakked.cli import options
from krakked.cli.output import print_json
from krakked.domain.errors import BadInput
from krakked.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from krakked.runtime.credentials import ApiKey

PASSWORD_MIN: Final = 12
_TRADE: Final = ("Trade key", "Trade key's secret")
_QUERY: Final = ("Query key (empty: the trade key serves for both)", "Query key's secret")


@click.group(epilog=options.shown("krakked secrets set"))
def secrets() -> None:
    """API keys, sealed with a master password."""


@secrets.command(
    "set", epilog=options.ending(ExitCode.KEYS, ExitCode.REFUSED, example="krakked secrets set")
)
@options.config_dir
@click.option("--yes", is_flag=True, help="Replace a file that is there without asking.")
@options.as_json
def set_(config_dir: Path | None, yes: bool, as_json: bool) -> int:
    """Write secrets.enc into the configuration folder.

    Keys are taken from KRAKEN_API_KEY, KRAKEN_API_SECRET, KRAKEN_QUERY_KEY and KRAKEN_QUERY_SECRET
    where they are set, else asked for; the master password from KRAKKED_MASTER_PASSWORD or the file
    that KRAKKED_MASTER_PASSWORD_FILE names, else asked for twice. Nothing is shown.
    """
    from krakked.runtime import credentials, sealed_secrets

    path = _folder(config_dir) / credentials.SEALED_FILE
    if path.exists():
        options.confirm_by_word("replace", f"{path} is there already.", yes)
    environ = os.environ  # noqa: TID251 - the edge where variables enter
    trade = _pair(environ, credentials.TRADE_VARIABLES, _TRADE)
    if trade is None:
        raise BadInput(
            "no trade key was given; copy it from the venue's page of API keys",
            exit_code=ExitCode.KEYS,
        )
    query = _pair(environ, credentials.QUERY_VARIABLES, _QUERY)
    password = credentials.master_password(environ, _new_password)
    _check_password(password)
    sealed = sealed_secrets.seal(credentials.sealed_content(trade, query), password)
    try:
        sealed_secrets.write_private(path, sealed)
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be written: {error.strerror}; choose another --config-dir",
            exit_code=ExitCode.KEYS,
        ) from error
    if as_json:
        print_json({"path": str(path), "keys": 1 if query is None else 2})
    else:
        click.echo(f"sealed {'one key' if query is None else 'trade and query key'} into {path}")
    return ExitCode.DONE


@secrets.command(
    epilog=options.ending(
        ExitCode.KEYS, ExitCode.CONFIGURATION, example="krakked secrets check --env live"
    )
)
@options.environment
@options.config_dir
@options.as_json
def check(env: str, config_dir: Path | None, as_json: bool) -> int:
    """Say where a run would take its keys from, and open them. The venue is not asked."""
    from krakked.adapters.kraken.nonces import fingerprint
    from krakked.cli.config import load
    from krakked.runtime.credentials import SEALED_FILE, KeySources, load_credentials

    folder = options.folder_of_configuration(config_dir)
    found = load_credentials(
        KeySources(
            environ=os.environ,  # noqa: TID251 - the edge where variables enter
            keys_dir=load(env, config_dir, ()).settings.venue.keys_dir,
            sealed=None if folder is None else folder / SEALED_FILE,
            ask=_asker(),
        )
    )
    if found is None:
        raise BadInput(
            "no API keys: set KRAKEN_API_KEY and KRAKEN_API_SECRET, or venue.keys_dir, or run "
            "`krakked secrets set`",
            exit_code=ExitCode.KEYS,
        )
    if as_json:
        marks = {"trade": fingerprint(found.trade.key), "query": fingerprint(found.query.key)}
        print_json({"source": found.source, "fingerprints": marks})
    else:
        click.echo(found.describe())
    return ExitCode.DONE


def _folder(config_dir: Path | None) -> Path:
    """The one that was named, else the platform's own, which need not be there yet."""
    if config_dir is not None:
        return config_dir
    import platformdirs

    return Path(platformdirs.user_config_dir("krakked"))


def _pair(
    environ: Mapping[str, str], variables: tuple[str, str], questions: tuple[str, str]
) -> ApiKey | None:
    """From the variables if one is set, else asked for; None if the answer is empty."""
    from krakked.runtime.credentials import checked_pair

    given = [environ.get(name, "") for name in variables]
    if any(given):
        return checked_pair(given[0], given[1], variables)
    key = _ask_hidden(questions[0])
    return checked_pair(key, _ask_hidden(questions[1]), questions) if key.strip() else None


def _ask_hidden(question: str) -> str:
    answer: str = click.prompt(question, default="", show_default=False, hide_input=True, err=True)
    return answer


def _new_password() -> str:
    password: str = click.prompt(
        "Master password", hide_input=True, confirmation_prompt=True, err=True
    )
    return password


def _check_password(password: str) -> None:
    if len(password) < PASSWORD_MIN:
        raise BadInput(
            f"the master password has {len(password)} characters; take at least {PASSWORD_MIN}",
            exit_code=ExitCode.KEYS,
        )


def _asker() -> Callable[[], str] | None:
    if not sys.stdin.isatty():
        return None
    return lambda: _ask_hidden("Master password")
