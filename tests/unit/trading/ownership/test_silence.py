"""What a new owner knows of how long nobody has asked the venue anything, and of the quarantine."""

from __future__ import annotations

from typing import Any

from krakked.trading.owning import Phase

S = 10**9


def test_owner_whose_lease_was_waited_out_has_been_silent_for_as_long(world: Any) -> None:
    old = world.leader()
    other = world.process("b").begin()
    other.answer()
    world.die(old)
    world.pass_s(20)
    assert other.holds
    assert 15 * S <= other.state.silent_ns <= 20 * S


def test_earlier_process_of_the_same_pod_may_have_asked_a_moment_ago(world: Any) -> None:
    world.die(world.leader())
    again = world.process("a", boot="2", epoch=1).begin()
    again.answer()
    assert again.phase is Phase.RECONCILING
    assert again.state.silent_ns == 0


def test_process_that_the_store_knows_dead_may_have_asked_a_moment_ago(world: Any) -> None:
    world.die(world.leader())
    world.leases.mark_abandoned()
    other = world.process("b").begin()
    other.answer()
    assert other.holds
    assert other.state.silent_ns == 0


def test_quarantine_that_is_left_runs_down_to_nothing_and_is_none_after_a_clean_start(
    world: Any,
) -> None:
    first = world.leader()
    assert first.state.quarantine_left_ns(first.time.instant()) == 0
    world.die(first)
    again = world.process("a", boot="2", epoch=1).begin()
    again.answer()
    assert 0 < again.state.quarantine_left_ns(again.time.instant()) <= 5 * S
    world.pass_s(5.2)
    assert again.state.quarantine_left_ns(again.time.instant()) == 0
