"""Several accounts in one simulator: from a file, apart from each other, and over a restart."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from krakked.domain.errors import BadInput
from krakked.domain.ids import Asset
from krakked.sim.exchange.keys import ALL_PERMISSIONS, QUERY_PERMISSIONS, Permission
from krakked.sim.exchange.limits import Tier
from krakked.simulator.accounts import read_accounts
from krakked.simulator.options import AccountKey, AccountOptions, check, default_key

FILE = """
alice:
  tier: pro
  balances: {USD: 5000, XBT: 0.30000000000000001, XBT.F: 1}
  keys:
    - {key: alice-trade}
    - {key: alice-watch, may: query, nonce_window: 10000}
    - {key: alice-cancel, secret: c2VjcmV0, may: [close-trades, query-funds]}
bob:
  balances: {USD: 100}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "accounts.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_names_accounts_balances_tiers_and_keys(tmp_path: Path) -> None:
    alice, bob = read_accounts(written(tmp_path, FILE), Tier.STARTER)
    assert (alice.name, alice.tier, bob.tier) == ("alice", Tier.PRO, Tier.STARTER)
    assert alice.balances[Asset("XBT.F")] == 1
    assert [key.key for key in alice.keys] == ["alice-trade", "alice-watch", "alice-cancel"]
    assert [key.permissions for key in alice.keys] == [
        ALL_PERMISSIONS,
        QUERY_PERMISSIONS,
        {Permission.CLOSE, Permission.QUERY_FUNDS},
    ]
    assert [key.nonce_window for key in alice.keys] == [0, 10_000, 0]
    assert [key.secret for key in alice.keys][1:] == [default_key("alice-watch").secret, "c2VjcmV0"]
    assert [key.key for key in bob.keys] == ["bob-key"]


def test_amounts_of_a_file_are_never_floats(tmp_path: Path) -> None:
    alice, _ = read_accounts(written(tmp_path, FILE), Tier.NONE)
    assert alice.balances[Asset("XBT")] == Decimal("0.30000000000000001")


def test_json_is_a_file_too(tmp_path: Path) -> None:
    (eve,) = read_accounts(written(tmp_path, '{"eve": {"balances": {"USD": "5"}}}'), Tier.NONE)
    assert eve.balances == {Asset("USD"): Decimal(5)}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("alice: [", "expected"),
        ("alice: &a {keys: [*a]}", "yaml:1: an alias in it stands for itself"),
        ("alice: " + "[" * 3000 + "]" * 3000, "yaml:1: deeper than 40 levels"),
        ("alice: {tier: golden}", "golden"),
        ("alice: {money: {USD: 1}}", "money"),
        ("alice: {balances: {USD: lots}}", "balances"),
        ("alice: {keys: [{secret: eA==}]}", "key"),
        ("alice: {keys: [{key: k, may: everything}]}", "k may everything?"),
        ("alice: {keys: [{key: k, nonce_window: -1}]}", "nonce_window of k"),
        ("- alice", "object"),
    ],
)
def test_a_file_that_cannot_be_meant_is_one_clear_line(
    tmp_path: Path, text: str, told: str
) -> None:
    with pytest.raises(BadInput) as caught:
        read_accounts(written(tmp_path, text), Tier.NONE)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        read_accounts(tmp_path / "none.yaml", Tier.NONE)


