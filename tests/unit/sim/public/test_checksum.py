"""The checksum against recorded and documented books."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from krakked.sim.public.checksum import book_checksum

VECTORS = Path(os.environ.get("VECTORS", "../shared/data/vectors"))


def levels(rows: list[Any]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(row["price"]), Decimal(row["qty"])) for row in rows]


def documented_book() -> list[Any]:
    path = VECTORS / "kraken-docs-examples" / "websocket_v2_Book_Level_2_.jsonl"
    if not path.exists():
        pytest.skip(f"no recorded payloads in {VECTORS}")
    lines = path.read_text(encoding="utf-8").splitlines()
    messages = [json.loads(line, parse_float=str, parse_int=str) for line in lines]
    return [one["data"][0] for one in messages if "data" in one]


def test_the_documented_snapshot_and_update_have_their_checksums() -> None:
    snapshot, update = documented_book()[:2]
    bids, asks = levels(snapshot["bids"]), levels(snapshot["asks"])
    scale = {"price_decimals": 4, "quantity_decimals": 8}
    assert book_checksum(asks, bids, **scale) == int(snapshot["checksum"])
    changed = dict(bids) | dict(levels(update["bids"]))
    bids = sorted(changed.items(), reverse=True)
    assert book_checksum(asks, bids, **scale) == int(update["checksum"])


def test_recorded_live_books_have_their_checksums() -> None:
    path = VECTORS / "python-kraken-sdk" / "share" / "orderbook-v2.first100.json"
    if not path.exists():
        pytest.skip(f"no recorded payloads in {VECTORS}")
    recorded = json.loads(path.read_text(encoding="utf-8"), parse_float=str, parse_int=str)
    messages = [one["data"][0] for one in (recorded["init"], *recorded["updates"])]
    sides: dict[str, dict[Decimal, Decimal]] = {"bids": {}, "asks": {}}
    depth = len(messages[0]["bids"])
    for message in messages:
        for name, side in sides.items():
            side |= dict(levels(message[name]))
            keep = sorted((item for item in side.items() if item[1]), reverse=name == "bids")
            sides[name] = dict(keep[:depth])
        found = book_checksum(
            list(sides["asks"].items()),
            list(sides["bids"].items()),
            price_decimals=1,
            quantity_decimals=8,
        )
        assert found == int(message["checksum"])
    assert len(messages) > 50


def test_only_the_ten_best_of_each_side_count() -> None:
    asks = [(Decimal(100 + i), Decimal(1)) for i in range(12)]
    bids = [(Decimal(99 - i), Decimal(1)) for i in range(12)]
    scale = {"price_decimals": 1, "quantity_decimals": 8}
    assert book_checksum(asks, bids, **scale) == book_checksum(asks[:10], bids[:10], **scale)
    assert book_checksum(asks, bids, **scale) != book_checksum(asks[1:], bids, **scale)
