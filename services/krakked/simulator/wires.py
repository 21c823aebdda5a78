"""REST and WebSocket on sockets: bytes in, bytes out; what they mean is ``sim``'s business.

API errors are answers with status 200, as the venue gives them. A connection that does not take
its frames is dropped: a slow reader must not hold the venue up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from aiohttp import WSMsgType, web

from krakked.domain.errors import LedgerFailed
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.calls import PrivateRequest, RestAnswer
from krakked.sim.exchange.errors import TOO_MANY_REQUESTS
from krakked.sim.public import requests, rest
from krakked.sim.public.sessions import Role
from krakked.simulator.faults import FaultKind
from krakked.simulator.venue import Venue

BODY_MAX: Final = 1024 * 1024
FRAMES_WAITING_MAX: Final = 20_000
BANNED_PAGE: Final = (
    "<html><head><title>429 Too Many Requests</title></head><body>429</body></html>"
)
GATEWAY_PAGE: Final = "<html><head><title>502 Bad Gateway</title></head><body>502</body></html>"

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Wires:
    """The handlers of one port."""

    def __init__(self, venue: Venue, role: Role) -> None:
        self._venue = venue
        self._role = role

    def application(self) -> web.Application:
        """The routes of a port."""
        application = web.Application(client_max_size=BODY_MAX, middlewares=[_unless_disk_fails])
        application.router.add_get("/0/public/{method}", self._public)
        application.router.add_post("/0/private/{method}", self._private)
        application.router.add_get("/v2", self._socket)
        application.router.add_route("*", "/0/{rest:.*}", self._unknown)
        return application

    async def _public(self, request: web.Request) -> web.Response:
        now_ns = self._venue.catch_up()
        hub, subject = self._venue.hub, request.query.get("pair", request.path)
        if hub.gate.admits_request(request.remote or "", subject, now_ns):
            body = rest.answer(hub.data, request.path, request.query, now_ns)
        else:
            body = rest.refusal(TOO_MANY_REQUESTS)
        self._venue.settle(now_ns)
        return _json(body)

    async def _unknown(self, request: web.Request) -> web.Response:
        await request.read()
        return _json(rest.answer(self._venue.hub.data, "", {}, 0))

    async def _private(self, request: web.Request) -> web.Response:
        body = await request.read()
        fault = self._venue.faults.of_request(request.match_info["method"])
        if fault is FaultKind.REQUEST_LOST:
            return _cut(request)
        if fault is FaultKind.SERVER_ERROR:
            return _bad_gateway()
        answer = self._handle(request, body)
        if fault is FaultKind.ANSWER_LOST:
            return _cut(request)
        if fault is FaultKind.SERVER_ERROR_AFTER:
            return _bad_gateway()
        return _json(answer.body)

    def _handle(self, request: web.Request, body: bytes) -> RestAnswer:
        venue = self._venue
        now_ns = venue.catch_up()
        answer = venue.exchange.private_rest(_private_request(request, body), now_ns)
        for order_id in answer.order_ids:
            late_s = venue.faults.of_new_order()
            if late_s is not None:
                venue.exchange.hide_order(order_id, now_ns + late_s * NS_PER_SECOND)
        venue.settle(now_ns)
        return answer

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        venue = self._venue
        if not venue.hub.gate.admits_connection(request.remote or "", venue.catch_up()):
            return _banned()
        socket = web.WebSocketResponse(compress=False, max_msg_size=BODY_MAX)
        await socket.prepare(request)
        session, greeting = venue.hub.open(self._role, venue.catch_up())
        connection = SocketConnection(socket, request.transport)
        venue.connections[session] = connection
        connection.send(greeting)
        try:
            async for message in socket:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    break
                now_ns = venue.catch_up()
                for frame in requests.receive(venue.hub, session, message.data, now_ns):
                    connection.send(frame)
                venue.settle(now_ns)
        except LedgerFailed:
            connection.drop()
        finally:
            venue.connections.pop(session, None)
            venue.hub.close(session)
            await connection.finish()
        return socket


class SocketConnection:
    """The frames of one session on their way out, in order, by a task of its own."""

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.BaseTransport | None
    ) -> None:
        self._socket = socket
        self._transport = transport
        self._waiting: deque[bytes] = deque()
        self._has_waiting = asyncio.Event()
        self._writer = asyncio.create_task(self._write(), name="simulator socket writer")

    def send(self, frame: bytes) -> None:
        """Queue one frame."""
        if len(self._waiting) >= FRAMES_WAITING_MAX:
            self.drop()
            return
        self._waiting.append(frame)
        self._has_waiting.set()

    def drop(self) -> None:
        """Close without a word."""
        self._waiting.clear()
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()

    async def finish(self) -> None:
        """The connection is over."""
        self._writer.cancel()
        await asyncio.wait((self._writer,))

    async def _write(self) -> None:
        while True:
            await self._has_waiting.wait()
            self._has_waiting.clear()
            while self._waiting:
                try:
                    await self._socket.send_frame(self._waiting.popleft(), WSMsgType.TEXT)
                except ConnectionError:  # the reader of this socket sees it too, and ends
                    return


def _private_request(request: web.Request, body: bytes) -> PrivateRequest:
    return PrivateRequest(
        path=request.path,
        api_key=request.headers.get("API-Key"),
        api_sign=request.headers.get("API-Sign"),
        body=body,
        content_type=request.content_type,
    )


@web.middleware
async def _unless_disk_fails(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What cannot be stored is not answered; the driver's task says why, and the venue ends."""
    try:
        return await handler(request)
    except LedgerFailed:
        return _bad_gateway()


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json", charset="utf-8")


def _bad_gateway() -> web.Response:
    return web.Response(status=502, text=GATEWAY_PAGE, content_type="text/html")


def _banned() -> web.Response:
    return web.Response(status=429, text=BANNED_PAGE, content_type="text/html")


def _cut(request: web.Request) -> web.Response:
    """The connection is gone before this answer could be written."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
