"""The composition root of the engine, and its one entrypoint (``python -m krakked.engine``).

Environments, the simulator in this process and lock-step replays differ here and in ``venues.py``,
and nowhere below: they are a time line, addresses and files.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from typing import Final

from krakked.adapters.kraken.observers import Silent
from krakked.adapters.system.clock import LoopClock, SystemClock
from krakked.engine import reporting, venues
from krakked.engine.places import Places, places_of
from krakked.engine.running import Given, Run
from krakked.engine.venues import Pace
from krakked.ports.clock import Clock
from krakked.runtime import logs, simulated_time
from krakked.runtime.exit_codes import ExitCode
from krakked.runtime.run_options import RunOptions
from krakked.runtime.settings import Settings, load_settings
from krakked.runtime.supervisor import Supervisor, exit_code_of, hear_signals
from krakked.simulator.markets import opening_ns

DEV_START_NS: Final = 1_767_225_600 * 1_000_000_000
"""2026-01-01 00:00 UTC: the time of a new synthetic market, so that one seed is one market."""


def run(options: RunOptions) -> int:
    """Start, trade, stop; the exit code (``docs/exit-codes.md``).

    Raises:
        KrakkedError: what a person must mend; the command line prints its one line.
    """
    loaded = load_settings(
        options.environment,
        config_dir=options.config_dir,
        overrides=options.overrides,
        environ=os.environ,  # noqa: TID251 - the composition root hands it on
    )
    places = places_of(loaded.settings, options)
    pace = _pace(loaded.settings, options, places)
    return exit_code_of(lambda: _run_on(pace, loaded.settings, options, places))


def _pace(settings: Settings, options: RunOptions, places: Places) -> Pace | None:
    """The time line of a simulator in this process; None: the machine's own."""
    if not venues.is_in_process(settings):
        return None
    simulator = venues.simulator_options(
        settings, options, state=places.simulator_state, is_lock_step=False
    )
    return Pace(start_ns=opening_ns(simulator, otherwise_ns=DEV_START_NS), speed=simulator.speed)


def _run_on(pace: Pace | None, settings: Settings, options: RunOptions, places: Places) -> int:
    if pace is None:
        return asyncio.run(_main(settings, options, places, Pace(start_ns=0, speed=1.0)))
    return simulated_time.run(
        _main(settings, options, places, pace), start_ns=pace.start_ns, speed=pace.speed
    )


async def _main(settings: Settings, options: RunOptions, places: Places, pace: Pace) -> int:
    loop = asyncio.get_running_loop()
    clock: Clock = SystemClock()
    if isinstance(loop, simulated_time.SimulatedTimeLoop):
        clock = LoopClock(loop)
    logs.configure(
        logs.LogOptions(
            level=settings.logging.level,
            format=settings.logging.format,
            environment=settings.environment.value,
        ),
        now_ns=clock.now_ns,
    )
    given = Given(
        settings=settings,
        options=options,
        places=places,
        pace=pace,
        environ=os.environ,  # noqa: TID251 - the composition root hands it on
        clock=clock,
        listeners=(logs.event_listener(),),
        observer=Silent(),
    )
    supervisor = Supervisor()
    undo = hear_signals(supervisor)
    try:
        async with AsyncExitStack() as stack:
            return await _live(Run(given, supervisor, stack), supervisor)
    finally:
        undo()


async def _live(run: Run, supervisor: Supervisor) -> int:
    starting = asyncio.ensure_future(run.start())
    ending = asyncio.ensure_future(supervisor.wait_for_end())
    await asyncio.wait((starting, ending), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        return ExitCode.INTERRUPTED
    await starting
    run.arrange_end()
    await ending
    if supervisor.exit_code != ExitCode.DONE:
        return supervisor.exit_code
    report = await run.stop()
    _print(report)
    return ExitCode.BOOKS_DIFFER if report.differences else ExitCode.DONE


def _print(report: reporting.Report) -> None:
    out = sys.stdout
    out.write(reporting.render(report) + "\n")
    out.write("\n".join(reporting.verdict_lines(report.differences)) + "\n")
    out.flush()
