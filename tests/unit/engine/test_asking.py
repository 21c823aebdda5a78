"""A question is asked again, a bounded number of times, as late as the venue wants it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from krakked.domain.errors import Permanent, Transient
from krakked.engine.asking import (
    AGREE_PAUSE_S,
    AGREE_TRIES_MAX,
    PAUSE_S,
    TRIES_MAX,
    agree,
    patiently,
)


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


class Books:
    """An engine whose comparisons answer as scripted, one a pass."""

    def __init__(self, *passes: tuple[int, bool], unknown: int = 0) -> None:
        self.passes = list(passes)
        self.unknown = unknown
        self.compared = 0
        self.first: list[bool] = []
        self.is_settled = False
        self.desk = self.account = self.reconciler = self
        self.clock = Watch()

    def unknown_pairs(self) -> tuple[str, ...]:
        self.unknown -= 1
        return ("XBTUSD",) if self.unknown >= 0 else ()

    async def reconcile(self, *, is_first: bool) -> list[str]:
        self.compared += 1
        self.first.append(is_first)
        count, self.is_settled = self.passes[min(self.compared, len(self.passes)) - 1]
        return ["difference"] * count


def agreed(books: Any, *, waits_for_unknown: bool = False, is_first: bool = False) -> int:
    differences = agree(books, waits_for_unknown=waits_for_unknown, is_first=is_first)
    return len(asyncio.run(differences))


def test_books_that_agree_are_asked_for_once() -> None:
    books = Books((0, True))
    assert (agreed(books), books.compared, books.clock.waits) == (0, 1, [])


def test_young_difference_is_waited_for_until_it_is_explained() -> None:
    books = Books((2, False), (1, False), (0, True))
    assert agreed(books) == 0
    assert books.compared == 3
    assert books.clock.waits == [AGREE_PAUSE_S, AGREE_PAUSE_S]


def test_only_the_first_pass_of_a_start_reads_what_happened_whatever_the_books_say() -> None:
    books = Books((2, False), (1, False), (0, True))
    agreed(books, is_first=True)
    assert books.first == [True, False, False]


def test_difference_that_had_its_patience_is_not_waited_for() -> None:
    books = Books((1, True))
    assert (agreed(books), books.compared) == (1, 1)


def test_difference_that_never_settles_is_given_up_in_the_end() -> None:
    books = Books((1, False))
    assert (agreed(books), books.compared) == (1, AGREE_TRIES_MAX)


@pytest.mark.parametrize(("waits", "compared"), [(False, 1), (True, 3)])
def test_order_in_doubt_is_waited_for_at_the_end_and_not_at_the_start(
    waits: bool, compared: int
) -> None:
    books = Books((0, True), unknown=2)
    assert agreed(books, waits_for_unknown=waits) == 0
    assert books.compared == compared
