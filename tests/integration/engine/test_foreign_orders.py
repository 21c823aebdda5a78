"""Live, at a venue of our own: beside somebody else's open orders it needs a person's word.

The venue is a simulator at the pace of this machine, which an engine takes for Kraken: kind, mode
and flags are those of live, and only the addresses are not.
"""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import msgspec
import pytest

from krakked.adapters.kraken.auth import Credentials
from krakked.adapters.kraken.rate_limit import Tier
from krakked.adapters.kraken.rest import KrakenRest
from krakked.adapters.kraken.transport import Call, RestSettings, Transport
from krakked.adapters.system.clock import SystemClock

pytestmark = pytest.mark.timeout(200)
LIVE = {
    "execution.mode": "live",
    "execution.allow_live_trading": "true",
    "account.name": "acme",
    "account.confirm_name": "acme",
    "universe.min_24h_volume_usd": "0",
    "universe.include_pairs": "[XBTUSD]",
    "market_data.backfill_bars": "5",
    "venue.tier": "none",
}


def start_venue(krakked: Any) -> Any:
    ports = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    market = ("--market", "calm", "--speed", "1", "--tier", "none")
    return json.loads(krakked.start("simulator", *ports, *market, "--json").wait_for("rest_url"))


def place_by_hand(told: Any) -> str:
    """An order of a person who trades on the same account with another program."""

    async def place() -> str:
        key = Credentials(told["trade_key"], told["trade_secret"])
        settings = RestSettings(url=told["rest_url"], tier=Tier.NONE)
        rest = KrakenRest(Transport(settings, SystemClock(), trade=key, query=key))
        form = {
            "pair": "XBTUSD",
            "type": "buy",
            "ordertype": "limit",
            "price": "1000",
            "volume": "0.01",
        }
        answer = await rest.transport.private(Call(method="AddOrder", form=form))
        await rest.close()
        (txid,) = msgspec.json.decode(bytes(answer))["txid"]
        return str(txid)

    return asyncio.run(place())


def flags_of(told: Any) -> list[str]:
    chosen = LIVE | {f"venue.{name}": told[name] for name in ("rest_url", "ws_url", "ws_auth_url")}
    flags = [text for name, value in chosen.items() for text in ("--set", f"{name}={value}")]
    return ["run", "--env", "live", *flags]


def keys_of(told: Any) -> dict[str, str]:
    return {"KRAKEN_API_KEY": told["trade_key"], "KRAKEN_API_SECRET": told["trade_secret"]}


def test_live_beside_a_foreign_order_is_refused_until_a_person_acknowledges_it(
    krakked: Any,
) -> None:
    told = start_venue(krakked)
    txid = place_by_hand(told)
    refused = krakked.run(*flags_of(told), **keys_of(told))
    assert refused.returncode == 78, refused.stdout[-2000:] + refused.stderr[-2000:]
    line = refused.stderr.strip().splitlines()[-1]
    assert "1 open order on this account" in line
    assert txid in line
    assert "--acknowledge-foreign-orders" in line
    assert "engine_started" not in refused.stdout

    engine = krakked.start(*flags_of(told), "--acknowledge-foreign-orders", **keys_of(told))
    engine.wait_for("engine_started")
    status = krakked.ask("status")
    assert [text for text in status["foreign_orders"] if txid in text]
    assert status["drift"] == []
    assert engine.end(signal.SIGINT) == 0, engine.story()
    assert engine.lines[-1] == "books: zero differences"
