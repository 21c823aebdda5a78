"""The composition root of the engine, and its one entrypoint (``python -m krakked.engine``).

Environments, the simulator in this process and lock-step replays differ here and in ``venues.py``,
and nowhere below: they are a time line, addresses and files.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import AsyncExitStack, ExitStack

from krakked.adapters.system.clock import LoopClock, SystemClock
from krakked.domain.errors import BadInput
from krakked.engine import reporting, telling
from krakked.engine.paces import pace_of
from krakked.engine.places import Places, places_of
from krakked.engine.running import Given, Run
from krakked.engine.venues import Pace
from krakked.ports.clock import Clock
from krakked.runtime import logs, simulated_time
from krakked.runtime.exit_codes import ExitCode
from krakked.runtime.health import HealthServer, HealthState
from krakked.runtime.metrics import Metrics
from krakked.runtime.run_options import RunOptions
from krakked.runtime.settings import Mode, Settings, load_settings
from krakked.runtime.supervisor import Supervisor, exit_code_of, hear_signals


def run(options: RunOptions) -> int:
    """Start, trade, stop; the exit code (``docs/exit-codes.md``).

    Raises:
        KrakkedError: what a person must mend; the command line prints its one line.
    """
    settings = load_settings(
        options.environment,
        config_dir=options.config_dir,
        overrides=options.overrides,
        environ=os.environ,  # noqa: TID251 - the composition root hands it on
    ).settings
    if options.once and settings.execution.mode is Mode.LIVE:
        raise BadInput("run-once never trades live: set execution.mode to dry_run or paper")
    places = places_of(settings, options)
    pace = pace_of(settings, options, places)
    return exit_code_of(lambda: _run_on(pace, settings, options, places))


def _run_on(pace: Pace | None, settings: Settings, options: RunOptions, places: Places) -> int:
    if pace is None:
        return asyncio.run(_main(settings, options, places, Pace(start_ns=0, speed=1.0)))
    return simulated_time.run(
        _main(settings, options, places, pace), start_ns=pace.start_ns, speed=pace.speed
    )


async def _main(settings: Settings, options: RunOptions, places: Places, pace: Pace) -> int:
    clock = _clock()
    logs.configure(telling.log_options(settings), now_ns=clock.now_ns)
    metrics = Metrics(
        environment=settings.environment.value, currency=settings.portfolio.base_currency
    )
    supervisor = Supervisor()
    undo = hear_signals(supervisor)
    try:
        with ExitStack() as view:
            progress = telling.progress(options, view)
            listeners = [telling.voice(settings), metrics.listen]
            given = Given(
                settings=settings,
                options=options,
                places=places,
                pace=pace,
                environ=os.environ,  # noqa: TID251 - the composition root hands it on
                clock=clock,
                listeners=listeners if progress is None else [*listeners, progress],
                metrics=metrics,
                health=_health(settings, options, metrics, view),
            )
            async with AsyncExitStack() as stack:
                report = await _live(Run(given, supervisor, stack), supervisor)
        return _end(report, supervisor)
    finally:
        undo()


def _clock() -> Clock:
    loop = asyncio.get_running_loop()
    if isinstance(loop, simulated_time.SimulatedTimeLoop):
        return LoopClock(loop)
    return SystemClock()


def _health(
    settings: Settings, options: RunOptions, metrics: Metrics, stack: ExitStack
) -> HealthState:
    """Probes are for what runs unattended: a replay and a single cycle serve none."""
    state = HealthState(wall_ns=time.time_ns)  # noqa: TID251 - the machine's own clock is watched
    port = settings.health.port
    if port is not None and options.candles is None and not options.once:
        server = HealthServer(state, host=settings.health.host, port=port, metrics=metrics.page)
        server.start()
        stack.callback(server.stop)
    return state


async def _live(run: Run, supervisor: Supervisor) -> reporting.Report | None:
    """Start, wait for the end, stop; None if it ended otherwise."""
    try:
        return await _live_until_stopped(run, supervisor)
    finally:
        await supervisor.stop()


async def _live_until_stopped(run: Run, supervisor: Supervisor) -> reporting.Report | None:
    starting = asyncio.ensure_future(run.start())
    ending = asyncio.ensure_future(supervisor.wait_for_end())
    await asyncio.wait((starting, ending), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait((starting,))
        supervisor.request_stop("interrupted", ExitCode.INTERRUPTED)
        return None
    await starting
    run.arrange_end()
    await ending
    return await run.stop() if supervisor.exit_code == ExitCode.DONE else None


def _end(report: reporting.Report | None, supervisor: Supervisor) -> int:
    if report is None:
        return supervisor.exit_code
    sys.stdout.write(reporting.render(report) + "\n")
    sys.stdout.write("\n".join(reporting.verdict_lines(report.differences)) + "\n")
    sys.stdout.flush()
    return ExitCode.BOOKS_DIFFER if report.differences else ExitCode.DONE
