"""Verbs that steer a running engine: status, kill switch, halt, resume, shutdown, panic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from krakked.cli import doors, offline, options
from krakked.cli.output import moment, money, print_json, print_pairs
from krakked.domain.times import to_rfc3339
from krakked.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from krakked.domain.commands import SetKillSwitch
    from krakked.ports.ledger import Books

_CHANGING: Final = (ExitCode.REFUSED, ExitCode.NO_ENGINE)
_ACTING: Final = (*_CHANGING, *options.ACTING)
_NOTHING_RUNS: Final = (
    "nothing is trading here unless an engine runs on another --db-path; orders left at the venue "
    "end by their own time or by the dead-man switch"
)
_NOT_RUNNING: Final = "`krakked halt` keeps the next start from making plans"
_START_FIRST: Final = "start it with `krakked run`, or give its database with --db-path"


@click.command(
    epilog=options.ending(ExitCode.NO_ENGINE, *options.READING, example="krakked status --json")
)
@options.db_path
@options.as_json
def status(db_path: Path, as_json: bool) -> int:
    """How the running engine is; where none runs, what its database says."""
    from krakked.domain.commands import Status

    command = Status(command_id=doors.new_command_id(), principal=doors.principal())
    try:
        reply = doors.send(db_path, command, otherwise=_START_FIRST)
    except doors.NothingAnswers as error:
        if not db_path.exists():
            raise
        return _status_of_ledger(db_path, as_json, error)
    if as_json:
        print_json({"running": True, "answering": True, **reply.data})
    else:
        print_pairs([("engine", "running"), *_flat(reply.data)])
    return ExitCode.DONE


def _status_of_ledger(db_path: Path, as_json: bool, why: doors.NothingAnswers) -> int:
    with doors.reading(db_path) as queries:
        books = queries.books()
        newest = queries.snapshots(limit=1)
    equity, at_ns = (newest[0].equity, newest[0].at_ns) if newest else (None, None)
    at = None if at_ns is None else to_rfc3339(at_ns, decimals=0)
    if as_json:
        state = {"running": why.is_running, "answering": False, "pid": why.process_id}
        print_json({**state, "equity": equity, "equity_at": at, **_ledger_facts(books)})
    else:
        facts = _flat(_ledger_facts(books))
        shown = [("equity", money(equity)), ("equity_at", at or "-")]
        print_pairs([("engine", _state_of(why)), *shown, *facts])
        click.echo(f"krakked: {why}", err=True)
    return ExitCode.NO_ENGINE


def _state_of(why: doors.NothingAnswers) -> str:
    if not why.is_running:
        return "not running"
    named = "" if why.process_id is None else f" (pid {why.process_id})"
    return f"running{named} but not answering"


def _ledger_facts(books: Books) -> dict[str, object]:
    from krakked.domain.portfolio import DriftKind

    differs = (DriftKind.LATE, DriftKind.UNEXPLAINED)
    return {
        "kill_switch": _on_or_off(books.kill_switch.active),
        "halted": _on_or_off(books.halted),
        "shut_down": None if books.shut_down is None else books.shut_down.words,
        "open_orders": len(books.live_orders),
        "positions": sum(not position.is_flat for position in books.positions.values()),
        "drifts": sum(drift.kind in differs for drift in books.drifts),
    }


def _flat(data: dict[str, object]) -> list[tuple[str, str]]:
    """``name  value`` of an answer; lists on one line, mappings as dotted names."""
    rows: list[tuple[str, str]] = []
    for name, value in data.items():
        if isinstance(value, dict):
            rows += [(f"{name}.{inner}", text) for inner, text in _flat(value)]
        elif isinstance(value, list):
            rows.append((name, ", ".join(map(str, value)) or "-"))
        else:
            rows.append((name, "-" if value is None else str(value)))
    return rows


@click.group("kill-switch", epilog=options.shown("krakked kill-switch status"))
def kill_switch() -> None:
    """Stop what adds risk, until a person clears it. Reducing stays possible."""


@kill_switch.command(
    "status",
    epilog=options.ending(
        ExitCode.FINDINGS, *options.READING, example="krakked kill-switch status"
    ),
)
@options.db_path
@options.as_json
def kill_switch_status(db_path: Path, as_json: bool) -> int:
    """Whether it is on, since when and why. Exit code 1 while it is on."""
    with doors.reading(db_path) as queries:
        state = queries.books().kill_switch
    if as_json:
        print_json(state)
    else:
        cause = state.cause.value if state.cause else "-"
        rows = [
            ("kill switch", _on_or_off(state.active)),
            ("cause", cause),
            ("reason", state.reason or "-"),
            ("by", state.principal or "-"),
            ("since", moment(state.changed_at_ns or None)),
        ]
        print_pairs(rows if state.changed_at_ns else rows[:1])
    return ExitCode.FINDINGS if state.active else ExitCode.DONE


@kill_switch.command(
    "on", epilog=options.ending(*_ACTING, example='krakked kill-switch on --reason "news"')
)
@options.reason
@options.without_engine
@options.db_path
@options.as_json
def kill_switch_on(reason: str, db_path: Path, **flags: object) -> int:
    """Turn it on: no new risk; resting orders that would add risk are cancelled.

    Where no engine runs it is recorded for the next start, and what rests is cancelled from here.
    """
    command = _kill_switch_command(reason, active=True)
    return offline.give(db_path, command, flags, otherwise=_NOTHING_RUNS)


@kill_switch.command(
    "off",
    epilog=options.ending(
        *_CHANGING, *options.READING, example='krakked kill-switch off --reason "looked"'
    ),
)
@click.option("--reason", required=True, help="Why; goes on record with who and when.")
@click.confirmation_option("--yes", prompt="Allow new risk again?", help="Do not ask.")
@options.db_path
@options.as_json
def kill_switch_off(reason: str, db_path: Path, as_json: bool) -> int:
    """Turn it off: strategies may add risk again.

    Where no engine runs it is recorded: the next start may add risk. A halt is another thing, and
    stays as it is.
    """
    if not reason.strip():
        raise click.UsageError("--reason is empty: say why new risk is allowed again")
    command = _kill_switch_command(reason, active=False)
    return offline.go_on(db_path, command, otherwise=_START_FIRST, as_json=as_json)


def _kill_switch_command(reason: str, *, active: bool) -> SetKillSwitch:
    from krakked.domain.commands import SetKillSwitch

    return SetKillSwitch(
        command_id=doors.new_command_id(),
        principal=doors.principal(),
        reason=reason,
        active=active,
    )


@click.command(epilog=options.ending(*_ACTING, example="krakked halt --cancel"))
@click.option("--cancel", is_flag=True, help="Cancel what rests, too.")
@options.reason
@options.without_engine
@options.db_path
@options.as_json
def halt(cancel: bool, reason: str, db_path: Path, **flags: object) -> int:
    """Make no new plans. Stops stay watched; a restart stays halted.

    Where no engine runs it is recorded for the next start; with --cancel, what rests is cancelled
    from here.
    """
    from krakked.domain.commands import Halt

    command = Halt(
        command_id=doors.new_command_id(),
        principal=doors.principal(),
        reason=reason,
        cancel=cancel,
    )
    return offline.give(db_path, command, flags, otherwise=_NOTHING_RUNS)


@click.command(epilog=options.ending(*_CHANGING, *options.READING, example="krakked resume"))
@options.reason
@options.db_path
@options.as_json
def resume(reason: str, db_path: Path, as_json: bool) -> int:
    """Undo a halt, or a shutdown that a container outlives.

    Where no engine runs it is recorded: the next start makes plans again. The kill switch is
    another thing, and stays as it is.
    """
    from krakked.domain.commands import Resume

    command = Resume(command_id=doors.new_command_id(), principal=doors.principal(), reason=reason)
    return offline.go_on(db_path, command, otherwise=_START_FIRST, as_json=as_json)


@click.command(epilog=options.ending(*_CHANGING, example='krakked shutdown --reason "new disk"'))
@options.reason
@options.db_path
@options.as_json
def shutdown(reason: str, db_path: Path, as_json: bool) -> int:
    """End the engine: what is under way is ended, books are compared, the lease is released.

    It is on record before it begins. Where the lease is kept in Kubernetes (leader.store), the
    container that is started next owns the account, looks after what rests and watches stops, but
    adds no risk until `krakked resume`. Elsewhere the next `krakked run` simply trades again.
    """
    from krakked.domain.commands import Shutdown

    command = Shutdown(
        command_id=doors.new_command_id(), principal=doors.principal(), reason=reason
    )
    return doors.order(db_path, command, otherwise=_NOT_RUNNING, as_json=as_json)


@click.command(epilog=options.ending(*_ACTING, example='krakked panic --reason "get me out"'))
@options.reason
@click.option("--yes", is_flag=True, help="Do not ask for the word.")
@options.without_engine
@options.db_path
@options.as_json
def panic(reason: str, yes: bool, db_path: Path, **flags: object) -> int:
    """Kill switch on, cancel all orders, sell all positions.

    Where no engine runs, all of it is done from here: with the lock, the lease and the next epoch.
    """
    from krakked.domain.commands import Panic

    options.confirm_by_word("FLATTEN", "This cancels every order and sells every position.", yes)
    command = Panic(command_id=doors.new_command_id(), principal=doors.principal(), reason=reason)
    return offline.give(db_path, command, flags, otherwise=_NOTHING_RUNS)


def _on_or_off(value: bool) -> str:
    return "on" if value else "off"
