"""What a used account holds becomes opening lots: with a cost where there is a price, on a pair."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from krakked.domain.errors import BadInput
from krakked.domain.fills import OpeningLot
from krakked.domain.ids import MANUAL, Asset, PairName
from krakked.domain.pairs import Pair
from krakked.domain.positions import opened
from krakked.domain.valuation import Valuation
from krakked.engine.opening import Holding, Known, find_lots

D = Decimal
USD, XBT, ETH, ADA = Asset("USD"), Asset("XBT"), Asset("ETH"), Asset("ADA")
NOW_NS = 7


class Ticker(msgspec.Struct, frozen=True):
    last: Decimal


class Market:
    """Tells these prices."""

    def __init__(self, prices: dict[str, str]) -> None:
        self.prices = prices

    async def tickers(self) -> dict[PairName, Ticker]:
        return {PairName(name): Ticker(D(price)) for name, price in self.prices.items()}


def pair(base: Asset, quote: Asset) -> Pair:
    return Pair(
        name=PairName(base + quote),
        base=base,
        quote=quote,
        tick_size=D("0.1"),
        quantity_decimals=8,
        cost_decimals=5,
        quantity_min=D("0.0001"),
        cost_min=D("0.5"),
    )


PAIRS = {one.name: one for one in (pair(XBT, USD), pair(ETH, XBT), pair(ETH, USD))}


def lots(
    held: dict[Asset, str], prices: dict[str, str], known: Known | None = None, **more: Any
) -> dict[Asset, OpeningLot]:
    market: Any = Market(prices)
    holding = Holding(totals={asset: D(total) for asset, total in held.items()}, at_ns=NOW_NS)
    found = asyncio.run(find_lots(holding, market, Valuation(USD, PAIRS, **more), known=known))
    return {lot.asset: lot for lot in found}


def test_lot_with_a_price_is_held_by_the_manual_sleeve_of_its_pair_at_its_cost() -> None:
    lot = lots({XBT: "0.5"}, {"XBTUSD": "60000"})[XBT]
    assert (lot.pair, lot.cost_base) == (PairName("XBTUSD"), 30_000)
    position = opened(lot)
    assert position is not None
    assert (position.sleeve.strategy_id, position.sleeve.pair) == (MANUAL, "XBTUSD")
    assert (position.quantity_base, position.cost_quote) == (D("0.5"), 30_000)
    assert position.opened_at_ns == NOW_NS


def test_lot_without_a_price_keeps_its_pair_and_has_no_cost() -> None:
    lot = lots({ETH: "2"}, {})[ETH]
    assert (lot.pair, lot.cost_base) == (PairName("ETHUSD"), None)
    position = opened(lot)
    assert position is not None
    assert (position.quantity_base, position.cost_quote) == (2, 0)


@pytest.mark.parametrize("asset", [USD, ADA])
def test_lot_that_nothing_trades_for_the_base_currency_is_no_position(asset: Asset) -> None:
    lot = lots({asset: "100"}, {"XBTUSD": "60000"})[asset]
    assert lot.pair is None
    assert opened(lot) is None
    assert lot.cost_base == (100 if asset == USD else None)


def test_lot_that_does_not_count_is_no_position_and_has_no_cost() -> None:
    lot = lots({XBT: "1"}, {"XBTUSD": "60000"}, exclude=[XBT])[XBT]
    assert (lot.pair, lot.cost_base) == (None, None)


def test_cost_that_a_person_knows_counts_more_than_the_newest_price() -> None:
    known = Known(prices={XBT: D(20_000), ETH: None}, at_ns=3)
    found = lots({XBT: "0.5", ETH: "2"}, {"XBTUSD": "60000", "ETHUSD": "3000"}, known)
    assert [(lot.cost_base, lot.at_ns) for lot in found.values()] == [(None, 3), (10_000, 3)]
    assert list(found) == [ETH, XBT]


@pytest.mark.parametrize(
    ("asset", "words"),
    [
        (ADA, "--cost ADA: the account holds none; it holds ETH, USD, XBT"),
        (USD, "--cost USD: costs are counted in it"),
        (XBT, "--cost XBT: it does not count"),
    ],
)
def test_cost_of_what_has_none_to_give_is_refused(asset: Asset, words: str) -> None:
    known = Known(prices={asset: D(1)})
    with pytest.raises(BadInput) as refused:
        lots({XBT: "1", ETH: "1", USD: "1", ADA: "0"}, {}, known, exclude=[XBT])
    assert str(refused.value).startswith(words)
    assert refused.value.exit_code == 2


def test_asset_that_is_gone_is_no_lot() -> None:
    assert lots({XBT: "0"}, {"XBTUSD": "60000"}) == {}
