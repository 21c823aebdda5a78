"""``krakked config``: what holds and where it was written, what is wrong, what may be written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from krakked.cli import options
from krakked.cli.output import print_json, print_table
from krakked.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from krakked.runtime.settings import Loaded, Settings


@click.group(
    epilog=options.shown("krakked config check --env live\nkrakked config show --env paper")
)
def config() -> None:
    """Show, check and describe the configuration."""


@config.command(
    epilog=options.ending(ExitCode.CONFIGURATION, example="krakked config show --env paper")
)
@options.environment
@options.config_dir
@options.settings
@click.option("--changed", is_flag=True, help="Only what differs from the defaults.")
@options.as_json
def show(
    env: str,
    config_dir: Path | None,
    assignments: tuple[str, ...],
    changed: bool,
    as_json: bool,
) -> int:
    """The merged configuration, secrets left out, and where each value was written."""
    loaded = load(env, config_dir, assignments)
    rows = [row for row in loaded.rows() if not changed or row[2] != "default"]
    if as_json:
        print_json([{"setting": name, "value": value, "source": at} for name, value, at in rows])
    else:
        cells = [(name, _cell(value), source) for name, value, source in rows]
        print_table(("setting", "value", "source"), cells, nothing="all settings are defaults")
    return ExitCode.DONE


@config.command(
    epilog=options.ending(ExitCode.CONFIGURATION, example="krakked config check --env live")
)
@options.environment
@options.config_dir
@options.settings
@options.as_json
def check(env: str, config_dir: Path | None, assignments: tuple[str, ...], as_json: bool) -> int:
    """Say what is wrong: unknown names, wrong types, contradictions. Starts nothing."""
    loaded = load(env, config_dir, assignments)
    files = list(map(str, loaded.files))
    if as_json:
        print_json({"environment": env, "ok": True, "files": files})
    else:
        click.echo(f"configuration of {env}: no problems ({', '.join(files) or 'no files'})")
    if _names_pairs(loaded.settings):
        click.echo("the venue is not asked here: a start looks whether it lists the pairs named")
    return ExitCode.DONE


def _names_pairs(settings: Settings) -> bool:
    universe, strategies = settings.universe, settings.strategies.values()
    chosen = any(strategy.pairs for strategy in strategies)
    named = universe.include_pairs or universe.exclude_pairs or settings.portfolio.valuation_pairs
    return chosen or bool(named)


@config.command(epilog=options.ending(example="krakked config schema > krakked.schema.json"))
@click.option("--markdown", "as_markdown", is_flag=True, help="The page docs/configuration.md.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (it is, without --markdown).")
def schema(as_markdown: bool, as_json: bool) -> int:
    """What may be written: a JSON schema of the files, for editors and checks."""
    if as_markdown and as_json:
        raise click.UsageError("--markdown and --json exclude each other")
    from krakked.runtime.settings import documents

    click.echo(documents.markdown() if as_markdown else documents.json_schema(), nl=not as_markdown)
    return ExitCode.DONE


def load(env: str, config_dir: Path | None, assignments: tuple[str, ...]) -> Loaded:
    """The configuration that a run with these flags would have."""
    from krakked.runtime.settings import Environment, load_settings

    return load_settings(
        Environment(env),
        config_dir=options.folder_of_configuration(config_dir),
        overrides=options.overrides(assignments),
        environ=os.environ,  # noqa: TID251 - the edge where variables enter
    )


def _cell(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
