"""Spans: how long things took, read off the events that begin and end them.

    wish → wire       plan_created … order_sent
    wire → answer     order_sent … order_acked, order_rejected, order_unknown, order_error
    plan → done       plan_created … an answer to, or the end of, each of its legs
    books compared    told by the reconciliation itself

Times are those of the events, so of the engine's own clock: on a faster clock a span is longer. A
span whose beginning was before this process, or whose end never comes, is not told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeVar

from krakked.domain.events import Event, EventName
from krakked.domain.times import NS_PER_SECOND

OPEN_MAX: Final = 10_000
"""Spans that wait for their end; beyond it the oldest is forgotten."""

V = TypeVar("V")


class Told(Protocol):
    """Who is told of spans."""

    def observe_intent_to_submit(self, seconds: float) -> None: ...
    def observe_submit(self, seconds: float) -> None: ...
    def observe_plan(self, seconds: float) -> None: ...
    def observe_reconcile(self, seconds: float) -> None: ...


class _Plan:
    """A plan under way: when it was made, and its orders without an answer."""

    def __init__(self, began_ns: int, legs: int) -> None:
        self.began_ns = began_ns
        self.legs = legs
        self.answered: set[str] = set()


class Spans:
    """Pairs beginnings with ends."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._plans: dict[str, _Plan] = {}
        self._sent_ns: dict[str, int] = {}
        self._on_event: Mapping[EventName, Callable[[Event], None]] = {
            EventName.PLAN_CREATED: self._on_plan,
            EventName.ORDER_SENT: self._on_sent,
            EventName.ORDER_ERROR: self._on_answer,  # no end: the leg is tried again, or dropped
            EventName.ORDER_ACKED: self._on_last_answer,
            EventName.ORDER_REJECTED: self._on_last_answer,
            EventName.ORDER_UNKNOWN: self._on_last_answer,
            EventName.ORDER_VALIDATED: self._on_last_answer,
            EventName.ORDER_ENDED: self._on_end,  # not an answer: fills can be quicker than it
            EventName.RECONCILED: self._on_reconciled,
        }

    def __repr__(self) -> str:
        return f"<Spans {len(self._plans)} plans, {len(self._sent_ns)} orders>"

    def listen(self, event: Event) -> None:
        """Hear of a beginning or an end."""
        hear = self._on_event.get(event.name)
        if hear is not None:
            hear(event)

    def _on_plan(self, event: Event) -> None:
        legs = event.fields.get("legs")
        if isinstance(legs, int) and legs > 0:
            _put(self._plans, _text(event, "plan_id"), _Plan(event.at_ns, legs))

    def _on_sent(self, event: Event) -> None:
        _put(self._sent_ns, _text(event, "local_order_id"), event.at_ns)
        plan = self._plans.get(_text(event, "plan_id"))
        if plan is not None:
            self._told.observe_intent_to_submit(_seconds(plan.began_ns, event))

    def _on_answer(self, event: Event) -> None:
        sent_ns = self._sent_ns.pop(_text(event, "local_order_id"), None)
        if sent_ns is not None:
            self._told.observe_submit(_seconds(sent_ns, event))

    def _on_last_answer(self, event: Event) -> None:
        self._on_answer(event)
        self._on_end(event)

    def _on_end(self, event: Event) -> None:
        plan_id = _text(event, "plan_id")
        plan = self._plans.get(plan_id)
        if plan is None:
            return
        plan.answered.add(_text(event, "local_order_id"))
        if len(plan.answered) >= plan.legs:
            del self._plans[plan_id]
            self._told.observe_plan(_seconds(plan.began_ns, event))

    def _on_reconciled(self, event: Event) -> None:
        seconds = event.fields.get("seconds")
        if isinstance(seconds, (int, float)):
            self._told.observe_reconcile(seconds)


def _put(spans: dict[str, V], name: str, value: V) -> None:
    spans[name] = value
    if len(spans) > OPEN_MAX:
        del spans[next(iter(spans))]


def _text(event: Event, name: str) -> str:
    return str(event.fields.get(name))


def _seconds(began_ns: int, event: Event) -> float:
    return (event.at_ns - began_ns) / NS_PER_SECOND
