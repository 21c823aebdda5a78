"""The account outlives its simulator, also one that was killed; time goes on where it stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from krakked.adapters.system.clock import SystemClock
from krakked.domain.errors import BadInput, LedgerFailed
from krakked.domain.ids import Asset
from krakked.simulator import start
from krakked.simulator.options import SimulatorOptions
from krakked.simulator.store import StateStore


def test_orders_balances_keys_and_time_go_on_after_a_restart(stage: Any, tmp_path: Path) -> None:
    options = stage.options(state=tmp_path / "venue.state")

    async def first(client: Any) -> Any:
        await client.buy("0.01")
        await client.buy(ordertype="limit", price="50000.0", cl_ord_id="resting")
        await asyncio.sleep(100)
        await client.post("CancelAllOrdersAfter", timeout=60)
        found = await everything(client)
        return client.nonce, found

    async def second(client: Any) -> None:
        client.nonce = nonce
        assert await everything(client) == before
        began = (await client.admin("/clock"))["now_ns"]
        assert began == stage.start_ns + 100_000_000_000
        await asyncio.sleep(61)  # the timer was armed before the restart
        assert (await client.post("OpenOrders"))["result"]["open"] == {}

    nonce, before = stage.play(first, options)
    stage.play(second, options)


def test_a_nonce_of_before_the_restart_stays_used(stage: Any, tmp_path: Path) -> None:
    options = stage.options(state=tmp_path / "venue.state")

    async def first(client: Any) -> None:
        await client.post("Balance")

    async def second(client: Any) -> Any:
        return (await client.post("Balance"))["error"]

    stage.play(first, options)
    assert stage.play(second, options) == ["EAPI:Invalid nonce"]


def test_starting_balances_are_given_once(stage: Any, tmp_path: Path) -> None:
    async def scene(client: Any) -> Any:
        client.nonce = int((await client.get("Time"))["result"]["unixtime"]) + client.nonce
        return (await client.admin("/balances"))["main"]

    state = tmp_path / "venue.state"
    assert stage.play(scene, stage.options(state=state)) == {"USD": "10000.0000"}
    richer = stage.options(state=state, balances={Asset("XBT"): Decimal(5)})
    assert stage.play(scene, richer) == {"USD": "10000.0000"}


async def everything(client: Any) -> Any:
    return [
        (await client.post(method))["result"]
        for method in ("Balance", "BalanceEx", "OpenOrders", "ClosedOrders", "TradesHistory")
    ]


@pytest.mark.parametrize("content", ["rubbish", "other"])
def test_another_programs_file_is_refused_and_left_alone(
    stage: Any, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "venue.state"
    if content == "rubbish":
        path.write_text("no database at all, but long enough to look like something " * 20)
    else:
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE theirs (x)")
        database.close()
    before = path.read_bytes()
    with pytest.raises(BadInput, match=r"--state .*venue\.state: ") as caught:
        StateStore(path)
    assert caught.value.exit_code == 73
    assert path.read_bytes() == before


def test_folder_that_is_missing_is_told_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "typo" / "venue.state"
    with pytest.raises(BadInput) as caught:
        StateStore(path)
    assert str(caught.value) == (
        f"--state {path}: no folder {path.parent}; make it, or give another path"
    )
    assert caught.value.exit_code == 74
    assert not path.parent.exists()


def test_rows_are_upserted_and_removed(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "s")
    assert store.now_ns() is None
    store.save([("order", "a", {"x": "1.50"}), ("order", "b", {"x": "2"})], 7)
    store.save([("order", "a", {"x": "1.75"}), ("order", "b", None)], 9)
    store.close()
    again = StateStore(tmp_path / "s")
    assert again.rows() == [("order", "a", {"x": "1.75"})]
    assert again.now_ns() == 9
    again.close()


@pytest.fixture
def full(tmp_path: Path) -> StateStore:
    """A store whose disk is full from now on."""
    store = StateStore(tmp_path / "full.state")
    store.save([("order", "a", {"x": "1"})], 7)
    (pages,) = store._database.execute("PRAGMA page_count").fetchone()
    store._database.execute(f"PRAGMA max_page_count = {pages}")
    return store


def test_full_disk_is_named_and_what_was_stored_stays(full: StateStore, tmp_path: Path) -> None:
    with pytest.raises(
        LedgerFailed, match=r"--state .*full.state: .* full\); free some sp"
    ) as caught:
        full.save([("order", str(number), {"x": "1" * 500}) for number in range(99)], 9)
    assert caught.value.exit_code == 73
    assert full.rows() == [("order", "a", {"x": "1"})]
    assert full.now_ns() == 7
    full.close()


def test_venue_whose_disk_is_full_answers_nothing_more_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be stored is not answered, and no later state is stored beside the gap."""
    saved: list[int] = []

    def save(store: StateStore, changes: Any, now_ns: int) -> None:
        saved.append(len(changes))
        raise LedgerFailed("the disk is full")

    async def main() -> None:
        running = await start(
            SimulatorOptions(market="calm", state=tmp_path / "s"), clock=SystemClock()
        )
        monkeypatch.setattr(StateStore, "save", save)
        async with aiohttp.ClientSession() as session:
            async with session.get(running.rest_url + "/0/public/Time") as first:
                assert first.status == 200
            assert running.admin_url is not None
            act = {"deposit": {"USD": "1"}}
            async with session.post(running.admin_url + "/balances", json=act) as refused:
                assert refused.status == 500
                assert await refused.json() == {"error": "the disk is full"}
            async with session.get(running.rest_url + "/0/public/Time") as after:
                assert after.status == 502
        with pytest.raises(LedgerFailed, match="the disk is full"):
            await asyncio.wait_for(running.failed(), 10)
        await running.stop()
        assert len(saved) == 1

    asyncio.run(main())


