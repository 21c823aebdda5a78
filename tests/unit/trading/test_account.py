"""The account in memory: orders by either id, positions by sleeve, and what it is all worth."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from krakked.domain.fills import VenueTrade
from krakked.domain.ids import (
    MANUAL,
    AccountFingerprint,
    Asset,
    PairName,
    StrategyId,
    VenueOrderId,
)
from krakked.domain.orders import Journal, Order, Side
from krakked.domain.pairs import Pair
from krakked.domain.portfolio import SleeveState
from krakked.domain.positions import Position, Sleeve
from krakked.domain.quotes import Quote
from krakked.domain.valuation import Valuation
from krakked.ports.ledger import Books
from krakked.trading.account import Account
from krakked.trading.booking import book, sleeve_of

D = Decimal
USD, XBT, ETH = Asset("USD"), Asset("XBT"), Asset("ETH")
XBTUSD, ETHXBT, ETHUSD = PairName("XBTUSD"), PairName("ETHXBT"), PairName("ETHUSD")
TREND = Sleeve(StrategyId("trend"), XBTUSD)
MakeOrder = Callable[..., Order]
MakeTrade = Callable[..., VenueTrade]


def quote(pair: PairName, mid: str) -> Quote:
    return Quote(
        pair=pair,
        bid=D(mid) - 1,
        ask=D(mid) + 1,
        last=D(mid),
        volume_24h_base=D(1),
        at_ns=0,
    )


# orders


def test_order_is_found_by_either_id(account: Account, make_order: MakeOrder) -> None:
    order = make_order(venue_order_id=VenueOrderId("O7"))
    account.put_order(order)
    assert account.order(order.request.client_order_id) is order
    assert account.order(None, VenueOrderId("O7")) is order
    assert account.order(None, VenueOrderId("O8")) is None
    assert account.order(None) is None


def test_order_learns_its_venue_id_later(account: Account, make_order: MakeOrder) -> None:
    order = make_order(journal=Journal.SENT)
    account.put_order(order)
    account.put_order(msgspec.structs.replace(order, venue_order_id=VenueOrderId("O7")))
    found = account.order(None, VenueOrderId("O7"))
    assert found is not None
    assert found.request == order.request


@pytest.mark.parametrize(
    "journal", [Journal.DONE, Journal.REJECTED, Journal.ABSENT, Journal.DROPPED]
)
def test_order_that_ended_leaves_under_both_ids(
    account: Account, make_order: MakeOrder, journal: Journal
) -> None:
    order = make_order(venue_order_id=VenueOrderId("O7"))
    account.put_order(order)
    account.put_order(msgspec.structs.replace(order, journal=journal))
    assert account.order(order.request.client_order_id, VenueOrderId("O7")) is None
    assert account.live_orders() == []


def test_pending_order_is_its_sleeves_and_not_live(account: Account, make_order: MakeOrder) -> None:
    order = make_order(journal=Journal.PENDING)
    account.put_order(order)
    assert account.order(order.request.client_order_id) is order
    assert account.live_orders() == []
    assert account.orders_of(TREND) == [order]
    assert account.orders_by_sleeve() == {TREND: [order]}


def test_live_orders_come_in_the_order_they_were_made(
    account: Account, make_order: MakeOrder
) -> None:
    made = [make_order(n) for n in (3, 1, 2)]
    for order in made:
        account.put_order(order)
    account.put_order(msgspec.structs.replace(made[0], filled_base=D("0.5")))
    assert [o.request.plan_id for o in account.live_orders()] == [o.request.plan_id for o in made]


def test_orders_of_a_sleeve_are_those_of_its_strategy_and_pair(
    account: Account, make_order: MakeOrder
) -> None:
    mine = make_order(1)
    for order in (mine, make_order(2, strategy="other"), make_order(3, pair=ETHUSD)):
        account.put_order(order)
    assert account.orders_of(TREND) == [mine]


def test_unknown_pairs_are_named_once_and_sorted(account: Account, make_order: MakeOrder) -> None:
    for n, pair in enumerate((XBTUSD, ETHUSD, XBTUSD)):
        account.put_order(make_order(n, pair=pair, journal=Journal.UNKNOWN))
    account.put_order(make_order(9, pair=ETHXBT))
    assert account.unknown_pairs() == (ETHUSD, XBTUSD)


def test_account_of_a_restarted_engine_knows_its_orders_by_both_ids(
    no_books: Books, fingerprint: AccountFingerprint, pair: Pair, make_order: MakeOrder
) -> None:
    order = make_order(venue_order_id=VenueOrderId("O7"))
    books = msgspec.structs.replace(no_books, live_orders=[order])
    account = Account(books, fingerprint=fingerprint, base_currency=USD, pairs={pair.name: pair})
    assert account.order(None, VenueOrderId("O7")) is order
    assert account.order(order.request.client_order_id) is order


# positions and holdings


def test_sleeve_that_never_traded_is_flat_and_has_no_state(account: Account) -> None:
    assert account.position(TREND) == Position(sleeve=TREND)
    assert account.sleeve_state(TREND) == SleeveState(sleeve=TREND)
    assert account.positions == {}


def test_booking_changes_position_holdings_and_order_together(
    account: Account, make_order: MakeOrder, make_trade: MakeTrade, pair: Pair
) -> None:
    account.post(USD, D(1000))
    order = make_order(quantity="2")
    account.put_order(order)
    trade = make_trade()
    account.put_booking(
        book(trade, pair=pair, order=order, position=account.position(TREND), prices={})
    )
    assert account.position(TREND).quantity_base == 1
    assert account.totals == {USD: D("899.6"), XBT: D(1)}
    found = account.order(order.request.client_order_id)
    assert found is not None
    assert found.filled_base == 1


def holds_xbt(account: Account, make_trade: MakeTrade, pair: Pair) -> None:
    """The sleeve bought 2 XBT for quote, fees in quote."""
    account.post(USD, D(1000))
    trade = make_trade(quantity_base=D(2))
    account.put_booking(
        book(trade, pair=pair, order=None, position=account.position(TREND), prices={})
    )


@pytest.mark.parametrize(
    ("kept_by_hand", "overdrawn"), [("0", {XBT: D("0.01")}), ("0.01", {}), ("0.5", {})]
)
def test_fee_in_the_asset_of_another_sleeve_is_manuals_and_shown_where_it_has_too_little(
    account: Account,
    make_trade: MakeTrade,
    pair: Pair,
    kept_by_hand: str,
    overdrawn: dict[Asset, Decimal],
) -> None:
    holds_xbt(account, make_trade, pair)
    account.post(XBT, D(kept_by_hand))
    other = msgspec.structs.replace(pair, name=ETHUSD, base=ETH)
    account.pairs[ETHUSD] = other
    sleeve = Sleeve(StrategyId("trend"), ETHUSD)
    trade = make_trade("T2", pair=ETHUSD, fee_amount=D("0.01"), fee_asset=XBT)
    prices = {USD: D(1), XBT: D(100)}
    account.put_booking(
        book(trade, pair=other, order=None, position=account.position(sleeve), prices=prices)
    )
    assert account.position(TREND).quantity_base == 2
    assert account.totals[XBT] == 2 + D(kept_by_hand) - D("0.01")
    assert account.overdrawn() == overdrawn


def test_account_whose_positions_are_all_it_holds_is_not_overdrawn(
    account: Account, make_trade: MakeTrade, pair: Pair
) -> None:
    holds_xbt(account, make_trade, pair)
    assert account.overdrawn() == {}


def test_what_a_person_took_out_of_a_strategys_holding_is_overdrawn(
    account: Account, make_trade: MakeTrade, pair: Pair
) -> None:
    holds_xbt(account, make_trade, pair)
    account.post(XBT, D("-0.5"))
    owing = Sleeve(MANUAL, XBTUSD)
    account.positions[owing] = Position(sleeve=owing, quantity_base=D("-0.5"))
    assert account.overdrawn() == {XBT: D("0.5")}


def test_purchase_paid_with_manuals_coins_overdraws_nothing(
    account: Account, make_trade: MakeTrade, pair: Pair
) -> None:
    owned = Sleeve(MANUAL, XBTUSD)
    account.post(XBT, D(5))
    account.positions[owned] = Position(sleeve=owned, quantity_base=D(5))
    account.pairs[ETHXBT] = msgspec.structs.replace(pair, name=ETHXBT, base=ETH, quote=XBT)
    buy = make_trade(pair=ETHXBT, price=D("0.05"), quantity_base=D(20), fee_asset=XBT)
    sleeve = Sleeve(StrategyId("trend"), ETHXBT)
    account.put_booking(
        book(
            buy, pair=account.pairs[ETHXBT], order=None, position=Position(sleeve=sleeve), prices={}
        )
    )
    assert account.totals[XBT] < 4
    assert account.overdrawn() == {}


def test_position_without_a_stop_is_one_of_a_strategy_and_never_manuals(
    account: Account, make_trade: MakeTrade, pair: Pair
) -> None:
    assert account.without_exit() == []
    holds_xbt(account, make_trade, pair)
    held = account.positions[Sleeve(MANUAL, XBTUSD)] = Position(
        sleeve=Sleeve(MANUAL, XBTUSD), quantity_base=D(1)
    )
    assert not held.is_flat
    assert account.without_exit() == [TREND]
    account.sleeves[TREND] = SleeveState(sleeve=TREND, stop_price=D(90))
    assert account.without_exit() == []


# valuation


@pytest.fixture
def crossed(account: Account, pair: Pair) -> Account:
    """An account that also trades ETH against XBT."""
    account.pairs[ETHXBT] = msgspec.structs.replace(pair, name=ETHXBT, base=ETH, quote=XBT)
    return account


def trade_all(account: Account, *trades: VenueTrade) -> None:
    quotes = {XBTUSD: quote(XBTUSD, "100")}
    for trade in trades:
        sleeve = sleeve_of(trade, None)
        booking = book(
            trade,
            pair=account.pairs[trade.pair],
            order=None,
            position=account.position(sleeve),
            prices=account.prices(quotes),
        )
        account.put_booking(booking)


def test_prices_are_mids_of_pairs_against_the_base_currency(crossed: Account) -> None:
    quotes = {XBTUSD: quote(XBTUSD, "100"), ETHXBT: quote(ETHXBT, "3")}
    assert crossed.prices(quotes) == {USD: D(1), XBT: D(100)}


def test_snapshot_of_an_empty_account_is_zero(account: Account) -> None:
    snapshot = account.snapshot({}, 7)
    assert (snapshot.equity, snapshot.cash, snapshot.unrealized, snapshot.at_ns) == (0, 0, 0, 7)
    assert snapshot.values == {}


def test_snapshot_flags_what_has_no_price_and_counts_it_as_nothing(account: Account) -> None:
    account.post(USD, D(500))
    account.post(ETH, D(2))
    snapshot = account.snapshot({}, 0)
    assert snapshot.equity == 500
    assert snapshot.unvalued == (ETH,)
    assert snapshot.values == {"USD": D(500)}


def test_equity_is_flows_and_realized_and_unrealized_profit(
    account: Account, make_trade: MakeTrade
) -> None:
    account.post(USD, D(1000))
    account.net_flows = D(1000)
    trade_all(
        account,
        make_trade("T1", quantity_base=D(3), fee_amount=D("0.78")),
        make_trade("T2", side=Side.SELL, price=D(120), fee_amount=D("0.31")),
        make_trade("T3", price=D(90), fee_amount=D("0.001"), fee_asset=XBT),
    )
    snapshot = account.snapshot({XBTUSD: quote(XBTUSD, "97.5")}, 0)
    explained = snapshot.net_flows + snapshot.realized + snapshot.unrealized
    assert abs(snapshot.equity - explained) < D("1e-15")
    assert snapshot.fees == D("0.78") + D("0.31") + D("0.09")


def test_pair_with_another_quote_is_valued_through_it(
    crossed: Account, make_trade: MakeTrade
) -> None:
    crossed.post(XBT, D(5))
    buy_eth = make_trade(
        pair=ETHXBT, price=D("0.05"), quantity_base=D(20), fee_amount=D("0.002"), fee_asset=XBT
    )
    trade_all(crossed, buy_eth)
    quotes = {XBTUSD: quote(XBTUSD, "100"), ETHUSD: quote(ETHUSD, "6")}
    listed = msgspec.structs.replace(crossed.pairs[ETHXBT], name=ETHUSD, quote=USD)
    crossed.valuation = Valuation(USD, {**crossed.pairs, ETHUSD: listed})
    snapshot = crossed.snapshot(quotes, 0)
    # 20 ETH at 6 that cost 1 XBT at 100; the fee of 0.002 XBT is worth 0.2.
    assert snapshot.unrealized == 20
    assert snapshot.realized == D("-0.2")
    assert snapshot.equity == D("3.998") * 100 + 120


def test_repr_shows_the_state_in_one_line(account: Account, make_order: MakeOrder) -> None:
    account.put_order(make_order())
    assert repr(account) == f"<Account {account.fingerprint}: 0 positions, 1 orders>"


def test_what_does_not_count_is_left_out_of_equity_and_of_unrealized_profit(
    account: Account, make_trade: MakeTrade
) -> None:
    trade_all(account, make_trade(price=D(100), quantity_base=D(1)))
    quotes = {XBTUSD: quote(XBTUSD, "150")}
    whole = account.snapshot(quotes, 0)
    assert (whole.unrealized, account.worth(XBT, quotes)) == (50, 150)
    account.valuation = Valuation(USD, account.pairs, exclude=[XBT])
    part = account.snapshot(quotes, 0)
    assert part.equity == whole.equity - 150
    assert (part.unrealized, part.unvalued) == (0, ())
    assert account.worth(XBT, quotes) == 0
    assert account.worth(Asset("ETH"), quotes) is None
