"""The network of a world: bytes take time, get lost, come late, and lines are cut.

A request travels by itself: once it is sent, nothing that befalls its sender stops it. It may
arrive long after the sender has died, which is the case that fences are for.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine
from random import Random
from typing import Final, TypeVar, TypeVarTuple, Unpack

import msgspec

from krakked.adapters.kraken.network import (
    Answer,
    Bounds,
    Broken,
    LastQuestion,
    NoAnswer,
    NotConnected,
    Request,
    Silent,
    Socket,
    no_question,
)
from krakked.simulator.socket_faults import FrameFaults
from krakked.worlds.host import Host
from krakked.worlds.loop import NS_PER_US, US_PER_SECOND, WorldLoop

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

LATENCY_S: Final = (0.004, 0.060)
RESET: Final = "connection reset by peer"
FIN_AFTER_S: Final = 0.02
"""The kernel closes the connections of a dead process."""


class Weather(msgspec.Struct, frozen=True, kw_only=True):
    """Chances of each request, from 0 to 1."""

    request_lost: float = 0.0
    answer_lost: float = 0.0
    order_answer_lost: float = 0.0
    """Of each new order, whose answer matters most."""
    answer_late: float = 0.0
    request_stuck: float = 0.0
    """It lies somewhere and arrives seconds or minutes later."""
    stuck_max_s: float = 30.0
    socket_drop: float = 0.0
    """Of each frame."""


FAIR: Final = Weather()


class Link:
    """The line between one machine and the venue."""

    def __init__(self, loop: WorldLoop, host: Host, rng: Random, name: str) -> None:
        self.loop = loop
        self.host = host
        self.rng = rng
        self.name = name
        self.weather = FAIR
        self.is_cut_out = False
        """Nothing of ours arrives there."""
        self.is_cut_in = False
        """Nothing of theirs arrives here."""
        self.is_lease_cut = False
        """The lease cannot be reached from here."""
        self.happened: dict[str, int] = {}
        self._world = contextvars.Context()
        self._tasks: set[asyncio.Task[None]] = set()
        self._on_mended: list[Callable[[], None]] = []

    def later(self, delay_s: float, work: Callable[[Unpack[Ts]], object], *args: *Ts) -> None:
        """Let it happen in the world, whatever becomes of the caller."""
        self.loop.call_later(delay_s, work, *args, context=self._world)

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Let it run in the world."""
        task = self.loop.create_task(work, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cut(self, *, out: bool, into: bool) -> None:
        """Nothing goes through in these directions, until :meth:`mend`."""
        self.is_cut_out, self.is_cut_in = out, into
        self.note("line cut")

    def mend(self) -> None:
        """All goes through."""
        self.is_cut_out = self.is_cut_in = False
        waiting, self._on_mended = self._on_mended, []
        for release in waiting:
            release()

    def on_mended(self, release: Callable[[], None]) -> None:
        """Call it when the line is whole again."""
        if release not in self._on_mended:
            self._on_mended.append(release)

    def latency_s(self) -> float:
        """Of one packet."""
        return self.rng.uniform(*LATENCY_S)

    def strikes(self, what: str, chance: float) -> bool:
        """Draw, and count."""
        if not chance or self.rng.random() >= chance:
            return False
        self.note(what)
        return True

    def note(self, what: str) -> None:
        """Count a fault that happened."""
        self.happened[what] = self.happened.get(what, 0) + 1


class WorldNetwork:
    """Implements the adapter's ``Network``; one for each start of an engine."""

    def __init__(self, link: Link, bounds: Bounds, sender: str) -> None:
        self._link = link
        self.bounds = bounds
        self._sender = sender
        self._sockets: list[ClientEnd] = []

    async def request(self, request: Request, ask: LastQuestion = no_question) -> Answer:
        """Send it once; connecting takes no time here, so it is asked as it leaves."""
        ask()
        link = self._link
        answer: asyncio.Future[Answer] = link.loop.create_future()
        self._send(request, answer)
        return await within(self.bounds.timeout_s, answer, NoAnswer("TimeoutError"))

    def _send(self, request: Request, answer: asyncio.Future[Answer]) -> None:
        link, weather = self._link, self._link.weather
        link.host.leaves(request, self._sender)
        if link.is_cut_out:
            link.note("request met a cut line")
            if link.rng.random() < 0.5:
                link.later(link.latency_s(), fail, answer, NotConnected("no route to host"))
            return
        if link.strikes("request lost", weather.request_lost):
            link.later(link.latency_s(), fail, answer, NoAnswer(RESET))
            return
        delay_s = link.latency_s()
        if link.strikes("request stuck", weather.request_stuck):
            delay_s += link.rng.uniform(0.5, weather.stuck_max_s)
        link.later(delay_s, self._arrive, request, answer)

    def _arrive(self, request: Request, answer: asyncio.Future[Answer]) -> None:
        self._link.spawn(self._serve(request, answer))

    async def _serve(self, request: Request, answer: asyncio.Future[Answer]) -> None:
        link = self._link
        said = await link.host.answer(request, self._sender)
        if link.is_cut_in:
            link.note("answer met a cut line")
            return
        delay_s = link.latency_s()
        if said is None or self._loses_answer(request):
            link.later(delay_s, fail, answer, NoAnswer(RESET))
            return
        if link.strikes("answer late", link.weather.answer_late):
            delay_s += link.rng.uniform(0.5, 20.0)
        link.later(delay_s, self._give, request, answer, said)

    def _loses_answer(self, request: Request) -> bool:
        link, is_order = self._link, request.url.endswith("/AddOrder")
        chance = link.weather.order_answer_lost if is_order else 0.0
        lost = link.strikes("answer lost", link.weather.answer_lost)
        return link.strikes("order's answer lost", chance) or lost

    def _give(self, request: Request, answer: asyncio.Future[Answer], said: Answer) -> None:
        if not answer.done():
            answer.set_result(said)
            self._link.host.heard(request)

    async def connect(self, url: str, *, timeout_s: float, frame_bytes_max: int) -> Socket:
        """Open a WebSocket."""
        del url, frame_bytes_max
        link = self._link
        opened: asyncio.Future[ClientEnd] = link.loop.create_future()
        if not (link.is_cut_out or link.is_cut_in):
            link.later(2 * link.latency_s(), self._open, opened)
        return await within(timeout_s, opened, NotConnected("TimeoutError"))

    def _open(self, opened: asyncio.Future[ClientEnd]) -> None:
        if opened.done():
            return
        client = ClientEnd(self._link)
        self._sockets = [each for each in self._sockets if each.over is None] + [client]
        opened.set_result(client)

    async def close(self) -> None:
        """Let go of all connections."""
        self.hang_up()

    def hang_up(self) -> None:
        """The process is gone: its end of each connection closes."""
        for client in self._sockets:
            self._link.later(FIN_AFTER_S, client.other.left)
        self._sockets = []


class ClientEnd:
    """One WebSocket connection as the adapter has it; implements its ``Socket``."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._frames: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._sent_us = 0
        self.over: str | None = None
        """Why it is over, once that is known here."""
        self.other = VenueEnd(link, self)

    async def send(self, text: str) -> None:
        """Hand one frame over."""
        if self.over is not None:
            raise Broken(self.over)
        link = self._link
        if link.is_cut_out:
            return
        now_us = link.loop.now_us()
        self._sent_us = max(self._sent_us + 1, now_us + int(link.latency_s() * US_PER_SECOND))
        link.later((self._sent_us - now_us) / US_PER_SECOND, self.other.hear, text)

    async def receive(self, deadline: float | None) -> str | bytes:
        """The next frame."""
        while not self._frames:
            if self.over is not None:
                raise Broken(self.over)
            self._waiter = self._link.loop.create_future()
            await by(deadline, self._waiter, Silent("nothing was received for too long"))
        return self._frames.popleft()

    async def close(self) -> None:
        """Let go of it."""
        self.over = self.over or "closed here"
        self._link.later(self._link.latency_s(), self.other.left)

    def take(self, frame: bytes) -> None:
        """A frame has come."""
        if self.over is None:
            self._frames.append(frame)
            self._wake()

    def end(self, reason: str) -> None:
        """The venue's side has closed it."""
        self.over = self.over or reason
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class VenueEnd:
    """The same connection as the venue has it; implements its ``Connection``."""

    def __init__(self, link: Link, client: ClientEnd) -> None:
        self._link = link
        self._client = client
        self._faults = FrameFaults(link.host.faults, self)
        self._due_us = 0
        self._silent_until_us = 0
        self._held: list[bytes] = []
        self._is_deaf = False
        self._is_over = False
        self._session, greeting = link.host.service.open()
        link.host.service.attach(self._session, self)
        self.send(greeting)

    def hear(self, text: str) -> None:
        """A text of the client has come."""
        if not self._is_over and not self._is_deaf:
            work = self._link.host.service.hear(self._session, self, text)
            self._link.spawn(work)

    def left(self) -> None:
        """The client is gone."""
        self._is_over = True
        self._link.host.service.close(self._session)

    def send(self, frame: bytes) -> None:
        """Queue one frame, or what faults make of it."""
        if self._is_over or self._is_deaf:
            return
        link = self._link
        if link.strikes("socket dropped", link.weather.socket_drop):
            self.drop()
            return
        for each in self._faults.through(frame):
            self._carry(each)

    def _carry(self, frame: bytes) -> None:
        """Frames arrive in order; a cut line holds them, as the kernel's buffers do."""
        if self._link.is_cut_in:
            self._held.append(frame)
            self._link.on_mended(self.release)
            return
        self._after(self._client.take, frame)

    def release(self) -> None:
        """The line is whole again."""
        held, self._held = self._held, []
        for frame in held:
            self._carry(frame)

    def _after(self, work: Callable[[Unpack[Ts]], object], *args: *Ts) -> None:
        link = self._link
        now_us = link.loop.now_us()
        latency_us = int(link.latency_s() * US_PER_SECOND)
        self._due_us = max(self._due_us + 1, now_us + latency_us, self._silent_until_us)
        link.later((self._due_us - now_us) / US_PER_SECOND, work, *args)

    def drop(self) -> None:
        """Close without a word."""
        if not self._is_over:
            self.left()
            self._after(self._client.end, "closed by the venue (code 1006)")

    def break_off(self) -> None:
        """Close without a word, once all before it is written."""
        self.drop()

    def expire(self) -> None:
        """The venue has heard nothing for too long."""
        if not self._is_deaf:
            self.drop()

    def deafen(self) -> None:
        """Stay open, and neither hear nor speak any more."""
        self._is_deaf = True

    def stall(self, until_ns: int) -> None:
        """Say nothing before that instant."""
        ahead_us = (until_ns - self.now_ns()) // NS_PER_US
        self._silent_until_us = self._link.loop.now_us() + ahead_us

    def now_ns(self) -> int:
        """The instant it is."""
        return self._link.host.clock.now_ns()


def fail(answer: asyncio.Future[T], error: Exception) -> None:
    """End a wait, unless nobody waits any more."""
    if not answer.done():
        answer.set_exception(error)


def give(answer: asyncio.Future[T], result: T) -> None:
    """The same with what was waited for."""
    if not answer.done():
        answer.set_result(result)


async def within(seconds: float, answer: asyncio.Future[T], otherwise: Exception) -> T:
    """What was waited for; raises ``otherwise`` if it does not come in that time.

    A world waits so often that ``asyncio.timeout``, which can do more, would be felt.
    """
    return await by(answer.get_loop().time() + seconds, answer, otherwise)


async def by(deadline: float | None, answer: asyncio.Future[T], otherwise: Exception) -> T:
    """The same until an instant of the loop, or for ever."""
    if deadline is None:
        return await answer
    timer = answer.get_loop().call_at(deadline, fail, answer, otherwise)
    try:
        return await answer
    finally:
        timer.cancel()
