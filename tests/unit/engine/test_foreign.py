"""Live beside somebody else's open orders needs a person who knows what an outage does to them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName, VenueOrderId
from krakked.domain.orders import Side, VenueOrder, VenueStatus
from krakked.engine.opening import check_foreign
from krakked.runtime.exit_codes import ExitCode


def foreign(venue_id: str) -> VenueOrder:
    return VenueOrder(
        venue_order_id=VenueOrderId(venue_id),
        client_order_id=None,
        pair=PairName("XBTUSD"),
        side=Side.BUY,
        type="limit",
        status=VenueStatus.OPEN,
        quantity_base=Decimal(1),
        filled_base=Decimal(0),
        cost_quote=Decimal(0),
        fee_quote=Decimal(0),
        limit_price=Decimal(100),
        opened_at_ns=1,
    )


def test_live_beside_foreign_orders_is_refused_in_one_line_that_names_them() -> None:
    with pytest.raises(BadInput) as refused:
        check_foreign([foreign("O2"), foreign("O1")], is_live=True, is_acknowledged=False)
    told = str(refused.value)
    assert "2 open orders" in told
    assert "(O1, O2)" in told
    assert "--acknowledge-foreign-orders" in told
    assert "\n" not in told
    assert refused.value.exit_code == ExitCode.CONFIGURATION


def test_live_beside_foreign_orders_starts_when_a_person_knows() -> None:
    check_foreign([foreign("O1")], is_live=True, is_acknowledged=True)


def test_live_without_foreign_orders_needs_no_word() -> None:
    check_foreign([], is_live=True, is_acknowledged=False)


def test_paper_beside_foreign_orders_needs_no_word() -> None:
    check_foreign([foreign("O1")], is_live=False, is_acknowledged=False)
