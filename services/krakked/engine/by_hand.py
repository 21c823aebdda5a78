"""Acting where no engine runs: one command of a person, by a run that takes the account for it.

The run is the engine's own, without strategies, history and probes: it takes the ledger's lock, the
lease and the next epoch, compares the books, carries the command out by the same journal and the
same executor, waits until what it sent has ended, and lets go. It never winds the dead-man switch
up: when it is gone nobody stands behind what still rests, so the timer of the engine before goes
on. Its first call with the trade key carries the epoch and fences whoever was before.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from krakked.domain.commands import CancelAll, Command, Flatten, Halt, Panic, Reply, SetKillSwitch
from krakked.domain.errors import Ambiguous, BadInput, Permanent, Transient
from krakked.domain.ids import MANUAL
from krakked.domain.orders import LegKind
from krakked.domain.times import NS_PER_SECOND
from krakked.engine import venues
from krakked.runtime.exit_codes import ExitCode
from krakked.runtime.settings import Settings
from krakked.trading.control import Control
from krakked.trading.engine import Engine
from krakked.trading.rules import ExecutionRules

Deed = CancelAll | Flatten | Halt | Panic | SetKillSwitch
PATIENCE_S: Final = 30.0
"""For what was sent to end; what has not ended by then is told."""
LOOK_S: Final = 0.5
LEASE_SPARE_S: Final = 15.0
"""Beside the time after which a lease whose owner is gone may be taken."""
BUYS_AGAIN: Final = "the next engine's strategies may buy again"
DONE: Final = "the command is carried out"
NO_POD: Final = (
    "the lease of this account is kept in Kubernetes (leader.store), and this is no pod: run it in "
    "the engine's pod, `kubectl exec POD -- krakked ...`; where none runs, scale the engine to one "
    "replica, or cancel at the venue itself; orders end by their own time or by the dead-man switch"
)


class ByHand:
    """One command, and its answer once it is done."""

    def __init__(self, command: Deed) -> None:
        self.command = command
        self.reply: Reply | None = None

    async def run(self, control: Control, engine: Engine, stop: Callable[[str], None]) -> None:
        """Carry it out, wait until it has its effect, and ask for the end."""
        reply = await control.handle(self.command)
        if reply.ok:
            await _settle(engine)
        self.reply = _told(reply, engine)
        stop(DONE)
        await asyncio.Event().wait()


def check_place(settings: Settings, environ: Mapping[str, str], simulator: Path | None) -> None:
    """Whether this process can own the account at all, before anything is opened.

    Raises:
        BadInput: it cannot; says what can be done instead.
    """
    leader = settings.leader
    is_pod = bool(environ.get("KUBERNETES_SERVICE_HOST"))
    if leader.store == "kubernetes" and leader.api_url is None and not is_pod:
        raise BadInput(NO_POD, exit_code=ExitCode.NO_ENGINE)
    if venues.is_in_process(settings) and (simulator is None or not simulator.exists()):
        raise BadInput(
            f"no simulated account at {simulator}: name the simulator that the engine traded at "
            "with --venue",
            exit_code=ExitCode.NO_ENGINE,
        )


def rules_by_hand(rules: ExecutionRules) -> ExecutionRules:
    """Nothing is guarded, and nothing cancelled, beyond what was asked for."""
    return msgspec.structs.replace(rules, dead_man_timeout_s=None, cancel_on_shutdown=False)


def lease_patience_s(settings: Settings) -> float:
    """As long as a lease takes to run out whose owner is gone."""
    leader = settings.leader
    return leader.lease_duration_seconds + 2 * leader.retry_period_seconds + LEASE_SPARE_S


async def _settle(engine: Engine) -> None:
    desk = engine.desk
    until_ns = desk.now_ns() + int(PATIENCE_S * NS_PER_SECOND)
    while _is_under_way(engine) and desk.now_ns() < until_ns:
        with contextlib.suppress(Transient, Ambiguous, Permanent):
            await engine.reconciler.reconcile()
        await desk.clock.sleep(LOOK_S)


def _is_under_way(engine: Engine) -> bool:
    if engine.has_work or not engine.booker.is_idle:
        return True
    return any(
        order.cancel_requested_at_ns is not None or order.request.kind is LegKind.PROTECTIVE
        for order in engine.desk.account.orders.values()
    )


def _told(reply: Reply, engine: Engine) -> Reply:
    """The answer, with who gave it and what is left."""
    account, epoch = engine.desk.account, engine.desk.guard.epoch
    resting = len(account.live_orders())
    held = sum(
        position.quantity_base > 0 and sleeve.strategy_id != MANUAL
        for sleeve, position in account.positions.items()
    )
    words = (
        f"no engine runs, so the account was taken for this, with epoch {epoch}: {reply.message}; "
        f"{_counted(resting, 'order')} of ours left at the venue, {_counted(held, 'position')} of "
        "strategies held"
    )
    data = {"running": False, "epoch": epoch, "open_orders": resting, "positions": held}
    return msgspec.structs.replace(reply, message=words, data=data)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def without_answer(command: Command, reason: str) -> BadInput:
    """It ended before the command had its answer."""
    return BadInput(
        f"{type(command).__name__}: it is not known what was done ({reason}); look at "
        "`krakked orders list --open`, and give it again",
        exit_code=ExitCode.TIMED_OUT,
    )