class Process:
    """``krakked simulator`` on its own."""

    def __init__(self, *flags: str) -> None:
        command = [sys.executable, "-m", "krakked.cli", "simulator", "--json"]
        ports = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        self._process = subprocess.Popen(
            [*command, *ports, *flags], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        assert self._process.stdout is not None
        self.said = json.loads(self._process.stdout.readline())

    def admin(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.said["admin_url"] + path, data=data)  # noqa: S310 - our own address
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - our own address
            return json.load(answer)

    def end(self, number: int) -> int:
        self._process.send_signal(number)
        code = self._process.wait(timeout=20)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code


def test_what_was_answered_survives_a_kill_and_ctrl_c_ends_with_zero(tmp_path: Path) -> None:
    flags = ("--market", "calm", "--speed", "60", "--state", str(tmp_path / "venue.state"))
    first = Process(*flags, "--balance", "USD=1000,XBT=2")
    assert first.admin("/balances", {"deposit": {"USD": "234.5"}})["USD"] == "1234.5000"
    stopped_ns = first.admin("/clock")["now_ns"]
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    second = Process(*flags)
    assert second.admin("/balances")["main"] == {"USD": "1234.5000", "XBT": "2.0000000000"}
    assert second.admin("/clock")["now_ns"] >= stopped_ns - 2_000_000_000
    assert second.end(signal.SIGINT) == 0


def test_at_speed_one_the_clock_is_the_machines(tmp_path: Path) -> None:
    process = Process("--market", "calm", "--state", str(tmp_path / "venue.state"))
    assert abs(process.admin("/clock")["now_ns"] - time.time_ns()) < 2_000_000_000
    assert process.end(signal.SIGTERM) == 0
    again = Process("--market", "calm", "--state", str(tmp_path / "venue.state"))
    assert abs(again.admin("/clock")["now_ns"] - time.time_ns()) < 2_000_000_000
    assert again.end(signal.SIGTERM) == 0


def test_a_second_simulator_on_the_same_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "venue.state"
    first = StateStore(path)
    with pytest.raises(BadInput, match="in use by another krakked") as refused:
        StateStore(path)
    assert refused.value.exit_code == 73
    first.close()
    StateStore(path).close()


def test_maintenance_goes_on_after_a_restart_and_ends_when_it_was_to_end(
    stage: Any, tmp_path: Path
) -> None:
    options = stage.options(state=tmp_path / "venue.state")

    async def first(client: Any) -> Any:
        await client.buy(ordertype="limit", price="50000.0")
        await client.post("CancelAllOrdersAfter", timeout=60)
        await client.admin("/faults", {"kind": "maintenance", "seconds": 300, "now": True})
        await asyncio.sleep(100)
        return client.nonce

    async def second(client: Any) -> None:
        client.nonce = nonce
        assert await system(client) == "maintenance"
        assert (await client.buy())["error"] == ["EService:Unavailable"]
        await asyncio.sleep(195)
        assert await system(client) == "maintenance"
        await asyncio.sleep(10)
        assert await system(client) == "online"
        assert (await client.post("OpenOrders"))["result"]["open"] == {}  # the timer was armed
        assert (await client.buy())["error"] == []

    async def third(client: Any) -> Any:
        return await system(client)

    nonce = stage.play(first, options)
    stage.play(second, options)
    assert stage.play(third, options) == "online"


def test_what_was_set_by_hand_stays_set_after_a_restart(stage: Any, tmp_path: Path) -> None:
    options = stage.options(state=tmp_path / "venue.state")

    async def first(client: Any) -> None:
        await client.admin("/status", {"system": "post_only"})
        await client.admin("/status", {"pair": "XBTUSD", "status": "cancel_only"})
        await client.admin("/status", {"pair": "ETHUSD", "status": "limit_only"})
        await client.admin("/status", {"pair": "ETHUSD", "status": "online"})

    async def second(client: Any) -> Any:
        pairs = (await client.get("AssetPairs"))["result"]
        statuses = {row["altname"]: row["status"] for row in pairs.values()}
        return await system(client), statuses["XBTUSD"], statuses["ETHUSD"]

    stage.play(first, options)
    assert stage.play(second, options) == ("post_only", "cancel_only", "online")
    assert stage.play(second, options) == ("post_only", "cancel_only", "online")


def test_a_pair_that_was_to_open_again_does_so_after_a_restart(stage: Any, tmp_path: Path) -> None:
    options = stage.options(state=tmp_path / "venue.state")

    async def first(client: Any) -> None:
        await client.admin(
            "/faults", {"kind": "pair-status", "pair": "XBTUSD", "seconds": 60, "now": True}
        )

    async def second(client: Any) -> Any:
        async def status() -> str:
            pairs = (await client.get("AssetPairs", pair="XBTUSD"))["result"]
            return str(pairs["XXBTZUSD"]["status"])

        before = await status()
        await asyncio.sleep(61)
        return before, await status()

    stage.play(first, options)
    assert stage.play(second, options) == ("cancel_only", "online")


def test_a_stored_status_that_nobody_knows_is_one_line(stage: Any, tmp_path: Path) -> None:
    path = tmp_path / "venue.state"
    store = StateStore(path)
    store.save([("status", "system", {"status": "asleep", "until_ns": None})], stage.start_ns)
    store.close()

    async def never(_client: Any) -> None:
        raise AssertionError("it does not start")

    with pytest.raises(BadInput, match=r"asleep.* move the file away to start anew"):
        stage.play(never, stage.options(state=path))


def test_a_clock_that_was_wrong_is_right_after_a_restart(stage: Any, tmp_path: Path) -> None:
    options = stage.options(state=tmp_path / "venue.state")

    async def first(client: Any) -> None:
        for seconds in (-90, 3600):
            act = {"kind": "clock-offset", "seconds": seconds, "now": True}
            await client.admin("/faults", act)
            await client.buy("0.01")

    async def second(client: Any) -> Any:
        offset_ns = (await client.admin("/faults"))["clock_offset_ns"]
        return offset_ns, (await client.get("Time"))["result"]["unixtime"]

    stage.play(first, options)
    assert stage.play(second, options) == (0, stage.start_ns // 10**9)


async def system(client: Any) -> Any:
    return (await client.get("SystemStatus"))["result"]["status"]
