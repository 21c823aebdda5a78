"""``krakked decisions`` and ``krakked why``: what strategies decided, and what it rested on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from krakked.cli import doors, options
from krakked.cli.names import sleeve_on_record
from krakked.cli.output import moment, print_json, print_table
from krakked.cli.words import (
    condition_line,
    exit_words,
    intent_words,
    limit_line,
    outcome_words,
    span_words,
)
from krakked.domain.bars import Timeframe
from krakked.domain.decisions import DecisionRecord, ExitRecord, NotEvaluated
from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName
from krakked.domain.positions import Sleeve
from krakked.domain.times import NS_PER_SECOND, from_rfc3339
from krakked.runtime.bar_folders import BARS_CURSOR, kept_folder
from krakked.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from krakked.adapters.sqlite.queries import SqliteQueries

_HEAD: Final = ("bar closed, or moment (UTC)", "strategy", "pair", "bars", "verdict", "plan")
NO_BAR: Final = ": there is no such bar, for no trade was told then"
_RUNS_BACK_MAX: Final = 100
_TIMEFRAMES: Final = tuple(timeframe.value for timeframe in Timeframe)


@click.command(
    epilog=options.ending(
        ExitCode.FINDINGS, *options.READING, example="krakked decisions --limit 50"
    )
)
@click.option("--strategy", help="Only this strategy, by its id; needs --pair.")
@click.option("--pair", help="Only this pair; needs --strategy.")
@options.limit
@options.db_path
@options.as_json
def decisions(
    strategy: str | None, pair: str | None, limit: int, db_path: Path, as_json: bool
) -> int:
    """What strategies decided and what closed positions, newest first.

    Equal verdicts in a row are one line; stops and flattens stand between those on bars.
    """
    if (strategy is None) != (pair is None):
        raise BadInput(
            "--strategy and --pair name a sleeve together; give both", exit_code=ExitCode.USAGE
        )
    with doors.reading(db_path) as queries:
        sleeve = None
        if strategy is not None and pair is not None:
            sleeve = sleeve_on_record(queries, strategy, pair)
        found: list[DecisionRecord | ExitRecord] = [
            *queries.decisions(sleeve=sleeve, limit=limit),
            *queries.exits(sleeve=sleeve, limit=limit),
        ]
    newest = sorted(found, key=lambda record: record.decided_at_ns, reverse=True)[:limit]
    if as_json:
        print_json(newest)
    else:
        print_table(_HEAD, [_row(record) for record in newest], nothing="no decisions")
    return ExitCode.DONE


def _row(record: DecisionRecord | ExitRecord) -> tuple[str, ...]:
    if isinstance(record, ExitRecord):
        return (
            moment(record.last_decided_at_ns),
            record.sleeve.strategy_id,
            record.sleeve.pair,
            "-",
            exit_words(record),
            record.plan_id or "-",
        )
    closed_ns = (record.last_bar_start_s + record.bar.timeframe.seconds) * NS_PER_SECOND
    return (
        moment(closed_ns),
        record.sleeve.strategy_id,
        record.sleeve.pair,
        f"{record.count} x {record.bar.timeframe.value}",
        outcome_words(record),
        record.plan_id or "-",
    )


@click.command(
    epilog=options.ending(
        ExitCode.FINDINGS,
        *options.READING,
        example="krakked why trend XBTUSD --at 2020-03-12T10:00Z",
    )
)
@click.argument("strategy")
@click.argument("pair")
@click.option(
    "--at",
    metavar="TIME",
    help="The bar that covers this time, or closed at it (default: the newest).",
)
@click.option(
    "--timeframe",
    type=click.Choice(_TIMEFRAMES),
    help="Where a strategy decides on several (default: the one that was decided last).",
)
@options.db_path
@options.as_json
def why(strategy: str, pair: str, at: str | None, timeframe: str | None, **common: object) -> int:
    """Why a strategy did, or did not, act on a bar.

    Prints the verdict, the conditions it rested on with their values, what each limit had left,
    and what or who closed the position around that bar.
    """
    db_path = common["db_path"]
    assert isinstance(db_path, Path)
    at_s = None if at is None else _seconds(at)
    with doors.reading(db_path) as queries:
        sleeve = sleeve_on_record(queries, strategy, pair)
        holes = _Holes(kept_folder(queries.cursor(BARS_CURSOR), db_path))
        record, start_s = _find(queries, sleeve, at_s, timeframe, holes)
        asked = _last_asked(queries, record)
        exits = _exits_around(queries, record, start_s)
    if common["as_json"]:
        print_json({**msgspec.structs.asdict(record), "last_asked": asked, "exits": exits})
    else:
        for line in (*why_lines(record), *_asked_lines(asked), *_exit_lines(exits)):
            click.echo(line)
    return ExitCode.DONE


def _last_asked(queries: SqliteQueries, record: DecisionRecord) -> DecisionRecord | None:
    """Of a bar that did not wake the strategy: the verdict before it that rests on conditions."""
    if record.not_evaluated is not NotEvaluated.NOT_WOKEN:
        return None
    timeframe = record.bar.timeframe
    earlier: DecisionRecord | None = record
    for _ in range(_RUNS_BACK_MAX):
        if earlier is None or earlier.conditions or earlier.checks:
            return earlier
        before_s = earlier.bar.start_s - timeframe.seconds
        earlier = queries.decision_at(record.sleeve, timeframe.value, before_s)
    return None


def _asked_lines(asked: DecisionRecord | None) -> Iterator[str]:
    if asked is not None:
        closed_ns = (asked.last_bar_start_s + asked.bar.timeframe.seconds) * NS_PER_SECOND
        yield f"  last asked on the bar that closed {moment(closed_ns)} UTC: {outcome_words(asked)}"
        yield from _grounds(asked)


def _exits_around(
    queries: SqliteQueries, record: DecisionRecord, start_s: int | None
) -> Sequence[ExitRecord]:
    """While the bar ran and until the next one closed; from the newest bar on without a time."""
    step_s = record.bar.timeframe.seconds
    from_s = record.last_bar_start_s if start_s is None else start_s
    until_ns = None if start_s is None else (from_s + 2 * step_s) * NS_PER_SECOND
    return [
        one
        for one in queries.exits(sleeve=record.sleeve, limit=10_000)
        if one.last_decided_at_ns >= from_s * NS_PER_SECOND
        and (until_ns is None or one.decided_at_ns < until_ns)
    ]


def _exit_lines(exits: Sequence[ExitRecord]) -> Iterator[str]:
    for one in reversed(exits):
        plan = f", plan {one.plan_id}" if one.plan_id else ""
        yield f"  {moment(one.decided_at_ns)} UTC  {exit_words(one)}{plan}"


def _seconds(text: str) -> int:
    spelled = text.strip().replace(" ", "T")
    if spelled.count("T") == 0:
        spelled += "T00:00"
    try:
        return from_rfc3339(spelled if spelled.endswith("Z") else spelled + "Z") // NS_PER_SECOND
    except ValueError as error:
        raise BadInput(
            f"--at {text}: not a time; write it in UTC as 2020-03-12T10:00Z",
            exit_code=ExitCode.USAGE,
        ) from error


class _Holes:
    """Intervals without a bar, as far as the bars of these books tell."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def has(self, pair: PairName, timeframe: Timeframe, start_s: int) -> bool:
        """Whether bars before and after it are kept, and none that opened then."""
        if not (self._root / pair).is_dir():
            return False
        from krakked.adapters.parquet.bar_store import ParquetBarStore

        gaps = ParquetBarStore(self._root).gaps(pair, timeframe)
        return any(gap.start_s <= start_s < gap.end_s for gap in gaps)


