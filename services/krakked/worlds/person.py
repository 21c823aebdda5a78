"""The person of a world: commands, repeats himself, and looks after what only a person may mend."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from random import Random

import msgspec

from krakked.domain.commands import (
    Acknowledge,
    CancelAll,
    Command,
    Flatten,
    Halt,
    Panic,
    Reply,
    Resume,
    SetKillSwitch,
    Unfence,
)
from krakked.domain.ids import PairName
from krakked.ports.lease_store import LeaseMissing
from krakked.worlds.leases import LeaseServer
from krakked.worlds.loop import WorldLoop
from krakked.worlds.machine import Machine
from krakked.worlds.trace import Trace

NAME = "person"
THIEF = "nobody_knows_whom"
Make = Callable[[str], Command]


def _kill_on(command_id: str) -> Command:
    return SetKillSwitch(command_id=command_id, principal=NAME, reason="a try", active=True)


def _kill_off(command_id: str) -> Command:
    return SetKillSwitch(command_id=command_id, principal=NAME, reason="a try", active=False)


COMMANDS: tuple[Make, ...] = (
    _kill_on,
    _kill_off,
    lambda command_id: Halt(command_id=command_id, principal=NAME, reason="a try"),
    lambda command_id: Halt(command_id=command_id, principal=NAME, reason="a try", cancel=True),
    lambda command_id: Resume(command_id=command_id, principal=NAME, reason="a try"),
    lambda command_id: CancelAll(command_id=command_id, principal=NAME),
    lambda command_id: CancelAll(command_id=command_id, principal=NAME, pair=PairName("XBTUSD")),
    lambda command_id: Flatten(command_id=command_id, principal=NAME),
    lambda command_id: Flatten(command_id=command_id, principal=NAME, pair=PairName("ETHUSD")),
    lambda command_id: Panic(command_id=command_id, principal=NAME, reason="a try"),
)


LOOKS_S = (4.0, 40.0)
"""How long it takes until a person who is attentive has looked at what a new owner shows."""
MENDING: tuple[Make, ...] = (
    _kill_off,
    lambda command_id: Resume(command_id=command_id, principal=NAME, reason="it is over"),
    lambda command_id: Acknowledge(command_id=command_id, principal=NAME),
    lambda command_id: Unfence(command_id=command_id, principal=NAME),
)


class Said(msgspec.Struct, kw_only=True):
    """A command that was given to a machine, and what came back."""

    asked_ns: int
    machine: str
    command: Command
    reply: Reply | None = None
    """None: none has come."""
    replied_ns: int = 0


class Person:
    """See the module."""

    def __init__(self, loop: WorldLoop, rng: Random, *, leases: LeaseServer, trace: Trace) -> None:
        self._loop = loop
        self._leases = leases.leases
        self._rng = rng
        self._trace = trace
        self._given = 0
        self._tasks: set[object] = set()
        self.said: list[Said] = []
        """As they were given."""

    def command(self, machine: Machine, number: int) -> bool:
        """Give one of the commands, sometimes again or twice at once; whether anybody is there."""
        make = COMMANDS[number % len(COMMANDS)]
        self._given += 1
        command = make(f"command-{self._given}")
        for delay_s in self._rng.choice(((0.0,), (0.0,), (0.0, 0.0), (0.0, 3.0))):
            self._loop.call_later(delay_s, self._give, machine, command)
        return machine.door is not None and machine.is_up

    def look_after(self, machine: Machine) -> None:
        """A new owner is there, whose ledger may be behind: look at it, and say so."""
        self._given += 1
        command_id = f"command-{self._given}"
        command = Acknowledge(command_id=command_id, principal=NAME)
        self._loop.call_later(self._rng.uniform(*LOOKS_S), self._give, machine, command)

    def _give(self, machine: Machine, command: Command) -> None:
        if machine.door is None or not machine.is_up:
            return
        context = contextvars.Context()
        context.run(machine.enter)
        said = Said(asked_ns=self._loop.now_ns(), machine=machine.name, command=command)
        self.said.append(said)
        task = self._loop.create_task(self._ask(machine, said), context=context)
        self._tasks.add(task)
        task.add_done_callback(lambda done: _note_failure(machine, done))

    async def _ask(self, machine: Machine, said: Said) -> None:
        assert machine.door is not None
        command = said.command
        reply = await machine.door(command)
        self._trace.tell(
            NAME, "command", name=type(command).__name__, ok=reply.ok, said=reply.message
        )
        said.reply, said.replied_ns = reply, self._loop.now_ns()

    def restore_lease(self) -> None:
        """Make a deleted lease anew, empty a stolen one, take a fence away."""
        try:
            record = self._leases.read()
        except LeaseMissing:
            self._trace.tell(NAME, "lease made anew")
            self._leases.create(epoch=max(record.epoch for record in self._leases.history))
            return
        if record.holder == THIEF:
            self._trace.tell(NAME, "lease emptied")
            self._leases.steal("")
        elif record.fenced:
            self._trace.tell(NAME, "fence lifted", why=record.fenced)
            self._leases.annotate(fenced="", unfence=record.epoch)

    def tidy_up(self, machines: Sequence[Machine]) -> None:
        """After it is over: let them trade again, and end what only a person may end."""
        self.restore_lease()
        for machine in machines:
            for make in MENDING:
                self._given += 1
                self._give(machine, make(f"command-{self._given}"))


def _note_failure(machine: Machine, asking: asyncio.Task[None]) -> None:
    """A command that fails otherwise than by its answer is a bug of ours."""
    error = None if asking.cancelled() else asking.exception()
    if error is not None:
        machine.crashes.append(f"{machine.name}: a command failed: {error!r}")
