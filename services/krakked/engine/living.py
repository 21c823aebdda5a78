"""The life of one run: start, wait for what ends it, stop; on this machine and in a world alike."""

from __future__ import annotations

import asyncio
from typing import Final

from krakked.domain.errors import KrakkedError
from krakked.engine import reporting
from krakked.engine.running import Run
from krakked.runtime.exit_codes import ExitCode
from krakked.runtime.supervisor import Supervisor

HURRIED: Final = (
    "stopped at the second signal; the books were not compared with the venue's, "
    "the next start does that"
)


async def live(run: Run, supervisor: Supervisor) -> reporting.Report | None:
    """Until it has ended by itself, by a signal or by a failure; what it did, if that is known.

    Raises:
        KrakkedError: it could not start, or could not stop as it should.
    """
    starting = asyncio.ensure_future(run.start())
    ending = asyncio.ensure_future(supervisor.wait_for_end())
    await asyncio.wait((starting, ending), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait((starting,))
        await run.leading.end_early(None)
        supervisor.request_stop("interrupted before the engine stood", ExitCode.INTERRUPTED)
        return None
    try:
        await starting
    except KrakkedError as error:
        await run.leading.end_early(error)
        raise
    run.arrange_end()
    await ending
    if supervisor.exit_code != ExitCode.DONE:
        return None
    report = await run.stop()
    if report is None:
        supervisor.request_stop(HURRIED, ExitCode.INTERRUPTED)
    return report
