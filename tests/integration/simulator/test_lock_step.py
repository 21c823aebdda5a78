"""A replay over the wire is the same twice, frame by frame, whatever the hash seed."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from krakked.domain.ids import PairName
from krakked.simulator import SimulatorOptions
from krakked.simulator.exporting import export
from krakked.simulator.faults import FaultKind

DAYS = 4
FROM_S = 1_704_067_200


def candles(folder: Path) -> Path:
    invented = SimulatorOptions(
        pairs=(PairName("XBTUSD"), PairName("ETHUSD")),
        from_s=FROM_S,
        to_s=FROM_S + DAYS * 86_400,
    )
    assert len(list(export(invented, minutes=60, folder=folder))) == 2
    return folder


class Listener:
    """Writes everything that it sees and does into one digest."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.digest = hashlib.sha256()
        self.frames = 0

    def note(self, what: object) -> None:
        self.digest.update(f"{asyncio.get_running_loop().time():.6f} {what}".encode())

    async def listen(self, socket: Any) -> None:
        while (frame := await socket.next()) is not None:
            self.frames += 1
            self.note(frame)

    async def trade(self) -> None:
        """An order every three hours, a question every seven."""
        for turn in range(DAYS * 8):
            await asyncio.sleep(3 * 3600)
            side = "buy" if turn % 2 == 0 else "sell"
            self.note(await self._try(self.client.buy("0.01", type=side)))
            if turn % 7 == 0:
                self.note(await self._try(self.client.post("TradesHistory")))

    async def _try(self, work: Any) -> object:
        try:
            return await work
        except Exception as error:  # noqa: BLE001 - which one is what is noted
            return type(error).__name__


async def scene(client: Any) -> str:
    listener = Listener(client)
    async with client.socket() as public, client.socket() as private:
        for interval in (60, 240):
            await public.subscribe("ohlc", symbol=["BTC/USD", "ETH/USD"], interval=interval)
        await public.subscribe("ticker", symbol=["BTC/USD"])
        await public.subscribe("book", symbol=["ETH/USD"])
        await private.subscribe("executions", token=await client.token())
        work = [
            asyncio.create_task(listener.listen(public)),
            asyncio.create_task(listener.listen(private)),
            asyncio.create_task(listener.trade()),
        ]
        await client.running.market_over()
        await asyncio.sleep(1)
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
    assert listener.frames > DAYS * 24 * 4 * 3
    listener.note((await client.admin("/balances"))["main"])
    return listener.digest.hexdigest()


def digest_of_a_replay(stage: Any, folder: Path) -> str:
    chances = {FaultKind.ANSWER_LOST: Decimal("0.1")}
    options = stage.options(market="replay", candles=folder, faults=chances)
    return str(stage.play(scene, options))


def test_a_replay_over_the_wire_is_the_same_twice(stage: Any, tmp_path: Path) -> None:
    folder = candles(tmp_path)
    assert digest_of_a_replay(stage, folder) == digest_of_a_replay(stage, folder)


def test_a_replay_over_the_wire_is_the_same_under_another_hash_seed(
    stage: Any, tmp_path: Path
) -> None:
    folder = candles(tmp_path)
    other = subprocess.run(
        [sys.executable, __file__, str(folder)],
        env={**os.environ, "PYTHONHASHSEED": "4242"},
        capture_output=True,
        check=True,
        text=True,
        timeout=50,
    )
    assert other.stdout == digest_of_a_replay(stage, folder)


if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("stage", Path(__file__).with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    stage_module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stage_module)
    sys.stdout.write(digest_of_a_replay(stage_module.Stage(), Path(sys.argv[1])))
