"""The acting half of ownership: one task that reads and renews as ``trading/ownership.py`` says.

It knows no rule of its own. Observations go in by :meth:`Owner.note`, from the lease's answers,
from the passing of time and from the engine; each is decided at once, so the state is never behind
what was noted. What the engine must do (record the epoch, take the dead-man over, reconcile, drain,
end) is told to one listener in the order it was decided.

Whoever is about to write to the venue asks :class:`Authority`, right before the socket.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final

from krakked.domain.errors import OwnershipEnded
from krakked.domain.times import NS_PER_SECOND
from krakked.ports.elapsed import Elapsed
from krakked.ports.lease_store import (
    LeaseConflict,
    LeaseEvent,
    LeaseMissing,
    LeaseStore,
    LeaseUnreachable,
)
from krakked.ports.watchdog import Watchdog
from krakked.trading.ownership import step
from krakked.trading.owning import (
    EXIT_CODES,
    HOLDING,
    Action,
    ArmWatchdog,
    Conflict,
    DisarmWatchdog,
    Me,
    Missing,
    Observation,
    Phase,
    Read,
    ReadLease,
    State,
    Tell,
    Tick,
    Unreachable,
    WriteLease,
    Written,
)
from krakked.trading.timings import Timings
from krakked.trading.vetoes import VetoReason

Listen = Callable[[Action, State], None]
"""Hears every action but calls to the lease and the watchdog's, with the state it came with."""
_US_PER_SECOND: Final = 1_000_000
_NS_PER_US: Final = 1_000


class Owner:
    """One process on its way to owning the account, and back."""

    def __init__(
        self,
        store: LeaseStore,
        me: Me,
        timings: Timings,
        *,
        elapsed: Elapsed,
        watchdog: Watchdog,
        listen: Listen,
    ) -> None:
        self.state = State(me=me, timings=timings)
        self.elapsed = elapsed
        self.on_phase: Callable[[Phase, Phase], None] | None = None
        """Hears which phase was left for which."""
        self._store = store
        self._watchdog = watchdog
        self._listen = listen
        self._calls: asyncio.Queue[ReadLease | WriteLease] = asyncio.Queue()
        self._told: asyncio.Queue[LeaseEvent] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []

    def __repr__(self) -> str:
        return f"<Owner {self.state.me.holder} {self.state.phase.value} epoch={self.state.epoch}>"

    @property
    def authority(self) -> Authority:
        """What the submit guard asks."""
        return Authority(self)

    def note(self, observation: Observation) -> None:
        """Take it in and begin what follows."""
        before = self.state.phase
        self.state, actions = step(self.state, observation, self.elapsed.now())
        if self.state.phase is not before and self.on_phase is not None:
            self.on_phase(before, self.state.phase)
        for action in actions:
            self._begin(action)
        self._changed.set()
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    def _begin(self, action: Action) -> None:
        match action:
            case ReadLease() | WriteLease():
                self._calls.put_nowait(action)
                return
            case ArmWatchdog(at_least_ns=at_ns):
                left_ns = at_ns - self.elapsed.now().least_ns
                self._watchdog.arm(max(0, left_ns) / NS_PER_SECOND)
                return
            case DisarmWatchdog():
                self._watchdog.disarm()
                return
            case Tell(kind=kind, reason=reason) if kind is not None:
                at_ns = self.elapsed.now().wall_ns
                holder = self.state.me.holder
                self._told.put_nowait(
                    LeaseEvent(kind=kind, reason=reason, holder=holder, at_ns=at_ns)
                )
            case _:
                pass
        self._listen(action, self.state)

    async def wait_for(self, *phases: Phase) -> State:
        """The state, once it is in one of these phases.

        Raises:
            OwnershipEnded: it never will be.
        """
        while self.state.phase not in phases:
            if self.state.is_over:
                self._raise()
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future
        return self.state

    def _raise(self) -> None:
        # Not by os._exit, also where another one owns: whoever gets here is a loop that turns, and
        # the supervisor's ordinary end keeps the ledger whole. Nothing is sent on the way, for the
        # guard asks the phase; an end that hangs is cut off by the watchdog, where it was armed.
        raise OwnershipEnded(self.state.exit_reason, exit_code=EXIT_CODES.get(self.state.phase, 0))

    async def run(self) -> None:
        """Keep the lease until it is over; an end that nobody asked for is raised.

        Raises:
            OwnershipEnded: preempted, or hung for too long.
        """
        async with asyncio.TaskGroup() as group:
            helpers = (
                group.create_task(self._call_lease(), name="lease"),
                group.create_task(self._announce(), name="lease events"),
            )
            await self._keep_time()
            for helper in helpers:
                helper.cancel()
        if self.state.phase is not Phase.RELEASED:
            self._raise()

    async def _keep_time(self) -> None:
        while not self.state.is_over:
            self._changed.clear()
            try:
                async with asyncio.timeout(self._pause_s()):
                    await self._changed.wait()
            except TimeoutError:
                self.note(Tick())

    def _pause_s(self) -> float | None:
        """In whole microseconds and never too short, so that a tick finds something due."""
        now = self.elapsed.now()
        wake_ns = self.state.wake_least_ns(now)
        if wake_ns is None:
            return None
        return max(0, math.ceil((wake_ns - now.least_ns) / _NS_PER_US)) / _US_PER_SECOND

    async def _call_lease(self) -> None:
        """One call at a time; each ends by the store's own time-out."""
        while True:
            self.note(await self._answer(await self._calls.get()))

    async def _answer(self, call: ReadLease | WriteLease) -> Observation:
        sent_at = self.elapsed.now()
        try:
            match call:
                case ReadLease():
                    return Read(record=await self._store.read())
                case WriteLease(record=record):
                    return Written(record=await self._store.replace(record), sent_at=sent_at)
        except LeaseUnreachable as error:
            return Unreachable(reason=str(error))
        except LeaseConflict:
            return Conflict()
        except LeaseMissing:
            return Missing()

    async def _announce(self) -> None:
        """Beside the calls that matter; what cannot be told is in the log all the same."""
        while True:
            event = await self._told.get()
            try:
                await self._store.announce(event)
            except (LeaseUnreachable, LeaseMissing) as error:
                self._listen(
                    Tell(reason=f"{event.kind.value} was not announced: {error}"), self.state
                )


