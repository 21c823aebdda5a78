"""Each rule of the checkers is broken by hand, on a real venue and a real ledger; it is noticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from random import Random
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from krakked.adapters.kraken.network import NoAnswer
from krakked.domain.bars import BarKey, Timeframe
from krakked.domain.commands import CancelAll, Halt, Reply, Resume, SetKillSwitch
from krakked.domain.events import Event, EventName
from krakked.domain.ids import Asset, PairName, PlanId, StrategyId
from krakked.domain.kill_switch import KillSwitch, KillSwitchCause
from krakked.domain.leadership import Leadership
from krakked.domain.orders import Journal, LegKind, Side
from krakked.domain.times import NS_PER_SECOND, to_rfc3339
from krakked.sim.fault_kinds import FaultKind
from krakked.simulator.faults import Armed
from krakked.worlds.checkers import Checkers
from krakked.worlds.checkers.books import sinks_below_zero
from krakked.worlds.host import TRADE_KEY
from krakked.worlds.leases import LeaseServer
from krakked.worlds.person import Said
from krakked.worlds.recipe import Behaviour, Happening, Recipe, What
from krakked.worlds.tape import Call

BEHAVIOUR = Behaviour(order_ttl_s=120, max_concurrent_orders=2)
XBT, USD = Asset("XBT"), Asset("USD")
BAR = BarKey(PairName("XBTUSD"), Timeframe.M1, 60)


class Court:
    """A world of which the test is the only engine."""

    def __init__(self, town: Any, shelf: Any, behaviour: Behaviour, *what: What) -> None:
        self.town, self.lab, self.shelf, self.records = town, town.lab, shelf, shelf.records
        self.machine = SimpleNamespace(
            name="a",
            databases={"a.1": shelf.disk.database, "a.2": shelf.disk.database},
            told_to_end={},
            clock=SimpleNamespace(now_ns=self.now_ns),
            crashes=[],
            disk=shelf.disk,
            is_trading=True,
            run=None,
        )
        happenings = tuple(Happening(at_s=1.0, what=one) for one in what)
        world: Any = SimpleNamespace(
            host=town.host,
            tape=town.tape,
            loop=town.lab.loop,
            machines=[self.machine],
            recipe=Recipe(seed=1, behaviour=behaviour, happenings=happenings),
            person=SimpleNamespace(said=[]),
            leases=LeaseServer(Random("the lease")),
            trace=SimpleNamespace(tell=lambda *_, **__: None),
        )
        self.said: list[Said] = world.person.said
        self.checkers = Checkers(world)
        self.ledger = shelf.open()

    def now_ns(self) -> int:
        return int(self.lab.loop.now_ns())

    def write(self, work: Callable[[Any], object]) -> None:
        self.lab.run(self.ledger.write(work))

    def lead(self, epoch: int, **named: Any) -> None:
        """The ledger knows of that epoch."""
        facts = {"holder": "a", "acquired_at_ns": 1, "is_unclean": False, "is_restored": False}
        self.write(lambda tx: tx.save_leadership(Leadership(epoch=epoch, **{**facts, **named})))

    def call(self, method: str, sender: str = "a.1", **form: Any) -> None:
        with suppress(NoAnswer):
            self.town.ask(self.town.signed(method, **form), sender=sender)

    def begin(self, sender: str = "a.1") -> None:
        """As an engine does before it sends anything."""
        self.call("OpenOrders", sender)
        self.call("BalanceEx", sender)
        self.call("CancelAllOrdersAfter", sender, timeout="60")

    def plan(self, number: int = 1, *, is_decided: bool = True, **changes: Any) -> PlanId:
        plan = self.records.plan(
            number,
            expires_at_ns=self.now_ns() + 60 * NS_PER_SECOND,
            bar=BarKey(PairName("XBTUSD"), Timeframe.M1, 60 * (number + 1)),
        )
        plan = msgspec.structs.replace(plan, **changes)
        self.write(lambda tx: tx.insert_plan(plan))
        if is_decided:
            found = self.records.decision(number, plan_id=plan.plan_id)
            self.write(lambda tx: tx.save_decision(found))
        return PlanId(plan.plan_id)

    def record(self, number: int = 1, *, asked: Any = None, **changes: Any) -> Any:
        """The order of that number, on record as sent now."""
        order = self.records.order(number)
        plan_id = self.records.plan(number).plan_id
        request = msgspec.structs.replace(order.request, plan_id=plan_id, leg=0, **(asked or {}))
        now_ns = self.now_ns()
        sent = {"journal": Journal.SENT, "sent_at_ns": now_ns, "created_at_ns": now_ns}
        deadline = {"deadline_at_ns": now_ns + 3 * NS_PER_SECOND}
        order = msgspec.structs.replace(order, request=request, **{**sent, **deadline, **changes})
        event = Event(
            name=EventName.ORDER_SENT,
            at_ns=now_ns,
            fields={"local_order_id": order.request.client_order_id},
        )

        def work(tx: Any) -> None:
            tx.insert_order(order)
            tx.add_event(event)

        self.write(work)
        return order

    def send(self, order: Any, sender: str = "a.1", **form: Any) -> None:
        """On its way, and taken, as long as nothing is wrong with it."""
        request = order.request
        asked = {
            "type": request.side.value,
            "volume": "0.01",
            "timeinforce": "GTD",
            "expiretm": str(self.now_ns() // NS_PER_SECOND + 120),
            "deadline": to_rfc3339(order.deadline_at_ns),
            **form,
        }
        told = {name: value for name, value in asked.items() if value}
        with suppress(NoAnswer):
            self.town.ask(self.town.order(request.client_order_id, **told), sender=sender)

    def submit(self, number: int = 1, *, plan: Any = None, **named: Any) -> Any:
        """All of it."""
        form = named.pop("form", {})
        self.plan(number, **(plan or {}))
        order = self.record(number, **named)
        self.send(order, **form)
        return order

    def tell(self, name: EventName, **fields: Any) -> None:
        self.write(lambda tx: tx.add_event(Event(name=name, at_ns=self.now_ns(), fields=fields)))

    def say(self, command: Any, *, ok: bool = True, after_s: float = 0.1) -> None:
        asked_ns = self.now_ns()
        self.lab.pass_(after_s)
        reply = Reply(command_id=command.command_id, ok=ok, message="")
        said = Said(asked_ns=asked_ns, machine="a", command=command)
        said.reply, said.replied_ns = reply, self.now_ns()
        self.said.append(said)

    def broken(self) -> set[str]:
        """The names of the rules that did not hold."""
        self.checkers.look_back()
        found = {violation.partition(":")[0] for violation in self.checkers.violations}
        return found - {"authority"}  # nobody has a lease here: ``test_authority.py``

    def books(self) -> str:
        """What the books have to say at rest."""
        return "; ".join(self.checkers._rest._books.problems())


@pytest.fixture
def convene(town: Any, shelf: Any) -> Iterator[Callable[..., Court]]:
    made: list[Court] = []

    def make(*what: What, **behaviour: Any) -> Court:
        made.append(Court(town, shelf, msgspec.structs.replace(BEHAVIOUR, **behaviour), *what))
        return made[-1]

    yield make
    for court in made:
        court.checkers.let_go()


@pytest.fixture
def court(convene: Callable[..., Court]) -> Court:
    court = convene()
    court.begin()
    return court


def test_an_order_that_keeps_all_rules_breaks_none(court: Court) -> None:
    court.submit(1)
    court.submit(2)
    assert court.broken() == set()
    assert len(court.checkers._evidence.accepted()) == 2


# at the door


def test_an_order_that_is_not_on_record_is_noticed(court: Court) -> None:
    court.town.ask(court.town.order("aabbccdd-0000-0000-0000-000000000009"), sender="a.1")
    assert "journal first" in court.broken()


def test_an_order_that_is_on_record_as_planned_only_is_noticed(court: Court) -> None:
    court.submit(1, journal=Journal.PENDING)
    assert "journal first" in court.broken()


def test_an_order_of_a_process_without_a_ledger_is_noticed(court: Court) -> None:
    court.plan()
    court.send(court.record(), sender="a.3")
    assert "journal first" in court.broken()


def test_a_plan_without_a_decision_is_noticed(court: Court) -> None:
    court.submit(1, plan={"is_decided": False})
    assert court.broken() == {"decided"}


@pytest.mark.parametrize("journal", [Journal.ABSENT, Journal.DROPPED, Journal.REJECTED])
def test_an_order_that_is_taken_after_its_end_is_noticed(court: Court, journal: Journal) -> None:
    court.submit(1, journal=journal)
    assert court.broken() == {"alive"}


def test_an_order_that_ended_and_is_not_taken_is_no_offence(court: Court) -> None:
    court.submit(1, journal=Journal.ABSENT, form={"volume": "1000"})
    assert court.broken() == set()


def test_an_order_that_is_sent_after_its_cancel_was_asked_for_is_noticed(court: Court) -> None:
    court.submit(1, cancel_requested_at_ns=court.now_ns() - 1)
    assert court.broken() == {"called back"}


@pytest.mark.parametrize("told", ["", "2026-01-05T00:00:40.000000Z"])
def test_an_order_without_its_deadline_is_noticed(court: Court, told: str) -> None:
    court.submit(1, form={"deadline": told})
    assert court.broken() == {"deadline"}


def test_an_entry_beside_one_in_doubt_on_its_pair_is_noticed(court: Court) -> None:
    court.plan(1)
    court.record(1, journal=Journal.UNKNOWN)
    court.submit(2)
    assert court.broken() == {"unknown"}


def test_an_entry_that_was_on_its_way_before_another_came_in_doubt_is_no_offence(
    court: Court,
) -> None:
    court.plan(1)
    sent = court.record(1)
    court.plan(2)
    doubtful = court.record(2, journal=Journal.UNKNOWN)
    name = doubtful.request.client_order_id
    court.tell(EventName.ORDER_UNKNOWN, local_order_id=name)
    court.send(sent)
    assert court.broken() == set()


def test_an_entry_beside_one_in_doubt_on_another_pair_is_no_offence(court: Court) -> None:
    court.plan(1)
    court.record(1, journal=Journal.UNKNOWN, asked={"pair": PairName("ETHUSD")})
    court.submit(2)
    assert court.broken() == set()


@pytest.mark.parametrize("left_out", ["OpenOrders", "BalanceEx"])
def test_an_order_before_the_books_were_looked_at_is_noticed(
    convene: Callable[..., Court], left_out: str
) -> None:
    court = convene()
    for method in {"OpenOrders", "BalanceEx"} - {left_out}:
        court.call(method)
    court.call("CancelAllOrdersAfter", timeout="60")
    court.submit(1)
    assert court.broken() == {"looked first"}


def test_what_another_process_looked_at_is_not_looked_at(court: Court) -> None:
    court.plan()
    court.send(court.record(), sender="a.2")
    assert court.broken() == {"looked first"}


def test_a_change_in_an_epoch_that_its_ledger_does_not_know_is_noticed(court: Court) -> None:
    court.lead(4)
    court.call("CancelAll", epoch=4)
    assert court.broken() == set()
    court.call("CancelAll", epoch=5)
    assert court.broken() == {"epoch first"}


def test_a_change_without_an_epoch_is_noticed(court: Court) -> None:
    court.lead(4)
    court.call("CancelAll")
    assert court.broken() == {"epoch first"}


def test_an_entry_before_a_person_has_looked_is_noticed(court: Court) -> None:
    court.lead(1, is_restored=True)
    court.call("CancelAll", epoch=1)
    assert court.broken() == set()
    court.submit(1, form={"epoch": 1})
    assert court.broken() == {"acknowledged"}


def test_an_entry_that_lay_on_its_way_until_a_later_epoch_is_no_offence(court: Court) -> None:
    court.lead(1, is_restored=True, acknowledged_at_ns=1, acknowledged_by="p")
    court.plan(1)
    order = court.record(1)
    court.lead(2, is_restored=True)
    court.send(order, epoch=1)
    assert court.broken() == set()


def test_an_entry_after_a_person_has_looked_is_no_offence(court: Court) -> None:
    court.lead(1, is_restored=True, acknowledged_at_ns=1, acknowledged_by="p")
    court.submit(1, form={"epoch": 1})
    assert court.broken() == set()


# what its sender's own records forbid


@pytest.mark.parametrize(
    ("on", "off", "rule"),
    [
        (EventName.KILL_SWITCH_ACTIVATED, EventName.KILL_SWITCH_CLEARED, "kill switch"),
        (EventName.HALTED, EventName.RESUMED, "halted"),
    ],
)
def test_an_entry_that_is_sent_while_something_forbids_it_is_noticed(
    court: Court, on: EventName, off: EventName, rule: str
) -> None:
    court.submit(1)
    court.tell(on)
    court.tell(off)
    court.submit(2)
    assert court.broken() == set()
    court.tell(on)
    court.plan(3)
    court.record(3)
    court.checkers._evidence.let_go()
    assert court.broken() == {rule}


def test_a_sale_that_is_sent_while_the_switch_is_on_is_no_offence(court: Court) -> None:
    court.submit(1)
    court.tell(EventName.KILL_SWITCH_ACTIVATED)
    court.plan(2)
    court.record(2, asked={"kind": LegKind.EXIT, "side": Side.SELL})
    assert court.broken() == set()


def test_an_entry_before_one_of_an_older_plan_is_noticed(court: Court) -> None:
    court.submit(2)
    court.submit(1)
    assert court.broken() == {"sequence"}


def test_an_order_whose_plan_had_expired_is_noticed(court: Court) -> None:
    court.submit(1, plan={"expires_at_ns": court.now_ns()})
    assert court.broken() == {"expiry"}


def test_an_order_that_is_taken_long_after_its_plan_expired_is_noticed(court: Court) -> None:
    court.plan(1, expires_at_ns=court.now_ns() + NS_PER_SECOND)
    order = court.record(1)
    court.lab.pass_(8.0)
    late = msgspec.structs.replace(order, deadline_at_ns=court.now_ns() + 5 * NS_PER_SECOND)
    court.send(late)
    assert "expiry" in court.broken()


def test_an_order_of_a_process_that_was_told_to_end_is_noticed(court: Court) -> None:
    court.machine.told_to_end["a.1"] = court.now_ns() - 8 * NS_PER_SECOND
    court.submit(1)
    assert court.broken() == {"stopping"}


def test_an_order_of_a_process_that_has_heard_of_a_newer_owner_is_noticed(court: Court) -> None:
    court.lead(3)
    court.call("CancelAll", "a.2", epoch=3)
    court.call("CancelAll", epoch=2)
    assert court.broken() == set()
    court.submit(1, form={"epoch": 2})
    assert court.broken() == {"fenced"}


def test_a_ledger_that_contradicts_itself_is_noticed(court: Court) -> None:
    court.submit(1)
    switch = KillSwitch(active=True, cause=KillSwitchCause.INCONSISTENCY, reason="what?")
    court.write(lambda tx: tx.save_kill_switch(switch))
    assert court.broken() == {"inconsistent"}


# twice


def test_an_id_that_is_taken_twice_is_noticed_though_the_first_has_ended(court: Court) -> None:
    order = court.submit(1)
    court.call("CancelAll")
    court.send(order)
    assert {"once", "resent"} <= court.broken()


def test_a_step_that_is_taken_under_two_ids_is_noticed(court: Court) -> None:
    """By hand, for no ledger would take it."""
    court.submit(1)
    court.submit(2)
    first, second = court.checkers._evidence.submissions
    court.checkers._evidence.submissions[1] = msgspec.structs.replace(
        second,
        order=msgspec.structs.replace(
            second.order,
            request=msgspec.structs.replace(second.order.request, plan_id=first.plan.plan_id),
        ),
    )
    assert court.broken() == {"once"}


def test_two_orders_of_one_sleeve_and_bar_are_noticed(court: Court) -> None:
    court.submit(1, plan={"bar": BAR})
    court.submit(2, plan={"bar": BAR})
    assert court.broken() == {"a bar"}


def test_two_sleeves_may_decide_on_one_bar(court: Court) -> None:
    court.submit(1, plan={"bar": BAR})
    other = {"strategy_id": StrategyId("other")}
    court.submit(2, plan={"bar": BAR}, asked=other)
    assert court.broken() == set()


@pytest.mark.parametrize(
    ("kind", "is_clear"),
    [
        (FaultKind.THROTTLED, True),
        (FaultKind.BUSY, False),
        (FaultKind.REQUEST_LOST, False),
        (FaultKind.SERVER_ERROR, False),
    ],
)
def test_a_second_try_is_noticed_unless_the_first_has_a_clear_answer(
    court: Court, kind: FaultKind, is_clear: bool
) -> None:
    court.town.host.faults.arm(Armed(kind=kind))
    order = court.submit(1)
    court.send(order)
    assert court.broken() == (set() if is_clear else {"resent"})


def test_a_clear_answer_that_nobody_heard_is_none(court: Court) -> None:
    court.town.host.faults.arm(Armed(kind=FaultKind.THROTTLED))
    order = court.submit(1)
    court.town.tape.calls[-1].is_heard = False
    court.send(order)
    assert court.broken() == {"resent"}


def test_a_change_of_an_older_epoch_after_one_of_a_newer_is_noticed(court: Court) -> None:
    """By hand, for the venue refuses it."""
    for moment, epoch in ((1, 4), (2, 3)):
        call = Call(
            at_ns=court.now_ns() + moment,
            sender="a.1",
            method="CancelAll",
            key=TRADE_KEY.key,
            form={"nonce": str((200_000 + epoch) * 10**13 + 1)},
            handled_ns=court.now_ns() + moment,
            is_done=True,
        )
        court.town.tape.calls.append(call)
    assert court.broken() == {"fence"}


# the dead-man


def test_an_entry_without_a_running_dead_man_is_noticed(court: Court) -> None:
    court.lab.pass_(64.0)
    court.submit(1)
    assert court.broken() == {"armed"}


def test_disarming_beside_a_resting_entry_is_noticed(court: Court) -> None:
    court.call("CancelAllOrdersAfter", timeout="0")
    assert court.broken() == set()
    court.begin()
    court.submit(1)
    court.call("CancelAllOrdersAfter", timeout="0")
    assert court.broken() == {"kept"}


def test_a_refresh_by_a_process_whose_orders_stand_still_is_noticed(court: Court) -> None:
    court.plan()
    court.record(1, journal=Journal.PENDING)
    court.lab.pass_(100.0)
    court.begin()
    assert court.broken() == set()
    court.lab.pass_(31.0)
    court.begin()
    assert court.broken() == {"stuck"}


def test_the_first_refresh_of_a_process_may_find_what_another_planned(court: Court) -> None:
    court.plan()
    court.record(1, journal=Journal.PENDING)
    court.lab.pass_(140.0)
    court.call("CancelAllOrdersAfter", "a.2", timeout="60")
    assert court.broken() == set()


# the account


def test_one_order_more_than_there_are_places_is_noticed(court: Court) -> None:
    for number in (1, 2, 3):
        court.submit(number)
    assert court.broken() == {"places"}


def test_more_of_an_asset_than_its_share_is_noticed(convene: Callable[..., Court]) -> None:
    court = convene(max_per_asset_pct=2)
    court.begin()
    court.submit(1, form={"volume": "0.03"})
    assert court.broken() == set()
    court.submit(2, form={"volume": "0.03"})
    assert court.broken() == {"per asset"}


def test_more_sleeves_than_allowed_are_noticed(convene: Callable[..., Court]) -> None:
    court = convene(max_open_positions=2, max_concurrent_orders=10)
    court.begin()
    for number in (1, 2):
        court.submit(number, asked={"strategy_id": StrategyId(f"strategy {number}")})
    assert court.broken() == set()
    court.submit(3, asked={"strategy_id": StrategyId("strategy 3")})
    assert court.broken() == {"positions"}


def test_a_sale_of_what_another_sleeve_has_is_noticed(court: Court) -> None:
    taking = {"ordertype": "market", "price": "", "timeinforce": "", "expiretm": ""}
    court.submit(1, form=taking)
    sale = {"kind": LegKind.EXIT, "side": Side.SELL}
    mine = {"price": "90000"}
    court.submit(2, asked=sale, form=mine)
    assert court.broken() == set()
    court.call("CancelAll")
    court.submit(3, asked={**sale, "strategy_id": StrategyId("other")}, form=mine)
    assert court.broken() == {"short"}


def test_two_sales_of_the_same_are_noticed(court: Court) -> None:
    taking = {"ordertype": "market", "price": "", "timeinforce": "", "expiretm": ""}
    court.submit(1, form={**taking, "volume": "0.02"}, asked={"strategy_id": StrategyId("other")})
    court.submit(2, form=taking)
    sale = {"kind": LegKind.EXIT, "side": Side.SELL}
    for number in (3, 4):
        court.submit(number, asked=sale, form={"price": "90000"})
    assert court.broken() == {"short"}


@pytest.mark.parametrize(
    "form",
    [
        {"timeinforce": "GTC", "expiretm": ""},
        {"timeinforce": "GTD", "expiretm": "+900"},
    ],
)
def test_an_order_that_would_rest_too_long_is_noticed(court: Court, form: dict[str, str]) -> None:
    court.submit(1, form=form)
    assert court.broken() == {"lifetime"}


# words


def kill(command_id: str, *, active: bool = True) -> SetKillSwitch:
    return SetKillSwitch(command_id=command_id, principal="p", reason="", active=active)


def test_an_entry_after_the_switch_was_answered_with_yes_is_noticed(court: Court) -> None:
    court.say(kill("1"))
    court.lab.pass_(11.0)
    court.submit(1)
    assert court.broken() == {"kept word"}


def test_an_entry_after_the_switch_was_turned_off_is_no_offence(court: Court) -> None:
    court.say(kill("1"))
    court.lab.pass_(11.0)
    court.say(kill("2", active=False))
    court.submit(1)
    assert court.broken() == set()


def test_a_word_that_was_not_given_binds_nobody(court: Court) -> None:
    court.say(kill("1"), ok=False)
    court.lab.pass_(11.0)
    court.submit(1)
    assert court.broken() == set()


def test_a_word_is_undermined_by_an_older_one_that_is_still_under_way(court: Court) -> None:
    court.said.append(Said(asked_ns=court.now_ns(), machine="a", command=kill("0", active=False)))
    court.say(kill("1"))
    court.lab.pass_(11.0)
    court.submit(1)
    assert court.broken() == set()


def test_a_halt_binds_until_somebody_resumes(court: Court) -> None:
    court.say(Resume(command_id="0", principal="p", reason=""))
    court.lab.pass_(0.1)
    court.say(Halt(command_id="1", principal="p", reason=""))
    court.lab.pass_(11.0)
    court.submit(1)
    assert court.broken() == {"kept word"}


def test_a_halt_that_is_given_again_after_a_resume_is_the_one_of_before(court: Court) -> None:
    halt = Halt(command_id="1", principal="p", reason="")
    court.say(halt)
    court.lab.pass_(0.1)
    court.say(Resume(command_id="2", principal="p", reason=""))
    court.lab.pass_(0.1)
    court.say(halt)
    court.lab.pass_(11.0)
    court.submit(1)
    assert court.broken() == set()


def test_who_has_lost_his_volume_has_forgotten_his_word(convene: Callable[..., Court]) -> None:
    court = convene(What.LOSE_VOLUME)
    court.begin()
    court.say(kill("1"))
    court.lab.pass_(11.0)
    court.submit(1)
    assert court.broken() == set()


@pytest.mark.parametrize(
    "command",
    [
        kill("1"),
        Halt(command_id="1", principal="p", reason="", cancel=True),
        CancelAll(command_id="1", principal="p"),
        CancelAll(command_id="1", principal="p", pair=PairName("XBTUSD")),
    ],
)
def test_what_rests_after_its_cancel_was_answered_with_yes_is_noticed(
    court: Court, command: Any
) -> None:
    court.submit(1)
    court.say(command)
    assert court.broken() == {"cancelled"}


@pytest.mark.parametrize(
    "command",
    [
        Halt(command_id="1", principal="p", reason=""),
        CancelAll(command_id="1", principal="p", pair=PairName("ETHUSD")),
    ],
)
def test_what_was_not_to_be_cancelled_may_rest(court: Court, command: Any) -> None:
    court.submit(1)
    court.say(command)
    assert court.broken() == set()


def test_what_was_taken_after_the_command_may_rest(court: Court) -> None:
    court.say(CancelAll(command_id="1", principal="p"))
    court.submit(1)
    assert court.broken() == set()


# the books


def test_an_execution_that_is_not_booked_is_noticed(court: Court) -> None:
    taking = {"ordertype": "market", "price": "", "timeinforce": "", "expiretm": ""}
    court.submit(1, form=taking)
    said = court.books()
    assert "is not booked" in said
    assert "XBT: 0 here, 0.01" in said


def test_an_execution_with_other_amounts_than_the_venues_is_noticed(court: Court) -> None:
    taking = {"ordertype": "market", "price": "", "timeinforce": "", "expiretm": ""}
    court.submit(1, form=taking)
    (theirs,) = court.checkers._evidence.trades()
    ours = court.records.trade(
        trade_id=theirs.trade_txid,
        venue_order_id=theirs.order_id,
        price=theirs.price,
        quantity_base=theirs.quantity_base,
        cost_quote=theirs.cost_quote,
        fee_amount=theirs.fee_amount + Decimal("0.01"),
    )
    court.write(lambda tx: court.records.Booker().book(tx, ours))
    said = court.books()
    assert f"execution {theirs.trade_txid}: (" in said
    assert "is not booked" not in said


def test_an_execution_that_the_venue_does_not_know_is_noticed(court: Court) -> None:
    court.plan()
    court.record()
    court.write(lambda tx: court.records.Booker().book(tx, court.records.trade()))
    assert "execution T00001 is booked 1 times" in court.books()


@pytest.mark.parametrize("journal", [Journal.SENT, Journal.UNKNOWN, Journal.ABSENT])
def test_an_order_that_the_venue_took_and_that_is_not_known_as_taken_is_noticed(
    court: Court, journal: Journal
) -> None:
    order = court.submit(1)
    after = msgspec.structs.replace(order, journal=journal)
    court.write(lambda tx: tx.update_order(after, at_ns=court.now_ns()))
    assert f"was taken, and is {journal.value}" in court.books()


def test_an_order_that_waits_for_ever_is_noticed(court: Court) -> None:
    court.plan()
    order = court.record(1, journal=Journal.PENDING)
    assert "is pending" not in court.books()
    court.lab.pass_(121.0)
    assert f"order {order.request.client_order_id} is pending" in court.books()


def test_books_that_sink_below_zero_on_the_way_are_noticed() -> None:
    one = Decimal(1)
    assert sinks_below_zero([(USD, one), (XBT, one), (USD, -one), (XBT, -one)]) is None
    assert sinks_below_zero([(USD, one), (XBT, -one), (XBT, one)]) == XBT


def test_a_crash_is_noticed(court: Court) -> None:
    court.machine.crashes.append("a.1: it broke")
    assert court.broken() == {"crash"}
