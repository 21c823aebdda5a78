"""The stop of a run, in named stages: drain, compare the books with the venue's, report, let go."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from krakked.domain.events import EventName
from krakked.engine import reporting
from krakked.runtime.settings import Environment

if TYPE_CHECKING:
    from krakked.adapters.kraken.rest import KrakenRest
    from krakked.engine.running import Run
    from krakked.trading.engine import Engine

DRAIN_S: Final = 15.0
"""Longer than a call to the venue may take (``venue.timeout_seconds``), for one that is cut off has
an order in doubt."""
BOOKS_S: Final = 10.0
"""For comparing the books, and as long again for what was asked for by then."""
REFRESH_S: Final = 5.0
"""Whether the last refresh is answered changes nothing here: what waits for it is the lease."""
GRACE_S: Final = 60.0
"""What Kubernetes gives a pod between SIGTERM and SIGKILL, as the chart asks for it."""


async def stop(run: Run, engine: Engine, rest: KrakenRest) -> reporting.Report | None:
    """Drain, compare the books with the venue's to the last digit, close; what the run did.

    A second signal cuts short what waits for the venue, and there is no report then. Nothing is
    lost: orders and fills are on record, and the next start finds out what became of them.
    """
    hurriedly = run.supervisor.unless_hurried
    try:
        run.leading.drain()
        # First: what it asks from here on would be missing in the last comparison.
        await run.supervisor.stop("reconcile")
        await hurriedly(run.stage("drain", engine.drain(), timeout_s=DRAIN_S))
        await run.supervisor.stop("cycles", "stops", "history")
        comparing = _compare_books(run, engine, rest)
        compared = await hurriedly(run.stage("books", comparing, timeout_s=2 * BOOKS_S))
        # Only now: the last fills were booked in between.
        snapshot = await hurriedly(engine.marker.mark())
        # A whole period of the switch for whoever comes next; it is never disarmed.
        await hurriedly(_refresh_once_more(run, engine))
        await hurriedly(run.leading.release())
    finally:
        await run.supervisor.stop()
        engine.desk.recorder.publish(engine.desk.recorder.event(EventName.ENGINE_STOPPED))
    if compared is None or snapshot is None:
        return None
    return reporting.report_of(
        engine,
        run.given.places.database,
        snapshot,
        began=run.books_at_start,
        compared=compared,
        uncovered=() if run.simulator is None else run.simulator.uncovered(),
    )


async def _refresh_once_more(run: Run, engine: Engine) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(REFRESH_S * run.given.pace.patience):
            await engine.dead_man.refresh()


async def _compare_books(run: Run, engine: Engine, rest: KrakenRest) -> reporting.Compared:
    return await reporting.compare_books(
        engine,
        lambda: reporting.read_fills(run.given.places.database),
        since_ns=_compared_from_ns(run),
        limit_s=BOOKS_S * run.given.pace.patience,
        waited_ns=rest.waited_ns,
    )


def _compared_from_ns(run: Run) -> int:
    """In dev everything; elsewhere what this run did, for a stop must not take long."""
    is_dev = run.given.settings.environment is Environment.DEV
    return 0 if is_dev else run.began_ns