class Authority:
    """Whether this process may write to the venue now; asked right before each socket write."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    @property
    def epoch(self) -> int:
        """Of this owner; 0 before it has one."""
        return self._owner.state.epoch

    @property
    def until_ns(self) -> int:
        """By what may have passed at most."""
        return self._owner.state.authority_until_ns

    def remaining_s(self) -> float:
        """What is left of it; 0 if nothing is."""
        left_ns = self._owner.state.authority_until_ns - self._owner.elapsed.now().most_ns
        return max(0, left_ns) / NS_PER_SECOND

    @property
    def veto_reason(self) -> VetoReason:
        """By which what is refused now is counted; means nothing where nothing is."""
        state = self._owner.state
        if state.phase is Phase.FENCED:
            return VetoReason.FENCED
        if state.phase is Phase.DRAINING:
            return VetoReason.STOPPING
        is_sure = state.holds(self._owner.elapsed.now(), margin_ns=state.timings.margin_ns)
        has_lapsed = state.phase is Phase.FROZEN or (state.may_ask_venue and not is_sure)
        return VetoReason.LEASE_EXPIRED if has_lapsed else VetoReason.NOT_OWNER

    def refusal_of_order(self) -> str | None:
        """Why no order may be sent or amended now, or None."""
        if self._owner.state.phase is not Phase.LEADING:
            return self._not_leading()
        return self.refusal()

    def refusal(self) -> str | None:
        """Why nothing that proves ownership (the dead-man's refresh) may be sent now, or None."""
        state = self._owner.state
        if not state.may_ask_venue:
            return self._not_leading()
        if not state.holds(self._owner.elapsed.now(), margin_ns=state.timings.margin_ns):
            return "the authority of the lease has run out"
        return None

    def refusal_of_cancel(self) -> str | None:
        """Why nothing may be cancelled now, or None.

        A cancel never adds risk, and whoever was deposed is refused by the venue: it is allowed as
        long as nobody told us that another one is the owner.
        """
        state = self._owner.state
        if state.phase is Phase.FENCED or state.phase not in HOLDING:
            return self._not_leading()
        return None if state.ledger_epoch == state.epoch else self._not_leading()

    def _not_leading(self) -> str:
        state = self._owner.state
        words = {
            Phase.FROZEN: "frozen: nobody can say whether the account is still ours",
            Phase.FENCED: f"fenced: {state.fenced_by}",
            Phase.DRAINING: "the engine is stopping",
        }
        return words.get(state.phase, f"not the owner: {state.phase.value}")
