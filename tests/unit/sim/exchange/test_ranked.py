"""Orders of one side in pieces: the same as one sorted list, however they come and go."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from krakked.domain.ids import PairName, VenueOrderId
from krakked.domain.orders import Side, VenueStatus
from krakked.sim.exchange.orders import FORMS, Order, OrderAsk
from krakked.sim.exchange.ranked import Ranked


def rank(price, priority):
    ask = OrderAsk(
        pair=PairName("XBTUSD"),
        side=Side.SELL,
        form=FORMS["limit"],
        quantity_base=Decimal(1),
        limit_price=Decimal(price),
    )
    order = Order(
        number=priority,
        order_id=VenueOrderId(f"O{priority}"),
        account="alice",
        ask=ask,
        status=VenueStatus.OPEN,
        quantity_base=ask.quantity_base,
        limit_price=ask.limit_price,
        opened_ns=0,
        touched_ns=0,
        priority=priority,
        hold_fee_pct=Decimal(0),
    )
    return (Decimal(price), priority, order)


def shown(ranked):
    return [(str(key), priority) for key, priority, _ in ranked]


def test_ranks_that_come_in_any_order_are_read_by_price_then_priority():
    ranked = Ranked(piece_max=2)
    for each in (rank("3", 1), rank("1", 4), rank("2", 3), rank("1", 2), rank("2", 9)):
        ranked.add(each)
    assert shown(ranked) == [("1", 2), ("1", 4), ("2", 3), ("2", 9), ("3", 1)]
    assert ranked.first().order_id == "O2"


def test_ranked_without_any_order_has_no_first_and_no_length():
    ranked = Ranked()
    assert ranked.first() is None
    assert len(ranked) == 0
    assert list(ranked) == []


def test_ranks_all_taken_out_leave_a_list_that_takes_new_ones():
    ranked, only = Ranked(piece_max=2), [rank("5", number) for number in range(7)]
    for each in only:
        ranked.add(each)
    for each in only:
        ranked.remove(each)
    assert len(ranked) == 0
    ranked.add(rank("4", 1))
    assert shown(ranked) == [("4", 1)]


@pytest.mark.parametrize("piece_max", [2, 3, 512])
def test_ranks_that_come_and_go_at_random_are_always_those_of_one_sorted_list(piece_max):
    chance, ranked, model = random.Random(11), Ranked(piece_max), []
    for priority in range(1_500):
        if model and chance.random() < 0.45:
            ranked.remove(model.pop(chance.randrange(len(model))))
        else:
            model.append(rank(str(chance.randint(1, 40)), priority))
            ranked.add(model[-1])
        model.sort(key=lambda each: each[:2])
        assert len(ranked) == len(model)
        assert ranked.first() is (model[0][2] if model else None)
        if priority % 50 == 0:
            assert shown(ranked) == shown(model)
    assert shown(ranked) == shown(model)


@pytest.mark.parametrize("stranger", [rank("2", 7), rank("9", 1)])
def test_removing_an_order_that_is_not_there_is_found_out(stranger):
    ranked = Ranked()
    ranked.add(rank("2", 8))
    with pytest.raises(AssertionError, match="stands where"):
        ranked.remove(stranger)


def test_orders_that_join_or_leave_a_long_side_move_one_short_piece_only():
    ranked = Ranked(piece_max=16)
    for priority in range(1_000):
        ranked.add(rank(str(priority * 7 % 1_000), priority))
    assert max(len(piece) for piece in ranked._pieces) <= 16
    assert len(ranked._pieces) <= 1_000 // 8 + 1
