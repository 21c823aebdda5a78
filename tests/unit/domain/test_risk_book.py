"""The risk book sums up an account: positions, open buys, cash, and what is held by hand."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from krakked.domain.ids import MANUAL, Asset, ClientOrderId, PairName, PlanId, StrategyId
from krakked.domain.orders import (
    Journal,
    LegKind,
    Order,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
)
from krakked.domain.pairs import Pair
from krakked.domain.positions import Position, Sleeve
from krakked.domain.risk_book import Blocks, Holdings, RiskBook, distance_at_risk, risk_book

USD, EUR, XBT, ETH = Asset("USD"), Asset("EUR"), Asset("XBT"), Asset("ETH")


def pair(name: str, base: Asset, quote: Asset = USD) -> Pair:
    return Pair(
        name=PairName(name),
        base=base,
        quote=quote,
        tick_size=Decimal("0.1"),
        quantity_decimals=8,
        cost_decimals=5,
        quantity_min=Decimal("0.001"),
        cost_min=Decimal("0.5"),
        fee_taker_pct=Decimal("0.4"),
    )


PAIRS = {
    name: pair(name, base, quote)
    for name, base, quote in (
        (PairName("XBTUSD"), XBT, USD),
        (PairName("ETHUSD"), ETH, USD),
        (PairName("ETHEUR"), ETH, EUR),
    )
}
PRICES = {USD: Decimal(1), XBT: Decimal(10_000), ETH: Decimal(500), EUR: Decimal("1.25")}
TREND = Sleeve(StrategyId("trend"), PairName("XBTUSD"))
DIPS = Sleeve(StrategyId("dips"), PairName("XBTUSD"))
TREND_ETH = Sleeve(StrategyId("trend"), PairName("ETHUSD"))


def position(sleeve: Sleeve, quantity: str) -> Position:
    return Position(sleeve=sleeve, quantity_base=Decimal(quantity))


def order(
    sleeve: Sleeve,
    quantity: str,
    *,
    side: Side = Side.BUY,
    limit: str | None = "10000",
    filled: str = "0",
    journal: Journal = Journal.ACKED,
) -> Order:
    request = OrderRequest(
        client_order_id=ClientOrderId("c"),
        plan_id=PlanId("p"),
        leg=0,
        revision=0,
        strategy_id=sleeve.strategy_id,
        pair=sleeve.pair,
        kind=LegKind.ENTRY,
        side=side,
        type=OrderType.LIMIT if limit else OrderType.MARKET,
        quantity_base=Decimal(quantity),
        limit_price=Decimal(limit) if limit else None,
        time_in_force=TimeInForce.GTC,
        expire_at_ns=None,
    )
    return Order(request=request, journal=journal, created_at_ns=0, filled_base=Decimal(filled))


def book(**changes: object) -> RiskBook:
    plain = Holdings(
        base_currency=USD,
        equity=Decimal(10_000),
        totals={USD: Decimal(1_000)},
        prices=PRICES,
        pairs=PAIRS,
        positions=(),
    )
    return risk_book(msgspec.structs.replace(plain, **changes))


def test_positions_are_summed_by_sleeve_asset_and_strategy() -> None:
    made = book(
        positions=[position(TREND, "0.1"), position(DIPS, "0.2"), position(TREND_ETH, "2")],
        totals={XBT: Decimal("0.3"), ETH: Decimal(2)},
    )
    assert made.value_by_sleeve == {TREND: 1000, DIPS: 2000, TREND_ETH: 1000}
    assert made.value_by_asset == {XBT: 3000, ETH: 1000}
    assert made.value_by_strategy == {"trend": 2000, "dips": 2000}
    assert made.positions_by_strategy == {"trend": 2, "dips": 1}


def test_dust_is_neither_a_position_nor_at_risk() -> None:
    made = book(positions=[position(TREND, "0.0009")], totals={XBT: Decimal("0.0009")})
    assert made.value_by_sleeve == {}
    assert made.open_risk == 0
    assert made.manual_by_asset == {}


def test_position_with_a_stop_risks_the_way_to_it() -> None:
    made = book(positions=[position(TREND, "0.1")], stops={TREND: Decimal(9_600)})
    assert made.open_risk == 40


def test_position_whose_stop_is_passed_risks_nothing_more() -> None:
    made = book(positions=[position(TREND, "0.1")], stops={TREND: Decimal(10_500)})
    assert made.open_risk == 0


def test_position_without_a_stop_risks_three_true_ranges() -> None:
    made = book(positions=[position(TREND, "0.1")], volatility={TREND.pair: Decimal(100)})
    assert made.open_risk == 30


def test_position_without_stop_and_volatility_is_all_at_risk() -> None:
    assert book(positions=[position(TREND, "0.1")]).open_risk == 1000


def test_risk_of_a_pair_in_another_currency_is_converted() -> None:
    sleeve = Sleeve(StrategyId("trend"), PairName("ETHEUR"))
    made = book(positions=[position(sleeve, "2")], stops={sleeve: Decimal(380)})
    assert made.open_risk == 50  # 400 EUR less 380, twice, at 1.25


def test_open_buy_counts_as_if_it_were_filled() -> None:
    made = book(
        orders=[order(TREND, "0.05", limit="10100", filled="0.01")], stops={TREND: Decimal(9_600)}
    )
    assert made.value_by_sleeve == {TREND: 404}
    assert made.value_by_asset == {XBT: 404}
    assert made.positions_by_strategy == {"trend": 1}
    assert made.open_risk == 20
    assert made.free_cash == {USD: 1000 - Decimal("405.616")}


def test_open_market_buy_is_valued_at_what_the_pair_trades_at() -> None:
    made = book(orders=[order(TREND, "0.01", limit=None)])
    assert made.value_by_sleeve == {TREND: 100}
    assert made.free_cash[USD] == 1000 - Decimal("100.4")


def test_what_a_strategy_holds_pays_for_no_other_pair_and_what_is_held_by_hand_may() -> None:
    manual = Sleeve(MANUAL, TREND.pair)
    made = book(
        positions=[position(TREND, "0.3"), position(manual, "0.2")],
        totals={XBT: Decimal("0.5"), USD: Decimal(7)},
    )
    assert made.free_cash == {XBT: Decimal("0.2"), USD: 7}


def test_open_buy_on_top_of_a_position_is_one_position() -> None:
    made = book(positions=[position(TREND, "0.1")], orders=[order(TREND, "0.01")])
    assert made.value_by_sleeve == {TREND: 1100}
    assert made.positions_by_strategy == {"trend": 1}


@pytest.mark.parametrize("journal", [Journal.PENDING, Journal.SENT, Journal.UNKNOWN])
def test_buy_that_may_exist_takes_its_headroom(journal: Journal) -> None:
    assert book(orders=[order(TREND, "0.01", journal=journal)]).value_by_sleeve == {TREND: 100}


@pytest.mark.parametrize("journal", [Journal.REJECTED, Journal.ABSENT, Journal.DROPPED])
def test_buy_that_ended_takes_nothing(journal: Journal) -> None:
    assert book(orders=[order(TREND, "0.01", journal=journal)]).value_by_sleeve == {}


def test_open_sell_frees_nothing_before_it_is_a_fill() -> None:
    plain = book(positions=[position(TREND, "0.1")])
    selling = book(positions=[position(TREND, "0.1")], orders=[order(TREND, "0.1", side=Side.SELL)])
    assert selling == plain


def test_what_no_strategy_owns_is_held_by_hand() -> None:
    made = book(
        positions=[
            position(TREND, "0.1"),
            position(Sleeve(MANUAL, PairName("XBTUSD")), "0.05"),
        ],
        totals={XBT: Decimal("0.15"), ETH: Decimal(3), USD: Decimal(10)},
    )
    assert made.manual_by_asset == {XBT: 500, ETH: 1500}
    assert made.value_by_sleeve == {TREND: 1000}


def test_asset_without_a_price_is_worth_nothing() -> None:
    made = book(positions=[position(TREND, "0.1")], prices={USD: Decimal(1)})
    assert made.value_by_asset == {XBT: 0}
    assert made.open_risk == 0


def test_position_on_a_pair_that_is_gone_is_left_out() -> None:
    gone = Sleeve(StrategyId("trend"), PairName("GONEUSD"))
    assert book(positions=[position(gone, "1")]).value_by_sleeve == {}


def test_blocks_are_handed_on() -> None:
    blocks = Blocks(kill_switch=True, drawdown_pct=Decimal(3))
    assert book(blocks=blocks).blocks == blocks


def test_exposure_is_the_share_of_equity_to_the_millionth() -> None:
    made = book(positions=[position(TREND, "0.1")], equity=Decimal(30_000))
    assert made.exposure(TREND) == Decimal("0.033333")
    assert made.exposure(DIPS) == 0


def test_exposure_of_an_account_without_equity_is_nothing() -> None:
    assert book(positions=[position(TREND, "0.1")], equity=Decimal(0)).exposure(TREND) == 0


def test_distance_at_risk_without_a_stop_is_at_most_all_of_it() -> None:
    assert distance_at_risk(Decimal(10), None, Decimal(50)) == 10
    assert distance_at_risk(Decimal(10), None, Decimal(1)) == 3
    assert distance_at_risk(Decimal(10), Decimal(4), Decimal(1)) == 6


def test_open_buy_that_is_filled_to_the_last_lot_takes_nothing_more() -> None:
    made = book(orders=[order(TREND, "0.05", filled="0.05")])
    assert made.open_risk == 0
    assert made.free_cash == {USD: 1000}


def test_what_any_pair_of_an_asset_could_sell_is_more_than_dust() -> None:
    small = msgspec.structs.replace(pair("ETHEUR", ETH, EUR), quantity_min=Decimal("0.0001"))
    pairs = {**PAIRS, small.name: small}
    made = book(pairs=pairs, totals={ETH: Decimal("0.0005")})
    assert made.manual_by_asset == {ETH: Decimal("0.25")}


def test_smallest_quantity_that_the_venue_sells_is_a_position() -> None:
    smallest = PAIRS[TREND.pair].quantity_min
    ours = book(positions=[position(TREND, str(smallest))], totals={XBT: smallest})
    by_hand = book(totals={XBT: smallest})
    assert ours.value_by_sleeve == {TREND: 10}
    assert by_hand.manual_by_asset == {XBT: 10}
