"""Things that go wrong on purpose, as a client sees them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from krakked.domain.ids import Asset
from krakked.sim.exchange.limits import Tier
from krakked.simulator.faults import Armed, Asked, FaultKind, Faults
from krakked.simulator.options import AccountKey, AccountOptions


async def outcome(work: Any) -> str:
    """``ok``, the venue's error, or how the transport failed."""
    try:
        envelope = await work
    except aiohttp.ServerDisconnectedError:
        return "disconnected"
    except aiohttp.ClientResponseError as error:
        return str(error.status)
    return "ok" if not envelope["error"] else str(envelope["error"][0])


async def orders(client: Any) -> int:
    return len((await client.post("ClosedOrders"))["result"]["closed"])


@pytest.mark.parametrize(
    ("kind", "seen", "handled"),
    [
        ("request-lost", "disconnected", 0),
        ("answer-lost", "disconnected", 1),
        ("5xx", "502", 0),
        ("5xx-after", "502", 1),
    ],
)
def test_a_fault_of_a_request_happens_once_to_the_method_it_was_armed_for(
    stage: Any, kind: str, seen: str, handled: int
) -> None:
    async def scene(client: Any) -> None:
        armed = await client.admin("/faults", {"kind": kind, "method": "AddOrder"})
        assert armed["status"] == 200
        assert await outcome(client.post("Balance")) == "ok"
        assert await outcome(client.buy()) == seen
        assert await orders(client) == handled
        assert await outcome(client.buy()) == "ok"
        assert await orders(client) == handled + 1
        assert (await client.admin("/faults"))["happened"] == {kind: 1}

    stage.play(scene)


def test_a_fault_may_be_armed_for_several_requests(stage: Any) -> None:
    async def scene(client: Any) -> None:
        await client.admin("/faults", {"kind": "5xx", "count": 2})
        seen = [await outcome(client.post("Balance")) for _ in range(3)]
        assert seen == ["502", "502", "ok"]

    stage.play(scene)


def test_a_late_order_is_not_found_for_as_long_as_it_is_late(stage: Any) -> None:
    async def scene(client: Any) -> None:
        await client.admin("/faults", {"kind": "late-visibility", "seconds": 4})
        answer = await client.buy(ordertype="limit", price="50000.0", cl_ord_id="mine")
        (txid,) = answer["result"]["txid"]
        assert (await client.post("OpenOrders"))["result"]["open"] == {}
        assert (await client.post("QueryOrders", txid=txid))["error"]
        await asyncio.sleep(3.9)
        assert (await client.post("OpenOrders"))["result"]["open"] == {}
        await asyncio.sleep(0.2)
        assert list((await client.post("OpenOrders"))["result"]["open"]) == [txid]

    stage.play(scene)


def test_a_drop_takes_the_place_of_a_private_message(stage: Any) -> None:
    async def scene(client: Any) -> None:
        async with client.socket() as private, client.socket() as public:
            await private.subscribe("executions", token=await client.token())
            await private.until("executions")
            await public.subscribe("ticker", symbol=["BTC/USD"], snapshot=False)
            await client.admin("/faults", {"kind": "ws-drop"})
            await client.buy()
            assert await private.next() is None
            assert (await public.until("ticker"))["type"] == "update"
        async with client.socket() as again:
            await again.subscribe("executions", token=await client.token(), snap_trades=True)
            snapshot = await again.until("executions")
            assert [row["exec_type"] for row in snapshot["data"]] == ["trade"]

    stage.play(scene)


def test_all_connections_can_be_dropped_at_once(stage: Any) -> None:
    async def scene(client: Any) -> None:
        async with client.socket() as first, client.socket() as second:
            await client.admin("/faults", {"kind": "ws-drop", "now": True})
            assert await first.next() is None
            assert await second.next() is None

    stage.play(scene)


def test_a_mixture_strikes_about_as_often_as_it_says_and_the_same_twice(stage: Any) -> None:
    async def scene(client: Any) -> list[str]:
        return [await outcome(client.post("CancelAll")) for _ in range(200)]

    chances = {FaultKind.ANSWER_LOST: Decimal("0.1"), FaultKind.SERVER_ERROR: Decimal("0.1")}
    options = stage.options(faults=chances, fault_seed=5)
    seen = stage.play(scene, options)
    assert 8 <= seen.count("disconnected") <= 32
    assert 8 <= seen.count("502") <= 32
    assert stage.play(scene, options) == seen
    assert stage.play(scene, stage.options(faults=chances, fault_seed=6)) != seen


def test_a_mixture_can_be_changed_and_cleared_while_it_runs(stage: Any) -> None:
    async def scene(client: Any) -> None:
        await client.admin("/faults", {"probabilities": {"5xx": "1"}, "seed": 3})
        assert await outcome(client.post("Balance")) == "502"
        await client.admin("/faults", {"clear": True})
        assert await outcome(client.post("Balance")) == "ok"

    stage.play(scene)


def asked(method: str) -> Asked:
    return Asked(names=(method,), body=b"")


def test_armed_faults_are_taken_by_kind_and_method() -> None:
    faults = Faults({}, seed=1)
    faults.arm(Armed(kind=FaultKind.ANSWER_LOST, method="CancelOrder"))
    faults.arm(Armed(kind=FaultKind.SERVER_ERROR, skip=1))
    assert faults.draw(FaultKind.ANSWER_LOST, asked("AddOrder")) is None
    assert faults.draw(FaultKind.SERVER_ERROR, asked("AddOrder")) is None
    assert faults.draw(FaultKind.SERVER_ERROR, asked("AddOrder")) is not None
    assert faults.draw(FaultKind.ANSWER_LOST, asked("CancelOrder")) is not None
    assert faults.is_quiet
    assert faults.happened == {FaultKind.SERVER_ERROR: 1, FaultKind.ANSWER_LOST: 1}


@pytest.mark.parametrize("kind", ["rate-limit", "engine-rate-limit"])
def test_a_full_counter_does_not_happen_to_an_account_without_limits(stage: Any, kind: str) -> None:
    async def scene(client: Any) -> Any:
        await client.admin("/faults", {"kind": kind, "method": "AddOrder"})
        await client.admin("/faults", {"kind": kind, "probability": 1})
        await client.admin("/faults", {"kind": kind, "now": True})
        assert await outcome(client.buy()) == "ok"
        faults = await client.admin("/faults")
        return faults["happened"], len(faults["armed"])

    assert stage.play(scene, stage.options(tier=Tier.NONE)) == ({}, 1)


def test_a_full_counter_strikes_the_account_with_limits_beside_one_without(stage: Any) -> None:
    limited = AccountOptions(
        name="limited",
        balances={Asset("USD"): Decimal(1000)},
        keys=(AccountKey(key="l", secret="bGw="),),
    )

    async def scene(client: Any) -> Any:
        await client.admin("/faults", {"kind": "rate-limit"})
        first = await outcome(client.post("Balance"))
        second = await outcome(client.post("Balance", key=limited.keys[0]))
        return first, second, (await client.admin("/faults"))["happened"]

    options = stage.options(tier=Tier.NONE, accounts=(limited,))
    assert stage.play(scene, options) == ("ok", "EAPI:Rate limit exceeded", {"rate-limit": 1})
