"""``krakked run`` and ``krakked run-once``: from flags to :class:`RunOptions`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from krakked.cli import faults as fault_flags
from krakked.cli import options
from krakked.domain.errors import BadInput
from krakked.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from krakked.runtime.run_options import RunOptions

_as_json = click.option(
    "--json", "as_json", is_flag=True, help="Report in JSON; the log goes to standard error."
)
DURATION_MAX_S: Final = 10**9
"""Thirty years; no timer takes much more."""
_RUN_CODES: Final = (
    ExitCode.FINDINGS,
    ExitCode.BOOKS_DIFFER,
    ExitCode.REFUSED,
    ExitCode.VENUE_UNREACHABLE,
    ExitCode.PREEMPTED,
    ExitCode.CRASHED,
    ExitCode.WATCHDOG,
    ExitCode.DATABASE,
    ExitCode.OCCUPIED,
    ExitCode.TIMED_OUT,
    ExitCode.CLOCK,
    ExitCode.KEYS,
    ExitCode.CONFIGURATION,
    ExitCode.INTERRUPTED,
)


@click.command(
    epilog=options.ending(
        *_RUN_CODES,
        example=(
            "krakked run --env dev\n"
            "krakked run --env paper --venue http://127.0.0.1:8700\n"
            "krakked run --env dev --candles candles --from 2019-01-01 --to 2021-12-31 --speed max"
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
    "--candles",
    type=click.Path(path_type=Path),
    help="Replay the candle files <PAIR>_<minutes>.csv[.gz] of this folder.",
)
@click.option("--from", "start", metavar="DATE", help="First day of the replay, UTC.")
@click.option("--to", "end", metavar="DATE", help="Last day of the replay, UTC, inclusive.")
@click.option("--speed", metavar="N|max", help="Simulated seconds in a real one, or max.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the synthetic market.")
@click.option(
    "--duration",
    type=click.FloatRange(min=0, min_open=True, max=DURATION_MAX_S),
    metavar="SECONDS",
    help="Stop by itself after so many seconds of real time.",
)
@fault_flags.by_chance
@fault_flags.by_file
@click.option(
    "--acknowledge-foreign-orders",
    "acknowledges_foreign_orders",
    is_flag=True,
    help="Start live beside open orders of others: an outage of krakked cancels those too.",
)
@_as_json
@click.option(
    "--strict", is_flag=True, help="End at what is otherwise survived and reported (tests)."
)
def run(**flags: object) -> int:
    """Trade: start the engine in environment dev, paper or live.

    In dev a simulator starts in the same process, with a synthetic market. Ctrl-C stops in stages;
    a second one hurries, and loses nothing either. The last line says whether the books agree with
    the venue's.
    """
    return _start(flags, once=False)


@click.command(
    "run-once",
    epilog=options.ending(*_RUN_CODES, example="krakked run-once --env paper"),
)
@click.option(
    "--env",
    type=click.Choice(("dev", "paper")),
    default="dev",
    show_default=True,
    help="Picks the overlay of the configuration.",
)
@options.db_path
@options.config_dir
@options.settings
@options.venue
@options.venue_admin
@_as_json
def run_once(**flags: object) -> int:
    """One cycle over the bars that are closed now, then stop. Never trades live."""
    return _start(flags, once=True)


def _start(flags: Mapping[str, object], *, once: bool) -> int:
    chosen = run_options(flags, once=once)
    from krakked.engine import __main__ as engine

    return int(engine.run(chosen))


def run_options(flags: Mapping[str, object], *, once: bool) -> RunOptions:
    """What the flags ask for.

    Raises:
        BadInput: flags that do not go together, or cannot be read.
    """
    from krakked.runtime.run_options import RunOptions
    from krakked.runtime.settings import Environment

    candles = _path(flags.get("candles"))
    start_s, end_s = _span(_text(flags.get("start")), _text(flags.get("end")))
    if candles is None and (start_s is not None or end_s is not None):
        raise BadInput(
            "--from and --to need --candles: they say which part is replayed",
            exit_code=ExitCode.USAGE,
        )
    db_path = _path(flags.get("db_path"))
    assert db_path is not None
    return RunOptions(
        environment=Environment(flags["env"]),
        db_path=db_path,
        is_db_path_given=is_given("db_path"),
        config_dir=options.folder_of_configuration(_path(flags.get("config_dir"))),
        overrides=_overrides(flags),
        candles=_existing_folder(candles),
        start_s=start_s,
        end_s=end_s,
        duration_s=_duration(flags.get("duration")),
        pace_flags=tuple(f"--{name}" for name in ("speed", "seed") if flags.get(name) is not None),
        faults=_faults(flags.get("faults")),
        faults_file=_faults_file(_path(flags.get("faults_file"))),
        is_strict=bool(flags.get("strict")),
        keeps_stdout_for_answer=bool(flags.get("as_json")),
        as_json=bool(flags.get("as_json")),
        once=once,
        acknowledges_foreign_orders=bool(flags.get("acknowledges_foreign_orders")),
    )


def _overrides(flags: Mapping[str, object]) -> Mapping[str, object]:
    assignments = flags.get("assignments")
    given = dict(_at_venue(flags))
    given |= options.overrides(assignments if isinstance(assignments, tuple) else ())
    if flags.get("speed") is not None:
        given["simulator.speed"] = flags["speed"]
    if flags.get("seed") is not None:
        given["simulator.seed"] = flags["seed"]
    if flags.get("candles") is not None:
        given["simulator.market"] = "replay"
    return given


def _at_venue(flags: Mapping[str, object]) -> Mapping[str, object]:
    """The addresses that ``--venue`` stands for.

    Raises:
        BadInput: it is no address, or does not go with another flag.
    """
    venue, admin = _text(flags.get("venue")), _text(flags.get("venue_admin"))
    if venue is None:
        if admin is not None:
            raise _usage("--venue-admin goes with --venue; give that too")
        return {}
    if flags.get("env") == "live":
        raise _usage("--venue is for dev and paper: live trades at Kraken; leave it out")
    rest_url = _address("--venue", venue)
    ws_url = f"ws{rest_url.removeprefix('http')}/v2"
    given = {"venue.rest_url": rest_url, "venue.ws_url": ws_url, "venue.ws_auth_url": ws_url}
    if admin is not None:
        given["venue.admin_url"] = _address("--venue-admin", admin)
    return given


def _address(flag: str, text: str) -> str:
    """``http://HOST:PORT``, without a slash at its end."""
    if not _is_base(text):
        raise _usage(f"{flag} {text}: write http://HOST:PORT, as in http://127.0.0.1:8700")
    return text.rstrip("/")


