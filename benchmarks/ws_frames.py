"""Frames of the venue parsed and applied, on one core; budget 20,000 a second.

Each kind of frame goes through the reader and into the market that strategies look at. The ratio
is to decoding the same JSON and nothing more, by the same library without types: what knowing,
checking and applying a frame costs beside reading it. The last line has a real socket in front:
another process sends ticker frames as fast as it can, the feed takes them.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal

import msgspec
from aiohttp import WSMsgType, web

from krakked.adapters.kraken.frames import FrameReader
from krakked.adapters.kraken.rate_limit import Tier
from krakked.adapters.kraken.records import AssetInfo, PairInfo
from krakked.adapters.kraken.rest import KrakenRest
from krakked.adapters.kraken.transport import RestSettings, Transport
from krakked.adapters.kraken.websocket import FeedSettings, KrakenFeed
from krakked.adapters.kraken.wire import Instruments
from krakked.adapters.system.clock import SystemClock
from krakked.domain.bars import Timeframe
from krakked.domain.ids import PairName
from krakked.domain.quotes import Quote
from krakked.ports.market_feed import FeedMessage, RunningBar
from krakked.trading.market import Market

ROUNDS = 7
PAIRS = 50
FRAMES = 2_000
SOCKET_FRAMES = 100_000
BUDGET = 20_000
START_NS = 1_700_000_000 * 10**9


def symbols() -> list[str]:
    return [f"A{number:02}/USD" for number in range(PAIRS)]


def rows() -> tuple[dict[str, AssetInfo], dict[str, PairInfo]]:
    assets = {f"A{number:02}": AssetInfo(f"A{number:02}") for number in range(PAIRS)}
    pairs = {
        f"{asset}USD": PairInfo(
            altname=f"{asset}USD",
            base=asset,
            quote="ZUSD",
            pair_decimals=1,
            lot_decimals=8,
            tick_size=Decimal("0.1"),
        )
        for asset in assets
    }
    return {**assets, "ZUSD": AssetInfo("USD")}, pairs


def ticker(symbol: str, chance: random.Random) -> str:
    price = 50_000 + chance.randint(0, 10_000) / 10
    row = {
        "symbol": symbol,
        "bid": price,
        "bid_qty": 0.74012345,
        "ask": price + 0.1,
        "ask_qty": 1.36144813,
        "last": price,
        "volume": 3997.38983185,
        "vwap": 50100.1,
        "low": 49000.1,
        "high": 61000.3,
        "change": -17.1,
        "change_pct": -0.17,
        "timestamp": "2026-09-25T09:04:31.742648Z",
    }
    return json.dumps({"channel": "ticker", "type": "update", "data": [row]})


def candle(symbol: str, chance: random.Random) -> str:
    price = 50_000 + chance.randint(0, 10_000) / 10
    row = {
        "symbol": symbol,
        "open": price,
        "high": price + 7,
        "low": price - 7,
        "close": price + 1,
        "trades": 12,
        "volume": 3.92768066,
        "vwap": 50100.1,
        "interval_begin": "2026-09-25T09:04:00.000000000Z",
        "interval": 1,
        "timestamp": "2026-09-25T09:05:00.000000Z",
    }
    return json.dumps({"channel": "ohlc", "type": "update", "data": [row]})


def report(number: int) -> str:
    row = {
        "order_id": f"O{number:05}-ABCDE-FGHIJK",
        "cl_ord_id": "6d1b345e-2821-40e2-ad83-4ecb18a06876",
        "exec_type": "trade",
        "exec_id": "TGBB7L-HT5LX-J3BZ4A",
        "order_status": "filled",
        "symbol": "A00/USD",
        "last_qty": 0.005,
        "last_price": 26599.9,
        "cum_qty": 0.005,
        "timestamp": "2026-09-25T09:04:31.742648Z",
    }
    return json.dumps(
        {"channel": "executions", "type": "update", "data": [row], "sequence": number + 1}
    )


def market() -> Market:
    names = [PairName(symbol.replace("/", "")) for symbol in symbols()]
    return Market(names, [Timeframe.M1], stale_after_s=60, grace_s=2, now_ns=START_NS)


def apply_to(world: Market) -> Callable[[FeedMessage], None]:
    def apply(message: FeedMessage) -> None:
        if isinstance(message, Quote):
            world.on_quote(message)
        elif isinstance(message, RunningBar):
            world.on_running_bar(message)

    return apply


def least_s(work: Callable[[], object]) -> float:
    """Seconds of one run, the least of all rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


