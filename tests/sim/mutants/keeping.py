"""Safeguards around the dead-man switch, and what a person was told, each taken away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.sim.mutants.mixtures import (
    HALT,
    HALT_CANCEL,
    KILL_ON,
    RESTING,
    TAKING,
    behaving,
    commanding,
    happening,
    mixed,
)
from tests.sim.mutants.patching import Mutant, around, passage, value

from krakked.engine.running import Run
from krakked.trading import control, engine
from krakked.trading.breaker import Breaker, Cancelled
from krakked.trading.control import Control
from krakked.trading.cycling import Cycler
from krakked.trading.dead_man import DeadMan
from krakked.trading.desk import Desk
from krakked.trading.engine import Engine
from krakked.trading.stopping import Stopper
from krakked.worlds.recipe import What

Step = Callable[..., Awaitable[Any]]


async def _in_memory(desk: Desk, halted: bool, *, principal: str, reason: str) -> None:
    del principal, reason
    desk.account.halted = halted


async def _no_cancels(_: Breaker) -> Cancelled:
    return Cancelled(count=0, failures=())


async def _disarming(true: Step, self: Engine) -> None:
    await true(self)
    await self.desk.exchange.refresh_dead_man(0)


async def _never(*_: object) -> None:
    await asyncio.Event().wait()


async def _unlearned(*_: object) -> bool:
    return True


MUTANTS = (
    Mutant(
        name="kill switch in memory",
        breaks="The kill switch is durable before it is answered.",
        patches=(
            passage(
                Breaker,
                "_save",
                "await recorder.commit(lambda tx: tx.save_kill_switch(state), event)",
                "pass",
            ),
        ),
        mixture=mixed(TAKING, commanding(KILL_ON, 3), happening(What.KILL, 3)),
    ),
    Mutant(
        name="halt in memory",
        breaks="A halt is durable before it is answered.",
        patches=(value(control, "set_halted", _in_memory), value(engine, "set_halted", _in_memory)),
        mixture=mixed(TAKING, commanding(HALT, 3), happening(What.KILL, 3)),
    ),
    Mutant(
        name="kill switch leaves what rests",
        breaks="The kill switch takes back what rests and would add risk.",
        patches=(value(Breaker, "cancel_entries", _no_cancels),),
        mixture=mixed(RESTING, commanding(KILL_ON, 3)),
    ),
    Mutant(
        name="halt --cancel leaves what rests",
        breaks="`halt --cancel` cancels.",
        patches=(passage(Control, "_halt", "if not command.cancel:", "if True:"),),
        mixture=mixed(RESTING, commanding(HALT_CANCEL, 3)),
    ),
    Mutant(
        name="commands are done again",
        breaks="A command that was seen before gets the answer it got then.",
        patches=(
            passage(
                Control,
                "handle",
                "await self._desk.recorder.commit(lambda tx: tx.reply_to(command_id))",
                "None",
            ),
        ),
        mixture=mixed(RESTING, commanding(KILL_ON, 6)),
        may_crash=True,
    ),
    Mutant(
        name="disarmed at the stop",
        breaks="The dead-man switch is never disarmed on shutdown: it is the successor's too.",
        patches=(around(Engine, "drain", _disarming),),
        mixture=mixed(RESTING, behaving(on_shutdown="keep"), happening(What.TERMINATE, 3)),
    ),
    Mutant(
        name="wound up once",
        breaks="The venue's timer is kept running.",
        patches=(value(DeadMan, "run", _never),),
        mixture=mixed(RESTING),
    ),
    Mutant(
        name="not wound up at the start",
        breaks="Nothing is sent before the venue has said when it would cancel it.",
        patches=(value(Run, "_arm_dead_man", _unlearned),),
        mixture=mixed(),
    ),
    Mutant(
        name="ends are not learned",
        breaks="A position is closed once the end of what its sleeve has at the venue is known.",
        patches=(
            value(Stopper, "cancel_and_learn", _unlearned),
            passage(Stopper, "close", " and not self._desk.account.sales_of(sleeve)", ""),
            passage(
                Cycler,
                "make_exit",
                "[sleeve for sleeve in sleeves if not self._desk.account.sales_of(sleeve)]",
                "list(sleeves)",
            ),
            value(Stopper, "_must_wait", lambda *_: False),
        ),
        mixture=mixed(RESTING, happening(What.TERMINATE, 4)),
    ),
)
