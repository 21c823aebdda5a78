"""An execution is booked with the venue's own amounts, to the right sleeve, on the right order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from krakked.domain.fills import VenueTrade
from krakked.domain.ids import MANUAL, Asset, PairName, StrategyId, VenueOrderId
from krakked.domain.orders import Journal, Order, OrderStatus, Side, VenueOrder, VenueStatus
from krakked.domain.pairs import Pair
from krakked.domain.positions import Position, Sleeve
from krakked.trading.booking import Booking, book, postings_of, settled, sleeve_of

D = Decimal
USD, XBT, ETH = Asset("USD"), Asset("XBT"), Asset("ETH")
TREND = Sleeve(StrategyId("trend"), PairName("XBTUSD"))
Make = Callable[..., VenueTrade]
MakeOrder = Callable[..., Order]
MakeReport = Callable[..., VenueOrder]
NO_PRICES: dict[Asset, Decimal] = {}


def booked(
    trade: VenueTrade,
    pair: Pair,
    *,
    order: Order | None = None,
    position: Position | None = None,
    prices: dict[Asset, Decimal] = NO_PRICES,
) -> Booking:
    held = position or Position(sleeve=sleeve_of(trade, order))
    return book(trade, pair=pair, order=order, position=held, prices=prices)


# postings


def test_postings_of_a_purchase_move_base_in_quote_and_fee_out(make_trade: Make) -> None:
    trade = make_trade(quantity_base=D("0.5"), price=D(100), fee_amount=D("0.13"))
    assert postings_of(trade, XBT, USD) == ((XBT, D("0.5")), (USD, D(-50)), (USD, D("-0.13")))


def test_postings_of_a_sale_move_base_out_and_quote_in(make_trade: Make) -> None:
    trade = make_trade(side=Side.SELL, fee_amount=D("0.001"), fee_asset=XBT)
    assert postings_of(trade, XBT, USD) == ((XBT, D(-1)), (USD, D(100)), (XBT, D("-0.001")))


def test_postings_take_the_venues_cost_not_price_times_quantity(make_trade: Make) -> None:
    trade = make_trade(cost_quote=D("99.99999"))
    assert dict(postings_of(trade, XBT, USD)[:2])[USD] == D("-99.99999")


amounts = st.decimals(D("0.00000001"), D(1000), places=8)
trades = st.lists(
    st.tuples(
        st.sampled_from(Side),
        amounts,
        st.decimals(D("0.1"), D(100_000), places=1),
        st.decimals(D(0), D("0.4"), places=2),
        st.sampled_from([USD, XBT, ETH]),
    ),
    max_size=20,
)


@given(trades)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_postings_add_up_to_what_the_venues_balances_become(
    make_trade: Make, sequence: list[tuple[Side, Decimal, Decimal, Decimal, Asset]]
) -> None:
    """The venue keeps two ledger rows a fill, each with its fee; its balances are their sums."""
    ours: defaultdict[Asset, Decimal] = defaultdict(Decimal)
    theirs: defaultdict[Asset, Decimal] = defaultdict(Decimal)
    for side, quantity, price, fee_pct, fee_asset in sequence:
        cost = (quantity * price).quantize(D("0.0001"))
        fee = (cost * fee_pct / 100).quantize(D("0.00000001"))
        trade = make_trade(
            side=side,
            price=price,
            quantity_base=quantity,
            cost_quote=cost,
            fee_amount=fee,
            fee_asset=fee_asset,
        )
        for asset, change in postings_of(trade, XBT, USD):
            ours[asset] += change
        bought, paid = (quantity, -cost) if side is Side.BUY else (-quantity, cost)
        theirs[XBT] += bought
        theirs[USD] += paid
        theirs[fee_asset] -= fee
    assert {k: v for k, v in ours.items() if v} == {k: v for k, v in theirs.items() if v}


# sleeves


def test_execution_of_our_order_goes_to_its_sleeve(
    make_trade: Make, make_order: MakeOrder, pair: Pair
) -> None:
    order = make_order(strategy="reversion")
    booking = booked(make_trade(), pair, order=order)
    assert booking.position.sleeve == Sleeve(StrategyId("reversion"), PairName("XBTUSD"))
    assert booking.fill.strategy_id == "reversion"
    assert booking.fill.client_order_id == order.request.client_order_id


def test_execution_that_no_strategy_asked_for_goes_to_manual(make_trade: Make, pair: Pair) -> None:
    booking = booked(make_trade(), pair)
    assert booking.position.sleeve == Sleeve(MANUAL, PairName("XBTUSD"))
    assert booking.fill.client_order_id is None
    assert booking.order is None


# fees


def test_fee_in_quote_is_worth_itself(make_trade: Make, pair: Pair) -> None:
    booking = booked(make_trade(fee_amount=D("0.4")), pair)
    assert booking.fill.fee_quote == D("0.4")
    assert booking.fill.realized_quote == D("-0.4")


def test_fee_in_base_is_worth_the_price_and_leaves_the_position(
    make_trade: Make, pair: Pair
) -> None:
    booking = booked(make_trade(fee_amount=D("0.004"), fee_asset=XBT), pair)
    assert booking.fill.fee_quote == D("0.4")
    assert booking.position.quantity_base == D("0.996")


def test_fee_in_a_third_asset_is_valued_at_its_price_in_quote(make_trade: Make, pair: Pair) -> None:
    prices = {USD: D(1), ETH: D(2000)}
    booking = booked(make_trade(fee_amount=D("0.0002"), fee_asset=ETH), pair, prices=prices)
    assert booking.fill.fee_quote == D("0.4")
    assert booking.position.quantity_base == 1
    assert dict(booking.postings)[ETH] == D("-0.0002")


def test_fee_in_a_third_asset_is_valued_in_the_pairs_own_quote(
    make_trade: Make, pair: Pair
) -> None:
    eth_xbt = msgspec.structs.replace(pair, base=ETH, quote=XBT)
    prices = {USD: D(1), XBT: D(50_000)}
    booking = booked(make_trade(fee_amount=D(5), fee_asset=USD), eth_xbt, prices=prices)
    assert booking.fill.fee_quote == D("0.0001")


@pytest.mark.parametrize("prices", [{}, {USD: D(1)}, {ETH: D(2000)}])
def test_fee_whose_value_is_not_known_counts_nothing_but_is_posted(
    make_trade: Make, pair: Pair, prices: dict[Asset, Decimal]
) -> None:
    booking = booked(make_trade(fee_amount=D(3), fee_asset=ETH), pair, prices=prices)
    assert booking.fill.fee_quote == 0
    assert dict(booking.postings)[ETH] == -3


# orders


def test_first_fill_tells_that_the_order_exists(
    make_trade: Make, make_order: MakeOrder, pair: Pair
) -> None:
    order = make_order(quantity="2", journal=Journal.UNKNOWN)
    after = booked(make_trade(venue_order_id=VenueOrderId("O9")), pair, order=order).order
    assert after is not None
    assert after.journal is Journal.ACKED
    assert after.venue_order_id == "O9"
    assert after.status is OrderStatus.PARTIALLY_FILLED
    assert (after.filled_base, after.cost_quote, after.fee_quote) == (1, 100, D("0.4"))


def test_fills_of_an_order_add_up(make_trade: Make, make_order: MakeOrder, pair: Pair) -> None:
    first = booked(make_trade(), pair, order=make_order(quantity="3"))
    second = booked(
        make_trade("T2", price=D(130)), pair, order=first.order, position=first.position
    )
    assert second.order is not None
    assert (second.order.filled_base, second.order.cost_quote) == (2, 230)
    assert second.order.average_price == 115
    assert second.order.remaining_base == 1
    assert (second.position.quantity_base, second.position.cost_quote) == (2, 230)


def test_late_fill_of_an_ended_order_leaves_it_ended(
    make_trade: Make, make_order: MakeOrder, pair: Pair
) -> None:
    order = make_order(journal=Journal.DONE, venue_status=VenueStatus.CANCELED)
    after = booked(make_trade(), pair, order=order).order
    assert after is not None
    assert after.journal is Journal.DONE
    assert after.venue_status is VenueStatus.CANCELED
    assert after.filled_base == 1


def test_fill_of_an_order_taken_for_absent_makes_it_live_again(
    make_trade: Make, make_order: MakeOrder, pair: Pair
) -> None:
    after = booked(make_trade(), pair, order=make_order(journal=Journal.ABSENT)).order
    assert after is not None
    assert after.is_live


# ends


@pytest.mark.parametrize("status", [VenueStatus.CLOSED, VenueStatus.CANCELED, VenueStatus.EXPIRED])
def test_order_that_ended_with_every_fill_booked_is_done(
    make_order: MakeOrder, make_report: MakeReport, status: VenueStatus
) -> None:
    order = make_order(filled_base=D(1))
    after = settled(order, make_report(order, status, closed_at_ns=77, reason="why"), 99)
    assert after.journal is Journal.DONE
    assert after.ended_at_ns == 77
    assert after.venue_status is status
    assert after.reason == "why"


def test_order_that_ended_with_a_fill_unbooked_is_not_done_yet(
    make_order: MakeOrder, make_report: MakeReport
) -> None:
    order = make_order(filled_base=D("0.4"))
    after = settled(order, make_report(order, VenueStatus.CLOSED, filled_base=D(1)), 99)
    assert after.journal is Journal.ACKED
    assert after.is_live
    assert after.ended_at_ns is None


def test_order_that_is_open_stays_live_and_learns_its_id(
    make_order: MakeOrder, make_report: MakeReport
) -> None:
    order = make_order(journal=Journal.UNKNOWN)
    after = settled(order, make_report(order), 99)
    assert after.journal is Journal.ACKED
    assert after.venue_order_id == "O1"
    assert after.acked_at_ns == 5


def test_end_without_a_time_is_dated_when_we_learned_of_it(
    make_order: MakeOrder, make_report: MakeReport
) -> None:
    order = make_order()
    assert settled(order, make_report(order, VenueStatus.CANCELED), 99).ended_at_ns == 99


def test_report_without_a_reason_keeps_ours(make_order: MakeOrder, make_report: MakeReport) -> None:
    order = make_order(reason="superseded")
    assert settled(order, make_report(order, VenueStatus.CANCELED), 99).reason == "superseded"


def test_fills_then_end_settle_an_order_whatever_the_order_of_reports(
    make_trade: Make, make_order: MakeOrder, make_report: MakeReport, pair: Pair
) -> None:
    order = make_order()
    end = make_report(order, VenueStatus.CLOSED, filled_base=D(1))
    end_first = settled(order, end, 99)
    fill_next = booked(make_trade(), pair, order=end_first).order
    assert fill_next is not None
    assert settled(fill_next, end, 99).journal is Journal.DONE
