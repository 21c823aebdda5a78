"""What every lease store does, whatever is behind it."""

from __future__ import annotations

from typing import Any

import pytest

from krakked.ports.lease_store import (
    LeaseConflict,
    LeaseEvent,
    LeaseEventKind,
    LeaseMissing,
)

T0_NS = 1_767_225_600_000_000_000
WHOLE_SECOND_NS = T0_NS
TAKEN: dict[str, Any] = {
    "holder": "pod-0_uid_boot",
    "duration_s": 15,
    "acquired_at_ns": T0_NS + 123_456_000,
    "renewed_at_ns": T0_NS + 999_999_000,
    "transitions": 3,
    "epoch": 7,
    "account": "0011aabb",
    "program": "0.7.0",
}


def test_new_lease_has_no_holder_and_no_epoch(subject: Any) -> None:
    record = subject.read(subject.open())
    assert (record.holder, record.epoch, record.transitions) == ("", 0, 0)
    assert not record.is_released
    assert record.uid
    assert record.version


def test_what_is_written_is_read_by_another_process(subject: Any) -> None:
    store = subject.open()
    written = subject.replace(store, subject.read(store), **TAKEN)
    read = subject.read(subject.open())
    for name, value in TAKEN.items():
        assert getattr(read, name) == getattr(written, name) == value
    assert read.version == written.version


def test_every_annotation_comes_back_and_goes_away(subject: Any) -> None:
    store = subject.open()
    marks = {"fenced": "venue: EAPI:Invalid nonce", "unfence": 7, "released_epoch": 6}
    written = subject.replace(store, subject.read(store), **TAKEN, **marks)
    assert {name: getattr(written, name) for name in marks} == marks
    cleared = subject.replace(store, written, fenced="", unfence=None, released_epoch=None)
    assert (cleared.fenced, cleared.unfence, cleared.released_epoch) == ("", None, None)
    assert cleared.epoch == 7


def test_each_replacement_has_a_new_version_and_the_same_uid(subject: Any) -> None:
    store = subject.open()
    first = subject.read(store)
    second = subject.replace(store, first, **TAKEN)
    third = subject.replace(store, second, renewed_at_ns=T0_NS + 2_000_000_000)
    assert len({first.version, second.version, third.version}) == 3
    assert {first.uid, second.uid, third.uid} == {first.uid}


def test_replacing_an_old_version_is_a_conflict_and_changes_nothing(subject: Any) -> None:
    store = subject.open()
    old = subject.read(store)
    newest = subject.replace(store, old, **TAKEN)
    with pytest.raises(LeaseConflict):
        subject.replace(store, old, holder="late")
    assert subject.read(store) == newest


def test_of_two_candidates_that_read_the_same_only_one_takes_it(subject: Any) -> None:
    one, two = subject.open(), subject.open()
    seen_by_one, seen_by_two = subject.read(one), subject.read(two)
    subject.replace(one, seen_by_one, holder="one")
    with pytest.raises(LeaseConflict):
        subject.replace(two, seen_by_two, holder="two")
    assert subject.read(two).holder == "one"


def test_released_lease_keeps_epoch_and_transitions_and_can_be_taken(subject: Any) -> None:
    one, two = subject.open(), subject.open()
    taken = subject.replace(one, subject.read(one), **TAKEN)
    released = subject.replace(one, taken, holder="", duration_s=1, released_epoch=7)
    assert released.is_released
    seen = subject.read(two)
    assert (seen.epoch, seen.transitions, seen.duration_s, seen.is_released) == (7, 3, 1, True)
    assert subject.replace(two, seen, holder="two").holder == "two"


def test_lease_that_was_deleted_is_missing_and_not_created_by_writing(subject: Any) -> None:
    store = subject.open()
    record = subject.replace(store, subject.read(store), **TAKEN)
    subject.delete()
    with pytest.raises(LeaseMissing):
        subject.read(store)
    with pytest.raises(LeaseMissing):
        subject.replace(store, record)
    with pytest.raises(LeaseMissing):
        subject.read(store)


def test_lease_that_was_made_again_is_another_one(subject: Any) -> None:
    store = subject.open()
    old = subject.replace(store, subject.read(store), **TAKEN)
    subject.delete()
    subject.make_again()
    with pytest.raises(LeaseConflict):
        subject.replace(store, old)
    new = subject.read(store)
    assert new.uid != old.uid
    assert (new.holder, new.epoch) == ("", 0)


def test_instants_on_a_whole_second_are_written_like_all_others(subject: Any) -> None:
    store = subject.open()
    subject.replace(
        store,
        subject.read(store),
        acquired_at_ns=WHOLE_SECOND_NS,
        renewed_at_ns=WHOLE_SECOND_NS,
        holder="one",
    )
    read = subject.read(store)
    assert (read.acquired_at_ns, read.renewed_at_ns) == (WHOLE_SECOND_NS, WHOLE_SECOND_NS)


def test_event_is_announced_without_touching_the_lease(subject: Any) -> None:
    store = subject.open()
    record = subject.replace(store, subject.read(store), **TAKEN)
    event = LeaseEvent(
        kind=LeaseEventKind.LEADER_ELECTED, reason="epoch 7", holder="pod-0", at_ns=T0_NS
    )
    subject.run(store.announce(event))
    assert subject.read(store) == record