@pytest.mark.parametrize(
    ("accounts", "told"),
    [
        ((AccountOptions(name="main"),), "given twice"),
        ((AccountOptions(name="a"), AccountOptions(name="a")), "given twice"),
        ((AccountOptions(name="a", balances={Asset("GOLD"): Decimal(1)}),), "GOLD is not known"),
        ((AccountOptions(name="a", balances={Asset("XBT.Q"): Decimal(1)}),), "XBT.Q is not known"),
        ((AccountOptions(name="a", keys=(AccountKey(key="k", secret="?"),)),), "not base64"),
        (
            (
                AccountOptions(name="a", keys=(AccountKey(key="k", secret="eA=="),)),
                AccountOptions(name="b", keys=(AccountKey(key="k", secret="eA=="),)),
            ),
            "each key belongs to one account",
        ),
    ],
)
def test_accounts_that_cannot_be_meant_are_refused(stage: Any, accounts: Any, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        check(stage.options(accounts=accounts))


ALICE = AccountOptions(
    name="alice",
    balances={Asset("USD"): Decimal(500), Asset("XBT"): Decimal(1)},
    tier=Tier.STARTER,
    keys=(
        AccountKey(key="a-all", secret="eA=="),
        AccountKey(key="a-ask", secret="eQ==", permissions=QUERY_PERMISSIONS, nonce_window=50),
    ),
)


def test_accounts_have_balances_orders_and_streams_of_their_own(stage: Any) -> None:
    async def scene(client: Any) -> None:
        trade, watch = ALICE.keys
        token = (await client.post("GetWebSocketsToken", key=trade))["result"]["token"]
        async with client.socket(private=True) as ws:
            await ws.subscribe("executions", token=token, snap_orders=False)
            await client.buy("0.01")
            await client.post(
                "AddOrder",
                key=trade,
                pair="XBTUSD",
                type="sell",
                ordertype="limit",
                price="70000",
                volume="0.5",
            )
            frame = await ws.until("executions")
            assert frame["data"][0]["side"] == "sell"
        assert len((await client.post("OpenOrders", key=watch))["result"]["open"]) == 1
        assert (await client.post("OpenOrders"))["result"]["open"] == {}
        held = (await client.post("BalanceEx", key=watch))["result"]["XXBT"]
        assert held == {"balance": "1.0000000000", "hold_trade": "0.5000000000"}
        refused = await client.post("CancelAll", key=watch)
        assert refused["error"] == ["EGeneral:Permission denied"]

    stage.play(scene, stage.options(accounts=(ALICE,)))


def test_orders_of_two_accounts_meet(stage: Any) -> None:
    async def scene(client: Any) -> None:
        order = {"pair": "XBTUSD", "ordertype": "limit", "price": "59999", "volume": "0.005"}
        await client.post("AddOrder", key=ALICE.keys[0], type="buy", **order)
        await client.buy("0.005")
        await client.post("AddOrder", type="sell", **order)
        rows = (await client.post("TradesHistory", key=ALICE.keys[1]))["result"]["trades"]
        (row,) = rows.values()
        assert (row["maker"], row["price"]) == (True, "59999.00000")

    stage.play(scene, stage.options(accounts=(ALICE,)))


def test_accounts_with_all_they_have_survive_a_restart(stage: Any, tmp_path: Path) -> None:
    options = stage.options(accounts=(ALICE,), state=tmp_path / "state.db")
    methods = ("Balance", "BalanceEx", "OpenOrders", "Ledgers", "TradesHistory", "ClosedOrders")

    async def before(client: Any) -> Any:
        key = ALICE.keys[0]
        await client.admin("/balances", {"account": "alice", "allocate": {"XBT.F": "0.25"}})
        order = {"pair": "XBTUSD", "type": "sell", "ordertype": "limit", "volume": "0.1"}
        await client.post("AddOrder", key=key, price="70000", **order)
        await client.post("AddOrder", key=key, price="50000", **order)
        await client.post("CancelAllOrdersAfter", key=key, timeout=86_000)
        return client.nonce + len(methods), [await client.post(m, key=key) for m in methods]

    async def after(client: Any) -> Any:
        client.nonce = nonce
        answers = [await client.post(m, key=ALICE.keys[0]) for m in methods]
        client.nonce = nonce - 5
        late = await client.post("Balance", key=ALICE.keys[0])
        return answers, late["error"]

    nonce, told = stage.play(before, options)
    assert stage.play(after, options) == (told, ["EAPI:Invalid nonce"])


def test_numbers_of_a_subscription_begin_at_one_after_a_restart(stage: Any, tmp_path: Path) -> None:
    options = stage.options(state=tmp_path / "state.db")

    nonces = iter((0, 1_000))

    async def scene(client: Any) -> list[int]:
        client.nonce = next(nonces)
        token = await client.token()
        async with client.socket(private=True) as ws:
            await ws.subscribe("executions", token=token)
            await client.buy()
            return [(await ws.until("executions"))["sequence"] for _ in range(3)]

    assert stage.play(scene, options) == [1, 2, 3]
    assert stage.play(scene, options) == [1, 2, 3]
