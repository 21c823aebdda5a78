"""A line between one engine and one server: TCP on loopback, that can be cut, slowed and silenced.

HTTP is passed on message by message, so that an answer can be dropped whole and a call held back
until long after its sender gave up; once a WebSocket is opened bytes are passed on as they come.
What a fault swallowed is gone: when the line heals, connections that lost something are closed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress

from tests.chaos.tape import Entry, Tape, answer

CHUNK = 65536
HOLD_S = 0.05
GONE = (ConnectionError, asyncio.IncompleteReadError, OSError, ValueError)


class Faults:
    """What is wrong with the line now."""

    def __init__(self) -> None:
        self.heal()

    def heal(self) -> None:
        """Nothing."""
        self.refuses = False
        self.swallows_up = False
        """What the engine sends does not arrive."""
        self.swallows_down = False
        """What the server sends does not arrive."""
        self.delay_s = 0.0
        self.drop_chance = 0.0
        """Of an answer: the connection closes in its place."""

    def __repr__(self) -> str:
        return f"<Faults {vars(self)}>"


class Relay:
    """One listening port, one server behind it."""

    def __init__(self, name: str, tape: Tape | None, dice: random.Random) -> None:
        self.name = name
        self.faults = Faults()
        self.port = 0
        self.target = ("127.0.0.1", 0)
        self._tape = tape
        self._dice = dice
        self._server: asyncio.Server | None = None
        self._lines: dict[asyncio.Task[None], Line] = {}

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        tasks = list(self._lines)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def cut(self) -> None:
        """Every connection breaks now."""
        for line in list(self._lines.values()):
            line.abort()

    def heal(self) -> None:
        """All is well from now on; what lost bytes is closed."""
        self.faults.heal()
        for line in list(self._lines.values()):
            if line.has_lost:
                line.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(self, reader, writer)
        task = asyncio.create_task(self._serve(line), name=f"line {self.name}")
        self._lines[task] = line
        task.add_done_callback(lambda done: self._lines.pop(done, None))

    async def _serve(self, line: Line) -> None:
        try:
            if not self.faults.refuses:
                with suppress(*GONE):
                    await line.run(*self.target)
        finally:
            line.abort()

    def hand_on(self, head: Head, body: bytes) -> Entry | None:
        """A request is passed to the server now."""
        if self._tape is None:
            return None
        return self._tape.call(self.name, head.path, head.key, body, time.monotonic())

    def drops(self) -> bool:
        """Whether this answer is dropped."""
        return self._dice.random() < self.faults.drop_chance


class Line:
    """One connection through a relay."""

    def __init__(
        self, relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.has_lost = False
        self._relay = relay
        self._reader = reader
        self._writer = writer
        self._up: asyncio.StreamWriter | None = None

    def abort(self) -> None:
        """Both halves break."""
        for writer in (self._writer, self._up):
            if writer is not None:
                writer.transport.abort()

    async def run(self, host: str, port: int) -> None:
        """Pass messages on until one side is gone."""
        down, self._up = await asyncio.open_connection(host, port)
        while True:
            head, body = await message(self._reader)
            if not await self._arrives(lambda: self._relay.faults.swallows_up):
                return
            entry = self._relay.hand_on(head, body)
            self._up.write(head.raw + body)
            told, said = await message(down)
            if entry is not None:
                answer(entry, said, time.monotonic())
            if told.is_switch:
                self._writer.write(told.raw)
                await self._stream(down)
                return
            if self._relay.drops():
                return
            if not await self._arrives(lambda: self._relay.faults.swallows_down):
                return
            self._writer.write(told.raw + said)

    async def _arrives(self, is_swallowed: Callable[[], bool]) -> bool:
        """After the line's delay; False: what was sent is lost, and the connection with it."""
        if is_swallowed():
            self.has_lost = True
            while True:  # until the line heals, which closes it, or the sender goes
                await asyncio.sleep(HOLD_S)
                if self._writer.is_closing():
                    return False
        if self._relay.faults.delay_s:
            await asyncio.sleep(self._relay.faults.delay_s)
        return True

    async def _stream(self, down: asyncio.StreamReader) -> None:
        """Bytes both ways until one side ends."""
        assert self._up is not None
        faults = self._relay.faults
        ways = (
            self._pump(self._reader, self._up, lambda: faults.swallows_up),
            self._pump(down, self._writer, lambda: faults.swallows_down),
        )
        tasks = [asyncio.create_task(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        is_swallowed: Callable[[], bool],
    ) -> None:
        while chunk := await reader.read(CHUNK):
            if self._relay.faults.delay_s:
                await asyncio.sleep(self._relay.faults.delay_s)
            if is_swallowed():
                self.has_lost = True
            else:
                writer.write(chunk)


class Head:
    """First line and headers of an HTTP message."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        first, *rest = raw.decode("latin-1").split("\r\n")
        self._first = first.split(" ")
        self.headers = {
            name.strip().lower(): value.strip()
            for name, colon, value in (line.partition(":") for line in rest)
            if colon
        }

    @property
    def path(self) -> str:
        """Of a request."""
        return self._first[1]

    @property
    def key(self) -> str:
        """The API key of a request."""
        return self.headers.get("api-key", "")

    @property
    def is_switch(self) -> bool:
        """Whether this answer opens a WebSocket."""
        return self._first[1] == "101"

    @property
    def length(self) -> int:
        """Of the body."""
        return int(self.headers.get("content-length", "0"))


async def message(reader: asyncio.StreamReader) -> tuple[Head, bytes]:
    """The next HTTP message; one of another framing than by length is refused.

    Raises:
        IncompleteReadError, ConnectionError: there is none any more.
        ValueError: it is framed in chunks.
    """
    head = Head(await reader.readuntil(b"\r\n\r\n"))
    if "transfer-encoding" in head.headers:
        raise ValueError("a message in chunks")
    return head, await reader.readexactly(head.length)
