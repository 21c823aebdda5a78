"""A used account: what it holds is shown with the source of each cost, booked, and then agrees."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(200)
D = Decimal


@pytest.mark.long
def test_opening_balances_with_known_costs_are_held_by_manual_and_the_books_agree(
    krakked: Any,
) -> None:
    balance = ("--balance", "USD=1000,XBT=0.5,ETH=2,ADA=100")
    venue = krakked.simulator("--market", "calm", "--speed", "1", "--tier", "none", *balance)
    flags = ("--env", "dev", *venue.settings(tier="none"))
    costs = ("--cost", "XBT=25000", "--cost", "ADA=unknown", "--date", "2024-03-01")
    unknown = krakked.run("portfolio", "init", *flags, "--yes", "--cost", "SOL=1", **venue.keys)
    assert unknown.returncode == 2
    assert "--cost SOL: the account holds none; it holds ADA, ETH, USD, XBT" in unknown.stderr

    booked = krakked.run("portfolio", "init", *flags, "--yes", *costs, **venue.keys)
    assert booked.returncode == 0, booked.stderr
    lines = {line.split()[0]: " ".join(line.split()) for line in booked.stdout.splitlines()}
    assert lines["XBT"] == "XBT 0.5 12500.00 as given 2024-03-01 00:00"
    assert lines["ADA"] == "ADA 100 - unknown, as given 2024-03-01 00:00"
    assert "a guess: the newest price; --cost ETH=PRICE|unknown says better" in lines["ETH"]
    assert "USD 1000 1000.00 its amount" in lines["USD"]

    held = {one["sleeve"]["pair"]: one for one in krakked.ask("positions")}
    assert {one["sleeve"]["strategy_id"] for one in held.values()} == {"manual"}
    quantities = {pair: D(one["quantity_base"]) for pair, one in held.items()}
    assert quantities == {"XBTUSD": D("0.5"), "ADAUSD": 100, "ETHUSD": 2}
    assert D(held["XBTUSD"]["cost_quote"]) == 12_500
    assert held["ADAUSD"]["cost_quote"] is None

    run = krakked.run("run", *flags, "--duration", "0.5", **venue.keys)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "books: zero differences"
