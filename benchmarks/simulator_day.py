"""A day replayed by the simulator alone, as fast as it can: how many times faster than the day was.

Invented candles of two pairs, hourly and of each minute; nobody is connected, or one client hears
trades, books, tickers and candles of both. What the engine adds is told by ``replay.py``.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from krakked.adapters.system.clock import LoopClock
from krakked.domain.times import DAY_S, NS_PER_SECOND
from krakked.runtime import simulated_time
from krakked.runtime.simulated_time import SimulatedTimeLoop
from krakked.simulator import SimulatorOptions, start

START_S = 1_767_225_600
SYMBOLS = ["BTC/USD", "ETH/USD"]
CHANNELS: tuple[dict[str, object], ...] = (
    {"channel": "trade"},
    {"channel": "ticker"},
    {"channel": "book", "depth": 10},
    {"channel": "ohlc", "interval": 60},
)
EXPORT = (
    *(sys.executable, "-m", "krakked.cli.__main__", "simulator", "export-candles"),
    *("--pair", "XBTUSD", "--pair", "ETHUSD", "--from", "2025-12-31", "--to", "2026-01-01"),
)


def export(folder: Path, minutes: int) -> None:
    """The day that is replayed, and the one before it."""
    command = [*EXPORT, "--interval", str(minutes), "--out", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


async def hear(url: str, counted: list[int]) -> None:
    """Subscribe to everything, and count what comes."""
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        for params in CHANNELS:
            request = {"method": "subscribe", "params": {**params, "symbol": SYMBOLS}}
            await socket.send_json(request)
        async for _ in socket:
            counted[0] += 1


async def play(folder: Path, *, heard: bool) -> tuple[float, int]:
    """Seconds for the day, and frames that were heard."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedTimeLoop)
    options = SimulatorOptions(
        market="replay",
        candles=folder,
        from_s=START_S,
        to_s=START_S + DAY_S,
        speed=None,
        heartbeats=False,
    )
    running = await start(options, clock=LoopClock(loop))
    counted = [0]
    began = time.perf_counter()
    listener = asyncio.create_task(hear(running.ws_url, counted)) if heard else None
    await running.market_over()
    took_s = time.perf_counter() - began
    await running.stop()
    if listener is not None:
        await listener
    return took_s, counted[0]


def main() -> None:
    print(f"{'candles of a day, two pairs':34}{'seconds':>9}{'frames':>10}{'day / wall clock':>18}")
    for name, minutes in (("hourly", 60), ("of each minute", 1)):
        with tempfile.TemporaryDirectory() as folder:
            export(Path(folder), minutes)
            for heard in (False, True):
                scene = play(Path(folder), heard=heard)
                start_ns = START_S * NS_PER_SECOND
                took_s, frames = simulated_time.run(scene, start_ns=start_ns, speed=None)
                what = f"{name}, {'all is heard' if heard else 'nobody listens'}"
                print(f"{what:34}{took_s:9.2f}{frames:10,}{DAY_S / took_s:17,.0f}×")


if __name__ == "__main__":
    main()
