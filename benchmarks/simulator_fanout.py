"""Frames to 1, 100 and 500 subscribers of one pair's trades: how many a second one core sends.

Each trade is one frame, made once and written to every subscriber. The figure is the simulator's
processor time for each frame that arrived; readers are sockets in this process, which only count.
The ratio is to the WebSocket library alone, which writes a frame of that length to as many.
"""

from __future__ import annotations

import asyncio
import json

import aiohttp
from _simulator import Simulator, simulator

SUBSCRIBERS = (1, 100, 500)
FRAMES, EACH_MAX = 40_000, 5_000
SUBSCRIBE = {"method": "subscribe", "params": {"channel": "trade", "symbol": ["BTC/USD"]}}


async def ready(socket: aiohttp.ClientWebSocketResponse, kind: str) -> None:
    """All is read that comes before the frames that count."""
    if kind == "bare":
        return
    await socket.send_json(SUBSCRIBE)
    while "result" not in json.loads((await socket.receive()).data):
        pass


async def drain(socket: aiohttp.ClientWebSocketResponse, frames: int) -> None:
    for _ in range(frames):
        message = await socket.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, "nobody is dropped for being slow"


async def per_frame(far: Simulator, kind: str, count: int) -> float:
    """Microseconds of the far end's processor time for one frame to one subscriber."""
    each = min(EACH_MAX, FRAMES // count)  # fewer than a connection may have waiting
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        url = f"ws://127.0.0.1:{far.ports[kind]}/v2"
        sockets = [await http.ws_connect(url) for _ in range(count)]
        for socket in sockets:
            await ready(socket, kind)
        before_s = far.cpu_s()
        far.tell(f"{kind} {each}")
        await asyncio.gather(*(drain(socket, each) for socket in sockets))
        far.answer()
        cpu_s = far.cpu_s() - before_s
        await asyncio.gather(*(socket.close() for socket in sockets))
    return cpu_s * 10**6 / (each * count)


async def measure(far: Simulator) -> None:
    for count in SUBSCRIBERS:
        ours, bare = [await per_frame(far, kind, count) for kind in ("simulator", "bare")]
        print(
            f"{count:11,}{ours:12.1f}{10**6 / ours:13,.0f}{bare:16.1f}{ours / bare:8.2f}",
            flush=True,
        )


def main() -> None:
    columns = f"{'µs a frame':>12}{'a second':>13}{'library alone':>16}{'ratio':>8}"
    print(f"subscribers{columns}", flush=True)
    with simulator() as far:
        asyncio.run(measure(far))


if __name__ == "__main__":
    main()
