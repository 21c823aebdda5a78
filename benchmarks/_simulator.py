"""A simulator in a process of its own for the benchmarks beside it, and the way to ask it things.

The process takes one word or two a line on its standard input and answers each with one line. It
serves beside the simulator what the HTTP library does without one, to compare with.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from aiohttp import WSMsgType, web

from krakked.adapters.system.clock import SystemClock
from krakked.domain.ids import Asset, PairName
from krakked.domain.orders import Side
from krakked.sim.exchange.limits import Tier
from krakked.simulator import RunningSimulator, SimulatorOptions, start

PAIR = PairName("XBTUSD")
TRADE_BYTES = 205
"""About the length of a frame of one trade."""
ANSWER = {"error": [], "result": {"descr": {"order": "x" * 40}, "txid": ["OABCDE-FGHIJ-KLMNOP"]}}


class Bare:
    """The same work by the HTTP library alone."""

    def __init__(self) -> None:
        self._sockets: list[web.WebSocketResponse] = []

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/0/private/{method}", self._post)
        application.router.add_get("/v2", self._socket)
        return application

    async def _post(self, request: web.Request) -> web.Response:
        await request.read()
        return web.json_response(ANSWER)

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self._sockets.append(socket)
        await socket.receive()
        self._sockets.remove(socket)
        return socket

    async def publish(self, count: int) -> None:
        frame = b"x" * TRADE_BYTES
        for _ in range(count):
            for socket in self._sockets:
                await socket.send_frame(frame, WSMsgType.TEXT)


async def publish(running: RunningSimulator, count: int) -> None:
    """Strangers trade; every subscriber is told of each trade."""
    for number in range(count):
        price = Decimal(70_000 + number % 10)
        now_ns = time.time_ns()
        running.exchange.market_trade(PAIR, price, Decimal("0.01"), Side.BUY, now_ns)
        running.settle()
        await asyncio.sleep(0)


async def serve() -> None:
    """Until its standard input closes."""
    options = SimulatorOptions(
        market="calm",
        tier=Tier.NONE,
        balances={Asset("XBT"): Decimal(10**6), Asset("USD"): Decimal(10**10)},
        heartbeats=False,
    )
    running = await start(options, clock=SystemClock())
    bare = Bare()
    runner = web.AppRunner(bare.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ports = {"simulator": int(running.rest_url.rpartition(":")[2]), "bare": runner.addresses[0][1]}
    key = {"key": running.trade_key.key, "secret": running.trade_key.secret}
    print(json.dumps({"ports": ports, **key}), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        word, _, count = line.strip().partition(" ")
        if word == "simulator":
            await publish(running, int(count))
        elif word == "bare":
            await bare.publish(int(count))
        print(time.process_time(), flush=True)
    await runner.cleanup()
    await running.stop()


class Simulator:
    """The other end: where it serves, and what it is asked."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        told = json.loads(self._stdout.readline())
        self.ports: dict[str, int] = told["ports"]
        self.key, self.secret = str(told["key"]), str(told["secret"])

    def tell(self, words: str) -> None:
        """Have it do something; :meth:`answer` waits for the end."""
        self._stdin.write(f"{words}\n")
        self._stdin.flush()

    def answer(self) -> float:
        """Seconds of processor time it has used."""
        return float(self._stdout.readline())

    def cpu_s(self) -> float:
        self.tell("cpu")
        return self.answer()

    def close(self) -> None:
        self._stdin.close()


@contextmanager
def simulator() -> Iterator[Simulator]:
    command = [sys.executable, __file__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        far = Simulator(process)
        try:
            yield far
        finally:
            far.close()


if __name__ == "__main__":
    asyncio.run(serve())
