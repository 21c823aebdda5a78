"""The loop's promise: same program, same events, same instants, and no jump past anything busy."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientSession, ClientTimeout, web

from krakked.adapters.system.clock import LoopClock, SystemClock
from krakked.domain.times import NS_PER_SECOND
from krakked.runtime import simulated_time
from krakked.runtime.simulated_time import SimulatedTimeLoop, run

START_NS = 1_546_300_800 * NS_PER_SECOND  # 2019-01-01


def the_loop() -> SimulatedTimeLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedTimeLoop)
    return loop


def quick(main: Awaitable[object]) -> object:
    return run(main, start_ns=START_NS, speed=None)  # type: ignore[arg-type]  # coroutines only


def test_a_long_sleep_takes_no_real_time_and_ends_at_its_instant() -> None:
    async def main() -> int:
        await asyncio.sleep(86_400 * 365)
        return the_loop().now_ns()

    before = time.monotonic()
    assert quick(main()) == START_NS + 86_400 * 365 * NS_PER_SECOND
    assert time.monotonic() - before < 2


def test_timers_fire_in_the_order_of_their_instants_then_of_their_making() -> None:
    seen: list[tuple[str, float]] = []

    async def wait(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append((name, the_loop().time()))

    async def main() -> None:
        await asyncio.gather(wait("c", 3), wait("a", 1), wait("b1", 2), wait("b2", 2))

    quick(main())
    assert seen == [("a", 1.0), ("b1", 2.0), ("b2", 2.0), ("c", 3.0)]


def test_three_years_of_hourly_timers_fire_at_exact_instants_and_quickly() -> None:
    async def main() -> list[int]:
        clock = LoopClock(the_loop())
        instants = []
        for _ in range(26_300):
            await clock.sleep(3600)
            instants.append(clock.now_ns())
        return instants

    before = time.monotonic()
    instants = quick(main())
    assert instants == [START_NS + (i + 1) * 3600 * NS_PER_SECOND for i in range(26_300)]
    assert time.monotonic() - before < 15


def test_a_sleep_until_a_nanosecond_never_wakes_before_it_even_after_decades() -> None:
    async def main() -> None:
        clock = LoopClock(the_loop())
        await clock.sleep(86_400 * 365 * 25)
        for step in (1, 999, 1_001, 333_333_333, 999_999_999):
            target = clock.now_ns() + step
            await clock.sleep((target - clock.now_ns()) / NS_PER_SECOND)
            assert 0 <= clock.now_ns() - target < 1_000

    quick(main())


def test_a_timeout_expires_on_simulated_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.get_running_loop().create_future()
        return the_loop().time()

    assert quick(main()) == 3600.0


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


def test_an_echo_over_tcp_takes_no_simulated_time_while_a_timer_waits() -> None:
    async def main() -> None:
        loop = the_loop()
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        ticker = asyncio.create_task(tick_for_ever())
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for turn in range(200):
            before = loop.time()
            writer.write(b"x" * (turn * 700 + 1))
            assert len(await reader.readexactly(turn * 700 + 1)) == turn * 700 + 1
            assert loop.time() == before
            await asyncio.sleep(0.005)
        await farewell(server, writer)
        ticker.cancel()

    quick(main())


async def tick_for_ever() -> None:
    while True:  # noqa: ASYNC110 - there is nothing to wait for but time
        await asyncio.sleep(0.001)


async def farewell(server: asyncio.Server, *writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.close()
    server.close()
    await asyncio.sleep(1)  # the server's side ends by itself


def test_a_closed_connection_is_seen_at_the_instant_it_was_closed() -> None:
    closed_at: list[float] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b"last words"
        closed_at.append(the_loop().time())
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        ticker = asyncio.create_task(tick_for_ever())
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await asyncio.sleep(1)
        writer.write(b"last words")
        writer.close()
        left_at = the_loop().time()
        await asyncio.sleep(1)
        ticker.cancel()
        server.close()
        assert closed_at == [left_at]

    quick(main())


def test_a_peer_that_has_stopped_reading_does_not_hold_the_clock() -> None:
    async def main() -> None:
        served: list[asyncio.StreamWriter] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's transport reads too
            served.append(writer)
            await asyncio.sleep(100)
            writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
            assert await reader.readexactly(5) == b"hello"

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello")
        await asyncio.sleep(200)
        assert the_loop().time() == 200.0
        await farewell(server, writer, *served)

    quick(main())


def test_bytes_that_a_reading_peer_never_takes_are_reported_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(simulated_time, "STUCK_AFTER_S", 0.1)

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await asyncio.sleep(1)
        book = the_loop()._lock_step.loopback
        end = next(end for end in book._ends.values() if end.expected)
        book.sent(end, 7)  # seven bytes that were never sent
        try:
            await asyncio.sleep(1)
        finally:
            book.received(end.mate, 7)
            await farewell(server, writer)

    with pytest.raises(RuntimeError, match=r"no progress .* on 127\.0\.0\.1:\d+ .*sent 7, read 0"):
        quick(main())


def test_an_aiohttp_server_and_client_share_one_simulated_loop() -> None:
    async def hello(request: web.Request) -> web.Response:
        await asyncio.sleep(30)  # thirty simulated seconds
        return web.json_response({"body": (await request.read()).decode()})

    async def main() -> list[float]:
        app = web.Application()
        app.router.add_post("/", hello)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        instants = []
        async with ClientSession(timeout=ClientTimeout(total=60)) as session:
            for turn in range(20):
                async with session.post(f"http://{host}:{port}/", data=str(turn)) as answer:
                    assert await answer.json() == {"body": str(turn)}
                instants.append(the_loop().time())
        await runner.cleanup()
        return instants

    assert quick(main()) == [30.0 * (turn + 1) for turn in range(20)]


def test_an_executor_job_holds_the_clock_and_results_come_in_order_of_submission() -> None:
    order: list[str] = []

    async def job(name: str, real_seconds: float) -> float:
        loop = the_loop()
        await loop.run_in_executor(None, time.sleep, real_seconds)
        order.append(name)
        return loop.time()

    async def main() -> list[float]:
        ticker = asyncio.create_task(tick_for_ever())
        await asyncio.sleep(1)
        ends = await asyncio.gather(job("slow", 0.05), job("quick", 0.0), job("middle", 0.02))
        ticker.cancel()
        return list(ends)

    assert quick(main()) == [1.0, 1.0, 1.0]
    assert order == ["slow", "quick", "middle"]


def test_an_executor_job_that_fails_raises_where_it_is_awaited() -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await the_loop().run_in_executor(None, lambda: 1 // 0)

    quick(main())


def test_a_cancelled_wait_for_an_executor_job_leaves_the_loop_usable() -> None:
    async def main() -> float:
        release = threading.Event()
        waiting = asyncio.ensure_future(the_loop().run_in_executor(None, release.wait))
        await asyncio.sleep(0)
        waiting.cancel()
        release.set()
        await asyncio.sleep(5)
        return the_loop().time()

    assert quick(main()) == 5.0


def test_a_hold_keeps_the_clock_until_an_outside_thread_reports() -> None:
    async def main() -> float:
        loop = the_loop()
        ticker = asyncio.create_task(tick_for_ever())
        done = loop.create_future()
        with loop.hold("a thread of its own"):
            thread = threading.Thread(
                target=lambda: (time.sleep(0.05), loop.call_soon_threadsafe(done.set_result, None))
            )
            before = loop.time()
            thread.start()
            await done
            after = loop.time()
        thread.join()
        ticker.cancel()
        return after - before

    assert quick(main()) == 0.0


def test_a_task_that_spins_does_not_starve_the_sockets() -> None:
    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        answer = asyncio.create_task(reader.readexactly(3))
        writer.write(b"abc")
        while not answer.done():  # noqa: ASYNC110 - spinning is the point
            await asyncio.sleep(0)
        await farewell(server, writer)

    quick(main())


def test_with_a_speed_simulated_seconds_take_their_share_of_real_time() -> None:
    async def main() -> float:
        await asyncio.sleep(20)
        return the_loop().time()

    before = time.monotonic()
    assert run(main(), start_ns=START_NS, speed=100) == pytest.approx(20.0, abs=0.01)
    assert 0.19 < time.monotonic() - before < 2


def test_with_a_speed_timers_of_a_busy_process_still_fire_at_their_own_instants() -> None:
    async def main() -> list[float]:
        instants = []
        for _ in range(5):
            await asyncio.sleep(1)
            time.sleep(0.02)  # noqa: ASYNC251 - twenty simulated seconds of work
            instants.append(the_loop().time())
        return instants

    assert run(main(), start_ns=START_NS, speed=1000) == [1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize("speed", [0, -1, float("inf"), float("nan")])
def test_a_speed_that_is_not_a_positive_number_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        SimulatedTimeLoop(start_ns=0, speed=speed)


def test_a_signal_handler_runs_while_the_loop_is_idle_or_racing() -> None:
    async def main() -> None:
        stop = asyncio.Event()
        the_loop().add_signal_handler(signal.SIGUSR1, stop.set)
        ticker = asyncio.create_task(tick_for_ever())
        os.kill(os.getpid(), signal.SIGUSR1)
        await stop.wait()
        ticker.cancel()
        the_loop().remove_signal_handler(signal.SIGUSR1)

    quick(main())


def test_a_refused_connection_takes_no_simulated_time() -> None:
    async def main() -> float:
        ticker = asyncio.create_task(tick_for_ever())
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(OSError, match="onnect"):
                await asyncio.open_connection(host, 1)
        ticker.cancel()
        return the_loop().time()

    assert quick(main()) == 0.0


def test_sockets_of_one_machine_are_told_from_those_of_others() -> None:
    found = [simulated_time._is_loopback(address) for address in LOOPBACK]
    assert found == [True, True, True, False, False, False, False]


LOOPBACK = (
    ("127.0.0.1", 1),
    ("::1", 1, 0, 0),
    ("localhost", 1),
    ("10.0.0.1", 1),
    ("example.org", 1),
    "/run/socket",
    (),
)


def test_the_result_of_main_and_its_error_come_out_of_run() -> None:
    async def fails() -> None:
        raise LookupError("as it was raised")

    async def works() -> str:
        return "done"

    assert run(works(), start_ns=START_NS, speed=None) == "done"
    with pytest.raises(LookupError, match="as it was raised"):
        quick(fails())


def test_tasks_that_are_left_over_are_cancelled_and_may_say_goodbye() -> None:
    said: list[float] = []

    async def lingers() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(3)
            said.append(the_loop().time())

    async def main() -> asyncio.Task[None]:
        task = asyncio.create_task(lingers())
        await asyncio.sleep(10)
        return task  # the loop holds tasks weakly

    quick(main())
    assert said == [13.0]


def test_the_start_is_kept_in_whole_microseconds() -> None:
    async def main() -> int:
        return the_loop().now_ns()

    assert run(main(), start_ns=START_NS + 1_999, speed=None) == START_NS + 1_000


def test_a_speed_can_be_asked_for() -> None:
    async def main() -> float | None:
        return the_loop().speed

    assert run(main(), start_ns=0, speed=60) == 60
    assert run(main(), start_ns=0, speed=None) is None


def test_timers_set_in_the_past_or_at_once_fire_without_moving_time() -> None:
    async def main() -> list[str]:
        loop, seen = the_loop(), []
        await asyncio.sleep(5)
        loop.call_at(1.0, seen.append, "past")
        loop.call_later(0, seen.append, "now")
        loop.call_later(-3, seen.append, "negative")
        await asyncio.sleep(0.000_001)
        assert loop.time() == pytest.approx(5.000_001)
        return seen

    assert quick(main()) == ["past", "negative", "now"]


def test_many_timers_of_one_instant_fire_in_one_go() -> None:
    async def main() -> set[float]:
        loop, instants = the_loop(), []
        for _ in range(5_000):
            loop.call_later(7, lambda: instants.append(loop.time()))
        await asyncio.sleep(8)
        assert len(instants) == 5_000
        return set(instants)

    assert quick(main()) == {7.0}


def test_a_large_answer_is_read_whole_before_time_moves() -> None:
    async def main() -> None:
        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"z" * 20_000_000)
            await writer.drain()
            writer.close()

        loop = the_loop()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        ticker = asyncio.create_task(tick_for_ever())
        await asyncio.sleep(1)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        began = loop.time()
        assert len(await reader.read()) == 20_000_000
        assert loop.time() == began
        await farewell(server, writer)
        ticker.cancel()

    quick(main())


def test_a_clock_of_the_machine_sleeps_and_tells_real_time() -> None:
    async def main() -> int:
        clock = SystemClock()
        before = clock.now_ns()
        await clock.sleep(0.01)
        return clock.now_ns() - before

    assert asyncio.run(main()) >= 10_000_000
    assert abs(SystemClock().now_ns() - time.time_ns()) < NS_PER_SECOND


async def busy_world(log: Callable[[str], None]) -> None:
    """Chatter over several sockets with timers and jobs between; every event is logged."""
    loop = the_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            log(f"{loop.time():.6f} server got {line!r}")
            await asyncio.sleep(len(line) / 7)
            writer.write(line.upper() * 40)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()

    async def talk(name: str) -> None:
        reader, writer = await asyncio.open_connection(*address)
        for turn in range(25):
            writer.write(f"{name} {turn}\n".encode())
            for _ in range(40):
                line = await reader.readline()
            log(f"{loop.time():.6f} {name} got {line!r}")
            await loop.run_in_executor(None, hashlib.sha256, b"x" * turn * 10_000)
            log(f"{loop.time():.6f} {name} hashed")
            await asyncio.sleep(0.25)
        writer.close()
        await writer.wait_closed()

    names = {"anna", "bob", "carl", "dora"}  # a set: the callers' order is not ours to keep
    await asyncio.gather(*(talk(name) for name in sorted(names)))
    await farewell(server)


def digest_of_a_busy_world() -> str:
    digest = hashlib.sha256()
    run(busy_world(lambda line: digest.update(line.encode())), start_ns=START_NS, speed=None)
    return digest.hexdigest()


def test_a_busy_world_happens_in_the_same_order_twice() -> None:
    assert digest_of_a_busy_world() == digest_of_a_busy_world()


def test_a_busy_world_happens_in_the_same_order_under_two_hash_seeds() -> None:
    digests = {
        subprocess.run(
            [sys.executable, __file__],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
            timeout=50,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop()) == 64


if __name__ == "__main__":
    sys.stdout.write(digest_of_a_busy_world())
