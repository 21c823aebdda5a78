"""Requests printed in the venue's documentation are served as they stand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(os.environ.get("VECTORS", "../shared/data/vectors")) / "kraken-docs-examples"
PUBLIC = ("Ticker_Level_1_", "Candles_OHLC_", "Trades", "Book_Level_2_", "Instruments", "Ping")
PRIVATE = ("Executions", "Balances")
OURS = {"ALGO/USD": "ADA/USD", "MATIC/USD": "SOL/USD"}


def requests(name: str) -> list[Any]:
    path = VECTORS / f"websocket_v2_{name}.jsonl"
    if not path.exists():
        pytest.skip(f"no recorded payloads in {VECTORS}")
    text = path.read_text(encoding="utf-8")
    for theirs, ours in OURS.items():
        text = text.replace(theirs, ours)
    messages = [json.loads(line) for line in text.splitlines()]
    answers = {"result", "error", "success", "time_in"}
    return [one for one in messages if "method" in one and not answers & set(one)]


@pytest.mark.parametrize("name", PUBLIC)
def test_documented_public_requests_are_served_in_their_order(stage: Any, name: str) -> None:
    async def scene(client: Any) -> None:
        async with client.socket() as ws:
            for request in requests(name):
                await ws.ws.send_json(request)
                answer = await answered(ws)
                assert answer.get("success", True) is True, answer
                assert answer.get("req_id") == request.get("req_id")

    assert requests(name)
    stage.play(scene)


@pytest.mark.parametrize("name", PRIVATE)
def test_documented_private_requests_are_served_with_a_token_of_ours(stage: Any, name: str) -> None:
    async def scene(client: Any) -> None:
        token = await client.token()
        async with client.socket(private=True) as ws:
            for request in requests(name):
                request["params"]["token"] = token
                await ws.ws.send_json(request)
                assert (await answered(ws))["success"] is True

    assert len(requests(name)) == 2
    stage.play(scene, stage.options(listen_private="127.0.0.1:0"))


async def answered(ws: Any) -> Any:
    """The next frame that answers a request."""
    while "method" not in (frame := await ws.next()):
        pass
    return frame
