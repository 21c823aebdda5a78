"""Every kind of fault, as a client sees it over real sockets: one scene each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from krakked.sim.fault_kinds import FaultKind

Scene = Callable[[Any], Awaitable[None]]
SCENES: dict[FaultKind, Scene] = {}


def shows(kind: str) -> Callable[[Scene], Scene]:
    """The scene in which a client sees this kind."""

    def add(scene: Scene) -> Scene:
        assert FaultKind(kind) not in SCENES, kind
        SCENES[FaultKind(kind)] = scene
        return scene

    return add


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def arm(client: Any, kind: str, **more: object) -> None:
    answer = await client.admin("/faults", {"kind": kind, **more})
    assert answer["status"] == 200, answer


async def outcome(work: Any) -> str:
    """``ok``, the venue's error, or how the transport failed."""
    try:
        envelope = await work
    except aiohttp.ServerDisconnectedError:
        return "disconnected"
    except aiohttp.ClientResponseError as error:
        return str(error.status)
    return "ok" if not envelope["error"] else str(envelope["error"][0])


async def bid(client: Any, volume: str = "0.01", **more: object) -> str:
    """Rest a buy far below the market; its id."""
    answer = await client.buy(volume, ordertype="limit", price="50000.0", **more)
    return str(answer["result"]["txid"][0])


async def order(client: Any, txid: str) -> Any:
    return (await client.post("QueryOrders", txid=txid))["result"][txid]


async def closed(client: Any) -> list[Any]:
    return list((await client.post("ClosedOrders"))["result"]["closed"].values())


async def executions(client: Any, private: Any) -> Any:
    """Subscribe, and pass over the snapshot."""
    await private.subscribe("executions", token=await client.token())
    return await private.until("executions")


@pytest.mark.parametrize("kind", FaultKind)
def test_a_client_sees_every_kind_of_fault_and_it_is_counted(stage: Any, kind: FaultKind) -> None:
    async def scene(client: Any) -> Any:
        await SCENES[kind](client)
        return await client.admin("/faults")

    shown = stage.play(scene)
    assert shown["happened"][kind.value] >= 1
    assert shown["armed"] == []


@shows("delay")
async def a_delayed_request_is_overtaken(client: Any) -> None:
    await arm(client, "delay", method="AddOrder", seconds=3)
    late = asyncio.create_task(outcome(client.buy()))
    await asyncio.sleep(1)
    assert await outcome(client.post("Balance")) == "ok"
    assert now_s() < 1.5
    assert await late == "EAPI:Invalid nonce"
    assert now_s() >= 3


@shows("answer-delay")
async def a_delayed_answer_is_of_a_request_that_was_handled(client: Any) -> None:
    await arm(client, "answer-delay", method="AddOrder", seconds=3)
    late = asyncio.create_task(outcome(client.buy()))
    await asyncio.sleep(1)
    assert len(await closed(client)) == 1
    assert await late == "ok"
    assert now_s() >= 3


async def sees(client: Any, kind: str, error: str, *, orders: int, **more: object) -> None:
    """What an order answers, how many there are after it, and that the next one is well."""
    await arm(client, kind, method="AddOrder", **more)
    assert await outcome(client.post("Balance")) == "ok"
    assert await outcome(client.buy()) == error
    assert len(await closed(client)) == orders
    assert await outcome(client.buy()) == "ok"
    assert len(await closed(client)) == orders + 1


INSTEAD = [
    ("request-lost", {}, "disconnected", 0),
    ("answer-lost", {}, "disconnected", 1),
    ("5xx", {"status": 503}, "503", 0),
    ("5xx-after", {}, "502", 1),
    ("busy", {}, "EService:Busy", 0),
    ("busy-after", {}, "EService:Busy", 1),
    ("unavailable", {}, "EService:Unavailable", 0),
    ("unavailable-after", {}, "EService:Unavailable", 1),
    ("throttled", {"seconds": 7}, "EService: Throttled: 1767225607", 0),
    ("throttled-after", {}, "EService: Throttled: 1767225605", 1),
    ("error", {"text": "EFunding:Nonsense"}, "EFunding:Nonsense", 0),
    ("error-after", {}, "EGeneral:Internal error", 1),
]


def scene_of(kind: str, more: dict[str, object], error: str, orders: int) -> Scene:
    return lambda client: sees(client, kind, error, orders=orders, **more)


for row in INSTEAD:
    shows(row[0])(scene_of(*row))


@shows("rate-limit")
async def a_full_counter_refuses_until_it_has_drained(client: Any) -> None:
    await arm(client, "rate-limit", method="Balance")
    for _ in range(2):
        assert await outcome(client.post("Balance")) == "EAPI:Rate limit exceeded"
    await asyncio.sleep(60)
    assert await outcome(client.post("Balance")) == "ok"


