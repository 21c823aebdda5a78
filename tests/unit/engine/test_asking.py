"""A question is asked again, a bounded number of times, as late as the venue wants it."""

from __future__ import annotations

import asyncio

import pytest

from krakked.domain.errors import Permanent, Transient
from krakked.engine.asking import PAUSE_S, TRIES_MAX, patiently


class Watch:
    """Notes how long it was asked to wait."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def now_ns(self) -> int:
        return 0

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


class Venue:
    """Fails with these errors, one a call, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked = 0

    async def answer(self) -> str:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def test_question_without_an_answer_is_asked_again_after_a_pause() -> None:
    watch, venue = Watch(), Venue(Transient("lost"), Transient("busy", retry_after_s=7))
    assert asyncio.run(patiently(watch, venue.answer)) == "answer"
    assert venue.asked == 3
    assert watch.waits == [PAUSE_S, 7]


def test_venue_that_never_answers_is_given_up() -> None:
    watch, venue = Watch(), Venue(*(Transient(f"no {n}") for n in range(TRIES_MAX)))
    with pytest.raises(Transient, match=f"no {TRIES_MAX - 1}"):
        asyncio.run(patiently(watch, venue.answer))
    assert venue.asked == TRIES_MAX


def test_no_of_the_venue_is_not_asked_again() -> None:
    venue = Venue(Permanent("no"))
    with pytest.raises(Permanent):
        asyncio.run(patiently(Watch(), venue.answer))
    assert venue.asked == 1
