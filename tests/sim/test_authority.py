"""Who owns by the lease's own log: rules are broken by hand, on a real lease, line and clocks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from krakked.adapters.kraken.network import NoAnswer
from krakked.ports.lease_store import LeaseConflict, LeaseMissing, LeaseRecord
from krakked.trading.timings import DEFAULT, NAMED, QUICK
from krakked.worlds.checkers import Checkers
from krakked.worlds.leases import LeaseServer, ProcessClocks, WorldLeaseStore
from krakked.worlds.loop import Process
from krakked.worlds.machine import MachineClock
from krakked.worlds.recipe import Behaviour, Recipe

ORDER_ID = "aabbccdd-0000-0000-0000-00000000000{}"
LAST_S = DEFAULT.renew_deadline_s - DEFAULT.margin_s
A_LITTLE_S = 0.2
"""More than all that travels needs."""
FENCED_CALLS = ("AddOrder", "CancelAllOrdersAfter")
CANCELS = ("CancelOrder", "CancelAll")


class Claimant:
    """A process of whose lease calls and writes the test decides; its machine is its own."""

    def __init__(self, court: Court, name: str) -> None:
        self.court, self.lab, self.name = court, court.lab, name
        self.clock = MachineClock(self.lab.loop)
        self.process = Process(f"{name}.1")
        self.run: Any = None
        self.crashes: list[str] = []
        self.databases: dict[str, Any] = {}
        clocks = ProcessClocks(self.lab.loop, self.process, self.clock)
        self.store = WorldLeaseStore(court.server, court.town.link, clocks, 8.0)
        self.epoch = 0

    def _do(self, work: Any) -> Any:
        task = self.lab.start(work, self.process)
        while not task.done():
            self.lab.pass_(0.01)
        return task.result()

    def take(self, epoch: int = 1) -> None:
        """By whatever right."""
        record = self.court.server.leases.read()
        mine = {"holder": f"{self.name}_uid_1", "epoch": epoch, "released_epoch": None}
        self._do(self.store.replace(msgspec.structs.replace(record, **mine)))
        self.epoch = epoch

    def renew(self) -> None:
        self._do(self.store.replace(self.court.server.leases.read()))

    def release(self, **more: Any) -> None:
        done = {"holder": "", "released_epoch": self.epoch, **more}
        record = msgspec.structs.replace(self.court.server.leases.read(), **done)
        self._do(self.store.replace(record))

    def look(self) -> LeaseRecord | None:
        with suppress(LeaseMissing):
            found = self._do(self.store.read())
            assert isinstance(found, LeaseRecord)
            return found
        return None

    def write(self, method: str = "AddOrder", epoch: int | None = None) -> None:
        """To the wire; whether it arrives is of no interest."""
        town, epoch = self.court.town, self.epoch if epoch is None else epoch
        request = town.signed(method, epoch=epoch)

        async def send() -> None:
            with suppress(NoAnswer):
                await town.network(sender=self.process.name).request(request)

        self._do(send())

    def freeze(self, seconds: float) -> None:
        """With its clocks, as fate does it."""
        self.process.stop(clocks_stand=True)
        self.lab.pass_(seconds)
        self.clock.offset_ns -= int(seconds * 1e9)
        self.process.go_on(self.lab.loop, frozen_us=int(seconds * 1e6))


class Court:
    """A lease, a venue, and those who claim the account."""

    def __init__(self, town: Any, timings: str) -> None:
        self.town, self.lab = town, town.lab
        self.server = LeaseServer(Random("the lease"))
        self.a, self.b = Claimant(self, "a"), Claimant(self, "b")
        world: Any = SimpleNamespace(
            host=town.host,
            tape=town.tape,
            loop=town.lab.loop,
            leases=self.server,
            machines=[self.a, self.b],
            recipe=Recipe(seed=1, behaviour=Behaviour(timings=timings)),
            person=SimpleNamespace(said=[]),
            trace=SimpleNamespace(tell=lambda *_, **__: None),
        )
        self.checkers = Checkers(world)

    def pass_(self, seconds: float) -> None:
        self.lab.pass_(seconds)

    @property
    def broken(self) -> set[str]:
        """Of the rules that this page is about."""
        rules = {violation.partition(":")[0] for violation in self.checkers.violations}
        return rules & {"authority", "two owners", "quarantine", "proof"}


@pytest.fixture
def make_court(town: Any) -> Callable[..., Court]:
    return lambda timings="default": Court(town, timings)


@pytest.fixture
def court(make_court: Callable[..., Court]) -> Court:
    return make_court()


@pytest.fixture
def owner(court: Court) -> Claimant:
    """Of a lease that nobody had before."""
    court.a.take()
    return court.a


# authority


@pytest.mark.parametrize("method", [*FENCED_CALLS, *CANCELS])
def test_an_owner_writes_what_it_likes(owner: Claimant, method: str) -> None:
    owner.write(method)
    assert owner.court.broken == set()


@pytest.mark.parametrize("method", [*FENCED_CALLS, *CANCELS])
def test_a_change_by_who_never_owned_is_noticed(court: Court, method: str) -> None:
    court.b.write(method)
    assert court.broken == {"authority"}


def test_a_question_by_who_never_owned_is_no_offence(court: Court) -> None:
    court.b.write("OpenOrders")
    assert court.broken == set()


@pytest.mark.parametrize("method", FENCED_CALLS)
def test_a_change_that_is_written_after_authority_ended_is_noticed(
    owner: Claimant, method: str
) -> None:
    owner.court.pass_(LAST_S - A_LITTLE_S)
    owner.write(method)
    assert owner.court.broken == set()
    owner.court.pass_(A_LITTLE_S)
    owner.write(method)
    assert owner.court.broken == {"authority"}


def test_authority_of_a_quick_profile_ends_sooner(make_court: Callable[..., Court]) -> None:
    court = make_court("quick")
    assert NAMED["quick"] is QUICK
    court.a.take()
    court.pass_(QUICK.renew_deadline_s - QUICK.margin_s)
    court.a.write()
    assert "authority" in court.broken


@pytest.mark.parametrize("method", CANCELS)
def test_a_cancel_after_authority_ended_is_no_offence(owner: Claimant, method: str) -> None:
    owner.court.pass_(20.0)
    owner.write(method)
    assert owner.court.broken == set()


def test_a_renewal_prolongs_authority(owner: Claimant) -> None:
    owner.court.pass_(LAST_S - A_LITTLE_S)
    owner.renew()
    owner.court.pass_(LAST_S - 2 * A_LITTLE_S)
    owner.write()
    assert owner.court.broken == set()


def test_authority_counts_from_the_sending_of_a_renewal_whose_answer_is_slow(
    owner: Claimant,
) -> None:
    owner.court.server.slow_s = 3.0
    owner.renew()
    owner.court.pass_(LAST_S - 6.0 - A_LITTLE_S)
    owner.write()
    assert owner.court.broken == set()
    owner.court.pass_(A_LITTLE_S)
    owner.write()
    assert owner.court.broken == {"authority"}


def test_a_renewal_that_was_refused_prolongs_nothing(owner: Claimant) -> None:
    stale = owner.court.server.leases.read()
    owner.court.server.leases.annotate(fenced="")
    owner.court.pass_(LAST_S)
    with pytest.raises(LeaseConflict):
        owner._do(owner.store.replace(stale))
    owner.write()
    assert owner.court.broken == {"authority"}


def test_a_wall_clock_that_jumps_ahead_ends_authority(owner: Claimant) -> None:
    owner.clock.offset_ns += int(LAST_S * 1e9)
    owner.write()
    assert owner.court.broken == {"authority"}


def test_a_wall_clock_that_jumps_back_prolongs_nothing(owner: Claimant) -> None:
    owner.clock.offset_ns -= int(60 * 1e9)
    owner.court.pass_(LAST_S)
    owner.write()
    assert owner.court.broken == {"authority"}


def test_a_machine_that_stood_still_cannot_know_that_its_authority_ended(owner: Claimant) -> None:
    owner.freeze(60.0)
    owner.write()
    assert owner.court.broken == set()


def test_a_change_in_another_epoch_than_its_own_is_noticed(owner: Claimant) -> None:
    owner.write("CancelAll", epoch=2)
    assert owner.court.broken == {"authority"}


def test_an_order_of_who_has_let_go_is_noticed(owner: Claimant) -> None:
    owner.release()
    owner.write()
    assert owner.court.broken == {"authority"}


def test_an_order_of_who_has_seen_another_holder_is_noticed(owner: Claimant) -> None:
    owner.court.server.leases.steal("somebody")
    owner.write()
    assert owner.court.broken == set(), "it cannot know"
    owner.look()
    owner.write()
    assert owner.court.broken == {"authority"}


def test_an_order_of_who_has_seen_that_the_lease_is_gone_is_noticed(owner: Claimant) -> None:
    owner.court.server.leases.delete()
    assert owner.look() is None
    owner.write("CancelAll")
    assert owner.court.broken == set(), "a cancel takes risk away"
    owner.write("CancelAllOrdersAfter")
    assert owner.court.broken == {"authority"}


def test_an_order_of_who_has_renewed_a_fenced_lease_is_noticed(owner: Claimant) -> None:
    owner.court.server.leases.annotate(fenced="true")
    owner.renew()
    owner.write("CancelAllOrdersAfter")
    assert owner.court.broken == set(), "an end may be announced"
    owner.write()
    assert owner.court.broken == {"authority"}


# two owners


def test_a_lease_that_is_taken_while_its_owner_has_authority_is_noticed(owner: Claimant) -> None:
    owner.court.pass_(DEFAULT.renew_deadline_s - A_LITTLE_S)
    owner.court.b.take(epoch=2)
    assert owner.court.broken == {"two owners"}


def test_a_lease_that_is_taken_after_authority_ended_is_no_offence(owner: Claimant) -> None:
    owner.court.pass_(DEFAULT.renew_deadline_s)
    owner.court.b.take(epoch=2)
    assert owner.court.broken == set()


def test_a_lease_of_who_is_dead_or_has_let_go_may_be_taken_at_once(court: Court) -> None:
    court.a.take()
    court.a.release()
    court.b.take(epoch=2)
    court.b.process.kill()
    court.a.take(epoch=3)
    assert court.broken == set()


def test_a_lease_that_is_taken_from_a_machine_that_stands_still_is_nobodys_fault(
    owner: Claimant,
) -> None:
    owner.process.stop(clocks_stand=True)
    owner.court.pass_(DEFAULT.lease_duration_s)
    owner.court.b.take(epoch=2)
    assert owner.court.broken == set()


def test_a_lease_that_a_person_gave_away_may_be_taken_from_him(owner: Claimant) -> None:
    owner.court.server.leases.steal("")
    owner.court.b.take(epoch=2)
    assert owner.court.broken == set()


def test_a_lease_that_a_person_made_anew_may_be_taken(owner: Claimant) -> None:
    owner.court.server.leases.delete()
    owner.court.server.leases.create(epoch=1)
    owner.court.b.take(epoch=2)
    assert owner.court.broken == set()


def test_the_next_epoch_in_the_same_hands_is_no_second_owner(owner: Claimant) -> None:
    owner.take(epoch=2)
    assert owner.court.broken == set()


# quarantine


@pytest.fixture
def heir(owner: Claimant) -> Claimant:
    """Of who did not let go."""
    owner.process.kill()
    owner.court.b.take(epoch=2)
    return owner.court.b


def test_an_order_that_is_written_in_the_quarantine_is_noticed(heir: Claimant) -> None:
    heir.court.pass_(DEFAULT.quarantine_s - A_LITTLE_S)
    heir.write()
    assert heir.court.broken == {"quarantine"}


def test_an_order_after_the_quarantine_is_no_offence(heir: Claimant) -> None:
    heir.court.pass_(DEFAULT.quarantine_s)
    heir.write()
    assert heir.court.broken == set()


@pytest.mark.parametrize("method", ["CancelAllOrdersAfter", *CANCELS])
def test_only_orders_wait_for_the_quarantine(heir: Claimant, method: str) -> None:
    heir.write(method)
    assert heir.court.broken == set()


def test_a_quarantine_is_sat_out_once(heir: Claimant) -> None:
    heir.court.pass_(DEFAULT.quarantine_s - A_LITTLE_S)
    heir.renew()
    heir.court.pass_(A_LITTLE_S)
    heir.write()
    assert heir.court.broken == set()


def test_a_quarantine_stands_still_with_the_machine(heir: Claimant) -> None:
    heir.freeze(60.0)
    heir.write()
    assert heir.court.broken == {"quarantine"}


def test_who_follows_one_that_let_go_need_not_wait(owner: Claimant) -> None:
    owner.release()
    owner.court.b.take(epoch=2)
    owner.court.b.write()
    assert owner.court.broken == set()


def test_who_follows_one_that_could_not_say_that_all_was_done_waits(owner: Claimant) -> None:
    owner.release(released_epoch=None)
    owner.court.b.take(epoch=2)
    owner.court.b.write()
    assert owner.court.broken == {"quarantine"}


def test_who_is_let_go_on_with_the_next_epoch_waits(owner: Claimant) -> None:
    owner.take(epoch=2)
    owner.write()
    assert owner.court.broken == {"quarantine"}


# proof


@pytest.mark.parametrize(("busy_s", "broken"), [(0.0, set()), (9.9, set()), (10.0, {"proof"})])
def test_a_refresh_by_an_order_loop_that_stands_still_is_noticed(
    owner: Claimant, busy_s: float, broken: set[str]
) -> None:
    queue = SimpleNamespace(busy_s=busy_s)
    owner.run = SimpleNamespace(engine=SimpleNamespace(order_queue=queue))
    owner.write("CancelAll")
    assert owner.court.broken == set()
    owner.write("CancelAllOrdersAfter")
    assert owner.court.broken == broken
