"""The venue over its sockets."""

from __future__ import annotations

import asyncio
import socket
from decimal import Decimal
from typing import Any

import pytest

from krakked.adapters.system.clock import LoopClock, SystemClock
from krakked.domain.errors import BadInput
from krakked.domain.ids import Asset, PairName
from krakked.domain.times import NS_PER_SECOND
from krakked.simulator import start
from krakked.simulator.connection import SocketConnection
from krakked.simulator.options import ApiKey, default_key


def test_public_answers_are_json_with_status_200_also_when_they_are_errors(stage: Any) -> None:
    async def scene(client: Any) -> None:
        assert (await client.get("Time"))["result"]["unixtime"] == 1_767_225_600
        assert (await client.get("Nope"))["error"] == ["EGeneral:Unknown method"]
        async with client.http.get(f"{client.running.rest_url}/0/other") as answer:
            assert answer.status == 200
            assert answer.content_type == "application/json"
            assert (await answer.json())["error"] == ["EGeneral:Unknown method"]

    stage.play(scene)


def test_an_order_is_filled_told_and_booked(stage: Any) -> None:
    async def scene(client: Any) -> None:
        async with client.socket() as ws:
            await ws.subscribe("executions", token=await client.token())
            assert (await ws.until("executions"))["type"] == "snapshot"
            answer = await client.buy("0.01")
            assert answer["result"]["descr"] == {"order": "buy 0.01000000 XBTUSD @ market"}
            kinds = [(await ws.until("executions"))["data"][0]["exec_type"] for _ in range(4)]
            assert kinds == ["pending_new", "new", "trade", "filled"]
        balances = (await client.post("Balance"))["result"]
        assert Decimal(balances["XXBT"]) == Decimal("0.01")
        assert Decimal(balances["ZUSD"]) == Decimal("9397.5398")  # 600.06 and its fee

    stage.play(scene)


def test_candles_arrive_at_the_instants_of_their_trades(stage: Any) -> None:
    async def scene(client: Any) -> list[tuple[float, int]]:
        loop, seen = asyncio.get_running_loop(), []
        async with client.socket() as ws:
            await ws.subscribe("ohlc", symbol=["BTC/USD"], interval=60, snapshot=False)
            for _ in range(5):
                frame = await ws.until("ohlc")
                seen.append((loop.time(), frame["data"][0]["trades"]))
        return seen

    assert stage.play(scene) == [(10.0, 2), (20.0, 3), (30.0, 4), (40.0, 5), (50.0, 6)]


def test_an_armed_dead_man_fires_at_its_instant_without_any_request(stage: Any) -> None:
    async def scene(client: Any) -> None:
        loop = asyncio.get_running_loop()
        await client.buy(ordertype="limit", price="50000.0")
        async with client.socket() as ws:
            await ws.subscribe("executions", token=await client.token())
            await ws.until("executions")
            await client.post("CancelAllOrdersAfter", timeout=60)
            armed_at = loop.time()
            frame = await ws.until("executions")
            assert frame["data"][0]["exec_type"] == "canceled"
            assert loop.time() == pytest.approx(armed_at + 60, abs=1.0)
        assert (await client.post("OpenOrders"))["result"]["open"] == {}

    stage.play(scene, stage.options(pairs=(PairName("ETHUSD"), PairName("XBTUSD"))))


def test_two_ports_are_as_strict_as_the_venues_hosts(stage: Any) -> None:
    async def scene(client: Any) -> None:
        assert client.running.ws_url != client.running.ws_auth_url
        async with client.socket() as public, client.socket(private=True) as private:
            await public.subscribe("ticker", symbol=["BTC/USD"])
            await private.subscribe("balances", token=await client.token())
            request = {"channel": "balances", "token": await client.token()}
            await public.ws.send_json({"method": "subscribe", "params": request})
            while "error" not in (refused := await public.next()):
                pass
            assert "Try ws-auth.kraken.com" in refused["error"]

    stage.play(scene, stage.options(listen_private="127.0.0.1:0"))


def test_a_query_key_may_ask_but_not_trade(stage: Any) -> None:
    query = default_key("a-query-key")

    async def scene(client: Any) -> None:
        assert (await client.post("Balance", key=query))["error"] == []
        refused = await client.post("CancelAll", key=query)
        assert refused["error"] == ["EGeneral:Permission denied"]
        stranger = ApiKey(key="nobody", secret=query.secret)
        assert (await client.post("Balance", key=stranger))["error"] == ["EAPI:Invalid key"]

    stage.play(scene, stage.options(query_key=query))