def read_all(frames: list[str]) -> int:
    names = [PairName(symbol.replace("/", "")) for symbol in symbols()]
    reader, apply = FrameReader(Instruments(*rows()), names), apply_to(market())
    for frame in frames:
        for message in reader.feed(frame, START_NS):
            apply(message)
    assert reader.malformed == 0
    return reader.frames


def decode_all(frames: list[str]) -> None:
    decode = msgspec.json.Decoder().decode
    for frame in frames:
        decode(frame)


def show(name: str, per_second: float, ratio: float | None) -> None:
    beside = "" if ratio is None else f"{ratio:8.2f} ×"
    verdict = "" if per_second >= BUDGET else "  BELOW BUDGET"
    print(f"{name:34}{per_second:12,.0f} /s{beside}{verdict}")


def measure_reading() -> None:
    chance = random.Random(1)
    names = symbols()
    kinds = {
        "ticker": [ticker(names[n % PAIRS], chance) for n in range(FRAMES)],
        "ohlc": [candle(names[n % PAIRS], chance) for n in range(FRAMES)],
        "executions": [report(n) for n in range(FRAMES)],
        "heartbeat": ['{"channel":"heartbeat"}'] * FRAMES,
    }
    for name, frames in kinds.items():
        reading, decoding = (
            least_s(lambda f=frames: read_all(f)),
            least_s(lambda f=frames: decode_all(f)),
        )
        show(f"{name}: parsed and applied", FRAMES / reading, reading / decoding)


# with a socket in front


async def serve() -> None:
    """The venue's side, in a process of its own: prints its port, floods whoever subscribes."""
    chance = random.Random(1)
    frames = [ticker(symbol, chance) for symbol in symbols()]
    pairs = {name: msgspec.to_builtins(info) for name, info in rows()[1].items()}
    assets = {name: msgspec.to_builtins(info) for name, info in rows()[0].items()}

    async def rest(request: web.Request) -> web.Response:
        found = {"Assets": assets, "AssetPairs": pairs}[request.match_info["method"]]
        return web.json_response({"error": [], "result": found})

    async def socket(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        for _ in range(3):
            message = await response.receive()
            assert message.type is WSMsgType.TEXT
            asked = json.loads(message.data)
            for symbol in asked["params"].get("symbol", [""]):
                confirmed = {"channel": asked["params"]["channel"], "symbol": symbol}
                reply = {"method": "subscribe", "req_id": asked["req_id"], "success": True}
                await response.send_json({**reply, "result": confirmed})
        for number in range(SOCKET_FRAMES):
            await response.send_str(frames[number % PAIRS])
        await response.receive()
        return response

    app = web.Application()
    app.router.add_get("/0/public/{method}", rest)
    app.router.add_get("/v2", socket)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def receive(port: int) -> float:
    """Seconds of processor time to take all frames."""
    clock = SystemClock()
    rest = KrakenRest(
        Transport(RestSettings(url=f"http://127.0.0.1:{port}", tier=Tier.NONE), clock)
    )
    settings = FeedSettings(public_url=f"ws://127.0.0.1:{port}/v2")
    feed = KrakenFeed(settings, rest, clock, random.Random(1))
    apply, done = apply_to(market()), asyncio.Event()
    names = [PairName(symbol.replace("/", "")) for symbol in symbols()]
    began_s, taken = 0.0, 0

    def deliver(message: FeedMessage) -> None:
        nonlocal began_s, taken
        apply(message)
        if isinstance(message, Quote):
            began_s = began_s or time.process_time()
            taken += 1
            if taken == SOCKET_FRAMES:
                done.set()

    running = asyncio.create_task(feed.run(names, [Timeframe.M1], deliver))
    await done.wait()
    elapsed_s = time.process_time() - began_s
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await rest.close()
    return elapsed_s


def measure_socket() -> None:
    sender = subprocess.Popen(
        [sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert sender.stdout is not None
        elapsed_s = asyncio.run(receive(int(sender.stdout.readline())))
        show("ticker: from a socket", SOCKET_FRAMES / elapsed_s, None)
    finally:
        sender.terminate()
        sender.wait()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    else:
        measure_reading()
        measure_socket()
