"""The command line in a folder of its own, a filled ledger, and an engine that answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner, Result

from krakked.adapters.sqlite.ledger import open_ledger
from krakked.cli.__main__ import root
from krakked.domain.commands import Command, Reply
from krakked.domain.kill_switch import KillSwitch, KillSwitchCause
from krakked.domain.orders import Journal, VenueStatus
from krakked.domain.portfolio import Snapshot
from krakked.ports.ledger import Transaction
from krakked.runtime.control_socket import serve, socket_path

Krakked = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, without a configuration or variables of ours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / ".config"))
    for name in ("KRAKKED_ENV", "KRAKKED_CONFIG_DIR", "KRAKKED_DB_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def krakked(folder: Path) -> Krakked:
    """Run a verb as the shell would; however it ends, its help must say so."""

    def run(*arguments: str, **more: Any) -> Result:
        result = CliRunner().invoke(root, list(arguments), prog_name="krakked", **more)
        listed = codes_in_help(arguments)
        is_told = listed is None or result.exit_code in listed
        is_bug = result.exception is not None and not isinstance(result.exception, SystemExit)
        assert is_told or is_bug, f"{arguments} ended with {result.exit_code}, help has {listed}"
        return result

    return run


def codes_in_help(arguments: tuple[str, ...]) -> list[int] | None:
    """The exit codes that the help of the verb lists; None where there is no verb, or a group."""
    command: click.Command = root
    for argument in arguments:
        if isinstance(command, click.Group):
            found = command.get_command(click.Context(command), argument)
            command = command if found is None else found
    _, is_there, codes = (command.epilog or "").partition("Exit codes:")
    table = codes.strip("\n").partition("\n\n")[
        0
    ]  # what follows in a paragraph of its own is no code
    return [int(line.split()[0]) for line in table.split("\n")] if is_there else None


@pytest.fixture
def ledger(folder: Path, records: Any) -> Path:
    """A database in which a little has happened: two orders, two fills, decisions, a plan."""
    path = folder / "portfolio.db"
    opened = open_ledger(path, records.IDENTITY, clock=records.FixedClock(), threaded=False)
    opened.run(lambda transaction: fill(transaction, records))
    asyncio.run(opened.close())
    return path


def fill(transaction: Transaction, records: Any) -> None:
    booker = records.Booker()
    transaction.insert_cash_flow(records.flow())
    transaction.insert_plan(records.plan())
    done = {
        "journal": Journal.DONE,
        "venue_order_id": "O00001",
        "venue_status": VenueStatus.CLOSED,
        "filled_base": Decimal("0.01"),
        "cost_quote": Decimal("370.001"),
    }
    transaction.insert_order(records.order(1, **done))
    transaction.insert_order(records.order(2, journal=Journal.ACKED, venue_status=VenueStatus.OPEN))
    booker.book(transaction, records.trade(1))
    booker.book(transaction, records.trade(2))
    transaction.save_decision(records.decision(0, last=4))
    transaction.save_decision(records.refusal(5))
    transaction.insert_snapshot(
        Snapshot(
            at_ns=records.NOON_NS,
            equity=Decimal("10012.3456"),
            cash=Decimal(9000),
            realized=Decimal(0),
            unrealized=Decimal("12.3456"),
            fees=Decimal("1.5"),
            net_flows=Decimal(10_000),
        )
    )


@pytest.fixture
def tripped(ledger: Path, records: Any) -> Path:
    """The same, with the kill switch on."""
    opened = open_ledger(ledger, records.IDENTITY, clock=records.FixedClock(), threaded=False)
    state = KillSwitch(
        active=True,
        cause=KillSwitchCause.DAILY_DRAWDOWN,
        reason="10.2 % since midnight",
        principal="engine",
        changed_at_ns=records.NOON_NS,
    )
    opened.run(lambda transaction: transaction.save_kill_switch(state))
    asyncio.run(opened.close())
    return ledger


class Engine:
    """Stands in for a running engine on the control socket."""

    def __init__(self) -> None:
        self.heard: list[Command] = []
        self.reply = Reply(command_id="", ok=True, message="done")

    async def handle(self, command: Command) -> Reply:
        self.heard.append(command)
        return msgspec.structs.replace(self.reply, command_id=command.command_id)

    @property
    def only(self) -> Command:
        (command,) = self.heard
        return command


@pytest.fixture
def engine(folder: Path) -> Iterator[Engine]:
    """An engine that answers beside ``portfolio.db``."""
    standing = Engine()
    loop = asyncio.new_event_loop()
    is_up, over = threading.Event(), asyncio.Event()

    async def serving() -> None:
        async with serve(socket_path(folder / "portfolio.db"), standing.handle):
            is_up.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serving(),))
    thread.start()
    assert is_up.wait(5)
    yield standing
    loop.call_soon_threadsafe(over.set)
    thread.join(5)
    loop.close()
