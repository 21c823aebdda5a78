"""A scripted venue on loopback sockets and virtual time, so that failures can be made at will."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from krakked.adapters.kraken.auth import Credentials
from krakked.adapters.kraken.observers import Silent
from krakked.adapters.kraken.records import AssetInfo, PairInfo
from krakked.adapters.kraken.wire import Instruments
from krakked.adapters.system.clock import LoopClock
from krakked.domain.times import NS_PER_SECOND
from krakked.runtime.simulated_time import SimulatedTimeLoop, run

START_NS = 1_700_000_000 * NS_PER_SECOND
SECRET = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="

ASSETS = {
    "XXBT": {"altname": "XBT"},
    "XETH": {"altname": "ETH"},
    "XXDG": {"altname": "XDG"},
    "ZUSD": {"altname": "USD"},
    "ETH2.S": {"altname": "ETH2.S"},
}
PAIRS = {
    "XXBTZUSD": {
        "altname": "XBTUSD",
        "wsname": "XBT/USD",
        "base": "XXBT",
        "quote": "ZUSD",
        "pair_decimals": 1,
        "lot_decimals": 8,
        "cost_decimals": 5,
        "ordermin": "0.00005",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
        "fees": [],
        "fees_maker": [],
        "execution_venue": "international",
    },
    "XDGUSD": {
        "altname": "XDGUSD",
        "wsname": "XDG/USD",
        "base": "XXDG",
        "quote": "ZUSD",
        "pair_decimals": 7,
        "lot_decimals": 8,
        "cost_decimals": 9,
        "ordermin": "50",
        "costmin": "0.5",
        "tick_size": "0.0000001",
        "status": "online",
        "fees": [[0, 0.4], [10000, 0.35]],
        "fees_maker": [[0, 0.25]],
    },
    "XETHXXBT": {
        "altname": "ETHXBT",
        "wsname": "ETH/XBT",
        "base": "XETH",
        "quote": "XXBT",
        "pair_decimals": 6,
        "lot_decimals": 8,
        "cost_decimals": 10,
        "ordermin": "0.001",
        "costmin": "0.00002",
        "tick_size": "0.000001",
        "status": "cancel_only",
    },
}


class Listener(Silent):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, float, str]] = []
        self.malformed: list[tuple[str, str]] = []
        self.connections: list[tuple[str, str, str]] = []
        self.refused: list[tuple[str, str, str]] = []

    def on_request(self, endpoint: str, seconds: float, outcome: str) -> None:
        self.requests.append((endpoint, seconds, outcome))

    def on_malformed(self, source: str, problem: str) -> None:
        self.malformed.append((source, problem))

    def on_connection(self, stream: str, event: str, reason: str) -> None:
        self.connections.append((stream, event, reason))

    def on_subscription_refused(self, channel: str, symbol: str, reason: str) -> None:
        self.refused.append((channel, symbol, reason))


class Request:
    """One REST call as the venue saw it."""

    def __init__(self, method: str, fields: dict[str, str], headers: dict[str, str]) -> None:
        self.method = method
        self.fields = fields
        self.headers = headers

    @property
    def nonce(self) -> int:
        return int(self.fields["nonce"])


Reply = Any
"""A result, an exception to raise, an ``aiohttp`` response, or a function of the request."""


class FakeVenue:
    """Answers from a script; the last answer of a method goes on for ever."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.script: dict[str, list[Reply]] = {"Assets": [ASSETS], "AssetPairs": [PAIRS]}
        self.sockets: list[FakeSocket] = []
        self.on_socket: Callable[[FakeSocket], Awaitable[None]] = FakeSocket.accept
        self.answers_handshakes = True
        self.url = ""

    def answer(self, method: str, *replies: Reply) -> None:
        self.script[method] = list(replies)

    def calls(self, method: str) -> list[Request]:
        return [request for request in self.requests if request.method == method]

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_route("*", "/0/{side}/{method}", self._rest)
        app.router.add_get("/v2", self._socket)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]  # no other way
        self.url = f"http://127.0.0.1:{port}"
        try:
            yield self.url
        finally:
            await runner.cleanup()

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        fields = dict(await request.post()) or dict(request.query)
        call = Request(method, fields, dict(request.headers))  # type: ignore[arg-type]  # text only
        self.requests.append(call)
        replies = self.script.get(method, [{}])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if callable(reply):
            reply = reply(call)
        if isinstance(reply, CutShort):
            return await reply.send(request)
        if asyncio.iscoroutine(reply):
            reply = await reply
        if reply is HANG_UP:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        return reply if isinstance(reply, web.StreamResponse) else result(reply)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if not self.answers_handshakes:
            await asyncio.sleep(3_600)
        response = web.WebSocketResponse(timeout=0.1)
        await response.prepare(request)
        socket = FakeSocket(response, len(self.sockets))
        self.sockets.append(socket)
        await self.on_socket(socket)
        return response


