"""Stopping an engine that does not run: the wish is recorded, and the next start is stopped by it.

Only what stops can be said this way: nobody is there to look before something is allowed again.
The ledger's lock proves that no engine runs, and none can start before the record is durable.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from krakked.cli import doors
from krakked.domain.commands import Halt, Reply, SetKillSwitch
from krakked.domain.events import Event, EventName
from krakked.domain.kill_switch import KillSwitch, KillSwitchCause

if TYPE_CHECKING:
    from krakked.ports.ledger import Transaction

Stop: TypeAlias = Halt | SetKillSwitch
"""``SetKillSwitch`` to turn it on; off is the engine's to do."""

RESTING: Final = (
    "orders that rest at the venue stay there until their own time or the dead-man switch ends them"
)


def record(db_path: Path, command: Stop) -> Reply:
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


def _record(transaction: Transaction, command: Stop, at_ns: int) -> Reply:
    if isinstance(command, Halt):
        transaction.save_halted(True)
        name, what = EventName.HALTED, "halted"
    else:
        transaction.save_kill_switch(_switched_on(command, at_ns))
        name, what = EventName.KILL_SWITCH_ACTIVATED, "kill switch on"
    said = {"reason": command.reason, "principal": command.principal}
    cause = {} if isinstance(command, Halt) else {"cause": KillSwitchCause.MANUAL.value}
    transaction.add_event(Event(name=name, at_ns=at_ns, fields={**said, **cause}))
    reply = Reply(
        command_id=command.command_id,
        ok=True,
        message=f"{what}: no engine runs, so it is recorded, and the next start begins with it; "
        f"{RESTING}",
        data={"running": False},
    )
    transaction.record_command(command, reply, at_ns=at_ns)
    return reply


def _switched_on(command: SetKillSwitch, at_ns: int) -> KillSwitch:
    return KillSwitch(
        active=True,
        cause=KillSwitchCause.MANUAL,
        reason=command.reason,
        principal=command.principal,
        changed_at_ns=at_ns,
    )