def test_heartbeats_come_every_second_that_nothing_else_does(stage: Any) -> None:
    async def scene(client: Any) -> list[str]:
        async with client.socket() as ws:
            await ws.subscribe("instrument", snapshot=False)
            return [(await ws.next())["channel"] for _ in range(5)]

    assert stage.play(scene, stage.options(heartbeats=True)) == ["heartbeat"] * 5


def test_starting_balances_are_deposits_in_the_ledgers(stage: Any) -> None:
    balances = {Asset("USD"): Decimal(5000), Asset("XBT"): Decimal("0.5")}

    async def scene(client: Any) -> Any:
        return (await client.post("Ledgers"))["result"]["ledger"]

    rows = stage.play(scene, stage.options(balances=balances)).values()
    assert {(row["asset"], row["type"], Decimal(row["amount"])) for row in rows} == {
        ("ZUSD", "deposit", Decimal(5000)),
        ("XXBT", "deposit", Decimal("0.5")),
    }


@pytest.mark.parametrize("flag", ["listen", "listen_private", "admin"])
def test_a_taken_port_is_one_clear_line(stage: Any, flag: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(BadInput, match=rf"--{flag.replace('_', '-')} {address}: the port is"):
            stage.play(_nothing, stage.options(**{flag: address}))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"listen": "nonsense"}, "--listen nonsense: write HOST:PORT"),
        ({"admin": "0.0.0.0:0"}, "serves loopback only"),
        ({"pairs": (PairName("FOOBAR"),)}, "pair FOOBAR is not known; known are XBTUSD"),
        ({"balances": {Asset("XRP"): Decimal(1)}}, "asset XRP is not known"),
        ({"balances": {Asset("USD"): Decimal(-1)}}, "negative"),
        ({"trade_key": ApiKey(key="k", secret="#")}, "secret of key k is not base64"),
        ({"market": "replay"}, "--market replay needs --candles DIR"),
        ({"from_s": 10, "to_s": 10}, "--from is not before --to"),
    ],
)
def test_options_that_cannot_be_meant_are_one_clear_line(
    stage: Any, changes: dict[str, Any], line: str
) -> None:
    with pytest.raises(BadInput, match=line):
        stage.play(_nothing, stage.options(**changes))


async def _nothing(client: Any) -> None:
    raise AssertionError("it must not have started")


def test_a_key_never_shows_its_secret() -> None:
    assert repr(ApiKey(key="k", secret="c2VjcmV0")) == "ApiKey('k', secret hidden)"


def test_a_reader_that_takes_nothing_is_dropped(stage: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("krakked.simulator.connection.FRAMES_WAITING_MAX", 3)
    dropped = []

    async def scene(client: Any) -> None:
        faults, clock = client.running.faults, SystemClock()
        connection = SocketConnection(_Never(), None, faults, clock)  # type: ignore[arg-type]  # never done
        connection.drop = lambda: dropped.append(True)  # type: ignore[method-assign]  # counts calls
        for _ in range(5):
            connection.send(b"frame")
        await connection.finish()

    stage.play(scene)
    assert dropped == [True, True]


class _Never:
    async def send_frame(self, frame: bytes, kind: object) -> None:
        await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        """Nothing to say."""


def test_a_replay_says_when_it_is_over_and_goes_on_serving(stage: Any, tmp_path: Any) -> None:
    rows = ["1767225600,100.0,110.0,90.0,105.0,8,40", "1767229200,105.0,105.0,105.0,105.0,1,1"]
    (tmp_path / "XBTUSD_60.csv").write_text("\n".join(rows) + "\n")

    async def scene(client: Any) -> None:
        loop = asyncio.get_running_loop()
        await client.running.market_over()
        assert loop.time() == 7200 - 0.5
        answer = await client.get("OHLC", pair="XBTUSD", interval=60)
        assert [row[4] for row in answer["result"]["XXBTZUSD"]] == ["105.0", "105.0"]

    options = stage.options(market="replay", candles=tmp_path)
    stage.play(scene, options)


def test_nothing_is_left_behind_by_a_start_that_fails(stage: Any, tmp_path: Any) -> None:
    async def scene(client: Any) -> None:
        clock = LoopClock(asyncio.get_running_loop())  # type: ignore[arg-type]  # a simulated one
        taken = client.running.rest_url.removeprefix("http://")
        state = tmp_path / "state"
        for _ in range(2):
            options = stage.options(state=state, admin=taken)
            with pytest.raises(BadInput, match="taken"):
                await start(options, clock=clock)
        await (await start(stage.options(state=state), clock=clock)).stop()
        assert clock.now_ns() == 1_767_225_600 * NS_PER_SECOND

    stage.play(scene)
