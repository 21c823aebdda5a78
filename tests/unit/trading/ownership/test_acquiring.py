"""Taking the lease: when it may be taken, with which epoch, and what is true before the venue."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from krakked.domain.instants import Instant
from krakked.ports.lease_store import LeaseEventKind, LeaseRecord
from krakked.trading.ownership import step
from krakked.trading.owning import (
    ArmWatchdog,
    Begin,
    Call,
    DeadManTaken,
    Drain,
    Drained,
    EpochRecorded,
    Exit,
    Me,
    Phase,
    Read,
    ReadLease,
    Reconcile,
    Reconciled,
    RecordEpoch,
    State,
    StopAsked,
    TakeDeadMan,
    Tell,
    Tick,
    Unreachable,
    WriteLease,
    Written,
)
from krakked.trading.timings import DEFAULT

S = 1_000_000_000


def test_candidate_takes_an_empty_lease_at_once(world: Any) -> None:
    process = world.process().begin()
    process.is_obliging = False
    process.answer()
    record = world.leases.read()
    assert process.phase is Phase.ACQUIRED
    assert (record.holder, record.epoch, record.transitions) == ("a_uid-a_1", 1, 1)
    assert (record.account, record.duration_s) == ("00aa11bb", 15)


def test_epoch_stands_in_the_very_write_that_takes_the_lease(world: Any) -> None:
    world.process().begin().answer()
    taken = [record for record in world.leases.history if record.holder]
    assert taken[0].epoch == 1
    assert [record.epoch for record in world.leases.history[:2]] == [0, 1]


def test_epoch_is_durable_before_the_venue_hears_of_it(world: Any) -> None:
    world.leases.create(epoch=7)
    process = world.process().begin()
    process.is_obliging = False
    process.answer()
    (record,) = process.did(RecordEpoch)
    assert record == RecordEpoch(epoch=8, is_unclean=True, is_restored=True)
    assert process.did(TakeDeadMan) == []
    assert not process.state.may_ask_venue
    process.note(EpochRecorded(epoch=8))
    assert process.phase is Phase.FENCING
    assert process.did(TakeDeadMan) == [TakeDeadMan()]


def test_who_is_told_to_stop_before_its_epoch_is_durable_asks_the_venue_nothing(
    world: Any,
) -> None:
    process = world.process().begin()
    process.is_obliging = False
    process.answer()
    process.note(StopAsked())
    assert process.phase is Phase.DRAINING
    assert not process.state.may_ask_venue
    process.note(EpochRecorded(epoch=1))
    assert process.state.may_ask_venue, "its last refresh is for its successor"


def test_record_of_another_epoch_does_not_open_the_way_to_the_venue(world: Any) -> None:
    process = world.process().begin()
    process.is_obliging = False
    process.answer()
    process.note(EpochRecorded(epoch=7))
    assert process.phase is Phase.ACQUIRED


def test_first_fenced_call_comes_before_the_books_are_compared(world: Any) -> None:
    process = world.process().begin()
    process.answer()
    kinds = [type(a) for a in process.actions if isinstance(a, TakeDeadMan | Reconcile)]
    assert kinds[:2] == [TakeDeadMan, Reconcile]


@pytest.mark.parametrize(
    ("annotation", "transitions", "ledger", "expected"),
    [
        (0, 0, 0, 1),
        (7, 3, 5, 8),
        (0, 3, 5, 6),  # the annotation was lost
        (7, 9, 0, 10),  # the database was lost, and the annotation is old
        (0, 0, 41, 42),  # the lease was made anew
        (41, 2, 41, 42),
    ],
)
def test_epoch_is_above_all_that_lease_and_ledger_know(
    world: Any, annotation: int, transitions: int, ledger: int, expected: int
) -> None:
    record = msgspec.structs.replace(world.leases.read(), epoch=annotation, transitions=transitions)
    world.leases.replace(record)
    process = world.process(epoch=ledger).begin()
    process.answer()
    assert process.state.epoch == world.leases.read().epoch == expected


def test_candidate_does_not_take_the_lease_of_a_living_holder(world: Any) -> None:
    leader, other = world.leader(), world.process("b").begin()
    other.answer()
    world.pass_s(300)
    assert (leader.phase, other.phase) == (Phase.LEADING, Phase.CANDIDATE)
    assert world.leases.read().epoch == 1


def test_candidate_waits_for_the_duration_that_the_record_names_not_its_own(world: Any) -> None:
    quick = msgspec.structs.replace(DEFAULT, lease_duration_s=12)
    dead = world.leader()
    record = msgspec.structs.replace(world.leases.read(), duration_s=40)
    world.leases.replace(record)
    world.die(dead)
    other = world.process("b", timings=quick).begin()
    other.answer()
    world.pass_s(39)
    assert other.phase is Phase.CANDIDATE
    world.pass_s(4)
    assert other.holds
    assert world.leases.read().duration_s == 12


def test_candidate_takes_an_expired_lease_after_having_seen_it_unchanged(world: Any) -> None:
    world.die(world.leader())
    world.pass_s(1_000)  # old by the wall's word, but nobody has watched it
    other = world.process("b").begin()
    other.answer()
    world.pass_s(14.9)
    assert other.phase is Phase.CANDIDATE
    world.pass_s(2.5)
    assert other.phase is Phase.RECONCILING
    assert world.leases.read().epoch == 2


def test_every_change_of_the_record_begins_the_wait_anew(world: Any) -> None:
    world.die(world.leader())
    other = world.process("b").begin()
    other.answer()
    for _ in range(5):
        world.pass_s(10)
        world.leases.replace(world.leases.read())
    assert other.phase is Phase.CANDIDATE
    world.pass_s(17.5)
    assert other.holds


def test_wait_is_measured_by_the_clock_that_is_never_too_fast(world: Any) -> None:
    record = LeaseRecord(holder="x_y_z", duration_s=15, uid="u", version="1", epoch=1)
    state = State(me=Me(pod="a", uid="u", process="1"))
    at = Instant(least_ns=0, most_ns=0, wall_ns=0)
    state, _ = step(state, Begin(ledger_epoch=0), at)
    state, _ = step(state, Read(record=record), at)
    stepped = Instant(least_ns=10 * S, most_ns=3_610 * S, wall_ns=3_610 * S)
    state, asked = step(state, Tick(), stepped)
    assert asked == (ReadLease(),)
    state, actions = step(state, Read(record=record), stepped)
    assert (state.phase, actions) == (Phase.CANDIDATE, ())
    later = stepped.plus_ns(5 * S)
    state, _ = step(state, Tick(), later)
    state, actions = step(state, Read(record=record), later)
    assert isinstance(actions[0], WriteLease)


def test_restarted_container_of_the_same_pod_takes_its_lease_back_at_once(world: Any) -> None:
    world.die(world.leader())
    again = world.process("a", boot="2", epoch=1).begin()
    again.answer()
    assert (again.phase, again.state.epoch) == (Phase.RECONCILING, 2)
    assert again.state.is_unclean


def test_restarted_container_sits_out_the_quarantine_all_the_same(world: Any) -> None:
    world.die(world.leader())
    again = world.process("a", boot="2", epoch=1).begin()
    again.answer()
    world.pass_s(4.9)
    assert again.phase is Phase.RECONCILING
    world.pass_s(0.2)
    assert again.phase is Phase.LEADING


def test_pod_whose_name_begins_alike_is_not_the_same_pod() -> None:
    me = Me(pod="engine", uid="1", process="x")
    assert me.was("engine_1_old")
    assert not me.was("engine_11_old")
    assert not me.was("engine-2_1_old")
    assert not me.was(me.holder)
    assert not me.was("")


def test_lease_of_a_process_that_the_store_knows_dead_is_taken_at_once(world: Any) -> None:
    world.die(world.leader())
    world.leases.mark_abandoned()
    other = world.process("b").begin()
    other.answer()
    assert other.holds
    assert other.state.is_unclean


def test_quarantine_is_not_needed_after_a_clean_release(world: Any) -> None:
    old = world.leader()
    old.is_obliging = False
    old.note(Tick())
    _stop(old)
    world.die(old)
    other = world.process("b", epoch=1).begin()
    other.answer()
    assert (other.phase, other.state.is_unclean, other.state.epoch) == (Phase.LEADING, False, 2)


def test_lease_that_a_person_emptied_is_no_clean_release(world: Any) -> None:
    world.die(world.leader())
    world.leases.replace(msgspec.structs.replace(world.leases.read(), holder=""))
    other = world.process("b", epoch=1).begin()
    other.answer()
    assert (other.phase, other.state.is_unclean) == (Phase.RECONCILING, True)


def test_new_owner_compares_the_books_once_more_when_the_quarantine_is_over(world: Any) -> None:
    world.leases.create(epoch=7)
    process = world.process().begin()
    process.is_obliging = False
    process.answer()
    process.note(EpochRecorded(epoch=8))
    process.note(_dead_man())
    began_at = world.time.instant()
    world.time.ns += 6 * S  # the comparison took longer than the quarantine, but began in it
    process.forget()
    process.note(Reconciled(began_at=began_at))
    assert process.phase is Phase.RECONCILING
    process.note(Tick())
    assert process.did(Reconcile) == [Reconcile()]
    process.note(Reconciled(began_at=world.time.instant()))
    assert process.phase is Phase.LEADING


def test_ledger_that_is_behind_the_lease_is_restored(world: Any) -> None:
    old = world.leader()
    _stop(old)
    world.die(old)
    other = world.process("b", epoch=0).begin()
    other.answer()
    (record,) = other.did(RecordEpoch)
    assert (record.epoch, record.is_restored) == (2, True)


def test_process_that_died_between_lease_and_ledger_is_not_restored(world: Any) -> None:
    first = world.process(epoch=0).begin()
    first.is_obliging = False  # the epoch never gets into its ledger
    first.answer()
    world.die(first)
    again = world.process(boot="2", epoch=0).begin()
    again.answer()
    (record,) = again.did(RecordEpoch)
    assert (record.epoch, record.is_restored) == (2, False)


def test_lease_about_another_account_is_refused_as_a_configuration(world: Any) -> None:
    world.leases.replace(msgspec.structs.replace(world.leases.read(), account="ffffffff"))
    process = world.process().begin()
    process.answer()
    assert process.phase is Phase.MISCONFIGURED
    (end,) = process.did(Exit)
    assert end.code == 78
    assert "about account ffffffff, not 00aa11bb" in end.reason


def test_lost_answer_to_the_taking_is_found_by_reading(world: Any) -> None:
    world.leases.create(epoch=7)
    process = world.process().begin()
    process.note(process.ask(process.asked.pop()))
    take = process.asked.pop()
    process.ask(take)  # done, and the answer is lost
    process.note(Unreachable(reason="lost"))
    assert (process.phase, process.holds) == (Phase.CANDIDATE, False)
    world.pass_s(3)
    assert (process.phase, process.state.epoch) == (Phase.RECONCILING, 8)
    assert world.leases.read().transitions == 1


def test_answer_that_nobody_waits_for_changes_nothing(world: Any) -> None:
    process = world.process().begin()
    process.answer()
    before = process.state
    assert before.call is None
    record = msgspec.structs.replace(world.leases.read(), holder="thief")
    process.note(Read(record=record))
    process.note(Written(record=record, sent_at=world.time.instant()))
    assert process.state == before


def test_candidates_look_at_different_moments(world: Any) -> None:
    world.leader()
    others = [world.process(name).begin() for name in "bcdefg"]
    for other in others:
        other.answer()
    looks = [other.state.next_call_least_ns - world.time.ns for other in others]
    assert len(set(looks)) > 3
    assert all(2 * S <= look <= 2.4 * S for look in looks)


def test_candidate_goes_on_looking_while_the_lease_is_out_of_reach(world: Any) -> None:
    process = world.process()
    process.is_reachable = False
    process.begin().answer()
    world.pass_s(60)
    assert process.phase is Phase.CANDIDATE
    assert 20 <= len(process.did(ReadLease)) <= 40
    process.is_reachable = True
    world.pass_s(3)
    assert process.holds


def test_election_is_announced_with_its_epoch_and_the_watchdog_is_armed(world: Any) -> None:
    process = world.process().begin()
    process.answer()
    told = [tell for tell in process.did(Tell) if tell.kind is not None]
    assert [(tell.kind, "epoch 1" in tell.reason) for tell in told] == [
        (LeaseEventKind.LEADER_ELECTED, True)
    ]
    assert process.did(ArmWatchdog)[0].at_least_ns == 12_500_000_000


def test_process_stopped_before_it_owned_anything_ends_at_once(world: Any) -> None:
    world.leader()
    other = world.process("b").begin()
    other.answer()
    other.note(_stop_asked())
    assert (other.phase, other.state.exit_code) == (Phase.RELEASED, 0)
    assert other.did(Drain) == []


def test_process_stopped_while_it_takes_the_lease_lets_go_of_it(world: Any) -> None:
    process = world.process().begin()
    process.note(process.ask(process.asked.pop()))
    assert process.state.call is Call.TAKE
    process.note(_stop_asked())
    assert process.phase is Phase.DRAINING
    process.answer()
    assert process.phase is Phase.RELEASED
    assert world.leases.read().is_released
    assert process.did(TakeDeadMan) == []


def test_process_stopped_while_the_taking_is_in_doubt_never_empties_another_ones_lease(
    world: Any,
) -> None:
    dead = world.leader()
    world.die(dead)
    process = world.process("b").begin()
    process.answer()
    world.time.ns += 16 * S
    process.tick()
    process.note(process.ask(process.asked.pop()))
    assert process.state.call is Call.TAKE
    process.asked.clear()  # it never arrives
    process.note(_stop_asked())
    process.note(Unreachable(reason="lost"))
    world.time.ns += 2 * S
    process.tick()
    process.answer()
    assert process.phase is Phase.RELEASED
    record = world.leases.read()
    assert (record.holder, record.is_released) == (dead.state.me.holder, False)


def _stop_asked() -> StopAsked:
    return StopAsked()


def _dead_man() -> DeadManTaken:
    return DeadManTaken()


def _stop(process: Any) -> None:
    process.note(_stop_asked())
    process.note(Drained())
    process.answer()
    assert process.phase is Phase.RELEASED


def test_lease_that_was_made_anew_and_does_not_say_which_epochs_there_were_is_not_taken(
    world: Any,
) -> None:
    world.leases.create()
    process = world.process().begin()
    process.answer()
    assert process.phase is Phase.CANDIDATE
    (told,) = process.did(Tell)
    assert "write the highest that any engine knew" in told.reason
    world.pass_s(60)
    assert (process.phase, len(process.did(Tell))) == (Phase.CANDIDATE, 1)
    world.leases.create(epoch=7)
    world.pass_s(10)
    assert process.state.epoch == 8
