"""The loop of a world: time jumps, chance orders what is ready, processes die and stand still."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from random import Random
from typing import Any

import pytest

from krakked.domain.times import NS_PER_SECOND
from krakked.worlds.loop import PROCESS, TASKS_KEPT, Process, WorldLoop, WorldStuck

START_NS = 1_767_571_200 * NS_PER_SECOND


def order_of(make_lab: Any, seed: int | None, count: int = 12) -> list[int]:
    """In which order callbacks run that are ready together."""
    lab = make_lab(None if seed is None else Random(seed))
    seen: list[int] = []
    for number in range(count):
        lab.loop.call_soon(seen.append, number)
    lab.pass_(1.0)
    return seen


# order


def test_same_seed_same_order_and_another_seed_another(make_lab: Any) -> None:
    assert order_of(make_lab, 1) == order_of(make_lab, 1)
    assert order_of(make_lab, 1) != order_of(make_lab, 2)


def test_every_callback_runs_once_whatever_the_order(make_lab: Any) -> None:
    assert sorted(order_of(make_lab, 3)) == list(range(12))


def test_without_a_seed_the_order_is_that_of_coming(make_lab: Any) -> None:
    assert order_of(make_lab, None) == list(range(12))


def test_order_comes_from_the_handed_in_generator_and_from_nothing_else(make_lab: Any) -> None:
    import random

    random.seed(1)
    first = order_of(make_lab, 5)
    random.seed(2)
    assert order_of(make_lab, 5) == first


def test_timers_that_are_due_together_are_shuffled_too(make_lab: Any) -> None:
    found = []
    for seed in (1, 2, 3):
        lab, seen = make_lab(Random(seed)), []
        for number in range(12):
            lab.loop.call_at(1.0, seen.append, number)
        lab.pass_(2.0)
        found.append(seen)
    assert [sorted(seen) for seen in found] == [list(range(12))] * 3
    assert found[0] != found[1] != found[2]


def test_what_a_callback_schedules_never_runs_before_it(make_lab: Any) -> None:
    for seed in range(20):
        lab = make_lab(Random(seed))
        seen: list[str] = []

        def cause(name: str, lab: Any = lab, seen: list[str] = seen) -> None:
            seen.append(name)
            lab.loop.call_soon(seen.append, name + " effect")

        for name in "abc":
            lab.loop.call_soon(cause, name)
        lab.pass_(1.0)
        for name in "abc":
            assert seen.index(name) < seen.index(name + " effect")


def test_all_that_wait_for_a_future_are_called_once_after_it_is_done(make_lab: Any) -> None:
    orders = set()
    for seed in range(10):
        lab = make_lab(Random(seed))
        future = lab.loop.create_future()
        seen: list[int] = []
        for number in range(4):
            future.add_done_callback(lambda _, number=number, seen=seen: seen.append(number))
        lab.pass_(1.0)
        assert seen == []
        future.set_result(None)
        lab.pass_(1.0)
        assert sorted(seen) == [0, 1, 2, 3]
        orders.add(tuple(seen))
    assert len(orders) > 1


def test_timers_of_different_instants_keep_their_order_under_every_seed(make_lab: Any) -> None:
    for seed in range(10):
        lab, seen = make_lab(Random(seed)), []
        for delay_us in (7, 3, 5, 1):
            lab.loop.call_later(delay_us / 1_000_000, seen.append, delay_us)
        lab.pass_(1.0)
        assert seen == [1, 3, 5, 7]


def test_a_cancelled_step_lets_go_of_what_it_would_have_used(lab: Any) -> None:
    class Heavy:
        pass

    heavy = Heavy()
    seen = weakref.ref(heavy)
    step = lab.loop.call_later(60.0, print, heavy)
    del heavy
    assert not step.cancelled()
    step.cancel()
    assert step.cancelled()
    assert seen() is None


def test_a_step_shows_what_it_is(lab: Any) -> None:
    assert "test_a_step_shows" in repr(lab.loop.call_soon(lambda: None))
    step = lab.loop.call_later(1.0, print)
    assert step.when() == 1.0
    assert "print" in repr(step)
    assert "when=1.0" in repr(step)
    step.cancel()
    assert "cancelled" in repr(step)


def test_cancelled_callbacks_and_timers_never_run(lab: Any) -> None:
    seen: list[str] = []
    lab.loop.call_soon(seen.append, "soon").cancel()
    lab.loop.call_later(1.0, seen.append, "later").cancel()
    lab.loop.call_later(2.0, seen.append, "kept")
    lab.pass_(3.0)
    assert seen == ["kept"]


# time


def test_time_jumps_to_the_next_timer_and_starts_at_nothing(lab: Any) -> None:
    assert lab.loop.now_us() == 0
    lab.pass_(86_400.0)
    assert lab.loop.now_us() == 86_400_000_000
    assert lab.loop.now_ns() == START_NS + 86_400 * NS_PER_SECOND
    assert lab.loop.time() == 86_400.0


def test_time_stands_while_something_is_ready(lab: Any) -> None:
    seen: list[int] = []

    async def busy() -> None:
        for _ in range(100):
            await asyncio.sleep(0)
            seen.append(lab.loop.now_us())

    lab.run(busy())
    assert seen == [0] * 100


def test_what_is_due_in_the_past_runs_now_and_time_never_goes_back(lab: Any) -> None:
    lab.pass_(5.0)
    seen: list[int] = []
    lab.loop.call_at(1.0, lambda: seen.append(lab.loop.now_us()))
    lab.pass_(1.0)
    assert seen == [5_000_000]


def test_nanoseconds_that_are_no_whole_microsecond_are_cut_off() -> None:
    loop = WorldLoop(start_ns=START_NS + 1_999, order=None)
    assert loop.now_ns() == START_NS + 1_000
    loop.close()


def test_a_world_in_which_nothing_can_happen_any_more_says_so(lab: Any) -> None:
    with pytest.raises(WorldStuck, match="stands still"):
        lab.run(never(lab.loop))


def test_a_world_in_which_time_does_not_go_on_says_so(lab: Any) -> None:
    """Somebody who waits for nothing, again and again, would else hang all that play worlds."""

    def again() -> None:
        lab.loop.call_soon(again)

    again()
    with pytest.raises(WorldStuck, match="spins"):
        lab.pass_(1.0)


async def never(loop: WorldLoop) -> None:
    await loop.create_future()


def test_time_outs_are_of_the_worlds_time(lab: Any) -> None:
    async def wait() -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30.0):
                await never(lab.loop)
        return lab.loop.now_us()

    assert lab.run(wait()) == 30_000_000


# death


def test_a_killed_process_never_runs_again_not_even_its_finally(lab: Any, process: Process) -> None:
    seen: list[str] = []

    async def live() -> None:
        try:
            while True:
                seen.append("step")
                await asyncio.sleep(1.0)
        finally:
            seen.append("finally")

    lab.start(live(), process)
    lab.pass_(2.5)
    process.kill()
    lab.pass_(1_000.0)
    assert seen == ["step"] * 3
    assert process.is_dead


def test_tasks_of_a_dead_process_are_kept_so_that_throwing_them_away_tidies_nothing_up(
    lab: Any, process: Process
) -> None:
    seen: list[str] = []

    async def child() -> None:
        try:
            await never(lab.loop)
        finally:
            seen.append("finally")

    async def live() -> None:
        lab.loop.create_task(child())
        await asyncio.sleep(1.0)

    lab.start(live(), process)
    lab.pass_(0.5)
    process.kill()
    lab.pass_(10.0)
    gc.collect()
    assert seen == []
    assert lab.loop.problems == []


def test_tasks_that_are_done_are_not_kept_while_their_process_lives(
    lab: Any, process: Process
) -> None:
    grave: list[weakref.ref[asyncio.Task[None]]] = []

    async def brief() -> None:
        await asyncio.sleep(0.001)

    async def busy() -> None:
        for _ in range(10 * TASKS_KEPT):
            task = asyncio.create_task(brief())
            grave.append(weakref.ref(task))
            await task

    lab.start(busy(), process)
    lab.pass_(10.0)
    gc.collect()
    assert len(grave) == 10 * TASKS_KEPT
    assert sum(each() is not None for each in grave) <= 2 * TASKS_KEPT


def test_cancelling_a_task_of_a_dead_process_wakes_nothing(lab: Any, process: Process) -> None:
    seen: list[str] = []

    async def live() -> None:
        try:
            await asyncio.sleep(10.0)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    task = lab.start(live(), process)
    lab.pass_(1.0)
    process.kill()
    task.cancel()
    lab.pass_(20.0)
    assert seen == []
    assert not task.done()


def test_tasks_and_callbacks_belong_to_the_process_of_who_made_them(
    lab: Any, process: Process
) -> None:
    whose: list[Process | None] = []

    async def child() -> None:
        whose.append(PROCESS.get())
        lab.loop.call_soon(lambda: whose.append(PROCESS.get()))
        lab.loop.call_later(1.0, lambda: whose.append(PROCESS.get()))

    async def parent() -> None:
        await asyncio.gather(child(), asyncio.create_task(child()))

    lab.start(parent(), process)
    lab.pass_(5.0)
    assert whose == [process] * 6


def test_a_kill_at_step_n_lies_between_two_steps(lab: Any) -> None:
    for dies_at in range(1, 8):
        process, seen = Process("p"), []
        process.dies_at_step = dies_at

        async def live(seen: list[str] = seen) -> None:
            while True:
                seen.append("begun")
                seen.append("ended")
                await asyncio.sleep(0.001)

        lab.start(live(), process)
        lab.pass_(1.0)
        assert process.is_dead
        assert seen == ["begun", "ended"] * ((dies_at) // 2), "no step is cut in its middle"
        assert process.steps == dies_at, "the step it dies at is counted, and not run"


def test_every_step_is_a_place_to_die(lab: Any) -> None:
    """However short, each await of a process is the last one under some number."""
    reached = set()
    for dies_at in range(1, 12):
        process, seen = Process("p"), []
        process.dies_at_step = dies_at

        async def live(seen: list[int] = seen) -> None:
            for number in range(5):
                seen.append(number)
                await asyncio.sleep(0)

        lab.start(live(), process)
        lab.pass_(1.0)
        reached.add(len(seen))
    assert reached == {0, 1, 2, 3, 4, 5}


def test_a_death_is_told_once(process: Process) -> None:
    told: list[str] = []
    process.on_death = lambda: told.append(repr(process))
    process.kill()
    process.kill()
    assert told == ["<Process a.1 dead, 0 steps>"]


def test_another_process_goes_on_when_one_dies(lab: Any, process: Process) -> None:
    other, seen = Process("b.1"), []

    async def live(name: str) -> None:
        while True:
            seen.append(name)
            await asyncio.sleep(1.0)

    lab.start(live("a"), process)
    lab.start(live("b"), other)
    lab.pass_(1.5)
    process.kill()
    lab.pass_(2.0)
    assert seen == ["a", "b", "a", "b", "b", "b"]


def test_a_process_may_kill_itself_in_the_middle_of_a_step_and_ends_it(
    lab: Any, process: Process
) -> None:
    seen: list[str] = []

    async def live() -> None:
        process.kill()
        seen.append("rest of the step")
        await asyncio.sleep(0)
        seen.append("next step")

    lab.start(live(), process)
    lab.pass_(1.0)
    assert seen == ["rest of the step"]


# standing still


def test_a_stopped_process_runs_nothing_and_what_came_meanwhile_comes_then(
    lab: Any, process: Process
) -> None:
    seen: list[tuple[str, int]] = []

    def note(name: str) -> None:
        seen.append((name, lab.loop.now_us() // 1_000_000))

    context = lab.context(process)
    for second in (1, 2, 3):
        lab.loop.call_later(second, note, f"due at {second}", context=context)
    process.stop()
    lab.pass_(10.0)
    assert seen == []
    process.go_on(lab.loop)
    lab.pass_(1.0)
    assert seen == [("due at 1", 10), ("due at 2", 10), ("due at 3", 10)]


def test_a_stopped_process_can_be_killed_and_what_waited_is_gone(
    lab: Any, process: Process
) -> None:
    seen: list[str] = []
    lab.loop.call_later(1.0, seen.append, "late", context=lab.context(process))
    process.stop()
    lab.pass_(2.0)
    process.kill()
    process.go_on(lab.loop)
    lab.pass_(5.0)
    assert seen == []


def test_a_step_that_waits_is_not_counted_before_it_runs(lab: Any, process: Process) -> None:
    lab.loop.call_later(1.0, lambda: None, context=lab.context(process))
    process.stop()
    lab.pass_(2.0)
    assert process.steps == 0
    process.go_on(lab.loop)
    lab.pass_(1.0)
    assert process.steps == 1


def test_frozen_clocks_shift_the_timers_of_that_process_and_of_nobody_else(
    lab: Any, process: Process
) -> None:
    other, seen = Process("b.1"), {}

    def note(name: str) -> None:
        seen[name] = lab.loop.now_us() / 1_000_000

    lab.loop.call_later(10.0, note, "frozen", context=lab.context(process))
    lab.loop.call_later(10.0, note, "other", context=lab.context(other))
    lab.loop.call_later(10.0, note, "world")
    lab.pass_(4.0)
    process.stop()
    lab.pass_(3.0)
    process.go_on(lab.loop, frozen_us=3_000_000)
    lab.pass_(20.0)
    assert seen == {"frozen": 13.0, "other": 10.0, "world": 10.0}


def test_a_frozen_timer_that_would_have_come_due_meanwhile_is_later_by_as_much(
    lab: Any, process: Process
) -> None:
    """Its clock stood: what was two seconds ahead is two seconds ahead when it goes on."""
    seen: list[int] = []
    context = lab.context(process)
    lab.loop.call_later(2.0, lambda: seen.append(lab.loop.now_us()), context=context)
    process.stop()
    lab.pass_(60.0)
    process.go_on(lab.loop, frozen_us=60_000_000)
    lab.pass_(10.0)
    assert seen == [62_000_000]


def test_two_freezes_add_up_and_timers_set_between_them_are_shifted_by_the_second_alone(
    lab: Any, process: Process
) -> None:
    seen: dict[str, int] = {}
    context = lab.context(process)

    def note(name: str) -> None:
        seen[name] = lab.loop.now_us() // 1_000_000

    def freeze(seconds: float) -> None:
        process.stop()
        lab.pass_(seconds)
        process.go_on(lab.loop, frozen_us=int(seconds * 1_000_000))

    lab.loop.call_later(100.0, note, "before both", context=context)
    freeze(5.0)
    lab.loop.call_later(100.0, note, "between", context=context)
    freeze(7.0)
    lab.pass_(200.0)
    assert seen == {"before both": 112, "between": 112}


# complaints


def test_exceptions_of_callbacks_are_collected_and_the_world_goes_on(lab: Any) -> None:
    def fail() -> None:
        raise ValueError("a bug of ours")

    lab.loop.call_soon(fail)
    lab.pass_(1.0)
    assert [str(problem["exception"]) for problem in lab.loop.problems] == ["a bug of ours"]


def test_an_exception_of_a_task_that_nobody_asks_for_is_collected(lab: Any) -> None:
    async def fail() -> None:
        raise ValueError("lost")

    lab.loop.create_task(fail())
    lab.pass_(1.0)
    gc.collect()
    assert any(str(p.get("exception")) == "lost" for p in lab.loop.problems)


def test_calls_from_elsewhere_take_their_turn_since_there_are_no_threads(lab: Any) -> None:
    seen: list[str] = []
    lab.loop.call_soon_threadsafe(seen.append, "came")
    lab.pass_(0.0)
    assert seen == ["came"]


def test_a_frozen_clock_stands_for_its_own_process_and_goes_on_for_all_others(
    lab: Any, process: Process
) -> None:
    """What measures a span by the loop's time measures what its machine would measure."""
    seen: dict[str, float] = {}

    def note(name: str) -> None:
        seen[name] = lab.loop.time()

    process.stop()
    lab.pass_(60.0)
    process.go_on(lab.loop, frozen_us=60_000_000)
    lab.loop.call_soon(note, "frozen", context=lab.context(process))
    lab.loop.call_soon(note, "other", context=lab.context(Process("b.1")))
    lab.pass_(0.0)
    assert seen == {"frozen": 0.0, "other": 60.0}


