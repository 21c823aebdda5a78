"""Commands where no engine runs: what stops is put on record, what acts is done from here.

A halt, the kill switch and the end of either are recorded first, so that the next start begins
with them whatever becomes of the rest. What must reach the venue is then done by a run of the
engine's own that takes the account for it (``engine/by_hand.py``): the ledger's lock, the lease,
the next epoch. The lock proves that no engine runs, and none can start before it is over.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import click

from krakked.cli import doors
from krakked.domain.commands import (
    CancelAll,
    Flatten,
    Halt,
    Panic,
    Reply,
    Resume,
    SetKillSwitch,
)
from krakked.domain.errors import KrakkedError
from krakked.domain.events import Event, EventName
from krakked.domain.kill_switch import STAYS_ON, KillSwitch, KillSwitchCause

if TYPE_CHECKING:
    from krakked.engine.by_hand import Deed
    from krakked.ports.ledger import Books, Transaction

    GoesOn: TypeAlias = Resume | SetKillSwitch
    """What only has to be on record: the next start reads it."""
    _Told: TypeAlias = tuple[EventName, dict[str, object]]

RESTING: Final = "nothing of ours rests at the venue, as far as the database knows"


def give(db_path: Path, command: Deed, flags: Mapping[str, object], *, otherwise: str) -> int:
    """Tell the engine; where none runs, do it from here. Print the answer; the exit code.

    Args:
        db_path: names the engine.
        command: to be done once.
        flags: those of :func:`options.without_engine`, and ``as_json``.
        otherwise: what a person can do where there is no database either.

    Raises:
        NothingAnswers: an engine runs and does not answer, or there is no database.
        KrakkedError: it could not be done from here.
    """
    return _give(
        db_path,
        command,
        lambda: _without_engine(db_path, command, flags),
        otherwise=otherwise,
        as_json=bool(flags["as_json"]),
    )


def go_on(db_path: Path, command: GoesOn, *, otherwise: str, as_json: bool) -> int:
    """Tell the engine; where none runs, put it on record. Print the answer; the exit code.

    Raises:
        NothingAnswers: an engine runs and does not answer, or there is no database.
        LedgerFailed, BadInput: it could not be put on record.
    """
    from_here = functools.partial(record, db_path, command)
    return _give(db_path, command, from_here, otherwise=otherwise, as_json=as_json)


def _give(
    db_path: Path,
    command: Deed | GoesOn,
    from_here: Callable[[], Reply],
    *,
    otherwise: str,
    as_json: bool,
) -> int:
    try:
        return doors.order(db_path, command, otherwise=otherwise, as_json=as_json)
    except doors.NothingAnswers as error:
        if error.is_running or not db_path.exists():
            raise
    return doors.tell(from_here(), as_json=as_json)


def _without_engine(db_path: Path, command: Deed, flags: Mapping[str, object]) -> Reply:
    stop = _stop_in(command)
    recorded = None if stop is None else record(db_path, stop)
    if recorded is not None and not _must_act(db_path, command):
        return recorded
    click.echo(
        f"krakked: no engine runs on {db_path}: taking its lock, its lease and the next epoch",
        err=True,
    )
    try:
        return _act(db_path, command, flags)
    except KrakkedError:
        if recorded is not None:
            click.echo(f"krakked: {recorded.message.partition(';')[0]}, but:", err=True)
        raise


def _stop_in(command: Deed) -> Halt | SetKillSwitch | None:
    """What of it the next start must know even if nothing else can be done."""
    who, why, anew = command.principal, command.why, doors.new_command_id()
    match command:
        case Halt() | SetKillSwitch():
            return command
        case Flatten(halt=True):
            return Halt(command_id=anew, principal=who, reason=why)
        case Panic():
            return SetKillSwitch(command_id=anew, principal=who, reason=why, active=True)
        case CancelAll() | Flatten():
            return None


def _must_act(db_path: Path, command: Deed) -> bool:
    """Whether a record is not all there is to do."""
    if isinstance(command, Halt):
        return command.cancel
    if isinstance(command, SetKillSwitch):
        with doors.reading(db_path) as queries:
            return bool(queries.books().live_orders)
    return True


def _act(db_path: Path, command: Deed, flags: Mapping[str, object]) -> Reply:
    import msgspec

    from krakked.cli.run import run_options
    from krakked.engine import __main__ as engine

    with doors.reading(db_path) as queries:
        identity = queries.identity()
    assert identity is not None, "a ledger of the newest schema belongs to somebody"
    given = {**flags, "env": identity.environment, "db_path": db_path, "as_json": True}
    options = msgspec.structs.replace(run_options(given, once=False), is_by_hand=True)
    # A halt or a switch is on record under its id already; this is the rest of the same wish.
    anew = msgspec.structs.replace(command, command_id=doors.new_command_id())
    reply = engine.carry_out(options, anew)
    return msgspec.structs.replace(reply, command_id=command.command_id)


def record(db_path: Path, command: Halt | Resume | SetKillSwitch) -> Reply:
    """Put it on record, for the next engine of that database.

    Raises:
        LedgerFailed: a process has the ledger, or it cannot be written; nothing is recorded.
        BadInput: the file is no ledger of this krakked's.
    """
    from krakked.adapters.sqlite.ledger import open_ledger
    from krakked.adapters.system.clock import SystemClock

    with doors.reading(db_path) as queries:
        identity = queries.identity()
    assert identity is not None, "a ledger of the newest schema belongs to somebody"
    clock = SystemClock()
    ledger = open_ledger(db_path, identity, clock=clock, threaded=False)
    try:
        return ledger.run(lambda transaction: _record(transaction, command, clock.now_ns()))
    finally:
        asyncio.run(ledger.close())


def _record(transaction: Transaction, command: Halt | Resume | SetKillSwitch, at_ns: int) -> Reply:
    books = transaction.books()
    said: dict[str, object] = {"reason": command.reason, "principal": command.principal}
    if isinstance(command, Resume):
        events, message = _record_resume(transaction, said, books, at_ns)
    elif isinstance(command, SetKillSwitch) and not command.active:
        events, message = _record_switched_off(transaction, command, said, at_ns)
    else:
        events, message = _record_stop(transaction, command, said, at_ns)
        message = f"{message}; {_left(len(books.live_orders))}"
    for name, fields in events:
        transaction.add_event(Event(name=name, at_ns=at_ns, fields=fields))
    reply = Reply(command_id=command.command_id, ok=True, message=message, data={"running": False})
    transaction.record_command(command, reply, at_ns=at_ns)
    return reply


def _record_stop(
    transaction: Transaction,
    command: Halt | SetKillSwitch,
    said: dict[str, object],
    at_ns: int,
) -> tuple[list[_Told], str]:
    ending = "no engine runs, so it is recorded, and the next start begins with it"
    if isinstance(command, Halt):
        transaction.save_halted(True)
        return [(EventName.HALTED, said)], f"halted: {ending}"
    transaction.save_kill_switch(_switched(command, at_ns))
    fields = {**said, "cause": KillSwitchCause.MANUAL.value}
    return [(EventName.KILL_SWITCH_ACTIVATED, fields)], f"kill switch on: {ending}"


def _record_resume(
    transaction: Transaction, said: dict[str, object], books: Books, at_ns: int
) -> tuple[list[_Told], str]:
    """The kill switch is not a halt, and stays as it is."""
    still_on = f"; {STAYS_ON}" if books.kill_switch.active else ""
    if not books.halted and books.shut_down is None:
        return [], f"nothing is halted: the next start makes plans{still_on}"
    transaction.save_halted(False)
    transaction.end_shutdown(principal=str(said["principal"]), at_ns=at_ns)
    message = "resumed: no engine runs, so it is recorded, and the next start makes plans again"
    return [(EventName.RESUMED, said)], message + still_on


def _record_switched_off(
    transaction: Transaction, command: SetKillSwitch, said: dict[str, object], at_ns: int
) -> tuple[list[_Told], str]:
    """A halt is not the kill switch, and stays as it is."""
    books = transaction.books()
    halted = "; it stays halted until `krakked resume`" if books.halted else ""
    if not books.kill_switch.active:
        return [], f"the kill switch was off already{halted}"
    transaction.save_kill_switch(_switched(command, at_ns))
    fields = {**said, "cause": KillSwitchCause.MANUAL.value}
    message = "kill switch off: no engine runs, so it is recorded, and the next start may add risk"
    return [(EventName.KILL_SWITCH_CLEARED, fields)], message + halted


def _left(resting: int) -> str:
    if not resting:
        return RESTING
    noun = "order rests" if resting == 1 else "orders rest"
    return (
        f"{resting} {noun} at the venue until its own time or the dead-man switch ends it "
        "(`krakked orders cancel-all` ends it now)"
    )


def _switched(command: SetKillSwitch, at_ns: int) -> KillSwitch:
    return KillSwitch(
        active=command.active,
        cause=KillSwitchCause.MANUAL if command.active else None,
        reason=command.reason,
        principal=command.principal,
        changed_at_ns=at_ns,
    )
