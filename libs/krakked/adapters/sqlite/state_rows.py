"""The engine's own state as rows: kill switch, halt, day, snapshots, drift, commands, outbox."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from krakked.adapters.sqlite.book_rows import is_empty, net_flows, positions, totals
from krakked.adapters.sqlite.cells import Row, cells, from_json, insert, record, replacing, to_json
from krakked.adapters.sqlite.connections import Execute
from krakked.adapters.sqlite.decision_rows import newest_runs, sleeves
from krakked.adapters.sqlite.order_rows import last_plan, not_ended
from krakked.domain.commands import Command, Reply
from krakked.domain.events import Event
from krakked.domain.ids import Asset
from krakked.domain.kill_switch import KillSwitch
from krakked.domain.portfolio import Day, Difference, Drift, Snapshot
from krakked.domain.shutdown import ShutDown
from krakked.ports.ledger import Books

_KILL_SWITCH: Final = KillSwitch.__struct_fields__
_SHUT_DOWN: Final = ShutDown.__struct_fields__
_DAY: Final = Day.__struct_fields__
_AMOUNTS: Final = tuple(
    name for name in Snapshot.__struct_fields__ if name not in ("unvalued", "values")
)
_SNAPSHOT: Final = (*_AMOUNTS, "unvalued", "values")
_DRIFT: Final = ("position", *Difference.__struct_fields__, "kind", "since_ns")

_INSERT_KILL_SWITCH: Final = insert("kill_switch", _KILL_SWITCH)
_INSERT_SHUTDOWN: Final = insert("shutdowns", _SHUT_DOWN)
_SAVE_DAY: Final = insert("days", _DAY, replacing(("day",), _DAY))
_SAVE_SNAPSHOT: Final = insert("snapshots", _SNAPSHOT, replacing(("at_ns",), _SNAPSHOT))
_INSERT_DRIFT: Final = insert("drifts", _DRIFT)
_INSERT_COMMAND: Final = insert("commands", ("command_id", "command", "reply", "at_ns"))
_INSERT_EVENT: Final = insert("outbox", ("name", "at_ns", "fields"))
_RAISE_NONCE_FLOOR: Final = (
    "INSERT INTO nonce_floors (key, tick) VALUES (?, ?)"
    " ON CONFLICT (key) DO UPDATE SET tick = max(tick, excluded.tick)"
)
_SAVE_CURSOR: Final = insert("cursors", ("name", "value"), replacing(("name",), ("name", "value")))


def books(execute: Execute) -> Books:
    """Everything an engine needs to go on; call it inside a transaction."""
    return Books(
        positions=positions(execute),
        totals=totals(execute),
        live_orders=not_ended(execute),
        sleeves=sleeves(execute),
        runs=newest_runs(execute),
        kill_switch=kill_switch(execute),
        halted=_is_halted(execute),
        shut_down=_shut_down(execute),
        last_plan=last_plan(execute),
        day=_day(execute),
        cursors={row["name"]: row["value"] for row in execute("SELECT * FROM cursors")},
        drifts=drifts(execute),
        net_flows=net_flows(execute),
        is_empty=is_empty(execute),
    )


def set_cursor(execute: Execute, name: str, value: str) -> None:
    """Keep how far something was read."""
    execute(_SAVE_CURSOR, (name, value))


def nonce_floors(execute: Execute) -> dict[str, int]:
    """How far the nonces of each key may have come, by its fingerprint."""
    return {row["key"]: row["tick"] for row in execute("SELECT * FROM nonce_floors ORDER BY key")}


def raise_nonce_floor(execute: Execute, key: str, tick: int) -> None:
    """Keep it, unless the floor is higher already."""
    execute(_RAISE_NONCE_FLOOR, (key, tick))


def save_kill_switch(execute: Execute, state: KillSwitch) -> None:
    """Append its new state."""
    execute(_INSERT_KILL_SWITCH, cells(state, _KILL_SWITCH))


def kill_switch(execute: Execute) -> KillSwitch:
    """Its newest state."""
    row = execute("SELECT * FROM kill_switch ORDER BY sequence DESC LIMIT 1").fetchone()
    return record(row, KillSwitch, active=bool(row["active"])) if row else KillSwitch()


def save_halted(execute: Execute, halted: bool) -> None:
    """Whether no plans may start."""
    execute("UPDATE engine_state SET halted = ?", (int(halted),))


def save_shutdown(execute: Execute, shut_down: ShutDown) -> None:
    """It stands until it is ended."""
    execute(_INSERT_SHUTDOWN, cells(shut_down, _SHUT_DOWN))


def end_shutdown(execute: Execute, *, principal: str, at_ns: int) -> None:
    """None stands any more."""
    execute(
        "UPDATE shutdowns SET ended_at_ns = ?, ended_by = ? WHERE ended_at_ns IS NULL",
        (at_ns, principal),
    )


def save_day(execute: Execute, day: Day) -> None:
    """Keep or replace the record of that day."""
    execute(_SAVE_DAY, cells(day, _DAY))


def insert_snapshot(execute: Execute, snapshot: Snapshot) -> None:
    """Keep it; a second one of the same instant replaces the first."""
    shaped = [to_json(snapshot.unvalued), to_json(snapshot.values)]
    execute(_SAVE_SNAPSHOT, [*cells(snapshot, _AMOUNTS), *shaped])


def snapshot_from(row: Row) -> Snapshot:
    """The snapshot of a row."""
    return record(
        row,
        Snapshot,
        unvalued=from_json(row["unvalued"], tuple[Asset, ...]),
        values=from_json(row["values"], dict[str, Decimal]),
    )


def save_drifts(execute: Execute, found: Sequence[Drift]) -> None:
    """Replace the differences that stand, in the order given."""
    execute("DELETE FROM drifts")
    for position, drift in enumerate(found):
        difference = cells(drift.difference, Difference.__struct_fields__)
        execute(_INSERT_DRIFT, [position, *difference, *cells(drift, ("kind", "since_ns"))])


def drifts(execute: Execute) -> list[Drift]:
    """The differences that stand."""
    rows = execute("SELECT * FROM drifts ORDER BY position")
    return [record(row, Drift, difference=record(row, Difference)) for row in rows]


def record_command(execute: Execute, command: Command, reply: Reply, at_ns: int) -> None:
    """Keep it with its answer."""
    values = (command.command_id, to_json(command), to_json(reply), at_ns)
    execute(_INSERT_COMMAND, values)


def reply_to(execute: Execute, command_id: str) -> Reply | None:
    """The answer that was given."""
    row = execute("SELECT reply FROM commands WHERE command_id = ?", (command_id,)).fetchone()
    return reply_from(row) if row else None


def reply_from(row: Row) -> Reply:
    """The answer of a row."""
    return from_json(row["reply"], Reply)


def add_event(execute: Execute, event: Event) -> int:
    """Put it into the outbox; its sequence."""
    values = (event.name.value, event.at_ns, to_json(event.fields))
    sequence = execute(_INSERT_EVENT, values).lastrowid
    assert sequence is not None
    return sequence


def event_from(row: Row) -> Event:
    """The event of a row; the values of its fields are as JSON keeps them."""
    return record(row, Event, fields=from_json(row["fields"], dict[str, object]))


def _is_halted(execute: Execute) -> bool:
    return bool(execute("SELECT halted FROM engine_state").fetchone()[0])


def _shut_down(execute: Execute) -> ShutDown | None:
    row = execute(
        "SELECT * FROM shutdowns WHERE ended_at_ns IS NULL ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    return record(row, ShutDown) if row else None


def _day(execute: Execute) -> Day | None:
    row = execute("SELECT * FROM days ORDER BY day DESC LIMIT 1").fetchone()
    return record(row, Day) if row else None