def _find(
    queries: SqliteQueries,
    sleeve: Sleeve,
    at_s: int | None,
    timeframe: str | None,
    holes: _Holes,
) -> tuple[DecisionRecord, int | None]:
    """The run, and the start of the bar in it that was asked for.

    A run goes on over an interval without a bar, so that one is looked for apart.
    """
    recent = queries.decisions(sleeve=sleeve, limit=10_000)
    if timeframe is not None:
        recent = [one for one in recent if one.bar.timeframe.value == timeframe]
    if not recent:
        raise BadInput(
            f"{sleeve}: no decision is recorded; `krakked decisions` lists all that are",
            exit_code=ExitCode.FINDINGS,
        )
    if at_s is None:
        return recent[0], None
    chosen = recent[0].bar.timeframe
    start_s = at_s - at_s % chosen.seconds
    # A time between two bars ends one and begins the other: krakked itself prints the end.
    starts_s = (start_s,) if at_s > start_s else (start_s, start_s - chosen.seconds)
    for each_s in starts_s:
        record = queries.decision_at(sleeve, chosen.value, each_s)
        if record is not None and not holes.has(sleeve.pair, chosen, each_s):
            return record, each_s
    nearest = _nearest_start_s([one for one in recent if one.bar.timeframe is chosen], start_s)
    is_hole = holes.has(sleeve.pair, chosen, start_s)
    raise BadInput(
        f"{sleeve}: no verdict on the {chosen.value} bar that opened "
        f"{moment(start_s * NS_PER_SECOND)} UTC{NO_BAR if is_hole else ''}; "
        "the nearest is on the bar that opened "
        f"{moment(nearest * NS_PER_SECOND)} and closed "
        f"{moment((nearest + chosen.seconds) * NS_PER_SECOND)} UTC",
        exit_code=ExitCode.FINDINGS,
    )


def _nearest_start_s(runs: Sequence[DecisionRecord], start_s: int) -> int:
    """The start of the judged bar that is nearest; of two, the earlier."""
    ends = [end_s for run in runs for end_s in (run.bar.start_s, run.last_bar_start_s)]
    return min(ends, key=lambda end_s: (abs(end_s - start_s), end_s))


def why_lines(record: DecisionRecord) -> Iterator[str]:
    """The answer as it is printed."""
    yield f"{record.sleeve}: {outcome_words(record)}"
    yield f"  on {span_words(record)}, woken by {record.woken_by}"
    if record.intent is not None:
        yield f"  wanted {intent_words(record.intent)}"
    yield from _grounds(record)
    if record.plan_id is not None:
        yield f"  plan {record.plan_id} (`krakked plans show {record.plan_id}`)"


def _grounds(record: DecisionRecord) -> Iterator[str]:
    if record.conditions:
        yield "  conditions:"
        yield from (f"    {condition_line(condition)}" for condition in record.conditions)
    if record.checks:
        yield "  limits:"
        yield from (f"    {limit_line(check)}" for check in record.checks)
