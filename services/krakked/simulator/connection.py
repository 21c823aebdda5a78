"""One WebSocket connection as the venue sees it: frames on their way out, in order.

A connection that does not take its frames is dropped: a slow reader must not hold the venue up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from aiohttp import WSMsgType, web

from krakked.domain.times import NS_PER_SECOND
from krakked.ports.clock import Clock
from krakked.simulator.faults import Faults
from krakked.simulator.socket_faults import FrameFaults

FRAMES_WAITING_MAX: Final = 20_000


class SocketConnection:
    """The frames of one session, written by a task of its own."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.BaseTransport | None,
        faults: Faults,
        clock: Clock,
    ) -> None:
        self.is_deaf = False
        """Half open: nobody is at this end any more, and the other does not know."""
        self._socket = socket
        self._transport = transport
        self._clock = clock
        self._faults = FrameFaults(faults, self)
        self._is_over = False
        self._silent_until_ns = 0
        self._waiting: deque[bytes | None] = deque()
        """None: here the connection closes."""
        self._has_waiting = asyncio.Event()
        self._writer = asyncio.create_task(self._write(), name="simulator socket writer")

    def send(self, frame: bytes) -> None:
        """Queue one frame, or what faults make of it."""
        if self._is_over or self.is_deaf:
            return
        for each in self._faults.through(frame):
            if len(self._waiting) >= FRAMES_WAITING_MAX:
                self.drop()
                return
            self._waiting.append(each)
        self._has_waiting.set()

    async def pong(self, data: bytes) -> None:
        """Answer a ping of the transport."""
        try:
            await self._socket.pong(data)
        except ConnectionError:  # the reader of this socket sees it too, and ends
            return

    def drop(self) -> None:
        """Close without a word."""
        self._is_over = True
        self._waiting.clear()
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()

    def break_off(self) -> None:
        """Close without a word, once all before it is written."""
        self._is_over = True
        self._waiting.append(None)
        self._has_waiting.set()

    def expire(self) -> None:
        """The venue has heard nothing for too long; who is half open does not learn of it."""
        if not self.is_deaf:
            self.drop()

    def deafen(self) -> None:
        """Stay open, and neither hear nor speak any more."""
        self.is_deaf = True

    def stall(self, until_ns: int) -> None:
        """Say nothing before that instant."""
        self._silent_until_ns = until_ns

    def now_ns(self) -> int:
        """The instant it is."""
        return self._clock.now_ns()

    async def finish(self) -> None:
        """The connection is over."""
        self._writer.cancel()
        await asyncio.wait((self._writer,))
        if self.is_deaf:
            self.drop()
        elif not self._is_over:
            await self._socket.close()

    async def _write(self) -> None:
        while True:
            await self._has_waiting.wait()
            self._has_waiting.clear()
            while self._waiting:
                if self._silent_until_ns:
                    await self._keep_silence()
                if not await self._write_one():
                    return

    async def _write_one(self) -> bool:
        """Whether the connection goes on."""
        frame = self._waiting.popleft() if self._waiting else None
        if frame is None:
            self.drop()
            return False
        try:
            await self._socket.send_frame(frame, WSMsgType.TEXT)
        except ConnectionError:  # the reader of this socket sees it too, and ends
            return False
        return True

    async def _keep_silence(self) -> None:
        while (rest_ns := self._silent_until_ns - self._clock.now_ns()) > 0:
            await self._clock.sleep(rest_ns / NS_PER_SECOND)
