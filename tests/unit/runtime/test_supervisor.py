"""The supervisor: a task that fails ends the engine, a signal stops it, a second one hurries it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from krakked.domain.errors import BadInput, BadKey, Fenced, KrakkedError, LedgerFailed, Transient
from krakked.runtime import simulated_time
from krakked.runtime.supervisor import Supervisor, exit_code_of, hear_signals


def play(work: Coroutine[Any, Any, Any]) -> Any:
    return simulated_time.run(work, start_ns=0, speed=None)


@pytest.fixture(autouse=True)
def _plain_logs() -> None:
    structlog.reset_defaults()


async def forever() -> None:
    await asyncio.Event().wait()


async def fail(error: BaseException) -> None:
    await asyncio.sleep(1)
    raise error


def ended_by(error: BaseException) -> tuple[Supervisor, list[Any]]:
    async def scene() -> Supervisor:
        supervisor = Supervisor()
        supervisor.start("quotes", forever())
        supervisor.start("orders", fail(error))
        await supervisor.wait_for_end()
        await supervisor.stop()
        return supervisor

    with capture_logs() as lines:
        return play(scene()), lines


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LedgerFailed("disk full"), 73),
        (BadInput("bad"), 78),
        (BadKey("EAPI:Invalid key"), 77),
        (Fenced("EAPI:Invalid nonce"), 70),
        (Transient("gone"), 69),
        (AssertionError("books broken"), 71),
        (ZeroDivisionError("oops"), 71),
    ],
)
def test_task_that_fails_ends_the_engine_with_its_code_and_name(
    error: Exception, code: int
) -> None:
    supervisor, lines = ended_by(error)
    assert supervisor.exit_code == code
    assert supervisor.reason == f"task orders failed: {error}"
    (line,) = lines
    assert line["event"] == "task_failed"
    assert line["log_level"] == "critical"
    assert (line["task"], line["exit_code"]) == ("orders", code)


def test_traceback_is_logged_for_bugs_alone() -> None:
    _, (bug,) = ended_by(AssertionError("x"))
    assert isinstance(bug["exc_info"], AssertionError)
    _, (named,) = ended_by(Transient("x"))
    assert named["exc_info"] is None


def test_task_that_returns_although_it_should_not_has_failed() -> None:
    async def scene() -> Supervisor:
        supervisor = Supervisor()
        supervisor.start("orders", asyncio.sleep(1))
        await supervisor.wait_for_end()
        return supervisor

    with capture_logs():
        supervisor = play(scene())
    assert supervisor.exit_code == 71
    assert "returned although it should run for ever" in supervisor.reason


def test_task_cancelled_by_somebody_else_has_failed() -> None:
    async def scene() -> Supervisor:
        supervisor = Supervisor()
        supervisor.start("orders", forever())
        await asyncio.sleep(1)
        next(t for t in asyncio.all_tasks() if t.get_name() == "orders").cancel()
        await supervisor.wait_for_end()
        return supervisor

    with capture_logs():
        assert play(scene()).exit_code == 71


def test_first_failure_counts() -> None:
    async def scene() -> Supervisor:
        supervisor = Supervisor()
        supervisor.start("first", fail(LedgerFailed("disk full")))
        supervisor.start("second", fail(AssertionError("because of it")))
        await asyncio.sleep(2)
        return supervisor

    with capture_logs() as lines:
        supervisor = play(scene())
    assert supervisor.exit_code == 73
    assert "first" in supervisor.reason
    assert len(lines) == 2


def test_failure_while_stopping_is_not_lost() -> None:
    async def bad_end() -> None:
        try:
            await forever()
        finally:
            raise LedgerFailed("disk full at the end")

    async def scene() -> Supervisor:
        supervisor = Supervisor()
        supervisor.start("orders", bad_end())
        await asyncio.sleep(1)
        supervisor.request_stop("SIGTERM")
        await supervisor.stop()
        return supervisor

    with capture_logs():
        supervisor = play(scene())
    assert (supervisor.reason, supervisor.exit_code) == (
        "task orders failed: disk full at the end",
        73,
    )


def test_wish_to_stop_does_not_hide_the_failure_before_it() -> None:
    supervisor = Supervisor()
    supervisor.request_stop("task orders failed: disk full", 73)
    supervisor.request_stop("SIGTERM")
    supervisor.request_stop("task fills failed: because of it", 71)
    assert (supervisor.reason, supervisor.exit_code) == ("task orders failed: disk full", 73)


def test_tasks_are_stopped_newest_first_or_by_name() -> None:
    ended: list[str] = []

    async def note(name: str) -> None:
        try:
            await forever()
        finally:
            ended.append(name)

    async def scene() -> None:
        supervisor = Supervisor()
        for name in ("feed", "cycles", "orders", "mark"):
            supervisor.start(name, note(name))
        await asyncio.sleep(1)
        assert supervisor.task_names == ("feed", "cycles", "orders", "mark")
        await supervisor.stop("cycles", "mark")
        assert ended == ["mark", "cycles"]
        assert not supervisor.is_ending
        await supervisor.stop()

    play(scene())
    assert ended == ["mark", "cycles", "orders", "feed"]


def test_stop_waits_for_what_a_task_does_at_its_end() -> None:
    done: list[float] = []

    async def slow_end() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(5)
            done.append(asyncio.get_running_loop().time())

    async def scene() -> None:
        supervisor = Supervisor()
        supervisor.start("orders", slow_end())
        await asyncio.sleep(1)
        await supervisor.stop()
        assert done == [6.0]

    play(scene())


def test_two_tasks_of_one_name_are_a_bug() -> None:
    async def scene() -> None:
        supervisor = Supervisor()
        supervisor.start("orders", forever())
        again = forever()
        try:
            with pytest.raises(AssertionError, match="two tasks named orders"):
                supervisor.start("orders", again)
        finally:
            again.close()
            await supervisor.stop()

    play(scene())


def test_state_can_be_read() -> None:
    async def scene() -> None:
        supervisor = Supervisor()
        assert repr(supervisor) == "<Supervisor running; no tasks>"
        supervisor.start("orders", forever())
        assert repr(supervisor) == "<Supervisor running; orders>"
        supervisor.request_stop("SIGINT")
        assert repr(supervisor) == "<Supervisor ending: SIGINT; orders>"
        await supervisor.stop()

    play(scene())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_stops_and_second_hurries(number: signal.Signals) -> None:
    async def scene() -> None:
        supervisor = Supervisor()
        undo = hear_signals(supervisor)
        try:
            os.kill(os.getpid(), number)
            await supervisor.wait_for_end()
            assert (supervisor.reason, supervisor.exit_code) == (number.name, 0)
            assert not supervisor.is_hurried
            os.kill(os.getpid(), number)
            assert await supervisor.unless_hurried(asyncio.sleep(60, "slow")) is None
        finally:
            undo()
        assert supervisor.is_hurried

    asyncio.run(scene())


def test_work_that_is_not_hurried_gives_its_result() -> None:
    assert play(Supervisor().unless_hurried(asyncio.sleep(60, "done"))) == "done"


def test_work_that_fails_is_not_taken_for_hurried() -> None:
    with pytest.raises(LedgerFailed, match="disk full"):
        play(Supervisor().unless_hurried(fail(LedgerFailed("disk full"))))


def test_work_that_is_hurried_is_over_when_that_is_told() -> None:
    async def careful(done: list[str]) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(3)
            done.append("cleaned up")

    async def scene() -> list[str]:
        supervisor, done = Supervisor(), []
        asyncio.get_running_loop().call_later(1, supervisor.request_hurry)
        assert await supervisor.unless_hurried(careful(done)) is None
        return done

    assert play(scene()) == ["cleaned up"]


def test_work_is_cancelled_with_who_waits_for_it() -> None:
    async def scene() -> asyncio.Task[object]:
        work = asyncio.create_task(asyncio.sleep(60))

        async def wait_for_it() -> None:
            await work

        waiting = asyncio.create_task(Supervisor().unless_hurried(wait_for_it()))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.wait((waiting,))
        assert waiting.cancelled()
        await asyncio.sleep(0)
        return work

    assert play(scene()).cancelled()


def test_signals_are_given_back_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def scene() -> None:
        hear_signals(Supervisor())()

    asyncio.run(scene())
    assert signal.getsignal(signal.SIGTERM) is before


def test_program_that_ends_well_gives_its_code() -> None:
    assert exit_code_of(lambda: 3) == 3


def test_program_that_meets_a_bug_is_logged_and_ends_with_71() -> None:
    def broken() -> int:
        raise AssertionError("books broken")

    with capture_logs() as lines:
        assert exit_code_of(broken) == 71
    assert lines[0]["event"] == "task_failed"
    assert lines[0]["task"] == "main"
    assert isinstance(lines[0]["exc_info"], AssertionError)


def test_program_that_is_interrupted_ends_with_130() -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    assert exit_code_of(interrupted) == 130


def test_what_a_person_can_mend_passes_on_to_the_command_line() -> None:
    def bad() -> int:
        raise BadInput("mend it")

    with pytest.raises(KrakkedError, match="mend it"):
        exit_code_of(bad)


def test_task_that_ends_by_itself_while_another_is_stopped_is_no_trouble() -> None:
    async def main() -> None:
        supervisor = Supervisor()
        over = asyncio.Event()

        async def first() -> None:
            await over.wait()

        async def second() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                over.set()
                await asyncio.sleep(0)

        supervisor.start("first", first())
        supervisor.start("second", second())
        await asyncio.sleep(0)
        await supervisor.stop()
        assert supervisor.task_names == ()

    asyncio.run(main())
