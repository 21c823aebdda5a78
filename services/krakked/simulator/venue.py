"""The simulated world in motion: one clock drives the market and the exchange, and what happens is
stored, then told.

Everything here is synchronous between two instants: play what is due, let the request act, store
what changed, hand frames to the connections. Only :class:`Driver` waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from krakked.domain.errors import LedgerFailed
from krakked.domain.times import NS_PER_SECOND
from krakked.ports.clock import Clock
from krakked.sim.exchange.events import ExchangeEvent
from krakked.sim.exchange.exchange import Exchange
from krakked.sim.market.model import Market
from krakked.sim.public.sessions import Delivery, Hub, Session
from krakked.simulator.faults import Faults
from krakked.simulator.later import Later
from krakked.simulator.standing import Standings
from krakked.simulator.store import StateStore

_CLOCK_STORED_EVERY_NS: Final = NS_PER_SECOND
HEARTBEAT_S: Final = 1.0


class Connection(Protocol):
    """Where the frames of one session go."""

    def send(self, frame: bytes) -> None:
        """Queue one frame."""
        ...

    def drop(self) -> None:
        """Close without a word."""
        ...

    def expire(self) -> None:
        """Close, because nothing was heard for too long."""
        ...

    def deafen(self) -> None:
        """Stay open, and neither hear nor speak any more."""
        ...

    def stall(self, until_ns: int) -> None:
        """Say nothing before that instant."""
        ...


class Venue:
    """See the module."""

    def __init__(
        self,
        *,
        exchange: Exchange,
        market: Market,
        hub: Hub,
        faults: Faults,
        clock: Clock,
        store: StateStore | None,
    ) -> None:
        self.exchange = exchange
        self.market = market
        self.hub = hub
        self.faults = faults
        self.clock = clock
        self.later = Later()
        """What faults will end."""
        self.standings = Standings()
        """What was set by hand, or by a fault, and is stored."""
        self.connections: dict[Session, Connection] = {}
        self.on_settled: Callable[[], None] = _nobody
        self.watchers: list[Callable[[Sequence[ExchangeEvent], int], None]] = []
        """Are told what happened, after the clients."""
        self.source_state: Callable[[], dict[str, object]] | None = None
        """How the venue is that this one follows, if it follows one."""
        self._store = store
        self._stored_ns = 0
        self._failure: LedgerFailed | None = None
        """The disk has not taken a change: nothing may be answered or stored after it."""

    def __repr__(self) -> str:
        return f"<Venue {self.exchange!r} {self.hub!r}>"

    def next_event_ns(self) -> int | None:
        """When something happens by itself."""
        due = [self.market.next_event_ns(), self.exchange.next_event_ns(), self.later.next_ns()]
        return min([at_ns for at_ns in due if at_ns is not None], default=None)

    def catch_up(self) -> int:
        """Play everything that is due; the instant it is now."""
        now_ns = self.clock.now_ns()
        due_ns = self.next_event_ns()
        while due_ns is not None and due_ns <= now_ns:
            self.exchange.advance(due_ns)
            self.market.step(due_ns, self.exchange)
            self.later.play(due_ns)
            due_ns = self.next_event_ns()
        return now_ns

    def settle(self, now_ns: int) -> None:
        """Store what changed, then tell it.

        Raises:
            LedgerFailed: it cannot be stored, or something before it could not.
        """
        self._persist(now_ns)
        events = self.exchange.drain()
        if events:
            self.deliver(self.hub.publish(events, now_ns))
            for watcher in self.watchers:
                watcher(events, now_ns)
        self.on_settled()

    def deliver(self, deliveries: Iterable[Delivery], dropped: Sequence[Session] = ()) -> None:
        """Hand frames to the connections."""
        for session in dropped:
            if session in self.connections:
                self.connections[session].expire()
        for session, frame in deliveries:
            if session in self.connections and session not in dropped:
                self.connections[session].send(frame)

    def drop_all(self) -> None:
        """Every WebSocket connection closes."""
        for connection in tuple(self.connections.values()):
            connection.drop()

    def deafen_all(self) -> None:
        """Every WebSocket connection stays open, and is dead."""
        for connection in tuple(self.connections.values()):
            connection.deafen()

    def stall_all(self, until_ns: int) -> None:
        """Every WebSocket connection is silent until then."""
        for connection in tuple(self.connections.values()):
            connection.stall(until_ns)

    def close(self) -> None:
        """Store the last state.

        Raises:
            LedgerFailed: it cannot be stored; the file is let go all the same.
        """
        if self._store is None:
            return
        try:
            if self._failure is None:
                self._store.save(self._changes(), self.clock.now_ns())
        finally:
            self._store.close()

    def _persist(self, now_ns: int) -> None:
        if self._store is None:
            return
        if self._failure is not None:
            raise self._failure
        changes = self._changes()
        if changes or now_ns - self._stored_ns >= _CLOCK_STORED_EVERY_NS:
            try:
                self._store.save(changes, now_ns)
            except LedgerFailed as error:
                self._failure = error
                raise
            self._stored_ns = now_ns

    def _changes(self) -> list[tuple[str, str, dict[str, object] | None]]:
        return [*self.exchange.changes(), *self.standings.changes()]


class Driver:
    """Lets simulated time happen: sleeps until something is due, plays it, tells it."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._until_ns: int | None = None
        self._nap: asyncio.Task[None] | None = None
        self.over = asyncio.Event()
        """The market has nothing more to play."""
        venue.on_settled = self._look

    async def run(self) -> None:
        """Until cancelled."""
        venue = self._venue
        while True:
            venue.settle(venue.catch_up())
            if venue.market.next_event_ns() is None:
                self.over.set()
            self._until_ns = venue.next_event_ns()
            self._nap = asyncio.create_task(self._sleep(), name="simulator nap")
            try:
                await asyncio.wait((self._nap,))
            finally:
                self._nap.cancel()

    async def _sleep(self) -> None:
        if self._until_ns is None:
            await asyncio.get_running_loop().create_future()  # until someone looks
        else:
            clock = self._venue.clock
            await clock.sleep((self._until_ns - clock.now_ns()) / NS_PER_SECOND)

    def _look(self) -> None:
        """Something acted on the exchange: what is due next may have changed."""
        if self._nap is not None and self._venue.next_event_ns() != self._until_ns:
            self._nap.cancel()


def _nobody() -> None:
    """Listens before the driver does."""


async def beat(venue: Venue) -> None:
    """Heartbeats, for connections that have heard nothing for a second; idle ones end."""
    while True:
        await venue.clock.sleep(HEARTBEAT_S)
        now_ns = venue.clock.now_ns()
        venue.deliver((), dropped=venue.hub.idle(now_ns))
        venue.deliver(venue.hub.heartbeats(now_ns))
