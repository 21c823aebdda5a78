"""REST and WebSocket on sockets: bytes in, bytes out; what they mean is ``service.py``'s business.

API errors are answers with status 200, as the venue gives them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from aiohttp import WSMessage, WSMsgType, web

from krakked.domain.errors import LedgerFailed
from krakked.sim.exchange.calls import PrivateRequest
from krakked.sim.public.sessions import Role, Session
from krakked.simulator.connection import SocketConnection
from krakked.simulator.request_faults import Broken, Outcome
from krakked.simulator.service import PublicRequest, Service
from krakked.simulator.venue import Venue

BODY_MAX: Final = 1024 * 1024
BANNED_PAGE: Final = (
    "<html><head><title>429 Too Many Requests</title></head><body>429</body></html>"
)
_GATEWAY: Final = {
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
    520: "Web server is returning an unknown error",
    522: "Connection timed out",
    525: "SSL handshake failed",
}

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Wires:
    """The handlers of one port."""

    def __init__(self, venue: Venue, role: Role) -> None:
        self._venue = venue
        self._service = Service(venue, role)

    def application(self) -> web.Application:
        """The routes of a port."""
        application = web.Application(client_max_size=BODY_MAX, middlewares=[_unless_disk_fails])
        application.router.add_get("/0/public/{method}", self._public)
        application.router.add_post("/0/private/{method}", self._private)
        application.router.add_get("/v2", self._socket)
        application.router.add_route("*", "/0/{rest:.*}", self._unknown)
        return application

    async def _public(self, request: web.Request) -> web.Response:
        await request.read()
        asked = PublicRequest(
            path=request.path,
            query=request.query,
            query_text=request.query_string,
            remote=request.remote or "",
        )
        return _response(request, await self._service.public(asked))

    async def _unknown(self, request: web.Request) -> web.Response:
        await request.read()
        return _as_json(self._service.unknown())

    async def _private(self, request: web.Request) -> web.Response:
        asked = PrivateRequest(
            path=request.path,
            api_key=request.headers.get("API-Key"),
            api_sign=request.headers.get("API-Sign"),
            body=await request.read(),
            content_type=request.content_type,
        )
        return _response(request, await self._service.private(asked))

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        venue, service = self._venue, self._service
        if not service.admits_connection(request.remote or ""):
            return _banned()
        socket = web.WebSocketResponse(
            compress=False, max_msg_size=BODY_MAX, autoping=False, autoclose=False
        )
        await socket.prepare(request)
        session, greeting = service.open()
        connection = SocketConnection(socket, request.transport, venue.faults, venue.clock)
        service.attach(session, connection)
        connection.send(greeting)
        try:
            async for message in socket:
                if not connection.is_deaf and not await self._receive(session, connection, message):
                    break
        except LedgerFailed:
            connection.drop()
        finally:
            service.close(session)
            await connection.finish()
        return socket

    async def _receive(
        self, session: Session, connection: SocketConnection, message: WSMessage
    ) -> bool:
        """Whether the connection goes on."""
        if message.type is WSMsgType.PING:
            await connection.pong(message.data)
        elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            await self._service.hear(session, connection, message.data)
        return message.type in (
            WSMsgType.TEXT,
            WSMsgType.BINARY,
            WSMsgType.PING,
            WSMsgType.PONG,
        )


@web.middleware
async def _unless_disk_fails(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What cannot be stored is not answered; the driver's task says why, and the venue ends."""
    try:
        return await handler(request)
    except LedgerFailed:
        return _gateway(502)


def _response(request: web.Request, answer: bytes | Outcome) -> web.Response:
    if isinstance(answer, bytes):
        return _as_json(answer)
    if answer.broken is Broken.GATEWAY:
        return _gateway(answer.status)
    return _cut(request)


def _as_json(body: bytes) -> web.Response:
    """An answer of the venue."""
    return web.Response(body=body, content_type="application/json", charset="utf-8")


def _gateway(status: int) -> web.Response:
    """What stands before the venue answers in its place, as it does: in HTML."""
    words = _GATEWAY.get(status, "Error")
    page = f"<html><head><title>{status} {words}</title></head><body>{status} {words}</body></html>"
    return web.Response(status=status, reason=words, text=page, content_type="text/html")


def _cut(request: web.Request) -> web.Response:
    """The connection is gone before this answer could be written."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _banned() -> web.Response:
    return web.Response(status=429, text=BANNED_PAGE, content_type="text/html")