def test_after_a_freeze_waits_and_time_outs_of_that_process_are_as_long_as_they_say(
    lab: Any, process: Process
) -> None:
    process.frozen_us = 60_000_000
    ended_us: list[int] = []

    async def live() -> None:
        await asyncio.sleep(1.0)
        ended_us.append(lab.loop.now_us())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await never(lab.loop)
        ended_us.append(lab.loop.now_us())

    lab.start(live(), process)
    lab.pass_(10.0)
    assert ended_us == [1_000_000, 3_000_000]


# clocks that drift


def drifting(lab: Any, ppm: int, waits_s: list[float]) -> list[tuple[float, float]]:
    """What a process on such a machine reads after each wait, and the world's own time then."""
    seen: list[tuple[float, float]] = []

    async def live() -> None:
        for wait_s in waits_s:
            await asyncio.sleep(wait_s)
            seen.append((lab.loop.time(), lab.loop.now_us() / 1e6))

    lab.start(live(), Process("a.1", drift_ppm=ppm))
    lab.pass_(sum(waits_s) * 1.1)
    return seen


@pytest.mark.parametrize("ppm", [-20_000, -137, 0, 20, 137, 20_000])
def test_a_drifting_process_waits_by_its_own_clock_and_never_wakes_too_soon(
    lab: Any, ppm: int
) -> None:
    waits_s = [0.000001, 0.3, 7.0, 60.0, 0.123457]
    seen = drifting(lab, ppm, waits_s)
    assert len(seen) == len(waits_s)
    own_s = 0.0
    for wait_s, (read_s, world_s) in zip(waits_s, seen, strict=True):
        own_s += wait_s
        assert 0 <= read_s - own_s < 10e-6
        assert world_s == pytest.approx(own_s / (1 + ppm / 1e6), abs=10e-6)
        own_s = read_s


