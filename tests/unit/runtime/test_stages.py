"""Stages: named, timed, told; a failing one ends the start with its exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from krakked.domain.errors import BadInput, BadKey, KrakkedError, Transient
from krakked.domain.events import Event, EventName
from krakked.runtime import simulated_time
from krakked.runtime.stages import Stages


class Stopwatch:
    def __init__(self, *readings: float) -> None:
        self.readings = list(readings)

    def __call__(self) -> float:
        return self.readings.pop(0)


def stages(events: list[Event], *readings: float) -> Stages:
    return Stages(
        listen=events.append, now_ns=lambda: 7, elapsed_s=Stopwatch(*readings, *([0.0] * 9))
    )


def play(work: Coroutine[Any, Any, Any]) -> Any:
    return simulated_time.run(work, start_ns=0, speed=None)


async def answer(value: int) -> int:
    return value


async def fail(error: Exception) -> None:
    raise error


def test_stage_gives_its_result_and_one_event() -> None:
    events: list[Event] = []
    runner = stages(events, 1.0, 1.25)
    assert play(runner.run("database", answer(42), timeout_s=1)) == 42
    assert events == [
        Event(name=EventName.STAGE_DONE, at_ns=7, fields={"stage": "database", "seconds": 0.25})
    ]
    assert runner.done == ["database"]
    assert repr(runner) == "<Stages done: database>"


@pytest.mark.parametrize(
    ("patience", "seconds", "words"),
    [
        (1.0, 2.9, []),
        (1.0, 4, ["reconcile: still waiting for the limit (3 s)"]),
        (
            1.0,
            40,
            [f"reconcile: still waiting for the limit ({told} s)" for told in (3, 18, 33)],
        ),
        (10.0, 40, ["reconcile: still waiting for the limit (3 s)"]),
        (None, 40, []),
    ],
)
def test_stage_that_takes_long_says_so_now_and_then(
    patience: float | None, seconds: float, words: list[str]
) -> None:
    events: list[Event] = []
    runner = Stages(
        listen=events.append, now_ns=lambda: 7, patience=patience, waits_for=lambda: "the limit"
    )
    play(runner.run("reconcile", asyncio.sleep(seconds), timeout_s=99))
    assert [event.fields["reason"] for event in events[:-1]] == words
    assert {event.name for event in events[:-1]} <= {EventName.NOTICE}
    assert events[-1].name is EventName.STAGE_DONE


def test_stage_that_is_over_says_nothing_more() -> None:
    events: list[Event] = []

    async def scenario() -> None:
        await stages(events).run("pairs", asyncio.sleep(4), timeout_s=9)
        await asyncio.sleep(60)

    play(scenario())
    assert [event.fields.get("reason") for event in events] == ["pairs: still waiting (3 s)", None]


def test_late_stage_ends_with_what_held_it_up_if_somebody_knows() -> None:
    events: list[Event] = []
    away = Transient("ws://127.0.0.1:1 does not answer")
    with pytest.raises(Transient) as caught:
        play(stages(events).run("streams", asyncio.sleep(9), timeout_s=1, why=lambda: away))
    assert caught.value is away
    assert (events[0].fields["reason"], events[0].fields["exit_code"]) == (str(away), 69)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInput("port taken", exit_code=74), 74),
        (Transient("no route"), 69),
        (BadKey("EAPI:Invalid key"), 77),
    ],
)
def test_failing_stage_is_told_with_reason_and_exit_code(error: KrakkedError, code: int) -> None:
    events: list[Event] = []
    with pytest.raises(type(error)) as caught:
        play(stages(events).run("venue reachable", fail(error), timeout_s=1))
    assert caught.value is error
    (event,) = events
    assert event.name is EventName.STAGE_FAILED
    assert event.fields["reason"] == str(error)
    assert event.fields["exit_code"] == code


def test_stage_that_takes_too_long_is_cancelled_and_named() -> None:
    events: list[Event] = []
    was_cancelled = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            was_cancelled.append(True)

    with pytest.raises(BadInput, match="warm-up: not done within 30 s") as caught:
        play(stages(events).run("warm-up", hang(), timeout_s=30))
    assert caught.value.exit_code == 75
    assert was_cancelled == [True]
    assert [event.name for event in events[-2:]] == [EventName.NOTICE, EventName.STAGE_FAILED]


def test_time_out_of_the_work_itself_is_not_the_stages() -> None:
    events: list[Event] = []
    with pytest.raises(TimeoutError, match="own"):
        play(stages(events).run("venue", fail(TimeoutError("own")), timeout_s=30))
    assert events == []


def test_bug_in_a_stage_passes_through_untold() -> None:
    events: list[Event] = []
    with pytest.raises(AssertionError):
        play(stages(events).run("venue", fail(AssertionError("broken")), timeout_s=30))
    assert events == []


def test_skipped_stage_says_why_and_is_not_done() -> None:
    events: list[Event] = []
    runner = stages(events)
    runner.skip("keys valid", "paper has no Kraken keys")
    assert events[0].fields["skipped"] == "paper has no Kraken keys"
    assert runner.done == []
    assert repr(runner) == "<Stages done: none>"


def test_stages_follow_one_another() -> None:
    events: list[Event] = []
    runner = stages(events)

    async def start() -> None:
        await runner.run("one", answer(1), timeout_s=1)
        await runner.run("two", answer(2), timeout_s=1)

    play(start())
    assert runner.done == ["one", "two"]
    assert [event.fields["stage"] for event in events] == ["one", "two"]


def test_error_without_words_is_told_by_its_name() -> None:
    events: list[Event] = []
    with pytest.raises(Transient):
        play(stages(events).run("venue", fail(Transient("")), timeout_s=1))
    assert events[0].fields["reason"] == "Transient"
