"""Keeping the lease: authority, freezing, being preempted, fences, letting go."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from krakked.domain.instants import Instant
from krakked.ports.lease_store import LeaseEventKind
from krakked.trading.leases import LEAP, PERSONS_LEAP, leap
from krakked.trading.ownership import step
from krakked.trading.owning import (
    EXIT_CODES,
    ArmWatchdog,
    Begin,
    ConfigurationWrong,
    Conflict,
    DisarmWatchdog,
    Drain,
    Drained,
    EpochRecorded,
    Exit,
    LedgerBroken,
    Missing,
    NonceRefused,
    OursFound,
    Phase,
    ReadLease,
    RecordEpoch,
    StopAsked,
    TakeDeadMan,
    Tell,
    Tick,
    Unfence,
    Unreachable,
    WriteLease,
    Written,
)

S = 1_000_000_000


# ------------------------------------------------------------------------------ authority


def test_leader_renews_every_period_without_reading(world: Any) -> None:
    leader = world.leader()
    world.pass_s(20)
    assert len(leader.did(WriteLease)) == 10
    assert leader.did(ReadLease) == []
    assert leader.phase is Phase.LEADING


def test_authority_counts_from_the_sending_however_late_the_answer(world: Any) -> None:
    """The renewal is taken at once, and its answer needs eight seconds."""
    leader = world.leader()
    world.time.ns = leader.state.next_call_least_ns
    leader.tick()
    sent_at = world.time.instant()
    (call,) = leader.asked
    leader.asked.clear()
    record = world.leases.replace(call.record)
    world.time.ns += 7 * S
    leader.note(Written(record=record, sent_at=sent_at))
    assert leader.state.authority_until_ns == sent_at.most_ns + 10 * S
    world.time.ns = sent_at.most_ns + 10 * S - 1
    assert leader.holds
    world.time.ns += 1
    assert not leader.holds


def test_guard_margin_ends_authority_before_it_runs_out(world: Any) -> None:
    leader = world.leader()
    until_ns = leader.state.authority_until_ns
    for before_ns, expected in ((1_000_000_001, True), (1_000_000_000, False), (1, False)):
        world.time.ns = until_ns - before_ns
        assert leader.state.holds(world.time.instant(), margin_ns=S) is expected


def test_authority_ends_by_the_fastest_clock(world: Any) -> None:
    """Somebody sets the wall clock forward: nobody knows how long we slept."""
    leader = world.leader()
    now = world.time.instant()
    jumped = Instant(
        least_ns=now.least_ns, most_ns=now.most_ns + 20 * S, wall_ns=now.wall_ns + 20 * S
    )
    state, actions = step(leader.state, Tick(), jumped)
    assert state.phase is Phase.FROZEN
    assert DisarmWatchdog() in actions


def test_api_that_hangs_freezes_the_leader_when_its_authority_ends(world: Any) -> None:
    leader = world.leader()
    world.time.ns = leader.state.next_call_least_ns
    leader.tick()
    assert leader.state.call is not None
    until_ns = leader.state.authority_until_ns
    assert leader.state.wake_least_ns(world.time.instant()) == until_ns
    world.time.ns = until_ns
    leader.tick()
    assert leader.phase is Phase.FROZEN
    assert leader.did(DisarmWatchdog) == [DisarmWatchdog()]


def test_frozen_owner_goes_on_where_it_was_once_the_lease_is_renewed(world: Any) -> None:
    leader = world.leader()
    leader.is_reachable = False
    world.pass_s(40)
    assert leader.phase is Phase.FROZEN
    assert leader.did(Exit) == []
    leader.is_reachable = True
    leader.forget()
    world.pass_s(3)
    assert (leader.phase, leader.state.epoch) == (Phase.LEADING, 1)
    assert leader.did(ArmWatchdog)


def test_frozen_owner_asks_all_the_time_and_never_hurries(world: Any) -> None:
    leader = world.leader()
    leader.is_reachable = False
    world.pass_s(12)
    leader.forget()
    world.pass_s(60)
    assert 28 <= len(leader.did(ReadLease)) <= 31


@pytest.mark.parametrize("phase", [Phase.ACQUIRED, Phase.FENCING, Phase.RECONCILING])
def test_owner_that_froze_while_starting_begins_that_phase_again(world: Any, phase: Phase) -> None:
    process = world.process().begin()
    process.is_obliging = False
    process.answer()
    process.state = msgspec.structs.replace(process.state, phase=phase)
    process.is_reachable = False
    world.pass_s(11)
    assert (process.phase, process.state.resume) == (Phase.FROZEN, phase)
    process.is_reachable = True
    process.forget()
    world.pass_s(3)
    assert process.phase is phase
    again = {Phase.ACQUIRED: RecordEpoch, Phase.FENCING: TakeDeadMan}.get(phase)
    assert again is None or len(process.did(again)) == 1


def test_what_was_done_while_frozen_is_not_forgotten(world: Any) -> None:
    process = world.process().begin()
    process.is_obliging = False
    process.answer()
    process.is_reachable = False
    world.pass_s(11)
    process.note(EpochRecorded(epoch=process.state.epoch))
    assert (process.phase, process.state.resume) == (Phase.FROZEN, Phase.FENCING)


def test_conflict_makes_the_leader_read_and_then_renew(world: Any) -> None:
    leader = world.leader()
    world.leases.replace(world.leases.read())  # an annotation, say
    leader.forget()
    world.pass_s(2.1)
    kinds = [type(a) for a in leader.actions if isinstance(a, ReadLease | WriteLease)]
    assert kinds[:3] == [WriteLease, ReadLease, WriteLease]
    assert leader.holds


def test_leader_whose_lease_was_stolen_ends_within_one_poll(world: Any) -> None:
    leader = world.leader()
    world.leases.steal("thief_x_y")
    world.pass_s(2.1)
    assert (leader.phase, leader.state.exit_code) == (Phase.PREEMPTED, 70)
    (end,) = leader.did(Exit)
    assert "held by thief_x_y" in end.reason
    assert LeaseEventKind.LEADER_LOST in [tell.kind for tell in leader.did(Tell)]
    assert not leader.holds


def test_leader_whose_lease_was_emptied_by_somebody_ends(world: Any) -> None:
    leader = world.leader()
    world.leases.steal("")
    world.pass_s(2.1)
    assert leader.state.exit_code == 70
    assert "has no holder" in leader.state.exit_reason


def test_leader_whose_lease_was_made_anew_with_its_own_name_in_it_ends(world: Any) -> None:
    leader = world.leader()
    world.leases.delete()
    world.leases.create()
    world.leases.steal(leader.state.me.holder)
    world.pass_s(2.1)
    assert leader.state.exit_code == 70
    assert "made anew" in leader.state.exit_reason


def test_leader_whose_lease_is_gone_freezes_at_once_and_never_creates_it(world: Any) -> None:
    leader = world.leader()
    world.leases.delete()
    world.pass_s(2.1)
    assert leader.phase is Phase.FROZEN
    world.pass_s(60)
    assert leader.phase is Phase.FROZEN
    with pytest.raises(Exception, match="does not exist"):
        world.leases.read()
    alerts = [tell for tell in leader.did(Tell) if "lease is gone" in tell.reason]
    assert len(alerts) == 1


def test_frozen_owner_whose_lease_went_to_another_ends(world: Any) -> None:
    leader = world.leader()
    leader.is_reachable = False
    other = world.process("b").begin()
    other.answer()
    world.pass_s(18)
    assert (leader.phase, other.holds) == (Phase.FROZEN, True)
    leader.is_reachable = True
    world.pass_s(3)
    assert leader.state.exit_code == 70


def test_old_owner_has_no_authority_left_when_the_new_one_begins(world: Any) -> None:
    leader = world.leader()
    leader.is_reachable = False
    other = world.process("b").begin()
    other.answer()
    while not other.holds:
        world.pass_s(0.1)
    idle_ns = world.time.ns - leader.state.called_least_ns
    assert leader.phase is Phase.FROZEN
    assert idle_ns >= 0
    assert not leader.holds


# ------------------------------------------------------------------------------ the watchdog


def test_process_that_stood_still_too_long_ends_as_hung_before_it_does_anything(
    world: Any,
) -> None:
    leader = world.leader()
    world.time.ns += 20 * S
    leader.tick()
    assert (leader.phase, leader.state.exit_code) == (Phase.HUNG, 72)
    assert leader.did(WriteLease) == []


def test_process_that_stood_still_for_less_than_the_watchdog_only_freezes(world: Any) -> None:
    leader = world.leader()
    world.time.ns = leader.state.authority_until_ns + 2 * S
    leader.tick()
    assert leader.phase is Phase.FROZEN


def test_watchdog_is_armed_anew_by_every_renewal(world: Any) -> None:
    leader = world.leader()
    world.pass_s(6)
    armed = [action.at_least_ns for action in leader.did(ArmWatchdog)]
    assert armed == sorted(set(armed))
    assert len(armed) == 3


# ------------------------------------------------------------------------------ fences


def test_refused_nonce_fences_for_good_and_never_takes_a_higher_epoch(world: Any) -> None:
    leader = world.leader()
    leader.note(NonceRefused(reason="EAPI:Invalid nonce"))
    leader.answer()
    world.pass_s(300)
    assert leader.phase is Phase.FENCED
    assert leader.state.fenced_by == "venue: EAPI:Invalid nonce"
    assert world.leases.read().epoch == 1
    assert leader.did(TakeDeadMan) == []
    assert leader.did(Exit) == []


def test_fenced_engine_keeps_its_lease_so_that_no_candidate_fights_on(world: Any) -> None:
    leader, other = world.leader(), world.process("b").begin()
    other.answer()
    leader.note(NonceRefused(reason="EAPI:Invalid nonce"))
    leader.answer()
    world.pass_s(300)
    assert (leader.phase, other.phase) == (Phase.FENCED, Phase.CANDIDATE)
    assert leader.holds


def test_fence_of_the_venue_outlives_the_process_that_met_it(world: Any) -> None:
    leader = world.leader()
    leader.note(NonceRefused(reason="EAPI:Invalid nonce"))
    leader.answer()
    world.die(leader)
    again = world.process(boot="2", epoch=1).begin()
    again.answer()
    world.pass_s(60)
    assert again.phase is Phase.FENCED
    assert again.did(TakeDeadMan) == []


def test_fence_of_the_venue_that_a_person_wipes_from_the_lease_is_written_again(
    world: Any,
) -> None:
    leader = world.leader()
    leader.note(NonceRefused(reason="x"))
    leader.answer()
    world.leases.annotate(fenced="")
    world.pass_s(5)
    assert leader.phase is Phase.FENCED
    assert world.leases.read().fenced == "venue: x"


def test_person_unfences_and_a_far_epoch_begins_with_its_quarantine(world: Any) -> None:
    leader = world.leader()
    leader.note(NonceRefused(reason="x"))
    leader.answer()
    leader.forget()
    epoch = leap(leader.state, PERSONS_LEAP)
    assert 1000 < epoch <= 2000
    leader.note(Unfence(principal="ada"))
    leader.answer()
    assert leader.phase is Phase.RECONCILING
    assert (leader.state.epoch, leader.ledger_epoch) == (epoch, epoch)
    assert world.leases.read().fenced == ""
    world.pass_s(5.1)
    assert leader.phase is Phase.LEADING


def test_who_was_fenced_by_the_venue_is_restored_when_a_person_lets_it_go_on(world: Any) -> None:
    leader = world.leader()
    assert not leader.state.is_restored
    leader.note(NonceRefused(reason="x"))
    leader.answer()
    leader.forget()
    leader.note(Unfence(principal="ada"))
    leader.answer()
    (recorded,) = [action for action in leader.actions if isinstance(action, RecordEpoch)]
    assert (recorded.is_restored, recorded.is_unclean) == (True, True)


def test_who_finds_orders_of_ours_that_nobody_heard_of_goes_on_in_a_far_epoch(world: Any) -> None:
    leader = world.leader()
    before = leader.state
    leader.forget()
    leader.note(OursFound())
    assert leader.phase is Phase.FENCED
    leader.answer()
    (recorded,) = [action for action in leader.actions if isinstance(action, RecordEpoch)]
    assert recorded == RecordEpoch(epoch=leap(before, LEAP), is_unclean=True, is_restored=True)
    assert (leader.phase, leader.state.fenced_by) == (Phase.RECONCILING, "")
    world.pass_s(5.1)
    assert leader.phase is Phase.LEADING


def test_two_that_leap_from_one_epoch_do_not_land_together(world: Any) -> None:
    state = world.leader().state
    others = [
        msgspec.structs.replace(state, me=msgspec.structs.replace(state.me, process=f"p{number}"))
        for number in range(20)
    ]
    assert len({leap(other, LEAP) for other in others}) >= 19


def test_whom_a_person_fenced_goes_on_in_the_next_epoch(world: Any) -> None:
    leader = world.leader()
    world.leases.annotate(fenced="true")
    world.pass_s(3)
    assert leader.phase is Phase.FENCED
    leader.note(Unfence(principal="ada"))
    leader.answer()
    assert leader.state.epoch == 2


def test_annotation_of_the_fenced_epoch_unfences_and_is_taken_away(world: Any) -> None:
    leader = world.leader()
    leader.note(NonceRefused(reason="x"))
    leader.answer()
    epoch = leap(leader.state, PERSONS_LEAP)
    world.leases.annotate(unfence=1)
    world.pass_s(3)
    assert (leader.state.epoch, world.leases.read().unfence) == (epoch, None)


def test_person_may_name_the_epoch_that_the_venue_has_seen(world: Any) -> None:
    leader = world.leader()
    leader.note(NonceRefused(reason="x"))
    leader.answer()
    leader.note(Unfence(principal="ada", at_least=41))
    leader.answer()
    assert leader.state.epoch == world.leases.read().epoch == 41


def test_annotation_of_another_epoch_unfences_nothing(world: Any) -> None:
    leader = world.leader()
    leader.note(NonceRefused(reason="x"))
    leader.answer()
    world.leases.annotate(unfence=7)
    world.pass_s(10)
    assert leader.phase is Phase.FENCED


def test_nothing_is_unfenced_in_advance(world: Any) -> None:
    leader = world.leader()
    world.leases.annotate(unfence=1)
    world.pass_s(5)
    assert world.leases.read().unfence is None
    leader.note(NonceRefused(reason="x"))
    leader.answer()
    world.pass_s(10)
    assert (leader.phase, leader.state.epoch) == (Phase.FENCED, 1)


def test_unfence_means_nothing_to_an_engine_that_is_not_fenced(world: Any) -> None:
    leader = world.leader()
    before = leader.state
    leader.note(Unfence(principal="ada"))
    assert leader.state == before


def test_fenced_annotation_turns_trading_off_keeps_the_lease_and_stays_up(world: Any) -> None:
    leader = world.leader()
    world.leases.annotate(fenced="true")
    world.pass_s(2.1)
    assert leader.phase is Phase.FENCED
    world.pass_s(120)
    assert (leader.phase, leader.holds, leader.did(Exit)) == (Phase.FENCED, True, [])
    assert world.leases.read().fenced == "true"


def test_fenced_annotation_taken_away_trades_on_with_the_same_epoch(world: Any) -> None:
    leader = world.leader()
    world.leases.annotate(fenced="true")
    world.pass_s(30)
    world.leases.annotate(fenced="")
    world.pass_s(3)
    assert (leader.phase, leader.state.epoch) == (Phase.LEADING, 1)
    assert leader.did(TakeDeadMan) == [TakeDeadMan()]


def test_candidate_that_takes_a_fenced_lease_is_fenced_before_it_asks_anything(
    world: Any,
) -> None:
    world.leases.annotate(fenced="true")
    process = world.process().begin()
    process.answer()
    assert process.phase is Phase.FENCED
    assert process.did(RecordEpoch) == []


# ------------------------------------------------------------------------------ letting go


def test_stop_drains_first_and_releases_last(world: Any) -> None:
    leader = world.leader()
    leader.note(StopAsked())
    assert (leader.phase, leader.did(Drain)) == (Phase.DRAINING, [Drain()])
    world.pass_s(5)
    assert world.leases.read().holder == leader.state.me.holder
    assert leader.holds  # renewed while what is under way ends
    leader.note(Drained())
    leader.answer()
    record = world.leases.read()
    assert (leader.phase, leader.state.exit_code) == (Phase.RELEASED, 0)
    assert (record.holder, record.duration_s, record.transitions) == ("", 1, 1)
    assert (record.epoch, record.is_released) == (1, True)
    assert leader.did(DisarmWatchdog) == [DisarmWatchdog()]


def test_second_stop_changes_nothing(world: Any) -> None:
    leader = world.leader()
    leader.note(StopAsked())
    leader.note(StopAsked())
    assert leader.did(Drain) == [Drain()]


def test_release_that_conflicts_is_tried_again_with_what_is_newest(world: Any) -> None:
    leader = world.leader()
    leader.note(StopAsked())
    world.leases.replace(world.leases.read())
    leader.note(Drained())
    leader.answer()
    assert leader.phase is Phase.RELEASED
    assert world.leases.read().is_released


def test_release_whose_answer_was_lost_is_seen_to_be_done(world: Any) -> None:
    leader = world.leader()
    leader.note(StopAsked())
    leader.note(Drained())
    leader.ask(leader.asked.pop())
    leader.note(Unreachable(reason="lost"))
    world.pass_s(3)
    assert leader.state.exit_code == 0


def test_release_whose_answer_was_lost_and_whose_successor_was_quick_ends_well(
    world: Any,
) -> None:
    leader = world.leader()
    leader.note(StopAsked())
    leader.note(Drained())
    leader.ask(leader.asked.pop())
    other = world.process("b", epoch=1).begin()
    other.answer()
    leader.note(Unreachable(reason="lost"))
    world.pass_s(3)
    assert (leader.state.exit_code, other.phase) == (0, Phase.LEADING)


def test_nobody_owns_anything_once_its_release_is_on_its_way(world: Any) -> None:
    """The answer may be lost, and the successor need not wait."""
    leader = world.leader()
    leader.note(StopAsked())
    assert leader.holds
    leader.note(Drained())
    assert not leader.holds


def test_release_that_cannot_be_made_is_given_up_in_time(world: Any) -> None:
    leader = world.leader()
    leader.note(StopAsked())
    leader.is_reachable = False
    leader.note(Drained())
    leader.answer()
    world.pass_s(13)
    assert leader.state.exit_code == 0
    assert "could not be released" in leader.state.exit_reason
    assert world.leases.read().holder == leader.state.me.holder


def test_draining_owner_that_is_preempted_says_so(world: Any) -> None:
    leader = world.leader()
    leader.note(StopAsked())
    world.leases.steal("thief_x_y")
    world.pass_s(3)
    assert leader.state.exit_code == 70


def test_draining_owner_whose_authority_ends_lives_on_to_drain(world: Any) -> None:
    leader = world.leader()
    leader.note(StopAsked())
    leader.is_reachable = False
    world.pass_s(60)
    assert leader.phase is Phase.DRAINING
    assert leader.did(DisarmWatchdog) == [DisarmWatchdog()]


def test_fence_met_while_draining_is_left_for_the_successor(world: Any) -> None:
    leader = world.leader()
    leader.note(StopAsked())
    leader.note(NonceRefused(reason="x"))
    leader.note(Drained())
    leader.answer()
    assert world.leases.read().fenced == "venue: x"
    assert leader.phase is Phase.RELEASED


@pytest.mark.parametrize(
    ("observation", "code"),
    [(LedgerBroken(reason="damaged"), 73), (ConfigurationWrong(reason="no key"), 78)],
)
def test_what_cannot_be_gone_on_with_ends_with_its_code(
    world: Any, observation: Any, code: int
) -> None:
    leader = world.leader()
    leader.note(observation)
    assert leader.did(Exit) == [Exit(code=code, reason=observation.reason)]


def test_every_end_has_a_code_of_its_own() -> None:
    assert sorted(EXIT_CODES.values()) == [0, 70, 72, 73, 78]


def test_nothing_happens_after_the_end(world: Any) -> None:
    leader = world.leader()
    leader.note(LedgerBroken(reason="damaged"))
    ended = leader.state
    for late in (Tick(), Begin(ledger_epoch=1), StopAsked(), Conflict(), Missing()):
        leader.note(late)
    assert leader.state == ended
    assert ended.wake_least_ns(world.time.instant()) is None
