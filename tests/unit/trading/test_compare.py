"""Our books and the venue's are compared to the last digit, and nothing is made up."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from krakked.domain.fills import Fill, VenueTrade
from krakked.domain.ids import AccountFingerprint, Asset, ClientOrderId, StrategyId, VenueOrderId
from krakked.domain.orders import Journal, Order, VenueOrder, VenueStatus
from krakked.domain.portfolio import Difference, Drift, DriftKind
from krakked.ports.exchange import Balance
from krakked.trading.compare import (
    amount,
    classify,
    compare_balances,
    compare_fills,
    compare_open_orders,
    foreign_drifts,
    foreign_orders,
    is_within,
    of_kinds,
    spot_totals,
    standing,
)

D = Decimal
USD, XBT, ETH = Asset("USD"), Asset("XBT"), Asset("ETH")
MakeOrder = Callable[..., Order]
MakeReport = Callable[..., VenueOrder]
MakeTrade = Callable[..., VenueTrade]
holdings = st.dictionaries(
    st.sampled_from([USD, XBT, ETH]), st.decimals(D(-10), D(10), places=8), max_size=3
)


# balances


def test_equal_balances_written_differently_do_not_differ() -> None:
    assert compare_balances({USD: D("10.5000")}, {USD: D("10.5"), XBT: D("0E-10")}) == []


def test_balance_that_differs_in_the_last_digit_is_named() -> None:
    (difference,) = compare_balances({XBT: D("0.12345678")}, {XBT: D("0.12345679")})
    assert str(difference) == "balance XBT: ours 0.12345678, theirs 0.12345679"


def test_asset_that_only_one_side_has_differs_from_zero_in_order_of_names() -> None:
    found = compare_balances({XBT: D(1)}, {ETH: D(2)})
    assert [(d.key, d.ours, d.theirs) for d in found] == [("ETH", "0", "2"), ("XBT", "1", "0")]


@given(holdings, holdings)
def test_balances_differ_exactly_where_the_numbers_do(
    ours: dict[Asset, Decimal], theirs: dict[Asset, Decimal]
) -> None:
    found = compare_balances(ours, theirs)
    unequal = [a for a in (USD, XBT, ETH) if ours.get(a, D(0)) != theirs.get(a, D(0))]
    assert [d.key for d in found] == sorted(unequal)
    assert all(d.ours != d.theirs for d in found)
    mirrored = [(d.key, d.theirs, d.ours) for d in compare_balances(theirs, ours)]
    assert mirrored == [(d.key, d.ours, d.theirs) for d in found]


def test_earn_balances_are_not_for_trading() -> None:
    balances = [
        Balance(asset=XBT, total=D(1), held=D(0)),
        Balance(asset=XBT, total=D(5), held=D(0), kind="F"),
        Balance(asset=USD, total=D(2), held=D(2)),
    ]
    assert spot_totals(balances) == {XBT: D(1), USD: D(2)}


def test_amount_is_written_for_people() -> None:
    assert [amount(D(text)) for text in ("1E+2", "1.500", "-0.0", "0E-9")] == [
        "100",
        "1.5",
        "0",
        "0",
    ]


# open orders


@pytest.fixture
def ours(make_order: MakeOrder) -> Order:
    return make_order(venue_status=VenueStatus.OPEN)


def test_order_open_on_both_sides_does_not_differ(
    ours: Order, make_report: MakeReport, fingerprint: AccountFingerprint
) -> None:
    assert compare_open_orders([ours], [make_report(ours)], fingerprint) == []


def test_order_we_take_for_open_and_the_venue_does_not_is_named(
    ours: Order, fingerprint: AccountFingerprint
) -> None:
    (difference,) = compare_open_orders([ours], [], fingerprint)
    assert difference.subject == "open_order"
    assert difference.key == ours.request.client_order_id
    assert (difference.ours, difference.theirs) == ("open", "none")


def test_order_of_ours_that_only_the_venue_has_is_named(
    ours: Order, make_report: MakeReport, fingerprint: AccountFingerprint
) -> None:
    (difference,) = compare_open_orders([], [make_report(ours)], fingerprint)
    assert (difference.key, difference.ours) == (ours.request.client_order_id, "none")


@pytest.mark.parametrize("journal", [Journal.SENT, Journal.UNKNOWN])
def test_order_on_its_way_may_be_open_there_or_not(
    journal: Journal,
    make_order: MakeOrder,
    make_report: MakeReport,
    fingerprint: AccountFingerprint,
) -> None:
    order = make_order(journal=journal)
    assert compare_open_orders([order], [], fingerprint) == []
    assert compare_open_orders([order], [make_report(order)], fingerprint) == []


@pytest.mark.parametrize(
    "journal", [Journal.DONE, Journal.REJECTED, Journal.ABSENT, Journal.DROPPED, Journal.PENDING]
)
def test_order_that_we_take_for_gone_but_is_open_there_differs(
    journal: Journal,
    make_order: MakeOrder,
    make_report: MakeReport,
    fingerprint: AccountFingerprint,
) -> None:
    order = make_order(journal=journal)
    assert len(compare_open_orders([order], [make_report(order)], fingerprint)) == 1


@pytest.mark.parametrize("client_id", [None, ClientOrderId("by-hand")])
def test_order_of_somebody_else_is_foreign_and_not_compared(
    client_id: ClientOrderId | None,
    ours: Order,
    make_report: MakeReport,
    fingerprint: AccountFingerprint,
) -> None:
    foreign = msgspec.structs.replace(make_report(ours), client_order_id=client_id)
    assert compare_open_orders([ours], [make_report(ours), foreign], fingerprint) == []
    assert foreign_orders([make_report(ours), foreign], fingerprint) == (foreign,)


# fills


def fill(trade: VenueTrade) -> Fill:
    return Fill(
        trade=trade,
        strategy_id=StrategyId("trend"),
        client_order_id=None,
        fee_quote=trade.fee_amount,
        realized_quote=D(0),
    )


def test_equal_fills_do_not_differ(make_trade: MakeTrade) -> None:
    trade = make_trade(fee_amount=D("0.40"))
    assert compare_fills([fill(trade)], [make_trade(fee_amount=D("0.4000"))]) == []


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"price": D("100.1"), "cost_quote": D(100)}, "fill"),
        ({"quantity_base": D("1.1"), "cost_quote": D(100)}, "fill"),
        ({"cost_quote": D("100.00001")}, "cost"),
        ({"fee_amount": D("0.41")}, "fee"),
        ({"fee_asset": XBT}, "fee"),
    ],
)
def test_fill_that_differs_in_one_fact_is_named_by_it(
    change: dict[str, object], subject: str, make_trade: MakeTrade
) -> None:
    (difference,) = compare_fills([fill(make_trade())], [make_trade(**change)])
    assert (difference.subject, difference.key) == (subject, "T1")
    assert difference.ours != difference.theirs


def test_fill_that_one_side_lacks_is_named_once(make_trade: MakeTrade) -> None:
    missing = compare_fills([fill(make_trade("T1"))], [make_trade("T2")])
    assert [(d.key, d.ours, d.theirs) for d in missing] == [
        ("T1", "buy 1 XBTUSD at 100", "none"),
        ("T2", "none", "buy 1 XBTUSD at 100"),
    ]


# patience


def difference(key: str = "XBT", ours: str = "1") -> Difference:
    return Difference(subject="balance", key=key, ours=ours, theirs="2")


def standing_since(since_ns: int, key: str = "XBT", kind: DriftKind = DriftKind.LATE) -> Drift:
    return Drift(difference=difference(key), kind=kind, since_ns=since_ns)


def test_new_difference_is_late_not_drift() -> None:
    (drift,) = classify([difference()], [], now_ns=1000, patience_ns=30)
    assert drift == Drift(difference=difference(), kind=DriftKind.LATE, since_ns=1000)


@pytest.mark.parametrize(
    ("now_ns", "kind"),
    [(29, DriftKind.LATE), (30, DriftKind.UNEXPLAINED), (31, DriftKind.UNEXPLAINED)],
)
def test_difference_becomes_drift_after_its_patience_and_not_before(
    now_ns: int, kind: DriftKind
) -> None:
    (drift,) = classify([difference()], [standing_since(0)], now_ns=now_ns, patience_ns=30)
    assert drift.kind is kind
    assert drift.since_ns == 0


def test_difference_whose_figures_move_is_the_same_one() -> None:
    (drift,) = classify([difference(ours="1.5")], [standing_since(0)], now_ns=30, patience_ns=30)
    assert drift.kind is DriftKind.UNEXPLAINED
    assert drift.difference.ours == "1.5"


def test_difference_that_went_away_is_forgotten_and_starts_anew() -> None:
    assert classify([], [standing_since(0)], now_ns=30, patience_ns=30) == ()
    (again,) = classify([difference()], [], now_ns=40, patience_ns=30)
    assert again.kind is DriftKind.LATE


def test_differences_of_two_subjects_with_one_key_are_told_apart() -> None:
    fee = Difference(subject="fee", key="XBT", ours="1", theirs="2")
    (drift,) = classify([fee], [standing_since(0)], now_ns=30, patience_ns=30)
    assert drift.kind is DriftKind.LATE


# what is small, and what is somebody else's


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [("1", "2", True), ("2", "1", True), ("1", "2.001", False), ("1", "1.5", True)],
)
def test_balance_is_within_the_tolerance_by_its_worth_in_either_direction(
    ours: str, theirs: str, expected: bool
) -> None:
    found = Difference(subject="balance", key="XBT", ours=ours, theirs=theirs)
    prices = {Asset("XBT"): Decimal(100)}
    assert is_within(found, prices=prices, tolerance=D(100)) is expected


def test_difference_without_a_price_is_within_no_tolerance() -> None:
    assert not is_within(difference("ADA"), prices={}, tolerance=D(10**9))


@pytest.mark.parametrize("subject", ["open_order", "fill", "fee", "cost"])
def test_only_balances_can_be_within_a_tolerance(subject: str) -> None:
    found = Difference(subject=subject, key="XBT", ours="1", theirs="1")
    assert not is_within(found, prices={Asset("XBT"): Decimal(1)}, tolerance=Decimal(1))


def test_small_difference_is_tolerated_from_the_first_and_keeps_its_age() -> None:
    (drift,) = classify(
        [difference()], [standing_since(5)], now_ns=40, patience_ns=30, is_tolerated=lambda _: True
    )
    assert (drift.kind, drift.since_ns) == (DriftKind.TOLERATED, 5)


def test_foreign_orders_are_listed_by_id_and_keep_since_when_they_are_known(
    make_order: Callable[..., Order], make_report: Callable[..., VenueOrder]
) -> None:
    def report(venue_id: str) -> VenueOrder:
        made = make_report(make_order())
        return msgspec.structs.replace(
            made, venue_order_id=VenueOrderId(venue_id), client_order_id=None
        )

    (first,) = foreign_drifts([report("O2")], [], now_ns=1)
    both = foreign_drifts([report("O2"), report("O1")], [first], now_ns=9)
    assert [(d.difference.key, d.since_ns) for d in both] == [("O1", 9), ("O2", 1)]
    assert {d.kind for d in both} == {DriftKind.FOREIGN}
    assert both[0].difference.theirs == "buy 1 XBTUSD at 100"


def test_books_differ_only_by_what_is_late_or_unexplained() -> None:
    drifts = [standing_since(0, kind=kind) for kind in DriftKind]
    assert [d.kind for d in standing(drifts)] == [DriftKind.LATE, DriftKind.UNEXPLAINED]
    assert [d.kind for d in of_kinds(drifts, DriftKind.FOREIGN)] == [DriftKind.FOREIGN]
