"""Frames that no venue should send, sent to the whole engine: it counts them and goes on.

A relay stands between the engine and the simulator's WebSocket. Beside what it passes on, it sends
rubbish of its own: text that is no JSON, fields and pairs that nobody knows, numbers that are none.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

pytestmark = pytest.mark.timeout(120)
TICKER = (
    '{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":%s,"bid_qty":1,'
    '"ask":%s,"ask_qty":1,"last":1,"volume":1,"vwap":1,"low":1,"high":1,"change":0,'
    '"change_pct":0}]}'
)
RUBBISH = (
    "once upon a time",
    '{"channel":"ticker","type":"update","data":[{"symbol":"BTC/US',
    "[1,2,3]",
    '{"channel":"weather","type":"update","data":[{"rain":true}]}',
    TICKER.replace("BTC/USD", "MOON/USD") % (1, 2),
    TICKER % ("NaN", 2),
    TICKER % ("Infinity", 2),
    TICKER % (-1, 2),
    TICKER % ("1e400", "2e400"),
    TICKER % ('"cheap"', 2),
    '{"channel":"executions","type":"update","data":[{"exec_type":"trade","last_qty":-5}]}',
)


class Relay:
    """Passes frames both ways, with new fields in them, and says all of ``RUBBISH`` once."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.has_lied = False

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        ours = web.WebSocketResponse()
        await ours.prepare(request)
        async with aiohttp.ClientSession() as http, http.ws_connect(self.url) as theirs:
            back = asyncio.create_task(self._pass_back(ours, theirs))
            async for message in theirs:
                await ours.send_str(message.data.replace('{"', '{"mood":"good","'))
                if '"type":"update"' in message.data and not self.has_lied:
                    self.has_lied = True
                    for frame in RUBBISH:
                        await ours.send_str(frame)
            back.cancel()
        return ours

    async def _pass_back(self, ours: web.WebSocketResponse, theirs: Any) -> None:
        async for message in ours:
            await theirs.send_str(message.data)
        await theirs.close()


@contextmanager
def relayed(url: str) -> Iterator[tuple[str, Relay]]:
    """A relay in a thread of its own; its address."""
    relay = Relay(url)
    loop = asyncio.new_event_loop()

    async def start() -> tuple[web.AppRunner, str]:
        app = web.Application()
        app.router.add_get("/v2", relay.serve)
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, f"ws://127.0.0.1:{runner.addresses[0][1]}/v2"

    runner, address = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield address, relay
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_engine_counts_frames_that_make_no_sense_and_trades_on(krakked: Any) -> None:
    venue = krakked.simulator("--speed", "120", "--seed", "1", "--from", "2026-01-01")
    with relayed(venue.told["ws_url"]) as (address, relay):
        engine = venue.trade(bar="1m", ws_url=address)
        for _ in RUBBISH:
            engine.wait_for("malformed_frame")
        engine.wait_for("fill_booked")
        assert relay.has_lied
        assert krakked.ask("status")["streams"] == {"public": True, "private": True}
        assert engine.end(signal.SIGINT) == 0, engine.story()
    assert engine.lines[-1] == "books: zero differences"
    assert sum("malformed_frame" in line for line in engine.lines) == len(RUBBISH)
    assert venue.process.end(signal.SIGINT) == 0
