"""Limits of addresses and connections, on sockets; choices of the exchange, from outside."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from krakked.cli.simulator import _strictness
from krakked.domain.errors import BadInput
from krakked.sim.exchange.limits import Tier
from krakked.sim.public.gate import VENUE, GateLimits
from krakked.simulator.options import SimulatorOptions, check, exchange_options


async def refused_status(client: Any) -> int:
    """With which status a connection is refused."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await client.http.ws_connect(client.running.ws_url)
    return int(caught.value.status)


def test_public_requests_that_come_too_fast_are_refused(stage: Any) -> None:
    async def scene(client: Any) -> list[Any]:
        answers = [await client.get("Time") for _ in range(7)]
        await client.get("Depth", pair="XBTUSD")
        return [each["error"] for each in answers]

    told = stage.play(scene, stage.options(gate=VENUE))
    assert told == [[]] * 5 + [["EGeneral:Too many requests"]] * 2


def test_an_account_without_limits_has_no_gate(stage: Any) -> None:
    async def scene(client: Any) -> bool:
        return all([not (await client.get("Time"))["error"] for _ in range(50)])

    assert stage.play(scene, stage.options(gate=VENUE, tier=Tier.NONE))


def test_too_many_connections_ban_the_address(stage: Any) -> None:
    async def scene(client: Any) -> int:
        for _ in range(3):
            async with client.socket():
                pass
        return await refused_status(client)

    assert stage.play(scene, stage.options(gate=GateLimits(connections=3))) == 429


def test_texts_that_come_too_fast_are_told_so(stage: Any) -> None:
    async def scene(client: Any) -> list[Any]:
        async with client.socket() as ws:
            for _ in range(3):
                await ws.ws.send_json({"method": "ping"})
            return [await ws.next() for _ in range(3)]

    answers = stage.play(scene, stage.options(gate=GateLimits(messages_burst=2)))
    assert [each.get("method") for each in answers] == ["pong", "pong", None]
    assert answers[-1] == {"Error": "Exceeded msg rate"}


@pytest.mark.parametrize("subscribes", [False, True])
def test_a_silent_connection_ends_after_a_minute_unless_it_is_subscribed(
    stage: Any, subscribes: bool
) -> None:
    async def scene(client: Any) -> Any:
        clock = client.running.exchange
        async with client.socket() as ws:
            began_ns = clock.now_ns
            if subscribes:
                await ws.subscribe("ticker", symbol=["BTC/USD"])
            while (frame := await ws.next()) is not None:
                if clock.now_ns - began_ns > 100 * 10**9:
                    return frame["channel"]
            return None

    options = stage.options(gate=GateLimits(idle_s=60), heartbeats=True)
    told = stage.play(scene, options)
    assert (told is not None) is subscribes


def test_choices_reach_the_exchange(stage: Any) -> None:
    async def scene(client: Any) -> Any:
        order = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "0.01"}
        answer = await client.post("AddOrder", **order, price="70000", oflags="post")
        (txid,) = answer["result"]["txid"]
        row = (await client.post("QueryOrders", txid=txid))["result"][txid]
        return row["status"], row["reason"]

    options = stage.options(choices={"post_only_mode": "cancel", "market_band_pct": "5"})
    assert stage.play(scene, options) == ("canceled", "Post only order")


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"post_mode": "x"}, "post_only_mode"),
        ({"post_only_mode": "x"}, "--choice"),
        ({"history_cost": "many"}, "--choice"),
    ],
)
def test_choices_that_there_are_not_are_one_clear_line(
    stage: Any, choices: dict[str, object], told: str
) -> None:
    with pytest.raises(BadInput, match=told):
        check(stage.options(choices=choices))


def test_fees_and_costs_are_given_as_json_on_the_command_line() -> None:
    tiers = '[{"volume_usd": 0, "taker_pct": 0.5, "maker_pct": 0.25}]'
    flags = {"choices": (f"fee_ladder={tiers}", 'rest_costs={"Balance": 2}', "seed=3")}
    given: Any = _strictness(flags)
    chosen = exchange_options(SimulatorOptions(**given))
    (tier,) = chosen.fee_ladder
    assert (tier.taker_pct, tier.maker_pct) == (Decimal("0.5"), Decimal("0.25"))
    assert (chosen.rest_costs, chosen.seed) == ({"Balance": 2}, 3)


def test_requests_at_a_time_are_throttled_where_that_is_chosen(stage: Any) -> None:
    async def scene(client: Any) -> list[str]:
        answers = [await client.post("Balance") for _ in range(3)]
        return [each["error"][0].rpartition(" ")[0] for each in answers if each["error"]]

    options = stage.options(choices={"concurrent_requests": 2, "request_ms": 60_000})
    assert stage.play(scene, options) == ["EService: Throttled:"]
