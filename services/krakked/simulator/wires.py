"""REST and WebSocket on sockets: bytes in, bytes out; what they mean is ``sim``'s business.

API errors are answers with status 200, as the venue gives them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from aiohttp import WSMessage, WSMsgType, web

from krakked.domain.errors import LedgerFailed
from krakked.sim.exchange.calls import PrivateRequest, RestAnswer
from krakked.sim.exchange.errors import TOO_MANY_REQUESTS
from krakked.sim.public import requests, rest
from krakked.sim.public.sessions import Role, Session
from krakked.simulator.connection import SocketConnection
from krakked.simulator.request_faults import RequestFaults, as_json, gateway
from krakked.simulator.venue import Venue

BODY_MAX: Final = 1024 * 1024
BANNED_PAGE: Final = (
    "<html><head><title>429 Too Many Requests</title></head><body>429</body></html>"
)

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Wires:
    """The handlers of one port."""

    def __init__(self, venue: Venue, role: Role) -> None:
        self._venue = venue
        self._role = role
        self._faults = RequestFaults(venue)

    def application(self) -> web.Application:
        """The routes of a port."""
        application = web.Application(client_max_size=BODY_MAX, middlewares=[_unless_disk_fails])
        application.router.add_get("/0/public/{method}", self._public)
        application.router.add_post("/0/private/{method}", self._private)
        application.router.add_get("/v2", self._socket)
        application.router.add_route("*", "/0/{rest:.*}", self._unknown)
        return application

    async def _public(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self._venue.faults.is_quiet:
            return as_json(self._answer_public(request))
        asked = self._faults.asked(request, body, is_public=True)
        return await self._faults.rest(request, asked, lambda: (self._answer_public(request), ()))

    def _answer_public(self, request: web.Request) -> bytes:
        now_ns = self._venue.catch_up()
        hub, subject = self._venue.hub, request.query.get("pair", request.path)
        if hub.gate.admits_request(request.remote or "", subject, now_ns):
            body = rest.answer(hub.data, request.path, request.query, now_ns)
        else:
            body = rest.refusal(TOO_MANY_REQUESTS)
        self._venue.settle(now_ns)
        return body

    async def _unknown(self, request: web.Request) -> web.Response:
        await request.read()
        return as_json(rest.answer(self._venue.hub.data, "", {}, 0))

    async def _private(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self._venue.faults.is_quiet:
            return as_json(self._handle(request, body).body)

        def handle() -> tuple[bytes, Sequence[str]]:
            answer = self._handle(request, body)
            return answer.body, answer.order_ids

        return await self._faults.rest(request, self._faults.asked(request, body), handle)

    def _handle(self, request: web.Request, body: bytes) -> RestAnswer:
        venue = self._venue
        now_ns = venue.catch_up()
        answer = venue.exchange.private_rest(_private_request(request, body), now_ns)
        venue.settle(now_ns)
        return answer

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        venue = self._venue
        if not venue.hub.gate.admits_connection(request.remote or "", venue.catch_up()):
            return _banned()
        socket = web.WebSocketResponse(
            compress=False, max_msg_size=BODY_MAX, autoping=False, autoclose=False
        )
        await socket.prepare(request)
        session, greeting = venue.hub.open(self._role, venue.catch_up())
        connection = SocketConnection(socket, request.transport, venue.faults, venue.clock)
        venue.connections[session] = connection
        connection.send(greeting)
        try:
            async for message in socket:
                if not connection.is_deaf and not await self._receive(session, connection, message):
                    break
        except LedgerFailed:
            connection.drop()
        finally:
            venue.connections.pop(session, None)
            venue.hub.close(session)
            await connection.finish()
        return socket

    async def _receive(
        self, session: Session, connection: SocketConnection, message: WSMessage
    ) -> bool:
        """Whether the connection goes on."""
        if message.type is WSMsgType.PING:
            await connection.pong(message.data)
        elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            await self._serve(session, connection, message.data)
        return message.type in (
            WSMsgType.TEXT,
            WSMsgType.BINARY,
            WSMsgType.PING,
            WSMsgType.PONG,
        )

    async def _serve(
        self, session: Session, connection: SocketConnection, text: bytes | str
    ) -> None:
        venue = self._venue

        def handle() -> list[bytes]:
            return requests.receive(venue.hub, session, text, venue.catch_up())

        if venue.faults.is_quiet:
            frames = handle()
        else:
            frames = await self._faults.trading(session, text, handle)
        for frame in frames:
            connection.send(frame)
        venue.settle(venue.catch_up())


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
        return gateway(502)


def _banned() -> web.Response:
    return web.Response(status=429, text=BANNED_PAGE, content_type="text/html")