@shows("engine-rate-limit")
async def a_full_order_counter_refuses_orders_until_it_has_drained(client: Any) -> None:
    await arm(client, "engine-rate-limit")
    assert await outcome(client.post("Balance")) == "ok"
    assert await outcome(client.buy()) == "EOrder:Rate limit exceeded"
    await asyncio.sleep(60)
    assert await outcome(client.buy()) == "ok"


@shows("foreign-nonce")
async def a_foreign_nonce_makes_ours_invalid_until_we_are_above_it(client: Any) -> None:
    await arm(client, "foreign-nonce", ahead=2)
    seen = [await outcome(client.post("Balance")) for _ in range(4)]
    assert seen == ["EAPI:Invalid nonce"] * 3 + ["ok"]


@shows("thin-book")
async def a_taker_is_filled_in_part_and_in_pieces(client: Any) -> None:
    await arm(client, "thin-book", sizes=["0.002", "30%"])
    assert await outcome(client.buy("0.01")) == "ok"
    (found,) = await closed(client)
    assert (found["status"], found["vol_exec"]) == ("canceled", "0.00500000")
    trades = (await client.post("TradesHistory", consolidate_taker=False))["result"]["trades"]
    assert sorted(trade["vol"] for trade in trades.values()) == ["0.00200000", "0.00300000"]


@shows("fill-race")
async def an_order_is_filled_just_before_it_is_cancelled(client: Any) -> None:
    txid = await bid(client)
    await arm(client, "fill-race")
    assert await outcome(client.post("CancelOrder", txid=txid)) == "EOrder:Unknown order"
    assert (await order(client, txid))["status"] == "closed"
    txid = await bid(client, cl_ord_id="mine")
    await arm(client, "fill-race", sizes=["40%"], method="AmendOrder")
    assert await outcome(client.post("AmendOrder", cl_ord_id="mine", order_qty="0.008")) == "ok"
    found = await order(client, txid)
    assert (found["status"], found["vol"], found["vol_exec"]) == (
        "open",
        "0.00800000",
        "0.00400000",
    )


@shows("maintenance")
async def maintenance_ends_and_takes_the_orders_of_an_armed_dead_man(client: Any) -> None:
    txid = await bid(client)
    assert await outcome(client.post("CancelAllOrdersAfter", timeout=600)) == "ok"
    async with client.socket() as public:
        await public.subscribe("ticker", symbol=["BTC/USD"], snapshot=False)
        await arm(client, "maintenance", seconds=20, method="Balance")
        assert await outcome(client.post("Balance")) == "EService:Unavailable"
        assert (await public.until("status"))["data"][0]["system"] == "maintenance"
        assert (await public.until("status"))["data"][0]["system"] == "online"
    assert now_s() == pytest.approx(20, abs=0.1)
    assert (await order(client, txid))["status"] == "canceled"


@shows("pair-status")
async def a_pair_is_closed_for_new_orders_and_opens_again(client: Any) -> None:
    async with client.socket() as public:
        await public.subscribe("instrument", snapshot=False)
        await arm(client, "pair-status", seconds=10)
        assert await outcome(client.buy()) == "EService:Market in cancel_only mode"
        told = [(await public.until("instrument"))["data"]["pairs"][0]["status"] for _ in range(2)]
        assert told == ["cancel_only", "online"]
    assert await outcome(client.buy()) == "ok"


@shows("clock-offset")
async def the_venues_clock_is_behind_ours(client: Any) -> None:
    before_s = (await client.get("Time"))["result"]["unixtime"]
    await arm(client, "clock-offset", seconds=-90, now=True)
    assert (await client.get("Time"))["result"]["unixtime"] == before_s - 90
    await arm(client, "clock-offset", seconds=0, now=True)
    assert (await client.get("Time"))["result"]["unixtime"] == before_s


@shows("other-spelling")
async def the_same_refusal_has_two_spellings(client: Any) -> None:
    await arm(client, "other-spelling")
    assert await outcome(client.post("Balance")) == "ok"
    seen = [await outcome(client.buy("0.00001")) for _ in range(2)]
    assert seen == [
        "EGeneral:Invalid arguments:volume minimum not met",
        "EOrder:Order minimum not met",
    ]


@shows("token-expiry")
async def a_token_is_dead_when_it_is_used(client: Any) -> None:
    await arm(client, "token-expiry")
    async with client.socket(private=True) as private:
        request = {"channel": "executions", "token": await client.token()}
        await private.ws.send_json({"method": "subscribe", "params": request})
        assert (await private.next())["error"] == "ESession:Invalid session"
        await executions(client, private)


