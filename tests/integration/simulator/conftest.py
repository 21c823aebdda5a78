"""A simulator on real sockets in simulated time, and a client that signs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
import pytest

from krakked.adapters.system.clock import LoopClock
from krakked.domain.times import NS_PER_SECOND
from krakked.runtime import simulated_time
from krakked.runtime.simulated_time import SimulatedTimeLoop
from krakked.simulator import RunningSimulator, SimulatorOptions, opening_ns, start

START_NS = 1_767_225_600 * NS_PER_SECOND
CALM = SimulatorOptions(market="calm", speed=None, heartbeats=False)


class Client:
    """Speaks to one simulator."""

    def __init__(self, running: RunningSimulator, http: aiohttp.ClientSession) -> None:
        self.running = running
        self.http = http
        self.nonce = 0

    async def get(self, method: str, **query: object) -> Any:
        url = f"{self.running.rest_url}/0/public/{method}"
        async with self.http.get(url, params={k: str(v) for k, v in query.items()}) as answer:
            assert answer.status == 200
            return await answer.json()

    async def post(self, method: str, *, key: Any = None, **params: object) -> Any:
        """A signed request: its envelope, or what aiohttp raises."""
        async with self.send(method, key=key, **params) as answer:
            answer.raise_for_status()
            return await answer.json()

    def send(self, method: str, *, key: Any = None, **params: object) -> Any:
        key = key or self.running.trade_key
        self.nonce += 1
        path = f"/0/private/{method}"
        body = urlencode({"nonce": self.nonce, **params})
        digest = hashlib.sha256(f"{self.nonce}{body}".encode()).digest()
        mac = hmac.new(base64.b64decode(key.secret), path.encode() + digest, hashlib.sha512)
        headers = {
            "API-Key": key.key,
            "API-Sign": base64.b64encode(mac.digest()).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return self.http.post(self.running.rest_url + path, data=body, headers=headers)

    async def buy(self, volume: str = "0.01", **params: object) -> Any:
        wish = {"pair": "XBTUSD", "type": "buy", "ordertype": "market", "volume": volume}
        return await self.post("AddOrder", **wish | params)

    async def token(self) -> str:
        return str((await self.post("GetWebSocketsToken"))["result"]["token"])

    async def admin(self, path: str, body: object = None) -> Any:
        method = "GET" if body is None else "POST"
        url = f"{self.running.admin_url}{path}"
        async with self.http.request(method, url, json=body) as answer:
            return await answer.json() | {"status": answer.status}

    @contextlib.asynccontextmanager
    async def socket(self, *, private: bool = False) -> AsyncIterator[Socket]:
        url = self.running.ws_auth_url if private else self.running.ws_url
        async with self.http.ws_connect(url) as ws:
            socket = Socket(ws)
            assert (await socket.next())["channel"] == "status"
            yield socket


class Socket:
    """One WebSocket connection."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws

    async def next(self) -> Any:
        """The next message; None when the connection is over."""
        message = await self.ws.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            return None
        return json.loads(message.data, parse_float=str)

    async def until(self, channel: str) -> Any:
        while (frame := await self.next()) is not None:
            if frame.get("channel") == channel:
                return frame
        raise AssertionError(f"the connection ended before a message of {channel}")

    async def subscribe(self, channel: str, **params: object) -> Any:
        request = {"method": "subscribe", "params": {"channel": channel, **params}}
        await self.ws.send_json(request)
        while "result" not in (answer := await self.next()):
            assert "error" not in answer, answer
        return answer


Scene = Callable[[Client], Awaitable[Any]]


def play(scene: Scene, options: SimulatorOptions = CALM, start_ns: int = START_NS) -> Any:
    """Run a scene against a simulator, as fast as possible."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedTimeLoop)
        running = await start(options, clock=LoopClock(loop))
        try:
            connector = aiohttp.TCPConnector(keepalive_timeout=1e8)
            async with aiohttp.ClientSession(connector=connector) as http:
                return await scene(Client(running, http))
        finally:
            await running.stop()

    began_ns = opening_ns(options, otherwise_ns=start_ns)
    return simulated_time.run(main(), start_ns=began_ns, speed=None)


class Stage:
    """What tests are given: scenes are played on it."""

    calm = CALM
    client = Client
    start_ns = START_NS
    play = staticmethod(play)

    @staticmethod
    def options(**changes: Any) -> SimulatorOptions:
        return msgspec.structs.replace(CALM, **changes)


@pytest.fixture
def stage() -> Stage:
    return Stage()
