"""Two vocabularies, one mapping: what we know of an order, and the word people read."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from krakked.domain.errors import (
    Ambiguous,
    BadInput,
    BadKey,
    Fenced,
    KrakkedError,
    LedgerFailed,
    MissingPermission,
    Permanent,
    Refused,
    Stale,
    Transient,
)
from krakked.domain.ids import Asset, ClientOrderId, PairName, PlanId, StrategyId
from krakked.domain.orders import (
    Journal,
    LegKind,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
    VenueStatus,
)
from krakked.domain.pairs import Pair
from krakked.domain.quotes import Quote

D = Decimal


def order(journal: Journal, venue: VenueStatus | None = None, filled: str = "0") -> Order:
    request = OrderRequest(
        client_order_id=ClientOrderId("c"),
        plan_id=PlanId("p"),
        leg=0,
        revision=0,
        strategy_id=StrategyId("trend"),
        pair=PairName("XBTUSD"),
        kind=LegKind.ENTRY,
        side=Side.BUY,
        type=OrderType.LIMIT,
        quantity_base=D(2),
        limit_price=D(100),
        time_in_force=TimeInForce.GTC,
        expire_at_ns=None,
    )
    return Order(
        request=request,
        journal=journal,
        created_at_ns=0,
        venue_status=venue,
        filled_base=D(filled),
        cost_quote=D(filled) * 100,
    )


@pytest.mark.parametrize("journal", Journal)
@pytest.mark.parametrize("venue", [None, *VenueStatus])
@pytest.mark.parametrize("filled", ["0", "1"])
def test_every_order_has_a_status(journal: Journal, venue: VenueStatus | None, filled: str) -> None:
    assert isinstance(order(journal, venue, filled).status, OrderStatus)


@pytest.mark.parametrize(
    ("journal", "venue", "filled", "status"),
    [
        (Journal.PENDING, None, "0", OrderStatus.PENDING),
        (Journal.SENT, None, "0", OrderStatus.SUBMITTED),
        (Journal.UNKNOWN, None, "0", OrderStatus.UNKNOWN),
        (Journal.ACKED, None, "0", OrderStatus.OPEN),
        (Journal.ACKED, VenueStatus.PENDING, "0", OrderStatus.SUBMITTED),
        (Journal.ACKED, VenueStatus.OPEN, "0", OrderStatus.OPEN),
        (Journal.ACKED, VenueStatus.OPEN, "1", OrderStatus.PARTIALLY_FILLED),
        (Journal.ACKED, VenueStatus.CLOSED, "1", OrderStatus.FILLED),
        (Journal.DONE, VenueStatus.CLOSED, "2", OrderStatus.FILLED),
        (Journal.DONE, VenueStatus.CANCELED, "1", OrderStatus.CANCELED),
        (Journal.DONE, VenueStatus.EXPIRED, "0", OrderStatus.CANCELED),
        (Journal.REJECTED, None, "0", OrderStatus.REJECTED),
        (Journal.ABSENT, None, "0", OrderStatus.ERROR),
        (Journal.DROPPED, None, "0", OrderStatus.CANCELED),
    ],
)
def test_status_is_the_documents_word(
    journal: Journal, venue: VenueStatus | None, filled: str, status: OrderStatus
) -> None:
    assert order(journal, venue, filled).status is status


def test_live_is_what_may_exist_at_the_venue() -> None:
    live = {journal for journal in Journal if order(journal).is_live}
    assert live == {Journal.SENT, Journal.UNKNOWN, Journal.ACKED}


def test_open_statuses_are_those_that_may_still_be_filled() -> None:
    assert {status for status in OrderStatus if status.is_open} == {
        OrderStatus.SUBMITTED,
        OrderStatus.OPEN,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.UNKNOWN,
    }


def test_final_statuses_of_the_venue_are_those_no_fill_can_follow() -> None:
    final = {status for status in VenueStatus if status.is_final}
    assert final == set(VenueStatus) - {VenueStatus.PENDING, VenueStatus.OPEN}


def test_remaining_and_average_follow_the_booked_fills() -> None:
    half = order(Journal.ACKED, VenueStatus.OPEN, "0.5")
    assert half.remaining_base == D("1.5")
    assert half.average_price == 100
    assert order(Journal.ACKED).average_price is None


def test_sides_are_opposite_and_signed() -> None:
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
    assert (Side.BUY.opposite, Side.SELL.opposite) == (Side.SELL, Side.BUY)


def test_records_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        order(Journal.SENT).journal = Journal.DONE  # type: ignore[misc]  # that is the point


def test_order_survives_encoding_with_every_digit() -> None:
    whole = order(Journal.ACKED, VenueStatus.OPEN, "0.50000000")
    again = msgspec.json.decode(msgspec.json.encode(whole), type=Order)
    assert again == whole
    assert str(again.filled_base) == "0.50000000"


def test_pair_rounds_prices_and_sizes_to_what_the_venue_takes(pair: Pair) -> None:
    assert pair.price_below(D("100.19")) == D("100.1")
    assert pair.price_above(D("100.11")) == D("100.2")
    assert pair.price_above(D("100.1")) == D("100.1") == pair.price_below(D("100.1"))
    assert pair.quantity_below(D("0.123456789")) == D("0.12345678")


@pytest.fixture
def pair() -> Pair:
    return Pair(
        name=PairName("XBTUSD"),
        base=Asset("XBT"),
        quote=Asset("USD"),
        tick_size=D("0.1"),
        quantity_decimals=8,
        cost_decimals=5,
        quantity_min=D("0.00005"),
        cost_min=D("0.5"),
    )


def test_mid_is_half_way_and_exact() -> None:
    quote = Quote(
        pair=PairName("XBTUSD"),
        bid=D("100.1"),
        ask=D("100.2"),
        last=D("100.2"),
        volume_24h_base=D(1),
        at_ns=0,
    )
    assert quote.mid == D("100.15")


# errors are told apart by what the caller must do


@pytest.mark.parametrize("error", [BadKey, MissingPermission, Fenced])
def test_what_the_venue_refuses_for_good_is_permanent(error: type[Permanent]) -> None:
    assert issubclass(error, Permanent)
    assert error("no", code="EAPI:Invalid key").code == "EAPI:Invalid key"


def test_kinds_of_errors_do_not_overlap() -> None:
    kinds = [Refused, Transient, Ambiguous, Permanent, LedgerFailed, BadInput]
    for kind in kinds:
        assert issubclass(kind, KrakkedError)
        assert not [other for other in kinds if other is not kind and issubclass(kind, other)]
    assert issubclass(Stale, Refused)


def test_errors_carry_what_the_caller_needs() -> None:
    assert Transient("busy", retry_after_s=2.5).retry_after_s == 2.5
    assert Transient("busy").retry_after_s is None
    assert BadInput("mend it").exit_code == 78
    assert LedgerFailed("disk full").exit_code == 73
    assert str(Permanent("no funds")) == "no funds"