@shows("late-visibility")
async def a_new_order_is_not_found_at_first(client: Any) -> None:
    await arm(client, "late-visibility", seconds=2.5)
    txid = await bid(client)
    assert (await client.post("OpenOrders"))["result"]["open"] == {}
    await asyncio.sleep(3)
    assert list((await client.post("OpenOrders"))["result"]["open"]) == [txid]


@shows("partial-fill")
async def a_resting_order_is_filled_in_chosen_pieces(client: Any) -> None:
    async with client.socket(private=True) as private:
        await executions(client, private)
        await arm(client, "partial-fill", sizes=["0.003", "20%"], seconds=2)
        txid = await bid(client)
        rows = [(await private.until("executions"))["data"][0] for _ in range(4)]
        assert [row["exec_type"] for row in rows] == ["pending_new", "new", "trade", "trade"]
        assert [row["last_qty"] for row in rows[2:]] == ["0.00300000", "0.00200000"]
        assert now_s() == pytest.approx(4, abs=0.1)
    found = await order(client, txid)
    assert (found["status"], found["vol_exec"]) == ("open", "0.00500000")
    await arm(client, "partial-fill", sizes=["100%"], now=True)
    await asyncio.sleep(1.1)
    assert (await order(client, txid))["status"] == "closed"


@shows("ws-drop")
async def the_connection_closes_in_the_middle_of_fills(client: Any) -> None:
    async with client.socket(private=True) as private:
        await executions(client, private)
        await arm(client, "thin-book", sizes=["0.002", "0.003", "0.005"])
        await arm(client, "ws-drop", contains='"exec_type":"trade"', skip=1)
        await client.buy("0.01")
        rows = [(await private.until("executions"))["data"][0] for _ in range(3)]
        assert [row["exec_type"] for row in rows] == ["pending_new", "new", "trade"]
        assert await private.next() is None
    assert (await closed(client))[0]["vol_exec"] == "0.01000000"


@shows("ws-half-open")
async def a_half_open_socket_neither_speaks_nor_answers(client: Any) -> None:
    async with client.socket() as public:
        await public.subscribe("ticker", symbol=["BTC/USD"], snapshot=False)
        await arm(client, "ws-half-open", channel="ticker")
        await public.ws.send_json({"method": "ping"})
        assert (await public.next())["method"] == "pong"
        await asyncio.sleep(20)
        await public.ws.send_json({"method": "ping"})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(public.next(), 300)
        assert not public.ws.closed


@shows("ws-stall")
async def a_stalled_socket_says_everything_at_once(client: Any) -> None:
    async with client.socket() as public:
        await public.subscribe("ticker", symbol=["BTC/USD"], snapshot=False)
        await arm(client, "ws-stall", seconds=35)
        seen = []
        for _ in range(4):
            await public.until("ticker")
            seen.append(now_s())
        assert seen[0] == pytest.approx(45, abs=1)
        assert seen[3] == pytest.approx(seen[0], abs=1)


async def four_messages(client: Any, private: Any, kind: str) -> list[int]:
    """The numbers of the messages about an order that is made and cancelled, under a fault."""
    await executions(client, private)
    await arm(client, kind, contains='"exec_type":"new"')
    await client.post("CancelOrder", txid=await bid(client))
    await client.post("CancelOrder", txid=await bid(client))
    numbers = []
    while not numbers or numbers[-1] < 7:
        numbers.append((await private.until("executions"))["sequence"])
    return numbers


@shows("sequence-gap")
async def a_number_is_missing(client: Any) -> None:
    async with client.socket(private=True) as private:
        assert await four_messages(client, private, "sequence-gap") == [2, 4, 5, 6, 7]


@shows("duplicate")
async def a_message_comes_twice(client: Any) -> None:
    async with client.socket(private=True) as private:
        assert await four_messages(client, private, "duplicate") == [2, 3, 3, 4, 5, 6, 7]


@shows("reorder")
async def two_messages_change_places(client: Any) -> None:
    async with client.socket(private=True) as private:
        assert await four_messages(client, private, "reorder") == [2, 4, 3, 5, 6, 7]


@shows("wrong-checksum")
async def one_of_two_readers_of_a_book_has_a_wrong_checksum(client: Any) -> None:
    async with client.socket() as first, client.socket() as second:
        for reader in (first, second):
            await reader.subscribe("book", symbol=["BTC/USD"], depth=10)
            await reader.until("book")
        await arm(client, "wrong-checksum")
        await bid(client)
        await client.buy()
        wrong, right = [(await reader.until("book"))["data"][0] for reader in (first, second)]
        assert wrong["checksum"] != right["checksum"]
        assert wrong | {"checksum": 0} == right | {"checksum": 0}


@shows("malformed-frame")
async def a_message_breaks_off(client: Any) -> None:
    async with client.socket() as public:
        await public.subscribe("ticker", symbol=["BTC/USD"], snapshot=False)
        await arm(client, "malformed-frame", channel="ticker")
        text = (await public.ws.receive()).data
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)
        assert text.startswith('{"channel":"ticker"')
        assert (await public.until("ticker"))["type"] == "update"


