"""The line view: what a person who looks on reads."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from decimal import Decimal
from typing import Any

from krakked.domain.ids import PairName
from krakked.domain.orders import Side


def test_trades_and_orders_are_told_a_line_each(stage: Any) -> None:
    said: list[str] = []

    async def scene(client: Any) -> None:
        client.running.watch(said.append)
        answer = await client.buy("0.01", ordertype="limit", price="50000.0")
        (txid,) = answer["result"]["txid"]
        await client.post("AmendOrder", txid=txid, order_qty="0.02")
        await client.post("CancelOrder", txid=txid)
        await client.buy("0.01")

    stage.play(scene)
    words = [re.sub(r"\b(O\w{5}-\w{5}-\w{6})\b", "O", line) for line in said]
    assert words == [
        "00:00:00.000  order  main  O pending_new buy limit 0.01000000 BTC/USD at 50000.0",
        "00:00:00.000  order  main  O new",
        "00:00:00.000  order  main  O amended to 0.02000000 at 50000.0",
        "00:00:00.000  order  main  O canceled (User requested)",
        "00:00:00.000  order  main  O pending_new buy market 0.01000000 BTC/USD",
        "00:00:00.000  order  main  O new",
        "00:00:00.000  order  main  O trade buy 0.01000000 BTC/USD at 60006.0",
        "00:00:00.000  trade  XBTUSD  buy 0.01000000 at 60006.0",
        "00:00:00.000  order  main  O filled",
    ]


def test_the_console_of_the_command_shows_the_tape() -> None:
    ports = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    flags = ["--market", "calm", "--console", "--speed", "100", "--pair", "XBTUSD"]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "krakked.cli", "simulator", *ports, *flags],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert process.stdout is not None
    line = next(line for line in process.stdout if "  trade  " in line)
    assert re.match(r"[\d:.]{12}  trade  XBTUSD  (buy|sell) [\d.]+ at [\d.]+$", line)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_numbers_are_written_as_on_the_wire(stage: Any) -> None:
    said: list[str] = []

    async def scene(client: Any) -> None:
        client.running.watch(said.append)
        client.running.exchange.market_trade(
            PairName("XBTUSD"), Decimal("7E+4"), Decimal(1), Side.BUY, stage.start_ns
        )
        client.running.settle()

    stage.play(scene)
    assert said == ["00:00:00.000  trade  XBTUSD  buy 1.00000000 at 70000.0"]
