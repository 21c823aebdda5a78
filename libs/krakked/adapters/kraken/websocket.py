"""The venue's streams: ``MarketFeed`` over two WebSocket connections, kept up until cancelled.

Public: quotes, running bars, pair and system status. Private: reports on our orders, opened with a
token of the query key. Each connection goes the same way, the first time and every time:

    connect → subscribe → replies complete → StreamReady → frames … → StreamLost → pause → connect

A connection is given up when the venue closes it, when nothing at all arrives for a while (the
venue sends heartbeats), when a subscription is refused as a whole, or when reports of the account
were skipped. Whoever hears ``StreamReady`` asks by REST what the gap may hold.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from random import Random
from typing import Final

import msgspec

from krakked.adapters.kraken.auth import SessionToken
from krakked.adapters.kraken.frames import FrameReader
from krakked.adapters.kraken.network import Broken, NotConnected, Socket
from krakked.adapters.kraken.reconnecting import MAINTENANCE_PAUSE_S, Backoff, ConnectBudget
from krakked.adapters.kraken.rest import KrakenRest
from krakked.adapters.kraken.subscriptions import (
    Refusal,
    Subscriptions,
    private_subscriptions,
    public_subscriptions,
)
from krakked.adapters.kraken.transport import QUERY
from krakked.domain.bars import Timeframe
from krakked.domain.errors import KrakkedError
from krakked.domain.ids import PairName
from krakked.domain.times import NS_PER_SECOND
from krakked.ports.clock import Clock
from krakked.ports.market_feed import (
    FeedMessage,
    MalformedFrame,
    StreamLost,
    StreamReady,
    SystemStatusChanged,
)

Deliver = Callable[[FeedMessage], None]

NOBODY_THERE_AFTER: Final = 4
_PING: Final = '{"method":"ping"}'


class FeedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the streams are and when to doubt them."""

    public_url: str = "wss://ws.kraken.com/v2"
    private_url: str = "wss://ws-auth.kraken.com/v2"
    """The venue's hosts are not interchangeable."""
    connect_timeout_s: float = 10.0
    subscribe_timeout_s: float = 15.0
    silence_s: float = 10.0
    """Without any frame for so long, a connection is given up; 0: never (replays)."""
    ping_s: float = 0.0
    """Period of our own pings; 0: none, the venue's heartbeats do."""
    backoff_s: float = 0.5
    backoff_max_s: float = 30.0
    frame_bytes_max: int = 16 * 1024 * 1024


class _Dropped(Exception):
    """The connection is over; says why."""


class _Opening(msgspec.Struct):
    """What a new connection needs: a reader, requests, and the secret in them."""

    reader: FrameReader
    wanted: Subscriptions
    token: SessionToken | None = None


class _Stream:
    """One of the two connections over all its lives."""

    def __init__(self, url: str, backoff: Backoff, *, private: bool) -> None:
        self.url = url
        self.backoff = backoff
        self.private = private
        self.name = "private" if private else "public"
        self.last_frame_ns = 0
        self.problem = ""
        """Why it was given up last."""
        self.refused = 0
        """How often in a row nobody took the connection."""
        self.ready_at_ns: int | None = None
        self.is_lost = False

    def __repr__(self) -> str:
        state = "lost" if self.is_lost else "new" if self.ready_at_ns is None else "ready"
        return f"<_Stream {self.name} {state} {self.backoff}>"


