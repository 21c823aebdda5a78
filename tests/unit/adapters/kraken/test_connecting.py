"""Connecting takes time, and what may be sent can change meanwhile: asked again once it stands.

The name of the venue resolves slowly here, which is part of connecting as TCP and TLS are; the
sockets are real. Also held: what is written once is not written again by the library below.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from krakked.adapters.kraken.network import AiohttpNetwork, Bounds
from krakked.adapters.kraken.transport import Call, RestSettings, Transport
from krakked.domain.errors import Ambiguous, KrakkedError, Transient
from krakked.domain.times import NS_PER_SECOND

CONNECTS_IN_S = 2.0
WRITE = Call(method="AddOrder", form={"pair": "XBTUSD"})
CANCEL = Call(method="CancelOrder", form={"txid": "O1"})
REFUSED = "the authority of the lease has run out"


@contextlib.contextmanager
def slow_names(seconds: float = CONNECTS_IN_S) -> Iterator[list[str]]:
    """Names resolve to this machine, and late; the names that were asked for."""
    asked: list[str] = []

    async def late(host: str, port: int, **_: object) -> list[Any]:
        asked.append(host)
        await asyncio.sleep(seconds)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "getaddrinfo", late)
        yield asked


@contextlib.asynccontextmanager
async def transport_to(kit: Any, url: str, **bounds: Any) -> AsyncIterator[Transport]:
    transport = Transport(
        RestSettings(url=url.replace("127.0.0.1", "venue.invalid")),
        kit.clock(),
        network=AiohttpNetwork(Bounds(**bounds)),
        trade=kit.credentials("TRADE-KEY"),
        query=kit.credentials("QUERY-KEY"),
    )
    try:
        yield transport
    finally:
        await transport.close()


def permit_until(transport: Transport, seconds: float) -> Callable[[Call], str | None]:
    """Everything, for so long from now on."""
    until_ns = transport.clock.now_ns() + int(seconds * NS_PER_SECOND)
    return lambda _: None if transport.clock.now_ns() < until_ns else REFUSED


@pytest.mark.parametrize("call", [WRITE, CANCEL], ids=lambda call: call.method)
def test_permit_that_ends_while_the_connection_is_made_keeps_the_call_from_being_written(
    kit: Any, call: Call
) -> None:
    venue = kit.FakeVenue()
    venue.answer(call.method, {"txid": ["O1"]})

    async def main() -> None:
        async with venue.serve() as url, transport_to(kit, url) as transport:
            with slow_names() as asked:
                transport.permit = permit_until(transport, CONNECTS_IN_S / 2)
                with pytest.raises(Transient, match=f"not sent: {REFUSED}") as caught:
                    await transport.private(call)
            assert type(caught.value) is Transient, "no doubt, and no venue out of reach"
            assert asked == ["venue.invalid"], "it was connecting when the permit ended"

    kit.run(main())
    assert venue.requests == []


def test_order_whose_deadline_passes_while_the_connection_is_made_is_not_written(kit: Any) -> None:
    venue = kit.FakeVenue()
    venue.answer("AddOrder", {"txid": ["O1"]})

    async def main() -> None:
        async with venue.serve() as url, transport_to(kit, url) as transport:
            last_ns = transport.clock.now_ns() + NS_PER_SECOND
            call = Call(method="AddOrder", form=WRITE.form, not_after_ns=last_ns)
            with slow_names(), pytest.raises(Transient, match=r"not sent, 1.*s too late") as caught:
                await transport.private(call)
            assert type(caught.value) is Transient

    kit.run(main())
    assert venue.requests == []


def test_call_that_may_still_be_sent_when_the_connection_stands_is_sent_once(kit: Any) -> None:
    venue = kit.FakeVenue()
    venue.answer("AddOrder", {"txid": ["O1"]})

    async def main() -> None:
        async with venue.serve() as url, transport_to(kit, url) as transport:
            with slow_names():
                transport.permit = permit_until(transport, 2 * CONNECTS_IN_S)
                await transport.private(WRITE)

    kit.run(main())
    assert [request.method for request in venue.requests] == ["AddOrder"]


def test_connection_that_was_made_in_vain_serves_the_next_call(kit: Any) -> None:
    venue = kit.FakeVenue()
    venue.answer("AddOrder", {"txid": ["O1"]})
    venue.answer("CancelOrder", {"count": 1})

    async def main() -> None:
        async with venue.serve() as url, transport_to(kit, url) as transport:
            with slow_names() as asked:
                transport.permit = permit_until(transport, 1)
                with pytest.raises(Transient, match=REFUSED):
                    await transport.private(WRITE)
                transport.permit = permit_until(transport, 1)
                await transport.private(CANCEL)
            assert asked == ["venue.invalid"], "connected once"

    kit.run(main())
    assert [request.method for request in venue.requests] == ["CancelOrder"]


def test_questions_are_not_kept_from_leaving_by_the_permit_of_a_change_beside_them(
    kit: Any,
) -> None:
    """Each request has its own last question, though they connect at the same time."""
    venue = kit.FakeVenue()
    venue.answer("AddOrder", {"txid": ["O1"]})
    venue.answer("BalanceEx", {})

    async def main() -> None:
        async with venue.serve() as url, transport_to(kit, url) as transport:
            with slow_names():
                transport.permit = permit_until(transport, 1)
                changing = asyncio.create_task(transport.private(WRITE))
                asking = asyncio.create_task(transport.private(Call(method="BalanceEx")))
                with pytest.raises(Transient, match=REFUSED):
                    await changing
                await asking

    kit.run(main())
    assert [request.method for request in venue.requests] == ["BalanceEx"]


# what the library below does by itself


class Hangs:
    """Keeps its connections, answers the first request on each and breaks off at the second."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self._writers: list[asyncio.StreamWriter] = []

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        try:
            yield f"http://{host}:{port}"
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()
            await server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        await self._read(reader)
        body = b'{"error":[],"result":{"count":1}}'
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._read(reader)
        writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head.split(b"\r\n")[0])
        lengths = [line for line in head.lower().split(b"\r\n") if b"content-length:" in line]
        await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)


def test_change_that_a_kept_connection_loses_is_written_once_and_is_in_doubt(kit: Any) -> None:
    """A question is written anew on another connection; a change never is."""
    venue = Hangs()
    ends: list[KrakkedError] = []

    async def main() -> None:
        async with venue.serve() as url, transport_to(kit, url) as transport:
            with slow_names(0):
                await transport.private(CANCEL)
                with pytest.raises(Ambiguous) as caught:
                    await transport.private(WRITE)
                ends.append(caught.value)
                await transport.public("Time")
                await transport.public("SystemStatus")

    kit.run(main())
    assert len(ends) == 1
    methods = [head.split()[1].rpartition(b"/")[2].decode() for head in venue.heads]
    assert methods == ["CancelOrder", "AddOrder", "Time", "SystemStatus", "SystemStatus"]
