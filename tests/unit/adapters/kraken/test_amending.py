"""AmendOrder: what goes out, what its points are, and how old an order is afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any

import pytest

from krakked.adapters.kraken.rate_limit import RateLimiter, Tier, amend_penalty
from krakked.adapters.kraken.rest import amend_form
from krakked.domain.errors import Transient
from krakked.domain.ids import ClientOrderId, PairName, VenueOrderId
from krakked.domain.times import to_rfc3339
from krakked.ports.exchange import Amend

XBT = PairName("XBTUSD")
OURS = ClientOrderId("11111111-2222-3333-4444-555555555555")
THEIRS = VenueOrderId("OABCDE-FGHIJ-KLMNOP")
S = 10**9
DEADLINE_NS = 1_700_000_003 * S


def do(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def amend(**changes: Any) -> Amend:
    return Amend(**{"order_id": OURS, "pair": XBT, **changes})


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"limit_price": Decimal("37500.0")}, {"limit_price": "37500.0"}),
        ({"quantity_base": Decimal("0.0000001")}, {"order_qty": "0.0000001"}),
        ({"limit_price": Decimal(1), "post_only": True}, {"limit_price": "1", "post_only": "true"}),
        ({}, {}),
    ],
)
def test_amend_names_what_changes_and_nothing_else(
    changes: dict[str, Any], fields: dict[str, str]
) -> None:
    form = amend_form(amend(**changes), DEADLINE_NS)
    assert form == {"cl_ord_id": OURS, "deadline": to_rfc3339(DEADLINE_NS), **fields}


def test_amend_of_an_order_by_the_venues_id_says_so() -> None:
    form = amend_form(amend(order_id=THEIRS), DEADLINE_NS)
    assert form["txid"] == THEIRS
    assert "cl_ord_id" not in form


@pytest.mark.parametrize(
    ("age_s", "points"), [(0, 3), (4.999, 3), (5, 2), (9.999, 2), (10, 1), (15, 0), (300, 0)]
)
def test_amending_is_the_dearer_the_younger_the_order(age_s: float, points: int) -> None:
    assert amend_penalty(int(age_s * S)) == points


def engine_points(limiter: RateLimiter) -> Decimal:
    return 180 - limiter.headroom().engine[XBT]


def test_amend_is_charged_a_point_and_what_the_orders_youth_costs(still_clock: Any) -> None:
    limiter = RateLimiter(Tier.PRO, still_clock)

    async def work() -> None:
        limiter.added(XBT, OURS, THEIRS)
        await limiter.before_amend(THEIRS, XBT)
        assert engine_points(limiter) == 1 + 3
        await limiter.before_amend(VenueOrderId("OLDOLD-OLDOL-OLDOLD"), XBT)
        assert engine_points(limiter) == 1 + 3 + 1

    do(work())


def test_amended_order_is_young_again_under_both_of_its_ids(still_clock: Any) -> None:
    limiter = RateLimiter(Tier.PRO, still_clock)

    async def work() -> None:
        limiter.added(XBT, OURS, THEIRS)
        await still_clock.sleep(400)
        limiter.added(XBT, OURS, THEIRS)
        await still_clock.sleep(60)
        limiter.amended(XBT, OURS)
        await limiter.before_cancel(THEIRS)
        assert engine_points(limiter) == 8
        limiter.before_cancel_all()
        assert engine_points(limiter) == 8 + 8, "one order, by whatever id"

    do(work())


def test_amend_that_would_find_no_room_in_time_is_given_back_at_once(still_clock: Any) -> None:
    limiter = RateLimiter(Tier.STARTER, still_clock)

    async def work() -> None:
        limiter.added(XBT, OURS)
        limiter.engine_tripped(XBT)
        with pytest.raises(Transient, match="AmendOrder: not sent, no room for XBTUSD") as caught:
            await limiter.before_amend(OURS, XBT, not_after_ns=still_clock.now_ns() + S)
        assert caught.value.retry_after_s == pytest.approx(5)
        assert still_clock.slept_s == []

    do(work())


def test_amend_costs_nothing_on_the_rest_counter(still_clock: Any) -> None:
    limiter = RateLimiter(Tier.STARTER, still_clock)

    async def work() -> None:
        for _ in range(20):
            await limiter.before_private("trade", "AmendOrder")

    do(work())
    assert still_clock.slept_s == []
