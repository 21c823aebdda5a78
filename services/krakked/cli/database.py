"""Care of the database, for people and cron jobs: info, check, backup, migration, version."""

from __future__ import annotations

from pathlib import Path

import click

from krakked.cli import options
from krakked.cli.output import print_json, print_pairs
from krakked.runtime.exit_codes import ExitCode


@click.command("db-info", epilog=options.ending(*options.READING, example="krakked db-info"))
@options.db_path
@options.as_json
def db_info(db_path: Path, as_json: bool) -> int:
    """Path, schema version, what it belongs to, and row counts."""
    from krakked.adapters.sqlite import maintenance

    info = maintenance.ledger_info(db_path)
    if as_json:
        print_json(info)
        return ExitCode.DONE
    identity = info.identity
    whose = f"{identity.environment}, {identity.venue}, {identity.account}" if identity else "-"
    version = "unknown" if info.schema_version is None else str(info.schema_version)
    print_pairs(
        [
            ("path", info.path),
            ("krakked's", "yes" if info.is_ledger else "no"),
            ("belongs to", whose),
            ("schema version", f"{version} (this krakked: {info.newest_version})"),
            ("sqlite", info.sqlite_version),
            ("bytes", str(info.size_bytes)),
            *((f"rows in {table}", str(count)) for table, count in info.rows.items()),
        ]
    )
    return ExitCode.DONE


@click.command(
    "db-check",
    epilog=options.ending(ExitCode.FINDINGS, *options.READING, example="krakked db-check"),
)
@options.db_path
@options.as_json
def db_check(db_path: Path, as_json: bool) -> int:
    """PRAGMA integrity_check, references, and whether positions and totals follow from fills."""
    from krakked.adapters.sqlite import maintenance

    faults = maintenance.check_ledger(db_path)
    if as_json:
        print_json({"ok": not faults, "faults": faults})
    else:
        for line in faults or ["ok"]:
            click.echo(line)
    return ExitCode.FINDINGS if faults else ExitCode.DONE


@click.command(
    "db-backup", epilog=options.ending(*options.READING, example="krakked db-backup --keep 7")
)
@click.option("--keep", type=click.IntRange(min=1), help="Delete all but so many newest backups.")
@options.db_path
@options.as_json
def db_backup(keep: int | None, db_path: Path, as_json: bool) -> int:
    """Copy it to <name>.YYYYMMDDHHMM.bak beside it; safe while an engine runs."""
    from krakked.adapters.sqlite import maintenance

    backup = maintenance.back_up_ledger(db_path, now_ns=_now_ns(), keep=keep)
    if as_json:
        print_json({"path": str(backup.path), "pruned": [str(path) for path in backup.pruned]})
    else:
        click.echo(f"copied to {backup.path}")
        for path in backup.pruned:
            click.echo(f"deleted {path}")
    return ExitCode.DONE


@click.command("migrate-db", epilog=options.ending(*options.READING, example="krakked migrate-db"))
@options.db_path
@options.as_json
def migrate_db(db_path: Path, as_json: bool) -> int:
    """Bring it to this version's schema, after a backup. No engine may run on it."""
    from krakked.adapters.sqlite import maintenance

    migrated = maintenance.migrate_ledger(db_path, now_ns=_now_ns())
    backup = None if migrated.backup is None else str(migrated.backup)
    if as_json:
        print_json({"before": migrated.before, "after": migrated.after, "backup": backup})
    elif migrated.before == migrated.after:
        click.echo(f"schema version {migrated.after}: nothing to do")
    else:
        saved = f", backup {backup}" if backup else ""
        click.echo(f"schema version {migrated.before} -> {migrated.after}{saved}")
    return ExitCode.DONE


@click.command(
    "db-schema-version",
    epilog=options.ending(*options.READING, example="krakked db-schema-version"),
)
@options.db_path
@options.as_json
def db_schema_version(db_path: Path, as_json: bool) -> int:
    """The schema version that is stored; ``unknown`` where there is none."""
    from krakked.adapters.sqlite import maintenance

    version = maintenance.schema_version(db_path)
    if as_json:
        print_json({"schema_version": version})
    else:
        click.echo("unknown" if version is None else str(version))
    return ExitCode.DONE


def _now_ns() -> int:
    from krakked.adapters.system.clock import SystemClock

    return SystemClock().now_ns()
