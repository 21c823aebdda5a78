"""A venue whose clock is wrong shows it, and goes on: only what it says of the time is another."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from krakked.domain.times import NS_PER_SECOND, to_rfc3339

OFFSETS = (-90, 90)


async def skew(client: Any, seconds: int) -> int:
    """Let the clock be wrong; what it shows, in nanoseconds."""
    answer = await client.admin(
        "/faults", {"kind": "clock-offset", "seconds": seconds, "now": True}
    )
    assert answer["status"] == 200, answer
    true_s = (await client.admin("/clock"))["now_ns"] // NS_PER_SECOND
    shown_s = (await client.get("Time"))["result"]["unixtime"]
    assert shown_s == true_s + seconds
    return int(shown_s * NS_PER_SECOND)


@pytest.mark.parametrize("seconds", OFFSETS)
def test_a_venue_whose_clock_is_wrong_goes_on_trading(stage: Any, seconds: int) -> None:
    async def scene(client: Any) -> None:
        await skew(client, seconds)
        last = (await client.get("Trades", pair="XBTUSD"))["result"]["last"]
        await asyncio.sleep(45)
        assert int((await client.get("Trades", pair="XBTUSD"))["result"]["last"]) > int(last)
        assert (await client.buy())["error"] == []
        (trade,) = (await client.post("TradesHistory"))["result"]["trades"].values()
        now_s = Decimal((await client.admin("/clock"))["now_ns"]) / NS_PER_SECOND
        assert abs(Decimal(str(trade["time"])) - now_s) < 1  # what is recorded goes by the true one

    stage.play(scene, stage.calm)


@pytest.mark.parametrize("seconds", OFFSETS)
def test_deadlines_go_by_the_clock_that_is_shown(stage: Any, seconds: int) -> None:
    async def scene(client: Any) -> None:
        shown_ns = await skew(client, seconds)
        ours = to_rfc3339(shown_ns + (5 - seconds) * NS_PER_SECOND)
        (error,) = (await client.buy(deadline=ours))["error"]
        passed = "EService:Deadline elapsed"
        assert error == (passed if seconds > 0 else "EGeneral:Invalid arguments:deadline")
        its = to_rfc3339(shown_ns + 5 * NS_PER_SECOND)
        assert (await client.buy(deadline=its))["error"] == []

    stage.play(scene, stage.calm)


@pytest.mark.parametrize("seconds", OFFSETS)
def test_the_dead_man_fires_when_the_clock_that_is_shown_says_so(stage: Any, seconds: int) -> None:
    async def scene(client: Any) -> None:
        shown_ns = await skew(client, seconds)
        await client.buy(ordertype="limit", price="50000.0")
        told = (await client.post("CancelAllOrdersAfter", timeout=10))["result"]
        assert told == {
            "currentTime": to_rfc3339(shown_ns, decimals=0),
            "triggerTime": to_rfc3339(shown_ns + 10 * NS_PER_SECOND, decimals=0),
        }
        await asyncio.sleep(9)
        assert (await client.post("OpenOrders"))["result"]["open"]
        await asyncio.sleep(2)
        assert not (await client.post("OpenOrders"))["result"]["open"]

    stage.play(scene, stage.calm)


def test_status_and_answers_over_the_socket_are_of_the_clock_that_is_shown(stage: Any) -> None:
    async def scene(client: Any) -> None:
        shown = to_rfc3339(await skew(client, -90))
        status = (await client.get("SystemStatus"))["result"]
        assert status["timestamp"][:19] == shown[:19]
        async with client.socket() as public:
            await public.ws.send_json({"method": "ping"})
            pong = await public.next()
            assert (pong["method"], pong["time_in"][:19]) == ("pong", shown[:19])
            await public.subscribe("book", symbol=["BTC/USD"])
            assert (await public.until("book"))["data"][0]["timestamp"][:19] == shown[:19]

    stage.play(scene, stage.calm)


def test_nothing_mends_the_clock_but_zero(stage: Any) -> None:
    async def scene(client: Any) -> None:
        await skew(client, -90)
        assert (await client.admin("/faults"))["clock_offset_ns"] == -90 * NS_PER_SECOND
        await skew(client, 0)
        assert (await client.admin("/faults"))["clock_offset_ns"] == 0

    stage.play(scene, stage.calm)
