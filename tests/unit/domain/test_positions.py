"""Positions: weighted average cost, and the identity that ties them to the account's equity."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.domain.fills import CashFlow, CashFlowKind, Liquidity, OpeningLot, VenueTrade
from krakked.domain.ids import MANUAL, Asset, LedgerId, PairName, StrategyId, TradeId, VenueOrderId
from krakked.domain.orders import Side
from krakked.domain.positions import Position, Sleeve, apply, moved, opened

D = Decimal
XBTUSD = PairName("XBTUSD")
SLEEVE = Sleeve(StrategyId("trend"), XBTUSD)
BOUND = D("1e-12")
"""Shares of a cost may not end; 28 digits leave this much room many times over."""


def trade(
    side: Side, quantity: str, price: str, *, cost: str | None = None, at: int = 1
) -> VenueTrade:
    return VenueTrade(
        trade_id=TradeId("T1"),
        venue_order_id=VenueOrderId("O1"),
        pair=XBTUSD,
        side=side,
        price=D(price),
        quantity_base=D(quantity),
        cost_quote=D(quantity) * D(price) if cost is None else D(cost),
        fee_amount=D(0),
        fee_asset=Asset("USD"),
        liquidity=Liquidity.TAKER,
        at_ns=at,
    )


def buy(quantity: str, price: str, **more: str) -> VenueTrade:
    return trade(Side.BUY, quantity, price, **more)  # type: ignore[arg-type]  # cost alone


def sell(quantity: str, price: str, **more: str) -> VenueTrade:
    return trade(Side.SELL, quantity, price, **more)  # type: ignore[arg-type]  # cost alone


def after(*trades: VenueTrade, fee: str = "0") -> tuple[Position, list[Decimal]]:
    position, profits = Position(sleeve=SLEEVE), []
    for each in trades:
        position, profit = apply(position, each, fee_quote=D(fee))
        profits.append(profit)
    return position, profits


# examples worked by hand


def test_purchase_from_flat_costs_what_the_venue_says() -> None:
    position, (profit,) = after(buy("0.5", "100.05", cost="50.03"))
    assert (position.quantity_base, position.cost_quote) == (D("0.5"), D("50.03"))
    assert position.average_price == D("100.06")
    assert profit == 0


def test_second_purchase_averages_by_weight() -> None:
    position, _ = after(buy("1", "100"), buy("3", "200"))
    assert (position.quantity_base, position.cost_quote) == (4, 700)
    assert position.average_price == 175


def test_partial_sale_realizes_against_the_average_and_leaves_it_unchanged() -> None:
    position, (*_, profit) = after(buy("1", "100"), buy("3", "200"), sell("2", "250"))
    assert profit == 150
    assert (position.quantity_base, position.cost_quote) == (2, 350)
    assert position.average_price == 175
    assert position.realized_quote == 150


def test_fee_in_quote_is_expensed_when_paid_and_is_not_cost() -> None:
    position, profits = after(buy("1", "100"), sell("1", "110"), fee="0.4")
    assert profits == [D("-0.4"), D("9.6")]
    assert position.realized_quote == D("9.2")
    assert position.fees_quote == D("0.8")
    assert position.cost_quote == 0


def test_fee_in_base_of_a_purchase_takes_units_and_is_expensed_once() -> None:
    position, profit = apply(
        Position(sleeve=SLEEVE), buy("1", "100"), fee_quote=D("1"), fee_in_base=D("0.01")
    )
    assert position.quantity_base == D("0.99")
    assert position.cost_quote == 99
    assert profit == -1


def test_fee_in_base_of_a_sale_takes_units_too() -> None:
    held, _ = after(buy("1", "100"))
    position, profit = apply(held, sell("0.99", "200"), fee_quote=D("2"), fee_in_base=D("0.01"))
    assert position.is_flat
    assert position.cost_quote == 0
    # 198 came in for units that cost 100; the fee's unit was worth 2 and cost 1.
    assert profit == 98


@pytest.mark.parametrize("parts", [3, 7, 9, 11])
def test_position_sold_out_in_uneven_parts_has_exactly_zero_cost(parts: int) -> None:
    held, _ = after(buy(str(parts), "33.333333"))
    profits = []
    for _ in range(parts):
        held, profit = apply(held, sell("1", "40"), fee_quote=D(0))
        profits.append(profit)
    assert held.is_flat
    assert held.cost_quote == 0
    assert held.average_price is None
    assert abs(sum(profits) - parts * (D(40) - D("33.333333"))) < BOUND


def test_purchase_and_sale_leave_no_digits_that_nobody_paid() -> None:
    position, _ = after(buy("0.5", "100.10"), buy("0.25", "100.20"))
    assert str(position.cost_quote) == "75.1000"


def test_opened_at_is_the_first_purchase_since_flat() -> None:
    position, _ = after(trade(Side.BUY, "1", "1", at=5), trade(Side.BUY, "1", "1", at=6))
    assert position.opened_at_ns == 5
    position, _ = apply(position, trade(Side.SELL, "2", "1", at=7), fee_quote=D(0))
    assert position.opened_at_ns is None
    position, _ = apply(position, trade(Side.BUY, "1", "1", at=8), fee_quote=D(0))
    assert position.opened_at_ns == 8


def test_sale_of_more_than_is_held_realizes_on_the_held_part_alone() -> None:
    position, (_, profit) = after(buy("1", "100"), sell("3", "150"))
    assert profit == 50
    assert (position.quantity_base, position.cost_quote) == (-2, -300)


def test_buying_back_what_was_oversold_realizes_the_difference_and_is_flat_at_no_cost() -> None:
    position, (sold, bought) = after(sell("2", "100"), buy("2", "110"))
    assert (sold, bought) == (0, -20)
    assert position.is_flat
    assert position.cost_quote == 0


def test_buying_through_zero_costs_only_what_is_held_then() -> None:
    position, (_, profit) = after(sell("1", "100"), buy("3", "110"))
    assert profit == -10
    assert (position.quantity_base, position.cost_quote) == (2, 220)


def test_unrealized_is_value_less_cost() -> None:
    position, _ = after(buy("2", "100"))
    assert position.unrealized_quote(D("130")) == 60
    assert Position(sleeve=SLEEVE).unrealized_quote(D("130")) == 0


def test_sleeve_is_written_as_strategy_and_pair_and_sorts_by_them() -> None:
    assert str(SLEEVE) == "trend/XBTUSD"
    others = [Sleeve(MANUAL, XBTUSD), Sleeve(StrategyId("trend"), PairName("ETHUSD")), SLEEVE]
    assert sorted({*others}) == others


# coins that come and go without a trade


def flow(amount: str, value: str | None, *, at: int = 1) -> CashFlow:
    return CashFlow(
        ledger_id=LedgerId("L1"),
        kind=CashFlowKind.DEPOSIT,
        asset=Asset("XBT"),
        amount=D(amount),
        fee=D(0),
        at_ns=at,
        value_base=None if value is None else D(value),
        pair=XBTUSD,
    )


def flown(*flows: CashFlow) -> tuple[Position, list[Decimal]]:
    position, profits = Position(sleeve=Sleeve(MANUAL, XBTUSD)), []
    for each in flows:
        position, profit = moved(position, each)
        profits.append(profit)
    return position, profits


def test_deposit_is_a_lot_that_cost_what_it_was_worth() -> None:
    position, (profit,) = flown(flow("2", "200", at=7))
    assert (position.quantity_base, position.cost_quote, position.opened_at_ns) == (2, 200, 7)
    assert position.average_price == 100
    assert profit == position.fees_quote == 0


def test_withdrawal_realizes_what_the_coins_are_worth_beyond_their_average_cost() -> None:
    position, profits = flown(flow("1", "100"), flow("1", "200"), flow("-1", "-250"))
    assert profits == [0, 0, 100]
    assert (position.quantity_base, position.cost_quote, position.realized_quote) == (1, 150, 100)


def test_withdrawal_of_all_leaves_no_cost_and_no_opening() -> None:
    position, profits = flown(flow("3", "100"), flow("-1", "-30"), flow("-2", "-60"))
    assert position.is_flat
    assert (position.cost_quote, position.opened_at_ns) == (0, None)
    assert abs(sum(profits, Decimal(10))) < BOUND


def test_withdrawal_of_more_than_manual_has_is_owed_until_it_comes_back() -> None:
    position, profits = flown(flow("1", "100"), flow("-3", "-600"))
    assert profits == [0, 100]
    assert (position.quantity_base, position.cost_quote) == (-2, -400)
    position, profit = moved(position, flow("2", "300"))
    assert profit == 100
    assert (position.quantity_base, position.cost_quote) == (0, 0)


def test_withdrawal_where_manual_has_nothing_realizes_nothing() -> None:
    position, profits = flown(flow("-3", "-100"))
    assert profits == [0]
    assert (position.quantity_base, position.cost_quote) == (-3, -100)


def test_deposit_of_unknown_value_is_a_lot_of_unknown_cost_until_it_is_gone() -> None:
    position, _ = flown(flow("1", "100"), flow("1", None))
    assert (position.quantity_base, position.cost_quote) == (2, 100)
    assert position.has_unknown_cost
    assert position.average_price is None
    position, profit = moved(position, flow("-2", "-500"))
    assert profit == 400
    assert not position.has_unknown_cost


def test_withdrawal_of_unknown_value_leaves_for_nothing_as_the_net_flows_say() -> None:
    position, profits = flown(flow("1", "100"), flow("-1", None))
    assert profits == [0, -100]
    assert position.is_flat
    assert not position.has_unknown_cost


def test_deposit_on_top_of_an_opening_lot_averages_with_it() -> None:
    lot = OpeningLot(asset=Asset("XBT"), quantity=D(1), cost_base=D(50), at_ns=3, pair=XBTUSD)
    before = opened(lot)
    assert before is not None
    position, _ = moved(before, flow("1", "150", at=9))
    assert (position.quantity_base, position.average_price, position.opened_at_ns) == (2, 100, 3)


def test_sale_by_a_person_realizes_against_what_was_deposited() -> None:
    held, _ = flown(flow("2", "200"))
    held, profit = apply(held, sell("1", "130"), fee_quote=D(1))
    assert profit == 29
    assert (held.quantity_base, held.cost_quote) == (1, 100)


# the identity


class Arrival(msgspec.Struct, frozen=True):
    """Coins that come (or go, if negative), at this price; None: nobody knows it."""

    amount: Decimal
    price: Decimal | None


arrivals = st.builds(
    Arrival,
    st.decimals(D(-1000), D(1000), places=8),
    st.none() | st.decimals(D("0.01"), D(100_000), places=2),
)


class Execution(msgspec.Struct, frozen=True):
    """One random execution; what is not possible on the position is left out."""

    side: Side
    quantity: Decimal
    price: Decimal
    fee_pct: Decimal
    fee_in: str


executions = st.builds(
    Execution,
    st.sampled_from(Side),
    st.decimals(D("0.00000001"), D(1000), places=8),
    st.decimals(D("0.01"), D(100_000), places=2),
    st.decimals(D(0), D("0.4"), places=2),
    st.sampled_from(["base", "quote", "third"]),
)


class World:
    """Holdings as the venue keeps them, beside the position that is to explain them."""

    def __init__(self, third_price: Decimal) -> None:
        self.third_price = third_price
        self.held = {"base": D(0), "quote": D(0), "third": D(0)}
        self.position = Position(sleeve=SLEEVE)
        self.fees_taken = D(0)
        self.net_flows = D(0)

    def arrive(self, what: Arrival) -> None:
        value = None if what.price is None else what.amount * what.price
        self.held["base"] += what.amount
        self.net_flows += value or D(0)
        before = self.position.realized_quote
        came = msgspec.structs.replace(flow("1", None), amount=what.amount, value_base=value)
        self.position, profit = moved(self.position, came)
        assert abs(self.position.realized_quote - before - profit) < BOUND

    def execute(self, what: Execution) -> None:
        cost = (what.quantity * what.price).quantize(D("0.00001"))
        fee_quote_exact = cost * what.fee_pct / 100
        unit = {"base": what.price, "quote": D(1), "third": self.third_price}[what.fee_in]
        fee = (fee_quote_exact / unit).quantize(D("1e-8"))
        self.held["base"] += what.side.sign * what.quantity
        self.held["quote"] -= what.side.sign * cost
        self.held[what.fee_in] -= fee
        self.fees_taken += fee * unit
        done = trade(what.side, str(what.quantity), str(what.price), cost=str(cost))
        fee_in_base = fee if what.fee_in == "base" else D(0)
        before = self.position.realized_quote
        self.position, profit = apply(
            self.position, done, fee_quote=fee * unit, fee_in_base=fee_in_base
        )
        assert abs(self.position.realized_quote - before - profit) < BOUND

    def equity(self, price: Decimal) -> Decimal:
        return (
            self.held["base"] * price + self.held["quote"] + self.held["third"] * self.third_price
        )

    def check(self, price: Decimal) -> None:
        explained = self.position.realized_quote + self.position.unrealized_quote(price)
        assert abs(self.equity(price) - self.net_flows - explained) < BOUND
        assert self.position.quantity_base == self.held["base"]
        if self.position.is_flat:
            assert self.position.cost_quote == 0
            assert self.position.opened_at_ns is None


@given(st.lists(executions, max_size=25), st.decimals(D("0.01"), D(500), places=2))
def test_equity_is_realized_and_unrealized_profit_whatever_is_traded(
    sequence: list[Execution], third_price: Decimal
) -> None:
    world = World(third_price)
    for each in sequence:
        world.execute(each)
        world.check(each.price)
        world.check(D("12345.6"))


@given(st.lists(executions | arrivals, max_size=25))
def test_equity_is_flows_and_profit_whatever_comes_and_goes_between_trades(
    sequence: list[Execution | Arrival],
) -> None:
    world = World(D(3))
    for each in sequence:
        if isinstance(each, Arrival):
            world.arrive(each)
        else:
            world.execute(each)
        world.check(D("12345.6"))
        world.check(D("0.07"))


@given(st.lists(executions, min_size=1, max_size=25), st.decimals(D("0.01"), D(500), places=2))
def test_position_sold_out_has_exactly_no_cost_and_all_profit_realized(
    sequence: list[Execution], third_price: Decimal
) -> None:
    world = World(third_price)
    for each in sequence:
        world.execute(each)
    rest = world.position.quantity_base
    if rest:
        side = Side.SELL if rest > 0 else Side.BUY
        world.execute(Execution(side, abs(rest), D("777.77"), D("0.26"), "quote"))
    assert world.position.is_flat
    assert world.position.cost_quote == 0
    assert abs(world.equity(D(1)) - world.position.realized_quote) < BOUND


@given(st.lists(executions, max_size=25), st.decimals(D("0.01"), D(500), places=2))
def test_fees_are_the_sum_of_what_was_taken_valued_in_quote(
    sequence: list[Execution], third_price: Decimal
) -> None:
    world = World(third_price)
    for each in sequence:
        world.execute(each)
    assert abs(world.position.fees_quote - world.fees_taken) < BOUND