def test_a_clock_that_is_fast_shows_more_than_the_worlds_and_the_worlds_shows_its_own(
    lab: Any,
) -> None:
    fast, slow = Process("a.1", drift_ppm=20_000), Process("b.1", drift_ppm=-20_000)
    lab.pass_(100.0)
    assert [lab.loop.own_us(one) for one in (fast, slow, None)] == [
        102_000_000, 98_000_000, 100_000_000,
    ]  # fmt: skip


def test_a_time_limit_ends_by_the_clock_of_who_set_it(lab: Any) -> None:
    ended: list[int] = []

    async def wait() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10.0):
                await asyncio.Event().wait()
        ended.append(lab.loop.now_us())

    for ppm in (20_000, -20_000):
        lab.start(wait(), Process("a.1", drift_ppm=ppm))
    lab.pass_(11.0)
    assert ended == [9_803_922, 10_204_082]


def test_a_drifting_clock_that_stood_goes_on_from_where_it_stood(lab: Any) -> None:
    process, ended = Process("a.1", drift_ppm=10_000), []

    async def wait() -> None:
        await asyncio.sleep(10.1)
        ended.append((lab.loop.time(), lab.loop.now_us()))

    lab.start(wait(), process)
    lab.pass_(4.0)
    process.stop(clocks_stand=True)
    lab.pass_(50.0)
    process.go_on(lab.loop, frozen_us=50_000_000)
    lab.pass_(7.0)
    assert ended == [(10.1, 60_000_000)]
