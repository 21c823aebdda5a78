"""The composition root of the engine, and its one entrypoint (``python -m krakked.engine``).

Environments, the simulator in this process and lock-step replays differ here and in ``venues.py``,
and nowhere below: they are a time line, addresses and files.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import TypeAlias

import msgspec

from krakked.adapters.system.clock import LoopClock, SystemClock
from krakked.domain.commands import Reply
from krakked.domain.errors import BadInput
from krakked.domain.fills import OpeningLot
from krakked.engine import reporting, telling, venues
from krakked.engine.by_hand import ByHand, Deed, check_place, without_answer
from krakked.engine.edges import MachineEdges
from krakked.engine.given import Given
from krakked.engine.lease_edges import LeaseEdges, MachineLease, OwnLease
from krakked.engine.living import live
from krakked.engine.opening import Known
from krakked.engine.paces import pace_of
from krakked.engine.places import Places, places_of, simulator_state_of
from krakked.engine.running import Run
from krakked.engine.strictness import strict
from krakked.engine.venues import Pace
from krakked.ports.clock import Clock
from krakked.runtime import logs, simulated_time
from krakked.runtime.credentials import Keys
from krakked.runtime.exit_codes import ExitCode
from krakked.runtime.health import HealthServer, HealthState
from krakked.runtime.metrics import Metrics
from krakked.runtime.run_options import RunOptions
from krakked.runtime.settings import Loaded, Mode, Settings, load_settings
from krakked.runtime.supervisor import Supervisor, exit_code_of, hear_signals

Work: TypeAlias = Callable[[Run, Supervisor], Awaitable[int]]


def run(options: RunOptions) -> int:
    """Start, trade, stop; the exit code (``docs/exit-codes.md``).

    Raises:
        KrakkedError: what a person must mend; the command line prints its one line.
    """
    return _with_settings(options, _trade)


def book_opening_lots(
    options: RunOptions,
    *,
    confirm: Callable[[Sequence[OpeningLot]], bool],
    known: Known | None = None,
) -> int:
    """``krakked portfolio init``; the exit code. Nothing is traded.

    Raises:
        KrakkedError: what a person must mend.
    """
    return _with_settings(options, lambda run, _: run.initialize(confirm, known or Known()))


def carry_out(options: RunOptions, deed: Deed) -> Reply:
    """One command of a person where no engine runs; the answer (``engine/by_hand.py``).

    Raises:
        KrakkedError: it could not be carried out; says what a person must mend.
    """
    done = ByHand(deed)
    code = _with_settings(options, lambda run, supervisor: _act(run, supervisor, done))
    if done.reply is None:
        raise without_answer(deed, f"exit code {code}")
    return done.reply


def _with_settings(options: RunOptions, work: Work) -> int:
    environ = os.environ  # noqa: TID251 - the composition root hands it on
    venues.check_flags(options)
    loaded = load_settings(
        options.environment,
        config_dir=options.config_dir,
        overrides=options.overrides,
        environ=environ,
        beside=lambda settings: venues.missing_keys(settings, environ, options.config_dir),
    )
    settings = loaded.settings
    venues.check_flags(options, settings)
    if options.is_by_hand:
        check_place(settings, environ, simulator_state_of(options))
    if options.once and settings.execution.mode is Mode.LIVE:
        raise BadInput("run-once never trades live: set execution.mode to dry_run or paper")
    pace = pace_of(settings, options)
    keys = venues.keys_of(settings, environ, options.config_dir)
    plain = _Plain(loaded, options, places_of(settings, options), keys)
    # Before anything can fail: what is not configured shows whole objects in its tracebacks.
    log_options = telling.log_options(settings, keys.secrets())
    out = telling.stream_of(options)
    logs.configure(log_options, now_ns=time.time_ns, stream=out)  # noqa: TID251 - until there is a Clock
    return exit_code_of(lambda: _run_on(pace, plain, work))


class _Plain(msgspec.Struct, frozen=True):
    """What was read before any loop runs."""

    loaded: Loaded
    options: RunOptions
    places: Places
    keys: Keys


def _run_on(pace: Pace | None, plain: _Plain, work: Work) -> int:
    if pace is None:
        return asyncio.run(_main(plain, Pace(start_ns=0, speed=1.0), work))
    start_ns = pace.begins_at_ns(time.monotonic())  # noqa: TID251 - the clock of others goes on
    return simulated_time.run(_main(plain, pace, work), start_ns=start_ns, speed=pace.speed)


def _leases(pace: Pace, clock: Clock) -> LeaseEdges:
    """In lock step nobody can compete: the venue is in this process, and gone with it."""
    if pace.speed is None:
        return OwnLease()
    environ = os.environ  # noqa: TID251 - the composition root hands it on
    return MachineLease(environ, is_real_time=isinstance(clock, SystemClock))


async def _main(plain: _Plain, pace: Pace, work: Work) -> int:
    settings, options, places = plain.loaded.settings, plain.options, plain.places
    clock = _clock()
    log_options = telling.log_options(settings, plain.keys.secrets())
    out = telling.stream_of(options)
    logs.configure(log_options, now_ns=clock.now_ns, stream=out)
    metrics = Metrics(
        environment=settings.environment.value, currency=settings.portfolio.base_currency
    )
    supervisor = Supervisor()
    undo = hear_signals(supervisor)
    try:
        with ExitStack() as view:
            progress = telling.progress(options, view)
            listeners = [telling.voice_of(settings, options, out, view), metrics.listen]
            if options.is_strict:
                listeners.append(strict(supervisor))
            given = Given(
                settings=settings,
                source_of=plain.loaded.source_of,
                options=options,
                places=places,
                pace=pace,
                keys=plain.keys,
                clock=clock,
                listeners=listeners if progress is None else [*listeners, progress],
                metrics=metrics,
                health=_health(settings, options, metrics, view),
                edges=MachineEdges(uses_threads=pace.speed is not None),
                leases=_leases(pace, clock),
            )
            async with AsyncExitStack() as stack:
                run = Run(given, supervisor, stack)
                stack.callback(_forget_unless_begun, run)  # called last, when all is closed
                return await work(run, supervisor)
    finally:
        undo()


def _forget_unless_begun(run: Run) -> None:
    """A replay that was refused (its range, a bad row) leaves no folder."""
    if run.engine is None:
        run.given.places.forget()


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
    is_watched = not (options.once or options.is_by_hand)
    if port is not None and options.candles is None and is_watched:
        server = HealthServer(state, host=settings.health.host, port=port, metrics=metrics.page)
        server.start()
        stack.callback(server.stop)
    return state


async def _trade(run: Run, supervisor: Supervisor) -> int:
    """Start, wait for the end, stop, report."""
    try:
        report = await live(run, supervisor)
    finally:
        await supervisor.stop()
    return _end(report, supervisor, as_json=run.given.options.as_json)


async def _act(run: Run, supervisor: Supervisor, done: ByHand) -> int:
    """What differs afterwards is told on standard error, beside the answer."""
    run.by_hand = done
    try:
        report = await live(run, supervisor)
    finally:
        await supervisor.stop()
    if report is not None and report.differences:
        lines = reporting.verdict_lines(report.differences, report.remarks)
        sys.stderr.writelines(f"krakked: {line}\n" for line in lines)
    elif supervisor.exit_code != ExitCode.DONE:
        sys.stderr.write(f"krakked: {supervisor.reason}\n")
    return supervisor.exit_code


def _end(report: reporting.Report | None, supervisor: Supervisor, *, as_json: bool) -> int:
    """Print how it ended; whatever a task said while stopping counts more than a good report."""
    if report is not None:
        sys.stdout.write(reporting.as_json(report) if as_json else reporting.as_text(report))
        sys.stdout.flush()
        if report.differences:
            return ExitCode.BOOKS_DIFFER
    if supervisor.exit_code != ExitCode.DONE:
        sys.stderr.write(f"krakked: {supervisor.reason}\n")
    return supervisor.exit_code


if __name__ == "__main__":
    # The command line stands above the services; by name, so that no import points upwards.
    command_line = importlib.import_module("krakked.cli.__main__")
    sys.argv[1:1] = ["run"]
    command_line.main()