class FakeSocket:
    """The venue's end of one WebSocket."""

    def __init__(self, response: web.WebSocketResponse, number: int) -> None:
        self.response = response
        self.number = number
        self.received: list[dict[str, Any]] = []

    async def accept(self) -> None:
        """Confirm every subscription, until the other side goes."""
        while (message := await self.next()) is not None:
            await self.confirm(message)

    async def next(self) -> dict[str, Any] | None:
        message = await self.response.receive()
        if message.type is not WSMsgType.TEXT:
            return None
        decoded: dict[str, Any] = json.loads(message.data)
        self.received.append(decoded)
        return decoded

    async def confirm(self, message: dict[str, Any]) -> None:
        if message["method"] == "ping":
            await self.send({"method": "pong"})
            return
        params = message["params"]
        for symbol in params.get("symbol", [None]):
            named = {} if symbol is None else {"symbol": symbol}
            shown = {"channel": params["channel"], **named}
            if "interval" in params:
                shown["interval"] = params["interval"]
            await self.send(
                {
                    "method": "subscribe",
                    "req_id": message["req_id"],
                    "success": True,
                    "result": shown,
                }
            )

    async def confirm_all(self, count: int) -> None:
        """Confirm so many requests."""
        for _ in range(count):
            message = await self.next()
            assert message is not None
            await self.confirm(message)

    async def send(self, message: dict[str, Any] | str) -> None:
        await self.response.send_str(message if isinstance(message, str) else json.dumps(message))


HANG_UP = object()


class CutShort:
    """The beginning of an answer, and then the end of the connection."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def send(self, request: web.Request) -> web.StreamResponse:
        headers = {"Content-Length": "500", "Content-Type": "application/json"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await response.write(self._body)
        assert request.transport is not None
        request.transport.close()
        return response


def result(value: Any) -> web.Response:
    return web.json_response({"error": [], "result": value})


def refusal(*errors: str, status: int = 200) -> web.Response:
    return web.json_response({"error": list(errors)}, status=status)


class Kit:
    """What tests of this folder need by name."""

    FakeVenue = FakeVenue
    FakeSocket = FakeSocket
    Listener = Listener
    HANG_UP = HANG_UP
    cut_short = CutShort
    START_NS = START_NS
    SECRET = SECRET
    result = staticmethod(result)
    refusal = staticmethod(refusal)

    @staticmethod
    def run(main: Any) -> Any:
        """Run to the end in virtual time."""
        return run(main, start_ns=START_NS, speed=None)

    @staticmethod
    def clock() -> LoopClock:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedTimeLoop)
        return LoopClock(loop)

    @staticmethod
    def credentials(key: str = "TRADE-KEY-1") -> Credentials:
        return Credentials(key, SECRET)

    @staticmethod
    def instruments() -> Instruments:
        def pair(row: dict[str, Any]) -> PairInfo:
            names = ("altname", "base", "quote", "pair_decimals", "lot_decimals", "cost_decimals")
            return PairInfo(
                **{n: row[n] for n in names},
                status=row["status"],
                tick_size=Decimal(row["tick_size"]),
            )

        assets = {code: AssetInfo(row["altname"]) for code, row in ASSETS.items()}
        return Instruments(assets, {code: pair(row) for code, row in PAIRS.items()})


class StillClock:
    """Stands still until told; sleeping moves it."""

    def __init__(self, now_ns: int = START_NS) -> None:
        self.at_ns = now_ns
        self.slept_s: list[float] = []

    def now_ns(self) -> int:
        return self.at_ns

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.at_ns += round(seconds * NS_PER_SECOND)


@pytest.fixture
def kit() -> type[Kit]:
    return Kit


@pytest.fixture
def still_clock() -> StillClock:
    return StillClock()
