"""Spans: pairs of events become durations; what has no beginning or no end is not told."""

from __future__ import annotations

import pytest

from krakked.domain.events import Event, EventName
from krakked.domain.times import NS_PER_SECOND
from krakked.runtime import spans
from krakked.runtime.spans import Spans


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.all: list[tuple[str, float]] = []

    def observe_intent_to_submit(self, seconds: float) -> None:
        self.all.append(("wish", seconds))

    def observe_submit(self, seconds: float) -> None:
        self.all.append(("answer", seconds))

    def observe_plan(self, seconds: float) -> None:
        self.all.append(("plan", seconds))

    def observe_reconcile(self, seconds: float) -> None:
        self.all.append(("reconcile", seconds))


class Story:
    """Events one after the other."""

    def __init__(self) -> None:
        self.told = Told()
        self.spans = Spans(self.told)

    def plan(self, at_s: float, legs: int = 1, plan: str = "p") -> None:
        self.hear(EventName.PLAN_CREATED, at_s, plan_id=plan, legs=legs)

    def order(self, name: EventName, at_s: float, order: str = "o", plan: str = "p") -> None:
        self.hear(name, at_s, plan_id=plan, local_order_id=order)

    def hear(self, name: EventName, at_s: float, **fields: object) -> None:
        self.spans.listen(Event(name=name, at_ns=int(at_s * NS_PER_SECOND), fields=fields))


@pytest.fixture
def story() -> Story:
    return Story()


def test_order_is_timed_from_its_plan_to_the_wire_and_from_there_to_its_answer(
    story: Story,
) -> None:
    story.plan(1)
    story.order(EventName.ORDER_SENT, 1.5)
    story.order(EventName.ORDER_ACKED, 3.5)
    assert story.told.all == [("wish", 0.5), ("answer", 2.0), ("plan", 2.5)]


@pytest.mark.parametrize(
    "answer", [EventName.ORDER_REJECTED, EventName.ORDER_UNKNOWN, EventName.ORDER_ACKED]
)
def test_every_last_answer_ends_the_plan_of_one_leg(story: Story, answer: EventName) -> None:
    story.plan(0)
    story.order(EventName.ORDER_SENT, 1)
    story.order(answer, 2)
    assert ("plan", 2.0) in story.told.all
    assert repr(story.spans) == "<Spans 0 plans, 0 orders>"


def test_try_that_failed_is_an_answer_but_not_the_end_of_the_plan(story: Story) -> None:
    story.plan(0)
    story.order(EventName.ORDER_SENT, 1)
    story.order(EventName.ORDER_ERROR, 2)
    assert [what for what, _ in story.told.all] == ["wish", "answer"]
    story.order(EventName.ORDER_SENT, 3)
    story.order(EventName.ORDER_ACKED, 5)
    assert story.told.all[2:] == [("wish", 3.0), ("answer", 2.0), ("plan", 5.0)]


def test_plan_is_done_when_its_last_leg_has_its_answer(story: Story) -> None:
    story.plan(0, legs=2)
    for order, at_s in (("a", 1), ("b", 2)):
        story.order(EventName.ORDER_SENT, at_s, order)
        assert ("plan", at_s) not in story.told.all
        story.order(EventName.ORDER_ACKED, at_s, order)
    assert [told for told in story.told.all if told[0] == "plan"] == [("plan", 2.0)]


def test_answer_and_end_of_one_leg_do_not_count_for_two(story: Story) -> None:
    story.plan(0, legs=2)
    story.order(EventName.ORDER_SENT, 1, "a")
    story.order(EventName.ORDER_ACKED, 1, "a")
    story.order(EventName.ORDER_ENDED, 1, "a")
    assert "plan" not in [what for what, _ in story.told.all]


def test_leg_that_is_dropped_unsent_ends_its_part_of_the_plan(story: Story) -> None:
    story.plan(0)
    story.order(EventName.ORDER_ENDED, 4)
    assert story.told.all == [("plan", 4.0)]


def test_end_that_is_quicker_than_the_answer_does_not_stand_for_it(story: Story) -> None:
    story.plan(0)
    story.order(EventName.ORDER_SENT, 1)
    story.order(EventName.ORDER_ENDED, 2)
    story.order(EventName.ORDER_ACKED, 3)
    assert ("answer", 2.0) in story.told.all


def test_what_began_before_this_process_is_not_told(story: Story) -> None:
    story.order(EventName.ORDER_ACKED, 1)
    story.order(EventName.ORDER_ENDED, 2)
    assert story.told.all == []


def test_plan_without_legs_is_not_waited_for(story: Story) -> None:
    story.plan(0, legs=0)
    assert repr(story.spans) == "<Spans 0 plans, 0 orders>"


def test_reconciliation_tells_its_own_time(story: Story) -> None:
    story.hear(EventName.RECONCILED, 9, differences=0, seconds=0.5)
    story.hear(EventName.RECONCILED, 9, differences=0)
    assert story.told.all == [("reconcile", 0.5)]


def test_spans_without_an_end_are_forgotten_oldest_first(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "OPEN_MAX", 2)
    for number in range(5):
        story.plan(number, plan=f"p{number}")
        story.order(EventName.ORDER_SENT, number, f"o{number}", f"p{number}")
    assert repr(story.spans) == "<Spans 2 plans, 2 orders>"
    story.told.all.clear()
    story.order(EventName.ORDER_ACKED, 9, "o0", "p0")
    assert story.told.all == []
    story.order(EventName.ORDER_ACKED, 9, "o4", "p4")
    assert story.told.all == [("answer", 5.0), ("plan", 5.0)]
