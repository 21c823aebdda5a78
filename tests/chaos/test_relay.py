"""The line between engine and server: whole, and with each of its faults."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from tests.chaos.relay import Relay
from tests.chaos.tape import Tape

CALL = (
    b"POST /0/private/AddOrder HTTP/1.1\r\nAPI-Key: k\r\nContent-Length: 33\r\n\r\n"
    b"nonce=2000010000000000005&cl_ord="
)
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"error":[]}'
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
SHORT_S = 0.2


class Server:
    """Answers each call, and counts them; after a switch it echoes."""

    def __init__(self) -> None:
        self.calls = 0
        self.called = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                if head.startswith(b"GET"):
                    writer.write(SWITCH)
                    while chunk := await reader.read(100):
                        writer.write(chunk)
                    break
                await reader.readexactly(33)
                self.calls += 1
                self.called.set()
                writer.write(ANSWER)
        writer.close()


Play = Callable[[Relay, Server, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def played(play: Play) -> Tape:
    """A client's connection through a relay; the relay's tape."""
    tape = Tape()

    async def run() -> None:
        server = Server()
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        relay = Relay("a", tape, random.Random(1))
        await relay.start()
        relay.target = listening.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        try:
            async with asyncio.timeout(10):
                await play(relay, server, reader, writer)
        finally:
            writer.close()
            await relay.stop()
            listening.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    asyncio.run(run())
    return tape


async def is_silent(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(SHORT_S):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


def test_whole_line_passes_calls_on_and_notes_what_was_accepted() -> None:
    async def play(_relay: Relay, server: Server, reader: Any, writer: Any) -> None:
        for _ in range(2):
            writer.write(CALL)
            assert await reader.readexactly(len(ANSWER)) == ANSWER
        assert server.calls == 2

    tape = played(play)
    assert [(e.sender, e.epoch, e.is_accepted) for e in tape.entries] == [("a", 1, True)] * 2


def test_dropped_answer_closes_the_connection_though_the_call_was_accepted() -> None:
    async def play(relay: Relay, server: Server, reader: Any, writer: Any) -> None:
        relay.faults.drop_chance = 1.0
        writer.write(CALL)
        with suppress(ConnectionError):
            assert await reader.read(1) == b""
        assert server.calls == 1

    (entry,) = played(play).entries
    assert entry.is_accepted


@pytest.mark.parametrize(("way", "calls"), [("swallows_up", 0), ("swallows_down", 1)])
def test_silent_line_closes_only_when_it_heals(way: str, calls: int) -> None:
    async def play(relay: Relay, server: Server, reader: Any, writer: Any) -> None:
        setattr(relay.faults, way, True)
        writer.write(CALL)
        assert await is_silent(reader)
        assert server.calls == calls
        relay.heal()
        with suppress(ConnectionError):
            assert await reader.read(1) == b""

    assert len(played(play).entries) == calls


def test_slow_line_hands_a_call_on_though_its_sender_is_gone() -> None:
    async def play(relay: Relay, server: Server, reader: Any, writer: Any) -> None:
        relay.faults.delay_s = SHORT_S
        writer.write(CALL)
        await writer.drain()
        await asyncio.sleep(SHORT_S / 4)
        writer.close()
        await server.called.wait()

    assert len(played(play).entries) == 1


def test_line_that_refuses_closes_at_once() -> None:
    async def play(relay: Relay, server: Server, reader: Any, writer: Any) -> None:
        relay.faults.refuses = True
        relay.cut()
        again, other = await asyncio.open_connection("127.0.0.1", relay.port)
        with suppress(ConnectionError):
            assert await again.read(1) == b""
        other.close()
        assert server.calls == 0

    played(play)


def test_websocket_passes_bytes_and_loses_them_in_silence() -> None:
    async def play(relay: Relay, _: Server, reader: Any, writer: Any) -> None:
        writer.write(b"GET /v2 HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
        assert await reader.readexactly(len(SWITCH)) == SWITCH
        writer.write(b"frame")
        assert await reader.readexactly(5) == b"frame"
        relay.faults.swallows_down = True
        writer.write(b"lost")
        assert await is_silent(reader)
        relay.heal()
        with suppress(ConnectionError):
            assert await reader.read(1) == b""

    played(play)