@shows("oversized-frame")
async def a_client_with_a_limit_closes(client: Any) -> None:
    async with client.socket() as public:
        await public.subscribe("ticker", symbol=["BTC/USD"], snapshot=False)
        await arm(client, "oversized-frame", mebibytes=5)
        assert await public.next() is None
        assert public.ws.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


def test_what_stands_before_the_venue_answers_in_html(stage: Any) -> None:
    async def scene(client: Any) -> None:
        await arm(client, "5xx", status=520)
        async with client.send("Balance") as answer:
            assert (answer.status, answer.content_type) == (520, "text/html")
            assert "520 Web server is returning an unknown error" in await answer.text()

    stage.play(scene)


def test_public_methods_are_struck_only_when_they_are_named(stage: Any) -> None:
    async def scene(client: Any) -> None:
        await arm(client, "busy")
        assert (await client.get("Time"))["error"] == []
        await arm(client, "busy", method="Ticker", contains="XBTUSD")
        assert (await client.get("Ticker", pair="ETHUSD"))["error"] == []
        assert (await client.get("Ticker", pair="XBTUSD"))["error"] == ["EService:Busy"]
        assert await outcome(client.post("Balance")) == "EService:Busy"

    stage.play(scene)


@pytest.mark.parametrize(
    ("kind", "more", "seen", "orders"),
    [
        ("request-lost", {}, None, 0),
        ("answer-lost", {}, None, 1),
        ("busy", {}, "EService:Busy", 0),
        ("busy-after", {}, "EService:Busy", 1),
        ("error", {"text": "EGeneral:Internal error"}, "EGeneral:Internal error", 0),
        ("throttled-after", {}, "EService: Throttled: 1767225605", 1),
        ("engine-rate-limit", {}, "EOrder:Rate limit exceeded", 0),
    ],
)
def test_trading_over_the_websocket_is_struck_too(
    stage: Any, kind: str, more: dict[str, object], seen: str | None, orders: int
) -> None:
    async def scene(client: Any) -> None:
        async with client.socket(private=True) as private:
            await executions(client, private)
            await arm(client, kind, method="add_order", **more)
            answer = await trade(client, private)
            assert answer.get("error") == seen
            assert len(await closed(client)) == orders
            if seen is not None:
                assert answer["req_id"] == 7
                await asyncio.sleep(60)
                assert (await trade(client, private))["success"] is True

    async def trade(client: Any, private: Any) -> Any:
        params = {"order_type": "market", "side": "buy", "order_qty": 0.01, "symbol": "BTC/USD"}
        params["token"] = await client.token()
        await private.ws.send_json({"method": "add_order", "params": params, "req_id": 7})
        await private.ws.send_json({"method": "ping"})
        answer = {}
        while (frame := await private.next()).get("method") != "pong":
            answer = frame if frame.get("method") == "add_order" else answer
        return answer

    stage.play(scene)


def test_now_stalls_deafens_and_expires_without_waiting_for_a_message(stage: Any) -> None:
    async def scene(client: Any) -> None:
        async with client.socket() as public:
            await arm(client, "ws-stall", seconds=5, now=True)
            await public.ws.send_json({"method": "ping"})
            assert (await public.next())["method"] == "pong"
            assert now_s() >= 5
            await arm(client, "ws-half-open", now=True)
            await public.ws.ping()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(public.next(), 30)
        token = await client.token()
        await arm(client, "token-expiry", now=True)
        async with client.socket(private=True) as private:
            params = {"channel": "executions", "token": token}
            await private.ws.send_json({"method": "subscribe", "params": params})
            assert (await private.next())["error"] == "ESession:Invalid session"
        await arm(client, "rate-limit", now=True)
        assert await outcome(client.post("Balance")) == "EAPI:Rate limit exceeded"
        await arm(client, "pair-status", pair="ETHUSD", mode="post_only", now=True)
        assert await outcome(client.buy()) == "ok"
        answer = await client.buy("0.1", pair="ETHUSD")
        assert answer["error"] == ["EService:Market in post_only mode"]

    stage.play(scene)


def test_a_frame_that_is_held_back_is_not_lost_when_faults_are_cleared(stage: Any) -> None:
    async def scene(client: Any) -> None:
        async with client.socket() as public:
            await public.subscribe("ticker", symbol=["BTC/USD"], snapshot=False)
            await arm(client, "reorder")
            await asyncio.sleep(11)
            await client.admin("/faults", {"clear": True})
            stamps = [(await public.until("ticker"))["data"][0]["timestamp"] for _ in range(3)]
            assert stamps[1] < stamps[0] < stamps[2]

    stage.play(scene)