class KrakenFeed:
    """Live streams of a set of pairs and of the account."""

    def __init__(self, settings: FeedSettings, rest: KrakenRest, clock: Clock, rng: Random) -> None:
        self._settings = settings
        self._rest = rest
        self._clock = clock
        self._observer = rest.transport.observer
        self._budget = ConnectBudget()
        self._public = _Stream(settings.public_url, _backoff(settings, rng), private=False)
        self._private = _Stream(settings.private_url, _backoff(settings, rng), private=True)
        self._in_maintenance = False
        self.is_nobody_there = asyncio.Event()
        """An address has refused so often in a row that a start should say so; tries go on."""

    def __repr__(self) -> str:
        return f"<KrakenFeed {self._public} {self._private}>"

    def last_frame_ns(self, *, private: bool) -> int:
        """When the last frame of any kind arrived on that connection; 0 is never."""
        return (self._private if private else self._public).last_frame_ns

    def problem(self) -> tuple[bool, str] | None:
        """Of a connection that does not stand: whether it is the private one, and why."""
        for stream in (self._public, self._private):
            if stream.ready_at_ns is None and stream.problem:
                return stream.private, stream.problem
        return None

    async def run(
        self, pairs: Sequence[PairName], timeframes: Sequence[Timeframe], deliver: Deliver
    ) -> None:
        """Connect, subscribe, deliver, reconnect; until cancelled. No key, no private stream."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                self._keep(self._public, lambda: self._open_public(pairs, timeframes), deliver),
                name="market stream",
            )
            if QUERY in self._rest.transport.roles:
                tasks.create_task(
                    self._keep(self._private, lambda: self._open_private(pairs), deliver),
                    name="account stream",
                )

    async def _keep(
        self, stream: _Stream, opening: Callable[[], Awaitable[_Opening]], deliver: Deliver
    ) -> None:
        while True:
            await self._pause(stream)
            stream.ready_at_ns = None
            try:
                await self._live(stream, opening, deliver)
            except (_Dropped, Broken) as dropped:
                self._lose(stream, str(dropped), deliver)

    async def _pause(self, stream: _Stream) -> None:
        pause_s = stream.backoff.pause_s()
        if self._in_maintenance:
            pause_s = max(pause_s, MAINTENANCE_PAUSE_S)
        wait_ns = self._budget.reserve(self._clock.now_ns() + int(pause_s * NS_PER_SECOND))
        wait_s = pause_s + wait_ns / NS_PER_SECOND
        if wait_s > 0:
            await self._clock.sleep(wait_s)

    def _lose(self, stream: _Stream, reason: str, deliver: Deliver) -> None:
        ready_ns = stream.ready_at_ns
        lasted_ns = 0 if ready_ns is None else self._clock.now_ns() - ready_ns
        stream.backoff.ended(lasted_ns / NS_PER_SECOND)
        stream.problem = reason
        self._observer.on_connection(stream.name, "lost", reason)
        if not stream.is_lost:
            stream.is_lost = True
            deliver(StreamLost(stream.private, reason))

    # one life of a connection

    async def _live(
        self, stream: _Stream, opening: Callable[[], Awaitable[_Opening]], deliver: Deliver
    ) -> None:
        """Ends by :class:`_Dropped` or :class:`Broken`, always."""
        opened = await self._prepare(opening)
        async with self._connected(stream) as socket:
            await self._subscribe(stream, socket, opened, deliver)
            stream.ready_at_ns = self._clock.now_ns()
            stream.is_lost = False
            self._observer.on_connection(stream.name, "ready", "")
            deliver(StreamReady(stream.private))
            async with self._pinging(socket):
                while True:
                    text = await socket.receive(_instant(self._settings.silence_s))
                    self._take(stream, text, opened, deliver)

    async def _prepare(self, opening: Callable[[], Awaitable[_Opening]]) -> _Opening:
        try:
            return await opening()
        except KrakkedError as error:
            # A key that may not open streams can be mended while we wait.
            raise _Dropped(str(error)) from error

    async def _subscribe(
        self,
        stream: _Stream,
        socket: Socket,
        opened: _Opening,
        deliver: Deliver,
    ) -> None:
        deadline = _instant(self._settings.subscribe_timeout_s)
        for text in opened.wanted.messages():
            await socket.send(text)
        while not opened.wanted.is_complete:
            self._take(stream, await socket.receive(deadline), opened, deliver)
        failure = opened.wanted.failure()
        if failure is not None:
            raise _Dropped(failure)
        for refusal in opened.wanted.refusals:
            self._refused(refusal, deliver)

    def _take(self, stream: _Stream, text: str | bytes, opened: _Opening, deliver: Deliver) -> None:
        now_ns = self._clock.now_ns()
        stream.last_frame_ns = now_ns
        for message in opened.reader.feed(text, now_ns):
            if isinstance(message, MalformedFrame):
                self._malformed(stream, message, opened.token, deliver)
                continue
            if isinstance(message, SystemStatusChanged):
                self._in_maintenance = message.status == "maintenance"
            deliver(message)
        if opened.reader.gap is not None:
            raise _Dropped(opened.reader.gap)

    def _malformed(
        self,
        stream: _Stream,
        message: MalformedFrame,
        token: SessionToken | None,
        deliver: Deliver,
    ) -> None:
        if token is not None:
            message = MalformedFrame(token.redact(message.problem), token.redact(message.frame))
        self._observer.on_malformed(stream.name, message.problem)
        deliver(message)

    def _refused(self, refusal: Refusal, deliver: Deliver) -> None:
        self._observer.on_subscription_refused(refusal.channel, refusal.symbol, refusal.reason)
        problem = f"{refusal.channel} {refusal.symbol} refused: {refusal.reason}"
        deliver(MalformedFrame(problem, ""))

    # openings

    async def _open_public(
        self, pairs: Sequence[PairName], timeframes: Sequence[Timeframe]
    ) -> _Opening:
        instruments = await self._rest.instruments()
        listed = [name for name in pairs if name in instruments.pairs]
        wanted = public_subscriptions([instruments.symbol(name) for name in listed], timeframes)
        wanted.refusals += [
            Refusal("ticker", name, "the venue does not list this pair")
            for name in pairs
            if name not in instruments.pairs
        ]
        return _Opening(FrameReader(instruments, listed, on_reply=wanted.on_reply), wanted)

    async def _open_private(self, pairs: Sequence[PairName]) -> _Opening:
        instruments = await self._rest.instruments()
        token = await self._rest.websocket_token()
        wanted = private_subscriptions(token)
        listed = [name for name in pairs if name in instruments.pairs]
        reader = FrameReader(instruments, listed, private=True, on_reply=wanted.on_reply)
        return _Opening(reader, wanted, token)

    # sockets

    @contextlib.asynccontextmanager
    async def _connected(self, stream: _Stream) -> AsyncIterator[Socket]:
        try:
            socket = await self._rest.transport.network.connect(
                stream.url,
                timeout_s=self._settings.connect_timeout_s,
                frame_bytes_max=self._settings.frame_bytes_max,
            )
        except NotConnected as error:
            reason = f"not connected: {error}"
            self._note_refusal(stream, reason)
            raise _Dropped(reason) from error
        stream.refused = 0
        self._observer.on_connection(stream.name, "opened", "")
        try:
            yield socket
        finally:
            await socket.close()

    def _note_refusal(self, stream: _Stream, reason: str) -> None:
        stream.refused += 1
        stream.problem = reason
        if stream.refused >= NOBODY_THERE_AFTER:
            self.is_nobody_there.set()

    @contextlib.asynccontextmanager
    async def _pinging(self, socket: Socket) -> AsyncIterator[None]:
        if not self._settings.ping_s:
            yield
            return
        pings = asyncio.create_task(self._ping(socket), name="stream ping")
        try:
            yield
        finally:
            pings.cancel()
            await asyncio.gather(pings, return_exceptions=True)

    async def _ping(self, socket: Socket) -> None:
        # A socket that is closing is the reading side's to find.
        with contextlib.suppress(Broken):
            while True:
                await self._clock.sleep(self._settings.ping_s)
                await socket.send(_PING)


def _backoff(settings: FeedSettings, rng: Random) -> Backoff:
    # A generator of its own: the pauses of one stream do not depend on the other's.
    own = Random(rng.getrandbits(64))  # noqa: S311 - jitter, not a secret
    return Backoff(own, base_s=settings.backoff_s, max_s=settings.backoff_max_s)


def _instant(seconds: float) -> float | None:
    """That long from now on the loop's time line; None if it is for ever."""
    return asyncio.get_running_loop().time() + seconds if seconds else None