def _is_base(text: str) -> bool:
    try:
        url = urlsplit(text)
        is_whole = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False
    return is_whole and url.path in ("", "/") and not (url.query or url.fragment or url.username)


def _usage(text: str) -> BadInput:
    return BadInput(text, exit_code=ExitCode.USAGE)


def _span(start: str | None, end: str | None) -> tuple[int | None, int | None]:
    """First second, and the second after the last; ``--to`` names its whole day."""
    start_day, end_day = parse_day("--from", start), parse_day("--to", end)
    if start_day is not None and end_day is not None and start_day > end_day:
        raise BadInput(
            f"--from {start} is after --to {end}; exchange them", exit_code=ExitCode.USAGE
        )
    return (
        None if start_day is None else start_of(start_day),
        None if end_day is None else start_of(end_day + dt.timedelta(days=1)),
    )


def parse_day(flag: str, text: str | None) -> dt.date | None:
    """The day that a flag names.

    Raises:
        BadInput: it is no date.
    """
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise BadInput(
            f"{flag} {text}: not a date; write it as 2020-03-12", exit_code=ExitCode.USAGE
        ) from error


def start_of(day: dt.date) -> int:
    """Its first second, UTC."""
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp())


def _existing_folder(path: Path | None) -> Path | None:
    if path is not None and not path.is_dir():
        raise BadInput(
            f"--candles {path}: no such folder; it must hold files like XBTUSD_60.csv.gz"
        )
    return path


def _faults(given: object) -> Mapping[str, Decimal]:
    return fault_flags.chances(given if isinstance(given, tuple) else ())


def _faults_file(path: Path | None) -> Path | None:
    """Read once here, so that what is wrong in it is told before anything starts."""
    fault_flags.mixture(path)
    return path


def _duration(seconds: object) -> Decimal | None:
    """Not a number is in no range, and out of none."""
    duration = None if seconds is None else Decimal(str(seconds))
    if duration is not None and duration.is_nan():
        raise BadInput(
            "--duration nan: write a number of seconds above 0", exit_code=ExitCode.USAGE
        )
    return duration


def is_given(name: str) -> bool:
    context = click.get_current_context(silent=True)
    if context is None:
        return False
    return context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


def _path(value: object) -> Path | None:
    return value if isinstance(value, Path) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
