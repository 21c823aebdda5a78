"""The admin port."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from krakked.sim.fault_kinds import FaultKind


def test_the_clock_is_the_loops(stage: Any) -> None:
    async def scene(client: Any) -> None:
        await asyncio.sleep(90)
        assert await client.admin("/clock") == {
            "now_ns": stage.start_ns + 90_000_000_000,
            "now": "2026-01-01T00:01:30.000000Z",
            "speed": "max",
            "status": 200,
        }

    stage.play(scene)


def test_the_state_shows_pairs_accounts_and_connections(stage: Any) -> None:
    async def scene(client: Any) -> None:
        async with client.socket():
            state = await client.admin("/state")
        assert state["system"] == "online"
        assert state["market_over"] is False
        assert state["pairs"]["XBTUSD"] == {"bid": "59994.0", "ask": "60006.0", "last": "60006.0"}
        assert state["accounts"] == {"main": {"balances": {"USD": "10000.0000"}}}
        assert state["connections"] == 1

    stage.play(scene)


def test_a_price_is_moved_by_any_spelling_of_its_pair(stage: Any) -> None:
    async def scene(client: Any) -> None:
        await client.admin("/prices", {"BTC/USD": "50000"})
        await asyncio.sleep(10)
        prices = await client.admin("/prices")
        assert prices["XBTUSD"]["bid"] == "49995.0"
        assert prices["ETHUSD"]["bid"] == "2999.70"

    stage.play(scene)


def test_deposits_and_withdrawals_stand_in_the_ledgers(stage: Any) -> None:
    async def scene(client: Any) -> None:
        act = {"deposit": {"XBT": "0.5"}, "withdraw": {"USD": "2500.5"}, "adjust": {"XDG": "3"}}
        found = await client.admin("/balances", act)
        assert found == {
            "USD": "7499.5000",
            "XBT": "0.5000000000",
            "XDG": "3.00000000",
            "status": 200,
        }
        rows = (await client.post("Ledgers"))["result"]["ledger"].values()
        kinds = {(row["type"], row["asset"], Decimal(row["amount"])) for row in rows}
        assert ("withdrawal", "ZUSD", Decimal("-2500.5")) in kinds
        assert ("deposit", "XXBT", Decimal("0.5")) in kinds
        assert ("adjustment", "XXDG", Decimal(3)) in kinds
        assert (await client.admin("/balances"))["main"]["USD"] == "7499.5000"

    stage.play(scene)


def test_statuses_reach_orders_and_subscribers(stage: Any) -> None:
    async def scene(client: Any) -> None:
        async with client.socket() as ws:
            await ws.subscribe("instrument", snapshot=False)
            await client.admin("/status", {"pair": "XBTUSD", "status": "cancel_only"})
            frame = await ws.until("instrument")
            assert frame["data"]["pairs"][0]["status"] == "cancel_only"
            assert (await client.buy())["error"] == ["EService:Market in cancel_only mode"]
            await client.admin("/status", {"system": "maintenance"})
            assert (await ws.until("status"))["data"][0]["system"] == "maintenance"
        assert (await client.get("SystemStatus"))["result"]["status"] == "maintenance"

    stage.play(scene)


def test_minimums_reach_orders_pairs_and_subscribers(stage: Any) -> None:
    async def scene(client: Any) -> None:
        async with client.socket() as ws:
            await ws.subscribe("instrument", snapshot=False)
            set_ = await client.admin("/rules", {"pair": "XBTUSD", "order_min": "5"})
            assert (set_["order_min"], set_["cost_min"]) == ("5", "0.5")
            (row,) = (await ws.until("instrument"))["data"]["pairs"]
            assert (row["symbol"], Decimal(str(row["qty_min"]))) == ("BTC/USD", Decimal(5))
            assert (await client.buy())["error"] == ["EOrder:Order minimum not met"]
        pairs = (await client.get("AssetPairs", pair="XBTUSD"))["result"]
        assert (pairs["XXBTZUSD"]["ordermin"], pairs["XXBTZUSD"]["costmin"]) == ("5", "0.5")
        await client.admin("/rules", {"pair": "XBTUSD", "order_min": "0", "cost_min": "0"})
        assert (await client.buy())["error"] == []

    stage.play(scene)


@pytest.mark.parametrize(
    "word",
    [
        *("online", "cancel_only", "post_only", "limit_only", "reduce_only"),
        *("maintenance", "work_in_progress", "delisted"),
    ],
)
def test_every_status_that_the_venue_has_for_a_pair_can_be_set(stage: Any, word: str) -> None:
    async def scene(client: Any) -> None:
        await client.admin("/status", {"pair": "ETHUSD", "status": word})
        pairs = (await client.get("AssetPairs", pair="ETHUSD"))["result"]
        assert pairs["XETHZUSD"]["status"] == word
        assert (await client.buy())["error"] == []

    stage.play(scene)


@pytest.mark.parametrize(
    ("path", "body", "line"),
    [
        ("/prices", {"NOPE": "1"}, "no pair NOPE"),
        ("/prices", {"XBTUSD": "zero"}, "is not a number"),
        ("/prices", {"XBTUSD": "-1"}, "below its tick 0.1"),
        ("/prices", {"XBTUSD": "1e-9"}, "below its tick 0.1"),
        ("/prices", {"XBTUSD": 5}, "send a JSON object, with amounts and prices as text"),
        ("/balances", {"withdraw": {"USD": "10001"}}, "main has 10000.0000 USD free, not 10001"),
        ("/balances", {"adjust": {"USD": "-11000"}}, "USD free, not 11000"),
        ("/balances", {"withdraw": {"USD": "6000"}, "adjust": {"USD": "-6000"}}, "not 12000"),
        ("/balances", {"deposit": {"USD": "0"}}, "give a positive amount"),
        ("/balances", {"deposit": {"XRP": "1"}}, "XRP"),
        ("/balances", {"deposit": {"USD": "1e16"}}, "beyond any amount"),
        ("/balances", {"deposit": {"USD": "1e15"}}, "no balance is above 1000000000000000"),
        ("/balances", {"adjust": {"USD": "1e15"}}, "no balance is above 1000000000000000"),
        ("/balances", {"reward": {"USD": "0.00001"}}, "USD has 4 decimals; give no more"),
        ("/balances", {"allocate": {"XBT.F": "1e-11"}}, "XBT has 10 decimals; give no more"),
        ("/prices", {"XBTUSD": "1000000001"}, "is above 1000000000; give a lower one"),
        ("/faults", {"kind": "thin-book", "sizes": []}, "sizes must be 1 to 100 of them"),
        ("/faults", {"kind": "thin-book", "sizes": ["1%"] * 101}, "sizes must be 1 to 100"),
        ("/faults", {"kind": "error", "text": ""}, "text must be 1 to 500 printable characters"),
        ("/faults", {"kind": "error-after", "text": "x" * 501}, "text must be 1 to 500"),
        ("/faults", {"kind": "error", "text": "two\nlines"}, "text must be 1 to 500 printable"),
        ("/balances", {"account": "nobody"}, "no account nobody"),
        ("/balances", {"gift": {}}, "unknown field"),
        ("/faults", {"kind": "flood"}, "Invalid enum value 'flood'"),
        ("/faults", {"probabilities": {"5xx": "2"}}, "from 0 to 1"),
        ("/faults", {"kind": "5xx", "count": 0}, "count"),
        ("/faults", {"kind": "busy", "seconds": 2}, "busy has no parameter seconds; it has none"),
        ("/faults", {"kind": "delay", "seconds": "long"}, "Invalid decimal string"),
        ("/faults", {"kind": "duplicate", "now": True}, "strikes what is under way; now can be"),
        ("/faults", {"kind": "duplicate", "method": "AddOrder"}, "give channel, not method"),
        ("/faults", {"sort": "busy"}, "unknown field `sort`"),
        ("/faults", {"kind": "5xx", "method": "AddOrderr"}, "did you mean AddOrder?"),
        ("/faults", {"kind": "flood"}, "there is delay, request-lost, "),
        ("/faults", {"probabilities": {"flood": "1"}}, "there is delay, request-lost, "),
        ("/faults", {"seed": -1}, "seed -1: give zero or more"),
        ("/prices", {}, "nothing to change; give a pair with its price"),
        ("/balances", {}, "nothing to change; give deposit, reward, dividend, withdraw, adjust"),
        ("/balances", {"deposit": {}}, "nothing to change"),
        ("/status", {}, "nothing to change; give system, or pair and status"),
        ("/faults", {}, "nothing to change; give kind, probabilities, seed or clear"),
        ("/faults", {"now": True, "count": 3}, "nothing to change; give kind"),
        ("/status", {"system": None}, "nothing to change"),
        ("/rules", {"pair": "XBTUSD"}, "nothing to change; give order_min or cost_min"),
        ("/rules", {"pair": "XBTUSD", "order_min": "-1"}, "a minimum below zero"),
        ("/rules", {"pair": "NOPE", "order_min": "1"}, "no pair NOPE"),
        ("/status", {"pair": "XBTUSD"}, "pair and status go together"),
        ("/status", {"system": "asleep"}, "Invalid enum value"),
    ],
)
def test_what_cannot_be_done_is_status_400_and_one_line(
    stage: Any, path: str, body: object, line: str
) -> None:
    async def scene(client: Any) -> Any:
        return await client.admin(path, body)

    answer = stage.play(scene)
    assert answer["status"] == 400
    assert line in answer["error"]
    assert "\n" not in answer["error"]


def test_an_act_that_cannot_be_done_in_part_is_not_done_at_all(stage: Any) -> None:
    async def scene(client: Any) -> Any:
        act = {"deposit": {"XBT": "1", "FOO": "1"}}
        assert (await client.admin("/balances", act))["status"] == 400
        act = {"deposit": {"XBT": "1"}, "withdraw": {"USD": "10001"}}
        assert (await client.admin("/balances", act))["status"] == 400
        return await client.admin("/balances")

    assert stage.play(scene)["main"] == {"USD": "10000.0000"}


def test_what_open_orders_hold_cannot_be_withdrawn(stage: Any) -> None:
    async def scene(client: Any) -> Any:
        await client.buy("0.1", ordertype="limit", price="50000.0")
        return await client.admin("/balances", {"withdraw": {"USD": "6000"}})

    answer = stage.play(scene)
    assert answer["status"] == 400
    assert "free" in answer["error"]


def test_the_price_of_a_replay_cannot_be_moved(stage: Any, tmp_path: Path) -> None:
    row = "1767225600,100.0,110.0,90.0,105.0,8,40\n"
    (tmp_path / "XBTUSD_60.csv").write_text(row)

    async def scene(client: Any) -> Any:
        return await client.admin("/prices", {"XBTUSD": "1"})

    answer = stage.play(scene, stage.options(market="replay", candles=tmp_path))
    assert "replays recorded candles" in answer["error"]


def test_rewards_dividends_and_allocations_are_booked_and_told(stage: Any) -> None:
    async def scene(client: Any) -> None:
        act = {"deposit": {"XBT": "1"}, "allocate": {"XBT.F": "0.4"}, "reward": {"XBT.F": "0.01"}}
        answer = await client.admin("/balances", act | {"dividend": {"SOL": "2"}})
        assert answer["status"] == 200
        assert (answer["XBT"], answer["XBT.F"], answer["SOL"]) == (
            "0.6000000000",
            "0.4100000000",
            "2.00000000",
        )
        back = await client.admin("/balances", {"allocate": {"XBT.F": "-0.41"}})
        assert (back["XBT"], back["XBT.F"]) == ("1.0100000000", "0.0000000000")
        rows = (await client.post("Ledgers", type="earn"))["result"]["ledger"].values()
        assert sorted(row["subtype"] for row in rows) == [
            *["allocation"] * 2,
            *["deallocation"] * 2,
            "reward",
        ]

    stage.play(scene)


def test_more_than_is_free_cannot_be_allocated_and_nothing_is_done(stage: Any) -> None:
    async def scene(client: Any) -> None:
        for act in (
            {"deposit": {"USD": "5"}, "allocate": {"XBT.F": "0.4"}},
            {"deposit": {"USD": "5"}, "allocate": {"USD.F": "-1"}},
            {"deposit": {"USD": "5"}, "allocate": {"USD": "1"}},
            {"deposit": {"USD": "5"}, "allocate": {"USD.Q": "1"}},
        ):
            assert (await client.admin("/balances", act))["status"] == 400
        assert (await client.post("Balance"))["result"] == {"ZUSD": "10000.0000"}

    stage.play(scene)


def test_every_kind_of_fault_is_listed_with_its_parameters_units_and_defaults(stage: Any) -> None:
    async def scene(client: Any) -> Any:
        await client.admin("/faults", {"kind": "delay", "seconds": 0.5, "probability": 0.25})
        await client.admin("/faults", {"kind": "ws-drop", "contains": "trade", "skip": 2})
        return await client.admin("/faults")

    shown = stage.play(scene)
    rows = {row["kind"]: row for row in shown["kinds"]}
    assert set(rows) == {kind.value for kind in FaultKind}
    assert rows["delay"]["strikes"] == "before a request is handled"
    assert rows["delay"]["parameters"] == [
        {"name": "seconds", "unit": "seconds", "default": "2", "doc": "how long"}
    ]
    assert rows["ws-drop"]["only_channels"] == ["executions", "balances"]
    assert {row["name"] for row in shown["filters"]} >= {"method", "channel", "count"}
    assert shown["mixture"] == [{"kind": "delay", "probability": "0.25", "seconds": "0.5"}]
    assert shown["armed"] == [{"kind": "ws-drop", "contains": "trade", "skip": 2}]


def test_a_balance_at_its_bound_can_still_be_traded(stage: Any) -> None:
    async def scene(client: Any) -> Any:
        most = {"deposit": {"USD": "999999999990000", "XBT": "1000000000000000"}}
        assert (await client.admin("/balances", most))["status"] == 200
        assert (await client.admin("/prices", {"XBTUSD": "1000000000"}))["status"] == 200
        await asyncio.sleep(11)
        sell = {"type": "sell", "ordertype": "limit", "price": "1"}
        seen = [(await client.buy("1"))["error"], (await client.buy("9999999", **sell))["error"]]
        ticker = await client.get("Ticker", pair="XBTUSD")
        worth = await client.post("TradeBalance")
        return [*seen, ticker["error"], worth["error"]]

    assert stage.play(scene) == [[], [], [], []]
