"""The order of acceptances, as far as somebody between engines and venue can know it."""

from __future__ import annotations

import pytest
from tests.chaos.tape import Entry, Tape, answer, late_acceptances

from krakked.adapters.kraken.nonces import nonce_of


def entry(epoch: int, handed_at_s: float, answered_at_s: float | None, **more: object) -> Entry:
    given: dict[str, object] = {"sender": "a", "method": "AddOrder", "key": "trade"}
    given |= {"is_accepted": answered_at_s is not None} | more
    tick = int(handed_at_s * 1000) + 1
    return Entry(
        nonce=nonce_of(epoch, tick), handed_at_s=handed_at_s, answered_at_s=answered_at_s, **given
    )


def test_older_epoch_accepted_after_a_newer_ones_answer_is_told() -> None:
    found = late_acceptances([entry(2, 1.0, 1.1), entry(1, 1.2, 1.3)])
    assert len(found) == 1
    assert "epoch 1" in found[0]
    assert "after one of epoch 2" in found[0]


def test_older_epoch_handed_on_before_the_newer_ones_answer_is_no_proof() -> None:
    assert late_acceptances([entry(2, 1.0, 1.1), entry(1, 1.05, 1.3)]) == []


@pytest.mark.parametrize("accepted", [None, False])
def test_older_epoch_that_was_not_seen_accepted_is_none_either(accepted: bool | None) -> None:
    late = entry(1, 1.2, 1.3, is_accepted=accepted)
    assert late_acceptances([entry(2, 1.0, 1.1), late]) == []


def test_nonces_of_another_key_are_another_order() -> None:
    assert late_acceptances([entry(2, 1.0, 1.1), entry(1, 1.2, 1.3, key="query")]) == []


def test_epochs_that_grow_are_all_right_however_many() -> None:
    assert late_acceptances([entry(n, n, n + 0.5) for n in range(1, 50)]) == []


@pytest.mark.parametrize(
    "body", [b"nonce=2000010000000000005&cl_ord_id=x-1", b'{"nonce":2000010000000000005}']
)
def test_call_is_noted_with_its_epoch_whatever_its_form(body: bytes) -> None:
    tape = Tape()
    noted = tape.call("a", "/0/private/AddOrder", "k", body, 1.0)
    assert noted is not None
    assert (noted.epoch, noted.method, noted.is_accepted) == (1, "AddOrder", None)


def test_public_questions_are_not_on_the_tape() -> None:
    assert Tape().call("a", "/0/public/Time", "", b"", 1.0) is None


def test_answer_with_an_error_is_a_refusal_and_counted_by_its_words() -> None:
    tape = Tape()
    for _ in range(2):
        noted = tape.call("a", "/0/private/AddOrder", "k", b"nonce=1", 1.0)
        answer(noted, b'{"error":["EAPI:Invalid nonce"]}', 2.0)
    assert tape.accepted() == []
    assert tape.refusals() == {"EAPI:Invalid nonce": 2}


def test_answer_that_is_no_json_leaves_open_what_became_of_the_call() -> None:
    noted = entry(1, 1.0, None, is_accepted=None)
    answer(noted, b"<html>", 2.0)
    assert noted.is_accepted is None
