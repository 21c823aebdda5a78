"""The book by itself: what rests, in which order it is taken, and plans that take nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from krakked.domain.ids import PairName, VenueOrderId
from krakked.domain.orders import Side, VenueStatus
from krakked.sim.exchange.agenda import Agenda
from krakked.sim.exchange.book import Appetite, Book, affordable_base, plan_match
from krakked.sim.exchange.orders import FORMS, Order, OrderAsk


def order(side, price, size, number, account="alice"):
    ask = OrderAsk(
        pair=PairName("XBTUSD"),
        side=side,
        form=FORMS["limit"],
        quantity_base=Decimal(size),
        limit_price=Decimal(price),
    )
    return Order(
        number=number,
        order_id=VenueOrderId(f"O{number}"),
        account=account,
        ask=ask,
        status=VenueStatus.OPEN,
        quantity_base=ask.quantity_base,
        limit_price=ask.limit_price,
        opened_ns=number,
        touched_ns=number,
        priority=number,
        hold_fee_pct=Decimal(0),
    )


def book_of(*orders, asks=(), bids=(), house_first=True):
    book = Book(house_first=house_first)
    book.set_house(Side.SELL, [(Decimal(p), Decimal(q)) for p, q in asks], 99)
    book.set_house(Side.BUY, [(Decimal(p), Decimal(q)) for p, q in bids], 99)
    for each in orders:
        book.add(each)
    return book


def appetite(side, size, worst=None, account="taker"):
    worst_price = None if worst is None else Decimal(worst)
    return Appetite(
        side=side, quantity_base=Decimal(size), worst_price=worst_price, account=account
    )


def taken(plan):
    return [
        (str(piece.price), str(piece.quantity_base), piece.maker and piece.maker.order_id)
        for piece in plan.slices
    ]


def test_liquidity_comes_by_price_then_house_then_age():
    book = book_of(
        order(Side.SELL, "101", "1", 2),
        order(Side.SELL, "100", "1", 3),
        order(Side.SELL, "101", "1", 1),
        asks=[("100.5", "1"), ("101", "1")],
    )
    plan = plan_match(book, appetite(Side.BUY, "9"))
    assert taken(plan) == [
        ("100", "1", "O3"),
        ("100.5", "1", None),
        ("101", "1", None),
        ("101", "1", "O1"),
        ("101", "1", "O2"),
    ]


def test_liquidity_of_bids_comes_from_the_highest_down():
    book = book_of(order(Side.BUY, "99", "1", 1), bids=[("100", "1"), ("98", "1")])
    assert taken(plan_match(book, appetite(Side.SELL, "9"))) == [
        ("100", "1", None),
        ("99", "1", "O1"),
        ("98", "1", None),
    ]


def test_plan_stops_at_its_quantity_and_at_its_worst_price():
    book = book_of(asks=[("100", "1"), ("101", "1"), ("102", "1")])
    assert taken(plan_match(book, appetite(Side.BUY, "1.5"))) == [
        ("100", "1", None),
        ("101", "0.5", None),
    ]
    plan = plan_match(book, appetite(Side.BUY, "9", worst="101"))
    assert (plan.filled_base, plan.cost_quote) == (Decimal(2), Decimal(201))


def test_plan_takes_nothing():
    book = book_of(order(Side.SELL, "100", "1", 1), asks=[("101", "1")])
    before = book.depth(Side.SELL, 9)
    plan_match(book, appetite(Side.BUY, "9"))
    assert book.depth(Side.SELL, 9) == before


def test_plan_stops_where_it_meets_itself():
    book = book_of(
        order(Side.SELL, "101", "1", 1, account="taker"), asks=[("100", "1"), ("102", "1")]
    )
    plan = plan_match(book, appetite(Side.BUY, "9"))
    assert (taken(plan), plan.met_itself) == ([("100", "1", None)], True)
    short = plan_match(book, appetite(Side.BUY, "1"))
    assert short.met_itself is False


def test_removed_order_is_the_one_that_was_meant():
    same = [order(Side.SELL, "100", "1", number) for number in (1, 2, 3)]
    book = book_of(*same)
    book.remove(same[1])
    assert [each.order_id for each in book.resting(Side.SELL)] == ["O1", "O3"]


def test_order_that_does_not_rest_cannot_be_removed():
    book = book_of(order(Side.SELL, "100", "1", 1))
    with pytest.raises((AssertionError, IndexError)):
        book.remove(order(Side.SELL, "100", "1", 2))


def test_depth_tells_since_when_a_level_stands():
    book = book_of(order(Side.SELL, "100", "1", 5), order(Side.SELL, "100", "2", 7))
    (level,) = book.depth(Side.SELL, 5)
    assert (level.quantity_base, level.at_ns) == (Decimal(3), 7)


def test_house_level_that_is_used_up_disappears():
    book = book_of(asks=[("100", "1"), ("101", "1")])
    book.take_house(book.house_levels(Side.SELL)[0], Side.SELL, Decimal(1))
    assert book.best(Side.SELL) == Decimal(101)


def test_house_level_gives_no_more_than_it_has():
    book = book_of(asks=[("100", "1")])
    with pytest.raises(AssertionError, match="no more"):
        book.take_house(book.house_levels(Side.SELL)[0], Side.SELL, Decimal(2))


def test_budget_buys_down_to_the_last_unit():
    book = book_of(asks=[("100", "1"), ("200", "1")])
    assert affordable_base(book, Side.BUY, Decimal(50)) == Decimal("0.5")
    assert affordable_base(book, Side.BUY, Decimal(200)) == Decimal("1.5")
    assert affordable_base(book, Side.BUY, Decimal(9999)) == Decimal(2)


def test_agenda_keeps_appointments_by_instant_then_kind_then_number():
    agenda = Agenda()
    late, early = order(Side.BUY, "1", "1", 9), order(Side.BUY, "1", "1", 4)
    agenda.add(20, "start", early)
    agenda.add(10, "start", late)
    agenda.add(10, "start", early)
    agenda.add(10, "expire", late)
    agenda.arm_dead_man(10, "alice")
    kept = []
    while agenda.first() is not None:
        due = agenda.pop()
        kept.append((due.at_ns, due.kind, due.ref))
    assert kept == [
        (10, "dead_man", ""),
        (10, "expire", "O9"),
        (10, "start", "O4"),
        (10, "start", "O9"),
        (20, "start", "O4"),
    ]


def test_agenda_of_nothing_has_no_first():
    assert Agenda().first() is None
    assert repr(Agenda()) == "<Agenda of 0>"
