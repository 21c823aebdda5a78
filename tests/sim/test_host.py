"""The venue of a world and its tape: what reached it, who sent it, and what it said."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from krakked.adapters.kraken.network import NoAnswer, Request
from krakked.sim.fault_kinds import FaultKind
from krakked.simulator.faults import Armed
from krakked.simulator.options import ACCOUNT
from krakked.worlds.host import REST_URL, TRADE_KEY

PLACED = "aaaaaaaa-0000-0000-0000-000000000001"


def said(answer: Any) -> Any:
    return msgspec.json.decode(answer.body)


def open_orders(town: Any) -> list[str | None]:
    account = town.host.exchange.account(ACCOUNT)
    return [order.ask.cl_ord_id for order in account.orders.values()]


def test_every_signed_call_is_on_the_tape_with_its_sender_and_its_answer(town: Any) -> None:
    answer = town.ask(town.signed("Balance", epoch=3), sender="b.4")
    (call,) = town.tape.calls
    assert (call.sender, call.method, call.key) == ("b.4", "Balance", TRADE_KEY.key)
    assert (call.is_done, call.errors, call.epoch) == (True, (), 3)
    assert msgspec.json.decode(call.result) == said(answer)["result"] == {"ZUSD": "100000.0000"}


def test_a_refusal_is_on_the_tape_as_one(town: Any) -> None:
    answer = town.ask(town.order(PLACED, volume="1000"))
    (call,) = town.tape.calls
    assert said(answer)["error"] == ["EOrder:Insufficient funds"]
    assert (call.is_done, call.errors) == (False, ("EOrder:Insufficient funds",))
    assert open_orders(town) == []


def test_the_venue_refuses_the_nonce_of_an_older_epoch(town: Any) -> None:
    town.ask(town.signed("Balance", epoch=2))
    town.ask(town.order(PLACED))
    assert [call.epoch for call in town.tape.calls] == [2, 0]
    assert town.tape.calls[1].errors == ("EAPI:Invalid nonce",)
    assert open_orders(town) == []


def test_public_questions_are_answered_and_are_not_on_the_tape(town: Any) -> None:
    answer = town.ask(Request(verb="GET", url=f"{REST_URL}/0/public/Time"))
    assert said(answer)["result"]["unixtime"] == town.lab.loop.now_ns() // 10**9
    assert town.tape.calls == []


def test_what_happens_to_orders_is_on_the_tape_with_its_instant(town: Any) -> None:
    town.ask(town.order(PLACED))
    told = [(at_ns, event) for at_ns, event in town.tape.events if PLACED in repr(event)]
    assert told, "an order that opens is an event"
    assert told[0][0] == town.tape.calls[0].at_ns


def test_watchers_see_a_call_when_it_arrives_before_it_is_answered(town: Any) -> None:
    seen: list[tuple[str, bool, int]] = []
    town.tape.watchers.append(
        lambda call: seen.append((call.method, call.is_done, len(open_orders(town))))
    )
    town.ask(town.order(PLACED))
    assert seen == [("AddOrder", False, 0)]
    assert len(open_orders(town)) == 1


def test_a_request_that_a_fault_loses_is_answered_by_nothing(town: Any) -> None:
    town.host.faults.arm(Armed(kind=FaultKind.REQUEST_LOST))
    with pytest.raises(NoAnswer):
        town.ask(town.order(PLACED))
    assert open_orders(town) == []
    assert town.host.faults.happened == {FaultKind.REQUEST_LOST: 1}
    call = town.tape.calls[0]
    assert (call.handled_ns, call.is_done, call.said) == (0, False, None)


def test_a_fault_that_takes_the_answer_leaves_the_order(town: Any) -> None:
    town.host.faults.arm(Armed(kind=FaultKind.ANSWER_LOST))
    with pytest.raises(NoAnswer):
        town.ask(town.order(PLACED))
    assert open_orders(town) == [PLACED]
    call = town.tape.calls[0]
    assert (call.is_done, call.said, call.is_heard) == (True, None, False)


def test_a_gateways_page_comes_through_as_html(town: Any) -> None:
    town.host.faults.arm(Armed(kind=FaultKind.SERVER_ERROR, status=520))
    answer = town.ask(town.signed("Balance"))
    assert (answer.status, answer.content_type) == (520, "text/html")


def test_a_venue_that_says_busy_and_does_it_all_the_same_is_told_as_it_spoke(town: Any) -> None:
    town.host.faults.arm(Armed(kind=FaultKind.BUSY_AFTER))
    answer = town.ask(town.order(PLACED))
    assert said(answer)["error"] == ["EService:Busy"]
    assert open_orders(town) == [PLACED]
    call = town.tape.calls[0]
    assert (call.said, call.errors, call.is_done) == (("EService:Busy",), (), True)


def test_the_venues_market_moves_with_the_worlds_time(town: Any) -> None:
    def last() -> str:
        request = Request(verb="GET", url=f"{REST_URL}/0/public/Ticker", params={"pair": "XBTUSD"})
        return str(said(town.ask(request))["result"]["XXBTZUSD"]["c"][0])

    first = last()
    town.lab.pass_(120.0)
    assert last() != first


def test_nobody_takes_out_coins_that_only_an_engine_has_bought(town: Any) -> None:
    town.ask(town.order(PLACED, ordertype="market", volume="0.01"))
    account = town.host.exchange.account(ACCOUNT)
    assert account.balance("XBT") == Decimal("0.01")
    town.host.by_hand.move_money(3)
    assert account.balance("XBT") == Decimal("0.01")
    for number in (2, 3, 3):
        town.host.by_hand.move_money(number)
    assert account.balance("XBT") == Decimal("0.011")


def test_an_order_that_meets_one_of_the_accounts_owner_is_ended_by_the_venue(town: Any) -> None:
    theirs = town.host.by_hand.trade(0)
    town.ask(town.order(PLACED, ordertype="market", volume="0.01"))
    account = town.host.exchange.account(ACCOUNT)
    (ours,) = [order for order in account.orders.values() if order.ask.cl_ord_id == PLACED]
    assert (ours.reason, ours.filled_base) == ("Self trade prevention", 0)
    assert list(account.open) == [theirs]
    town.host.by_hand.let_go()
    assert list(account.open) == []
