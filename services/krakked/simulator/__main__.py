"""Composition root of a simulator in a process of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable

from krakked.adapters.system.clock import LoopClock, SystemClock
from krakked.domain.errors import BadInput
from krakked.ports.clock import Clock
from krakked.runtime import simulated_time
from krakked.runtime.exit_codes import ExitCode
from krakked.runtime.simulated_time import SimulatedTimeLoop
from krakked.simulator.markets import opening_ns
from krakked.simulator.options import SimulatorOptions
from krakked.simulator.server import RunningSimulator, start

Announce = Callable[[RunningSimulator], None]


def run(options: SimulatorOptions, *, announce: Announce, at_end: Announce) -> int:
    """Serve until SIGINT or SIGTERM; the exit code.

    ``announce`` is called when the ports are open, ``at_end`` when a replay has played its last.

    Raises:
        BadInput: what a person must mend.
    """
    now_ns = SystemClock().now_ns()
    start_ns = opening_ns(options, otherwise_ns=now_ns)
    if options.speed == 1 and start_ns == now_ns:
        asyncio.run(_serve(options, SystemClock(), announce, at_end))
    else:
        main = _serve_simulated(options, announce, at_end)
        simulated_time.run(main, start_ns=start_ns, speed=options.speed)
    return ExitCode.DONE


async def _serve_simulated(options: SimulatorOptions, announce: Announce, at_end: Announce) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedTimeLoop)
    await _serve(options, LoopClock(loop), announce, at_end)


async def _serve(
    options: SimulatorOptions, clock: Clock, announce: Announce, at_end: Announce
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    running = await start(options, clock=clock)
    announce(running)
    over = asyncio.create_task(running.market_over(), name="market over")
    over.add_done_callback(lambda task: None if task.cancelled() else at_end(running))
    waits = (
        asyncio.create_task(stopped.wait(), name="signal"),
        asyncio.create_task(running.failed(), name="simulator failure"),
    )
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (*waits, over):
            task.cancel()
        await running.stop()


def _say(running: RunningSimulator) -> None:
    sys.stdout.write(f"{running!r}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(
            run(
                SimulatorOptions(listen="127.0.0.1:8700", admin="127.0.0.1:8701"),
                announce=_say,
                at_end=_say,
            )
        )
    except BadInput as problem:
        sys.stderr.write(f"krakked: {problem}\n")
        sys.exit(problem.exit_code)
